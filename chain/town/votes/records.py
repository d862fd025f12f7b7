"""What the chain keeps of an election, namespace `votes`; ids start with `<uuid>/`, those of whole elections are it.

What is small and changes with every ballot lies apart from what is large and does not. Sums are kept beside what they
sum (`BOXES`, `STATIONS`, `TALLIES`), so nothing is ever counted again. After appeals `purging` deletes requests and
ballots; hashes, credentials, tally, shares and result stay.
Reads and writes: namespace votes.  Never: a name, an address, a time finer than a block.
"""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal, TypeVar

from msgspec import Struct

from chain.town.context import Overlay, Reader, Refused, Table
from chain.town.schemas import Bytes32
from chain.town.votes_schemas import (
    CeremonyKind,
    ElectionCreate,
    GroupName,
    VoteCalendar,
    VoteProof,
    VoteSigned,
    VoteStation,
)
from chain.types import codes
from chain.votes.checks import Flaw
from chain.votes.election import Election, read_election
from chain.votes.group import Element, Group
from chain.votes.groups import get_group
from chain.votes.trustees import Trustees, read_trustees

NAMESPACE: Final = "votes"

Phase = Literal[
    "ceremony",
    "sealed",
    "issuance",
    "registration",
    "freezing",
    "frozen",
    "voting",
    "tally",
    "counting",
    "decided",
    "archived",
    "purging",
    "purged",
    "cancelled",
]
"""ceremony: trustees make the key · sealed: Belenios record made, registrars publish keys · issuance: rolls fixed ·
registration: signer sets fixed · freezing: the list is being closed · frozen · voting · tally: closed, trustees
decrypt · counting: enough shares, votes being computed · decided · archived · purging · purged · cancelled."""


class ElectionRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an election stands, and what every handler needs of it; id `<uuid>`.

    `owner` is the sender that published it. `fingerprint`, `ballot_max_bytes`: empty and 0 until sealed.
    `ballot_gas_us` is the worst cost of one ballot in µs.
    """

    election: str
    owner: str
    group: GroupName
    phase: Phase
    calendar: VoteCalendar
    registrars: tuple[str, ...]
    registrars_threshold: int
    ceremony: CeremonyKind
    trustees: tuple[str, ...]
    trustees_threshold: int
    choices: int
    ballot_gas_us: int
    ballot_max_bytes: int
    fingerprint: str = ""


class CountsRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Published counts of issuance over all stations; id `<uuid>`. `served`: requests signed by enough registrars.

    The gap (served - registrations) is what registrars together could still stuff.
    """

    electors: int = 0
    requests: int = 0
    served: int = 0
    registrations: int = 0
    complaints: int = 0


class StationRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One station and weight class; id `<uuid>/<station>/<class>`. `signers` is fixed when issuance ends.

    `signed` counts, per registrar in order, the requests it signed. `voters`: distinct credentials that voted.
    """

    station: str
    weight_class: str
    weight: int
    electors: int = 0
    root: str = ""
    requests: int = 0
    served: int = 0
    registrations: int = 0
    voters: int = 0
    signers: tuple[int, ...] = ()
    signed: tuple[int, ...] = ()


class RegistrarRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A registrar that published its keys; id `<uuid>/<registrar, 1 byte>`."""

    body: str
    height: int


class KeyRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A registrar's modulus for one station; id `<uuid>/<station>/<class>/<registrar, 1 byte>`."""

    n: str


class ModulusRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """That a modulus has its one use; id SHA-256(modulus): a key that served twice would link two votes."""

    election: str


class RequestRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A citizen's request, one per election for ever; id `<uuid>/<cid>`.

    `signatures` follow `blinded`, one per registrar in order, empty until given.
    """

    cid: Bytes32
    station: str
    weight_class: str
    blinded: tuple[str, ...]
    signatures: tuple[str, ...]


class CredentialRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A registered credential; id `credential_id`. `last` is the place of its ballot that counts, -1 for none.

    `last_s` is the header time of its last ballot: the quota's clock.
    """

    credential: str
    station: str
    weight_class: str
    weight: int
    ballots: int = 0
    spoils: int = 0
    last_s: int = 0
    last: int = -1


class CeremonyRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What one trustee has given; id `<uuid>/<trustee, 1 byte>`. `secrets` are dropped when the election is sealed."""

    trustee: int
    cert: VoteSigned | None = None
    commitment: str = ""
    coefexps: VoteSigned | None = None
    secrets: tuple[str, ...] = ()
    public_key: str = ""
    pok: VoteProof | None = None


class DocumentRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A record of Belenios as text; id `<uuid>/election`, `/trustees`, `/tally`, `/sized`, `/result`."""

    text: str


class ListRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the sealed list of credentials, in order; id `<uuid>/<part, 4 bytes>`."""

    entries: tuple[str, ...]


class BoxRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The ballot box; id `<uuid>`. `events` and `head` are the archive's so far: how many events, and the last's hash.

    `ballots` are all that were taken, revotes included; `voters` those that count; `weight` their weights.
    """

    ballots: int = 0
    voters: int = 0
    revotes: int = 0
    spoiled: int = 0
    weight: int = 0
    events: int = 0
    head: str = ""


class TallyRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Product of the ballots that count, as Belenios writes it; id `<uuid>`. Follows the box ballot by ballot."""

    text: str


class BallotRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A ballot hash that was taken, for ever; id `<uuid>/<hash, 32 bytes>`."""

    place: int
    height: int


class SpoilRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """That a credential may never cast the ballot of a hash; id `spoil_id`, of both: no word about others' ballots."""

    height: int


class BodyRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A ballot's bytes, until the purge; id `<uuid>/<place, 8 bytes>`: a scan gives them in order."""

    ballot: str


class AlphaRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """That a first half of a ciphertext was used, until the box closes; id `<uuid>/<SHA-256, 20 bytes>`."""

    place: int


class ShareRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A trustee's partial decryption; id `<uuid>/<trustee, 1 byte>`. `place` is its order of arrival, from 0; `bound`
    the proof of `chain.votes.binding`, which no archive holds."""

    place: int
    share: str
    bound: VoteProof


class ResultRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Votes per choice, question after question, as far as computed; id `<uuid>`. Weighed; blank comes first."""

    votes: tuple[int, ...]


class ArchiveRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An archive file that a body holds; id `<uuid>/<body>`."""

    file: str
    size_bytes: int
    height: int


class ComplaintRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A complaint's hash; id `<uuid>/<hash>`. `place` counts from 1."""

    place: int
    height: int


DRAFTS: Final = Table(NAMESPACE, "draft", ElectionCreate)
"""What was published, as it was signed; id `<uuid>`."""
ELECTIONS: Final = Table(NAMESPACE, "election", ElectionRecord)
COUNTS: Final = Table(NAMESPACE, "count", CountsRecord)
STATIONS: Final = Table(NAMESPACE, "station", StationRecord)
REGISTRARS: Final = Table(NAMESPACE, "registrar", RegistrarRecord)
KEYS: Final = Table(NAMESPACE, "key", KeyRecord)
MODULI: Final = Table(NAMESPACE, "modulus", ModulusRecord)
REQUESTS: Final = Table(NAMESPACE, "request", RequestRecord)
CREDENTIALS: Final = Table(NAMESPACE, "credential", CredentialRecord)
CEREMONIES: Final = Table(NAMESPACE, "ceremony", CeremonyRecord)
DOCUMENTS: Final = Table(NAMESPACE, "document", DocumentRecord)
LISTS: Final = Table(NAMESPACE, "list", ListRecord)
BOXES: Final = Table(NAMESPACE, "box", BoxRecord)
TALLIES: Final = Table(NAMESPACE, "tally", TallyRecord)
BALLOTS: Final = Table(NAMESPACE, "ballot", BallotRecord)
SPOILS: Final = Table(NAMESPACE, "spoil", SpoilRecord)
BODIES: Final = Table(NAMESPACE, "body", BodyRecord)
ALPHAS: Final = Table(NAMESPACE, "alpha", AlphaRecord)
SHARES: Final = Table(NAMESPACE, "share", ShareRecord)
RESULTS: Final = Table(NAMESPACE, "result", ResultRecord)
ARCHIVES: Final = Table(NAMESPACE, "archive", ArchiveRecord)
COMPLAINTS: Final = Table(NAMESPACE, "complaint", ComplaintRecord)

RecordT = TypeVar("RecordT", bound=Struct)

_SORT_BYTES: Final = {"BELENIOS-2048": 256, "Ed25519": 32}
_SORT_PREFIX_BYTES: Final = 24
_DIGEST_BYTES: Final = 16
_ALPHA_BYTES: Final = 20


# --- ids -----------------------------------------------------------------------------------------


def part_id(election: str, part: bytes) -> bytes:
    """Id of a record of one election."""
    return election.encode() + b"/" + part


def rank_id(election: str, rank: int) -> bytes:
    """Id of a registrar's or trustee's record."""
    return part_id(election, bytes((rank,)))


def place_id(election: str, place: int) -> bytes:
    """Id of a ballot's bytes."""
    return part_id(election, place.to_bytes(8, "big"))


def station_id(election: str, station: str, weight_class: str) -> bytes:
    """Id of a station and weight class."""
    return part_id(election, f"{station}/{weight_class}".encode())


def key_id(election: str, station: str, weight_class: str, registrar: int) -> bytes:
    """Id of a registrar's key for a station."""
    return station_id(election, station, weight_class) + b"/" + bytes((registrar,))


def credential_id(group: Group, election: str, credential: Element) -> bytes:
    """Id of a credential: ids sort as the public list does (by the integer its text stands for).

    The first 24 bytes of the integer decide; equal ones, which nobody can make, would be told apart by a hash.
    """
    number = group.sort_key(credential).to_bytes(_SORT_BYTES[group.name], "big")
    digest = sha256(group.encode(credential).encode()).digest()
    return part_id(election, number[:_SORT_PREFIX_BYTES] + digest[:_DIGEST_BYTES])


def ballot_id(election: str, digest: bytes) -> bytes:
    """Id of a ballot hash."""
    return part_id(election, digest)


def spoil_id(election: str, digest: bytes, credential: str) -> bytes:
    """Id of a credential's word about a ballot hash."""
    return part_id(election, sha256(digest + credential.encode()).digest())


def alpha_id(election: str, alpha: str) -> bytes:
    """Id of the first half of a ciphertext."""
    return part_id(election, sha256(alpha.encode()).digest()[:_ALPHA_BYTES])


def scan_election(
    table: Table[RecordT], state: Reader, election: str, after: bytes = b""
) -> Iterator[tuple[bytes, RecordT]]:
    """One election's records of a table in order of id, from `after` (a part, included) on."""
    return table.scan(state, part_id(election, after), election.encode() + b"0")


# --- reading -------------------------------------------------------------------------------------


def get_election(state: Reader, election: str) -> ElectionRecord | Refused:
    """The election, or the refusal that says it is unknown."""
    record = ELECTIONS.get(state, election.encode())
    return Refused(codes.VOTES_UNKNOWN_ELECTION, election) if record is None else record


def in_phase(record: ElectionRecord, *phases: Phase) -> Refused | None:
    """None when the election stands at one of these."""
    if record.phase in phases:
        return None
    return Refused(codes.VOTES_WRONG_PHASE, record.phase)


def group_of(record: ElectionRecord) -> Group:
    """The election's group."""
    group = get_group(record.group)
    assert group is not None, "a published election names a known group"
    return group


def get_box(state: Reader, election: str) -> BoxRecord:
    """The ballot box, empty before voting."""
    return BOXES.get(state, election.encode()) or BoxRecord()


def get_counts(state: Reader, election: str) -> CountsRecord:
    """The counts of issuance."""
    return COUNTS.get(state, election.encode()) or CountsRecord()


def get_station(
    state: Reader, election: str, station: str, weight_class: str
) -> StationRecord | Refused:
    """A station of the election, or the refusal that says it has none such."""
    record = STATIONS.get(state, station_id(election, station, weight_class))
    if record is None:
        return Refused(codes.VOTES_STATION_UNKNOWN, f"{station}/{weight_class}")
    return record


def get_document(state: Reader, election: str, name: str) -> str:
    """A sealed document's text, which must be there."""
    record = DOCUMENTS.get(state, part_id(election, name.encode()))
    assert record is not None, f"a sealed election has its {name}"
    return record.text


def put_document(state: Overlay, election: str, name: str, text: str) -> None:
    """Write a document of the election."""
    DOCUMENTS.put(state, part_id(election, name.encode()), DocumentRecord(text))


def open_record(state: Reader, election: str) -> Election:
    """The sealed Belenios record, opened; the work is done once for the same text."""
    return _open_record(get_document(state, election, "election"))


def open_trustees(state: Reader, record: ElectionRecord) -> Trustees:
    """The sealed trustees, opened."""
    return _open_trustees(record.group, get_document(state, record.election, "trustees"))


def stations_of(state: Reader, election: str) -> tuple[VoteStation, ...]:
    """The election's stations as published, in order."""
    draft = DRAFTS.get(state, election.encode())
    assert draft is not None, "an election was published"
    return draft.stations


@lru_cache(maxsize=16)
def _open_record(text: str) -> Election:
    return read_election(text.encode())


@lru_cache(maxsize=16)
def _open_trustees(group_name: str, text: str) -> Trustees:
    group = get_group(group_name)
    assert group is not None, "a published election names a known group"
    trustees = read_trustees(group, text.encode())
    assert not isinstance(trustees, Flaw), "sealed trustees were checked"
    return trustees
