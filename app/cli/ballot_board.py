"""An election as the chain proves it to a program that trusts no node: its state, its ceremony, its ballot box.

    board = Board(chain, "68cdtCgcBHmHAb")
    board.election() · board.ceremony()       records, each with its proof
    board.assemble(progress)                  the archive of the box, event by event

The box's record holds how many events the archive has and the hash of the last one. That one proof covers every byte:
ballots are fetched from any node without proofs, chained again, and must end at that hash.
Reads: a `TrustedChain`.  Writes: nothing.  Never: uses a ballot before the hash of the last event was met.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.cli.trust import UnknownElection
from app.core.chain_client import MALFORMED, RpcError, read_query_answer
from app.core.refusals import NodeUnavailable
from app.core.trusted_chain import NotProved, TrustedChain
from chain.light.ballot_receipt import BallotReceipt, Following, hash_event, make_receipt
from chain.limits import RPC_BATCH_MAX
from chain.votes import formats
from chain.votes.archive import Archive, ArchiveWriter, Step, collect_steps, hash_hex
from chain.votes.ballot import tracker
from chain.votes.checks import Flaw
from chain.votes.formats import PartialDecryption, SetupData

NAMESPACE: Final = "votes"
BATCH: Final = RPC_BATCH_MAX
"""Ballots asked for at once: as many as a node answers."""
LIST_PARTS_MAX: Final = 1_000
Note = Callable[[int, int], None]
"""Told how many ballots of how many are there."""


class ElectionState(msgspec.Struct, frozen=True):
    """Where an election stands; the fields of `chain.town.votes.records.ElectionRecord` that trustees need."""

    election: str
    group: str
    phase: str
    calendar: dict[str, int]
    ceremony: str
    trustees: tuple[str, ...]
    trustees_threshold: int
    fingerprint: str = ""


class SignedText(msgspec.Struct, frozen=True):
    """A message and its Schnorr signature."""

    message: str
    signature: formats.Proof

    def as_signed(self) -> formats.SignedMessage:
        """As Belenios writes it."""
        return formats.SignedMessage(message=self.message, signature=self.signature)


class CeremonyLine(msgspec.Struct, frozen=True):
    """What one trustee has given."""

    trustee: int
    cert: SignedText | None = None
    commitment: str = ""
    coefexps: SignedText | None = None
    secrets: tuple[str, ...] = ()
    public_key: str = ""


class BoxState(msgspec.Struct, frozen=True):
    """The ballot box: how many ballots, and the archive so far."""

    ballots: int = 0
    voters: int = 0
    weight: int = 0
    events: int = 0
    head: str = ""

    def size(self, tally_hash: str) -> formats.SizedTally:
        """How many the encrypted tally counts, as the archive says it."""
        return formats.SizedTally(
            num_tallied=self.voters,
            total_weight=formats.encode_count(self.weight),
            encrypted_tally=tally_hash,
        )


class ShareLine(msgspec.Struct, frozen=True):
    """A trustee's partial decryption, its order of arrival, and the proof that binds it to the tally."""

    place: int
    share: str
    bound: formats.Proof


@dataclass(frozen=True, slots=True)
class Assembled:
    """The archive of the box as it stands."""

    archive: Archive
    steps: tuple[Step, ...]
    box: BoxState
    shares: dict[int, ShareLine]


class Board:
    """One election on one proved height of the chain."""

    def __init__(self, chain: TrustedChain, election: str) -> None:
        self.chain = chain
        self.name = election

    def election(self) -> ElectionState:
        """Where the election stands; raises UnknownElection, NotProved."""
        raw = self._proved("election")
        if raw is None:
            raise UnknownElection(self.name)
        return msgspec.json.decode(raw, type=ElectionState)

    def ceremony(self, trustees: int) -> tuple[CeremonyLine, ...]:
        """Every trustee's line, by rank; raises NotProved."""
        lines = []
        for rank in range(1, trustees + 1):
            raw = self._proved("ceremony", bytes((rank,)))
            lines.append(
                CeremonyLine(rank) if raw is None else msgspec.json.decode(raw, type=CeremonyLine)
            )
        return tuple(lines)

    def share(self, rank: int) -> ShareLine | None:
        """The partial decryption of a trustee, None when there is none; raises NotProved."""
        raw = self._proved("share", bytes((rank,)))
        return None if raw is None else msgspec.json.decode(raw, type=ShareLine)

    def setup(self) -> tuple[bytes, bytes, bytes]:
        """The records of election, trustees and credentials, the list once it is sealed; raises NotProved."""
        entries: list[str] = []
        for part in range(LIST_PARTS_MAX):
            raw = self._proved("list", part.to_bytes(4, "big"))
            if raw is None:
                break
            entries += json.loads(raw)["entries"]
        return self._document("election"), self._document("trustees"), formats.encode(entries)

    def assemble(self, trustees: int, note: Note = lambda _done, _of: None) -> Assembled:
        """The archive of the box as it stands; raises NotProved when no node shows one that is the chain's."""
        box = self._box()
        return self.chain.ask_each(lambda url: self._assemble_from(url, box, trustees, note))

    def _assemble_from(self, url: str, box: BoxState, trustees: int, note: Note) -> Assembled:
        writer = ArchiveWriter(self._opening_s())
        writer.add_setup(*self.setup())
        for place, ballot in enumerate(self._ballots(url, box.ballots), 1):
            writer.add_ballot(ballot)
            note(place, box.ballots)
        tally = self._find_document("tally")
        if tally is not None:
            writer.add_end_of_ballots()
            writer.add_encrypted_tally(tally, box.size(hash_hex(tally)))
        shares = {rank: self.share(rank) for rank in range(1, trustees + 1)}
        given = {rank: line for rank, line in shares.items() if line is not None}
        for rank, line in sorted(given.items(), key=lambda item: item[1].place):
            writer.add_decryption(rank, formats.decode(PartialDecryption, line.share))
        result = self._find_document("result")
        if result is not None:
            writer.add_result(result)
        archive = writer.build()
        return Assembled(archive, _checked(archive, box), box, given)

    def receipt(self, assembled: Assembled, tracker_: str) -> BallotReceipt | None:
        """The receipt of a ballot of this box, None when it is not there; no node learns which. Raises NotProved."""
        events = [
            Following(step.type, hash_hex(step.bodies[-1]) if step.bodies else None)
            for step in assembled.steps
        ]
        events[0] = Following("Setup", _setup_hash(assembled.steps[0]))
        parents = [""]
        for height, event in enumerate(events):
            parents.append(hash_event(parents[-1], height, event))
        for height, step in enumerate(assembled.steps):
            if step.type == "Ballot" and tracker(step.bodies[0]) == tracker_:
                box = self.chain.prove(NAMESPACE, self._id("box"))
                return make_receipt(self.name, events, parents, height, box)
        return None

    def _box(self) -> BoxState:
        raw = self._proved("box")
        if raw is None:
            raise NotProved(f"election {self.name} has no ballot box yet")
        return msgspec.json.decode(raw, type=BoxState)

    def _opening_s(self) -> int:
        """The one free value of an archive, the time in its headers: the hour of voting as first published."""
        raw = self._proved("draft")
        assert raw is not None, "an election was published"
        return int(json.loads(raw)["calendar"]["voting_opens"])

    def _ballots(self, url: str, count: int) -> Iterator[bytes]:
        """Ballots in order of arrival as one node shows them, unproved; raises NotProved."""
        for first in range(0, count, BATCH):
            places = range(first, min(first + BATCH, count))
            calls = [self._ask_ballot(place) for place in places]
            try:
                answers = self.chain.rpc.call_many(calls, node=url)
                for place, answer in zip(places, answers, strict=True):
                    value = read_query_answer(answer).value
                    if not value:
                        raise NotProved(f"ballot {place} is not shown")
                    yield str(json.loads(value)["ballot"]).encode()
            except (RpcError, NodeUnavailable, *MALFORMED) as error:
                raise NotProved(f"no node shows the ballots from {first} on: {error}") from error

    def _ask_ballot(self, place: int) -> tuple[str, dict[str, Any]]:
        asked = {
            "path": f"/record/{NAMESPACE}",
            "data": self._id("body", place.to_bytes(8, "big")).hex(),
            "height": str(self.chain.state_height),
            "prove": False,
        }
        return "abci_query", asked

    def _document(self, name: str) -> bytes:
        text = self._find_document(name)
        if text is None:
            raise NotProved(f"election {self.name} has no {name} yet")
        return text

    def _find_document(self, name: str) -> bytes | None:
        raw = self._proved("document", name.encode())
        return None if raw is None else str(json.loads(raw)["text"]).encode()

    def _proved(self, table: str, part: bytes = b"") -> bytes | None:
        return self.chain.record(NAMESPACE, self._id(table, part))

    def _id(self, table: str, part: bytes = b"") -> bytes:
        own = self.name.encode() + (b"/" + part if part else b"")
        return table.encode() + b"/" + own


def _setup_hash(step: Step) -> str:
    election, trustees, credentials = (hash_hex(body) for body in step.bodies)
    setup = SetupData(election=election, trustees=trustees, credentials=credentials)
    return hash_hex(formats.encode(setup))


def _checked(archive: Archive, box: BoxState) -> tuple[Step, ...]:
    """The archive's events, if they end where the box's record says."""
    steps = collect_steps(archive)
    assert not isinstance(steps, Flaw), "it was just written"
    head = archive.records[-1].name[:64]
    if (len(steps), head) != (box.events, box.head):
        raise NotProved(
            f"the ballots shown are not those of the box: {len(steps)} events ending in {head}, "
            f"{box.events} ending in {box.head} are proved"
        )
    return steps
