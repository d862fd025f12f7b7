"""Requests as an engine sends them, and a server with the key-value application in the test's own loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chain.abci import AbciServer, SocketAddress
from chain.store.app import LmdbStateStore
from chain.store.kv import MemoryStore
from chain.types.abci import (
    Application,
    CommitInfo,
    ExtendedCommitInfo,
    RequestFinalizeBlock,
    RequestInfo,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
)
from chain.types.timestamp import Timestamp
from tests.node.kvstore_app import KvStoreApp

START = Timestamp(1_790_000_000)
INFO = RequestInfo("0.38.26", 11, 8, "2.0.0")


def init_chain(**changes: Any) -> RequestInitChain:
    given = {
        "time": START,
        "chain_id": "abci-1",
        "consensus_params": None,
        "validators": (),
        "app_state_bytes": b"{}",
        "initial_height": 1,
    }
    return RequestInitChain(**(given | changes))


def prepare(height: int, *txs: bytes, room: int = 10_000) -> RequestPrepareProposal:
    commit = ExtendedCommitInfo()
    return RequestPrepareProposal(
        room, txs, commit, (), height, _time(height), b"v" * 32, b"p" * 20
    )


def process(height: int, *txs: bytes) -> RequestProcessProposal:
    hash_ = bytes([height]) * 32
    return RequestProcessProposal(
        txs, CommitInfo(), (), hash_, height, _time(height), b"v" * 32, b"p" * 20
    )


def finalize(height: int, *txs: bytes) -> RequestFinalizeBlock:
    hash_ = bytes([height]) * 32
    return RequestFinalizeBlock(
        txs, CommitInfo(), (), hash_, height, _time(height), b"v" * 32, b"p" * 20
    )


def _time(height: int) -> Timestamp:
    return START.plus_ns(height * 10**9)


def kvstore(kv: MemoryStore | None = None) -> KvStoreApp:
    return KvStoreApp(LmdbStateStore(kv or MemoryStore(), shared=False))


@asynccontextmanager
async def serving(
    app: Application, path: Path | None = None, **options: Any
) -> AsyncIterator[tuple[AbciServer, list[Exception]]]:
    """A started server on a Unix socket, or on TCP; the list collects failures of the application."""
    failures: list[Exception] = []
    server = AbciServer(app, on_failure=failures.append, **options)
    address = SocketAddress("127.0.0.1", 0) if path is None else SocketAddress(path=path / "a.sock")
    await server.start(address)
    try:
        yield server, failures
    finally:
        await server.stop()
