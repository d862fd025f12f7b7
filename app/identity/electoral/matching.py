"""Whom of the enrolled an extract of the electoral register names: by the keyed indices, without opening a file.

Strict and alone: matched. Anything else (a likeness, two lines for one person, two persons for one line) is left to the
commission, by line number and cid. Nothing of the extract stays but counts, a salted root and cids.
Reads: `duplicate_index`, `identity`.  Writes: nothing.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from app.core.config import Config
from app.identity.civil import list_digests
from app.identity.electoral.extract import Elector, count_stations
from app.identity.models import DuplicateIndex, IdentityRow
from app.identity.register import Register
from chain.codec.canonical import b64url_encode

ROOT_LABEL: Final = b"beffroi-electoral-extract-1"
ROWS_PER_QUERY: Final = 200


@dataclass(frozen=True, slots=True)
class Match:
    """What the commission signs, and what it still has to decide."""

    root: str
    stations: dict[str, int]
    entries: tuple[tuple[str, str], ...]
    """(cid, station), sorted by cid."""
    undecided: tuple[dict[str, Any], ...]
    unknown: int
    """Electors of the extract who are not enrolled."""


def compute_root(raw: bytes, salt: bytes) -> str:
    """SHA-256(label ‖ salt ‖ extract), base64url: the commission can show later which extract it imported."""
    return b64url_encode(hashlib.sha256(ROOT_LABEL + salt + raw).digest())


def match_extract(config: Config, electors: tuple[Elector, ...], *, root: str) -> Match:
    """Compare an extract with the register; raises Problem without the master key."""
    found = _find_cids(Register(config), electors)
    active = _list_active({cid for kinds in found.values() for cid in kinds})
    lines_of: dict[str, list[int]] = defaultdict(list)
    strict: dict[int, list[str]] = {}
    undecided: list[dict[str, Any]] = []
    for elector in electors:
        kinds = {c: k for c, k in found.get(elector.line, {}).items() if c in active}
        same = [cid for cid, kind in kinds.items() if "strict" in kind]
        if len(same) == 1:
            strict[elector.line] = same
            lines_of[same[0]].append(elector.line)
        elif kinds:
            undecided.append(_describe(elector, kinds))
    entries = []
    for elector in electors:
        if elector.line not in strict:
            continue
        (cid,) = strict[elector.line]
        if len(lines_of[cid]) == 1:
            entries.append((cid, elector.station))
        else:
            undecided.append(_describe(elector, {cid: {"strict"}}))
    unknown = sum(1 for e in electors if not found.get(e.line))
    return Match(root, count_stations(electors), tuple(sorted(entries)), tuple(undecided), unknown)


def _describe(elector: Elector, kinds: dict[str, set[str]]) -> dict[str, Any]:
    likeness = {cid: sorted(kind) for cid, kind in sorted(kinds.items())}
    return {"line": elector.line, "station": elector.station, "likeness": likeness}


def _find_cids(register: Register, electors: tuple[Elector, ...]) -> dict[int, dict[str, set[str]]]:
    """By line: the files whose digests meet, and how."""
    keys = register.index.all()
    found: dict[int, dict[str, set[str]]] = {}
    for start in range(0, len(electors), ROWS_PER_QUERY):
        lines_of: dict[str, set[int]] = defaultdict(set)
        for elector in electors[start : start + ROWS_PER_QUERY]:
            for key in keys:
                for _, digest in list_digests(key.key, elector.civil):
                    lines_of[digest].add(elector.line)
        for row in DuplicateIndex.select().where(DuplicateIndex.digest.in_(sorted(lines_of))):
            for line in lines_of[row.digest]:
                found.setdefault(line, {}).setdefault(row.cid, set()).add(row.kind)
    return found


def _list_active(cids: set[str]) -> set[str]:
    rows = IdentityRow.select(IdentityRow.cid).where(
        (IdentityRow.status == "active") & IdentityRow.cid.in_(sorted(cids))
    )
    return {row.cid for row in rows}
