"""A value in two slots: whatever a crash cuts, the last durable one is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.store.files import DiskFolder, MemoryFolder
from chain.store.slots import SLOT_BYTES, SlotFile

NAME = "position"
VALUES = st.lists(st.binary(max_size=200), min_size=1, max_size=6)


def test_a_new_file_holds_nothing_and_then_the_last_value(tmp_path):
    folder = DiskFolder(tmp_path)
    slots = SlotFile(folder, NAME)
    assert slots.value is None
    for value in (b"one", b"", b"three" * 100):
        slots.write(value)
        again = SlotFile(folder, NAME)
        assert again.value == value
        again.close()
    slots.close()
    assert (tmp_path / NAME).stat().st_size == 2 * SLOT_BYTES


@given(values=VALUES, last=st.binary(max_size=200), kept=st.integers(0, 300))
def test_a_write_cut_anywhere_leaves_the_value_before(values, last, kept):
    folder = MemoryFolder()
    slots = SlotFile(folder, NAME)
    for value in values:
        slots.write(value)
    before = bytes(folder.content[NAME])
    slots.write(last)
    after = bytes(folder.content[NAME])
    start = next(
        (0, SLOT_BYTES)[half]
        for half in (0, 1)
        if before[half * SLOT_BYTES :][:SLOT_BYTES] != after[half * SLOT_BYTES :][:SLOT_BYTES]
    )
    whole = 16 + len(last)
    torn = bytearray(before)
    torn[start : start + min(kept, whole)] = after[start : start + min(kept, whole)]
    folder.content[NAME] = torn
    # What the disk held before may complete a cut write by chance, byte for byte: then it is the new value.
    is_whole = bytes(torn[start : start + whole]) == after[start : start + whole]
    assert SlotFile(folder, NAME).value == (last if is_whole else values[-1])


@pytest.mark.parametrize("place", [0, 5, 13, 16, 18])
def test_a_spoilt_byte_of_the_newest_slot_gives_the_value_before(place):
    folder = MemoryFolder()
    slots = SlotFile(folder, NAME)
    slots.write(b"older")
    slots.write(b"newer")
    folder.content[NAME][place] ^= 1
    assert SlotFile(folder, NAME).value == b"older"


def test_a_file_whose_making_was_cut_short_is_made_again(tmp_path):
    (tmp_path / NAME).write_bytes(bytes(100))
    assert SlotFile(DiskFolder(tmp_path), NAME).value is None
    assert (tmp_path / NAME).stat().st_size == 2 * SLOT_BYTES
