"""ABCI 2.0 over a socket: an application served to CometBFT, and a client that keeps to the grammar.

Frames are protobuf with a uvarint length before each (CometBFT 0.38 `abci/server`, `abci/client`,
`spec/abci/abci++_client_server.md`). The application is the very object that the embedded engine calls in process.
"""

from chain.abci.address import SocketAddress, parse_address
from chain.abci.client import AbciClient
from chain.abci.errors import AbciCallFailed, AbciRefusal
from chain.abci.grammar import CheckedApplication, Grammar
from chain.abci.server import AbciServer

__all__ = [
    "AbciCallFailed",
    "AbciClient",
    "AbciRefusal",
    "AbciServer",
    "CheckedApplication",
    "Grammar",
    "SocketAddress",
    "parse_address",
]
