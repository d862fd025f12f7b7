"""An embedded chain grown by hand, then served by a real node's RPC; and a proxy that lies about it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from chain.node.config import NodeConfig
from chain.node.home import encode_genesis, init_home
from chain.node.node import Node
from chain.store.files import DiskFolder
from chain.store.kv import Batch, LmdbStore
from tests.node.kvstore_app import KvStoreApp
from tests.node.live import Client
from tests.sync.kit import Chain


def write_chain(root: Path, chain: Chain) -> Any:
    """A home whose store holds the chain; its own key is no validator's."""
    home = init_home(
        root,
        chain_id=chain.doc.chain_id,
        app_state=chain.doc.app_state,
        genesis_time=chain.doc.genesis_time,
        validators=chain.doc.validators,
        config=NodeConfig(rpc_port=0),
    )
    DiskFolder(home.config).replace("genesis.json", encode_genesis(chain.doc))
    store = LmdbStore(home.data / "chain.lmdb")
    batch = Batch()
    for key, value in chain.node.disk.kv.scan(b"", None):
        batch.put(key, value)
    store.write(batch)
    store.close()
    return home


@asynccontextmanager
async def serving_chain(
    root: Path, chain: Chain, make_app: Callable[..., Any] | None = None
) -> AsyncIterator[tuple[Node, str]]:
    """A node on that home; yields it with its RPC's address."""
    factory = make_app or (lambda store, clock: KvStoreApp(store, clock.now))
    node = Node(write_chain(root, chain), app_factory=factory)
    await node.start(asyncio.get_running_loop())
    assert node.rpc is not None
    url = f"http://127.0.0.1:{node.rpc.port}"
    async with aiohttp.ClientSession() as session:
        await Client(session, f"{url}/")("health")
    try:
        yield node, url
    finally:
        await node.stop()


@asynccontextmanager
async def lying_proxy(
    target: str, lie: Callable[[str, Any], Any]
) -> AsyncIterator[tuple[str, list[str]]]:
    """Passes RPC calls on to a node and changes the answers with `lie(method, result)`.

    Yields its address and the methods it was asked for. Websockets are accepted and say nothing.
    """
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        async with aiohttp.ClientSession() as session, session.post(target, data=body) as found:
            tree = await found.json()
        method = json.loads(body)["method"]
        asked.append(method)
        if "result" in tree:
            tree["result"] = lie(method, tree["result"])
        return web.json_response(tree)

    async def hold(request: web.Request) -> web.StreamResponse:
        opened = web.WebSocketResponse()
        await opened.prepare(request)
        async for _ in opened:
            pass
        return opened

    app = web.Application()
    app.add_routes([web.post("/", answer), web.get("/websocket", hold)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}", asked
    finally:
        await runner.cleanup()
