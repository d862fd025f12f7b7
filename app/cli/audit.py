"""`beffroi audit`: recompute from the chain's own blocks what the town says of itself; no node is believed."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from app.cli import audit_energy, audit_log, audit_rows
from app.core.chain_client import ChainClient
from app.core.projector import GenesisUnusable, read_genesis
from app.core.refusals import NodeUnavailable
from app.core.replay import ReplayedBlock, replay_chain
from app.core.verifier import NodeLied
from app.settlement.recount import BatchReport, Finding, Recount

EXIT_DIFFERS: Final = 1
EXIT_UNREADABLE: Final = 2


@click.group()
def audit() -> None:
    """Recompute rows, settlements and energy from the chain."""


audit.add_command(audit_rows.rows)
audit.add_command(audit_log.log)
audit.add_command(audit_energy.energy)
audit.add_command(audit_log.anchor_now)


@audit.command()
@click.option(
    "--node", "nodes", multiple=True, required=True, help="RPC address; repeat for witnesses."
)
@click.option(
    "--genesis", required=True, type=click.Path(path_type=Path), help="Trusted genesis file."
)
@click.option("--epoch", type=click.IntRange(min=1), help="Only this batch is shown and judged.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def settlement(nodes: tuple[str, ...], genesis: Path, epoch: int | None, is_json: bool) -> None:
    """Recompute every netting batch from block bodies and compare it with the chain's.

    Needs a node that keeps all blocks. Exit 0: all agree. 1: something differs, with what and at which height.
    2: no genesis, no node that answers, a node that lies, or no such batch.
    """
    try:
        doc = read_genesis(genesis)
        recount = recount_blocks(replay_chain(ChainClient(nodes), doc))
    except (GenesisUnusable, NodeUnavailable, NodeLied) as error:
        _fail(str(error) or type(error).__name__, is_json)
    chosen = [report for report in recount.reports if epoch in (None, report.epoch)]
    if epoch is not None and not chosen:
        _fail(f"no batch {epoch} on this chain", is_json)
    findings = [*recount.findings, *(found for report in chosen for found in report.findings)]
    _say(chosen, findings, is_json)
    sys.exit(EXIT_DIFFERS if findings else 0)


def recount_blocks(blocks: Iterable[ReplayedBlock]) -> Recount:
    """Hand every block to a fresh recount."""
    recount = Recount()
    for block in blocks:
        for done in block.transactions:
            recount.add_transaction(
                height=block.height, kind=done.kind, body=done.body, data=done.data
            )
        for entry in block.journal:
            recount.add_journal(height=block.height, entry=entry)
    return recount


def _fail(reason: str, is_json: bool) -> None:
    verdict = {"verdict": "unreadable", "reason": reason}
    click.echo(json.dumps(verdict, ensure_ascii=False) if is_json else f"unreadable: {reason}")
    sys.exit(EXIT_UNREADABLE)


def _say(reports: list[BatchReport], findings: list[Finding], is_json: bool) -> None:
    verdict = "differs" if findings else "agrees"
    if is_json:
        shown: dict[str, Any] = {
            "verdict": verdict,
            "batches": [
                {**asdict(report), "compression_percent": report.compression_percent}
                for report in reports
            ],
            "findings": [asdict(found) for found in findings],
        }
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for report in reports:
        click.echo(
            f"batch {report.epoch}, heights {report.from_height}-{report.to_height}: {report.shops} shops, "
            f"{report.legs} payments, {report.legs_cents} cents, {report.compression_percent} % less than pair by "
            f"pair, root {report.root}"
        )
    for found in findings:
        click.echo(f"height {found.height}: {found.code}: {found.detail}")
    click.echo(f"{verdict}: {len(reports)} batches")
