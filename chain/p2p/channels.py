"""Channels: which message may come on which number, and how large it may be before it is even read.

Numbers and messages are CometBFT 0.38's (`consensus/reactor.go`, `mempool`, `evidence`, `blocksync`, `statesync`),
those of light blocks and parameters Tendermint 0.35's. Two are of the connection itself, which CometBFT keeps
outside its channels: node info and keep-alive.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from chain import limits
from chain.types.block import EvidenceList
from chain.types.messages import (
    BlockPart,
    BlocksyncMessage,
    ChunkRequest,
    ChunkResponse,
    ConsensusBody,
    ConsensusMessage,
    DefaultNodeInfo,
    HasVote,
    LightBlockRequest,
    LightBlockResponse,
    MempoolMessage,
    NewRoundStep,
    NewValidBlock,
    Packet,
    ParamsRequest,
    ParamsResponse,
    ProposalMessage,
    ProposalPOL,
    SnapshotsRequest,
    SnapshotsResponse,
    StatesyncMessage,
    VoteMessage,
    VoteSetBits,
    VoteSetMaj23,
)


class ChannelId(IntEnum):
    """One byte on the wire."""

    NODE_INFO = 0x01
    KEEP_ALIVE = 0x02
    STATE = 0x20
    DATA = 0x21
    VOTE = 0x22
    VOTE_BITS = 0x23
    MEMPOOL = 0x30
    EVIDENCE = 0x38
    BLOCKSYNC = 0x40
    SNAPSHOT = 0x60
    CHUNK = 0x61
    LIGHT_BLOCK = 0x62
    PARAMS = 0x63


@dataclass(frozen=True, slots=True)
class Channel:
    """What one channel carries; `is_urgent` ones are served before the others whoever sent them."""

    message: type[Any]
    max_bytes: int
    is_urgent: bool


CHANNELS: Final = {
    ChannelId.NODE_INFO: Channel(DefaultNodeInfo, limits.P2P_NODE_INFO_MAX_BYTES, True),
    ChannelId.KEEP_ALIVE: Channel(Packet, limits.P2P_KEEP_ALIVE_MAX_BYTES, True),
    ChannelId.STATE: Channel(ConsensusMessage, limits.P2P_STATE_MAX_BYTES, True),
    ChannelId.DATA: Channel(ConsensusMessage, limits.P2P_DATA_MAX_BYTES, True),
    ChannelId.VOTE: Channel(ConsensusMessage, limits.P2P_VOTE_MAX_BYTES, True),
    ChannelId.VOTE_BITS: Channel(ConsensusMessage, limits.P2P_STATE_MAX_BYTES, True),
    ChannelId.MEMPOOL: Channel(MempoolMessage, limits.P2P_MEMPOOL_MAX_BYTES, False),
    # Urgent, so that it keeps its place before the sender's next votes: who counts those has heard the proof.
    ChannelId.EVIDENCE: Channel(EvidenceList, limits.P2P_EVIDENCE_MAX_BYTES, True),
    ChannelId.BLOCKSYNC: Channel(BlocksyncMessage, limits.P2P_BLOCKSYNC_MAX_BYTES, False),
    ChannelId.SNAPSHOT: Channel(StatesyncMessage, limits.P2P_SNAPSHOT_MAX_BYTES, False),
    ChannelId.CHUNK: Channel(StatesyncMessage, limits.P2P_CHUNK_MAX_BYTES, False),
    ChannelId.LIGHT_BLOCK: Channel(StatesyncMessage, limits.P2P_LIGHT_BLOCK_MAX_BYTES, False),
    ChannelId.PARAMS: Channel(StatesyncMessage, limits.P2P_PARAMS_MAX_BYTES, False),
}
"""Every channel; a number that is not here ends the connection."""

_CONSENSUS: Final[dict[type[Any], ChannelId]] = {
    NewRoundStep: ChannelId.STATE,
    NewValidBlock: ChannelId.STATE,
    HasVote: ChannelId.STATE,
    VoteSetMaj23: ChannelId.STATE,
    ProposalMessage: ChannelId.DATA,
    ProposalPOL: ChannelId.DATA,
    BlockPart: ChannelId.DATA,
    VoteMessage: ChannelId.VOTE,
    VoteSetBits: ChannelId.VOTE_BITS,
}


_STATESYNC: Final[dict[type[Any], ChannelId]] = {
    SnapshotsRequest: ChannelId.SNAPSHOT,
    SnapshotsResponse: ChannelId.SNAPSHOT,
    ChunkRequest: ChannelId.CHUNK,
    ChunkResponse: ChannelId.CHUNK,
    LightBlockRequest: ChannelId.LIGHT_BLOCK,
    LightBlockResponse: ChannelId.LIGHT_BLOCK,
    ParamsRequest: ChannelId.PARAMS,
    ParamsResponse: ChannelId.PARAMS,
}
STATESYNC_CHANNELS: Final = (
    ChannelId.SNAPSHOT,
    ChannelId.CHUNK,
    ChannelId.LIGHT_BLOCK,
    ChannelId.PARAMS,
)


def statesync_channel(message: StatesyncMessage) -> ChannelId:
    """The channel a state sync message belongs on; on any other it is malformed."""
    return _STATESYNC[type(message.value)]


def channel_of(body: ConsensusBody) -> ChannelId:
    """The channel a consensus message belongs on; on any other it is malformed."""
    return _CONSENSUS[type(body)]
