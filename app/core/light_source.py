"""Light blocks of any CometBFT 0.38 full node over its RPC: bounded, decoded strictly, believed in nothing.

The pure light client (`chain.light.client`) judges what comes; here an answer is a light block or a reason why not.
Reads: the network.  Source: CometBFT 0.38 `light/provider/http/http.go`.
"""

import http.client
import json
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from app.core.chain_client import MALFORMED
from chain.codec.cmtjson import from_json, to_json
from chain.light.sources import Answer, Fetch, Missing
from chain.types.block import SignedHeader
from chain.types.evidence import Evidence, LightBlock
from chain.types.validator import Validator, ValidatorSet

ANSWER_BYTES_MAX: Final = 8 * 1_048_576
"""One page of validators or one commit: a hundred lines are 40 kB, ten thousand 4 MB."""
PAGE: Final = 100
PAGES_MAX: Final = 100
"""Ten thousand validators, as many as a commit may hold."""
TIMEOUT_S: Final = 10.0
ResultT = TypeVar("ResultT")


class _Refused(Exception):
    """The node answered with an error; the text is CometBFT's."""


class RpcLightSource:
    """One full node; `fetched` counts its light blocks."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is no http:// or https:// address of a node")
        self.url = url
        self.fetched = 0
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_s)
        self._path = parts.path or "/"

    def fetch(self, height: int) -> Answer:
        """The light block of a height, 0 for the newest; never raises for what the node does."""
        try:
            answer = self._fetch(height)
        except _Refused as refused:
            is_ahead = "less than or equal to the current blockchain height" in str(refused)
            return Missing.TOO_HIGH if is_ahead else Missing.NOT_FOUND
        except (OSError, http.client.HTTPException):
            self.close()
            return Missing.NO_RESPONSE
        except (*MALFORMED, RecursionError):
            return Missing.BAD_BLOCK
        self.fetched += 1
        return answer

    def _fetch(self, height: int) -> LightBlock:
        at = {"height": str(height)} if height else {}
        signed = from_json(SignedHeader, self._call("commit", at)["signed_header"])
        members: list[Validator] = []
        for page in range(1, PAGES_MAX + 1):
            params = {
                "height": str(signed.header.height),
                "page": str(page),
                "per_page": str(PAGE),
            }
            shown = self._call("validators", params)
            total = int(shown["total"])
            members += [from_json(Validator, item) for item in shown["validators"]]
            if len(members) >= total or not shown["validators"]:
                break
        return LightBlock(signed, ValidatorSet(tuple(members)))

    def report(self, evidence: Evidence) -> str:
        """Hand evidence to the node; "" when it took it, else what it said. Never raises for what the node does."""
        try:
            self._call("broadcast_evidence", {"evidence": to_json(evidence)})
        except (_Refused, OSError, http.client.HTTPException, *MALFORMED, RecursionError) as error:
            self.close()
            return str(error) or type(error).__name__
        return ""

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        document = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", self._path, json.dumps(document).encode(), headers)
        raw = self._connection.getresponse().read(ANSWER_BYTES_MAX + 1)
        if len(raw) > ANSWER_BYTES_MAX:
            self.close()
            raise ValueError(f"{method}: more than {ANSWER_BYTES_MAX} bytes")
        answer = json.loads(raw)
        if not isinstance(answer, dict):
            raise ValueError(f"{method}: no object")
        if answer.get("error"):
            error = answer["error"]
            raise _Refused(f"{error.get('message', '')} {error.get('data', '')}")
        result = answer["result"]
        if not isinstance(result, dict):
            raise ValueError(f"{method}: no result")
        return result


class LightSource(Protocol):
    """Where light blocks come from, as `RpcLightSource`."""

    def fetch(self, height: int) -> Answer:
        """The light block of a height, 0 for the newest, or why there is none."""


def drive(
    steps: Generator[Fetch, Answer, ResultT],
    sources: Mapping[str, LightSource],
    pause: Callable[[float], None],
    note: Callable[[str, int], None] = lambda _source, _height: None,
) -> ResultT:
    """Walk the pure client's steps with these nodes; `note` hears of every fetch."""
    try:
        wanted = next(steps)
        while True:
            if wanted.after_ns:
                pause(wanted.after_ns / 1e9)
            note(wanted.source, wanted.height)
            wanted = steps.send(sources[wanted.source].fetch(wanted.height))
    except StopIteration as end:
        result: ResultT = end.value
        return result
