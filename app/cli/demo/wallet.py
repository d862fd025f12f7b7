"""A citizen's keys: twelve French words, and one Ed25519 key per domain derived from them.

BIP-39 words (French list), SLIP-0010 keys at m/1100'/domain'/epoch'. Nothing here is sent anywhere.
Reads: the system's randomness, for new words only.  Writes: nothing.
"""

import secrets
from dataclasses import dataclass, field
from typing import Final

from chain.crypto.jws import SigningKey
from chain.crypto.slip10 import derive
from chain.crypto.words import ENTROPY_BYTES, UnknownWords, make_words, read_words, seed_of

__all__ = ["UnknownWords", "Wallet", "new_words", "read_words"]

DOMAIN_NUMBERS: Final = {"identity": 0, "loyalty": 1, "sel": 2, "energy": 3}


def new_words() -> str:
    """Twelve fresh words (128 bits)."""
    return make_words(secrets.token_bytes(ENTROPY_BYTES))


@dataclass(frozen=True, slots=True)
class Wallet:
    """The keys of one kit of words; `epoch` 0 until a domain's key is replaced."""

    words: str = field(repr=False)

    def derive_key(self, domain: str, epoch: int = 0) -> SigningKey:
        """The key of one domain; no two domains' keys can be linked without the words."""
        seed = seed_of(self.words)
        path = f"m/1100'/{DOMAIN_NUMBERS[domain]}'/{epoch}'"
        return SigningKey("EdDSA", derive(seed, path))
