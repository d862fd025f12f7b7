"""The `beffroi` command: one entry for operators, scripts and the curious."""

import os
import sys

import click

from app.cli.demo.command import demo
from app.cli.energy import energy
from app.cli.errors import errors
from app.cli.node import node
from app.cli.openapi import openapi
from app.cli.projector import projector
from app.cli.proof import proof
from app.cli.qr import qr
from app.cli.up import up
from app.cli.votes import votes
from app.core.config import VARIABLES, ConfigError, load_config
from app.core.database import migrate as apply_migrations
from app.core.database import open_database


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("0.1.0", prog_name="beffroi")
def main() -> None:
    """The back end of a town's citizen app, on a chain that no single body can alter alone."""
    if sys.flags.optimize:
        raise click.ClickException("python -O drops the assertions the town relies on; run without")


@main.command()
def migrate() -> None:
    """Bring the database of DATABASE_URL up to date."""
    try:
        open_database(load_config(os.environ, need_token_keys=False).database_url)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    for name in apply_migrations():
        click.echo(f"applied {name}")


@main.command()
def config() -> None:
    """List the environment variables that the API, the projector and this command read."""
    for variable in VARIABLES:
        default = "" if variable.default is None else f" [{variable.default}]"
        click.echo(f"{variable.name}{default}\n    {variable.meaning}")


for command in (up, demo, node, projector, proof, qr, votes, energy, openapi, errors):
    main.add_command(command)
