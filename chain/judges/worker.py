"""The program of one judge: tasks in on its standard input, a socket; findings out on the same.

It ends when the other end of the socket does, however the node ended. While it judges, an alarm of the kernel runs: a
judge that hangs is killed by it even if nobody is left to notice. It holds nothing, so it may be killed at any moment.
Reads and writes: its socket.  Never: a file, the network, anything of the node.
"""

import os
import signal
import socket
import sys
from hashlib import sha256

from chain.judges.frames import (
    HEAD_BYTES,
    READY,
    Answer,
    Task,
    body_bytes,
    decode_task,
    encode_frame,
)
from chain.limits import JUDGES_JOB_MAX_S, JUDGES_NICE
from chain.votes.judging import find


def main() -> int:
    """Judge until the node is gone."""
    # The terminal's Ctrl-C and a service manager's SIGTERM reach the whole group: the node decides when judges end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.nice(JUDGES_NICE)
    with socket.socket(fileno=0) as channel:
        try:
            channel.sendall(encode_frame(Answer(READY, b"")))
            while (task := _receive(channel)) is not None:
                channel.sendall(encode_frame(_judge(task)))
        except (BrokenPipeError, ConnectionResetError):
            return 0  # the node ended while we worked for it
    return 0


def _judge(task: Task) -> Answer:
    signal.setitimer(signal.ITIMER_REAL, JUDGES_JOB_MAX_S)
    finding = find(task.record, task.ballot)
    signal.setitimer(signal.ITIMER_REAL, 0)
    digest = sha256(task.record + task.ballot).digest()
    return Answer(task.number, digest, finding.signature, finding.answers)


def _receive(channel: socket.socket) -> Task | None:
    """The next task; None at the end."""
    head = _read(channel, HEAD_BYTES)
    if head is None:
        return None
    body = _read(channel, body_bytes(head))
    return None if body is None else decode_task(body)


def _read(channel: socket.socket, size_bytes: int) -> bytes | None:
    """Exactly so many bytes; None when the node is gone."""
    read = bytearray()
    while len(read) < size_bytes:
        more = channel.recv(size_bytes - len(read))
        if not more:
            return None
        read += more
    return bytes(read)


if __name__ == "__main__":
    sys.exit(main())
