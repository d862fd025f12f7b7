"""The shopkeepers' association: opens the programme and admits shops, with a loyalty operator's key.

Reads: the public API.  Writes: programmes and shops.
"""

from dataclasses import dataclass
from typing import Final

from app.cli.demo.client import Client
from app.cli.demo.http import Answer
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.town.schemas import EarnRule, Jwk, LoyaltyProgramme, LoyaltyShop

LOT_LIFE_DAYS: Final = 365


@dataclass(slots=True)
class Association(Client):
    """A loyalty operator of a body."""

    body: str = "commercants"

    def open_programme(self, programme: str) -> Answer:
        """One point per full euro spent, from one euro, valid a year."""
        rule = EarnRule(points=1, per_cents=100, min_purchase_cents=100)
        body = LoyaltyProgramme(programme, 1, "active", rule, LOT_LIFE_DAYS)
        return self.send("/v1/loyalty/programmes", self.sign(body, sender=f"body:{self.body}"))

    def admit_shop(self, shop: str, name: str, owner_key: SigningKey) -> Answer:
        """Register a shop with its owner's key; the owner is there and signs too."""
        body = LoyaltyShop(shop, name, Jwk(**jwk_of(owner_key.public_key)))
        signers = (self.key, owner_key)
        return self.send(
            "/v1/loyalty/shops", self.sign(body, sender=f"body:{self.body}", signers=signers)
        )
