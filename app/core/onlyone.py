"""One program of a kind for one database: two projectors, or two that migrate at once, would undo each other's work.

Beside SQLite it is the kernel's lock on an empty file, on PostgreSQL an advisory lock of a session of its own: both go
with the process however it ends.

Reads: the database's address.  Writes: an empty file `<database>.<purpose>.lock`.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from zlib import crc32

import psycopg

WAIT_S: Final = 5.0
"""A program that is started again meets the last moments of its predecessor."""
POLL_S: Final = 0.05
FILE_MODE: Final = 0o600
CONNECT_S: Final = 10


class DatabaseHeld(Exception):
    """Another program of this kind is at work with the database."""


@contextmanager
def hold(url: str, purpose: str, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Keep others of this purpose off the database of `url`; raises DatabaseHeld after `wait_s` seconds."""
    keep = _hold_file if url.startswith("sqlite:") else _hold_session
    with keep(url, purpose, wait_s):
        yield


@contextmanager
def _hold_file(url: str, purpose: str, wait_s: float) -> Iterator[None]:
    path = Path(f"{url.removeprefix('sqlite:///')}.{purpose}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        deadline = time.monotonic() + wait_s
        while not _is_locked(descriptor):
            if time.monotonic() >= deadline:
                raise DatabaseHeld(path.with_suffix("").name)
            time.sleep(POLL_S)
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _hold_session(url: str, purpose: str, wait_s: float) -> Iterator[None]:
    key = crc32(f"beffroi only one {purpose}".encode())
    with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_S) as session:
        session.execute(f"SET lock_timeout = {max(int(wait_s * 1_000), 1)}")
        try:
            session.execute("SELECT pg_advisory_lock(%s)", (key,))
        except psycopg.errors.LockNotAvailable as error:
            raise DatabaseHeld(purpose) from error
        yield
