"""`beffroi abci`: the town behind an ABCI socket, for CometBFT; a thin wrapper of `chain.node.abci`."""

import sys
from pathlib import Path

import click

from chain.node.abci import DEFAULT_ADDRESS
from chain.node.abci import main as run_application


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path), help="Folder of the state.")
@click.option(
    "--address", default=DEFAULT_ADDRESS, show_default=True, help="tcp://host:port or unix:///path"
)
@click.option("--signer", default="", help="Sign for the engine that waits there (unix:///path).")
@click.option("--chain-id", default="", help="The only chain that --signer signs for.")
@click.option(
    "--clock-offset-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Seconds to shift the clock by; obeyed only in an insecure town.",
)
@click.option("--quiet", is_flag=True, help="Log warnings and errors only.")
def abci(
    home: Path,
    address: str,
    signer: str,
    chain_id: str,
    clock_offset_file: Path | None,
    quiet: bool,
) -> None:
    """Serve the town's application to CometBFT until SIGTERM. Exit 1: broken invariant, 2: not started."""
    arguments = ["--home", str(home), "--address", address]
    if signer:
        arguments += ["--signer", signer, "--chain-id", chain_id]
    if clock_offset_file is not None:
        arguments += ["--clock-offset-file", str(clock_offset_file)]
    sys.exit(run_application([*arguments, *(["--quiet"] if quiet else [])]))
