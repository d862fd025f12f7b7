"""A voter's receipt: this ballot lies in the box, checked offline against one checkpoint.

The box's record in the town's state holds the hash of the archive's last event, and each event names the one before.
So a receipt is: the event before the ballot's, the ballot's hash, what came after it up to some height, and the box's
record of that height with its proof. Whoever makes one downloads the whole list of events, as everybody does:
nobody learns which ballot it is about. A receipt names no choice and no credential; it shows no buyer how one voted.

Reads: JSON, a checkpoint, a time if the caller gives one.  Writes: JSON.  Never: a clock, a network.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from chain.codec.canonical import encode_canonical
from chain.codec.errors import DecodeError
from chain.light.bundle import Bundle, Checkpoint, verify_bundle
from chain.types.timestamp import Timestamp
from chain.votes import formats
from chain.votes.archive import hash_hex
from chain.votes.formats import Event, EventType

RECEIPT_FORMAT: Final = "beffroi-ballot-receipt-1"
RECEIPT_MAX_BYTES: Final = 32 * 1_024 * 1_024
"""A ballot followed by two hundred thousand others."""
NAMESPACE: Final = "votes"

_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Following(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event after the ballot's, as the archive has it; no payload with EndBallots."""

    type: EventType
    payload: _Hash | None = None


class BallotReceipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a voter keeps."""

    format: Literal["beffroi-ballot-receipt-1"]
    election: str
    ballot: _Hash
    """SHA-256 of the ballot: the tracker in other letters."""
    parent: _Hash
    """Hash of the event before."""
    event: Annotated[int, Meta(ge=1, lt=2**31)]
    """Height of the ballot's event in the archive."""
    following: tuple[Following, ...]
    box: Bundle
    """The box's record, proved."""


class _Box(Struct, frozen=True):
    """The fields of the box's record that matter here."""

    events: int
    head: str


@dataclass(frozen=True, slots=True)
class ReceiptVerdict:
    """`flaw` is empty when the ballot is in the box as it stood at `height`."""

    flaw: str
    tracker: str = ""
    height: int = 0
    """Height of the header that proves the box."""
    time: str = ""
    """Time of that header, RFC 3339."""


def make_receipt(
    election: str, events: Sequence[Following], parents: Sequence[str], place: int, box: Bundle
) -> BallotReceipt:
    """The receipt of the ballot whose event is at height `place`.

    `events` are all of the archive, `parents[n]` the hash of event n-1. Nothing is checked: a receipt of false pieces
    does not verify.
    """
    ballot = events[place].payload
    assert ballot is not None, "a ballot has a payload"
    return BallotReceipt(
        format=RECEIPT_FORMAT,
        election=election,
        ballot=ballot,
        parent=parents[place],
        event=place,
        following=tuple(events[place + 1 :]),
        box=box,
    )


def encode_receipt(receipt: BallotReceipt) -> bytes:
    """Canonical JSON."""
    return encode_canonical(receipt)


def parse_receipt(data: bytes) -> BallotReceipt:
    """Read a receipt, in any spacing; raises DecodeError."""
    if len(data) > RECEIPT_MAX_BYTES:
        raise DecodeError(f"a receipt of {len(data)} bytes")
    try:
        return msgspec.json.decode(data, type=BallotReceipt)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise DecodeError(f"not a receipt: {exc}") from exc


def verify_receipt(
    receipt: BallotReceipt, trusted: Checkpoint, now: Timestamp | None = None
) -> ReceiptVerdict:
    """Whether the ballot is in the box, given a checkpoint; `now` as `verify_bundle`."""
    verdict = verify_bundle(receipt.box, trusted, now)
    facts = verdict.facts
    if facts is None:
        return ReceiptVerdict(f"{verdict.flaw}: {verdict.detail}")
    if (facts.namespace, facts.record_id) != (NAMESPACE, b"box/" + receipt.election.encode()):
        return ReceiptVerdict("the proof is not of this election's ballot box")
    if facts.record is None:
        return ReceiptVerdict("the election has no ballot box")
    box = msgspec.json.decode(facts.record, type=_Box)
    head, events = _climb(receipt)
    if (head, events) != (box.head, box.events):
        return ReceiptVerdict("the ballot is not in the box that is proved")
    return ReceiptVerdict("", tracker_of(receipt.ballot), facts.height, facts.time.to_rfc3339())


def tracker_of(ballot_hash: str) -> str:
    """The tracker of a ballot's hash: what its voter was shown."""
    return b64encode(bytes.fromhex(ballot_hash)).rstrip(b"=").decode("ascii")


def _climb(receipt: BallotReceipt) -> tuple[str, int]:
    """(hash of the last event, number of events) that the ballot and what follows it lead to."""
    head = hash_event(receipt.parent, receipt.event, Following("Ballot", receipt.ballot))
    height = receipt.event
    for event in receipt.following:
        height += 1
        head = hash_event(head, height, event)
    return head, height + 1


def hash_event(parent: str, height: int, event: Following) -> str:
    """The hash by which the next event, or the box's record, names this one."""
    made = Event(
        parent=parent or formats.UNSET,
        height=height,
        type=event.type,
        payload=event.payload or formats.UNSET,
    )
    return hash_hex(formats.encode(made))
