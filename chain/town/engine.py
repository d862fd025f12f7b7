"""Execution of one block over committed state: pure, in memory, the same on every machine.

`BlockRun` judges and applies transactions one by one over an overlay, then does the work of block end. What
to keep is the caller's choice: FinalizeBlock keeps everything, PrepareProposal keeps what was accepted.

Order of checks (PROTOCOL §2): size, canonical form, town, type, body, expiry, replay, signatures, entitlement,
quota; then the replay key is recorded and quotas are charged, then the rule runs.
Reads: everything.  Writes: an overlay.  Never: a clock, a store, the network.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from msgspec import Struct

from chain.codec.canonical import b64url_encode, encode_canonical
from chain.town import entitlement, params, rolling
from chain.town.accounts import find_key, jwk_members
from chain.town.context import (
    Accepted,
    BlockContext,
    Overlay,
    Reader,
    Refused,
    Signer,
    Table,
    TxContext,
)
from chain.town.due import FAILED, DueRecord, has_due, take_due
from chain.town.envelope import Envelope, EnvelopeCache, decode_anonymous, is_anonymous
from chain.town.rules import Route, Router, Rule
from chain.town.schemas import Bytes32, Jwk
from chain.town.validators import punish_validator, take_validator_updates
from chain.types import codes
from chain.types.abci import Event, EventAttribute, ExecTxResult, Misbehavior, ValidatorUpdate

BLOCK_MAX_GAS_US: Final = 500_000
"""Execution time one block may cost, in µs of the reference machine (PROTOCOL §1)."""
HISTORY_MAX_HASHES: Final = 10_000
"""Block hashes in one history record; the rest follows with the next one."""
DETAIL_MAX_CHARS: Final = 200
"""Of a refusal's detail: a name out of the transaction may stand in it, and be as long as its sender likes."""
SYSTEM_NAMESPACES: Final = ("account", "city", "due", "history", "journal", "quota", "replay")


class StateUnavailable(Exception):
    """The store could not answer: the node stops, because guessing would fork the town."""


class HistoryRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Hashes of consecutive blocks, the first of height `start`; base64url."""

    start: int
    hashes: tuple[Bytes32, ...]


class JournalRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What happened at the end of one block, in order; `time` is header time in unix seconds."""

    time: int
    entries: tuple[dict[str, Any], ...]


HISTORY: Final = Table("history", "blocks", HistoryRecord)
JOURNAL: Final = Table("journal", "height", JournalRecord)
PAST_HASHES: Final = "~history"
"""Hashes of finished blocks that no history record holds yet: height (8 bytes) to hash."""


@dataclass(frozen=True, slots=True)
class TownFacts:
    """What never changes in a chain's life."""

    chain_id: str
    town: str


@dataclass(frozen=True, slots=True)
class BlockInput:
    """What a block brings besides transactions; `time_s` is header time, whole seconds."""

    height: int
    time_s: int
    misbehavior: tuple[Misbehavior, ...] = ()


class Verdict(Enum):
    """How far a transaction came."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    """Recorded and charged, then refused by its rule."""
    REFUSED = "refused"
    """Refused before it was recorded: as if it had never come."""
    POISON = "poison"
    """A rule broke on it; never a fault of the block's other transactions."""


@dataclass(frozen=True, slots=True)
class TxRun:
    """One transaction's result and the writes it would make."""

    verdict: Verdict
    result: ExecTxResult
    writes: Overlay | None = None


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """Everything one block does: writes sorted by (namespace, id), results in order, validator changes."""

    changes: tuple[tuple[str, bytes, bytes | None], ...]
    results: tuple[ExecTxResult, ...]
    validator_updates: tuple[ValidatorUpdate, ...]


@dataclass(frozen=True, slots=True)
class _Admitted:
    envelope: Envelope
    route: Route
    context: TxContext
    charged: tuple[tuple[str, params.Parameter], ...]


class BlockRun:
    """One block in the making, or the mempool's view of the next one."""

    def __init__(
        self,
        reader: Reader,
        router: Router,
        facts: TownFacts,
        block: BlockInput,
        cache: EnvelopeCache,
    ) -> None:
        self._state = Overlay(reader)
        self._router = router
        self._facts = facts
        self.block = block
        """Height and time judged against; the mempool's view moves it on."""
        self._cache = cache
        self._results: list[ExecTxResult] = []
        self.gas_used_us = 0

    @property
    def town(self) -> str:
        """The town's name."""
        return self._facts.town

    # --- transactions ----------------------------------------------------------------------

    def execute(self, raw: bytes) -> TxRun:
        """Judge and apply one transaction beside the block's state; `keep` makes it count."""
        if is_anonymous(raw):
            return self._execute_anonymous(raw)
        writes = Overlay(self._state)
        admitted: _Admitted | Refused | None = None
        try:
            admitted = self._admit(writes, raw)
            if isinstance(admitted, Refused):
                return TxRun(Verdict.REFUSED, _refused_result(admitted, 0))
            self._record(writes, admitted)
            return self._apply(writes, admitted)
        except (StateUnavailable, MemoryError, RecursionError):
            raise  # of this machine, not of the transaction: other nodes may see none of it
        except Exception as failure:  # noqa: BLE001  # any other exception is the rule's: same everywhere
            return self._poisoned(admitted, failure)

    def _execute_anonymous(self, raw: bytes) -> TxRun:
        """A transaction that nobody signed: accepted, or as if it had never come."""
        layer = Overlay(self._state)
        try:
            envelope = decode_anonymous(raw, self._facts.town)
            if isinstance(envelope, Refused):
                return TxRun(Verdict.REFUSED, _refused_result(envelope, 0))
            rule = self._router.anonymous.get(envelope.type)
            if rule is None:
                unknown = Refused(codes.TX_UNKNOWN_TYPE, envelope.type)
                return TxRun(Verdict.REFUSED, _refused_result(unknown, 0))
            key = rule.key(envelope.body)
            outcome = rule.apply(self._anonymous_context(layer, key), envelope.body)
            if isinstance(outcome, Refused):
                return TxRun(Verdict.REFUSED, _refused_result(outcome, 0))
            self._check_namespaces(layer)
            gas_us = rule.gas_us(self._state, envelope.body)
            event = _named_event(key, envelope.type)
            return TxRun(Verdict.ACCEPTED, _accepted_result(outcome, gas_us, event), layer)
        except (StateUnavailable, MemoryError, RecursionError):
            raise
        except Exception as failure:  # noqa: BLE001  # as in `execute`
            poison = Refused(codes.TX_INTERNAL, type(failure).__name__)
            return TxRun(Verdict.POISON, _refused_result(poison, 0))

    def _anonymous_context(self, state: Overlay, key: bytes) -> TxContext:
        block, facts = self.block, self._facts
        return TxContext(state, block.height, block.time_s, facts.chain_id, facts.town, "", (), key)

    def keep(self, run: TxRun) -> None:
        """Make a run part of the block, whatever its verdict."""
        if run.writes is not None:
            self._state.absorb(run.writes)
        self._results.append(run.result)
        self.gas_used_us += run.result.gas_used

    def charge_quota(self, raw: bytes) -> None:
        """Count a transaction the mempool refused by rule, so that a key cannot probe for free."""
        envelope = self._cache.decode(raw)
        if isinstance(envelope, Envelope):
            kids = tuple(entry.kid for entry in envelope.signatures)
            for name in _charged_names(envelope.payload.sender, kids):
                rolling.count_one(self._state, self.block.time_s, name)

    def count_again(self, raw: bytes) -> ExecTxResult:
        """Count a transaction that waited when a block came: what it draws on is drawn, its rule is not run again.

        Refused when it expired or was recorded meanwhile. Signature and entitlement are left alone: they may rest on
        another transaction that waits. An anonymous one draws on nothing: it is only asked whether it is over.
        """
        if is_anonymous(raw):
            return self._look_again(raw)
        envelope = self._cache.decode(raw)
        if isinstance(envelope, Refused):
            return _refused_result(envelope, 0)
        rule = self._router.routes[envelope.payload.type].rule
        refused = _check_envelope(self._state, rule, envelope, self.block.time_s)
        if refused is not None:
            return _refused_result(refused, 0)
        rolling.record_replay(self._state, envelope.payload.exp, envelope.tx_key)
        self.charge_quota(raw)
        return ExecTxResult(gas_wanted=rule.gas_us)

    def _look_again(self, raw: bytes) -> ExecTxResult:
        envelope = decode_anonymous(raw, self._facts.town)
        if isinstance(envelope, Refused):
            return _refused_result(envelope, 0)
        rule = self._router.anonymous[envelope.type]
        refused = rule.why_over(self._state, envelope.body, self.block.time_s)
        if refused is not None:
            return _refused_result(refused, 0)
        return ExecTxResult(gas_wanted=rule.gas_us(self._state, envelope.body))

    def _admit(self, state: Overlay, raw: bytes) -> _Admitted | Refused:
        envelope = self._cache.decode(raw)
        if isinstance(envelope, Refused):
            return envelope
        route = self._router.routes.get(envelope.payload.type)
        if route is None:
            return Refused(codes.TX_UNKNOWN_TYPE, envelope.payload.type)
        now_s, rule = self.block.time_s, route.rule
        refused = _check_envelope(state, rule, envelope, now_s)
        if refused is not None:
            return refused
        named = entitlement.named_keys(rule, envelope.body)
        if isinstance(named, Refused):
            return named
        signers = _verify_signers(state, self._cache, envelope, named)
        if isinstance(signers, Refused):
            return signers
        kids = tuple(signer.kid for signer in signers)
        refused = entitlement.check_entitled(
            state, rule, envelope.payload.sender, kids, frozenset(named), now_s
        )
        if refused is not None:
            return refused
        context = self._context(state, envelope, signers)
        return _charge(route, envelope, context, kids)

    def _context(
        self, state: Overlay, envelope: Envelope, signers: tuple[Signer, ...]
    ) -> TxContext:
        return TxContext(
            state,
            self.block.height,
            self.block.time_s,
            self._facts.chain_id,
            self._facts.town,
            envelope.payload.sender,
            signers,
            envelope.tx_key,
        )

    def _record(self, state: Overlay, admitted: _Admitted) -> None:
        rolling.record_replay(state, admitted.envelope.payload.exp, admitted.envelope.tx_key)
        for kid, _ in admitted.charged:
            rolling.count_one(state, self.block.time_s, kid)

    def _apply(self, writes: Overlay, admitted: _Admitted) -> TxRun:
        """Run the rule on a layer of its own, which a refusal throws away."""
        layer = Overlay(writes)
        context = self._context(layer, admitted.envelope, admitted.context.signers)
        rule = admitted.route.rule
        outcome = rule.apply(context, admitted.envelope.body)
        tx_event = _tx_event(admitted)
        if isinstance(outcome, Refused):
            result = _refused_result(outcome, rule.gas_us, (tx_event,))
            return TxRun(Verdict.FAILED, result, writes)
        self._check_namespaces(layer)
        result = _accepted_result(outcome, rule.gas_us, tx_event)
        writes.absorb(layer)
        return TxRun(Verdict.ACCEPTED, result, writes)

    def _poisoned(self, admitted: _Admitted | Refused | None, failure: Exception) -> TxRun:
        """Burn nonce and quota when the transaction was admitted, so that it cannot come again."""
        refused = Refused(codes.TX_INTERNAL, type(failure).__name__)
        if not isinstance(admitted, _Admitted):
            return TxRun(Verdict.POISON, _refused_result(refused, 0))
        writes = Overlay(self._state)
        self._record(writes, admitted)
        result = _refused_result(refused, admitted.route.rule.gas_us, (_tx_event(admitted),))
        return TxRun(Verdict.POISON, result, writes)

    def _check_namespaces(self, layer: Overlay) -> None:
        """A namespace nobody declared has no sentinel, so absence in it could not be proved."""
        for namespace in layer.written_namespaces():
            assert namespace in self._router.namespaces, f"undeclared namespace {namespace}"

    # --- block end -------------------------------------------------------------------------

    def finish(self) -> BlockOutcome:
        """Due work, punishments, validators, history, journal; nothing at all for an idle block."""
        due = has_due(self._state, self.block.time_s)
        if not self._results and not due and not self.block.misbehavior:
            return BlockOutcome((), (), ())
        context = self._block_context(self._state)
        self._run_due(context)
        for misbehavior in self.block.misbehavior:
            punish_validator(context, misbehavior)
        updates = take_validator_updates(context)
        rolling.drop_past_minutes(self._state, self.block.time_s)
        _write_history(self._state, self.block.height)
        if context.notes:
            record = JournalRecord(self.block.time_s, tuple(context.notes))
            JOURNAL.put(self._state, self.block.height.to_bytes(8, "big"), record)
        return BlockOutcome(self._state.changes(), tuple(self._results), updates)

    def _block_context(self, state: Overlay) -> BlockContext:
        block, facts = self.block, self._facts
        return BlockContext(state, block.height, block.time_s, facts.chain_id, facts.town)

    def _run_due(self, context: BlockContext) -> None:
        count_max = params.get_param(self._state, params.DUE_MAX_PER_BLOCK)
        for item_id, item in take_due(self._state, self.block.time_s, count_max):
            self._run_due_item(context, item_id, item)

    def _run_due_item(self, context: BlockContext, item_id: bytes, item: DueRecord) -> None:
        """A handler that breaks loses its writes and is set aside: it must not stop the town."""
        layer = self._block_context(Overlay(self._state))
        try:
            self._router.due[item.kind](layer, item.text)
            self._check_namespaces(layer.state)
            encode_canonical(layer.notes)
        except (StateUnavailable, MemoryError, RecursionError):
            raise
        except Exception as failure:  # noqa: BLE001  # as in `execute`: deterministic, hence contained
            FAILED.put(self._state, item_id, item)
            context.note("due.failed", work=item.kind, error=type(failure).__name__)
            return
        self._state.absorb(layer.state)
        context.notes.extend(layer.notes)


def _check_envelope(state: Reader, rule: Rule, envelope: Envelope, now_s: int) -> Refused | None:
    """Expiry, replay, and how many may sign."""
    exp_s = envelope.payload.exp
    if exp_s <= now_s:
        return Refused(codes.TX_EXPIRED, f"exp {exp_s}, now {now_s}")
    if exp_s > now_s + params.get_param(state, rule.expiry):
        return Refused(codes.TX_EXPIRY_TOO_FAR, f"exp {exp_s}, now {now_s}")
    if rolling.is_replayed(state, exp_s, envelope.tx_key):
        return Refused(codes.TX_REPLAYED)
    if len(envelope.signatures) > rule.signatures_max:
        return Refused(codes.TX_NOT_ENTITLED, f"at most {rule.signatures_max} sign this")
    return None


def _verify_signers(
    state: Reader, cache: EnvelopeCache, envelope: Envelope, named: dict[str, Jwk]
) -> tuple[Signer, ...] | Refused:
    """Every signature under its registered key, or under a key the body names."""
    signers = []
    for entry in envelope.signatures:
        jwk = find_key(state, entry.kid) or named.get(entry.kid)
        if jwk is None:
            return entitlement.refusal_of_unknown_key(state, entry.kid)
        if not cache.is_signed(envelope, entry, jwk):
            return Refused(codes.TX_BAD_SIGNATURE)
        signers.append(Signer(entry.kid, jwk_members(jwk)))
    return tuple(signers)


def _charge(
    route: Route, envelope: Envelope, context: TxContext, kids: tuple[str, ...]
) -> _Admitted | Refused:
    """The rule's own admission, then every quota this transaction draws on."""
    rule = route.rule
    charged = [(name, rule.quota) for name in _charged_names(context.sender, kids)]
    if rule.admit is not None:
        more = rule.admit(context, envelope.body)
        if isinstance(more, Refused):
            return more
        charged += [(kid, params.QUOTA_GATEWAY_PER_MINUTE) for kid in more]
    for kid, quota in charged:
        limit = params.get_param(context.state, quota)
        if rolling.get_count(context.state, context.time_s, kid) >= limit:
            return Refused(codes.TX_QUOTA_EXCEEDED, f"{limit} a minute")
    return _Admitted(envelope, route, context, tuple(charged))


def _charged_names(sender: str, kids: tuple[str, ...]) -> tuple[str, ...]:
    """Whose quota a transaction draws on: the account's, whatever its key is now; else each signer's.

    Charged by key, an account that rotates its key with every transaction would have no quota at all.
    """
    return (sender,) if entitlement.sender_kind(sender) == "account" else kids


def _tx_event(admitted: _Admitted) -> Event:
    """Clients find their transaction by payload hash; only recorded ones are named so.

    A copy with a foreign signature is never recorded, so it cannot pass for the owner's result.
    """
    return _named_event(admitted.envelope.tx_key, admitted.route.name)


def _named_event(key: bytes, type_name: str) -> Event:
    return Event(
        "tx", (EventAttribute("payload_hash", key.hex()), EventAttribute("type", type_name))
    )


def _accepted_result(outcome: Accepted, gas_us: int, tx_event: Event) -> ExecTxResult:
    return ExecTxResult(
        data=encode_canonical(outcome.data),
        info="ok",
        gas_wanted=gas_us,
        gas_used=gas_us,
        events=(tx_event, *outcome.events),
    )


def _refused_result(refused: Refused, gas_us: int, events: tuple[Event, ...] = ()) -> ExecTxResult:
    code, detail = refused.code, refused.detail[:DETAIL_MAX_CHARS]
    return ExecTxResult(
        code=code.number,
        log=f"{code.en} ({detail})" if detail else code.en,
        info=code.name,
        gas_wanted=gas_us,
        gas_used=gas_us,
        events=events,
        codespace=code.codespace,
    )


def _write_history(state: Overlay, height: int) -> None:
    """Move the hashes of finished blocks from beside the tree into one record of it."""
    held: list[tuple[bytes, bytes]] = []
    for key, block_hash in state.scan(PAST_HASHES):
        if len(held) == HISTORY_MAX_HASHES:
            break
        held.append((key, block_hash))
    if not held:
        return
    start = int.from_bytes(held[0][0], "big")
    hashes = tuple(b64url_encode(block_hash) for _, block_hash in held)
    HISTORY.put(state, height.to_bytes(8, "big"), HistoryRecord(start, hashes))
    for key, _ in held:
        state.put(PAST_HASHES, key, None)
