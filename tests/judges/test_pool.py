"""Judges are real processes here: they find what the rules find, and their deaths are nobody else's."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence

import pytest

from chain.judges import pool as pool_module
from chain.judges.pool import JudgePool
from chain.judges.process import COMMAND
from chain.limits import JUDGES_FAILURES_MAX
from chain.votes.judging import BallotTask, Finding, find
from tests.judges.kit import badly_signed, good, is_running
from tests.waiting import run_within, until

pytestmark = pytest.mark.process


def faulty(how: str, *mark: object) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.judges.faulty", how, *map(str, mark))


async def findings(judges: JudgePool, tasks: Iterable[BallotTask]) -> list[Finding | None]:
    """What the pool says of each, in order."""
    found: dict[int, Finding | None] = {}
    asked = list(tasks)
    for place, task in enumerate(asked):
        judges.submit(task, lambda finding, place=place: found.__setitem__(place, finding))
    await until(lambda: len(found) == len(asked), 60)
    return [found[place] for place in range(len(asked))]


def played(
    tasks: Sequence[BallotTask], command: Sequence[str] = COMMAND, job_max_s: float = 60
) -> list[Finding | None]:
    """One pool's findings; it is stopped, and nothing of it runs any more."""

    async def play() -> list[Finding | None]:
        judges = JudgePool(asyncio.get_running_loop(), 2, command=command, job_max_s=job_max_s)
        try:
            found = await findings(judges, tasks)
            pids = judges.pids()
        finally:
            judges.stop()
        assert not any(map(is_running, pids))
        return found

    return run_within(play())


@pytest.mark.parametrize("group", ["BELENIOS-2048", "Ed25519"])
def test_judges_find_what_the_rules_find(group):
    tasks = [good(0, group), badly_signed(group), good(1, group)]
    assert played(tasks) == [find(task.record, task.ballot) for task in tasks]
    assert find(tasks[1].record, tasks[1].ballot).signature is not None


@pytest.mark.parametrize(
    ("how", "job_max_s"),
    [("dies", 60), ("lies", 60), ("babbles", 60), ("loops", 60), ("hangs", 1)],
)
def test_a_ballot_whose_judge_is_lost_is_judged_by_another(tmp_path, how, job_max_s):
    """`loops` ends by the alarm that runs in the judge itself, `hangs` by the node's patience."""
    found = played([good()], faulty(how, tmp_path / "mark"), job_max_s)
    assert found == [Finding(None, None)]
    assert (tmp_path / "mark").exists()


def test_a_ballot_that_two_judges_did_not_survive_is_given_up():
    assert played([good()], faulty("dies")) == [None]


def test_after_some_deaths_the_node_does_without_judges_for_a_while_and_then_has_them_again(
    monkeypatch,
):
    async def play() -> None:
        monkeypatch.setattr(pool_module, "JUDGES_RETRY_S", 0.05)
        judges = JudgePool(asyncio.get_running_loop(), 1, command=faulty("dies"))
        tasks = [good(voter) for voter in range(JUDGES_FAILURES_MAX)]
        closed: list[bool] = []
        found: list[Finding | None] = []
        for task in tasks:
            judges.submit(
                task, lambda finding: (found.append(finding), closed.append(not judges.is_open))
            )
        await until(lambda: len(found) == len(tasks), 60)
        assert found == [None] * len(tasks)
        assert closed[-1], "what still waited was let go when it closed"
        assert judges.pids() == ()
        await until(lambda: judges.is_open)
        judges.stop()

    run_within(play())


def test_a_machine_without_room_for_a_process_gives_the_ballot_back():
    assert played([good()], ("/nonexistent/judge",)) == [None]


def test_no_process_runs_before_the_first_ballot_nor_long_after_the_last():
    async def play() -> None:
        judges = JudgePool(asyncio.get_running_loop(), 2, idle_s=0.2)
        assert judges.pids() == ()
        assert await findings(judges, [good()]) == [Finding(None, None)]
        (pid,) = judges.pids()
        await until(lambda: judges.pids() == ())
        assert not is_running(pid)
        assert await findings(judges, [good(1)]) == [Finding(None, None)], "started again"
        judges.stop()

    run_within(play())


def test_judges_end_with_a_node_that_was_killed():
    """SIGKILL leaves the node no word to say: its judges, at rest, see the socket end."""
    program = (
        "import asyncio\n"
        "from chain.judges.pool import JudgePool\n"
        "from tests.judges.kit import good\n"
        "async def main():\n"
        "    pool = JudgePool(asyncio.get_running_loop(), 2)\n"
        "    done = [asyncio.Event(), asyncio.Event()]\n"
        "    for voter, event in enumerate(done):\n"
        "        pool.submit(good(voter), lambda _finding, event=event: event.set())\n"
        "    for event in done:\n"
        "        await event.wait()\n"
        "    print(*pool.pids(), flush=True)\n"
        "    await asyncio.sleep(3_600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as node:
        assert node.stdout is not None
        pids = [int(word) for word in node.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(is_running, pids))
        node.kill()
    try:
        run_within(until(lambda: not any(map(is_running, pids)), 30))
    finally:
        for pid in filter(is_running, pids):  # a failure leaves nothing behind
            os.kill(pid, signal.SIGKILL)


def test_signals_for_the_whole_group_are_the_nodes_to_heed():
    """Ctrl-C and a service manager's SIGTERM reach judges too; the node stops them when it stops."""

    async def play() -> None:
        judges = JudgePool(asyncio.get_running_loop(), 1)
        await findings(judges, [good()])
        (pid,) = judges.pids()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert await findings(judges, [good(1)]) == [Finding(None, None)]
        assert judges.pids() == (pid,)
        judges.stop()

    run_within(play())


def test_what_is_urgent_goes_first():
    async def play() -> None:
        judges = JudgePool(asyncio.get_running_loop(), 1)
        order: list[str] = []
        numbers = [
            judges.submit(good(), lambda _finding, name=name: order.append(name))
            for name in ("first", "second", "third")
        ]
        judges.submit(good(), lambda _finding: order.append("urgent"), is_urgent=True)
        judges.hurry(numbers[2])
        await until(lambda: len(order) == 4, 60)
        judges.stop()
        assert order == ["third", "urgent", "first", "second"]

    run_within(play())


@pytest.mark.parametrize("command", [COMMAND, faulty("dies"), faulty("hangs")])
def test_a_thread_that_needs_findings_now_gets_them_whatever_becomes_of_the_judges(command):
    """It judges with them; what silent judges hold it is left to find by itself."""

    async def play() -> None:
        judges = JudgePool(asyncio.get_running_loop(), 2, command=command)
        found: list[Finding | None] = []
        await asyncio.sleep(0)
        numbers = [judges.submit(good(voter % 4), found.append) for voter in range(12)]
        judges.work_off(numbers)
        unfinished = len(numbers) - len(found)
        assert unfinished <= (2 if "hangs" in command else 0)
        assert set(found) <= {Finding(None, None), None}
        assert found.count(None) <= 2
        judges.stop()

    run_within(play())


def test_a_judge_knows_nothing_of_the_node():
    """No store, no network, no town: some 30 MB each, and nothing there to damage."""
    program = "import sys, chain.judges.worker; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60
    )
    names = set(loaded.stdout.split())
    assert "chain.votes.judging" in names
    assert not names & {"chain.node", "chain.town", "chain.store", "lmdb", "aiohttp", "asyncio"}
