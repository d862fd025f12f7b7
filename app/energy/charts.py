"""Pictures of shared energy as SVG text: a day's curve, who got which share, what was saved.

Each picture has a title and a description that say in words what it shows, and tells its series apart by hatching,
line style and direct labels as well as by colour. Text is text (readers and searches find it), nothing moves,
nothing is loaded. Coordinates are integers, so the same figures give the same bytes.
Colours: Okabe and Ito's set, which people with colour blindness tell apart; all of three to one at least on white
(WCAG 2.2, 1.4.11), which their orange is not.
Reads: its arguments.  Never: a database, a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

WIDTH: Final = 720
HEIGHT: Final = 320
LEFT: Final = 64
RIGHT: Final = 16
TOP: Final = 44
BOTTOM: Final = 44
PLOT_W: Final = WIDTH - LEFT - RIGHT
PLOT_H: Final = HEIGHT - TOP - BOTTOM
BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
GREEN: Final = "#009e73"
INK: Final = "#222222"
GRID: Final = "#cccccc"
VEIL: Final = "#eeeeee"
"""Where figures are kept back."""
ROW_H: Final = 26
SAVED_TOP: Final = TOP + 16
"""Room for an amount above the highest column."""
SAVED_H: Final = HEIGHT - BOTTOM - SAVED_TOP - 4
WIDE_SLOT: Final = 58
"""Pixels a month needs for an amount with cents; two years side by side have less."""
NAME_CHARS: Final = 19
BARS_MAX: Final = 40
"""More rows would be no picture; the rest is one row."""

WORDS: Final[dict[str, Any]] = {
    "en": {
        "day": "Energy of {0}",
        "day_desc": "Produced {0}, consumed {1}, shared {2}. Most was produced at {3}.",
        "hidden": "{0} steps are not shown: too few homes would hide each other.",
        "produced": "produced",
        "consumed": "consumed",
        "shared": "shared",
        "nothing": "nothing was produced",
        "hour": "hour, local time",
        "step": "Wh in each step",
        "months": (
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ),
        "share": "Who received the shared energy, {0}",
        "share_desc": "{0} shared among {1} points; the largest share is {2} %, of {3}.",
        "others": "{0} others",
        "savings": "Saved by sharing, month by month",
        "savings_desc": "{0} in {1} months; most in {2}: {3}.",
        "none": "no figures yet",
        "kwh": "kWh",
    },
    "fr": {
        "day": "Énergie du {0}",
        "day_desc": "Produit {0}, consommé {1}, partagé {2}. Le plus fort de la production est à {3}.",
        "hidden": "{0} pas ne sont pas montrés : trop peu de foyers s'y cacheraient.",
        "produced": "produit",
        "consumed": "consommé",
        "shared": "partagé",
        "nothing": "rien n'a été produit",
        "hour": "heure locale",
        "step": "Wh à chaque pas",
        "months": (
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ),
        "share": "Qui a reçu l'énergie partagée, {0}",
        "share_desc": "{0} partagés entre {1} points ; la plus grande part est {2} %, de {3}.",
        "others": "{0} autres",
        "savings": "Économisé par le partage, mois par mois",
        "savings_desc": "{0} en {1} mois ; le plus en {2} : {3}.",
        "none": "pas encore de chiffres",
        "kwh": "kWh",
    },
}


@dataclass(frozen=True, slots=True)
class DayCurve:
    """Wh per step of one local day; `clocks` are labels such as `13:45`, one per step."""

    day: str
    clocks: Sequence[str]
    produced_wh: Sequence[int]
    consumed_wh: Sequence[int]
    shared_wh: Sequence[int]
    hidden: frozenset[int] = frozenset()
    """Steps whose sums are not published: nothing is drawn there."""


def draw_day(curve: DayCurve, language: str) -> str:
    """Production, consumption and what was shared over a day; raises KeyError for a language it has no words in."""
    words = WORDS[language]
    produced, consumed, shared = map(sum, (curve.produced_wh, curve.consumed_wh, curve.shared_wh))
    top = _round_up(max((*curve.produced_wh, *curve.consumed_wh, 1)))
    peak = words["nothing"]
    if produced:
        peak = curve.clocks[list(curve.produced_wh).index(max(curve.produced_wh))]
    said = words["day_desc"].format(
        *(format_kwh(wh, language) for wh in (produced, consumed, shared)), peak
    )
    veiled = words["hidden"].format(len(curve.hidden)) if curve.hidden else ""
    body = [
        *_veils(len(curve.clocks), curve.hidden, veiled),
        *_grid(top, words["step"]),
        *_hours(curve.clocks, words["hour"]),
        *_areas(curve.shared_wh, top, curve.hidden),
        *_lines(curve.consumed_wh, top, BLUE, "none", curve.hidden),
        *_lines(curve.produced_wh, top, VERMILION, "7 4", curve.hidden),
        *_legend(
            (
                (VERMILION, "7 4", words["produced"]),
                (BLUE, "none", words["consumed"]),
                (GREEN, "hatch", words["shared"]),
            )
        ),
    ]
    title = words["day"].format(format_date(curve.day, language))
    return _svg(title, f"{said} {veiled}".strip(), body, HEIGHT, language)


def draw_shares(period: str, shares_wh: Sequence[tuple[str, int]], language: str) -> str:
    """Bars of what each point received, the largest first, with Wh and percent written beside each."""
    words = WORDS[language]
    total = sum(wh for _, wh in shares_wh)
    ordered = sorted(shares_wh, key=lambda share: (-share[1], share[0]))
    shown = ordered[:BARS_MAX]
    if len(ordered) > BARS_MAX:
        rest = ordered[BARS_MAX:]
        shown = [*shown, (words["others"].format(len(rest)), sum(wh for _, wh in rest))]
    title = words["share"].format(format_date(period, language))
    if not total:
        return _svg(title, words["none"], [_text(LEFT, TOP + 20, words["none"])], 96, language)
    largest = shown[0]
    said = words["share_desc"].format(
        format_kwh(total, language),
        len(ordered),
        _decimal(largest[1] * 1_000 // total, 1, language),
        largest[0],
    )
    body = []
    for row, (name, wh) in enumerate(shown):
        y = TOP + row * ROW_H
        width = wh * (PLOT_W - 260) // largest[1] if largest[1] else 0
        percent = _decimal(wh * 1_000 // total, 1, language)
        body.append(_text(LEFT + 84, y + 14, _clip(name), anchor="end"))
        body.append(
            f'<rect x="{LEFT + 92}" y="{y}" width="{max(width, 1)}" height="18" fill="{GREEN}" stroke="{INK}"/>'
        )
        beside = f"{format_kwh(wh, language)}, {percent} %"
        body.append(_text(LEFT + 100 + max(width, 1), y + 14, beside))
    return _svg(title, said, body, TOP + len(shown) * ROW_H + 12, language)


def draw_savings(months: Sequence[tuple[str, int]], language: str) -> str:
    """Cents saved per month as labelled columns; a month may be below zero after a correction."""
    words = WORDS[language]
    if not months:
        body = [_text(LEFT, TOP + 20, words["none"])]
        return _svg(words["savings"], words["none"], body, 96, language)
    best = max(months, key=lambda month: month[1])
    said = words["savings_desc"].format(
        format_euros(sum(cents for _, cents in months), language),
        len(months),
        format_date(best[0], language),
        format_euros(best[1], language),
    )
    high = max(0, *(cents for _, cents in months))
    low = min(0, *(cents for _, cents in months))
    span = (high - low) or 1
    zero = SAVED_TOP + SAVED_H * high // span
    slot = PLOT_W // len(months)
    body = [f'<line x1="{LEFT}" y1="{zero}" x2="{WIDTH - RIGHT}" y2="{zero}" stroke="{INK}"/>']
    for place, (month, cents) in enumerate(months):
        height = abs(cents) * SAVED_H // span
        x, y = LEFT + place * slot + slot // 6, zero - height if cents >= 0 else zero
        body.append(
            f'<rect x="{x}" y="{y}" width="{max(slot * 2 // 3, 2)}" height="{max(height, 1)}" '
            f'fill="{BLUE if cents >= 0 else "url(#hatch)"}" stroke="{INK}"/>'
        )
        middle = x + slot // 3
        body += _month_labels(place, month, cents, (middle, y - 5), slot, language)
    return _svg(words["savings"], said, body, HEIGHT, language)


def _month_labels(
    place: int, month: str, cents: int, above: tuple[int, int], slot: int, language: str
) -> list[str]:
    """The amount above the column, the month below, its year under the first column and each January."""
    is_wide = slot >= WIDE_SLOT
    amount = format_euros(cents, language) if is_wide else format_whole_euros(cents)
    year, number = month.split("-")
    middle = above[0]
    parts = [
        _text(*above, amount, anchor="middle", size=13 if is_wide else 10),
        _text(middle, HEIGHT - BOTTOM + 14, number, anchor="middle", size=11),
    ]
    if place == 0 or number == "01":
        parts.append(_text(middle, HEIGHT - BOTTOM + 30, year, anchor="middle", size=11))
    return parts


# --- figures in words -----------------------------------------------------------------------------


def format_kwh(energy_wh: int, language: str) -> str:
    """`1,9 kWh`: tenths, floored; whole numbers from 100 kWh on."""
    if energy_wh >= 100_000:
        return f"{format_number(energy_wh // 1_000)} kWh"
    return f"{_decimal(energy_wh // 100, 1, language)} kWh"


def format_euros(cents: int, language: str) -> str:
    """`12,34 €`."""
    return f"{_decimal(cents, 2, language)} €"


def format_whole_euros(cents: int) -> str:
    """`12 €`, rounded half away from zero."""
    whole = (abs(cents) + 50) // 100
    return f"{'-' if cents < 0 and whole else ''}{format_number(whole)} €"


def format_date(text: str, language: str) -> str:
    """`2026-06-08` or `2026-06` in words: `8 June 2026`, `juin 2026`; the first of a month in French is `1er`."""
    year, month, *day = text.split("-")
    named = f"{WORDS[language]['months'][int(month) - 1]} {year}"
    if not day:
        return named
    number = int(day[0])
    return f"{number}{'er' if language == 'fr' and number == 1 else ''} {named}"


def _decimal(units: int, places: int, language: str) -> str:
    whole, rest = divmod(abs(units), 10**places)
    sign = "-" if units < 0 else ""
    return f"{sign}{format_number(whole)}{',' if language == 'fr' else '.'}{rest:0{places}}"


def format_number(number: int) -> str:
    """Groups of three, apart by a narrow space that does not break."""
    return f"{number:,}".replace(",", "\u202f")


# --- parts of a picture ---------------------------------------------------------------------------


def _svg(title: str, said: str, body: Sequence[str], height: int, language: str) -> str:
    hatch = (
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><rect width="6" height="6" fill="#ffffff"/>'
        f'<line x1="0" y1="0" x2="0" y2="6" stroke="{GREEN}" stroke-width="3"/></pattern></defs>'
    )
    return "\n".join(
        (
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
                f'height="{height}" role="img" aria-labelledby="t d" lang="{language}" '
                'font-family="sans-serif" font-size="13">'
            ),
            f'<title id="t">{escape(title)}</title>',
            f'<desc id="d">{escape(said)}</desc>',
            hatch,
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            _text(LEFT, 24, title, size=16),
            *body,
            "</svg>",
            "",
        )
    )


def _text(x: int, y: int, text: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{INK}">'
        f"{escape(text)}</text>"
    )


def _round_up(top_wh: int) -> int:
    """The least of 4, 8, 12, 16, 20, 24 and 32 times a power of ten that is no less: its quarters are round."""
    power = 1
    while True:
        for lead in (4, 8, 12, 16, 20, 24, 32):
            if lead * power >= top_wh:
                return lead * power
        power *= 10


def _grid(top: int, unit: str) -> list[str]:
    parts = [_text(8, TOP - 8, unit, size=10)]
    for quarter in range(5):
        y = TOP + PLOT_H - PLOT_H * quarter // 4
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="{GRID}"/>')
        label = format_number(top * quarter // 4)
        parts.append(_text(LEFT - 8, y + 4, label, anchor="end", size=10))
    return parts


def _veils(count: int, hidden: frozenset[int], said: str) -> list[str]:
    """Grey where steps are kept back, and why, below the hours."""
    parts = []
    for run in _runs(count, frozenset(range(count)) - hidden):
        x = _x(run.start, count)
        width = max(_x(run.stop, count) - x, 1)
        parts.append(f'<rect x="{x}" y="{TOP}" width="{width}" height="{PLOT_H}" fill="{VEIL}"/>')
    return [*parts, _text(LEFT, HEIGHT - 6, said, size=11)] if parts else []


def _clip(name: str) -> str:
    """A name that fits left of the bars."""
    return name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + "…"


def _hours(clocks: Sequence[str], label: str) -> list[str]:
    parts = [_text(WIDTH - RIGHT, HEIGHT - 6, label, anchor="end", size=11)]
    for place, clock in enumerate(clocks):
        hour, _, minute = clock.partition(":")
        if minute == "00" and int(hour) % 3 == 0:
            x = _x(place, len(clocks))
            parts.append(_text(x, HEIGHT - BOTTOM + 18, clock, anchor="middle", size=11))
    return parts


def _x(place: int, count: int) -> int:
    return LEFT + PLOT_W * place // max(count, 1)


def _runs(count: int, hidden: frozenset[int]) -> list[range]:
    """Stretches of steps that are shown."""
    runs, first = [], 0
    for at in (*sorted(hidden), count):
        if at > first:
            runs.append(range(first, at))
        first = at + 1
    return runs


def _points(values: Sequence[int], top: int, places: range) -> list[str]:
    return [f"{_x(at, len(values))},{TOP + PLOT_H - PLOT_H * values[at] // top}" for at in places]


def _lines(
    values: Sequence[int], top: int, colour: str, dash: str, hidden: frozenset[int]
) -> list[str]:
    return [
        f'<polyline points="{" ".join(_points(values, top, run))}" fill="none" stroke="{colour}" '
        f'stroke-width="2" stroke-dasharray="{dash}"/>'
        for run in _runs(len(values), hidden)
    ]


def _areas(values: Sequence[int], top: int, hidden: frozenset[int]) -> list[str]:
    floor, parts = TOP + PLOT_H, []
    for run in _runs(len(values), hidden):
        corners = [
            f"{_x(run.start, len(values))},{floor}",
            *_points(values, top, run),
            f"{_x(run.stop - 1, len(values))},{floor}",
        ]
        parts.append(f'<polygon points="{" ".join(corners)}" fill="url(#hatch)" stroke="{GREEN}"/>')
    return parts


def _legend(series: Sequence[tuple[str, str, str]]) -> list[str]:
    parts = []
    for place, (colour, dash, name) in enumerate(series):
        x = WIDTH - RIGHT - 3 * 130 + place * 130
        if dash == "hatch":
            parts.append(
                f'<rect x="{x}" y="28" width="24" height="10" fill="url(#hatch)" stroke="{colour}"/>'
            )
        else:
            parts.append(
                f'<line x1="{x}" y1="33" x2="{x + 24}" y2="33" stroke="{colour}" stroke-width="2" '
                f'stroke-dasharray="{dash}"/>'
            )
        parts.append(_text(x + 30, 38, name, size=12))
    return parts
