"""The shop's side: the owner registers a till; the till reads the customer's picture and signs what it does.

Reads: PNG pictures, the public API.  Writes: transactions signed by the till's or the owner's key.
Never: sees a balance, and never trusts the text of a code (the chain judges it).
"""

import secrets
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import zxingcpp
from PIL import Image

from app.cli.demo.client import Client
from app.cli.demo.http import Answer
from app.settlement.statements import BANK_TYP, BankStatement
from chain.codec import bf1, bf1_orders
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.crypto.jws import SigningKey, sign_compact
from chain.crypto.keys import jwk_of
from chain.town.schemas import (
    Jwk,
    LoyaltyEarn,
    LoyaltyRedeem,
    LoyaltyReverse,
    LoyaltyTill,
    LoyaltyTillRevoke,
)

DAY_S: Final = 86_400
TILL_LIFE_S: Final = 29 * DAY_S
INVOICE_LIFE_S: Final = 240
CAP_PER_TX_POINTS: Final = 5_000
CAP_PER_DAY_POINTS: Final = 200_000


MAX_PIXELS: Final = 4_096 * 4_096
"""A till refuses larger pictures: more than a phone's screen holds, and 16 MiB of grey."""


class NothingToRead(ValueError):
    """There is no picture, or not exactly one QR code in it."""


def read_picture(picture: bytes) -> str:
    """The text of the QR code in a picture; raises NothingToRead when there is none."""
    found = zxingcpp.read_barcodes(
        _open_grey(picture),
        formats=zxingcpp.BarcodeFormat.QRCode,
        text_mode=zxingcpp.TextMode.Plain,
    )
    if len(found) != 1:
        raise NothingToRead(f"{len(found)} codes in the picture")
    return str(found[0].text)


def _open_grey(picture: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings(action="error"):
            image = Image.open(BytesIO(picture), formats=["PNG", "JPEG"])
        if image.width * image.height > MAX_PIXELS:
            raise NothingToRead(f"{image.width} x {image.height} pixels are too many")
        return _on_white(image).convert("L")
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        raise NothingToRead(f"not a picture: {error}"[:200]) from error


def _on_white(image: Image.Image) -> Image.Image:
    """A picture without transparency: what shines through is paper."""
    if image.mode not in ("P", "LA", "RGBA"):
        return image
    picture = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


@dataclass(slots=True)
class Till(Client):
    """A till of one shop; `key` is the till's own."""

    shop: str = ""
    programme: str = ""

    @property
    def actor(self) -> str:
        """Whom the till acts for."""
        return f"shop:{self.shop}"

    def sign_earn(self, account: str, purchase_cents: int) -> str:
        """Points for a purchase; the receipt number makes it single."""
        receipt = b64url_encode(secrets.token_bytes(16))
        body = LoyaltyEarn(self.programme, account, purchase_cents, receipt)
        return self.sign(body, sender=self.actor)

    def earn(self, account: str, purchase_cents: int) -> Answer:
        """Grant points."""
        return self.send("/v1/loyalty/earn", self.sign_earn(account, purchase_cents))

    def sign_redeem(self, code: str, points: int) -> str:
        """Take `points` by the customer's code."""
        return self.sign(LoyaltyRedeem(self.programme, points, code), sender=self.actor)

    def redeem(self, code: str, points: int) -> Answer:
        """Redeem and wait for the final answer: only then does the till show green."""
        return self.send("/v1/loyalty/redemptions", self.sign_redeem(code, points))

    def preview(self, code: str, points: int) -> Answer:
        """Ask before acting: would this code pay that many points here?"""
        return self.api.post(
            "/v1/loyalty/redemptions/preview",
            {"programme": self.programme, "shop": self.shop, "points": points, "qr": code},
            token=self.token,
        )

    def make_invoice(self, points: int, *, life_s: int = INVOICE_LIFE_S) -> str:
        """A code that asks for `points` (BF1 kind 4), made without a network; an Ed25519 till alone can."""
        invoice = bf1_orders.Invoice(
            bf1.shop_ref(self.shop),
            secrets.token_bytes(bf1.KEY_REF_BYTES),
            points,
            self.clock() + life_s,
            bf1_orders.points_asset(self.programme),
        )
        body = bf1_orders.encode_invoice(invoice)
        return bf1.to_text(body, self.key.sign(bf1.signed_bytes(self.town.chain_id, body)))

    def reverse(self, ref: str, points: int) -> Answer:
        """Undo (part of) one of this till's own operations of the last five minutes."""
        body = LoyaltyReverse(ref, points)
        return self.send("/v1/loyalty/reversals", self.sign(body, sender=self.actor))


@dataclass(slots=True)
class Owner(Client):
    """The shopkeeper's own device: registers and revokes tills, refunds after the five minutes."""

    shop: str = ""

    def sign_bank(self, holder: str, iban: str, *, at_s: int | None = None) -> str:
        """Where the shop is paid, in the owner's own hand."""
        at_s = self.clock() if at_s is None else at_s
        said = BankStatement(self.town.chain_id, self.shop, holder, iban, at_s)
        return sign_compact(encode_canonical(said), BANK_TYP, self.key).decode()

    def set_bank(self, holder: str, iban: str) -> Answer:
        """Say where the shop is paid."""
        body = {"statement": self.sign_bank(holder, iban)}
        return self.api.post("/v1/settlements/bank-account", body, token=self.token)

    def register_till(
        self,
        till_key: SigningKey,
        per_tx_points: int = CAP_PER_TX_POINTS,
        per_day_points: int = CAP_PER_DAY_POINTS,
    ) -> Answer:
        """Let a till act for the shop for 29 days, within caps; it stands on the counter and signs too."""
        body = LoyaltyTill(
            Jwk(**jwk_of(till_key.public_key)),
            self.clock() + TILL_LIFE_S,
            per_tx_points,
            per_day_points,
        )
        path = f"/v1/loyalty/shops/{self.shop}/terminals"
        signers = (self.key, till_key)
        return self.send(path, self.sign(body, sender=f"shop:{self.shop}", signers=signers))

    def revoke_till(self, kid: str, since_s: int) -> Answer:
        """Revoke a till; unspent points it gave since then are taken back."""
        body = LoyaltyTillRevoke(kid, since_s)
        path = f"/v1/loyalty/shops/{self.shop}/terminals/revocations"
        return self.send(path, self.sign(body, sender=f"shop:{self.shop}"))

    def refund(self, ref: str, points: int) -> Answer:
        """Reverse (part of) an operation of any till of the shop, at any time."""
        body = LoyaltyReverse(ref, points)
        return self.send("/v1/loyalty/reversals", self.sign(body, sender=f"shop:{self.shop}"))
