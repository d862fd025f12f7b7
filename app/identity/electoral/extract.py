"""An extract of the electoral register (REU) as a CSV file: one elector a line, read strictly, kept nowhere.

Columns by their names in the extract, in any order, accents and case aside: nom de naissance, nom d'usage (optional),
prénoms, date de naissance (DD/MM/YYYY, unknown parts 00), code commune de naissance (COG, empty abroad), code pays de
naissance (99100 when the column is missing), code du bureau de vote. Semicolons; UTF-8 with or without a mark.
Reads: bytes.  Never: logs or stores a line; an error names the line's number and column only.
"""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from app.core.problems import Problem
from app.identity.civil import FRANCE_COG, Civil
from app.identity.pivot import read_civil

EXTRACT_BYTES_MAX: Final = 64 * 1_048_576
"""A quarter of a million electors."""
REQUIRED: Final = ("nom de naissance", "prenoms", "date de naissance", "code du bureau de vote")
BIRTHPLACE: Final = "code commune de naissance"
BIRTHCOUNTRY: Final = "code pays de naissance"
USAGE_NAME: Final = "nom d'usage"
_DATE: Final = re.compile(r"(\d{2})/(\d{2})/(\d{4})")
_STATION: Final = re.compile(r"[0-9A-Z]{1,8}")


class ExtractMalformed(Exception):
    """Not an extract of that form; the message names line and column, never what stands there."""


@dataclass(frozen=True, slots=True)
class Elector:
    """One line of the extract."""

    line: int
    station: str
    civil: Civil = field(repr=False)


def read_extract(raw: bytes, *, now_s: int) -> tuple[Elector, ...]:
    """All electors of an extract; raises ExtractMalformed."""
    if len(raw) > EXTRACT_BYTES_MAX:
        raise ExtractMalformed("the file is larger than 64 MiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExtractMalformed("the file is not UTF-8; export it again in UTF-8") from error
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";", strict=True)
    try:
        names = [_fold(name) for name in next(rows, [])]
        missing = [name for name in REQUIRED if names.count(name) != 1]
        if missing:
            raise ExtractMalformed(f"line 1: column missing or twice: {', '.join(missing)}")
        return tuple(_read_lines(rows, names, now_s))
    except csv.Error as error:
        raise ExtractMalformed(f"line {rows.line_num}: not CSV") from error


def _read_lines(rows: Any, names: list[str], now_s: int) -> Iterator[Elector]:
    for cells in rows:
        if not any(cells):
            continue
        if len(cells) != len(names):
            raise ExtractMalformed(f"line {rows.line_num}: {len(cells)} columns, not {len(names)}")
        yield _read_line(rows.line_num, dict(zip(names, cells, strict=True)), now_s)


def _read_line(line: int, cells: dict[str, str], now_s: int) -> Elector:
    station = cells["code du bureau de vote"].strip().upper()
    if not _STATION.fullmatch(station):
        raise ExtractMalformed(f"line {line}: code du bureau de vote")
    date = _DATE.fullmatch(cells["date de naissance"].strip())
    if date is None:
        raise ExtractMalformed(f"line {line}: date de naissance")
    country = cells.get(BIRTHCOUNTRY, "").strip() or FRANCE_COG
    fields = {
        "family_name": cells["nom de naissance"],
        "usage_name": cells.get(USAGE_NAME, ""),
        "given_names": [cells["prenoms"].replace(",", " ")],
        "birthdate": f"{date[3]}-{date[2]}-{date[1]}",
        "birthplace": cells.get(BIRTHPLACE, "").strip() if country == FRANCE_COG else "",
        "birthcountry": country,
    }
    try:
        return Elector(line, station, read_civil(fields, now_s=now_s))
    except Problem as problem:
        raise ExtractMalformed(f"line {line}: {problem.detail}") from problem


def count_stations(electors: tuple[Elector, ...]) -> dict[str, int]:
    """Electors per station, sorted by station."""
    return dict(sorted(Counter(elector.station for elector in electors).items()))


def _fold(name: str) -> str:
    text = unicodedata.normalize("NFKD", name.strip().replace("’", "'"))
    return "".join(c for c in text if not unicodedata.combining(c)).casefold()
