"""The log: torn ends are cut, damage before whole records refuses, segments rotate at ends of heights."""

import pytest

from chain.limits import WAL_SEGMENTS_KEPT
from chain.store import wal as wal_module
from chain.store.errors import WalDamaged
from chain.store.files import DiskFolder, MemoryFolder
from chain.store.wal import HEAD, Wal, frame, payloads_after, scan

PAYLOADS = [b"end 0", b"vote one", b"x" * 300, b"vote two", b"last"]
LOG = b"".join(frame(p) for p in PAYLOADS)


@pytest.mark.parametrize(
    ("payload", "checksum"),
    [(b"123456789", 0xE3069283), (b"\0" * 32, 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_a_record_begins_with_the_crc32c_of_rfc_3720(payload, checksum):
    assert frame(payload)[:4] == checksum.to_bytes(4, "big")


@pytest.mark.parametrize("cut", range(len(LOG) + 1))
def test_a_log_cut_at_any_byte_keeps_exactly_its_whole_records(cut):
    found = scan(LOG[:cut])
    ends = [sum(len(frame(p)) for p in PAYLOADS[: n + 1]) for n in range(len(PAYLOADS))]
    whole = sum(end <= cut for end in ends)
    assert list(found.payloads) == PAYLOADS[:whole]
    assert found.whole_bytes == (ends[whole - 1] if whole else 0)


def test_any_flipped_bit_before_the_last_record_refuses():
    last_start = len(LOG) - len(frame(PAYLOADS[-1]))
    for byte in range(last_start):
        for bit in (0, 3, 7):
            damaged = bytearray(LOG)
            damaged[byte] ^= 1 << bit
            with pytest.raises(WalDamaged):
                scan(bytes(damaged))


def test_a_flipped_bit_in_the_last_record_is_a_torn_end():
    last_start = len(LOG) - len(frame(PAYLOADS[-1]))
    for byte in range(last_start, len(LOG)):
        damaged = bytearray(LOG)
        damaged[byte] ^= 4
        assert list(scan(bytes(damaged)).payloads) == PAYLOADS[:-1]


def test_an_unwritten_tail_of_zeros_is_cut_and_zeros_in_the_middle_refuse():
    assert list(scan(LOG + b"\0" * 500).payloads) == PAYLOADS
    start = len(frame(PAYLOADS[0]))
    blanked = LOG[:start] + b"\0" * len(frame(PAYLOADS[1])) + LOG[start + len(frame(PAYLOADS[1])) :]
    with pytest.raises(WalDamaged):
        scan(blanked)


def test_a_torn_block_part_full_of_forged_records_is_still_a_torn_end():
    """Transactions are the sender's choice: frames inside a payload must not look like records after damage."""
    hostile = frame(b"forged") * 50
    log = frame(b"end 0") + frame(hostile)
    for cut in range(len(frame(b"end 0")) + 8, len(log)):
        assert list(scan(log[:cut]).payloads) == [b"end 0"]


def test_opening_repairs_a_torn_end_once_and_appends_after_it(tmp_path):
    folder = DiskFolder(tmp_path)
    log = Wal(folder, first_payload=b"end 0")
    log.append(b"one")
    log.sync()
    log.close()
    with (tmp_path / HEAD).open("ab") as raw:
        raw.write(frame(b"two")[:-1])
    log = Wal(folder, first_payload=b"end 0")
    assert log.repaired_bytes == len(frame(b"two")) - 1
    assert log.payloads == (b"end 0", b"one")
    log.append(b"three")
    log.close()
    assert Wal(folder, first_payload=b"end 0").payloads == (b"end 0", b"one", b"three")


def test_a_long_segment_is_closed_at_the_end_of_a_height(monkeypatch):
    monkeypatch.setattr(wal_module, "WAL_FILE_MAX_BYTES", 200)
    folder = MemoryFolder()
    log = Wal(folder, first_payload=b"end 0")
    for height in range(1, 40):
        log.append(b"v" * 60)
        log.end_height(b"end %d" % height)
    assert len(folder.names()) <= WAL_SEGMENTS_KEPT + 1
    again = Wal(folder, first_payload=b"end 0")
    assert payloads_after(again.payloads, lambda p: p == b"end 39") == ()


def test_sync_is_free_when_nothing_was_added():
    log = Wal(MemoryFolder(), first_payload=b"end 0")
    before = log.sync_count
    log.append(b"x")
    log.sync()
    log.sync()
    assert log.sync_count == before + 1
