"""Giving up a ballot before it is cast, so that it can be opened without harm (Benaloh audit).

A spoil names the ballot by its hash and is signed with the credential's secret: nobody else can burn a ballot, and a
ballot spoiled can never be cast. PROTOCOL §8: "spoil", uuid and hash are what is signed.
Reads: nothing.  Writes: nothing.
"""

from chain.codec.errors import DecodeError
from chain.votes.formats import Proof
from chain.votes.group import Group, is_proper_member
from chain.votes.proofs import prove_knowledge, verify_knowledge
from chain.votes.randomness import RandomBytes


def sign_spoil(group: Group, uuid: str, ballot_hash: str, secret: int, draw: RandomBytes) -> Proof:
    """Sign a ballot away; `ballot_hash` is the SHA-256 of its bytes in hexadecimal."""
    return prove_knowledge(group, _prefix(uuid, ballot_hash), secret, draw)


def is_spoil_signed(
    group: Group, uuid: str, ballot_hash: str, credential: str, proof: Proof
) -> bool:
    """True when the owner of `credential` (as written) gave the ballot up."""
    try:
        public = group.decode(credential)
    except DecodeError:
        return False
    return is_proper_member(group, public) and verify_knowledge(
        group, _prefix(uuid, ballot_hash), public, proof
    )


def _prefix(uuid: str, ballot_hash: str) -> str:
    return f"spoil|{uuid}|{ballot_hash}|"
