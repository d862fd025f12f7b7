"""Belenios elections: archives judged as their list says, and every companion file our code can remake.

`python -m tests.vectors.belenios PATH…`. A list of cases (`good`, `bad`, each with the folder of its archive)
says what must be accepted, with which result, and what must be refused, with what words of belenios-tool. An
archive that no list above it names must be accepted, unless a folder above it is called as those of refused
ones. Every archive is also taken apart and written again, byte for byte.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from chain.votes.archive import check_prefix, read_archive, write_archive
from chain.votes.checks import Check, Flaw
from chain.votes.verifier import Verdict, verify_archive
from tests.vectors import belenios_files
from tests.vectors.belenios_files import MAGIC
from tests.vectors.runner import load_json, main

_BAD_FOLDERS: Final = {"rejected", "accepted-by-tool-but-bad"}

_COUNTING: Final = {
    Check.EVENT_ORDER,
    Check.TALLY_COUNT,
    Check.TALLY_WEIGHT,
    Check.TALLY_CIPHERTEXTS,
    Check.DECRYPTION_PROOF,
    Check.MISSING_DECRYPTION,
    Check.RESULT_VALUE,
}
_REASONS: Final[tuple[tuple[str, set[Check]], ...]] = (
    (
        "invalid ballot",
        {
            Check.BALLOT_PROOF,
            Check.BALLOT_SIGNATURE,
            Check.BALLOT_ELECTION,
            Check.BALLOT_MEMBER,
            Check.BALLOT_FORM,
        },
    ),
    ("duplicate credential", {Check.DUPLICATE_CREDENTIAL}),
    ("invalid credential", {Check.UNKNOWN_CREDENTIAL}),
    ("not in canonical form", {Check.BALLOT_FORM}),
    ("found instead of", {Check.RECORD_HASH}),
    ("check_result failed", _COUNTING),
    ("all checks passed", _COUNTING | {Check.DUPLICATE_BALLOT, Check.DUPLICATE_DECRYPTION}),
)
"""Words of belenios-tool 2.0, and the checks of ours that mean the same or see what it does not."""


def replay(path: Path) -> int | None:
    """Checks made on one file, None when it is none of this suite."""
    if path.read_bytes()[: len(MAGIC)] == MAGIC:
        return _check_archive(path)
    content = load_json(path)
    if _is_list(content):
        return sum(_check_case(path.parent, case, content) for case in _cases(content))
    return belenios_files.check(path)


# --- archives ----------------------------------------------------------------------------------


def _check_archive(path: Path) -> int:
    data = path.read_bytes()
    assert write_archive(read_archive(data)) == data, "written otherwise than read"
    if _is_listed(path):
        return 1
    verdict = verify_archive(data)
    if _BAD_FOLDERS & set(path.parts):
        assert not verdict.is_valid, "accepted"
    else:
        assert verdict.is_valid, verdict.flaw
    return 2


def _is_listed(path: Path) -> bool:
    """Some list of cases above names the archive's folder."""
    for folder in path.parents:
        for manifest in folder.glob("*.json"):
            content = load_json(manifest)
            if _is_list(content) and any(
                folder / case["folder"] == path.parent for case in _cases(content)
            ):
                return True
    return False


# --- lists of cases ------------------------------------------------------------------------------


def _is_list(content: Any) -> bool:
    return isinstance(content, dict) and {"good", "bad"} <= set(content)


def _cases(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from content["good"]
    yield from content["bad"]


def _check_case(base: Path, case: dict[str, Any], content: dict[str, Any]) -> int:
    name = case["case"]
    verdict = verify_archive(_archive_of(base, case))
    if not case["must_be"].startswith("accepted"):
        _check_refused(name, verdict, case.get("belenios_tool_2_0", {}).get("message", ""))
        return 1
    assert verdict.is_valid, f"{name}: {verdict.flaw}"
    assert verdict.report is not None, name
    result = verdict.report.result
    assert (result and [list(row) for row in result]) == case["result"], f"{name}: {result}"
    if "prefix of " in case["must_be"]:
        whole = case["must_be"].rsplit(" ", 1)[1]
        later = next(other for other in content["good"] if other["case"] == whole)
        _check_is_prefix(name, _archive_of(base, case), _archive_of(base, later))
    return 1


def _check_refused(name: str, verdict: Verdict, message: str) -> None:
    assert isinstance(verdict.flaw, Flaw), f"{name}: accepted"
    for words, checks in _REASONS:
        if words in message:
            assert verdict.flaw.check in checks, f"{name}: refused for {verdict.flaw}"


def _check_is_prefix(name: str, earlier: bytes, later: bytes) -> None:
    first, second = read_archive(earlier), read_archive(later)
    flaw = check_prefix(first, second)
    assert flaw is None, f"{name}: {flaw}"
    assert check_prefix(second, first) is not None, f"{name}: prefix of its own beginning"


def _archive_of(base: Path, case: dict[str, Any]) -> bytes:
    found = [
        data
        for file in sorted((base / case["folder"]).iterdir())
        if file.is_file() and (data := file.read_bytes()).startswith(MAGIC)
    ]
    assert len(found) == 1, f"{case['case']}: {len(found)} archives in its folder"
    return found[0]


if __name__ == "__main__":
    main(replay)
