"""A phone without a network, as a reference: it counts every payment it ever signed, scanned or not.

Values in, values out, as `till`. A phone that shows a payment again shows the same text; a fresh one takes a fresh
counter and counts in full, because nobody can tell it which of its screens a shop has kept.
Reads and writes: nothing.  Never: uses a counter twice, or signs more than it was allowed.
"""

from dataclasses import dataclass, replace

from chain.codec import bf1
from chain.codec.bf1_offline import (
    Allowance,
    OfflineCode,
    OfflineSpend,
    encode_allowance,
    encode_offline,
    parse_allowance,
)
from chain.codec.bf1_orders import points_asset
from chain.crypto.jws import SigningKey
from chain.town.context import Refused
from chain.types import codes


def sign_certificate(certificate: Allowance, *, chain_id: str, issuer: SigningKey) -> str:
    """The text of kind 9 that the programme's key holder gives the phone."""
    body = encode_allowance(certificate)
    return bf1.to_text(body, issuer.sign(bf1.signed_bytes(chain_id, body)))


@dataclass(frozen=True, slots=True)
class Purse:
    """An allowance on the phone: its certificate, the last counter used and the points signed for so far.

    Written down before a code is shown; a phone that lost it waits for the allowance to end and takes a new one.
    """

    chain_id: str
    programme: str
    certificate: str
    counter: int = 0
    signed_points: int = 0

    def sign(
        self,
        key: SigningKey,
        points: int,
        *,
        shop: str,
        nonce: bytes,
        now_s: int,
        ttl_s: int = bf1.TTL_MAX_S,
    ) -> "tuple[str, Purse] | Refused":
        """A code of kind 3 for the shop whose nonce was scanned, and the purse from now on."""
        allowance, _, town_signature = parse_allowance(self.certificate)
        if self.signed_points + points > allowance.cap_total:
            return Refused(codes.LOYALTY_OFFLINE_LIMIT, f"{allowance.cap_total} points in all")
        if points > allowance.cap_per_tx:
            return Refused(codes.QR_OVER_MAX, f"{allowance.cap_per_tx} points at once")
        if now_s >= allowance.expires_s:
            return Refused(codes.QR_EXPIRED)
        spend = OfflineSpend(
            ctr=self.counter + 1,
            iat=now_s,
            ttl_s=ttl_s,
            asset=points_asset(self.programme),
            amount=points,
            shop_ref=bf1.shop_ref(shop),
            nonce=nonce,
        )
        body = encode_offline(OfflineCode(spend, allowance, town_signature))
        text = bf1.to_text(body, key.sign(bf1.signed_bytes(self.chain_id, body)))
        signed = self.signed_points + points
        return text, replace(self, counter=self.counter + 1, signed_points=signed)
