"""How points come into a wallet, whatever they are given for: limits, cool-off, debt, lot, books.

A gift cools off when its version says so and becomes a lot when that time is over; a debt to the issuer is paid first.
Reads: versions, totals.  Writes: earns, wallets, totals, the due queue.  Never: judges a rule.
"""

from typing import Any, Final

from msgspec.structs import replace

from chain.codec.canonical import b64url_decode
from chain.limits import LOYALTY_POSITIONS
from chain.town import params
from chain.town.accounts import get_account
from chain.town.context import Accepted, BlockContext, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.due import cancel_due, schedule_due
from chain.town.loyalty.books import Entry, add_owed, get_totals, post_entries
from chain.town.loyalty.records import (
    EARNS,
    PROGRAMMES,
    STAFF,
    TOTALS,
    VERSIONS,
    EarnRecord,
    Lot,
    VersionRecord,
    compute_lot_id,
    describe_lot,
    joined_id,
    version_id,
)
from chain.town.loyalty.tills import shop_of
from chain.town.loyalty.wallet import Wallet
from chain.town.loyalty_rules import SECONDS_PER_DAY, compute_expiry
from chain.town.loyalty_schemas import LoyaltyActivate
from chain.town.settlement.standing import check_may_give
from chain.types import codes

ACTIVATE_KIND: Final = "loyalty.activate"


def get_rule_in_force(state: Reader, programme: str) -> VersionRecord | Refused:
    """The version that gives points now."""
    record = PROGRAMMES.get(state, programme.encode())
    if record is None:
        return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
    if record.status != "active":
        return Refused(codes.LOYALTY_PROGRAMME_INACTIVE, record.status)
    version = VERSIONS.get(state, version_id(programme, record.version))
    assert version is not None, "the version in force is on record"
    return version


def check_receiver(state: Reader, account_id: str) -> Refused | None:
    """Whether points may be given to that account at all."""
    account = get_account(state, account_id)
    if account is None:
        return Refused(codes.ACCOUNT_UNKNOWN)
    if account.domain != "loyalty":
        return Refused(codes.ACCOUNT_WRONG_DOMAIN, account.domain)
    if account.status != "open":
        return Refused(codes.ACCOUNT_FROZEN, account.status)
    return None


def check_not_staff(state: Reader, shop: str, account: str) -> Refused | None:
    """A cashier is never the customer: no shop serves the accounts of its own staff."""
    if STAFF.get(state, joined_id(shop, account)) is None:
        return None
    return Refused(codes.LOYALTY_SELF_DEALING)


def count_gift(
    state: Overlay, wallet: Wallet, *, programme: str, issuer: str, points: int
) -> Refused | None:
    """Whether the shop may give at all; then charge the gift to every limit of speed.

    Limits: of the account at this shop, of the account, of the shop.
    """
    refused = check_may_give(state, issuer)
    if refused is not None:
        return refused
    today = wallet.time_s // SECONDS_PER_DAY
    if not wallet.has_room(programme, issuer):
        return Refused(codes.LOYALTY_WALLET_FULL, f"{LOYALTY_POSITIONS} shops")
    position = wallet.get_position(programme, issuer)
    gifts = (position.day_earns if position.day == today else 0) + 1
    got = (wallet.head.day_points if wallet.head.day == today else 0) + points
    totals = get_totals(state, programme, issuer)
    minted = (totals.day_minted if totals.day == today else 0) + points
    for count, parameter in (
        (gifts, params.LOYALTY_GIFTS_PER_SHOP_DAY),
        (got, params.LOYALTY_POINTS_PER_ACCOUNT_DAY),
        (minted, params.LOYALTY_POINTS_PER_SHOP_DAY),
    ):
        limit = params.get_param(state, parameter)
        if count > limit:
            return Refused(codes.LOYALTY_VELOCITY, f"{limit} {parameter.unit} a day")
    wallet.set_position(replace(position, day=today, day_earns=gifts))
    wallet.head = replace(wallet.head, day=today, day_points=got)
    fresh = replace(totals, day=today, day_minted=minted)
    TOTALS.put(state, joined_id(programme, issuer), fresh)
    return None


def give(
    state: Overlay, wallet: Wallet, rule: VersionRecord, record: EarnRecord, ref: str
) -> dict[str, Any]:
    """Credit a gift as its version says: at once, or once it has cooled off. Returns its part of result data."""
    if rule.terms.pending_days:
        return _set_pending(state, wallet, rule, record, ref)
    source = Entry(record.shop, "ISS", record.shop, -record.points)
    return _credit(state, wallet, rule, record, ref, points=record.points, source=source)


def _set_pending(
    state: Overlay, wallet: Wallet, rule: VersionRecord, record: EarnRecord, ref: str
) -> dict[str, Any]:
    due_s = wallet.time_s + rule.terms.pending_days * SECONDS_PER_DAY
    position = wallet.get_position(rule.programme, record.shop)
    wallet.set_position(replace(position, pending=position.pending + record.points))
    EARNS.put(state, ref.encode(), replace(record, lot="", pending=record.points, due_s=due_s))
    schedule_due(state, due_s, ACTIVATE_KIND, ref)
    entries = [
        Entry(record.shop, "ISS", record.shop, -record.points),
        Entry(record.shop, "PND", "", record.points),
    ]
    return {
        "pending": record.points,
        "pending_until": due_s,
        "debt_repaid": 0,
        "debt": position.debt,
        "created": [],
        "entries": post_entries(state, rule.programme, entries),
    }


def _credit(
    state: Overlay,
    wallet: Wallet,
    rule: VersionRecord,
    record: EarnRecord,
    ref: str,
    *,
    points: int,
    source: Entry,
    from_s: int = 0,
) -> dict[str, Any]:
    """Turn points into a lot whose life starts at `from_s` (0: now), after paying what is owed to the issuer."""
    position = wallet.get_position(rule.programme, record.shop)
    repaid = min(position.debt, points)
    wallet.set_position(replace(position, debt=position.debt - repaid))
    created = []
    if points > repaid:
        expires_s = compute_expiry(from_s or wallet.time_s, rule.lot_life_days)
        lot = _new_lot(rule, record, ref, points=points - repaid, expires_s=expires_s)
        wallet.add_lot(lot, is_new=True)
        record = replace(record, lot=lot.lot, expires_s=expires_s)
        created.append(describe_lot(lot))
    EARNS.put(state, ref.encode(), replace(record, pending=0))
    entries = [
        source,
        Entry(record.shop, "USR", wallet.name, points - repaid),
        Entry(record.shop, "REV", "", repaid),  # booked as minted and taken back: totals must close
    ]
    booked = post_entries(state, rule.programme, entries)
    if repaid:
        add_owed(state, rule.programme, record.shop, -repaid)
    return {
        "debt_repaid": repaid,
        "debt": position.debt - repaid,
        "created": created,
        "entries": booked,
    }


def _new_lot(
    rule: VersionRecord, record: EarnRecord, ref: str, *, points: int, expires_s: int
) -> Lot:
    return Lot(
        expires_s=expires_s,
        earned_s=record.earned_s,
        lot=compute_lot_id(b64url_decode(ref), 0),
        programme=rule.programme,
        issuer=record.shop,
        version=rule.version,
        points=points,
        left=points,
        ref=ref,
    )


# --- the end of a cool-off -----------------------------------------------------------------


def apply_activate(ctx: TxContext, body: LoyaltyActivate) -> Outcome:
    """Let points cooled off long enough for the shop become a lot now; its life starts now."""
    record = EARNS.get(ctx.state, body.ref.encode())
    if record is None or record.shop != shop_of(ctx):
        return Refused(codes.LOYALTY_UNKNOWN_REFERENCE)
    if not record.pending:
        return Refused(codes.LOYALTY_NOT_PENDING)
    cancel_due(ctx.state, record.due_s, ACTIVATE_KIND, body.ref)
    return Accepted(_activate(ctx.state, record, body.ref, time_s=ctx.time_s, from_s=ctx.time_s))


def activate_due(ctx: BlockContext, ref: str) -> None:
    """Due work: an earn has cooled off; its life starts at the time foreseen, however late the block is."""
    record = EARNS.get(ctx.state, ref.encode())
    assert record is not None, "only known earns cool off"
    if record.pending:
        facts = _activate(ctx.state, record, ref, time_s=ctx.time_s, from_s=record.due_s)
        ctx.note(ACTIVATE_KIND, **facts)


def _activate(
    state: Overlay, record: EarnRecord, ref: str, *, time_s: int, from_s: int
) -> dict[str, Any]:
    rule = VERSIONS.get(state, version_id(record.programme, record.version))
    assert rule is not None, "an earn's version is on record"
    wallet = Wallet(state, record.account, time_s)
    position = wallet.get_position(record.programme, record.shop)
    wallet.set_position(replace(position, pending=position.pending - record.pending))
    source = Entry(record.shop, "PND", "", -record.pending)
    facts = _credit(
        state, wallet, rule, record, ref, points=record.pending, source=source, from_s=from_s
    )
    wallet.save()
    return {
        "ref": ref,
        "account": record.account,
        "programme": record.programme,
        "shop": record.shop,
        "points": record.pending,
        **facts,
    }
