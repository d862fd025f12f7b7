"""Pictures that a blind person hears, a colour-blind one reads, and a browser draws without loading anything."""

import re
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
    assert "2026-04" in said


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
