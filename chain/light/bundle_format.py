"""Proof bundles and checkpoints as JSON: their shapes, and how they are read and written.

Blanks and the order of members are free, so that a bundle may be printed; doubled or extra members are not.
Reads: JSON.  Writes: canonical JSON.  Never: says whether anything in it is true; see `chain.light.bundle`.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Struct

from chain.codec.canonical import encode_canonical
from chain.codec.errors import DecodeError
from chain.codec.merkle import MAX_AUNTS
from chain.limits import LIGHT_BUNDLE_MAX_BYTES
from chain.types.timestamp import Timestamp

StructT = TypeVar("StructT", bound=Struct)

BUNDLE_FORMAT: Final = "beffroi-proof-1"
CHECKPOINT_FORMAT: Final = "beffroi-checkpoint-1"
HISTORY_NAMESPACE: Final = "history"
HISTORY_PREFIX: Final = b"blocks/"


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """JSON objects without extra members; bytes are base64url."""


_B64: Final = r"^[A-Za-z0-9_-]*\Z"
_Bytes = Annotated[str, Meta(pattern=_B64)]
_Hash = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


class ValidatorLine(_Strict, frozen=True):
    """Raw Ed25519 key and power, in the set's order: exactly what the set's hash covers."""

    key: _Hash
    power: Annotated[int, Meta(ge=1)]


class BlockPart(_Strict, frozen=True):
    """A signed header (protobuf `tendermint.types.SignedHeader`) and the set its header names."""

    signed_header: _Bytes
    validators: tuple[ValidatorLine, ...]


class Step(_Strict, frozen=True):
    """One sibling on the way from a leaf to a Merkle root, and the side it lies on."""

    hash: _Hash
    side: Literal["left", "right"]


_Path = Annotated[tuple[Step, ...], Meta(max_length=MAX_AUNTS)]


class OpPart(_Strict, frozen=True):
    """A proof operation as `abci_query` returns it."""

    data: _Bytes
    key: _Bytes
    type: str


class StatePart(_Strict, frozen=True):
    """A record and its proof under the block's app hash; `record` null proves there is none."""

    namespace: str
    ops: tuple[OpPart, ...]
    record: _Bytes | None
    record_id: _Bytes


class TransactionPart(_Strict, frozen=True):
    """A transaction and its path to the block's data hash."""

    path: _Path
    tx: _Bytes


class ResultPart(_Strict, frozen=True):
    """The agreed part of a result, and its path to the last results hash of the next block."""

    block: BlockPart
    code: Annotated[int, Meta(ge=0, lt=2**32)]
    data: _Bytes
    gas_used: int
    gas_wanted: int
    path: _Path


class HistoryPart(_Strict, frozen=True):
    """A record that lists the hash of an older block, proved under a newer one."""

    block: BlockPart
    state: StatePart


class Bundle(_Strict, frozen=True, kw_only=True):
    """Exactly one of `state` and `transaction`; `result` belongs to a transaction."""

    block: BlockPart
    chain_id: str
    format: Literal["beffroi-proof-1"]
    history: HistoryPart | None = None
    result: ResultPart | None = None
    state: StatePart | None = None
    transaction: TransactionPart | None = None
    trusted_validators: tuple[ValidatorLine, ...] = ()


class Checkpoint(_Strict, frozen=True, kw_only=True):
    """A header somebody vouches for, without its bytes."""

    chain_id: str
    format: Literal["beffroi-checkpoint-1"]
    header_hash: _Hash
    height: Annotated[int, Meta(ge=1)]
    next_validators_hash: _Hash
    time: str
    validators_hash: _Hash


class HistoryRecord(_Strict, frozen=True):
    """What the town writes in `history`: hashes of consecutive blocks, the first of height `start`."""

    hashes: tuple[_Hash, ...]
    start: int


def parse_bundle(data: bytes) -> Bundle:
    """Read bundle JSON, blanks and member order free; raises DecodeError on anything extra, doubled or missing."""
    if len(data) > LIGHT_BUNDLE_MAX_BYTES:
        raise DecodeError(f"bundle of {len(data)} bytes, at most {LIGHT_BUNDLE_MAX_BYTES}")
    return _from_json(Bundle, data)


def encode_bundle(bundle: Bundle) -> bytes:
    """Canonical JSON of a bundle."""
    return encode_canonical(bundle)


def parse_checkpoint(data: bytes) -> Checkpoint:
    """Read checkpoint JSON; raises DecodeError as `parse_bundle`."""
    checkpoint = _from_json(Checkpoint, data)
    time_of(checkpoint)
    return checkpoint


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Canonical JSON of a checkpoint."""
    return encode_canonical(checkpoint)


def time_of(checkpoint: Checkpoint) -> Timestamp:
    """Time of the checkpoint's header; raises DecodeError when it is none."""
    try:
        return Timestamp.from_rfc3339(checkpoint.time)
    except ValueError as exc:
        raise DecodeError(f"checkpoint: {exc}") from exc


def _from_json(cls: type[StructT], data: bytes) -> StructT:
    """Typed JSON with any spacing; doubled members and floats are refused."""
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_float=_no_float)
        return msgspec.convert(value, cls)
    except (ValueError, RecursionError) as exc:
        raise DecodeError(f"not a {cls.__name__}: {exc}") from exc


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member appears twice")
    return members


def _no_float(literal: str) -> NoReturn:
    raise ValueError(f"{literal[:20]} is not an integer")
