"""`python -m chain.node.abci --home DIR`: the town behind an ABCI socket until SIGTERM, for CometBFT.

The home holds `data/app.lmdb`, the application's own environment, and, when this process also signs,
`config/priv_validator_key.json` and `data/priv_validator_state.json`. One process per home: a lock says so.
Exit codes: 0 stopped on request, 1 the application met a broken invariant, 2 it could not start.
"""

import argparse
import asyncio
import json
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from chain.abci import AbciServer, SocketAddress, parse_address
from chain.abci.address import InvalidAddress
from chain.abci.server import MustWait
from chain.judges.desk import Admission, BallotSource, Desk
from chain.node.clock import Clock, OffsetClock, SystemClock
from chain.node.config import StateSyncConfig
from chain.node.errors import ConfigError, NodeError
from chain.node.home import Home, load_signing_seed
from chain.node.lock import HomeLock, KeyLock
from chain.node.main import EXIT_FAILED, EXIT_NOT_STARTED, EXIT_OK, configure_logging
from chain.node.node import AppFactory, town_application
from chain.node.platform import make_judges
from chain.node.remote_signer import RemoteSigner
from chain.node.signer import FileSigner, InvalidSignerFile
from chain.node.state_syncing import SnapshotMaking
from chain.store.app import LmdbStateStore
from chain.store.errors import StoreError
from chain.store.files import DiskFolder
from chain.store.kv import LmdbStore
from chain.store.snapshots import FolderSnapshots
from chain.town.application import TownApplication
from chain.town.genesis import GenesisError
from chain.town.snapshot_desk import SnapshotPolicy
from chain.types.abci import (
    Application,
    CheckTxType,
    RequestCheckTx,
    RequestFinalizeBlock,
    RequestInfo,
    RequestProcessProposal,
    RequestQuery,
)
from chain.types.messages import RequestBody

log = structlog.get_logger("abci")

DEFAULT_ADDRESS = "tcp://127.0.0.1:26658"


@dataclass(frozen=True, slots=True)
class Settings:
    """What one process serves and where; `signer` and `chain_id` go together."""

    home: Home
    address: SocketAddress
    signer: SocketAddress | None = None
    chain_id: str = ""
    clock_offset_file: Path | None = None
    snapshot_interval: int = 0
    """Blocks between two snapshots of the state; 0 makes none."""


def main(argv: Sequence[str] | None = None, *, app_factory: AppFactory = town_application) -> int:
    """Serve until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="beffroi abci", description="The town for CometBFT.")
    parser.add_argument("--home", required=True, type=Path, help="folder of the application")
    parser.add_argument(
        "--address", default=DEFAULT_ADDRESS, help="tcp://host:port or unix:///path"
    )
    parser.add_argument(
        "--signer",
        default="",
        help="the engine's priv_validator_laddr (unix:///path), to sign for it",
    )
    parser.add_argument("--chain-id", default="", help="the only chain that --signer signs for")
    parser.add_argument("--clock-offset-file", type=Path, help="obeyed only in an insecure town")
    parser.add_argument(
        "--snapshot-interval",
        type=int,
        default=StateSyncConfig().snapshot_interval,
        help="blocks between two snapshots, 0: none",
    )
    parser.add_argument("--quiet", action="store_true", help="log warnings and errors only")
    arguments = parser.parse_args(argv)
    configure_logging(quiet=arguments.quiet)
    try:
        settings = _read_settings(arguments)
        lock = HomeLock(settings.home.data)
        try:
            return asyncio.run(_serve(settings, app_factory))
        finally:
            lock.release()
    except (NodeError, StoreError, InvalidSignerFile, InvalidAddress, OSError) as error:
        code = getattr(error, "code", "os_error" if isinstance(error, OSError) else "config")
        log.error("application not started", code=code, detail=str(error))
        return EXIT_NOT_STARTED


def _read_settings(arguments: argparse.Namespace) -> Settings:
    signer = parse_address(arguments.signer) if arguments.signer else None
    if signer is not None and (signer.path is None or not arguments.chain_id):
        raise ConfigError("config_signer", "--signer is unix:///path and needs --chain-id")
    return Settings(
        Home(arguments.home),
        parse_address(arguments.address),
        signer,
        arguments.chain_id,
        arguments.clock_offset_file,
        arguments.snapshot_interval,
    )


async def _serve(settings: Settings, app_factory: AppFactory) -> int:
    kv = LmdbStore(settings.home.data / "app.lmdb")
    try:
        app, clock = _open(kv, settings, app_factory)
        return await _run(settings, app, clock)
    finally:
        kv.close()


def _open(kv: LmdbStore, settings: Settings, app_factory: AppFactory) -> tuple[Application, Clock]:
    """The application and its clock; the clock asks the application whether it may be shifted."""
    held: list[Application] = []

    def is_insecure() -> bool:
        return bool(held) and _is_insecure(held[0])

    path = settings.clock_offset_file
    clock = SystemClock() if path is None else OffsetClock(path, is_insecure)
    app = app_factory(LmdbStateStore(kv, shared=False), clock)
    held.append(app)
    return app, clock


def _is_insecure(app: Application) -> bool:
    answer = app.query(RequestQuery(path="/status"))
    if answer.code != 0 or not answer.value.startswith(b"{"):
        return False
    return bool(json.loads(answer.value).get("insecure"))


async def _run(settings: Settings, app: Application, clock: Clock) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def end(failure: BaseException | None) -> None:
        if not ended.done():
            ended.set_result(failure)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, None)
    making = _make_snapshots(settings, app, clock, loop)
    desk = Desk(app, make_judges(loop), loop) if isinstance(app, BallotSource) else None
    server = AbciServer(
        app,
        on_failure=end,
        refusals=(GenesisError,),
        on_committed=None if making is None else making.on_committed,
        must_wait=_must_wait_at(desk),
    )
    await server.start(settings.address)
    signing = _start_signer(settings, app, clock, loop)
    if signing is not None:
        signing.add_done_callback(lambda task: None if task.cancelled() else end(task.exception()))
    failure = await ended
    if making is not None:
        making.stop()
    if desk is not None:
        desk.stop()
    if signing is not None:
        signing.cancel()
        await asyncio.gather(signing, return_exceptions=True)
    await server.stop()
    if failure is None:
        log.info("application stopped")
        return EXIT_OK
    log.error("APPLICATION FAILURE", error="".join(traceback.format_exception(failure))[-4_000:])
    return EXIT_FAILED


def _must_wait_at(desk: Desk | None) -> MustWait:
    """What of the engine's requests waits for judges: a transaction with a ballot, a block with unseen ones."""

    def must_wait(requests: Sequence[RequestBody], then: Callable[[], None]) -> bool:
        if desk is None:
            return False
        match requests[0]:
            case RequestCheckTx(tx, type_):
                must = type_ is CheckTxType.NEW and desk.admit(tx, then) is Admission.WAITING
                for later in requests[1:] if must else ():
                    if isinstance(later, RequestCheckTx):
                        desk.admit(later.tx, _nothing)  # its turn comes: let the other judges begin
                return must
            case RequestProcessProposal() | RequestFinalizeBlock() as block:
                return desk.must_block_wait(block.txs, block.time.seconds, then)
            case _:
                return False

    return must_wait


def _nothing() -> None:
    pass


def _make_snapshots(
    settings: Settings, app: Application, clock: Clock, loop: asyncio.AbstractEventLoop
) -> SnapshotMaking | None:
    """Snapshots that CometBFT's state sync offers to new nodes; None for an application of another kind."""
    if not isinstance(app, TownApplication) or not settings.snapshot_interval:
        return None
    folder = DiskFolder(settings.home.data / "snapshots")
    kept = FolderSnapshots(folder, StateSyncConfig().snapshots_kept)
    app.keep_snapshots(kept, SnapshotPolicy(settings.snapshot_interval))
    return SnapshotMaking(app, loop, clock)


def _start_signer(
    settings: Settings, app: Application, clock: Clock, loop: asyncio.AbstractEventLoop
) -> "asyncio.Task[None] | None":
    """Begin to sign for the engine, if asked to; without its state file the key stays mute for two heights."""
    if settings.signer is None or settings.signer.path is None:
        return None
    signer = FileSigner(load_signing_seed(settings.home), DiskFolder(settings.home.data))
    if not signer.has_state:
        signer.muted_below = app.info(RequestInfo()).last_block_height + 3
        log.error("signer state missing: signing nothing", muted_below=signer.muted_below)
    key_lock = KeyLock(signer.address)  # no other process on this machine signs with this key
    shifted = clock if settings.clock_offset_file is not None else None
    remote = RemoteSigner(signer, settings.chain_id, clock=shifted)
    task = loop.create_task(remote.serve(settings.signer.path))
    task.add_done_callback(lambda _task: key_lock.release())
    return task


if __name__ == "__main__":
    sys.exit(main())
