"""A small real ABCI application for tests: `key=value` transactions over a StateStore, as CometBFT's kvstore.

app_hash = SHA-256 over the sorted records, kept incrementally as a sum of record hashes modulo 2^256 (order
independent, exact for tests). `bad=...` is refused; `poison=` raises; `val:<hex key>!<power>` changes validators.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from chain.town.ports import StateStore, StateVersion
from chain.types.abci import (
    Event,
    EventAttribute,
    ExecTxResult,
    ProposalStatus,
    RequestCheckTx,
    RequestFinalizeBlock,
    RequestInfo,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    ResponseCheckTx,
    ResponseCommit,
    ResponseFinalizeBlock,
    ResponseInfo,
    ResponseInitChain,
    ResponsePrepareProposal,
    ResponseProcessProposal,
    ResponseQuery,
    ValidatorUpdate,
)
from chain.types.timestamp import Timestamp

MODULUS = 2**256
TICK_S = 2


@dataclass
class Candidate:
    height: int
    total: int
    writes: dict[bytes, bytes] = field(default_factory=dict)
    undo: dict[bytes, bytes | None] = field(default_factory=dict)


class KvStoreApp:
    def __init__(self, store: StateStore, clock: Callable[[], Timestamp] | None = None) -> None:
        self.store = store
        self.clock = clock
        version = store.load_version()
        self.height, app_hash = version if version else (0, b"")
        self.total = int.from_bytes(app_hash, "big") if app_hash else 0
        self.candidate: Candidate | None = None
        self.calls: list[str] = []

    def info(self, request: RequestInfo) -> ResponseInfo:
        self.calls.append("info")
        hash_ = self.total.to_bytes(32, "big") if self.height else b""
        return ResponseInfo("kvstore", "1", 1, self.height, hash_)

    def init_chain(self, request: RequestInitChain) -> ResponseInitChain:
        self.calls.append("init_chain")
        return ResponseInitChain(app_hash=(0).to_bytes(32, "big"))

    def query(self, request: RequestQuery) -> ResponseQuery:
        if request.path == "/status":
            return ResponseQuery(value=b'{"insecure":true}', height=self.height)
        value = self.store.get("kv", request.data)
        log = "does not exist" if value is None else "exists"
        return ResponseQuery(log=log, key=request.data, value=value or b"", height=self.height)

    def check_tx(self, request: RequestCheckTx) -> ResponseCheckTx:
        if b"=" not in request.tx or request.tx.startswith(b"bad="):
            return ResponseCheckTx(code=2, log="malformed", codespace="kv")
        return ResponseCheckTx(gas_wanted=1)

    def prepare_proposal(self, request: RequestPrepareProposal) -> ResponsePrepareProposal:
        self.calls.append("prepare")
        if self.clock is not None:
            behind_s = (self.clock().to_ns() - request.time.to_ns()) / 1e9
            if behind_s > TICK_S:
                return ResponsePrepareProposal(())
        return ResponsePrepareProposal(request.txs)

    def process_proposal(self, request: RequestProcessProposal) -> ResponseProcessProposal:
        self.calls.append("process")
        if any(tx.startswith(b"poison=") for tx in request.txs):
            return ResponseProcessProposal(ProposalStatus.REJECT)
        return ResponseProcessProposal(ProposalStatus.ACCEPT)

    def finalize_block(self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock:
        self.calls.append(f"finalize {request.height}")
        candidate = Candidate(request.height, self.total)
        updates: list[ValidatorUpdate] = []
        results = tuple(self._apply(candidate, updates, tx) for tx in request.txs)
        self.candidate = candidate
        app_hash = candidate.total.to_bytes(32, "big")
        return ResponseFinalizeBlock((), results, tuple(updates), None, app_hash)

    def _apply(
        self, candidate: Candidate, updates: list[ValidatorUpdate], tx: bytes
    ) -> ExecTxResult:
        key, _, value = tx.partition(b"=")
        if key.startswith(b"val:"):
            updates.append(ValidatorUpdate(bytes.fromhex(key[4:].decode()), int(value)))
            return ExecTxResult()
        if value == b"refuse":
            return ExecTxResult(code=3, log="refused", codespace="kv")
        old = candidate.writes.get(key, self.store.get("kv", key))
        candidate.undo.setdefault(key, self.store.get("kv", key))
        if old is not None:
            candidate.total = (candidate.total - weight(key, old)) % MODULUS
        candidate.total = (candidate.total + weight(key, value)) % MODULUS
        candidate.writes[key] = value
        events = (
            Event("app", (EventAttribute("key", key.decode()), EventAttribute("n", str(len(tx))))),
        )
        return ExecTxResult(data=value, gas_wanted=1, gas_used=1, events=events)

    def commit(self) -> ResponseCommit:
        candidate, self.candidate = self.candidate, None
        assert candidate is not None
        self.calls.append(f"commit {candidate.height}")
        changes = tuple(("kv", k, v) for k, v in sorted(candidate.writes.items()))
        undo = tuple(("kv", k, v) for k, v in sorted(candidate.undo.items()))
        app_hash = candidate.total.to_bytes(32, "big")
        self.store.save(StateVersion(candidate.height, app_hash, changes, undo))
        self.height, self.total = candidate.height, candidate.total
        return ResponseCommit()


def weight(key: bytes, value: bytes) -> int:
    return int.from_bytes(sha256(len(key).to_bytes(4, "big") + key + value).digest(), "big")
