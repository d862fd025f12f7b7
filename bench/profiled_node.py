"""A validator that says at its end where its time went: `python -m bench.profiled_node --home DIR`.

The production node, with a clock around every call of the application. Writes data/profile.json when stopped by
SIGTERM; `ask` reads it.
"""

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from chain.node.clock import Clock
from chain.node.main import main
from chain.node.node import Node, town_application
from chain.store.app import LmdbStateStore
from chain.types.abci import Application

CALLS = (
    "check_tx",
    "prepare_proposal",
    "process_proposal",
    "finalize_block",
    "commit",
    "query",
)


class TimedApplication:
    """An application with the time spent in each of its calls, in ns, under `spent_ns`."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self.spent_ns: dict[str, int] = dict.fromkeys(CALLS, 0)
        for name in CALLS:
            setattr(self, name, self._timed(name, getattr(app, name)))

    def _timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            started_ns = perf_counter_ns()
            try:
                return call(*args)
            finally:
                self.spent_ns[name] += perf_counter_ns() - started_ns

        return timed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)


class ProfiledNode(Node):
    """A node that writes its profile when it stops."""

    async def stop(self) -> None:
        await super().stop()
        assert isinstance(self.app, TimedApplication)
        relay = self.tx_relay
        profile = {
            "rss_peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "abci_ns": self.app.spent_ns,
            "executor_ns": self.executor.stage_ns,
            "host_ns": {} if self.host is None else self.host.stage_ns,
            "txs_received": 0 if relay is None else relay.received,
            "txs_known": 0 if relay is None else relay.known,
        }
        (self.home.data / "profile.json").write_text(json.dumps(profile))


def timed_town(store: LmdbStateStore, clock: Clock) -> Application:
    """The town's application under a stopwatch."""
    app: Any = TimedApplication(town_application(store, clock))
    return app


def read_profile(home: Path) -> dict[str, Any]:
    """What a stopped node wrote."""
    profile: dict[str, Any] = json.loads((home / "data" / "profile.json").read_text())
    return profile


if __name__ == "__main__":
    sys.exit(main(app_factory=timed_town, make_node=ProfiledNode))
