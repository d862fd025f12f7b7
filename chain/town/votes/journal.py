"""What the end of a block says of an election in the journal, and what results of transactions say: one place each.

The projector takes facts from these and from the transactions themselves, never from a record that may have changed
since. All numbers are integers, all hashes lower-case hexadecimal, texts are Belenios' own.

Journal entries (`kind` and fields, `election` in all):

| kind | fields |
|---|---|
| votes.issuance_closed | requests, served, stations [[station, class, requests, served, [signers]], …] |
| votes.frozen | requests, served, registrations, credentials (hash of the list), events, head |
| votes.voting_opened | |
| votes.closed | ballots, voters, revotes, spoiled, weight, tally (text), sized (text), events, head, and
  stations [[station, class, voters], …] |
| votes.result | votes [[…], …], result (text), blank [… per question, -1 where not asked], events, head |
| votes.purged | |
| votes.not_opened | why (the phase it stood at when voting should have begun) |

Results of transactions (`data`):

| type | data |
|---|---|
| election.create, election.restart | election, phase |
| trustee.key, .cert, .commit, .reveal, .verify | election, trustee, step; the one that seals also
  phase "sealed", fingerprint, record (text), trustees (text) |
| election.open_issuance | election, phase, electors |
| registrar.keys | election, registrar, published (how many registrars have) |
| issue.request | election, station, weight_class, requests |
| issue.sign | election, registrar, signed, served (requests that now have enough) |
| cred.register | election, station, weight_class, weight, registrations |
| roll.freeze | election, phase, requests, served, registrations |
| ballot.cast | election, place (of all ballots, from 0), revote (bool), ballots, voters, events, head |
| ballot.spoil | election, spoiled |
| tally.share | election, trustee, place, phase, events, head |
| election.archive | election, body, phase |
| election.purge, election.cancel, election.postpone | election, phase |
| election.complaint | election, place |

`events` and `head` name the archive so far: how many events, and the SHA-256 of the last. Whoever assembles the
archive from blocks (`chain.town.votes.assembly`) ends at that very head, or has been lied to.
"""

from typing import Any

from chain.town.context import BlockContext
from chain.town.votes.records import BoxRecord, CountsRecord, StationRecord


def note_issuance_closed(
    ctx: BlockContext, election: str, counts: CountsRecord, stations: tuple[StationRecord, ...]
) -> None:
    """Signer sets are fixed."""
    ctx.note(
        "votes.issuance_closed",
        election=election,
        requests=counts.requests,
        served=counts.served,
        stations=[
            [s.station, s.weight_class, s.requests, s.served, list(s.signers)] for s in stations
        ],
    )


def note_frozen(
    ctx: BlockContext, election: str, counts: CountsRecord, credentials: str, box: BoxRecord
) -> None:
    """The list is sealed, and with it the archive's first event."""
    ctx.note(
        "votes.frozen",
        election=election,
        requests=counts.requests,
        served=counts.served,
        registrations=counts.registrations,
        credentials=credentials,
        events=box.events,
        head=box.head,
    )


def note_opened(ctx: BlockContext, election: str) -> None:
    """The ballot box takes ballots from the next block on."""
    ctx.note("votes.voting_opened", election=election)


def note_not_opened(ctx: BlockContext, election: str, why: str) -> None:
    """Voting should have begun, but the election stood elsewhere."""
    ctx.note("votes.not_opened", election=election, why=why)


def note_closed(
    ctx: BlockContext,
    election: str,
    box: BoxRecord,
    stations: tuple[StationRecord, ...],
    *,
    tally: str,
    sized: str,
) -> None:
    """The box is closed and its tally published."""
    ctx.note(
        "votes.closed",
        election=election,
        ballots=box.ballots,
        voters=box.voters,
        revotes=box.revotes,
        spoiled=box.spoiled,
        weight=box.weight,
        tally=tally,
        sized=sized,
        events=box.events,
        head=box.head,
        stations=[[s.station, s.weight_class, s.voters] for s in stations],
    )


def note_result(
    ctx: BlockContext,
    election: str,
    box: BoxRecord,
    *,
    votes: tuple[tuple[int, ...], ...],
    blank: tuple[int, ...],
    result: str,
) -> None:
    """The result, computed by the application."""
    ctx.note(
        "votes.result",
        election=election,
        votes=[list(row) for row in votes],
        blank=list(blank),
        result=result,
        events=box.events,
        head=box.head,
    )


def note_purged(ctx: BlockContext, election: str) -> None:
    """Requests and ballots are gone from the state."""
    ctx.note("votes.purged", election=election)


def archive_facts(box: BoxRecord) -> dict[str, Any]:
    """`events` and `head`, as results carry them."""
    return {"events": box.events, "head": box.head}
