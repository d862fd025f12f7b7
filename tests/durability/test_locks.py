"""A validator that locked, spoke and died must come back with its lock: amnesia is Byzantine behaviour."""

from chain.types.block import BlockID
from chain.types.messages import BlockPart, ConsensusBody, ProposalMessage, VoteMessage
from chain.types.primitives import SignedMsgType
from tests.node.virtual import VirtualNode, VirtualTime, genesis_doc, start_cluster


def height_of(body: ConsensusBody) -> int:
    match body:
        case VoteMessage(vote):
            return vote.height
        case ProposalMessage(proposal):
            return proposal.height
        case BlockPart(height):
            return height
    return 0


def is_round_zero(body: ConsensusBody) -> bool:
    match body:
        case VoteMessage(signed) | ProposalMessage(signed):
            return signed.round == 0
    return True


def late_validator() -> tuple[VirtualTime, VirtualNode]:
    """Validator 3 hears of height 2 first, then of height 1: it decides 1 and locks at 2 by what came early."""
    time, network = start_cluster(4)
    heard: list[tuple[int, ConsensusBody]] = []

    def keep_apart(source: int, target: int, body: ConsensusBody) -> bool:
        if target == 3:
            heard.append((source, body))
        is_precommit = isinstance(body, VoteMessage) and body.vote.type == SignedMsgType.PRECOMMIT
        return 3 in (source, target) or (is_precommit and height_of(body) == 2)

    network.drop = keep_apart
    network.nodes[0].pool.add(b"a=1")
    time.run(9)
    assert [network.nodes[i].height for i in range(4)] == [1, 1, 1, 0]
    late = network.nodes[3]
    for height in (2, 1):
        for source, body in heard:
            if height_of(body) == height and is_round_zero(body):
                late.host.deliver(body, str(source))
    time.run(0.3)
    return time, late


def test_a_lock_taken_on_messages_that_came_before_their_height_survives_a_crash():
    time, late = late_validator()
    assert late.host.core is not None
    before = late.host.core.machine
    assert (before.height, before.locked_round) == (2, 0)
    assert late.signer.last.position() == (2, 0, 3), "its precommit is out"
    later = VirtualTime()
    later.now_s = time.now_s
    again = VirtualNode(later, late.disk, genesis_doc(4), 3)
    later.call_later(0, again.host.start)
    later.run(0.001)
    assert again.host.core is not None
    after = again.host.core.machine
    assert (after.height, after.locked_round) == (2, 0)
    assert after.locked_block_id == before.locked_block_id != BlockID()
