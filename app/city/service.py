"""The city's read model: bodies, role keys, acts, validators, offences; from genesis, transactions and journal."""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from app.city.models import ActRow, BodyRow, MisbehaviourRow, RoleRow, ValidatorRow
from app.core.database import find_row
from app.core.projection import ProjectedGenesis, ProjectedJournal, ProjectedTx
from chain.codec.canonical import b64url_decode
from chain.crypto.keys import jwk_of, public_key_from_jwk, thumbprint

AT_ONCE: Final = "role.revoke"
"""The one act that never waits."""
ALONE_AT_ONCE: Final = "node.remove"
"""It does not wait either when nothing else comes with it but ends of keys."""
MISBEHAVIOUR_SHOWN_MAX: Final = 200

# --- reading ---------------------------------------------------------------------------------


def list_bodies() -> list[BodyRow]:
    """Bodies that take part, by slug."""
    return list(BodyRow.select().where(BodyRow.left_height == 0).order_by(BodyRow.body))


def list_roles(*, after_kid: str, count_max: int) -> list[RoleRow]:
    """Role keys of bodies (not of shops), by kid, after a cursor."""
    query = RoleRow.select().where(RoleRow.holder.startswith("body:"), RoleRow.kid > after_kid)
    return list(query.order_by(RoleRow.kid).limit(count_max))


def list_validators() -> list[ValidatorRow]:
    """Validators, present ones first, heaviest first."""
    order = (ValidatorRow.power.desc(), ValidatorRow.body, ValidatorRow.pub_key)
    return list(ValidatorRow.select().order_by(*order))


def list_misbehaviour() -> list[MisbehaviourRow]:
    """The newest proven offences."""
    order = (
        MisbehaviourRow.committed_height.desc(),
        MisbehaviourRow.pub_key,
        MisbehaviourRow.height,
        MisbehaviourRow.offence,
    )
    return list(MisbehaviourRow.select().order_by(*order).limit(MISBEHAVIOUR_SHOWN_MAX))


def find_live_role(kid: str, now_s: int) -> RoleRow | None:
    """The role a key holds now, or None. For showing and routing; the chain decides."""
    return find_row(RoleRow, "kid = ? AND revoked_since = 0 AND expires > ?", kid, now_s)


def find_seat(kid: str) -> BodyRow | None:
    """The body whose council seat a key holds, or None."""
    return find_row(BodyRow, "seat_kid = ? AND left_height = 0", kid)


# --- writing, from projections only ----------------------------------------------------------


def put_role(*, role: str, holder: str, jwk: Any, expires: int, height: int) -> str:
    """Record a granted role key (also a shop's owner or till) and return its kid."""
    key = public_key_from_jwk(jwk)
    kid = thumbprint(key)
    RoleRow.insert(
        kid=kid,
        role=role,
        holder=holder,
        jwk=json.dumps(jwk_of(key)),
        expires=expires,
        granted_height=height,
    ).execute()
    return kid


def revoke_role(kid: str, since_s: int) -> None:
    """Record that a role key ended, as of `since_s`; a second revocation may only go further back."""
    since = max(since_s, 1)
    is_earlier = (RoleRow.revoked_since == 0) | (RoleRow.revoked_since > since)
    RoleRow.update(revoked_since=since).where((RoleRow.kid == kid) & is_earlier).execute()


def _put_body(content: Mapping[str, Any], height: int) -> None:
    key = public_key_from_jwk(content["seat_key"])
    BodyRow.insert(
        body=content["body"],
        name=content["name"],
        seat_kid=thumbprint(key),
        seat_jwk=json.dumps(jwk_of(key)),
        joined_height=height,
    ).execute()


# --- projections -----------------------------------------------------------------------------


def project_genesis(genesis: ProjectedGenesis) -> None:
    """The first bodies and roles."""
    for body in genesis.app_state.get("bodies", ()):
        _put_body(body, 0)
    for role in genesis.app_state.get("roles", ()):
        put_role(
            role=role["role"],
            holder=f"body:{role['body']}",
            jwk=role["key"],
            expires=role["expires"],
            height=0,
        )
    for validator in genesis.app_state.get("validators", ()):
        ValidatorRow.insert(
            pub_key=validator["pub_key"],
            body=validator["body"],
            power=validator["power"],
            status="active",
            since_height=0,
        ).execute()


def project_acts(tx: ProjectedTx) -> None:
    """Acts as decided; the end of a role key is in force at once, the others by their journal entry."""
    contents = [msgspec.to_builtins(act) for act in tx.body.acts]
    does_none_wait = all(content["act"] in (AT_ONCE, ALONE_AT_ONCE) for content in contents)
    for position, content in enumerate(contents):
        is_at_once = does_none_wait or content["act"] == AT_ONCE
        ActRow.insert(
            payload_hash=tx.payload_hash,
            position=position,
            act=content["act"],
            content=json.dumps(content, sort_keys=True, separators=(",", ":")),
            decided_height=tx.height,
            in_force_height=tx.height if is_at_once else 0,
        ).execute()
        if content["act"] == AT_ONCE:
            revoke_role(content["kid"], tx.time_s)


def project_applied(entry: ProjectedJournal) -> None:
    """`city.acts_applied`: the waiting acts of one transaction came into force."""
    payload_hash = b64url_decode(entry.data["acts"]).hex()
    waiting = ActRow.select().where(
        ActRow.payload_hash == payload_hash, ActRow.in_force_height == 0
    )
    for row in list(waiting.order_by(ActRow.position)):
        _apply_act(json.loads(row.content), entry)
        ActRow.update(in_force_height=entry.height).where(
            ActRow.payload_hash == payload_hash, ActRow.position == row.position
        ).execute()


def _apply_act(content: Mapping[str, Any], entry: ProjectedJournal) -> None:
    match content["act"]:
        case "body.add":
            _put_body(content, entry.height)
        case "body.remove":
            _remove_body(content["body"], entry)
        case "role.grant":
            put_role(
                role=content["role"],
                holder=f"body:{content['body']}",
                jwk=content["key"],
                expires=content["expires"],
                height=entry.height,
            )
        case _:  # validators come by their own entries; parameters and nodes are the node's to tell
            return


def project_validator(entry: ProjectedJournal) -> None:
    """`city.validator_set`: a validator came, got another power, or left."""
    data = entry.data
    ValidatorRow.insert(
        pub_key=data["validator"],
        body=data["body"],
        power=data["power"],
        status=data["status"],
        since_height=entry.height,
    ).on_conflict(
        conflict_target=[ValidatorRow.pub_key],
        update={
            "body": data["body"],
            "power": data["power"],
            "status": data["status"],
            "since_height": entry.height,
        },
    ).execute()


def project_punished(entry: ProjectedJournal) -> None:
    """`city.validator_punished`: an offence was proved."""
    data = entry.data
    MisbehaviourRow.insert(
        pub_key=data["validator"],
        height=data["height"],
        offence=data["offence"],
        body=data["body"],
        time_s=data["time"],
        power=data["power"],
        total_power=data["total_power"],
        committed_height=data["committed_height"],
        outcome=data["outcome"],
    ).execute()
    status = "marked" if data["outcome"] == "marked" else "tombstoned"
    ValidatorRow.update(status=status).where(ValidatorRow.pub_key == data["validator"]).execute()


def _remove_body(body: str, entry: ProjectedJournal) -> None:
    """A body leaves; its live role keys end with it."""
    BodyRow.update(left_height=entry.height).where(BodyRow.body == body).execute()
    live = (RoleRow.holder == f"body:{body}") & (RoleRow.revoked_since == 0)
    RoleRow.update(revoked_since=entry.time_s).where(live).execute()


PROJECTIONS: Final = {"council.act": project_acts}
GENESIS: Final = (project_genesis,)
JOURNAL: Final = {
    "city.acts_applied": project_applied,
    "city.validator_set": project_validator,
    "city.validator_punished": project_punished,
}
