"""A small value kept durable at the price of one write: two slots in a file of fixed size, written in turn.

    slot = crc32c(4, BE) ‖ generation(8, BE) ‖ length(4, BE) ‖ value, padded by what was there before

A write goes to the slot that holds the older value, so one that is cut short spoils nothing that was durable. Replacing
a file by renaming costs three to five syncs of the file system's journal; this costs one of the data.
Reads / Writes: one file.  Never: both slots at once.
"""

from typing import Final

import google_crc32c

from chain.store.files import FixedFile, Folder

SLOT_BYTES: Final = 4_096
"""A page, hence never half on another sector than its header."""
_HEADER_BYTES: Final = 16


class SlotFile:
    """The newest value survives any crash; a value being written survives or the one before does."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._file: FixedFile = folder.open_fixed(name, 2 * SLOT_BYTES)
        raw = self._file.read()
        found = [_read_slot(raw[:SLOT_BYTES]), _read_slot(raw[SLOT_BYTES:])]
        self._generation, self.value = max(
            (slot for slot in found if slot is not None), default=(0, None)
        )

    value: bytes | None
    """What was written last; None in a new file."""

    def write(self, value: bytes) -> None:
        """Make `value` the newest, durably; raises OSError, after which the file must not be trusted."""
        assert len(value) <= SLOT_BYTES - _HEADER_BYTES, "a slot is a page"
        generation = self._generation + 1
        body = generation.to_bytes(8, "big") + len(value).to_bytes(4, "big") + value
        seal = google_crc32c.value(body).to_bytes(4, "big")
        self._file.write_at(generation % 2 * SLOT_BYTES, seal + body)
        self._file.sync()
        self._generation, self.value = generation, value

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _read_slot(raw: bytes) -> tuple[int, bytes] | None:
    """(generation, value) of a slot that was written whole, else None."""
    length = int.from_bytes(raw[12:_HEADER_BYTES], "big")
    body = raw[4 : _HEADER_BYTES + length]
    generation = int.from_bytes(raw[4:12], "big")
    if not generation or length > SLOT_BYTES - _HEADER_BYTES:
        return None
    if google_crc32c.value(body) != int.from_bytes(raw[:4], "big"):
        return None
    return generation, raw[_HEADER_BYTES : _HEADER_BYTES + length]
