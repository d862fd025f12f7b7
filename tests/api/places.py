"""Paths with something in every place, of the form the description asks for; nothing is called so."""

import re
from functools import cache

from app.cli.openapi import describe_api
from app.core.paths import CONVERTERS

SAMPLES = {
    "key": "A" * 43,
    "token": "A" * 22,
    "hash": "a" * 64,
    "slug": "some-name",
    "word": "some-name",
    "election": "1" * 14,
    "printed": "A" * 10,
    "day": "2026-08-30",
    "month": "2026-08",
    "invoice": "some-name-2026-08-1-001-0001",
}


@cache
def _samples() -> dict[tuple[str, str], str]:
    """(path, parameter) -> sample; integers are 1."""
    by_pattern = {f"^{CONVERTERS[name].regex}$": sample for name, sample in SAMPLES.items()}
    return {
        (path, parameter["name"]): by_pattern[parameter["schema"]["pattern"]]
        if parameter["schema"]["type"] == "string"
        else "1"
        for path, item in describe_api()["paths"].items()
        for parameter in item.get("parameters", ())
        if parameter["in"] == "path"
    }


def fill(path: str) -> str:
    """`path` of the description with a sample in every place."""
    return re.sub(r"\{([a-z_]+)\}", lambda match: _samples()[path, match[1]], path)
