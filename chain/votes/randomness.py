"""Secret scalars out of an injected source of chance (`chain.crypto.randomness`)."""

from chain.crypto.randomness import RandomBytes as RandomBytes
from chain.crypto.randomness import draw_below as draw_below
from chain.votes.group import Group


def draw_scalar(group: Group, draw: RandomBytes) -> int:
    """A secret scalar of [1, q); zero, which would leave a vote in clear, is drawn again."""
    while True:
        scalar = draw_below(group.order, draw)
        if scalar:
            return scalar
