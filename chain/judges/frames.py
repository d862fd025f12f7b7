"""What a node and a judge say to each other over a socket pair: length, then MessagePack.

Reads and writes: bytes it is handed.
"""

from typing import Final

import msgspec

from chain.limits import JUDGES_FRAME_MAX_BYTES
from chain.votes.checks import Flaw

HEAD_BYTES: Final = 4
READY: Final = 0
"""Number of the first answer of a judge, to no task: it has started."""


class Task(msgspec.Struct, frozen=True, array_like=True):
    """A ballot to judge; numbers begin at 1."""

    number: int
    record: bytes
    ballot: bytes


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What was found, and of which ballot: SHA-256 of the bytes that were read."""

    number: int
    digest: bytes
    signature: Flaw | None = None
    answers: Flaw | None = None


class BadFrame(ValueError):
    """Not what the other side ever says."""


_ENCODER: Final = msgspec.msgpack.Encoder()
_TASKS: Final = msgspec.msgpack.Decoder(Task)
_ANSWERS: Final = msgspec.msgpack.Decoder(Answer)


def encode_frame(message: Task | Answer) -> bytes:
    """The bytes of a message."""
    body = _ENCODER.encode(message)
    return len(body).to_bytes(HEAD_BYTES, "big") + body


def body_bytes(head: bytes) -> int:
    """Length of the body after this head; raises BadFrame."""
    size_bytes = int.from_bytes(head, "big")
    if size_bytes > JUDGES_FRAME_MAX_BYTES:
        raise BadFrame(f"{size_bytes} bytes announced")
    return size_bytes


def decode_task(body: bytes) -> Task:
    """Raises BadFrame."""
    try:
        return _TASKS.decode(body)
    except msgspec.MsgspecError as error:
        raise BadFrame(str(error)) from error


def take_answer(buffer: bytearray) -> Answer | None:
    """Cut the first whole answer off a buffer; None while it is not all there. Raises BadFrame."""
    if len(buffer) < HEAD_BYTES:
        return None
    end = HEAD_BYTES + body_bytes(bytes(buffer[:HEAD_BYTES]))
    if len(buffer) < end:
        return None
    body = bytes(buffer[HEAD_BYTES:end])
    del buffer[:end]
    try:
        return _ANSWERS.decode(body)
    except msgspec.MsgspecError as error:
        raise BadFrame(str(error)) from error
