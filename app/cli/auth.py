"""`beffroi auth factor-code`: lets the first agent enrol a second factor, where no supervisor can yet."""

import os
import re

import click

from app.auth.factors import make_factor_code
from app.core.config import ConfigError, load_config
from app.core.database import connected
from app.factory import create_app


@click.group()
def auth() -> None:
    """Who may log in."""


@auth.command("factor-code")
@click.argument("kid")
def factor_code(kid: str) -> None:
    """Print a code of one use with which the role key KID enrols a second factor; it lives a day."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", kid):
        raise click.ClickException("KID is the 43-character thumbprint of a role key")
    try:
        app = create_app(load_config(os.environ))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    with app.app_context(), connected():
        code, _ = make_factor_code(kid)
    click.echo(code)
