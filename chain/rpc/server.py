"""JSON-RPC 2.0 over HTTP POST (batches too), over GET with a query string, and over a websocket.

Reads / Writes: sockets of the loopback interface.  Never: an exception of a method out to the client; what is
not an `RpcError` is logged, answered as an internal error, and reported to the node, which decides whether it goes on.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from inspect import isawaitable
from typing import Any

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from chain.limits import (
    RPC_BATCH_MAX,
    RPC_BODY_MAX_BYTES,
    RPC_CLIENTS_MAX,
    RPC_CLOSE_MS,
    RPC_SUBSCRIPTIONS_PER_CLIENT,
    RPC_WEBSOCKETS_MAX,
)
from chain.rpc.errors import (
    InternalError,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    ParseError,
    RpcError,
    ServerError,
)
from chain.rpc.events import EventBus, Subscription
from chain.rpc.methods import METHOD_NAMES, METHOD_PARAMS, Methods, method_table
from chain.rpc.nameless import REQUESTS_LOG
from chain.rpc.params import Params, by_position
from chain.rpc.ports import NodeView
from chain.rpc.query import QueryError, parse_query

Json = Any
log = structlog.get_logger("rpc")

URI_ID = -1
"""CometBFT answers GET requests with the id -1."""
WEBSOCKET_METHODS = ("subscribe", "unsubscribe", "unsubscribe_all")
ALL_PARAMS = METHOD_PARAMS | {"subscribe": ("query",), "unsubscribe": ("query",)}


class RpcServer:
    """One listening socket."""

    def __init__(self, node: NodeView, events: EventBus, host: str, port: int) -> None:
        self._events = events
        self._host = host
        self._report = node.report
        self._methods = method_table(Methods(node, events))
        self._runner: web.AppRunner | None = None
        self._clients: dict[web.WebSocketResponse, _WebsocketClient] = {}
        self.port = port
        """The port listened on; of a configured 0, the one the system gave."""

    async def start(self) -> None:
        """Listen; raises OSError when the address is taken."""
        app = web.Application(client_max_size=RPC_BODY_MAX_BYTES)
        app.router.add_post("/", self._on_post)
        app.router.add_get("/", self._on_index)
        app.router.add_get("/websocket", self._on_websocket)
        app.router.add_get("/{method}", self._on_get)
        self._runner = web.AppRunner(
            app, access_log=None, logger=REQUESTS_LOG, shutdown_timeout=1.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close websockets, all at once, and the socket; who does not read cannot hold up the node."""
        await asyncio.gather(*(client.leave() for client in tuple(self._clients.values())))
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────

    async def _on_index(self, _request: web.Request) -> web.Response:
        return web.Response(text="\n".join(f"/{name}" for name in METHOD_NAMES) + "\n")

    async def _on_post(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _answer(_error(None, InvalidRequest("body too large")), status=413)
        if not body:
            return await self._on_index(request)
        try:
            parsed = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            return _answer(_error(None, ParseError(str(error))), status=500)
        if not isinstance(parsed, list):
            answer = await self._answer_one(parsed)
            return _answer(answer, status=200) if answer is not None else web.Response()
        if not 0 < len(parsed) <= RPC_BATCH_MAX:
            refusal = InvalidRequest(f"a batch has 1 to {RPC_BATCH_MAX} requests")
            return _answer(_error(None, refusal), status=500)
        answers = [await self._answer_one(item) for item in parsed]
        told = [answer for answer in answers if answer is not None]
        if not told:
            return web.Response()
        # CometBFT answers a batch that leaves one answer with that answer alone.
        return _answer(told[0] if len(told) == 1 else told)

    async def _on_get(self, request: web.Request) -> web.Response:
        name = request.match_info["method"]
        answer = await self._call(name, Params(dict(request.query), from_uri=True), URI_ID)
        if name not in self._methods:
            return _answer(answer, status=404)
        return _answer(answer, status=500 if "error" in answer else 200)

    async def _answer_one(self, request: Json) -> Json | None:
        """Answer to one request object; None for a notification (no id), which is not carried out either."""
        refused = _request_flaw(request)
        if refused is not None:
            return _error(_id_of(request), refused)
        if request.get("id") is None:
            return None
        try:
            # As CometBFT: of a method that is not there nobody looks at the parameters.
            is_known = request["method"] in self._methods
            params = _named_params(request) if is_known else Params({})
        except RpcError as error:
            return _error(request["id"], error)
        return await self._call(request["method"], params, request["id"])

    async def _call(self, name: str, params: Params, request_id: Json) -> dict[str, Json]:
        method = self._methods.get(name)
        if method is None:
            hint = f"{name} needs a websocket" if name in WEBSOCKET_METHODS else name
            return _error(request_id, MethodNotFound(hint))
        try:
            result = method(params)
            return _result(request_id, await result if isawaitable(result) else result)
        except RpcError as error:
            return _error(request_id, error)
        except Exception as failure:  # noqa: BLE001  # the edge: a client gets an answer whatever broke inside
            log.error("rpc failed", method=name, error=repr(failure)[:200])
            self._report(failure)
            return _error(request_id, InternalError("the node could not answer; its log says why"))

    # ── websocket ────────────────────────────────────────────────────────────────────────────────────

    async def _on_websocket(self, request: web.Request) -> web.StreamResponse:
        if len(self._clients) >= RPC_WEBSOCKETS_MAX:
            return _answer(_error(None, ServerError("too many clients")), status=503)
        socket = web.WebSocketResponse(max_msg_size=RPC_BODY_MAX_BYTES, heartbeat=30.0)
        await socket.prepare(request)
        client = _WebsocketClient(self, socket, request.transport, self._events)
        self._clients[socket] = client
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                await client.handle(message.data)
        finally:
            client.close()
            self._clients.pop(socket, None)
        return socket

    def subscribed_clients(self) -> int:
        """Websockets with at least one subscription."""
        return sum(client.is_subscribed() for client in self._clients.values())

    async def call_over_websocket(self, request: Json) -> Json | None:
        """A plain method called over a websocket."""
        return await self._answer_one(request)


class _WebsocketClient:
    """One connection: its subscriptions, each pumped by a task of its own."""

    def __init__(
        self,
        server: RpcServer,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        events: EventBus,
    ) -> None:
        self._server = server
        self._socket = socket
        self._transport = transport
        self._events = events
        self._held: dict[str, tuple[Subscription, asyncio.Task[None]]] = {}

    async def handle(self, text: str) -> None:
        """Answer one request."""
        try:
            request = json.loads(text)
        except json.JSONDecodeError as error:
            await self._send(_error(None, ParseError(str(error))))
            return
        flaw = _request_flaw(request)
        if flaw is not None or request["method"] not in WEBSOCKET_METHODS:
            answer = await self._server.call_over_websocket(request)
            if answer is not None:
                await self._send(answer)
        elif request.get("id") is not None:  # a notification is not carried out
            await self._send(self._subscription_call(request))

    def _subscription_call(self, request: Mapping[str, Json]) -> Json:
        request_id = request.get("id")
        try:
            params = _named_params(request)
            match request["method"]:
                case "subscribe":
                    self._subscribe(params.text("query"), request_id)
                case "unsubscribe":
                    self._unsubscribe(params.text("query"))
                case _:
                    self._unsubscribe_all()
        except InvalidParams as error:
            # Over a websocket CometBFT calls this an internal error, over HTTP not.
            text = f"error converting json params to arguments: {error.data}"
            return _error(request_id, InternalError(text))
        except RpcError as error:
            return _error(request_id, error)
        return _result(request_id, {})

    def _subscribe(self, text: str, request_id: Json) -> None:
        if not self._held and self._server.subscribed_clients() >= RPC_CLIENTS_MAX:
            raise InternalError(f"max_subscription_clients {RPC_CLIENTS_MAX} reached")
        if len(self._held) >= RPC_SUBSCRIPTIONS_PER_CLIENT:
            raise InternalError(
                f"max_subscriptions_per_client {RPC_SUBSCRIPTIONS_PER_CLIENT} reached"
            )
        try:
            query = parse_query(text)
        except QueryError as error:
            raise InternalError(f"failed to parse query: {error}") from error
        if text in self._held:
            raise InternalError("already subscribed")
        subscription = self._events.subscribe(query)
        task = asyncio.get_running_loop().create_task(self._pump(subscription, request_id))
        self._held[text] = (subscription, task)

    def _unsubscribe(self, text: str) -> None:
        held = self._held.pop(text, None)
        if held is None:
            raise InternalError("subscription not found")
        self._drop(held)

    def _unsubscribe_all(self) -> None:
        if not self._held:
            raise InternalError("subscription not found")
        self.close()

    def is_subscribed(self) -> bool:
        """Whether any event may come."""
        return bool(self._held)

    def _drop(self, held: tuple[Subscription, "asyncio.Task[None]"]) -> None:
        self._events.unsubscribe(held[0])
        held[1].cancel()

    def close(self) -> None:
        """End every subscription."""
        for held in self._held.values():
            self._drop(held)
        self._held.clear()

    async def leave(self) -> None:
        """Say goodbye; cut who does not answer in time. The goodbye alone waits for ever behind a full line."""
        try:
            async with asyncio.timeout(RPC_CLOSE_MS / 1_000):
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
        except TimeoutError:
            log.warning("websocket client cut at the stop")
            if self._transport is not None:
                self._transport.abort()

    async def _pump(self, subscription: Subscription, request_id: Json) -> None:
        """Send events under the id of the subscribe request, as CometBFT does."""
        while True:
            await subscription.wakeup.wait()
            subscription.wakeup.clear()
            while not subscription.queue.empty():
                await self._send(_result(request_id, subscription.queue.get_nowait()))
            if subscription.is_cancelled:
                reason = (
                    "subscription was canceled "
                    "(reason: internal subscription event buffer is out of capacity)"
                )
                await self._send(_error(request_id, ServerError(reason)))
                self._held.pop(subscription.query.text, None)
                return

    async def _send(self, answer: Json) -> None:
        if not self._socket.closed:
            # The client may be gone since: that is its affair, and must not end a task of ours.
            with contextlib.suppress(ConnectionError):
                await self._socket.send_str(msgspec.json.encode(answer).decode())


def _request_flaw(request: Json) -> RpcError | None:
    """Why a value is no JSON-RPC request, or None."""
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return InvalidRequest("a request is an object with a method")
    request_id = request.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | float | None):
        return InvalidRequest("id must be a string or a number")
    return None


def _named_params(request: Mapping[str, Json]) -> Params:
    """Parameters of a request, given by name or in order; raises InvalidParams."""
    given = request.get("params")
    if given is None or isinstance(given, dict):
        return Params(given or {})
    if isinstance(given, list):
        names = ALL_PARAMS.get(request["method"], ())
        # More lenient than CometBFT: clients send an empty list for methods whose parameters may all be left out.
        return Params(by_position(given, names) if given else {})
    raise InvalidParams("params must be an object or a list")


def _id_of(request: Json) -> Json:
    request_id = request.get("id") if isinstance(request, dict) else None
    return request_id if isinstance(request_id, str | int) else None


def _result(request_id: Json, result: Json) -> dict[str, Json]:
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def _error(request_id: Json, error: RpcError) -> dict[str, Json]:
    return {"jsonrpc": "2.0", "id": request_id, "error": error.to_json()}


def _answer(body: Json, *, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )
