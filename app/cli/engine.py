"""The other engine: a sample town on real CometBFT nodes, each with the town's application behind it."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

import click

from app.cli.supervisor import (
    Child,
    ChildFailed,
    Supervisor,
    is_answering,
    is_listening,
    python,
)
from chain.limits import COMETBFT_TIMEOUT_COMMIT_MS
from chain.node.cometbft import (
    COMETBFT_VERSION,
    EngineConfig,
    EngineHome,
    EngineMember,
    application_command,
    find_cometbft,
    read_rpc_port,
)
from chain.node.config import NodeConfig
from chain.node.errors import ConfigError
from chain.node.testnet import Member

EMBEDDED: Final = "embedded"
COMETBFT: Final = "cometbft"
ENGINES: Final = (EMBEDDED, COMETBFT)


def engine_member(member: Member, *, is_town_signer: bool = False) -> EngineMember:
    """The same validator for CometBFT: its home, key, power and ports; signed for by the application if asked."""
    own: NodeConfig = member.config
    config = EngineConfig(
        moniker=own.moniker,
        rpc_host=own.rpc_host,
        rpc_port=own.rpc_port,
        p2p_host=member.p2p_host,
        p2p_port=member.p2p_port,
        timeouts=replace(own.timeouts, commit_s=COMETBFT_TIMEOUT_COMMIT_MS / 1_000),
        empty_interval_s=own.pacing.empty_interval_s,
        is_town_signer=is_town_signer,
    )
    return EngineMember(member.root, member.validator_seed, config, member.power, member.node_seed)


def program() -> Path:
    """CometBFT's program; raises ConfigError that says how to get it."""
    found = find_cometbft()
    if found is None:
        raise ConfigError(
            "config_cometbft_missing",
            f"CometBFT {COMETBFT_VERSION} is not installed; with Go: make tools, else put it on the PATH "
            "or name it in BEFFROI_COMETBFT",
        )
    return found


def engine_children(
    homes: Sequence[Path], ports: Sequence[int], *, clock_offset_file: Path | None = None
) -> list[Child]:
    """Applications first, all at once, then the engines: CometBFT asks only every three seconds."""
    engine_program = str(program())
    last = len(homes) - 1
    applications, engines = [], []
    for index, (root, port) in enumerate(zip(homes, ports, strict=True)):
        home = EngineHome(root)
        command = application_command(home, clock_offset_file=clock_offset_file)
        applications.append(
            Child(
                f"{root.name}-app",
                python("-m", "chain.node.abci", *command),
                _listens(home),
                starts_with_next=index != last,
            )
        )
        engines.append(
            Child(
                root.name,
                [engine_program, "start", "--home", str(root)],
                lambda port=port: is_answering(port, "/health"),
                starts_with_next=index != last,
                leftovers=(root / "signer.sock",),
                needs=f"{root.name}-app",
            )
        )
    return [*applications, *engines]


def run_engine(root: Path) -> None:
    """One CometBFT node and its application until SIGTERM or Ctrl-C, each started again when it ends."""
    try:
        children = engine_children([root], [read_rpc_port(root)])
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    supervisor = Supervisor(children, environment={}, logs=root / "logs", say=click.echo)

    def end(_number: int, _frame: FrameType | None) -> None:
        supervisor.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        supervisor.start()
        supervisor.watch()
    except ChildFailed as error:
        raise click.ClickException(str(error)) from error
    finally:
        supervisor.stop()


def _listens(home: EngineHome) -> Callable[[], bool]:
    path = home.app_socket.path
    assert path is not None, "an application in a home listens on a path"
    return lambda: is_listening(path)
