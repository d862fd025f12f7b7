"""JSON-RPC 2.0 errors as CometBFT 0.38 words them (`rpc/jsonrpc/types`)."""

from typing import Any


class RpcError(Exception):
    """An error answer; `data` carries the detail, as CometBFT does."""

    code = -32603
    message = "Internal error"

    def __init__(self, data: str) -> None:
        super().__init__(data)
        self.data = data

    def to_json(self) -> dict[str, Any]:
        """The `error` member of an answer."""
        return {"code": self.code, "message": self.message, "data": self.data}


class InternalError(RpcError):
    """The method could not answer."""


class ParseError(RpcError):
    """The body is not JSON."""

    code = -32700
    message = "Parse error. Invalid JSON"


class InvalidRequest(RpcError):
    """JSON, but not a request."""

    code = -32600
    message = "Invalid Request"


class MethodNotFound(RpcError):
    """No such method."""

    code = -32601
    message = "Method not found"


class InvalidParams(RpcError):
    """A parameter of the wrong form."""

    code = -32602
    message = "Invalid params"


class ServerError(RpcError):
    """The server will not serve this now."""

    code = -32000
    message = "Server error"
