"""Ballots: made on the voter's device, judged by everybody.

Source: Belenios specification 2.0, §4.8 to §4.12.
"""

from collections.abc import Sequence

from chain.codec.errors import DecodeError
from chain.votes import formats
from chain.votes.checks import Check, Flaw
from chain.votes.election import Cipher, Election, choices_count, fingerprint
from chain.votes.formats import UNSET, Answer, Ballot, Ciphertext, Proof, Question
from chain.votes.group import Element, NotMember, is_proper_member
from chain.votes.proofs import (
    Disjunction,
    Statement,
    Witness,
    prove_disjunction,
    prove_knowledge,
    verify_disjunction,
    verify_knowledge,
)
from chain.votes.randomness import RandomBytes, draw_scalar

Votes = Sequence[Sequence[int]]
"""0 or 1 per question and choice; with blank allowed the first says blank."""


class InvalidVote(ValueError):
    """The choices do not answer the questions; the message says which and why."""


# --- making ----------------------------------------------------------------------------------


def make_ballot(election: Election, secret: int, votes: Votes, draw: RandomBytes) -> bytes:
    """The ballot's canonical bytes; raises InvalidVote when the choices do not answer the questions."""
    credential = election.group.encode(election.g_power(secret))
    return sign_ballot(election, fill_ballot(election, credential, votes, draw), secret, draw)


def fill_ballot(election: Election, credential: str, votes: Votes, draw: RandomBytes) -> Ballot:
    """The ballot without its signature, wholly determined by what `draw` gives; raises InvalidVote."""
    if len(votes) != len(election.questions):
        raise InvalidVote(f"{len(votes)} answers to {len(election.questions)} questions")
    for number, (question, vote) in enumerate(zip(election.questions, votes, strict=True), 1):
        _check_vote(question, vote, number)
    zkp = proof_context(election, credential)
    return Ballot(
        election_uuid=election.uuid,
        election_hash=election.fingerprint,
        credential=credential,
        answers=tuple(
            _make_answer(election, zkp, question, vote, draw)
            for question, vote in zip(election.questions, votes, strict=True)
        ),
    )


def sign_ballot(election: Election, ballot: Ballot, secret: int, draw: RandomBytes) -> bytes:
    """Canonical bytes of a ballot signed by its credential's secret; an older signature is replaced."""
    digest = _signed_digest(ballot)
    proof = prove_knowledge(election.group, _signature_prefix(digest), secret, draw)
    signature = formats.Signature(hash=digest, proof=proof)
    return formats.encode(formats.replace(ballot, signature=signature))


def tracker(ballot: bytes) -> str:
    """What a voter looks for on the board: SHA-256 of the ballot, Base64 without padding."""
    return fingerprint(ballot)


def _check_vote(question: Question, vote: Sequence[int], number: int) -> None:
    if len(vote) != choices_count(question) or any(choice not in (0, 1) for choice in vote):
        raise InvalidVote(
            f"question {number}: {choices_count(question)} choices of 0 or 1 expected"
        )
    blank = question.blank is True and vote[0] == 1
    total = sum(vote[1:] if question.blank is True else vote)
    if blank and total:
        raise InvalidVote(f"question {number}: blank and something else")
    if not blank and not question.min <= total <= question.max:
        raise InvalidVote(
            f"question {number}: {total} choices, {question.min} to {question.max} expected"
        )


def _make_answer(
    election: Election, zkp: str, question: Question, vote: Sequence[int], draw: RandomBytes
) -> Answer:
    exponents = [draw_scalar(election.group, draw) for _ in vote]
    ciphers = [encrypt(election, choice, r) for choice, r in zip(vote, exponents, strict=True)]
    individual = tuple(
        prove_disjunction(election, _zero_or_one(election, zkp, cipher), Witness(m, (r, r)), draw)
        for cipher, m, r in zip(ciphers, vote, exponents, strict=True)
    )
    claims = _sum_claims(election, zkp, question, ciphers)
    witnesses = _sum_witnesses(question, vote, exponents)
    proofs = [
        prove_disjunction(election, claim, witness, draw)
        for claim, witness in zip(claims, witnesses, strict=True)
    ]
    return Answer(
        choices=tuple(_write(election, cipher) for cipher in ciphers),
        individual_proofs=individual,
        overall_proof=proofs[0],
        blank_proof=proofs[1] if len(proofs) > 1 else UNSET,
    )


def encrypt(election: Election, message: int, r: int) -> Cipher:
    """(g^r, y^r * g^message): Benaloh audits recompute it from a revealed r."""
    group = election.group
    masked = group.multiply(election.y_power(r), election.g_power(message))
    return Cipher(election.g_power(r), masked)


def _sum_witnesses(
    question: Question, vote: Sequence[int], exponents: Sequence[int]
) -> tuple[Witness, ...]:
    if question.blank is not True:
        disjuncts = question.max - question.min + 1
        return (Witness(sum(vote) - question.min, (sum(exponents),) * disjuncts),)
    r0, r_sum, total = exponents[0], sum(exponents[1:]), sum(vote[1:])
    overall = 0 if vote[0] else total - question.min + 1
    disjuncts = question.max - question.min + 1
    return (
        Witness(overall, (r0, *(r_sum,) * disjuncts)),
        Witness(vote[0], (r0, r_sum)),
    )


# --- judging ---------------------------------------------------------------------------------


def read_ballot(body: bytes) -> Ballot | Flaw:
    """The ballot, if it is in canonical form."""
    try:
        return formats.decode_exactly(Ballot, body)
    except DecodeError as error:
        return Flaw(Check.BALLOT_FORM, str(error))


def check_ballot(election: Election, ballot: Ballot) -> Flaw | None:
    """Everything about a ballot that the election alone decides; the list and the board are the caller's."""
    return check_signature(election, ballot) or check_answers(election, ballot)


def check_signature(election: Election, ballot: Ballot) -> Flaw | None:
    """The cheap half of `check_ballot`: for this election, and signed by its credential."""
    if ballot.election_uuid != election.uuid or ballot.election_hash != election.fingerprint:
        return Flaw(Check.BALLOT_ELECTION, "made for another election")
    if not _is_signed(election, ballot):
        return Flaw(Check.BALLOT_SIGNATURE, "the credential's signature does not verify")
    return None


def check_answers(election: Election, ballot: Ballot) -> Flaw | None:
    """The dear half of `check_ballot`: the form of every answer, then the proofs of all.

    No proof is looked at before every form is right: else true answers before a broken one would buy the work of all
    their proofs with a flaw that a reader takes for a cheap one.
    """
    if len(ballot.answers) != len(election.questions):
        return Flaw(Check.BALLOT_FORM, "another number of answers than questions")
    asked = tuple(zip(election.questions, ballot.answers, strict=True))
    read: list[tuple[Cipher, ...]] = []
    for number, (question, answer) in enumerate(asked, 1):
        ciphers = _read_answer(election, question, answer)
        if isinstance(ciphers, Flaw):
            return ciphers.at(f"question {number}")
        read.append(ciphers)
    zkp = proof_context(election, ballot.credential)
    for number, ((question, answer), ciphers) in enumerate(zip(asked, read, strict=True), 1):
        flaw = _check_proofs(election, zkp, question, answer, ciphers)
        if flaw is not None:
            return flaw.at(f"question {number}")
    return None


def judge_ballot(election: Election, body: bytes) -> Flaw | None:
    """`read_ballot` then `check_ballot`: the work of a verifier's process."""
    ballot = read_ballot(body)
    return ballot if isinstance(ballot, Flaw) else check_ballot(election, ballot)


def proof_context(election: Election, credential: str) -> str:
    """S_0: what every proof of a ballot hashes, so that none fits another voter or election."""
    return f"{election.fingerprint}|{credential}"


def read_choices(election: Election, answer: Answer) -> tuple[Cipher, ...]:
    """The ciphertexts of an answer; raises DecodeError when one is no text of an element."""
    group = election.group
    return tuple(Cipher(group.decode(c.alpha), group.decode(c.beta)) for c in answer.choices)


def _is_signed(election: Election, ballot: Ballot) -> bool:
    if ballot.signature is UNSET or ballot.signature.hash != _signed_digest(ballot):
        return False
    group = election.group
    try:
        credential = group.decode(ballot.credential)
    except DecodeError:
        return False
    if not is_proper_member(group, credential):
        return False
    prefix = _signature_prefix(ballot.signature.hash)
    return verify_knowledge(group, prefix, credential, ballot.signature.proof)


def _read_answer(
    election: Election, question: Question, answer: Answer
) -> tuple[Cipher, ...] | Flaw:
    """The ciphertexts of an answer that has the form of its question; costs next to nothing."""
    if not _has_shape(question, answer):
        return Flaw(Check.BALLOT_FORM, "another number of choices or proofs than the question asks")
    try:
        return read_choices(election, answer)
    except DecodeError as error:
        return Flaw(Check.BALLOT_FORM, str(error))


def _check_proofs(
    election: Election, zkp: str, question: Question, answer: Answer, ciphers: tuple[Cipher, ...]
) -> Flaw | None:
    for number, (cipher, proof) in enumerate(
        zip(ciphers, answer.individual_proofs, strict=True), 1
    ):
        flaw = _check_choice(election, zkp, cipher, proof)
        if flaw is not None:
            return flaw.at(f"choice {number}")
    claims = _sum_claims(election, zkp, question, ciphers)
    for claim, proofs in zip(claims, _sum_proofs(answer), strict=True):
        if not verify_disjunction(election, claim, proofs, election.group.powers):
            return Flaw(Check.BALLOT_PROOF, "the sum of the choices is not shown within bounds")
    return None


def _check_choice(
    election: Election, zkp: str, cipher: Cipher, proof: Sequence[Proof]
) -> Flaw | None:
    """A proper ciphertext of 0 or 1. Membership is found out on the way: that saves a tenth of the work."""
    group = election.group
    if cipher.alpha == group.identity:
        return Flaw(Check.BALLOT_MEMBER, "a vote in clear")
    try:
        claim = _zero_or_one(election, zkp, cipher)
        if verify_disjunction(election, claim, proof, group.member_powers):
            return None
    except NotMember:
        return Flaw(Check.BALLOT_MEMBER, "not a ciphertext of the group")
    return Flaw(Check.BALLOT_PROOF, "not shown to be 0 or 1")


def _has_shape(question: Question, answer: Answer) -> bool:
    count = choices_count(question)
    has_blank_proof = answer.blank_proof is not UNSET
    return (
        len(answer.choices) == count
        and len(answer.individual_proofs) == count
        and has_blank_proof == (question.blank is True)
    )


def _sum_proofs(answer: Answer) -> tuple[tuple[Proof, ...], ...]:
    if answer.blank_proof is UNSET:
        return (answer.overall_proof,)
    return (answer.overall_proof, answer.blank_proof)


# --- claims (the same for prover and verifier) -----------------------------------------------------


def _zero_or_one(election: Election, zkp: str, cipher: Cipher) -> Disjunction:
    return Disjunction(_interval_prefix(election, zkp, cipher), _one_of(cipher, 0, 1))


def _sum_claims(
    election: Election, zkp: str, question: Question, ciphers: Sequence[Cipher]
) -> tuple[Disjunction, ...]:
    """The overall claim, and with blank allowed the blank claim."""
    context = f"{zkp}|{_write_all(election, ciphers)}"
    if question.blank is not True:
        total = _product(election, ciphers)
        statements = _one_of(total, question.min, question.max)
        return (Disjunction(_interval_prefix(election, context, total), statements),)
    blank, total = ciphers[0], _product(election, ciphers[1:])
    in_bounds = _one_of(total, question.min, question.max)
    return (
        Disjunction(f"bproof1|{context}|", (Statement(blank, 1), *in_bounds)),
        Disjunction(f"bproof0|{context}|", (Statement(blank, 0), Statement(total, 0))),
    )


def _one_of(cipher: Cipher, first: int, last: int) -> tuple[Statement, ...]:
    """The ciphertext encrypts first, or … or last."""
    return tuple(Statement(cipher, message) for message in range(first, last + 1))


def _product(election: Election, ciphers: Sequence[Cipher]) -> Cipher:
    group = election.group
    alpha: Element = group.identity
    beta: Element = group.identity
    for cipher in ciphers:
        alpha, beta = group.multiply(alpha, cipher.alpha), group.multiply(beta, cipher.beta)
    return Cipher(alpha, beta)


def _interval_prefix(election: Election, zkp: str, cipher: Cipher) -> str:
    return f"prove|{zkp}|{_write_all(election, (cipher,))}|"


def _write_all(election: Election, ciphers: Sequence[Cipher]) -> str:
    encode = election.group.encode
    return ",".join(f"{encode(c.alpha)},{encode(c.beta)}" for c in ciphers)


def _write(election: Election, cipher: Cipher) -> Ciphertext:
    encode = election.group.encode
    return Ciphertext(alpha=encode(cipher.alpha), beta=encode(cipher.beta))


def _signed_digest(ballot: Ballot) -> str:
    return fingerprint(formats.encode(formats.replace(ballot, signature=UNSET)))


def _signature_prefix(digest: str) -> str:
    return f"sig|{digest}|"
