"""Enrolment through the API: the phone's half and the clerk's half, and every way to be refused."""

from dataclasses import replace

import pytest

from app.cli.demo.clerk import ATTESTATION_TYPE, read_attestation
from app.cli.demo.client import Refused
from app.cli.demo.http import new_key
from app.core.database import connected
from app.identity.comparison import encode_possession
from app.identity.duplicates import SEARCHES_PER_HOUR
from app.identity.enrolment import ENROLMENT_LIFE_S
from app.identity.models import DuplicateIndex, Person
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.crypto.jws import sign_compact
from chain.crypto.keys import jwk_of
from tests.journeys.kit import CIVIL
from tests.town.town_kit import key


def announce(street, signer, **changes):
    now_s = street.clock()
    message = encode_possession(street.facts.town, signer.kid, now_s)
    body = {
        "key": jwk_of(signer.public_key),
        "issued_at": now_s,
        "signature": b64url_encode(signer.sign(message)),
    }
    return street.api.post("/v1/enrolments", body | changes, key=new_key())


def draft(street, clerk, enrolment, number, **changes):
    body = {
        "number": number,
        "civil": CIVIL,
        "level_identity": 3,
        "level_residence": 2,
        "title_seen": "passport",
    }
    path = f"/v1/desk/enrolments/{enrolment}/draft"
    return clerk.api.post(path, body | changes, token=clerk.token, key=new_key())


@pytest.fixture
def opened(street):
    """(phone, clerk): an open enrolment."""
    phone = street.new_phone("Ana")
    phone.start_enrolment()
    return phone, street.clerk


# --- the phone -------------------------------------------------------------------------------


def test_a_phone_announces_its_key_and_computes_the_number_the_desk_sees(street, opened):
    phone, clerk = opened
    seen = clerk.scan_enrolment("BEFFROI:ENROL:" + phone.enrolment)
    assert seen["key"] == jwk_of(phone.identity_key.public_key)
    assert seen["number"] == phone.comparison_number()
    assert phone.enrolment_status() == "open"


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": "A" * 86},
        {"issued_at": 1_700_000_000},
        {"key": jwk_of(key("another").public_key)},
    ],
)
def test_a_key_without_its_proof_is_refused(street, changes):
    answer = announce(street, key("phone"), **changes)
    assert (answer.status, answer.code) == (403, "enrolment_proof_invalid")


def test_a_proof_for_another_town_is_refused(street):
    signer, now_s = key("phone"), street.clock()
    foreign = b64url_encode(signer.sign(encode_possession("A" * 43, signer.kid, now_s)))
    assert announce(street, signer, signature=foreign).code == "enrolment_proof_invalid"


def test_the_start_needs_an_idempotency_key_and_replays_by_it(street):
    signer, now_s = key("phone"), street.clock()
    proof = signer.sign(encode_possession(street.facts.town, signer.kid, now_s))
    body = {
        "key": jwk_of(signer.public_key),
        "issued_at": now_s,
        "signature": b64url_encode(proof),
    }
    assert street.api.post("/v1/enrolments", body).code == "idempotency_key_required"
    first = street.api.post("/v1/enrolments", body, key="0123456789")
    again = street.api.post("/v1/enrolments", body, key="0123456789")
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"


def test_an_unknown_enrolment_is_not_found_and_an_old_one_is_gone(street, opened):
    phone, clerk = opened
    assert street.api.get("/v1/enrolments/" + "A" * 22).status == 404
    street.town.clock.seconds += ENROLMENT_LIFE_S
    answer = street.api.get(f"/v1/enrolments/{phone.enrolment}")
    assert (answer.status, answer.code) == (410, "enrolment_expired")
    street.town.clock.seconds -= 1
    assert street.api.get(f"/v1/enrolments/{phone.enrolment}").status == 200
    del clerk


# --- the desk --------------------------------------------------------------------------------


def test_the_desk_is_for_clerks_only(street, opened):
    phone, _ = opened
    owner = street.open_shop("boulangerie")
    path = f"/v1/desk/enrolments/{phone.enrolment}"
    assert street.api.get(path).code == "auth_token_required"
    assert street.api.get(path, token=owner.token).code == "auth_scope_missing"
    assert street.api.get("/v1/desk/batch", token=owner.token).code == "auth_scope_missing"


def test_a_pending_identity_sees_its_own_opening(street):
    phone = street.new_phone()
    street.enrol(phone, family_name="Nguyễn", given_names=["Ana", "Lê"])
    own = phone.read_identity()
    assert own["status"] == "pending"
    assert own["opening"]["civil"]["family_name"] == "Nguyễn"
    assert own["height"] == 0


def test_the_wrong_number_seals_nothing(street, opened):
    phone, clerk = opened
    wrong = f"{(int(phone.comparison_number()) + 1) % 1_000_000:06d}"
    answer = draft(street, clerk, phone.enrolment, wrong)
    assert (answer.status, answer.code) == (409, "enrolment_number_differs")
    with connected():
        assert Person.select().count() == 0


def test_a_second_draft_replaces_the_first_and_its_key(street, opened):
    phone, clerk = opened
    number = phone.comparison_number()
    first = draft(street, clerk, phone.enrolment, number).body["cid"]
    second = draft(street, clerk, phone.enrolment, number).body["cid"]
    assert first != second
    with connected():
        assert [p.cid for p in Person.select()] == [second]
        assert DuplicateIndex.select().count() == 3
    files = list(street.town.config.person_keys.rglob("*.key"))
    assert [p.stem for p in files] == [second]


def test_another_clerk_cannot_take_over_a_draft(street, opened):
    phone, clerk = opened
    number = phone.comparison_number()
    assert draft(street, clerk, phone.enrolment, number).status == 201
    other = street.supervisor
    assert draft(street, other, phone.enrolment, number).code == "enrolment_wrong_state"


def test_a_draft_nobody_signed_is_forgotten_with_its_key(street, opened):
    phone, clerk = opened
    draft(street, clerk, phone.enrolment, phone.comparison_number())
    street.town.clock.seconds += ENROLMENT_LIFE_S
    street.town.lab.now_s = street.town.clock.seconds
    late = street.new_phone()
    late.start_enrolment()
    clerk = street.clerk
    assert draft(street, clerk, late.enrolment, late.comparison_number()).status == 201
    with connected():
        assert Person.select().count() == 1
    assert len(list(street.town.config.person_keys.rglob("*.key"))) == 1


@pytest.mark.parametrize(
    "forge",
    [
        lambda a, clerk, other: sign_compact(encode_canonical(a), ATTESTATION_TYPE, other),
        lambda a, clerk, other: sign_compact(encode_canonical(a), "beffroi-tx", clerk),
        lambda a, clerk, other: sign_compact(
            encode_canonical(_with(a, level_identity=2)), ATTESTATION_TYPE, clerk
        ),
        lambda a, clerk, other: b"this.is.no.jws.at.all",
    ],
)
def test_only_the_drafted_attestation_signed_by_this_agent_is_taken(street, opened, forge):
    phone, clerk = opened
    made = draft(street, clerk, phone.enrolment, phone.comparison_number()).body
    attestation = read_attestation(made["attestation"])
    text = forge(attestation, clerk.key, key("somebody")).decode()
    answer = clerk.api.post(
        f"/v1/desk/enrolments/{phone.enrolment}/attestation",
        {"attestation": text},
        token=clerk.token,
        key=new_key(),
    )
    assert (answer.status, answer.code) == (422, "identity_attestation_differs")
    assert phone.enrolment_status() == "drafted"


def _with(attestation, **changes):
    from msgspec.structs import replace as replace_struct

    return replace_struct(attestation, **changes)


def test_the_commitment_hides_equal_people(street):
    """Two files of the same content (a reset desk) commit to different values."""
    phone, clerk = street.new_phone(), street.clerk
    phone.start_enrolment()
    number = phone.comparison_number()
    seen = {
        draft(street, clerk, phone.enrolment, number).body["attestation"]["commitment"]
        for _ in range(3)
    }
    assert len(seen) == 3


# --- duplicates ------------------------------------------------------------------------------


def test_the_same_person_on_another_phone_is_a_duplicate(street):
    street.enrol(street.new_phone(), family_name="Lefèvre")
    with pytest.raises(Refused) as refused:
        street.enrol(street.new_phone(), family_name="LEFEVRE")
    assert refused.value.answer.code == "identity_duplicate"


def test_a_twin_is_enrolled_once_the_agent_gives_the_reason(street, opened):
    phone, clerk = opened
    street.enrol(street.new_phone(), family_name="Lefèvre", given_names=["Ana", "Marie"])
    civil = CIVIL | {"family_name": "Lefèvre", "given_names": ["Ana", "Rose"]}
    number = phone.comparison_number()
    answer = draft(street, clerk, phone.enrolment, number, civil=civil)
    assert (answer.status, answer.code) == (409, "identity_duplicate_undecided")
    assert answer.body["detail"] == "loose"
    reasoned = draft(
        street, clerk, phone.enrolment, number, civil=civil, duplicate_reason="namesake"
    )
    assert reasoned.status == 201


def test_an_agent_searches_thirty_times_an_hour(street, opened):
    phone, clerk = opened
    number = phone.comparison_number()
    for _ in range(SEARCHES_PER_HOUR):
        assert draft(street, clerk, phone.enrolment, number).status == 201
    answer = draft(street, clerk, phone.enrolment, number)
    assert (answer.status, answer.code) == (429, "identity_searches_exceeded")
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("family_name", "Le\u202efèvre"),
        ("family_name", "Bell\x07"),
        ("birthdate", "1984-02-40"),
        ("birthplace", "PARIS"),
    ],
)
def test_bad_civil_fields_are_refused_without_being_repeated(street, opened, field, value):
    phone, clerk = opened
    civil = CIVIL | {field: value}
    answer = draft(street, clerk, phone.enrolment, phone.comparison_number(), civil=civil)
    assert answer.status == 422
    assert value not in str(answer.body)
    assert CIVIL["address"] not in str(answer.body)


def test_a_key_that_is_enrolled_cannot_enrol_again(street):
    phone = street.new_phone()
    street.enrol(phone)
    answer = announce(street, phone.identity_key)
    assert (answer.status, answer.code) == (409, "identity_key_taken")


def test_without_a_master_key_the_desk_answers_503(street, opened, monkeypatch):
    phone, clerk = opened
    config = replace(street.town.config, master_key=None)
    monkeypatch.setattr("app.identity.desk_api.get_config", lambda: config)
    answer = draft(street, clerk, phone.enrolment, phone.comparison_number())
    assert (answer.status, answer.code) == (503, "person_keys_absent")


def test_strangers_have_no_identity_to_look_at(street):
    phone = street.new_phone()
    with pytest.raises(Refused) as refused:
        phone.read_identity()
    assert refused.value.answer.status == 404


def test_the_citizen_sees_who_touched_the_file(street):
    phone, clerk = street.new_phone(), street.clerk
    street.enrol(phone, clerk)
    phone.read_identity()
    log = street.api.get("/v1/identity/me/access-log", token=phone.identity_token).body["entries"]
    assert [(e["agent"], e["action"]) for e in log] == [(clerk.key.kid, "attest")]
