"""Numbers, lengths and gaps that no honest node sends, in every field of every message of a peer: nobody falls."""

import asyncio
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from chain.codec.errors import DecodeError
from chain.codec.proto import decode, encode
from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.crypto.ed25519 import derive_public, sign
from chain.crypto.keys import address
from chain.node.node import Node
from chain.p2p.channels import CHANNELS, ChannelId, channel_of, statesync_channel
from chain.p2p.errors import PeerFault
from chain.types.block import NIL_BLOCK_ID, EvidenceList, Proposal, Vote
from chain.types.evidence import LightBlock
from chain.types.messages import (
    BitArray,
    BlockPart,
    BlockRequest,
    BlockResponse,
    BlocksyncMessage,
    ChunkRequest,
    ChunkResponse,
    ConsensusMessage,
    HasVote,
    LightBlockRequest,
    LightBlockResponse,
    NewRoundStep,
    NewValidBlock,
    NoBlockResponse,
    ParamsRequest,
    ParamsResponse,
    ProposalMessage,
    ProposalPOL,
    SnapshotsResponse,
    StatesyncMessage,
    StatusResponse,
    VoteMessage,
    VoteSetBits,
    VoteSetMaj23,
)
from chain.types.primitives import SignedMsgType
from tests.node.test_evidence_pool import duplicate_once, fresh_pool, grown, lunatic_once
from tests.node.test_gossip import has, make_homes, running, until, validator_seed
from tests.waiting import run_within

ODD = (-(2**63), -(2**31), -1, 0, 1, 2**31 - 1, 2**32, 2**63 - 1)
CHAIN = "gossip-1"
LIAR = 3
"""The validator whose key signs odd things elsewhere: its own node falls silent then, and the others suffice."""


def odd_copies(value: Any) -> Iterator[Any]:
    """Copies of a value, each with one number, text of bytes or list in it, however deep, replaced by an odd one."""
    if type(value) is int:
        yield from ODD
    elif isinstance(value, bytes):
        yield from (b"", value[:-1], value + b"\0", bytes(len(value)))
    elif isinstance(value, tuple):
        yield from ((), value[:-1], value + value[:1])
        for index, member in enumerate(value):
            for changed in odd_copies(member):
                yield (*value[:index], changed, *value[index + 1 :])
    elif is_dataclass(value):
        for field in fields(value):
            held = getattr(value, field.name)
            for changed in (*odd_copies(held), None):
                try:
                    yield replace(value, **{field.name: changed})
                except (TypeError, ValueError):
                    continue  # the type itself has no such value


def on_the_wire(value: Any) -> Any:
    """The value as a peer would read it; None when no bytes say it."""
    try:
        return decode(type(value), encode(value))
    except (AttributeError, DecodeError, OverflowError, TypeError, ValueError):
        return None


def consensus_bodies(node: Node) -> list[Any]:
    """One of each, near the height in progress, of a validator that can sign what it likes."""
    assert node.host is not None
    state, at = node.host.state, node.host.working_height()
    built = node.stores.blocks.load(at - 1)
    assert built is not None
    who = address(derive_public(validator_seed(LIAR)))
    index = state.validators.index_of(who)
    assert index is not None
    now, block_id = state.last_block_time.plus_ns(10**6), built.block_id
    kinds = (SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT)
    votes = [
        VoteMessage(Vote(kind, height, 0, named, now, who, index))
        for kind in kinds
        for height in (at - 1, at, at + 1)
        for named in (block_id, NIL_BLOCK_ID)
    ]
    bits = BitArray.from_flags((True, False))
    parts = node.host.find_parts(block_id.part_set_header)
    return [
        *votes,
        *(ProposalMessage(Proposal(h, 0, -1, block_id, now)) for h in (at, at + 1)),
        NewRoundStep(at, 0, 1, 0, 0),
        NewValidBlock(at - 1, 0, block_id.part_set_header, bits),
        ProposalPOL(at, 0, bits),
        HasVote(at, 0, SignedMsgType.PREVOTE, 0),
        VoteSetMaj23(at, 0, SignedMsgType.PREVOTE, block_id),
        VoteSetBits(at, 0, SignedMsgType.PREVOTE, block_id, bits),
        *([] if parts is None else [BlockPart(at, 0, parts.parts[0])]),
    ]


def signed(body: Any) -> Any:
    """With a signature of the lying validator over what the message says now."""
    seed = validator_seed(LIAR)
    match body:
        case VoteMessage(vote):
            return VoteMessage(replace(vote, signature=sign(seed, vote_sign_bytes(CHAIN, vote))))
        case ProposalMessage(proposal):
            made = sign(seed, proposal_sign_bytes(CHAIN, proposal))
            return ProposalMessage(replace(proposal, signature=made))
        case _:
            return body


def consensus_messages(node: Node) -> Iterator[tuple[ChannelId, Any]]:
    for body in consensus_bodies(node):
        for changed in odd_copies(body):
            try:
                message = ConsensusMessage(signed(changed))
            except (AttributeError, OverflowError, TypeError, ValueError):
                continue  # cannot even be signed
            yield channel_of(changed), message


def sync_messages(node: Node) -> Iterator[tuple[ChannelId, Any]]:
    stored = node.stores.blocks.load(1)
    header = node.stores.blocks.load_signed_header(1)
    params = node.stores.states.load_params(1)
    members = node.stores.states.load_validators(1)
    assert stored is not None
    assert header is not None
    assert params is not None
    assert members is not None
    for of_blocks in (
        BlockRequest(1),
        NoBlockResponse(1),
        StatusResponse(1, 1),
        BlockResponse(stored.block),
    ):
        for changed in odd_copies(of_blocks):
            yield ChannelId.BLOCKSYNC, BlocksyncMessage(changed)
    for of_state in (
        SnapshotsResponse(1, 1, 1, bytes(32)),
        ChunkRequest(1, 1, 0),
        ChunkResponse(1, 1, 0),
        LightBlockRequest(1),
        LightBlockResponse(LightBlock(header, members)),
        ParamsRequest(1),
        ParamsResponse(1, params),
    ):
        for changed in odd_copies(of_state):
            message = StatesyncMessage(changed)
            yield statesync_channel(message), message


def test_no_odd_value_in_a_peers_message_stops_a_node(tmp_path):
    async def main() -> None:
        # The liar runs as well: whoever lies is dropped and banned, and the three others must not need it.
        async with running(make_homes(tmp_path)) as (node, _, _, liar):
            node.submit_tx(b"a=1")
            await until(lambda: has(node, b"a=1"))
            assert node.switch is not None
            peer, count = liar.node_info.default_node_id, 0
            for channel, message in [*consensus_messages(node), *sync_messages(node)]:
                read = on_the_wire(message)
                if read is None:
                    continue
                count += 1
                try:
                    node.switch._handlers[channel](peer, read)
                except PeerFault:
                    continue
                assert len(encode(read)) <= CHANNELS[channel].max_bytes
                await asyncio.sleep(0)
            assert count > 500
            node.submit_tx(b"b=2")
            await until(lambda: has(node, b"b=2"))

    run_within(main())


@pytest.mark.parametrize("make", [duplicate_once, lunatic_once])
def test_no_odd_value_in_evidence_stops_a_node(make):
    pool, state, count = fresh_pool(grown()), grown().host.state, 0
    for changed in odd_copies(make()):
        read = on_the_wire(EvidenceList((changed,)))
        if read is None:
            continue
        count += 1
        pool.submit(state, read.evidence[0])
        pool.check_block(state, read.evidence)
    assert count > 50
