"""The groups an election may name."""

from chain.votes.edwards import ED25519
from chain.votes.finite_field import BELENIOS_2048
from chain.votes.group import Group


def get_group(name: str) -> Group | None:
    """The group of that name, None when we do not know it."""
    match name:
        case "BELENIOS-2048":
            return BELENIOS_2048
        case "Ed25519":
            return ED25519
        case _:
            return None
