"""`beffroi migrate` and `beffroi config`: what an operator does before the first start."""

import os

import click

from app.core.config import VARIABLES, ConfigError, load_config
from app.core.database import migrate as apply_migrations
from app.core.database import open_database


@click.command()
def migrate() -> None:
    """Bring the database of DATABASE_URL up to date."""
    try:
        open_database(load_config(os.environ, need_token_keys=False).database_url)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    applied = apply_migrations()
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to apply: the database is up to date")


@click.command()
def config() -> None:
    """List the environment variables that the API, the projector and this command read."""
    for variable in VARIABLES:
        default = "" if variable.default is None else f" [{variable.default}]"
        click.echo(f"{variable.name}{default}\n    {variable.meaning}")
