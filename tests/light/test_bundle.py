"""Proof bundles: what is true is proved, and a change anywhere is refused."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec.canonical import b64url_decode, b64url_encode, encode_canonical
from chain.codec.hashing import hash_data, hash_header, hash_results, hash_tx, result_leaf
from chain.codec.merkle import merkle_proofs
from chain.light import bundle as bundles
from chain.light.bundle import Bundle, BundleFlaw, Checkpoint, checkpoint_of
from chain.light.state_proof import state_key, state_value, verify_record
from chain.light.verifier import TRUSTING_PERIOD_NS
from chain.town.forest import compute_app_hash, prove, update_forest
from chain.town.tree import tree_key, value_hash
from chain.types.abci import ExecTxResult
from chain.types.block import Header
from chain.types.evidence import LightBlock
from chain.types.primitives import BlockIDFlag
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet
from tests.light.chains import START_S, header_at, signed, validators_of

FOUR = validators_of(1, 2, 3, 4)
OTHERS = validators_of(11, 12, 13, 14)
TXS = [b"tx %d" % number for number in range(5)]
RESULTS = [ExecTxResult(code=n % 2, data=b"%d" % n, gas_used=10 + n) for n in range(5)]
RECORDS = [("loyalty", b"lot/%d" % number, b'{"points":%d}' % number) for number in range(20)]
SENTINELS = [("city", b"sentinel", b"{}"), ("history", b"sentinel", b"{}")]

OLD = header_at(3, FOUR)
HISTORY_ID = b"blocks/" + (7).to_bytes(8, "big")
HISTORY_RECORD = encode_canonical(
    {
        "hashes": [b64url_encode(hash_header(header_at(2, FOUR))), b64url_encode(hash_header(OLD))],
        "start": 2,
    }
)
FOREST = update_forest({}, [*RECORDS, *SENTINELS, ("history", HISTORY_ID, HISTORY_RECORD)])
APP_HASH = compute_app_hash(FOREST)

HEADER = header_at(8, FOUR, app_hash=APP_HASH, data_hash=hash_data(TXS))
NEXT = header_at(
    9,
    FOUR,
    last_block_id=signed(HEADER, FOUR).commit.block_id,
    last_results_hash=hash_results(RESULTS),
)
CHECKPOINT = checkpoint_of(header_at(1, FOUR))


def _light(header: Header, validators: ValidatorSet = FOUR) -> LightBlock:
    return LightBlock(signed(header, validators), validators)


def _state(index: int = 4) -> Bundle:
    namespace, record_id, record = RECORDS[index]
    return bundles.state_bundle(
        _light(HEADER), namespace, record_id, record, prove(FOREST, namespace, record_id)
    )


def _absence() -> Bundle:
    return bundles.state_bundle(
        _light(HEADER), "loyalty", b"lot/99", None, prove(FOREST, "loyalty", b"lot/99")
    )


def _transaction(index: int = 2, *, result: bool = True) -> Bundle:
    _, tx_proofs = merkle_proofs([hash_tx(tx) for tx in TXS])
    if not result:
        return bundles.transaction_bundle(_light(HEADER), TXS[index], tx_proofs[index])
    _, result_proofs = merkle_proofs([result_leaf(r) for r in RESULTS])
    return bundles.transaction_bundle(
        _light(HEADER),
        TXS[index],
        tx_proofs[index],
        _light(NEXT),
        RESULTS[index],
        result_proofs[index],
    )


def _old_with_history() -> tuple[Bundle, Checkpoint]:
    """A record proved by an old header of another set, listed under a newer header."""
    old = header_at(3, OTHERS, app_hash=APP_HASH)
    listed = encode_canonical({"hashes": [b64url_encode(hash_header(old))], "start": 3})
    newer_forest = update_forest(FOREST, [("history", HISTORY_ID, listed)])
    newer = header_at(9, FOUR, app_hash=compute_app_hash(newer_forest))
    namespace, record_id, record = RECORDS[0]
    plain = bundles.state_bundle(
        _light(old, OTHERS), namespace, record_id, record, prove(FOREST, namespace, record_id)
    )
    whole = bundles.with_history(
        plain, _light(newer), HISTORY_ID, listed, prove(newer_forest, "history", HISTORY_ID)
    )
    return whole, checkpoint_of(header_at(8, FOUR))


def _by_overlap() -> Bundle:
    """A record under a set that shares two of four members with the checkpoint's."""
    mixed = validators_of(3, 4, 11, 12)
    namespace, record_id, record = RECORDS[1]
    header = header_at(8, mixed, app_hash=APP_HASH)
    plain = bundles.state_bundle(
        _light(header, mixed), namespace, record_id, record, prove(FOREST, namespace, record_id)
    )
    return bundles.with_trusted_validators(plain, FOUR)


OVERDUE, OVERDUE_CHECKPOINT = _old_with_history()
CASES = {
    "record": (_state(), CHECKPOINT),
    "absence": (_absence(), CHECKPOINT),
    "transaction": (_transaction(result=False), CHECKPOINT),
    "result": (_transaction(), CHECKPOINT),
    "history": (OVERDUE, OVERDUE_CHECKPOINT),
    "overlap": (_by_overlap(), CHECKPOINT),
}


def test_keys_and_values_are_those_of_the_town() -> None:
    assert state_key("loyalty", b"x") == tree_key("loyalty", b"x")
    assert state_value(b"x") == value_hash(b"x")


@pytest.mark.parametrize("name", CASES)
def test_a_true_bundle_is_valid_and_survives_its_json(name: str) -> None:
    bundle, checkpoint = CASES[name]
    raw = bundles.encode_bundle(bundle)
    assert bundles.parse_bundle(raw) == bundle
    assert bundles.parse_checkpoint(bundles.encode_checkpoint(checkpoint)) == checkpoint
    verdict = bundles.verify_bundle(raw, checkpoint)
    assert verdict.valid, verdict.detail
    pretty = json.dumps(json.loads(raw), indent=2).encode()
    assert bundles.verify_bundle(pretty, checkpoint) == verdict


def test_the_facts_are_those_proved() -> None:
    record = bundles.verify_bundle(_state(), CHECKPOINT).facts
    assert record is not None
    assert (record.namespace, record.record_id, record.record) == RECORDS[4]
    assert (record.height, record.app_hash) == (8, APP_HASH)
    absent = bundles.verify_bundle(_absence(), CHECKPOINT).facts
    assert absent is not None
    assert absent.record is None
    for index in range(len(TXS)):
        done = bundles.verify_bundle(_transaction(index), CHECKPOINT).facts
        assert done is not None
        assert done.tx == TXS[index]
        assert done.result == bundles.ProvedResult(index % 2, b"%d" % index, 0, 10 + index)


# --- tampering -------------------------------------------------------------------------------


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for at, item in enumerate(value) for leaf in _leaves(item, (*path, at))]
    return [path]


def _parent(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        document = document[step]
    return document


def _changed(value: Any) -> list[Any]:
    """Other values of the same kind: neighbours of integers, other letters, longer, shorter, null."""
    if isinstance(value, bool | None):
        return ["", "AA"]
    if isinstance(value, int):
        return [value + 1, value - 1, str(value), None]
    if isinstance(value, list):
        return [None]
    flipped = [{"left": "right", "right": "left"}[value]] if value in ("left", "right") else []
    places = {0, len(value) // 3, len(value) // 2, len(value) - 1} if value else set()
    swapped = [value[:at] + ("B" if value[at] == "A" else "A") + value[at + 1 :] for at in places]
    return [*flipped, *swapped, value + "AAAA", value[:-4], None]


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_any_field_is_refused(name: str) -> None:
    bundle, checkpoint = CASES[name]
    document = json.loads(bundles.encode_bundle(bundle))
    for path in _leaves(document):
        holder, last = _parent(document, path), path[-1]
        original = holder[last]
        for other in _changed(original):
            if other == original:
                continue
            holder[last] = other
            verdict = bundles.verify_bundle(json.dumps(document).encode(), checkpoint)
            assert not verdict.valid, (path, other)
        holder[last] = original
    assert bundles.verify_bundle(json.dumps(document).encode(), checkpoint).valid


@pytest.mark.parametrize("name", CASES)
def test_a_member_taken_away_added_or_doubled_is_refused(name: str) -> None:
    bundle, checkpoint = CASES[name]
    raw = bundles.encode_bundle(bundle)
    document = json.loads(raw)
    for path in _leaves(document):
        holder, last = _parent(document, path), path[-1]
        if isinstance(holder, dict):
            kept = holder.pop(last)
            assert not bundles.verify_bundle(json.dumps(document).encode(), checkpoint).valid, path
            holder[last] = kept
    assert not bundles.verify_bundle(raw[:-1] + b',"note":1}', checkpoint).valid
    doubled = raw[:-1] + b',"chain_id":"' + bundle.chain_id.encode() + b'"}'
    assert bundles.verify_bundle(doubled, checkpoint).flaw is BundleFlaw.MALFORMED


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_flipped_bit_inside_any_encoded_part_is_refused(name: str, data: st.DataObject) -> None:
    bundle, checkpoint = CASES[name]
    document = json.loads(bundles.encode_bundle(bundle))
    parts = [
        path
        for path in _leaves(document)
        if isinstance(_parent(document, path)[path[-1]], str)
        and path[-1] not in ("chain_id", "format", "namespace", "side", "type")
        and _parent(document, path)[path[-1]]
    ]
    path = data.draw(st.sampled_from(parts))
    holder = _parent(document, path)
    raw = bytearray(b64url_decode(holder[path[-1]]))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    holder[path[-1]] = b64url_encode(bytes(raw))
    assert not bundles.verify_bundle(json.dumps(document).encode(), checkpoint).valid


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_any_field_of_the_checkpoint_that_binds_is_refused(name: str) -> None:
    bundle, checkpoint = CASES[name]
    assert not bundles.verify_bundle(bundle, _with(checkpoint, chain_id="other")).valid
    wrong = b64url_encode(bytes(32))
    stripped = _with(checkpoint, next_validators_hash=wrong, validators_hash=wrong)
    assert not bundles.verify_bundle(bundle, stripped).valid


def _with(checkpoint: Checkpoint, **changes: Any) -> Checkpoint:
    return msgspec.structs.replace(checkpoint, **changes)


# --- trust -----------------------------------------------------------------------------------


def _flaw_of(bundle: Bundle, checkpoint: Checkpoint) -> tuple[BundleFlaw | None, str]:
    verdict = bundles.verify_bundle(bundle, checkpoint)
    return verdict.flaw, verdict.detail


def test_a_header_at_the_checkpoints_height_must_be_that_header() -> None:
    assert bundles.verify_bundle(_state(), checkpoint_of(HEADER)).valid
    rival = replace(HEADER, app_hash=b"\x09" * 32)
    flaw, detail = _flaw_of(_state(), checkpoint_of(rival))
    assert flaw is BundleFlaw.NOT_TRUSTED
    assert "another header" in detail


def test_an_older_header_of_the_checkpoints_validators_is_accepted() -> None:
    assert bundles.verify_bundle(_state(), checkpoint_of(header_at(50, FOUR))).valid


def test_an_older_header_of_other_validators_needs_history() -> None:
    bare = msgspec.structs.replace(OVERDUE, history=None)
    assert _flaw_of(bare, OVERDUE_CHECKPOINT)[0] is BundleFlaw.NOT_TRUSTED


def test_history_that_lists_another_hash_or_not_this_height_is_refused() -> None:
    listed_elsewhere, _ = OVERDUE, None
    other = header_at(3, OTHERS, app_hash=b"\x07" * 32)
    for hashes, start in (
        ([b64url_encode(hash_header(other))], 3),
        ([b64url_encode(bytes(32))] * 2, 4),
    ):
        record = encode_canonical({"hashes": hashes, "start": start})
        forest = update_forest(FOREST, [("history", HISTORY_ID, record)])
        newer = header_at(9, FOUR, app_hash=compute_app_hash(forest))
        bundle = bundles.with_history(
            listed_elsewhere,
            _light(newer),
            HISTORY_ID,
            record,
            prove(forest, "history", HISTORY_ID),
        )
        assert _flaw_of(bundle, OVERDUE_CHECKPOINT)[0] is BundleFlaw.BAD_HISTORY


def test_a_record_of_another_namespace_is_no_history() -> None:
    forged = encode_canonical(
        {"hashes": [b64url_encode(hash_header(header_at(3, OTHERS)))], "start": 3}
    )
    forest = update_forest(FOREST, [("loyalty", b"blocks/x", forged)])
    newer = header_at(9, FOUR, app_hash=compute_app_hash(forest))
    whole = bundles.with_history(
        OVERDUE, _light(newer), b"blocks/x", forged, prove(forest, "loyalty", b"blocks/x")
    )
    history = whole.history
    assert history is not None
    for namespace in ("loyalty", "history"):
        state = msgspec.structs.replace(history.state, namespace=namespace)
        moved = msgspec.structs.replace(
            whole, history=msgspec.structs.replace(history, state=state)
        )
        assert _flaw_of(moved, OVERDUE_CHECKPOINT)[0] is BundleFlaw.BAD_HISTORY


def test_history_where_none_is_needed_is_refused() -> None:
    assert _flaw_of(OVERDUE, checkpoint_of(header_at(1, OTHERS)))[0] is BundleFlaw.MALFORMED


def test_strangers_who_sign_everything_are_not_trusted() -> None:
    namespace, record_id, record = RECORDS[0]
    header = header_at(8, OTHERS, app_hash=APP_HASH)
    bundle = bundles.state_bundle(
        _light(header, OTHERS), namespace, record_id, record, prove(FOREST, namespace, record_id)
    )
    assert _flaw_of(bundle, CHECKPOINT)[0] is BundleFlaw.NOT_TRUSTED
    helped = bundles.with_trusted_validators(bundle, FOUR)
    assert "too few" in _flaw_of(helped, CHECKPOINT)[1]
    assert (
        _flaw_of(bundles.with_trusted_validators(bundle, OTHERS), CHECKPOINT)[0]
        is BundleFlaw.NOT_TRUSTED
    )


def test_the_next_block_under_a_set_that_was_not_announced_is_refused() -> None:
    mixed = validators_of(3, 4, 11, 12)
    header = header_at(2, mixed, app_hash=APP_HASH)
    namespace, record_id, record = RECORDS[0]
    bundle = bundles.with_trusted_validators(
        bundles.state_bundle(
            _light(header, mixed), namespace, record_id, record, prove(FOREST, namespace, record_id)
        ),
        FOUR,
    )
    assert "announced" in _flaw_of(bundle, CHECKPOINT)[1]


def test_two_of_four_signatures_are_not_enough() -> None:
    flags = [BlockIDFlag.COMMIT, BlockIDFlag.COMMIT, BlockIDFlag.ABSENT, BlockIDFlag.NIL]
    block = LightBlock(signed(HEADER, FOUR, flags), FOUR)
    namespace, record_id, record = RECORDS[0]
    bundle = bundles.state_bundle(
        block, namespace, record_id, record, prove(FOREST, namespace, record_id)
    )
    assert _flaw_of(bundle, CHECKPOINT)[0] is BundleFlaw.BAD_BLOCK


def test_a_result_of_another_transaction_or_another_block_is_refused() -> None:
    mine, other = _transaction(2), _transaction(3)
    swapped = msgspec.structs.replace(mine, result=other.result)
    assert _flaw_of(swapped, CHECKPOINT)[0] is BundleFlaw.BAD_RESULT
    stray = header_at(9, FOUR, last_results_hash=hash_results(RESULTS))
    assert mine.result is not None
    foreign = msgspec.structs.replace(mine.result, block=bundles.block_part(_light(stray)))
    detail = _flaw_of(msgspec.structs.replace(mine, result=foreign), CHECKPOINT)
    assert detail == (BundleFlaw.BAD_RESULT, "not the next block")


def test_a_record_cannot_be_claimed_absent_nor_an_absence_present() -> None:
    present, absent = _state(), _absence()
    assert present.state is not None
    assert absent.state is not None
    hidden = msgspec.structs.replace(present.state, record=None)
    forged = msgspec.structs.replace(absent.state, record=b64url_encode(b"{}"))
    for state in (hidden, forged):
        claim = msgspec.structs.replace(present, state=state)
        assert _flaw_of(claim, CHECKPOINT)[0] is BundleFlaw.BAD_STATE


def test_a_stale_checkpoint_and_a_future_header_are_refused_when_the_time_is_given() -> None:
    period_s = TRUSTING_PERIOD_NS // 10**9
    good = Timestamp(START_S + 60)
    assert bundles.verify_bundle(_state(), CHECKPOINT, good).valid
    late = Timestamp(START_S + 1 + period_s)
    assert bundles.verify_bundle(_state(), CHECKPOINT, late).flaw is BundleFlaw.EXPIRED
    early = Timestamp(START_S - 10)
    assert bundles.verify_bundle(_state(), CHECKPOINT, early).flaw is BundleFlaw.NOT_TRUSTED


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b"[" * 100_000, b'{"a":1.5}', b"\xff", b"1" * 5_000]
)
def test_what_is_no_bundle_is_malformed(raw: bytes) -> None:
    assert bundles.verify_bundle(raw, CHECKPOINT).flaw is BundleFlaw.MALFORMED


def test_a_bundle_of_two_things_or_of_nothing_is_malformed() -> None:
    both = msgspec.structs.replace(_state(), transaction=_transaction().transaction)
    neither = msgspec.structs.replace(_state(), state=None)
    for bundle in (both, neither):
        assert _flaw_of(bundle, CHECKPOINT)[0] is BundleFlaw.MALFORMED


def test_proof_operations_must_be_two_of_the_known_type_and_for_the_key_asked() -> None:
    namespace, record_id, record = RECORDS[3]
    ops = prove(FOREST, namespace, record_id)
    assert verify_record(APP_HASH, namespace, record_id, record, ops)
    for wrong in (
        ops[:1],
        (*ops, ops[1]),
        (ops[1], ops[0]),
        (replace(ops[0], type="ics23:iavl"), ops[1]),
        (replace(ops[0], key=bytes(32)), ops[1]),
        (ops[0], replace(ops[1], key=b"city")),
        (ops[0], prove(FOREST, "city", b"sentinel")[1]),
    ):
        assert not verify_record(APP_HASH, namespace, record_id, record, wrong)
