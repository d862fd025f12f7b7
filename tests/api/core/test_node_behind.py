"""The API's node may be a block behind the one that the projector heard: a proof waits for it, not for ever."""

import pytest

from app.core import proofs
from app.core.chain_client import RpcError
from app.core.problems import Problem

BEHIND = RpcError(
    "commit",
    {"data": "height 5 must be less than or equal to the current blockchain height 4"},
)


class Node:
    def __init__(self, *answers):
        self.answers = list(answers)

    def call(self, method, params):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_block_that_is_on_its_way_is_awaited():
    assert proofs._call_once_there(Node(BEHIND, BEHIND, {"a": 1}), "commit", {}) == {"a": 1}


def test_another_error_is_not_awaited():
    with pytest.raises(RpcError):
        proofs._call_once_there(Node(RpcError("commit", {"data": "no"}), {}), "commit", {})


def test_a_node_that_stays_behind_is_said_to_have_no_proof_yet(monkeypatch):
    monkeypatch.setattr(proofs, "NODE_CATCHES_UP_S", 0.0)
    with pytest.raises(Problem) as refused:
        proofs._call_once_there(Node(BEHIND), "commit", {})
    assert refused.value.code.name == "proof_not_ready"
