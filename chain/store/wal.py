"""The write-ahead log: every input of consensus, in order, so that a crash forgets nothing that was signed.

Record = CRC-32C (4, big-endian) ‖ length (4, big-endian) ‖ payload (CometBFT `consensus/wal.go`). Segments: `wal`
is written, `wal.000`, `wal.001`... are closed ones; a segment is closed only where a height ended, and the next
begins with that EndHeight, so replay reads one segment.

A record cut short at the end (power went while it was written) is removed; anything unreadable that has
records after it refuses to open: cutting there would forget messages that other nodes hold. A disk may write
sectors that were never synced in any order, so what looks like the middle can still be the end: the caller knows
what left the node, and says by `may_cut` whether the readable records before the damage cover it.

After a failed write or sync the log refuses everything: a later sync that succeeds proves nothing about the pages
that the first one lost (Rebello et al., USENIX ATC 2020, "Can applications recover from fsync failures?").
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import google_crc32c as crc32c

from chain.limits import WAL_FILE_MAX_BYTES, WAL_RECORD_MAX_BYTES, WAL_SEGMENTS_KEPT
from chain.store.errors import WalBroken, WalDamaged
from chain.store.files import AppendFile, Folder

HEAD: Final = "wal"
HEADER_BYTES: Final = 8
_SEGMENT = re.compile(r"wal\.(\d{3,})")


@dataclass(frozen=True, slots=True)
class Scan:
    """Payloads of a log in order, and how many of its bytes are whole records."""

    payloads: tuple[bytes, ...]
    whole_bytes: int


def frame(payload: bytes) -> bytes:
    """One record; raises ValueError on an empty or oversized payload."""
    if not 0 < len(payload) <= WAL_RECORD_MAX_BYTES:
        raise ValueError(f"a log record of {len(payload)} bytes")
    checksum: int = crc32c.value(payload)
    return checksum.to_bytes(4, "big") + len(payload).to_bytes(4, "big") + payload


MayCut = Callable[[tuple[bytes, ...]], bool]
"""Whether the log may end after these payloads, although records follow the damage behind them."""


def _never(_payloads: tuple[bytes, ...]) -> bool:
    return False


def scan(data: bytes, may_cut: MayCut = _never) -> Scan:
    """Read a segment up to a torn end; raises WalDamaged when what is unreadable is not the end."""
    payloads: list[bytes] = []
    offset = 0
    while offset < len(data):
        payload = _read_record(data, offset)
        if payload is None:
            if not may_cut(tuple(payloads)):
                _check_torn(data, offset)
            break
        payloads.append(payload)
        offset += HEADER_BYTES + len(payload)
    return Scan(tuple(payloads), offset)


def _read_record(data: bytes, offset: int) -> bytes | None:
    """Payload of the record at `offset`, or None when it is not whole."""
    length = _length_at(data, offset)
    start = offset + HEADER_BYTES
    if not 0 < length <= WAL_RECORD_MAX_BYTES or start + length > len(data):
        return None
    payload = data[start : start + length]
    return (
        payload
        if crc32c.value(payload) == int.from_bytes(data[offset : offset + 4], "big")
        else None
    )


def _length_at(data: bytes, offset: int) -> int:
    if offset + HEADER_BYTES > len(data):
        return 0
    return int.from_bytes(data[offset + 4 : offset + HEADER_BYTES], "big")


def _check_torn(data: bytes, offset: int) -> None:
    """Raise WalDamaged unless the unreadable bytes from `offset` can only be a record cut short.

    - the record would end inside the file: a later record exists, or its length was damaged: refused;
    - it would end beyond the file: cut short, unless its checksum fits a shorter payload with records after
      it (then only the length is wrong): refused;
    - no possible length: an unwritten tail of zeros is cut, else whole records after it: refused.
    """
    rest = data[offset:]
    if len(rest) < HEADER_BYTES or not any(rest):
        return
    length = _length_at(data, offset)
    if 0 < length <= WAL_RECORD_MAX_BYTES:
        end = HEADER_BYTES + length
        if end < len(rest) and any(rest[end:]):
            raise WalDamaged(f"record at byte {offset} is unreadable and others follow it")
        if end > len(rest) and _fits_shorter(rest):
            raise WalDamaged(f"record at byte {offset} has a damaged length")
    elif _finds_record(rest):
        raise WalDamaged(f"no record header at byte {offset}, yet records follow")


def _fits_shorter(rest: bytes) -> bool:
    """Whether the stored checksum fits a payload that ends where a whole record begins."""
    wanted, checksum = int.from_bytes(rest[:4], "big"), 0
    for end in range(HEADER_BYTES + 1, len(rest) + 1):
        checksum = crc32c.extend(checksum, rest[end - 1 : end])
        if checksum == wanted and _read_record(rest, end) is not None:
            return True
    return False


def _finds_record(rest: bytes) -> bool:
    """Whether some later offset starts a chain of whole records up to the end of the file."""
    for start in range(1, len(rest) - HEADER_BYTES):
        offset = start
        while offset < len(rest) and (payload := _read_record(rest, offset)) is not None:
            offset += HEADER_BYTES + len(payload)
        if offset == len(rest):
            return True
    return False


class Wal:
    """The log of one node; `append` buffers in the kernel, `sync` makes everything before it durable."""

    def __init__(self, folder: Folder, *, first_payload: bytes, may_cut: MayCut = _never) -> None:
        """Open, repairing a torn tail; a log without any record starts with `first_payload`.

        Raises WalDamaged when the damage is not at the end.
        """
        self._folder = folder
        self._is_broken = False
        held = folder.read(HEAD) or b""
        found = scan(held, may_cut)
        self.repaired_bytes = len(held) - found.whole_bytes
        """Bytes of a torn record removed at this opening."""
        if self.repaired_bytes:
            folder.truncate(HEAD, found.whole_bytes)
        self.payloads = found.payloads
        """What the head segment held when it was opened."""
        self._file: AppendFile = folder.open_append(HEAD)
        self.sync_count = 0
        self._is_dirty = False
        if found.payloads:
            # A process that was killed leaves records that only the kernel has; whoever reads them may act on them.
            self._file.sync()
        if not found.payloads:
            self.payloads = (first_payload,)
            self.append(first_payload)
            self.sync()

    def append(self, payload: bytes) -> None:
        """Add one record; not durable before `sync`. Raises OSError: stop the node."""
        self._is_dirty = True
        with self._breaking():
            self._file.append(frame(payload))

    def sync(self) -> None:
        """Make all records durable; free when nothing was added since. Raises OSError: stop the node."""
        if self._is_dirty:
            with self._breaking():
                self._file.sync()
            self.sync_count += 1
            self._is_dirty = False

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """Run a write or a sync; after one that failed every later one raises WalBroken."""
        if self._is_broken:
            raise WalBroken("a write or sync of the log failed before")
        try:
            yield
        except BaseException:
            self._is_broken = True
            raise

    def end_height(self, payload: bytes) -> None:
        """Add the record that closes a height, and start a new segment when this one is long.

        Not synced: the block is durable in the store, and a start appends a missing EndHeight.
        """
        self.append(payload)
        if self._file.size() >= WAL_FILE_MAX_BYTES:
            self._rotate(payload)

    def _rotate(self, first_payload: bytes) -> None:
        self.sync()
        self._file.close()
        numbers = [int(m[1]) for name in self._folder.names() if (m := _SEGMENT.fullmatch(name))]
        number = max(numbers, default=-1) + 1
        self._folder.rename(HEAD, f"{HEAD}.{number:03d}")
        for old in sorted(numbers)[: -(WAL_SEGMENTS_KEPT - 1) or None]:
            self._folder.remove(f"{HEAD}.{old:03d}")
        self._file = self._folder.open_append(HEAD)
        self.append(first_payload)
        self.sync()

    def tail(self, count: int) -> tuple[bytes, ...]:
        """Last readable payloads of the head segment, for inquiry."""
        return scan(self._folder.read(HEAD) or b"", may_cut=lambda _: True).payloads[-count:]

    def close(self) -> None:
        """Sync, unless that failed before, and release the file."""
        try:
            if not self._is_broken:
                self.sync()
        finally:
            self._file.close()


def set_aside(folder: Folder) -> None:
    """Close the head of a stopped node's log: the next start begins a new one, the old is kept for inquiry."""
    if folder.read(HEAD) is not None:
        folder.rename(HEAD, f"{HEAD}.{_next_number(folder):03d}")


def _next_number(folder: Folder) -> int:
    numbers = [int(m[1]) for name in folder.names() if (m := _SEGMENT.fullmatch(name))]
    return max(numbers, default=-1) + 1


def payloads_after(
    payloads: tuple[bytes, ...], is_end_of: Callable[[bytes], bool]
) -> tuple[bytes, ...] | None:
    """Payloads after the last one for which `is_end_of` is true, or None when there is no such one."""
    for index in range(len(payloads) - 1, -1, -1):
        if is_end_of(payloads[index]):
            return payloads[index + 1 :]
    return None
