"""Giving points: one purchase, one receipt, one lot; a debt to the shop is paid first.

Reads: programme, till, account.  Writes: earn, receipt, till, wallet, totals.
Never: gives points of a rule that was not in force at header time.
"""

from msgspec.structs import replace

from chain.codec.canonical import b64url_encode
from chain.limits import LOYALTY_WALLET_LOTS
from chain.town.accounts import get_account
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.loyalty.books import Entry, add_owed, post_entries
from chain.town.loyalty.expiry import load_wallet, save_wallet
from chain.town.loyalty.records import (
    EARNS,
    PROGRAMMES,
    RECEIPTS,
    TILLS,
    VERSIONS,
    EarnRecord,
    Lot,
    ReceiptRecord,
    TillRecord,
    VersionRecord,
    WalletRecord,
    compute_lot_id,
    describe_lot,
    joined_id,
    version_id,
)
from chain.town.loyalty.tills import charge_till, get_acting_till
from chain.town.loyalty.wallet import add_lots, get_debt, with_debt
from chain.town.loyalty_rules import compute_expiry, compute_points
from chain.town.schemas import LoyaltyEarn
from chain.types import codes


def apply_earn(ctx: TxContext, body: LoyaltyEarn) -> Outcome:
    """Credit a purchase to an account under the programme's version in force."""
    till = get_acting_till(ctx)
    if isinstance(till, Refused):
        return till
    rule = _get_rule_in_force(ctx.state, body.programme)
    if isinstance(rule, Refused):
        return rule
    refused = _check_receiver(ctx.state, body.account)
    if refused is not None:
        return refused
    if RECEIPTS.get(ctx.state, joined_id(till.shop, body.receipt)) is not None:
        return Refused(codes.LOYALTY_RECEIPT_USED)
    points = compute_points(rule.earn, body.purchase_cents)
    if points == 0:
        return Refused(codes.LOYALTY_NOTHING_EARNED)
    charged = charge_till(till, points=points, time_s=ctx.time_s)
    if isinstance(charged, Refused):
        return charged
    wallet = load_wallet(ctx.state, body.account)
    if len(wallet.lots) >= LOYALTY_WALLET_LOTS:
        return Refused(codes.LOYALTY_WALLET_FULL, f"{LOYALTY_WALLET_LOTS} lots")
    return _give(ctx, body, till=charged, rule=rule, points=points, wallet=wallet)


def _get_rule_in_force(state: Reader, programme: str) -> VersionRecord | Refused:
    record = PROGRAMMES.get(state, programme.encode())
    if record is None:
        return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
    if record.status != "active":
        return Refused(codes.LOYALTY_PROGRAMME_INACTIVE, record.status)
    version = VERSIONS.get(state, version_id(programme, record.version))
    assert version is not None, "the version in force is on record"
    return version


def _check_receiver(state: Reader, account_id: str) -> Refused | None:
    account = get_account(state, account_id)
    if account is None:
        return Refused(codes.ACCOUNT_UNKNOWN)
    if account.domain != "loyalty":
        return Refused(codes.ACCOUNT_WRONG_DOMAIN, account.domain)
    if account.status != "open":
        return Refused(codes.ACCOUNT_FROZEN, account.status)
    return None


def _give(
    ctx: TxContext,
    body: LoyaltyEarn,
    *,
    till: TillRecord,
    rule: VersionRecord,
    points: int,
    wallet: WalletRecord,
) -> Outcome:
    programme, shop = body.programme, till.shop
    owed = get_debt(wallet, programme=programme, issuer=shop)
    repaid = min(owed, points)
    lot = _new_lot(ctx, rule, shop=shop, points=points - repaid)
    wallet = with_debt(wallet, programme=programme, issuer=shop, points=owed - repaid)
    wallet = add_lots(wallet, [lot] if lot.points else [])
    save_wallet(ctx.state, body.account, wallet)
    _record_earn(ctx, body, till=till, lot=lot, points=points)
    entries = [
        Entry(shop, "ISS", shop, -points),
        Entry(shop, "USR", body.account, points - repaid),
        Entry(shop, "REV", "", repaid),  # booked as minted and taken back: the totals must close
    ]
    booked = post_entries(ctx.state, programme, entries)
    if repaid:
        add_owed(ctx.state, programme, shop, -repaid)
    return Accepted(
        {
            "account": body.account,
            "programme": programme,
            "version": rule.version,
            "shop": shop,
            "till": till.kid,
            "purchase_cents": body.purchase_cents,
            "receipt": body.receipt,
            "points": points,
            "debt_repaid": repaid,
            "debt": owed - repaid,
            "created": [describe_lot(lot)] if lot.points else [],
            "entries": booked,
        }
    )


def _new_lot(ctx: TxContext, rule: VersionRecord, *, shop: str, points: int) -> Lot:
    return Lot(
        expires_s=compute_expiry(ctx.time_s, rule.lot_life_days),
        earned_s=ctx.time_s,
        lot=compute_lot_id(ctx.tx_key, 0),
        programme=rule.programme,
        issuer=shop,
        version=rule.version,
        points=points,
        left=points,
        ref=b64url_encode(ctx.tx_key),
    )


def _record_earn(
    ctx: TxContext, body: LoyaltyEarn, *, till: TillRecord, lot: Lot, points: int
) -> None:
    record = EarnRecord(
        account=body.account,
        programme=body.programme,
        version=lot.version,
        shop=till.shop,
        till=till.kid,
        purchase_cents=body.purchase_cents,
        receipt=body.receipt,
        points=points,
        lot=lot.lot if lot.points else "",
        earned_s=ctx.time_s,
        previous=till.last_earn,
    )
    _save_earn(ctx.state, lot.ref, record, replace(till, last_earn=lot.ref))


def _save_earn(state: Overlay, ref: str, record: EarnRecord, till: TillRecord) -> None:
    EARNS.put(state, ref.encode(), record)
    RECEIPTS.put(state, joined_id(record.shop, record.receipt), ReceiptRecord(ref))
    TILLS.put(state, till.kid.encode(), till)
