"""The city's read model: bodies, role keys and acts, projected from genesis, transactions and journal."""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from app.city.models import ActRow, BodyRow, RoleRow
from app.core.projection import ProjectedGenesis, ProjectedJournal, ProjectedTx
from chain.crypto.keys import jwk_of, public_key_from_jwk, thumbprint

# --- reading ---------------------------------------------------------------------------------


def list_bodies() -> list[BodyRow]:
    """Bodies that take part, by slug."""
    return list(BodyRow.select().where(BodyRow.left_height == 0).order_by(BodyRow.body))


def list_roles(*, after_kid: str, count_max: int) -> list[RoleRow]:
    """Role keys of bodies (not of shops), by kid, after a cursor."""
    query = RoleRow.select().where(RoleRow.holder.startswith("body:"), RoleRow.kid > after_kid)
    return list(query.order_by(RoleRow.kid).limit(count_max))


def find_live_role(kid: str, now_s: int) -> RoleRow | None:
    """The role a key holds now, or None. For showing and routing; the chain decides."""
    return RoleRow.get_or_none(  # type: ignore[no-any-return]
        (RoleRow.kid == kid) & (RoleRow.revoked_since == 0) & (RoleRow.expires > now_s)
    )


def find_seat(kid: str) -> BodyRow | None:
    """The body whose council seat a key holds, or None."""
    return BodyRow.get_or_none((BodyRow.seat_kid == kid) & (BodyRow.left_height == 0))  # type: ignore[no-any-return]


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
    """Record that a role key ended, as of `since_s`."""
    RoleRow.update(revoked_since=max(since_s, 1)).where(RoleRow.kid == kid).execute()


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


def project_acts(tx: ProjectedTx) -> None:
    """Acts as decided; those without delay are in force at once (their journal entry follows)."""
    for position, act in enumerate(tx.body.acts):
        content = msgspec.to_builtins(act)
        ActRow.insert(
            payload_hash=tx.payload_hash,
            position=position,
            act=content["act"],
            content=json.dumps(content, sort_keys=True, separators=(",", ":")),
            decided_height=tx.height,
        ).execute()


PROJECTIONS: Final = {"council.act": project_acts}
GENESIS: Final = (project_genesis,)
JOURNAL: Final[dict[str, Any]] = {}
_ = ProjectedJournal
