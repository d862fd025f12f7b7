"""An ABCI client on asyncio: what CometBFT's `abci/client/socket_client.go` does, with a grammar on request.

Answers come in the order of the requests. A call sends a Flush behind it; `send` does not, so that many calls
can be under way. With a grammar, a call that must not come now is refused here, before it leaves.
Reads / Writes: one socket.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Final

from chain.abci.address import SocketAddress
from chain.abci.errors import AbciCallFailed, AbciRefusal
from chain.abci.grammar import Grammar
from chain.codec import wire
from chain.codec.errors import DecodeError
from chain.codec.proto import decode, encode_delimited
from chain.limits import ABCI_FRAME_MAX_BYTES, KIB
from chain.types.messages import (
    Request,
    RequestBody,
    RequestFlush,
    Response,
    ResponseBody,
    ResponseException,
)

_READ_BYTES: Final = 256 * KIB


class AbciClient:
    """One connection; several of them may share one grammar, as the four of an engine do."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        grammar: Grammar | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._grammar = grammar
        self._waiting: deque[tuple[RequestBody, asyncio.Future[ResponseBody]]] = deque()
        self._failure: AbciCallFailed | None = None
        self._task = asyncio.get_running_loop().create_task(self._receive())
        self._task.add_done_callback(self._receiver_ended)

    @classmethod
    async def connect(
        cls, address: SocketAddress, *, grammar: Grammar | None = None
    ) -> "AbciClient":
        """Open a connection; raises OSError."""
        if address.path is not None:
            reader, writer = await asyncio.open_unix_connection(str(address.path))
        else:
            reader, writer = await asyncio.open_connection(address.host, address.port)
        return cls(reader, writer, grammar)

    def send(self, request: RequestBody) -> "asyncio.Future[ResponseBody]":
        """Send a request; its answer may wait for a flush. Raises AbciRefusal, AbciCallFailed."""
        if self._failure is not None:
            raise self._failure
        if self._grammar is not None:
            self._grammar.check(request)
        future: asyncio.Future[ResponseBody] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self._writer.write(encode_delimited(Request(request)))
        return future

    async def call(self, request: RequestBody) -> ResponseBody:
        """Send a request and a flush, and wait; raises AbciRefusal, AbciCallFailed."""
        future = self.send(request)
        self.send(RequestFlush()).add_done_callback(_look_at)
        return await future

    async def _receive(self) -> None:
        buffer = bytearray()
        try:
            while data := await self._reader.read(_READ_BYTES):
                buffer += data
                pos = 0
                while (frame := wire.take_frame(buffer, pos, ABCI_FRAME_MAX_BYTES)) is not None:
                    self._handle(decode(Response, frame[0]).value)
                    pos = frame[1]
                del buffer[:pos]
            self._fail(AbciCallFailed("connection closed"))
        except (DecodeError, OSError) as error:
            self._fail(AbciCallFailed(f"connection broken: {error}"))
        except AbciRefusal as refusal:  # the other side answered what the grammar does not allow
            self._fail(AbciCallFailed(str(refusal)))
        except AbciCallFailed as error:
            self._fail(error)

    def _handle(self, response: ResponseBody) -> None:
        """Hand an answer to who asked; raises AbciCallFailed when the connection is of no more use."""
        if isinstance(response, ResponseException):
            raise AbciCallFailed(response.error)
        if not self._waiting:
            raise AbciCallFailed(f"nobody asked for {type(response).__name__}")
        request, future = self._waiting[0]
        if self._grammar is not None:
            self._grammar.note(
                request, response
            )  # before it is taken off: a bad answer fails it too
        self._waiting.popleft()
        if not future.done():
            future.set_result(response)

    def _receiver_ended(self, task: "asyncio.Task[None]") -> None:
        """Nobody hears answers any more: whoever waits must learn it. A defect of ours ends here too."""
        if not task.cancelled() and (defect := task.exception()) is not None:
            self._fail(AbciCallFailed(f"client broken: {defect!r}"))

    def _fail(self, failure: AbciCallFailed) -> None:
        self._failure = failure
        self._writer.close()
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(failure)
                _look_at(future)

    async def close(self) -> None:
        """End the connection; what is under way fails."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._failure is None:
            self._fail(AbciCallFailed("connection closed"))
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    async def __aenter__(self) -> "AbciClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _look_at(future: "asyncio.Future[ResponseBody]") -> None:
    """Take note of a failure that its caller also hears of, so that nobody reports it as unseen."""
    if not future.cancelled():
        future.exception()
