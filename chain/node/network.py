"""The seam to other nodes: what consensus needs of a network, and the network of a node without peers."""

from typing import Protocol

from chain.types.block import BlockID
from chain.types.messages import ConsensusBody
from chain.types.primitives import Height


class Network(Protocol):
    """Best effort: messages may be lost, doubled, late. Incoming ones go to `ConsensusHost.deliver`."""

    def broadcast(self, message: ConsensusBody) -> None:
        """Send one of our own messages to every peer; it is durable here already."""
        ...

    def request_block(self, height: Height, block_id: BlockID) -> None:
        """Ask peers for the parts of a block that votes or a proposal name."""
        ...

    def peer_count(self) -> int: ...


class NoPeers:
    """A node alone: nothing to send to, nobody to ask."""

    def broadcast(self, message: ConsensusBody) -> None:
        """Nobody hears."""

    def request_block(self, height: Height, block_id: BlockID) -> None:
        """Nobody answers."""

    def peer_count(self) -> int:
        """None."""
        return 0
