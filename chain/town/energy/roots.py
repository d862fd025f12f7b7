"""Salted Merkle roots over the rows of a step: the chain holds a root and sums, each member his own row and path.

Leaf = 32-byte salt ‖ canonical row, hashed as RFC 6962 does (0x00 before leaves, 0x01 before nodes). The salt is
HMAC-SHA-256 under a key of the member: he alone can open a year with one key, equal readings give different leaves
at every step, and erasing the key leaves a root that says nothing. Leaves are sorted by their salts, so that a place
in the tree is no pseudonym. The number of leaves is published beside the root, because a root alone does not bind it.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from chain.codec.merkle import merkle_proofs, merkle_root, verify_merkle_proof
from chain.limits import ENERGY_READING_MAX_WH
from chain.town.energy.conventions import Name
from chain.town.energy.layers import Layers, cut_layers
from chain.town.energy.refusals import Refused
from chain.types.block import Proof
from chain.types.codes import ENERGY_OPENING_INVALID

SALT_BYTES: Final = 32
_SALT_DOMAIN: Final = "beffroi-energy-salt"

EnergyWh: TypeAlias = Annotated[int, Meta(ge=0, le=ENERGY_READING_MAX_WH)]
RowKind: TypeAlias = Literal["reading", "allocation"]


class ReadingRow(
    Struct, frozen=True, forbid_unknown_fields=True, gc=False, tag_field="row", tag="reading"
):
    """One metered value; never on the chain. `quality` is measured, or estimated by the convention."""

    operation: Name
    start_s: int
    version: Annotated[int, Meta(ge=1)]
    point: Name
    side: Literal["consumer", "producer"]
    energy_wh: EnergyWh
    quality: Literal["measured", "estimated"]


class AllocationRow(
    Struct, frozen=True, forbid_unknown_fields=True, gc=False, tag_field="row", tag="allocation"
):
    """One member's result: metered = shared + rest (AUTOCONS and COMPLEMENT, or AUTOPROD and SURPLUS)."""

    operation: Name
    start_s: int
    version: Annotated[int, Meta(ge=1)]
    point: Name
    side: Literal["consumer", "producer"]
    metered_wh: EnergyWh
    shared_wh: EnergyWh
    rest_wh: EnergyWh


Row: TypeAlias = ReadingRow | AllocationRow
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Root:
    """What is published: the root and how many leaves it covers."""

    root: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What a member is given of his own: row, salt, path. It shows nothing of the others but hashes."""

    row: Row
    salt: bytes
    proof: Proof


def compute_salt(member_key: bytes, row: Row) -> bytes:
    """HMAC(member's key, NUL-joined domain, kind, operation, point, side, step, version); keys of 32 bytes on."""
    assert len(member_key) >= SALT_BYTES, "a short key could be searched"
    kind = "reading" if isinstance(row, ReadingRow) else "allocation"
    names = f"{_SALT_DOMAIN}\0{kind}\0{row.operation}\0{row.point}\0{row.side}"
    message = f"{names}\0{row.start_s}\0{row.version}"
    return hmac.digest(member_key, message.encode(), "sha256")


def encode_row(row: Row) -> bytes:
    """Canonical JSON; all strings are ASCII names and all integers small, so sorting the fields is enough."""
    return _ENCODER.encode(row)


def compute_root(salted: Iterable[tuple[Row, bytes]]) -> Root:
    """Root over rows with their salts, whatever their order; they are taken one by one."""
    leaves = _leaves(salted)
    return Root(merkle_root(leaves), len(leaves))


def compute_openings(salted: Sequence[tuple[Row, bytes]]) -> tuple[Root, tuple[Opening, ...]]:
    """The root, and each member's opening in the order given."""
    leaves = _leaves(salted)
    root, proofs = merkle_proofs(leaves)
    place = {leaf: index for index, leaf in enumerate(leaves)}
    openings = (Opening(row, salt, proofs[place[salt + encode_row(row)]]) for row, salt in salted)
    return Root(root, len(leaves)), tuple(openings)


def compute_layers(salted: Iterable[tuple[Row, bytes]]) -> tuple[Layers, tuple[int, ...]]:
    """The tree as chunks to keep, and each row's place in it in the order given."""
    given = [salt + _ENCODER.encode(row) for row, salt in salted]
    leaves = sorted(given)
    place = {leaf: index for index, leaf in enumerate(leaves)}
    return cut_layers(leaves), tuple(place[leaf] for leaf in given)


def check_opening(opening: Opening, published: Root) -> Refused | None:
    """Whether the row is one of the `count` rows under the published root, and adds up."""
    row = opening.row
    if len(opening.salt) != SALT_BYTES:
        return Refused(ENERGY_OPENING_INVALID, "a salt has 32 bytes")
    if opening.proof.total != published.count:
        return Refused(ENERGY_OPENING_INVALID, "the path is of another number of rows")
    if not verify_merkle_proof(opening.proof, published.root, opening.salt + encode_row(row)):
        return Refused(ENERGY_OPENING_INVALID, "the path leads to another root")
    if isinstance(row, AllocationRow) and row.shared_wh + row.rest_wh != row.metered_wh:
        return Refused(ENERGY_OPENING_INVALID, "the row does not add up")
    return None


def _leaves(salted: Iterable[tuple[Row, bytes]]) -> list[bytes]:
    leaves = []
    for row, salt in salted:
        assert len(salt) == SALT_BYTES, "a salt has 32 bytes"
        leaves.append(salt + _ENCODER.encode(row))
    leaves.sort()
    return leaves
