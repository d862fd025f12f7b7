"""`beffroi up`: a whole town on this machine until Ctrl-C; its state stays, so the next `up` continues.

Four validators, projector and API server are processes of their own, as in a real deployment; this command founds a
sample town on the first run, starts them, and says where things are.
"""

import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click

from app.auth.factors import put_passkey
from app.cli.demo.passkey import SoftPasskey
from app.cli.engine import EMBEDDED, ENGINES, engine_children
from app.cli.sample import load_sample
from app.cli.supervisor import Child, ChildFailed, Supervisor, is_answering, python
from app.cli.town import TownHome, found_town, node_urls, read_chain_id
from app.core.clock import is_insecure_genesis
from app.core.config import DEFAULT_HOME, load_config
from app.core.database import connected, migrate, open_database
from app.core.keyfiles import read_key_file
from app.core.projection import get_projector_state
from app.core.projector import HALTED_EXIT

WORKERS: Final = 2
THREADS: Final = 16
RELAY_PORT: Final = 8_100
"""Where the sample town's one relay listens; a real one has an address and a body of its own."""
KEYS_A_RELAY_HAS_NOT: Final = (
    "BEFFROI_TOKEN_KEY_FILES",
    "BEFFROI_GATEWAY_KEY_FILE",
    "BEFFROI_MASTER_KEY_FILE",
)
NODE_FAILED_EXIT: Final = 1
WEBHOOKS_FAILED_EXIT: Final = 1
"""Click's exit for a configuration that is wrong."""
VALIDATORS: Final = 4
"""The fewest that outlive a liar or a failure among them (n = 3f + 1)."""


@click.command()
@click.option("--home", default=DEFAULT_HOME, show_default=True, type=click.Path(path_type=Path))
@click.option("--port", default=8_000, show_default=True, type=click.IntRange(1, 65_535))
@click.option("--relay-port", default=RELAY_PORT, show_default=True, type=click.IntRange(1, 65_535))
@click.option("--node-port", default=26_657, show_default=True, type=click.IntRange(1, 65_535))
@click.option(
    "--validators",
    default=VALIDATORS,
    show_default=True,
    type=click.IntRange(1, 16),
    help="How many validators a new town gets, each of a body of its own.",
)
@click.option(
    "--engine",
    default=EMBEDDED,
    show_default=True,
    type=click.Choice(ENGINES),
    help="What orders the blocks; cometbft keeps its town in a folder of its own.",
)
@click.option("--no-sample", is_flag=True, help="Found the town without shops and citizens.")
def up(
    home: Path,
    port: int,
    relay_port: int,
    node_port: int,
    validators: int,
    engine: str,
    no_sample: bool,
) -> None:
    """Run a whole town on this machine; Ctrl-C stops it, its state is kept."""
    town = TownHome(home.resolve() if engine == EMBEDDED else home.resolve() / engine)
    with _only_one(town):
        _check_ports({"--port": port, "--relay-port": relay_port, "--node-port": node_port})
        is_fresh = not town.is_founded()
        if is_fresh:
            found_town(town, node_port=node_port, validators=validators, engine=engine)
            click.echo(f"founded the town {read_chain_id(town)} in {town.root}")
        supervisor = start_town(town, port=port, node_port=node_port, relay_port=relay_port)
        try:
            supervisor.start()
            if not no_sample:
                load_sample(f"http://127.0.0.1:{port}", town)
            _tell(town, port, relay_port)
            supervisor.watch()
        except ChildFailed as error:
            raise click.ClickException(str(error)) from error
        finally:
            click.echo("stopping…")
            supervisor.stop()
            click.echo(f"stopped; everything is kept in {town.root}")


def start_town(town: TownHome, *, port: int, node_port: int, relay_port: int) -> Supervisor:
    """A supervisor for a founded town, with SIGINT and SIGTERM leading to a clean stop."""
    environment = town.environment(node_port=node_port, api_port=port)
    environment |= {name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}
    config = load_config(environment)
    open_database(config.database_url)
    migrate()
    if is_insecure_genesis(config.genesis_file):
        _give_passkeys(town)
    supervisor = Supervisor(
        _children(town, port=port, node_port=node_port, relay_port=relay_port),
        environment=environment,
        logs=town.logs,
        say=click.echo,
    )

    def end(_number: int, _frame: FrameType | None) -> None:
        supervisor.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return supervisor


def _give_passkeys(town: TownHome) -> None:
    """Sample agents' passkeys come from their throw-away keys; a real agent enrols one with a code."""
    with connected():
        for file in sorted(town.keys.glob("*.json")):
            signer = read_key_file(file).signer
            passkey = SoftPasskey.of_agent(signer)
            put_passkey(
                signer.kid,
                credential_id=passkey.credential_id,
                public_key=passkey.cose_key,
                now_s=int(time.time()),
            )


def _children(town: TownHome, *, port: int, node_port: int, relay_port: int) -> list[Child]:
    ports = [node_port, *town.rpc_ports()[1:]]
    return [
        *(
            _validators(town, ports)
            if town.engine == EMBEDDED
            else engine_children(town.node_homes(), ports, clock_offset_file=town.clock_offset)
        ),
        Child(
            "projector",
            python("-m", "app.cli", "projector"),
            _is_projected,
            # f + 1 show each header (PROTOCOL §4); the others are there for when one lies or stalls.
            environment={"BEFFROI_NODE_URLS": node_urls(ports)},
            quiet_exits={
                HALTED_EXIT: "The projector caught the node in a lie and stopped: reading goes on, "
                "writing is refused."
            },
        ),
        Child(
            "api",
            python(
                "-m",
                "gunicorn",
                "--worker-class=gthread",
                f"--workers={WORKERS}",
                f"--threads={THREADS}",
                f"--bind=127.0.0.1:{port}",
                "--keep-alive=30",
                "--graceful-timeout=10",
                "--no-control-socket",
                "app.wsgi:application",
            ),
            lambda: is_answering(port, "/v1/health"),
        ),
        _webhooks(town),
        _relay(relay_port),
    ]


def _relay(port: int) -> Child:
    """Takes anonymous registrations and ballots; it must not be able to know what the API knows."""
    return Child(
        "relay",
        python("-m", "app.cli", "relay", "--port", str(port)),
        lambda: is_answering(port, "/health"),
        environment=dict.fromkeys(KEYS_A_RELAY_HAS_NOT, ""),
    )


def _webhooks(town: TownHome) -> Child:
    """Tells shops' endpoints; nobody waits for it. A town of trial keys may reach endpoints on this machine."""
    genesis = load_config(town.environment(node_port=0, api_port=0)).genesis_file
    trial = ("--allow-private",) if is_insecure_genesis(genesis) else ()
    return Child(
        "webhooks",
        python("-m", "app.cli", "webhooks", *trial),
        lambda: True,
        quiet_exits={
            WEBHOOKS_FAILED_EXIT: "Webhooks are not sent: the configuration lacks something; the town goes on."
        },
    )


def _validators(town: TownHome, ports: list[int]) -> list[Child]:
    """The first one is the API's: without it the town ends; each of the others may fail alone."""
    children = []
    for index, (home, port) in enumerate(zip(town.node_homes(), ports, strict=True)):
        is_first, is_last = index == 0, index == len(ports) - 1
        failed = f"Validator {home.name} found a consensus failure and stopped; the others go on."
        children.append(
            Child(
                home.name,
                python("-m", "chain.node", "--home", str(home)),
                lambda port=port: is_answering(port, "/health"),
                fatal_exits=frozenset({NODE_FAILED_EXIT} if is_first else ()),
                quiet_exits={} if is_first else {NODE_FAILED_EXIT: failed},
                starts_with_next=not is_last,
            )
        )
    return children


def _is_projected() -> bool:
    with connected():
        return get_projector_state() is not None


@contextmanager
def _only_one(town: TownHome) -> Iterator[None]:
    """One `up` per folder: two would start two nodes with one signing key."""
    try:
        town.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (town.root / "lock").open("w")
    except OSError as error:
        raise click.ClickException(
            f"{town.root} cannot be written ({error.strerror}); choose a folder of your own with --home"
        ) from error
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise click.ClickException(
                f"a town is already running in {town.root}; use that one, stop it with Ctrl-C where it was "
                "started, or run another beside it with --home, --port, --relay-port and --node-port"
            ) from error
        yield


def _check_ports(ports: Mapping[str, int]) -> None:
    """Raise ClickException for the first port, by its option, that somebody listens on."""
    for option, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise click.ClickException(
                    f"port {port} cannot be used ({error.strerror}): stop what listens there, or choose another "
                    f"with `{_me()} up {option} PORT`"
                ) from error


def _me() -> str:
    """How this command was called, so that what is printed can be typed again."""
    return sys.argv[0] if sys.argv[0].endswith("beffroi") else "beffroi"


def _tell(town: TownHome, port: int, relay_port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    click.echo(f"""
The town is up.
  API        {url}/v1/status
  relay      http://127.0.0.1:{relay_port}/health  (votes: anonymous registrations and ballots)
  keys       {town.keys}  (clerk-1, clerk-2, supervisor, operator, gateway, seat-…; throw-away keys)
  node RPC   {node_urls(town.rpc_ports())}  (loopback only)
  logs       {town.logs}
  database   {town.root / "town.db"} unless DATABASE_URL says otherwise
Next: `{_me()} demo` plays a day in a town of its own; openapi.yaml describes every route.
Ctrl-C stops everything; the same command continues where it stopped.
""")
