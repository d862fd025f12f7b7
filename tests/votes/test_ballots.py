"""Ballots: every answer allowed is accepted, nothing else, and a ballot says nothing it should not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.votes import formats
from chain.votes.ballot import (
    InvalidVote,
    encrypt,
    judge_ballot,
    make_ballot,
    read_choices,
    sign_ballot,
    tracker,
)
from chain.votes.checks import Check
from chain.votes.edwards import ED25519
from chain.votes.election import Election
from chain.votes.formats import Ballot, Question
from chain.votes.tally import add_ballot, empty_tally, remove_ballot
from tests.votes.kit import Booth, open_booth, seeded


def allowed(question: Question) -> st.SearchStrategy[list[int]]:
    """Every way of answering a question."""
    answers = len(question.answers)

    def place(chosen: list[int]) -> list[int]:
        marks = [int(index in chosen) for index in range(answers)]
        return [0, *marks] if question.blank is True else marks

    marks = st.lists(
        st.integers(0, answers - 1), min_size=question.min, max_size=question.max, unique=True
    ).map(place)
    return marks | st.just([1] + [0] * answers) if question.blank is True else marks


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Any question of up to four answers."""
    answers = draw(st.integers(1, 4))
    least = draw(st.integers(0, answers))
    most = draw(st.integers(least, answers))
    blank = draw(st.sampled_from([formats.UNSET, True, False]))
    texts = tuple(f"réponse {number}" for number in range(answers))
    return Question(answers=texts, blank=blank, min=least, max=most, question="?")


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_allowed_answer_is_accepted_and_counted(data: st.DataObject) -> None:
    asked = data.draw(st.lists(questions(), min_size=1, max_size=2))
    booth = open_booth(ED25519, asked, voters=2, trustees=1)
    votes = [[data.draw(allowed(question)) for question in asked] for _ in range(2)]
    for voter, choices in enumerate(votes):
        assert judge_ballot(booth.election, booth.cast(voter, choices)) is None
    result = formats.decode(formats.Result, booth.steps()[-1].bodies[0]).result
    assert [list(row) for row in result] == [
        [a + b for a, b in zip(first, second, strict=True)]
        for first, second in zip(votes[0], votes[1], strict=True)
    ]


@pytest.mark.parametrize(
    "votes",
    [
        [],
        [[0, 1, 0, 0], [1, 0, 0]],
        [[0, 1, 0], [1, 0, 0], [1, 0]],
        [[0, 1, 1, 0], [1, 0, 0], [1, 0]],
        [[1, 1, 0, 0], [1, 0, 0], [1, 0]],
        [[0, 0, 0, 0], [1, 0, 0], [1, 0]],
        [[0, 2, 0, 0], [1, 0, 0], [1, 0]],
        [[0, 1, 0, 0], [1, 0, 0], [-1, 1]],
    ],
)
def test_the_client_refuses_choices_that_do_not_answer(
    booth: Booth, votes: list[list[int]]
) -> None:
    with pytest.raises(InvalidVote):
        booth.ballot(0, votes)


def test_a_signature_by_another_credential_is_refused(booth: Booth) -> None:
    ballot = formats.decode(Ballot, booth.ballots[0])
    forged = sign_ballot(booth.election, ballot, booth.voter_secrets[1], booth.draw)
    flaw = judge_ballot(booth.election, forged)
    assert flaw is not None
    assert flaw.check is Check.BALLOT_SIGNATURE


def test_other_answers_under_an_old_signature_are_refused(booth: Booth) -> None:
    """Answers can be proved for anybody's credential, it is public: only the signature is the voter's."""
    cast = formats.decode(Ballot, booth.ballots[0])
    other = formats.decode(Ballot, booth.ballot(0, [[1, 0, 0, 0], [0, 0, 1], [0, 1]]))
    forged = formats.encode(formats.replace(other, signature=cast.signature))
    flaw = judge_ballot(booth.election, forged)
    assert flaw is not None
    assert flaw.check is Check.BALLOT_SIGNATURE


def test_an_unsigned_ballot_is_refused(booth: Booth) -> None:
    ballot = formats.decode(Ballot, booth.ballots[0])
    unsigned = formats.encode(formats.replace(ballot, signature=formats.UNSET))
    flaw = judge_ballot(booth.election, unsigned)
    assert flaw is not None
    assert flaw.check is Check.BALLOT_SIGNATURE


def resigned(booth: Booth, **answer: object) -> bytes:
    """Voter 0's first ballot with its first answer changed, signed by voter 0 again."""
    ballot = formats.decode(Ballot, booth.ballots[0])
    changed = formats.replace(ballot.answers[0], **answer)
    ballot = formats.replace(ballot, answers=(changed, *ballot.answers[1:]))
    return sign_ballot(booth.election, ballot, booth.voter_secrets[0], booth.draw)


def check_of(booth: Booth, body: bytes) -> Check | None:
    flaw = judge_ballot(booth.election, body)
    return flaw.check if flaw else None


def test_missing_or_extra_parts_of_an_answer_are_refused(booth: Booth) -> None:
    answer = formats.decode(Ballot, booth.ballots[0]).answers[0]
    assert answer.blank_proof is not formats.UNSET
    for change in (
        {"choices": answer.choices[:-1]},
        {"choices": (*answer.choices, answer.choices[0])},
        {"individual_proofs": answer.individual_proofs[:-1]},
        {"blank_proof": formats.UNSET},
    ):
        assert check_of(booth, resigned(booth, **change)) is Check.BALLOT_FORM
    for change in (
        {"overall_proof": answer.overall_proof[:-1]},
        {"overall_proof": (*answer.overall_proof, answer.overall_proof[0])},
        {"blank_proof": answer.blank_proof[:1]},
        {"blank_proof": answer.blank_proof[::-1]},
        {"individual_proofs": answer.individual_proofs[::-1]},
        {"choices": answer.choices[::-1]},
    ):
        assert check_of(booth, resigned(booth, **change)) is Check.BALLOT_PROOF


def test_a_blank_proof_where_blank_is_not_allowed_is_refused(booth: Booth) -> None:
    ballot = formats.decode(Ballot, booth.ballots[0])
    extra = formats.replace(ballot.answers[1], blank_proof=ballot.answers[0].blank_proof)
    ballot = formats.replace(ballot, answers=(ballot.answers[0], extra, ballot.answers[2]))
    body = sign_ballot(booth.election, ballot, booth.voter_secrets[0], booth.draw)
    assert check_of(booth, body) is Check.BALLOT_FORM


def test_proof_scalars_beyond_the_order_or_badly_spelled_are_refused(booth: Booth) -> None:
    """Adding q leaves every equation true: only the range check sees it."""
    answer = formats.decode(Ballot, booth.ballots[0]).answers[0]
    proof = answer.overall_proof[0]
    for text in (str(int(proof.response) + booth.group.order), f"0{proof.response}", "-1", ""):
        bad = (formats.replace(proof, response=text), *answer.overall_proof[1:])
        assert check_of(booth, resigned(booth, overall_proof=bad)) is Check.BALLOT_PROOF


def test_ciphertexts_outside_the_group_or_in_clear_are_refused(booth: Booth) -> None:
    choices = formats.decode(Ballot, booth.ballots[0]).answers[0].choices
    one = booth.group.encode(booth.group.identity)
    outside = "2" if booth.group.name != "Ed25519" else "02".rjust(64, "0")
    for change in ({"alpha": one}, {"alpha": outside}, {"beta": outside}):
        bad = (formats.replace(choices[0], **change), *choices[1:])
        assert check_of(booth, resigned(booth, choices=bad)) is Check.BALLOT_MEMBER


def test_the_same_votes_never_make_the_same_ciphertexts(booth: Booth) -> None:
    votes = [[0, 1, 0, 0], [1, 0, 0], [1, 0]]
    alphas = {
        choice.alpha
        for _ in range(3)
        for answer in formats.decode(Ballot, booth.ballot(0, votes)).answers
        for choice in answer.choices
    }
    assert len(alphas) == 3 * 9


def test_an_audit_recomputes_a_ciphertext_from_its_revealed_exponent(booth: Booth) -> None:
    cipher = encrypt(booth.election, 1, 987654321)
    assert cipher == encrypt(booth.election, 1, 987654321)
    assert cipher != encrypt(booth.election, 0, 987654321)


def test_a_revote_replaces_the_first_in_the_running_tally(booth: Booth) -> None:
    """Removing the old and adding the new is counting the new alone."""
    election: Election = booth.election
    first, second = (formats.decode(Ballot, booth.ballots[i]).answers for i in (0, 3))
    tally = add_ballot(election, empty_tally(election), first, 5)
    tally = add_ballot(election, remove_ballot(election, tally, first, 5), second, 5)
    assert tally == add_ballot(election, empty_tally(election), second, 5)


def test_a_tracker_is_the_base64_of_the_ballots_hash(booth: Booth) -> None:
    assert len(tracker(booth.ballots[0])) == 43
    assert tracker(booth.ballots[0]) != tracker(booth.ballots[3])


def test_a_ballot_depends_on_chance_alone_beyond_its_votes(booth: Booth) -> None:
    votes = [[0, 1, 0, 0], [1, 0, 0], [1, 0]]
    made = [
        make_ballot(booth.election, booth.voter_secrets[0], votes, seeded(seed))
        for seed in ("a", "a", "b")
    ]
    assert made[0] == made[1] != made[2]


def test_choices_are_read_back_as_written(booth: Booth) -> None:
    answer = formats.decode(Ballot, booth.ballots[0]).answers[1]
    ciphers = read_choices(booth.election, answer)
    assert [booth.group.encode(cipher.beta) for cipher in ciphers] == [
        choice.beta for choice in answer.choices
    ]
    assert replace(ciphers[0]) == ciphers[0]
