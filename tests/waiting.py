"""Waiting with an end: looked at again and again, and a failure that says where it stands when it never comes."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

WITHIN_S = 180.0
"""Far beyond what any test needs on a busy machine, below the deadline of the whole test (pyproject)."""
ResultT = TypeVar("ResultT")


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Let other tasks work until the condition holds; AssertionError after so many seconds, far beyond any need."""
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, f"not within {seconds} s"
        await asyncio.sleep(0.005)


def run_within(work: Coroutine[Any, Any, ResultT], seconds: float = WITHIN_S) -> ResultT:
    """`asyncio.run` with an end; AssertionError that names where each task waits when the work takes longer."""

    async def bounded() -> ResultT:
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait((task,), timeout=seconds)
        if not done:
            waiting = "\n".join(map(_describe, asyncio.all_tasks() - {asyncio.current_task()}))
            raise AssertionError(f"not done within {seconds} s; what waits, and where:\n{waiting}")
        return task.result()

    return asyncio.run(bounded())


def _describe(task: "asyncio.Task[Any]") -> str:
    """The lines a task went through to what it awaits now."""
    lines, step = [task.get_name()], task.get_coro()
    while step is not None:
        frame = getattr(step, "cr_frame", None) or getattr(step, "gi_frame", None)
        if frame is not None:
            lines.append(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        step = getattr(step, "cr_await", None) or getattr(step, "gi_yieldfrom", None)
    return "\n".join(lines)
