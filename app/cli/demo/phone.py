"""The citizen's phone: words, keys, enrolment, a loyalty account, QR codes drawn as pictures.

Reads: the public API.  Writes: a PNG when asked.  Never: sends a private key or the words.
"""

import io
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import segno

from app.cli.demo.client import Client, expect, login
from app.cli.demo.http import Answer, new_key
from app.cli.demo.wallet import Wallet
from app.identity.comparison import compute_comparison_number, encode_possession
from chain.codec import bf1
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.town.loyalty_schemas import LoyaltyInvoicePay
from chain.town.schemas import AccountOpen, Jwk

CODE_LIFE_S: Final = 60
ASSET_POINTS: Final = 1
PIXELS_PER_MODULE: Final = 6
QUIET_MODULES: Final = 4


@dataclass(slots=True)
class Phone(Client):
    """One citizen's device; `key` is the loyalty key, `identity_key` the one the town attests."""

    wallet: Wallet = field(default_factory=lambda: Wallet(""), repr=False)
    name: str = ""
    enrolment: str = ""
    counter: int = 0
    identity_token: str = field(default="", repr=False)
    inherited: str = ""
    """The identity's account where a lost phone's was given to this one; else it is named by the own key."""

    @property
    def identity_key(self) -> SigningKey:
        """Key of the identity domain."""
        return self.wallet.derive_key("identity")

    @property
    def identity_account(self) -> str:
        """Account of the identity: the thumbprint of its first key."""
        return self.inherited or self.identity_key.kid

    @property
    def account(self) -> str:
        """Loyalty account: thumbprint of the loyalty domain's first key."""
        return self.wallet.derive_key("loyalty").kid

    # -- enrolment ----------------------------------------------------------------------------

    def start_enrolment(self) -> str:
        """Announce the identity key with a proof of possession; returns the text of the QR to show."""
        key, now_s = self.identity_key, self.clock()
        proof = key.sign(encode_possession(self.town.town, key.kid, now_s))
        body = {
            "key": jwk_of(key.public_key),
            "issued_at": now_s,
            "signature": b64url_encode(proof),
        }
        enrolment = expect("enrolment", self.api.post("/v1/enrolments", body, key=new_key()))
        self.enrolment = enrolment["id"]
        return str(enrolment["qr"])

    def comparison_number(self) -> str:
        """Six digits the phone computes itself from its own key; the clerk must see the same."""
        return compute_comparison_number(self.enrolment, self.identity_key.kid)

    def enrolment_status(self) -> str:
        """What the desk has done so far."""
        return str(expect("poll", self.api.get(f"/v1/enrolments/{self.enrolment}"))["status"])

    def read_identity(self, *, proof: bool = False) -> dict[str, Any]:
        """Own identity with its opening; `proof` asks for the chain's evidence."""
        self.identity_token = self.identity_token or login(self.api, self.identity_key)
        path = "/v1/identity/me" + ("?proof=1" if proof else "")
        return dict(expect("identity", self.api.get(path, token=self.identity_token)))

    # -- loyalty ------------------------------------------------------------------------------

    def open_loyalty_account(self) -> Answer:
        """Ask the gateway for a ticket, then open the account with the phone's own signature."""
        self.login()
        asked = self.api.post("/v1/accounts/tickets", {"domain": "loyalty"}, token=self.token)
        ticket = expect("ticket", asked)["ticket"]
        body = AccountOpen(
            domain="loyalty",
            key=Jwk(**self.jwk),
            blind=b64url_encode(secrets.token_bytes(16)),
            ticket=ticket,
        )
        answer = self.send("/v1/accounts", self.sign(body, sender=self.account))
        if answer.is_ok:
            self.login()  # the first token knew the key as a new device only
        return answer

    def read_balance(self, *, proof: bool = False) -> dict[str, Any]:
        """Own balance with its lots."""
        path = "/v1/loyalty/accounts/me" + ("?proof=1" if proof else "")
        return dict(expect("balance", self.api.get(path, token=self.token)))

    # -- codes --------------------------------------------------------------------------------

    def make_identity_code(self) -> str:
        """A code that names the account and pays nothing (BF1 kind 1), to earn with."""
        self.counter += 1
        return self._sign_code(
            bf1.PayCode(
                alg=bf1.CodeAlg.ED25519,
                kind=bf1.Kind.IDENTIFY,
                key_ref=self._key_ref(),
                ctr=self.counter,
                iat=self.clock(),
                ttl_s=CODE_LIFE_S,
            )
        )

    def make_code(
        self,
        max_points: int,
        *,
        shop: str = "",
        issued_at_s: int | None = None,
        counter: int | None = None,
    ) -> str:
        """A one-time pay code (BF1 kind 2) for at most `max_points`, for one shop or (\"\") for any."""
        if counter is None:
            self.counter += 1
            counter = self.counter
        code = bf1.PayCode(
            alg=bf1.CodeAlg.ED25519,
            kind=bf1.Kind.PAY,
            key_ref=self._key_ref(),
            ctr=counter,
            iat=self.clock() if issued_at_s is None else issued_at_s,
            ttl_s=CODE_LIFE_S,
            asset=ASSET_POINTS,
            max_amount=max_points,
            shop_ref=bf1.shop_ref(shop) if shop else bf1.ANY_SHOP,
        )
        return self._sign_code(code)

    def preview_invoice(self, text: str) -> Answer:
        """Whom a till's invoice would pay, and what the payment must name."""
        return self.api.post("/v1/loyalty/invoices/preview", {"invoice": text}, token=self.token)

    def sign_invoice(self, text: str, *, till: str, programme: str) -> str:
        """Agree to a till's invoice as it stands."""
        return self.sign(LoyaltyInvoicePay(till, programme, text), sender=self.account)

    def pay_invoice(self, text: str) -> Answer:
        """Look, then pay; the first refusal ends it."""
        shown = self.preview_invoice(text)
        if not shown.is_ok:
            return shown
        till, programme = shown.body["till"], shown.body["programme"]
        signed = self.sign_invoice(text, till=till, programme=programme)
        return self.send("/v1/loyalty/invoices/payments", signed)

    def _key_ref(self) -> bytes:
        return b64url_decode(self.account)[: bf1.KEY_REF_BYTES]

    def _sign_code(self, code: bf1.PayCode) -> str:
        body = bf1.encode_body(code)
        return bf1.to_text(body, self.key.sign(bf1.signed_bytes(self.town.chain_id, body)))


def draw_code(text: str) -> bytes:
    """The picture a phone's screen shows: QR level M, never boosted (PNG bytes)."""
    picture = io.BytesIO()
    code = segno.make(text, error="m", boost_error=False)
    code.save(picture, kind="png", scale=PIXELS_PER_MODULE, border=QUIET_MODULES)
    return picture.getvalue()
