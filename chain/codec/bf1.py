"""`BF1:` codes: what a citizen's phone shows and a till reads, as fixed bytes in base45 (RFC 9285).

Kinds 1 (identify, to earn), 2 (pay) and 5 (voucher) here; 4 and 6 in `bf1_orders`, 3 and 9 in `bf1_offline`. A
code has one spelling. This module proves form only: window, revocation, signature and counter are judged in that order
by the ledger, each refusal with its own code (`qr_*`); everything refused here is `qr_malformed`.

Reads: text or bytes.  Writes: bytes or text.  Never: a clock, a key, a signature.
Source: research page "loyalty", §5.1; big-endian throughout.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from hashlib import sha256
from typing import Final

import base45

from chain.codec.errors import DecodeError
from chain.limits import QR_TEXT_MAX_CHARS

PREFIX: Final = "BF1:"
FORMAT: Final = 1
SIGNATURE_BYTES: Final = 64
KEY_REF_BYTES: Final = 16
SHOP_REF_BYTES: Final = 8
ANY_SHOP: Final = bytes(SHOP_REF_BYTES)
DOMAIN: Final = b"beffroi-qr-1"
"""Starts every signed code, so that its signature can never serve as a transaction's."""

TTL_MIN_S: Final = 30
TTL_MAX_S: Final = 120
EARLY_S: Final = 30
"""A phone's clock may be this far ahead of the block's time."""
LATE_S: Final = 60
"""After `ttl`, time left for scanning, sending and one block."""

_COMMON: Final = struct.Struct(">BB16sIIH")
_PAY: Final = struct.Struct(">BB16sIIHII8s")
_VOUCHER: Final = struct.Struct(">BB16sIII8s")


class Kind(IntEnum):
    """What the code is for."""

    IDENTIFY = 1
    PAY = 2
    OFFLINE = 3
    INVOICE = 4
    VOUCHER = 5
    PROPOSE = 6
    ALLOWANCE = 9


class CodeAlg(IntEnum):
    """Signature algorithm, low nibble of the first byte; 1 is reserved for ES256 and refused."""

    ED25519 = 0


_LAYOUT: Final = {Kind.IDENTIFY: _COMMON, Kind.PAY: _PAY}


class Flaw(StrEnum):
    """Why a text is no code, in the order of the checks."""

    PREFIX = "prefix"
    BASE45 = "base45"
    FORMAT = "format"
    ALG = "alg"
    KIND = "kind"
    LENGTH = "length"
    TTL = "ttl"
    FIELDS = "fields"


class MalformedCode(DecodeError):
    """Not a code; `flaw` says which check failed."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(f"not a town code: {flaw}")
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class PayCode:
    """Fields of kinds 1 and 2; kind 1 leaves `asset`, `max_amount` and `shop_ref` at zero.

    `iat` unix seconds; `ttl_s` 30 to 120; `ctr` strictly increasing per device; `max_amount` in units of
    `asset`; `shop_ref` eight zero bytes for any shop. Raises ValueError out of range.
    """

    alg: CodeAlg
    kind: Kind
    key_ref: bytes
    ctr: int
    iat: int
    ttl_s: int
    asset: int = 0
    max_amount: int = 0
    shop_ref: bytes = ANY_SHOP

    def __post_init__(self) -> None:
        if len(self.key_ref) != KEY_REF_BYTES or len(self.shop_ref) != SHOP_REF_BYTES:
            raise ValueError("key_ref has 16 bytes and shop_ref 8")
        if any(not 0 <= n < 2**32 for n in (self.ctr, self.iat, self.asset, self.max_amount)):
            raise ValueError("ctr, iat, asset and max_amount are unsigned 32-bit integers")
        if not TTL_MIN_S <= self.ttl_s <= TTL_MAX_S:
            raise ValueError(f"ttl_s is {TTL_MIN_S} to {TTL_MAX_S}")
        if self.kind is Kind.IDENTIFY and (self.asset or self.max_amount or any(self.shop_ref)):
            raise ValueError("a code of kind 1 names no asset, amount or shop")

    def is_in_window(self, time_s: int) -> bool:
        """True from 30 s before `iat` to 60 s after the end of `ttl_s`, both included."""
        return self.iat - EARLY_S <= time_s <= self.iat + self.ttl_s + LATE_S


def encode_body(code: PayCode) -> bytes:
    """The 28 (kind 1) or 44 (kind 2) bytes before the signature."""
    head = (FORMAT << 4 | code.alg, code.kind, code.key_ref, code.ctr, code.iat, code.ttl_s)
    if code.kind is Kind.IDENTIFY:
        return _COMMON.pack(*head)
    return _PAY.pack(*head, code.asset, code.max_amount, code.shop_ref)


def signed_bytes(chain_id: str, body: bytes) -> bytes:
    """What the phone signs: domain ‖ first 8 bytes of SHA-256(chain id) ‖ body."""
    return DOMAIN + sha256(chain_id.encode()).digest()[:8] + body


def to_text(body: bytes, signature: bytes) -> str:
    """The text of the picture, alphanumeric mode; raises ValueError for a signature of another length."""
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"signature of {len(signature)} bytes, not {SIGNATURE_BYTES}")
    letters: bytes = base45.b45encode(body + signature)
    return PREFIX + letters.decode("ascii")


def parse_text(text: str) -> tuple[PayCode, bytes, bytes]:
    """(code, body, signature) of a text; raises MalformedCode unless it is the code's only spelling.

    Nothing is trimmed: base45 contains the space, so a reader must not either.
    """
    kind, body, signature = read_fixed(text, {kind: row.size for kind, row in _LAYOUT.items()})
    return _read(kind, body), body, signature


def read_fixed(text: str, sizes: Mapping[Kind, int]) -> tuple[Kind, bytes, bytes]:
    """Kind, body and signature of a text of one of these kinds; nothing inside the body is judged.

    `sizes` are bytes of the body by kind. Raises MalformedCode, with the first flaw in the order of `Flaw`.
    """
    if not text.startswith(PREFIX) or len(text) > QR_TEXT_MAX_CHARS:
        raise MalformedCode(Flaw.PREFIX)
    data = _unbase45(text[len(PREFIX) :])
    if not data or data[0] >> 4 != FORMAT:
        raise MalformedCode(Flaw.FORMAT)
    if data[0] & 15 != CodeAlg.ED25519:
        raise MalformedCode(Flaw.ALG)
    if len(data) < 2 or data[1] not in sizes:
        raise MalformedCode(Flaw.KIND)
    kind = Kind(data[1])
    if len(data) != sizes[kind] + SIGNATURE_BYTES:
        raise MalformedCode(Flaw.LENGTH)
    return kind, data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]


# --- kind 5: vouchers ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Voucher:
    """A signed voucher: 16 random bytes, its series, when it ends, its value in points, the shop it is for (or any).

    Raises ValueError out of range.
    """

    voucher_id: bytes
    series: int
    expires_s: int
    value: int
    restriction: bytes = ANY_SHOP

    def __post_init__(self) -> None:
        if len(self.voucher_id) != KEY_REF_BYTES or len(self.restriction) != SHOP_REF_BYTES:
            raise ValueError("voucher_id has 16 bytes and restriction 8")
        if any(not 0 < n < 2**32 for n in (self.series, self.expires_s, self.value)):
            raise ValueError("series, expires_s and value are positive 32-bit integers")


def encode_voucher(voucher: Voucher) -> bytes:
    """The 38 bytes before the signature."""
    return _VOUCHER.pack(
        FORMAT << 4 | CodeAlg.ED25519,
        Kind.VOUCHER,
        voucher.voucher_id,
        voucher.series,
        voucher.expires_s,
        voucher.value,
        voucher.restriction,
    )


def parse_voucher(text: str) -> tuple[Voucher, bytes, bytes]:
    """(voucher, body, signature) of a text; raises MalformedCode unless it is the voucher's only spelling."""
    _, body, signature = read_fixed(text, {Kind.VOUCHER: _VOUCHER.size})
    try:
        return Voucher(*_VOUCHER.unpack(body)[2:]), body, signature
    except ValueError as exc:
        raise MalformedCode(Flaw.FIELDS) from exc


def shop_ref(slug: str) -> bytes:
    """Eight bytes that name a shop in codes: SHA-256("beffroi-shop" ‖ 0x00 ‖ slug)[:8]."""
    return sha256(b"beffroi-shop\x00" + slug.encode()).digest()[:SHOP_REF_BYTES]


def _unbase45(letters: str) -> bytes:
    if letters.endswith("\n"):  # the library would drop it
        raise MalformedCode(Flaw.BASE45)
    try:
        data: bytes = base45.b45decode(letters)
    except ValueError as exc:
        raise MalformedCode(Flaw.BASE45) from exc
    return data


def _read(kind: Kind, body: bytes) -> PayCode:
    _, _, *fields = _LAYOUT[kind].unpack(body)
    if not TTL_MIN_S <= fields[3] <= TTL_MAX_S:
        raise MalformedCode(Flaw.TTL)
    return PayCode(CodeAlg.ED25519, kind, *fields)
