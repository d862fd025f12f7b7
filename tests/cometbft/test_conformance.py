"""Field by field, both engines answer alike; each difference that remains stands here with its reason."""

import json
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

import pytest

from chain.node.config import NodeConfig
from chain.node.home import init_home
from chain.types.timestamp import Timestamp
from tests.cometbft.conformance import Difference, Question, ask, differences, send
from tests.cometbft.net import QUICK, EngineConfig, EngineNet
from tests.node.four import Validator, free_ports

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("cometbft")]
SEED = b"c" * 32
TXS = (b"one=1", b"two=2", b"three=refuse")


def tx_hash(tx: bytes) -> str:
    return b64encode(sha256(tx).digest()).decode()


QUESTIONS: tuple[Question, ...] = (
    ("health", "health", {}),
    ("status", "status", {}),
    ("net_info", "net_info", {}),
    ("genesis", "genesis", {}),
    ("genesis_chunked", "genesis_chunked", {"chunk": "0"}),
    ("genesis_chunked_beyond", "genesis_chunked", {"chunk": "9"}),
    ("abci_info", "abci_info", {}),
    ("abci_query", "abci_query", {"data": b"one".hex()}),
    ("abci_query_absent", "abci_query", {"data": b"none".hex()}),
    ("abci_query_no_hex", "abci_query", {"data": "zz"}),
    ("block", "block", {"height": "2"}),
    ("block_of_one", "block", {"height": "1"}),
    ("block_zero", "block", {"height": "0"}),
    ("block_beyond", "block", {"height": "999"}),
    ("block_by_hash_absent", "block_by_hash", {"hash": b64encode(bytes(32)).decode()}),
    ("block_results", "block_results", {"height": "2"}),
    ("block_results_beyond", "block_results", {"height": "999"}),
    ("blockchain", "blockchain", {"minHeight": "1", "maxHeight": "3"}),
    ("blockchain_upside_down", "blockchain", {"minHeight": "3", "maxHeight": "2"}),
    ("commit", "commit", {"height": "2"}),
    ("header", "header", {"height": "2"}),
    ("header_by_hash_absent", "header_by_hash", {"hash": bytes(32).hex()}),
    ("validators", "validators", {"height": "2"}),
    ("validators_page_beyond", "validators", {"height": "2", "page": "7"}),
    ("consensus_params", "consensus_params", {"height": "2"}),
    ("consensus_state", "consensus_state", {}),
    ("dump_consensus_state", "dump_consensus_state", {}),
    ("consensus_params_newest", "consensus_params", {}),
    ("validators_newest", "validators", {}),
    ("tx_search_page", "tx_search", {"query": "tx.height>1", "page": "2", "per_page": "1"}),
    ("tx_search_page_beyond", "tx_search", {"query": "tx.height>1", "page": "9", "per_page": "1"}),
    ("tx_search_down", "tx_search", {"query": "tx.height>1", "order_by": "desc"}),
    ("tx_search_order", "tx_search", {"query": "tx.height>1", "order_by": "up"}),
    ("block_search_page", "block_search", {"query": "block.height>1", "per_page": "2"}),
    ("broadcast_evidence_none", "broadcast_evidence", {"evidence": None}),
    ("tx", "tx", {"hash": tx_hash(TXS[0]), "prove": True}),
    ("tx_refused", "tx", {"hash": tx_hash(TXS[2])}),
    ("tx_absent", "tx", {"hash": tx_hash(b"absent")}),
    ("tx_search", "tx_search", {"query": "tx.height=2", "prove": True}),
    ("tx_search_event", "tx_search", {"query": "app.key='two'"}),
    ("tx_search_none", "tx_search", {"query": "app.key='nine'"}),
    ("tx_search_wrong", "tx_search", {"query": "app.key=="}),
    ("block_search", "block_search", {"query": "block.height=2"}),
    ("unconfirmed_txs", "unconfirmed_txs", {}),
    ("num_unconfirmed_txs", "num_unconfirmed_txs", {}),
    ("check_tx", "check_tx", {"tx": b64encode(b"four=4").decode()}),
    ("check_tx_bad", "check_tx", {"tx": b64encode(b"bad=4").decode()}),
    ("broadcast_again", "broadcast_tx_sync", {"tx": b64encode(TXS[0]).decode()}),
    ("broadcast_bad", "broadcast_tx_sync", {"tx": b64encode(b"bad=9").decode()}),
    ("broadcast_no_base64", "broadcast_tx_sync", {"tx": "%%%"}),
    ("unknown", "nonsense", {}),
    ("wrong_type", "block", {"height": "x"}),
    ("too_many", "block", ["1", "2"]),
    ("no_params_object", "block", 7),
)
REQUESTS = {
    "get_block": ("/block?height=2", None),
    "get_query": ('/abci_query?path="/"&data=0x6f6e65', None),
    "get_health": ("/health", None),
    "no_json": ("/", b"{"),
    "empty_list": ("/", b"[]"),
    "a_number": ("/", b"7"),
    "batch": (
        "/",
        json.dumps([{"jsonrpc": "2.0", "id": n, "method": "health"} for n in (1, 2)]).encode(),
    ),
    "no_id": ("/", b'{"jsonrpc":"2.0","method":"health"}'),
}


@contextmanager
def both_engines(root: Path) -> Iterator[tuple[int, int]]:
    """One validator with the same key and genesis on each, the same transactions; their RPC ports."""
    genesis = {"chain_id": "same-1", "app_state": {"hello": "town"}}
    start = Timestamp.from_ns(time.time_ns())
    port = free_ports(1)[0]
    config = NodeConfig(moniker="node0", rpc_port=port, timeouts=QUICK)
    init_home(root / "ours", validator_seed=SEED, genesis_time=start, config=config, **genesis)
    ours = Validator(root / "ours", port, [sys.executable, "-m", "tests.cometbft.kvstore_plain"])
    net = EngineNet(
        root / "theirs",
        1,
        seeds=[SEED],
        genesis_time=start,
        config=EngineConfig(timeouts=QUICK),
        **genesis,
    )
    ours.start()
    try:
        with net:
            theirs = net.nodes[0]
            net.wait(lambda: ours.height() >= 1)
            for node in (ours, theirs):
                for tx, height in zip(TXS, (3, 5, 6), strict=True):
                    node.commit(tx)
                    net.wait(lambda node=node, height=height: node.height() >= height)
            yield port, theirs.rpc_port
    finally:
        if ours.process is not None:
            ours.end()


def collect(ours: int, theirs: int) -> set[Difference]:
    found: set[Difference] = set()
    for name, method, params in QUESTIONS:
        found |= set(differences(ask(ours, method, params), ask(theirs, method, params), name))
    for name, (path, body) in REQUESTS.items():
        found |= set(differences(send(ours, path, body), send(theirs, path, body), name))
    return found


CLOCKS = "each chain is made at its own moment: times, and with them every hash and signature over a header"
TEXTS = (
    "the same code; the text for people is ours, Go's names of types and encodings are not repeated"
)
IDENTITY = "another node: its own key and ports"
EXPECTED: dict[Difference, str] = {
    ("*.header.time", "value"): CLOCKS,
    ("*.header.last_commit_hash", "value"): CLOCKS,
    ("*.header.last_block_id.hash", "value"): CLOCKS,
    ("*.header.last_block_id.parts.hash", "value"): CLOCKS,
    ("*.block_id.hash", "value"): CLOCKS,
    ("*.block_id.parts.hash", "value"): CLOCKS,
    ("*.signatures[[][]].timestamp", "value"): CLOCKS,
    ("*.signatures[[][]].signature", "value"): CLOCKS,
    ("status.result.sync_info.latest_block_hash", "value"): CLOCKS,
    ("status.result.sync_info.latest_block_time", "value"): CLOCKS,
    ("*.round_state.start_time", "value"): CLOCKS,
    ("*.round_state.commit_time", "value"): CLOCKS,
    ("*.round_state.last_commit.votes[[][]]", "value"): CLOCKS,
    ("status.result.node_info.id", "value"): IDENTITY,
    ("status.result.node_info.listen_addr", "value"): IDENTITY,
    ("status.result.node_info.other.rpc_address", "value"): IDENTITY,
    ("status.result.node_info.version", "value"): "CometBFT's line, then our own name and version",
    ("status.result.node_info.channels", "value"): (
        "ours lists pex (0x00) always and the light-block channels 0x62 and 0x63; CometBFT drops pex when it is off"
    ),
    ("status.result.storage_info", "ours only"): "CometBFT says nowhere whether a node prunes",
    ("net_info.result.listening", "value"): "an embedded node alone listens to nobody",
    ("consensus_state.result.round_state.height/round/step", "value"): (
        "waiting for a transaction is the step before the round here, CometBFT waits inside it"
    ),
    ("dump_consensus_state.result.round_state.step", "value"): (
        "waiting for a transaction is the step before the round here, CometBFT waits inside it"
    ),
    ("consensus_state.result.round_state.height_vote_set", "length"): (
        "CometBFT shows an empty next round too"
    ),
    ("dump_consensus_state.result.round_state.votes", "length"): (
        "CometBFT shows an empty next round too"
    ),
    (
        "genesis_chunked.result.data",
        "value",
    ): "the same document; blanks and order of keys are ours",
    ("*.error.data", "value"): TEXTS,
    ("unknown.error.data", "ours only"): "the name of the unknown method is repeated",
    ("*.id", "ours only"): "JSON-RPC 2.0 §5 wants `id: null` when the request's could not be read",
    (
        "a_number.error.code",
        "value",
    ): "valid JSON that is no request is -32600 in JSON-RPC 2.0 §5.1",
    (
        "a_number.error.message",
        "value",
    ): "valid JSON that is no request is -32600 in JSON-RPC 2.0 §5.1",
    (
        "empty_list",
        "type",
    ): "an empty batch is answered by an error in JSON-RPC 2.0 §6; CometBFT says nothing",
}


BY_CHANCE: dict[Difference, str] = {
    ("blockchain.result.block_metas[[][]].block_size", "value"): (
        "a block holds times, and nanoseconds take three to five bytes"
    ),
}
"""Differences that come and go with the clock."""


def test_both_engines_answer_alike_but_for_what_is_listed(tmp_path):
    with both_engines(tmp_path) as (ours, theirs):
        found = collect(ours, theirs)
    listed = [*EXPECTED, *BY_CHANCE]
    unlisted = {d for d in found if not any(matches(d, entry) for entry in listed)}
    assert not unlisted, sorted(unlisted)
    unneeded = {entry for entry in EXPECTED if not any(matches(d, entry) for d in found)}
    assert not unneeded, sorted(unneeded)


def matches(found: Difference, entry: Difference) -> bool:
    return found[1] == entry[1] and fnmatchcase(found[0], entry[0])


def test_every_kind_of_difference_is_seen():
    ours = {"a": 1, "b": [1, 2], "c": "x", "d": None, "e": {"f": 1}}
    theirs = {"a": "1", "b": [1], "c": "y", "e": {}, "g": 0}
    assert set(differences(ours, theirs, "p")) == {
        ("p.a", "type"),
        ("p.b", "length"),
        ("p.c", "value"),
        ("p.d", "ours only"),
        ("p.e.f", "ours only"),
        ("p.g", "theirs only"),
    }
