"""What a town adds to Belenios: the messages by which credentials are issued, registered and ballots spoiled.

Voter, registrar and chain make the same bytes here. Nothing of it is in an archive.
"""

from hashlib import sha256
from typing import Final

from chain.votes.formats import Proof
from chain.votes.group import Element, Group
from chain.votes.proofs import prove_knowledge, verify_knowledge
from chain.votes.randomness import RandomBytes

RSA_EXPONENT: Final = 65_537
RSA_MODULUS_BITS: Final = 3_072
RSA_VALUE_BYTES: Final = RSA_MODULUS_BITS // 8

_ROLL_LABEL: Final = b"beffroi-roll\x00"


def roll_leaf(uuid: str, cid: bytes, salt16: bytes) -> bytes:
    """The leaf of one citizen on a roll: without the salt nobody tells from the roll who is on it."""
    if len(cid) != 32 or len(salt16) != 16:
        raise ValueError("a cid has 32 bytes and a salt 16")
    return sha256(_ROLL_LABEL + uuid.encode() + b"\x00" + salt16 + cid).digest()


def token_message(uuid: str, station: str, weight_class: str, credential: str) -> bytes:
    """What registrars sign blindly: `uuid|station|class|C`, before its random prefix (RFC 9474 §4.1)."""
    return f"{uuid}|{station}|{weight_class}|{credential}".encode()


def registration_prefix(uuid: str, station: str, weight_class: str, credential: str) -> str:
    """Hashed into the proof that whoever registers a credential knows its secret."""
    return f"register|{uuid}|{station}|{weight_class}|{credential}|"


def spoil_prefix(uuid: str, ballot_hash: str) -> str:
    """Hashed into the signature of a spoil; `ballot_hash` is 64 hexadecimal digits."""
    return f"spoil|{uuid}|{ballot_hash}|"


def prove_registration(
    group: Group, uuid: str, station: str, weight_class: str, secret: int, draw: RandomBytes
) -> Proof:
    """The proof of a registration."""
    credential = group.encode(group.generator_power(secret))
    prefix = registration_prefix(uuid, station, weight_class, credential)
    return prove_knowledge(group, prefix, secret, draw)


def sign_spoil(group: Group, uuid: str, ballot_hash: str, secret: int, draw: RandomBytes) -> Proof:
    """The credential's word that this ballot was opened and must never be cast."""
    return prove_knowledge(group, spoil_prefix(uuid, ballot_hash), secret, draw)


def knows_secret(group: Group, prefix: str, credential: Element, proof: Proof) -> bool:
    """Whether the proof under one of the prefixes above is of the credential's secret."""
    return verify_knowledge(group, prefix, credential, proof)
