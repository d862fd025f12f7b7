"""Who takes part and with which points: requests with what opens them, the perimeter, names for invoices.

A member sends, beside the signed request, the PRM, salt and place of each point; they are checked against the chain's
commitments and sealed. The *PMO* of the operation reads them, nobody else, and is given what the chain asks of an
admission: a tag per point and the perimeter as found.
Reads and writes: `energy_member_file`, `energy_point_lookup`.  Never: a PRM in clear in the database.
"""

import secrets
from typing import Any, Final

import msgspec
from msgspec import Struct

from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.context import Actor
from app.core.database import insert_row, write
from app.core.problems import Problem
from app.energy.codes import ENERGY_CONVENTION_DIFFERS, ENERGY_OPENING_DIFFERS
from app.energy.convention import Convention, encode_convention, load_convention, read_convention
from app.energy.keys import MemberKeys, name_point
from app.energy.models import (
    Consent,
    ConventionRow,
    MemberFile,
    Membership,
    Operation,
    OperationVersion,
    PointLookup,
    PointRow,
)
from app.energy.month import format_day
from app.energy.readings import digest_prm
from chain.codec.canonical import b64url_decode, b64url_encode, encode_canonical
from chain.codec.merkle import merkle_root
from chain.town.energy import commitments, regimes
from chain.town.energy.calendar import DAY_S
from chain.town.energy.conventions import hash_key
from chain.town.energy.geometry import Place
from chain.town.energy.perimeter import declare
from chain.town.energy.refusals import Refused
from chain.town.energy_schemas import EnergyJoin, EnergyOperation, Perimeter
from chain.types.codes import ENERGY_POINT_TAKEN, TX_NOT_ENTITLED

SALT_BYTES: Final = 32


class PointOpening(Struct, frozen=True, forbid_unknown_fields=True):
    """What opens a point: its PRM and salt, and where it is."""

    prm: str
    salt: str
    lat_microdeg: int
    lon_microdeg: int
    density: regimes.Density = "urban"
    epci: str = ""
    building: str = ""
    is_public_body: bool = False


class MemberOpening(Struct, frozen=True, forbid_unknown_fields=True):
    """A member as the *PMO* knows him; `siren` empty for a private person."""

    name: str
    siren: str
    points: dict[str, PointOpening]
    """Commitment to what opens it."""


# --- operations -----------------------------------------------------------------------------------


def get_operation(operation: str) -> Operation:
    """An operation by name; raises Problem(not_found)."""
    found: Operation | None = Operation.get_or_none(Operation.operation == operation)
    if found is None:
        raise Problem(NOT_FOUND)
    return found


def get_own_operation(operation: str, bodies: tuple[str, ...]) -> Operation:
    """The operation when one of these bodies manages it; another's looks like none."""
    found = get_operation(operation)
    if found.pmo not in bodies:
        raise Problem(NOT_FOUND)
    return found


def get_metered_operation(operation: str, bodies: tuple[str, ...]) -> Operation:
    """The operation when one of these bodies is its meter adapter."""
    found = get_operation(operation)
    if f"body:{found.adapter}" not in bodies:
        raise Problem(NOT_FOUND)
    return found


def check_convention(body: EnergyOperation, document: str, salt: str) -> Convention:
    """The document behind a transaction's terms; raises Problem when it is another one."""
    convention = read_convention(document.encode())
    if isinstance(convention, Refused):
        raise Problem(convention.code, convention.detail)
    terms = body.terms
    said = commitments.commit_text(encode_convention(convention), b64url_decode(salt))
    agrees = (
        convention.operation == body.operation
        and said == terms.convention
        and b64url_encode(hash_key(convention.key)) == terms.key_hash
        and (convention.step_s, convention.missing) == (terms.step_s, terms.missing)
    )
    if not agrees:
        raise Problem(ENERGY_CONVENTION_DIFFERS)
    return convention


def keep_convention(convention: Convention, commitment: str, salt: str) -> None:
    """Keep the document beside the chain; the same one twice is one."""
    row = {
        "commitment": commitment,
        "operation": convention.operation,
        "document": encode_convention(convention).decode(),
        "salt": salt,
    }
    with write():
        insert_row(ConventionRow, row, is_new=False)


def check_inside(operation: str, actor: Actor) -> None:
    """Raise Problem(not_found) unless the caller is in the operation, or has an office for it."""
    found = get_operation(operation)
    if actor.scopes & {"energy_witness", "auditor"} or found.pmo in actor.bodies:
        return
    if f"body:{found.adapter}" in actor.bodies:
        return
    mine = (Membership.operation == operation) & (Membership.account == actor.account)
    if not actor.account or not Membership.select().where(mine).exists():
        raise Problem(NOT_FOUND)


def check_sender(account: str, actor: Actor) -> None:
    """What is kept beside a transaction is the caller's own; raises Problem otherwise."""
    if account != actor.account:
        raise Problem(TX_NOT_ENTITLED, "log in with the account that signs")


def find_convention_row(commitment: str) -> ConventionRow:
    """The document behind a commitment; raises Problem(not_found)."""
    row: ConventionRow | None = ConventionRow.get_or_none(ConventionRow.commitment == commitment)
    if row is None:
        raise Problem(NOT_FOUND)
    return row


def find_convention(operation: str, day: str = "") -> tuple[Convention, OperationVersion]:
    """The document in force on a day (the newest in force without one); raises Problem(not_found)."""
    mine = (OperationVersion.operation == operation) & (OperationVersion.is_in_force == True)  # noqa: E712 - SQL
    if day:
        mine &= OperationVersion.from_day <= day
    version = (
        OperationVersion.select().where(mine).order_by(OperationVersion.version.desc()).first()
    )
    row = version and ConventionRow.get_or_none(ConventionRow.commitment == version.convention)
    if not row:
        raise Problem(NOT_FOUND, "no convention is in force")
    return load_convention(row.document.encode()), version


def describe_operation(row: Operation) -> dict[str, Any]:
    """What everybody may know: terms, how many take part, power; no point of anybody."""
    points = PointRow.select().where(
        (PointRow.operation == row.operation)
        & (PointRow.from_day != "")
        & (PointRow.until_day == "")
    )
    listed = list(points)
    ended_on = "" if listed else _last_end(row.operation)
    versions = OperationVersion.select().where(OperationVersion.operation == row.operation)
    return {
        **{name: getattr(row, name) for name in row._meta.sorted_field_names},
        "consumers": sum(point.side == "consumer" for point in listed),
        "plants": sum(point.side != "consumer" for point in listed),
        "peak_w": sum(point.peak_w for point in listed),
        "ended_on": ended_on,
        "versions": [
            {
                "version": version.version,
                "from_day": version.from_day,
                "key_kind": version.key_kind,
                "key_hash": version.key_hash,
                "convention": version.convention,
                "is_in_force": version.is_in_force,
            }
            for version in versions.order_by(OperationVersion.version)
        ],
    }


def _last_end(operation: str) -> str:
    """The first day without any point, once nobody takes part any more; "" before anybody did."""
    here = PointRow.operation == operation
    last = PointRow.select().where(here).order_by(PointRow.until_day.desc()).first()
    return last.until_day if last is not None else ""


# --- requests -------------------------------------------------------------------------------------


def check_openings(body: EnergyJoin, points: list[dict[str, Any]]) -> dict[str, PointOpening]:
    """What was sent beside a request opens each of its points; raises Problem otherwise."""
    claims = [claim.point for claim in body.points]
    found = {}
    for claim, sent in zip(claims, points, strict=False):
        opening = msgspec.convert(sent, PointOpening)
        opened = commitments.commit_point(opening.prm, b64url_decode(opening.salt))
        if isinstance(opened, Refused):
            raise Problem(opened.code, "a PRM has 14 digits")
        if opened != claim:
            raise Problem(ENERGY_OPENING_DIFFERS)
        found[claim] = opening
    if len(points) != len(claims):
        raise Problem(ENERGY_OPENING_DIFFERS, f"{len(claims)} points were asked for")
    return found


def keep_openings(
    config: Config,
    operation: str,
    account: str,
    openings: dict[str, PointOpening],
    *,
    name: str,
    siren: str,
    now_s: int,
) -> None:
    """Seal what opens a member's points; a PRM that stands for a point already is refused, whoever brings it.

    Else a second request with one's own PRM would take the meter's files away from the point that counts.
    """
    keys = MemberKeys(config)
    keys.create(account)
    with write():
        check_free(config, operation, openings, now_s=now_s)
        before = find_member(config, operation, account)
        points = {**before.points, **openings} if before else openings
        sealed = keys.seal_books(account, encode_canonical(MemberOpening(name, siren, points)))
        mine = (MemberFile.operation == operation) & (MemberFile.account == account)
        MemberFile.delete().where(mine).execute()
        row = {"operation": operation, "account": account, "sealed": sealed, "at": now_s}
        insert_row(MemberFile, row)
        for point, opening in openings.items():
            _look_up(config, operation, account, point, opening.prm)


def check_free(
    config: Config, operation: str, openings: dict[str, PointOpening], *, now_s: int
) -> None:
    """Raise Problem when one of the PRMs stands for another point that waits, counts, or will till a later day."""
    today = format_day(now_s // DAY_S)
    for point, opening in openings.items():
        here = (PointLookup.operation == operation) & (
            PointLookup.digest == digest_prm(config, opening.prm)
        )
        held = PointLookup.get_or_none(here)
        if held is not None and held.point != point and _is_live(operation, held.point, today):
            raise Problem(ENERGY_POINT_TAKEN)


def _look_up(config: Config, operation: str, account: str, point: str, prm: str) -> None:
    digest = digest_prm(config, prm)
    here = (PointLookup.operation == operation) & (PointLookup.digest == digest)
    PointLookup.delete().where(here).execute()
    row = {"operation": operation, "digest": digest, "point": point, "account": account}
    insert_row(PointLookup, row)


def _is_live(operation: str, point: str, today: str) -> bool:
    row = PointRow.get_or_none((PointRow.operation == operation) & (PointRow.point == point))
    return row is not None and (not row.until_day or row.until_day > today)


def find_member(config: Config, operation: str, account: str) -> MemberOpening | None:
    """What a member sent of himself, or None."""
    mine = (MemberFile.operation == operation) & (MemberFile.account == account)
    row = MemberFile.get_or_none(mine)
    if row is None:
        return None
    raw = MemberKeys(config).open_books(account, bytes(row.sealed))
    return msgspec.json.decode(raw, type=MemberOpening)


def list_members(config: Config, operation: str, *, with_openings: bool) -> list[dict[str, Any]]:
    """Members and requests of an operation, for its *PMO*: names, points, tags and consents."""
    rows = Membership.select().where(Membership.operation == operation)
    return [
        describe_member(config, row, with_openings=with_openings)
        for row in rows.order_by(Membership.account)
    ]


def describe_member(config: Config, row: Membership, *, with_openings: bool) -> dict[str, Any]:
    """One membership with its points; PRMs and name only where `with_openings`."""
    opening = find_member(config, row.operation, row.account) if with_openings else None
    points = PointRow.select().where(
        (PointRow.operation == row.operation) & (PointRow.account == row.account)
    )
    consents = Consent.select().where(
        (Consent.operation == row.operation) & (Consent.account == row.account)
    )
    return {
        **{name: getattr(row, name) for name in row._meta.sorted_field_names},
        "asked": row.asked.split(),
        "name": opening.name if opening else "",
        "points": [
            _describe_point(config, point, opening) for point in points.order_by(PointRow.name)
        ],
        "consents": [
            {
                "purpose": consent.purpose,
                "act": consent.act,
                "given_at": consent.given_at,
                "withdrawn_at": consent.withdrawn_at,
            }
            for consent in consents.order_by(Consent.purpose)
        ],
    }


def _describe_point(config: Config, row: PointRow, opening: MemberOpening | None) -> dict[str, Any]:
    shown = {
        name: getattr(row, name)
        for name in row._meta.sorted_field_names
        if name not in ("operation", "account")
    }
    opened = opening.points.get(row.point) if opening else None
    if opened is None:
        return {**shown, "prm": "", "tag": ""}
    tag = commitments.tag_point(opened.prm, config.derive_key(b"energy tag"))
    assert isinstance(tag, str), "a PRM was checked before it was kept"
    return {**shown, "prm": opened.prm, "tag": tag}


def declare_perimeter(
    config: Config, operation: Operation, *, has_commune: bool, derogation: str
) -> Perimeter:
    """Distance and conditions of all points, requests included, with a salted root over their places."""
    points, leaves = [], []
    plants = []
    for member in Membership.select().where(
        (Membership.operation == operation.operation) & (Membership.status != "left")
    ):
        opening = find_member(config, operation.operation, member.account)
        for point, opened in sorted((opening.points if opening else {}).items()):
            place = Place(opened.lat_microdeg, opened.lon_microdeg)
            points.append(
                regimes.Point(
                    name_point(point),
                    place,
                    opened.density,
                    opened.epci,
                    opened.building,
                    opened.is_public_body,
                )
            )
            leaves.append(b64url_decode(opened.salt) + encode_canonical([point, *place]))
    declared = regimes.Operation(
        tuple(points), tuple(plants), operation.territory, has_commune, derogation
    )
    return declare(declared, b64url_encode(merkle_root(sorted(leaves))))


def has_consent(operation: str, account: str, purpose: str) -> bool:
    """Whether a member's consent for one purpose stands."""
    here = (
        (Consent.operation == operation)
        & (Consent.account == account)
        & (Consent.purpose == purpose)
    )
    row = Consent.get_or_none(here)
    return row is not None and row.act == "given"


def new_salt() -> str:
    """A fresh salt, base64url."""
    return b64url_encode(secrets.token_bytes(SALT_BYTES))
