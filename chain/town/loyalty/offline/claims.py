"""What shops took without a network, claimed: each payment once, by the shop it names, before the lock ends.

A claim moves no point. It is counted, and when the allowance closes all its claims are paid together: so it does not
matter who came first, and a shop cannot be robbed by one with a better line. What a phone must not sign is looked for
at every claim: one counter used twice, or more in all than was allowed, freezes its account (`frauds`).
Reads: allowances, tills, standings.  Writes: claims, allowances, till caps.  Never: a wallet.
"""

from typing import Any

from msgspec.structs import replace

from chain.codec import bf1
from chain.limits import (
    LOYALTY_OFFLINE_CLOCK_S,
    LOYALTY_OFFLINE_SHOP_CLAIMS,
    LOYALTY_OFFLINE_SHOPS,
)
from chain.town.accounts import role_of
from chain.town.context import Accepted, Outcome, Overlay, Refused, TxContext
from chain.town.loyalty.giving import check_not_staff
from chain.town.loyalty.offline.allowances import find_payment
from chain.town.loyalty.offline.batches import run_batch
from chain.town.loyalty.offline.codes import ShownCode, check_payment
from chain.town.loyalty.offline.frauds import catch
from chain.town.loyalty.offline.records import (
    ALLOWANCES,
    CLAIMS,
    AllowanceRecord,
    ClaimRecord,
    claim_id,
)
from chain.town.loyalty.records import TILLS
from chain.town.loyalty.tills import charge_till, shop_of
from chain.town.loyalty_offline_schemas import LoyaltyOfflineClaim
from chain.town.settlement.standing import check_may_take
from chain.types import codes


def apply_offline_claim(ctx: TxContext, body: LoyaltyOfflineClaim) -> Outcome:
    """Count each payment that stands; the others are named with their reasons."""
    refused_shop = check_may_take(ctx.state, shop_of(ctx))
    if refused_shop is not None:
        return refused_shop
    ran = run_batch(ctx, body.codes, _apply_claim)
    if isinstance(ran, Refused):
        return ran
    claimed, refused = ran
    frauds = [fraud for line in claimed for fraud in line.pop("frauds")]
    return Accepted(
        {"shop": shop_of(ctx), "claimed": claimed, "refused": refused, "frauds": frauds}
    )


def _apply_claim(ctx: TxContext, text: str) -> Outcome:
    found = find_payment(ctx.state, text, chain_id=ctx.chain_id)
    if isinstance(found, Refused):
        return found
    code, name, record = found
    refused = (
        check_payment(code, programme=record.programme, clock_s=LOYALTY_OFFLINE_CLOCK_S)
        or _check_claim(ctx, code, name, record)
        or _charge(ctx, code.spend.amount)
    )
    if refused is not None:
        return refused
    shop, points = shop_of(ctx), code.spend.amount
    claim = ClaimRecord(shop, points, code.spend.iat, ctx.signers[0].kid, ctx.time_s)
    twin = _has_twin(ctx.state, name, code)
    CLAIMS.put(ctx.state, claim_id(name, code.spend.ctr, code.digest), claim)
    record = _count(record, shop, points)
    ALLOWANCES.put(ctx.state, name.encode(), record)
    caught = "counter" if twin else "sum" if record.claimed > record.points else ""
    is_new = bool(caught) and catch(ctx, name, record, kind=caught) != "known"
    frauds = [[name, caught]] if is_new else []
    return Accepted(_describe(name, code, record) | {"frauds": frauds})


def _check_claim(
    ctx: TxContext, code: ShownCode, name: str, record: AllowanceRecord
) -> Refused | None:
    """By this shop, once, in time, within its cap."""
    shop, spend = shop_of(ctx), code.spend
    if spend.shop_ref != bf1.shop_ref(shop):
        return Refused(codes.QR_WRONG_SHOP)
    if CLAIMS.get(ctx.state, claim_id(name, spend.ctr, code.digest)) is not None:
        return Refused(codes.LOYALTY_OFFLINE_CLAIMED)
    if record.status != "open" or ctx.time_s >= record.closes_s:
        return Refused(codes.LOYALTY_OFFLINE_CLOSED, f"until {record.closes_s}")
    if spend.iat > ctx.time_s + LOYALTY_OFFLINE_CLOCK_S:
        return Refused(codes.QR_EXPIRED, f"{spend.iat - ctx.time_s} s ahead")
    return check_not_staff(ctx.state, shop, record.account) or _check_shop_cap(
        record, shop, spend.amount
    )


def _check_shop_cap(record: AllowanceRecord, shop: str, points: int) -> Refused | None:
    mine = [line for line in record.shops if line[0] == shop]
    taken, count = mine[0][1:] if mine else (0, 0)
    if taken + points > record.shop_points:
        return Refused(codes.LOYALTY_OFFLINE_SHOP_CAP, f"{record.shop_points} points")
    if count >= LOYALTY_OFFLINE_SHOP_CLAIMS:
        return Refused(codes.LOYALTY_OFFLINE_CROWDED, f"{count} payments")
    if not mine and len(record.shops) >= LOYALTY_OFFLINE_SHOPS:
        return Refused(codes.LOYALTY_OFFLINE_CROWDED, f"{len(record.shops)} shops")
    return None


def _charge(ctx: TxContext, points: int) -> Refused | None:
    """Count the points against the caps of the till that sends them; the owner has none."""
    role = role_of(ctx.state, ctx.signers[0].kid)
    if role is not None and role.role == "shop_owner":
        return None
    till = TILLS.get(ctx.state, ctx.signers[0].kid.encode())
    if till is None or till.shop != shop_of(ctx):
        return Refused(codes.LOYALTY_TILL_UNKNOWN)
    charged = charge_till(till, points=points, time_s=ctx.time_s)
    if isinstance(charged, Refused):
        return charged
    TILLS.put(ctx.state, till.kid.encode(), charged)
    return None


def _has_twin(state: Overlay, name: str, code: ShownCode) -> bool:
    """Whether the counter was used for another payment."""
    start = claim_id(name, code.spend.ctr)
    return next(CLAIMS.scan(state, start, start + b"\x7f"), None) is not None


def _count(record: AllowanceRecord, shop: str, points: int) -> AllowanceRecord:
    held = {line[0]: line for line in record.shops}
    _, taken, count = held.get(shop, (shop, 0, 0))
    held[shop] = (shop, taken + points, count + 1)
    shops = tuple(held[key] for key in sorted(held))
    return replace(record, shops=shops, claimed=record.claimed + points)


def _describe(name: str, code: ShownCode, record: AllowanceRecord) -> dict[str, Any]:
    """The claim in result data; whose points they are stays between the holder and the chain."""
    return {
        "allowance": name,
        "payment": code.digest,
        "programme": record.programme,
        "counter": code.spend.ctr,
        "points": code.spend.amount,
        "spent": code.spend.iat,
        "paid_at": record.closes_s,
    }
