"""Access, rectification, restriction, erasure: what a citizen may ask, and what the desk answers."""

import json
from unittest.mock import Mock

import pytest

from app.cli.demo.clerk import ATTESTATION_TYPE, read_attestation
from app.core.database import connected, write
from app.core.problems import NodeUnavailable
from app.core.projection import ProjectorState
from app.identity import desk_api, retention, tombstones
from app.identity.civil import Civil, compute_commitment
from app.identity.models import (
    BallotBlock,
    DuplicateIndex,
    Enrolment,
    IdentityRow,
    Person,
    RightsRequest,
    Tombstone,
)
from app.identity.register import Register
from app.identity.tombstones import OpenBallot, is_blocked
from app.identity.waiting import IN_FLIGHT_S
from app.wiring import all_tables, build_projections
from chain.codec.canonical import b64url_decode, b64url_encode, encode_canonical
from chain.crypto.jws import sign_compact
from chain.light.bundle import checkpoint_of, verify_bundle
from chain.town.schemas import IdBatchRenew, IdStatus
from tests.api.identity import desk_kit as kit

ANA = {"family_name": "Lefèvre", "given_names": ["Ana", "Marie"]}


def me(street, phone, path, body=None, *, key=""):
    if body is None:
        return street.api.get(f"/v1/identity/me/{path}", token=phone.identity_token)
    return street.api.post(
        f"/v1/identity/me/{path}", body, token=phone.identity_token, key=key or kit.new_key()
    )


def end(street, cid, status="erased"):
    agents = [street.clerk, street.supervisor]
    text = agents[0].sign(
        IdStatus(cid, status), sender="body:mairie", signers=[agent.key for agent in agents]
    )
    answer = agents[0].send("/v1/identity/statuses", text)
    assert answer.status == 201, answer.body
    return answer


# --- access --------------------------------------------------------------------------------------


def test_the_export_holds_the_file_its_proof_and_every_row(street):
    phone, cid = kit.written(street, **ANA)
    kit.read(street.clerk, cid, "recovery")
    export = me(street, phone, "export").body
    opening = export["identity"]["opening"]
    assert opening["civil"]["family_name"] == "Lefèvre"
    civil = Civil(**{**opening["civil"], "given_names": tuple(opening["civil"]["given_names"])})
    commitment = compute_commitment(civil, b64url_decode(opening["salt"]))
    assert b64url_encode(commitment) == export["identity"]["commitment"]
    assert [entry["action"] for entry in export["access_log"]] == ["attest", "read"]
    assert len(export["rows"]["person"]) == 1
    assert len(export["rows"]["duplicate_index"]) == 3
    with connected():
        proved_at = ProjectorState.get().height
    block = street.town.lab.blocks[proved_at]
    verdict = verify_bundle(
        json.dumps(export["proofs"]["record"]).encode(), checkpoint_of(block.header)
    )
    assert verdict.valid, verdict
    assert json.loads(verdict.facts.record)["commitment"] == export["identity"]["commitment"]


def test_the_export_shows_every_table_that_speaks_of_a_person(street):
    """A table with a cid that only SQL holds is exported and erased without anybody remembering it."""
    projected = set(build_projections().tables)
    personal = {
        table._meta.table_name
        for table in all_tables()
        if table not in projected and "cid" in table._meta.fields
    }
    phone, _ = kit.written(street, **ANA)
    assert set(me(street, phone, "export").body["rows"]) == personal
    assert {"person", "duplicate_index", "desk_entry", "desk_review"} <= personal


def test_a_stranger_exports_nothing(street):
    phone = street.new_phone()
    phone.identity_token = phone.login(phone.identity_key)
    assert me(street, phone, "export").status == 404


# --- restriction ---------------------------------------------------------------------------------


def test_a_restricted_file_is_closed_to_agents_and_open_to_its_citizen(street):
    phone, cid = kit.written(street, **ANA)
    answer = me(street, phone, "restriction", {"restricted": True})
    assert answer.body["restricted"] is True
    assert kit.read(street.clerk, cid).code == "identity_restricted"
    correction = correct(street.clerk, cid, ANA)
    assert correction.code == "identity_restricted"
    assert me(street, phone, "export").status == 200
    me(street, phone, "restriction", {"restricted": False})
    assert kit.read(street.clerk, cid).status == 200


def test_a_restricted_pending_file_does_not_go_to_the_chain(street):
    phone, clerk = street.new_phone(), street.clerk
    street.enrol(phone, **ANA)
    phone.read_identity()
    me(street, phone, "restriction", {"restricted": True})
    assert clerk.read_batch()["waiting"] == 0
    me(street, phone, "restriction", {"restricted": False})
    assert clerk.read_batch()["waiting"] == 1


@pytest.mark.parametrize("value", ["true", None, "yes", 2])
def test_a_restriction_is_a_plain_true_or_false(street, value):
    phone, _ = kit.written(street)
    assert me(street, phone, "restriction", {"restricted": value}).status == 422


# --- rectification -------------------------------------------------------------------------------


def correct(clerk, cid, civil, **changes):
    body = {
        "civil": {**kit.CIVIL, **civil},
        "level_identity": 3,
        "level_residence": 3,
        "title_seen": "passport",
        **changes,
    }
    return clerk.api.post(
        f"/v1/desk/persons/{cid}/correction", body, token=clerk.token, key=kit.new_key()
    )


def sign_correction(clerk, cid, drafted):
    attestation = read_attestation(drafted.body["attestation"])
    text = sign_compact(encode_canonical(attestation), ATTESTATION_TYPE, clerk.key).decode()
    path = f"/v1/desk/persons/{cid}/correction/attestation"
    return clerk.api.post(path, {"attestation": text}, token=clerk.token, key=kit.new_key())


def test_a_correction_gets_a_new_commitment_and_the_old_witness_is_gone(street):
    phone, cid = kit.written(street, **ANA)
    before = phone.read_identity()
    clerk = street.clerk
    drafted = correct(clerk, cid, ANA | {"family_name": "Lefebvre"})
    assert drafted.status == 201, drafted.body
    assert sign_correction(clerk, cid, drafted).body["state"] == "renewal"
    waiting = phone.read_identity()
    assert waiting["opening"] == before["opening"], "the chain still holds the old commitment"
    listed = clerk.api.get("/v1/desk/renewals", token=clerk.token).body["attestations"]
    text = clerk.sign(IdBatchRenew(tuple(listed)), sender="body:mairie")
    renewed = clerk.send("/v1/identity/renewals", text)
    assert renewed.status == 201, renewed.body
    after = phone.read_identity()
    assert after["commitment"] != before["commitment"]
    assert after["opening"]["civil"]["family_name"] == "Lefebvre"
    assert after["opening"]["salt"] != before["opening"]["salt"]
    with connected():
        register = Register(street.town.config)
        person = Person.get_by_id(cid)
        assert person.sealed_next is None
        assert before["opening"]["salt"].encode() not in register.unseal(cid, person.sealed)


def test_a_pending_person_is_simply_attested_again(street):
    phone, clerk = street.new_phone(), street.clerk
    street.enrol(phone, **ANA)
    cid = phone.read_identity()["cid"]
    drafted = correct(clerk, cid, ANA | {"birthdate": "1984-02-28"})
    assert sign_correction(clerk, cid, drafted).body["state"] == "pending"
    (waiting,) = clerk.read_batch()["attestations"]
    assert clerk.write_batch([waiting]).status == 201
    own = phone.read_identity()
    assert own["opening"]["civil"]["birthdate"] == "1984-02-28"
    assert own["opening"]["blind"] == drafted.body["attestation"]["blind"]


def test_a_corrected_name_is_found_and_the_wrong_one_until_the_chain_knows(street):
    """Between the two, whoever takes either name meets this person."""
    phone, cid = kit.written(street, **ANA)
    clerk = street.clerk
    drafted = correct(clerk, cid, ANA | {"family_name": "Moreau"})
    sign_correction(clerk, cid, drafted)
    assert kit.search(clerk, **ANA).body["candidates"]
    assert kit.search(clerk, **(ANA | {"family_name": "Moreau"})).body["candidates"]
    assert write_renewals(clerk).status == 201
    assert phone.read_identity()["opening"]["civil"]["family_name"] == "Moreau"
    assert kit.search(clerk, **ANA).body["candidates"] == []
    assert kit.search(clerk, **(ANA | {"family_name": "Moreau"})).body["candidates"]


def write_renewals(clerk):
    listed = clerk.api.get("/v1/desk/renewals", token=clerk.token).body["attestations"]
    text = clerk.sign(IdBatchRenew(tuple(listed)), sender="body:mairie")
    return clerk.send("/v1/identity/renewals", text)


def written_twin(street):
    """An identity on the chain that a clerk corrects into somebody's likeness, signed; (phone, cid, the review)."""
    kit.written(street, **ANA)
    phone, cid = kit.written(street, family_name="Moreau", given_names=["Zoé"])
    likeness = ANA | {"given_names": ["Ana", "Rose"]}
    drafted = correct(street.clerk, cid, likeness, duplicate_reason="twin")
    assert sign_correction(street.clerk, cid, drafted).body["state"] == "renewal"
    (review,) = [
        line
        for line in kit.reviews(street.supervisor)
        if (line["cid"], line["kind"]) == (cid, "duplicate")
    ]
    return phone, cid, review


def test_a_likeness_of_somebody_on_the_chain_waits_for_the_second_agent_as_well(street):
    phone, _, review = written_twin(street)
    clerk = street.clerk
    assert clerk.api.get("/v1/desk/renewals", token=clerk.token).body["attestations"] == []
    assert kit.decide(clerk, review).code == "second_agent_same"
    assert kit.decide(street.supervisor, review).status == 201
    assert write_renewals(clerk).status == 201
    assert phone.read_identity()["opening"]["civil"]["family_name"] == ANA["family_name"]


def test_a_refused_likeness_leaves_the_person_as_they_were(street):
    phone, cid, review = written_twin(street)
    answer = kit.decide(street.supervisor, review, outcome="rejected")
    assert (answer.status, answer.body["on_chain"]) == (201, True)
    clerk = street.clerk
    assert clerk.api.get("/v1/desk/renewals", token=clerk.token).body["attestations"] == []
    assert phone.read_identity()["opening"]["civil"]["family_name"] == "Moreau"
    found = kit.search(clerk, **(ANA | {"given_names": ["Ana", "Rose"]})).body["candidates"]
    assert cid not in [candidate["cid"] for candidate in found]
    zoe = kit.search(clerk, family_name="Moreau", given_names=["Zoé"]).body["candidates"]
    assert [candidate["cid"] for candidate in zoe] == [cid]


def test_a_correction_into_somebody_else_is_a_duplicate(street):
    kit.written(street, family_name="Moreau", given_names=["Ana", "Marie"])
    _, cid = kit.written(street, **ANA)
    assert correct(street.clerk, cid, ANA | {"family_name": "Moreau"}).code == "identity_duplicate"


def test_only_the_drafted_correction_signed_by_an_agent_is_taken(street):
    phone, cid = kit.written(street, **ANA)
    drafted = correct(street.clerk, cid, ANA | {"family_name": "Lefebvre"})
    forged = sign_correction(street.supervisor, cid, drafted)
    assert forged.status == 201, "another agent may sign what a colleague drafted"
    again = sign_correction(street.clerk, cid, drafted)
    assert again.code == "enrolment_wrong_state"
    del phone


def pending_twin(street):
    """A pending identity that a clerk then corrects into somebody's likeness; (cid, drafted correction)."""
    kit.written(street, **ANA)
    phone = street.new_phone()
    street.enrol(phone, family_name="Moreau", given_names=["Zoé"])
    cid = phone.read_identity()["cid"]
    likeness = ANA | {"given_names": ["Ana", "Rose"]}
    return cid, correct(street.clerk, cid, likeness, duplicate_reason="twin")


def test_a_likeness_decided_in_a_correction_waits_for_the_second_agent_too(street):
    cid, drafted = pending_twin(street)
    clerk = street.clerk
    assert sign_correction(clerk, cid, drafted).status == 201
    assert clerk.read_batch()["waiting"] == 0
    (review,) = [r for r in kit.reviews(street.supervisor) if r["cid"] == cid]
    assert kit.decide(clerk, review).code == "second_agent_same"
    assert kit.decide(street.supervisor, review).status == 201
    assert clerk.read_batch()["waiting"] == 1


def test_who_signs_a_correction_is_not_the_second_agent_of_it(street):
    """Otherwise one agent would replace the facts that another attested, and confirm them alone."""
    kit.written(street, **ANA)
    phone, clerk, supervisor = kit.announce(street), street.clerk, street.supervisor
    likeness = ANA | {"given_names": ["Ana", "Rose"]}
    drafted = kit.draft(clerk, phone, civil=likeness, duplicate_reason="twin")
    assert kit.sign(clerk, phone, drafted).status == 201
    cid = drafted.body["cid"]
    other = correct(supervisor, cid, {"family_name": "Moreau", "given_names": ["Zoé"]})
    assert sign_correction(supervisor, cid, other).status == 201
    (review,) = [r for r in kit.reviews(supervisor) if r["cid"] == cid]
    assert kit.decide(supervisor, review).code == "second_agent_same"
    assert clerk.read_batch()["waiting"] == 0


def test_an_agent_signs_no_correction_of_the_own_file(street):
    _, cid = kit.written(street, **ANA)
    clerk, supervisor = street.clerk, street.supervisor
    path = f"/v1/desk/agents/{clerk.key.kid}/person"
    sent = {"token": supervisor.token, "key": kit.new_key()}
    assert supervisor.api.post(path, {"cid": cid}, **sent).status == 204
    drafted = correct(supervisor, cid, ANA | {"family_name": "Lefebvre"})
    assert sign_correction(clerk, cid, drafted).code == "agent_own_record"


# --- requests --------------------------------------------------------------------------------------


def test_a_request_is_sealed_answered_and_seen(street):
    phone, cid = kit.written(street, **ANA)
    asked = me(
        street, phone, "requests", {"kind": "rectification", "wanted": {"family_name": "Zzcanari"}}
    )
    assert asked.status == 201, asked.body
    assert asked.body["due_at"] == asked.body["asked_at"] + 30 * 86_400
    with connected():
        assert b"Zzcanari" not in bytes(RightsRequest.get().sealed)
    clerk = street.clerk
    (listed,) = clerk.api.get("/v1/desk/requests", token=clerk.token).body["requests"]
    assert (listed["cid"], listed["wanted"]) == (cid, {})
    path = f"/v1/desk/requests/{listed['id']}"
    assert clerk.api.get(path, token=clerk.token).body["wanted"] == {"family_name": "Zzcanari"}
    sent = {"token": clerk.token, "key": kit.new_key()}
    answered = clerk.api.post(f"{path}/answer", {"outcome": "proof_missing"}, **sent)
    assert answered.body["outcome"] == "proof_missing"
    twice = clerk.api.post(
        f"{path}/answer", {"outcome": "done"}, token=clerk.token, key=kit.new_key()
    )
    assert twice.code == "enrolment_wrong_state"
    (own,) = me(street, phone, "requests").body["requests"]
    assert own["outcome"] == "proof_missing"
    assert ("read", "rights_request") in [entry[1:] for entry in kit.access_log(street, phone)]


def test_three_requests_wait_at_most(street):
    phone, _ = kit.written(street)
    body = {"kind": "rectification", "wanted": {"address": "2 rue Neuve"}}
    assert [me(street, phone, "requests", body).status for _ in range(4)] == [201, 201, 201, 409]


# --- erasure -----------------------------------------------------------------------------------------


def test_what_waits_for_its_first_batch_is_erased_at_once(street):
    phone = street.new_phone()
    street.enrol(phone, **ANA)
    cid = phone.read_identity()["cid"]
    answer = me(street, phone, "requests", {"kind": "erasure"})
    assert (answer.body["outcome"], answer.body["id"]) == ("done", "")
    assert answer.body["complete_at"] == answer.body["closed_at"] + 30 * 86_400
    with connected():
        for table in (Person, DuplicateIndex, Enrolment):
            assert not table.select().where(table.cid == cid).exists()
    assert street.clerk.read_batch()["waiting"] == 0
    assert street.api.get("/v1/identity/me", token=phone.identity_token).status == 404


def test_who_is_in_a_batch_on_its_way_is_not_erased_as_if_the_chain_knew_nothing(
    street, monkeypatch
):
    """Else the file goes, the batch arrives, and its holder enrols a second time."""
    phone, clerk = street.new_phone(), street.clerk
    street.enrol(phone, **ANA)
    cid = phone.read_identity()["cid"]
    (waiting,) = clerk.read_batch()["attestations"]
    with monkeypatch.context() as patch:
        patch.setattr(desk_api, "submit", Mock(side_effect=NodeUnavailable))
        assert clerk.write_batch([waiting]).status == 503, "nobody knows whether it arrives"
    drafted = correct(clerk, cid, ANA | {"birthdate": "1984-02-28"})
    assert sign_correction(clerk, cid, drafted).code == "enrolment_wrong_state"
    assert clerk.read_batch()["attestations"] == [waiting], "it may be sent again"
    assert me(street, phone, "requests", {"kind": "erasure"}).body["outcome"] == ""
    assert kit.search(clerk, **ANA).body["candidates"], "the same person is still found"
    assert clerk.read_batch()["waiting"] == 0
    assert clerk.write_batch([waiting]).code == "identity_batch_unknown"
    with connected():
        register, now_s = Register(street.town.config), street.clock()
        retention.purge(register, now_s=now_s + IN_FLIGHT_S)
        assert Person.get_or_none(Person.cid == cid) is not None
        retention.purge(register, now_s=now_s + IN_FLIGHT_S + 1)
        assert Person.get_or_none(Person.cid == cid) is None


def test_what_the_chain_knows_is_erased_by_two_agents_on_request(street):
    phone, cid = kit.written(street, **ANA)
    asked = me(street, phone, "requests", {"kind": "erasure"})
    assert (asked.body["outcome"], asked.body["kind"]) == ("", "erasure")
    end(street, cid)
    with connected():
        assert not RightsRequest.select().exists()
        assert IdentityRow.get_by_id(cid).status == "erased"
    own = street.api.get("/v1/identity/me", token=phone.login(phone.identity_key)).body
    assert own["opening"] is None


def test_a_restored_backup_shows_nobody_who_was_erased(street):
    """Rows and key come back from last night: the file stays closed, and the job erases it again."""
    _, cid = kit.written(street, **ANA)
    keys = street.town.config.person_keys
    (file,) = keys.rglob(f"{cid}.key")
    saved = file.read_bytes()
    with connected():
        row = Person.get_by_id(cid).__data__.copy()
    end(street, cid)
    file.write_bytes(saved)
    with connected():
        with write():
            Person.insert(row).execute()
        register = Register(street.town.config)
        assert register.read_file(cid) is None
        assert register.sweep_erased(now_s=street.clock()) == 1
        assert Person.get_or_none(Person.cid == cid) is None
    assert not file.exists()


def test_a_restored_draft_that_no_chain_knows_is_erased_again_too(street):
    phone = street.new_phone()
    street.enrol(phone, **ANA)
    cid = phone.read_identity()["cid"]
    with connected():
        row = Person.get_by_id(cid).__data__.copy()
    me(street, phone, "requests", {"kind": "erasure"})
    with connected():
        with write():
            Person.insert(row).execute()
        assert Register(street.town.config).sweep_erased(now_s=1) == 1


# --- tombstones ------------------------------------------------------------------------------------


@pytest.fixture
def ballot(street):
    """A ballot that is open for a day."""
    until = street.clock() + 86_400
    wired = list(tombstones._finders)
    tombstones.register_open_ballots(lambda _now_s: [OpenBallot("budget-2027", until)])
    yield "budget-2027", until
    tombstones._finders[:] = wired


def test_who_is_erased_while_a_ballot_is_open_does_not_enter_its_roll_again(street, ballot):
    name, until = ballot
    _, cid = kit.written(street, **ANA)
    end(street, cid)
    with connected():
        (mark,) = Tombstone.select()
        assert (mark.ballot, mark.until) == (name, until)
    _, again = kit.written(street, **ANA)
    _, other = kit.written(street, family_name="Moreau")
    with connected():
        assert is_blocked(again, name)
        assert not is_blocked(other, name)
        assert not is_blocked(again, "another-ballot")


def test_marks_of_two_ballots_do_not_meet_and_say_nothing_without_the_key(street, ballot):
    _, until = ballot
    tombstones.register_open_ballots(lambda _now_s: [OpenBallot(b, until) for b in ("a", "b")])
    _, cid = kit.written(street, **ANA)
    with connected():
        digests = {row.digest for row in DuplicateIndex.select()}
    end(street, cid)
    with connected():
        marks = {row.digest for row in Tombstone.select()}
    assert len(marks) == 2
    assert marks.isdisjoint(digests)


def test_a_mark_is_dropped_when_its_ballot_is_over(street, ballot):
    from app.identity.retention import purge

    _, until = ballot
    _, cid = kit.written(street, **ANA)
    end(street, cid)
    kit.written(street, **ANA)
    with connected():
        register = Register(street.town.config)
        purge(register, now_s=until - 1)
        assert Tombstone.select().count() == 1
        assert BallotBlock.select().count() == 1
        purge(register, now_s=until)
        assert Tombstone.select().count() == 0
        assert BallotBlock.select().count() == 0


def test_without_an_open_ballot_erasure_leaves_no_mark(street):
    _, cid = kit.written(street, **ANA)
    end(street, cid)
    with connected():
        assert not Tombstone.select().exists()
