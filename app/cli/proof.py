"""`beffroi proof verify`: does a bundle hold, given a checkpoint? Offline; reads two files and nothing else."""

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from chain.codec.errors import DecodeError
from chain.light.bundle import BundleVerdict, ProvedFacts, parse_checkpoint, verify_bundle
from chain.types.codes import get_code
from chain.types.timestamp import Timestamp

EXIT_INVALID: Final = 1
EXIT_UNREADABLE: Final = 2


@click.group()
def proof() -> None:
    """Check what the town hands out."""


@proof.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--checkpoint", required=True, type=click.Path(path_type=Path))
@click.option("--at", "at_s", type=int, help="Judge the checkpoint's age at this unix time.")
@click.option("--any-age", is_flag=True, help="Take the checkpoint as vouched for today.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def verify(bundle: Path, checkpoint: Path, at_s: int | None, any_age: bool, is_json: bool) -> None:
    """Verify BUNDLE (or a receipt that carries one) against a checkpoint file.

    Exit 0: valid. 1: it proves nothing, with the reason. 2: a file cannot be read.
    """
    try:
        raw = _read_bundle(bundle)
        trusted = parse_checkpoint(checkpoint.read_bytes())
    except (OSError, DecodeError, ValueError, RecursionError) as error:
        _say({"verdict": "unreadable", "reason": tell_unreadable(error)}, is_json)
        sys.exit(EXIT_UNREADABLE)
    now = None if any_age else Timestamp(int(time.time()) if at_s is None else at_s)
    verdict = verify_bundle(raw, trusted, now)
    _say(_describe(verdict), is_json)
    sys.exit(0 if verdict.valid else EXIT_INVALID)


def tell_unreadable(error: Exception) -> str:
    """What is wrong with a file, for a person: no numbers of the operating system's errors."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    return str(error)


def _read_bundle(path: Path) -> bytes:
    """The bundle itself, or the `proof` member of a receipt."""
    raw = path.read_bytes()
    value = json.loads(raw)
    if isinstance(value, dict) and "format" not in value and isinstance(value.get("proof"), dict):
        return json.dumps(value["proof"]).encode()
    return raw


def _describe(verdict: BundleVerdict) -> dict[str, Any]:
    if verdict.facts is None:
        return {"verdict": "invalid", "reason": str(verdict.flaw), "detail": verdict.detail}
    return {"verdict": "valid", **_facts(verdict.facts)}


def _facts(facts: ProvedFacts) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "chain_id": facts.chain_id,
        "height": facts.height,
        "time": facts.time.to_rfc3339(),
        "header_hash": facts.header_hash.hex(),
    }
    if facts.tx is not None:
        shown["transaction"] = facts.tx.decode("utf-8", "replace")
    if facts.result is not None:
        code = get_code(facts.result.code)
        shown["code"] = "ok" if facts.result.code == 0 else code.name if code else "unknown"
        shown["data"] = _json_or_base64(facts.result.data)
    if facts.namespace:
        shown["namespace"] = facts.namespace
        shown["record_id"] = facts.record_id.decode("utf-8", "backslashreplace")
        shown["record"] = None if facts.record is None else _json_or_base64(facts.record)
    return shown


def _json_or_base64(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"null")
    except ValueError:
        return base64.b64encode(raw).decode()


def _say(shown: dict[str, Any], is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for name, value in shown.items():
        click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
