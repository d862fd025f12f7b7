"""Contracts as hash-linked signed steps: seller offers, buyer accepts, the *PMO* countersigns; then notice, end.

The document stays between the parties; here are its hash, the two sides, their points, the days, and one link per
step. A step names the transaction key of the step before, so each signature covers the whole history. Clauses the
chain cannot see are judged by `agreements.check_document`, which each party runs before signing.
Reads: operations, members, points, rosters.  Writes: contracts.  Never: a price.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec.structs import replace

from chain.codec.canonical import b64url_encode
from chain.town.context import Accepted, Outcome, Reader, Refused, TxContext
from chain.town.energy.calendar import format_day, parse_day
from chain.town.energy.onchain.membership import check_lawful
from chain.town.energy.onchain.standing import (
    check_effect,
    earliest_backdated,
    find_operation,
    is_active_on,
    read_day,
    terms_on,
    today_of,
)
from chain.town.energy.records import (
    CONTRACTS,
    POINTS,
    ContractRecord,
    ContractState,
    OperationRecord,
    PointRecord,
    contract_id,
    point_id,
)
from chain.town.energy_schemas import ContractStep, ContractTerms, EnergyContract
from chain.types import codes

_FROM: Final[dict[ContractStep, tuple[ContractState, ...]]] = {
    "accept": ("offered",),
    "countersign": ("accepted",),
    "void": ("offered", "accepted"),
    "notice": ("signed", "suspended"),
    "suspend": ("signed",),
    "resume": ("suspended",),
    "end": ("signed", "notice", "suspended"),
}
"""Step to the states it may follow."""
_TO: Final[dict[ContractStep, ContractState]] = {
    "accept": "accepted",
    "countersign": "signed",
    "void": "void",
    "notice": "notice",
    "suspend": "suspended",
    "resume": "signed",
    "end": "ended",
}
_OF_PMO: Final = ("countersign", "suspend", "resume", "end")


def apply_contract(ctx: TxContext, body: EnergyContract) -> Outcome:
    """Apply one step; the offer opens the record."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    held = CONTRACTS.get(ctx.state, contract_id(body.contract))
    if body.step == "offer":
        return _offer(ctx, body, found, held)
    if held is None or held.operation != body.operation:
        return Refused(codes.ENERGY_CONTRACT_UNKNOWN)
    refused = _check_step(ctx, body, found, held) or _CHECKS.get(body.step, _no_check)(
        ctx, body, found, held
    )
    if refused is not None:
        return refused
    fresh = replace(
        held,
        state=_TO[body.step],
        last=b64url_encode(ctx.tx_key),
        steps=held.steps + 1,
        since_s=ctx.time_s,
        effect_day=body.effect_day or held.effect_day,
    )
    CONTRACTS.put(ctx.state, contract_id(body.contract), fresh)
    return Accepted(_describe(body.contract, fresh))


def contract_state_on(record: ContractRecord, day: int) -> str:
    """What a record means on a local day: a signed contract is active from its first day, and ends by itself."""
    text = format_day(day)
    terms = record.terms
    if record.state in ("signed", "notice", "suspended"):
        ends = [end for end in (terms.end_day, record.effect_day) if end]
        if ends and text >= min(ends):
            return "ended"
        if record.state == "signed" and text >= terms.start_day:
            return "active"
    return record.state


# --- the offer -----------------------------------------------------------------------------


def _offer(
    ctx: TxContext, body: EnergyContract, found: OperationRecord, held: ContractRecord | None
) -> Outcome:
    if held is not None or body.previous or body.effect_day:
        return Refused(codes.ENERGY_CONTRACT_STEP, "an offer is the first step")
    terms = body.terms
    if terms is None:
        return Refused(codes.TX_BODY_INVALID, "terms")
    if ctx.sender != terms.seller:
        return Refused(codes.TX_NOT_ENTITLED, "the seller offers")
    refused = _check_terms(ctx, found, terms)
    if refused is not None:
        return refused
    link = b64url_encode(ctx.tx_key)
    fresh = ContractRecord(body.operation, terms, "offered", link, 1, ctx.time_s)
    CONTRACTS.put(ctx.state, contract_id(body.contract), fresh)
    return Accepted(_describe(body.contract, fresh))


def _check_terms(ctx: TxContext, found: OperationRecord, terms: ContractTerms) -> Refused | None:
    if terms.seller == terms.buyer:
        return Refused(codes.ENERGY_CONTRACT_INVALID, "seller and buyer are one")
    day = check_effect(ctx, found, terms.start_day, earliest=earliest_backdated(ctx, found))
    if isinstance(day, Refused):
        return day
    if terms.end_day:
        end = read_day(terms.end_day)
        if isinstance(end, Refused):
            return end
        if end <= day:
            return Refused(codes.ENERGY_CONTRACT_INVALID, "end_day")
    in_force = terms_on(ctx.state, found, day)
    if in_force is None:
        return Refused(codes.ENERGY_OPERATION_INACTIVE, terms.start_day)
    if in_force[1].key_kind != terms.key_kind:
        return Refused(
            codes.ENERGY_CONTRACT_INVALID, f"key_kind: {in_force[1].key_kind} on {terms.start_day}"
        )
    return _check_points(ctx.state, found, terms, day) or check_lawful(ctx.state, found, day)


def _check_points(
    state: Reader, found: OperationRecord, terms: ContractTerms, day: int
) -> Refused | None:
    """Each side's own point, active on the first day; nobody sells from a store into a store."""
    if terms.seller_point == terms.buyer_point:
        return Refused(codes.ENERGY_POINT_REPEATED, "seller_point, buyer_point")
    sides = []
    for name, account, other_side in (
        ("seller", terms.seller, "consumer"),
        ("buyer", terms.buyer, "producer"),
    ):
        point_name = terms.seller_point if name == "seller" else terms.buyer_point
        point = POINTS.get(state, point_id(found.operation, point_name))
        if point is None or not _is_usable(point, account, day):
            return Refused(codes.ENERGY_POINT_UNKNOWN, f"{name}_point")
        if point.side == other_side:
            return Refused(codes.ENERGY_CONTRACT_INVALID, f"{name}_point: a {point.side}")
        sides.append(point.side)
    if sides == ["storage", "storage"]:
        return Refused(codes.ENERGY_STORAGE_EXCEEDS, "store to store")
    return None


def _is_usable(point: PointRecord, account: str, day: int) -> bool:
    return point.account == account and is_active_on(point.from_day, point.until_day, day)


# --- later steps ---------------------------------------------------------------------------


def _check_step(
    ctx: TxContext, body: EnergyContract, found: OperationRecord, held: ContractRecord
) -> Refused | None:
    """The right hand, after the right step, at the right place of the chain of links."""
    if body.terms is not None:
        return Refused(codes.TX_BODY_INVALID, "terms: of the offer only")
    signers = {
        "accept": (held.terms.buyer,),
        **dict.fromkeys(_OF_PMO, (found.pmo,)),
    }.get(body.step, (held.terms.seller, held.terms.buyer))
    if ctx.sender not in signers:
        return Refused(codes.TX_NOT_ENTITLED, f"{body.step}: another party's step")
    if body.previous != held.last:
        return Refused(codes.ENERGY_CONTRACT_STEP, "previous: not the last step")
    state = contract_state_on(held, today_of(ctx, found))
    if held.state not in _FROM[body.step] or state == "ended":
        return Refused(codes.ENERGY_CONTRACT_STEP, f"{body.step} of a contract {state}")
    if body.effect_day and body.step not in ("notice", "end"):
        return Refused(codes.TX_BODY_INVALID, "effect_day: of a notice or an end only")
    return None


def _no_check(
    _ctx: TxContext, _body: EnergyContract, _found: OperationRecord, _held: ContractRecord
) -> Refused | None:
    return None


def _check_countersign(
    ctx: TxContext, _body: EnergyContract, found: OperationRecord, held: ContractRecord
) -> Refused | None:
    """What was true at the offer still is: nothing of the first day was measured, points and limits hold."""
    return _check_terms(ctx, found, held.terms)


def _check_notice(
    ctx: TxContext, body: EnergyContract, found: OperationRecord, held: ContractRecord
) -> Refused | None:
    earliest = today_of(ctx, found) + held.terms.notice_days
    return _check_last_day(ctx, body, found, held, earliest)


def _check_end(
    ctx: TxContext, body: EnergyContract, found: OperationRecord, held: ContractRecord
) -> Refused | None:
    return _check_last_day(ctx, body, found, held, 0)


def _check_last_day(
    ctx: TxContext,
    body: EnergyContract,
    found: OperationRecord,
    held: ContractRecord,
    earliest: int,
) -> Refused | None:
    """A day not measured yet, not before the contract begins, and not after an earlier notice."""
    start = parse_day(held.terms.start_day)
    assert start is not None, "days on record are of the calendar"
    if not body.effect_day:
        return Refused(codes.TX_BODY_INVALID, "effect_day")
    day = check_effect(ctx, found, body.effect_day, earliest=max(earliest, start))
    if isinstance(day, Refused):
        return day
    if held.effect_day and body.effect_day > held.effect_day:
        return Refused(codes.ENERGY_DAY_REFUSED, f"effect_day: ends on {held.effect_day} already")
    return None


_Check: TypeAlias = Callable[
    [TxContext, EnergyContract, OperationRecord, ContractRecord], Refused | None
]
_CHECKS: Final[dict[ContractStep, _Check]] = {
    "countersign": _check_countersign,
    "notice": _check_notice,
    "end": _check_end,
}


def _describe(contract: str, record: ContractRecord) -> dict[str, object]:
    return {
        "operation": record.operation,
        "contract": contract,
        "state": record.state,
        "last": record.last,
        "steps": record.steps,
        "effect_day": record.effect_day,
        "seller": record.terms.seller,
        "buyer": record.terms.buyer,
    }
