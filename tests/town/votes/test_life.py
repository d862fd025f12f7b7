"""An election among the town's other affairs: postponed, cancelled, held acts, moved to another chain, restored."""

import json
from dataclasses import replace as dataclass_replace
from typing import Any

import pytest
from msgspec.structs import replace

from chain.town import city
from chain.town.application import StoreReader, TownApplication
from chain.town.identity.elections import OPEN_ELECTIONS
from chain.town.migration import LastBlock, export_state
from chain.town.schemas import ActParamSet, ActRoleRevoke
from chain.town.snapshot import view_state
from chain.town.snapshot_chunks import dump_chunks, load_chunks
from chain.town.votes.assembly import read_state
from chain.town.votes.records import TALLIES, get_box
from chain.town.votes_schemas import (
    ElectionCancel,
    ElectionComplaint,
    ElectionPostpone,
    TallyShare,
    VoteCalendar,
)
from chain.types.abci import ExecTxResult, RequestInitChain
from chain.types.params import ConsensusParams
from chain.types.timestamp import Timestamp
from chain.votes.verifier import verify_archive
from tests.town.town_kit import DAY_S, MemoryStateStore, Town, key
from tests.town.votes.kit import (
    BODIES,
    CITY_HALL,
    COMMISSION,
    NO_PROOF,
    UUID,
    Vote,
    lenient_router,
    make_vote,
    open_vote,
)

CHOICE = [[0, 1, 0, 0]]
REASON = key("reason").kid
COUNCIL = BODIES[:8]
"""More than two thirds of eleven seats."""


def by_council(vote: Vote, body: Any, seats: tuple[str, ...] = COUNCIL) -> ExecTxResult:
    return vote.do(body, "council", *[vote.town.seat(seat) for seat in seats])


def later(calendar: VoteCalendar, days: int, *dates: str) -> VoteCalendar:
    return replace(calendar, **{date: getattr(calendar, date) + days * DAY_S for date in dates})


def issuing() -> Vote:
    vote = make_vote()
    assert vote.publish().info == "ok"
    vote.hold_ceremony()
    vote.open_issuance()
    return vote


# --- rolls, and what the town holds --------------------------------------------------------------


def test_issuance_opens_with_the_commission_of_another_body_only() -> None:
    vote = make_vote()
    assert vote.publish().info == "ok"
    assert vote.fix_rolls().info == "votes_wrong_phase"
    vote.hold_ceremony()
    assert vote.fix_rolls().info == "votes_keys_missing"
    vote.open_issuance()
    assert vote.fix_rolls().info == "votes_wrong_phase"
    again = make_vote()
    assert again.publish().info == "ok"
    again.hold_ceremony()
    assert again.fix_rolls(signers=(again.agent(),)).info == "tx_missing_signature"
    assert again.fix_rolls(rolls=()).info == "tx_body_invalid"


@pytest.mark.parametrize(
    ("electors", "code"),
    [(49, "votes_station_too_small"), (100_001, "votes_stations_refused"), (50, "ok")],
)
def test_a_roll_hides_its_voters_and_is_no_larger_than_the_town_can_count(
    electors: int, code: str
) -> None:
    vote = make_vote({"votes_station_min_electors": 50})
    assert vote.publish().info == "ok"
    vote.hold_ceremony()
    vote.publish_keys()
    assert vote.fix_rolls(electors).info == code


def test_identity_knows_the_election_from_issuance_to_the_closing_and_council_acts_wait() -> None:
    vote = issuing()
    known = OPEN_ELECTIONS.get(vote.town.reader, UUID.encode())
    calendar = vote.record.calendar
    assert known is not None
    assert (known.opens_s, known.closes_s) == (calendar.voting_opens, calendar.voting_closes)
    act = ActParamSet("due_max_per_block", 300)
    revoke = ActRoleRevoke(key("clerk@mairie").kid)
    assert vote.run(vote.town.council_tx(act, seats=COUNCIL))[0].info == "ok"
    assert vote.run(vote.town.council_tx(revoke, seats=COUNCIL))[0].info == "ok"
    vote.run()
    assert vote.town.status()["params"]["due_max_per_block"] == 200
    vote.fill_list(1)
    vote.go_to(calendar.voting_opens)
    vote.close()
    assert OPEN_ELECTIONS.get(vote.town.reader, UUID.encode()) is None
    assert list(city.HOLDS.scan(vote.town.reader)) == []
    vote.town.advance(3_600)
    vote.settle()
    assert vote.town.status()["params"]["due_max_per_block"] == 300


# --- block time ----------------------------------------------------------------------------------


def test_a_list_that_nobody_closed_is_closed_at_the_hour_of_voting() -> None:
    vote = issuing()
    vote.go_to(vote.body.calendar.issuance_closes)
    assert vote.register().info == "ok"
    vote.go_to(vote.body.calendar.voting_opens)
    assert vote.phase == "voting"
    assert vote.cast(0, CHOICE).info == "ok"
    assert vote.finish(1, 2) == ((0, 1, 0, 0),)


def test_a_chain_that_stood_still_over_the_whole_vote_closes_an_empty_box() -> None:
    vote = issuing()
    vote.go_to(vote.body.calendar.issuance_closes)
    assert vote.register().info == "ok"
    vote.go_to(vote.body.calendar.voting_closes + 5)
    assert vote.phase == "tally"
    assert vote.journal("votes.closed")["ballots"] == 0
    assert vote.decrypt(1).info == "ok"
    assert vote.decrypt(3).info == "ok"
    vote.settle()
    assert vote.journal("votes.result")["votes"] == [[0, 0, 0, 0]]


def test_an_election_without_its_trustees_never_opens_and_says_so() -> None:
    vote = make_vote()
    assert vote.publish().info == "ok"
    vote.go_to(vote.body.calendar.voting_closes)
    assert vote.phase == "ceremony"
    assert vote.journal("votes.not_opened")["why"] == "ceremony"


# --- the council ---------------------------------------------------------------------------------


def test_the_council_postpones_what_is_still_to_come_and_nothing_else() -> None:
    vote = open_vote(1)
    calendar = vote.record.calendar
    assert vote.cast(0, CHOICE).info == "ok"
    longer = later(calendar, 1, "voting_closes", "appeals_close")
    for body, code in (
        (ElectionPostpone(UUID, calendar, REASON), "votes_calendar_refused"),
        (
            ElectionPostpone(UUID, later(calendar, -1, "voting_closes"), REASON),
            "votes_calendar_refused",
        ),
        (
            ElectionPostpone(UUID, later(calendar, 1, "voting_opens"), REASON),
            "votes_calendar_refused",
        ),
        (
            ElectionPostpone(UUID, later(calendar, 2, "voting_closes"), REASON),
            "votes_calendar_refused",
        ),
        (
            ElectionPostpone(UUID, later(calendar, 999, "appeals_close"), REASON),
            "votes_calendar_refused",
        ),
    ):
        assert by_council(vote, body).info == code
    an_hour_early = replace(calendar, voting_closes=calendar.voting_closes - 3_600)
    early = by_council(vote, ElectionPostpone(UUID, an_hour_early, REASON))
    assert early.info == "votes_calendar_refused"
    assert (
        by_council(vote, ElectionPostpone(UUID, longer, REASON), COUNCIL[:7]).info
        == "city_no_quorum"
    )
    assert by_council(vote, ElectionPostpone(UUID, longer, REASON)).info == "ok"
    vote.go_to(calendar.voting_closes + 10)
    assert vote.phase == "voting"
    known = OPEN_ELECTIONS.get(vote.town.reader, UUID.encode())
    assert known is not None
    assert known.closes_s == longer.voting_closes
    assert vote.cast(0, [[0, 0, 1, 0]]).info == "ok"
    assert vote.finish(1, 3) == ((0, 0, 1, 0),)
    assert by_council(vote, ElectionPostpone(UUID, longer, REASON)).info == "votes_wrong_phase"


def test_a_vote_prolonged_in_the_block_that_opens_it_opens_all_the_same() -> None:
    """What falls due in a block is done after its transactions: they must not take it out of the queue."""
    vote = issuing()
    vote.fill_list(1)
    calendar = vote.record.calendar
    vote.town.now_s = calendar.voting_opens
    longer = later(calendar, 1, "voting_closes", "appeals_close")
    assert by_council(vote, ElectionPostpone(UUID, longer, REASON)).info == "ok"
    assert vote.phase == "voting"
    assert vote.cast(0, CHOICE).info == "ok"
    vote.go_to(calendar.voting_closes)
    assert vote.phase == "voting"
    vote.go_to(longer.voting_closes)
    assert vote.phase == "tally"


def test_an_election_whose_ceremony_ran_late_may_move_all_its_dates() -> None:
    vote = make_vote()
    assert vote.publish().info == "ok"
    calendar = vote.body.calendar
    vote.go_to(calendar.voting_opens)
    fresh = later(calendar, 30, *calendar.__struct_fields__)
    assert by_council(vote, ElectionPostpone(UUID, fresh, REASON)).info == "ok"
    vote.body = replace(vote.body, calendar=fresh)
    vote.open_box(1)
    assert vote.phase == "voting"


@pytest.mark.parametrize("date", ["voting_opens", "voting_closes"])
def test_a_chain_that_stood_still_over_registration_still_ends_its_vote(date: str) -> None:
    """Issuance ends and the hour of voting comes at one block end, perhaps that of closing too; nothing stays open."""
    vote = make_vote()
    assert vote.publish().info == "ok"
    vote.hold_ceremony()
    vote.open_issuance()
    vote.go_to(getattr(vote.body.calendar, date))
    if date == "voting_opens":
        assert vote.phase == "voting"
        vote.go_to(vote.body.calendar.voting_closes)
    assert vote.phase == "tally"
    assert OPEN_ELECTIONS.get(vote.town.reader, UUID.encode()) is None
    assert list(city.HOLDS.scan(vote.town.reader)) == []


@pytest.mark.parametrize("begun", [False, True])
def test_a_cancelled_vote_stays_closed_and_lets_the_town_go_on(begun: bool) -> None:
    vote = open_vote(1) if begun else make_vote()
    if not begun:
        assert vote.publish().info == "ok"
    else:
        assert vote.cast(0, CHOICE).info == "ok"
    assert by_council(vote, ElectionCancel(UUID, REASON)).info == "ok"
    assert vote.phase == "cancelled"
    assert OPEN_ELECTIONS.get(vote.town.reader, UUID.encode()) is None
    assert list(city.HOLDS.scan(vote.town.reader)) == []
    if begun:
        assert vote.cast(0, CHOICE).info == "votes_wrong_phase"
        assert vote.as_trustee(1, TallyShare(UUID, 1, "{}", NO_PROOF)).info == "votes_wrong_phase"
    vote.go_to(vote.body.calendar.appeals_close)
    assert vote.phase == "cancelled"
    assert by_council(vote, ElectionCancel(UUID, REASON)).info == "votes_wrong_phase"
    assert vote.purge().info == "ok"
    vote.settle()
    assert vote.phase == "purged"


def test_a_complaint_is_noted_once_and_counted() -> None:
    vote = make_vote()
    assert vote.publish().info == "ok"
    sender = (COMMISSION, key("electoral_commission@dehors"))
    complaint = ElectionComplaint(UUID, REASON)
    assert vote.town.result_data(vote.do(complaint, *sender))["place"] == 1
    assert vote.do(complaint, *sender).info == "votes_complaint_known"
    other = ElectionComplaint(UUID, key("other").kid)
    assert vote.town.result_data(vote.do(other, *sender))["place"] == 2
    assert vote.do(other, CITY_HALL, vote.agent()).info == "tx_wrong_role"


# --- another chain, another node -----------------------------------------------------------------


def moved(vote: Vote) -> Vote:
    """The same election on the town's next chain."""
    town = vote.town
    last = LastBlock(
        town.genesis.chain_id,
        town.height,
        town.block_hash(town.height),
        town.app_hash,
        Timestamp(town.now_s),
    )
    migration = export_state(view_state(town.store, town.height), last, "beffroi-test-2")
    genesis = RequestInitChain(
        Timestamp(town.now_s),
        "beffroi-test-2",
        ConsensusParams(),
        migration.validators,
        json.dumps(migration.app_state).encode(),
        town.height + 1,
    )
    new = Town(genesis, router=lenient_router())
    assert new.town == town.town
    gone_on = dataclass_replace(vote, town=new)
    gone_on.run()
    return gone_on


def test_an_election_in_progress_goes_on_after_the_town_moved_to_another_chain() -> None:
    """At its box and at its tally: nothing is cast twice, the last ballot counts, the archive is one."""
    vote = open_vote(3)
    first = vote.ballot(0, CHOICE)
    assert vote.run(vote.cast_tx(first))[0].info == "ok"
    opened = vote.ballot(2, CHOICE)
    assert vote.send(vote.spoil_body(2, opened)).info == "ok"
    before = vote.archive()
    vote = moved(vote)
    assert vote.phase == "voting"
    assert vote.run(vote.cast_tx(first))[0].info == "votes_ballot_seen"
    assert vote.run(vote.cast_tx(opened))[0].info == "votes_ballot_spoiled"
    assert vote.cast(0, [[0, 0, 1, 0]]).info == "ok"
    assert vote.cast(1, [[1, 0, 0, 0]]).info == "ok"
    vote.close()
    assert vote.decrypt(3).info == "ok"
    vote = moved(vote)
    assert vote.decrypt(3).info == "votes_share_repeated"
    assert vote.decrypt(2).info == "ok"
    vote.settle()
    assert vote.journal("votes.result")["votes"] == [[1, 0, 1, 0]]
    archive = vote.archive()
    assert archive[: len(before)] == before
    assert archive == read_state(vote.town.reader, UUID)
    assert verify_archive(archive).flaw is None


def test_issuance_goes_on_after_the_move_and_the_council_still_waits() -> None:
    vote = moved(issuing())
    assert vote.phase == "issuance"
    assert OPEN_ELECTIONS.get(vote.town.reader, UUID.encode()) is not None
    vote.fill_list(1)
    vote.go_to(vote.body.calendar.voting_opens)
    assert vote.cast(0, CHOICE).info == "ok"


def test_a_node_restored_from_a_snapshot_counts_on_from_where_the_box_stood() -> None:
    vote = open_vote(2)
    assert vote.cast(0, CHOICE).info == "ok"
    other = vote.fork()
    names = other.town.store.namespaces()
    time_ns = int(other.town.store.load_meta("time_ns") or b"0")
    dump = dump_chunks(StoreReader(other.town.store), names, other.town.height, time_ns)
    store = MemoryStateStore()
    store.restore(load_chunks(dump.manifest, dump.chunks))
    other.town.store = store
    other.town.app = TownApplication(store, other.town.clock, lenient_router())
    ballot = vote.cast_tx(vote.ballot(0, [[1, 0, 0, 0]]))
    assert vote.run(ballot)[0] == other.run(ballot)[0]
    assert vote.town.app_hash == other.town.app_hash
    assert get_box(other.town.reader, UUID).revotes == 1
    tally = TALLIES.get(other.town.reader, UUID.encode())
    assert tally == TALLIES.get(vote.town.reader, UUID.encode())
