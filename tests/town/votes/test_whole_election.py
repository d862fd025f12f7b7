"""Whole elections on the town's application: published, sealed, voted, closed, decrypted, exported, verified by others.

`belenios-tool` judges those on BELENIOS-2048, our verifier those on both groups.
"""

import itertools
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from chain.town.context import Overlay
from chain.town.votes.assembly import AssemblyError, read_state
from chain.town.votes.records import BALLOTS, BODIES, get_box, place_id
from chain.town.votes_schemas import VoteStation
from chain.votes.archive import check_prefix, read_archive
from chain.votes.credentials import derive_secret, draw_code
from chain.votes.finite_field import BELENIOS_2048
from chain.votes.verifier import Stage, verify_archive
from tests.town.town_kit import key
from tests.town.votes.kit import (
    APPROVAL,
    ONE_OF_THREE,
    REFERENDUM,
    SINGLE,
    UP_TO_TWO,
    UUID,
    YES_NO,
    Vote,
    make_vote,
)
from tests.votes.kit import seeded
from tests.votes.test_belenios_tool import TOOL, put, tool

STATIONS = (VoteStation("1", "one", 1), VoteStation("2", "five", 5), VoteStation("2", "one", 1))
RESULT = ((1, 0, 1, 5), (1, 5, 6), (0, 6))
GROUPS = ("BELENIOS-2048", "Ed25519")
needs_tool = pytest.mark.skipif(TOOL is None, reason="belenios-tool is not installed")


@dataclass
class Held:
    """A finished election, and the archive at every stage."""

    vote: Vote
    result: tuple[tuple[int, ...], ...]
    copies: dict[str, bytes] = field(default_factory=dict)


def three_questions(group: str, ceremony: str = "threshold") -> Vote:
    """Published with three kinds of question and voters of two weights; its box is open for three of them."""
    vote = make_vote(
        group=group,
        questions=(ONE_OF_THREE, UP_TO_TWO, YES_NO),
        contests=(SINGLE, APPROVAL, REFERENDUM),
        stations=STATIONS,
        ceremony=ceremony,
        trustees_threshold=3 if ceremony == "single" else 2,
    )
    assert vote.publish().info == "ok"
    vote.open_box((0, 2, 1))
    return vote


@cache
def hold(group: str) -> Held:
    """A spoil, three voters of weights 1, 1 and 5, a revote; trustees 1 and 3 of three decrypt."""
    vote = three_questions(group)
    copies = {"setup": vote.archive()}
    opened = vote.ballot(0, [[0, 1, 0, 0], [1, 1, 0], [1, 0]])
    assert vote.send(vote.spoil_body(0, opened)).info == "ok"
    for voter, votes in (
        (0, [[0, 1, 0, 0], [1, 1, 0], [1, 0]]),
        (1, [[1, 0, 0, 0], [0, 0, 1], [0, 0]]),
        (2, [[0, 0, 0, 1], [0, 1, 1], [0, 1]]),
        (0, [[0, 0, 1, 0], [1, 0, 0], [0, 1]]),
    ):
        result = vote.cast(voter, votes)
        assert result.info == "ok", result.log
        copies["voting"] = vote.archive()
    vote.close()
    copies["closed"] = vote.archive()
    assert vote.decrypt(1).info == "ok"
    copies["decrypting"] = vote.archive()
    votes_counted = vote.finish(3)
    copies["finished"] = vote.archive()
    return Held(vote, votes_counted, copies)


@pytest.mark.parametrize("group", GROUPS)
def test_the_application_counts_what_was_voted(group: str) -> None:
    held = hold(group)
    assert held.result == RESULT
    closed = held.vote.journal("votes.closed")
    counts = [closed[name] for name in ("ballots", "voters", "revotes", "spoiled", "weight")]
    assert counts == [4, 3, 1, 1, 7]
    assert closed["stations"] == [["1", "one", 1], ["2", "five", 1], ["2", "one", 1]]
    assert held.vote.journal("votes.result")["blank"] == [1, -1, -1]


@pytest.mark.parametrize("group", GROUPS)
def test_the_archive_is_valid_at_every_stage_and_only_grows(group: str) -> None:
    copies = hold(group).copies
    stages = [verify_archive(copy) for copy in copies.values()]
    assert [verdict.flaw for verdict in stages] == [None] * 5
    assert [verdict.report.stage for verdict in stages if verdict.report] == [
        Stage.SETUP,
        Stage.VOTING,
        Stage.TALLIED,
        Stage.DECRYPTING,
        Stage.FINISHED,
    ]
    files = [read_archive(copy) for copy in copies.values()]
    for earlier, later in itertools.pairwise(files):
        assert check_prefix(earlier, later) is None
    report = verify_archive(copies["finished"]).report
    assert report is not None
    assert (report.result, report.decrypted_by) == (RESULT, (1, 3))


@pytest.mark.parametrize("group", GROUPS)
def test_a_node_without_blocks_writes_the_same_archive_from_its_records(group: str) -> None:
    held = hold(group)
    assert read_state(held.vote.town.reader, UUID) == held.copies["finished"]


@pytest.mark.parametrize("group", GROUPS)
def test_the_chain_names_the_last_event_of_the_archive(group: str) -> None:
    held = hold(group)
    box = get_box(held.vote.town.reader, UUID)
    records = read_archive(held.copies["finished"]).records
    assert records[-1].name == f"{box.head}.event.json"
    assert sum(record.is_event for record in records) == box.events


@needs_tool
def test_belenios_tool_accepts_every_stage(tmp_path: Path) -> None:
    copies = hold("BELENIOS-2048").copies
    for stage, copy in copies.items():
        tool("election", "verify", folder=put(tmp_path / stage, copy))
    for earlier, later in (("setup", "voting"), ("voting", "closed"), ("closed", "finished")):
        folders = ("--dir1", earlier, "--dir2", later)
        tool("election", "verify-diff", *folders, folder=tmp_path)


@needs_tool
def test_the_chain_takes_and_counts_a_ballot_made_by_belenios_tool(tmp_path: Path) -> None:
    """Mandatory trustees this time."""
    vote = make_vote(
        group="BELENIOS-2048", questions=(ONE_OF_THREE,), ceremony="single", trustees_threshold=3
    )
    assert vote.publish().info == "ok"
    vote.hold_ceremony()
    vote.open_issuance()
    code = draw_code(seeded("code"))
    vote.fill_list(0, secrets=(derive_secret(BELENIOS_2048, UUID, code),))
    vote.go_to(vote.body.calendar.voting_opens)
    folder = put(tmp_path, vote.archive())
    (folder / "code").write_text(code)
    (folder / "votes").write_text("[[0,0,1,0]]")
    made = tool(
        "election", "generate-ballot", "--privcred", "code", "--ballot", "votes", folder=folder
    ).strip()
    result = vote.run(vote.cast_tx(made))[0]
    assert result.info == "ok", result.log
    assert vote.finish(1, 2, 3) == ((0, 0, 1, 0),)
    tool("election", "verify", folder=put(folder, vote.archive()))


def test_an_election_that_nobody_voted_in_has_a_result_of_zeros() -> None:
    vote = three_questions("Ed25519")
    assert vote.finish(2, 3) == ((0, 0, 0, 0), (0, 0, 0), (0, 0))
    assert verify_archive(vote.archive()).flaw is None


def test_an_archive_from_which_a_ballot_was_left_out_is_not_written() -> None:
    vote = hold("Ed25519").vote
    town = vote.town
    layer = Overlay(town.reader)
    BODIES.delete(layer, place_id(UUID, 1))
    with pytest.raises(AssemblyError, match="purged"):
        read_state(layer, UUID)
    kept = [block for block in vote.blocks if not _casts(block.txs)]
    broken = Vote(town, vote.body, vote.draw, kept)
    with pytest.raises(AssemblyError, match="last event"):
        broken.archive()


def _casts(txs: tuple[bytes, ...]) -> bool:
    return any(b'"ballot.cast"' in tx for tx in txs)


def test_the_purge_leaves_hashes_and_result_only() -> None:
    vote = three_questions("Ed25519")
    assert vote.cast(0, [[1, 0, 0, 0], [1, 0, 0], [0, 0]]).info == "ok"
    vote.finish(1, 2)
    copy = vote.archive()
    assert vote.purge().info == "votes_wrong_phase"  # nobody holds the archive yet
    assert vote.file_archive(copy, events=3).info == "votes_archive_refused"
    assert vote.file_archive(copy).info == "ok"
    assert vote.file_archive(copy).info == "votes_archive_refused"
    assert vote.purge().info == "votes_appeals_open"
    vote.go_to(vote.record.calendar.appeals_close)
    assert (
        vote.town.do(vote.purge_body(), "body:commerces", key("agent_supervisor@commerces")).info
        == "tx_not_entitled"
    )
    assert vote.purge().info == "ok"
    vote.settle()
    assert vote.phase == "purged"
    assert vote.journal("votes.purged")["election"] == UUID
    state = vote.town.reader
    assert list(BODIES.scan(state)) == []
    assert len(list(BALLOTS.scan(state))) == 1
    with pytest.raises(AssemblyError, match="purged"):
        read_state(state, UUID)
    assert vote.archive() == copy
