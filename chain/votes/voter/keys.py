"""A voter's secrets, all out of the twelve words: another phone with the words has the same ones.

    vote key   k = SLIP-0010 key at m/1100'/4'/0'
    secret     s = HKDF-SHA-512(k, info = "beffroi-vote-secret-1" | uuid | group, 64 bytes) mod q
    streams    HKDF-SHA-512(k, info = label | count): the chance of a blind request, so that a new phone repeats it
               byte for byte and can still use the answers to the old one

Reads: nothing.  Writes: nothing.  Never: keeps what it derives.
Source: RFC 5869 (HKDF); SLIP-0010.
"""

import hmac
from dataclasses import dataclass, field
from hashlib import sha512
from typing import Final

from chain.crypto.randomness import RandomBytes
from chain.crypto.slip10 import Domain, derive, domain_path
from chain.votes.group import Group

VOTE_LABEL: Final = "beffroi-vote-secret-1"
SECRET_BYTES: Final = 64
"""Twice the order's size: the remainder is uniform up to 2^-256."""
_BLOCK_BYTES: Final = 64
_BLOCKS_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class VoteKey:
    """The key of domain `vote`; it signs nothing and is on no chain."""

    raw: bytes = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> "VoteKey":
        """From the BIP-39 seed of the words (`chain.crypto.words.seed_of`)."""
        return cls(derive(seed, domain_path(Domain.VOTE)))

    def secret(self, uuid: str, group: Group) -> int:
        """Secret scalar of one election, of [1, q)."""
        info = "|".join((VOTE_LABEL, uuid, group.name)).encode()
        number = int.from_bytes(hkdf(self.raw, info, SECRET_BYTES), "big") % group.order
        return number or 1

    def credential(self, uuid: str, group: Group) -> str:
        """Public credential of one election, g^s as the group writes it."""
        return group.encode(group.generator_power(self.secret(uuid, group)))

    def stream(self, label: str) -> RandomBytes:
        """Chance that only this key has, the same each time it is begun with the same label."""
        return stream_of(self.raw, label)


def stream_of(key: bytes, label: str) -> RandomBytes:
    """Chance out of a key: the call number c gives HKDF-SHA-512(key, label | c, as many bytes as asked)."""
    count = 0

    def draw(size_bytes: int) -> bytes:
        nonlocal count
        count += 1
        return hkdf(key, f"{label}|{count}".encode(), size_bytes)

    return draw


def hkdf(key: bytes, info: bytes, size_bytes: int) -> bytes:
    """HKDF-SHA-512 without salt (RFC 5869 §2.2, §2.3); at most 16 320 bytes."""
    if not 0 <= size_bytes <= _BLOCKS_MAX * _BLOCK_BYTES:
        raise ValueError(f"HKDF gives at most {_BLOCKS_MAX * _BLOCK_BYTES} bytes")
    fresh = hmac.new(bytes(_BLOCK_BYTES), key, sha512).digest()
    block, output = b"", b""
    for number in range(1, -(-size_bytes // _BLOCK_BYTES) + 1):
        block = hmac.new(fresh, block + info + bytes([number]), sha512).digest()
        output += block
    return output[:size_bytes]
