"""The `.bel` archive of an election, byte for byte, out of what the chain proves: a pure function.

Fed with an election's accepted transactions, their results and the journal's entries, in the order of the chain, the
assembler writes what the application saw; it ends at the `head` that the chain names, or raises. `read_state` gives the
same bytes out of a node's records, for whoever joined by a snapshot.
The archive's one free value, the time in its headers, is the hour of voting as first published.
Reads: what it is handed.  Writes: nothing.  Never: trusts a ballot or a list; a verifier does the judging.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from chain.codec.errors import DecodeError
from chain.town.context import Reader, Refused
from chain.town.envelope import decode_anonymous, decode_transaction, is_anonymous
from chain.town.votes.records import (
    BODIES,
    DRAFTS,
    ELECTIONS,
    SHARES,
    get_box,
    get_document,
    scan_election,
)
from chain.town.votes.sealing import credentials_text
from chain.town.votes_schemas import BallotCast, CredRegister, ElectionCreate, TallyShare
from chain.types.abci import ExecTxResult
from chain.votes import formats
from chain.votes.archive import ArchiveWriter, hash_hex, write_archive
from chain.votes.credentials import Voter, encode_public_list
from chain.votes.election import read_election
from chain.votes.formats import PartialDecryption, SizedTally


class AssemblyError(ValueError):
    """What was handed in is not the whole of the election, or not what the chain says."""


class ArchiveAssembler:
    """Collects one election's facts; `build` writes the archive as far as they go."""

    def __init__(self, town: str, election: str) -> None:
        self._town = town
        self._election = election
        self._timestamp_s = -1
        self._record = ""
        self._trustees = ""
        self._weights: dict[str, int] = {}
        self._ballots: list[str] = []
        self._shares: list[TallyShare] = []
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._head = ""
        """Of the archive, as the last fact that names it says."""

    def add_block(
        self,
        txs: Sequence[bytes],
        results: Sequence[ExecTxResult],
        journal: Iterable[Mapping[str, Any]],
    ) -> None:
        """A whole block, in the chain's order; what is of no concern to this election is passed over."""
        for raw, result in zip(txs, results, strict=True):
            if not result.code:
                self._add_raw(raw, result.data)
        for entry in journal:
            self.add_entry(entry)

    def _add_raw(self, raw: bytes, data: bytes) -> None:
        decode = decode_anonymous if is_anonymous(raw) else decode_transaction
        envelope = decode(raw, self._town)
        if isinstance(envelope, Refused):
            raise AssemblyError(
                f"a block holds what no chain of this town holds: {envelope.code.name}"
            )
        if getattr(envelope.body, "election", None) == self._election:
            self.add_transaction(envelope.body, json.loads(data))

    def add_transaction(self, body: Struct, data: Mapping[str, Any]) -> None:
        """An accepted transaction of this election with its result."""
        match body:
            case ElectionCreate():
                self._timestamp_s = body.calendar.voting_opens
            case CredRegister():
                self._weights[body.credential] = data["weight"]
            case BallotCast():
                self._ballots.append(body.ballot)
            case TallyShare():
                self._shares.append(body)
            case _:
                pass
        if data.get("phase") == "sealed" and "record" in data:
            self._record, self._trustees = data["record"], data["trustees"]
        self._head = data.get("head", self._head)

    def add_entry(self, entry: Mapping[str, Any]) -> None:
        """A journal entry; those of other elections and kinds are passed over."""
        if entry.get("election") == self._election:
            self._entries[entry["kind"]] = entry
            self._head = entry.get("head", self._head)

    def build(self) -> bytes:
        """The archive so far; raises AssemblyError unless its last event is the one the chain names."""
        if "votes.frozen" not in self._entries:
            raise AssemblyError("the list of credentials is not sealed yet")
        closed, result = self._entries.get("votes.closed"), self._entries.get("votes.result")
        return write(
            timestamp_s=self._timestamp_s,
            setup=(self._record.encode(), self._trustees.encode(), self._credentials()),
            ballots=[ballot.encode() for ballot in self._ballots],
            tally=None if closed is None else (closed["tally"].encode(), closed["sized"].encode()),
            shares=[(share.trustee, share.share.encode()) for share in self._shares],
            result=None if result is None else result["result"].encode(),
            head=self._head,
        )

    def _credentials(self) -> bytes:
        group = read_election(self._record.encode()).group
        voters = [Voter(group.decode(text), weight) for text, weight in self._weights.items()]
        record = encode_public_list(group, voters)
        if hash_hex(record) != self._entries["votes.frozen"]["credentials"]:
            raise AssemblyError("the credentials are not those of the sealed list")
        return record


def write(
    *,
    timestamp_s: int,
    setup: tuple[bytes, bytes, bytes],
    ballots: Sequence[bytes],
    tally: tuple[bytes, bytes] | None,
    shares: Sequence[tuple[int, bytes]],
    result: bytes | None,
    head: str,
) -> bytes:
    """The file of these records; raises AssemblyError when its last event is not `head`."""
    writer = ArchiveWriter(timestamp_s)
    writer.add_setup(*setup)
    for ballot in ballots:
        writer.add_ballot(ballot)
    if tally is not None:
        writer.add_end_of_ballots()
        try:
            writer.add_encrypted_tally(tally[0], formats.decode_exactly(SizedTally, tally[1]))
            for owner, share in shares:
                writer.add_decryption(owner, formats.decode_exactly(PartialDecryption, share))
        except DecodeError as error:
            raise AssemblyError(f"tally or share: {error}") from error
    if result is not None:
        writer.add_result(result)
    archive = writer.build()
    if archive.records[-1].name[:64] != head:
        raise AssemblyError(f"the last event is not {head}, which the chain names")
    return write_archive(archive)


def read_state(state: Reader, election: str) -> bytes:
    """The archive out of a node's records; raises AssemblyError before the list is sealed and after the purge."""
    record, draft = ELECTIONS.get(state, election.encode()), DRAFTS.get(state, election.encode())
    box = get_box(state, election)
    if record is None or draft is None or not box.events:
        raise AssemblyError("no sealed election of that name")
    ballots = [body.ballot.encode() for _, body in scan_election(BODIES, state, election)]
    if len(ballots) != box.ballots:
        raise AssemblyError("the ballots were purged")
    shares = sorted(
        (share.place, share_id[-1], share.share.encode())
        for share_id, share in scan_election(SHARES, state, election)
    )
    is_closed = record.phase in ("tally", "counting", "decided", "archived")
    is_decided = record.phase in ("decided", "archived")
    return write(
        timestamp_s=draft.calendar.voting_opens,
        setup=(
            get_document(state, election, "election").encode(),
            get_document(state, election, "trustees").encode(),
            credentials_text(state, election),
        ),
        ballots=ballots,
        tally=(
            (
                get_document(state, election, "tally").encode(),
                get_document(state, election, "sized").encode(),
            )
            if is_closed
            else None
        ),
        shares=[(owner, share) for _, owner, share in shares],
        result=get_document(state, election, "result").encode() if is_decided else None,
        head=box.head,
    )
