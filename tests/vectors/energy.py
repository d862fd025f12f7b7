"""Vectors of shared energy for clients in other languages: commitments, salts, leaves, roots, hashes of terms, ties.

`python -m tests.vectors.energy PATH…` replays; `python -m tests.vectors.energy --write FILE` makes them again.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from chain.codec.canonical import b64url_decode, b64url_encode, encode_canonical
from chain.town.energy import batches, commitments, conventions, money, records, roots
from chain.town.energy.rounding import rank_by_hash
from chain.town.energy_schemas import AllocationStep, OperationTerms, ReadingStep
from tests.vectors.runner import load_json, run_suite

SUITE = "beffroi-energy/1"
_ROW = msgspec.json.Decoder(roots.ReadingRow | roots.AllocationRow)


def replay(path: Path) -> int | None:
    """Check every vector of a file of this suite."""
    held = load_json(path)
    if not isinstance(held, dict) or held.get("suite") != SUITE:
        return None
    for number, case in enumerate(held["cases"]):
        found = compute(case["what"], case["given"])
        assert found == case["gives"], f"case {number} {case['what']}: {found}"
    return len(held["cases"])


def compute(what: str, given: Any) -> Any:
    """What our code makes of a vector's input; bytes travel as base64url."""
    if what == "point":
        return commitments.commit_point(given["prm"], b64url_decode(given["salt"]))
    if what == "tag":
        return commitments.tag_point(given["prm"], b64url_decode(given["key"]))
    if what == "order":
        order = msgspec.convert(given["order"], commitments.SealedOrder)
        return commitments.commit_order(order, b64url_decode(given["salt"]))
    if what == "text":
        return commitments.commit_text(given["text"].encode(), b64url_decode(given["salt"]))
    if what == "leaf":
        row = _ROW.decode(encode_canonical(given["row"]))
        salt = roots.compute_salt(b64url_decode(given["key"]), row)
        return {"salt": b64url_encode(salt), "row": roots.encode_row(row).decode()}
    if what == "step_root":
        rows = [_ROW.decode(encode_canonical(row)) for row in given["rows"]]
        salted = [(row, roots.compute_salt(b64url_decode(given["key"]), row)) for row in rows]
        return b64url_encode(roots.compute_root(salted).root)
    return _compute_of_day(what, given)


def _compute_of_day(what: str, given: Any) -> Any:
    if what == "readings_root":
        return batches.compute_day_root(msgspec.convert(given, tuple[ReadingStep, ...]))
    if what == "day_root":
        return batches.compute_day_root(msgspec.convert(given, tuple[AllocationStep, ...]))
    if what == "terms":
        terms = msgspec.convert(given["terms"], OperationTerms)
        return records.hash_terms(given["operation"], given["version"], given["from_day"], terms)
    if what == "key":
        key = conventions.decode_key(encode_canonical(given))
        return b64url_encode(conventions.hash_key(key))  # type: ignore[arg-type] # vectors hold good keys
    if what == "ties":
        rank = rank_by_hash(given["operation"], given["start_s"], given["names"])
        return sorted(given["names"], key=lambda name: rank(given["names"].index(name)))
    if what == "cents":
        return money.round_to_cents(int(given))
    raise AssertionError(f"no vectors of {what}")


def _salt(name: str) -> str:
    return b64url_encode(sha256(name.encode()).digest())


def make_cases() -> list[dict[str, Any]]:
    """Inputs that show each format once or twice; what they give is our code's answer."""
    row = {
        "row": "allocation",
        "operation": "les-tilleuls",
        "start_s": 1_790_000_100,
        "version": 1,
        "point": "cons_a",
        "side": "consumer",
        "metered_wh": 250,
        "shared_wh": 180,
        "rest_wh": 70,
    }
    reading = {name: row[name] for name in ("operation", "start_s", "version", "point", "side")}
    reading |= {"row": "reading", "energy_wh": 250, "quality": "measured"}
    step = {"root": _salt("step"), "sums": [500, 900, 500, 0]}
    terms = {
        "step_s": 900,
        "zone": "Europe/Paris",
        "regime": "standard",
        "territory": "mainland",
        "adapter": "dehors",
        "key_kind": "pro_rata",
        "key_hash": _salt("key"),
        "missing": "zero",
        "correction_days": 60,
        "gate_s": 3_600,
        "convention": _salt("convention"),
    }
    order = {
        "operation": "les-tilleuls",
        "start": 1_790_000_100,
        "point": "cons_a",
        "side": "bid",
        "price_micro_eur": 120_000,
        "energy_wh": 500,
    }
    given: list[tuple[str, Any]] = [
        ("point", {"prm": "01234567890123", "salt": _salt("a")}),
        ("tag", {"prm": "01234567890123", "key": _salt("adapter")}),
        ("order", {"order": order, "salt": _salt("order")}),
        ("text", {"text": "J'accepte le partage à l'heure près.", "salt": _salt("text")}),
        ("leaf", {"row": row, "key": _salt("member")}),
        ("leaf", {"row": reading, "key": _salt("member")}),
        ("step_root", {"rows": [row, row | {"point": "cons_b"}], "key": _salt("member")}),
        ("readings_root", [{"root": _salt("r1")}, {"root": _salt("r2"), "estimated": 3}]),
        ("day_root", [step, {"root": _salt("hidden")}, step | {"orders": 2}]),
        (
            "terms",
            {"operation": "les-tilleuls", "version": 1, "from_day": "2026-10-01", "terms": terms},
        ),
        ("key", {"key": "pro_rata"}),
        ("key", {"key": "static", "shares_ppm": {"cons_a": 600_000, "cons_b": 400_000}}),
        ("ties", {"operation": "les-tilleuls", "start_s": 900, "names": ["a", "b", "c", "d"]}),
        ("ties", {"operation": "les-tilleuls", "start_s": 1_800, "names": ["a", "b", "c", "d"]}),
        ("cents", "25000000"),
        ("cents", "35000000"),
        ("cents", "-25000000"),
    ]
    return [{"what": what, "given": value, "gives": compute(what, value)} for what, value in given]


def main(argv: list[str]) -> int:
    """Replay paths, or write the vectors again."""
    if argv[:1] == ["--write"]:
        text = json.dumps({"suite": SUITE, "cases": make_cases()}, ensure_ascii=False, indent=1)
        Path(argv[1]).write_text(text + "\n", encoding="utf-8")
        return 0
    return run_suite(argv, replay)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
