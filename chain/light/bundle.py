"""Proof bundles: one JSON text that anybody can check offline against one checkpoint.

A bundle proves one thing: a record of the town's state (or that there is none), or a transaction in a block and,
if asked, its result. It carries everything except trust: signed headers, validators, Merkle paths. Trust comes
from a checkpoint: a header somebody vouched for (read at city hall, printed on the notice board, followed by a
light client). A header of a bundle is accepted

- at the checkpoint's height: when it is that header;
- at another height: when more than 2/3 of a set the checkpoint names signed it;
- later, under another set: when more than 1/3 of the checkpoint's next set signed it, and more than 2/3 of
  its own (the light client's step); the bundle then brings the checkpoint's next set;
- earlier: also when a `history` record, proved under a header accepted as above, lists its hash. This is the
  only way for a header of the chain that the town lived on before it moved: a new chain's state lists them all.

Every signature in every commit of the bundle must be good, and every byte of a bundle is bound by a hash or a
signature: Merkle paths name sides, because (index, total) would leave several spellings of one path.
Facts are read from the verdict, never from the bundle.

Reads: JSON, a checkpoint, a time if the caller gives one.  Writes: JSON.  Never: a clock, a network.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from chain.codec import proto
from chain.codec.canonical import b64url_decode, b64url_encode, decode_canonical
from chain.codec.errors import DecodeError
from chain.codec.hashing import hash_header, hash_validators, result_leaf
from chain.codec.merkle import hash_inner, hash_leaf
from chain.crypto.commits import ONE_THIRD, verify_commit_full, verify_commit_trusting
from chain.crypto.keys import address
from chain.crypto.light_forms import light_block_form
from chain.light.bundle_build import (
    block_part,
    checkpoint_of,
    path_of,
    state_bundle,
    transaction_bundle,
    with_history,
    with_trusted_validators,
)
from chain.light.bundle_format import (
    BUNDLE_FORMAT,
    CHECKPOINT_FORMAT,
    HISTORY_NAMESPACE,
    HISTORY_PREFIX,
    BlockPart,
    Bundle,
    Checkpoint,
    HistoryPart,
    HistoryRecord,
    OpPart,
    ResultPart,
    StatePart,
    Step,
    TransactionPart,
    ValidatorLine,
    encode_bundle,
    encode_checkpoint,
    parse_bundle,
    parse_checkpoint,
    time_of,
)
from chain.light.state_proof import verify_record
from chain.light.verifier import CLOCK_DRIFT_NS, TRUSTING_PERIOD_NS
from chain.types.abci import ExecTxResult, ProofOp
from chain.types.block import Header, SignedHeader
from chain.types.evidence import LightBlock
from chain.types.primitives import Hash, Height
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet

__all__ = [
    "BUNDLE_FORMAT",
    "CHECKPOINT_FORMAT",
    "HISTORY_NAMESPACE",
    "HISTORY_PREFIX",
    "BlockPart",
    "Bundle",
    "BundleFlaw",
    "BundleVerdict",
    "Checkpoint",
    "HistoryPart",
    "OpPart",
    "ProvedFacts",
    "ProvedResult",
    "ResultPart",
    "StatePart",
    "Step",
    "TransactionPart",
    "ValidatorLine",
    "block_part",
    "checkpoint_of",
    "encode_bundle",
    "encode_checkpoint",
    "parse_bundle",
    "parse_checkpoint",
    "path_of",
    "state_bundle",
    "transaction_bundle",
    "verify_bundle",
    "with_history",
    "with_trusted_validators",
]


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


class _Check:
    """One verification; each step raises `_Refused` with its own flaw."""

    def __init__(self, bundle: Bundle, trusted: Checkpoint, now: Timestamp | None) -> None:
        self._bundle = bundle
        self._trusted = trusted
        self._time = time_of(trusted)
        self._now = now
        self._known: ValidatorSet | None = None

    def run(self) -> ProvedFacts:
        bundle = self._bundle
        if (bundle.state is None) == (bundle.transaction is None):
            raise DecodeError("a bundle proves either a record or a transaction")
        if bundle.result is not None and bundle.transaction is None:
            raise DecodeError("a result belongs to a transaction")
        is_older_chain = bundle.chain_id != self._trusted.chain_id
        if is_older_chain and bundle.history is None:
            raise _Refused(BundleFlaw.WRONG_CHAIN, f"{bundle.chain_id!r}")
        if self._now is not None and self._time.to_ns() + TRUSTING_PERIOD_NS <= self._now.to_ns():
            raise _Refused(BundleFlaw.EXPIRED, "fetch a fresh checkpoint")
        self._known = self._trusted_set(bundle.trusted_validators)
        block = self._sound_block(bundle.block, bundle.chain_id)
        if is_older_chain:
            self._require_history(block)
        else:
            self._require_trust(block)
        if bundle.state is not None:
            return self._record_facts(block.signed_header.header, bundle.state)
        return self._transaction_facts(block.signed_header.header)

    def _sound_block(self, part: BlockPart, chain_id: str) -> LightBlock:
        """A block whose header, commit and set agree and whose every signature is good."""
        header = proto.decode(SignedHeader, b64url_decode(part.signed_header))
        block = LightBlock(header, _validator_set(part.validators))
        flaw = light_block_form(block, chain_id)
        if flaw:
            raise _Refused(BundleFlaw.BAD_BLOCK, flaw)
        commit = block.signed_header.commit
        refusal = verify_commit_full(
            chain_id, block.validator_set, commit.block_id, commit.height, commit
        )
        if refusal is not None:
            raise _Refused(BundleFlaw.BAD_BLOCK, str(refusal))
        return block

    def _require_trust(self, block: LightBlock) -> None:
        """Accept by the checkpoint, or else by history."""
        reason = self._distrust(block)
        if not reason:
            if self._bundle.history is not None:
                raise DecodeError("history for a block that needs none")
            return
        if self._bundle.history is None:
            raise _Refused(BundleFlaw.NOT_TRUSTED, reason)
        self._require_history(block)

    def _require_history(self, block: LightBlock) -> None:
        """Accept a block that a newer one of the checkpoint's chain lists, be it of the chain before a migration."""
        history = self._bundle.history
        assert history is not None, "the callers have checked"
        newer = self._sound_block(history.block, self._trusted.chain_id)
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
        listed = decode_canonical(HistoryRecord, raw)
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
        following = self._sound_block(part.block, self._bundle.chain_id).signed_header.header
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
