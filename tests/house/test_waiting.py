"""Nothing in these tests waits for ever: what hangs fails, and says where."""

import ast
import asyncio
from pathlib import Path

import pytest

from tests.waiting import run_within

ROOT = Path(__file__).parents[2]


async def never_comes() -> None:
    await asyncio.Event().wait()


def test_work_that_never_ends_fails_with_the_place_it_waits_at() -> None:
    async def work() -> None:
        await never_comes()

    with pytest.raises(AssertionError, match=r"test_waiting.py:.* never_comes"):
        run_within(work(), 0.05)


def test_work_that_ends_gives_its_result_or_its_own_failure() -> None:
    async def fail() -> None:
        raise LookupError("own")

    assert run_within(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(LookupError, match="own"):
        run_within(fail())


def test_every_test_has_a_deadline_that_ends_its_process(pytestconfig: pytest.Config) -> None:
    assert 0 < float(pytestconfig.getini("faulthandler_timeout")) <= 900
    assert pytestconfig.getini("faulthandler_exit_on_timeout") is True


def test_no_program_and_no_thread_is_waited_for_without_an_end() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call)[:60]}"
        for folder in ("app", "chain", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and waits_for_ever(call)
    ]
    assert not found, "say how long at most (timeout=…): " + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("subprocess.run(command, check=True)", True),
        ("subprocess.run(command, timeout=60)", False),
        ("thread.join()", True),
        ("thread.join(5)", False),
        ("process.communicate()", True),
        ("process.wait()", True),
        ("self._process.wait(timeout=5)", False),
    ],
)
def test_a_planted_wait_without_an_end_is_seen(text: str, expected: bool) -> None:
    (call,) = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    assert waits_for_ever(call) is expected


def waits_for_ever(call: ast.Call) -> bool:
    """A program run, or a process or thread waited for, without a number of seconds."""
    if not isinstance(call.func, ast.Attribute):
        return False
    owner, name = ast.unparse(call.func.value), call.func.attr
    if owner == "subprocess" and name in ("run", "check_call", "check_output"):
        return not any(keyword.arg in ("timeout", None) for keyword in call.keywords)
    is_bare = not call.args and not call.keywords
    return is_bare and (name in ("join", "communicate") or (name == "wait" and "process" in owner))
