"""The town itself: bodies with one council seat each, roles, validators, parameters, and the acts that change them.

An act needs more than two thirds of the seats and takes effect after `council_delay_s`; only ending a role
key acts at once. Invariants (PROTOCOL §3, §5): one body runs at most f validators and less than a third
of the power; the set is never empty and never falls below four once it had them; a punished key is dead for ever.

Keys in acts do not sign: the members who sign an act vouch that each key named in it is held by the body it
is for. Acts are public while they wait, so the keys they name are reserved from acceptance on: nobody else
can register them, and an act that names a key in use or reserved is refused at once.
Reads and writes: namespace city, uses of keys in namespace account.
Never: touches what the consensus engine already decided; it gets differences.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.keys import address
from chain.town import params
from chain.town.accounts import (
    SEATS,
    SeatRecord,
    free_reserved_key,
    get_key_use,
    grant_role,
    kid_of,
    register_key,
    retire_key,
    revoke_role,
    revoke_roles_of_body,
)
from chain.town.context import (
    Accepted,
    BlockContext,
    Outcome,
    Overlay,
    Reader,
    Refused,
    Table,
    TxContext,
)
from chain.town.due import DueHandler, schedule_due
from chain.town.rules import COUNCIL, Rule, Rules
from chain.town.schemas import (
    ActBodyAdd,
    ActBodyRemove,
    ActParamSet,
    ActRoleGrant,
    ActRoleRevoke,
    ActValidatorSet,
    Bytes32,
    CouncilAct,
    CouncilActs,
    Jwk,
    Slug,
    Thumbprint,
)
from chain.types import codes
from chain.types.abci import Misbehavior, ValidatorUpdate

VALIDATORS_MIN: Final = 4
"""3f+1 with f = 1: below, one fault stops or forks the town."""
COUNCIL_SEATS_MAX: Final = 64
ROLES_OF_SHOPS: Final = frozenset({"till", "shop_owner"})
"""Granted by a shop and by a loyalty operator, never by the council."""
DUE_ACTS: Final = "city.acts"

ValidatorStatus = Literal["active", "marked", "tombstoned", "left"]
"""marked: punished, but too few would remain; it works until the council replaces it in one act."""


class BodyRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A body of the town and the thumbprint of its seat key."""

    body: Slug
    name: str
    seat_kid: Thumbprint


class ValidatorRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A validator key as the town wants it: who runs it, with what power."""

    body: Slug
    power: Annotated[int, Meta(ge=0)]
    status: ValidatorStatus

    @property
    def is_wanted(self) -> bool:
        """Whether it belongs in the set."""
        return self.power > 0 and self.status in ("active", "marked")


class AnnouncedRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A validator's power as last told to the engine: the set that decides height H+2."""

    power: int


class PendingActs(Struct, frozen=True, forbid_unknown_fields=True):
    """Acts that wait for their day."""

    effective: int
    acts: tuple[CouncilAct, ...]


class TownRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The town's name for ever, and this chain's."""

    town: Bytes32
    chain_id: str
    initial_height: int


BODIES: Final = Table("city", "body", BodyRecord)
VALIDATORS: Final = Table("city", "validator", ValidatorRecord)
ANNOUNCED: Final = Table("city", "announced", AnnouncedRecord)
PENDING: Final = Table("city", "pending", PendingActs)
TOWNS: Final = Table("city", "town", TownRecord)
TOWN_ID: Final = b"town"


# --- council -------------------------------------------------------------------------------


def apply_council_acts(ctx: TxContext, body: CouncilActs) -> Outcome:
    """End role keys at once; try the other acts, reserve their keys, then let them wait for their day."""
    at_once = tuple(act for act in body.acts if isinstance(act, ActRoleRevoke))
    later = tuple(act for act in body.acts if not isinstance(act, ActRoleRevoke))
    refused = apply_acts(ctx.state, at_once, ctx.time_s)
    if refused is not None:
        return refused
    effective = ctx.time_s
    if later:
        refused = apply_acts(Overlay(ctx.state), later, ctx.time_s)
        if refused is not None:
            return refused
        effective += params.get_param(ctx.state, params.COUNCIL_DELAY_S)
        name = b64url_encode(ctx.tx_key)
        _reserve_keys(ctx.state, later, name)
        PENDING.put(ctx.state, name.encode(), PendingActs(effective, later))
        schedule_due(ctx.state, effective, DUE_ACTS, name)
    return Accepted({"at_once": len(at_once), "later": len(later), "effective": effective})


def run_pending_acts(ctx: BlockContext, name: str) -> None:
    """Apply waiting acts; the town may have changed, so they are judged again, all or none.

    Their keys are free first: registered again when the acts take effect, anybody's when they do not. Should
    this handler break, acts and reservations both stay as they were, for inquiry.
    """
    pending = PENDING.get(ctx.state, name.encode())
    assert pending is not None, "due acts are pending"
    PENDING.delete(ctx.state, name.encode())
    for jwk in _named_keys(pending.acts):
        free_reserved_key(ctx.state, jwk, name)
    layer = Overlay(ctx.state)
    refused = apply_acts(layer, pending.acts, ctx.time_s)
    if refused is not None:
        ctx.note("city.acts_refused", acts=name, code=refused.code.name, detail=refused.detail)
        return
    ctx.state.absorb(layer)
    ctx.note("city.acts_applied", acts=name, count=len(pending.acts))


def _named_keys(acts: tuple[CouncilAct, ...]) -> tuple[Jwk, ...]:
    """Public keys the acts would register, in order."""
    named = []
    for act in acts:
        match act:
            case ActBodyAdd():
                named.append(act.seat_key)
            case ActRoleGrant():
                named.append(act.key)
            case ActValidatorSet():
                named.append(_validator_jwk(act.pub_key))
            case _:
                pass
    return tuple(named)


def _reserve_keys(state: Overlay, acts: tuple[CouncilAct, ...], name: str) -> None:
    """Keep the acts' fresh keys for them; they were tried before, so a key in use is a known validator's."""
    for jwk in _named_keys(acts):
        if get_key_use(state, kid_of(jwk)) is None:
            register_key(state, jwk, use="reserved", ref=name)


def apply_acts(state: Overlay, acts: tuple[CouncilAct, ...], now_s: int) -> Refused | None:
    """Apply acts in order, then check what must hold of the whole; None when all is well."""
    before = _wanted(state)
    # Judged once, before the first act: a list that dips below four validators, lowers a floor and puts
    # the validator back would else make a secure town insecure.
    is_insecure = bool(insecure_reasons(state))
    for act in acts:
        refused = _apply_act(state, act, now_s, is_insecure=is_insecure)
        if refused is not None:
            return refused
    return _check_validator_change(before, _wanted(state))


def _apply_act(state: Overlay, act: CouncilAct, now_s: int, *, is_insecure: bool) -> Refused | None:
    match act:
        case ActBodyAdd():
            return add_body(state, act.body, act.name, act.seat_key)
        case ActBodyRemove():
            return _remove_body(state, act.body, now_s)
        case ActRoleGrant():
            return _grant(state, act, now_s)
        case ActRoleRevoke():
            revoked = revoke_role(state, act.kid, now_s)
            return revoked if isinstance(revoked, Refused) else None
        case ActValidatorSet():
            return set_validator(state, act.body, act.pub_key, act.power)
        case ActParamSet():
            return _set_param(state, act.name, act.value, is_insecure=is_insecure)


def add_body(state: Overlay, body: str, name: str, seat_key: Jwk) -> Refused | None:
    """A new body with its seat."""
    if BODIES.get(state, body.encode()) is not None:
        return Refused(codes.CITY_ACT_REFUSED, f"body {body} exists")
    if len(list(SEATS.scan(state))) >= COUNCIL_SEATS_MAX:
        return Refused(codes.CITY_ACT_REFUSED, f"at most {COUNCIL_SEATS_MAX} seats")
    kid = register_key(state, seat_key, use="seat", ref=body)
    if isinstance(kid, Refused):
        return kid
    BODIES.put(state, body.encode(), BodyRecord(body, name, kid))
    SEATS.put(state, kid.encode(), SeatRecord(body, seat_key))
    return None


def _remove_body(state: Overlay, body: str, now_s: int) -> Refused | None:
    """A body leaves with its seat and its roles; its validators must have been replaced before."""
    record = BODIES.get(state, body.encode())
    if record is None:
        return Refused(codes.CITY_UNKNOWN_BODY, body)
    if any(v.body == body for v in _wanted(state).values()):
        return Refused(codes.CITY_ACT_REFUSED, f"body {body} still runs validators")
    if len(list(SEATS.scan(state))) == 1:
        return Refused(codes.CITY_ACT_REFUSED, "the council cannot be empty")
    revoke_roles_of_body(state, body, now_s)
    SEATS.delete(state, record.seat_kid.encode())
    retire_key(state, record.seat_kid)
    BODIES.delete(state, body.encode())
    return None


def _grant(state: Overlay, act: ActRoleGrant, now_s: int) -> Refused | None:
    if BODIES.get(state, act.body.encode()) is None:
        return Refused(codes.CITY_UNKNOWN_BODY, act.body)
    if act.role in ROLES_OF_SHOPS:
        return Refused(codes.CITY_ACT_REFUSED, f"the council does not grant {act.role}")
    granted = grant_role(
        state,
        role=act.role,
        holder=f"body:{act.body}",
        jwk=act.key,
        granted_by="council",
        expires=act.expires,
        now_s=now_s,
    )
    return granted if isinstance(granted, Refused) else None


def _set_param(state: Overlay, name: str, value: int, *, is_insecure: bool) -> Refused | None:
    """Any possible value in a town that is insecure anyway, production values in a secure one."""
    parameter = params.find_parameter(name)
    if parameter is None:
        return Refused(codes.CITY_PARAM_OUT_OF_RANGE, f"no parameter {name}")
    if not parameter.is_possible(value) or not (is_insecure or parameter.is_safe(value)):
        bounds = f"{parameter.safe_minimum} to {parameter.safe_maximum} {parameter.unit}"
        return Refused(codes.CITY_PARAM_OUT_OF_RANGE, f"{name}: {bounds}")
    params.put_param(state, parameter, value)
    return None


# --- validators ----------------------------------------------------------------------------


def set_validator(state: Overlay, body: str, pub_key: str, power: int) -> Refused | None:
    """Want a validator with this power; 0 removes it. The set as a whole is checked by `apply_acts`."""
    if BODIES.get(state, body.encode()) is None:
        return Refused(codes.CITY_UNKNOWN_BODY, body)
    held = VALIDATORS.get(state, pub_key.encode())
    if held is None and power == 0:
        return Refused(codes.CITY_ACT_REFUSED, "no such validator")
    if held is None:
        kid = register_key(state, _validator_jwk(pub_key), use="validator", ref=body)
        if isinstance(kid, Refused):
            return kid
    elif held.body != body:
        return Refused(codes.CITY_ACT_REFUSED, f"that validator is run by {held.body}")
    elif held.status in ("marked", "tombstoned") and power > 0:
        return Refused(codes.CITY_ACT_REFUSED, "that key was punished")
    VALIDATORS.put(state, pub_key.encode(), _with_power(held, body, power))
    return None


def _validator_jwk(pub_key: str) -> Jwk:
    """A validator's key as other keys are written; one thumbprint space for all."""
    return Jwk(crv="Ed25519", kty="OKP", x=pub_key)


def _with_power(held: ValidatorRecord | None, body: str, power: int) -> ValidatorRecord:
    if power > 0:
        return ValidatorRecord(body, power, "active")
    was_punished = held is not None and held.status in ("marked", "tombstoned")
    return ValidatorRecord(body, 0, "tombstoned" if was_punished else "left")


def check_validator_set(wanted: dict[str, ValidatorRecord]) -> Refused | None:
    """One body runs at most f = (n-1)//3 validators, and less than a third of the power.

    Below four validators f is 0 and the town says INSECURE; then each body runs one at most.
    """
    if not wanted:
        return Refused(codes.CITY_ACT_REFUSED, "no validator would remain")
    faults_max = (len(wanted) - 1) // 3
    total = sum(v.power for v in wanted.values())
    for body in sorted({v.body for v in wanted.values()}):
        powers = [v.power for v in wanted.values() if v.body == body]
        if len(powers) > max(1, faults_max):
            return Refused(codes.CITY_ACT_REFUSED, f"{body} would run more than f validators")
        if len(wanted) >= VALIDATORS_MIN and 3 * sum(powers) >= total:
            return Refused(codes.CITY_ACT_REFUSED, f"{body} would hold a third of the power")
    return None


def _check_validator_change(
    before: dict[str, ValidatorRecord], after: dict[str, ValidatorRecord]
) -> Refused | None:
    if before == after:
        return None
    if len(after) < VALIDATORS_MIN <= len(before):
        return Refused(codes.CITY_ACT_REFUSED, "fewer than four validators would remain")
    return check_validator_set(after)


def punish_validator(ctx: BlockContext, misbehavior: Misbehavior) -> None:
    """Remove a proven cheat at once if four remain, else mark it; its key never comes back."""
    wanted = _wanted(ctx.state)
    for key, record in wanted.items():
        if address(b64url_decode(key)) == misbehavior.validator.address:
            is_removed = len(wanted) > VALIDATORS_MIN
            punished = msgspec.structs.replace(
                record,
                power=0 if is_removed else record.power,
                status="tombstoned" if is_removed else "marked",
            )
            VALIDATORS.put(ctx.state, key.encode(), punished)
            ctx.note("city.validator_punished", validator=key, removed=is_removed)


def take_validator_updates(ctx: BlockContext) -> tuple[ValidatorUpdate, ...]:
    """Differences between the wanted set and the one last announced, one per key, by key."""
    wanted = {key: record.power for key, record in _wanted(ctx.state).items()}
    assert wanted, "the validator set is never empty"
    announced = {key.decode(): record.power for key, record in ANNOUNCED.scan(ctx.state)}
    changed = sorted(
        key for key in wanted.keys() | announced.keys() if wanted.get(key) != announced.get(key)
    )
    for key in changed:
        if key in wanted:
            ANNOUNCED.put(ctx.state, key.encode(), AnnouncedRecord(wanted[key]))
        else:
            ANNOUNCED.delete(ctx.state, key.encode())
        ctx.note("city.validator_set", validator=key, power=wanted.get(key, 0))
    return tuple(ValidatorUpdate(b64url_decode(key), wanted.get(key, 0)) for key in changed)


def _wanted(state: Reader) -> dict[str, ValidatorRecord]:
    """Validators that belong in the set, by key."""
    return {key.decode(): v for key, v in VALIDATORS.scan(state) if v.is_wanted}


# --- what the town says of itself ----------------------------------------------------------


def insecure_reasons(state: Reader) -> tuple[str, ...]:
    """Why this town is not fit for production, in stable words; empty for a secure one."""
    unsafe = tuple(f"param:{name}" for name in params.unsafe_values(params.get_all_params(state)))
    few = () if len(_wanted(state)) >= VALIDATORS_MIN else ("validators:fewer_than_4",)
    return unsafe + few


def describe_town(state: Reader) -> dict[str, Any]:
    """Public facts for Query `/status`."""
    record = TOWNS.get(state, TOWN_ID)
    assert record is not None, "a town has a genesis"
    reasons = insecure_reasons(state)
    return {
        "town": record.town,
        "chain_id": record.chain_id,
        "initial_height": record.initial_height,
        "insecure": bool(reasons),
        "insecure_reasons": list(reasons),
        "params": params.get_all_params(state),
        "bodies": [{"body": body.body, "name": body.name} for _, body in BODIES.scan(state)],
        "validators": [
            {"body": v.body, "pub_key": key, "power": v.power, "status": v.status}
            for key, v in _wanted(state).items()
        ],
    }


RULES: Final[Rules] = {
    CouncilActs: Rule(
        apply_council_acts,
        gas_us=25_000,  # worst measured: 32 grants under 64 seats
        senders=COUNCIL,
        quota=params.QUOTA_COUNCIL_PER_MINUTE,
        signatures_max=COUNCIL_SEATS_MAX,
        expiry=params.ACT_EXPIRY_MAX_S,
    )
}
DUE: Final[dict[str, DueHandler]] = {DUE_ACTS: run_pending_acts}
