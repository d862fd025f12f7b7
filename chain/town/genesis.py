"""A town's first state out of the genesis `app_state`, and the name it keeps for ever.

    {"params": {name: value}, "bodies": [{"body","name","seat_key"}],
     "roles": [{"role","body","key","expires"}], "validators": [{"body","pub_key","power"}],
     "nodes": [{"body","node_key","proof","address"}]?, "town": "…"?}

`town` is absent in a first genesis: its name is then the hash of that genesis; a migration carries it over.
Reads: nothing.  Writes: every namespace, because each gets its sentinel here.
"""

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from chain.codec.canonical import b64url_encode, encode_canonical
from chain.town import city, params
from chain.town.accounts import grant_role
from chain.town.context import BlockContext, Overlay, Refused, Table
from chain.town.nodes import NodeRecord
from chain.town.rules import Router
from chain.town.schemas import Bytes32, Bytes64, Jwk, NodeAddress, Role, Slug, UnixSeconds
from chain.town.validators import VALIDATORS, check_validator_set, take_validator_updates
from chain.types.abci import ValidatorUpdate
from chain.types.timestamp import Timestamp

TOWN_HASH_LABEL: Final = b"beffroi-town\x00"


class GenesisError(ValueError):
    """A genesis no town can start from; the message names the place."""


class GenesisBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A founding body with its seat."""

    body: Slug
    name: str
    seat_key: Jwk


class GenesisRole(Struct, frozen=True, forbid_unknown_fields=True):
    """A role key held from the start."""

    role: Role
    body: Slug
    key: Jwk
    expires: UnixSeconds


class GenesisValidator(Struct, frozen=True, forbid_unknown_fields=True):
    """Which body runs a validator of the genesis document."""

    body: Slug
    pub_key: Bytes32
    power: int


class GenesisNode(Struct, frozen=True, forbid_unknown_fields=True):
    """A node that its peers let in from the start."""

    body: Slug
    node_key: Bytes32
    proof: Bytes64
    address: NodeAddress


class GenesisState(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole `app_state`."""

    bodies: tuple[GenesisBody, ...]
    validators: tuple[GenesisValidator, ...]
    params: dict[str, int] = {}
    roles: tuple[GenesisRole, ...] = ()
    nodes: tuple[GenesisNode, ...] = ()
    town: Bytes32 = ""


class SentinelRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The first record of a namespace: with it, absence of any other key can be proved."""

    namespace: str


def sentinel_table(namespace: str) -> Table[SentinelRecord]:
    """Where a namespace's sentinel lies: record id `sentinel/`."""
    return Table(namespace, "sentinel", SentinelRecord)


def decode_genesis_state(app_state_bytes: bytes) -> GenesisState:
    """Read the `app_state` JSON; blanks and key order are free, unknown members are not."""
    try:
        return msgspec.json.decode(app_state_bytes, type=GenesisState)
    except msgspec.MsgspecError as error:
        raise GenesisError(f"app_state: {error}") from error


def compute_town(chain_id: str, genesis_time: Timestamp, state: GenesisState) -> str:
    """Hash of the first genesis (label, chain id, time, canonical app_state), base64url."""
    if state.town:
        return state.town
    parts = (chain_id.encode(), genesis_time.to_rfc3339().encode(), encode_canonical(state))
    return b64url_encode(sha256(TOWN_HASH_LABEL + b"\x00".join(parts)).digest())


def write_genesis(
    overlay: Overlay,
    genesis: GenesisState,
    *,
    chain_id: str,
    time: Timestamp,
    initial_height: int,
    router: Router,
    validators: tuple[ValidatorUpdate, ...],
) -> None:
    """Write the first state; raises GenesisError when it breaks a rule of the town."""
    town = compute_town(chain_id, time, genesis)
    for namespace in router.namespaces:
        sentinel_table(namespace).put(overlay, b"", SentinelRecord(namespace))
    city.TOWNS.put(overlay, city.TOWN_ID, city.TownRecord(town, chain_id, initial_height))
    _write_params(overlay, genesis.params)
    for body in genesis.bodies:
        _require(f"body {body.body}", city.add_body(overlay, body.body, body.name, body.seat_key))
    for index, role in enumerate(genesis.roles):
        _require(f"roles[{index}]", _write_role(overlay, role, time.seconds))
    _write_validators(overlay, genesis.validators, validators)
    for index, node in enumerate(genesis.nodes):
        record = NodeRecord(node.body, node.node_key, node.proof, node.address)
        _require(f"nodes[{index}]", city.set_body_node(overlay, record, initial_height - 1))
    for start in router.starts:
        start(overlay, time.seconds)
    take_validator_updates(BlockContext(overlay, initial_height, time.seconds, chain_id, town))


def _write_params(overlay: Overlay, values: dict[str, int]) -> None:
    for name in values:
        if params.find_parameter(name) is None:
            raise GenesisError(f"no parameter {name}")
    for parameter in params.all_parameters():
        value = values.get(parameter.name, parameter.default)
        if not parameter.is_possible(value):
            raise GenesisError(f"parameter {parameter.name}: {value} is impossible")
        params.put_param(overlay, parameter, value)


def _write_role(overlay: Overlay, role: GenesisRole, now_s: int) -> Refused | None:
    if city.BODIES.get(overlay, role.body.encode()) is None:
        raise GenesisError(f"role of unknown body {role.body}")
    granted = grant_role(
        overlay,
        role=role.role,
        holder=f"body:{role.body}",
        jwk=role.key,
        granted_by="genesis",
        expires=role.expires,
        now_s=now_s,
    )
    return granted if isinstance(granted, Refused) else None


def _write_validators(
    overlay: Overlay,
    listed: tuple[GenesisValidator, ...],
    document: tuple[ValidatorUpdate, ...],
) -> None:
    """Every validator of the genesis document belongs to a body, with the same power."""
    told = {b64url_encode(update.pub_key): update.power for update in document}
    if told != {validator.pub_key: validator.power for validator in listed}:
        raise GenesisError("app_state.validators differs from the genesis document's validators")
    for validator in listed:
        refused = city.set_body_validator(
            overlay, validator.body, validator.pub_key, validator.power
        )
        _require(f"validator {validator.pub_key}", refused)
    wanted = {key.decode(): v for key, v in VALIDATORS.scan(overlay)}
    _require("validators", check_validator_set(wanted))


def _require(place: str, refused: Refused | None) -> None:
    if refused is not None:
        raise GenesisError(f"{place}: {refused.code.name} {refused.detail}")
