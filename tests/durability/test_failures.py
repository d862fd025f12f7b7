"""Whatever escapes any task, timer or handler stops the node: exit 1, a bundle without secrets, never a zombie."""

import asyncio
import gc
import importlib
import json
import os
import re
import signal
from base64 import b64encode

import aiohttp
import pytest

from chain.node.config import P2PConfig
from chain.node.executor import BlockExecutor
from chain.node.failure import code_of, describe, describe_record
from chain.node.gossip import ConsensusGossip
from chain.node.handshake import Handshake
from chain.node.host import ConsensusHost
from chain.node.node import Node
from chain.node.relay import EvidenceRelay, TxRelay
from chain.p2p.switch import Switch
from chain.store.blocks import BlockStore
from chain.store.errors import StoreCorrupted, StoreFull
from chain.store.wal import HEAD, Wal, scan
from chain.sync import BlockSync
from tests.node.kvstore_app import KvStoreApp
from tests.node.live import first_block, make_home
from tests.node.virtual import start_one
from tests.waiting import run_within

main_module = importlib.import_module("chain.node.main")  # the package has a function of that name
SECRET = "ine-madeleine-1984"
P2P = P2PConfig(listen_host="127.0.0.1", listen_port=0)


class Planted(RuntimeError):
    """Its text is a citizen's: it must not reach the bundle."""

    def __init__(self) -> None:
        super().__init__(SECRET)


def boom(*_args: object, **_options: object) -> None:
    raise Planted


async def boom_task(*_args: object) -> None:
    raise Planted


async def offer(node: Node) -> None:
    node.submit_tx(b"a=1")


async def call(node: Node, method: str) -> None:
    url = f"http://127.0.0.1:{node.rpc.port}/{method}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 500


async def ask_for_a_block(node: Node) -> None:
    await call(node, "block?height=1")


async def tell_to_stop(_node: Node) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def wait_only(_node: Node) -> None:
    pass


PLANTS = {
    "the commit of a block": (BlockExecutor, "apply", boom, offer),
    "a timer of gossip": (ConsensusGossip, "_on_tick", boom, wait_only),
    "a task of the switch": (Switch, "_keep_house", boom_task, wait_only),
    "block sync": (BlockSync, "_work", boom, wait_only),
    "a timer of the relay of transactions": (TxRelay, "_on_tick", boom, wait_only),
    "a timer of the relay of evidence": (EvidenceRelay, "_on_tick", boom, wait_only),
    "a timer of consensus": (ConsensusHost, "_begin_height", boom, offer),
    "CheckTx": (KvStoreApp, "check_tx", boom, offer),
    "the handshake": (Handshake, "run", boom, wait_only),
    "the stop": (ConsensusHost, "stop", boom, tell_to_stop),
}


def run_node(tmp_path, monkeypatch, act) -> tuple[int, Node]:
    """`main._run` on a real home in this process."""
    monkeypatch.setattr(main_module, "_leave_soon", lambda: None)
    monkeypatch.setattr("chain.sync.service.SYNC_GRACE_MS", 20)
    home = make_home(tmp_path, p2p=P2P)
    made: list[Node] = []

    async def run() -> int:
        node = Node(home, app_factory=lambda store, clock: KvStoreApp(store, clock.now))
        made.append(node)
        task = asyncio.create_task(act_later(node, act))
        try:
            async with asyncio.timeout(10):
                return await main_module._run(node)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            monkeypatch.undo()
            await close(node)

    return run_within(run()), made[0]


async def act_later(node: Node, act) -> None:
    for _ in range(1_000):
        if node.rpc is not None and node.rpc.port:
            break
        await asyncio.sleep(0.01)
    await act(node)


async def close(node: Node) -> None:
    """What the end of the process does."""
    if node.rpc is not None:
        await node.rpc.stop()
    if node.switch is not None:
        await node.switch.stop()
    node.close()


def bundle_of(tmp_path) -> dict[str, str]:
    (folder,) = (tmp_path / "data" / "failures").iterdir()
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("where", PLANTS)
def test_an_exception_anywhere_ends_the_node_with_a_bundle(where, tmp_path, monkeypatch):
    owner, name, plant, act = PLANTS[where]
    monkeypatch.setattr(owner, name, plant)
    code, node = run_node(tmp_path, monkeypatch, act)
    assert code == 1
    assert isinstance(node.failure, Planted)
    bundle = bundle_of(tmp_path)
    assert set(bundle) == {"reason.txt", "state.json", "wal_tail.txt"}
    assert "code: consensus_failure" in bundle["reason.txt"]
    assert "test_failures.py" in bundle["reason.txt"], "the way through the code"
    assert SECRET not in "".join(bundle.values())
    assert node.host is None or node.host._is_stopped


def test_a_damaged_block_met_by_a_query_stops_the_node_with_its_code(tmp_path, monkeypatch):
    async def damage_then_ask(node: Node) -> None:
        await first_block(node)
        monkeypatch.setattr(BlockStore, "load_meta", refuse)
        monkeypatch.setattr(BlockStore, "load", refuse)
        await ask_for_a_block(node)

    def refuse(*_args: object) -> None:
        raise StoreCorrupted("the value under 42 does not match its checksum")

    code, node = run_node(tmp_path, monkeypatch, damage_then_ask)
    assert code == 1
    assert "code: store_corrupted" in bundle_of(tmp_path)["reason.txt"]
    assert code_of(node.failure) == "store_corrupted"


def test_a_flaw_in_a_query_does_not_stop_a_validator(tmp_path, monkeypatch):
    """Who may ask must not be able to stop it."""

    async def ask(node: Node) -> None:
        await first_block(node)
        monkeypatch.setattr(KvStoreApp, "query", boom)
        await call(node, "abci_query?path=%22x%22")
        assert not node.is_failed()
        os.kill(os.getpid(), signal.SIGTERM)

    code, _ = run_node(tmp_path, monkeypatch, ask)
    assert code == 0


def test_a_full_disk_that_takes_no_bundle_still_ends_with_the_code(tmp_path, monkeypatch, capsys):
    def full(*_args: object) -> None:
        raise StoreFull("the disk is full: No space left on device")

    def no_room(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BlockExecutor, "apply", full)
    monkeypatch.setattr(Node, "write_failure_bundle", no_room)
    code, _ = run_node(tmp_path, monkeypatch, wait_only)
    assert code == 1
    assert "code: store_full" in capsys.readouterr().err


def test_health_fails_from_the_failure_on(tmp_path):
    home = make_home(tmp_path)

    async def run() -> None:
        node = Node(home, app_factory=lambda store, clock: KvStoreApp(store, clock.now))
        await node.start(asyncio.get_running_loop())
        await first_block(node)
        url = f"http://127.0.0.1:{node.rpc.port}/health"
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as answer:
                assert answer.status == 200
            node.fail(RuntimeError("anything"))
            async with session.get(url) as answer:
                assert answer.status == 500
        await node.stop()

    run_within(run())


def test_a_client_that_vanishes_in_the_middle_of_its_events_stops_nobody(tmp_path):
    home = make_home(tmp_path)
    escaped: list[object] = []

    async def run() -> None:
        node = Node(home, app_factory=lambda store, clock: KvStoreApp(store, clock.now))
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: escaped.append(context))
        await node.start(loop)
        await first_block(node)
        query = {"query": "tm.event='NewBlock'"}
        request = {"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": query}
        for number in range(5):
            async with aiohttp.ClientSession() as session:
                socket = await session.ws_connect(f"http://127.0.0.1:{node.rpc.port}/websocket")
                await socket.send_json(request)
                await socket.receive()
                (client,) = node.rpc._clients
                client._req.transport.abort()  # the line is down, the server's loop was not told yet
                node.submit_tx(b"k%d=v" % number)
                await asyncio.sleep(0.05)
                gc.collect()  # an exception of a task that nobody asks for speaks when the task goes
        await node.stop()

    run_within(run())
    assert escaped == []


# ── the bundle ───────────────────────────────────────────────────────────────────────────────────────


def test_the_tail_of_the_log_is_told_without_transactions():
    time, node = start_one()
    node.pool.add(b"name=" + SECRET.encode())
    time.run(3)
    payloads = scan(bytes(node.disk.wal.content[HEAD])).payloads
    assert any(SECRET.encode() in payload for payload in payloads)
    lines = "\n".join(describe_record(payload) for payload in payloads)
    assert SECRET not in lines
    assert SECRET.encode().hex() not in lines
    assert b64encode(SECRET.encode()).decode() not in lines
    for expected in ("end of height 1", "own precommit 1/0", "own proposal 1/0", "part 0 of 1/0"):
        assert expected in lines
    assert "unreadable record" in describe_record(b"\xff\xff")


def test_causes_are_told_by_kind_and_place():
    try:
        try:
            boom()
        except Planted as cause:
            raise StoreCorrupted("block 7 cannot be decoded") from cause
    except StoreCorrupted as failure:
        text = describe(failure)
    assert re.match(r"code: store_corrupted\nStoreCorrupted: block 7", text)
    assert "\nPlanted\n" in text
    assert SECRET not in text


def test_a_bundle_says_where_the_node_stood(tmp_path, monkeypatch):
    async def break_the_log(node: Node) -> None:
        await first_block(node)
        monkeypatch.setattr(Wal, "append", boom)
        node.submit_tx(b"a=1")

    run_node(tmp_path, monkeypatch, break_the_log)
    bundle = bundle_of(tmp_path)
    state = json.loads(bundle["state.json"])
    assert state["chain_id"] == "live-1"
    assert state["height"] >= 1
    assert len(state["app_hash"]) == 64
    assert state["version"].startswith("0.38.")
    assert state["signer"]["last"][0] >= 1
    assert "end of height" in bundle["wal_tail.txt"]
