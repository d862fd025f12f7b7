"""The six allocation keys as a convention writes them: values that travel as canonical JSON and are hashed.

static · static with redistribution · pro rata of consumption (the legal default) · cascade of groups · full
matrix producer x consumer · contracts and market, the rest pro rata. What they do is in `chain.town.energy.keys`.
"""

from hashlib import sha256
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from chain.codec.canonical import encode_canonical
from chain.limits import (
    ENERGY_MEMBERS_MAX,
    ENERGY_NAME_MAX_CHARS,
    ENERGY_PRICE_MAX_MICRO_EUR,
    ENERGY_READING_MAX_WH,
)
from chain.town.energy.market import Pricing
from chain.town.energy.refusals import Refused
from chain.types.codes import ENERGY_KEY_INVALID

SHARE_WHOLE: Final = 1_000_000
"""Shares are parts per million: 100 % is 1 000 000."""

Share: TypeAlias = Annotated[int, Meta(ge=0, le=SHARE_WHOLE)]
Name: TypeAlias = Annotated[
    str,
    Meta(min_length=1, max_length=ENERGY_NAME_MAX_CHARS, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*\Z"),
]
Shares: TypeAlias = dict[Name, Share]


class _Key(Struct, frozen=True, forbid_unknown_fields=True, tag_field="key"):
    """Base of the six: what the convention says, as canonical JSON."""


class Static(_Key, frozen=True, tag="static"):
    """Fixed shares of production; what one cannot consume is surplus, even if a neighbour needs it."""

    shares_ppm: Shares


class StaticRedistributed(_Key, frozen=True, tag="static_redistributed"):
    """Fixed weights; what one cannot consume goes to the others by the same weights (water-filling)."""

    shares_ppm: Shares


class ProRata(_Key, frozen=True, tag="pro_rata"):
    """In proportion to consumption: what the law applies when nothing is said."""


class Cascade(_Key, frozen=True, tag="cascade"):
    """Groups served one after the other; inside a group pro rata of consumption, or equal parts."""

    groups: tuple[tuple[Name, ...], ...]
    inside: Literal["pro_rata", "equal"] = "pro_rata"


class Matrix(_Key, frozen=True, tag="matrix"):
    """One share per producer and consumer; `own` lets consumers be served by their own plant first."""

    shares_ppm: dict[Name, Shares]
    own: dict[Name, Name] = {}


class Ppa(Struct, frozen=True, forbid_unknown_fields=True):
    """A bilateral contract: fixed Wh a step, or a share of the plant; lower ranks are served first."""

    contract_id: Name
    producer: Name
    consumer: Name
    rank: Annotated[int, Meta(ge=0, le=ENERGY_MEMBERS_MAX)]
    kind: Literal["fixed_wh", "share_ppm"]
    quantity: Annotated[int, Meta(ge=1, le=ENERGY_READING_MAX_WH)]
    price_micro_eur: Annotated[
        int, Meta(ge=-ENERGY_PRICE_MAX_MICRO_EUR, le=ENERGY_PRICE_MAX_MICRO_EUR)
    ]


class Contract(_Key, frozen=True, tag="contract"):
    """Contract volumes first, then the step's auction, then the rest pro rata of consumption."""

    ppas: tuple[Ppa, ...] = ()
    k_halves: Literal[0, 1, 2] = 1
    pricing: Pricing = "uniform"


Key: TypeAlias = Static | StaticRedistributed | ProRata | Cascade | Matrix | Contract


_DECODER: Final[msgspec.json.Decoder[Key]] = msgspec.json.Decoder(Key)


def decode_key(raw: bytes) -> Key | Refused:
    """Read a key from JSON; any spelling is taken, `hash_key` is of the canonical one."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeError) as error:
        return Refused(ENERGY_KEY_INVALID, str(error))


def hash_key(key: Key) -> bytes:
    """SHA-256 of the key's canonical JSON: what the chain publishes of it."""
    return sha256(encode_canonical(key)).digest()
