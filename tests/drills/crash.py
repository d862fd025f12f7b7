"""kill -9 of one, of f, of all at random moments, under load and idle; a process stopped and continued."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.drills.evidence import find_contradictions
from tests.drills.grow import grow_town
from tests.drills.report import Drill, drill
from tests.drills.town import Load, Town, wait_for

REJOIN_AIM_S = 3.0
ALL_DOWN_AIM_S = 10.0
HEIGHTS = 1_000
QUICK_HEIGHTS = 200
PAUSE_S = 30.0
QUICK_PAUSE_S = 6.0


def grown_town(run: Drill, size: int) -> tuple[Town, int]:
    """A running town of a thousand heights (fewer in the quick form); the town and its first live height."""
    heights = QUICK_HEIGHTS if run.is_quick else HEIGHTS
    town = Town(run.folder / "town", size)
    run.closers.append(town.stop)
    grow_town(town, heights)
    town.start(wait=False)
    town.wait_height(heights, seconds=60)
    town.learn_town()
    town.nodes[0].commit(town.tx())
    run.did(f"{size} validators of a town at height {heights}")
    return town, heights


def check_nobody_equivocated(run: Drill, town: Town) -> None:
    """No process says that it has seen two votes of one validator for one place, and no logs together hold two."""
    accused = [node.root.name for node in town.nodes if "conflicting votes" in node.log_text()]
    run.check("nobody signed twice", not accused, ", ".join(accused))
    twice = [who.hex() for who in find_contradictions(town.homes)]
    run.check("no two votes for one place in all the logs together", not twice, ", ".join(twice))


@drill
def kill_one(run: Drill) -> None:
    """One validator is killed at random moments, each in turn; the others go on, it comes back."""
    town, first = grown_town(run, 4)
    random, cycles = Random(run.name), 4 if run.is_quick else 24
    rejoined: list[float] = []
    stalls: list[float] = []
    with Load(town) as load:
        for cycle in range(cycles):
            time.sleep(random.uniform(0.1, 0.8))
            victims = [cycle % 4]
            stalls.append(kill_and_see_others_go_on(town, load, victims))
            rejoined.append(town.rejoin_s(victims[0]))
            load.targets = [0, 1, 2, 3]
    run.did(f"{cycles} times kill -9 of one at a random moment under 5 tx/s, restarted")
    run.measure_times("rejoin_under_load", rejoined, REJOIN_AIM_S)
    run.measure_times("others_next_commit", stalls, None)
    run.measure_times("finality_through_all_of_it", load.latencies_s, None)
    town.check_kept(run, load, first=first)
    idle: list[float] = []
    for cycle in range(4 if run.is_quick else 12):
        time.sleep(random.uniform(0.1, 1.0))
        town.nodes[cycle % 4].end(signal.SIGKILL)
        idle.append(town.rejoin_s(cycle % 4))
    run.did(f"{len(idle)} times kill -9 of one in an idle town, restarted")
    run.measure_times("rejoin_idle", idle, REJOIN_AIM_S)
    run.check("no transaction was refused", not load.refused, load.refused[:1] or "")
    check_nobody_equivocated(run, town)


def kill_and_see_others_go_on(town: Town, load: Load, victims: Sequence[int]) -> float:
    """Kill some; seconds until a transaction given to another after that is final on it."""
    rest = [i for i in range(len(town.nodes)) if i not in victims]
    load.targets = rest
    for victim in victims:
        town.nodes[victim].end(signal.SIGKILL)
    started_s = time.monotonic()
    town.nodes[rest[0]].commit(town.tx())
    return time.monotonic() - started_s


@drill
def kill_f(run: Drill) -> None:
    """f of seven are killed at once, twice in a row; the five left go on."""
    town, first = grown_town(run, 7)
    random = Random(run.name)
    assert town.faults == 2
    rejoined: list[float] = []
    stalls: list[float] = []
    with Load(town) as load:
        for _ in range(2 if run.is_quick else 8):
            victims = random.sample(range(7), town.faults)
            time.sleep(random.uniform(0.1, 0.8))
            stalls.append(kill_and_see_others_go_on(town, load, victims))
            rejoined += [town.rejoin_s(victim) for victim in victims]
            load.targets = list(range(7))
    run.did(f"{len(stalls)} times kill -9 of two of seven at once under 5 tx/s, restarted in turn")
    run.measure_times("rejoin", rejoined, None)
    run.measure_times("others_next_commit", stalls, None)
    town.check_kept(run, load, first=first)
    check_nobody_equivocated(run, town)


@drill
def kill_all(run: Drill) -> None:
    """All four are killed at once, under load and idle; the town goes on by itself."""
    town, first = grown_town(run, 4)
    random = Random(run.name)
    resumed: dict[str, list[float]] = {"under_load": [], "idle": []}
    loads: list[Load] = []
    for cycle in range(2 if run.is_quick else 10):
        kind = ("under_load", "idle")[cycle % 2]
        load = Load(town)
        loads.append(load)
        with load:
            time.sleep(random.uniform(0.8, 1.8))
            if kind == "under_load":
                resumed[kind].append(kill_all_and_wait(town, load))
        if kind == "idle":
            resumed[kind].append(kill_all_and_wait(town, load))
    run.did(f"{len(loads)} times kill -9 of all four at once, half of them under 5 tx/s; restarted")
    for kind, found in resumed.items():
        run.measure_times(f"next_block_{kind}", found, None)
    worst = max(s for found in resumed.values() for s in found)
    run.check("next block within 10 s of the exec of all", worst < ALL_DOWN_AIM_S, f"{worst:.2f} s")
    for other in loads[1:]:
        loads[0].absorb(other)
    town.check_kept(run, loads[0], first=first)
    check_nobody_equivocated(run, town)


def kill_all_and_wait(town: Town, load: Load) -> float:
    """Kill all, start all; seconds from the exec until a block above every height known before."""
    load.targets = []
    for node in town.nodes:
        assert node.process is not None
        node.process.kill()
    for node in town.nodes:
        node.end(signal.SIGKILL)
    load.targets = [0, 1, 2, 3]
    started_s = time.monotonic()
    for node in town.nodes:
        node.start()
    wait_for(lambda: min(town.tips()) >= 0, 30, "all answer")
    before = max(town.tips())
    town.nodes[0].send(town.tx())
    wait_for(lambda: max(town.tips()) > before, 60, "a new block")
    return time.monotonic() - started_s


@drill
def pause(run: Drill) -> None:
    """SIGSTOP of one, then of two, then SIGCONT: a stopped process is no different from a slow one."""
    town, first = grown_town(run, 4)
    seconds = QUICK_PAUSE_S if run.is_quick else PAUSE_S
    with Load(town) as load:
        load.targets = [0, 1, 2]
        signal_node(town, 3, signal.SIGSTOP)
        before = town.nodes[0].height()
        time.sleep(seconds)
        made = town.nodes[0].height() - before
        # Each fourth height waits 3 s for the stopped proposer, the others 1 s for its precommit.
        run.check(
            "three go on while the fourth is stopped", made >= seconds // 4, f"{made} heights"
        )
        started_s = time.monotonic()
        signal_node(town, 3, signal.SIGCONT)
        town.wait(lambda: town.nodes[3].height() >= town.nodes[0].height(), 60)
        run.measure("one_back_at_tip_s", round(time.monotonic() - started_s, 2))
        run.did(f"SIGSTOP of one for {seconds:g} s under 5 tx/s, SIGCONT")
        load.targets = []
        time.sleep(1.0)
    for index in (2, 3):
        signal_node(town, index, signal.SIGSTOP)
    halted = max(town.tips([0, 1]))
    town.nodes[0].send(town.tx())
    time.sleep(min(seconds, 5.0))
    grown = max(town.tips([0, 1])) - halted
    run.check("two of four decide nothing new", grown <= 1, f"{grown} height that had its votes")
    started_s = time.monotonic()
    for index in (2, 3):
        signal_node(town, index, signal.SIGCONT)
    wait_for(lambda: min(town.tips()) > halted + grown, 30, "a block of all four")
    resumed_s = time.monotonic() - started_s
    run.did("SIGSTOP of two of four for 5 s, SIGCONT")
    run.check("decided again within 15 s", resumed_s < 15, f"{resumed_s:.2f} s")
    town.check_kept(run, load, first=first)
    check_nobody_equivocated(run, town)


def signal_node(town: Town, index: int, number: signal.Signals) -> None:
    """Send a signal to the process of a node."""
    process = town.nodes[index].process
    assert process is not None
    process.send_signal(number)


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_024
    raise LookupError(f"no resident size of {pid}")
