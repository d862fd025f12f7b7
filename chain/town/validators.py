"""Validators as the town wants them: who runs which key with what power, and what becomes of a proven cheat.

A punished key is dead for ever. It loses its power at once if four validators remain; else it is marked, works on,
and goes as soon as four others are there (the council replaces it in one act). Updates to the engine are the
differences, one per key, between what is wanted at block end and what was told last: the set of height H+2.
Reads and writes: namespace city, uses of keys in namespace account.
Never: an empty set; a member that nobody named; a second word to the engine about an offence already recorded.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from chain.codec.canonical import b64url_decode
from chain.crypto.keys import address
from chain.limits import MISBEHAVIOUR_RECORDS_MAX
from chain.town.accounts import register_key
from chain.town.context import BlockContext, Overlay, Reader, Refused, Table
from chain.town.schemas import Bytes32, Jwk, Slug
from chain.types import codes
from chain.types.abci import Misbehavior, MisbehaviorType, ValidatorUpdate

VALIDATORS_MIN: Final = 4
"""3f+1 with f = 1: below, one fault stops or forks the town."""

ValidatorStatus = Literal["active", "marked", "tombstoned", "left"]
"""marked: punished, but too few would remain; it works until the council replaces it in one act."""
Offence = Literal["duplicate_vote", "light_client_attack"]
Outcome = Literal["removed", "marked", "barred"]
"""barred: it had left or lost its power before; its key does not come back."""
_OFFENCES: Final[dict[MisbehaviorType, Offence]] = {
    MisbehaviorType.DUPLICATE_VOTE: "duplicate_vote",
    MisbehaviorType.LIGHT_CLIENT_ATTACK: "light_client_attack",
}


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


class MisbehaviourRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One proven offence, for the council: what, when, with what weight, and what became of the validator."""

    validator: Bytes32
    body: Slug
    offence: Offence
    height: int
    """At which it happened; for an attack, the last height on which attacker and chain agree."""
    time: int
    """Unix seconds of the block of that height."""
    power: int
    total_power: int
    committed_height: int
    outcome: Outcome


VALIDATORS: Final = Table("city", "validator", ValidatorRecord)
ANNOUNCED: Final = Table("city", "announced", AnnouncedRecord)
MISBEHAVIOUR: Final = Table("city", "misbehaviour", MisbehaviourRecord)
"""Under `<validator>/<height, 16 hex digits>/<offence>`."""


def set_validator(state: Overlay, body: str, pub_key: str, power: int) -> Refused | None:
    """Want a validator with this power; 0 removes it. Body and set are checked by the caller."""
    held = VALIDATORS.get(state, pub_key.encode())
    if held is None and power == 0:
        return Refused(codes.CITY_ACT_REFUSED, "no such validator")
    if held is None:
        kid = register_key(state, validator_jwk(pub_key), use="validator", ref=body)
        if isinstance(kid, Refused):
            return kid
    elif held.body != body:
        return Refused(codes.CITY_ACT_REFUSED, f"that validator is run by {held.body}")
    elif held.status in ("marked", "tombstoned") and power > 0:
        return Refused(codes.CITY_ACT_REFUSED, "that key was punished")
    VALIDATORS.put(state, pub_key.encode(), _with_power(held, body, power))
    return None


def validator_jwk(pub_key: str) -> Jwk:
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


def check_validator_change(
    before: dict[str, ValidatorRecord], after: dict[str, ValidatorRecord]
) -> Refused | None:
    """What acts may make of a set; they need not answer for one they leave alone."""
    if before == after:
        return None
    if len(after) < VALIDATORS_MIN <= len(before):
        return Refused(codes.CITY_ACT_REFUSED, "fewer than four validators would remain")
    return check_validator_set(after)


def punish_validator(ctx: BlockContext, misbehavior: Misbehavior) -> None:
    """Take the power of a proven cheat at once if four remain, else mark it; its key never comes back."""
    found = _find_by_address(ctx.state, misbehavior.validator.address)
    if found is None:
        return  # never a validator of this town
    key, record = found
    offence = _OFFENCES.get(misbehavior.type)
    if offence is None:
        return  # of a kind that this release does not know
    name = f"{key}/{misbehavior.height:016x}/{offence}".encode()
    if MISBEHAVIOUR.get(ctx.state, name) is not None or _is_list_full(ctx.state, key):
        return
    outcome: Outcome = "barred"
    if record.is_wanted:
        may_go = len(wanted_validators(ctx.state)) > VALIDATORS_MIN
        outcome = "removed" if may_go else "marked"
    if outcome == "marked":
        VALIDATORS.put(ctx.state, key.encode(), msgspec.structs.replace(record, status="marked"))
    else:
        _bury(ctx.state, key, record)
    told = MisbehaviourRecord(
        validator=key,
        body=record.body,
        offence=offence,
        height=misbehavior.height,
        time=misbehavior.time.seconds,
        power=misbehavior.validator.power,
        total_power=misbehavior.total_voting_power,
        committed_height=ctx.height,
        outcome=outcome,
    )
    MISBEHAVIOUR.put(ctx.state, name, told)
    ctx.note("city.validator_punished", **msgspec.to_builtins(told))


def _find_by_address(state: Reader, wanted: bytes) -> tuple[str, ValidatorRecord] | None:
    """The validator, present or past, whose key has this address."""
    for key, record in VALIDATORS.scan(state):
        if address(b64url_decode(key.decode())) == wanted:
            return key.decode(), record
    return None


def _is_list_full(state: Reader, key: str) -> bool:
    """Whether enough is recorded of this key: further offences change nothing any more."""
    listed = MISBEHAVIOUR.scan(state, f"{key}/".encode(), f"{key}0".encode())
    return len(list(listed)) >= MISBEHAVIOUR_RECORDS_MAX


def _bury(state: Overlay, key: str, record: ValidatorRecord) -> None:
    buried = msgspec.structs.replace(record, power=0, status="tombstoned")
    VALIDATORS.put(state, key.encode(), buried)


def _bury_marked(ctx: BlockContext) -> None:
    """A marked validator goes as soon as four others are there, in order of keys."""
    wanted = wanted_validators(ctx.state)
    for key, record in sorted(wanted.items()):
        if record.status == "marked" and len(wanted) > VALIDATORS_MIN:
            _bury(ctx.state, key, record)
            del wanted[key]


def take_validator_updates(ctx: BlockContext) -> tuple[ValidatorUpdate, ...]:
    """Differences between the wanted set and the one last announced, one per key, by key."""
    _bury_marked(ctx)
    wanted = {key: record.power for key, record in wanted_validators(ctx.state).items()}
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
        held = VALIDATORS.get(ctx.state, key.encode())
        assert held is not None, "only recorded validators are announced"
        ctx.note(
            "city.validator_set",
            validator=key,
            body=held.body,
            power=wanted.get(key, 0),
            status=held.status,
        )
    return tuple(ValidatorUpdate(b64url_decode(key), wanted.get(key, 0)) for key in changed)


def wanted_validators(state: Reader) -> dict[str, ValidatorRecord]:
    """Validators that belong in the set, by key."""
    return {key.decode(): v for key, v in VALIDATORS.scan(state) if v.is_wanted}
