"""Proof bundles: one JSON text that anybody can check offline against one checkpoint.

A bundle proves one thing: a record of the town's state (or that there is none), or a transaction in a block and,
if asked, its result. It carries everything except trust: signed headers, validators, Merkle paths. Trust comes
from a checkpoint: a header somebody vouched for (read at city hall, printed on the notice board, followed by a
light client). A header of a bundle is accepted

- at the checkpoint's height: when it is that header;
- at another height: when more than 2/3 of a set the checkpoint names signed it;
- later, under another set: when more than 1/3 of the checkpoint's next set signed it, and more than 2/3 of
  its own (the light client's step); the bundle then brings the checkpoint's next set;
- earlier: also when a `history` record, proved under a header accepted as above, lists its hash.

Every signature in every commit of the bundle must be good, and every byte of a bundle is bound by a hash or a
signature: Merkle paths name sides, because (index, total) would leave several spellings of one path.
Facts are read from the verdict, never from the bundle.

Reads: JSON, a checkpoint, a time if the caller gives one.  Writes: JSON.  Never: a clock, a network.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Struct

from chain.codec import proto
from chain.codec.canonical import b64url_decode, b64url_encode, decode_canonical, encode_canonical
from chain.codec.errors import DecodeError
from chain.codec.hashing import hash_header, hash_validators, result_leaf
from chain.codec.merkle import MAX_AUNTS, hash_inner, hash_leaf
from chain.crypto.commits import (
    ONE_THIRD,
    verify_commit_full,
    verify_commit_trusting,
)
from chain.crypto.keys import address
from chain.light.state_proof import verify_record
from chain.light.verifier import (
    CLOCK_DRIFT_NS,
    TRUSTING_PERIOD_NS,
    light_block_form,
)
from chain.limits import LIGHT_BUNDLE_MAX_BYTES
from chain.types.abci import ExecTxResult, ProofOp
from chain.types.block import Header, Proof, SignedHeader
from chain.types.evidence import LightBlock
from chain.types.primitives import Hash, Height
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet

StructT = TypeVar("StructT", bound=Struct)

BUNDLE_FORMAT: Final = "beffroi-proof-1"
CHECKPOINT_FORMAT: Final = "beffroi-checkpoint-1"
HISTORY_NAMESPACE: Final = "history"
HISTORY_PREFIX: Final = b"blocks/"


# --- shapes ----------------------------------------------------------------------------------


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """JSON objects without extra members; bytes are base64url."""


_B64: Final = r"^[A-Za-z0-9_-]*$"
_Bytes = Annotated[str, Meta(pattern=_B64)]
_Hash = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]


class ValidatorLine(_Strict, frozen=True):
    """Raw Ed25519 key and power, in the set's order: exactly what the set's hash covers."""

    key: _Hash
    power: Annotated[int, Meta(ge=1)]


class BlockPart(_Strict, frozen=True):
    """A signed header (protobuf `tendermint.types.SignedHeader`) and the set its header names."""

    signed_header: _Bytes
    validators: tuple[ValidatorLine, ...]


class Step(_Strict, frozen=True):
    """One sibling on the way from a leaf to a Merkle root, and the side it lies on."""

    hash: _Hash
    side: Literal["left", "right"]


_Path = Annotated[tuple[Step, ...], Meta(max_length=MAX_AUNTS)]


class OpPart(_Strict, frozen=True):
    """A proof operation as `abci_query` returns it."""

    data: _Bytes
    key: _Bytes
    type: str


class StatePart(_Strict, frozen=True):
    """A record and its proof under the block's app hash; `record` null proves there is none."""

    namespace: str
    ops: tuple[OpPart, ...]
    record: _Bytes | None
    record_id: _Bytes


class TransactionPart(_Strict, frozen=True):
    """A transaction and its path to the block's data hash."""

    path: _Path
    tx: _Bytes


class ResultPart(_Strict, frozen=True):
    """The agreed part of a result, and its path to the last results hash of the next block."""

    block: BlockPart
    code: Annotated[int, Meta(ge=0, lt=2**32)]
    data: _Bytes
    gas_used: int
    gas_wanted: int
    path: _Path


class HistoryPart(_Strict, frozen=True):
    """A record that lists the hash of an older block, proved under a newer one."""

    block: BlockPart
    state: StatePart


class Bundle(_Strict, frozen=True, kw_only=True):
    """Exactly one of `state` and `transaction`; `result` belongs to a transaction."""

    block: BlockPart
    chain_id: str
    format: Literal["beffroi-proof-1"]
    history: HistoryPart | None = None
    result: ResultPart | None = None
    state: StatePart | None = None
    transaction: TransactionPart | None = None
    trusted_validators: tuple[ValidatorLine, ...] = ()


class Checkpoint(_Strict, frozen=True, kw_only=True):
    """A header somebody vouches for, without its bytes."""

    chain_id: str
    format: Literal["beffroi-checkpoint-1"]
    header_hash: _Hash
    height: Annotated[int, Meta(ge=1)]
    next_validators_hash: _Hash
    time: str
    validators_hash: _Hash


class _HistoryRecord(_Strict, frozen=True):
    hashes: tuple[_Hash, ...]
    start: int


class BundleFlaw(StrEnum):
    """Why a bundle proves nothing; stable names for programs."""

    MALFORMED = "proof_malformed"
    WRONG_CHAIN = "proof_wrong_chain"
    EXPIRED = "proof_checkpoint_expired"
    BAD_BLOCK = "proof_bad_block"
    NOT_TRUSTED = "proof_not_trusted"
    BAD_HISTORY = "proof_bad_history"
    BAD_STATE = "proof_bad_state"
    BAD_TRANSACTION = "proof_bad_transaction"
    BAD_RESULT = "proof_bad_result"


@dataclass(frozen=True, slots=True)
class ProvedResult:
    """What came of a transaction, as the chain agreed."""

    code: int
    data: bytes
    gas_wanted: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class ProvedFacts:
    """What a valid bundle establishes.

    `height` is that of the block which contains the transaction, or whose app hash proves the record; a record
    is state after height - 1. `tx` and `result` are None for a record.
    """

    chain_id: str
    height: Height
    time: Timestamp
    header_hash: Hash
    app_hash: bytes
    namespace: str = ""
    record_id: bytes = b""
    record: bytes | None = None
    tx: bytes | None = None
    result: ProvedResult | None = None


@dataclass(frozen=True, slots=True)
class BundleVerdict:
    """Facts when valid; otherwise a flaw and, for people, what exactly."""

    facts: ProvedFacts | None
    flaw: BundleFlaw | None = None
    detail: str = ""

    @property
    def valid(self) -> bool:
        """True when the facts hold, given the checkpoint."""
        return self.facts is not None


class _Refused(Exception):
    """Leaves the checks early; never leaves this module."""

    def __init__(self, flaw: BundleFlaw, detail: str) -> None:
        super().__init__(detail)
        self.flaw = flaw
        self.detail = detail


# --- checking --------------------------------------------------------------------------------


def verify_bundle(
    bundle: Bundle | bytes, trusted: Checkpoint, now: Timestamp | None = None
) -> BundleVerdict:
    """Check everything a bundle says against a checkpoint.

    With `now`, a checkpoint older than the trusting period and headers from the future are refused; without,
    the checkpoint is taken as vouched for today (a printed or freshly fetched one).
    """
    try:
        read = parse_bundle(bundle) if isinstance(bundle, bytes) else bundle
        facts = _Check(read, trusted, now).run()
    except DecodeError as exc:
        return BundleVerdict(None, BundleFlaw.MALFORMED, str(exc))
    except _Refused as refusal:
        return BundleVerdict(None, refusal.flaw, refusal.detail)
    return BundleVerdict(facts)


def parse_bundle(data: bytes) -> Bundle:
    """Read bundle JSON, blanks and member order free; raises DecodeError on anything extra, doubled or missing."""
    if len(data) > LIGHT_BUNDLE_MAX_BYTES:
        raise DecodeError(f"bundle of {len(data)} bytes, at most {LIGHT_BUNDLE_MAX_BYTES}")
    return _from_json(Bundle, data)


def encode_bundle(bundle: Bundle) -> bytes:
    """Canonical JSON of a bundle."""
    return encode_canonical(bundle)


def parse_checkpoint(data: bytes) -> Checkpoint:
    """Read checkpoint JSON; raises DecodeError as `parse_bundle`."""
    checkpoint = _from_json(Checkpoint, data)
    _time_of(checkpoint)
    return checkpoint


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Canonical JSON of a checkpoint."""
    return encode_canonical(checkpoint)


class _Check:
    """One verification; each step raises `_Refused` with its own flaw."""

    def __init__(self, bundle: Bundle, trusted: Checkpoint, now: Timestamp | None) -> None:
        self._bundle = bundle
        self._trusted = trusted
        self._time = _time_of(trusted)
        self._now = now
        self._known: ValidatorSet | None = None

    def run(self) -> ProvedFacts:
        bundle = self._bundle
        if (bundle.state is None) == (bundle.transaction is None):
            raise DecodeError("a bundle proves either a record or a transaction")
        if bundle.result is not None and bundle.transaction is None:
            raise DecodeError("a result belongs to a transaction")
        if bundle.chain_id != self._trusted.chain_id:
            raise _Refused(BundleFlaw.WRONG_CHAIN, f"{bundle.chain_id!r}")
        if self._now is not None and self._time.to_ns() + TRUSTING_PERIOD_NS <= self._now.to_ns():
            raise _Refused(BundleFlaw.EXPIRED, "fetch a fresh checkpoint")
        self._known = self._trusted_set(bundle.trusted_validators)
        block = self._sound_block(bundle.block)
        self._require_trust(block)
        if bundle.state is not None:
            return self._record_facts(block.signed_header.header, bundle.state)
        return self._transaction_facts(block.signed_header.header)

    def _sound_block(self, part: BlockPart) -> LightBlock:
        """A block whose header, commit and set agree and whose every signature is good."""
        header = proto.decode(SignedHeader, b64url_decode(part.signed_header))
        block = LightBlock(header, _validator_set(part.validators))
        flaw = light_block_form(block, self._bundle.chain_id)
        if flaw:
            raise _Refused(BundleFlaw.BAD_BLOCK, flaw)
        commit = block.signed_header.commit
        refusal = verify_commit_full(
            self._bundle.chain_id, block.validator_set, commit.block_id, commit.height, commit
        )
        if refusal is not None:
            raise _Refused(BundleFlaw.BAD_BLOCK, str(refusal))
        return block

    def _require_trust(self, block: LightBlock) -> None:
        """Accept by the checkpoint, or else by history."""
        reason = self._distrust(block)
        history = self._bundle.history
        if not reason:
            if history is not None:
                raise DecodeError("history for a block that needs none")
            return
        if history is None:
            raise _Refused(BundleFlaw.NOT_TRUSTED, reason)
        newer = self._sound_block(history.block)
        reason = self._distrust(newer)
        if reason:
            raise _Refused(BundleFlaw.NOT_TRUSTED, f"history: {reason}")
        self._require_listed(block.signed_header.header, newer.signed_header.header, history.state)

    def _distrust(self, block: LightBlock) -> str:
        """Why the checkpoint does not vouch for a sound block; "" when it does."""
        header, trusted = block.signed_header.header, self._trusted
        if self._now is not None and header.time.to_ns() >= self._now.to_ns() + CLOCK_DRIFT_NS:
            return "a header from the future"
        if header.height == trusted.height:
            is_it = b64url_encode(hash_header(header)) == trusted.header_hash
            return "" if is_it else "another header at the checkpoint's height"
        if (header.height > trusted.height) != (header.time > self._time):
            return "height and time disagree with the checkpoint"
        own = b64url_encode(header.validators_hash)
        if own == trusted.next_validators_hash:
            return ""
        if header.height == trusted.height + 1:
            return "validators are not those the checkpoint announced"
        if header.height < trusted.height:
            return "" if own == trusted.validators_hash else "older than the checkpoint"
        return self._distrust_by_overlap(block)

    def _distrust_by_overlap(self, block: LightBlock) -> str:
        """The light client's non-adjacent step, with the checkpoint's next set taken from the bundle."""
        if self._known is None:
            return "under another validator set than the checkpoint's"
        commit = block.signed_header.commit
        refusal = verify_commit_trusting(self._bundle.chain_id, self._known, commit, ONE_THIRD)
        return "" if refusal is None else f"too few trusted signers: {refusal.detail}"

    def _trusted_set(self, lines: Sequence[ValidatorLine]) -> ValidatorSet | None:
        """The set that the checkpoint's `next_validators_hash` names, when the bundle brings it."""
        if not lines:
            return None
        known = _validator_set(lines)
        if b64url_encode(hash_validators(known.validators)) != self._trusted.next_validators_hash:
            raise _Refused(BundleFlaw.NOT_TRUSTED, "another set than the checkpoint's next one")
        return known

    def _require_listed(self, older: Header, newer: Header, state: StatePart) -> None:
        """The older header's hash stands in a history record under the newer app hash."""
        raw, record_id = _record_of(state), b64url_decode(state.record_id)
        if state.namespace != HISTORY_NAMESPACE or not record_id.startswith(HISTORY_PREFIX):
            raise _Refused(BundleFlaw.BAD_HISTORY, "not a history record")
        if raw is None or not _is_proved(newer, state, raw):
            raise _Refused(BundleFlaw.BAD_HISTORY, "the history record is not proved")
        listed = decode_canonical(_HistoryRecord, raw)
        place = older.height - listed.start
        if not 0 <= place < len(listed.hashes):
            raise _Refused(BundleFlaw.BAD_HISTORY, f"height {older.height} is not listed")
        if listed.hashes[place] != b64url_encode(hash_header(older)):
            raise _Refused(BundleFlaw.BAD_HISTORY, "another hash is listed at that height")

    def _record_facts(self, header: Header, state: StatePart) -> ProvedFacts:
        record = _record_of(state)
        if not _is_proved(header, state, record):
            raise _Refused(BundleFlaw.BAD_STATE, "the record is not what the app hash commits to")
        record_id = b64url_decode(state.record_id)
        return self._facts(header, namespace=state.namespace, record_id=record_id, record=record)

    def _transaction_facts(self, header: Header) -> ProvedFacts:
        part = self._bundle.transaction
        assert part is not None  # `run` has checked
        tx = b64url_decode(part.tx)
        if _climb(sha256(tx).digest(), part.path) != header.data_hash:
            raise _Refused(BundleFlaw.BAD_TRANSACTION, "not under the block's data hash")
        result = None
        if self._bundle.result is not None:
            result = self._proved_result(header, part, self._bundle.result)
        return self._facts(header, tx=tx, result=result)

    def _proved_result(self, header: Header, tx: TransactionPart, part: ResultPart) -> ProvedResult:
        """The result lies in the next block's tree at the place the transaction has in this block's."""
        following = self._sound_block(part.block).signed_header.header
        # The next header names this one by hash, so it adds nothing that needs trust of its own unless it
        # is forged; being signed by more than 2/3 of the set this header announced excludes that.
        if following.height != header.height + 1 or (
            following.last_block_id.hash != hash_header(header)
            or following.validators_hash != header.next_validators_hash
        ):
            raise _Refused(BundleFlaw.BAD_RESULT, "not the next block")
        result = ProvedResult(part.code, b64url_decode(part.data), part.gas_wanted, part.gas_used)
        if [step.side for step in part.path] != [step.side for step in tx.path]:
            raise _Refused(BundleFlaw.BAD_RESULT, "the result of another transaction")
        if _climb(_result_leaf(result), part.path) != following.last_results_hash:
            raise _Refused(BundleFlaw.BAD_RESULT, "not under the next block's results hash")
        return result

    def _facts(self, header: Header, **proved: Any) -> ProvedFacts:
        return ProvedFacts(
            header.chain_id,
            header.height,
            header.time,
            hash_header(header),
            header.app_hash,
            **proved,
        )


def _is_proved(header: Header, state: StatePart, record: bytes | None) -> bool:
    ops = tuple(ProofOp(op.type, b64url_decode(op.key), b64url_decode(op.data)) for op in state.ops)
    record_id = b64url_decode(state.record_id)
    return verify_record(header.app_hash, state.namespace, record_id, record, ops)


def _record_of(state: StatePart) -> bytes | None:
    return None if state.record is None else b64url_decode(state.record)


def _result_leaf(result: ProvedResult) -> bytes:
    try:
        return result_leaf(
            ExecTxResult(
                code=result.code,
                data=result.data,
                gas_wanted=result.gas_wanted,
                gas_used=result.gas_used,
            )
        )
    except ValueError as exc:
        raise DecodeError(f"result out of range: {exc}") from exc


def _climb(leaf: bytes, path: Iterable[Step]) -> bytes:
    """Root of an RFC 6962 tree from one leaf's content and the siblings above it."""
    node = hash_leaf(leaf)
    for step in path:
        sibling = b64url_decode(step.hash)
        node = hash_inner(sibling, node) if step.side == "left" else hash_inner(node, sibling)
    return node


def _validator_set(lines: Iterable[ValidatorLine]) -> ValidatorSet:
    """The set in the order given; addresses follow from the keys."""
    keys = [(b64url_decode(line.key), line.power) for line in lines]
    return ValidatorSet(tuple(Validator(address(key), key, power) for key, power in keys))


def _time_of(checkpoint: Checkpoint) -> Timestamp:
    try:
        return Timestamp.from_rfc3339(checkpoint.time)
    except ValueError as exc:
        raise DecodeError(f"checkpoint: {exc}") from exc


def _from_json(cls: type[StructT], data: bytes) -> StructT:
    """Typed JSON with any spacing; doubled members and floats are refused."""
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_float=_no_float)
        return msgspec.convert(value, cls)
    except (ValueError, RecursionError) as exc:
        raise DecodeError(f"not a {cls.__name__}: {exc}") from exc


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member appears twice")
    return members


def _no_float(literal: str) -> NoReturn:
    raise ValueError(f"{literal[:20]} is not an integer")


# --- building --------------------------------------------------------------------------------


def state_bundle(
    block: LightBlock,
    namespace: str,
    record_id: bytes,
    record: bytes | None,
    ops: Sequence[ProofOp],
) -> Bundle:
    """Bundle for a record (None: for its absence); `block` is the one after the state's height."""
    return Bundle(
        block=block_part(block),
        chain_id=block.signed_header.header.chain_id,
        format=BUNDLE_FORMAT,
        state=_state_part(namespace, record_id, record, ops),
    )


def transaction_bundle(
    block: LightBlock,
    tx: bytes,
    proof: Proof,
    following: LightBlock | None = None,
    result: ExecTxResult | None = None,
    result_proof: Proof | None = None,
) -> Bundle:
    """Bundle for a transaction of `block`; with the next block, the result and its proof, for what came of it."""
    outcome = None
    if following is not None and result is not None and result_proof is not None:
        outcome = ResultPart(
            block_part(following),
            result.code,
            b64url_encode(result.data),
            result.gas_used,
            result.gas_wanted,
            path_of(result_proof),
        )
    return Bundle(
        block=block_part(block),
        chain_id=block.signed_header.header.chain_id,
        format=BUNDLE_FORMAT,
        result=outcome,
        transaction=TransactionPart(path_of(proof), b64url_encode(tx)),
    )


def with_history(
    bundle: Bundle, newer: LightBlock, record_id: bytes, record: bytes, ops: Sequence[ProofOp]
) -> Bundle:
    """The bundle, its block vouched for by a history record under a newer block."""
    state = _state_part(HISTORY_NAMESPACE, record_id, record, ops)
    return msgspec.structs.replace(bundle, history=HistoryPart(block_part(newer), state))


def with_trusted_validators(bundle: Bundle, validators: ValidatorSet) -> Bundle:
    """The bundle with the checkpoint's next set, for a block signed by a different one."""
    return msgspec.structs.replace(bundle, trusted_validators=_lines(validators))


def checkpoint_of(header: Header) -> Checkpoint:
    """The checkpoint a header makes; whoever hands it out vouches for the header."""
    return Checkpoint(
        chain_id=header.chain_id,
        format=CHECKPOINT_FORMAT,
        header_hash=b64url_encode(hash_header(header)),
        height=header.height,
        next_validators_hash=b64url_encode(header.next_validators_hash),
        time=header.time.to_rfc3339(),
        validators_hash=b64url_encode(header.validators_hash),
    )


def block_part(block: LightBlock) -> BlockPart:
    """A light block in its JSON form."""
    signed = b64url_encode(proto.encode(block.signed_header))
    return BlockPart(signed, _lines(block.validator_set))


def path_of(proof: Proof) -> tuple[Step, ...]:
    """The sides of a CometBFT proof's aunts, from leaf to root; an odd last node rises without one."""
    index, last, steps = proof.index, proof.total - 1, []
    aunts = iter(proof.aunts)
    while last > 0:
        if index & 1 or index != last:
            side: Literal["left", "right"] = "left" if index & 1 else "right"
            steps.append(Step(b64url_encode(next(aunts)), side))
        index, last = index >> 1, last >> 1
    return tuple(steps)


def _lines(validators: ValidatorSet) -> tuple[ValidatorLine, ...]:
    return tuple(
        ValidatorLine(b64url_encode(member.pub_key), member.voting_power)
        for member in validators.validators
    )


def _state_part(
    namespace: str, record_id: bytes, record: bytes | None, ops: Sequence[ProofOp]
) -> StatePart:
    return StatePart(
        namespace,
        tuple(OpPart(b64url_encode(op.data), b64url_encode(op.key), op.type) for op in ops),
        None if record is None else b64url_encode(record),
        b64url_encode(record_id),
    )
