"""The town's enemy: what somebody tries who knows the rules by heart and holds some of the keys."""

from itertools import pairwise
from types import SimpleNamespace

import msgspec
import pytest

from chain.codec.canonical import b64url_decode, b64url_encode, encode_canonical
from chain.codec.cmtjson import from_json, to_json
from chain.codec.errors import DecodeError
from chain.crypto import ed25519
from chain.town import schemas
from chain.town.accounts import BODY_ROLES, ROLES, role_of
from chain.town.engine import BlockRun
from chain.town.envelope import sign_payload
from chain.town.schemas import (
    AccountRotate,
    ActBodyRemove,
    ActParamSet,
    ActRoleGrant,
    ActValidatorSet,
)
from chain.types.block import BlockID, Commit
from chain.types.timestamp import Timestamp
from tests.town.town_kit import BODIES, DAY_S, jwk, key, make_town, name_of, validator_seed

# --- council -------------------------------------------------------------------------------


def test_a_secure_town_is_not_made_insecure_between_two_acts_of_one_list():
    town = make_town(secure=True)
    pub_key = b64url_encode(ed25519.derive_public(validator_seed(0)))
    acts = (
        ActValidatorSet("mairie", pub_key, 0),  # three validators: for a moment anything goes
        ActParamSet("council_delay_s", 0),
        ActValidatorSet("mairie", pub_key, 10),
    )
    result = town.run(town.council_tx(*acts, seats=BODIES))[0]
    town.advance(8 * DAY_S)
    town.idle()
    assert name_of(result) == "city_param_out_of_range"
    assert town.status()["insecure"] is False


def test_a_body_that_leaves_costs_no_more_in_a_town_of_many_tills(monkeypatch):
    town = make_town(bodies=(*BODIES, "lycee"))
    clerk = key("clerk of the school")
    grant = ActRoleGrant("clerk", "lycee", jwk(clerk), town.now_s + DAY_S)
    assert name_of(town.run(town.council_tx(grant, seats=BODIES))[0]) == "ok"
    town.idle()
    read = []
    real = ROLES._decoder.decode
    monkeypatch.setattr(
        ROLES, "_decoder", SimpleNamespace(decode=lambda r: read.append(r) or real(r))
    )
    result = town.run(town.council_tx(ActBodyRemove("lycee"), seats=BODIES))[0]
    town.idle()
    assert name_of(result) == "ok"
    assert not role_of(town.reader, clerk.kid).is_live(town.now_s)
    others = [raw for raw in read if clerk.kid.encode() not in raw]
    assert others == [], "roles of other bodies and of shops were read"
    assert list(BODY_ROLES.scan(town.reader, b"body:lycee/", b"body:lycee0")) == []


# --- quotas --------------------------------------------------------------------------------


def test_rotating_the_key_gives_an_account_no_fresh_quota():
    town = make_town(params={"quota_account_per_minute": 3}, seconds_per_block=0)
    phone = key("phone")
    town.advance(60 - town.now_s % 60)
    town.open_account(phone)  # the first of three
    keys = [phone, *(key(f"rotated {n}") for n in range(4))]
    txs = [town.tx(AccountRotate(jwk(new)), phone.kid, old, new) for old, new in pairwise(keys)]
    expected = ["ok", "ok", "tx_quota_exceeded"]
    assert [name_of(town.check(tx)) for tx in txs[:3]] == expected
    assert [name_of(r) for r in town.run(*txs[:3])] == expected


# --- two spellings of one thing ------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "size_bytes"),
    [(schemas.Bytes8, 8), (schemas.Bytes16, 16), (schemas.Bytes32, 32), (schemas.Thumbprint, 32)],
)
def test_bytes_in_a_body_have_one_spelling(kind, size_bytes):
    """A receipt, cid, ref or account id is a key of some table: another spelling would be another key."""
    text = b64url_encode(bytes(range(size_bytes)))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for letter in letters:
        spelled = text[:-1] + letter
        assert is_convertible(spelled, kind) == is_decodable(spelled)
    assert not is_convertible(text + "\n", kind)
    assert not is_convertible(text[:-1], kind)


def is_convertible(text, kind) -> bool:
    try:
        return msgspec.convert(text, kind) == text
    except msgspec.ValidationError:
        return False


def is_decodable(text) -> bool:
    try:
        return bool(b64url_decode(text))
    except DecodeError:
        return False


# --- what a stranger may send --------------------------------------------------------------


def test_a_refusal_does_not_echo_what_was_sent():
    town = make_town()
    phone = key("phone")
    members = {"domain": "loyalty", "x" * 100_000: 1}
    payload = {
        "town": town.town,
        "type": "account.open",
        "from": phone.kid,
        "nonce": b64url_encode(bytes(16)),
        "exp": town.now_s + 60,
        "body": members,
    }
    tx = sign_payload(encode_canonical(payload), [phone])
    refused = town.check(tx)
    assert name_of(refused) == "tx_body_invalid"
    assert len(refused.log) < 500
    assert len(town.finalize(tx)[0].log) < 500


@pytest.mark.parametrize(
    "text",
    [
        "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T00:00:0０Z",
        "2026-01-01T00:00:00+99:00",
        "2026-01-01T00:00:00+01:99",
        "2026-01-01T00:00:00Z\n",
    ],
)
def test_a_time_is_written_in_ascii_digits_with_a_possible_offset(text):
    with pytest.raises(ValueError, match="RFC 3339"):
        Timestamp.from_rfc3339(text)


def test_a_height_in_json_is_written_in_ascii_digits():
    commit = to_json(Commit(12, 0, BlockID(), ()))
    assert from_json(Commit, commit).height == 12
    with pytest.raises(DecodeError):
        from_json(Commit, commit | {"height": "١٢"})


def test_a_proposal_is_judged_no_further_than_its_first_fault(monkeypatch):
    town = make_town()
    executed = []
    real = BlockRun.execute
    monkeypatch.setattr(BlockRun, "execute", lambda run, tx: executed.append(tx) or real(run, tx))
    good = town.open_tx(key("phone"))
    assert not town.is_acceptable(good, b"junk", *[b"more junk"] * 1_000)
    assert executed == [good, b"junk"]
    assert [name_of(r) for r in town.finalize(good, b"junk", b"junk")] == [
        "ok",
        "tx_malformed",
        "tx_malformed",
    ]


def test_a_proposal_over_its_gas_is_not_executed_to_the_end(monkeypatch):
    town = make_town()
    monkeypatch.setattr("chain.town.application.BLOCK_MAX_GAS_US", 1_500)  # two account.open
    txs = [town.open_tx(key(f"phone {n}")) for n in range(5)]
    executed = []
    real = BlockRun.execute
    monkeypatch.setattr(BlockRun, "execute", lambda run, tx: executed.append(tx) or real(run, tx))
    assert not town.is_acceptable(*txs)
    assert executed == txs[:3]
    assert [name_of(r) for r in town.finalize(*txs)] == ["ok"] * 5
