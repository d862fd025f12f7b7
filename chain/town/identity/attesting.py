"""Batches of attested identities: each entry an agent's own signature, used once, and none told apart from the others.

Reads: roles, parameters.  Writes: namespace identity, identity accounts.  Never: part of a batch.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from chain.codec.canonical import decode_canonical
from chain.codec.errors import DecodeError
from chain.crypto.jws import parse, verify_signature
from chain.crypto.keys import public_key_from_jwk
from chain.town import params
from chain.town.accounts import jwk_members, open_account, set_account_status
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.identity.axes import add_months, put_residence
from chain.town.identity.records import (
    BATCHES,
    CITIZEN_CURVE,
    COUNTS,
    IDENTITIES,
    LAST_BATCH_ID,
    LAST_RENEWAL_ID,
    TOTAL_ID,
    USED_ATTESTATIONS,
    BatchRecord,
    CountRecord,
    IdentityRecord,
    UsedAttestationRecord,
    account_of,
    count_move,
    get_agent,
    get_counts,
    get_identity,
    month_of,
    moved_counts,
)
from chain.town.schemas import Attestation, IdBatchAttest, IdBatchRenew
from chain.types import codes

ATTESTATION_TYP: Final = "beffroi-attestation"
ATTESTATION_MAX_BYTES: Final = 2_048
LIFE_MAX_MONTHS: Final = 60
"""The identity axis lasts five years at most (research/identity.md §1.5)."""


def apply_batch_attest(ctx: TxContext, body: IdBatchAttest) -> Outcome:
    """Write a batch of attested identities, all or none; `detail` of a refusal names the entry, from 0."""
    return _apply_batch(ctx, body.attestations, _write_identity, is_new=True)


def apply_batch_renew(ctx: TxContext, body: IdBatchRenew) -> Outcome:
    """Attest known identities again, all or none: the same rule, so that a renewal tells as little as an enrolment."""
    return _apply_batch(ctx, body.attestations, _renew_identity, is_new=False)


def _apply_batch(
    ctx: TxContext,
    texts: tuple[str, ...],
    write: Callable[[TxContext, Attestation], IdentityRecord | Refused],
    *,
    is_new: bool,
) -> Outcome:
    refused = _check_batch_time(ctx, len(texts), is_new=is_new)
    if refused is not None:
        return refused
    written = []
    before = ""
    for index, text in enumerate(texts):
        attestation = _read_attestation(ctx, text)
        if isinstance(attestation, Refused):
            return Refused(attestation.code, f"entry {index}: {attestation.detail}")
        if attestation.cid <= before:
            return Refused(codes.IDENTITY_BATCH_UNSORTED, f"entry {index}")
        before = attestation.cid
        record = write(ctx, attestation)
        if isinstance(record, Refused):
            return Refused(record.code, f"entry {index}")
        written.append(_describe(record))
    batches = _count_batch(ctx, len(written), is_new=is_new)
    return Accepted({"batch": batches, "count": len(written), "identities": written})


def _check_batch_time(ctx: TxContext, count: int, *, is_new: bool) -> Refused | None:
    """Enough entries to hide in, or enough waiting; and always at the same hour of the day."""
    hour = params.get_param(ctx.state, params.IDENTITY_BATCH_HOUR_UTC)
    if hour >= 0 and ctx.time_s % params.DAY_S // params.HOUR_S != hour:
        return Refused(codes.IDENTITY_OUTSIDE_HOUR, f"from {hour}:00 to {hour}:59 UTC")
    least = params.get_param(ctx.state, params.IDENTITY_BATCH_MIN_ENTRIES)
    if count >= least:
        return None
    last = BATCHES.get(ctx.state, LAST_BATCH_ID if is_new else LAST_RENEWAL_ID)
    wait_s = params.get_param(ctx.state, params.IDENTITY_BATCH_MAX_WAIT_S)
    if last is not None and ctx.time_s - last.last_s >= wait_s:
        return None
    return Refused(codes.IDENTITY_BATCH_TOO_SMALL, f"{count} of {least} entries")


def _read_attestation(ctx: TxContext, text: str) -> Attestation | Refused:
    """Form, then the agent's office and signature, that it serves once, then what it says.

    An old word of an agent in office would else bring back old levels and a commitment since replaced.
    """
    try:
        jws = parse(text.encode("ascii"), ATTESTATION_TYP, ATTESTATION_MAX_BYTES)
        attestation = decode_canonical(Attestation, jws.payload)
    except DecodeError:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "malformed")
    agent = get_agent(ctx, jws.signatures[0].kid)
    if agent is None:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "not an agent in office")
    if not verify_signature(jws.signatures[0], public_key_from_jwk(jwk_members(agent.jwk))):
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "signature")
    if attestation.town != ctx.town:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "town")
    if attestation.key.crv != CITIZEN_CURVE:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "key")
    used_id = sha256(agent.kid.encode() + jws.payload).digest()
    if USED_ATTESTATIONS.get(ctx.state, used_id) is not None:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "used before")
    USED_ATTESTATIONS.put(ctx.state, used_id, UsedAttestationRecord(ctx.time_s))
    this_month = month_of(ctx.time_s)
    if not this_month <= attestation.expires_month <= add_months(this_month, LIFE_MAX_MONTHS):
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "expires_month")
    return attestation


def _write_identity(ctx: TxContext, attestation: Attestation) -> IdentityRecord | Refused:
    if get_identity(ctx.state, attestation.cid) is not None:
        return Refused(codes.IDENTITY_EXISTS)
    account = open_account(
        ctx.state,
        domain="identity",
        jwk=attestation.key,
        blind=attestation.blind,
        height=ctx.height,
    )
    if isinstance(account, Refused):
        return account
    record = IdentityRecord(
        cid=attestation.cid,
        account=account.id,
        key=attestation.key,
        commitment=attestation.commitment,
        blind=attestation.blind,
        level_identity=attestation.level_identity,
        level_residence=attestation.level_residence,
        expires_month=attestation.expires_month,
        status="active",
    )
    IDENTITIES.put(ctx.state, record.cid.encode(), record)
    put_residence(ctx.state, record.cid, record.level_residence, ctx.time_s)
    return record


def _renew_identity(ctx: TxContext, attestation: Attestation) -> IdentityRecord | Refused:
    """New levels, month and commitment for the same person and key; who was expired is active again."""
    record = get_identity(ctx.state, attestation.cid)
    if record is None:
        return Refused(codes.IDENTITY_UNKNOWN)
    if record.key != attestation.key:
        return Refused(codes.IDENTITY_KEY_DIFFERS)
    if record.status not in ("active", "expired"):
        return Refused(codes.IDENTITY_NOT_ACTIVE)
    renewed = replace(
        record,
        commitment=attestation.commitment,
        blind=attestation.blind,
        level_identity=attestation.level_identity,
        level_residence=attestation.level_residence,
        expires_month=attestation.expires_month,
        status="active",
    )
    IDENTITIES.put(ctx.state, record.cid.encode(), renewed)
    put_residence(ctx.state, record.cid, renewed.level_residence, ctx.time_s)
    if record.status != "active":
        count_move(ctx.state, record.status, "active")
        set_account_status(ctx.state, account_of(ctx.state, record), "open")
    return renewed


def _count_batch(ctx: TxContext, count: int, *, is_new: bool) -> int:
    """Remember the batch and its entries; returns the batch's number among its kind, from 1."""
    batch_id = LAST_BATCH_ID if is_new else LAST_RENEWAL_ID
    last = BATCHES.get(ctx.state, batch_id) or BatchRecord(0)
    BATCHES.put(ctx.state, batch_id, BatchRecord(ctx.time_s, last.batches + 1))
    if is_new:
        counts = get_counts(ctx.state)
        by_status = moved_counts(counts.by_status, "active", count)
        COUNTS.put(ctx.state, TOTAL_ID, CountRecord(counts.enrolled + count, by_status))
    return last.batches + 1


def _describe(record: IdentityRecord) -> dict[str, str | int]:
    return {
        "cid": record.cid,
        "account": record.account,
        "commitment": record.commitment,
        "level_identity": record.level_identity,
        "level_residence": record.level_residence,
        "expires_month": record.expires_month,
        "status": record.status,
    }
