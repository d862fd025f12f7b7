"""The methods of CometBFT 0.38's RPC (`rpc/core/*.go`), each a function of the node and its parameters.

Reads: stores, pool, application.  Writes: the pool, through `broadcast_tx_*`.  Never: blocks of other nodes.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from json import dumps
from typing import Any, Final

from chain.codec.cmtjson import from_json, to_json
from chain.codec.errors import DecodeError
from chain.codec.hashing import hash_evidence, hash_tx
from chain.codec.merkle import merkle_proofs
from chain.crypto.keys import address
from chain.limits import (
    RPC_BLOCKCHAIN_MAX,
    RPC_GENESIS_CHUNK_BYTES,
    RPC_PER_PAGE_DEFAULT,
    RPC_PER_PAGE_MAX,
    RPC_TX_COMMIT_TIMEOUT_MS,
)
from chain.rpc.errors import InternalError, InvalidParams
from chain.rpc.events import EventBus
from chain.rpc.params import Params
from chain.rpc.peers_json import peer_json
from chain.rpc.ports import NamedBlock, NodeView
from chain.rpc.query import Query, QueryError, parse_query
from chain.rpc.round_json import concise, full
from chain.rpc.search import Position, search_blocks, search_txs
from chain.types.abci import RequestCheckTx, RequestInfo, RequestQuery, ResponseCheckTx
from chain.types.block import (
    ABCI_VERSION,
    BLOCK_PROTOCOL,
    P2P_PROTOCOL,
    EvidenceList,
    SignedHeader,
    TxProof,
)
from chain.types.evidence import Evidence

Json = Any


class Methods:
    """Answers calls for one node."""

    def __init__(self, node: NodeView, events: EventBus) -> None:
        self._node = node
        self._events = events

    # ── the node ─────────────────────────────────────────────────────────────────────────────────────

    def health(self, _params: Params) -> Json:
        """The process runs and consensus with it; in the moment between a failure and the end it says so."""
        if self._node.is_failed():
            raise InternalError("the node failed and is about to stop")
        return {}

    def status(self, _params: Params) -> Json:
        """Who this node is and how far its chain goes."""
        node = self._node
        state = node.state()
        latest = node.blocks.load_meta(node.blocks.height())
        earliest = node.blocks.load_meta(node.blocks.base())
        index = state.validators.index_of(address(node.validator_key))
        power = 0 if index is None else state.validators.validators[index].voting_power
        return {
            "node_info": to_json(node.node_info),
            "sync_info": _sync_side("latest", latest)
            | _sync_side("earliest", earliest)
            | {"catching_up": node.is_catching_up()},
            "validator_info": {
                "address": address(node.validator_key).hex().upper(),
                "pub_key": _key_json(node.validator_key),
                "voting_power": str(power),
            },
            # Beyond CometBFT's answer: whether old heights can be asked for here, and from which on.
            "storage_info": {"retain": node.retention(), "base_height": str(node.blocks.base())},
        }

    def net_info(self, _params: Params) -> Json:
        """Connected peers."""
        address, now = self._node.p2p_address(), self._node.now()
        peers = [peer_json(peer, now) for peer in self._node.peers()]
        return {
            "listening": bool(address),
            "listeners": [f"Listener(@{address})"],
            "n_peers": str(len(peers)),
            "peers": peers,
        }

    def genesis(self, _params: Params) -> Json:
        """The genesis document; large ones by `genesis_chunked`."""
        if len(self._genesis_bytes()) > RPC_GENESIS_CHUNK_BYTES:
            raise InternalError(
                "genesis response is large, please use the genesis_chunked API instead"
            )
        return {"genesis": to_json(self._node.genesis)}

    def genesis_chunked(self, params: Params) -> Json:
        """One piece of the genesis document, base64."""
        raw = self._genesis_bytes()
        total = -(-len(raw) // RPC_GENESIS_CHUNK_BYTES)
        chunk = params.integer("chunk") or 0
        if chunk < 0:
            raise InvalidParams("chunk must not be negative")
        if chunk >= total:
            raise InternalError(f"there are {total - 1} chunks, {chunk} is invalid")
        piece = raw[chunk * RPC_GENESIS_CHUNK_BYTES : (chunk + 1) * RPC_GENESIS_CHUNK_BYTES]
        return {"chunk": str(chunk), "total": str(total), "data": b64encode(piece).decode()}

    def _genesis_bytes(self) -> bytes:
        return dumps(to_json(self._node.genesis), ensure_ascii=False).encode()

    def consensus_params(self, params: Params) -> Json:
        """Parameters in force at a height."""
        height = self._height(params, newest=self._newest_undecided())
        found = self._node.states.load_params(height)
        if found is None:
            raise InternalError(f"no consensus params at height {height}")
        return {"block_height": str(height), "consensus_params": to_json(found)}

    def consensus_state(self, _params: Params) -> Json:
        """Where consensus stands in the height in progress, in a few lines."""
        return {"round_state": concise(self._node.round_view())}

    def dump_consensus_state(self, _params: Params) -> Json:
        """Where consensus stands, everything; peers' states are theirs to tell."""
        return {"round_state": full(self._node.round_view()), "peers": []}

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────────

    def blockchain(self, params: Params) -> Json:
        """Metas of at most 20 blocks, newest first."""
        blocks = self._node.blocks
        low, high = self._span(params.integer("minHeight") or 0, params.integer("maxHeight") or 0)
        metas = [blocks.load_meta(height) for height in range(high, low - 1, -1)]
        return {
            "last_height": str(blocks.height()),
            "block_metas": [to_json(meta) for meta in metas if meta is not None],
        }

    def _span(self, low: int, high: int) -> tuple[int, int]:
        """Bounds of `blockchain` (`filterMinMax`); raises InternalError."""
        if low < 0 or high < 0:
            raise InternalError("heights must be non-negative")
        blocks = self._node.blocks
        high = min(high or blocks.height(), blocks.height())
        low = max(low or 1, blocks.base(), high - RPC_BLOCKCHAIN_MAX + 1)
        if low > high:
            raise InternalError(f"min height {low} can't be greater than max height {high}")
        return low, high

    def block(self, params: Params) -> Json:
        """A block and its id."""
        return _block_json(self._block_at(self._height(params)))

    def block_by_hash(self, params: Params) -> Json:
        """A block named by its hash; nulls when there is none."""
        found = self._block_of_hash(params.octets("hash"))
        return {"block_id": _NIL_BLOCK_ID, "block": None} if found is None else _block_json(found)

    def header(self, params: Params) -> Json:
        """A header."""
        return {"header": to_json(self._block_at(self._height(params)).block.header)}

    def header_by_hash(self, params: Params) -> Json:
        """A header named by its hash; null when there is none. Unlike `block_by_hash` it takes hexadecimal."""
        found = self._block_of_hash(params.hexadecimal("hash"))
        return {"header": None if found is None else to_json(found.block.header)}

    def _block_of_hash(self, block_hash: bytes) -> NamedBlock | None:
        height = self._node.blocks.height_of_hash(block_hash)
        return None if height is None else self._node.blocks.load(height)

    def commit(self, params: Params) -> Json:
        """A header with the commit that decided it; `canonical` once the next block carries that commit."""
        height = self._height(params)
        header = self._block_at(height).block.header
        found = self._node.blocks.load_commit(height)
        if found is None:
            raise InternalError(f"no commit at height {height}")
        signed = to_json(SignedHeader(header, found[0]))
        return {"signed_header": signed, "canonical": found[1]}

    def block_results(self, params: Params) -> Json:
        """What executing a block gave."""
        height = self._height(params)
        found = self._node.blocks.load_responses(height)
        if found is None:
            raise InternalError(f"could not find results for height #{height}")
        updates = found.consensus_param_updates
        return {
            "height": str(height),
            "txs_results": [to_json(result) for result in found.tx_results] or None,
            "finalize_block_events": [to_json(event) for event in found.events] or None,
            "validator_updates": [to_json(u) for u in found.validator_updates] or None,
            "consensus_param_updates": None if updates is None else to_json(updates),
            "app_hash": b64encode(found.app_hash).decode() or None,
        }

    def validators(self, params: Params) -> Json:
        """A page of the validator set of a height."""
        height = self._height(params, newest=self._newest_undecided())
        found = self._node.states.load_validators(height)
        if found is None:
            raise InternalError(f"could not find validator set for height #{height}")
        start, stop = _page_bounds(params, len(found.validators))
        page = found.validators[start:stop]
        return {
            "block_height": str(height),
            "validators": [to_json(validator) for validator in page],
            "count": str(len(page)),
            "total": str(len(found.validators)),
        }

    def _newest_undecided(self) -> int:
        """The height in progress, whose set and parameters are known; while syncing the newest stored one."""
        height = self._node.state().last_block_height
        return height if self._node.is_catching_up() and height else height + 1

    def _height(self, params: Params, *, newest: int | None = None) -> int:
        """The height asked for, or the newest; raises InternalError with CometBFT's texts."""
        blocks = self._node.blocks
        latest = blocks.height() if newest is None else newest
        height = params.integer("height")
        if height is None:
            return latest
        if height <= 0:
            raise InternalError(f"height must be greater than 0, but got {height}")
        if height > latest:
            raise InternalError(
                f"height {height} must be less than or equal to the current blockchain height {latest}"
            )
        if height < blocks.base():
            raise InternalError(
                f"height {height} is not available, lowest height is {blocks.base()}"
            )
        return height

    def _block_at(self, height: int) -> NamedBlock:
        found = self._node.blocks.load(height)
        if found is None:
            raise InternalError(f"no block at height {height}")
        return found

    # ── transactions ─────────────────────────────────────────────────────────────────────────────────

    def tx(self, params: Params) -> Json:
        """A committed transaction, with its proof on request."""
        tx_hash = params.octets("hash")
        place = self._node.index.load_tx(tx_hash)
        if place is None or place[0] < self._node.blocks.base():
            raise InternalError(f"tx ({tx_hash.hex().upper()}) not found")
        return self._tx_json(*place, prove=params.boolean("prove"))

    def _tx_json(self, height: int, index: int, *, prove: bool) -> Json:
        block = self._block_at(height).block
        responses = self._node.blocks.load_responses(height)
        if responses is None:
            raise InternalError(f"could not find results for height #{height}")
        tx = block.data.txs[index]
        answer = {
            "hash": hash_tx(tx).hex().upper(),
            "height": str(height),
            "index": index,
            "tx_result": to_json(responses.tx_results[index]),
            "tx": b64encode(tx).decode(),
        }
        if prove:
            root, proofs = merkle_proofs([hash_tx(each) for each in block.data.txs])
            answer["proof"] = to_json(TxProof(root, tx, proofs[index]))
        return answer

    def tx_search(self, params: Params) -> Json:
        """A page of the transactions that satisfy a query."""
        query = _query(params)
        found = search_txs(
            self._node.index, self._node.blocks, query, is_bounded=not params.has("cursor")
        )
        page, told = _page(params, found, default_order="asc")
        prove = params.boolean("prove")
        return {"txs": [self._tx_json(height, index, prove=prove) for height, index in page]} | told

    def block_search(self, params: Params) -> Json:
        """A page of the blocks that satisfy a query."""
        found = search_blocks(
            self._node.index,
            self._node.blocks,
            _query(params),
            is_bounded=not params.has("cursor"),
        )
        page, told = _page(params, found, default_order="desc")
        return {"blocks": [_block_json(self._block_at(height)) for height, _ in page]} | told

    async def check_tx(self, params: Params) -> Json:
        """The application's verdict, without letting the transaction wait."""
        tx = params.octets("tx")
        await self._await_judges(tx)
        return to_json(self._node.app.check_tx(RequestCheckTx(tx)))

    def unconfirmed_txs(self, params: Params) -> Json:
        """The first waiting transactions."""
        limit = params.integer("limit")
        txs = self._node.pool.first(_per_page(limit))
        return self._pool_counts(len(txs)) | {"txs": [b64encode(tx).decode() for tx in txs]}

    def num_unconfirmed_txs(self, _params: Params) -> Json:
        """How many transactions wait."""
        return self._pool_counts(self._node.pool.count()) | {"txs": None}

    def _pool_counts(self, shown: int) -> dict[str, Json]:
        pool = self._node.pool
        return {
            "n_txs": str(shown),
            "total": str(pool.count()),
            "total_bytes": str(pool.size_bytes()),
        }

    async def broadcast_tx_async(self, params: Params) -> Json:
        """Take a transaction; the application's verdict is not told, but a full pool's refusal is."""
        tx = params.octets("tx")
        await self._submit(tx)
        return _broadcast_json(ResponseCheckTx(), tx)

    async def broadcast_tx_sync(self, params: Params) -> Json:
        """Take a transaction and answer the application's verdict."""
        tx = params.octets("tx")
        return _broadcast_json(await self._submit(tx), tx)

    async def broadcast_tx_commit(self, params: Params) -> Json:
        """Take a transaction and wait for its block, ten seconds at most."""
        tx = params.octets("tx")
        tx_hash = hash_tx(tx)
        future = self._events.expect_tx(tx_hash)
        try:
            verdict = await self._submit(tx)
            answer = {"check_tx": to_json(verdict), "hash": tx_hash.hex().upper()}
            if not verdict.is_ok():
                return answer | {"tx_result": _EMPTY_RESULT, "height": "0"}
            height, _, result = await asyncio.wait_for(future, RPC_TX_COMMIT_TIMEOUT_MS / 1_000)
        except TimeoutError as error:
            raise InternalError("timed out waiting for tx to be included in a block") from error
        finally:
            self._events.forget_tx(tx_hash, future)
        return answer | {"tx_result": to_json(result), "height": str(height)}

    async def _await_judges(self, tx: bytes) -> None:
        refused = await self._node.await_judges(tx)
        if refused is not None:
            raise InternalError(refused.message)

    async def _submit(self, tx: bytes) -> ResponseCheckTx:
        await self._await_judges(tx)
        verdict = self._node.submit_tx(tx)
        if isinstance(verdict, ResponseCheckTx):
            return verdict
        raise InternalError(verdict.message)

    # ── misbehaviour ─────────────────────────────────────────────────────────────────────────────────

    def broadcast_evidence(self, params: Params) -> Json:
        """Take proof of a validator's misbehaviour for the next block, if it is true."""
        evidence = _evidence(params)
        refused = self._node.submit_evidence(evidence)
        if refused is not None:
            raise InternalError(f"failed to add evidence: {refused.reason}: {refused.detail}")
        return {"hash": b64encode(hash_evidence(evidence)).decode()}

    # ── the application ──────────────────────────────────────────────────────────────────────────────

    def abci_info(self, _params: Params) -> Json:
        """What the application says of itself."""
        request = RequestInfo(
            self._node.node_info.version, BLOCK_PROTOCOL, P2P_PROTOCOL, ABCI_VERSION
        )
        return {"response": to_json(self._node.app.info(request))}

    def abci_query(self, params: Params) -> Json:
        """Ask the application about its state."""
        request = RequestQuery(
            params.hexadecimal("data"),
            params.text("path"),
            params.integer("height") or 0,
            params.boolean("prove"),
        )
        return {"response": to_json(self._node.app.query(request))}


Method = Callable[[Params], Json | Awaitable[Json]]

METHOD_PARAMS: Final[dict[str, tuple[str, ...]]] = {
    "health": (),
    "status": (),
    "net_info": (),
    "genesis": (),
    "genesis_chunked": ("chunk",),
    "consensus_params": ("height",),
    "consensus_state": (),
    "dump_consensus_state": (),
    "blockchain": ("minHeight", "maxHeight"),
    "block": ("height",),
    "block_by_hash": ("hash",),
    "header": ("height",),
    "header_by_hash": ("hash",),
    "commit": ("height",),
    "block_results": ("height",),
    "validators": ("height", "page", "per_page"),
    "tx": ("hash", "prove"),
    "tx_search": ("query", "prove", "page", "per_page", "order_by"),
    "block_search": ("query", "page", "per_page", "order_by"),
    "check_tx": ("tx",),
    "unconfirmed_txs": ("limit",),
    "num_unconfirmed_txs": (),
    "broadcast_tx_async": ("tx",),
    "broadcast_tx_sync": ("tx",),
    "broadcast_tx_commit": ("tx",),
    "broadcast_evidence": ("evidence",),
    "abci_info": (),
    "abci_query": ("path", "data", "height", "prove"),
}
"""Every method with its parameters in the order in which a list gives them (`rpc/core/routes.go`)."""
METHOD_NAMES: Final = tuple(METHOD_PARAMS)


def method_table(methods: Methods) -> Mapping[str, Method]:
    """Callable by name."""
    return {name: getattr(methods, name) for name in METHOD_NAMES}


_CURSOR: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,9})")
_NIL_BLOCK_ID: Final = {"hash": "", "parts": {"total": 0, "hash": ""}}
_EMPTY_RESULT: Final = to_json(ResponseCheckTx())
_NO_BLOCK_TIME: Final = "1970-01-01T00:00:00Z"
"""What CometBFT tells before the first block."""


def _sync_side(side: str, meta: Any) -> dict[str, Json]:
    """Half of `sync_info`: hash, app hash, height and time in the header of the newest or oldest block."""
    known = meta is not None
    return {
        f"{side}_block_hash": meta.block_id.hash.hex().upper() if known else "",
        f"{side}_app_hash": meta.header.app_hash.hex().upper() if known else "",
        f"{side}_block_height": str(meta.header.height) if known else "0",
        f"{side}_block_time": meta.header.time.to_rfc3339() if known else _NO_BLOCK_TIME,
    }


def _key_json(raw: bytes) -> Json:
    return {"type": "tendermint/PubKeyEd25519", "value": b64encode(raw).decode()}


def _block_json(named: NamedBlock) -> Json:
    return {"block_id": to_json(named.block_id), "block": to_json(named.block)}


def _broadcast_json(verdict: ResponseCheckTx, tx: bytes) -> Json:
    return {
        "code": verdict.code,
        "data": verdict.data.hex().upper(),
        "log": verdict.log,
        "codespace": verdict.codespace,
        "hash": hash_tx(tx).hex().upper(),
    }


def _query(params: Params) -> Query:
    try:
        return parse_query(params.text("query"))
    except QueryError as error:
        raise InternalError(f"failed to parse query: {error}") from error


def _evidence(params: Params) -> Evidence:
    value = params.document("evidence")
    if value is None:
        raise InternalError("no evidence was provided")
    try:
        return from_json(EvidenceList, {"evidence": [value]}).evidence[0]
    except DecodeError as error:
        raise InvalidParams(f"evidence: {error}") from error


def _per_page(asked: int | None) -> int:
    """Page size: 30 unless asked otherwise, 100 at most (`validatePerPage`)."""
    if asked is None or asked < 1:
        return RPC_PER_PAGE_DEFAULT
    return min(asked, RPC_PER_PAGE_MAX)


def _page_bounds(params: Params, total: int) -> tuple[int, int]:
    """Start and stop of the page asked for (`validatePage`); raises InternalError."""
    per_page = _per_page(params.integer("per_page"))
    pages = max(1, -(-total // per_page))
    page = params.integer("page")
    if page is None:
        page = 1
    if not 1 <= page <= pages:
        raise InternalError(f"page should be within [1, {pages}] range, given {page}")
    return (page - 1) * per_page, min(page * per_page, total)


def _page(
    params: Params, found: list[Position], *, default_order: str
) -> tuple[list[Position], dict[str, Json]]:
    """The page asked for by number or by cursor, and what the answer says beside it; raises InternalError."""
    order = params.text("order_by") or default_order
    if order not in {"asc", "desc"}:
        raise InternalError("expected order_by to be either `asc` or `desc` or empty")
    ordered = found if order == "asc" else found[::-1]
    if params.has("cursor"):
        return _page_after(params, ordered, order)
    start, stop = _page_bounds(params, len(ordered))
    return ordered[start:stop], {"total_count": str(len(ordered))}


def _page_after(
    params: Params, ordered: list[Position], order: str
) -> tuple[list[Position], dict[str, Json]]:
    """The page after the item that a cursor names; "start" begins.

    Unlike page numbers it neither skips nor repeats when blocks come, or are pruned, between two pages.
    """
    if params.has("page"):
        raise InternalError("page and cursor exclude each other")
    after = _position(params.text("cursor"))
    if after is not None:
        ordered = [p for p in ordered if (p > after if order == "asc" else p < after)]
    page = ordered[: _per_page(params.integer("per_page"))]
    is_last = len(page) == len(ordered)
    following = "" if is_last else "{}.{}".format(*page[-1])
    return page, {"total_count": str(len(ordered)), "next_cursor": following}


def _position(cursor: str) -> Position | None:
    """Height and index in a cursor, None at the start; raises InvalidParams."""
    if cursor == "start":
        return None
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidParams('cursor is "start" or the next_cursor of an answer')
    return int(match[1]), int(match[2])
