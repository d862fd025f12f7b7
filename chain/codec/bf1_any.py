"""Any `BF1:` code by one call, whatever its kind: for readers who do not know what they will be shown.

Reads: text.  Writes: values.  Never: a clock, a key, a signature.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from chain.codec import bf1, bf1_offline, bf1_orders
from chain.codec.bf1 import Kind

AnyCode: TypeAlias = (
    bf1.PayCode
    | bf1.Voucher
    | bf1_offline.OfflineCode
    | bf1_offline.Allowance
    | bf1_orders.Invoice
    | bf1_orders.Proposal
)
_PARSERS: Final[dict[Kind, Callable[[str], tuple[AnyCode, bytes, bytes]]]] = {
    Kind.IDENTIFY: bf1.parse_text,
    Kind.PAY: bf1.parse_text,
    Kind.OFFLINE: bf1_offline.parse_offline,
    Kind.INVOICE: bf1_orders.parse_invoice,
    Kind.VOUCHER: bf1.parse_voucher,
    Kind.PROPOSE: bf1_orders.parse_proposal,
    Kind.ALLOWANCE: bf1_offline.parse_allowance,
}
BODY_BYTES: Final = {
    Kind.IDENTIFY: 28,
    Kind.PAY: 44,
    Kind.OFFLINE: 174,
    Kind.INVOICE: 38,
    Kind.VOUCHER: 38,
    Kind.PROPOSE: 44,
    Kind.ALLOWANCE: 66,
}
"""Bytes before the signature, by kind; no two kinds of one length can be mistaken, the second byte differs."""


def parse_any(text: str) -> tuple[Kind, AnyCode, bytes, bytes]:
    """(kind, code, body, signature) of a text; raises MalformedCode unless it is its code's only spelling."""
    kind, _, _ = bf1.read_fixed(text, BODY_BYTES)
    return (kind, *_PARSERS[kind](text))
