"""Light blocks out of a node's own store: what peers get on channel 62 (hex), and what tests verify."""

from typing import Protocol

from chain.types.block import SignedHeader
from chain.types.evidence import LightBlock
from chain.types.primitives import Height
from chain.types.validator import ValidatorSet


class HeaderSource(Protocol):
    """Headers and commits, of stored blocks and of those a node that restored a snapshot fetched afterwards."""

    def height(self) -> Height: ...

    def load_signed_header(self, height: Height) -> SignedHeader | None:
        """Header and the commit that decided it, or None."""
        ...


class ValidatorSource(Protocol):
    """Past validator sets."""

    def load_validators(self, height: Height) -> ValidatorSet | None: ...


def load_light_block(
    headers: HeaderSource, validators: ValidatorSource, height: Height
) -> LightBlock | None:
    """The light block of a height, 0 for the newest; None when it is not here (any more)."""
    wanted = height or headers.height()
    signed = headers.load_signed_header(wanted) if wanted > 0 else None
    members = validators.load_validators(wanted) if signed is not None else None
    if signed is None or members is None:
        return None
    return LightBlock(signed, members)
