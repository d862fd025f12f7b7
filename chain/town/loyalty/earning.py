"""Giving points for what happens at a till: one purchase or event, one receipt, one lot.

Reads: programme, campaigns, till, account, tiers.  Writes: earn, receipt, till, wallet, totals, tiers, campaigns.
Never: gives points of a rule that was not in force at header time, or more than a campaign has left.
"""

from msgspec.structs import replace

from chain.codec.canonical import b64url_encode
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.loyalty.giving import (
    check_not_staff,
    check_receiver,
    count_gift,
    get_rule_in_force,
    give,
)
from chain.town.loyalty.records import (
    CAMPAIGN_ACCOUNTS,
    CAMPAIGNS,
    EVENT_ACCOUNTS,
    PROGRAMMES,
    RECEIPTS,
    TIERS,
    TILLS,
    CounterRecord,
    EarnRecord,
    ReceiptRecord,
    TierRecord,
    TillRecord,
    VersionRecord,
    joined_id,
)
from chain.town.loyalty.tills import charge_till, get_acting_till
from chain.town.loyalty.wallet import Wallet
from chain.town.loyalty_rules import (
    SECONDS_PER_DAY,
    CampaignState,
    Earned,
    Purchase,
    compute_earned,
    find_event,
    tier_period,
)
from chain.town.loyalty_schemas import LoyaltyEvent
from chain.town.schemas import LoyaltyEarn
from chain.types import codes


def apply_earn(ctx: TxContext, body: LoyaltyEarn) -> Outcome:
    """Credit a purchase to an account under the programme's version in force."""
    till = get_acting_till(ctx)
    if isinstance(till, Refused):
        return till
    rule = get_rule_in_force(ctx.state, body.programme)
    if isinstance(rule, Refused):
        return rule
    return earn_purchase(ctx, body, till=till, rule=rule, made_s=ctx.time_s)


def earn_purchase(
    ctx: TxContext, body: LoyaltyEarn, *, till: TillRecord, rule: VersionRecord, made_s: int
) -> Outcome:
    """Credit a purchase made at `made_s` under `rule`; the caller answers for till and rule."""
    refused = _check_gift(ctx.state, till.shop, body)
    if refused is not None:
        return refused
    wallet = Wallet(ctx.state, body.account, ctx.time_s)
    earned = _evaluate(ctx.state, rule, wallet, body, till.shop, made_s)
    refused = _check_promise(earned, body)
    if refused is not None:
        return refused
    charged = charge_till(till, points=earned.points, time_s=ctx.time_s)
    if isinstance(charged, Refused):
        return charged
    refused = count_gift(
        ctx.state, wallet, programme=body.programme, issuer=till.shop, points=earned.points
    )
    return refused or _give_purchase(ctx, body, till=charged, rule=rule, earned=earned, to=wallet)


def _check_gift(state: Reader, shop: str, body: LoyaltyEarn | LoyaltyEvent) -> Refused | None:
    refused = check_receiver(state, body.account) or check_not_staff(state, shop, body.account)
    if refused is not None:
        return refused
    if RECEIPTS.get(state, joined_id(shop, body.receipt)) is not None:
        return Refused(codes.LOYALTY_RECEIPT_USED)
    return None


def _check_promise(earned: Earned, body: LoyaltyEarn) -> Refused | None:
    """At least the points the till showed, and at least one."""
    if earned.points < body.points_shown:
        code = codes.LOYALTY_CAMPAIGN_SPENT if earned.is_cut else codes.LOYALTY_POINTS_DIFFER
        return Refused(code, f"{earned.points} points")
    return None if earned.points else Refused(codes.LOYALTY_NOTHING_EARNED)


def _evaluate(
    state: Reader,
    rule: VersionRecord,
    wallet: Wallet,
    body: LoyaltyEarn,
    shop: str,
    made_s: int,
) -> Earned:
    """Look up the few figures the evaluator asks for, and let it judge."""
    position = wallet.get_position(body.programme, shop)
    tier = get_tier(state, rule, body.account, wallet.time_s)
    purchase = Purchase(
        cents=body.purchase_cents,
        shop=shop,
        time_s=made_s,
        items=body.items,
        is_first_visit=position.day != wallet.time_s // SECONDS_PER_DAY or not position.day_earns,
        tier_points=max(tier.points, tier.before),
    )
    return compute_earned(rule.earn, purchase, _campaigns(state, body.programme, body.account))


def _campaigns(state: Reader, programme: str, account: str) -> list[CampaignState]:
    record = PROGRAMMES.get(state, programme.encode())
    assert record is not None, "the rule in force has a programme"
    states = []
    for name in record.campaigns:
        campaign = CAMPAIGNS.get(state, name.encode())
        assert campaign is not None, "a programme lists campaigns on record"
        counter = CounterRecord()
        if campaign.terms.account_max_points:
            counter = CAMPAIGN_ACCOUNTS.get(state, joined_id(name, account)) or counter
        states.append(CampaignState(campaign.terms, campaign.given, counter.count))
    return states


def _give_purchase(
    ctx: TxContext,
    body: LoyaltyEarn,
    *,
    till: TillRecord,
    rule: VersionRecord,
    earned: Earned,
    to: Wallet,
) -> Outcome:
    record = _new_earn(ctx, body, till=till, version=rule.version, points=earned.points)
    record = replace(
        record,
        purchase_cents=body.purchase_cents,
        campaign=earned.campaign,
        bonus=earned.campaign_bonus,
    )
    add_campaign_bonus(ctx.state, record, earned.campaign_bonus)
    add_tier_points(ctx.state, rule, record, earned.points, ctx.time_s)
    facts: dict[str, str | int] = {
        "purchase_cents": body.purchase_cents,
        "base": earned.base,
        "tier": earned.tier,
        "tier_bonus": earned.tier_bonus,
        "campaign": earned.campaign,
        "campaign_bonus": earned.campaign_bonus,
    }
    return _finish(ctx, body, till=till, rule=rule, record=record, to=to, facts=facts)


def _finish(
    ctx: TxContext,
    body: LoyaltyEarn | LoyaltyEvent,
    *,
    till: TillRecord,
    rule: VersionRecord,
    record: EarnRecord,
    to: Wallet,
    facts: dict[str, str | int],
) -> Outcome:
    ref = b64url_encode(ctx.tx_key)
    given = give(ctx.state, to, rule, record, ref)
    to.save()
    RECEIPTS.put(ctx.state, joined_id(till.shop, body.receipt), ReceiptRecord(ref))
    TILLS.put(ctx.state, till.kid.encode(), replace(till, last_earn=ref))
    return Accepted(
        {
            "account": body.account,
            "programme": body.programme,
            "version": rule.version,
            "shop": till.shop,
            "till": till.kid,
            "receipt": body.receipt,
            "points": record.points,
            **facts,
            **given,
        }
    )


def _new_earn(
    ctx: TxContext,
    body: LoyaltyEarn | LoyaltyEvent,
    *,
    till: TillRecord,
    version: int,
    points: int,
) -> EarnRecord:
    return EarnRecord(
        account=body.account,
        programme=body.programme,
        version=version,
        shop=till.shop,
        till=till.kid,
        purchase_cents=0,
        receipt=body.receipt,
        points=points,
        lot="",
        earned_s=ctx.time_s,
        previous=till.last_earn,
    )


# --- events --------------------------------------------------------------------------------


def apply_event(ctx: TxContext, body: LoyaltyEvent) -> Outcome:
    """Credit an event of the programme's rule, so many times per account."""
    till = get_acting_till(ctx)
    if isinstance(till, Refused):
        return till
    rule = get_rule_in_force(ctx.state, body.programme)
    if isinstance(rule, Refused):
        return rule
    event = find_event(rule.earn, body.event)
    if event is None:
        return Refused(codes.LOYALTY_NOTHING_EARNED, body.event)
    refused = _check_gift(ctx.state, till.shop, body)
    if refused is not None:
        return refused
    counter_id = joined_id(body.programme, body.event, body.account)
    counter = EVENT_ACCOUNTS.get(ctx.state, counter_id) or CounterRecord()
    if counter.count >= event.per_account_max:
        return Refused(codes.LOYALTY_MEMBER_LIMIT, f"{event.per_account_max} each")
    charged = charge_till(till, points=event.points, time_s=ctx.time_s)
    if isinstance(charged, Refused):
        return charged
    wallet = Wallet(ctx.state, body.account, ctx.time_s)
    refused = count_gift(
        ctx.state, wallet, programme=body.programme, issuer=till.shop, points=event.points
    )
    if refused is not None:
        return refused
    EVENT_ACCOUNTS.put(ctx.state, counter_id, CounterRecord(counter.count + 1))
    record = _new_earn(ctx, body, till=charged, version=rule.version, points=event.points)
    record = replace(record, kind="event", event=body.event)
    facts: dict[str, str | int] = {"event": body.event, "purchase_cents": 0}
    return _finish(ctx, body, till=charged, rule=rule, record=record, to=wallet, facts=facts)


# --- what an earn counts for, and no longer counts for once it is reversed -----------------


def get_tier(state: Reader, rule: VersionRecord, account: str, time_s: int) -> TierRecord:
    """Points of this tier period and the one before; zeros without tiers."""
    period = tier_period(rule.earn, time_s)
    if not rule.earn.tiers:
        return TierRecord(period)
    held = TIERS.get(state, joined_id(rule.programme, account)) or TierRecord(period)
    if held.period == period:
        return held
    return TierRecord(period, 0, held.points if held.period == period - 1 else 0)


def add_tier_points(
    state: Overlay, rule: VersionRecord, record: EarnRecord, points: int, time_s: int
) -> None:
    """Count (or, negative, no longer count) a purchase's points in the tier period it was made in."""
    if not rule.earn.tiers or record.kind != "purchase":
        return
    tier = get_tier(state, rule, record.account, time_s)
    period = tier_period(rule.earn, record.earned_s)
    if period == tier.period:
        tier = replace(tier, points=max(0, tier.points + points))
    elif period == tier.period - 1:
        tier = replace(tier, before=max(0, tier.before + points))
    TIERS.put(state, joined_id(rule.programme, record.account), tier)


def add_campaign_bonus(state: Overlay, record: EarnRecord, points: int) -> None:
    """Draw a bonus from its campaign's budget or, negative, put it back."""
    if not record.campaign:
        return
    campaign = CAMPAIGNS.get(state, record.campaign.encode())
    assert campaign is not None, "bonuses come from campaigns on record"
    given = campaign.given + points
    assert 0 <= given <= max(campaign.terms.budget_points, campaign.given), "budgets are kept"
    CAMPAIGNS.put(state, record.campaign.encode(), replace(campaign, given=given))
    if campaign.terms.account_max_points:
        counter_id = joined_id(record.campaign, record.account)
        counter = CAMPAIGN_ACCOUNTS.get(state, counter_id) or CounterRecord()
        fresh = CounterRecord(max(0, counter.count + points))
        CAMPAIGN_ACCOUNTS.put(state, counter_id, fresh)
