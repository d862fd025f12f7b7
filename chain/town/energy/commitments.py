"""Salted commitments of what never travels: a PRM, an order, a text; SHA-256(domain ‖ 00 ‖ 32-byte salt ‖ bytes).

A PRM has 10^14 values and an order few: without a salt anybody could try them all. The adapter's tag of a PRM is an
HMAC under a key the adapter keeps: equal for equal PRMs, so that one point is active in one operation only, and
nothing to anybody else.
Reads: its arguments.  Never: a state.
"""

import hmac
from hashlib import sha256
from typing import Final

from msgspec import Struct

from chain.codec.canonical import b64url_encode, encode_canonical
from chain.town.energy.enedis import check_prm
from chain.town.energy.market import Order, Side
from chain.town.energy.refusals import Refused

SALT_BYTES: Final = 32
_POINT: Final = b"beffroi-energy-point"
_TAG: Final = b"beffroi-energy-tag"
_ORDER: Final = b"beffroi-energy-order"
_TEXT: Final = b"beffroi-energy-text"


class SealedOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """What an order says, opened to the *PMO* and the witness after the gate; µ€/kWh and Wh."""

    operation: str
    start: int
    point: str
    side: Side
    price_micro_eur: int
    energy_wh: int


def commit_point(prm: str, salt: bytes) -> str | Refused:
    """Commitment to a delivery point, base64url; refused when the PRM is not 14 digits."""
    return check_prm(prm) or _commit(_POINT, salt, prm.encode())


def tag_point(prm: str, adapter_key: bytes) -> str | Refused:
    """The adapter's keyed hash of a PRM, base64url; keys of 32 bytes on."""
    assert len(adapter_key) >= SALT_BYTES, "a short key could be searched"
    flaw = check_prm(prm)
    message = _TAG + b"\x00" + prm.encode()
    return flaw or b64url_encode(hmac.digest(adapter_key, message, "sha256"))


def commit_order(order: SealedOrder, salt: bytes) -> str:
    """Commitment to an order, base64url."""
    return _commit(_ORDER, salt, encode_canonical(order))


def commit_text(text: bytes, salt: bytes) -> str:
    """Commitment to a consent, convention, claim or evidence, base64url."""
    return _commit(_TEXT, salt, text)


def open_order(order: SealedOrder, account: str, seq: int, commitment: str) -> Order:
    """A sealed order as the auction takes it: its id is its commitment, its arrival number the chain's."""
    return Order(
        order_id=commitment,
        side=order.side,
        participant=account,
        price_micro_eur=order.price_micro_eur,
        energy_wh=order.energy_wh,
        seq=seq,
        point=order.point,
    )


def _commit(domain: bytes, salt: bytes, message: bytes) -> str:
    assert len(salt) == SALT_BYTES, "a salt has 32 bytes"
    return b64url_encode(sha256(domain + b"\x00" + salt + message).digest())
