"""Verified citizens as the chain may know them: a random cid, a key, levels, a commitment, a status.

Identities enter in batches that hide their members, each attested by an agent's own signature; they leave
`active` by a fixed table of transitions, for good only by the word of two agents.
Reads: roles, parameters.  Writes: namespace identity, identity accounts.  Never: anything civil, nor a date
of one person finer than a month.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from chain.codec.canonical import decode_canonical
from chain.codec.errors import DecodeError
from chain.crypto.jws import parse, verify_signature
from chain.crypto.keys import public_key_from_jwk
from chain.town import params
from chain.town.accounts import (
    AccountRecord,
    AccountStatus,
    RoleRecord,
    get_account,
    jwk_members,
    kid_of,
    live_role,
    open_account,
    rotate_account_key,
    set_account_status,
)
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, Table, TxContext
from chain.town.rules import ACCOUNT, BODY, Rule, Rules
from chain.town.schemas import (
    Attestation,
    Bytes16,
    Bytes32,
    IdBatchAttest,
    IdRotate,
    IdStatus,
    Jwk,
    Thumbprint,
)
from chain.types import codes
from chain.types.timestamp import Timestamp

NAMESPACE: Final = "identity"
NAMESPACES: Final = (NAMESPACE,)
ATTESTATION_TYP: Final = "beffroi-attestation"
ATTESTATION_MAX_BYTES: Final = 2_048
AGENT_ROLES: Final = frozenset({"clerk", "agent_supervisor"})
"""Who attests and moves identities; the electoral axis is not theirs (PROTOCOL §6)."""
CITIZEN_CURVE: Final = "Ed25519"
"""A citizen's key must survive by words (SLIP-0010) and sign codes (PROTOCOL §2)."""
LIFE_MAX_MONTHS: Final = 60
"""The identity axis lasts five years at most (research/identity.md §1.5)."""

Status = Literal[
    "active", "suspended", "expired", "moved_out", "deceased", "merged", "revoked", "erased"
]
TERMINAL: Final = frozenset({"moved_out", "deceased", "merged", "revoked", "erased"})
TRANSITIONS: Final[Mapping[Status, frozenset[str]]] = {
    "active": frozenset({"suspended", "expired"}) | TERMINAL,
    "suspended": frozenset({"active", "expired"}) | TERMINAL,
    "expired": frozenset({"active", "suspended"}) | TERMINAL,
    # From a terminal status only erasure is left: the right to it does not end with moving or dying.
    "moved_out": frozenset({"erased"}),
    "deceased": frozenset({"erased"}),
    "merged": frozenset({"erased"}),
    "revoked": frozenset({"erased"}),
    "erased": frozenset(),
}


class IdentityRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One identity. `account` is the id of its account of domain identity; `key` that account's present key."""

    cid: Bytes32
    account: Thumbprint
    key: Jwk
    commitment: Bytes32
    blind: Bytes16
    level_identity: int
    level_residence: int
    expires_month: str
    status: Status


class BatchRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """When the last batch was written (for the first: when the town was born), and how many there were."""

    last_s: int
    batches: int = 0


class CountRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """How many identities were ever written, and how many stand in each status (absent: none)."""

    enrolled: int = 0
    by_status: dict[str, int] = {}


IDENTITIES: Final = Table(NAMESPACE, "identity", IdentityRecord)
BATCHES: Final = Table(NAMESPACE, "batch", BatchRecord)
COUNTS: Final = Table(NAMESPACE, "count", CountRecord)
LAST_BATCH_ID: Final = b"last"
TOTAL_ID: Final = b"total"


def init_identity(state: Overlay, genesis_s: int) -> None:
    """Called once by InitChain: the first batch's waiting time runs from the town's birth."""
    BATCHES.put(state, LAST_BATCH_ID, BatchRecord(genesis_s))
    COUNTS.put(state, TOTAL_ID, CountRecord())


def get_identity(state: Reader, cid: str) -> IdentityRecord | None:
    """The identity of that cid, or None."""
    return IDENTITIES.get(state, cid.encode())


def get_counts(state: Reader) -> CountRecord:
    """Enrolment counters."""
    return COUNTS.get(state, TOTAL_ID) or CountRecord()


def is_current(record: IdentityRecord, time_s: int) -> bool:
    """Whether the identity counts at header time: active, and its month of expiry not over."""
    return record.status == "active" and month_of(time_s) <= record.expires_month


def month_of(time_s: int) -> str:
    """`YYYY-MM` (UTC) of unix time; the one date of a person that may be on chain."""
    return Timestamp(time_s).to_rfc3339()[:7]


# --- batches -------------------------------------------------------------------------------


def apply_batch_attest(ctx: TxContext, body: IdBatchAttest) -> Outcome:
    """Write a batch of attested identities, all or none; `detail` of a refusal names the entry, from 0."""
    refused = _check_batch_time(ctx, len(body.attestations))
    if refused is not None:
        return refused
    written = []
    before = ""
    for index, text in enumerate(body.attestations):
        attestation = _read_attestation(ctx, text)
        if isinstance(attestation, Refused):
            return Refused(attestation.code, f"entry {index}: {attestation.detail}")
        if attestation.cid <= before:
            return Refused(codes.IDENTITY_BATCH_UNSORTED, f"entry {index}")
        before = attestation.cid
        record = _write_identity(ctx, attestation)
        if isinstance(record, Refused):
            return Refused(record.code, f"entry {index}")
        written.append(_describe(record))
    batches = _count_batch(ctx, len(written))
    return Accepted({"batch": batches, "count": len(written), "identities": written})


def _check_batch_time(ctx: TxContext, count: int) -> Refused | None:
    """Enough entries to hide in, or enough waiting; and always at the same hour of the day."""
    hour = params.get_param(ctx.state, params.IDENTITY_BATCH_HOUR_UTC)
    if hour >= 0 and ctx.time_s % params.DAY_S // params.HOUR_S != hour:
        return Refused(codes.IDENTITY_OUTSIDE_HOUR, f"from {hour}:00 to {hour}:59 UTC")
    least = params.get_param(ctx.state, params.IDENTITY_BATCH_MIN_ENTRIES)
    if count >= least:
        return None
    last = BATCHES.get(ctx.state, LAST_BATCH_ID)
    wait_s = params.get_param(ctx.state, params.IDENTITY_BATCH_MAX_WAIT_S)
    if last is not None and ctx.time_s - last.last_s >= wait_s:
        return None
    return Refused(codes.IDENTITY_BATCH_TOO_SMALL, f"{count} of {least} entries")


def _read_attestation(ctx: TxContext, text: str) -> Attestation | Refused:
    """Form, then the agent's office and signature, then what it says."""
    try:
        jws = parse(text.encode("ascii"), ATTESTATION_TYP, ATTESTATION_MAX_BYTES)
        attestation = decode_canonical(Attestation, jws.payload)
    except DecodeError:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "malformed")
    agent = _get_agent(ctx, jws.signatures[0].kid)
    if agent is None:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "not an agent in office")
    if not verify_signature(jws.signatures[0], public_key_from_jwk(jwk_members(agent.jwk))):
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "signature")
    if attestation.town != ctx.town:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "town")
    if attestation.key.crv != CITIZEN_CURVE:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "key")
    if not 0 <= _months_ahead(ctx.time_s, attestation.expires_month) <= LIFE_MAX_MONTHS:
        return Refused(codes.IDENTITY_BAD_ATTESTATION, "expires_month")
    return attestation


def _get_agent(ctx: TxContext, kid: str) -> RoleRecord | None:
    role = live_role(ctx.state, kid, ctx.time_s)
    return role if role is not None and role.role in AGENT_ROLES else None


def _months_ahead(time_s: int, month: str) -> int:
    return _month_number(month) - _month_number(month_of(time_s))


def _month_number(month: str) -> int:
    year, number = month.split("-")
    return int(year) * 12 + int(number)


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
    return record


def _count_batch(ctx: TxContext, count: int) -> int:
    """Remember the batch and its entries; returns the batch's number, from 1."""
    last = BATCHES.get(ctx.state, LAST_BATCH_ID) or BatchRecord(0)
    BATCHES.put(ctx.state, LAST_BATCH_ID, BatchRecord(ctx.time_s, last.batches + 1))
    counts = get_counts(ctx.state)
    by_status = _moved(counts.by_status, "active", count)
    COUNTS.put(ctx.state, TOTAL_ID, CountRecord(counts.enrolled + count, by_status))
    return last.batches + 1


def _moved(by_status: Mapping[str, int], status: str, count: int) -> dict[str, int]:
    moved = {**by_status, status: by_status.get(status, 0) + count}
    assert moved[status] >= 0, "no status counts fewer than nobody"
    return {name: moved[name] for name in sorted(moved) if moved[name]}


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


# --- status --------------------------------------------------------------------------------


def apply_status(ctx: TxContext, body: IdStatus) -> Outcome:
    """Move one identity to another status; its account freezes or closes with it."""
    record = get_identity(ctx.state, body.cid)
    if record is None:
        return Refused(codes.IDENTITY_UNKNOWN)
    if body.status not in TRANSITIONS[record.status]:
        return Refused(codes.IDENTITY_BAD_TRANSITION, f"{record.status} to {body.status}")
    if body.status == "active" and month_of(ctx.time_s) > record.expires_month:
        return Refused(codes.IDENTITY_BAD_TRANSITION, "expires_month is over")
    IDENTITIES.put(ctx.state, body.cid.encode(), replace(record, status=body.status))
    set_account_status(ctx.state, _account_of(ctx.state, record), _account_status(body.status))
    _count_move(ctx.state, record.status, body.status)
    return Accepted(
        {
            "cid": record.cid,
            "account": record.account,
            "previous": record.status,
            "status": body.status,
            "month": month_of(ctx.time_s),
        }
    )


def admit_status(ctx: TxContext, body: IdStatus) -> Refused | tuple[str, ...]:
    """Terminal statuses take two agents, judged before the payload is recorded.

    A proposer that strips one of the two signatures would otherwise burn the payload of both.
    """
    if body.status in TERMINAL and not _has_two_agents(ctx):
        return Refused(codes.IDENTITY_SECOND_AGENT)
    return ()


def _has_two_agents(ctx: TxContext) -> bool:
    agents = {signer.kid for signer in ctx.signers if _get_agent(ctx, signer.kid) is not None}
    return len(agents) >= 2


def _account_of(state: Reader, record: IdentityRecord) -> AccountRecord:
    account = get_account(state, record.account)
    assert account is not None, "an identity always has its account"
    return account


def _account_status(status: str) -> AccountStatus:
    if status == "active":
        return "open"
    return "closed" if status in TERMINAL else "frozen"


def _count_move(state: Overlay, previous: str, status: str) -> None:
    counts = get_counts(state)
    by_status = _moved(_moved(counts.by_status, previous, -1), status, 1)
    COUNTS.put(state, TOTAL_ID, CountRecord(counts.enrolled, by_status))


# --- rotation ------------------------------------------------------------------------------


def apply_rotate(ctx: TxContext, body: IdRotate) -> Outcome:
    """Replace the identity's key, signed by the old key and by the new one (which proves its possession)."""
    record = get_identity(ctx.state, body.cid)
    if record is None or record.account != ctx.sender:
        return Refused(codes.IDENTITY_UNKNOWN)  # not telling whose cid it is
    if not is_current(record, ctx.time_s):
        return Refused(codes.IDENTITY_NOT_ACTIVE)
    if body.new_key.crv != CITIZEN_CURVE:
        return Refused(codes.TX_BODY_INVALID, "new_key: a citizen's key is Ed25519")
    account = _account_of(ctx.state, record)
    try:
        new_kid = kid_of(body.new_key)
    except ValueError:
        return Refused(codes.TX_BODY_INVALID, "new_key")
    signed = {signer.kid for signer in ctx.signers}
    if not {account.kid, new_kid} <= signed:
        return Refused(codes.TX_MISSING_SIGNATURE, "old and new key")
    rotated = rotate_account_key(ctx.state, account, body.new_key)
    if isinstance(rotated, Refused):
        return rotated
    IDENTITIES.put(ctx.state, body.cid.encode(), replace(record, key=body.new_key))
    return Accepted(
        {
            "cid": record.cid,
            "account": record.account,
            "previous_kid": account.kid,
            "kid": rotated.kid,
        }
    )


def _rotated_keys(body: IdRotate) -> tuple[Jwk, ...]:
    return (body.new_key,)


# Gas: worst cases measured on one slow core; a batch of 256 attestations takes 52 ms.
RULES: Final[Rules] = {
    IdBatchAttest: Rule(
        apply_batch_attest,
        gas_us=60_000,
        senders=BODY,
        roles=AGENT_ROLES,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    IdStatus: Rule(
        apply_status,
        admit=admit_status,
        gas_us=1_000,
        senders=BODY,
        roles=AGENT_ROLES,
        cosigner_roles=AGENT_ROLES,
        signatures_max=2,
        expiry=params.ACT_EXPIRY_MAX_S,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    IdRotate: Rule(
        apply_rotate,
        gas_us=1_000,
        senders=ACCOUNT,
        domain="identity",
        signatures_max=2,
        new_keys=_rotated_keys,
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    ),
}
