"""The projector beside a lying or silent node among several: it goes on with the others, or halts with a code."""

import copy
from typing import Any

import pytest

from app.core import projector as projector_module
from app.core.database import connected
from app.core.projection import get_projector_state
from app.core.projector import Projector
from app.core.verifier import NodeLied
from app.wiring import build_projections
from tests.api.conftest import Town
from tests.api.core.test_projector import Tamper, claim_success, drop_transactions, forge_record
from tests.api.lab import Lab, LabClient
from tests.town.town_kit import key

NODES = tuple(f"http://node{n}.test:26657" for n in range(4))


class ManyNodes(LabClient):
    """Several nodes of one chain; `lies` changes what one of them shows, `stuck` ends what one knows."""

    def __init__(self, lab: Lab, count: int) -> None:
        super().__init__(lab)
        self.urls = NODES[:count]
        self.lies: dict[str, tuple[str, Tamper]] = {}
        self.stuck: dict[str, int] = {}

    def _post(self, url: str, document: Any) -> Any:
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
        known = self.stuck.get(url)
        if known is None:
            return
        if call["method"] == "status":
            said["result"]["sync_info"]["latest_block_height"] = str(known)
        elif int(call["params"].get("height") or 0) > known:
            said.pop("result", None)
            said["error"] = {"code": -32603, "message": "Internal error", "data": "later"}


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
