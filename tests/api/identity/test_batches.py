"""Batches, status, rotation and erasure: what the desk sends to the chain and what comes back into SQL."""

import json
import time

import pytest

from app.cli.demo.client import expect
from app.cli.demo.http import new_key
from app.cli.demo.phone import Phone
from app.core.database import connected, write
from app.core.projector import Projector
from app.identity import batches
from app.identity.models import DuplicateIndex, IdentityRow, Person
from app.wiring import all_tables, build_projections
from chain.codec.canonical import b64url_decode
from chain.crypto.keys import jwk_of
from chain.light.bundle import checkpoint_of, verify_bundle
from chain.town.schemas import IdRotate, IdStatus, Jwk
from tests.journeys.kit import Street


def written(street: Street, *phones):
    """Phones whose identities a batch has written; the last sender's answer."""
    clerk = street.clerk
    for phone in phones:
        street.enrol(phone, clerk)
    return clerk.write_batch(clerk.read_batch()["attestations"])


def move(street: Street, cid: str, status: str, *clerks):
    """id.status by one or more agents."""
    first = clerks[0]
    text = first.sign(IdStatus(cid, status), sender="body:mairie", signers=[c.key for c in clerks])
    return first.send("/v1/identity/statuses", text)


class OneKeyPhone(Phone):
    """A phone that opens its loyalty account with whatever key it was given."""

    @property
    def account(self) -> str:
        return self.key.kid


# --- the rule of the batch -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waiting", "waited_s", "hour", "reason"),
    [
        (0, 0, -1, "empty"),
        (7, 72 * 3_600 - 1, -1, "too_few"),
        (7, 72 * 3_600, -1, "ready"),
        (8, 0, -1, "ready"),
        (8, 0, 4, "outside_hour"),
        (8, 0, 3, "ready"),
    ],
)
def test_a_batch_waits_for_eight_or_three_days_and_for_its_hour(
    sql, monkeypatch, waiting, waited_s, hour, reason
):
    now_s = 1_790_000_000 // 86_400 * 86_400 + 3 * 3_600 + 60
    assert time.gmtime(now_s).tm_hour == 3
    with connected(), write():
        for index in range(waiting):
            Person.insert(
                cid=f"{index:043d}",
                kid=f"{index:043d}",
                status="pending",
                sealed=b"",
                draft="{}",
                attestation=f"jws {index}",
                attested_at=now_s - waited_s,
            ).execute()
    with connected():
        batch = batches.read_batch(minimum=8, max_wait_s=72 * 3_600, hour_utc=hour, now_s=now_s)
    assert batch.reason == reason
    assert len(batch.attestations) == (waiting if reason == "ready" else 0)


def test_a_batch_is_sorted_by_cid_and_leaves_out_what_is_written(street):
    first = written(street, street.new_phone())
    assert first.status == 201
    clerk = street.clerk
    for _ in range(3):
        street.enrol(street.new_phone(), clerk)
    answer = clerk.write_batch(clerk.read_batch()["attestations"])
    assert answer.status == 201, answer.body
    assert answer.body["data"]["count"] == 3
    assert clerk.read_batch()["reason"] == "empty"


def test_a_citizen_who_spends_the_attested_key_elsewhere_blocks_nobody(street):
    """The chain would refuse the whole batch for one key already in use; the desk leaves that entry out."""
    clerk, spoiler, neighbour = street.clerk, street.new_phone(), street.new_phone()
    street.enrol(spoiler, clerk)
    identity_key = spoiler.wallet.derive_key("identity")
    misused = OneKeyPhone(street.api, street.facts, street.clock, identity_key)
    expect("account", misused.open_loyalty_account())
    street.enrol(neighbour, clerk)
    waiting = clerk.read_batch()["attestations"]
    assert len(waiting) == 1
    assert clerk.write_batch(waiting).status == 201


def test_an_attestation_from_elsewhere_is_not_relayed(street):
    clerk = street.clerk
    street.enrol(street.new_phone(), clerk)
    (text,) = clerk.read_batch()["attestations"]
    answer = clerk.write_batch([text[:-86] + "A" * 86])
    assert (answer.status, answer.code) == (422, "identity_batch_unknown")


def test_another_kind_of_transaction_is_refused_on_the_route(street):
    clerk = street.clerk
    text = clerk.sign(IdStatus("A" * 43, "suspended"), sender="body:mairie")
    assert clerk.send("/v1/identity/batches", text).code == "transaction_wrong_route"


# --- after the batch -------------------------------------------------------------------------


def test_a_written_identity_is_active_and_its_record_proves_offline(street):
    phone = street.new_phone()
    written(street, phone)
    own = phone.read_identity(proof=True)
    assert own["status"] == "active"
    lab = street.town.lab
    block = lab.blocks[own["height"]]
    verdict = verify_bundle(json.dumps(own["proof"]).encode(), checkpoint_of(block.header))
    assert verdict.valid, verdict
    record = json.loads(verdict.facts.record)
    assert (record["cid"], record["commitment"]) == (own["cid"], own["commitment"])
    assert verdict.facts.record_id == b"identity/" + own["cid"].encode()


def test_a_pending_identity_is_proved_absent(street):
    phone = street.new_phone()
    street.enrol(phone)
    written(street, street.new_phone())  # so that there are blocks; Ana's entry went with it
    other = street.new_phone()
    street.enrol(other)
    own = other.read_identity(proof=True)
    assert own["status"] == "pending"
    assert own["proof"]["state"]["record"] is None


def test_the_new_key_of_a_rotation_sees_the_identity_and_the_old_one_does_not(street):
    phone = street.new_phone()
    written(street, phone)
    cid = phone.read_identity()["cid"]
    old, new = phone.identity_key, phone.wallet.derive_key("identity", 1)
    text = phone.sign(
        IdRotate(cid, Jwk(**jwk_of(new.public_key))), sender=old.kid, signers=[old, new]
    )
    expect("rotate", phone.send("/v1/identity/rotations", text, token=phone.identity_token))
    token = phone.login(new)
    own = street.api.get("/v1/identity/me", token=token).body
    assert (own["cid"], own["status"]) == (cid, "active")
    assert own["opening"] is not None
    assert street.api.get("/v1/identity/me", token=phone.login(old)).status == 404


def test_a_suspended_identity_loses_its_scope_at_once(street):
    phone = street.new_phone()
    written(street, phone)
    cid = phone.read_identity()["cid"]
    phone.identity_token = phone.login(phone.identity_key)
    expect("suspend", move(street, cid, "suspended", street.clerk))
    assert phone.read_identity()["status"] == "suspended"
    answer = phone.send("/v1/identity/rotations", "x" * 20, token=phone.identity_token)
    assert answer.code == "auth_scope_missing"
    expect("lift", move(street, cid, "active", street.clerk))
    assert phone.read_identity()["status"] == "active"


def test_a_suspended_identity_s_phone_opens_no_file(street):
    """A lost phone, reported: whoever found it reads no address, lifts no restriction, asks for no erasure."""
    phone = street.new_phone()
    written(street, phone)
    me, cid = "/v1/identity/me", phone.read_identity()["cid"]
    phone.identity_token = phone.login(phone.identity_key)
    asked = {"kind": "erasure", "wanted": {}}
    restricted = {"restricted": False}

    def codes() -> list[str]:
        api, token = street.api, phone.identity_token
        return [
            api.get(f"{me}/export", token=token).code,
            api.get(f"{me}/requests", token=token).code,
            api.post(f"{me}/restriction", restricted, token=token, key=new_key()).code,
            api.post(f"{me}/requests", asked, token=token).code,
        ]

    expect("suspend", move(street, cid, "suspended", street.clerk))
    own = phone.read_identity()
    assert (own["status"], own["opening"]) == ("suspended", None)
    assert codes() == ["account_frozen"] * 4
    assert street.api.get(f"{me}/access-log", token=phone.identity_token).status == 200
    expect("lift", move(street, cid, "active", street.clerk))
    assert phone.read_identity()["opening"] is not None
    assert codes() == [""] * 4


def test_a_terminal_status_needs_two_agents(street):
    phone = street.new_phone()
    written(street, phone)
    cid = phone.read_identity()["cid"]
    assert move(street, cid, "moved_out", street.clerk).code == "identity_second_agent"
    assert move(street, cid, "moved_out", street.clerk, street.supervisor).status == 201


def test_erasure_destroys_the_key_the_file_and_the_indices(street):
    phone = street.new_phone()
    written(street, phone, street.new_phone())
    cid = phone.read_identity()["cid"]
    expect("erase", move(street, cid, "erased", street.clerk, street.supervisor))
    with connected():
        assert Person.get_or_none(Person.cid == cid) is None
        assert not DuplicateIndex.select().where(DuplicateIndex.cid == cid).exists()
        assert IdentityRow.get_by_id(cid).status == "erased"
    assert list(street.town.config.person_keys.rglob(f"{cid}.key")) == []
    assert len(list(street.town.config.person_keys.rglob("*.key"))) == 1
    own = street.api.get("/v1/identity/me", token=phone.login(phone.identity_key)).body
    assert (own["status"], own["opening"]) == ("erased", None)


def test_an_erased_person_may_enrol_again(street):
    phone = street.new_phone()
    street.enrol(phone, family_name="Revenant")
    clerk = street.clerk
    clerk.write_batch(clerk.read_batch()["attestations"])
    cid = phone.read_identity()["cid"]
    expect("erase", move(street, cid, "erased", street.clerk, street.supervisor))
    again = street.new_phone()
    street.enrol(again, family_name="Revenant")
    answer = clerk.write_batch(clerk.read_batch()["attestations"])
    assert answer.status == 201
    new_cid = again.read_identity()["cid"]
    assert new_cid != cid
    with connected():
        assert [IdentityRow.get_by_id(each).status for each in (cid, new_cid)] == [
            "erased",
            "active",
        ]


def test_a_rebuild_gives_identical_rows_and_keeps_what_only_sql_holds(street):
    phone = street.phone("Ana")
    till = street.open_shop("boulangerie")
    expect("earn", till.earn(phone.account, 5_000))
    redeemed = expect("redeem", till.redeem(phone.make_code(30), 12))
    written(street, phone, street.new_phone())
    move(street, phone.read_identity()["cid"], "suspended", street.clerk)
    expect("undo", till.reverse(_name(redeemed["transaction"]), 2))
    before = _snapshot()
    with connected():
        Projector(street.town.lab.client(), street.town.lab.genesis, build_projections()).rebuild()
    after = _snapshot()
    assert before == after
    assert len(before["loyalty_operation"]) == 3
    assert len(before["person"]) == 2


def _name(payload_hash: str) -> str:
    from chain.codec.canonical import b64url_encode

    name = b64url_encode(bytes.fromhex(payload_hash))
    assert b64url_decode(name).hex() == payload_hash
    return name


def _snapshot() -> dict[str, list]:
    with connected():
        return {
            table._meta.table_name: sorted(map(repr, table.select().tuples()))
            for table in all_tables()
            if not table._meta.table_name.startswith(("auth_", "idempotency", "ticket"))
        }
