"""The peer registry: which nodes may connect to each other, by the council's word.

A record holds the node's key, the signature with which that key made its certificate (so nobody registers a key whose
holder did not agree to be a node), the body that runs it and, when others should dial it, its address. A node that
is taken off stays allowed while the height after its removal is decided: what was signed for it may still come.
Reads and writes: namespace city, uses of keys in namespace account.
Never: more nodes than a switch has room for; two nodes at one address; a key with another use.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from chain.codec.canonical import b64url_decode
from chain.crypto.node_certificate import is_certified, node_id_of
from chain.limits import CITY_NODES_MAX, CITY_NODES_PER_BODY_MAX
from chain.town.accounts import register_key
from chain.town.context import Overlay, Reader, Refused, Table
from chain.town.schemas import Bytes32, Bytes64, Jwk, NodeAddress, Slug
from chain.types import codes


class NodeRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A node that peers let in, or did: `left` is the height whose block took it off, 0 while it is on."""

    body: Slug
    node_key: Bytes32
    proof: Bytes64
    address: NodeAddress
    left: Annotated[int, Meta(ge=0)] = 0


class ChangeRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Height of the last block that changed the registry, so that nobody reads it at every block."""

    height: int


NODES: Final = Table("city", "node", NodeRecord)
"""By node id, 40 hex digits."""
CHANGES: Final = Table("city", "nodes_changed", ChangeRecord)
_CHANGE_ID: Final = b"last"


def node_jwk(node_key: str) -> Jwk:
    """A node's key as other keys are written; one thumbprint space for all."""
    return Jwk(crv="Ed25519", kty="OKP", x=node_key)


def set_node(state: Overlay, record: NodeRecord, height: int) -> Refused | None:
    """Let a node in, or change its address; `record.body` exists. A node that left comes back for its own body."""
    key = b64url_decode(record.node_key)
    if not is_certified(key, b64url_decode(record.proof)):
        return Refused(codes.CITY_ACT_REFUSED, "the node key did not sign its certificate")
    name = node_id_of(key).encode()
    held = NODES.get(state, name)
    if held is None:
        kid = register_key(state, node_jwk(record.node_key), use="node", ref=record.body)
        if isinstance(kid, Refused):
            return kid
    elif held.body != record.body:
        return Refused(codes.CITY_ACT_REFUSED, f"that node is run by {held.body}")
    refused = _check_room(state, name, record)
    if refused is not None:
        return refused
    NODES.put(state, name, record)
    _note_change(state, height)
    return None


def _check_room(state: Reader, name: bytes, record: NodeRecord) -> Refused | None:
    others = [node for other, node in live_nodes(state) if other.encode() != name]
    if len(others) >= CITY_NODES_MAX:
        return Refused(codes.CITY_ACT_REFUSED, f"at most {CITY_NODES_MAX} nodes")
    if sum(node.body == record.body for node in others) >= CITY_NODES_PER_BODY_MAX:
        return Refused(
            codes.CITY_ACT_REFUSED, f"at most {CITY_NODES_PER_BODY_MAX} nodes of one body"
        )
    if record.address and any(node.address == record.address for node in others):
        return Refused(codes.CITY_ACT_REFUSED, f"another node is at {record.address}")
    return None


def remove_node(state: Overlay, node_id: str, height: int) -> Refused | None:
    """Take a node off; its peers drop it once the next height is decided."""
    held = NODES.get(state, node_id.encode())
    if held is None or held.left:
        return Refused(codes.CITY_ACT_REFUSED, "no such node")
    NODES.put(state, node_id.encode(), msgspec.structs.replace(held, left=height))
    _note_change(state, height)
    return None


def remove_nodes_of_body(state: Overlay, body: str, height: int) -> None:
    """Take off every node of a body that leaves."""
    for node_id, node in live_nodes(state):
        if node.body == body:
            removed = remove_node(state, node_id, height)
            assert removed is None, "the node was there a moment ago"


def live_nodes(state: Reader) -> list[tuple[str, NodeRecord]]:
    """Nodes that are on, by id."""
    return [(name.decode(), node) for name, node in NODES.scan(state) if not node.left]


def _note_change(state: Overlay, height: int) -> None:
    CHANGES.put(state, _CHANGE_ID, ChangeRecord(height))


def last_change(state: Reader) -> int:
    """Height of the last change, 0 when there was none."""
    record = CHANGES.get(state, _CHANGE_ID)
    return 0 if record is None else record.height


def describe_nodes(state: Reader) -> dict[str, Any]:
    """The whole registry for Query `/nodes`, nodes that left included."""
    listed = [
        {"node_id": name.decode(), **msgspec.to_builtins(node)} for name, node in NODES.scan(state)
    ]
    return {"changed": last_change(state), "nodes": listed}
