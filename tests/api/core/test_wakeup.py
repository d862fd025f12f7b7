"""The projector's wakeup ends when it is told to, whatever its connection does."""

import asyncio
import socket
from typing import Any

import pytest

from app.core import wakeup as wakeup_module
from app.core.wakeup import BlockWakeup


def test_it_ends_while_a_node_neither_accepts_nor_refuses() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        with BlockWakeup(f"http://127.0.0.1:{silent.getsockname()[1]}") as wakeup:
            wakeup.wait(0.05)
        assert not wakeup._thread.is_alive()


def test_a_cancellation_that_a_library_swallows_does_not_keep_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered = []

    async def swallow(self: BlockWakeup, _session: Any) -> None:
        entered.append(1)
        self.wake()
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            return

    monkeypatch.setattr(wakeup_module, "RECONNECT_S", 0.01)
    monkeypatch.setattr(wakeup_module, "END_WAIT_S", 5.0)
    monkeypatch.setattr(BlockWakeup, "_follow", swallow)
    with BlockWakeup("http://127.0.0.1:1") as wakeup:
        wakeup.wait(5)
    assert len(entered) == 1
    assert not wakeup._thread.is_alive()
