"""Whether a registration was issued at all: judged at the door, because it may wait on the shelf for days.

A registration carries the signatures of its station's signer set: the one thing a stranger cannot make. The chain
judges the same again with everything else. A ballot leaves within minutes and is left to the chain.
Reads: what it is given.  Writes: nothing.
Source: research/voting.md §7.2 (the signatures are what keeps junk out).
"""

from dataclasses import dataclass
from hashlib import sha256

from app.core.problems import Problem
from chain.codec.canonical import b64url_decode
from chain.codec.errors import DecodeError
from chain.crypto.blind_rsa import RANDOMIZED_PSS, SignerPublicKey, verify
from chain.town.votes_schemas import CredRegister
from chain.types.codes import VOTES_CREDENTIAL_INVALID, VOTES_SIGNERS_WRONG, VOTES_TOKEN_INVALID
from chain.votes.formats import Proof
from chain.votes.group import Group, is_proper_member
from chain.votes.messages import knows_secret, registration_prefix, token_message


@dataclass(frozen=True, slots=True)
class Station:
    """Who issues at a station and weight class, once issuance is over."""

    group: Group
    signers: tuple[int, ...]
    """Ranks of the registrars whose signatures a credential shows, in order."""
    keys: tuple[SignerPublicKey, ...]
    """Of the signers, in the same order."""


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
