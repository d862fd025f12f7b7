"""`BF1:` codes of a phone without a network: the town's allowance (kind 9) and the spend that quotes it (kind 3).

An allowance is signed by the town: this device key may spend so much, until then, out of what is locked on chain. An
offline code carries the spend, the whole allowance and the town's signature of it, so a shop needs only the town's
key; the device signs over all of that.
Reads: text or values.  Writes: bytes or values.  Never: a clock, a key, a signature.
Source: research page "loyalty", §5.1 (d); big-endian throughout.
"""

import struct
from dataclasses import dataclass
from typing import Final

from chain.codec.bf1 import (
    EARLY_S,
    FORMAT,
    KEY_REF_BYTES,
    LATE_S,
    SHOP_REF_BYTES,
    SIGNATURE_BYTES,
    TTL_MAX_S,
    TTL_MIN_S,
    CodeAlg,
    Flaw,
    Kind,
    MalformedCode,
    read_fixed,
)

DEVICE_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 16
ALLOWANCE_LIFE_MAX_S: Final = 86_400

_ALLOWANCE: Final = struct.Struct(">BB32s16sIIII")
_SPEND: Final = struct.Struct(">BBIIHII8s16s")
_QUOTED: Final = _SPEND.size + _ALLOWANCE.size + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a device may spend without a network: in all and at once, points; from `iat` to `expires_s`.

    At most 24 hours. Raises ValueError out of range.
    """

    device_key: bytes
    key_ref: bytes
    iat: int
    expires_s: int
    cap_total: int
    cap_per_tx: int

    def __post_init__(self) -> None:
        if len(self.device_key) != DEVICE_KEY_BYTES or len(self.key_ref) != KEY_REF_BYTES:
            raise ValueError("device_key has 32 bytes and key_ref 16")
        if not 0 <= self.iat < self.expires_s < 2**32:
            raise ValueError("iat is before expires_s, both unsigned 32-bit integers")
        if self.expires_s - self.iat > ALLOWANCE_LIFE_MAX_S:
            raise ValueError(f"an allowance lives {ALLOWANCE_LIFE_MAX_S} s at most")
        if not 0 < self.cap_per_tx <= self.cap_total < 2**32:
            raise ValueError("cap_per_tx is 1 to cap_total")


@dataclass(frozen=True, slots=True)
class OfflineSpend:
    """A spend of exactly `amount` at one shop, bound to the nonce the shop showed; raises ValueError out of range."""

    ctr: int
    iat: int
    ttl_s: int
    asset: int
    amount: int
    shop_ref: bytes
    nonce: bytes

    def __post_init__(self) -> None:
        if len(self.shop_ref) != SHOP_REF_BYTES or len(self.nonce) != NONCE_BYTES:
            raise ValueError("shop_ref has 8 bytes and nonce 16")
        if any(not 0 <= n < 2**32 for n in (self.ctr, self.iat, self.asset)):
            raise ValueError("ctr, iat and asset are unsigned 32-bit integers")
        if not 0 < self.amount < 2**32 or not TTL_MIN_S <= self.ttl_s <= TTL_MAX_S:
            raise ValueError("amount is positive and ttl_s 30 to 120")
        if not any(self.shop_ref):
            raise ValueError("an offline code names its shop")

    def is_in_window(self, time_s: int) -> bool:
        """By the till's clock, as `PayCode.is_in_window`."""
        return self.iat - EARLY_S <= time_s <= self.iat + self.ttl_s + LATE_S


@dataclass(frozen=True, slots=True)
class OfflineCode:
    """A spend with the allowance it draws on, and the town's signature of that allowance."""

    spend: OfflineSpend
    allowance: Allowance
    town_signature: bytes


def encode_allowance(allowance: Allowance) -> bytes:
    """The 66 bytes before the town's signature."""
    return _ALLOWANCE.pack(
        FORMAT << 4 | CodeAlg.ED25519,
        Kind.ALLOWANCE,
        allowance.device_key,
        allowance.key_ref,
        allowance.iat,
        allowance.expires_s,
        allowance.cap_total,
        allowance.cap_per_tx,
    )


def parse_allowance(text: str) -> tuple[Allowance, bytes, bytes]:
    """(allowance, body, town's signature) of a text; raises MalformedCode unless it is its only spelling."""
    _, body, signature = read_fixed(text, {Kind.ALLOWANCE: _ALLOWANCE.size})
    return _read_allowance(body), body, signature


def encode_offline(code: OfflineCode) -> bytes:
    """The 174 bytes before the device's signature; raises ValueError for a signature of another length."""
    if len(code.town_signature) != SIGNATURE_BYTES:
        raise ValueError(f"the town's signature has {SIGNATURE_BYTES} bytes")
    spend = code.spend
    head = _SPEND.pack(
        FORMAT << 4 | CodeAlg.ED25519,
        Kind.OFFLINE,
        spend.ctr,
        spend.iat,
        spend.ttl_s,
        spend.asset,
        spend.amount,
        spend.shop_ref,
        spend.nonce,
    )
    return head + encode_allowance(code.allowance) + code.town_signature


def parse_offline(text: str) -> tuple[OfflineCode, bytes, bytes]:
    """(code, body, device's signature) of a text; raises MalformedCode unless it is its only spelling."""
    _, body, signature = read_fixed(text, {Kind.OFFLINE: _QUOTED})
    _, _, *fields = _SPEND.unpack(body[: _SPEND.size])
    if not TTL_MIN_S <= fields[2] <= TTL_MAX_S:
        raise MalformedCode(Flaw.TTL)
    allowance = _read_allowance(body[_SPEND.size : -SIGNATURE_BYTES])
    try:
        return (
            OfflineCode(OfflineSpend(*fields), allowance, body[-SIGNATURE_BYTES:]),
            body,
            signature,
        )
    except ValueError as exc:
        raise MalformedCode(Flaw.FIELDS) from exc


def _read_allowance(body: bytes) -> Allowance:
    """An allowance by itself or inside an offline code; its two head bytes have one value."""
    if body[:2] != bytes((FORMAT << 4 | CodeAlg.ED25519, Kind.ALLOWANCE)):
        raise MalformedCode(Flaw.FIELDS)
    try:
        return Allowance(*_ALLOWANCE.unpack(body)[2:])
    except ValueError as exc:
        raise MalformedCode(Flaw.FIELDS) from exc
