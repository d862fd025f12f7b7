"""What shops and the association say of a batch: agreed, disputed, decided, paid, received, missing, covered.

A closed batch is never changed: a dispute that is upheld takes its correction back in the epoch now open, at most
what the batch had counted between the two shops.
Reads and writes: namespace settlement, the due queue.  Never: believes a payer alone that a leg is settled.
"""

from msgspec.structs import replace

from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.due import schedule_due
from chain.town.schemas import (
    SettlementAck,
    SettlementCorrection,
    SettlementCover,
    SettlementDispute,
    SettlementMissing,
    SettlementPaid,
    SettlementResolve,
)
from chain.town.settlement.closing import OVERDUE_KIND, find_batch
from chain.town.settlement.netting import MILLICENTS_PER_CENT
from chain.town.settlement.obligations import add_debt, get_epoch
from chain.town.settlement.overdue import clear_overdue, mark_overdue
from chain.town.settlement.records import (
    ACKS,
    CURRENT,
    DEBTS,
    DISPUTES,
    EPOCHS,
    LEGS,
    POSITIONS,
    RESERVE,
    STANDINGS,
    AckRecord,
    BatchRecord,
    DisputeRecord,
    LegRecord,
    leg_id,
    of_epoch,
)
from chain.town.settlement.standing import SHOP_PREFIX, get_standing, is_operator
from chain.types import codes


def apply_ack(ctx: TxContext, body: SettlementAck) -> Outcome:
    """Agree to the own position; it can then no longer be disputed."""
    shop = ctx.sender.removeprefix(SHOP_PREFIX)
    batch = _find_disputable(ctx, body.epoch, shop)
    if isinstance(batch, Refused):
        return batch
    ACKS.put(ctx.state, of_epoch(body.epoch, shop), AckRecord(ctx.time_s))
    return Accepted({"epoch": body.epoch, "shop": shop})


def apply_dispute(ctx: TxContext, body: SettlementDispute) -> Outcome:
    """Object to the own position within the window; until it is decided, the shop's legs do not become overdue."""
    shop = ctx.sender.removeprefix(SHOP_PREFIX)
    batch = _find_disputable(ctx, body.epoch, shop)
    if isinstance(batch, Refused):
        return batch
    record = DisputeRecord(ctx.time_s, body.statement)
    DISPUTES.put(ctx.state, of_epoch(body.epoch, shop), record)
    return Accepted({"epoch": body.epoch, "shop": shop, "statement": body.statement})


def _find_disputable(ctx: TxContext, epoch: int, shop: str) -> BatchRecord | Refused:
    batch = find_batch(ctx.state, epoch)
    if batch is None:
        return Refused(codes.SETTLEMENT_UNKNOWN_BATCH)
    own = of_epoch(epoch, shop)
    if POSITIONS.get(ctx.state, own) is None:
        return Refused(codes.SETTLEMENT_NOT_PARTY)
    if ctx.time_s >= batch.dispute_until_s:
        return Refused(codes.SETTLEMENT_WINDOW_CLOSED)
    if ACKS.get(ctx.state, own) is not None or DISPUTES.get(ctx.state, own) is not None:
        return Refused(codes.SETTLEMENT_ALREADY_SAID)
    return batch


def apply_resolve(ctx: TxContext, body: SettlementResolve) -> Outcome:
    """Decide a dispute; what is upheld goes back between the two shops in the epoch now open."""
    own = of_epoch(body.epoch, body.shop)
    dispute = DISPUTES.get(ctx.state, own)
    batch = find_batch(ctx.state, body.epoch)
    if dispute is None or dispute.outcome or batch is None:
        return Refused(codes.SETTLEMENT_NO_DISPUTE)
    if (body.outcome == "upheld") != bool(body.corrections):
        return Refused(codes.TX_BODY_INVALID, "corrections: for an upheld dispute, and only then")
    for correction in body.corrections:
        refused = _correct(ctx, body, correction)
        if refused is not None:
            return refused
    decided = replace(dispute, outcome=body.outcome, decided_s=ctx.time_s)
    DISPUTES.put(ctx.state, own, decided)
    if (
        ctx.time_s >= batch.pay_until_s
    ):  # the deadline passed while the dispute was open: judge the legs now
        schedule_due(ctx.state, ctx.time_s, OVERDUE_KIND, f"{body.epoch}/0")
    lines = [[c.issuer, c.redeemer, c.millicents] for c in body.corrections]
    return Accepted(
        {"epoch": body.epoch, "shop": body.shop, "outcome": body.outcome, "corrections": lines}
    )


def _correct(
    ctx: TxContext, body: SettlementResolve, correction: SettlementCorrection
) -> Refused | None:
    if body.shop not in (correction.issuer, correction.redeemer):
        return Refused(codes.SETTLEMENT_NOT_PARTY, "corrections: of the disputing shop only")
    pair = of_epoch(body.epoch, correction.issuer, correction.redeemer)
    debt = DEBTS.get(ctx.state, pair)
    left = debt.millicents - debt.corrected_millicents if debt is not None else 0
    if debt is None or correction.millicents > left:
        return Refused(codes.SETTLEMENT_CORRECTION_EXCEEDS, f"{max(left, 0)} millicents")
    corrected = debt.corrected_millicents + correction.millicents
    DEBTS.put(ctx.state, pair, replace(debt, corrected_millicents=corrected))
    epoch = add_debt(
        ctx.state,
        get_epoch(ctx.state),
        issuer=correction.issuer,
        redeemer=correction.redeemer,
        millicents=-correction.millicents,
    )
    EPOCHS.put(ctx.state, CURRENT, epoch)
    return None


# --- payments ------------------------------------------------------------------------------


def apply_paid(ctx: TxContext, body: SettlementPaid) -> Outcome:
    """Note the payer's or the payee's word; the payee's settles the leg and lifts what being late had stopped."""
    leg = LEGS.get(ctx.state, leg_id(body.epoch, body.leg))
    if leg is None:
        return Refused(codes.SETTLEMENT_UNKNOWN_LEG)
    side = _side_of(ctx, leg)
    if side is None:
        return Refused(codes.SETTLEMENT_NOT_PARTY)
    if getattr(leg, side):
        return Refused(codes.SETTLEMENT_ALREADY_SAID)
    if side == "received":
        leg = replace(leg, received=body.reference, is_missing=False)
        leg = clear_overdue(ctx.state, leg)
    else:
        leg = replace(leg, paid=body.reference)
    LEGS.put(ctx.state, leg_id(body.epoch, body.leg), leg)
    return Accepted({**_leg_facts(body.epoch, body.leg, leg), "side": side})


def _side_of(ctx: TxContext, leg: LegRecord) -> str | None:
    """Which mark the sender may set: its own as payer or payee; a covered leg is received by the association."""
    actor = RESERVE if is_operator(ctx) else ctx.sender.removeprefix(SHOP_PREFIX)
    if actor == leg.payer:
        return "paid"
    return "received" if actor == (RESERVE if leg.covered else leg.payee) else None


def apply_missing(ctx: TxContext, body: SettlementMissing) -> Outcome:
    """Say that money marked as paid has not come; past the pay date that makes the leg overdue at once."""
    leg = LEGS.get(ctx.state, leg_id(body.epoch, body.leg))
    batch = find_batch(ctx.state, body.epoch)
    if leg is None or batch is None:
        return Refused(codes.SETTLEMENT_UNKNOWN_LEG)
    if _side_of(ctx, leg) != "received":
        return Refused(codes.SETTLEMENT_NOT_PARTY)
    if leg.received or leg.is_missing:
        return Refused(codes.SETTLEMENT_ALREADY_SAID)
    if not leg.paid:
        return Refused(codes.SETTLEMENT_TOO_EARLY, "the payer has not said that it paid")
    leg = replace(leg, is_missing=True)
    if ctx.time_s >= batch.pay_until_s and not _is_disputed(ctx.state, body.epoch, leg):
        leg = mark_overdue(ctx.state, leg)
    LEGS.put(ctx.state, leg_id(body.epoch, body.leg), leg)
    return Accepted(_leg_facts(body.epoch, body.leg, leg))


def _is_disputed(state: Reader, epoch: int, leg: LegRecord) -> bool:
    dispute = DISPUTES.get(state, of_epoch(epoch, leg.payer))
    return dispute is not None and not dispute.outcome


def apply_cover(ctx: TxContext, body: SettlementCover) -> Outcome:
    """Note that the association paid an overdue leg from the payer's reserve: the payer now owes the association."""
    leg = LEGS.get(ctx.state, leg_id(body.epoch, body.leg))
    if leg is None or leg.payer == RESERVE or leg.payee == RESERVE:
        return Refused(codes.SETTLEMENT_UNKNOWN_LEG)
    if not leg.is_overdue:
        return Refused(codes.SETTLEMENT_TOO_EARLY, "only an overdue leg is covered")
    if leg.covered:
        return Refused(codes.SETTLEMENT_ALREADY_SAID)
    leg = replace(leg, covered=body.reference, paid="", is_missing=False)
    LEGS.put(ctx.state, leg_id(body.epoch, body.leg), leg)
    _use_reserve(ctx.state, leg)
    return Accepted(_leg_facts(body.epoch, body.leg, leg))


def _use_reserve(state: Overlay, leg: LegRecord) -> None:
    standing = get_standing(state, leg.payer)
    used = standing.used_millicents + leg.cents * MILLICENTS_PER_CENT
    STANDINGS.put(state, leg.payer.encode(), replace(standing, used_millicents=used))


def _leg_facts(epoch: int, index: int, leg: LegRecord) -> dict[str, str | int | bool]:
    return {
        "epoch": epoch,
        "leg": index,
        "payer": leg.payer,
        "payee": leg.payee,
        "cents": leg.cents,
        "paid": leg.paid,
        "received": leg.received,
        "covered": leg.covered,
        "is_missing": leg.is_missing,
        "is_overdue": leg.is_overdue,
    }
