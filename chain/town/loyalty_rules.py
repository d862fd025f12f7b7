"""The one evaluator of loyalty rules: the chain, the shop's preview and the auditor all call it.

What a purchase earns is a function of the rule, of what is on the receipt, and of a few figures of state that the
caller looks up: whether this is the day's first visit, the points that count for a tier, what campaigns have
given so far. Order: cents, visit and items make the base; the tier adds to the base; of all campaigns that apply
the one that gives most adds to the base too, up to what is left of its budget.
Reads: what it is given.  Writes: nothing.  Never: looks at state, a clock or a float.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from chain.codec.canonical import b64url_encode, encode_canonical
from chain.town.loyalty_schemas import LoyaltyCampaign
from chain.town.schemas import EarnRule, EventRule, ItemCount, Terms, TierRule

SECONDS_PER_HOUR: Final = 3_600
SECONDS_PER_DAY: Final = 86_400
PERCENT: Final = 100
_EPOCH_WEEKDAY: Final = 3
"""1 January 1970 was a Thursday; Monday is 0."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a receipt says, and what the state says about its holder at that moment (`time_s`: header time)."""

    cents: int
    shop: str
    time_s: int
    items: Sequence[ItemCount] = ()
    is_first_visit: bool = False
    """Whether the account earns at this shop for the first time this UTC day."""
    tier_points: int = 0
    """The larger of what was earned in this tier period and in the one before."""


@dataclass(frozen=True, slots=True)
class CampaignState:
    """A campaign's terms, and how many bonus points it has given: in all, and to this account."""

    terms: LoyaltyCampaign
    given: int
    given_to_account: int = 0


@dataclass(frozen=True, slots=True)
class Earned:
    """Points of one purchase, part by part."""

    base: int
    tier: str = ""
    tier_bonus: int = 0
    campaign: str = ""
    campaign_bonus: int = 0
    is_cut: bool = False
    """A campaign would have given more, had its budget or the account's share allowed."""

    @property
    def points(self) -> int:
        """All together."""
        return self.base + self.tier_bonus + self.campaign_bonus


def compute_earned(
    rule: EarnRule, purchase: Purchase, campaigns: Iterable[CampaignState] = ()
) -> Earned:
    """What a purchase earns. At most 10^15 with the bounds of the schemas, so exact for every JSON reader."""
    if purchase.cents < rule.min_purchase_cents:
        return Earned(0)
    base = compute_points(rule, purchase.cents) + compute_item_points(rule, purchase.items)
    if purchase.is_first_visit:
        base += rule.visit_points
    tier = find_tier(rule.tiers, purchase.tier_points)
    campaign, bonus, is_cut = _best_campaign(base, purchase, campaigns)
    return Earned(
        base=base,
        tier=tier.tier if tier else "",
        tier_bonus=base * tier.bonus_percent // PERCENT if tier else 0,
        campaign=campaign,
        campaign_bonus=bonus,
        is_cut=is_cut,
    )


def compute_points(rule: EarnRule, purchase_cents: int) -> int:
    """Points for the amount alone: `points` for each full `per_cents`; the remainder is never carried over.

    A purchase below the rule's minimum earns nothing. At most 10^14.
    """
    if purchase_cents < rule.min_purchase_cents:
        return 0
    return purchase_cents // rule.per_cents * rule.points


def compute_item_points(rule: EarnRule, items: Iterable[ItemCount]) -> int:
    """Points for the items of a purchase: each class up to its rule's count, whatever lines it is spread over."""
    counts: dict[str, int] = {}
    for line in items:
        counts[line.item] = counts.get(line.item, 0) + line.count
    return sum(item.points * min(counts.get(item.item, 0), item.count_max) for item in rule.items)


def find_event(rule: EarnRule, event: str) -> EventRule | None:
    """The rule of one event, or None."""
    return next((found for found in rule.events if found.event == event), None)


def find_tier(tiers: Sequence[TierRule], points: int) -> TierRule | None:
    """The highest tier that `points` reach, or None."""
    reached = [tier for tier in tiers if points >= tier.from_points]
    return max(reached, key=lambda tier: tier.from_points, default=None)


def tier_period(rule: EarnRule, time_s: int) -> int:
    """Number of the tier period that `time_s` is in, counted from 1970; 0 without tiers."""
    return time_s // (rule.tier_days * SECONDS_PER_DAY) if rule.tier_days else 0


def is_campaign_open(terms: LoyaltyCampaign, *, shop: str, time_s: int) -> bool:
    """Whether a campaign applies to a purchase at `shop` at `time_s` (UTC), its budget aside."""
    if terms.status != "active" or not terms.starts <= time_s < terms.ends:
        return False
    weekday = (time_s // SECONDS_PER_DAY + _EPOCH_WEEKDAY) % 7
    hour = time_s % SECONDS_PER_DAY // SECONDS_PER_HOUR
    is_hour = terms.hour_from <= hour < terms.hour_to
    return terms.shop in ("", shop) and bool(terms.weekdays >> weekday & 1) and is_hour


def compute_campaign_bonus(state: CampaignState, base: int) -> tuple[int, int]:
    """(bonus given, bonus wished) of one campaign on `base` points: never more than is left of its budget."""
    wished = base * (state.terms.multiplier_percent - PERCENT) // PERCENT
    left = state.terms.budget_points - state.given
    if state.terms.account_max_points:
        left = min(left, state.terms.account_max_points - state.given_to_account)
    return max(0, min(wished, left)), wished


def _best_campaign(
    base: int, purchase: Purchase, campaigns: Iterable[CampaignState]
) -> tuple[str, int, bool]:
    """Name and bonus of the campaign that gives most (the first by name among equals), and whether any was cut."""
    best, name, is_cut = 0, "", False
    for state in sorted(campaigns, key=lambda found: found.terms.campaign):
        if not is_campaign_open(state.terms, shop=purchase.shop, time_s=purchase.time_s):
            continue
        bonus, wished = compute_campaign_bonus(state, base)
        is_cut = is_cut or bonus < wished
        if bonus > best:
            best, name = bonus, state.terms.campaign
    return name, best, is_cut


# --- versions ------------------------------------------------------------------------------


def find_rule_flaw(rule: EarnRule) -> str:
    """Why a rule cannot be put in force: what the message types cannot say. Empty when it can."""
    names = (
        [found.item for found in rule.items],
        [found.event for found in rule.events],
        [found.tier for found in rule.tiers],
    )
    if any(len(set(listed)) < len(listed) for listed in names):
        return "earn: a name stands twice"
    steps = [tier.from_points for tier in rule.tiers]
    if steps != sorted(set(steps)):
        return "earn: tiers rise"
    if bool(rule.tiers) != bool(rule.tier_days):
        return "earn: tiers and tier_days go together"
    gives = (rule.points, rule.visit_points, rule.items, rule.events, rule.referral)
    return "" if any(gives) else "earn: gives nothing"


def compute_rule_hash(rule: EarnRule, lot_life_days: int, terms: Terms | None = None) -> str:
    """SHA-256, base64url, of canonical `{"earn":rule,"lot_life_days":days}`: all that decides what a lot is.

    Other than default terms are added as `"terms"`; so an older version keeps its hash.
    """
    said: dict[str, object] = {"earn": rule, "lot_life_days": lot_life_days}
    if terms is not None and terms != Terms():
        said["terms"] = terms
    return b64url_encode(sha256(encode_canonical(said)).digest())


def compute_expiry(earned_s: int, lot_life_days: int) -> int:
    """First second, in unix time, at which a lot earned at `earned_s` is worth nothing."""
    return earned_s + lot_life_days * SECONDS_PER_DAY
