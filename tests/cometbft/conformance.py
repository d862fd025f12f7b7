"""The same questions to both engines' RPC, and what differs between two answers, path by path."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

Question = tuple[str, str, dict[str, Any]]
"""A name, a method, its parameters."""
Difference = tuple[str, str]
"""Path inside the answer, `name.result.…`, and what differs: `type`, `value`, `ours only`, `theirs only`."""


def ask(port: int, method: str, params: Any) -> Any:
    """The whole JSON-RPC answer; its text when it is no JSON."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    return send(port, "/", body)


def send(port: int, path: str, body: bytes | None) -> Any:
    """A POST with a body, or a GET."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            raw = answer.read()
    except urllib.error.HTTPError as error:
        raw = error.read()
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


def differences(ours: Any, theirs: Any, path: str) -> Iterator[Difference]:
    """Everything that is not the same; items of lists share the path of their list."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            if key not in theirs:
                yield f"{path}.{key}", "ours only"
            elif key not in ours:
                yield f"{path}.{key}", "theirs only"
            else:
                yield from differences(ours[key], theirs[key], f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield path, "length"
        for mine, other in zip(ours, theirs, strict=False):
            yield from differences(mine, other, f"{path}[]")
    elif type(ours) is not type(theirs):
        yield path, "type"
    elif ours != theirs:
        yield path, "value"
