"""Zero-knowledge proofs: one disjunction for everything a ballot shows, Schnorr, equality of logarithms.

Every proof is (challenge, response) with commitments g^response * X^challenge, and the challenge is a hash of
those commitments under a prefix that names the election and the credential: copied elsewhere it fails.
Source: Belenios specification 2.0, §4.4 (pok), §4.6, §4.9 to §4.13; glondu/belenios tag 2.0,
src/lib/v1/question_h.ml.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from chain.codec.errors import DecodeError
from chain.votes.election import Cipher, Election, read_scalar
from chain.votes.formats import Proof
from chain.votes.group import Element, Group, Powers, hash_to_scalar
from chain.votes.randomness import RandomBytes, draw_scalar


@dataclass(frozen=True, slots=True)
class Statement:
    """The claim that a ciphertext encrypts `message`: alpha = g^r and beta = y^r * g^message for some r."""

    cipher: Cipher
    message: int


@dataclass(frozen=True, slots=True)
class Disjunction:
    """The claim that one of the statements is true."""

    prefix: str
    """Hashed before the commitments."""
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Witness:
    """What the prover of a disjunction knows."""

    index: int
    """Which statement is true."""
    exponents: tuple[int, ...]
    """r of every statement's alpha: fake proofs are cheaper with it."""


def prove_disjunction(
    election: Election, claim: Disjunction, witness: Witness, draw: RandomBytes
) -> tuple[Proof, ...]:
    """A proof per statement: the true one earned, the others chosen backwards."""
    group, q = election.group, election.group.order
    w = draw_scalar(group, draw)
    scalars: list[tuple[int, int]] = []
    commitments: list[Element] = []
    for index, (statement, r) in enumerate(zip(claim.statements, witness.exponents, strict=True)):
        if index == witness.index:
            scalars.append((0, 0))
            commitments += (election.g_power(w), election.y_power(w))
            continue
        challenge, response = draw_scalar(group, draw), draw_scalar(group, draw)
        scalars.append((challenge, response))
        beta_power = group.power(statement.cipher.beta, challenge)
        commitments.append(election.g_power((response + r * challenge) % q))
        commitments.append(_commit_beta(election, statement, challenge, response, beta_power))
    spent = sum(challenge for challenge, _ in scalars)
    challenge = (hash_to_scalar(group, claim.prefix, commitments) - spent) % q
    response = (w - witness.exponents[witness.index] * challenge) % q
    scalars[witness.index] = (challenge, response)
    return tuple(_write(challenge, response) for challenge, response in scalars)


def verify_disjunction(
    election: Election, claim: Disjunction, proofs: Sequence[Proof], powers: Powers
) -> bool:
    """True when the challenges add up to the hash.

    `powers` is the group's `powers` when all ciphertexts are known to be of members, else `member_powers`,
    whose NotMember then passes through.
    """
    group = election.group
    scalars = [_read(group, proof) for proof in proofs]
    if len(proofs) != len(claim.statements) or None in scalars:
        return False
    read = [pair for pair in scalars if pair is not None]
    challenges = [challenge for challenge, _ in read]
    raised = _raise_ciphers(claim, challenges, powers)
    commitments: list[Element] = []
    for statement, (challenge, response), (alpha_power, beta_power) in zip(
        claim.statements, read, raised, strict=True
    ):
        commitments.append(group.multiply(election.g_power(response), alpha_power))
        commitments.append(_commit_beta(election, statement, challenge, response, beta_power))
    return sum(challenges) % group.order == hash_to_scalar(group, claim.prefix, commitments)


def _commit_beta(
    election: Election, statement: Statement, challenge: int, response: int, beta_power: Element
) -> Element:
    """B = y^response * (beta / g^message)^challenge, from beta^challenge."""
    group = election.group
    commitment = group.multiply(election.y_power(response), beta_power)
    if statement.message:
        shift = -statement.message * challenge % group.order
        commitment = group.multiply(commitment, election.g_power(shift))
    return commitment


def _raise_ciphers(
    claim: Disjunction, challenges: Sequence[int], powers: Powers
) -> list[tuple[Element, Element]]:
    """(alpha^challenge, beta^challenge) of every statement, all of one ciphertext at once."""
    raised: list[tuple[Element, Element]] = []
    position = 0
    for cipher, statements in groupby(claim.statements, key=lambda statement: statement.cipher):
        mine = challenges[position : position + len(list(statements))]
        position += len(mine)
        raised += zip(powers(cipher.alpha, mine), powers(cipher.beta, mine), strict=True)
    return raised


def prove_knowledge(group: Group, prefix: str, secret: int, draw: RandomBytes) -> Proof:
    """Schnorr: knowledge of the logarithm of g^secret."""
    w = draw_scalar(group, draw)
    challenge = hash_to_scalar(group, prefix, [group.generator_power(w)])
    return _write(challenge, (w - secret * challenge) % group.order)


def verify_knowledge(group: Group, prefix: str, public: Element, proof: Proof) -> bool:
    """True for a proof made with the logarithm of `public`, a group member."""
    scalars = _read(group, proof)
    if scalars is None:
        return False
    challenge, response = scalars
    commitment = group.multiply(group.generator_power(response), group.power(public, challenge))
    return challenge == hash_to_scalar(group, prefix, [commitment])


def prove_equality(
    group: Group, prefix: str, base: Element, secret: int, draw: RandomBytes
) -> Proof:
    """Chaum-Pedersen: g^secret and base^secret have the same logarithm."""
    w = draw_scalar(group, draw)
    commitments = [group.generator_power(w), group.power(base, w)]
    challenge = hash_to_scalar(group, prefix, commitments)
    return _write(challenge, (w - secret * challenge) % group.order)


def verify_equality(
    group: Group, prefix: str, bases: Iterable[Element], images: Iterable[Element], proof: Proof
) -> bool:
    """True when every image is its base to one common power; all are group members."""
    scalars = _read(group, proof)
    if scalars is None:
        return False
    challenge, response = scalars
    commitments = [
        group.multiply(group.power(base, response), group.power(image, challenge))
        for base, image in zip(bases, images, strict=True)
    ]
    return challenge == hash_to_scalar(group, prefix, commitments)


def _read(group: Group, proof: Proof) -> tuple[int, int] | None:
    """(challenge, response), None unless both are scalars in their one spelling."""
    try:
        return read_scalar(group, proof.challenge), read_scalar(group, proof.response)
    except DecodeError:
        return None


def _write(challenge: int, response: int) -> Proof:
    return Proof(challenge=str(int(challenge)), response=str(int(response)))
