"""The relay as a process: gunicorn with one worker, and a logger that never writes what a visitor sent.

gunicorn's own logger names the visitor's address when a request is malformed ("Invalid request from ip=…"); here a
line says that something happened, and nothing of to whom.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from app.core.chain_client import ChainClient
from app.core.clock import choose_clock
from app.core.config import Config
from app.relay.api import create_relay_app
from app.relay.calendar import NodeElections
from app.relay.models import Shelf
from app.relay.service import RelayService

THREADS: Final = 16
BACKLOG: Final = 1_024
GRACE_S: Final = 10


class SilentLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Starts, stops and failures of the program; nothing of a request."""

    def access(self, *_args: Any, **_kwargs: Any) -> None:
        """No line per request."""

    def debug(self, *_args: Any, **_kwargs: Any) -> None:
        """Debug lines name peers."""

    def warning(self, *_args: Any, **_kwargs: Any) -> None:
        """A malformed request: said without its sender or its content."""
        super().warning("a request could not be read")

    def exception(self, *_args: Any, **_kwargs: Any) -> None:
        """A failure while answering: gunicorn would add the request's address and a stack with its values."""
        super().error("a request failed")


class RelayServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """One worker, because the shelf and the counters are one; `run` returns when told to stop."""

    def __init__(
        self, make: Callable[[], tuple[Flask, RelayService]], *, host: str, port: int
    ) -> None:
        self._make, self._bind = make, f"{host}:{port}"
        super().__init__()

    def load_config(self) -> None:
        """Settings of gunicorn."""
        for name, value in {
            "bind": self._bind,
            "workers": 1,
            "threads": THREADS,
            "worker_class": "gthread",
            "backlog": BACKLOG,
            "keepalive": 0,
            "graceful_timeout": GRACE_S,
            "logger_class": SilentLogger,
            "accesslog": None,
            "proc_name": "beffroi-relay",
            "control_socket_disable": True,
            "worker_exit": self._end,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """In the worker: the application, with the thread that passes rounds on."""
        app, service = self._make()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=service.run, args=(self._stop,), name="rounds")
        self._thread.start()
        return app

    def _end(self, _arbiter: Any, _worker: Any) -> None:
        self._stop.set()
        self._thread.join(GRACE_S)


def run_relay(config: Config, *, host: str, port: int, path: Path) -> None:
    """Serve until SIGTERM; `path` is the file of what is held."""

    def make() -> tuple[Flask, RelayService]:
        chain = ChainClient(config.node_urls)
        service = RelayService(Shelf(path), NodeElections(chain), chain, choose_clock(config))
        return create_relay_app(service, trusted_proxies=config.trusted_proxies), service

    RelayServer(make, host=host, port=port).run()
