"""`beffroi webhooks`: tells shops' endpoints what their tills did, until stopped."""

import os
import signal
import threading
from types import FrameType

import click
import structlog

from app.core.clock import Clock, choose_clock
from app.core.config import ConfigError, load_config
from app.core.database import connected, migrate, open_database
from app.core.logs import configure_logging
from app.core.onlyone import DatabaseHeld, hold
from app.webhooks.sending import Sender
from app.webhooks.service import Turn, purge, queue_lines, send_due

PAUSE_S = 1.0
_log = structlog.get_logger("app.webhooks")


@click.command()
@click.option(
    "--allow-private", is_flag=True, help="Also reach this machine and its network (trials)."
)
def webhooks(allow_private: bool) -> None:
    """Send webhooks; one such process per town."""
    configure_logging()
    try:
        config = load_config(os.environ, need_token_keys=False)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    if config.master_key is None:
        raise click.ClickException(
            "BEFFROI_MASTER_KEY_FILE is required: endpoints' keys come from it"
        )
    open_database(config.database_url)
    migrate()
    clock, stop = choose_clock(config), threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        with hold(config.database_url, "webhooks"):
            _send_until(stop, clock, Sender(allow_private=allow_private), config.master_key)
    except DatabaseHeld as error:
        raise click.ClickException(
            "another `beffroi webhooks` serves this database; one is enough for a town"
        ) from error


def _send_until(stop: threading.Event, clock: Clock, sender: Sender, master_key: bytes) -> None:
    turn = Turn()
    while not stop.is_set():
        with connected():
            now_s = clock.now_s()
            queued = queue_lines(now_s=now_s)
            heard = send_due(sender, turn, master_key=master_key, now_s=now_s)
            purge(now_s=now_s)
        if queued or heard:
            _log.info("webhooks", queued=queued, heard=heard)
        stop.wait(PAUSE_S)
