"""What operators and owners offer and forbid: campaigns, rewards, and who is staff.

Reads and writes: campaigns, rewards, staff, programmes; a reward taken is a spend of its price.
Never: lets a budget or a stock fall below what is gone.
"""

from msgspec.structs import asdict, replace

from chain.limits import LOYALTY_CAMPAIGNS
from chain.town.context import Accepted, Outcome, Reader, Refused, TxContext
from chain.town.loyalty.giving import check_receiver
from chain.town.loyalty.records import (
    CAMPAIGNS,
    PROGRAMMES,
    REWARD_ACCOUNTS,
    REWARDS,
    SHOPS,
    STAFF,
    CampaignRecord,
    CounterRecord,
    MarkRecord,
    ProgrammeRecord,
    RewardRecord,
    joined_id,
)
from chain.town.loyalty.spending import book_spend, take_by_code
from chain.town.loyalty.tills import SHOP_PREFIX, get_taking_till, shop_of
from chain.town.loyalty_schemas import (
    LoyaltyCampaign,
    LoyaltyReward,
    LoyaltyRewardTake,
    LoyaltyStaff,
)
from chain.types import codes


def _check_offer(
    ctx: TxContext, programme: str, shop: str, *, starts: int, ends: int, is_end: bool
) -> ProgrammeRecord | Refused:
    """The programme, if the sender may offer something in it: its operator anywhere, an owner in its own shop.

    What was offered may be ended (`is_end`) once the programme is closed, too.
    """
    record = PROGRAMMES.get(ctx.state, programme.encode())
    if record is None:
        return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
    if record.status != "active" and not is_end:
        return Refused(codes.LOYALTY_PROGRAMME_INACTIVE, record.status)
    if ctx.sender not in (record.operator, SHOP_PREFIX + shop):
        return Refused(codes.TX_NOT_ENTITLED, f"programme of {record.operator}")
    if shop and SHOPS.get(ctx.state, shop.encode()) is None:
        return Refused(codes.LOYALTY_UNKNOWN_SHOP)
    return record if starts < ends else Refused(codes.TX_BODY_INVALID, "ends: before starts")


def apply_campaign(ctx: TxContext, body: LoyaltyCampaign) -> Outcome:
    """Open, change or end a campaign; it is never retroactive, and its budget never below what it gave."""
    held = CAMPAIGNS.get(ctx.state, body.campaign.encode())
    programme = _check_offer(
        ctx,
        body.programme,
        body.shop,
        starts=body.starts,
        ends=body.ends,
        is_end=held is not None and body.status == "ended",
    )
    if isinstance(programme, Refused):
        return programme
    if body.hour_from >= body.hour_to:
        return Refused(codes.TX_BODY_INVALID, "hour_to: before hour_from")
    refused = _check_change(ctx, held, body)
    if refused is not None:
        return refused
    open_now = _open_campaigns(ctx.state, programme, ctx.time_s, besides=body.campaign)
    if body.status == "active" and body.ends > ctx.time_s:
        open_now = (*open_now, body.campaign)
    if len(open_now) > LOYALTY_CAMPAIGNS:
        return Refused(codes.LOYALTY_TOO_MANY_CAMPAIGNS, f"{LOYALTY_CAMPAIGNS} at once")
    given = held.given if held else 0
    CAMPAIGNS.put(ctx.state, body.campaign.encode(), CampaignRecord(body, ctx.sender, given))
    PROGRAMMES.put(
        ctx.state, body.programme.encode(), replace(programme, campaigns=tuple(sorted(open_now)))
    )
    return Accepted({**asdict(body), "owner": ctx.sender, "given": given})


def _check_change(
    ctx: TxContext, held: CampaignRecord | None, body: LoyaltyCampaign
) -> Refused | None:
    if held is None:
        return None
    if held.owner != ctx.sender or held.terms.programme != body.programme:
        return Refused(codes.TX_NOT_ENTITLED, f"campaign of {held.owner}")
    if body.budget_points < held.given:
        return Refused(codes.LOYALTY_BUDGET_BELOW, f"{held.given} points given")
    return None


def _open_campaigns(
    state: Reader, programme: ProgrammeRecord, time_s: int, *, besides: str
) -> tuple[str, ...]:
    """Campaigns that may still give something; those that are over leave the list here."""
    names = []
    for name in programme.campaigns:
        held = CAMPAIGNS.get(state, name.encode())
        assert held is not None, "a programme lists campaigns on record"
        if name != besides and held.terms.ends > time_s:
            names.append(name)
    return tuple(names)


# --- rewards -------------------------------------------------------------------------------


def apply_reward(ctx: TxContext, body: LoyaltyReward) -> Outcome:
    """Put a reward into the catalogue, change or end it."""
    held = REWARDS.get(ctx.state, body.reward.encode())
    programme = _check_offer(
        ctx,
        body.programme,
        body.shop,
        starts=body.starts,
        ends=body.ends,
        is_end=held is not None and body.status == "ended",
    )
    if isinstance(programme, Refused):
        return programme
    if held is not None and (held.owner, held.terms.programme) != (ctx.sender, body.programme):
        return Refused(codes.TX_NOT_ENTITLED, f"reward of {held.owner}")
    taken = held.taken if held else 0
    REWARDS.put(ctx.state, body.reward.encode(), RewardRecord(body, ctx.sender, taken))
    return Accepted({**asdict(body), "owner": ctx.sender, "taken": taken})


def apply_reward_take(ctx: TxContext, body: LoyaltyRewardTake) -> Outcome:
    """Hand over a reward for its price, paid by the code on the phone."""
    record = REWARDS.get(ctx.state, body.reward.encode())
    if record is None:
        return Refused(codes.LOYALTY_UNKNOWN_REWARD)
    till = get_taking_till(ctx)
    if isinstance(till, Refused):
        return till
    refused = _check_reward(record.terms, body, shop=till.shop, time_s=ctx.time_s)
    if refused is not None:
        return refused
    terms = record.terms
    taken = take_by_code(ctx, programme=terms.programme, points=body.points, qr=body.qr)
    if isinstance(taken, Refused):
        return taken
    counter_id = joined_id(body.reward, taken.account)
    counter = REWARD_ACCOUNTS.get(ctx.state, counter_id) or CounterRecord()
    if counter.count >= terms.per_account_max:
        return Refused(codes.LOYALTY_MEMBER_LIMIT, f"{terms.per_account_max} each")
    REWARD_ACCOUNTS.put(ctx.state, counter_id, CounterRecord(counter.count + 1))
    left = replace(terms, stock=terms.stock - 1)
    REWARDS.put(
        ctx.state, body.reward.encode(), replace(record, terms=left, taken=record.taken + 1)
    )
    spent = book_spend(ctx, taken, kind="reward", of=body.reward)
    return Accepted({**spent.data, "reward": body.reward, "stock": left.stock})


def _check_reward(
    terms: LoyaltyReward, body: LoyaltyRewardTake, *, shop: str, time_s: int
) -> Refused | None:
    if terms.status != "active" or not terms.starts <= time_s < terms.ends:
        return Refused(codes.LOYALTY_REWARD_EXPIRED)
    if terms.shop not in ("", shop):
        return Refused(codes.LOYALTY_UNKNOWN_REWARD, "not at this shop")
    if body.points != terms.price_points:
        return Refused(codes.LOYALTY_POINTS_DIFFER, f"{terms.price_points} points")
    return None if terms.stock else Refused(codes.LOYALTY_REWARD_GONE)


# --- staff ---------------------------------------------------------------------------------


def apply_staff(ctx: TxContext, body: LoyaltyStaff) -> Outcome:
    """Name or drop an account as staff of the acting shop."""
    shop = shop_of(ctx)
    record_id = joined_id(shop, body.account)
    if body.is_staff:
        refused = check_receiver(ctx.state, body.account)
        if refused is not None:
            return refused
        STAFF.put(ctx.state, record_id, MarkRecord(ctx.time_s))
    elif STAFF.get(ctx.state, record_id) is not None:
        STAFF.delete(ctx.state, record_id)
    return Accepted({"shop": shop, "account": body.account, "is_staff": body.is_staff})
