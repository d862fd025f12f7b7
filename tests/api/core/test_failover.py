"""The projector beside a lying or silent node among several: it goes on with the others, or halts with a code."""

import copy
import math
from typing import Any

import pytest

from app.core import projector as projector_module
from app.core.chain_client import ChainClient, RpcError
from app.core.database import connected
from app.core.problems import NodeUnavailable
from app.core.projection import get_projector_state
from app.core.projector import Projector
from app.core.verifier import NodeLied
from app.wiring import build_projections
from tests.api.conftest import Town
from tests.api.core.test_projector import Tamper, claim_success, drop_transactions, forge_record
from tests.api.lab import Lab, LabClient
from tests.light.test_command import RpcNode
from tests.town.town_kit import key

NODES = tuple(f"http://node{n}.test:26657" for n in range(4))


class ManyNodes(LabClient):
    """Several nodes of one chain; `lies` changes what one of them shows, `stuck` ends what one knows.

    `bases` are first heights kept; who `refuses_all` answers errors, who is `down` does not answer.
    """

    def __init__(self, lab: Lab, count: int) -> None:
        super().__init__(lab)
        self.urls = NODES[:count]
        self.lies: dict[str, tuple[str, Tamper]] = {}
        self.stuck: dict[str, int] = {}
        self.bases: dict[str, int] = {}
        self.refuses_all: set[str] = set()
        self.down: set[str] = set()

    def _post(self, url: str, document: Any) -> Any:
        if url in self.down:
            raise ConnectionRefusedError(url)
        answer = copy.deepcopy(super()._post(url, document))
        calls = document if isinstance(document, list) else [document]
        answers = answer if isinstance(answer, list) else [answer]
        for call, said in zip(calls, answers, strict=True):
            self._spoil(url, call, said)
        return answer

    def _spoil(self, url: str, call: dict[str, Any], said: dict[str, Any]) -> None:
        method, tamper = self.lies.get(url, ("", None))
        if tamper is not None and call["method"] == method and "result" in said:
            tamper(said["result"])
        if url in self.refuses_all:
            self._refuse(said, "no")
        if url in self.bases:
            self._prune(self.bases[url], call, said)
        known = self.stuck.get(url)
        if known is None:
            return
        if call["method"] == "status":
            said["result"]["sync_info"]["latest_block_height"] = str(known)
        elif int(call["params"].get("height") or 0) > known:
            self._refuse(said, "later")

    def _prune(self, base: int, call: dict[str, Any], said: dict[str, Any]) -> None:
        if call["method"] == "status":
            said["result"]["sync_info"]["earliest_block_height"] = str(base)
        elif call["method"] in ("block", "commit", "block_results"):
            height = int(call["params"]["height"])
            if height < base:
                self._refuse(said, f"height {height} is not available, lowest height is {base}")

    def _refuse(self, said: dict[str, Any], text: str) -> None:
        said.pop("result", None)
        said["error"] = {"code": -32603, "message": "Internal error", "data": text}


def follower(town: Town, client: ManyNodes) -> Projector:
    return Projector(client, town.lab.genesis, build_projections())


def some_blocks(town: Town) -> None:
    town.lab.produce(town.open_tx(key("alice")))
    town.lab.produce()
    town.lab.produce()


@pytest.mark.parametrize(
    ("method", "tamper"),
    [("block", drop_transactions), ("block_results", claim_success), ("abci_query", forge_record)],
)
def test_of_three_nodes_the_first_lies_and_the_rows_come_from_the_others(
    town: Town, method: str, tamper: Tamper
) -> None:
    some_blocks(town)
    client = ManyNodes(town.lab, 3)
    client.lies[NODES[0]] = (method, tamper)
    assert follower(town, client).catch_up() == town.lab.height - 1
    assert NODES[0] not in client.urls or method == "abci_query", "a lie that was told was noticed"
    with connected():
        state = get_projector_state()
        assert state is not None
        assert state.halted_code == ""


def test_with_fewer_than_f_plus_one_others_a_lie_still_stops_it(town: Town) -> None:
    some_blocks(town)
    client = ManyNodes(town.lab, 2)
    client.lies[NODES[0]] = ("block", drop_transactions)
    with pytest.raises(NodeLied, match="node_data_mismatch"):
        follower(town, client).catch_up()
    assert len(client.urls) == 2


def test_a_lying_witness_is_left_out_and_never_taken_for_a_fork(town: Town) -> None:
    some_blocks(town)
    client = ManyNodes(town.lab, 3)

    def forge(result: dict[str, Any]) -> None:
        result["signed_header"]["header"]["app_hash"] = "AB" * 32

    client.lies[NODES[1]] = ("commit", forge)
    assert follower(town, client).catch_up() == town.lab.height - 1
    assert client.urls == (NODES[0], NODES[2])


def test_a_witness_that_shows_an_honest_header_of_another_height_proves_no_fork(town: Town) -> None:
    some_blocks(town)
    client = ManyNodes(town.lab, 3)
    older = copy.deepcopy(town.lab.answer("commit", {"height": "1"}))
    client.lies[NODES[1]] = ("commit", lambda result: result.update(older))
    assert follower(town, client).catch_up() == town.lab.height - 1
    assert client.urls == (NODES[0], NODES[2])


def test_a_node_that_shows_nothing_new_is_asked_last_once_another_is_further(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_blocks(town)
    client = ManyNodes(town.lab, 3)
    client.stuck[NODES[0]] = 1
    stalled = follower(town, client)
    assert stalled.catch_up() < town.lab.height - 1
    monkeypatch.setattr(projector_module, "STALLED_S", -1.0)
    stalled.catch_up()
    assert stalled.catch_up() == town.lab.height - 1
    assert client.urls[-1] == NODES[0]


MISSHAPEN: dict[str, tuple[str, Tamper]] = {
    "a status of text": ("status", lambda said: said.update(sync_info="x")),
    "an endless height": ("status", lambda said: said["sync_info"].update(ENDLESS)),
    "a record of text": ("abci_query", lambda said: said.update(response="x")),
    "proofs of text": ("abci_query", lambda said: said["response"].update(proofOps="x")),
    "an endless code": ("abci_query", lambda said: said["response"].update(code=math.inf)),
    "a header of text": ("commit", lambda said: said.update(signed_header="x")),
    "results of numbers": ("block_results", lambda said: said.update(txs_results=5)),
    "endless validators": ("validators", lambda said: said.update(total=math.inf)),
}
ENDLESS = {"latest_block_height": math.inf, "earliest_block_height": math.inf}


@pytest.mark.parametrize("shape", MISSHAPEN)
def test_an_answer_of_another_shape_is_a_lie_and_no_crash(town: Town, shape: str) -> None:
    some_blocks(town)
    client = ManyNodes(town.lab, 3)
    client.lies[NODES[0]] = MISSHAPEN[shape]
    assert follower(town, client).catch_up() == town.lab.height - 1
    assert client.urls == (NODES[1], NODES[2])


@pytest.mark.parametrize(
    "answer", [5, [], {"error": "x"}, {"error": {"code": math.inf}}, {"result": "x"}]
)
def test_what_is_no_answer_of_json_rpc_sets_the_node_aside(
    town: Town, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    client = ManyNodes(town.lab, 2)
    honest = client._post
    monkeypatch.setattr(
        client, "_post", lambda url, call: answer if url == NODES[0] else honest(url, call)
    )
    assert client.call("status")["sync_info"]
    assert client.answered_by == NODES[1]


def test_a_node_that_only_refuses_is_asked_last_too(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_blocks(town)
    client = ManyNodes(town.lab, 3)
    client.refuses_all = {NODES[0]}
    monkeypatch.setattr(projector_module, "STALLED_S", -1.0)
    stalled = follower(town, client)
    with pytest.raises(RpcError):
        stalled.catch_up()
    assert stalled.catch_up() == town.lab.height - 1
    assert client.urls[-1] == NODES[0]


def test_who_says_an_endless_height_is_passed_over_when_it_looks_around(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_blocks(town)
    client = ManyNodes(town.lab, 3)
    client.refuses_all = {NODES[0]}
    client.lies[NODES[1]] = MISSHAPEN["an endless height"]
    monkeypatch.setattr(projector_module, "STALLED_S", -1.0)
    with pytest.raises(RpcError):
        follower(town, client).catch_up()
    assert client.urls[-1] == NODES[0], "the third one was asked"


def test_an_archive_that_is_away_for_a_moment_is_waited_for(town: Town) -> None:
    some_blocks(town)
    client = ManyNodes(town.lab, 3)
    client.bases = {NODES[0]: 3, NODES[1]: 3}
    client.down = {NODES[2]}
    waiting = follower(town, client)
    with pytest.raises(NodeUnavailable):
        waiting.catch_up()
    client.down = set()
    assert waiting.catch_up() == town.lab.height - 1


def test_who_forged_a_journal_leaf_is_left_out_and_not_who_showed_the_block(town: Town) -> None:
    town.lab.produce(town.open_tx(key("alice")))
    for _ in range(140):
        town.lab.produce()  # the versions of the first blocks are gone: leaves are proved under a newer one
    client = ManyNodes(town.lab, 3)
    client.bases = {NODES[0]: 10}
    client.lies[NODES[0]] = ("abci_query", forge_record)
    assert follower(town, client).catch_up() == town.lab.height - 1
    assert client.urls == (NODES[1], NODES[2])


def test_a_record_of_another_shape_is_as_no_answer(town: Town) -> None:
    client = ManyNodes(town.lab, 1)
    client.lies[NODES[0]] = ("abci_query", lambda said: said.update(response="x"))
    with pytest.raises(NodeUnavailable):
        client.query("/status", b"")


def test_a_broadcast_answered_in_another_shape_goes_to_the_next_node(town: Town) -> None:
    client = ManyNodes(town.lab, 2)
    client.lies[NODES[0]] = ("broadcast_tx_sync", lambda said: said.pop("code"))
    assert client.broadcast(town.open_tx(key("alice"))).node == NODES[1]


def test_an_answer_nested_without_end_is_as_none() -> None:
    node = RpcNode(lambda _height: None)
    node.answer = lambda _call: b"[" * 100_000  # type: ignore[method-assign]
    client = ChainClient((node.url,))
    try:
        with pytest.raises(NodeUnavailable):
            client.call("status")
    finally:
        client.close()
        node.stop()
