"""Twelve French words for a seed (BIP-39), typed as people type: without accents, in capitals, or four letters each.

The list, the checksum and the seed are the `mnemonic` library's, by the authors of BIP-39. It refuses words without
their accents; so each typed word is first found by its folded letters (the first four name it: 2 048 of 2 048).
Entropy comes from the caller. Reads: the library's word list, once.  Writes: nothing.  Never: says which word was
wrong, because messages end up in logs.
"""

import unicodedata
from functools import cache
from typing import Final

from mnemonic import Mnemonic

from chain.limits import WORDS_TYPED_MAX_CHARS

ENTROPY_BYTES: Final = 16
"""128 bits: twelve words."""
WORDS: Final = 12
FOLDED_LETTERS: Final = 4


class UnknownWords(ValueError):
    """The words are no kit: too few or too many, one not in the list, or the checksum wrong. Says where, never what."""


def make_words(entropy: bytes) -> str:
    """The kit of 16 random bytes, in NFC; raises ValueError on another size."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"entropy of {len(entropy)} bytes, not {ENTROPY_BYTES}")
    return unicodedata.normalize("NFC", _language().to_mnemonic(entropy))


def read_words(typed: str) -> str:
    """The kit meant by hand-typed words, in NFC; accents, case and blanks are forgiven. Raises UnknownWords."""
    if len(typed) > WORDS_TYPED_MAX_CHARS:
        raise UnknownWords("too long")
    meant = [_find(word) for word in typed.split()]
    if len(meant) != WORDS:
        raise UnknownWords(f"{len(meant)} words, not {WORDS}")
    if "" in meant:
        raise UnknownWords(f"word {meant.index('') + 1} is not in the French list")
    text = " ".join(meant)
    if not _language().check(text):
        raise UnknownWords(
            "the words are in the list but do not belong together: look at their order"
        )
    return unicodedata.normalize("NFC", text)


def seed_of(words: str) -> bytes:
    """The 64-byte BIP-39 seed of a kit (no passphrase); the same for NFC and NFD."""
    return bytes(Mnemonic.to_seed(words))


def _find(typed: str) -> str:
    """The list's word for a typed one: all its letters, or its first four alone; empty when there is none."""
    letters = fold(typed)
    word = _by_start().get(letters[:FOLDED_LETTERS], "")
    is_meant = letters in (fold(word), fold(word)[:FOLDED_LETTERS])
    return word if is_meant else ""


def fold(word: str) -> str:
    """Lower-case letters without their accents; ligatures are two letters."""
    letters = unicodedata.normalize("NFKD", word.lower().replace("œ", "oe").replace("æ", "ae"))
    return "".join(c for c in letters if not unicodedata.combining(c))


@cache
def _language() -> Mnemonic:
    return Mnemonic("french")


@cache
def _by_start() -> dict[str, str]:
    return {fold(word)[:FOLDED_LETTERS]: word for word in _language().wordlist}
