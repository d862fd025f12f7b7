"""The suite `quint` passes every trace at hand, and refuses traces that were tampered with."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.consensus.planted_bugs import BUGS
from tests.vectors import quint
from tests.vectors.runner import shared_folder

FOLDER = shared_folder() / "vectors" / "cometbft" / "malachite_quint"
TRACES = sorted(FOLDER.rglob("*.json"))

pytestmark = pytest.mark.skipif(not TRACES, reason=f"no shared vectors at {FOLDER}")


def _driver_runs() -> list[Any]:
    loaded = (json.loads(path.read_bytes()) for path in TRACES)
    return [trace for trace in loaded if "validator_set" in trace]


@pytest.mark.parametrize("path", TRACES, ids=lambda p: p.stem)
def test_trace_is_followed_step_by_step(path: Path) -> None:
    assert quint.replay(path)


def test_some_run_ends_in_disagreement_and_so_do_we() -> None:
    split = [t for t in _driver_runs() if _disagrees(t)]
    assert split, "no attack run among the traces"
    for trace in split:
        assert quint.replay_driver_run(trace)
        honest = copy.deepcopy(trace)
        chains = [end["chain"] for end in honest["final"].values()]
        for chain in chains:
            chain[:] = copy.deepcopy(chains[0])
        with pytest.raises(AssertionError):
            quint.replay_driver_run(honest)


def test_changed_vote_in_a_run_is_noticed() -> None:
    for trace in _driver_runs():
        outputs = [s["output"] for s in trace["steps"] if "VoteOutput" in s["output"]]
        outputs[-1]["VoteOutput"]["valueId"] = {"Val": "another"}
        with pytest.raises(AssertionError):
            quint.replay_driver_run(trace)


def test_changed_lock_in_a_run_is_noticed() -> None:
    for trace in _driver_runs():
        locked = [s for s in trace["steps"] if s.get("state_after", {}).get("lockedRound", -1) >= 0]
        for record in locked:
            record["state_after"]["lockedRound"] += 1
        if locked:
            with pytest.raises(AssertionError):
                quint.replay_driver_run(trace)


@pytest.mark.parametrize(
    "name", ["quorum_is_two_of_four", "no_lock_rule", "valid_value_never_set", "round_skip_missing"]
)
def test_core_with_a_planted_bug_fails_some_trace(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    BUGS[name](monkeypatch)
    failed = 0
    for trace in _driver_runs():
        try:
            quint.replay_driver_run(trace)
        except AssertionError:
            failed += 1
    assert failed


def _disagrees(trace: Any) -> bool:
    values = {
        entry["decision"]["proposal"]
        for end in trace["final"].values()
        for entry in end["chain"]
        if entry["decision"]["height"] == 0
    }
    return len(values) > 1
