"""The corners of the RPC: real peers, paging by cursor, limits of websockets, health, and anything as a parameter."""

import asyncio
import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from time import time_ns

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.node.config import NodeConfig
from chain.node.home import load_node_id
from chain.node.node import Node
from chain.node.testnet import Member, init_testnet
from chain.rpc.errors import InternalError
from chain.rpc.methods import METHOD_PARAMS, Methods
from chain.rpc.params import Params
from chain.rpc.server import URI_ID
from chain.types.timestamp import Timestamp
from tests.node.four import QUICK, free_ports
from tests.node.kvstore_app import KvStoreApp
from tests.node.live import Client, first_block, live, make_home
from tests.waiting import run_within, until


def make_node(home) -> Node:
    return Node(home, app_factory=lambda store, clock: KvStoreApp(store, clock.now))


# --- peers ---------------------------------------------------------------------------------


def test_net_info_tells_of_each_connected_peer_as_cometbft_does(tmp_path):
    ports = free_ports(2)
    members = [
        Member(
            tmp_path / f"n{i}",
            sha256(b"%d" % i).digest(),
            ports[i],
            NodeConfig(moniker=f"n{i}", rpc_port=0, timeouts=QUICK),
        )
        for i in range(2)
    ]
    homes = init_testnet(
        members, chain_id="two-1", app_state={}, genesis_time=Timestamp.from_ns(time_ns())
    )

    async def run() -> None:
        nodes = [make_node(home) for home in homes]
        loop = asyncio.get_running_loop()
        try:
            for node in nodes:
                await node.start(loop)
            await until(lambda: all(node.peer_count() == 1 for node in nodes))
            await until(lambda: nodes[0].stores.blocks.height() > 0)
            async with aiohttp.ClientSession() as session:
                answers = [
                    await Client(session, f"http://127.0.0.1:{node.rpc.port}/")("net_info")
                    for node in nodes
                ]
        finally:
            for node in nodes:
                await node.stop()
        for i, answer in enumerate(answers):
            assert answer["listening"] is True
            assert answer["listeners"] == [f"Listener(@127.0.0.1:{ports[i]})"]
            assert answer["n_peers"] == "1"
            (peer,) = answer["peers"]
            assert sorted(peer) == ["connection_status", "is_outbound", "node_info", "remote_ip"]
            assert peer["node_info"]["id"] == load_node_id(homes[1 - i])
            assert peer["node_info"]["moniker"] == f"n{1 - i}"
            assert peer["remote_ip"] == "127.0.0.1"
            status = peer["connection_status"]
            assert sorted(status) == ["Channels", "Duration", "RecvMonitor", "SendMonitor"]
            assert int(status["Duration"]) > 0
            for side in ("SendMonitor", "RecvMonitor"):
                assert int(status[side]["Bytes"]) > 500, "node info and a height at least"
                assert set(status[side]) == FLOWRATE_STATUS
        assert {answer["peers"][0]["is_outbound"] for answer in answers} == {True, False}

    run_within(run())


FLOWRATE_STATUS = {
    "Start",
    "Bytes",
    "Samples",
    "InstRate",
    "CurRate",
    "AvgRate",
    "PeakRate",
    "BytesRem",
    "Duration",
    "Idle",
    "TimeRem",
    "Progress",
    "Active",
}
"""`libs/flowrate/flowrate.go`, `Status`."""


def test_a_lone_node_does_not_listen(tmp_path):
    async def check(node, rpc):
        assert await rpc("net_info") == {
            "listening": False,
            "listeners": ["Listener(@)"],
            "n_peers": "0",
            "peers": [],
        }

    live(tmp_path, check)


# --- status and health ---------------------------------------------------------------------


def test_the_status_tells_the_app_hash_of_the_newest_header(tmp_path):
    async def check(node, rpc):
        for n in range(3):
            await rpc.commit(b"k=%d" % n)
        info = (await rpc("status"))["sync_info"]
        header = (await rpc("header", height=info["latest_block_height"]))["header"]
        assert info["latest_app_hash"] == header["app_hash"]

    live(tmp_path, check)


def test_health_fails_once_consensus_has_failed(tmp_path):
    async def check(node, rpc):
        assert await rpc("health") == {}
        node.host.halt()
        answer = await rpc.full("health")
        assert answer["error"]["code"] == -32603
        assert "the node failed" in answer["error"]["data"]
        async with rpc.session.get(f"{rpc.url}health") as probe:
            assert probe.status == 500, "what a supervisor's probe looks at"

    live(tmp_path, check)


def test_a_full_pool_is_told_by_async_broadcast_too(tmp_path):
    async def check(node, rpc):
        tx = b64encode(b"twice=1").decode()
        await rpc("broadcast_tx_async", tx=tx)
        answer = await rpc.full("broadcast_tx_async", tx=tx)
        assert answer["error"]["data"] == "tx already exists in cache"

    live(tmp_path, check)


# --- paging by cursor ----------------------------------------------------------------------


async def all_pages(rpc, method, what, **params):
    found, cursor, pages = [], "start", 0
    while cursor:
        answer = await rpc(method, cursor=cursor, **params)
        found += answer[what]
        cursor = answer["next_cursor"]
        pages += 1
    return found, pages


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_by_cursor_hold_every_hit_once_in_order(tmp_path, order):
    async def check(node, rpc):
        for n in range(7):
            await rpc.commit(b"app%d=x" % n)
        query = "app.n > 0"
        whole = await rpc("tx_search", query=query, per_page="100", order_by=order)
        found, pages = await all_pages(
            rpc, "tx_search", "txs", query=query, per_page="3", order_by=order
        )
        assert found == whole["txs"]
        assert (len(found), pages) == (7, 3)
        found, _ = await all_pages(
            rpc, "block_search", "blocks", query="block.height > 0", order_by=order, per_page="2"
        )
        heights = [int(block["block"]["header"]["height"]) for block in found]
        assert sorted(heights) == list(range(1, max(heights) + 1))
        assert heights == sorted(heights, reverse=order == "desc")
        assert len(heights) > 7

    live(tmp_path, check)


def test_a_cursor_neither_skips_nor_repeats_when_blocks_come_between_two_pages(tmp_path):
    async def check(node, rpc):
        for n in range(4):
            await rpc.commit(b"a%d=x" % n)
        ask = {"query": "app.n > 0", "per_page": "2", "order_by": "desc"}
        first = await rpc("tx_search", cursor="start", **ask)
        await rpc.commit(b"late=x")
        second = await rpc("tx_search", cursor=first["next_cursor"], **ask)
        seen = [tx["hash"] for tx in first["txs"] + second["txs"]]
        assert seen == [sha256(b"a%d=x" % n).hexdigest().upper() for n in (3, 2, 1, 0)]
        assert second["next_cursor"] == ""

    live(tmp_path, check)


def test_beyond_a_bound_an_error_is_answered_and_a_cursor_goes_on_where_pages_cannot(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("chain.rpc.search.RPC_SEARCH_MAX_RESULTS", 3)

    async def check(node, rpc):
        for n in range(5):
            await rpc.commit(b"a%d=x" % n)
        for query in ("app.n > 0", "tx.height > 0"):
            refused = await rpc.full("tx_search", query=query)
            assert "more than 3 results" in refused["error"]["data"]
            found, _ = await all_pages(rpc, "tx_search", "txs", query=query, per_page="2")
            assert len(found) == 5
        monkeypatch.setattr("chain.rpc.search.INDEX_SCAN_MAX_ROWS", 4)
        refused = await rpc.full("tx_search", query="app.n > 0", cursor="start")
        assert "reads too much of the index" in refused["error"]["data"]
        for cursor in ("nonsense", "1", "1.2.3", "-1.0", 7):
            refused = await rpc.full("tx_search", query="app.key = 'a'", cursor=cursor)
            assert refused["error"]["code"] == -32602
        both = await rpc.full("tx_search", query="app.key = 'a'", cursor="start", page="1")
        assert "exclude each other" in both["error"]["data"]

    live(tmp_path, check)


# --- websockets ----------------------------------------------------------------------------


async def say(socket, method, request_id=1, **params):
    await socket.send_json({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def test_a_websocket_answers_as_cometbft_does_in_its_corners(tmp_path):
    async def check(node, rpc):
        async with rpc.session.ws_connect(f"{rpc.url}websocket") as socket:
            await say(socket, "unsubscribe_all")
            nothing = await socket.receive_json(timeout=2)
            assert nothing["error"]["data"] == "subscription not found"
            await say(socket, "subscribe", None, query="tm.event = 'Tx'")
            await say(socket, "subscribe", 2, query=5)
            wrong = await socket.receive_json(timeout=2)
            assert wrong["id"] == 2, "a notification gets no answer"
            assert wrong["error"]["code"] == -32603
            assert wrong["error"]["data"].startswith("error converting json params to arguments")
            await say(socket, "subscribe", 3, query="a.b = " + "1" * 600)
            long = await socket.receive_json(timeout=2)
            assert long["error"]["code"] == -32603
            await say(socket, "subscribe", 4, query="tm.event = 'Tx'")
            assert (await socket.receive_json(timeout=2))["result"] == {}
            await say(socket, "unsubscribe_all", 5)
            assert (await socket.receive_json(timeout=2))["result"] == {}
            await rpc.commit(b"k=v")
            await say(socket, "health", 6)
            assert (await socket.receive_json(timeout=2))["id"] == 6, "no event came in between"

    live(tmp_path, check)


def test_only_so_many_websockets_may_subscribe_and_only_so_many_be_open(tmp_path, monkeypatch):
    monkeypatch.setattr("chain.rpc.server.RPC_CLIENTS_MAX", 1)
    monkeypatch.setattr("chain.rpc.server.RPC_WEBSOCKETS_MAX", 2)

    async def check(node, rpc):
        address = f"{rpc.url}websocket"
        async with rpc.session.ws_connect(address) as one, rpc.session.ws_connect(address) as two:
            for socket in (one, two):
                await say(socket, "subscribe", query="tm.event = 'Tx'")
            assert (await one.receive_json(timeout=2))["result"] == {}
            refused = await two.receive_json(timeout=2)
            assert refused["error"]["data"] == "max_subscription_clients 1 reached"
            async with rpc.session.get(address, headers=UPGRADE) as third:
                assert third.status == 503
        await until(lambda: not node.rpc._clients)
        async with rpc.session.ws_connect(address) as again:
            await say(again, "subscribe", query="tm.event = 'Tx'")
            assert (await again.receive_json(timeout=2))["result"] == {}

    live(tmp_path, check)


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def frame(text: str) -> bytes:
    """One masked text frame of at most 64 KiB; a mask of zeros changes nothing."""
    body = text.encode()
    return b"\x81" + bytes([0x80 | 126]) + len(body).to_bytes(2, "big") + bytes(4) + body


def test_a_websocket_client_that_does_not_read_cannot_hold_up_the_stop(tmp_path):
    async def check(node, _rpc):
        loop = asyncio.get_running_loop()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, ("127.0.0.1", node.rpc.port))
            lines = [
                "GET /websocket HTTP/1.1",
                "Host: x",
                *(f"{k}: {v}" for k, v in UPGRADE.items()),
            ]
            await loop.sock_sendall(deaf, "\r\n".join([*lines, "", ""]).encode())
            await until(lambda: node.rpc._clients)
            (client,) = node.rpc._clients.values()
            call = {"jsonrpc": "2.0", "id": 1, "method": "block", "params": {"height": "1"}}
            asked = frame(json.dumps(call).ljust(200)) * 30_000
            sending = loop.create_task(loop.sock_sendall(deaf, asked))
            _, paused_from = client._transport.get_write_buffer_limits()
            await until(lambda: client._transport.get_write_buffer_size() > paused_from)
            async with asyncio.timeout(20):
                await node.rpc.stop()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    live(tmp_path, check)


# --- anything as a parameter ---------------------------------------------------------------


@pytest.fixture(scope="module")
def rpc_server(tmp_path_factory) -> Iterator[tuple[asyncio.AbstractEventLoop, Node]]:
    """A running node on a loop that the test turns."""
    loop = asyncio.new_event_loop()
    escaped: list[object] = []
    loop.set_exception_handler(lambda _loop, context: escaped.append(context))
    node = make_node(make_home(tmp_path_factory.mktemp("fuzz")))
    loop.run_until_complete(node.start(loop))
    loop.run_until_complete(first_block(node))
    yield loop, node
    loop.run_until_complete(node.stop())
    loop.close()
    assert escaped == []


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-2, 5),
    st.integers(-2, 5).map(str),
    st.floats(),
    st.text(max_size=40),
    st.binary(max_size=40).map(lambda raw: b64encode(raw).decode()),
    st.binary(max_size=40).map(bytes.hex),
    st.sampled_from(
        ["tm.event = 'Tx'", "tx.height > 0", "app.n >= 2.5", "asc", "desc", "start", "1.0", "/key"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
PARAM_NAMES = sorted({name for names in METHOD_PARAMS.values() for name in names} | {"cursor"})
REQUESTS = st.sampled_from(sorted(METHOD_PARAMS)).flatmap(
    lambda method: st.tuples(
        st.just(method),
        st.one_of(
            st.dictionaries(st.sampled_from((*METHOD_PARAMS[method], "cursor", "x")), VALUES),
            st.lists(VALUES, min_size=0, max_size=6),
            SCALARS,
        ),
    )
)
CRASHED = "the node could not answer"


def check_answer(answer, request_id) -> None:
    """An answer of JSON-RPC 2.0, whose error is one of the protocol's and no crash inside."""
    json.dumps(answer)
    assert answer["jsonrpc"] == "2.0"
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert answer["error"]["code"] in (-32600, -32601, -32602, -32603)
        assert CRASHED not in answer["error"]["data"], answer
    assert answer["id"] == request_id


FUZZ = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(request=REQUESTS)
def test_whatever_the_parameters_the_answer_is_a_json_rpc_answer(rpc_server, monkeypatch, request):
    monkeypatch.setattr("chain.rpc.methods.RPC_TX_COMMIT_TIMEOUT_MS", 1)
    loop, node = rpc_server
    method, params = request
    asked = {"jsonrpc": "2.0", "id": "f", "method": method, "params": params}
    check_answer(loop.run_until_complete(node.rpc._answer_one(asked)), "f")


@FUZZ
@given(
    method=st.sampled_from(sorted(METHOD_PARAMS)),
    query=st.dictionaries(
        st.sampled_from(PARAM_NAMES),
        st.one_of(
            st.text(max_size=30),
            st.text(max_size=20).map(json.dumps),
            st.binary(max_size=20).map(lambda raw: "0x" + raw.hex()),
            st.integers(-(2**66), 2**66).map(str),
        ),
    ),
)
def test_whatever_the_query_string_the_answer_is_a_json_rpc_answer(
    rpc_server, monkeypatch, method, query
):
    monkeypatch.setattr("chain.rpc.methods.RPC_TX_COMMIT_TIMEOUT_MS", 1)
    loop, node = rpc_server
    params = Params(query, from_uri=True)
    check_answer(loop.run_until_complete(node.rpc._call(method, params, URI_ID)), URI_ID)


def test_while_syncing_the_newest_set_told_is_that_of_the_newest_stored_block(tmp_path):
    async def check(node, rpc):
        await rpc.commit(b"k=1")
        methods = Methods(node, node.events)
        # In one turn of the loop, so that no block comes in between.
        height = node.stores.blocks.height()
        for answer in (methods.validators, methods.consensus_params):
            assert answer(Params({}))["block_height"] == str(height + 1)
        node.is_catching_up = lambda: True
        for answer in (methods.validators, methods.consensus_params):
            assert answer(Params({}))["block_height"] == str(height)
            with pytest.raises(InternalError, match="less than or equal to the current"):
                answer(Params({"height": str(height + 1)}))

    live(tmp_path, check)
