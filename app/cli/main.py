"""The `beffroi` command: one entry for operators, scripts and the curious.

A subcommand's module is imported when it is called: checking an archive must not wait for Flask.
"""

import sys
from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "up": "app.cli.up:up",
    "demo": "app.cli.demo.command:demo",
    "node": "app.cli.node:node",
    "abci": "app.cli.abci:abci",
    "council": "app.cli.council:council",
    "projector": "app.cli.projector:projector",
    "relay": "app.cli.relay:relay",
    "light": "app.cli.light:light",
    "auth": "app.cli.auth:auth",
    "audit": "app.cli.audit:audit",
    "proof": "app.cli.proof:proof",
    "qr": "app.cli.qr:qr",
    "voucher": "app.cli.voucher:voucher",
    "webhooks": "app.cli.webhooks:webhooks",
    "votes": "app.cli.votes:votes",
    "trustee": "app.cli.trustee.command:trustee",
    "registrar": "app.cli.registrar.command:registrar",
    "energy": "app.cli.energy:energy",
    "electoral": "app.cli.electoral:electoral",
    "openapi": "app.cli.openapi:openapi",
    "errors": "app.cli.errors:errors",
    "register": "app.cli.register:register",
    "migrate": "app.cli.database:migrate",
    "config": "app.cli.database:config",
}


class LazyGroup(click.Group):
    """A group that imports the module of a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("0.1.0", prog_name="beffroi")
def main() -> None:
    """The back end of a town's citizen app, on a chain that no single body can alter alone."""
    if sys.flags.optimize:
        raise click.ClickException("python -O drops the assertions the town relies on; run without")
