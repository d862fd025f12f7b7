"""Byzantine nodes: the production node with one lying layer. `python -m tests.drills.liars --home DIR --lie KIND`.

Everything a lie does not touch is the production code: TLS, log, stores, application, timers. A lie has the
validator's real key, as a Byzantine operator has.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha512
from itertools import count
from typing import Any

from chain.codec.hashing import hash_data
from chain.codec.signbytes import vote_sign_bytes
from chain.crypto.ed25519 import SMALL_ORDER_ENCODINGS, L, derive_public, is_accepted_quickly, sign
from chain.node import signer as signer_module
from chain.node.executor import BlockExecutor, BuiltBlock, name_block
from chain.node.gossip import ConsensusGossip
from chain.node.host import ConsensusHost
from chain.node.main import main
from chain.rpc.methods import Methods
from chain.sync.serving import BlockServer
from chain.sync.state_serving import StateServer
from chain.types.block import BlockID, Data, Header, PartSetHeader, Vote
from chain.types.messages import (
    ChunkRequest,
    ChunkResponse,
    ConsensusBody,
    ProposalMessage,
    VoteMessage,
)
from chain.types.primitives import SignedMsgType
from tests.sync import lying_node

LIES: dict[str, Callable[[], None]] = {}


def lie(function: Callable[[], None]) -> Callable[[], None]:
    """Register a lie under its function's name."""
    LIES[function.__name__.replace("_", "-")] = function
    return function


def resign(host: ConsensusHost, vote: Vote, **changes: Any) -> Vote:
    """A vote with other content and a signature that is good for it: past the signer and its memory."""
    changed = replace(vote, **changes)
    message = vote_sign_bytes(host.state.chain_id, changed)
    return replace(changed, signature=sign(host._do.signer._seed, message))


def contradict(host: ConsensusHost, vote: Vote) -> Vote:
    """The other thing that could be said at the same place."""
    made_up = BlockID(b"\x5a" * 32, PartSetHeader(1, b"\xa5" * 32))
    return resign(host, vote, block_id=made_up if vote.block_id.is_nil() else BlockID())


@lie
def equivocator() -> None:
    """Every vote of ours goes to every second peer, its contradiction to the others; later everybody gets both."""
    honest = ConsensusGossip.broadcast

    def broadcast(self: ConsensusGossip, message: ConsensusBody) -> None:
        if not isinstance(message, VoteMessage) or self._host is None:
            honest(self, message)
            return
        both = message, VoteMessage(contradict(self._host, message.vote))
        for number, peer in enumerate(self._switch.peers()):
            self._send(peer, both[number % 2])
        self._timers.call_later(0.3, lambda: [honest(self, each) for each in both])

    ConsensusGossip.broadcast = broadcast  # type: ignore[method-assign]


@lie
def selective_sender() -> None:
    """Only one peer hears anything of ours: proposals, parts, votes, commits, where we stand."""
    honest = ConsensusGossip._send

    def send(self: ConsensusGossip, peer: str, body: ConsensusBody) -> None:
        if peer == min(self._switch.peers(), default=""):
            honest(self, peer, body)

    def broadcast(self: ConsensusGossip, message: ConsensusBody) -> None:
        for peer in self._switch.peers():
            send(self, peer, message)

    ConsensusGossip._send = send  # type: ignore[method-assign]
    ConsensusGossip.broadcast = broadcast  # type: ignore[method-assign]


@lie
def invalid_proposer() -> None:
    """Each of our proposals is a block with one wrong field, signed and served like a good one."""
    honest, turn = BlockExecutor.propose, count()

    def spoil(header: Header) -> Header:
        match next(turn) % 4:
            case 0:
                return replace(header, app_hash=b"\x11" * 32)
            case 1:
                return replace(header, time=header.time.plus_ns(3_600_000_000_000))
            case 2:
                return replace(header, last_results_hash=b"\x22" * 32)
            case _:
                return replace(header, next_validators_hash=b"\x33" * 32)

    def propose(self: BlockExecutor, *arguments: Any) -> BuiltBlock:
        block = honest(self, *arguments).block
        return name_block(replace(block, header=spoil(block.header)))

    BlockExecutor.propose = propose  # type: ignore[method-assign]


@lie
def poison_proposer() -> None:
    """Each of our proposals carries transactions no honest proposer would: garbage, doubled, oversized."""
    honest = BlockExecutor.propose

    def propose(self: BlockExecutor, *arguments: Any) -> BuiltBlock:
        block = honest(self, *arguments).block
        data = Data((*block.data.txs, b"not a transaction", *block.data.txs, b"x" * 100_000))
        header = replace(block.header, data_hash=hash_data(data.txs))
        return name_block(replace(block, data=data, header=header))

    BlockExecutor.propose = propose  # type: ignore[method-assign]
    BlockExecutor.ask_application = lambda *_: None  # type: ignore[method-assign]


@lie
def sync_liar() -> None:
    """Honest in consensus; whoever asks for old blocks gets other transactions under the same height."""
    BlockServer._block = lying_node.lying  # type: ignore[method-assign]


@lie
def snapshot_liar() -> None:
    """Honest in consensus; every chunk of a snapshot that we serve has one byte changed."""
    honest = StateServer._chunk

    def lying(self: StateServer, question: ChunkRequest) -> ChunkResponse:
        answer = honest(self, question)
        if not answer.chunk:
            return answer
        return replace(answer, chunk=answer.chunk[:-1] + bytes((answer.chunk[-1] ^ 1,)))

    StateServer._chunk = lying  # type: ignore[method-assign]


def edge_signature(seed: bytes, message: bytes, encoding: bytes) -> bytes:
    """A signature with R of small order: good for ZIP-215 (cofactored), refused by libsodium."""
    scalar = bytearray(sha512(seed).digest()[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    public = derive_public(seed)
    h = int.from_bytes(sha512(encoding + public + message).digest(), "little")
    s = h * int.from_bytes(scalar, "little") % L
    signature = encoding + s.to_bytes(32, "little")
    assert not is_accepted_quickly(public, message, signature), "an edge case after all"
    return signature


@lie
def edge_signatures() -> None:
    """All our signatures are edge cases of ZIP-215, and a flood of such votes for later rounds comes on top."""
    encodings = sorted(SMALL_ORDER_ENCODINGS)
    turn = count()

    def sign_at_the_edge(seed: bytes, message: bytes) -> bytes:
        return edge_signature(seed, message, encodings[next(turn) % len(encodings)])

    signer_module.sign = sign_at_the_edge
    honest = ConsensusGossip._on_tick

    def on_tick(self: ConsensusGossip) -> None:
        host = self._host
        core = None if host is None else host.running_core()
        index = None
        if host is not None and core is not None:
            index = host.state.validators.index_of(host._do.signer.address)
        for number in range(20 if index is not None else 0):
            assert host is not None
            assert core is not None
            assert index is not None
            vote = Vote(
                SignedMsgType.PREVOTE,
                core.height,
                core.round + 1 + number,
                BlockID(),
                host._do.clock.now(),
                host._do.signer.address,
                index,
            )
            message = vote_sign_bytes(host.state.chain_id, vote)
            signature = sign_at_the_edge(host._do.signer._seed, message)
            self.broadcast(VoteMessage(replace(vote, signature=signature)))
        honest(self)

    ConsensusGossip._on_tick = on_tick  # type: ignore[method-assign]


@lie
def rpc_liar() -> None:
    """Honest to its peers; clients hear of other transactions, other results, other state."""
    block, results, query = Methods.block, Methods.block_results, Methods.abci_query

    def lying_block(self: Methods, params: Any) -> Any:
        answer = block(self, params)
        answer["block"]["data"]["txs"] = ["c3RvbGVu"]
        return answer

    def lying_results(self: Methods, params: Any) -> Any:
        answer = results(self, params)
        for line in answer["txs_results"] or ():
            line["code"] = 0 if line.get("code") else 7
        return answer

    def lying_query(self: Methods, params: Any) -> Any:
        answer = query(self, params)
        if answer["response"].get("proofOps"):
            answer["response"]["value"] = "eyJzdG9sZW4iOnRydWV9"
        return answer

    Methods.block = lying_block  # type: ignore[method-assign]
    Methods.block_results = lying_results  # type: ignore[method-assign]
    Methods.abci_query = lying_query  # type: ignore[method-assign]


@lie
def rpc_stall() -> None:
    """Honest to its peers; clients hear of no block after the second."""
    height, status = Methods._height, Methods.status

    def old_height(self: Methods, params: Any, *, newest: int | None = None) -> int:
        return height(self, params, newest=min(2, self._node.blocks.height()))

    def old_status(self: Methods, params: Any) -> Any:
        answer = status(self, params)
        answer["sync_info"]["latest_block_height"] = "2"
        return answer

    Methods._height = old_height  # type: ignore[method-assign]
    Methods.status = old_status  # type: ignore[method-assign]


@lie
def two_proposals() -> None:
    """As proposer we sign two blocks: half of the peers get one with its parts, half the other."""
    honest = ConsensusGossip.broadcast

    def broadcast(self: ConsensusGossip, message: ConsensusBody) -> None:
        if not isinstance(message, ProposalMessage) or self._host is None:
            honest(self, message)
            return
        from chain.codec.signbytes import proposal_sign_bytes

        host, proposal = self._host, message.proposal
        other = replace(proposal, block_id=BlockID(b"\x77" * 32, PartSetHeader(1, b"\x88" * 32)))
        signed = replace(
            other,
            signature=sign(host._do.signer._seed, proposal_sign_bytes(host.state.chain_id, other)),
        )
        for number, peer in enumerate(self._switch.peers()):
            self._send(peer, message if number % 2 else ProposalMessage(signed))

    ConsensusGossip.broadcast = broadcast  # type: ignore[method-assign]


def run() -> int:
    """Install the lie, then be a node."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--lie", required=True, choices=sorted(LIES))
    arguments = parser.parse_args()
    LIES[arguments.lie]()
    return main(["--home", arguments.home])


if __name__ == "__main__":
    sys.exit(run())
