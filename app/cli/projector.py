"""`beffroi projector`: keeps SQL at the last provable block; `rebuild` empties and fills it again."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

import click
import structlog

from app.audit.service import anchor_if_due
from app.core.chain_client import ChainClient
from app.core.clock import choose_clock
from app.core.config import Config, ConfigError, load_config
from app.core.database import migrate, open_database
from app.core.finality import FinalityWatcher
from app.core.logs import configure_logging
from app.core.onlyone import DatabaseHeld, hold
from app.core.problems import NodeUnavailable, Problem
from app.core.projector import HALTED_EXIT, GenesisUnusable, Projector, read_genesis
from app.core.relay import Relay
from app.core.verifier import NODE_PRUNED, NodeLied
from app.core.wakeup import BlockWakeup
from app.votes import complaints, rolls
from app.wiring import build_projections

LOOK_FOR_ANCHOR_EVERY_S: Final = 600
"""A day's anchor is at most this late."""
_log = structlog.get_logger("app.projector")


@click.group(invoke_without_command=True)
@click.pass_context
def projector(context: click.Context) -> None:
    """Follow the chain into SQL, verifying every block. Exit 3: the node lied."""
    configure_logging()
    if context.invoked_subcommand is None:
        _run(_follow)


@projector.command()
def rebuild() -> None:
    """Empty the projected tables and fill them again from the chain."""
    _run(_rebuild)


def _run(act: Callable[[Config, ChainClient, Projector], None]) -> None:
    try:
        config = load_config(os.environ, need_token_keys=False)
        open_database(config.database_url)
        migrate()
        chain = ChainClient(config.node_urls)
        made = Projector(chain, read_genesis(config.genesis_file), build_projections())
        with hold(config.database_url, "projector"):
            act(config, chain, made)
    except DatabaseHeld as error:
        raise click.ClickException(
            "another projector is at work with this database; let it end, or stop it, then start this one again"
        ) from error
    except (ConfigError, GenesisUnusable, NodeUnavailable) as error:
        raise click.ClickException(str(error)) from error
    except NodeLied as lie:
        if lie.code == NODE_PRUNED:
            click.echo(f"STOPPED: {lie.code}: {lie.detail}", err=True)
            click.echo(
                'Next: add an archive node ([storage] retain = "archive") to BEFFROI_NODE_URLS and start again,\n'
                "or restore a copy of SQL that is newer than what the nodes keep.",
                err=True,
            )
        else:
            click.echo(f"STOPPED: the node lied: {lie.code}: {lie.detail}", err=True)
            click.echo(
                "SQL holds what was verified before; inquire before you start again.", err=True
            )
        sys.exit(HALTED_EXIT)


def _follow(config: Config, chain: ChainClient, made: Projector) -> None:
    relay = Relay(chain, FinalityWatcher(), choose_clock(config))
    stop = threading.Event()
    with BlockWakeup(config.node_urls[0]) as wakeup:

        def end(_number: int, _frame: FrameType | None) -> None:
            stop.set()
            wakeup.wake()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        made.run(stop, wakeup, every_second=_Chores(config, relay))


class _Chores:
    """What the projector does beside following, about every second; all of it may fail and come again."""

    def __init__(self, config: Config, relay: Relay) -> None:
        self._config, self._relay = config, relay
        self._clock = choose_clock(config)
        self._looked_at_s = 0

    def __call__(self) -> None:
        self._relay.resend()
        now_s = self._clock.now_s()
        complaints.anchor_quietly(self._config, self._relay, now_s)
        if abs(now_s - self._looked_at_s) >= LOOK_FOR_ANCHOR_EVERY_S:
            self._looked_at_s = now_s
            complaints.forget_after_appeals(now_s)
            rolls.forget_after_appeals(now_s)
            try:
                anchor_if_due(self._config, self._relay, now_s)
            except Problem as problem:
                _log.warning("anchor", code=problem.code.name)


def _rebuild(_config: Config, _chain: ChainClient, made: Projector) -> None:
    height = made.rebuild()
    click.echo(f"rebuilt up to height {height}")
