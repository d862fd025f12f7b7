"""KWHC: energy credits of one operation and month, credited once, given on, used up once. Never per interval.

Double entry: every result's entries sum to zero per lot over the holders `ISS` (issued), `USR:<account>` and `RET`
(retired). In all never more is credited, nor retired, than the month's statements say was shared.
Reads: accounts, members, consents.  Writes: lots, holdings, claims.  Never: another asset.
"""

from itertools import pairwise

from msgspec.structs import asdict, replace

from chain.town.accounts import get_account
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.energy.onchain.standing import find_own, get_member, has_consent
from chain.town.energy.records import (
    CLAIMS,
    HOLDINGS,
    LOTS,
    ClaimRecord,
    HoldingRecord,
    LotRecord,
    holding_id,
    lot_id,
)
from chain.town.energy_schemas import CreditEntry, EnergyCredit, EnergyRetire, EnergyTransfer
from chain.types import codes


def apply_credit(ctx: TxContext, body: EnergyCredit) -> Outcome:
    """Credit members for a settled month; each account once, all or nobody."""
    found = find_own(ctx, body.operation)
    if isinstance(found, Refused):
        return found
    lot = LOTS.get(ctx.state, lot_id(body.operation, body.month))
    if lot is None:
        return Refused(codes.ENERGY_STATEMENT_STALE, f"{body.month} was not stated")
    if any(a.account >= b.account for a, b in pairwise(body.entries)):
        return Refused(codes.TX_BODY_INVALID, "entries: sorted by account, each once")
    credited_wh = sum(entry.energy_wh for entry in body.entries)
    if lot.credited_wh + credited_wh > lot.shared_wh:
        left_wh = max(0, lot.shared_wh - lot.credited_wh)
        return Refused(codes.ENERGY_LOT_EXHAUSTED, f"{credited_wh} Wh, {left_wh} Wh left")
    for entry in body.entries:
        refused = _credit(ctx, body, entry)
        if refused is not None:
            return refused
    fresh = replace(lot, credited_wh=lot.credited_wh + credited_wh)
    LOTS.put(ctx.state, lot_id(body.operation, body.month), fresh)
    name = _lot_name(body.operation, body.month)
    entries = [[f"USR:{entry.account}", name, entry.energy_wh] for entry in body.entries]
    return Accepted({"entries": [["ISS", name, -credited_wh], *entries], "lot": asdict(fresh)})


def apply_transfer(ctx: TxContext, body: EnergyTransfer) -> Outcome:
    """Move credits to another energy account, of every lot named or of none."""
    receiver = get_account(ctx.state, body.to)
    if receiver is None:
        return Refused(codes.ACCOUNT_UNKNOWN)
    if receiver.domain != "energy":
        return Refused(codes.ACCOUNT_WRONG_DOMAIN, receiver.domain)
    if receiver.status == "closed":
        return Refused(codes.ACCOUNT_FROZEN)
    if body.to == ctx.sender:
        return Refused(codes.TX_BODY_INVALID, "to")
    lots = [(part.operation, part.month) for part in body.parts]
    if any(a >= b for a, b in pairwise(lots)):
        return Refused(codes.TX_BODY_INVALID, "parts: sorted by operation and month, each once")
    entries: list[list[str | int]] = []
    for part in body.parts:
        refused = _take(ctx.state, ctx.sender, part.operation, part.month, part.energy_wh)
        if refused is not None:
            return refused
        _give(ctx.state, body.to, part.operation, part.month, part.energy_wh)
        name = _lot_name(part.operation, part.month)
        entries.append([f"USR:{ctx.sender}", name, -part.energy_wh])
        entries.append([f"USR:{body.to}", name, part.energy_wh])
    return Accepted({"entries": entries, "reference": body.reference})


def apply_retire(ctx: TxContext, body: EnergyRetire) -> Outcome:
    """Use credits up for a claim of origin; a claim is made once in the town, a Wh retired once for ever."""
    if CLAIMS.get(ctx.state, body.claim.encode()) is not None:
        return Refused(codes.ENERGY_CLAIM_REPEATED)
    refused = _take(ctx.state, ctx.sender, body.operation, body.month, body.energy_wh)
    if refused is not None:
        return refused
    lot = LOTS.get(ctx.state, lot_id(body.operation, body.month))
    assert lot is not None, "what is held is of a lot"
    if lot.retired_wh + body.energy_wh > lot.shared_wh:
        left_wh = max(0, lot.shared_wh - lot.retired_wh)
        return Refused(codes.ENERGY_LOT_EXHAUSTED, f"{left_wh} Wh left after a correction")
    fresh = replace(lot, retired_wh=lot.retired_wh + body.energy_wh)
    LOTS.put(ctx.state, lot_id(body.operation, body.month), fresh)
    record = ClaimRecord(ctx.sender, body.operation, body.month, body.energy_wh, ctx.time_s)
    CLAIMS.put(ctx.state, body.claim.encode(), record)
    name = _lot_name(body.operation, body.month)
    entries = [[f"USR:{ctx.sender}", name, -body.energy_wh], ["RET", name, body.energy_wh]]
    return Accepted({"entries": entries, "claim": body.claim, "lot": asdict(fresh)})


def get_lot(state: Reader, operation: str, month: str) -> LotRecord | None:
    """The lot of an operation's month, once it was stated."""
    return LOTS.get(state, lot_id(operation, month))


def _credit(ctx: TxContext, body: EnergyCredit, entry: CreditEntry) -> Refused | None:
    member = get_member(ctx.state, body.operation, entry.account)
    if member is None or not member.points:
        return Refused(codes.ENERGY_NOT_MEMBER)
    if not has_consent(ctx.state, body.operation, entry.account, "credits"):
        return Refused(codes.ENERGY_CONSENT_MISSING, "credits")
    record_id = holding_id(entry.account, body.operation, body.month)
    held = HOLDINGS.get(ctx.state, record_id) or HoldingRecord(0)
    if held.credited_wh:
        return Refused(codes.ENERGY_CREDITED_ALREADY)
    fresh = HoldingRecord(held.held_wh + entry.energy_wh, entry.energy_wh)
    HOLDINGS.put(ctx.state, record_id, fresh)
    return None


def _take(
    state: Overlay, account: str, operation: str, month: str, energy_wh: int
) -> Refused | None:
    record_id = holding_id(account, operation, month)
    held = HOLDINGS.get(state, record_id)
    held_wh = 0 if held is None else held.held_wh
    if held is None or held_wh < energy_wh:
        return Refused(codes.ENERGY_INSUFFICIENT, f"{held_wh} Wh of {operation} {month}")
    HOLDINGS.put(state, record_id, replace(held, held_wh=held_wh - energy_wh))
    return None


def _give(state: Overlay, account: str, operation: str, month: str, energy_wh: int) -> None:
    record_id = holding_id(account, operation, month)
    held = HOLDINGS.get(state, record_id) or HoldingRecord(0)
    HOLDINGS.put(state, record_id, replace(held, held_wh=held.held_wh + energy_wh))


def _lot_name(operation: str, month: str) -> str:
    return f"{operation}/{month}"
