"""Identity knows the open ballots: who is erased while one is open leaves a mark, and is on no roll of it again."""

from app.core.database import connected, write
from app.identity.models import BallotBlock, IdentityRow
from app.identity.tombstones import OpenBallot, list_open_ballots
from app.votes.models import ElectionRow
from app.votes.rolls import draw_up
from tests.api.conftest import Town
from tests.api.votes.votes_kit import project
from tests.town.town_kit import key
from tests.town.votes.kit import UUID, make_vote

ASKS_NOTHING = {"identity": 0, "residence": 0, "electoral": 0}
ADA, BOB = key("ada").kid, key("bob").kid


def test_a_ballot_is_open_from_its_rolls_to_its_closing(hall: Town) -> None:
    vote = make_vote()
    assert vote.publish().info == "ok"
    with connected():
        done = project(vote)
        assert list_open_ballots(vote.town.now_s) == ()
        vote.hold_ceremony()
        vote.open_issuance()
        done = project(vote, done)
        closes_s = vote.record.calendar.voting_closes
        assert list_open_ballots(vote.town.now_s) == (OpenBallot(UUID, closes_s),)
        vote.fill_list(1)
        vote.go_to(vote.record.calendar.voting_opens)
        done = project(vote, done)
        assert list_open_ballots(vote.town.now_s) == (OpenBallot(UUID, closes_s),)
        assert list_open_ballots(closes_s) == ()
        vote.close()
        project(vote, done)
        assert list_open_ballots(vote.town.now_s) == ()


def test_whoever_left_a_mark_in_a_ballot_is_not_on_its_roll(hall: Town) -> None:
    vote = make_vote()
    assert vote.publish().info == "ok"
    with connected():
        project(vote)
        with write():
            for cid in (ADA, BOB):
                _put_identity(cid)
        asked = {"stations": {}, "default": "1", "classes": {}, "policy": ASKS_NOTHING, "now_s": 1}
        assert [roll["electors"] for roll in draw_up(UUID, **asked)] == [2]
        until = ElectionRow.get().voting_closes
        with write():
            BallotBlock.insert(cid=BOB, ballot=UUID, until=until).execute()
        assert [roll["electors"] for roll in draw_up(UUID, **asked)] == [1]


def _put_identity(cid: str) -> None:
    IdentityRow.insert(
        cid=cid,
        account=cid,
        kid=cid,
        jwk="{}",
        payload_hash="0" * 64,
        commitment=cid,
        status="active",
        level_identity=3,
        level_residence=2,
        expires_month="2099-01",
        height=1,
    ).execute()
