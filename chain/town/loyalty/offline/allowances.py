"""Allowances: points locked in the holder's wallet so that a phone may spend them without a network, and their end.

Off unless the council sets `loyalty_offline_points`. The certificate a phone shows follows from the record byte for
byte, so whoever holds the programme's key can sign it again and again, and nothing else. A lock ends by time alone:
its holder cannot take the points back while a shop may still come with a payment.
Reads: keys, accounts, parameters, claims.  Writes: allowances, wallets, spends, totals, obligations, the due queue.
"""

from typing import Any, Final

from msgspec.structs import replace

from chain.codec.canonical import b64url_decode
from chain.limits import LOYALTY_OFFLINE_LIVE
from chain.town import params
from chain.town.context import Accepted, BlockContext, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.due import schedule_due
from chain.town.loyalty.books import add_spent, move_legs, post_entries
from chain.town.loyalty.offline.codes import ShownCode, read_code
from chain.town.loyalty.offline.records import (
    ALLOWANCES,
    CLAIMS,
    OFFLINE_KEYS,
    RUNNING,
    AllowanceRecord,
    OfflineKeyRecord,
    RunningRecord,
    name_allowance,
    name_payment,
)
from chain.town.loyalty.records import (
    PROGRAMMES,
    SPENDS,
    Leg,
    SpendRecord,
    describe_leg,
    joined_id,
)
from chain.town.loyalty.returning import return_held
from chain.town.loyalty.spending import count_spend, take_exactly
from chain.town.loyalty.wallet import Wallet, cut_first
from chain.town.loyalty_offline_schemas import LoyaltyAllowance, LoyaltyOfflineKey
from chain.town.settlement.guarantee import split_by_weight
from chain.town.settlement.obligations import open_for_due_work
from chain.types import codes

ALLOWANCE_KIND: Final = "loyalty.allowance"


def apply_offline_key(ctx: TxContext, body: LoyaltyOfflineKey) -> Outcome:
    """Name the key that signs a programme's allowances; open ones keep the key they were locked under."""
    programme = PROGRAMMES.get(ctx.state, body.programme.encode())
    if programme is None:
        return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
    if programme.operator != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, f"programme of {programme.operator}")
    OFFLINE_KEYS.put(ctx.state, body.programme.encode(), OfflineKeyRecord(body.key, ctx.time_s))
    return Accepted({"programme": body.programme, "key": body.key, "since": ctx.time_s})


def apply_allowance(ctx: TxContext, body: LoyaltyAllowance) -> Outcome:
    """Lock points of the sender's own wallet; never a household's."""
    key = OFFLINE_KEYS.get(ctx.state, body.programme.encode())
    limit = params.get_param(ctx.state, params.LOYALTY_OFFLINE_POINTS)
    if key is None or not limit:
        return Refused(codes.LOYALTY_OFFLINE_OFF)
    if body.points > limit:
        return Refused(codes.LOYALTY_OFFLINE_LIMIT, f"{limit} points")
    refused = _check_free(ctx)
    if refused is not None:
        return refused
    wallet = Wallet(ctx.state, ctx.sender, ctx.time_s)
    refused = count_spend(ctx.state, wallet)
    if refused is not None:
        return refused
    legs = take_exactly([wallet], body.points, programme=body.programme)
    if isinstance(legs, Refused):
        return legs
    record = _make_record(ctx, body, key, legs)
    name = name_allowance(record.certificate())
    ALLOWANCES.put(ctx.state, name.encode(), record)
    RUNNING.put(ctx.state, joined_id(ctx.sender, name), RunningRecord(record.expires_s))
    schedule_due(ctx.state, record.closes_s, ALLOWANCE_KIND, name)
    entries = post_entries(ctx.state, body.programme, move_legs(legs, "USR", "HLD"))
    taken = [describe_leg(leg, ctx.sender) for leg in legs]
    return Accepted({**_describe(name, record), "taken": taken, "entries": entries})


def _check_free(ctx: TxContext) -> Refused | None:
    """One running allowance per account, which is what A per account means; a few that only wait for claims."""
    start = f"{ctx.sender}/".encode()
    running = [record for _, record in RUNNING.scan(ctx.state, start, start + b"\x7f")]
    latest_s = max((record.expires_s for record in running), default=0)
    if ctx.time_s < latest_s:
        return Refused(codes.LOYALTY_OFFLINE_RUNS, f"until {latest_s}")
    if len(running) >= LOYALTY_OFFLINE_LIVE:
        return Refused(codes.LOYALTY_OFFLINE_RUNS, f"{len(running)} wait for claims")
    return None


def _make_record(
    ctx: TxContext, body: LoyaltyAllowance, key: OfflineKeyRecord, legs: tuple[Leg, ...]
) -> AllowanceRecord:
    def value(parameter: params.Parameter) -> int:
        return params.get_param(ctx.state, parameter)

    expires_s = ctx.time_s + value(params.LOYALTY_OFFLINE_LIFE_S)
    return AllowanceRecord(
        account=ctx.sender,
        programme=body.programme,
        device_key=ctx.signers[0].jwk["x"],
        issuer_key=key.key,
        points=body.points,
        per_tx_points=min(body.points, value(params.LOYALTY_OFFLINE_PER_TX)),
        shop_points=min(body.points, value(params.LOYALTY_OFFLINE_PER_SHOP)),
        iat_s=ctx.time_s,
        expires_s=expires_s,
        closes_s=expires_s + value(params.LOYALTY_OFFLINE_CLAIM_S),
        legs=legs,
    )


def _describe(name: str, record: AllowanceRecord) -> dict[str, Any]:
    """The allowance in result data: all its certificate says, and when it ends."""
    return {
        "allowance": name,
        "account": record.account,
        "programme": record.programme,
        "device_key": record.device_key,
        "issuer_key": record.issuer_key,
        "points": record.points,
        "per_tx_points": record.per_tx_points,
        "shop_points": record.shop_points,
        "iat": record.iat_s,
        "expires": record.expires_s,
        "closes": record.closes_s,
    }


# --- the end ---------------------------------------------------------------------------------


def close_allowance(ctx: BlockContext, name: str) -> None:
    """Due work: pay the shops out of the lock, all in full or all in proportion, and give the rest back.

    What each shop gets depends on the claims as a set, never on the order they came in.
    """
    record = ALLOWANCES.get(ctx.state, name.encode())
    assert record is not None, "only known allowances end"
    assert record.status == "open", "an allowance ends once"
    shares = share_lock(record)
    if record.claimed:
        open_for_due_work(ctx)
    paid, rest = [], record.legs
    for shop, claimed, _ in record.shops:
        legs, rest = cut_first(rest, shares[shop])
        paid.append(_pay_shop(ctx, record, name, shop=shop, claimed=claimed, legs=legs))
    back = return_held(ctx.state, ctx.time_s, record.programme, rest, record.account)
    _drop_claims(ctx.state, name)
    closed = replace(record, status="closed", paid=sum(shares.values()), legs=())
    ALLOWANCES.put(ctx.state, name.encode(), closed)
    RUNNING.delete(ctx.state, joined_id(record.account, name))
    ctx.note(
        ALLOWANCE_KIND,
        allowance=name,
        account=record.account,
        programme=record.programme,
        points=record.points,
        claimed=record.claimed,
        unfunded=record.claimed - closed.paid,
        paid=paid,
        **back,
    )


def share_lock(record: AllowanceRecord) -> dict[str, int]:
    """Points of the lock each shop gets: what it claimed, or when that is too much in all its part in proportion.

    Whole points by largest remainders, then by name; never more than claimed, never more in all than was locked.
    """
    claimed = {shop: points for shop, points, _ in record.shops}
    if record.claimed <= record.points:
        return claimed
    return split_by_weight(record.points, claimed)


def _pay_shop(
    ctx: BlockContext,
    record: AllowanceRecord,
    name: str,
    *,
    shop: str,
    claimed: int,
    legs: tuple[Leg, ...],
) -> dict[str, Any]:
    """One spend for all that a shop claimed of one allowance; its owner may refund it as any other."""
    points = sum(leg.points for leg in legs)
    ref = name_payment(name, shop)
    if points:
        spend = SpendRecord(
            account=record.account,
            programme=record.programme,
            shop=shop,
            till="",
            points=points,
            spent_s=ctx.time_s,
            legs=legs,
            kind="offline",
            of=name,
        )
        SPENDS.put(ctx.state, ref.encode(), spend)
        add_spent(ctx.state, record.programme, shop, legs)
    entries = move_legs(legs, "HLD", "RED", target_name=shop)
    return {
        "shop": shop,
        "ref": ref,
        "claimed": claimed,
        "points": points,
        "taken": [describe_leg(leg, record.account) for leg in legs],
        "entries": post_entries(ctx.state, record.programme, entries),
    }


def _drop_claims(state: Overlay, name: str) -> None:
    """Forget the claims of a closed allowance; what they came to stays in the journal."""
    start = f"{name}/".encode()
    for record_id, _ in list(CLAIMS.scan(state, start, start + b"\x7f")):
        CLAIMS.delete(state, record_id)


def find_payment(
    state: Reader, text: str, *, chain_id: str
) -> tuple[ShownCode, str, AllowanceRecord] | Refused:
    """A payment that town and phone truly signed, with its allowance and that one's name."""
    code = read_code(text)
    if isinstance(code, Refused):
        return code
    name = name_allowance(code.allowance)
    record = ALLOWANCES.get(state, name.encode())
    if record is None:
        return Refused(codes.LOYALTY_OFFLINE_UNKNOWN)
    if not code.is_signed(chain_id, b64url_decode(record.issuer_key)):
        return Refused(codes.QR_BAD_SIGNATURE)
    return code, name, record
