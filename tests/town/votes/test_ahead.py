"""Ballots judged ahead by somebody else of the node: the same answers, and nothing judged twice."""

from collections.abc import Callable, Sequence
from functools import cache

import pytest

from chain.town import engine
from chain.town.votes import ahead, ballots, verdicts
from chain.town.votes.verdicts import Verdicts
from chain.votes import formats
from chain.votes.ballot import sign_ballot
from chain.votes.judging import BallotTask, find
from tests.town.town_kit import key
from tests.town.votes.kit import Vote, open_vote

CHOICE = [[0, 1, 0, 0]]


@cache
def opened(group: str) -> Vote:
    return open_vote(3, group=group)


@pytest.fixture(params=["BELENIOS-2048", "Ed25519"])
def vote(request: pytest.FixtureRequest) -> Vote:
    return opened(request.param).fork()


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    """A node that remembers no ballot yet."""
    fresh = Verdicts()
    monkeypatch.setattr(ballots, "VERDICTS", fresh)
    return fresh


def true_ballot(vote: Vote) -> bytes:
    return vote.cast_tx(vote.ballot(0, CHOICE))


def false_ballot(vote: Vote) -> bytes:
    """Signed as it should be, its overall proof turned round."""
    body = formats.decode(formats.Ballot, vote.ballot(0, CHOICE))
    answer = body.answers[0]
    bad = formats.replace(answer, overall_proof=answer.overall_proof[::-1])
    changed = formats.replace(body, answers=(bad,))
    return vote.cast_tx(sign_ballot(vote.election, changed, vote.voter_secrets[0], vote.draw))


def unsigned_ballot(vote: Vote) -> bytes:
    """With the signature of another ballot."""
    body, other = (formats.decode(formats.Ballot, vote.ballot(0, CHOICE)) for _ in range(2))
    return vote.cast_tx(formats.encode(formats.replace(body, signature=other.signature)))


def judge(vote: Vote, tasks: Sequence[BallotTask]) -> None:
    for task in tasks:
        vote.town.app.learn_finding(task, find(task.record, task.ballot))


def forbid_judging(patch: pytest.MonkeyPatch) -> None:
    def judged(*_: object) -> None:
        raise AssertionError("judged on the node's thread")

    patch.setattr(verdicts, "check_signature", judged)
    patch.setattr(verdicts, "check_answers", judged)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (true_ballot, "ok"),
        (false_ballot, "votes_ballot_proof"),
        (unsigned_ballot, "votes_ballot_signature"),
    ],
)
def test_a_finding_made_elsewhere_gives_the_answers_the_rules_would_find(
    vote: Vote, monkeypatch: pytest.MonkeyPatch, make: Callable[[Vote], bytes], code: str
) -> None:
    """CheckTx, ProcessProposal and FinalizeBlock: code, text and state, with nothing judged here."""
    tx = make(vote)
    alone = vote.fork()
    expected = alone.town.check(tx), alone.town.is_acceptable(tx), alone.run(tx)[0]
    monkeypatch.setattr(ballots, "VERDICTS", Verdicts())
    task = vote.town.app.ballot_of(tx)
    assert task is not None
    judge(vote, [task])
    forbid_judging(monkeypatch)
    assert (vote.town.check(tx), vote.town.is_acceptable(tx), vote.run(tx)[0]) == expected
    assert expected[0].info == code
    assert vote.town.app_hash == alone.town.app_hash


def test_a_task_holds_what_the_verdict_depends_on_and_nothing_else(vote: Vote) -> None:
    body = vote.ballot(0, CHOICE)
    task = vote.town.app.ballot_of(vote.cast_tx(body))
    assert task is not None
    assert task.ballot == body
    assert task.key == (vote.record.fingerprint, ballots.sha256(body).digest())
    assert task.gas_us == vote.record.ballot_gas_us
    assert vote.election.fingerprint == formats.decode(formats.Ballot, body).election_hash
    assert find(task.record, task.ballot).answers is None


def test_what_the_rules_refuse_without_a_proof_is_no_work_for_judges(
    vote: Vote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever knows a credential of the public list could keep the judges busy."""
    forbid_judging(monkeypatch)
    stranger = vote.draw(32)
    secret = int.from_bytes(stranger, "big") % vote.election.group.order
    body = formats.decode(formats.Ballot, vote.ballot(0, CHOICE))
    credential = vote.election.group.encode(vote.election.g_power(secret))
    unknown = formats.encode(formats.replace(body, credential=credential))
    app = vote.town.app
    assert app.ballot_of(vote.cast_tx(unknown)) is None
    assert app.ballot_of(vote.cast_tx("{}")) is None
    assert app.ballot_of(vote.anonymous(vote.spoil_body(0, b"any"))) is None
    assert app.ballot_of(vote.town.open_tx(key("shopper"))) is None
    assert app.ballot_of(b"junk") is None
    good = true_ballot(vote)
    assert app.ballot_of(good) is not None
    vote.go_to(vote.record.calendar.voting_closes)
    assert app.ballot_of(good) is None


def test_whether_a_ballot_is_its_credentials_own_is_known_without_its_proofs(
    vote: Vote, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(*_: object) -> None:
        raise AssertionError("proofs were looked at")

    monkeypatch.setattr(verdicts, "check_answers", judged)
    for make, signed in ((true_ballot, True), (false_ballot, True), (unsigned_ballot, False)):
        task = vote.town.app.ballot_of(make(vote))
        assert task is not None
        assert vote.town.app.is_signed(task) is signed


def test_a_ballot_in_the_box_and_a_judged_one_are_no_work(vote: Vote) -> None:
    tx, other = true_ballot(vote), vote.cast_tx(vote.ballot(1, CHOICE))
    assert vote.town.check(tx).info == "ok"
    assert vote.town.app.ballot_of(tx) is None
    vote.run(tx)
    assert vote.town.app.ballot_of(tx) is None
    task = vote.town.app.ballot_of(other)
    assert task is not None
    judge(vote, [task])
    assert vote.town.app.ballot_of(other) is None


def test_a_credential_that_waits_at_this_node_gives_the_judges_nothing() -> None:
    vote = open_vote(2, params={"votes_ballot_interval_s": 60})
    assert vote.town.check(false_ballot(vote)).info == "votes_ballot_proof"
    assert vote.town.app.ballot_of(true_ballot(vote)) is None


def test_a_rule_that_breaks_on_a_ballot_gives_no_work_and_stops_nobody(
    vote: Vote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Poison is the engine's to handle, which is asked next; a store that fails is not."""

    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    def fails(*_: object) -> None:
        raise engine.StateUnavailable

    tx = true_ballot(vote)
    monkeypatch.setattr(ballots, "find_task", breaks)
    assert vote.town.app.ballot_of(tx) is None
    monkeypatch.setattr(ballots, "find_task", fails)
    with pytest.raises(engine.StateUnavailable):
        vote.town.app.ballot_of(tx)


def test_a_block_has_its_unseen_ballots_judged_together_before_it_is_executed(
    vote: Vote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ProcessProposal, and by FinalizeBlock of a block that nobody proposed here."""
    asked: list[int] = []

    def together(tasks: Sequence[BallotTask]) -> None:
        asked.append(len(tasks))
        judge(vote, tasks)

    txs = [vote.cast_tx(vote.ballot(voter, CHOICE)) for voter in range(3)]
    assert vote.town.check(txs[0]).info == "ok"
    forbid_judging(monkeypatch)
    vote.town.app.judge_together = together
    synced = vote.fork()
    synced.town.app.judge_together = together
    assert vote.town.is_acceptable(*txs)
    assert asked == [2]
    assert [result.info for result in vote.run(*txs)] == ["ok"] * 3
    assert asked == [2], "executed once"
    monkeypatch.setattr(ballots, "VERDICTS", Verdicts())
    assert [result.info for result in synced.run(*txs)] == ["ok"] * 3
    assert asked == [2, 3]
    assert synced.town.app_hash == vote.town.app_hash


def test_no_more_of_a_block_is_judged_than_a_block_may_hold(vote: Vote) -> None:
    """A liar's block may hold an hour of ballots; the first that is refused anyway ends it too."""
    state, town, now_s = vote.town.reader, vote.town.town, vote.town.now_s
    txs = [vote.cast_tx(vote.ballot(voter, CHOICE)) for voter in range(3)]
    gas_us = vote.record.ballot_gas_us
    for room, count in ((3 * gas_us, 3), (3 * gas_us - 1, 2), (gas_us - 1, 0)):
        assert len(ahead.ballot_tasks(state, town, txs, now_s, room)) == count
    cut = [txs[0], vote.cast_tx("{}"), txs[1]]
    assert len(ahead.ballot_tasks(state, town, cut, now_s, 10 * gas_us)) == 1
