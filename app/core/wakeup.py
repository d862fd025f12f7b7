"""Being woken when the node has a new block: a websocket subscription that only ever says "look again".

What it carries is not read, so nothing of it needs verifying; when it breaks, the projector's own short
waits take over until it is back.
Reads: the node's websocket.  Writes: nothing.
"""

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final

import aiohttp
import structlog

QUERY: Final = "tm.event='NewBlock'"
RECONNECT_S: Final = 1.0
HEARTBEAT_S: Final = 20.0
END_WAIT_S: Final = 15.0
"""More than the ten seconds that aiohttp gives a goodbye."""
_log = structlog.get_logger("app.wakeup")


class Wakeup:
    """An event that anybody may set."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def clear(self) -> None:
        """Before looking: what happens from now on will be noticed."""
        self._event.clear()

    def wait(self, timeout_s: float) -> None:
        """Sleep until woken, or for `timeout_s`."""
        self._event.wait(timeout_s)

    def wake(self) -> None:
        """End the present or next sleep."""
        self._event.set()


class BlockWakeup(Wakeup):
    """Woken by a node's NewBlock events; use as a context manager."""

    def __init__(self, node_url: str) -> None:
        super().__init__()
        self._url = node_url + "/websocket"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="wakeup", daemon=True)
        self._task: asyncio.Task[None] | None = None
        self._is_ending = False

    def __enter__(self) -> "BlockWakeup":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_ending = True
        with suppress(RuntimeError):  # its loop ended before: nothing is left to cancel
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(END_WAIT_S)
        if self._thread.is_alive():
            _log.error("wakeup_does_not_end")  # a daemon: it cannot keep the process

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        self._task = self._loop.create_task(self._listen())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            _log.debug("wakeup_stopped")
        finally:
            self._loop.close()

    async def _listen(self) -> None:
        async with aiohttp.ClientSession() as session:
            while not self._is_ending:  # a library that swallows one cancellation must not keep us
                try:
                    await self._follow(session)
                except (aiohttp.ClientError, OSError) as error:
                    _log.debug("wakeup_lost", error=str(error)[:100])
                await asyncio.sleep(RECONNECT_S)

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(self._url, heartbeat=HEARTBEAT_S) as socket:
            await socket.send_json(
                {"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": {"query": QUERY}}
            )
            async for _ in socket:
                self.wake()
