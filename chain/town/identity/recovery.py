"""A lost key: the desk gives the account a new one, slowly, in public, and against the old key's veto (PROTOCOL §6).

    open      two agents of two bodies and the new key sign; the account is frozen; waits 72 hours
    veto      the old key (or a second key that may veto) stops it, once
    override  two agents who did not open it, a week after the veto; ready at once
    finish    the new key signs alone, after the waiting time: it is the account's key, the old one is retired
    cancel    one agent gives it up; so does the chain after 30 days (lapse): the old key goes on

The account keeps its id, so balances stay where they are. A vetoed or given-up recovery changes nobody's right to vote;
a finished one bars from elections that were 30 days or less ahead when it was opened (`elections`).
Reads: roles, parameters.  Writes: namespace identity, accounts.  Never: a second recovery beside the first.
"""

from typing import Any, Final

from msgspec.structs import replace

from chain.town import params
from chain.town.accounts import (
    AccountRecord,
    free_reserved_key,
    get_account,
    kid_of,
    register_key,
    remove_devices,
    rotate_account_key,
    set_account_status,
)
from chain.town.context import Accepted, BlockContext, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.due import cancel_due, schedule_due
from chain.town.identity.elections import elections_lost
from chain.town.identity.records import (
    CITIZEN_CURVE,
    IDENTITIES,
    Status,
    agents_of,
    count_move,
    get_identity,
    month_of,
)
from chain.town.identity.recovery_records import (
    LAST_RECOVERIES,
    RECOVERIES,
    LastRecoveryRecord,
    RecoveryRecord,
    RecoveryStep,
    count_step,
    get_recovery,
)
from chain.town.schemas import (
    IdRecoverCancel,
    IdRecoverFinish,
    IdRecoverOpen,
    IdRecoverOverride,
    IdRecoverVeto,
    Jwk,
)
from chain.types import codes

__all__ = ["drop_recovery", "get_recovery"]

LAPSE_KIND: Final = "identity.recovery_lapse"
RECOVERABLE: Final = frozenset({"active", "suspended", "expired"})
"""Statuses in which somebody may lose a key; an ended identity comes back first (`id.status`)."""


# --- open ----------------------------------------------------------------------------------


def admit_open(ctx: TxContext, _body: IdRecoverOpen) -> Refused | tuple[str, ...]:
    """Two agents of two bodies, judged before the payload is recorded: a stripped copy burns nothing."""
    return _check_two_bodies(ctx) or ()


def _check_two_bodies(ctx: TxContext) -> Refused | None:
    agents = agents_of(ctx)
    if len(agents) < 2:
        return Refused(codes.IDENTITY_SECOND_AGENT)
    if len({role.body for role in agents}) < 2:
        return Refused(codes.IDENTITY_SAME_BODY)
    return None


def apply_open(ctx: TxContext, body: IdRecoverOpen) -> Outcome:
    """Freeze the account, reserve the new key, and let the waiting time run."""
    account = get_account(ctx.state, body.account)
    if account is None:
        return Refused(codes.ACCOUNT_UNKNOWN)
    refused = _check_subject(ctx, account, body)
    if refused is not None:
        return refused
    kid = register_key(ctx.state, body.new_key, use="reserved", ref=_reservation(account.id))
    if isinstance(kid, Refused):
        return kid
    opened = _make_record(ctx, account, body, kid)
    RECOVERIES.put(ctx.state, account.id.encode(), opened)
    schedule_due(ctx.state, opened.lapses_s, LAPSE_KIND, account.id)
    set_account_status(ctx.state, account, "frozen")
    _move_identity(ctx.state, body.cid, "suspended")
    count_step(ctx.state, "opened", ctx.time_s)
    lost = elections_lost(ctx.state, ctx.time_s, ctx.time_s) if body.cid else ()
    return Accepted({**_describe(opened), "elections_lost": list(lost)})


def _check_subject(ctx: TxContext, account: AccountRecord, body: IdRecoverOpen) -> Refused | None:
    if get_recovery(ctx.state, account.id) is not None:
        return Refused(codes.IDENTITY_RECOVERY_PENDING)
    if account.status == "closed":
        return Refused(codes.ACCOUNT_CLOSED)
    if body.new_key.crv != CITIZEN_CURVE:
        return Refused(codes.TX_BODY_INVALID, "new_key: a citizen's key is Ed25519")
    if account.domain != "identity":
        return Refused(codes.TX_BODY_INVALID, "cid") if body.cid else None
    record = get_identity(ctx.state, body.cid) if body.cid else None
    if record is None or record.account != account.id:
        return Refused(codes.IDENTITY_UNKNOWN)
    return None if record.status in RECOVERABLE else Refused(codes.IDENTITY_NOT_ACTIVE)


def _make_record(
    ctx: TxContext, account: AccountRecord, body: IdRecoverOpen, kid: str
) -> RecoveryRecord:
    ready_s = ctx.time_s + params.get_param(ctx.state, params.IDENTITY_RECOVERY_DELAY_S)
    record = get_identity(ctx.state, body.cid) if body.cid else None
    return RecoveryRecord(
        account=account.id,
        cid=body.cid,
        new_key=body.new_key,
        new_kid=kid,
        agents=tuple(sorted(role.kid for role in agents_of(ctx))),
        opened_s=ctx.time_s,
        ready_s=ready_s,
        lapses_s=ready_s + params.get_param(ctx.state, params.IDENTITY_RECOVERY_LAPSE_S),
        was_account=account.status,
        was_status=record.status if record is not None else "",
    )


def _reservation(account_id: str) -> str:
    return f"recovery:{account_id}"


def opening_keys(body: IdRecoverOpen) -> tuple[Jwk, ...]:
    """The new key signs the opening: the agents cannot give the account to a key nobody holds."""
    return (body.new_key,)


# --- veto and override ---------------------------------------------------------------------


def admit_veto(ctx: TxContext, _body: IdRecoverVeto) -> Refused | tuple[str, ...]:
    """Judged before anything is charged: only a recovery that was never vetoed can be."""
    recovery = get_recovery(ctx.state, ctx.sender)
    if recovery is None:
        return Refused(codes.IDENTITY_RECOVERY_UNKNOWN)
    return Refused(codes.IDENTITY_RECOVERY_VETOED) if recovery.vetoed_s else ()


def apply_veto(ctx: TxContext, _body: IdRecoverVeto) -> Outcome:
    """Stop the recovery; the account stays frozen, because nobody knows yet which of the two is the thief."""
    recovery = _known(ctx.state, ctx.sender)
    override_s = ctx.time_s + params.get_param(ctx.state, params.IDENTITY_OVERRIDE_DELAY_S)
    lapses_s = override_s + params.get_param(ctx.state, params.IDENTITY_RECOVERY_LAPSE_S)
    vetoed = _move_lapse(ctx.state, replace(recovery, vetoed_s=ctx.time_s), lapses_s)
    count_step(ctx.state, "vetoed", ctx.time_s)
    return Accepted({**_describe(vetoed), "override_from": override_s})


def admit_override(ctx: TxContext, body: IdRecoverOverride) -> Refused | tuple[str, ...]:
    """Two agents of two bodies, neither of whom opened the recovery."""
    refused = _check_two_bodies(ctx)
    if refused is not None:
        return refused
    recovery = get_recovery(ctx.state, body.account)
    if recovery is None:
        return Refused(codes.IDENTITY_RECOVERY_UNKNOWN)
    if {role.kid for role in agents_of(ctx)} & set(recovery.agents):
        return Refused(codes.IDENTITY_SAME_AGENTS)
    return ()


def apply_override(ctx: TxContext, body: IdRecoverOverride) -> Outcome:
    """The veto was a thief's, say two other agents with the person before them: ready at once, no second veto."""
    recovery = _known(ctx.state, body.account)
    if not recovery.is_stopped():
        return Refused(codes.IDENTITY_RECOVERY_UNKNOWN, "no veto stands")
    delay_s = params.get_param(ctx.state, params.IDENTITY_OVERRIDE_DELAY_S)
    if ctx.time_s < recovery.vetoed_s + delay_s:
        return Refused(codes.IDENTITY_RECOVERY_EARLY, f"from {recovery.vetoed_s + delay_s}")
    ready_s = max(recovery.ready_s, ctx.time_s)
    lapses_s = ready_s + params.get_param(ctx.state, params.IDENTITY_RECOVERY_LAPSE_S)
    overridden = replace(recovery, overridden_s=ctx.time_s, ready_s=ready_s)
    count_step(ctx.state, "overridden", ctx.time_s)
    return Accepted(_describe(_move_lapse(ctx.state, overridden, lapses_s)))


def _known(state: Reader, account_id: str) -> RecoveryRecord:
    recovery = get_recovery(state, account_id)
    assert recovery is not None, "admission found it"
    return recovery


def _move_lapse(state: Overlay, recovery: RecoveryRecord, lapses_s: int) -> RecoveryRecord:
    cancel_due(state, recovery.lapses_s, LAPSE_KIND, recovery.account)
    schedule_due(state, lapses_s, LAPSE_KIND, recovery.account)
    moved = replace(recovery, lapses_s=lapses_s)
    RECOVERIES.put(state, recovery.account.encode(), moved)
    return moved


# --- the end -------------------------------------------------------------------------------


def admit_finish(ctx: TxContext, body: IdRecoverFinish) -> Refused | tuple[str, ...]:
    """The very key the recovery waits for, in time; judged before the account is charged for a stranger's attempt."""
    recovery = get_recovery(ctx.state, ctx.sender)
    if recovery is None or recovery.new_kid != kid_of(body.new_key):
        return Refused(codes.IDENTITY_RECOVERY_UNKNOWN)
    if recovery.is_stopped():
        return Refused(codes.IDENTITY_RECOVERY_VETOED)
    if ctx.time_s < recovery.ready_s:
        return Refused(codes.IDENTITY_RECOVERY_EARLY, f"from {recovery.ready_s}")
    return ()


def apply_finish(ctx: TxContext, body: IdRecoverFinish) -> Outcome:
    """Hand the account over: new key in, old key and all second keys out."""
    recovery = _known(ctx.state, ctx.sender)
    account = get_account(ctx.state, recovery.account)
    assert account is not None, "a recovery is of an account"
    free_reserved_key(ctx.state, body.new_key, _reservation(account.id))
    rotated = rotate_account_key(ctx.state, account, body.new_key, ctx.height)
    assert not isinstance(rotated, Refused), "the key was reserved for this account"
    remove_devices(ctx.state, account.id)
    _forget(ctx.state, recovery)
    count_step(ctx.state, "finished", ctx.time_s)
    set_account_status(ctx.state, rotated, "open")
    status = _finish_identity(ctx, recovery)
    return Accepted(
        {**_describe(recovery), "previous_kid": account.kid, "kid": rotated.kid, "status": status}
    )


def _finish_identity(ctx: TxContext, recovery: RecoveryRecord) -> str:
    """The identity takes the key and is active again, unless its month is over; returns its status, or empty."""
    record = get_identity(ctx.state, recovery.cid) if recovery.cid else None
    if record is None:
        return ""
    IDENTITIES.put(ctx.state, record.cid.encode(), replace(record, key=recovery.new_key))
    LAST_RECOVERIES.put(ctx.state, record.cid.encode(), LastRecoveryRecord(recovery.opened_s))
    is_over = month_of(ctx.time_s) > record.expires_month
    status: Status = "expired" if is_over else "active"
    _move_identity(ctx.state, record.cid, status)
    if is_over:
        account = get_account(ctx.state, record.account)
        assert account is not None, "an identity always has its account"
        set_account_status(ctx.state, account, "frozen")
    return status


def finishing_keys(body: IdRecoverFinish) -> tuple[Jwk, ...]:
    """The new key, reserved but not registered yet."""
    return (body.new_key,)


def apply_cancel(ctx: TxContext, body: IdRecoverCancel) -> Outcome:
    """Give the account back to its old key, as it stood before."""
    recovery = get_recovery(ctx.state, body.account)
    if recovery is None:
        return Refused(codes.IDENTITY_RECOVERY_UNKNOWN)
    _give_back(ctx.state, recovery, "cancelled", ctx.time_s)
    before = {"account_status": recovery.was_account, "status": recovery.was_status}
    return Accepted({**_describe(recovery), **before})


def lapse_recovery(ctx: BlockContext, text: str) -> None:
    """Nobody finished it: as if it had been cancelled."""
    recovery = get_recovery(ctx.state, text)
    if recovery is None or ctx.time_s < recovery.lapses_s:
        return
    _give_back(ctx.state, recovery, "lapsed", ctx.time_s)
    ctx.note(
        LAPSE_KIND,
        account=recovery.account,
        cid=recovery.cid,
        account_status=recovery.was_account,
        status=recovery.was_status,
    )


def _give_back(state: Overlay, recovery: RecoveryRecord, step: RecoveryStep, time_s: int) -> None:
    _release(state, recovery)
    account = get_account(state, recovery.account)
    assert account is not None, "a recovery is of an account"
    set_account_status(state, account, recovery.was_account)
    if recovery.was_status:
        _move_identity(state, recovery.cid, recovery.was_status)
    count_step(state, step, time_s)


def drop_recovery(state: Overlay, account_id: str, time_s: int) -> None:
    """The account or its identity ends: a recovery under way ends with it, and its new key is free."""
    recovery = get_recovery(state, account_id)
    if recovery is not None:
        _release(state, recovery)
        count_step(state, "dropped", time_s)


def _release(state: Overlay, recovery: RecoveryRecord) -> None:
    free_reserved_key(state, recovery.new_key, _reservation(recovery.account))
    _forget(state, recovery)


def _forget(state: Overlay, recovery: RecoveryRecord) -> None:
    cancel_due(state, recovery.lapses_s, LAPSE_KIND, recovery.account)
    RECOVERIES.delete(state, recovery.account.encode())


def _move_identity(state: Overlay, cid: str, status: Status) -> None:
    """Set an identity's status without the table of transitions: a recovery remembers where it came from."""
    record = get_identity(state, cid) if cid else None
    if record is not None and record.status != status:
        IDENTITIES.put(state, cid.encode(), replace(record, status=status))
        count_move(state, record.status, status)


def _describe(recovery: RecoveryRecord) -> dict[str, Any]:
    return {
        "account": recovery.account,
        "cid": recovery.cid,
        "new_kid": recovery.new_kid,
        "ready_from": recovery.ready_s,
        "lapses": recovery.lapses_s,
    }
