"""A town in memory for tests: one call makes it, one call signs a transaction, one call runs a block.

    town = make_town()                                    # 4 bodies, 4 validators, roles, lax parameters
    shopper = key("shopper")                              # the same name gives the same key everywhere
    town.open_account(shopper, "loyalty")                 # account.open with a gateway ticket, one block
    tx = town.tx(AccountRotate(jwk(key("new"))), shopper.kid, shopper, key("new"))
    result = town.run(tx)[0]                              # Process + Finalize + Commit of one block
    assert name_of(result) == "ok"                        # or the stable name of the refusal
    result = town.do(body, sender, *signers)              # tx + run, one result
    town.advance(3_600)                                   # move header time and clock; no block
    town.idle(10)                                         # ten blocks without transactions
    town.propose(*txs)                                    # what PrepareProposal keeps
    town.check(tx)                                        # CheckTx
    town.query("/record/account", b"account/" + kid, prove=True)
    town.restart()                                        # a fresh application on the same store
    town.reader                                           # committed records, for Table.get / scan

make_town(params={...}, roles=(("clerk", "mairie"), ...), bodies=(...), validators=n, router=..., secure=False)
makes another one. Role keys: town.role("clerk"), or key("clerk@mairie"); seats: town.seat("mairie").
`MemoryStateStore` is a StateStore; `MemoryStateStore.copy()` makes a second node with the same state.
"""

import json
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import count
from typing import Any

from msgspec import Struct

from chain.codec.canonical import b64url_encode, encode_canonical
from chain.crypto import ed25519, jws
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.town.application import StoreReader, TownApplication
from chain.town.envelope import TICKET_TYP, build_transaction
from chain.town.ports import StateVersion
from chain.town.rules import Router
from chain.town.schemas import AccountOpen, CouncilActs, Jwk, Ticket
from chain.types.abci import (
    CommitInfo,
    ExecTxResult,
    ExtendedCommitInfo,
    Misbehavior,
    RequestCheckTx,
    RequestFinalizeBlock,
    RequestInfo,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    ResponseCheckTx,
    ResponseFinalizeBlock,
    ResponseQuery,
    ValidatorUpdate,
)
from chain.types.params import ConsensusParams
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp

GENESIS_S = 1_790_000_000
DAY_S = 86_400
BODIES = ("mairie", "commerces", "coop", "dehors")
ROLES = (
    ("clerk", "mairie"),
    ("agent_supervisor", "commerces"),
    ("gateway", "mairie"),
    ("loyalty_operator", "commerces"),
    ("electoral_commission", "dehors"),
    ("auditor", "dehors"),
)
LAX_PARAMS = {
    "council_delay_s": 0,
    "identity_batch_min_entries": 1,
    "identity_batch_max_wait_s": 0,
    "identity_batch_hour_utc": -1,
    "quota_account_per_minute": 1_000,
    "quota_till_per_minute": 1_000,
    "quota_agent_per_minute": 1_000,
    "quota_gateway_per_minute": 1_000,
    "quota_council_per_minute": 1_000,
}
"""Outside production ranges, so that tests need not wait; the town says INSECURE."""


def key(name: str, alg: Any = "EdDSA") -> SigningKey:
    """The signing key of that name."""
    return SigningKey(alg, sha256(f"test key {name}".encode()).digest())


def jwk(signer: SigningKey) -> Jwk:
    """The public half, as transaction bodies carry it."""
    return Jwk(**jwk_of(signer.public_key))


def blind(name: str) -> str:
    """16 bytes that look random, base64url."""
    return b64url_encode(sha256(f"blind {name}".encode()).digest()[:16])


def validator_seed(index: int) -> bytes:
    """Private seed of the n-th validator."""
    return sha256(f"test validator {index}".encode()).digest()


def name_of(result: ExecTxResult | ResponseCheckTx) -> str:
    """`ok`, or the stable name of the refusal."""
    return result.info


class MemoryStateStore:
    """`chain.town.ports.StateStore` in dictionaries; keeps every undo."""

    def __init__(self) -> None:
        self._records: dict[str, dict[bytes, bytes]] = {}
        self._ids: dict[str, list[bytes]] = {}
        self._undo: dict[int, tuple[tuple[str, bytes, bytes | None], ...]] = {}
        self._version: tuple[int, bytes] | None = None
        self._meta: dict[str, bytes] = {}

    def copy(self) -> "MemoryStateStore":
        """An independent store with the same content."""
        other = MemoryStateStore()
        other._records = {ns: dict(records) for ns, records in self._records.items()}
        other._ids = {ns: list(ids) for ns, ids in self._ids.items()}
        other._undo, other._meta = dict(self._undo), dict(self._meta)
        other._version = self._version
        return other

    def load_version(self) -> tuple[int, bytes] | None:
        return self._version

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        return self._records.get(namespace, {}).get(record_id)

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        ids = self._ids.get(namespace, [])
        first = bisect_left(ids, start)
        last = len(ids) if stop is None else bisect_left(ids, stop)
        records = self._records.get(namespace, {})
        return iter([(rid, records[rid]) for rid in ids[first:last]])

    def namespaces(self) -> tuple[str, ...]:
        return tuple(sorted(ns for ns, records in self._records.items() if records))

    def save(self, version: StateVersion) -> None:
        assert list(version.changes) == sorted(version.changes, key=lambda c: c[:2])
        assert [c[:2] for c in version.changes] == [u[:2] for u in version.undo]
        for namespace, record_id, record in version.changes:
            self._put(namespace, record_id, record)
        self._undo[version.height] = version.undo
        self._version = (version.height, version.app_hash)
        self._meta = dict(version.meta)

    def restore(self, version: StateVersion) -> None:
        self.__init__()
        for namespace, record_id, record in version.changes:
            self._put(namespace, record_id, record)
        self._version, self._meta = (version.height, version.app_hash), dict(version.meta)

    def _put(self, namespace: str, record_id: bytes, record: bytes | None) -> None:
        records = self._records.setdefault(namespace, {})
        ids = self._ids.setdefault(namespace, [])
        if record is None:
            if records.pop(record_id, None) is not None:
                del ids[bisect_left(ids, record_id)]
            return
        if record_id not in records:
            insort(ids, record_id)
        records[record_id] = record

    def load_undo(self, height: int) -> tuple[tuple[str, bytes, bytes | None], ...] | None:
        return self._undo.get(height)

    def load_meta(self, name: str) -> bytes | None:
        return self._meta.get(name)


class Town:
    """A running application with its clock, and a header time that the test moves."""

    def __init__(
        self, genesis: RequestInitChain, *, router: Router | None = None, seconds_per_block: int = 1
    ) -> None:
        self.genesis = genesis
        self.store = MemoryStateStore()
        self.router = router
        self.seconds_per_block = seconds_per_block
        self.now_s = genesis.time.seconds
        self.clock_lead_s = 0
        self.height = genesis.initial_height - 1
        self.validators = {u.pub_key: u.power for u in genesis.validators}
        self.last: ResponseFinalizeBlock | None = None
        self._nonces = count(1)
        self.app = TownApplication(self.store, self.clock, router)
        self.app_hash = self.app.init_chain(genesis).app_hash
        self.town: str = self.status()["town"]

    # --- time ---

    def clock(self) -> Timestamp:
        """The node's clock: header time, plus what a test adds."""
        return Timestamp(self.now_s + self.clock_lead_s)

    @property
    def header_time(self) -> Timestamp:
        """Time of the next block's header."""
        return Timestamp(self.now_s)

    def advance(self, seconds: int) -> None:
        """Let time pass without a block."""
        self.now_s += seconds

    # --- keys ---

    def role(self, role: str) -> SigningKey:
        """The genesis key of a role (the first body that holds it)."""
        for name, body in ROLES:
            if name == role:
                return key(f"{role}@{body}")
        raise KeyError(role)

    def seat(self, body: str) -> SigningKey:
        """A body's seat key."""
        return key(f"seat@{body}")

    # --- transactions ---

    def tx(
        self,
        body: Struct,
        sender: str,
        *signers: SigningKey,
        exp: int | None = None,
        nonce: bytes | None = None,
    ) -> bytes:
        """Build and sign; a fresh nonce and ten minutes of life unless told otherwise."""
        nonce16 = next(self._nonces).to_bytes(16, "big") if nonce is None else nonce
        until = self.now_s + 600 if exp is None else exp
        return build_transaction(self.town, sender, body, signers, nonce16, until)

    def ticket(
        self, signer: SigningKey, domain: Any, by: SigningKey | None = None, exp: int | None = None
    ) -> str:
        """A gateway's leave for one key to open one account."""
        until = self.now_s + 600 if exp is None else exp
        payload = encode_canonical(Ticket(self.town, domain, signer.kid, until))
        return jws.sign_compact(payload, TICKET_TYP, by or self.role("gateway")).decode()

    def open_tx(self, signer: SigningKey, domain: Any = "loyalty", **ticket: Any) -> bytes:
        """account.open with a good ticket."""
        body = AccountOpen(
            domain, jwk(signer), blind(signer.kid), self.ticket(signer, domain, **ticket)
        )
        return self.tx(body, signer.kid, signer)

    def open_account(self, signer: SigningKey, domain: Any = "loyalty") -> str:
        """Open an account in a block of its own; returns its id."""
        result = self.run(self.open_tx(signer, domain))[0]
        assert name_of(result) == "ok", result.log
        return signer.kid

    def council_tx(self, *acts: Any, seats: Sequence[str] = BODIES[:3]) -> bytes:
        """council.act signed by these bodies' seats."""
        return self.tx(CouncilActs(acts), "council", *[self.seat(body) for body in seats])

    # --- blocks ---

    def run(self, *txs: bytes, misbehavior: tuple[Misbehavior, ...] = ()) -> list[ExecTxResult]:
        """One decided block with exactly these transactions."""
        return self.finalize(*txs, misbehavior=misbehavior)

    def do(self, body: Struct, sender: str, *signers: SigningKey, **how: Any) -> ExecTxResult:
        """One transaction in a block of its own."""
        return self.run(self.tx(body, sender, *signers, **how))[0]

    def idle(self, blocks: int = 1) -> None:
        """Blocks without transactions."""
        for _ in range(blocks):
            self.run()

    def propose(self, *txs: bytes, max_tx_bytes: int = 2_000_000) -> tuple[bytes, ...]:
        """What PrepareProposal keeps of these for the next block."""
        return self.app.prepare_proposal(
            RequestPrepareProposal(
                max_tx_bytes,
                txs,
                ExtendedCommitInfo(),
                (),
                self.height + 1,
                self.header_time,
                b"\x01" * 32,
                b"\x02" * 20,
            )
        ).txs

    def is_acceptable(self, *txs: bytes) -> bool:
        """ProcessProposal's verdict on a next block with these transactions."""
        return self.app.process_proposal(
            RequestProcessProposal(
                txs,
                CommitInfo(),
                (),
                self.block_hash(self.height + 1),
                self.height + 1,
                self.header_time,
                b"\x01" * 32,
                b"\x02" * 20,
            )
        ).is_accepted()

    def finalize(
        self, *txs: bytes, misbehavior: tuple[Misbehavior, ...] = ()
    ) -> list[ExecTxResult]:
        """FinalizeBlock and Commit, without asking ProcessProposal."""
        self.height += 1
        self.last = self.app.finalize_block(
            RequestFinalizeBlock(
                txs,
                CommitInfo(),
                misbehavior,
                self.block_hash(self.height),
                self.height,
                self.header_time,
                b"\x01" * 32,
                b"\x02" * 20,
            )
        )
        self.app.commit()
        self.app_hash = self.last.app_hash
        for update in self.last.validator_updates:
            self.validators[update.pub_key] = update.power
        self.now_s += self.seconds_per_block
        return list(self.last.tx_results)

    def block_hash(self, height: int) -> bytes:
        """A made-up hash for the block of that height."""
        return sha256(b"block" + height.to_bytes(8, "big")).digest()

    def check(self, tx: bytes) -> ResponseCheckTx:
        """CheckTx of a new transaction."""
        return self.app.check_tx(RequestCheckTx(tx))

    # --- reading ---

    @property
    def reader(self) -> StoreReader:
        """Committed records."""
        return StoreReader(self.store)

    def query(
        self, path: str, data: bytes = b"", *, height: int = 0, prove: bool = False
    ) -> ResponseQuery:
        """Query."""
        return self.app.query(RequestQuery(data, path, height, prove))

    def status(self) -> dict[str, Any]:
        """Query /status as a mapping."""
        answer: dict[str, Any] = json.loads(self.query("/status").value)
        return answer

    def result_data(self, result: ExecTxResult) -> Any:
        """A result's data, decoded."""
        return json.loads(result.data)

    def restart(self) -> None:
        """A fresh application on the same store, as after a crash."""
        self.app = TownApplication(self.store, self.clock, self.router)
        info = self.app.info(RequestInfo())
        assert (info.last_block_height, info.last_block_app_hash) == (self.height, self.app_hash)


def make_genesis(
    *,
    params: dict[str, int] | None = None,
    roles: Sequence[tuple[str, str]] = ROLES,
    bodies: Sequence[str] = BODIES,
    validators: int = 4,
    secure: bool = False,
    chain_id: str = "beffroi-test-1",
    initial_height: int = 1,
    genesis_s: int = GENESIS_S,
    nodes: Sequence[dict[str, str]] = (),
) -> RequestInitChain:
    """The InitChain request of a town; validators are run by the bodies in turn."""
    keys = [ed25519.derive_public(validator_seed(index)) for index in range(validators)]
    state = {
        "params": ({} if secure else LAX_PARAMS) | (params or {}),
        "bodies": [
            {"body": b, "name": b.title(), "seat_key": jwk_of(key(f"seat@{b}").public_key)}
            for b in bodies
        ],
        "roles": [
            {
                "role": role,
                "body": body,
                "key": jwk_of(key(f"{role}@{body}").public_key),
                "expires": genesis_s + 300 * DAY_S,
            }
            for role, body in roles
        ],
        "validators": [
            {"body": bodies[i % len(bodies)], "pub_key": b64url_encode(pub), "power": 10}
            for i, pub in enumerate(keys)
        ],
    } | ({"nodes": list(nodes)} if nodes else {})
    return RequestInitChain(
        Timestamp(genesis_s, NANOS_PER_SECOND // 2),
        chain_id,
        ConsensusParams(),
        tuple(ValidatorUpdate(pub, 10) for pub in keys),
        json.dumps(state).encode(),
        initial_height,
    )


def make_town(*, router: Router | None = None, seconds_per_block: int = 1, **genesis: Any) -> Town:
    """A town right after InitChain; see `make_genesis` for what can be chosen."""
    return Town(make_genesis(**genesis), router=router, seconds_per_block=seconds_per_block)
