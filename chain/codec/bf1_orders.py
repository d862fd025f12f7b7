"""`BF1:` codes that somebody else answers: a shop's invoice (kind 4) and a SEL proposal (kind 6).

The shop's till signs an invoice, so it can be shown without a network; the phone that reads it signs the spend. A
proposal is signed by the member who shows it; the other one accepts on the own phone.
Reads: text or values.  Writes: bytes or values.  Never: a clock, a key, a signature.
Source: research page "loyalty", §5.1; big-endian throughout. Kind 6 keeps the layout of kind 2.
"""

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from chain.codec.bf1 import (
    EARLY_S,
    FORMAT,
    KEY_REF_BYTES,
    LATE_S,
    SHOP_REF_BYTES,
    CodeAlg,
    Flaw,
    Kind,
    MalformedCode,
    read_fixed,
)

INVOICE_LIFE_MAX_S: Final = 300
"""How far ahead of the block's time an invoice may end, besides `EARLY_S` for the till's clock."""
PROPOSAL_TTL_MIN_S: Final = 30
PROPOSAL_TTL_MAX_S: Final = 600
"""Two members talk an exchange over longer than a customer stands at a till."""
ASSET_SELU: Final = 2
"""Asset number of SEL minutes in a code."""

_INVOICE: Final = struct.Struct(">BB8s16sIII")
_PROPOSAL: Final = struct.Struct(">BB16sIIHII8s")
_TAG_BITS: Final = 24


@dataclass(frozen=True, slots=True)
class Invoice:
    """What a shop asks for: 16 random bytes as its number, points, when it ends (unix seconds), of which programme.

    `asset` is `points_asset(programme)`. Raises ValueError out of range.
    """

    shop_ref: bytes
    invoice_id: bytes
    amount: int
    expires_s: int
    asset: int

    def __post_init__(self) -> None:
        if len(self.shop_ref) != SHOP_REF_BYTES or len(self.invoice_id) != KEY_REF_BYTES:
            raise ValueError("shop_ref has 8 bytes and invoice_id 16")
        if any(not 0 < n < 2**32 for n in (self.amount, self.expires_s, self.asset)):
            raise ValueError("amount, expires_s and asset are positive 32-bit integers")
        if not any(self.shop_ref):
            raise ValueError("an invoice names its shop")

    def is_in_window(self, time_s: int) -> bool:
        """True before the end plus `LATE_S`, and never more than five minutes ahead of it."""
        return self.expires_s - INVOICE_LIFE_MAX_S - EARLY_S <= time_s <= self.expires_s + LATE_S


@dataclass(frozen=True, slots=True)
class Proposal:
    """Minutes that a member offers to give for an offer or a need; the counter is of the SEL key.

    `offer_ref` are the first 8 bytes of the offer's hash, zeros for none. Raises ValueError out of range.
    """

    key_ref: bytes
    ctr: int
    iat: int
    ttl_s: int
    minutes: int
    offer_ref: bytes = bytes(SHOP_REF_BYTES)

    def __post_init__(self) -> None:
        if len(self.key_ref) != KEY_REF_BYTES or len(self.offer_ref) != SHOP_REF_BYTES:
            raise ValueError("key_ref has 16 bytes and offer_ref 8")
        if any(not 0 <= n < 2**32 for n in (self.ctr, self.iat)) or not 0 < self.minutes < 2**32:
            raise ValueError("ctr and iat are unsigned 32-bit integers, minutes is positive")
        if not PROPOSAL_TTL_MIN_S <= self.ttl_s <= PROPOSAL_TTL_MAX_S:
            raise ValueError(f"ttl_s is {PROPOSAL_TTL_MIN_S} to {PROPOSAL_TTL_MAX_S}")

    def is_in_window(self, time_s: int) -> bool:
        """True from 30 s before `iat` to 60 s after the end of `ttl_s`, both included."""
        return self.iat - EARLY_S <= time_s <= self.iat + self.ttl_s + LATE_S


def points_asset(programme: str) -> int:
    """Asset of an invoice in points: 24 bits that name the programme, then 1 for points.

    So that nobody pays an invoice with the points of a programme that are worth less.
    """
    tag = int.from_bytes(sha256(b"beffroi-programme\x00" + programme.encode()).digest()[:3], "big")
    return tag << 8 | 1


def encode_invoice(invoice: Invoice) -> bytes:
    """The 38 bytes before the signature."""
    return _INVOICE.pack(
        FORMAT << 4 | CodeAlg.ED25519,
        Kind.INVOICE,
        invoice.shop_ref,
        invoice.invoice_id,
        invoice.amount,
        invoice.expires_s,
        invoice.asset,
    )


def parse_invoice(text: str) -> tuple[Invoice, bytes, bytes]:
    """(invoice, body, signature) of a text; raises MalformedCode unless it is the invoice's only spelling."""
    _, body, signature = read_fixed(text, {Kind.INVOICE: _INVOICE.size})
    try:
        return Invoice(*_INVOICE.unpack(body)[2:]), body, signature
    except ValueError as exc:
        raise MalformedCode(Flaw.FIELDS) from exc


def encode_proposal(proposal: Proposal) -> bytes:
    """The 44 bytes before the signature."""
    return _PROPOSAL.pack(
        FORMAT << 4 | CodeAlg.ED25519,
        Kind.PROPOSE,
        proposal.key_ref,
        proposal.ctr,
        proposal.iat,
        proposal.ttl_s,
        ASSET_SELU,
        proposal.minutes,
        proposal.offer_ref,
    )


def parse_proposal(text: str) -> tuple[Proposal, bytes, bytes]:
    """(proposal, body, signature) of a text; raises MalformedCode unless it is the proposal's only spelling."""
    _, body, signature = read_fixed(text, {Kind.PROPOSE: _PROPOSAL.size})
    _, _, key_ref, ctr, iat, ttl_s, asset, minutes, offer_ref = _PROPOSAL.unpack(body)
    if not PROPOSAL_TTL_MIN_S <= ttl_s <= PROPOSAL_TTL_MAX_S:
        raise MalformedCode(Flaw.TTL)
    if asset != ASSET_SELU or not minutes:
        raise MalformedCode(Flaw.FIELDS)
    return Proposal(key_ref, ctr, iat, ttl_s, minutes, offer_ref), body, signature
