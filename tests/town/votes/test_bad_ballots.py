"""Every ballot that must not count: refused with its code by CheckTx, proposer, validators and a decided block alike.

`refused` asks all four, and that nothing of the election changed.
"""

from collections.abc import Callable
from dataclasses import replace as dataclass_replace
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

import msgspec
import pytest

from chain.town.engine import BlockInput, Verdict
from chain.town.envelope import build_anonymous
from chain.town.votes.verdicts import Verdicts
from chain.town.votes_schemas import BallotCast, BallotSpoil, RollFreeze
from chain.types.abci import CheckTxType, RequestCheckTx
from chain.votes import ballot as ballots
from chain.votes import formats
from chain.votes.ballot import make_ballot, sign_ballot, tracker
from chain.votes.election import make_election, read_election
from chain.votes.randomness import draw_scalar
from chain.votes.voter.revote import call_back, find_loose
from tests.town.town_kit import MemoryStateStore, key
from tests.town.votes.kit import (
    ONE_OF_THREE,
    REFERENDUM,
    SINGLE,
    UUID,
    YES_NO,
    Vote,
    as_proof,
    make_vote,
    open_vote,
)

CHOICE = [[0, 1, 0, 0]]


@cache
def opened(group: str) -> Vote:
    return open_vote(3, group=group)


@pytest.fixture(params=["BELENIOS-2048", "Ed25519"])
def vote(request: pytest.FixtureRequest) -> Vote:
    return opened(request.param).fork()


def of_election(store: MemoryStateStore) -> list[tuple[bytes, bytes]]:
    return list(store.scan("votes"))


def refused(vote: Vote, tx: bytes, code: str) -> None:
    """By CheckTx, PrepareProposal, ProcessProposal and FinalizeBlock, without a trace in the election."""
    town = vote.town
    before = of_election(town.store)
    answer = town.check(tx)
    assert answer.info == code, answer.log
    assert town.propose(tx) == ()
    assert not town.is_acceptable(tx)
    result = vote.run(tx)[0]
    assert result.info == code, result.log
    assert result.gas_used == 0
    assert of_election(town.store) == before


def resigned(vote: Vote, ballot: bytes, voter: int, **changes: Any) -> bytes:
    """The ballot with other fields, signed by a voter."""
    election, secret = vote.election, vote.voter_secrets[voter]
    changed = formats.replace(formats.decode(formats.Ballot, ballot), **changes)
    return sign_ballot(election, changed, secret, vote.draw)


def test_a_true_ballot_is_taken_by_all_four(vote: Vote) -> None:
    """Else everything below would pass for no reason."""
    tx = vote.cast_tx(vote.ballot(0, CHOICE))
    assert vote.town.check(tx).info == "ok"
    assert vote.town.propose(tx) == (tx,)
    assert vote.town.is_acceptable(tx)
    assert vote.run(tx)[0].info == "ok"


def test_an_unknown_credential(vote: Vote) -> None:
    secret = draw_scalar(vote.election.group, vote.draw)
    stranger = make_ballot(vote.election, secret, CHOICE, vote.draw)
    refused(vote, vote.cast_tx(stranger), "votes_credential_unknown")


def test_a_copied_ballot_although_its_thief_signs_it(vote: Vote) -> None:
    mine = vote.ballot(0, CHOICE)
    assert vote.run(vote.cast_tx(mine))[0].info == "ok"
    group = vote.election.group
    thief = group.encode(group.generator_power(vote.voter_secrets[1]))
    copy = resigned(vote, mine, 1, credential=thief)
    refused(vote, vote.cast_tx(copy), "votes_ballot_copied")


def test_a_ballot_copied_before_its_author_cast_it(vote: Vote) -> None:
    """The thief saw it on its way: no half ciphertext was seen yet, but the proofs name its author."""
    group = vote.election.group
    thief = group.encode(group.generator_power(vote.voter_secrets[1]))
    copy = resigned(vote, vote.ballot(0, CHOICE), 1, credential=thief)
    refused(vote, vote.cast_tx(copy), "votes_ballot_proof")


def test_half_a_ciphertext_taken_from_another_ballot_or_used_twice_in_one(vote: Vote) -> None:
    mine = vote.ballot(0, CHOICE)
    assert vote.run(vote.cast_tx(mine))[0].info == "ok"
    taken = formats.decode(formats.Ballot, mine).answers[0].choices[0].alpha
    other = vote.ballot(1, CHOICE)
    answer = formats.decode(formats.Ballot, other).answers[0]
    for alpha in (taken, answer.choices[1].alpha):
        first = formats.replace(answer.choices[0], alpha=alpha)
        bad = formats.replace(answer, choices=(first, *answer.choices[1:]))
        body = resigned(vote, other, 1, answers=(bad,))
        refused(vote, vote.cast_tx(body), "votes_ballot_copied")


def test_the_same_ballot_again_and_a_superseded_one_put_back(vote: Vote) -> None:
    """Taking it back would undo the revote, and belenios-tool would not see it."""
    first, second = vote.ballot(0, CHOICE), vote.ballot(0, [[0, 0, 1, 0]])
    assert vote.run(vote.cast_tx(first))[0].info == "ok"
    refused(vote, vote.cast_tx(first), "votes_ballot_seen")
    assert vote.run(vote.cast_tx(second))[0].info == "ok"
    refused(vote, vote.cast_tx(first), "votes_ballot_seen")
    refused(vote, vote.cast_tx(second), "votes_ballot_seen")
    assert vote.finish(1, 2) == ((0, 0, 1, 0),)


def test_the_same_ballot_twice_in_one_block(vote: Vote) -> None:
    tx = vote.cast_tx(vote.ballot(0, CHOICE))
    assert vote.town.propose(tx, tx) == (tx,)
    assert not vote.town.is_acceptable(tx, tx)
    assert [result.info for result in vote.run(tx, tx)] == ["ok", "votes_ballot_seen"]


def test_a_late_ballot(vote: Vote) -> None:
    """From the very second of closing, even in the block at whose end the box closes."""
    tx = vote.cast_tx(vote.ballot(0, CHOICE))
    vote.town.now_s = vote.record.calendar.voting_closes - 1
    assert vote.town.check(tx).info == "ok"
    vote.town.restart()
    vote.town.now_s += 1
    assert vote.town.check(tx).info == "votes_closed"
    assert vote.town.propose(tx) == ()
    assert not vote.town.is_acceptable(tx)
    assert vote.phase == "voting"
    assert vote.run(tx)[0].info == "votes_closed"
    assert vote.phase == "tally"
    vote.settle()
    refused(vote, tx, "votes_closed")
    assert vote.journal("votes.closed")["ballots"] == 0


def test_an_early_ballot() -> None:
    """The list is frozen, and the hour of voting a day away."""
    vote = make_vote()
    assert vote.publish().info == "ok"
    vote.hold_ceremony()
    vote.open_issuance()
    vote.fill_list(1)
    refused(vote, vote.cast_tx(vote.ballot(0, CHOICE)), "votes_not_open")


def test_a_spoiled_ballot_and_a_spoil_of_a_cast_one(vote: Vote) -> None:
    opened = vote.ballot(0, CHOICE)
    assert vote.send(vote.spoil_body(0, opened)).info == "ok"
    refused(vote, vote.cast_tx(opened), "votes_ballot_spoiled")
    refused(vote, vote.anonymous(vote.spoil_body(0, opened)), "votes_ballot_spoiled")
    cast = vote.ballot(0, CHOICE)
    assert vote.run(vote.cast_tx(cast))[0].info == "ok"
    refused(vote, vote.anonymous(vote.spoil_body(0, cast)), "votes_ballot_seen")


def test_a_voter_who_sees_anothers_ballot_on_its_way_does_not_stop_it_by_a_spoil(
    vote: Vote,
) -> None:
    """Every node and relay sees a ballot before a block holds it; a spoil is its signer's word on its own ballots."""
    on_its_way = vote.ballot(0, CHOICE)
    by_another, by_its_own = (vote.anonymous(vote.spoil_body(v, on_its_way)) for v in (1, 0))
    taken = vote.run(by_another, vote.cast_tx(on_its_way))
    assert [result.info for result in taken] == ["ok", "ok"]
    refused(vote, by_another, "votes_ballot_seen")
    opened = vote.ballot(2, CHOICE)
    spoils = [vote.anonymous(vote.spoil_body(v, opened)) for v in (1, 2)]
    both = vote.run(*spoils)
    assert [result.info for result in both] == ["ok", "ok"]
    assert both[0].events[0] != both[1].events[0]  # each is followed by a name of its own
    refused(vote, vote.cast_tx(opened), "votes_ballot_spoiled")
    refused(vote, by_its_own, "votes_ballot_seen")


@pytest.mark.parametrize("came_first", [False, True])
def test_a_ballot_held_back_does_not_undo_the_next_one(vote: Vote, came_first: bool) -> None:
    """A relay lets the first go after the second; the voter called it back before casting the second."""
    first, second = vote.ballot(0, CHOICE), vote.ballot(0, [[0, 0, 1, 0]])
    if came_first:
        assert vote.run(vote.cast_tx(first))[0].info == "ok"
        vote.town.now_s += 60
    election, secret = vote.election, vote.voter_secrets[0]
    (loose,) = find_loose([first], {tracker(second)})
    assert find_loose([first, second], {tracker(first), tracker(second)}) == ()
    back = call_back(election, secret, loose, vote.draw)
    spoil = BallotSpoil(UUID, back.credential, back.ballot_hash, as_proof(back.proof))
    assert vote.send(spoil).info == ("votes_ballot_seen" if came_first else "ok")
    assert vote.run(vote.cast_tx(second))[0].info == "ok"
    vote.town.now_s += 60
    refused(
        vote, vote.cast_tx(first), "votes_ballot_seen" if came_first else "votes_ballot_spoiled"
    )
    assert vote.finish(1, 2) == ((0, 0, 1, 0),)


def test_a_spoil_by_nobody_of_the_list_or_with_anothers_signature(vote: Vote) -> None:
    """Else anybody could spoil a ballot they saw on its way."""
    opened = vote.ballot(0, CHOICE)
    true = vote.spoil_body(0, opened)
    forged = msgspec.structs.replace(true, credential=vote.spoil_body(1, opened).credential)
    refused(vote, vote.anonymous(forged), "votes_spoil_invalid")
    other = msgspec.structs.replace(true, ballot=sha256(b"another").hexdigest())
    refused(vote, vote.anonymous(other), "votes_spoil_invalid")
    vote.voter_secrets.append(draw_scalar(vote.election.group, vote.draw))
    refused(vote, vote.anonymous(vote.spoil_body(3, opened)), "votes_credential_unknown")


@pytest.mark.parametrize("votes", [[[0, 1, 1, 0]], [[1, 1, 0, 0]], [[0, 0, 0, 0]], [[0, 2, 0, 0]]])
def test_an_over_vote_whatever_proof_its_author_tries(
    vote: Vote, votes: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = ballots.prove_disjunction

    def prove(election: Any, claim: Any, witness: Any, draw: Any) -> Any:
        index = min(max(witness.index, 0), len(claim.statements) - 1)
        return honest(election, claim, dataclass_replace(witness, index=index), draw)

    monkeypatch.setattr(ballots, "_check_vote", lambda *_: None)
    monkeypatch.setattr(ballots, "prove_disjunction", prove)
    refused(vote, vote.cast_tx(vote.ballot(0, votes)), "votes_ballot_proof")


def _spaced(body: bytes) -> bytes:
    return body.replace(b":", b": ", 1)


def _reordered(body: bytes) -> bytes:
    head, _, rest = body[1:].partition(b",")
    second, _, rest = rest.partition(b",")
    return b"{" + second + b"," + head + b"," + rest


def _cut(body: bytes) -> bytes:
    return body[:-40]


def _doubled(body: bytes) -> bytes:
    return b'{"election_uuid":"' + UUID.encode() + b'",' + body[1:]


@pytest.mark.parametrize("spoil", [_spaced, _reordered, _cut, _doubled])
def test_a_truncated_or_non_canonical_ballot(vote: Vote, spoil: Callable[[bytes], bytes]) -> None:
    refused(vote, vote.cast_tx(spoil(vote.ballot(0, CHOICE))), "votes_ballot_form")


def test_a_ballot_with_an_answer_too_many_or_too_few(vote: Vote) -> None:
    body = vote.ballot(0, CHOICE)
    answer = formats.decode(formats.Ballot, body).answers[0]
    short = formats.replace(answer, choices=answer.choices[:-1])
    for answers in ((), (short,)):
        bad = resigned(vote, body, 0, answers=answers)
        refused(vote, vote.cast_tx(bad), "votes_ballot_form")


def test_no_proof_is_looked_at_before_every_answer_has_its_form() -> None:
    """Else a true first answer before a broken second would buy its proofs again and again, and nobody would wait."""
    vote = open_vote(1, questions=(ONE_OF_THREE, YES_NO), contests=(SINGLE, REFERENDUM))
    body = vote.ballot(0, [[0, 1, 0, 0], [1, 0]])
    first, last = formats.decode(formats.Ballot, body).answers
    no_element = formats.replace(last.choices[0], alpha="no element")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ballots, "verify_disjunction", None)
        for broken in (
            formats.replace(last, choices=last.choices[:-1]),
            formats.replace(last, choices=(no_element, *last.choices[1:])),
        ):
            bad = resigned(vote, body, 0, answers=(first, broken))
            refused(vote, vote.cast_tx(bad), "votes_ballot_form")
    assert vote.run(vote.cast_tx(body))[0].info == "ok"


def test_a_ballot_for_another_election(vote: Vote) -> None:
    """Same identifier, other words; and another identifier in the envelope."""
    election = vote.election
    record = make_election(
        uuid=UUID,
        name="Autre",
        description="",
        questions=election.questions,
        group=election.group,
        public_key=election.public_key,
    )
    other = make_ballot(read_election(record), vote.voter_secrets[0], CHOICE, vote.draw)
    refused(vote, vote.cast_tx(other), "votes_ballot_election")
    text = vote.ballot(0, CHOICE).decode()
    elsewhere = vote.anonymous(BallotCast(UUID[::-1], text))
    refused(vote, elsewhere, "votes_unknown_election")
    foreign = build_anonymous(key("another town").kid, BallotCast(UUID, text))
    refused(vote, foreign, "tx_wrong_town")


def test_a_bad_signature(vote: Vote) -> None:
    body = vote.ballot(0, CHOICE)
    stolen = resigned(vote, body, 1)
    refused(vote, vote.cast_tx(stolen), "votes_ballot_signature")
    naked = formats.encode(
        formats.replace(formats.decode(formats.Ballot, body), signature=formats.UNSET)
    )
    refused(vote, vote.cast_tx(naked), "votes_ballot_signature")


def test_a_ballot_larger_than_any_of_the_election(vote: Vote) -> None:
    big = vote.ballot(0, CHOICE) + b" " * vote.record.ballot_max_bytes
    refused(vote, vote.cast_tx(big), "votes_ballot_too_large")


def test_every_true_ballot_fits_into_the_bound_on_its_size(vote: Vote) -> None:
    size_bytes = len(vote.ballot(0, CHOICE))
    bound = vote.record.ballot_max_bytes
    assert 0.9 * bound < size_bytes < bound


def test_ballots_a_minute_apart_and_twenty_in_all() -> None:
    vote = open_vote(2, params={"votes_ballot_interval_s": 60, "votes_ballots_max": 3})
    for number in range(3):
        assert vote.cast(0, CHOICE).info == "ok"
        tx = vote.cast_tx(vote.ballot(0, CHOICE))
        if number < 2:
            refused(vote, tx, "votes_ballot_quota")
            assert vote.cast(1, CHOICE).info == "ok"  # another voter's quota is another
            vote.town.advance(60)
            assert vote.town.check(tx).info == "ok"
    vote.town.advance(60)
    refused(vote, vote.cast_tx(vote.ballot(0, CHOICE)), "votes_ballot_quota")
    for _ in range(3):
        assert vote.send(vote.spoil_body(0, vote.ballot(0, CHOICE))).info == "ok"
    last = vote.anonymous(vote.spoil_body(0, vote.ballot(0, CHOICE)))
    refused(vote, last, "votes_ballot_quota")


def test_the_mempool_counts_what_waits() -> None:
    """Two ballots of one voter within a minute: the second waits for the first's minute."""
    vote = open_vote(1, params={"votes_ballot_interval_s": 60})
    assert vote.town.check(vote.cast_tx(vote.ballot(0, CHOICE))).info == "ok"
    assert vote.town.check(vote.cast_tx(vote.ballot(0, CHOICE))).info == "votes_ballot_quota"


def test_a_long_queue_does_not_let_its_voters_cast_again_with_every_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond the head of the queue ballots are not run again: their voters wait for their minute all the same."""
    monkeypatch.setattr("chain.town.application.TOWN_RECHECKED_WHOLE", 0)
    vote = open_vote(2, params={"votes_ballot_interval_s": 60})
    town, waiting = vote.town, vote.cast_tx(vote.ballot(0, CHOICE))
    assert town.check(waiting).info == "ok"
    assert vote.cast(1, CHOICE).info == "ok"  # a block comes that does not hold it
    again = RequestCheckTx(waiting, CheckTxType.RECHECK)
    assert town.app.check_tx(again).code == 0
    more = vote.cast_tx(vote.ballot(0, CHOICE))
    assert town.check(more).info == "votes_ballot_quota"
    assert town.check(waiting).info == "ok"  # the very same may come again
    assert vote.run(waiting)[0].info == "ok"
    town.advance(61)
    assert town.check(more).info == "ok"


def test_a_ballot_in_the_box_is_told_to_be_there_within_its_minute_and_when_it_was_the_last() -> (
    None
):
    """Whoever sends again after a lost answer must not read that their ballot was refused."""
    vote = open_vote(1, params={"votes_ballot_interval_s": 60, "votes_ballots_max": 1})
    cast = vote.cast_tx(vote.ballot(0, CHOICE))
    assert vote.run(cast)[0].info == "ok"
    refused(vote, cast, "votes_ballot_seen")
    refused(vote, vote.cast_tx(vote.ballot(0, CHOICE)), "votes_ballot_quota")
    vote.town.advance(61)
    refused(vote, cast, "votes_ballot_seen")


def test_what_waits_is_looked_at_again_after_a_block_without_judging_its_proofs(vote: Vote) -> None:
    """A replayed ballot leaves the mempool, one that may still come stays; neither costs a proof."""
    town = vote.town
    cast, waiting = (vote.cast_tx(vote.ballot(voter, CHOICE)) for voter in (0, 1))
    spoil = vote.anonymous(vote.spoil_body(2, vote.ballot(2, CHOICE)))
    for tx in (cast, waiting, spoil):
        assert town.check(tx).info == "ok"
    vote.run(cast)
    run = town.app._new_run(BlockInput(town.height + 1, town.now_s))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Verdicts, "judge_answers", None)
        assert run.count_again(cast).info == "votes_ballot_seen"
        assert run.count_again(waiting).code == run.count_again(spoil).code == 0
        assert run.count_again(waiting).gas_wanted == vote.record.ballot_gas_us
        late = BlockInput(town.height + 1, vote.record.calendar.voting_closes)
        over = town.app._new_run(late)
        assert over.count_again(waiting).info == over.count_again(spoil).info == "votes_closed"
    for kind, left in ((waiting, "ok"), (cast, "votes_ballot_seen")):
        assert town.app.check_tx(RequestCheckTx(kind, CheckTxType.RECHECK)).info == left


def test_a_signed_ballot_of_false_proofs_makes_its_credential_wait_at_this_node() -> None:
    """It cost the node all its proofs and will be in no block: no free second try before a minute is over."""
    vote = open_vote(2, params={"votes_ballot_interval_s": 60})

    def false_ballot() -> bytes:
        body = vote.ballot(0, CHOICE)
        answer = formats.decode(formats.Ballot, body).answers[0]
        bad = formats.replace(answer, overall_proof=answer.overall_proof[::-1])
        return vote.cast_tx(resigned(vote, body, 0, answers=(bad,)))

    assert vote.town.check(false_ballot()).info == "votes_ballot_proof"
    assert vote.town.check(false_ballot()).info == "votes_ballot_quota"
    true = vote.cast_tx(vote.ballot(0, CHOICE))
    assert vote.town.check(true).info == "votes_ballot_quota"
    assert vote.town.is_acceptable(true)  # a guard of the node, not a rule of the town
    assert vote.town.check(vote.cast_tx(vote.ballot(1, CHOICE))).info == "ok"
    vote.town.advance(61)
    assert vote.town.check(true).info == "ok"


def test_no_bytes_break_the_rules_of_anonymous_transactions() -> None:
    """Cut, flipped, doubled: a refusal with a code, never an exception, and never a ballot taken."""
    vote = opened("Ed25519").fork()
    true = vote.cast_tx(vote.ballot(0, CHOICE))
    spoil = vote.anonymous(vote.spoil_body(1, vote.ballot(1, CHOICE)))
    draw = Random("anonymous bytes")
    run = vote.town.app._new_run(BlockInput(vote.town.height + 1, vote.town.now_s))
    for number in range(600):
        raw = bytearray(draw.choice((true, spoil)))
        at = draw.randrange(8, len(raw))
        match number % 4:
            case 0:
                raw[at] ^= 1 << draw.randrange(7)
            case 1:
                del raw[at : at + draw.randrange(1, 80)]
            case 2:
                raw[at:at] = raw[at : at + draw.randrange(1, 80)]
            case _:
                raw[at : at + 1] = draw.choice(
                    (b"[", b"{", b'"', b"\\", b"0", b"-1", b"1e9", b"null")
                )
        if bytes(raw) in (true, spoil):
            continue
        ran = run.execute(bytes(raw))
        assert ran.verdict is Verdict.REFUSED, (ran.result.info, bytes(raw))
    assert run.execute(true).verdict is Verdict.ACCEPTED


def test_a_ballot_is_not_signed_for_an_account_and_nothing_else_is_anonymous(vote: Vote) -> None:
    frozen = build_anonymous(vote.town.town, RollFreeze(UUID, 0, 0))
    refused(vote, frozen, "tx_unknown_type")
    text = vote.ballot(0, CHOICE).decode()
    tx = vote.cast_tx(text)
    refused(vote, tx.replace(b'{"body":', b'{"body": ', 1), "tx_malformed")
    longer = tx.replace(b'"town"', b'"nonce":1,"town"', 1)
    refused(vote, longer, "tx_malformed")
