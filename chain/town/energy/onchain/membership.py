"""Joining and leaving: a member asks and signs, the *PMO* admits, points count from one local day to another.

A point is a salted commitment to its PRM; the adapter's keyed hash beside it keeps one PRM in one active operation.
Reads: operations, consents.  Writes: members, points, tags, rosters, the operation's perimeter.  Never: a PRM.
"""

from msgspec.structs import replace

from chain.limits import ENERGY_POINTS_HELD_MAX
from chain.town import params
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.energy.calendar import format_day, parse_day
from chain.town.energy.onchain.rosters import Columns, change_roster, count_columns, peak_from
from chain.town.energy.onchain.standing import (
    check_effect,
    earliest_backdated,
    find_operation,
    find_own,
    get_member,
    has_consent,
    terms_on,
    today_of,
)
from chain.town.energy.perimeter import check_declared
from chain.town.energy.records import (
    MEMBERS,
    OPERATIONS,
    POINTS,
    TAGS,
    MemberRecord,
    OperationRecord,
    PointRecord,
    TagRecord,
    member_id,
    point_id,
)
from chain.town.energy_schemas import EnergyAdmit, EnergyJoin, EnergyLeave, PointClaim
from chain.types import codes

# --- asking --------------------------------------------------------------------------------


def apply_join(ctx: TxContext, body: EnergyJoin) -> Outcome:
    """Note a request to join with new points; the terms agreed to are the last ones in force or scheduled."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    if not found.schedule:
        return Refused(codes.ENERGY_OPERATION_INACTIVE, body.operation)
    if body.version != found.schedule[-1].version:
        return Refused(codes.ENERGY_OPERATION_VERSION, f"version {found.schedule[-1].version}")
    member = get_member(ctx.state, body.operation, ctx.sender)
    refused = _check_claims(ctx, body, member)
    if refused is not None:
        return refused
    held = member or MemberRecord("asking", body.version, ())
    asked = tuple(claim.point for claim in body.points)
    status = held.status if held.status == "member" else "asking"
    fresh = replace(held, status=status, version=body.version, asked=asked)
    MEMBERS.put(ctx.state, member_id(body.operation, ctx.sender), fresh)
    for claim in body.points:
        record = PointRecord(ctx.sender, claim.side, claim.plant)
        POINTS.put(ctx.state, point_id(body.operation, claim.point), record)
    return Accepted(_describe(body.operation, ctx.sender, fresh))


def _check_claims(ctx: TxContext, body: EnergyJoin, member: MemberRecord | None) -> Refused | None:
    if member is not None and member.asked:
        return Refused(codes.ENERGY_POINT_REPEATED, "a request waits for its answer")
    names = [claim.point for claim in body.points]
    if len(set(names)) < len(names):
        return Refused(codes.ENERGY_POINT_REPEATED, "points")
    held = 0 if member is None else len(member.points)
    if held + len(names) > ENERGY_POINTS_HELD_MAX:
        return Refused(codes.TX_BODY_INVALID, f"points: at most {ENERGY_POINTS_HELD_MAX} each")
    for claim in body.points:
        refused = _check_claim(ctx, body.operation, claim)
        if refused is not None:
            return refused
    return None


def _check_claim(ctx: TxContext, operation: str, claim: PointClaim) -> Refused | None:
    """A fresh commitment each time; a plant where there is something that produces."""
    if POINTS.get(ctx.state, point_id(operation, claim.point)) is not None:
        return Refused(codes.ENERGY_POINT_REPEATED, "take a fresh salt for every request")
    if (claim.plant is None) != (claim.side == "consumer"):
        return Refused(codes.TX_BODY_INVALID, "plant: of producers and stores only")
    return None


# --- admitting -----------------------------------------------------------------------------


def apply_admit(ctx: TxContext, body: EnergyAdmit) -> Outcome:
    """Admit or refuse what waits; the operation with the new points in it must stay lawful."""
    found = find_own(ctx, body.operation)
    if isinstance(found, Refused):
        return found
    member = get_member(ctx.state, body.operation, body.account)
    if member is None or not member.asked:
        return Refused(codes.ENERGY_NOTHING_ASKED)
    if body.verdict == "refused":
        return _refuse_request(ctx, body, member)
    return _admit(ctx, body, found, member)


def _refuse_request(ctx: TxContext, body: EnergyAdmit, member: MemberRecord) -> Outcome:
    for point in member.asked:
        POINTS.delete(ctx.state, point_id(body.operation, point))
    status = member.status if member.status == "member" else "refused"
    fresh = replace(member, status=status, asked=())
    MEMBERS.put(ctx.state, member_id(body.operation, body.account), fresh)
    return Accepted(_describe(body.operation, body.account, fresh))


def _admit(
    ctx: TxContext, body: EnergyAdmit, found: OperationRecord, member: MemberRecord
) -> Outcome:
    if body.perimeter is None or len(body.tags) != len(member.asked):
        return Refused(codes.TX_BODY_INVALID, "perimeter and one tag per point")
    if not has_consent(ctx.state, body.operation, body.account, "allocation"):
        return Refused(codes.ENERGY_CONSENT_MISSING, "allocation")
    day = check_effect(ctx, found, body.from_day, earliest=earliest_backdated(ctx, found))
    if isinstance(day, Refused):
        return day
    refused = _take_tags(ctx.state, body, member.asked)
    if refused is not None:
        return refused
    points = _activate(ctx.state, body, member.asked)
    change_roster(ctx.state, body.operation, ((day, count_columns(points)),), sign=1)
    held = replace(found, perimeter=body.perimeter)
    refused = check_lawful(ctx.state, held, day)
    if refused is not None:
        return refused
    OPERATIONS.put(ctx.state, body.operation.encode(), held)
    fresh = replace(
        member,
        status="member",
        asked=(),
        points=(*member.points, *member.asked),
        # Who comes back keeps the first day: days shared before can still be looked at and objected to.
        from_day=min(member.from_day, body.from_day) if member.points else body.from_day,
        until_day="",
        reason="",
    )
    MEMBERS.put(ctx.state, member_id(body.operation, body.account), fresh)
    return Accepted(_describe(body.operation, body.account, fresh))


def check_lawful(state: Overlay, found: OperationRecord, day: int) -> Refused | None:
    """Whether the operation as last declared may exist on a day, with all power that is to come."""
    terms = terms_on(state, found, day)
    if terms is None:
        return Refused(codes.ENERGY_OPERATION_INACTIVE, format_day(day))
    if found.perimeter is None:
        return Refused(codes.ENERGY_OUTSIDE_PERIMETER, "no perimeter was declared")
    return check_declared(
        found.perimeter,
        regime=terms[1].regime,
        territory=terms[1].territory,
        peak_w=peak_from(state, found.operation, day),
        day=format_day(day),
    )


def _take_tags(state: Overlay, body: EnergyAdmit, asked: tuple[str, ...]) -> Refused | None:
    """One active operation per PRM: a tag is free when it is new, or left before the new points begin."""
    if len(set(body.tags)) < len(body.tags):
        return Refused(codes.ENERGY_POINT_REPEATED, "tags")
    for tag, point in zip(body.tags, asked, strict=True):
        held = TAGS.get(state, tag.encode())
        if held is not None and (not held.until_day or held.until_day > body.from_day):
            return Refused(codes.ENERGY_POINT_TAKEN)
        TAGS.put(state, tag.encode(), TagRecord(body.operation, point))
    return None


def _activate(state: Overlay, body: EnergyAdmit, asked: tuple[str, ...]) -> list[PointRecord]:
    points = []
    for tag, point in zip(body.tags, asked, strict=True):
        held = POINTS.get(state, point_id(body.operation, point))
        assert held is not None, "points asked for are on record"
        fresh = replace(held, tag=tag, from_day=body.from_day)
        POINTS.put(state, point_id(body.operation, point), fresh)
        points.append(fresh)
    return points


# --- leaving -------------------------------------------------------------------------------


def apply_leave(ctx: TxContext, body: EnergyLeave) -> Outcome:
    """End a member's points; a member's own exit waits for the grid operator, a death or a move does not."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    if ctx.sender not in (body.account, found.pmo):
        return Refused(codes.TX_NOT_ENTITLED, f"operation of {found.pmo}")
    member = get_member(ctx.state, body.operation, body.account)
    if member is None or not ends_earlier(ctx.state, body.operation, member, body.until_day):
        return Refused(codes.ENERGY_NOT_MEMBER)
    earliest = today_of(ctx, found) + params.get_param(ctx.state, params.ENERGY_LEAVE_DAYS)
    if ctx.sender == found.pmo and body.reason in ("death", "moved"):
        earliest = 0
    day = check_effect(ctx, found, body.until_day, earliest=earliest)
    if isinstance(day, Refused):
        return day
    if body.until_day < member.from_day:
        return Refused(codes.ENERGY_DAY_REFUSED, f"until_day: member from {member.from_day}")
    fresh = end_membership(ctx.state, found, body.account, member, day, body.reason)
    return Accepted(_describe(body.operation, body.account, fresh))


def end_membership(
    state: Overlay,
    found: OperationRecord,
    account: str,
    member: MemberRecord,
    day: int,
    reason: str,
) -> MemberRecord:
    """End every point of a member before a day, also one that was to end later, and free its tags from that day on."""
    before, ended = [], []
    until = format_day(day)
    for point in member.points:
        held = _get_point(state, found.operation, point)
        last = max(until, held.from_day)
        if held.until_day and held.until_day <= last:
            continue
        before.append(held)
        ended.append(replace(held, until_day=last))
        POINTS.put(state, point_id(found.operation, point), ended[-1])
        tag = TAGS.get(state, held.tag.encode())
        if tag is not None and (tag.operation, tag.point) == (found.operation, point):
            TAGS.put(state, held.tag.encode(), TagRecord(found.operation, point, last))
    change_roster(state, found.operation, _moves_at_end(before), sign=1)
    change_roster(state, found.operation, _moves_at_end(ended), sign=-1)
    fresh = replace(member, status="left", until_day=until, reason=reason)
    MEMBERS.put(state, member_id(found.operation, account), fresh)
    return fresh


def ends_earlier(state: Reader, operation: str, member: MemberRecord, until_day: str) -> bool:
    """Whether a point of the member would end earlier, were the membership to end before that day.

    An exit that was dated late, by whomever, keeps nobody from an earlier one.
    """
    points = (_get_point(state, operation, point) for point in member.points)
    return any(
        not held.until_day or held.until_day > max(until_day, held.from_day) for held in points
    )


def _get_point(state: Reader, operation: str, point: str) -> PointRecord:
    held = POINTS.get(state, point_id(operation, point))
    assert held is not None, "points of members are on record"
    return held


def _moves_at_end(points: list[PointRecord]) -> list[tuple[int, Columns]]:
    """What the roster loses on each day on which some of these points end."""
    moves = []
    for last in sorted({point.until_day for point in points if point.until_day}):
        number = parse_day(last)
        assert number is not None, "days on record are of the calendar"
        moves.append((number, count_columns(p for p in points if p.until_day == last)))
    return moves


def _describe(operation: str, account: str, record: MemberRecord) -> dict[str, object]:
    return {
        "operation": operation,
        "account": account,
        "status": record.status,
        "from_day": record.from_day,
        "until_day": record.until_day,
        "asked": list(record.asked),
        "points": list(record.points),
    }
