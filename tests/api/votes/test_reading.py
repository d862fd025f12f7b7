"""What the read model says of an election held on the chain: pages, box, archive, result, and what it must not say."""

import json
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from app.core.database import write
from app.core.problems import Problem
from app.votes import board, results, service
from app.votes.models import BallotRow, ElectionRow, RequestRow, SignatureRow, StationRow
from app.votes.regulation import hash_regulation
from chain.town.votes.records import get_box
from chain.town.votes_schemas import ElectionArchive, ElectionPurge, VoteQuestion, VoteStation
from chain.votes.verifier import verify_archive
from tests.api.votes.votes_kit import (
    AGREE,
    MODES,
    PLACE,
    belongs,
    keep_draft,
    make_regulation,
    project,
)
from tests.town.town_kit import key
from tests.town.votes.kit import APPROVAL, REFERENDUM, SINGLE, UUID, Vote, make_vote

TOOL = shutil.which("belenios-tool")
ITEMS = (PLACE, MODES, AGREE)
REGULATION = make_regulation(UUID, *ITEMS)
STATIONS = (VoteStation("1", "one", 1), VoteStation("2", "five", 5), VoteStation("2", "one", 1))


def hold() -> Vote:
    """Three voters of weights 1, 1 and 5, a revote, a spoil; counted."""
    vote = make_vote(
        group="BELENIOS-2048",
        questions=tuple(VoteQuestion(**question) for question in belongs(ITEMS)),
        contests=(SINGLE, APPROVAL, REFERENDUM),
        stations=STATIONS,
        regulation=hash_regulation(REGULATION),
    )
    assert vote.publish().info == "ok"
    vote.open_box((0, 2, 1))
    spoiled = vote.ballot(0, [[0, 1, 0, 0], [1, 1, 0], [1, 0]])
    assert vote.send(vote.spoil_body(0, spoiled)).info == "ok"
    for voter, votes in (
        (0, [[0, 1, 0, 0], [1, 1, 0], [1, 0]]),
        (1, [[1, 0, 0, 0], [0, 0, 1], [0, 1]]),
        (2, [[0, 0, 0, 1], [0, 1, 1], [0, 1]]),
        (0, [[0, 0, 1, 0], [1, 0, 0], [0, 1]]),
    ):
        assert vote.cast(voter, votes).info == "ok"
    vote.finish(1, 3)
    return vote


@pytest.fixture(scope="module")
def once() -> Vote:
    """The election, held once for all tests that only read it."""
    return hold()


@pytest.fixture
def held(once: Vote, sql: str) -> Vote:
    """The election with its rows filled."""
    keep_draft(UUID, REGULATION)
    project(once)
    return once


def test_counts_and_phase_are_the_chain_s(held: Vote) -> None:
    page = service.describe_election(UUID)
    assert page["phase"] == "decided"
    counts = page["counts"]
    named = {name: counts[name] for name in ("ballots", "voters", "revotes", "spoiled", "weight")}
    assert named == {"ballots": 4, "voters": 3, "revotes": 1, "spoiled": 1, "weight": 7}
    assert counts["registrations"] == 3
    assert {place["body"]: place["step"] for place in page["trustees"]} == {
        "tru1": "share",
        "tru2": "verify",
        "tru3": "share",
    }
    assert [question["blank"] for question in page["questions"]] == [True, False, False]


def test_the_archive_built_here_ends_at_the_chain_s_head_and_every_verifier_accepts_it(
    held: Vote, tmp_path: Path
) -> None:
    content = board.build_archive(UUID)
    assert content == held.archive(), "what the chain's own assembler writes from blocks"
    verdict = verify_archive(content)
    assert verdict.flaw is None
    assert verdict.report is not None
    assert verdict.report.stage == "finished"
    if TOOL is None:
        pytest.skip("belenios-tool is not installed: judged by our verifier alone")
    (tmp_path / f"{UUID}.bel").write_bytes(content)
    ran = subprocess.run(
        [TOOL, "election", "verify"], cwd=tmp_path, capture_output=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr.decode()


def test_a_row_that_was_changed_makes_no_archive(held: Vote) -> None:
    with write():
        BallotRow.update(text=BallotRow.get(place=0).text).where(BallotRow.place == 1).execute()
    with pytest.raises(Problem) as refused:
        board.build_archive(UUID)
    assert refused.value.code.name == "votes_archive_missing"


def test_outcomes_follow_from_the_published_rulebook(held: Vote) -> None:
    place, modes, agree = results.build_result(UUID)["outcomes"]
    assert [(line["name"], line["votes"]) for line in place["lines"]] == [
        ("Parking/gare", 5),
        ("Square « arboré »", 1),
        ("Marché couvert", 0),
    ]
    assert place["blank"] == 1
    assert [line["name"] for line in modes["lines"] if line["is_taken"]] == ["Tram", "Bus"]
    assert agree["lines"][0]["is_taken"] is False


def test_votes_are_never_named_by_a_rulebook_of_another_order(held: Vote) -> None:
    """An agent can publish past the API: right hash of the regulation, choices in another order than it counts."""
    assert results.build_result(UUID)["outcomes"]
    row = ElectionRow.get_by_id(UUID)
    setup = json.loads(row.setup)
    setup["questions"][0]["answers"].reverse()
    with write():
        ElectionRow.update(setup=json.dumps(setup)).where(ElectionRow.election == UUID).execute()
    with pytest.raises(Problem) as refused:
        results.build_result(UUID)
    assert refused.value.code.name == "votes_regulation_differs"


def test_the_result_comes_as_csv_and_as_minutes_with_the_same_figures(held: Vote) -> None:
    result = results.build_result(UUID)
    lines = results.format_csv(result).decode("utf-8-sig").splitlines()
    assert lines[1].startswith("1,single,")
    assert "Parking/gare,5," in lines[1]
    assert len(lines) == 1 + 3 + 3 + 2
    for language in ("fr", "en"):
        minutes = results.format_minutes(result, language=language, at_s=1_790_000_000)
        assert minutes.startswith(b"%PDF")
        assert b"result.json" in minutes


def test_trackers_are_whole_lists_until_the_box_is_large(held: Vote) -> None:
    listed = board.list_trackers(UUID, "abcd")
    assert (listed["prefix_chars"], listed["prefix"]) == (0, "")
    assert len(listed["trackers"]) == 4
    assert listed["trackers"] == sorted(listed["trackers"], key=lambda line: line["tracker"])


def test_a_tracker_s_bucket_holds_a_hundred_or_is_widened(held: Vote) -> None:
    alphabet = "ABCD"
    other, row = "2" * 14, ElectionRow.get_by_id(UUID).__data__
    with write():
        for number in range(600):
            tracker = alphabet[number % 4] + sha256(str(number).encode()).hexdigest()[:42]
            BallotRow.insert(
                election=other, place=number, tracker=tracker, is_revote=False, height=1, text="x"
            ).execute()
        ElectionRow.insert(**(row | {"election": other})).execute()
    listed = board.list_trackers(other, "B000")
    assert (listed["prefix_chars"], listed["prefix"]) == (1, "B")
    assert len(listed["trackers"]) == 150
    assert all(line["tracker"].startswith("B") for line in listed["trackers"])


def test_pages_of_the_box_are_fixed_places(held: Vote) -> None:
    page = board.list_ballots(UUID, 0)
    assert (page["page"], page["pages"]) == (0, 1)
    assert [ballot["place"] for ballot in page["ballots"]] == [0, 1, 2, 3]
    trackers = {line["tracker"] for line in board.list_trackers(UUID, "")["trackers"]}
    assert {ballot["tracker"] for ballot in page["ballots"]} == trackers
    assert board.list_ballots(UUID, 1)["ballots"] == []


def test_small_stations_are_never_shown_alone(held: Vote) -> None:
    with write():
        StationRow.update(electors=30, requests=20).execute()
    (group,) = results.describe_turnout(UUID)
    assert group["stations"] == ["1", "2"]
    assert group["voters"] == 3
    with write():
        StationRow.update(electors=90, requests=60).execute()
    assert [group["stations"] for group in results.describe_turnout(UUID)] == [["1"], ["2"]]


def test_events_tell_the_story_in_both_languages(held: Vote) -> None:
    told = service.list_events(UUID)
    kinds = [event["kind"] for event in told if event["kind"] != "share"]
    assert kinds == [
        "created",
        "sealed",
        "issuance_opened",
        "issuance_closed",
        "freezing",
        "frozen",
        "voting_opened",
        "closed",
        "result",
    ]
    assert all(event["text_fr"] and event["text_en"] for event in told)


def test_no_table_joins_who_asked_to_what_was_cast(held: Vote) -> None:
    """Columns of the sign-off list and of the box share nothing but the election and the station."""
    asked = set(RequestRow._meta.fields) | set(SignatureRow._meta.fields)
    cast = set(BallotRow._meta.fields)
    assert asked & cast == {"election", "height"}


def test_the_purge_takes_identities_and_ballots_and_leaves_the_result(sql: str) -> None:
    keep_draft(UUID, REGULATION)
    vote = hold()
    vote.go_to(vote.body.calendar.appeals_close)
    archived = ElectionArchive(UUID, "a" * 64, 1_000, get_box(vote.town.reader, UUID).events)
    assert vote.do(archived, "body:dehors", key("auditor@dehors")).info == "ok"
    done = project(vote)
    with write():
        RequestRow.insert(
            election=UUID, cid="A" * 43, station="1", weight_class="one", at=1, height=1
        ).execute()
        SignatureRow.insert(election=UUID, cid="A" * 43, registrar=1, signature="x").execute()
    assert vote.do(ElectionPurge(UUID), "body:mairie", vote.agent()).info == "ok"
    vote.settle()
    project(vote, done)
    assert RequestRow.select().count() == SignatureRow.select().count() == 0
    assert {row.text for row in BallotRow.select()} == {""}
    assert ElectionRow.get_by_id(UUID).phase == "purged"
    assert results.build_result(UUID)["outcomes"]
    with pytest.raises(Problem):
        board.build_archive(UUID)
