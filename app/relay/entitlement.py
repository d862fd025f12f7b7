"""Whether a stranger could have made it: judged at the door, so that the shelf is for those who may vote.

A registration carries the signatures of its station's signer set, a ballot or spoil that of a credential on the sealed
list: the one thing in each that a stranger cannot make. The proofs of a ballot, the dear part, are left to the chain,
which judges the rest again too.
Reads: what it is given.  Writes: nothing.
Source: research/voting.md §7.2 (the signatures are what keeps junk out).
"""

from dataclasses import dataclass
from hashlib import sha256

from app.core.problems import Problem
from chain.codec.canonical import b64url_decode
from chain.codec.errors import DecodeError
from chain.crypto.blind_rsa import RANDOMIZED_PSS, SignerPublicKey, verify
from chain.town.votes_schemas import BallotCast, BallotSpoil, CredRegister
from chain.types.codes import (
    VOTES_BALLOT_ELECTION,
    VOTES_BALLOT_FORM,
    VOTES_BALLOT_SIGNATURE,
    VOTES_CREDENTIAL_INVALID,
    VOTES_CREDENTIAL_UNKNOWN,
    VOTES_SIGNERS_WRONG,
    VOTES_SPOIL_INVALID,
    VOTES_TOKEN_INVALID,
)
from chain.votes.ballot import check_signature, read_ballot
from chain.votes.checks import Check, Flaw
from chain.votes.election import Election
from chain.votes.formats import Proof
from chain.votes.group import Group, is_proper_member
from chain.votes.messages import knows_secret, registration_prefix, spoil_prefix, token_message


@dataclass(frozen=True, slots=True)
class Station:
    """Who issues at a station and weight class, once issuance is over."""

    group: Group
    signers: tuple[int, ...]
    """Ranks of the registrars whose signatures a credential shows, in order."""
    keys: tuple[SignerPublicKey, ...]
    """Of the signers, in the same order."""


@dataclass(frozen=True, slots=True)
class Box:
    """An election whose list of credentials is sealed."""

    election: Election
    credentials: frozenset[bytes]
    """`name_credential` of each on the list."""


def name_credential(text: str) -> bytes:
    """A short name of a credential as the list writes it."""
    return sha256(text.encode()).digest()[:16]


def name_registration(body: CredRegister) -> str:
    """One name for all the registrations of a credential: its owner can write as many as there are proofs."""
    return sha256(f"{body.election}|{body.credential}".encode()).hexdigest()


def check_registration(body: CredRegister, station: Station) -> None:
    """Raise Problem, with the chain's own code, unless the station's signers signed for a secret the sender knows."""
    if tuple(entry.registrar for entry in body.signatures) != station.signers:
        raise Problem(VOTES_SIGNERS_WRONG)
    where = (body.election, body.station, body.weight_class, body.credential)
    message = token_message(*where)
    for entry, key in zip(body.signatures, station.keys, strict=True):
        prepared = b64url_decode(entry.prefix) + message
        if not verify(key, RANDOMIZED_PSS, prepared, b64url_decode(entry.signature)):
            raise Problem(VOTES_TOKEN_INVALID)
    try:
        credential = station.group.decode(body.credential)
    except DecodeError as error:
        raise Problem(VOTES_CREDENTIAL_INVALID) from error
    proof = Proof(challenge=body.proof.challenge, response=body.proof.response)
    if not is_proper_member(station.group, credential) or not knows_secret(
        station.group, registration_prefix(*where), credential, proof
    ):
        raise Problem(VOTES_CREDENTIAL_INVALID)


def check_voter(body: BallotCast | BallotSpoil, box: Box) -> bytes:
    """The name of the credential that signed; raise Problem, with the chain's own code, unless it is on the list."""
    return _check_cast(body, box) if isinstance(body, BallotCast) else _check_spoil(body, box)


def _check_cast(body: BallotCast, box: Box) -> bytes:
    ballot = read_ballot(body.ballot.encode())
    if isinstance(ballot, Flaw):
        raise Problem(VOTES_BALLOT_FORM)
    name = _find_listed(ballot.credential, box)
    flaw = check_signature(box.election, ballot)
    if flaw is not None:
        is_foreign = flaw.check is Check.BALLOT_ELECTION
        raise Problem(VOTES_BALLOT_ELECTION if is_foreign else VOTES_BALLOT_SIGNATURE)
    return name


def _check_spoil(body: BallotSpoil, box: Box) -> bytes:
    name = _find_listed(body.credential, box)
    group = box.election.group
    proof = Proof(challenge=body.proof.challenge, response=body.proof.response)
    prefix = spoil_prefix(body.election, body.ballot)
    if not knows_secret(group, prefix, group.decode(body.credential), proof):
        raise Problem(VOTES_SPOIL_INVALID)
    return name


def _find_listed(text: str, box: Box) -> bytes:
    """What is on the list is a group member in its one spelling."""
    name = name_credential(text)
    if name not in box.credentials:
        raise Problem(VOTES_CREDENTIAL_UNKNOWN)
    return name
