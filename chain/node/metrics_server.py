"""`[instrumentation]`: metrics over HTTP, on the loopback unless configured otherwise (CometBFT `node/setup.go`)."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from chain.rpc.nameless import REQUESTS_LOG


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """CometBFT's settings; off unless asked for."""

    prometheus: bool = False
    listen_host: str = "127.0.0.1"
    listen_port: int = 26_660
    max_open_connections: int = 3
    namespace: str = "cometbft"
    """So that dashboards made for CometBFT show this node."""


class MetricsServer:
    """One listening socket with one page."""

    def __init__(self, text: Callable[[], bytes], settings: Instrumentation) -> None:
        self._text = text
        self._settings = settings
        self._runner: web.AppRunner | None = None
        self._open = 0
        self.port = settings.listen_port
        """The port listened on; of a configured 0, the one the system gave."""

    async def start(self) -> None:
        """Listen; raises OSError when the address is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._on_metrics)
        self._runner = web.AppRunner(
            app, access_log=None, logger=REQUESTS_LOG, shutdown_timeout=1.0
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self._settings.listen_host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the socket; again does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _on_metrics(self, request: web.Request) -> web.StreamResponse:
        if self._open >= self._settings.max_open_connections:
            return web.Response(status=503, text="too many scrapes at once\n")
        self._open += 1
        try:
            answer = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE_LATEST})
            await answer.prepare(request)
            await answer.write(self._text())
            await answer.write_eof()
        finally:
            self._open -= 1
        return answer
