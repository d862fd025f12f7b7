"""The town itself: bodies with one council seat each, roles, validators, parameters, and the acts that change them.

An act needs more than two thirds of the seats and takes effect after `council_delay_s`, and not while another domain
holds acts (an open election); only ending a key acts at once, and no act decided before brings it back
(`removals`). Validators are in `validators`, peers in `nodes`.
Invariants (PROTOCOL §3, §5): one body runs at most f validators and less than a third of the power; the set is never
empty and never falls below four once it had them; a punished key is dead for ever.

Keys in acts do not sign: the members who sign an act vouch that each key named in it is held by the body it
is for. Acts are public while they wait, so the keys they name are reserved from acceptance on: nobody else
can register them, and an act that names a key in use or reserved is refused at once.
Reads and writes: namespace city, uses of keys in namespace account.
Never: touches what the consensus engine already decided; it gets differences.
"""

from typing import Any, Final

from msgspec import Struct

from chain.codec.canonical import b64url_encode
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
from chain.town.nodes import (
    NodeRecord,
    node_jwk,
    remove_node,
    remove_nodes_of_body,
    set_node,
)
from chain.town.removals import check_not_undone, note_removals
from chain.town.rules import COUNCIL, Rule, Rules
from chain.town.schemas import (
    ActBodyAdd,
    ActBodyRemove,
    ActNodeRemove,
    ActNodeSet,
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
from chain.town.validators import (
    VALIDATORS_MIN,
    check_validator_change,
    set_validator,
    validator_jwk,
    wanted_validators,
)
from chain.types import codes

COUNCIL_SEATS_MAX: Final = 64
ROLES_OF_SHOPS: Final = frozenset({"till", "shop_owner"})
"""Granted by a shop and by a loyalty operator, never by the council."""
DUE_ACTS: Final = "city.acts"
HOLD_RETRY_S: Final = 3_600
"""Between two tries of acts that are held."""


class BodyRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A body of the town and the thumbprint of its seat key."""

    body: Slug
    name: str
    seat_kid: Thumbprint


class HoldRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A reason why no waiting act takes effect now, named by the domain that put it."""

    since: int


class PendingActs(Struct, frozen=True, forbid_unknown_fields=True):
    """Acts that wait for their day; `decided` is the height of the block that took the council's word."""

    effective: int
    decided: int
    acts: tuple[CouncilAct, ...]


class TownRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The town's name for ever, and this chain's."""

    town: Bytes32
    chain_id: str
    initial_height: int


BODIES: Final = Table("city", "body", BodyRecord)
PENDING: Final = Table("city", "pending", PendingActs)
HOLDS: Final = Table("city", "hold", HoldRecord)
TOWNS: Final = Table("city", "town", TownRecord)
TOWN_ID: Final = b"town"


# --- council -------------------------------------------------------------------------------


def apply_council_acts(ctx: TxContext, body: CouncilActs) -> Outcome:
    """End role keys at once; try the other acts, reserve their keys, then let them wait for their day."""
    at_once, later = _split_by_time(body.acts)
    refused = apply_acts(ctx.state, at_once, height=ctx.height, now_s=ctx.time_s)
    if refused is not None:
        return refused
    note_removals(ctx.state, at_once, ctx.height)
    effective = ctx.time_s
    if later:
        refused = apply_acts(Overlay(ctx.state), later, height=ctx.height, now_s=ctx.time_s)
        if refused is not None:
            return refused
        effective += params.get_param(ctx.state, params.COUNCIL_DELAY_S)
        name = b64url_encode(ctx.tx_key)
        _reserve_keys(ctx.state, later, name)
        PENDING.put(ctx.state, name.encode(), PendingActs(effective, ctx.height, later))
        schedule_due(ctx.state, effective, DUE_ACTS, name)
    return Accepted({"at_once": len(at_once), "later": len(later), "effective": effective})


def _split_by_time(
    acts: tuple[CouncilAct, ...],
) -> tuple[tuple[CouncilAct, ...], tuple[CouncilAct, ...]]:
    """(at once, later): the end of a role key never waits; that of a validator or a node waits for other acts with it.

    A list that only takes keys away is an emergency and takes effect at once (PROTOCOL §3). Beside other acts a
    removal waits with them: a replacement must not leave the town without the old validator for a week, nor a
    leaving one without its peers.
    """
    at_once = tuple(act for act in acts if isinstance(act, ActRoleRevoke))
    later = tuple(act for act in acts if not isinstance(act, ActRoleRevoke))
    if all(_ends_a_key(act) for act in later):
        return acts, ()
    return at_once, later


def _ends_a_key(act: CouncilAct) -> bool:
    return isinstance(act, ActNodeRemove) or (isinstance(act, ActValidatorSet) and act.power == 0)


def hold_acts(state: Overlay, reason: str, since_s: int) -> None:
    """No waiting act takes effect until `release_acts`: for an election, from its opening to its close."""
    HOLDS.put(state, reason.encode(), HoldRecord(since_s))


def release_acts(state: Overlay, reason: str) -> None:
    """The reason is over; what waits takes effect at its next try."""
    HOLDS.delete(state, reason.encode())


def run_pending_acts(ctx: BlockContext, name: str) -> None:
    """Apply waiting acts; the town may have changed, so they are judged again, all or none.

    Their keys are free first: registered again when the acts take effect, anybody's when they do not. Should
    this handler break, acts and reservations both stay as they were, for inquiry.
    """
    pending = PENDING.get(ctx.state, name.encode())
    assert pending is not None, "due acts are pending"
    if next(HOLDS.scan(ctx.state), None) is not None:
        again = ctx.time_s + HOLD_RETRY_S
        PENDING.put(ctx.state, name.encode(), PendingActs(again, pending.decided, pending.acts))
        schedule_due(ctx.state, again, DUE_ACTS, name)
        ctx.note("city.acts_held", acts=name, until=again)
        return
    PENDING.delete(ctx.state, name.encode())
    for jwk in _named_keys(pending.acts):
        free_reserved_key(ctx.state, jwk, name)
    layer = Overlay(ctx.state)
    refused = check_not_undone(layer, pending.acts, pending.decided) or apply_acts(
        layer, pending.acts, height=ctx.height, now_s=ctx.time_s
    )
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
                named.append(validator_jwk(act.pub_key))
            case ActNodeSet():
                named.append(node_jwk(act.node_key))
            case _:
                pass
    return tuple(named)


def _reserve_keys(state: Overlay, acts: tuple[CouncilAct, ...], name: str) -> None:
    """Keep the acts' fresh keys for them; they were tried before, so a key in use is a known validator's or node's."""
    for jwk in _named_keys(acts):
        if get_key_use(state, kid_of(jwk)) is None:
            register_key(state, jwk, use="reserved", ref=name)


def apply_acts(
    state: Overlay, acts: tuple[CouncilAct, ...], *, height: int, now_s: int
) -> Refused | None:
    """Apply acts in order, then check what must hold of the whole; None when all is well."""
    before = wanted_validators(state)
    # Judged once, before the first act: a list that dips below four validators, lowers a floor and puts
    # the validator back would else make a secure town insecure.
    is_insecure = bool(insecure_reasons(state))
    for act in acts:
        refused = _apply_act(state, act, height, now_s, is_insecure=is_insecure)
        if refused is not None:
            return refused
    return check_validator_change(before, wanted_validators(state))


def _apply_act(
    state: Overlay, act: CouncilAct, height: int, now_s: int, *, is_insecure: bool
) -> Refused | None:
    match act:
        case ActBodyAdd():
            return add_body(state, act.body, act.name, act.seat_key)
        case ActBodyRemove():
            return _remove_body(state, act.body, height, now_s)
        case ActRoleGrant():
            return _grant(state, act, now_s)
        case ActRoleRevoke():
            revoked = revoke_role(state, act.kid, now_s)
            return revoked if isinstance(revoked, Refused) else None
        case ActValidatorSet():
            return set_body_validator(state, act.body, act.pub_key, act.power)
        case ActParamSet():
            return _set_param(state, act.name, act.value, is_insecure=is_insecure)
        case ActNodeSet():
            record = NodeRecord(act.body, act.node_key, act.proof, act.address)
            return set_body_node(state, record, height)
        case ActNodeRemove():
            return remove_node(state, act.node, height)


def set_body_validator(state: Overlay, body: str, pub_key: str, power: int) -> Refused | None:
    """`validators.set_validator` for a body that takes part."""
    if BODIES.get(state, body.encode()) is None:
        return Refused(codes.CITY_UNKNOWN_BODY, body)
    return set_validator(state, body, pub_key, power)


def set_body_node(state: Overlay, record: NodeRecord, height: int) -> Refused | None:
    """`nodes.set_node` for a body that takes part."""
    if BODIES.get(state, record.body.encode()) is None:
        return Refused(codes.CITY_UNKNOWN_BODY, record.body)
    return set_node(state, record, height)


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


def _remove_body(state: Overlay, body: str, height: int, now_s: int) -> Refused | None:
    """A body leaves with its seat, its roles and its nodes; its validators must have been replaced before."""
    record = BODIES.get(state, body.encode())
    if record is None:
        return Refused(codes.CITY_UNKNOWN_BODY, body)
    if any(v.body == body for v in wanted_validators(state).values()):
        return Refused(codes.CITY_ACT_REFUSED, f"body {body} still runs validators")
    if len(list(SEATS.scan(state))) == 1:
        return Refused(codes.CITY_ACT_REFUSED, "the council cannot be empty")
    revoke_roles_of_body(state, body, now_s)
    remove_nodes_of_body(state, body, height)
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


# --- what the town says of itself ----------------------------------------------------------


def insecure_reasons(state: Reader) -> tuple[str, ...]:
    """Why this town is not fit for production, in stable words; empty for a secure one."""
    unsafe = tuple(f"param:{name}" for name in params.unsafe_values(params.get_all_params(state)))
    few = () if len(wanted_validators(state)) >= VALIDATORS_MIN else ("validators:fewer_than_4",)
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
            for key, v in wanted_validators(state).items()
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
