"""Curves of one point as SGE exports them in CSV: every row names its point, quantity and unit again.

Two layouts are read, by the names of their columns in any order, with or without accents:
R63 (measures on demand): `Identifiant PRM;…;Grandeur physique;Grandeur métier;…;Unité;Horodate;Valeur;Nature;Pas;…`,
and the portal's history: `Date de la mesure;Heure de la mesure;Valeur;…;PRM;…;Unité;Pas en minutes`.
Every row is held against what the caller declared, so that a row of another meter, direction, quantity or unit
refuses the whole file with its line.

Sources: headers and rows shown by public readers of such files (github.com: solarcalculet's description of R63 with
mean watts, a parser's tests of R63 with Wh of five minutes, Elance's list of headers). No official sample was at hand.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from chain.town.energy.calendar import MINUTE_S
from chain.town.energy.enedis import (
    BUSINESS,
    Curve,
    CurveSpec,
    Row,
    build_curve,
    check_declared,
)
from chain.town.energy.refusals import Refused, refuse_line
from chain.town.energy.tables import decode_text
from chain.types.codes import ENERGY_FILE_MALFORMED, ENERGY_STEP_UNKNOWN

_NAMES: Final[dict[str, str]] = {
    "identifiant prm": "point",
    "prm": "point",
    "horodate": "time",
    "date de la mesure": "date",
    "heure de la mesure": "hour",
    "valeur": "value",
    "unite": "unit",
    "grandeur metier": "business",
    "grandeur physique": "quantity",
    "pas": "step",
    "pas en minutes": "step",
}
"""Header without accents, in small letters, to what it is; other columns are left alone."""
_ASKED: Final = ("point", "value", "unit", "business", "quantity")
_ACTIVE: Final = ("pa", "ea", "puissance active", "energie active")
"""Codes and words of active power and energy; reactive ones and voltages are no energy to share."""


def parse_sge_csv(raw: bytes | str, spec: CurveSpec) -> Curve | Refused:
    """A whole SGE export of one point and direction; refused with the line that is not of it."""
    text = decode_text(raw, is_latin_1_taken=True)
    if isinstance(text, Refused):
        return text
    lines = [
        (n, [cell.strip() for cell in line.split(";")])
        for n, line in enumerate(text.splitlines(), 1)
        if line.strip(" ;")
    ]
    columns = _read_header(lines[0][1] if lines else [])
    if isinstance(columns, Refused):
        return columns
    rows = []
    for number, cells in lines[1:]:
        if len(cells) != len(lines[0][1]):
            detail = f"{len(cells)} cells, {len(lines[0][1])} expected"
            return refuse_line(ENERGY_FILE_MALFORMED, number, detail)
        said = {name: cells[place] for name, place in columns.items()}
        flaw = _check_row(number, said, spec)
        if flaw is not None:
            return flaw
        time = said["time"] if "time" in said else f"{said['date']} {said['hour']}"
        rows.append(Row(number, time, said["value"]))
    return build_curve(rows, spec, "line")


def _read_header(cells: Sequence[str]) -> dict[str, int] | Refused:
    """Place of each column that matters; refused when one is absent or stands twice."""
    columns: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = _NAMES.get(cell.strip('"').lower().replace("é", "e"))
        if name in columns:
            return refuse_line(ENERGY_FILE_MALFORMED, 1, f"{cell[:32]} stands twice")
        if name is not None:
            columns[name] = place
    absent = [name for name in _ASKED if name not in columns]
    if "time" not in columns and not {"date", "hour"} <= columns.keys():
        absent.append("time")
    if absent:
        return refuse_line(ENERGY_FILE_MALFORMED, 1, f"no column of the {absent[0]}")
    return columns


def _check_row(number: int, said: Mapping[str, str], spec: CurveSpec) -> Refused | None:
    if BUSINESS.get(said["business"].lower()) != spec.side:
        return refuse_line(ENERGY_FILE_MALFORMED, number, f"of {said['business'][:32]}")
    if said["quantity"].lower().replace("é", "e") not in _ACTIVE:
        return refuse_line(ENERGY_FILE_MALFORMED, number, f"a curve of {said['quantity'][:32]}")
    flaw = check_declared(said["point"], said["unit"], spec, "line")
    if flaw is not None:
        return Refused(flaw.code, f"line {number}: {flaw.detail.partition(': ')[2]}")
    step = said.get("step", "")
    if step and _minutes(step) * MINUTE_S != spec.file_step_s:
        return refuse_line(ENERGY_STEP_UNKNOWN, number, step[:16])
    return None


def _minutes(step: str) -> int:
    """`30` or `PT30M`; 0 for anything else."""
    digits = step[2:-1] if step.startswith("PT") and step.endswith("M") else step
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 3 else 0
