"""The application on a socket: several connections, one call at a time, consensus before everything else.

Calls run on the event loop's one thread, so they never overlap: that is the one lock of the application. Requests
of a connection are answered in their order; a connection's answers leave at a Flush, when nothing of it waits, or
when many have come together: a client that never flushes must not fill the memory.
A refused request gets an exception that begins with its code, and the connection is closed (CometBFT ends itself
then and is started again); the application has executed nothing of it. An application that raises anything else
is broken: the same exception, then `on_failure`, which must end the process.

Reads / Writes: sockets.  Never: parses a frame whose announced size is above the limit.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from time import monotonic
from typing import Final, TypeGuard, cast

import structlog

from chain.abci import errors
from chain.abci.address import SocketAddress
from chain.abci.dispatch import dispatch
from chain.abci.errors import AbciRefusal
from chain.abci.grammar import CONSENSUS_CALLS, Grammar
from chain.codec import wire
from chain.codec.errors import DecodeError, FrameTooLarge
from chain.codec.proto import decode, encode_delimited
from chain.limits import (
    ABCI_ANSWERS_HELD_MAX,
    ABCI_CLOSE_MS,
    ABCI_CONNECTIONS_MAX,
    ABCI_FRAME_MAX_BYTES,
    ABCI_KEEPALIVE_S,
    ABCI_QUEUE_MAX,
    ABCI_SLICE_MS,
    JUDGES_LOOKAHEAD_TXS,
)
from chain.types.abci import Application
from chain.types.messages import (
    Request,
    RequestBody,
    RequestCommit,
    RequestFlush,
    Response,
    ResponseBody,
    ResponseException,
)

log = structlog.get_logger("abci")

_KEEPALIVE_TRIES: Final = 3
_STALE_SOCKET_MODE: Final = 0o177
"""Umask of a Unix socket: its owner alone may connect."""


MustWait = Callable[[Sequence[RequestBody], Callable[[], None]], bool]
"""Told a connection's next requests: whether the first has to wait; then the callable is called once, to ask again."""


class AddressTaken(OSError):
    """Something listens there already; two applications must not share one home."""


class AbciServer:
    """Serves one application; `start` and `stop` once each."""

    def __init__(
        self,
        app: Application,
        *,
        on_failure: Callable[[Exception], None],
        refusals: tuple[type[Exception], ...] = (),
        on_committed: Callable[[], None] | None = None,
        grammar: Grammar | None = None,
        is_strict: bool = True,
        must_wait: MustWait = lambda _requests, _then: False,
    ) -> None:
        """`refusals`: what the application raises when the request, not the application, is wrong.

        `must_wait` holds up a connection whose next request is being prepared elsewhere; the others are served.

        `on_committed` is called after each Commit that was answered.
        `is_strict` False takes calls in any order, as the tools of CometBFT send them to its own example.
        """
        self._app = app
        self._on_failure = on_failure
        self._refusals = refusals
        self._on_committed = on_committed
        self._grammar = grammar or Grammar()
        self._is_strict = is_strict
        self._must_wait = must_wait
        self._connections: deque[_Connection] = deque()
        self._consensus: _Connection | None = None
        self._wake = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._worker: asyncio.Task[None] | None = None
        self._address = SocketAddress()
        self._is_broken = False

    @property
    def address(self) -> SocketAddress:
        """Where it listens; the port is the one that was found when 0 was asked for."""
        return self._address

    async def start(self, address: SocketAddress) -> None:
        """Listen; raises AddressTaken, OSError."""
        loop = asyncio.get_running_loop()
        if address.path is None:
            self._server = await loop.create_server(self._accept, address.host, address.port)
            port = self._server.sockets[0].getsockname()[1]
            self._address = SocketAddress(address.host, port)
        else:
            self._server = await self._listen_on_path(loop, address)
            self._address = address
        self._worker = loop.create_task(self._work())
        self._worker.add_done_callback(self._worker_ended)
        log.info("abci listening", address=str(self._address))

    async def _listen_on_path(
        self, loop: asyncio.AbstractEventLoop, address: SocketAddress
    ) -> asyncio.Server:
        path = address.path
        assert path is not None, "the caller looked"
        _remove_stale_socket(str(path))
        before = os.umask(_STALE_SOCKET_MODE)
        try:
            return await loop.create_unix_server(self._accept, str(path))
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Take no call any more, let the answers leave, close everything; the call in progress has ended."""
        if self._server is not None:
            self._server.close()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        connections = list(self._connections)
        for connection in connections:
            connection.finish()
        end_s = monotonic() + ABCI_CLOSE_MS / 1_000
        for connection in connections:
            await connection.wait_closed(max(0.0, end_s - monotonic()))
        if self._server is not None:
            await self._server.wait_closed()
        if self._address.path is not None:
            self._address.path.unlink(missing_ok=True)

    def _worker_ended(self, worker: "asyncio.Task[None]") -> None:
        """Nobody is served any more: never in silence. An answer that cannot be encoded ends here too."""
        failure = None if worker.cancelled() else worker.exception()
        if isinstance(failure, Exception):
            self._is_broken = True
            self._on_failure(failure)

    # ── connections ──────────────────────────────────────────────────────────────────────────────────

    def _accept(self) -> asyncio.BaseProtocol:
        return _Connection(self)

    def opened(self, connection: "_Connection") -> bool:
        """Whether one more connection is taken."""
        if len(self._connections) >= ABCI_CONNECTIONS_MAX or self._is_broken:
            log.warning("abci connection refused", open=len(self._connections))
            return False
        self._connections.append(connection)
        return True

    def closed(self, connection: "_Connection", *, is_cut: bool) -> None:
        """A connection is gone; without the one of consensus, an engine has to introduce itself again."""
        if connection in self._connections:
            self._connections.remove(connection)
        if is_cut:
            log.warning("abci frame cut", code="abci_frame_cut")
        self._release(connection)

    def _release(self, connection: "_Connection") -> None:
        if connection is self._consensus:
            self._consensus = None
            self._grammar.restart()
            log.info("abci engine gone", height=self._grammar.height)

    def wake(self) -> None:
        """A connection has requests, or room for answers."""
        self._wake.set()

    # ── work ─────────────────────────────────────────────────────────────────────────────────────────

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            slice_end_s = monotonic() + ABCI_SLICE_MS / 1_000
            while (connection := self._next()) is not None and not self._is_broken:
                self._serve(connection)
                if monotonic() > slice_end_s:
                    await asyncio.sleep(0)
                    slice_end_s = monotonic() + ABCI_SLICE_MS / 1_000

    def _next(self) -> "_Connection | None":
        """Whose request comes next: consensus, else the others in turn."""
        ready = [c for c in self._connections if c.is_ready() and not self._is_held(c)]
        for connection in ready:
            if connection is self._consensus or isinstance(connection.requests[0], CONSENSUS_CALLS):
                return connection
        if not ready:
            return None
        self._connections.remove(ready[0])
        self._connections.append(ready[0])
        return ready[0]

    def _is_held(self, connection: "_Connection") -> bool:
        """Whether its next request waits for others to prepare it; asked once for each, and when they are done."""
        if connection.is_held or connection.is_prepared:
            return connection.is_held
        ahead = [r for r in islice(connection.requests, JUDGES_LOOKAHEAD_TXS) if _is_body(r)]

        def let_go() -> None:
            connection.is_held = False
            self.wake()

        connection.is_held = bool(ahead) and self._ask_whether_held(ahead, let_go)
        connection.is_prepared = not connection.is_held
        if connection.is_held:
            connection.send()  # what was answered does not wait for what comes next
        return connection.is_held

    def _ask_whether_held(self, ahead: list[RequestBody], let_go: Callable[[], None]) -> bool:
        try:
            return self._must_wait(ahead, let_go)
        except Exception as failure:
            self._is_broken = True
            self._on_failure(failure)
            raise

    def _serve(self, connection: "_Connection") -> None:
        request = connection.take()
        try:
            if isinstance(request, AbciRefusal):
                raise request
            response = self._answer(connection, request)
        except AbciRefusal as refusal:
            log.warning("abci call refused", code=refusal.code, detail=refusal.detail[:200])
            connection.refuse(str(refusal))
            self._release(connection)
            return
        connection.answer(response, is_flush=isinstance(request, RequestFlush))
        if isinstance(request, RequestCommit) and self._on_committed is not None:
            self._on_committed()

    def _answer(self, connection: "_Connection", request: RequestBody) -> ResponseBody:
        """Ask the application; raises AbciRefusal."""
        if self._is_strict:
            self._check(connection, request)
        try:
            response = dispatch(self._app, request)
            if self._is_strict:
                self._note(request, response)
        except AbciRefusal:
            raise
        except self._refusals as refusal:
            raise AbciRefusal(errors.REFUSED, str(refusal)) from refusal
        except Exception as failure:
            self._is_broken = True
            self._on_failure(failure)
            raise AbciRefusal(errors.BROKEN, type(failure).__name__) from failure
        return response

    def _note(self, request: RequestBody, response: ResponseBody) -> None:
        """Move the grammar on; an answer that it does not allow is the application's fault."""
        try:
            self._grammar.note(request, response)
        except AbciRefusal as flaw:
            raise RuntimeError(f"the application's answer breaks the grammar: {flaw}") from flaw

    def _check(self, connection: "_Connection", request: RequestBody) -> None:
        if isinstance(request, CONSENSUS_CALLS) and self._consensus not in (None, connection):
            raise AbciRefusal(errors.CONSENSUS_TAKEN, "another connection drives consensus")
        self._grammar.check(request)
        if isinstance(request, CONSENSUS_CALLS):
            self._consensus = connection


class _Connection(asyncio.Protocol):
    """One client: bytes in, requests waiting, answers out."""

    def __init__(self, server: AbciServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._answers: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_full = False
        self._is_ending = False
        self._cut: asyncio.TimerHandle | None = None
        self.requests: deque[RequestBody | AbciRefusal] = deque()
        self.is_held = False
        """Its next request is being prepared; `is_prepared` once that is done, or not needed."""
        self.is_prepared = False

    # ── asyncio ──────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        _keep_alive(self._transport.get_extra_info("socket"))
        if not self._server.opened(self):
            self._is_ending = True
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.requests.clear()
        if self._cut is not None:
            self._cut.cancel()
        self._server.closed(self, is_cut=bool(self._buffer) and not self._is_ending)
        if not self._closed.done():
            self._closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self._is_ending:
            self._buffer += data
            self._parse()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._server.wake()

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────

    def _parse(self) -> None:
        """Turn whole frames into requests until the queue is full; a bad one is the last."""
        pos = 0
        try:
            while len(self.requests) < ABCI_QUEUE_MAX:
                frame = wire.take_frame(self._buffer, pos, ABCI_FRAME_MAX_BYTES)
                if frame is None:
                    break
                pos = frame[1]
                self.requests.append(decode(Request, frame[0]).value)
        except FrameTooLarge as error:
            self._end_input(AbciRefusal(errors.FRAME_TOO_LARGE, str(error)))
        except DecodeError as error:
            self._end_input(AbciRefusal(errors.MALFORMED, str(error)))
        else:
            del self._buffer[:pos]
            if len(self.requests) >= ABCI_QUEUE_MAX and self._transport is not None:
                self._transport.pause_reading()
        if self.requests:
            self._server.wake()

    def _end_input(self, refusal: AbciRefusal) -> None:
        self.requests.append(refusal)
        self._is_ending = True
        self._buffer.clear()

    def is_ready(self) -> bool:
        """Whether a request waits and its answer has room."""
        return bool(self.requests) and not self._is_full

    def take(self) -> RequestBody | AbciRefusal:
        """The oldest request; reading goes on once half of the queue is free."""
        request = self.requests.popleft()
        self.is_prepared = False
        if len(self.requests) == ABCI_QUEUE_MAX // 2 and not self._is_ending:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
            self._parse()
        return request

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────

    def answer(self, response: ResponseBody, *, is_flush: bool) -> None:
        """Queue an answer; send at a flush, when nothing more waits, or when enough came together."""
        self._answers.append(encode_delimited(Response(response)))
        if is_flush or not self.requests or len(self._answers) >= ABCI_ANSWERS_HELD_MAX:
            self.send()

    def refuse(self, text: str) -> None:
        """Answer an exception and close: what comes after cannot be meant as it was."""
        self.requests.clear()
        self.answer(ResponseException(text), is_flush=True)
        self.finish()
        if self._transport is not None:
            loop = asyncio.get_running_loop()
            self._cut = loop.call_later(ABCI_CLOSE_MS / 1_000, self._transport.abort)

    def send(self) -> None:
        """Let the answers leave that are there."""
        answers, self._answers = self._answers, []
        if answers and self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(answers)

    def finish(self) -> None:
        """Say nothing more after the answers; the client closes, or is cut by the caller.

        What still comes is read and thrown away: closing with bytes unread would reset the connection, and the
        client might never see what was said last.
        """
        self._is_ending = True
        self.requests.clear()
        self.send()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._transport.write_eof()

    async def wait_closed(self, seconds: float) -> None:
        """Wait for the end, then cut."""
        done, _ = await asyncio.wait([self._closed], timeout=seconds)
        if not done and self._transport is not None:
            self._transport.abort()
            await self._closed


def _is_body(request: RequestBody | AbciRefusal) -> TypeGuard[RequestBody]:
    return not isinstance(request, AbciRefusal)


def _keep_alive(opened: socket.socket) -> None:
    """Notice an engine whose machine vanished: else its connection would bar the next one for ever."""
    if opened.family == socket.AF_UNIX:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, ABCI_KEEPALIVE_S)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ABCI_KEEPALIVE_S)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_TRIES)


def _remove_stale_socket(path: str) -> None:
    """Remove the socket of a process that was killed; raises AddressTaken when one answers."""
    if not os.path.exists(path):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            os.unlink(path)
            return
    raise AddressTaken(f"something listens on {path}")
