"""Votes of heights that are over: of no use to consensus, but two of them can convict.

A liar can tell half of its peers one thing and the other half another, each in time; the height is decided before
anybody holds both. The votes of the last heights are therefore kept, and one that comes late is compared with them
(CometBFT does so for precommits of the last height only).
Reads: nothing.  Writes: nothing.  Never: lets a late vote touch the height in progress.
"""

from collections import deque

from chain.consensus import CoreState, FoundConflict, VoteReceived, step, would_change
from chain.limits import LATE_VOTE_HEIGHTS
from chain.types.block import Vote
from chain.types.primitives import Height
from chain.types.validator import ValidatorSet


class LateVotes:
    """Cores of the last decided heights, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[tuple[CoreState, ValidatorSet]] = deque(maxlen=LATE_VOTE_HEIGHTS)

    def remember(self, core: CoreState, validators: ValidatorSet) -> None:
        """Keep a decided height's votes, with the set that cast them."""
        self._kept.append((core, validators))

    def validators_of(self, height: Height) -> ValidatorSet | None:
        """The set of a kept height."""
        return next((found for core, found in self._kept if core.height == height), None)

    def is_news(self, vote: Vote) -> bool:
        """Whether a vote belongs to a kept height and says what is not known yet; its signature is not checked."""
        return any(
            core.height == vote.height and would_change(core, VoteReceived(vote))
            for core, _ in self._kept
        )

    def take(self, vote: Vote) -> tuple[Vote, Vote] | None:
        """Add a vote whose signature is good; the pair that convicts its voter, if it is the second of one."""
        for index, (core, validators) in enumerate(self._kept):
            if core.height == vote.height:
                after, effects = step(core, VoteReceived(vote))
                self._kept[index] = after, validators
                for effect in effects:
                    if isinstance(effect, FoundConflict):
                        return effect.vote_a, effect.vote_b
        return None
