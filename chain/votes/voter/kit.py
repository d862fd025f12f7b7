"""The recovery kit: the twelve words on paper, as text and as a picture, and the proof that they were kept.

There is no other copy: whoever loses phone and words waits for the next vote, because a credential signed blindly
cannot be taken back. So no request leaves a phone before its owner has typed the words again (`confirm_kit`).
The picture holds the first four letters of each word in capitals: short enough for a small QR code, legible
without a reader, and what `chain.crypto.words.read_words` takes when typed.
Reads: nothing.  Writes: nothing.  Never: says which word was wrong.
"""

from dataclasses import dataclass, field
from typing import Final

from chain.crypto.words import FOLDED_LETTERS, UnknownWords, fold, read_words, seed_of
from chain.votes.voter.keys import VoteKey

PICTURE_PREFIX: Final = "BFK1 "


class NotRetyped(ValueError):
    """The words typed again are not those of the kit."""


@dataclass(frozen=True, slots=True)
class ConfirmedKit:
    """Words that their owner has shown to have: what a request to registrars asks for. Made by `confirm_kit`."""

    words: str = field(repr=False)

    def vote_key(self) -> VoteKey:
        """The key of all votes."""
        return VoteKey.from_seed(seed_of(self.words))


def confirm_kit(words: str, retyped: str) -> ConfirmedKit:
    """The kit, once `retyped` by hand (accents, capitals, four letters a word); raises NotRetyped."""
    try:
        typed = read_words(retyped)
    except UnknownWords as error:
        raise NotRetyped(str(error)) from error
    if typed != read_words(words):
        raise NotRetyped("these are words of another kit")
    return ConfirmedKit(typed)


def restore_kit(typed: str) -> ConfirmedKit:
    """The kit on another phone, from words typed or a picture read; raises NotRetyped. Typing them is the proof."""
    text = typed.removeprefix(PICTURE_PREFIX)
    return confirm_kit(text, text)


def picture_text(words: str) -> str:
    """What the kit's QR code says: alphanumeric mode only, 64 characters."""
    return PICTURE_PREFIX + " ".join(
        fold(word)[:FOLDED_LETTERS].upper() for word in read_words(words).split()
    )
