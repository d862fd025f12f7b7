"""`python -m chain.node --home DIR`: one validator until SIGTERM; any consensus failure ends it non-zero.

Exit codes: 0 stopped on request, 1 consensus failure (a bundle is under data/failures), 2 it could not start.
"""

import argparse
import asyncio
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from chain.node.errors import NodeError
from chain.node.home import Home
from chain.node.lock import HomeLock
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
    arguments = parser.parse_args(argv)
    configure_logging(quiet=arguments.quiet)
    home = Home(arguments.home)
    try:
        lock = HomeLock(home.data)
        node = make_node(home, app_factory=app_factory)
    except (NodeError, StoreError, InvalidSignerFile) as error:
        return _not_started(error)
    try:
        return asyncio.run(_run(node))
    finally:
        lock.release()


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
    default = "os_error" if isinstance(error, OSError) else "signer_file"
    log.error("node not started", code=getattr(error, "code", default), detail=str(error))
    return EXIT_NOT_STARTED


async def _run(node: Node) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def end(failure: BaseException | None) -> None:
        if not ended.done():
            ended.set_result(failure)

    def on_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Whatever escapes a callback of consensus is a failure: stop, never a zombie."""
        failure = context.get("exception")
        if "socket" in context and isinstance(failure, OSError):
            # asyncio could not accept a client (out of descriptors): it tries again in a second by itself.
            log.warning("connection not accepted", error=str(failure))
            return
        end(failure if failure is not None else RuntimeError(str(context.get("message"))))

    loop.set_exception_handler(on_exception)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, None)
    loop.add_signal_handler(signal.SIGHUP, node.reload_peers)
    try:
        await node.start(loop)
    except (NodeError, StoreError, InvalidSignerFile, OSError) as error:
        node.close()
        return _not_started(error)
    failure = await ended
    if failure is None:
        await node.stop()
        return EXIT_OK
    return _failed(node, failure)


def _failed(node: Node, failure: BaseException) -> int:
    """Say why and leave at once: after a failed sync nothing more may be promised, not even the bundle."""
    reason = "".join(traceback.format_exception(failure))
    default = "disk_failed" if isinstance(failure, OSError) else "consensus_failure"
    code = getattr(failure, "code", default)
    try:
        bundle = str(node.write_failure_bundle(reason))
    except OSError as error:  # the disk that failed is the one that would hold it
        bundle = f"none: {error}"
        sys.stderr.write(reason)
    log.error("CONSENSUS FAILURE", code=code, error=repr(failure)[:200], bundle=bundle)
    return EXIT_FAILED
