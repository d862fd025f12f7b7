"""Challenges: a member objects to a day within the window, a witness answers; nothing is settled meanwhile.

The chain keeps a salted hash of the reasons and the verdict. Row and path go to the witness by a private channel.
Reads: members, operations.  Writes: challenges, days.  Never: a row, a reason.
"""

from msgspec.structs import replace

from chain.codec.canonical import b64url_encode
from chain.limits import ENERGY_CHALLENGES_OPEN_MAX
from chain.town import params
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.energy.onchain.allocating import find_day
from chain.town.energy.onchain.standing import find_operation, is_member_on, read_day
from chain.town.energy.records import (
    CHALLENGERS,
    CHALLENGES,
    DAYS,
    ChallengeRecord,
    ChallengerRecord,
    DayRecord,
    challenge_id,
    challenger_id,
    day_id,
)
from chain.town.energy_schemas import EnergyChallenge, EnergyVerdict
from chain.types import codes


def apply_challenge(ctx: TxContext, body: EnergyChallenge) -> Outcome:
    """Open a challenge, named by this transaction's key; one per member and version."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    day = read_day(body.day)
    if isinstance(day, Refused):
        return day
    if not is_member_on(ctx.state, body.operation, ctx.sender, day):
        return Refused(codes.ENERGY_NOT_MEMBER, body.day)
    held = find_day(ctx, body.operation, body.day)
    if isinstance(held, Refused):
        return held
    refused = _check_open(ctx, body, held)
    if refused is not None:
        return refused
    name = b64url_encode(ctx.tx_key)
    record = ChallengeRecord(ctx.sender, body.version, body.claim, ctx.time_s)
    CHALLENGES.put(ctx.state, challenge_id(body.operation, body.day, name), record)
    own_id = challenger_id(body.operation, body.day, ctx.sender)
    CHALLENGERS.put(ctx.state, own_id, ChallengerRecord(body.version))
    fresh = replace(held, challenges=held.challenges + 1, open_challenges=held.open_challenges + 1)
    DAYS.put(ctx.state, day_id(body.operation, body.day), fresh)
    return Accepted({"operation": body.operation, "day": body.day, "challenge": name})


def apply_verdict(ctx: TxContext, body: EnergyVerdict) -> Outcome:
    """Answer a challenge; upheld, the day must be corrected before it can be settled."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    if ctx.sender == found.pmo:
        return Refused(codes.ENERGY_NOT_INDEPENDENT, "verdict")
    held = find_day(ctx, body.operation, body.day)
    if isinstance(held, Refused):
        return held
    record_id = challenge_id(body.operation, body.day, body.challenge)
    record = CHALLENGES.get(ctx.state, record_id)
    if record is None or record.verdict:
        return Refused(codes.ENERGY_CHALLENGE_REFUSED, "no such challenge waits")
    answered = replace(record, verdict=body.verdict, evidence=body.evidence, witness=ctx.sender)
    CHALLENGES.put(ctx.state, record_id, answered)
    is_upheld = body.verdict == "upheld" and record.version == held.version
    fresh = replace(
        held,
        open_challenges=held.open_challenges - 1,
        is_faulted=held.is_faulted or is_upheld,
    )
    DAYS.put(ctx.state, day_id(body.operation, body.day), fresh)
    return Accepted(
        {
            "operation": body.operation,
            "day": body.day,
            "challenge": body.challenge,
            "verdict": body.verdict,
            "is_faulted": fresh.is_faulted,
        }
    )


def challenge_ends_s(ctx: TxContext, held: DayRecord) -> int:
    """First second at which the day's last version can no longer be challenged."""
    return held.allocated_s + params.get_param(ctx.state, params.ENERGY_CHALLENGE_S)


def _check_open(ctx: TxContext, body: EnergyChallenge, held: DayRecord) -> Refused | None:
    if not held.version or body.version != held.version:
        return Refused(codes.ENERGY_VERSION_STALE, f"the last version is {held.version}")
    if ctx.time_s >= challenge_ends_s(ctx, held):
        return Refused(codes.ENERGY_CHALLENGE_REFUSED, "the time for challenges is over")
    if held.open_challenges >= ENERGY_CHALLENGES_OPEN_MAX:
        return Refused(codes.ENERGY_CHALLENGE_REFUSED, f"{held.open_challenges} wait")
    before = CHALLENGERS.get(ctx.state, challenger_id(body.operation, body.day, ctx.sender))
    if before is not None and before.version == body.version:
        return Refused(codes.ENERGY_CHALLENGE_REFUSED, "one per member and version")
    return None
