"""Reading a civil identity as it comes: titles, FranceConnect claims, and the dirt of both.

Partial birth dates (`YYYY-00-00`, `YYYY-MM-00`: "presumed born"), all given names in one string, births abroad
without a place, Corsican and overseas codes. Raises Problem naming the field, never its content.
Reads: nothing.  Writes: nothing.  Never: logs.
"""

import calendar
import re
import time
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from app.core.problems import Problem
from app.identity import codes
from app.identity.civil import FRANCE_COG, Civil, normalise_name

OLDEST_YEAR: Final = 1_880
"""Nobody alive was born before; a typing error was."""
_TEXTS: Final = ("family_name", "usage_name", "address")


def read_civil(fields: Mapping[str, Any], *, now_s: int) -> Civil:
    """The typed civil record, texts in NFC with single blanks; raises Problem."""
    try:
        civil = msgspec.convert(_tidy(fields), Civil, strict=True)
    except msgspec.ValidationError as error:
        field = str(error).rpartition(" - at ")[2].strip("`$.")
        raise Problem(codes.CIVIL_INVALID, field) from error
    _check_texts(civil)
    check_birthdate(civil.birthdate, now_s=now_s)
    return civil


def read_claims(claims: Mapping[str, Any], *, now_s: int) -> Civil:
    """The civil record of a FranceConnect userinfo (scope identite_pivot); raises Problem.

    `given_name_array` wins over the one string `given_name`, which stays one name: where "Jean Paul" ends is
    unknown. A birthplace counts for births in France only.
    """
    given = claims.get("given_name_array") or [claims.get("given_name", "")]
    country = claims.get("birthcountry") or FRANCE_COG
    fields = {
        "family_name": claims.get("family_name", ""),
        "given_names": list(given),
        "birthdate": claims.get("birthdate", ""),
        "birthplace": (claims.get("birthplace") or "") if country == FRANCE_COG else "",
        "birthcountry": country,
        "usage_name": claims.get("preferred_username") or "",
    }
    return read_civil(fields, now_s=now_s)


def last_possible_day(birthdate: str) -> tuple[int, int, int]:
    """(year, month, day) on which the person was born at the latest: an age is reached no sooner."""
    year, month, day = split_birthdate(birthdate)
    month = month or 12
    return year, month, day or calendar.monthrange(year, month)[1]


def split_birthdate(birthdate: str) -> tuple[int, int, int]:
    """(year, month, day); month and day are 0 where unknown."""
    year, month, day = (int(part) for part in birthdate.split("-"))
    return year, month, day


def check_birthdate(birthdate: str, *, now_s: int) -> None:
    """Raise Problem for a day that no calendar has, a day without a month, and births to come."""
    year, month, day = split_birthdate(birthdate)
    is_known = year >= OLDEST_YEAR and (month > 0 or day == 0)
    if not is_known or (month and day > calendar.monthrange(year, month)[1]):
        raise Problem(codes.CIVIL_INVALID, "birthdate")
    today = time.gmtime(now_s)
    if (year, month or 1, day or 1) > (today.tm_year, today.tm_mon, today.tm_mday):
        raise Problem(codes.CIVIL_INVALID, "birthdate")


def _tidy(fields: Mapping[str, Any]) -> dict[str, Any]:
    tidied = dict(fields)
    for name in _TEXTS:
        if isinstance(tidied.get(name), str):
            tidied[name] = tidy_text(tidied[name])
    given = tidied.get("given_names")
    if isinstance(given, (list, tuple)):
        tidied["given_names"] = [tidy_text(n) if isinstance(n, str) else n for n in given]
    return tidied


def tidy_text(text: str) -> str:
    """NFC; every run of blanks (no-break and thin ones too) becomes one; none at the ends."""
    blanks = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    return re.sub(" +", " ", unicodedata.normalize("NFC", blanks)).strip(" ")


def _check_texts(civil: Civil) -> None:
    names = {"family_name": civil.family_name}
    names |= {f"given_names[{i}]": name for i, name in enumerate(civil.given_names)}
    for field, text in {
        **names,
        "usage_name": civil.usage_name,
        "address": civil.address,
    }.items():
        if any(not c.isprintable() or unicodedata.category(c) == "Co" for c in text):
            raise Problem(codes.CIVIL_INVALID, f"{field}: control or bidirectional characters")
    for field, text in names.items():
        # Titles of the Republic carry Latin letters; without one, all such names would index alike.
        if not normalise_name(text):
            raise Problem(codes.CIVIL_INVALID, f"{field}: Latin letters, as on the title")
