"""The public ballot box: trackers as whole lists or buckets, ballots by the page, the archive, key by key.

Nobody is asked who they are, and nobody may say: a voter who looks for their own ballot must look like everybody.
Reads: this domain's projected tables.
"""

import json
from typing import Any, Final

from app.core.codes import NOT_FOUND
from app.core.problems import Problem
from app.votes.codes import ARCHIVE_MISSING
from app.votes.models import (
    BallotRow,
    CredentialRow,
    DocumentRow,
    ElectionRow,
    KeyRow,
    ShareRow,
)
from chain.codec.errors import DecodeError
from chain.votes import formats
from chain.votes.archive import ArchiveWriter, write_archive
from chain.votes.credentials import Voter, encode_public_list
from chain.votes.election import read_election
from chain.votes.privacy import TRACKER_BUCKET_MIN, tracker_prefix_chars

PAGE: Final = 200
"""Ballots a page; more than a bucket, so that a page gives away no more than one."""
BEFORE_FREEZE: Final = frozenset({"ceremony", "sealed", "issuance", "registration", "freezing"})
assert PAGE >= TRACKER_BUCKET_MIN, "a page hides as many as a bucket"


def find_election(election: str) -> ElectionRow:
    """An election's row; raises Problem(not_found)."""
    found = ElectionRow.get_or_none(ElectionRow.election == election)
    if found is None:
        raise Problem(NOT_FOUND)
    return found  # type: ignore[no-any-return]


def list_trackers(election: str, prefix: str) -> dict[str, Any]:
    """Trackers, sorted, with the height of each: all of them, or those of a prefix no longer than the box allows."""
    find_election(election)
    rows = BallotRow.select(BallotRow.tracker, BallotRow.height).where(
        BallotRow.election == election
    )
    listed = sorted((row.tracker, row.height) for row in rows)
    chars = tracker_prefix_chars([tracker for tracker, _ in listed])
    kept = prefix[:chars]
    return {
        "prefix_chars": chars,
        "prefix": kept,
        "trackers": [
            {"tracker": tracker, "height": height}
            for tracker, height in listed
            if tracker.startswith(kept)
        ],
    }


def list_ballots(election: str, page: int) -> dict[str, Any]:
    """Ballots of a page of fixed places, in the order of the box."""
    row = find_election(election)
    mine = (BallotRow.election == election) & (BallotRow.place >= page * PAGE)
    rows = BallotRow.select().where(mine).order_by(BallotRow.place).limit(PAGE)
    return {
        "page": page,
        "pages": -(-row.ballots // PAGE),
        "ballots": [
            {
                "place": ballot.place,
                "tracker": ballot.tracker,
                "height": ballot.height,
                "ballot": ballot.text,
            }
            for ballot in rows
        ],
    }


def list_keys(election: str) -> list[dict[str, Any]]:
    """Registrars' keys, by station, class and registrar."""
    find_election(election)
    rows = KeyRow.select().where(KeyRow.election == election)
    ordered = rows.order_by(KeyRow.station, KeyRow.weight_class, KeyRow.registrar)
    return [
        {
            "station": row.station,
            "weight_class": row.weight_class,
            "registrar": row.registrar,
            "n": row.n,
        }
        for row in ordered
    ]


def find_document(election: str, name: str) -> str:
    """A record of Belenios; empty when it does not exist yet."""
    found = DocumentRow.get_or_none((DocumentRow.election == election) & (DocumentRow.name == name))
    return found.text if found is not None else ""


# --- the archive -------------------------------------------------------------------------------


def build_archive(election: str) -> bytes:
    """The `.bel` file as far as the election went; raises Problem when it cannot end at the chain's own head.

    The one free value, the time in file headers, is the hour of voting as first published: everybody writes the same
    bytes (as `chain.town.votes.assembly` does from blocks).
    """
    row = find_election(election)
    if row.phase in BEFORE_FREEZE or not row.head:
        raise Problem(ARCHIVE_MISSING)
    writer = ArchiveWriter(json.loads(row.setup)["calendar"]["voting_opens"])
    record = find_document(election, "election").encode()
    writer.add_setup(
        record, find_document(election, "trustees").encode(), _list_credentials(election, record)
    )
    for ballot in (
        BallotRow.select().where(BallotRow.election == election).order_by(BallotRow.place)
    ):
        if not ballot.text:
            raise Problem(ARCHIVE_MISSING)
        writer.add_ballot(ballot.text.encode())
    _add_counting(writer, election)
    archive = writer.build()
    if archive.records[-1].name[:64] != row.head:
        raise Problem(ARCHIVE_MISSING, "what is kept here does not end at the chain's head")
    return write_archive(archive)


def _add_counting(writer: ArchiveWriter, election: str) -> None:
    tally = find_document(election, "tally")
    if not tally:
        return
    writer.add_end_of_ballots()
    try:
        sized = formats.decode(formats.SizedTally, find_document(election, "sized").encode())
        writer.add_encrypted_tally(tally.encode(), sized)
        rows = ShareRow.select().where(ShareRow.election == election).order_by(ShareRow.place)
        for share in rows:
            decryption = formats.decode(formats.PartialDecryption, share.text.encode())
            writer.add_decryption(share.trustee, decryption)
    except DecodeError as error:
        raise Problem(ARCHIVE_MISSING, str(error)) from error
    result = find_document(election, "result")
    if result:
        writer.add_result(result.encode())


def _list_credentials(election: str, record: bytes) -> bytes:
    """The public list as Belenios sorts and writes it."""
    group = read_election(record).group
    rows = CredentialRow.select().where(CredentialRow.election == election)
    return encode_public_list(
        group, (Voter(group.decode(row.credential), row.weight) for row in rows)
    )
