"""Ed25519 edge cases of "Taming the many EdDSAs" (ed25519-speccheck), under both rules of `chain.crypto`.

`python -m tests.vectors.ed25519 PATH…`. Votes follow ZIP-215 exactly. Transactions follow the strict rule:
it may accept nothing that ZIP-215 or a library column refuses, and exactly what a column of libsodium
accepts, whose rule (canonical, no small order, S < L, cofactorless) it spells out.
"""

from pathlib import Path
from typing import Any

from chain.crypto import ed25519
from tests.vectors.runner import load_json, main

_CASE = {"message", "pub_key", "signature", "zip215_expected"}
_NOT_COLUMNS = _CASE | {"n"}


def replay(path: Path) -> int | None:
    """Cases checked, None when the file holds none."""
    content = load_json(path)
    cases = content.get("cases") if isinstance(content, dict) else content
    if not isinstance(cases, list) or not cases:
        return None
    if not all(isinstance(case, dict) and set(case) >= _CASE for case in cases):
        return None
    for position, case in enumerate(cases):
        _check(case, f"case {case.get('n', position)}")
    return len(cases)


def _check(case: dict[str, Any], name: str) -> None:
    key, message, signature = (
        bytes.fromhex(case[field]) for field in ("pub_key", "message", "signature")
    )
    votes = ed25519.verify_zip215(key, message, signature)
    assert votes == case["zip215_expected"], f"{name}: ZIP-215 says {votes}"
    strict = ed25519.verify_strict(key, message, signature)
    in_python = ed25519._has_strict_form(key, signature) and ed25519._python_strict(
        key, message, signature
    )
    assert strict == in_python, f"{name}: strict differs between library and Python"
    assert votes or not strict, f"{name}: strict accepts what ZIP-215 refuses"
    for column in sorted(set(case) - _NOT_COLUMNS):
        accepted = case[column]
        if not isinstance(accepted, bool):
            continue
        assert accepted or not strict, f"{name}: strict accepts what {column} refuses"
        if column.startswith(("libsodium", "strict")):
            assert strict == accepted, f"{name}: strict says {strict}, {column} says {accepted}"


if __name__ == "__main__":
    main(replay)
