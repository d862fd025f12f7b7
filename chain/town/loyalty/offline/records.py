"""What the chain remembers of payments without a network: keys, allowances with their locks, claims, proofs of fraud.

Ids are built here. New fields are appended with a default.
Reads: nothing.  Writes: nothing.  Never: a name of a person.
"""

from hashlib import sha256
from typing import Final

from msgspec import Struct

from chain.codec.bf1 import KEY_REF_BYTES
from chain.codec.bf1_offline import Allowance, encode_allowance
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.town.context import Table
from chain.town.loyalty.records import NAMESPACE, Leg, joined_id


class OfflineKeyRecord(Struct, frozen=True):
    """The Ed25519 key (base64url) that signs a programme's allowances."""

    key: str
    since_s: int


class AllowanceRecord(Struct, frozen=True):
    """Points locked for payments without a network, and what shops claimed of them so far.

    `device_key` may spend them until `expires_s`; claims come in until `closes_s`. `issuer_key` signed the
    certificate. `shop_points` is the most one shop may claim. `shops` are `(shop, points, claims)`, sorted by shop;
    `claimed` is their sum and may exceed `points` when the phone cheated. `status` is open or closed. `paid` is what
    the shops got in the end.
    """

    account: str
    programme: str
    device_key: str
    issuer_key: str
    points: int
    per_tx_points: int
    shop_points: int
    iat_s: int
    expires_s: int
    closes_s: int
    legs: tuple[Leg, ...]
    shops: tuple[tuple[str, int, int], ...] = ()
    claimed: int = 0
    status: str = "open"
    paid: int = 0

    def certificate(self) -> Allowance:
        """What the town signs for the phone: all of it follows from the record."""
        return Allowance(
            device_key=b64url_decode(self.device_key),
            key_ref=b64url_decode(self.account)[:KEY_REF_BYTES],
            iat=self.iat_s,
            expires_s=self.expires_s,
            cap_total=self.points,
            cap_per_tx=self.per_tx_points,
        )


class RunningRecord(Struct, frozen=True):
    """An allowance of an account that is not closed yet, and until when its phone may spend."""

    expires_s: int


class ClaimRecord(Struct, frozen=True):
    """One payment a shop claimed, under its counter and the hash of what the phone signed."""

    shop: str
    points: int
    spent_s: int
    till: str
    claimed_s: int


class FraudRecord(Struct, frozen=True):
    """A phone was caught: `kind` is counter (one counter, two payments) or sum (more than was allowed)."""

    kind: str
    at_s: int
    by: str


OFFLINE_KEYS: Final = Table(NAMESPACE, "offline_key", OfflineKeyRecord)
ALLOWANCES: Final = Table(NAMESPACE, "allowance", AllowanceRecord)
"""Under the name that `name_allowance` makes of the certificate, so a changed certificate is simply not there."""
RUNNING: Final = Table(NAMESPACE, "allowance_of", RunningRecord)
"""Under `<account>/<allowance>`, until it closes."""
CLAIMS: Final = Table(NAMESPACE, "claim", ClaimRecord)
"""Under `<allowance>/<counter, 10 digits>/<hash of the signed bytes, base64url>`."""
FRAUDS: Final = Table(NAMESPACE, "fraud", FraudRecord)
"""Under the allowance's name."""


def name_allowance(certificate: Allowance) -> str:
    """SHA-256 of a label and the certificate's 66 bytes, base64url: its name everywhere."""
    return b64url_encode(sha256(b"beffroi-allowance\x00" + encode_allowance(certificate)).digest())


def claim_id(allowance: str, counter: int, digest: str = "") -> bytes:
    """Id of a claim; without a digest, where those of the counter begin."""
    return joined_id(allowance, f"{counter:010d}", digest)


def name_payment(allowance: str, shop: str) -> str:
    """Name of the one spend that a shop's claims of an allowance come to: by it the owner refunds."""
    return b64url_encode(sha256(b"beffroi-paid\x00" + joined_id(allowance, shop)).digest())
