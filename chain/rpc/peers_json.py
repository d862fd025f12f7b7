"""Connected peers as `net_info` tells (`rpc/core/types` Peer, `p2p/conn` ConnectionStatus, `libs/flowrate` Status).

Our connections have one queue per peer, not one per channel, and measure whole bytes, not rates over windows:
`Channels` is therefore empty, and of the rates only the average is told.
"""

from typing import Any

from chain.codec.cmtjson import to_json
from chain.rpc.ports import PeerFacts
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp

Json = Any


def peer_json(peer: PeerFacts, now: Timestamp) -> Json:
    """One member of `peers`."""
    return {
        "node_info": to_json(peer.info),
        "is_outbound": peer.is_outbound,
        "connection_status": {
            "Duration": str(_nanos(peer.connected_s)),
            "SendMonitor": _monitor(peer, peer.sent_bytes, now),
            "RecvMonitor": _monitor(peer, peer.received_bytes, now),
            "Channels": [],
        },
        "remote_ip": peer.remote.rpartition(":")[0],
    }


def _monitor(peer: PeerFacts, size_bytes: int, now: Timestamp) -> Json:
    zero = "0"
    return {
        "Start": now.plus_ns(-_nanos(peer.connected_s)).to_rfc3339(),
        "Bytes": str(size_bytes),
        "Samples": zero,
        "InstRate": zero,
        "CurRate": zero,
        "AvgRate": str(int(size_bytes / peer.connected_s) if peer.connected_s > 0 else 0),
        "PeakRate": zero,
        "BytesRem": zero,
        "Duration": str(_nanos(peer.connected_s)),
        "Idle": zero,
        "TimeRem": zero,
        "Progress": 0,
        "Active": True,
    }


def _nanos(seconds: float) -> int:
    return round(seconds * NANOS_PER_SECOND)
