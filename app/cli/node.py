"""`beffroi node`: makes and runs one validator; a thin wrapper of `chain.node`."""

import json
import sys
import time
from pathlib import Path

import click

from app.cli.town import write_testnet
from app.core.keyfiles import KeyFileError
from chain.node.config import NodeConfig
from chain.node.errors import ConfigError
from chain.node.home import init_home
from chain.node.main import main as run_node
from chain.types.timestamp import Timestamp


@click.group()
def node() -> None:
    """Run a validator of the chain."""


@node.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--chain-id", required=True)
@click.option(
    "--app-state",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON of the town's first state: bodies, validators, roles, params.",
)
@click.option("--seed-file", type=click.Path(exists=True, path_type=Path), help="Validator seed.")
@click.option("--rpc-port", default=26_657, show_default=True, type=click.IntRange(1, 65_535))
def init(home: Path, chain_id: str, app_state: Path, seed_file: Path | None, rpc_port: int) -> None:
    """Make a node's home: keys, genesis, settings. Never overwrites one."""
    try:
        made = init_home(
            home,
            chain_id=chain_id,
            app_state=json.loads(app_state.read_text(encoding="utf-8")),
            genesis_time=Timestamp.from_ns(time.time_ns()),
            config=NodeConfig(rpc_port=rpc_port),
            validator_seed=None if seed_file is None else seed_file.read_bytes(),
        )
    except (ConfigError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"node home: {made.root}")
    click.echo(f"genesis:   {made.genesis_file}")
    click.echo(f"next:      beffroi node start --home {made.root}")


@node.command()
@click.option("--v", "count", default=4, show_default=True, type=click.IntRange(1, 100))
@click.option("--o", "folder", required=True, type=click.Path(path_type=Path))
@click.option(
    "--hosts",
    default="",
    help="Where the nodes will run, comma-separated, one each; all on this machine when absent.",
)
@click.option("--rpc-port", default=26_657, show_default=True, type=click.IntRange(1, 65_000))
@click.option("--p2p-port", default=26_700, show_default=True, type=click.IntRange(1, 65_000))
def testnet(count: int, folder: Path, hosts: str, rpc_port: int, p2p_port: int) -> None:
    """Make homes of several validators that know each other: node0, node1, … and the town's keys."""
    names = [name.strip() for name in hosts.split(",") if name.strip()] or ["127.0.0.1"] * count
    if len(names) != count:
        raise click.ClickException(f"--hosts names {len(names)} hosts for {count} validators")
    try:
        chain_id, homes = write_testnet(folder, hosts=names, rpc_port=rpc_port, p2p_port=p2p_port)
    except (ConfigError, KeyFileError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"chain {chain_id}, keys in {folder / 'keys'}")
    for home in homes:
        click.echo(f"beffroi node start --home {home}")


@node.command()
@click.option("--home", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--quiet", is_flag=True, help="Log warnings and errors only.")
def start(home: Path, quiet: bool) -> None:
    """Run the node until SIGTERM or Ctrl-C. Exit 1: consensus failure."""
    sys.exit(run_node(["--home", str(home), *(["--quiet"] if quiet else [])]))
