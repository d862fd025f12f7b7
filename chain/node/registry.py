"""The peers a node lets in: those of the town's registry and those of its own settings.

The registry comes out of the committed state by ABCI Query `/nodes`, so it works with any application, also behind a
socket; an application without that path has none. Nothing in it is believed: an entry whose certificate its key did
not sign is left out, as is this node itself.
Reads: the application.  Writes: nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from chain.codec.canonical import b64url_decode
from chain.crypto.node_certificate import is_certified, node_id_of
from chain.limits import CITY_NODES_MAX
from chain.p2p.certificates import pem_of
from chain.p2p.switch import PeerAddress
from chain.types.abci import RequestQuery, ResponseQuery
from chain.types.primitives import Height

log = structlog.get_logger("registry")

NODES_PATH: Final = "/nodes"


class _Node(msgspec.Struct, frozen=True):
    """One entry of the application's answer; further members are for others."""

    node_key: str
    proof: str
    address: str
    left: int


class _Answer(msgspec.Struct, frozen=True):
    nodes: tuple[_Node, ...]


_DECODER: Final = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class RegisteredPeer:
    """A node of the registry: its certificate, where it listens if anywhere, and when it left (0: it has not)."""

    node_id: str
    pem: bytes
    address: PeerAddress | None
    left: Height

    def is_allowed(self, committed: Height) -> bool:
        """Whether it may connect once `committed` is our newest block.

        One that block H took off is dropped when H+2 begins: what decides H+1 is still its business.
        """
        return self.left == 0 or committed <= self.left


@dataclass(frozen=True, slots=True)
class AllowedPeers:
    """What the switch is told: certificates by node id, and whom to dial."""

    trusted: Mapping[str, bytes]
    persistent: tuple[PeerAddress, ...]


class PeerRegistry:
    """The registry as last read, and what follows from it at a height."""

    def __init__(self, query: Callable[[RequestQuery], ResponseQuery], own_node_id: str) -> None:
        self._query = query
        self._own_node_id = own_node_id
        self._peers: tuple[RegisteredPeer, ...] = ()
        self._read_at: Height | None = None

    def refresh(self, changed: Height | None) -> None:
        """Read again when the application says that the registry changed at another height than the last read one."""
        if changed is None or changed == self._read_at:
            return
        answer = self._query(RequestQuery(path=NODES_PATH))
        if answer.code != 0:
            log.error("no registry", code=answer.info or str(answer.code))
            return
        try:
            listed = _DECODER.decode(answer.value).nodes
        except msgspec.MsgspecError as error:
            log.error("registry unreadable", detail=str(error))
            return
        found = (_read_peer(node) for node in listed)
        peers = [peer for peer in found if peer and peer.node_id != self._own_node_id]
        self._peers, self._read_at = tuple(peers), changed

    def allowed(
        self,
        committed: Height,
        configured: Mapping[str, bytes],
        addresses: tuple[PeerAddress, ...],
    ) -> AllowedPeers:
        """Registry and settings together after block `committed`; for an address the settings have the last word."""
        now = [peer for peer in self._peers if peer.is_allowed(committed)][: CITY_NODES_MAX * 2]
        trusted = {peer.node_id: peer.pem for peer in now} | dict(configured)
        named = {address.node_id for address in addresses}
        dialled = tuple(
            peer.address
            for peer in now
            if peer.address is not None and peer.left == 0 and peer.node_id not in named
        )
        return AllowedPeers(trusted, (*addresses, *dialled))


def _read_peer(node: _Node) -> RegisteredPeer | None:
    """A peer from an entry; None, with a line in the log, for one that proves nothing."""
    try:
        key, proof = b64url_decode(node.node_key), b64url_decode(node.proof)
    except ValueError:
        log.error("registry entry malformed")
        return None
    if not is_certified(key, proof):
        log.error("registry entry without proof", key=node.node_key)
        return None
    node_id = node_id_of(key)
    return RegisteredPeer(node_id, pem_of(key, proof), _read_address(node_id, node), node.left)


def _read_address(node_id: str, node: _Node) -> PeerAddress | None:
    host, colon, port = node.address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65_535:
        return None
    return PeerAddress(node_id, host, int(port))
