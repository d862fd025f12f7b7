"""`beffroi audit log` and `beffroi audit anchor`: the audit log held against what the chain says of it."""

import json
import os
import sys
from typing import Final

import click

from app.audit.service import LogVerdict, anchor, verify_log
from app.core.chain_client import ChainClient
from app.core.clock import choose_clock
from app.core.config import Config, ConfigError, load_config
from app.core.database import connected, open_database
from app.core.finality import FinalityWatcher
from app.core.problems import Problem
from app.core.relay import Relay

BROKEN_EXIT: Final = 1
UNREADABLE_EXIT: Final = 2


@click.command()
@click.option(
    "--body", default="", help="Whose gateway anchors the log (default: the configured one)."
)
@click.option("--json", "is_json", is_flag=True, help="Print the verdict as JSON.")
def log(body: str, is_json: bool) -> None:
    """Check every entry of the audit log against its seal and its anchors. Exit 1: broken, 2: unreadable."""
    config = _open()
    try:
        with connected():
            verdict = verify_log(ChainClient(config.node_urls), _holder(config, body))
    except Problem as problem:
        click.echo(f"cannot check: {problem}", err=True)
        sys.exit(UNREADABLE_EXIT)
    click.echo(json.dumps(verdict.as_json()) if is_json else _say(verdict))
    if not verdict.is_whole:
        sys.exit(BROKEN_EXIT)


@click.command("anchor")
def anchor_now() -> None:
    """Anchor the audit log's head on the chain now; the projector does so once a day by itself."""
    config = _open()
    if config.gateway_key is None:
        raise click.ClickException(
            "BEFFROI_GATEWAY_KEY_FILE is needed: the gateway signs the anchor"
        )
    clock = choose_clock(config)
    try:
        with connected():
            relay = Relay(ChainClient(config.node_urls), FinalityWatcher(), clock)
            sent = anchor(config, relay, clock.now_s())
    except Problem as problem:
        raise click.ClickException(str(problem)) from problem
    click.echo(
        "nothing to anchor" if sent is None else f"anchored in transaction {sent.transaction}"
    )


def _open() -> Config:
    try:
        config = load_config(os.environ, need_token_keys=False)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    open_database(config.database_url)
    return config


def _holder(config: Config, body: str) -> str:
    if body:
        return f"body:{body}"
    if config.gateway_key is None:
        raise click.ClickException(
            "name the gateway's body with --body, or set BEFFROI_GATEWAY_KEY_FILE"
        )
    return f"body:{config.gateway_key.body}"


def _say(verdict: LogVerdict) -> str:
    if verdict.is_whole:
        return (
            f"whole: {verdict.entries} entries, the first {verdict.anchored} anchored on the chain"
        )
    return f"BROKEN at entry {verdict.broken_at}: {verdict.what}"
