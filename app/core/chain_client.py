"""A node's JSON-RPC over kept-alive HTTP: broadcast, queries and reading; nothing it says is trusted here.

Whoever acts on an answer verifies it (projector, proof bundles). One connection per thread and node; a node
that fails is set aside for a moment and the next one is asked.
Reads: the network.  Never: retries a broadcast that may have been taken without saying so.
"""

import base64
import http.client
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from app.core.refusals import NodeUnavailable

TIMEOUT_S: Final = 5.0
SET_ASIDE_S: Final = 2.0
"""A node that did not answer is asked last for this long."""
ANSWER_BYTES_MAX: Final = 64 * 1_048_576
ALREADY_KNOWN: Final = "tx already exists in cache"
MEMPOOL_FULL: Final = "mempool is full"
MALFORMED: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading JSON of another shape than promised raises: a text for an object, an infinite number, a missing item."""


class RpcError(Exception):
    """The node answered with a JSON-RPC error."""

    def __init__(self, method: str, error: Mapping[str, Any]) -> None:
        self.code = int(error.get("code", 0))
        self.message = str(error.get("message", ""))
        self.data = str(error.get("data", ""))
        super().__init__(f"{method}: {self.message} {self.data}".strip())


@dataclass(frozen=True, slots=True)
class BroadcastAnswer:
    """CheckTx's word on a transaction; `is_known` when the node had it already."""

    node: str
    code: int = 0
    codespace: str = ""
    log: str = ""
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """An unverified answer of the application; `proof_ops` as the node spelled them."""

    code: int
    log: str
    key: bytes
    value: bytes
    height: int
    proof_ops: tuple[Mapping[str, Any], ...] = ()


class ChainClient:
    """Talks to one or more nodes of the same chain."""

    def __init__(self, urls: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> None:
        assert urls, "at least one node"
        self.urls = tuple(urls)
        self._timeout_s = timeout_s
        self._local = threading.local()
        self._failed_at: dict[str, float] = {}
        """Monotonic time of each node's last failure; torn reads do no harm."""

    # --- what the API asks ---------------------------------------------------------------

    def broadcast(self, transaction: bytes, *, avoid: str = "", node: str = "") -> BroadcastAnswer:
        """Hand one transaction to a node's mempool (`broadcast_tx_sync`), another than `avoid`, or `node` only.

        Raises NodeUnavailable, or RpcError when the node refuses it without judging (mempool full).
        """
        params = {"tx": base64.b64encode(transaction).decode()}
        for url in (node,) if node else self.by_health(avoid):
            try:
                return _read_broadcast(url, self._exchange(url, "broadcast_tx_sync", params))
            except RpcError as error:
                if ALREADY_KNOWN in f"{error.message} {error.data}":
                    return BroadcastAnswer(url, is_known=True)
                raise
            except (OSError, http.client.HTTPException, *MALFORMED):
                self._set_aside(url)
        raise NodeUnavailable

    def query(
        self, path: str, data: bytes, *, height: int = 0, prove: bool = False, node: str = ""
    ) -> QueryAnswer:
        """One `abci_query`; height 0 means the last committed version."""
        answer = self.call(
            "abci_query",
            {"path": path, "data": data.hex(), "height": str(height), "prove": prove},
            node=node,
        )
        try:
            return read_query_answer(answer)
        except MALFORMED as error:
            self._set_aside(self.answered_by)
            raise NodeUnavailable from error

    # --- plain calls -----------------------------------------------------------------------

    def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, node: str = ""
    ) -> dict[str, Any]:
        """Result of one method, from the first node that answers (or from `node` only).

        Raises NodeUnavailable when none does, RpcError when one answers with an error.
        """
        for url in (node,) if node else self.by_health():
            try:
                found = self._exchange(url, method, dict(params or {}))
                self._local.answered_by = url
                return found
            except (OSError, http.client.HTTPException, ValueError):
                self._set_aside(url)
        raise NodeUnavailable

    def call_many(
        self, calls: Sequence[tuple[str, Mapping[str, Any]]], *, node: str = ""
    ) -> list[dict[str, Any]]:
        """Results of several methods in one batch, in order; all from one node. Raises the first RpcError."""
        results: list[dict[str, Any]] = []
        for answer in self.try_many(calls, node=node):
            if isinstance(answer, RpcError):
                raise answer
            results.append(answer)
        return results

    def try_many(
        self, calls: Sequence[tuple[str, Mapping[str, Any]]], *, node: str = ""
    ) -> list[dict[str, Any] | RpcError]:
        """As `call_many`, each call with its result or its error. Raises NodeUnavailable."""
        batch = [_envelope(i, method, params) for i, (method, params) in enumerate(calls)]
        for url in (node,) if node else self.by_health():
            try:
                answers = self._post(url, batch)
                if isinstance(answers, dict):
                    answers = [answers]  # a batch of one is answered without its brackets
                by_id = {answer["id"]: answer for answer in answers}
                self._local.answered_by = url
                return [_result_or_error(calls[i][0], by_id[i]) for i in range(len(calls))]
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
                self._set_aside(url)
        raise NodeUnavailable

    @property
    def answered_by(self) -> str:
        """The node whose answer this thread got last; empty before the first."""
        return str(getattr(self._local, "answered_by", ""))

    def leave_out(self, url: str) -> None:
        """Ask this node nothing any more: it lied. The last one is never left out."""
        rest = tuple(known for known in self.urls if known != url)
        assert rest, "at least one node"
        self.urls = rest

    def ask_last(self, url: str) -> None:
        """Put a node behind all others: it shows less than they do."""
        self.urls = (*(known for known in self.urls if known != url), url)

    def by_health(self, avoid: str = "") -> list[str]:
        """The nodes in the order they are asked: those that failed a moment ago, and `avoid`, last."""
        now = time.monotonic()

        def badness(url: str) -> tuple[bool, bool]:
            return url == avoid, now - self._failed_at.get(url, -SET_ASIDE_S) < SET_ASIDE_S

        return sorted(self.urls, key=badness)

    def close(self) -> None:
        """Close this thread's connections."""
        for connection in self._connections().values():
            connection.close()
        self._connections().clear()

    # --- transport -------------------------------------------------------------------------

    def _set_aside(self, url: str) -> None:
        self._failed_at[url] = time.monotonic()
        connection = self._connections().pop(url, None)
        if connection is not None:
            connection.close()

    def _connections(self) -> dict[str, http.client.HTTPConnection]:
        if not hasattr(self._local, "connections"):
            self._local.connections = {}
        return self._local.connections  # type: ignore[no-any-return]

    def _exchange(self, url: str, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return _result(method, self._post(url, _envelope(0, method, params)))

    def _post(self, url: str, document: Any) -> Any:
        """POST on the kept connection; one fresh attempt when the node had closed it meanwhile."""
        body = json.dumps(document).encode()
        kept = self._connections().get(url)
        if kept is not None:
            try:
                return _send(kept, body)
            except (ConnectionError, http.client.HTTPException):
                kept.close()
        fresh = self._open(url)
        self._connections()[url] = fresh
        return _send(fresh, body)

    def _open(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        return kind(parts.hostname or "", parts.port, timeout=self._timeout_s)


def _envelope(number: int, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)}


def _send(connection: http.client.HTTPConnection, body: bytes) -> Any:
    connection.request("POST", "/", body, {"Content-Type": "application/json"})
    raw = connection.getresponse().read(ANSWER_BYTES_MAX)
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _read_broadcast(url: str, answer: Mapping[str, Any]) -> BroadcastAnswer:
    return BroadcastAnswer(
        url, int(answer["code"]), str(answer.get("codespace", "")), str(answer["log"])
    )


def read_query_answer(answer: Mapping[str, Any]) -> QueryAnswer:
    """The result of `abci_query` as values; raises one of MALFORMED."""
    response = answer["response"]
    return QueryAnswer(
        code=int(response.get("code") or 0),
        log=str(response.get("log") or ""),
        key=base64.b64decode(response.get("key") or ""),
        value=base64.b64decode(response.get("value") or ""),
        height=int(response.get("height") or 0),
        proof_ops=tuple((response.get("proofOps") or {}).get("ops") or ()),
    )


def _result_or_error(method: str, answer: Any) -> dict[str, Any] | RpcError:
    try:
        return _result(method, answer)
    except RpcError as error:
        return error


def _result(method: str, answer: Any) -> dict[str, Any]:
    """The result; raises RpcError for the node's own refusal, ValueError for what is no answer of JSON-RPC."""
    if not isinstance(answer, dict):
        raise ValueError(f"{method}: no answer")
    error = answer.get("error")
    if error:
        if not isinstance(error, dict) or not isinstance(error.get("code", 0), int):
            raise ValueError(f"{method}: no error object")
        raise RpcError(method, error)
    result = answer.get("result")
    if not isinstance(result, dict):
        raise ValueError(f"{method}: no result")
    return result
