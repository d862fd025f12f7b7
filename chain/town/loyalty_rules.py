"""The one evaluator of loyalty rules: the chain, the shop's preview and the auditor all call it.

Reads: a rule and a purchase.  Writes: nothing.  Never: looks at state, a clock or a float.
"""

from hashlib import sha256
from typing import Final

from chain.codec.canonical import b64url_encode, encode_canonical
from chain.town.schemas import EarnRule

SECONDS_PER_DAY: Final = 86_400


def compute_points(rule: EarnRule, purchase_cents: int) -> int:
    """Points of one purchase: `points` for each full `per_cents`; the remainder is never carried over.

    A purchase below the rule's minimum earns nothing. At most 10^14, so exact for every JSON reader.
    """
    if purchase_cents < rule.min_purchase_cents:
        return 0
    return purchase_cents // rule.per_cents * rule.points


def compute_rule_hash(rule: EarnRule, lot_life_days: int) -> str:
    """SHA-256, base64url, of canonical `{"earn":rule,"lot_life_days":days}`: all that decides what a lot is."""
    return b64url_encode(
        sha256(encode_canonical({"earn": rule, "lot_life_days": lot_life_days})).digest()
    )


def compute_expiry(earned_s: int, lot_life_days: int) -> int:
    """First second, in unix time, at which a lot earned at `earned_s` is worth nothing."""
    return earned_s + lot_life_days * SECONDS_PER_DAY
