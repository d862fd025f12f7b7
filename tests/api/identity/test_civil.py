"""Names, commitments and duplicate indices."""

import json

import msgspec
import pytest

from app.identity.civil import Civil, compute_commitment, compute_duplicate_keys, normalise_name
from tests.vectors.runner import shared_folder

VECTORS = shared_folder() / "vectors/identity/civil_identity_normalisation_proposed.json"
KEY = bytes(range(32))


def load() -> dict:
    if not VECTORS.exists():
        pytest.skip(f"{VECTORS} is absent")
    return json.loads(VECTORS.read_text())


def person(**changes) -> Civil:
    fields = {
        "family_name": "Le Goff",
        "given_names": ("Jean", "Paul"),
        "birthdate": "1980-01-01",
        "birthplace": "59350",
    }
    return Civil(**(fields | changes))


def test_names_are_normalised_as_in_the_33_shared_cases():
    cases = load()["normalisation"]
    assert len(cases) == 33
    for case in cases:
        assert normalise_name(case["in"]) == case["out"], case["in"]


def test_the_strict_index_meets_and_differs_exactly_as_the_shared_nullifiers_do():
    """Our label is our own, so values differ; which persons are one must not."""
    cases = load()["nullifiers"]
    ours = [
        compute_duplicate_keys(
            KEY,
            Civil(
                c["family_name"],
                (c["given_names"],),
                c["birthdate"],
                c["birthplace_cog"],
                c["birthcountry_cog"],
            ),
        ).strict
        for c in cases
    ]
    for i, first in enumerate(cases):
        for j, second in enumerate(cases):
            assert (ours[i] == ours[j]) == (first["strict_v1"] == second["strict_v1"])


def test_fields_are_length_prefixed_so_moving_a_letter_changes_the_index():
    a = compute_duplicate_keys(KEY, person(family_name="Durand", given_names=("Eva",)))
    b = compute_duplicate_keys(KEY, person(family_name="Durande", given_names=("Va",)))
    assert a.strict != b.strict


def test_inverted_names_meet_in_the_swap_index_only():
    a = compute_duplicate_keys(KEY, person(family_name="Martin", given_names=("Claude",)))
    b = compute_duplicate_keys(KEY, person(family_name="Claude", given_names=("Martin",)))
    assert a.swap == b.swap
    assert a.strict != b.strict
    assert a.loose != b.loose


def test_another_middle_name_meets_in_the_loose_index():
    a = compute_duplicate_keys(KEY, person(given_names=("Jean", "Paul")))
    b = compute_duplicate_keys(KEY, person(given_names=("Jean", "Marie")))
    assert a.loose == b.loose
    assert a.strict != b.strict


def test_indices_mean_nothing_without_the_key():
    a, b = (compute_duplicate_keys(key, person()) for key in (KEY, bytes(32)))
    assert {a.strict, a.loose, a.swap}.isdisjoint({b.strict, b.loose, b.swap})


def test_a_commitment_opens_to_one_record_and_one_salt():
    opened = compute_commitment(person(), bytes(32))
    assert opened == compute_commitment(person(), bytes(32))
    assert opened != compute_commitment(person(), bytes(31) + b"\x01")
    assert opened != compute_commitment(person(address="1 rue"), bytes(32))


@pytest.mark.parametrize(
    "changes",
    [
        {"birthdate": "1980-13-01"},
        {"birthdate": "01/01/1980"},
        {"birthplace": "5935"},
        {"given_names": ()},
        {"family_name": ""},
        {"birthcountry": "FR"},
    ],
)
def test_records_of_another_form_are_refused(changes):
    fields = msgspec.to_builtins(person())
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields | changes, Civil)
