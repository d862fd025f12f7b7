"""Channels: which message may come on which number, and how large it may be before it is even read.

Numbers and messages are CometBFT 0.38's (`consensus/reactor.go`, `mempool`, `evidence`, `blocksync`), except the two
of the connection itself, which CometBFT keeps outside its channels: node info and keep-alive.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from chain import limits
from chain.types.block import EvidenceList
from chain.types.messages import (
    BlockPart,
    BlocksyncMessage,
    ConsensusBody,
    ConsensusMessage,
    DefaultNodeInfo,
    HasVote,
    MempoolMessage,
    NewRoundStep,
    NewValidBlock,
    Packet,
    ProposalMessage,
    ProposalPOL,
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
    ChannelId.EVIDENCE: Channel(EvidenceList, limits.P2P_EVIDENCE_MAX_BYTES, False),
    ChannelId.BLOCKSYNC: Channel(BlocksyncMessage, limits.P2P_BLOCKSYNC_MAX_BYTES, False),
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


def channel_of(body: ConsensusBody) -> ChannelId:
    """The channel a consensus message belongs on; on any other it is malformed."""
    return _CONSENSUS[type(body)]
