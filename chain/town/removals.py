"""Validators and nodes taken off at once, so that an older act which still waits does not bring them back.

A removal alone takes effect in its own block, other acts a week later: a change of power or address that the council
decided before the removal would undo the emergency on its day. The council's later word counts; to bring a key back
it decides again.
Reads and writes: namespace city.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from chain.codec.canonical import b64url_decode
from chain.crypto.node_certificate import node_id_of
from chain.town.context import Overlay, Reader, Refused, Table
from chain.town.schemas import ActNodeRemove, ActNodeSet, ActValidatorSet, CouncilAct
from chain.types import codes


class RemovalRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Height of the block that took a validator or a node off at once, the last time."""

    height: Annotated[int, Meta(ge=0)]


REMOVALS: Final = Table("city", "removal", RemovalRecord)
"""By validator key (43 characters) or node id (40)."""


def note_removals(state: Overlay, acts: Iterable[CouncilAct], height: int) -> None:
    """Remember what these acts, in force since this height, took off."""
    for act in acts:
        match act:
            case ActValidatorSet(power=0):
                REMOVALS.put(state, act.pub_key.encode(), RemovalRecord(height))
            case ActNodeRemove():
                REMOVALS.put(state, act.node.encode(), RemovalRecord(height))
            case _:
                pass


def check_not_undone(state: Reader, acts: Iterable[CouncilAct], decided: int) -> Refused | None:
    """Refuse acts of this height of decision when one brings back what was taken off since, or in the same block."""
    for act in acts:
        name = _brings(act)
        removal = REMOVALS.get(state, name.encode()) if name else None
        if removal is not None and removal.height >= decided:
            return Refused(codes.CITY_ACT_REFUSED, f"{name} was taken off after this was decided")
    return None


def _brings(act: CouncilAct) -> str:
    """The validator or node an act sets; "" for another act."""
    match act:
        case ActValidatorSet() if act.power > 0:
            return act.pub_key
        case ActNodeSet():
            return node_id_of(b64url_decode(act.node_key))
        case _:
            return ""
