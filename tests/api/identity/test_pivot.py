"""Civil identities with the dirt of the real world."""

import pytest

from app.core.problems import Problem
from app.identity.civil import Civil, compute_duplicate_keys
from app.identity.pivot import last_possible_day, read_civil, read_claims, tidy_text
from tests.api.identity.test_civil import KEY

NOW_S = 1_795_000_000  # 2026-11-18
PIVOT = {
    "family_name": "DUBOIS",
    "given_name": "Angela Claire Louise",
    "given_name_array": ["Angela", "Claire", "Louise"],
    "birthdate": "1962-08-24",
    "birthplace": "75107",
    "birthcountry": "99100",
}


def claims(**changes):
    return read_claims(PIVOT | changes, now_s=NOW_S)


def civil(**changes):
    fields = {"family_name": "Durand", "given_names": ["Eva"], "birthdate": "1980-01-01"}
    return read_civil(fields | changes, now_s=NOW_S)


@pytest.mark.parametrize("birthdate", ["1962-08-24", "1962-08-00", "1962-00-00"])
def test_presumed_birth_dates_are_read_kept_and_indexed_as_they_come(birthdate):
    record = claims(birthdate=birthdate)
    assert record.birthdate == birthdate
    digests = {
        compute_duplicate_keys(KEY, claims(birthdate=other)).strict
        for other in ("1962-08-24", "1962-08-00", "1962-00-00")
    }
    assert len(digests) == 3, "an unknown day is not any day"


@pytest.mark.parametrize(
    ("birthdate", "latest"),
    [
        ("1962-08-24", (1962, 8, 24)),
        ("1964-02-00", (1964, 2, 29)),
        ("2011-00-00", (2011, 12, 31)),
    ],
)
def test_a_presumed_date_counts_as_its_last_possible_day(birthdate, latest):
    assert last_possible_day(birthdate) == latest


@pytest.mark.parametrize(
    "birthdate",
    ["1962-02-30", "1962-00-24", "1700-01-01", "0000-00-00", "2027-01-01", "2026-12-00",
     "1962-8-24", "1962-08-24\n", "١٩٦٢-08-24"],
)  # fmt: skip
def test_dates_that_no_title_carries_are_refused(birthdate):
    with pytest.raises(Problem) as refused:
        claims(birthdate=birthdate)
    assert refused.value.code.name == "civil_invalid"
    assert birthdate not in refused.value.detail


def test_all_given_names_in_one_string_meet_the_same_person_with_an_array():
    listed, joined = claims(), claims(given_name_array=None)
    assert joined.given_names == ("Angela Claire Louise",)
    a, b = (compute_duplicate_keys(KEY, record) for record in (listed, joined))
    assert (a.strict, a.loose, a.swap) == (b.strict, b.loose, b.swap)


def test_a_birth_abroad_needs_no_place_and_ignores_one():
    born = claims(birthcountry="99341", birthplace="12345")
    assert (born.birthplace, born.birthcountry) == ("", "99341")
    assert claims(birthcountry="99341", birthplace="") == born


@pytest.mark.parametrize("place", ["2A004", "2B033", "97411", "98818", "01001"])
def test_codes_of_corsica_and_overseas_are_places(place):
    assert civil(birthplace=place).birthplace == place


@pytest.mark.parametrize("place", ["2C004", "AA001", "7510", "751077", "75107\n"])
def test_codes_of_no_commune_are_refused(place):
    with pytest.raises(Problem):
        civil(birthplace=place)


def test_names_come_out_in_nfc_with_single_blanks():
    assert tidy_text("  Le\u00a0 \u2009Goff ") == "Le Goff"
    assert civil(family_name="Lefe\u0300vre").family_name == "Lefèvre"


@pytest.mark.parametrize(
    "name",
    ["Du\u202erand", "Du\u2066rand", "Du\x00rand", "Du\x1brand", "Du\u200brand", "Du\ue000rand",
     "Durand\n", "Иванов", "王", "-", " "],
)  # fmt: skip
def test_control_bidi_and_letterless_names_are_refused(name):
    """Without a Latin letter all such names would share one index."""
    for field, value in (("family_name", name), ("given_names", [name])):
        with pytest.raises(Problem) as refused:
            civil(**{field: value})
        assert refused.value.code.name == "civil_invalid"


def test_unknown_civil_fields_are_refused():
    with pytest.raises(Problem):
        civil(social_security_number="1")


def test_a_usage_name_is_kept_apart_from_the_name_at_birth():
    married = claims(preferred_username="MARTIN")
    assert (married.family_name, married.usage_name) == ("DUBOIS", "MARTIN")
    assert isinstance(married, Civil)
