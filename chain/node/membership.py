"""What the town's decisions about members mean for this node: whom it lets in and dials, and whether it validates.

Reads: the registry, the state after each block.  Writes: the switch's lists, the log.
Never: the validator's own choice; a node that is not in the set signs nothing because the core asks it nothing.
"""

from collections.abc import Mapping

import structlog

from chain.node.registry import AllowedPeers, PeerRegistry
from chain.p2p.switch import PeerAddress, Switch
from chain.types.primitives import Address, Height
from chain.types.state import ChainState

log = structlog.get_logger("members")


class PeerList:
    """Keeps a switch to the peers of registry and settings; tells it only what changed."""

    def __init__(
        self,
        switch: Switch,
        registry: PeerRegistry,
        trusted: Mapping[str, bytes],
        persistent: tuple[PeerAddress, ...],
    ) -> None:
        """`trusted` and `persistent` are those of the settings, which the switch has already."""
        self._switch = switch
        self._registry = registry
        self._configured = AllowedPeers(dict(trusted), persistent)
        self._told = self._configured

    def configure(
        self, trusted: Mapping[str, bytes], persistent: tuple[PeerAddress, ...], committed: Height
    ) -> None:
        """The settings changed; raises PeerFault for a certificate that cannot be used, and changes nothing then."""
        before = self._configured
        self._configured = AllowedPeers(dict(trusted), persistent)
        try:
            self._tell(committed)
        except Exception:
            self._configured = before
            raise

    def on_block(self, changed: Height | None, committed: Height) -> None:
        """After a block: `changed` is when the registry changed last, None for an application without one."""
        self._registry.refresh(changed)
        self._tell(committed)

    def _tell(self, committed: Height) -> None:
        wanted = self._registry.allowed(
            committed, self._configured.trusted, self._configured.persistent
        )
        if wanted.trusted != self._told.trusted:
            self._switch.set_trusted(wanted.trusted)
        if wanted.persistent != self._told.persistent:
            self._switch.set_persistent(wanted.persistent)
        if wanted != self._told:
            log.info("peers", allowed=len(wanted.trusted), dialled=len(wanted.persistent))
        self._told = wanted


class SetWatch:
    """Tells the operator when this node's key comes into the validator set or leaves it."""

    def __init__(self, address: Address, state: ChainState) -> None:
        self._address = address
        self._is_member = self._belongs(state)
        if not self._is_member:
            log.info(
                "not a validator: following as a full node",
                next_step="to validate, the council must accept the act that `beffroi node act` prints",
            )

    def _belongs(self, state: ChainState) -> bool:
        return state.next_validators.index_of(self._address) is not None

    def on_block(self, state: ChainState) -> None:
        """After a block: the set of the height after the next is known."""
        is_member = self._belongs(state)
        if is_member == self._is_member:
            return
        self._is_member = is_member
        height = state.last_block_height + 2
        if is_member:
            log.info("our key validates", from_height=height)
        else:
            log.warning(
                "our key leaves the validator set: signing nothing, following as a full node",
                from_height=height,
                next_step="stop the node when you like; an act node.remove ends its connections",
            )
