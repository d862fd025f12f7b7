"""What a connection looks like from outside: for `net_info` and the metrics."""

from dataclasses import dataclass

from chain.types.messages import DefaultNodeInfo


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One admitted peer; bytes are of frames, before TLS."""

    info: DefaultNodeInfo
    is_outbound: bool
    """We dialled it."""
    remote: str
    """host:port of the other end."""
    connected_s: float
    sent_bytes: int
    received_bytes: int
    queued_bytes: int
    """Waiting for it to read."""
