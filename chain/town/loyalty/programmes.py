"""Programmes: drafts to read, versions in force, an end. What a lot is was fixed by the version that made it.

Reads and writes: programmes, versions, drafts.  Never: touches a lot, or a version once it is in force.
"""

from msgspec.structs import asdict, replace

from chain.town.context import Accepted, Outcome, Reader, Refused, TxContext
from chain.town.loyalty.records import (
    DRAFTS,
    PROGRAMMES,
    SHOPS,
    VERSIONS,
    ProgrammeRecord,
    VersionRecord,
    version_id,
)
from chain.town.loyalty.referring import read_token_key
from chain.town.loyalty_rules import compute_rule_hash, find_rule_flaw
from chain.town.schemas import EarnRule, LoyaltyProgramme
from chain.types import codes


def apply_programme(ctx: TxContext, body: LoyaltyProgramme) -> Outcome:
    """Publish the next version as a draft, put it in force, or close the programme at its present version."""
    current = PROGRAMMES.get(ctx.state, body.programme.encode())
    rule_hash = compute_rule_hash(body.earn, body.lot_life_days, body.terms)
    refused = _check_version(ctx, body, current, rule_hash) or _check_rule(ctx.state, body.earn)
    if refused is not None:
        return refused
    held = current or ProgrammeRecord(body.programme, 0, "draft", rule_hash, ctx.sender)
    version = VersionRecord(
        body.programme,
        body.version,
        body.earn,
        body.lot_life_days,
        rule_hash,
        ctx.time_s,
        body.terms,
    )
    record_id = version_id(body.programme, body.version)
    if body.status == "draft":
        DRAFTS.put(ctx.state, record_id, version)
        record = replace(held, draft=body.version)
    elif body.status == "active":
        VERSIONS.put(ctx.state, record_id, version)
        if held.draft:
            DRAFTS.delete(ctx.state, record_id)
        record = replace(held, version=body.version, status="active", rule_hash=rule_hash, draft=0)
    else:
        record = replace(held, status="closed")
    PROGRAMMES.put(ctx.state, body.programme.encode(), record)
    return Accepted({**_describe(record), "rule_hash": rule_hash, **_describe_rule(body)})


def _describe(record: ProgrammeRecord) -> dict[str, object]:
    return {**asdict(record), "campaigns": list(record.campaigns)}


def _describe_rule(body: LoyaltyProgramme) -> dict[str, object]:
    return {"earn": body.earn, "lot_life_days": body.lot_life_days, "terms": body.terms}


def _check_rule(state: Reader, rule: EarnRule) -> Refused | None:
    """What the message type cannot say: names once, tiers that rise, a referral that somebody owes for."""
    flaw = find_rule_flaw(rule)
    if flaw:
        return Refused(codes.TX_BODY_INVALID, flaw)
    if rule.referral is None:
        return None
    if SHOPS.get(state, rule.referral.issuer.encode()) is None:
        return Refused(codes.LOYALTY_UNKNOWN_SHOP, rule.referral.issuer)
    try:
        read_token_key(rule.referral.key_n)
    except ValueError as exc:
        return Refused(codes.TX_BODY_INVALID, f"key_n: {exc}")
    return None


def _check_version(
    ctx: TxContext, body: LoyaltyProgramme, current: ProgrammeRecord | None, rule_hash: str
) -> Refused | None:
    if current is None:
        if body.status == "closed":
            return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
        return None if body.version == 1 else Refused(codes.TX_BODY_INVALID, "version: 1 is first")
    if current.operator != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, f"programme of {current.operator}")
    if current.status == "closed":
        return Refused(codes.LOYALTY_PROGRAMME_INACTIVE, "closed for good")
    if body.status == "closed":
        same = (body.version, rule_hash) == (current.version, current.rule_hash)
        wrong = Refused(codes.TX_BODY_INVALID, f"version: close {current.version}, with its rule")
        return None if same else wrong
    if body.version <= current.version:
        return Refused(codes.LOYALTY_PROGRAMME_EXISTS, f"version {current.version} is in force")
    if body.version > current.version + 1:
        return Refused(codes.TX_BODY_INVALID, f"version: {current.version + 1} is next")
    return _check_draft(ctx.state, body, current, rule_hash)


def _check_draft(
    state: Reader, body: LoyaltyProgramme, current: ProgrammeRecord, rule_hash: str
) -> Refused | None:
    """A draft that citizens could read is put in force as they read it, or replaced by another draft."""
    if body.status == "draft" or not current.draft:
        return None
    draft = DRAFTS.get(state, version_id(body.programme, current.draft))
    assert draft is not None, "a draft waiting is on record"
    is_same = draft.rule_hash == rule_hash
    return None if is_same else Refused(codes.TX_BODY_INVALID, "earn: not the draft published")
