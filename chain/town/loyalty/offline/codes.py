"""A code of kind 3 judged in one fixed order, by the chain when it is claimed and by a till when it is shown.

Order as for every code: form, time, who, signatures, amount, shop. What depends on what was seen before (counters,
sums) comes after, with whoever keeps it.
Reads: values.  Writes: nothing.  Never: a clock; the town's key is whoever calls's to know.
"""

from dataclasses import dataclass
from hashlib import sha256

from chain.codec import bf1
from chain.codec.bf1_offline import (
    Allowance,
    OfflineSpend,
    encode_allowance,
    parse_offline,
)
from chain.codec.bf1_orders import points_asset
from chain.codec.canonical import b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519
from chain.town.context import Refused
from chain.types import codes


@dataclass(frozen=True, slots=True)
class ShownCode:
    """A code whose form is right; nothing in it was believed yet."""

    spend: OfflineSpend
    allowance: Allowance
    town_signature: bytes
    body: bytes
    signature: bytes

    @property
    def digest(self) -> str:
        """Name of the payment: SHA-256 of the bytes the phone signed, without the signature, base64url."""
        return b64url_encode(sha256(self.body).digest())

    def is_signed(self, chain_id: str, issuer_key: bytes) -> bool:
        """Whether the town signed the allowance and the phone the payment, both for this chain."""
        certificate = bf1.signed_bytes(chain_id, encode_allowance(self.allowance))
        payment = bf1.signed_bytes(chain_id, self.body)
        return ed25519.verify_strict(
            issuer_key, certificate, self.town_signature
        ) and ed25519.verify_strict(self.allowance.device_key, payment, self.signature)


def read_code(text: str) -> ShownCode | Refused:
    """The fields of a code of kind 3, or why it is none."""
    try:
        code, body, signature = parse_offline(text)
    except DecodeError as exc:
        return Refused(codes.QR_MALFORMED, str(exc)[:80])
    return ShownCode(code.spend, code.allowance, code.town_signature, body, signature)


def check_payment(code: ShownCode, *, programme: str, clock_s: int) -> Refused | None:
    """What the payment says against the allowance it quotes; the phone's clock may be `clock_s` behind the chain's."""
    spend, allowance = code.spend, code.allowance
    if spend.asset != points_asset(programme):
        return Refused(codes.QR_MALFORMED, "points of another programme")
    if not allowance.iat - clock_s <= spend.iat < allowance.expires_s:
        return Refused(codes.QR_EXPIRED, "outside the allowance's time")
    if spend.amount > allowance.cap_per_tx:
        return Refused(codes.QR_OVER_MAX, f"at most {allowance.cap_per_tx} points at once")
    return None
