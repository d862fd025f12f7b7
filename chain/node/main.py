"""`python -m chain.node --home DIR`: one validator until SIGTERM; any consensus failure ends it non-zero.

Exit codes: 0 stopped on request, 1 consensus failure (a bundle is under data/failures), 2 it could not start.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.limits import FAILURE_EXIT_MS
from chain.node.approval import check_approval
from chain.node.config import load_config
from chain.node.errors import ConfigError, NodeError
from chain.node.failure import code_of, describe, text_of
from chain.node.home import Home, load_signing_seed
from chain.node.lock import HomeLock, KeyLock
from chain.node.node import AppFactory, Node, town_application
from chain.node.signer import InvalidSignerFile
from chain.store.errors import StoreError

log = structlog.get_logger("node")

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_NOT_STARTED = 2


def main(
    argv: Sequence[str] | None = None,
    *,
    app_factory: AppFactory = town_application,
    make_node: Callable[..., Node] = Node,
) -> int:
    """Run a node until it is told to stop; returns the exit code. `make_node` lets a tool wrap the node."""
    parser = argparse.ArgumentParser(prog="beffroi node start", description="Run one validator.")
    parser.add_argument("--home", required=True, type=Path, help="folder made by `init`")
    parser.add_argument("--quiet", action="store_true", help="log warnings and errors only")
    parser.add_argument(
        "--recovery", action="store_true", help="refuse a genesis that the council did not sign"
    )
    arguments = parser.parse_args(argv)
    configure_logging(quiet=arguments.quiet)
    home = Home(arguments.home)
    try:
        if not home.genesis_file.exists():
            # Before the lock makes a folder in a place that is no home.
            raise ConfigError("config_genesis_missing", str(home.genesis_file))
        check_approval(home, is_required=arguments.recovery)
        with contextlib.ExitStack() as locks:
            locks.callback(HomeLock(home.data).release)
            _lock_key(home, locks)
            node = make_node(home, app_factory=app_factory)
            kept = locks.pop_all()
    except (NodeError, StoreError, InvalidSignerFile, OSError) as error:
        return _not_started(error)
    with kept:
        return asyncio.run(_run(node))


def _lock_key(home: Home, locks: contextlib.ExitStack) -> None:
    """Keep a second process on this machine from signing with the same key; raises NodeError."""
    if load_config(home.config / "config.toml").is_key_locked:
        validator = address(derive_public(load_signing_seed(home)))
        locks.callback(KeyLock(validator).release)


def configure_logging(*, quiet: bool = False) -> None:
    """One line per event on standard error: time, level, logger, event, facts. Never a transaction."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "event"], bool_as_flag=False
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(30 if quiet else 20),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _not_started(error: Exception) -> int:
    log.error("node not started", code=code_of(error), detail=str(error))
    return EXIT_NOT_STARTED


async def _run(node: Node) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def end(failure: BaseException | None) -> None:
        if not ended.done():
            ended.set_result(failure)

    def on_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Whatever escapes a callback or a task is a failure: halt at once, then stop, never a zombie."""
        failure = context.get("exception")
        if "socket" in context and isinstance(failure, OSError):
            # asyncio could not accept a client (out of descriptors): it tries again in a second by itself.
            log.warning("connection not accepted", error=str(failure))
            return
        failure = failure if failure is not None else RuntimeError(str(context.get("message")))
        node.fail(failure)
        end(failure)

    loop.set_exception_handler(on_exception)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, None)
    loop.add_signal_handler(signal.SIGHUP, node.reload_peers)
    starting = loop.create_task(node.start(loop))
    await asyncio.wait((starting, ended), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():  # told to stop, or failed, while it was joining by snapshot
        starting.cancel()
        await asyncio.wait((starting,))
    try:
        if starting.cancelled():
            return _left_early(node, ended.result())
        starting.result()
    except (NodeError, StoreError, InvalidSignerFile, OSError) as error:
        with contextlib.suppress(
            OSError, StoreError
        ):  # whatever broke breaks again when it is closed
            node.close()
        return _not_started(error)
    except Exception as failure:  # noqa: BLE001  # the bundle says what it was
        _leave_soon()
        return _failed(node, failure)
    ending = await ended
    if ending is None:
        try:
            await node.stop()
        except Exception as failure:  # noqa: BLE001  # a stop that fails is a failure too
            ending = failure
    if ending is None:
        return EXIT_OK
    _leave_soon()
    return _failed(node, ending)


def _left_early(node: Node, failure: BaseException | None) -> int:
    """The node never came to serve: nothing is half done, for nothing is durable before the end of a sync."""
    code = EXIT_OK if failure is None else _failed(node, failure)
    node.close()
    return code


def _failed(node: Node, failure: BaseException) -> int:
    """Write the bundle and leave: after a failed sync nothing more may be promised."""
    node.fail(failure)
    try:
        bundle = str(node.write_failure_bundle(failure))
    except (OSError, StoreError) as error:
        bundle = f"none: {text_of(error)}"
        print(describe(failure), file=sys.stderr)  # noqa: T201  # the log is the only place left
    log.error("CONSENSUS FAILURE", code=code_of(failure), error=text_of(failure), bundle=bundle)
    return EXIT_FAILED


def _leave_soon() -> None:
    """End the process even if a task will not let itself be cancelled; a validator is no zombie."""
    watchdog = threading.Timer(FAILURE_EXIT_MS / 1_000, os._exit, (EXIT_FAILED,))
    watchdog.daemon = True
    watchdog.start()
