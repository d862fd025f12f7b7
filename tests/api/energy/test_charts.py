"""Pictures that a blind person hears, a colour-blind one reads, and a browser draws without loading anything."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from app.energy import charts

SVG = "{http://www.w3.org/2000/svg}"
CURVE = charts.DayCurve(
    "2026-06-08",
    [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 15, 30, 45)],
    [0] * 32 + [500] * 32 + [0] * 32,
    [200] * 96,
    [0] * 32 + [200] * 32 + [0] * 32,
)
MONTHS = [("2026-03", 1_200), ("2026-04", 1_900), ("2026-05", -300)]
SHARES = [("abc", 600), ("def", 300), ("<g&h>", 100)]


def pictures(language: str) -> list[str]:
    return [
        charts.draw_day(CURVE, language),
        charts.draw_shares("2026-06", SHARES, language),
        charts.draw_savings(MONTHS, language),
        charts.draw_savings([], language),
        charts.draw_shares("2026-06", [("a", 0)], language),
    ]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_picture_is_named_and_described_in_words(language) -> None:
    for picture in pictures(language):
        root = ElementTree.fromstring(picture)
        assert root.get("role") == "img"
        assert root.get("lang") == language
        title, said = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
        assert root.get("aria-labelledby") == f"{title.get('id')} {said.get('id')}"
        assert len(title.text) > 10
        assert said.text


def test_the_description_says_the_figures_of_the_picture() -> None:
    said = ElementTree.fromstring(charts.draw_day(CURVE, "en")).find(f"{SVG}desc").text
    assert "16.0 kWh" in said
    assert "19.2 kWh" in said
    assert "6.4 kWh" in said
    assert "08:00" in said
    said = ElementTree.fromstring(charts.draw_savings(MONTHS, "fr")).find(f"{SVG}desc").text
    assert "28,00 €" in said
    assert "avril 2026" in said


def test_series_differ_by_more_than_their_colour() -> None:
    """Dashes, hatching and words: in grey the picture says the same."""
    root = ElementTree.fromstring(charts.draw_day(CURVE, "fr"))
    dashes = [line.get("stroke-dasharray") for line in root.iter(f"{SVG}polyline")]
    assert len(set(dashes)) == len(dashes) == 2
    (area,) = root.iter(f"{SVG}polygon")
    assert area.get("fill") == "url(#hatch)"
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert {"produit", "consommé", "partagé"} <= set(words)


def test_names_in_pictures_are_escaped_and_nothing_is_loaded_or_run() -> None:
    for picture in pictures("fr"):
        root = ElementTree.fromstring(picture)
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {
            "svg", "title", "desc", "defs", "pattern", "rect", "line", "polyline", "polygon", "text",
        }  # fmt: skip
        assert not re.search(r"href|script|on[a-z]+=|style=", picture)
    assert "<g&h>" not in charts.draw_shares("2026-06", SHARES, "fr")


def test_coordinates_are_whole_and_inside_the_picture() -> None:
    for picture in pictures("en"):
        root = ElementTree.fromstring(picture)
        height = int(root.get("height"))
        for element in root.iter():
            for name in ("x", "x1", "x2"):
                assert 0 <= int(element.get(name, 0)) <= charts.WIDTH
            for name in ("y", "y1", "y2"):
                assert 0 <= int(element.get(name, 0)) <= height
            for pair in (element.get("points") or "").split():
                x, y = map(int, pair.split(","))
                assert 0 <= x <= charts.WIDTH
                assert 0 <= y <= height


def test_the_same_figures_give_the_same_bytes() -> None:
    assert pictures("fr") == pictures("fr")


def test_many_points_are_shown_as_one_row_of_others() -> None:
    many = [(f"point {i:03}", 1_000 - i) for i in range(100)]
    picture = charts.draw_shares("2026-06", many, "en")
    assert "60 others" in picture
    total = sum(wh for _, wh in many)
    assert str(total // 1_000) in picture


@pytest.mark.parametrize(
    ("cents", "fr", "en"),
    [(1_234_567, "12\u202f345,67 €", "12\u202f345.67 €"), (-5, "-0,05 €", "-0.05 €")],
)
def test_amounts_are_written_as_each_language_does(cents, fr, en) -> None:
    assert charts.format_euros(cents, "fr") == fr
    assert charts.format_euros(cents, "en") == en


@pytest.mark.parametrize(
    ("day", "fr", "en"),
    [
        ("2026-06-01", "1er juin 2026", "1 June 2026"),
        ("2026-08-31", "31 août 2026", "31 August 2026"),
        ("2026-12", "décembre 2026", "December 2026"),
    ],
)
def test_dates_are_written_as_each_language_does(day, fr, en) -> None:
    assert (charts.format_date(day, "fr"), charts.format_date(day, "en")) == (fr, en)


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_line_and_letter_stands_out_from_white_and_from_the_veil() -> None:
    for colour, least in (
        (charts.INK, 4.5),
        *((c, 3) for c in (charts.BLUE, charts.GREEN, charts.VERMILION)),
    ):
        assert 1.05 / (luminance(colour) + 0.05) >= least, colour
    assert (luminance(charts.VEIL) + 0.05) / (luminance(charts.INK) + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("top", "labels"),
    [
        (1_797, ["0", "500", "1\u202f000", "1\u202f500", "2\u202f000"]),
        (2_001, ["0", "600", "1\u202f200", "1\u202f800", "2\u202f400"]),
        (500, ["0", "200", "400", "600", "800"]),
        (3, ["0", "1", "2", "3", "4"]),
    ],
)
def test_the_scale_has_whole_quarters_where_its_lines_are(top, labels) -> None:
    curve = charts.DayCurve("2026-06-08", ["00:00", "00:15"], [0, top], [0, 0], [0, 0])
    root = ElementTree.fromstring(charts.draw_day(curve, "fr"))
    ends = [t.text for t in root.iter(f"{SVG}text") if t.get("text-anchor") == "end"]
    assert ends[:5] == labels


def test_hidden_steps_are_veiled_and_the_picture_says_why() -> None:
    curve = charts.DayCurve(
        "2026-06-08",
        CURVE.clocks,
        CURVE.produced_wh,
        CURVE.consumed_wh,
        CURVE.shared_wh,
        frozenset({4, 5, 6}),
    )
    root = ElementTree.fromstring(charts.draw_day(curve, "fr"))
    veils = [rect for rect in root.iter(f"{SVG}rect") if rect.get("fill") == charts.VEIL]
    assert len(veils) == 1
    said = [text.text for text in root.iter(f"{SVG}text") if "3 pas" in text.text]
    assert len(said) == 1
    assert said[0] in root.find(f"{SVG}desc").text


@pytest.mark.parametrize("count", [1, 11, 24])
def test_months_side_by_side_do_not_write_over_each_other(count: int) -> None:
    """Half an em a letter is more than sans-serif figures take."""
    months = [(f"{2024 + at // 12}-{at % 12 + 1:02}", 2_757 - 90 * at) for at in range(count)]
    root = ElementTree.fromstring(charts.draw_savings(months, "fr"))
    rows: dict[int, list[tuple[float, float]]] = {}
    for text in root.iter(f"{SVG}text"):
        if text.get("text-anchor") == "middle":
            half = len(text.text) * int(text.get("font-size")) * 0.5 / 2
            x = int(text.get("x"))
            rows.setdefault(int(text.get("y")), []).append((x - half, x + half))
    for spans in rows.values():
        spans.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_a_long_name_is_cut_where_it_would_leave_the_picture() -> None:
    picture = charts.draw_shares("2026-06", [("École Jean-Jacques Rousseau", 5)], "fr")
    assert "École Jean-Jacques…" in picture
