"""A citizen enrols with FranceConnect: browser and app as they are, down to the chain."""

from urllib.parse import parse_qs, urlsplit

import pytest

from app.cli.demo.clerk import ATTESTATION_TYPE, read_attestation
from app.cli.demo.http import new_key
from app.core.database import connected
from app.identity.federation.models import FederatedDraft, FederationLink, FederationLogin
from app.identity.models import DuplicateIndex, Person
from chain.codec.canonical import encode_canonical
from chain.crypto.jws import sign_compact

pytestmark = pytest.mark.process


def sign_draft(town, phone, **decision):
    """The agent takes the vouched-for enrolment, signs it and hands it in."""
    clerk = town.street.clerk
    path = f"/v1/federation/drafts/{phone.enrolment}/claims"
    claimed = clerk.api.post(path, decision, token=clerk.token, key=new_key())
    if not claimed.is_ok:
        return claimed
    attestation = read_attestation(claimed.body["attestation"])
    signed = sign_compact(encode_canonical(attestation), ATTESTATION_TYPE, clerk.key)
    path = f"/v1/desk/enrolments/{phone.enrolment}/attestation"
    body = {"attestation": signed.decode()}
    return clerk.api.post(path, body, token=clerk.token, key=new_key())


def write_batch(town):
    clerk = town.street.clerk
    return clerk.write_batch(clerk.read_batch()["attestations"])


def test_a_citizen_enrolled_by_franceconnect_ends_on_the_chain_as_one_of_the_desk_does(federated):
    phone = federated.phone()
    done = federated.enrol(phone)
    assert (done.status, done.body["outcome"], done.body["level_identity"]) == (201, "drafted", 1)
    assert phone.enrolment_status() == "drafted"

    clerk = federated.street.clerk
    (waiting,) = clerk.api.get("/v1/federation/drafts", token=clerk.token).body["drafts"]
    assert waiting["enrolment"] == phone.enrolment
    assert (waiting["provider"], waiting["acr"], waiting["similar"]) == (
        "franceconnect",
        "eidas1",
        [],
    )

    assert sign_draft(federated, phone).body["status"] == "attested"
    assert write_batch(federated).status == 201
    identity = phone.read_identity(proof=True)
    assert (identity["status"], identity["level_identity"], identity["level_residence"]) == (
        "active",
        1,
        0,
    )
    civil = identity["opening"]["civil"]
    assert civil["family_name"] == "LEFEVRE"
    assert civil["given_names"] == ["Ana", "Marie"]
    assert identity["proof"]
    log = federated.street.api.get("/v1/identity/me/access-log", token=phone.identity_token).body[
        "entries"
    ]
    assert [entry["action"] for entry in log] == ["federated", "attest"]


def test_what_the_file_does_not_need_is_not_kept(federated):
    phone = federated.phone()
    assert federated.enrol(phone).is_ok
    assert sign_draft(federated, phone).is_ok
    opening = phone.read_identity()["opening"]["civil"]
    assert opening["family_name"] == "LEFEVRE"
    for not_asked in ("DUPONT", "example.test", "female"):
        assert not_asked not in str(opening)


@pytest.mark.parametrize(
    ("account", "birthdate", "names"),
    [("presumed", "1951-00-00", ["Awa"]), ("month", "1962-07-00", ["Van Minh"])],
)
def test_26_presumed_birth_dates_are_accepted_from_end_to_end(federated, account, birthdate, names):
    phone = federated.phone()
    assert federated.enrol(phone, account=account).is_ok
    assert sign_draft(federated, phone).is_ok
    assert write_batch(federated).is_ok
    civil = phone.read_identity()["opening"]["civil"]
    assert (civil["birthdate"], civil["given_names"]) == (birthdate, names)
    assert civil.get("birthplace", "") == ""


def test_franceconnect_plus_is_decrypted_and_reaches_level_two(federated):
    phone = federated.phone()
    done = federated.enrol(phone, "franceconnect-plus", acr="eidas3")
    assert done.status == 201, done.body
    assert done.body["level_identity"] == 3


def test_24_an_acr_below_the_one_asked_for_is_refused(federated):
    phone = federated.phone()
    done = federated.enrol(phone, "franceconnect-plus", acr="eidas1")
    assert (done.status, done.code) == (403, "federation_assurance_low")
    assert phone.enrolment_status() == "open"


def test_a_franceconnect_refusal_has_its_own_code_and_both_languages(federated):
    phone = federated.phone()
    french = federated.enrol(phone, cancel="access_denied")
    assert (french.status, french.code) == (403, "federation_refused")
    assert "guichet" in french.body["title"]
    federated.web.language = "en"
    english = federated.enrol(phone, cancel="access_denied")
    assert "come to the desk" in english.body["title"]
    assert federated.enrol(phone).is_ok, "after a refusal one may try again"


def test_a_failure_of_the_provider_is_told_apart_from_a_refusal(federated):
    done = federated.enrol(federated.phone(), cancel="server_error")
    assert (done.status, done.code, done.body["retryable"]) == (
        502,
        "federation_provider_failed",
        True,
    )


def test_a_provider_without_a_family_name_does_not_make_a_citizen(federated):
    done = federated.enrol(federated.phone(), account="nameless")
    assert (done.status, done.code) == (422, "federation_claims_incomplete")
    assert "family_name" in done.body["detail"]


def test_a_strict_hit_proposes_linking(federated):
    federated.street.enrol(federated.street.new_phone(), family_name="Lefèvre")
    phone = federated.phone()
    done = federated.enrol(phone)
    assert (done.status, done.code) == (409, "federation_link_proposed")
    assert phone.enrolment_status() == "open"
    with connected():
        assert Person.select().count() == 1
        assert DuplicateIndex.select().count() == 3
        assert FederationLink.select().count() == 0


def test_a_twin_waits_for_the_decision_of_an_agent(federated):
    federated.street.enrol(federated.street.new_phone(), family_name="Lefèvre")
    phone = federated.phone()
    assert federated.enrol(phone, account="twin").is_ok
    clerk = federated.street.clerk
    (waiting,) = clerk.api.get("/v1/federation/drafts", token=clerk.token).body["drafts"]
    assert waiting["similar"] == ["loose"]
    assert sign_draft(federated, phone).code == "identity_duplicate_undecided"
    assert sign_draft(federated, phone, duplicate_reason="twin").is_ok


def test_a_second_try_before_the_agent_signed_replaces_the_first(federated):
    """A phone that was lost between browser and desk must not lock its owner out."""
    first, second = federated.phone(), federated.phone()
    assert federated.enrol(first).is_ok
    assert federated.enrol(second).is_ok
    with connected():
        assert FederatedDraft.select().count() == Person.select().count() == 1
    assert sign_draft(federated, second).is_ok
    third = federated.phone()
    assert federated.enrol(third).code == "federation_link_proposed"


def test_an_enrolment_that_the_desk_works_on_takes_no_login(federated):
    phone = federated.phone()
    assert federated.enrol(phone).is_ok
    again = federated.begin("franceconnect/enrolments", {"enrolment": phone.enrolment})
    assert again.code == "enrolment_wrong_state"


def test_the_provider_is_asked_as_franceconnect_wants(federated):
    begun = federated.begin("franceconnect/enrolments", {"enrolment": federated.phone().enrolment})
    query = parse_qs(urlsplit(begun.body["authorization_url"]).query)
    assert query["acr_values"] == ["eidas1"]
    assert query["scope"] == ["openid identite_pivot"]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["state"][0]) == len(query["nonce"][0]) == 43


def test_the_database_never_holds_what_finishes_a_login(federated):
    begun = federated.begin("franceconnect/enrolments", {"enrolment": federated.phone().enrolment})
    with connected():
        (row,) = FederationLogin.select().dicts()
    query = parse_qs(urlsplit(begun.body["authorization_url"]).query)
    secrets = [begun.body["secret"], query["state"][0], query["nonce"][0]]
    assert not any(secret in str(row) for secret in secrets)
