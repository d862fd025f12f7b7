"""What happens to a process: it stands still, its timers run slow, or it dies and replays its log."""

from typing import TYPE_CHECKING

from chain.consensus import (
    BuildBlock,
    Effect,
    FetchBlock,
    FoundConflict,
    ScheduleTimeout,
    SignProposal,
    SignVote,
    Step,
)
from chain.consensus import driver as core
from tests.sim.core.faults import HostFault
from tests.sim.core.referee import Violation
from tests.sim.core.trace import is_answer

if TYPE_CHECKING:
    from tests.sim.core.world import Process, World


def suffer(world: "World", process: "Process", fault: HostFault) -> None:
    if world.nemesis.healed:
        return
    world.hits[fault.name] += 1
    if fault.name == "pause":
        world.marks["paused"] += 1
        process.paused_until_ms = world.now_ms + fault.lasts_ms
    elif fault.name == "slow_clock":
        world.marks["slow_clock"] += 1
        process.slow_until_ms = world.now_ms + fault.lasts_ms
    elif process.liar is None:
        _restart(world, process)


def _restart(world: "World", process: "Process") -> None:
    """Death and replay: the log up to what was durable gives the core back, without a word twice."""
    world.marks["restarted"] += 1
    process.life += 1
    process.paused_until_ms = world.now_ms + 1 + world.draw(500)
    if process.state.step is Step.DECIDED:
        height = process.state.height
        world.push(0, process.index, -1, "begin", height + 1)
        return
    lost = len(process.log) - process.durable
    before, log = process.state, process.log[: process.durable]
    config = world.config(process.index, before.height)
    # What came before the height began was logged and is replayed with it.
    state, effects = core.start_height(config, process.early)
    pending = list(effects)
    for input_, is_own in log:
        if is_own:
            pending = [e for e in pending if not is_answer(input_, e)]
        state, effects = core.step(state, input_)
        pending += effects
    if not lost and state != before:
        raise Violation(f"S2: process {process.index} replays its log to another state")
    world.marks["forgot_tail"] += lost > 0
    if lost:
        world.referee.forget(process.index)
    process.state, process.log, process.durable = state, log, len(log)
    process.wanted.clear()
    _resume(world, process, pending)


def _resume(world: "World", process: "Process", pending: list[Effect]) -> None:
    """Perform what replay asked for and nobody answered, when it still has a point."""
    for effect in pending:
        if isinstance(effect, FetchBlock):
            if effect.block_id not in process.state.verdicts:
                process.wanted[effect.block_id] = None
        elif isinstance(effect, SignVote):
            raise Violation(f"process {process.index} signs by replay what it never logged")
        elif (
            isinstance(effect, ScheduleTimeout | BuildBlock | SignProposal)
            and effect.round == process.state.round
        ):
            world.work(process, (effect,))
        elif isinstance(effect, FoundConflict):
            world.referee.on_conflict(process.index, effect)
