"""The drills' own promises, and the shortest of them: a Byzantine program beside three correct validators."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills import ALL, QUICK, report
from tests.drills import __main__ as command
from tests.drills.byzantine import check_punished, start_with_liar
from tests.drills.evidence import find_contradictions
from tests.drills.keys import signer_of
from tests.drills.report import DRILLS, Drill, Skipped, percentile, run_drill
from tests.drills.town import Load


@pytest.fixture
def planted() -> Iterator[dict[str, report.DrillFunction]]:
    """Drills of this test alone, taken away afterwards."""
    before = dict(DRILLS)
    yield DRILLS
    DRILLS.clear()
    DRILLS.update(before)


def violated(run: Drill) -> None:
    run.check("one thing that holds", ok=True)
    run.check("one that does not", ok=False, measured="7")


def broken(run: Drill) -> None:
    run.check("one thing that holds", ok=True)
    raise RuntimeError("half-way")


def impossible(_run: Drill) -> None:
    raise Skipped("no such thing here")


def empty(_run: Drill) -> None:
    """Checks nothing."""


@pytest.mark.parametrize(
    ("function", "verdict"),
    [(violated, "VIOLATED"), (broken, "VIOLATED"), (empty, "VIOLATED"), (impossible, "skipped")],
)
def test_a_drill_is_held_only_when_all_its_checks_are_and_there_are_some(
    planted: dict[str, report.DrillFunction], function: report.DrillFunction, verdict: str
) -> None:
    planted["planted"] = function
    assert run_drill("planted", is_quick=True).verdict == verdict


def test_whatever_happens_what_a_drill_began_is_ended(
    planted: dict[str, report.DrillFunction],
) -> None:
    ended: list[str] = []

    def begins(run: Drill) -> None:
        run.closers += [lambda: ended.append("first"), lambda: ended.append("second")]
        raise RuntimeError("half-way")

    planted["planted"] = begins
    run_drill("planted", is_quick=True)
    assert ended == ["second", "first"]


@pytest.mark.parametrize(("function", "code"), [(violated, 1), (impossible, 0)])
def test_the_command_exits_one_on_any_violation_and_writes_what_it_saw(
    planted: dict[str, report.DrillFunction],
    function: report.DrillFunction,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted["planted"] = function
    monkeypatch.setattr(command, "ALL", ("planted",))
    out = tmp_path / "drill.json"
    monkeypatch.setattr("sys.argv", ["drills", "planted", "--quick", "--json", str(out)])
    assert command.main() == code
    assert '"planted"' in out.read_text()


def test_every_drill_of_the_quick_form_exists() -> None:
    assert set(QUICK) <= set(ALL)
    assert len(ALL) == len(DRILLS)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    waits = [float(n) for n in range(1, 21)]
    assert percentile(waits, 0.95) == 19.0
    assert percentile(waits, 0.5) == 10.0
    assert percentile([3.0], 0.95) == 3.0


@pytest.mark.process
@pytest.mark.slow
def test_an_equivocating_program_is_convicted_and_the_three_others_agree_and_lose_nothing(
    tmp_path: Path,
) -> None:
    run = Drill("test", tmp_path, is_quick=True)
    try:
        town, liar, correct = start_with_liar(run, "equivocator")
        load = Load(town, nodes=correct)
        for n in range(4):
            tx = town.tx()
            load.committed[tx] = town.nodes[n % 3].commit(tx)
        check_punished(run, town, liar, correct)
        # The drills ask the same of logs in which nobody lies: here it must find the liar, and only it.
        assert find_contradictions(town.homes) == {signer_of(town.homes[liar])}
        town.check_kept(run, load, correct)
    finally:
        for close in reversed(run.closers):
            close()
    assert not [check for check in run.checks if not check.ok]
