"""Second keys of an account, and what the desk may do to an account that is no identity's.

A second key is a tablet, a hardware key (ES256) or a helper's phone: the chain cannot tell, and need not. It comes in
by the account's own key and its own signature together, signs what its scopes name until it expires, and leaves by
either one's word. What it signs carries both ids for ever: `from` the account, `kid` the helper. No scope reaches a
rotation, another device, an identity's acts, or a ballot.
Reads and writes: namespace account.  Never: an identity's account status, which follows the identity.
"""

from collections.abc import Mapping
from typing import Final

from chain.limits import ACCOUNT_DEVICES_MAX
from chain.town import params
from chain.town.accounts import (
    DEVICES,
    DeviceRecord,
    find_device,
    get_account,
    list_devices,
    register_key,
    remove_device,
    set_account_status,
)
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.identity.records import AGENT_ROLES, count_agents
from chain.town.identity.recovery import drop_recovery, get_recovery
from chain.town.rules import ACCOUNT, BODY, Rule, Rules
from chain.town.schemas import AccountDeviceAdd, AccountDeviceRemove, AccountSetStatus, Jwk
from chain.types import codes

SCOPES_OF: Final[Mapping[str, frozenset[str]]] = {
    "identity": frozenset({"veto"}),
    "loyalty": frozenset({"pay", "veto"}),
    "sel": frozenset({"trade", "veto"}),
    "energy": frozenset({"contract", "veto"}),
}
"""What second keys of each domain may be given. Nothing of an identity but the veto: ballots have no proxy."""


# --- by the holder -------------------------------------------------------------------------


def apply_device_add(ctx: TxContext, body: AccountDeviceAdd) -> Outcome:
    """Register a second key; expired ones make room."""
    account = get_account(ctx.state, ctx.sender)
    assert account is not None, "the engine admitted the sender"
    if list(body.scopes) != sorted(set(body.scopes)):
        return Refused(codes.TX_BODY_INVALID, "scopes: sorted, each once")
    if not SCOPES_OF[account.domain].issuperset(body.scopes):
        return Refused(codes.ACCOUNT_DEVICE_SCOPE, account.domain)
    longest_s = params.get_param(ctx.state, params.DEVICE_KEY_MAX_S)
    if not ctx.time_s < body.expires <= ctx.time_s + longest_s:
        return Refused(codes.TX_BODY_INVALID, f"expires: within {longest_s} s")
    if _count_live(ctx, account.id) >= ACCOUNT_DEVICES_MAX:
        return Refused(codes.ACCOUNT_DEVICES_FULL, f"at most {ACCOUNT_DEVICES_MAX}")
    kid = register_key(ctx.state, body.key, use="device", ref=account.id)
    if isinstance(kid, Refused):
        return kid
    record = DeviceRecord(kid, account.id, body.key, body.scopes, body.expires)
    DEVICES.put(ctx.state, f"{account.id}/{kid}".encode(), record)
    return Accepted({"account": account.id, "kid": kid, "expires": body.expires})


def _count_live(ctx: TxContext, account_id: str) -> int:
    """Second keys still in date; those out of date are ended on the way."""
    live = 0
    for device in list_devices(ctx.state, account_id):
        if ctx.time_s < device.expires:
            live += 1
        else:
            remove_device(ctx.state, device)
    return live


def _added_key(body: AccountDeviceAdd) -> tuple[Jwk, ...]:
    return (body.key,)


def admit_device_remove(ctx: TxContext, body: AccountDeviceRemove) -> Refused | tuple[str, ...]:
    """The account's key removes any of its second keys, a second key itself alone; judged before quota is charged."""
    device = find_device(ctx.state, body.kid)
    if device is None or device.account != ctx.sender:
        return Refused(codes.ACCOUNT_DEVICE_UNKNOWN)
    signer = ctx.signers[0].kid
    account = get_account(ctx.state, ctx.sender)
    assert account is not None, "the engine admitted the sender"
    return () if signer in (account.kid, device.kid) else Refused(codes.TX_NOT_ENTITLED)


def apply_device_remove(ctx: TxContext, body: AccountDeviceRemove) -> Outcome:
    """End a second key for ever."""
    device = find_device(ctx.state, body.kid)
    assert device is not None, "admit_device_remove found it"
    remove_device(ctx.state, device)
    return Accepted({"account": device.account, "kid": device.kid})


# --- at the desk ---------------------------------------------------------------------------


def admit_set_status(ctx: TxContext, body: AccountSetStatus) -> Refused | tuple[str, ...]:
    """Closing is for good and takes two agents; judged before the payload is recorded."""
    if body.status == "closed" and count_agents(ctx) < 2:
        return Refused(codes.IDENTITY_SECOND_AGENT)
    return ()


def apply_set_status(ctx: TxContext, body: AccountSetStatus) -> Outcome:
    """Freeze (an estate, a lost phone, a move), reopen, or close an account of any domain but identity."""
    account = get_account(ctx.state, body.account)
    if account is None:
        return Refused(codes.ACCOUNT_UNKNOWN)
    if account.domain == "identity":
        return Refused(codes.ACCOUNT_WRONG_DOMAIN, "an identity's account follows id.status")
    if account.status == "closed":
        return Refused(codes.ACCOUNT_CLOSED)
    if get_recovery(ctx.state, account.id) is not None:
        if body.status != "closed":
            return Refused(codes.IDENTITY_RECOVERY_PENDING)
        drop_recovery(ctx.state, account.id, ctx.time_s)
    set_account_status(ctx.state, account, body.status)
    return Accepted({"account": account.id, "previous": account.status, "status": body.status})


RULES: Final[Rules] = {
    AccountDeviceAdd: Rule(
        apply_device_add,
        gas_us=1_500,  # eight expired keys ended on the way
        senders=ACCOUNT,
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
        signatures_max=2,
        new_keys=_added_key,
    ),
    AccountDeviceRemove: Rule(
        apply_device_remove,
        admit=admit_device_remove,
        gas_us=600,
        senders=ACCOUNT,
        is_by_any_device=True,
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
    ),
    AccountSetStatus: Rule(
        apply_set_status,
        admit=admit_set_status,
        gas_us=1_500,
        senders=BODY,
        roles=AGENT_ROLES,
        cosigner_roles=AGENT_ROLES,
        signatures_max=2,
        expiry=params.ACT_EXPIRY_MAX_S,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
}
