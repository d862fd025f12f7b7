"""`beffroi relay`: one body's relay of anonymous transactions, until SIGTERM.

Needs no database, no token key and no key of any kind: it must not be able to know who is who.
"""

import os
from pathlib import Path
from typing import Final

import click

from app.core.config import ConfigError, load_config
from app.core.logs import configure_logging
from app.relay.server import run_relay

FILE: Final = "relay.db"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8_100, show_default=True, type=click.IntRange(1, 65_535))
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"What is held until its round (default: {FILE} in BEFFROI_HOME).",
)
def relay(host: str, port: int, path: Path | None) -> None:
    """Take registrations and ballots from voters, pass them on in sorted rounds, remember nobody.

    Reads BEFFROI_NODE_URLS, BEFFROI_HOME and BEFFROI_TRUSTED_PROXIES. Put it behind TLS under an address of its own, on
    a machine city hall does not run, in front of this body's own nodes; switch the proxy's access log off.
    """
    configure_logging(quiet=True)
    try:
        config = load_config(os.environ, need_token_keys=False)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error

    run_relay(config, host=host, port=port, path=path or config.home / FILE)
