"""`beffroi node`: makes and runs one validator; a thin wrapper of `chain.node`."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import click
import msgspec

from app.cli.council import JOIN_FILE, join_acts, leave_acts
from app.cli.engine import EMBEDDED, ENGINES, run_engine
from app.cli.town import count_ports, write_testnet
from app.core.keyfiles import KeyFileError, read_key_file
from chain.node.approval import (
    SIGNATURES_FILE,
    approve_genesis,
    check_approval,
    install_signatures,
    judge_by_own_council,
)
from chain.node.cometbft import EngineHome, is_engine_home
from chain.node.config import NodeConfig, P2PConfig
from chain.node.errors import ConfigError
from chain.node.exporting import export_genesis, render_genesis
from chain.node.failure import HOME_REFUSALS
from chain.node.home import Home, init_home, join_home, load_genesis, load_node_id
from chain.node.inspection import Findings, inspect
from chain.node.main import main as run_node
from chain.node.moving import export_engine_genesis, move_home
from chain.node.reset import reset_home
from chain.node.rollback import roll_back
from chain.town.schemas import CouncilAct, CouncilActs
from chain.types.timestamp import Timestamp


@click.group()
def node() -> None:
    """Run a validator of the chain."""


@node.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--chain-id", help="Of a new chain.")
@click.option(
    "--app-state",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of a new chain: JSON of the town's first state: bodies, validators, roles, nodes, params.",
)
@click.option("--seed-file", type=click.Path(exists=True, path_type=Path), help="Validator seed.")
@click.option("--rpc-port", default=26_657, show_default=True, type=click.IntRange(1, 65_535))
@click.option(
    "--join",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Genesis of a chain to join; prints the act that the council signs.",
)
@click.option("--body", default="", help="With --join: the body that runs the node.")
@click.option("--power", default=10, show_default=True, type=click.IntRange(0, 1_000_000))
@click.option("--address", default="", help="With --join: host:port where others reach the node.")
@click.option("--listen", default="0.0.0.0", show_default=True, help="With --address: interface.")  # noqa: S104  # a default that operators see
def init(
    home: Path,
    chain_id: str | None,
    app_state: Path | None,
    seed_file: Path | None,
    rpc_port: int,
    join: Path | None,
    body: str,
    power: int,
    address: str,
    listen: str,
) -> None:
    """Make a node's home: keys, genesis, settings. Never overwrites one.

    Of a new chain with --chain-id and --app-state; of a chain that runs with --join and --body.
    """
    try:
        if join is not None:
            _join(home, join, _joining_config(rpc_port, address, listen), body, power, address)
            return
        if chain_id is None or app_state is None:
            raise ConfigError(
                "config_init", "give --chain-id and --app-state, or --join and --body"
            )
        made = init_home(
            home,
            chain_id=chain_id,
            app_state=json.loads(app_state.read_text(encoding="utf-8")),
            genesis_time=Timestamp.from_ns(time.time_ns()),
            config=NodeConfig(rpc_port=rpc_port),
            validator_seed=None if seed_file is None else seed_file.read_bytes(),
        )
    except (ConfigError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"node home: {made.root}")
    click.echo(f"genesis:   {made.genesis_file}")
    click.echo(f"next:      beffroi node start --home {made.root}")


def _joining_config(rpc_port: int, address: str, listen: str) -> NodeConfig:
    """Settings of a joining node; without an address it listens on loopback only, and dials."""
    host, colon, port = address.rpartition(":")
    if address and not (host and colon and port.isdigit()):
        raise ConfigError("config_act", f"--address {address!r} is not host:port")
    p2p = P2PConfig(listen, int(port)) if address else P2PConfig("127.0.0.1", 26_656)
    return NodeConfig(rpc_port=rpc_port, p2p=p2p)


def _join(
    root: Path, genesis: Path, config: NodeConfig, body: str, power: int, address: str
) -> None:
    made = join_home(root, genesis.read_bytes(), config)
    acts = join_acts(made, body=body, power=power, address=address)
    file = made.config / JOIN_FILE
    file.write_text(json.dumps(acts, indent=2) + "\n", encoding="utf-8")
    click.echo(f"node home: {made.root}")
    click.echo(f"act:       {file}")
    click.echo(json.dumps(acts, indent=2))
    click.echo(
        "next:      1. more than two thirds of the council's seats sign it: "
        f"beffroi council sign {file} --genesis {made.genesis_file} --seat SEAT.json --o join.tx"
    )
    click.echo(
        "           2. hand it in at POST /v1/city/acts; it is in force after council_delay_s"
    )
    click.echo(
        f"           3. beffroi node start --home {made.root} (peers let it in from then on)"
    )


@node.command()
@click.option("--home", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--body", required=True, help="The body that runs the node.")
@click.option("--power", default=10, show_default=True, type=click.IntRange(0, 1_000_000))
@click.option("--address", default="", help="host:port where others reach the node.")
@click.option("--leave", is_flag=True, help="The act by which validator and node leave instead.")
def act(home: Path, body: str, power: int, address: str, leave: bool) -> None:
    """Print the council act that lets this node in (again), re-weighs it, or with --leave takes it off."""
    place = Home(home)
    try:
        if leave:
            acts = leave_acts(place, body=body, node_id=load_node_id(place))
        else:
            acts = join_acts(place, body=body, power=power, address=address)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(acts, indent=2))


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
@click.option(
    "--engine",
    default=EMBEDDED,
    show_default=True,
    type=click.Choice(ENGINES),
    help="cometbft: homes of real CometBFT nodes, the town behind each.",
)
def testnet(
    count: int, folder: Path, hosts: str, rpc_port: int, p2p_port: int, engine: str
) -> None:
    """Make homes of several validators that know each other: node0, node1, … and the town's keys."""
    names = [name.strip() for name in hosts.split(",") if name.strip()] or ["127.0.0.1"] * count
    if len(names) != count:
        raise click.ClickException(f"--hosts names {len(names)} hosts for {count} validators")
    if (folder / "keys").exists():
        raise click.ClickException(f"{folder / 'keys'} exists; a town's keys are never overwritten")
    try:
        chain_id, homes = write_testnet(
            folder,
            hosts=names,
            rpc_ports=count_ports(names, rpc_port),
            p2p_ports=count_ports(names, p2p_port),
            engine=engine,
        )
    except (ConfigError, KeyFileError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"chain {chain_id}, keys in {folder / 'keys'}")
    for home in homes:
        click.echo(f"beffroi node start --home {home}")


@node.command()
@click.option("--home", required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--height", default=0, type=click.IntRange(0), help="One of the last 128; the newest."
)
@click.option("--chain-id", default="", help="Name of the new chain; the old one counted up.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="A new file.")
@click.option(
    "--acts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Acts on validators and nodes in force from the start: recovery when a third of the power is lost.",
)
def export(home: Path, height: int, chain_id: str, output: Path, acts: Path | None) -> None:
    """Write a stopped node's town as the genesis of a new chain. Every node gives the same bytes."""
    if output.exists():
        raise click.ClickException(f"{output} exists; it is never overwritten")
    if not output.parent.is_dir():  # said before the work, not after it
        raise click.ClickException(f"{output.parent} is no folder")
    with _refusals():
        wanted = () if acts is None else _read_acts(acts)
        if is_engine_home(home):
            if height:
                raise ConfigError("export_height", "behind CometBFT only the newest height")
            doc = export_engine_genesis(EngineHome(home), chain_id=chain_id, acts=wanted)
        else:
            doc = export_genesis(Home(home), height=height, chain_id=chain_id, acts=wanted)
        raw = render_genesis(doc)
        output.write_bytes(raw)
    click.echo(f"genesis of {doc.chain_id}, from height {doc.initial_height}: {output}")
    click.echo(f"sha256    {sha256(raw).hexdigest()}  compare it with the other nodes'")
    click.echo(f"app hash  {doc.app_hash.hex()}")
    if not height:
        click.echo(
            f"note:     where an API follows this chain, export --height {doc.initial_height - 2} instead: its\n"
            "          rows can move only at a height that a later block proves"
        )
    click.echo("next:     more than two thirds of the council's seats sign it:")
    click.echo(f"          beffroi node sign-genesis {output} --seat SEAT.json")
    click.echo("          then, on every node,")
    click.echo(f"          beffroi node reset --home {home} --genesis {output}")


@node.command()
@click.option("--home", required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--genesis",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What `beffroi node export` wrote, the same file for every node.",
)
@click.option("--engine", required=True, type=click.Choice(ENGINES))
@click.option("--o", "target", required=True, type=click.Path(path_type=Path), help="A new folder.")
def move(home: Path, genesis: Path, engine: str, target: Path) -> None:
    """Make this validator's home for the other engine: same keys, ports and peers, on an exported genesis."""
    with _refusals():
        doc = move_home(home, genesis.read_bytes(), target, engine)
    click.echo(f"home of {doc.chain_id} for the {engine} engine: {target}")
    click.echo(f"never start {home} again; next: beffroi node start --home {target}")


def _read_acts(file: Path) -> tuple[CouncilAct, ...]:
    """Acts as `beffroi node act` prints them; raises ConfigError."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=CouncilActs).acts
    except msgspec.MsgspecError as error:
        raise ConfigError("config_act", f"{file}: {error}") from error


@node.command("sign-genesis")
@click.argument("genesis", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--seat",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Key file of a council seat.",
)
def sign_genesis(genesis: Path, seat: Path) -> None:
    """Add a seat's signature over a recovery genesis to the file beside it, `….signatures.json`."""
    with _refusals():
        done = approve_genesis(genesis, read_key_file(seat).signer)
    click.echo(f"sha256    {sha256(genesis.read_bytes()).hexdigest()}")
    click.echo(f"written   {done.file}")
    click.echo(done.missing or f"approved: put it beside genesis.json as {SIGNATURES_FILE}")


@node.command()
@click.option("--home", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--hard", is_flag=True, help="Remove the last block as well.")
def rollback(home: Path, hard: bool) -> None:
    """Take a stopped node's state, and its application's, back by one height."""
    with _refusals():
        done = roll_back(Home(home), hard=hard)
    what = "state and block" if done.is_block_removed else "state"
    click.echo(f"rolled back {what} to height {done.height}, app hash {done.app_hash.hex()}")
    again = "fetches the block again" if done.is_block_removed else "executes the last block again"
    click.echo(f"next: beffroi node start --home {home}   ({again})")


@node.command()
@click.option("--home", required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--genesis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Join the chain of this exported genesis.",
)
@click.option("--unsafe-forget-signer", is_flag=True, help="Also forget what this key signed.")
def reset(home: Path, genesis: Path | None, unsafe_forget_signer: bool) -> None:
    """Remove a stopped node's blocks and state; keys, settings and the signer's position stay."""
    with _refusals():
        signatures = b"" if genesis is None else judge_by_own_council(Home(home), genesis)
        if unsafe_forget_signer:
            _confirm_forgetting(Home(home))
        last = reset_home(
            Home(home),
            forget_signer=unsafe_forget_signer,
            genesis=b"" if genesis is None else genesis.read_bytes(),
        )
    if signatures:
        install_signatures(Home(home), signatures)
        click.echo("the council's signatures hold by this node's own last state")
    click.echo(f"removed all blocks and state of {home}")
    click.echo(
        f"signer: signs nothing at or before height {last.height}, round {last.round}, step {last.step}"
    )
    click.echo(f"next: beffroi node start --home {home}   (fetches the chain from its peers)")


def _confirm_forgetting(home: Home) -> None:
    """Make the operator type the chain's name: a copied command line must not do this."""
    chain_id = load_genesis(home).doc.chain_id
    click.echo(
        "This key may then sign a second time what it signed before: its power is lost when peers see\n"
        f"both. Only for a chain that nobody runs any more. The chain is {chain_id}."
    )
    if click.prompt("Type its name to go on") != chain_id:
        raise click.ClickException("nothing was changed")


@contextmanager
def _refusals() -> Iterator[None]:
    """Coded refusals of the node's house, and files that cannot be read or written, as one line and exit status 1."""
    try:
        yield
    except (*HOME_REFUSALS, KeyFileError) as error:
        code = getattr(error, "code", "")
        text = str(error)
        raise click.ClickException(text if text.startswith(code) else f"{code}: {text}") from error
    except OSError as error:
        raise click.ClickException(f"os_error: {error}") from error


@node.command()
@click.option("--home", required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--tail", default=10, show_default=True, type=click.IntRange(0, 10_000), help="Log records."
)
@click.option("--full", is_flag=True, help="Also read every row of the store and check its seal.")
@click.option("--json", "is_json", is_flag=True)
def doctor(home: Path, tail: int, full: bool, is_json: bool) -> None:
    """Say what a home holds and what a start would do. Changes nothing. Exit 1: it would not start."""
    with _refusals():
        found = inspect(Home(home), tail=tail, is_full=full)
    if is_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        _show(found)
    sys.exit(1 if found.refusal or found.damaged_rows > 0 else 0)


def _show(found: Findings) -> None:
    same = "" if found.is_app_hash_same else "   NOT the chain state's"
    free_mib, store_mib = found.free_bytes >> 20, found.store_bytes >> 20
    click.echo(f"chain        {found.chain_id}{'   a node runs on it' if found.is_running else ''}")
    click.echo(f"blocks       {found.store_base} to {found.store_height}")
    click.echo(f"chain state  height {found.state_height}")
    click.echo(f"application  height {found.app_height}, app hash {found.app_hash[:16]}{same}")
    click.echo(f"signer       {found.signer}")
    click.echo(f"log          {found.log_records} records, {found.log_bytes} bytes")
    click.echo(f"store        {store_mib} MiB, {free_mib} MiB free")
    if found.damaged_rows >= 0:
        click.echo(f"seals        {found.damaged_rows} of all rows damaged")
    for line in found.log_tail:
        click.echo(f"  {line}")
    click.echo(f"a start would{'' if not found.refusal else f' not go ({found.refusal})'}:")
    for step in found.would:
        click.echo(f"  {step}")


@node.command()
@click.option("--home", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--quiet", is_flag=True, help="Log warnings and errors only.")
@click.option("--recovery", is_flag=True, help="Refuse a genesis that the council did not sign.")
def start(home: Path, quiet: bool, recovery: bool) -> None:
    """Run the node until SIGTERM or Ctrl-C. Exit 1: consensus failure. A CometBFT home starts both processes."""
    if is_engine_home(home):
        with _refusals():
            check_approval(Home(home), is_required=recovery)
        run_engine(home)
        return
    flags = [*(["--quiet"] if quiet else []), *(["--recovery"] if recovery else [])]
    sys.exit(run_node(["--home", str(home), *flags]))
