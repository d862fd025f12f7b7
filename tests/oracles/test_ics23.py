"""@confio/ics23 accepts proofs of live state in two steps, and believes none that were tampered with."""

import json
from base64 import b64decode
from hashlib import sha256

import pytest

from chain.crypto.ics23 import NonExistenceProof, decode_proof
from chain.light.state_proof import state_key
from tests.oracles.town import LiveTown, run_script
from tests.town import town_kit

pytestmark = pytest.mark.process
ACCOUNTS = 12
ABSENT = 2_000
"""Enough for one below the first and one above the last of the accounts."""
TAMPERED_MIN = 200
"""Changed claims and proofs per record, at least; the shortest proof has about 300 bytes."""
NAMESPACES = ("city", "loyalty", "identity", "history", "replay")


def claim(town: LiveTown, namespace: str, record_id: bytes, height: int) -> dict[str, object]:
    """What the node says of one record at a height, as the script wants it."""
    answer = town.query(namespace, record_id, height)
    record = answer["value"]
    ops = answer["proofOps"]["ops"]
    assert answer["height"] == str(height)
    key = state_key(namespace, record_id)
    assert [b64decode(op["key"]) for op in ops] == [key, namespace.encode()]
    return {
        "appHash": town.app_hash_of_state(height).hex(),
        "namespace": namespace,
        "key": key.hex(),
        "record": None if record is None else b64decode(record).hex(),
        "ops": [{"type": op["type"], "data": b64decode(op["data"]).hex()} for op in ops],
    }


@pytest.fixture(scope="module")
def names(town):
    """Accounts opened before anything is proved."""
    opened = [f"proved {n}" for n in range(ACCOUNTS)]
    for name in opened:
        done = town.call("broadcast_tx_commit", tx=town.open_b64(name))
        assert done["tx_result"]["info"] == "ok", done
    return opened


def account_id(name: str) -> bytes:
    return b"account/" + town_kit.key(name).kid.encode()


def in_tree_order(record_id: bytes) -> bytes:
    return state_key("account", record_id)


def sides(line) -> tuple[bool, bool]:
    """Whether an absence is shown by a left and by a right neighbour."""
    proof = decode_proof(bytes.fromhex(line["ops"][0]["data"])).value
    assert isinstance(proof, NonExistenceProof)
    return proof.left is not None, proof.right is not None


def test_every_record_of_live_state_is_accepted_and_no_forgery_is(town, names):
    height = town.provable_height()
    lines = [claim(town, "account", account_id(name), height) for name in names]
    lines += [claim(town, "city", b"body/" + body.encode(), height) for body in town_kit.BODIES]
    assert all(line["record"] is not None for line in lines)
    for line, verdict in zip(lines, run_script("ics23.mjs", lines), strict=True):
        assert verdict["accepted"], line
        assert verdict["tampered"] > TAMPERED_MIN
        assert verdict["deceived"] == []


def test_absence_is_accepted_at_both_ends_and_in_the_middle_and_no_forgery_is(town, names):
    height = town.provable_height()
    nobody = sorted((b"account/nobody %d" % n for n in range(ABSENT)), key=in_tree_order)
    ends_and_middle = (nobody[0], nobody[ABSENT // 2], nobody[-1])
    lines = [claim(town, "account", record_id, height) for record_id in ends_and_middle]
    assert [sides(line) for line in lines] == [(False, True), (True, True), (True, False)]
    lines += [claim(town, namespace, b"nothing here", height) for namespace in NAMESPACES]
    assert all(line["record"] is None for line in lines)
    for line, verdict in zip(lines, run_script("ics23.mjs", lines), strict=True):
        assert verdict["accepted"], line
        assert verdict["tampered"] > TAMPERED_MIN
        assert verdict["deceived"] == []


def test_a_proof_of_a_past_height_is_under_that_height_s_header_and_no_other(town, names):
    before = town.provable_height()
    done = town.call("broadcast_tx_commit", tx=town.open_b64("latecomer"))
    after = int(done["height"])
    town.wait_height(after + 1)
    absent = claim(town, "account", account_id("latecomer"), before)
    present = claim(town, "account", account_id("latecomer"), after)
    assert absent["record"] is None
    assert json.loads(bytes.fromhex(present["record"]))["status"] == "open"
    crossed = [
        present | {"appHash": absent["appHash"]},
        absent | {"appHash": present["appHash"]},
        present | {"ops": absent["ops"]},
        present | {"ops": [present["ops"][0], absent["ops"][1]]},
        present | {"ops": present["ops"][::-1]},
    ]
    verdicts = run_script("ics23.mjs", [present, absent, *crossed])
    assert [verdict["accepted"] for verdict in verdicts] == [True, True] + [False] * len(crossed)


def test_the_tree_holds_the_hash_of_a_record_and_not_the_record(town, names):
    height = town.provable_height()
    record_id = account_id(names[0])
    path = {"path": "/key/account", "data": record_id.hex(), "height": str(height)}
    hashed = b64decode(town.call("abci_query", **path)["response"]["value"])
    record = b64decode(town.query("account", record_id, height)["value"])
    assert hashed == sha256(record).digest()
