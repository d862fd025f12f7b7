"""A validator process of a town that signs twice once told to: `python -m tests.node.double_signer --home DIR`.

While the file `sign-twice` lies in its home, each of its prevotes goes to one peer together with a vote of the same
key for another block. Everything else it does as it should.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from chain.codec.signbytes import vote_sign_bytes
from chain.crypto import ed25519
from chain.node.gossip import ConsensusGossip
from chain.node.home import Home, load_genesis, load_signing_seed
from chain.node.main import main
from chain.p2p.channels import ChannelId
from chain.types.block import BlockID, PartSetHeader
from chain.types.messages import ConsensusMessage, VoteMessage
from chain.types.primitives import SignedMsgType

TRIGGER = "sign-twice"
OTHER_BLOCK = BlockID(b"\x66" * 32, PartSetHeader(1, b"\x66" * 32))


def cheat_from(home: Home) -> None:
    """Make the gossip of this process tell a second vote, to the first peer only."""
    seed, chain_id = load_signing_seed(home), load_genesis(home).doc.chain_id
    honest = ConsensusGossip.broadcast

    def broadcast(self: ConsensusGossip, message: Any) -> None:
        honest(self, message)
        if not isinstance(message, VoteMessage) or not (home.root / TRIGGER).exists():
            return
        vote = message.vote
        if vote.type is not SignedMsgType.PREVOTE or vote.block_id.is_nil():
            return
        lie = replace(vote, block_id=OTHER_BLOCK)
        signature = ed25519.sign(seed, vote_sign_bytes(chain_id, lie))
        told = ConsensusMessage(VoteMessage(replace(lie, signature=signature)))
        self._switch.send(self._switch.peers()[0], ChannelId.VOTE, told)

    ConsensusGossip.broadcast = broadcast  # type: ignore[method-assign]


if __name__ == "__main__":
    cheat_from(Home(Path(sys.argv[sys.argv.index("--home") + 1])))
    sys.exit(main())
