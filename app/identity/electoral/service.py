"""The chain's electoral records in SQL, and the three axes of one identity as a person may see them.

Reads: verified transactions, the electoral tables, `identity`.  Writes: the electoral tables.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from app.core.projection import ProjectedTx
from app.identity.electoral.models import ElectorRow, RegisterImport, ResidenceRow, StationRow
from app.identity.models import IdentityRow
from app.identity.pivot import last_possible_day
from chain.town.params import Parameter
from chain.town.policies import POLICIES, list_unmet, read_policy

ELECTOR_LEVEL: Final = 2
RESIDENCE_MONTHS: Final = 12
"""As chain/town/identity/axes.py; a test holds both to the same answer."""


# --- projection ------------------------------------------------------------------------------


def project_import(tx: ProjectedTx) -> None:
    """A new extract; electors of the one before stay in their table and count no more."""
    serial = int(tx.data["serial"])
    RegisterImport.insert(
        serial=serial,
        body=tx.payload.sender,
        root=tx.body.root,
        expires_month=tx.body.expires_month,
        height=tx.height,
    ).execute()
    for line in tx.body.stations:
        StationRow.insert(serial=serial, station=line.station, imported=line.electors).execute()


def project_enrol(tx: ProjectedTx) -> None:
    """Identities found in the newest import."""
    for entry in tx.body.entries:
        ElectorRow.delete().where(ElectorRow.cid == entry.cid).execute()
        ElectorRow.insert(
            cid=entry.cid, serial=tx.body.serial, station=entry.station, height=tx.height
        ).execute()
        _count(tx.body.serial, entry.station, 1)


def project_strike(tx: ProjectedTx) -> None:
    """Identities no longer in it."""
    for cid in tx.body.cids:
        row = ElectorRow.get_by_id(cid)
        _count(row.serial, row.station, -1)
        row.delete_instance()


def _count(serial: int, station: str, change: int) -> None:
    StationRow.update(enrolled=StationRow.enrolled + change).where(
        (StationRow.serial == serial) & (StationRow.station == station)
    ).execute()


def project_residences(tx: ProjectedTx) -> None:
    """Residences attested by a batch, new or renewed."""
    month = add_months(month_of(tx.time_s), RESIDENCE_MONTHS)
    for identity in tx.data["identities"]:
        ResidenceRow.delete().where(ResidenceRow.cid == identity["cid"]).execute()
        if identity["level_residence"]:
            ResidenceRow.insert(cid=identity["cid"], expires_month=month).execute()


PROJECTIONS: Final = {
    "electoral.import": project_import,
    "electoral.enrol": project_enrol,
    "electoral.strike": project_strike,
}


# --- what people see -------------------------------------------------------------------------


def describe_register() -> dict[str, Any]:
    """The newest import with its counts; serial 0 before the first."""
    newest = RegisterImport.select().order_by(RegisterImport.serial.desc()).first()
    if newest is None:
        return {"serial": 0, "body": "", "root": "", "expires_month": "", "stations": []}
    rows = (
        StationRow.select().where(StationRow.serial == newest.serial).order_by(StationRow.station)
    )
    return {
        "serial": newest.serial,
        "body": newest.body,
        "root": newest.root,
        "expires_month": newest.expires_month,
        "stations": [
            {"station": r.station, "imported": r.imported, "enrolled": r.enrolled} for r in rows
        ],
    }


def describe_axes(row: IdentityRow, *, method: str, now_s: int) -> dict[str, Any]:
    """Level, method and last month of each axis now; 0 for what wore out or was never shown."""
    month = month_of(now_s)
    lives = row.status == "active" and month <= row.expires_month
    residence = ResidenceRow.get_or_none(ResidenceRow.cid == row.cid)
    is_resident = lives and residence is not None and month <= residence.expires_month
    elector, register = _find_elector(row.cid)
    is_elector = lives and elector is not None and month <= register.expires_month
    return {
        "identity": {
            "level": row.level_identity if lives else 0,
            "method": method,
            "expires_month": row.expires_month,
        },
        "residence": {
            "level": row.level_residence if is_resident else 0,
            "method": "attested" if residence is not None else "",
            "expires_month": residence.expires_month if residence is not None else "",
        },
        "electoral": {
            "level": ELECTOR_LEVEL if is_elector else 0,
            "method": "register" if elector is not None else "",
            "expires_month": register.expires_month if elector is not None else "",
            "station": elector.station if is_elector else "",
        },
    }


def _find_elector(cid: str) -> tuple[ElectorRow | None, RegisterImport | None]:
    newest = RegisterImport.select().order_by(RegisterImport.serial.desc()).first()
    if newest is None:
        return None, None
    elector = ElectorRow.get_or_none((ElectorRow.cid == cid) & (ElectorRow.serial == newest.serial))
    return elector, newest


def list_policies(params: Mapping[str, int]) -> list[dict[str, Any]]:
    """What each use of the town asks now; `params` are the chain's present values."""

    def value_of(parameter: Parameter) -> int:
        return params.get(parameter.name, parameter.default)

    return [{"name": name, **read_policy(POLICIES[name], value_of)} for name in sorted(POLICIES)]


def judge_policies(
    policies: list[dict[str, Any]], axes: Mapping[str, Mapping[str, Any]], age_years: int
) -> list[dict[str, Any]]:
    """For each policy whether it lets this person in, and on which axes it does not."""
    held = {axis: int(axes[axis]["level"]) for axis in ("identity", "residence", "electoral")}
    judged = []
    for policy in policies:
        unmet = list_unmet(policy, {**held, "age_years": age_years})
        judged.append({"name": policy["name"], "allowed": not unmet, "unmet": list(unmet)})
    return judged


def compute_age_years(birthdate: str, now_s: int) -> int:
    """Whole years; a presumed birth date counts from its last possible day, so nobody is old too soon."""
    year, month, day = last_possible_day(birthdate)
    today = time.gmtime(now_s)
    had_birthday = (today.tm_mon, today.tm_mday) >= (month, day)
    return max(0, today.tm_year - year - (0 if had_birthday else 1))


def month_of(now_s: int) -> str:
    """`YYYY-MM`, UTC."""
    today = time.gmtime(now_s)
    return f"{today.tm_year:04d}-{today.tm_mon:02d}"


def add_months(month: str, count: int) -> str:
    """The month that lies `count` months later."""
    total = int(month[:4]) * 12 + int(month[5:]) - 1 + count
    return f"{total // 12:04d}-{total % 12 + 1:02d}"
