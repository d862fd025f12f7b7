"""A citizen's keys: twelve French words, and one Ed25519 key per domain derived from them.

BIP-39 words (French list), SLIP-0010 keys at m/1100'/domain'/epoch'. Nothing here is sent anywhere.
Reads: the system's randomness, for new words only.  Writes: nothing.
"""

import unicodedata
from dataclasses import dataclass, field
from typing import Final

from mnemonic import Mnemonic

from chain.crypto.jws import SigningKey
from chain.crypto.slip10 import derive

DOMAIN_NUMBERS: Final = {"identity": 0, "loyalty": 1, "sel": 2, "energy": 3}
FOLDED_LETTERS: Final = 4
"""The first four unaccented letters name a word of the French list (2 048 of 2 048)."""
_LANGUAGE: Final = Mnemonic("french")


class UnknownWords(ValueError):
    """The words are not a kit: one is not in the list, or the checksum is wrong."""


def new_words() -> str:
    """Twelve fresh words (128 bits)."""
    return unicodedata.normalize("NFC", _LANGUAGE.generate(strength=128))


def read_words(typed: str) -> str:
    """The kit meant by hand-typed words, accents and case forgiven; raises UnknownWords.

    Each word is found by its first four folded letters: people type without accents.
    """
    known = {_fold(word): word for word in _LANGUAGE.wordlist}
    words = [known.get(_fold(word), "") for word in typed.split()]
    text = " ".join(words)
    if "" in words or not _LANGUAGE.check(text):
        raise UnknownWords("a word is not in the French list, or the words are not in order")
    return unicodedata.normalize("NFC", text)


def _fold(word: str) -> str:
    letters = unicodedata.normalize("NFKD", word.lower())
    return "".join(c for c in letters if not unicodedata.combining(c))[:FOLDED_LETTERS]


@dataclass(frozen=True, slots=True)
class Wallet:
    """The keys of one kit of words; `epoch` 0 until a domain's key is replaced."""

    words: str = field(repr=False)

    def derive_key(self, domain: str, epoch: int = 0) -> SigningKey:
        """The key of one domain; no two domains' keys can be linked without the words."""
        seed = Mnemonic.to_seed(self.words)
        path = f"m/1100'/{DOMAIN_NUMBERS[domain]}'/{epoch}'"
        return SigningKey("EdDSA", derive(seed, path))
