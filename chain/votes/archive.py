"""The `.bel` archive: an old-style tar whose bytes are determined by its content, and its chain of events.

Each record is named by the SHA-256 of its body; an event follows the records it stands for and names the
event before. Writing what was read gives the same bytes, or the file is refused: nothing can hide between
records. `ArchiveWriter` makes archives, `read_archive` and `collect_steps` take them apart.

Layout of a record: 512 bytes of header, the body, NULs up to a multiple of 512. Header fields: name at 0, mode
at 100, uid 108, gid 116, size 124 (11 octal digits), time 136 (the same for all records), checksum 148, type
156. No end-of-archive blocks: a standard tar writer adds them and is refused.
Source: glondu/belenios tag 2.0, src/lib/core/archive.ml and src/tool/tool_events.ml (`fsck`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from chain.codec.errors import DecodeError
from chain.limits import VOTES_RECORD_MAX_BYTES
from chain.votes import formats
from chain.votes.checks import Check, Flaw
from chain.votes.formats import (
    ArchiveHeader,
    Event,
    EventType,
    Owned,
    PartialDecryption,
    SetupData,
    SizedTally,
)

BLOCK_BYTES: Final = 512
HEADER_NAME: Final = "BELENIOS"
TIMESTAMP_MAX_S: Final = 8**11 - 1

_NAME_BYTES: Final = 100
_OCTAL: Final = re.compile(rb"[0-7]{11}")
_RECORD_NAME: Final = re.compile(r"[0-9a-f]{64}\.(data|event)\.json", re.ASCII)
_DECIMAL: Final = re.compile("0|[1-9][0-9]{0,11}", re.ASCII)
_BLANK_CHECKSUM: Final = b" " * 8


class Unreadable(Exception):
    """Not an archive, or cut in the middle of a record: nothing can be said about the election."""


@dataclass(frozen=True, slots=True)
class Record:
    """A file of the archive."""

    name: str
    body: bytes

    @property
    def is_event(self) -> bool:
        """An event, not data."""
        return self.name.endswith(".event.json")


@dataclass(frozen=True, slots=True)
class Archive:
    """The records after the header, in file order."""

    timestamp_s: int
    """Unix seconds written into every record's header."""
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One event with the bodies it stands for.

    Setup: election, trustees, credentials. Ballot, Result: the body. EncryptedTally: ciphertexts, sized tally.
    PartialDecryption, Shuffle: the object, its owner record. EndBallots, EndShuffles: none.
    """

    height: int
    type: EventType
    bodies: tuple[bytes, ...]


# --- bytes -------------------------------------------------------------------------------------


def hash_hex(body: bytes) -> str:
    """SHA-256 in lower-case hexadecimal: how records and events name each other."""
    return sha256(body).hexdigest()


def read_archive(data: bytes) -> Archive:
    """Take the file apart without judging it; raises Unreadable."""
    records = list(_split(data))
    if not records or records[0].name != HEADER_NAME:
        raise Unreadable("not a Belenios archive: no BELENIOS record at its head")
    try:
        header = formats.decode_exactly(ArchiveHeader, records[0].body)
        timestamp_s = _read_timestamp(header.timestamp)
    except DecodeError as error:
        raise Unreadable(f"archive header: {error}") from error
    if header.version != 1 or timestamp_s > TIMESTAMP_MAX_S:
        raise Unreadable("archive header: another version, or a time beyond the format")
    return Archive(timestamp_s, tuple(records[1:]))


def _read_timestamp(text: str) -> int:
    if not _DECIMAL.fullmatch(text):
        raise DecodeError("timestamp is not a decimal number")
    return int(text)


def write_archive(archive: Archive) -> bytes:
    """The file of an archive."""
    head = formats.encode(ArchiveHeader(version=1, timestamp=str(archive.timestamp_s)))
    records = (Record(HEADER_NAME, head), *archive.records)
    return b"".join(_write_record(record, archive.timestamp_s) for record in records)


def check_bytes(data: bytes, archive: Archive) -> Flaw | None:
    """Every name is its body's hash, and the file is what writing its records gives."""
    for position, record in enumerate(archive.records, 1):
        place = f"record {position}"
        if not _RECORD_NAME.fullmatch(record.name):
            return Flaw(Check.ARCHIVE_FORM, f"{place}: foreign name {record.name[:80]!r}")
        actual = hash_hex(record.body)
        if record.name[:64] != actual:
            return Flaw(
                Check.RECORD_HASH, f"{place}: named {record.name[:64]} but hashes to {actual}"
            )
    written = write_archive(archive)
    if written != data:
        return Flaw(
            Check.ARCHIVE_FORM, f"byte {_first_difference(data, written)} is not as written"
        )
    return None


def check_prefix(earlier: Archive, later: Archive) -> Flaw | None:
    """What was published earlier is the beginning of what is published now (`verify-diff`)."""
    if len(earlier.records) > len(later.records):
        return Flaw(Check.NOT_A_PREFIX, "the earlier archive has more records")
    for position, (old, new) in enumerate(zip(earlier.records, later.records, strict=False), 1):
        if old != new:
            return Flaw(Check.NOT_A_PREFIX, f"record {position} was changed: it was {old.name}")
    return None


def _split(data: bytes) -> Iterator[Record]:
    offset = 0
    while offset < len(data):
        head = data[offset : offset + BLOCK_BYTES]
        if not any(head):
            return  # end-of-archive blocks: `check_bytes` refuses them with their place
        size = head[124:135]
        if len(head) < BLOCK_BYTES or not _OCTAL.fullmatch(size):
            raise Unreadable(f"no record header at byte {offset}")
        size_bytes = int(size, 8)
        start = offset + BLOCK_BYTES
        if size_bytes > VOTES_RECORD_MAX_BYTES or start + size_bytes > len(data):
            raise Unreadable(f"record at byte {offset} is cut or too large")
        name = head[:_NAME_BYTES].partition(b"\x00")[0]
        yield Record(name.decode("ascii", "replace"), data[start : start + size_bytes])
        offset = start + size_bytes + _padding(size_bytes)


def _write_record(record: Record, timestamp_s: int) -> bytes:
    head = bytearray(BLOCK_BYTES)
    for offset, field in (
        (0, record.name.encode()),
        (100, b"0000644"),
        (108, b"0000000"),
        (116, b"0000000"),
        (124, b"%011o" % len(record.body)),
        (136, b"%011o" % timestamp_s),
        (148, _BLANK_CHECKSUM),
        (156, b"0"),
    ):
        head[offset : offset + len(field)] = field
    head[148:156] = b"%06o\x00 " % sum(head)
    return bytes(head) + record.body + bytes(_padding(len(record.body)))


def _padding(size_bytes: int) -> int:
    return -size_bytes % BLOCK_BYTES


def _first_difference(data: bytes, written: bytes) -> int:
    for offset in range(0, min(len(data), len(written)), BLOCK_BYTES):
        if data[offset : offset + BLOCK_BYTES] != written[offset : offset + BLOCK_BYTES]:
            return offset
    return min(len(data), len(written))


# --- events ------------------------------------------------------------------------------------


def collect_steps(archive: Archive) -> tuple[Step, ...] | Flaw:
    """The events, each with its bodies, if every event follows exactly the records it stands for."""
    steps: list[Step] = []
    parent: str | None = None
    waiting: list[Record] = []
    for record in archive.records:
        if not record.is_event:
            waiting.append(record)
            continue
        try:
            event = formats.decode_exactly(Event, record.body)
            flaw = _check_chain(event, len(steps), parent) or _check_records(event, waiting)
        except DecodeError as error:
            return Flaw(Check.EVENT_FORM, str(error)).at_event(len(steps))
        if flaw is not None:
            return flaw.at_event(len(steps))
        steps.append(Step(event.height, event.type, _bodies(event, waiting)))
        parent, waiting = record.name[:64], []
    if waiting:
        return Flaw(Check.RECORD_ORDER, f"{len(waiting)} records after the last event")
    return tuple(steps)


def _check_chain(event: Event, height: int, parent: str | None) -> Flaw | None:
    if event.height != height:
        return Flaw(Check.EVENT_CHAIN, f"height {event.height}, {height} expected")
    named = None if event.parent is formats.UNSET else event.parent
    if named != parent:
        return Flaw(Check.EVENT_CHAIN, f"parent {named}, {parent} expected")
    return None


def _check_records(event: Event, waiting: Sequence[Record]) -> Flaw | None:
    """The records since the last event are those that this event demands, in order."""
    payload = None if event.payload is formats.UNSET else event.payload
    last = waiting[-1] if waiting else None
    demanded: tuple[str, ...]
    match event.type:
        case "EndBallots" | "EndShuffles":
            if payload is not None:
                return Flaw(Check.RECORD_ORDER, f"{event.type} carries a payload")
            demanded = ()
        case _ if payload is None or last is None:
            return Flaw(Check.RECORD_ORDER, f"{event.type} without its payload")
        case "Ballot" | "Result":
            demanded = (payload,)
        case "Setup":
            setup = formats.decode_exactly(SetupData, last.body)
            demanded = (setup.election, setup.trustees, setup.credentials, payload)
        case "EncryptedTally":
            sized = formats.decode_exactly(SizedTally, last.body)
            demanded = (sized.encrypted_tally, payload)
        case "PartialDecryption" | "Shuffle":
            demanded = (formats.decode_exactly(Owned, last.body).payload, payload)
    present = tuple(record.name[:64] for record in waiting)
    if present != demanded:
        return Flaw(Check.RECORD_ORDER, f"records before {event.type} are not those it stands for")
    return None


def _bodies(event: Event, waiting: Sequence[Record]) -> tuple[bytes, ...]:
    bodies = tuple(record.body for record in waiting)
    return bodies[:3] if event.type == "Setup" else bodies


# --- writing -----------------------------------------------------------------------------------


class ArchiveWriter:
    """Makes an archive event by event; the order of events is the caller's business."""

    def __init__(self, timestamp_s: int) -> None:
        if not 0 <= timestamp_s <= TIMESTAMP_MAX_S:
            raise ValueError(f"time out of the format: {timestamp_s}")
        self._timestamp_s = timestamp_s
        self._records: list[Record] = []
        self._parent: str | None = None
        self._height = 0

    def add_setup(self, election: bytes, trustees: bytes, credentials: bytes) -> None:
        """First event: the three records everything else hangs on."""
        setup = SetupData(
            election=hash_hex(election),
            trustees=hash_hex(trustees),
            credentials=hash_hex(credentials),
        )
        self._add("Setup", (election, trustees, credentials, formats.encode(setup)))

    def add_ballot(self, ballot: bytes) -> None:
        """A ballot as received."""
        self._add("Ballot", (ballot,))

    def add_end_of_ballots(self) -> None:
        """No ballot counts after this."""
        self._add("EndBallots", ())

    def add_encrypted_tally(self, tally: bytes, sized: SizedTally) -> None:
        """The tally record, and how many it counts."""
        self._add("EncryptedTally", (tally, formats.encode(sized)))

    def add_decryption(self, owner: int, decryption: PartialDecryption) -> None:
        """A trustee's partial decryption; `owner` counts trustees from 1."""
        body = formats.encode(decryption)
        owned = Owned(owner=owner, payload=hash_hex(body))
        self._add("PartialDecryption", (body, formats.encode(owned)))

    def add_result(self, result: bytes) -> None:
        """Last event."""
        self._add("Result", (result,))

    def add_step(self, step: Step) -> None:
        """An event with its bodies as `collect_steps` gives them, whatever it says."""
        if step.type == "Setup":
            self.add_setup(*step.bodies)
        else:
            self._add(step.type, step.bodies)

    def build(self) -> Archive:
        """The archive so far."""
        return Archive(self._timestamp_s, tuple(self._records))

    def _add(self, event_type: EventType, bodies: Iterable[bytes]) -> None:
        names = []
        for body in bodies:
            names.append(hash_hex(body))
            self._records.append(Record(f"{names[-1]}.data.json", body))
        event = Event(
            parent=self._parent or formats.UNSET,
            height=self._height,
            type=event_type,
            payload=names[-1] if names else formats.UNSET,
        )
        body = formats.encode(event)
        self._parent, self._height = hash_hex(body), self._height + 1
        self._records.append(Record(f"{self._parent}.event.json", body))
