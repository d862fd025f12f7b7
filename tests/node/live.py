"""A whole node with the key-value application on a free port of the loopback, inside the test's own loop."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from time import time_ns
from typing import Any

import aiohttp

from chain.node.config import NodeConfig
from chain.node.home import Home, init_home
from chain.node.node import Node
from chain.types.timestamp import Timestamp
from tests.node.kvstore_app import KvStoreApp
from tests.waiting import run_within


def make_home(root: Path, **config: Any) -> Home:
    return init_home(
        root,
        chain_id="live-1",
        app_state={"hello": "town"},
        genesis_time=Timestamp.from_ns(time_ns()),
        config=replace(NodeConfig(rpc_port=0), **config),
    )


class Client:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def raw(self, body: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(self.url, data=data) as answer:
            return await answer.json()

    async def full(self, method: str, **params: Any) -> Any:
        return await self.raw({"jsonrpc": "2.0", "id": "x", "method": method, "params": params})

    async def __call__(self, method: str, **params: Any) -> Any:
        answer = await self.full(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.url}{path}") as answer:
            return await answer.json()

    async def commit(self, tx: bytes) -> Any:
        return await self("broadcast_tx_commit", tx=b64encode(tx).decode())


async def first_block(node: Node) -> None:
    for _ in range(400):
        if node.stores.blocks.height():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("no block within two seconds")


@asynccontextmanager
async def running(
    home: Home, failures: list[Any] | None = None
) -> AsyncIterator[tuple[Node, Client]]:
    node = Node(home, app_factory=lambda store, clock: KvStoreApp(store, clock.now))
    loop = asyncio.get_running_loop()
    escaped: list[Any] = [] if failures is None else failures
    loop.set_exception_handler(lambda _loop, context: escaped.append(context["message"]))
    await node.start(loop)
    assert node.rpc is not None
    async with aiohttp.ClientSession() as session:
        client = Client(session, f"http://127.0.0.1:{node.rpc.port}/")
        await first_block(node)
        try:
            yield node, client
        finally:
            await node.stop()
    assert failures is not None or escaped == []


async def with_node(
    home: Home, work: Callable[[Node, Client], Awaitable[Any]], **options: Any
) -> Any:
    """What `work` gives, done with a node of this home once it has its first block; the real town by default."""
    node = Node(home, **options)
    await node.start(asyncio.get_running_loop())
    assert node.rpc is not None
    async with aiohttp.ClientSession() as session:
        client = Client(session, f"http://127.0.0.1:{node.rpc.port}/")
        await first_block(node)
        try:
            return await work(node, client)
        finally:
            await node.stop()


def live(root: Path, test: Callable[[Node, Client], Awaitable[None]]) -> None:
    """Run one coroutine against a fresh node."""

    async def run() -> None:
        async with running(make_home(root)) as (node, client):
            await test(node, client)

    run_within(run())
