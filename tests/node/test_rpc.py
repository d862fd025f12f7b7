"""The RPC of a live node against CometBFT's recorded answers, and its refusals, paging and websocket."""

import asyncio
import json
from base64 import b64decode, b64encode
from hashlib import sha256
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from chain.codec.cmtjson import from_json
from chain.codec.hashing import hash_header
from chain.codec.merkle import verify_merkle_proof
from chain.crypto.commits import verify_commit_full
from chain.types.block import Proof, SignedHeader
from chain.types.validator import Validator, ValidatorSet
from tests.node.live import live, make_home, running
from tests.vectors.runner import shared_folder
from tests.waiting import run_within

RECORDED = shared_folder() / "vectors/cometbft/tendermint-rs/kvstore_v0_38"


def recorded(name: str) -> Any:
    path = RECORDED / "incoming" / f"{name}.json"
    if not path.exists():
        pytest.skip("the recorded answers are not beside the checkout")
    return json.loads(path.read_text())


def shape(value: Any, path: str = "") -> set[tuple[str, str]]:
    """Paths and JSON types; list items share a path; null fits anything where the other side has a value."""
    if isinstance(value, dict):
        if path.endswith(".events") and all(isinstance(v, list) for v in value.values()):
            return {(path, "attributes")}
        return {(path, "object")}.union(*(shape(v, f"{path}.{k}") for k, v in value.items()))
    if isinstance(value, list):
        return {(path, "list")}.union(*(shape(v, f"{path}[]") for v in value))
    return {(path, type(value).__name__)}


def differences(ours: Any, theirs: Any) -> set[tuple[str, str]]:
    """What one side has and the other has not, beyond null against value and empty lists."""
    a, b = shape(ours), shape(theirs)
    nulls = {path for path, kind in a | b if kind == "NoneType"}
    empty = {p for p, kind in a | b if kind == "list"} - {
        p.rsplit("[]", 1)[0] for p, _ in a & b if "[]" in p
    }
    return {
        (path, kind)
        for path, kind in a ^ b
        if path not in nulls
        and not any(path.startswith(f"{p}[]") for p in empty)
        and not any(path.startswith((f"{p}.", f"{p}[")) for p in nulls)
    }


ADDED = {
    (f"{root}.storage_info{key}", kind)
    for root in ("", ".result")
    for key, kind in (("", "object"), (".retain", "str"), (".base_height", "str"))
}
"""Beyond CometBFT, which says nowhere whether a node prunes; its clients ignore members they do not know."""
GENESIS_STATE = ADDED | {
    (f"{root}.genesis.app_state{key}", kind)
    for root in ("", ".result")
    for key, kind in (("", "str"), ("", "object"), (".hello", "str"))
}
"""What is the application's own in a genesis document."""

CALLS = [
    ("abci_info", "abci_info", {}),
    ("abci_query_with_existing_key", "abci_query", {"data": b"tx0".hex()}),
    ("abci_query_with_non_existent_key", "abci_query", {"data": b"none".hex()}),
    ("block_at_height_1", "block", {"height": "1"}),
    ("block_at_height_10", "block", {"height": "2"}),
    ("block_results_at_height_10", "block_results", {"height": "1"}),
    ("block_search", "block_search", {"query": "block.height > 1", "order_by": "asc"}),
    ("blockchain_from_1_to_10", "blockchain", {"minHeight": "1", "maxHeight": "10"}),
    ("commit_at_height_10", "commit", {"height": "2"}),
    ("consensus_params", "consensus_params", {"height": "1"}),
    ("consensus_state", "consensus_state", {}),
    ("genesis", "genesis", {}),
    ("net_info", "net_info", {}),
    ("status", "status", {}),
    ("tx_search_no_prove", "tx_search", {"query": "tx.height > 1", "order_by": "asc"}),
    ("tx_search_with_prove", "tx_search", {"query": "tx.height > 1", "prove": True}),
]


def test_answers_have_the_keys_and_types_of_the_recorded_ones(tmp_path):
    async def check(node, rpc):
        await rpc.commit(b"tx0=value")
        for name, method, params in CALLS:
            theirs = recorded(name)["result"]
            found = differences(await rpc(method, **params), theirs)
            assert found - GENESIS_STATE == set(), name
        for name, tx in (("broadcast_tx_sync", b"s=1"), ("broadcast_tx_async", b"a=1")):
            ours = await rpc(name, tx=b64encode(tx).decode())
            assert differences(ours, recorded(name)["result"]) == set()
        ours = await rpc.commit(b"commit-key=value")
        assert differences(ours, recorded("broadcast_tx_commit")["result"]) == set()

    live(tmp_path, check)


def test_errors_are_those_of_the_recorded_answers(tmp_path):
    async def check(node, rpc):
        answer = await rpc.full("block", height="0")
        assert answer["error"] == recorded("block_at_height_0")["error"]
        answer = await rpc.full("block", height="99")
        assert (
            "must be less than or equal to the current blockchain height" in answer["error"]["data"]
        )
        for body, code in (
            (b"{", -32700),
            (b"[]", -32600),
            (b"7", -32600),
            ({"jsonrpc": "2.0", "id": 1, "method": "nonsense"}, -32601),
            ({"jsonrpc": "2.0", "id": True, "method": "health"}, -32600),
            ({"jsonrpc": "2.0", "id": 1, "method": "block", "params": {"height": "x"}}, -32602),
            ({"jsonrpc": "2.0", "id": 1, "method": "block", "params": ["1", "2"]}, -32602),
            ({"jsonrpc": "2.0", "id": 1, "method": "block", "params": 1}, -32602),
            ({"jsonrpc": "2.0", "id": 1, "method": "subscribe"}, -32601),
            (
                {"jsonrpc": "2.0", "id": 1, "method": "header_by_hash", "params": {"hash": "x"}},
                -32602,
            ),
            ({"jsonrpc": "2.0", "id": 1, "method": "tx", "params": {"hash": "???"}}, -32602),
            ([{"jsonrpc": "2.0", "id": 1, "method": "health"}] * 11, -32600),
        ):
            assert (await rpc.raw(body))["error"]["code"] == code, body
        assert (
            "not found"
            in (await rpc.full("tx", hash=b64encode(b"\1" * 32).decode()))["error"]["data"]
        )
        refused = await rpc("broadcast_tx_sync", tx=b64encode(b"bad=1").decode())
        assert refused["code"] == 2
        await rpc.commit(b"once=1")
        again = await rpc.full("broadcast_tx_sync", tx=b64encode(b"once=1").decode())
        assert again["error"]["data"] == "tx already exists in cache"

    live(tmp_path, check)


def test_recorded_requests_byte_for_byte_are_answered_in_the_recorded_shape(tmp_path):
    """The 30 requests that tendermint-rs sent to CometBFT's kvstore, to a chain of more than ten blocks."""
    requests = sorted((RECORDED / "outgoing").glob("*.json"))
    if not requests:
        pytest.skip("the recorded requests are not beside the checkout")

    async def check(node, rpc):
        for n in range(12):
            await rpc.commit(b"tx%d=value" % (100 + n))
        for path in requests:
            sent = path.read_bytes()
            answer = await rpc.raw(sent)
            if json.loads(sent)["method"] == "subscribe":
                assert answer["error"]["code"] == -32601, "over HTTP"
                continue
            assert answer["id"] == json.loads(sent)["id"], path.name
            theirs = recorded(path.stem)
            assert differences(answer, theirs) - GENESIS_STATE == set(), path.name

    live(tmp_path, check)
    assert len(requests) == 30


def test_parameters_may_be_a_list_in_the_order_of_cometbft(tmp_path):
    async def check(node, rpc):
        await rpc.commit(b"k=v")

        async def call(method: str, *params: Any) -> Any:
            return await rpc.raw(
                {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
            )

        assert (await call("block", "1"))["result"]["block"]["header"]["height"] == "1"
        assert (await call("blockchain", "1", "1"))["result"]["block_metas"][0]["num_txs"] == "0"
        found = await call("abci_query", "", b"k".hex(), "0", False)
        assert found["result"]["response"]["value"] == "dg=="
        found = await call("tx_search", "app.key = 'k'", True, "1", "5", "desc")
        assert found["result"]["total_count"] == "1"
        assert (await call("status"))["result"]["sync_info"]["catching_up"] is False
        assert (
            "expected 1 parameters (height), got 2"
            in (await call("block", "1", "2"))["error"]["data"]
        )
        assert (await call("nonsense", "1"))["error"]["code"] == -32601

    live(tmp_path, check)


def test_a_batch_of_one_a_null_id_and_an_empty_body_are_answered_as_cometbft_does(tmp_path):
    async def check(node, rpc):
        one = await rpc.raw([{"jsonrpc": "2.0", "id": 1, "method": "health"}])
        assert one == {"jsonrpc": "2.0", "id": 1, "result": {}}
        for silent in ({"jsonrpc": "2.0", "id": None, "method": "health"},) * 2:
            for body in (silent, [silent, silent]):
                async with rpc.session.post(rpc.url, json=body) as answer:
                    assert (answer.status, await answer.read()) == (200, b"")
        async with rpc.session.post(rpc.url, data=b"") as answer:
            assert "/broadcast_evidence" in await answer.text()
        async with rpc.session.get(f"{rpc.url}nonsense") as answer:
            assert answer.status == 404
        async with rpc.session.get(f"{rpc.url}subscribe?query=%22%22") as answer:
            assert answer.status == 404
        async with rpc.session.get(f"{rpc.url}block?height=0") as answer:
            assert answer.status == 500

    live(tmp_path, check)


def test_a_header_is_named_by_hexadecimal_and_a_block_by_base64_as_in_cometbft(tmp_path):
    async def check(node, rpc):
        named = (await rpc("block", height="1"))["block_id"]["hash"]
        in_base64 = b64encode(bytes.fromhex(named)).decode()
        assert (await rpc("header_by_hash", hash=named))["header"]["height"] == "1"
        assert (await rpc("block_by_hash", hash=in_base64))["block"]["header"]["height"] == "1"
        found = await rpc.get(f"header_by_hash?hash=0x{named}")
        assert found["result"]["header"]["height"] == "1"
        assert (await rpc.full("header_by_hash", hash=in_base64))["error"]["code"] == -32602
        assert (await rpc("header_by_hash", hash="00" * 32)) == {"header": None}
        nothing = {"hash": "", "parts": {"total": 0, "hash": ""}}
        unknown = await rpc("block_by_hash", hash=b64encode(bytes(32)).decode())
        assert unknown == {"block_id": nothing, "block": None}

    live(tmp_path, check)


def test_block_searches_page_order_and_refuse_pages_that_do_not_exist(tmp_path):
    async def check(node, rpc):
        for n in range(4):
            await rpc.commit(b"k%d=v" % n)

        async def heights(**params: Any) -> list[int]:
            found = await rpc("block_search", query="block.height <= 5", **params)
            assert found["total_count"] == "5"
            return [int(b["block"]["header"]["height"]) for b in found["blocks"]]

        assert await heights() == [5, 4, 3, 2, 1]
        assert await heights(order_by="asc", per_page="2", page="2") == [3, 4]
        assert await heights(order_by="desc", per_page="2", page="3") == [1]
        assert await heights(per_page="0") == [5, 4, 3, 2, 1]
        for params, words in (
            ({"page": "4", "per_page": "2"}, "page should be within [1, 3] range, given 4"),
            ({"page": "0"}, "page should be within [1, 1] range, given 0"),
            ({"page": "-1"}, "page should be within [1, 1] range, given -1"),
            ({"order_by": "up"}, "expected order_by to be either `asc` or `desc` or empty"),
        ):
            refused = await rpc.full("block_search", query="block.height <= 5", **params)
            assert refused["error"]["data"] == words
        empty = await rpc("block_search", query="block.height > 1000")
        assert empty == {"blocks": [], "total_count": "0"}
        refused = await rpc.full("block_search", query="block.height > 1000", page="2")
        assert refused["error"]["data"] == "page should be within [1, 1] range, given 2"

    live(tmp_path, check)


def test_batches_answer_each_call_and_ids_come_back_as_sent(tmp_path):
    async def check(node, rpc):
        answers = await rpc.raw(
            [
                {"jsonrpc": "2.0", "id": "a", "method": "health"},
                {"jsonrpc": "2.0", "method": "health"},
                {"jsonrpc": "2.0", "id": 7, "method": "nonsense"},
            ]
        )
        assert [answer["id"] for answer in answers] == ["a", 7]

    live(tmp_path, check)


def test_get_requests_read_quoted_text_hex_bytes_and_bare_numbers(tmp_path):
    async def check(node, rpc):
        await rpc.commit(b"k=v")
        assert (await rpc.get("block?height=1"))["result"]["block"]["header"]["height"] == "1"
        found = await rpc.get('tx_search?query="app.key=%27k%27"&prove=true')
        assert found["result"]["total_count"] == "1"
        tx_hash = found["result"]["txs"][0]["hash"]
        assert (await rpc.get(f"tx?hash=0x{tx_hash}"))["result"]["height"] == found["result"][
            "txs"
        ][0]["height"]
        assert (await rpc.get("abci_query?data=0x6b"))["result"]["response"]["value"] == "dg=="
        assert (await rpc.get('abci_query?data="k"'))["result"]["response"]["value"] == "dg=="
        assert (await rpc.get('broadcast_tx_sync?tx="g=1"'))["result"]["code"] == 0
        assert (await rpc.get("broadcast_tx_sync?tx=0x683d31"))["result"]["code"] == 0
        assert (await rpc.get("nonsense"))["error"]["code"] == -32601

    live(tmp_path, check)


def test_a_transaction_is_found_and_proved_the_moment_it_is_committed(tmp_path):
    async def check(node, rpc):
        for n in range(5):
            done = await rpc.commit(b"k%d=v" % n)
            found = await rpc(
                "tx", hash=b64encode(bytes.fromhex(done["hash"])).decode(), prove=True
            )
            assert found["height"] == done["height"]
            header = (await rpc("header", height=done["height"]))["header"]
            proof = found["proof"]
            assert proof["root_hash"] == header["data_hash"]
            tx_hash = sha256(b64decode(found["tx"])).digest()
            assert verify_merkle_proof(
                from_json(Proof, proof["proof"]), bytes.fromhex(proof["root_hash"]), tx_hash
            )

    live(tmp_path, check)


def test_commits_and_validators_of_every_height_verify_as_a_light_client_does(tmp_path):
    async def check(node, rpc):
        await rpc.commit(b"k=v")
        await asyncio.sleep(0.1)
        for height in range(1, node.stores.blocks.height() + 1):
            answer = await rpc("commit", height=str(height))
            signed = from_json(SignedHeader, answer["signed_header"])
            listed = (await rpc("validators", height=str(height)))["validators"]
            validators = ValidatorSet(tuple(from_json(Validator, v) for v in listed))
            assert signed.commit.block_id.hash == hash_header(signed.header)
            refused = verify_commit_full(
                "live-1", validators, signed.commit.block_id, height, signed.commit
            )
            assert refused is None
            assert answer["canonical"] is (height < node.stores.blocks.height())
        by_hash = await rpc("block_by_hash", hash=b64encode(signed.commit.block_id.hash).decode())
        assert by_hash["block"]["header"]["height"] == str(height)

    live(tmp_path, check)


def test_searches_page_order_and_refuse_pages_that_do_not_exist(tmp_path):
    async def check(node, rpc):
        for n in range(7):
            await rpc("broadcast_tx_sync", tx=b64encode(b"p%d=v" % n).decode())
        await rpc.commit(b"last=v")
        query = {"query": "app.n = 4", "per_page": "3"}
        pages = [await rpc("tx_search", page=str(page), **query) for page in (1, 2, 3)]
        keys = [b64decode(tx["tx"]) for page in pages for tx in page["txs"]]
        assert keys == [b"p%d=v" % n for n in range(7)]
        assert {page["total_count"] for page in pages} == {"7"}
        assert (
            "page should be within [1, 3]"
            in (await rpc.full("tx_search", page="4", **query))["error"]["data"]
        )
        newest = await rpc("tx_search", query="app.key EXISTS", order_by="desc", per_page="1")
        assert b64decode(newest["txs"][0]["tx"]) == b"last=v"
        one = await rpc("tx_search", query=f"tx.hash = '{sha256(b'p3=v').hexdigest().upper()}'")
        assert one["total_count"] == "1"
        none = await rpc("tx_search", query="app.key = 'p1' AND app.n = 9")
        assert none == {"txs": [], "total_count": "0"}
        both = await rpc("tx_search", query="app.key = 'p1' AND tx.height > 1")
        assert both["total_count"] == "1"
        assert (
            "order_by"
            in (await rpc.full("tx_search", query="a='b'", order_by="up"))["error"]["data"]
        )

    live(tmp_path, check)


async def subscribe(rpc, socket, query: str, request_id: str = "s") -> Any:
    await socket.send_json(
        {"jsonrpc": "2.0", "id": request_id, "method": "subscribe", "params": {"query": query}}
    )
    return await socket.receive_json(timeout=2)


def test_a_websocket_client_hears_of_its_transactions_and_blocks(tmp_path):
    async def check(node, rpc):
        async with rpc.session.ws_connect(f"{rpc.url}websocket") as socket:
            assert (await subscribe(rpc, socket, "tm.event = 'Tx' AND app.key = 'mine'"))[
                "result"
            ] == {}
            await rpc.commit(b"other=1")
            await rpc.commit(b"mine=1")
            heard = await socket.receive_json(timeout=2)
            for number in range(5):
                theirs = recorded(f"subscribe_txs_{number}")["result"]
                assert differences(heard["result"], theirs) <= {
                    (".data.value.TxResult.result.data", "str"),
                    (".data.value.TxResult.result.gas_wanted", "str"),
                    (".data.value.TxResult.result.gas_used", "str"),
                }
            assert heard["id"] == "s"
            assert heard["result"]["events"]["app.key"] == ["mine"]
            assert heard["result"]["events"]["tx.hash"] == [sha256(b"mine=1").hexdigest().upper()]

    live(tmp_path, check)


def test_new_block_events_have_the_recorded_shape(tmp_path):
    async def check(node, rpc):
        async with rpc.session.ws_connect(f"{rpc.url}websocket") as socket:
            await subscribe(rpc, socket, "tm.event = 'NewBlock'")
            await rpc("broadcast_tx_sync", tx=b64encode(b"k=v").decode())
            heard = await socket.receive_json(timeout=2)
            for number in range(5):
                theirs = recorded(f"subscribe_newblock_{number}")["result"]
                found = differences(heard["result"], theirs)
                allowed = ("result_finalize_block.tx_results",)
                assert all(any(part in path for part in allowed) for path, _ in found), found

    live(tmp_path, check)


def test_unsubscribing_stops_and_errors_are_told(tmp_path):
    async def check(node, rpc):
        async with rpc.session.ws_connect(f"{rpc.url}websocket") as socket:
            malformed = await subscribe(rpc, socket, "malformed query")
            assert malformed["error"] == recorded("subscribe_malformed")["error"]
            await subscribe(rpc, socket, "tm.event = 'Tx'")
            assert (
                "already subscribed"
                in (await subscribe(rpc, socket, "tm.event = 'Tx'"))["error"]["data"]
            )
            await socket.send_json(
                {
                    "jsonrpc": "2.0",
                    "id": 2,
                    "method": "unsubscribe",
                    "params": {"query": "tm.event = 'Tx'"},
                }
            )
            assert (await socket.receive_json(timeout=2))["result"] == {}
            await rpc.commit(b"k=v")
            await socket.send_json({"jsonrpc": "2.0", "id": 3, "method": "health"})
            assert (await socket.receive_json(timeout=2))["id"] == 3, "no event came in between"
            await socket.send_str("{")
            assert (await socket.receive_json(timeout=2))["error"]["code"] == -32700
            for n in range(5):
                await subscribe(rpc, socket, f"a.b = {n}")
            assert "max_subscriptions" in (await subscribe(rpc, socket, "a.b = 9"))["error"]["data"]

    live(tmp_path, check)


def test_a_subscriber_that_does_not_read_is_cancelled_and_the_node_goes_on():
    from chain.limits import RPC_SUBSCRIBER_BUFFER
    from chain.rpc.events import EventBus, PublishedEvent
    from chain.rpc.query import parse_query

    async def check() -> None:
        bus = EventBus()
        slow = bus.subscribe(parse_query("tm.event = 'Tx'"))
        for _ in range(RPC_SUBSCRIBER_BUFFER + 1):
            bus.publish(PublishedEvent({"tm.event": ["Tx"]}, dict))
        assert slow.is_cancelled
        assert not bus.has_subscribers()

    run_within(check())


def test_a_body_beyond_the_limit_is_refused(tmp_path):
    async def check(node, rpc):
        try:
            async with rpc.session.post(rpc.url, data=BytesIO(b" " * 1_100_000)) as answer:
                assert answer.status == 413
        except aiohttp.ClientConnectionError:
            pass  # refused before it was read whole

    live(tmp_path, check)


def test_waiting_transactions_are_counted(tmp_path):
    async def check(node, rpc):
        node.host.stop()
        await rpc("broadcast_tx_sync", tx=b64encode(b"w=1").decode())
        assert (await rpc("num_unconfirmed_txs")) == {
            "n_txs": "1",
            "total": "1",
            "total_bytes": "3",
            "txs": None,
        }
        assert (await rpc("unconfirmed_txs", limit="5"))["txs"] == [b64encode(b"w=1").decode()]
        assert (await rpc("check_tx", tx=b64encode(b"bad=").decode()))["code"] == 2
        chunk = await rpc("genesis_chunked", chunk="0")
        assert json.loads(b64decode(chunk["data"]))["chain_id"] == "live-1"
        assert (await rpc("consensus_state"))["round_state"]["height/round/step"].startswith("2/0/")

    live(tmp_path, check)


def test_an_application_that_raises_in_a_query_is_answered_and_in_check_tx_stops_the_node(tmp_path):
    failures: list[str] = []

    async def run() -> None:
        async with running(make_home(tmp_path), failures) as (node, rpc):
            node.app.query = raises
            assert (await rpc.full("abci_query", data="00"))["error"]["code"] == -32603
            assert failures == []
            node.pool._check_tx = raises
            assert (await rpc.full("broadcast_tx_sync", tx="YT0x"))["error"]["code"] == -32603

    run_within(run())
    assert failures == ["CheckTx raised"]


def raises(*_: object) -> None:
    raise RuntimeError("broken rule")
