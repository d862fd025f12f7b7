"""`beffroi light verify`: is this height of the chain what its validators signed? Nothing a node says is believed.

Trust begins with a header hash (`--trust-height`, `--trust-hash`), with a genesis file, or with the store file of an
earlier run; one honest node among primary and witnesses is enough to be safe from the others.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from app.cli.trust import find_chain_id, find_root, keep_trusted, open_sources
from app.core.light_source import RpcLightSource, drive
from chain.codec.canonical import b64url_encode
from chain.codec.hashing import hash_header
from chain.light.bisection import Failure, Mode
from chain.light.bundle import Checkpoint, encode_checkpoint
from chain.light.client import LightClient, Outcome, TrustRoot, Verified
from chain.light.detector import Attack
from chain.light.verifier import TRUSTING_PERIOD_NS, TrustOptions
from chain.types.evidence import LightBlock
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp

EXIT_REFUSED: Final = 1
EXIT_UNREACHED: Final = 2
HOUR_NS: Final = 3_600 * NANOS_PER_SECOND


@click.group()
def light() -> None:
    """Follow the chain without trusting a node."""


@light.command()
@click.option("--primary", required=True, help="RPC address of the node that is asked first.")
@click.option("--witness", "witnesses", multiple=True, help="RPC address to compare with; repeat.")
@click.option("--height", type=click.IntRange(min=0), default=0, help="0: the newest block.")
@click.option("--trust-height", type=click.IntRange(min=1))
@click.option("--trust-hash", help="Header hash of that height, 64 hexadecimal digits.")
@click.option("--genesis", type=click.Path(path_type=Path), help="Begin with its validators.")
@click.option("--store", type=click.Path(path_type=Path), help="Keeps the newest trusted block.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Write it for `proof verify`.")
@click.option("--trusting-hours", type=click.IntRange(min=1), help="Default: 14 days.")
@click.option("--sequential", is_flag=True, help="Verify every header instead of leaping.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def verify(
    primary: str,
    witnesses: tuple[str, ...],
    height: int,
    trust_height: int | None,
    trust_hash: str | None,
    genesis: Path | None,
    store: Path | None,
    checkpoint: Path | None,
    trusting_hours: int | None,
    sequential: bool,
    is_json: bool,
) -> None:
    """Verify a height (or the newest) by the validators' signatures.

    Exit 0: verified. 1: refused, or an attack, whose evidence was sent. 2: no trust to begin with, or no node
    that answers.
    """
    sources = open_sources((primary, *witnesses))
    try:
        root = find_root(store, trust_height, trust_hash, genesis)
        chain_id = find_chain_id(root, sources[primary])
        period_ns = TRUSTING_PERIOD_NS if trusting_hours is None else trusting_hours * HOUR_NS
        client = LightClient(
            chain_id,
            primary,
            witnesses,
            TrustOptions(trusting_period_ns=period_ns),
            Mode.SEQUENTIAL if sequential else Mode.SKIPPING,
        )
        outcome = _run(client, root, height, sources)
        shown, code = _describe(outcome, client, sources)
        if isinstance(outcome, Verified):
            try:
                _write(client, outcome.block, store, checkpoint)
            except OSError as error:
                raise click.UsageError(f"verified, but not written: {error}") from error
    finally:
        for source in sources.values():
            source.close()
    _say(shown, is_json)
    sys.exit(code)


def _run(
    client: LightClient, root: TrustRoot, height: int, sources: dict[str, RpcLightSource]
) -> Outcome:
    def note(source: str, wanted: int) -> None:
        click.echo(f"{source}: header {wanted or 'newest'}", err=True)

    outcome = drive(client.begin(root), sources, time.sleep, note)
    if not isinstance(outcome, Verified):
        return outcome
    now = Timestamp.from_ns(time.time_ns())
    steps = client.verify_height(height, now) if height else client.verify_latest(now)
    return drive(steps, sources, time.sleep, note)


def _describe(
    outcome: Outcome, client: LightClient, sources: dict[str, RpcLightSource]
) -> tuple[dict[str, Any], int]:
    fetched = {url: source.fetched for url, source in sources.items()}
    dropped = [{"source": url, "reason": reason} for url, reason in client.removed]
    more: dict[str, Any] = {"fetched": fetched, "dropped": dropped}
    if isinstance(outcome, Verified):
        header = outcome.block.signed_header.header
        shown = {
            "verdict": "verified",
            "chain_id": header.chain_id,
            "height": header.height,
            "time": header.time.to_rfc3339(),
            "header_hash": hash_header(header).hex(),
            "app_hash": header.app_hash.hex(),
            "steps": len(outcome.trace) - 1,
            "witnesses": len(client.witnesses),
        }
        if not client.witnesses:
            shown["warning"] = "no witness was compared: a third of the power could deceive you"
        return shown | more, 0
    if isinstance(outcome, Failure):
        shown = {"verdict": "refused", "height": outcome.height, "reason": outcome.reason}
        return shown | more, EXIT_UNREACHED if outcome.is_benign else EXIT_REFUSED
    return _report(outcome, sources) | more, EXIT_REFUSED


def _report(attack: Attack, sources: dict[str, RpcLightSource]) -> dict[str, Any]:
    """Send evidence both ways: full nodes know which of the two chains is theirs."""
    sent = []
    for report in attack.reports:
        said = sources[report.to].report(report.evidence)
        sent.append({"to": report.to, "common_height": report.evidence.common_height, "said": said})
    return {
        "verdict": "attack",
        "reason": f"{attack.primary} and {attack.witness} show two chains, both well signed",
        "evidence": sent,
    }


def _write(
    client: LightClient, block: LightBlock, store: Path | None, checkpoint: Path | None
) -> None:
    if store is not None:
        keep_trusted(client, store)
    if checkpoint is not None:
        checkpoint.write_bytes(encode_checkpoint(_checkpoint(block)))


def _checkpoint(block: LightBlock) -> Checkpoint:
    header = block.signed_header.header
    return Checkpoint(
        chain_id=header.chain_id,
        format="beffroi-checkpoint-1",
        header_hash=b64url_encode(hash_header(header)),
        height=header.height,
        next_validators_hash=b64url_encode(header.next_validators_hash),
        time=header.time.to_rfc3339(),
        validators_hash=b64url_encode(header.validators_hash),
    )


def _say(shown: dict[str, Any], is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for name, value in shown.items():
        click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
