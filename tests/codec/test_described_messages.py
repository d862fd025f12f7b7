"""The 43 golden messages, built from their description: the encoder alone, without a decoder to agree with."""

from hashlib import sha256

import pytest
from nacl.signing import SigningKey

from chain.codec.proto import encode
from chain.types import messages as m
from chain.types.block import (
    NIL_BLOCK_ID,
    Block,
    BlockID,
    ConsensusVersion,
    Data,
    EvidenceList,
    Header,
    Part,
    PartSetHeader,
    Proof,
    Proposal,
    Vote,
)
from chain.types.evidence import DuplicateVoteEvidence
from chain.types.primitives import INT64_MAX, SignedMsgType
from chain.types.timestamp import ZERO_TIME, Timestamp
from tests.vectors.runner import load_json, shared_folder

INT32_MAX = 2**31 - 1
PRECOMMIT, PREVOTE = SignedMsgType.PRECOMMIT, SignedMsgType.PREVOTE
CODE = b"add_more_exclamation_marks_code-"
ADDRESS = b"add_more_exclamation"
PARTS = PartSetHeader(1, CODE)
BLOCK_ID = BlockID(CODE, PARTS)
DATE = Timestamp.from_rfc3339("2018-08-30T12:00:00Z")
PROPOSAL = Proposal(1, 1, 1, BLOCK_ID, DATE, ADDRESS)
BITS = m.BitArray(1, (0,))


def cons_vote(extension=b""):
    return Vote(PRECOMMIT, 1, 0, BLOCK_ID, DATE, ADDRESS, 1, extension=extension)


CONSENSUS = [
    m.NewRoundStep(1, 1, 1, 1, 1),
    m.NewRoundStep(INT64_MAX, INT32_MAX, 2**32 - 1, INT64_MAX, INT32_MAX),
    m.NewValidBlock(1, 1, PARTS, BITS),
    m.ProposalMessage(PROPOSAL),
    m.ProposalPOL(1, 1, m.BitArray()),
    m.BlockPart(1, 1, Part(1, b"test", Proof(1, 1, CODE))),
    m.VoteMessage(cons_vote()),
    m.VoteMessage(cons_vote(b"extension")),
    m.HasVote(1, 1, PREVOTE, 1),
    m.HasVote(INT64_MAX, INT32_MAX, PREVOTE, INT32_MAX),
    m.VoteSetMaj23(1, 1, PREVOTE, BLOCK_ID),
    m.VoteSetBits(1, 1, PREVOTE, BLOCK_ID, BITS),
]

HELLO = Block(
    Header(
        ConsensusVersion(11, 0),
        "",
        3,
        ZERO_TIME,
        NIL_BLOCK_ID,
        b"",
        bytes.fromhex("c4da88e876062aa1543400d50d0eaa0dac88096057949cfb7bca7f3a48c04bf9"),
        b"",
        b"",
        b"",
        b"",
        b"",
        sha256(b"").digest(),
        b"",
    ),
    Data((b"Hello World",)),
    EvidenceList(),
    None,
)
BLOCKSYNC = [
    m.BlockRequest(1),
    m.BlockRequest(INT64_MAX),
    m.BlockResponse(HELLO),
    m.NoBlockResponse(1),
    m.NoBlockResponse(INT64_MAX),
    m.StatusRequest(),
    m.StatusResponse(1, 2),
    m.StatusResponse(INT64_MAX, INT64_MAX),
]

SIGNED_ID = BlockID(
    sha256(b"blockID_hash").digest(),
    PartSetHeader(1_000_000, sha256(b"blockID_part_set_header_hash").digest()),
)
STAMP = Timestamp.from_rfc3339("2019-10-13T16:14:44Z")
SIGNER = sha256(b"validator_address").digest()[:20]
SIGNED_VOTE = Vote(PRECOMMIT, 3, 2, SIGNED_ID, STAMP, SIGNER, 56_789, extension=b"extension")
SIGNED_PROPOSAL = Proposal(3, 2, 2, SIGNED_ID, STAMP, b"it's a signature", PREVOTE)
NO_VOTE = Vote(SignedMsgType.UNKNOWN, 0, 0, NIL_BLOCK_ID, ZERO_TIME, b"", 0)
NO_PROPOSAL = Proposal(0, 0, 0, NIL_BLOCK_ID, ZERO_TIME, b"", SignedMsgType.UNKNOWN)
PUBLIC = bytes(SigningKey(sha256(b"it's a secret").digest()).verify_key)
ERROR = m.RemoteSignerError(1, "it's a error")
PRIVVAL = [
    m.PingRequest(),
    m.PingResponse(),
    m.PubKeyRequest(),
    m.PubKeyResponse(PUBLIC),
    m.PubKeyResponse(b"", ERROR),
    m.SignVoteRequest(SIGNED_VOTE),
    m.SignedVoteResponse(SIGNED_VOTE),
    m.SignedVoteResponse(NO_VOTE, ERROR),
    m.SignProposalRequest(SIGNED_PROPOSAL),
    m.SignedProposalResponse(SIGNED_PROPOSAL),
    m.SignedProposalResponse(NO_PROPOSAL, ERROR),
]

CHRISTMAS = Timestamp.from_rfc3339("2017-12-25T03:00:01.234Z")
EVIDENCE = DuplicateVoteEvidence(
    Vote(PRECOMMIT, 3, 2, SIGNED_ID, CHRISTMAS, SIGNER, 56_789),
    Vote(PREVOTE, 3, 2, SIGNED_ID, CHRISTMAS, SIGNER, 56_789),
    10,
    10,
    Timestamp.from_rfc3339("2019-01-01T00:00:00Z"),
)

DESCRIBED = [
    *map(m.ConsensusMessage, CONSENSUS),
    *map(m.BlocksyncMessage, BLOCKSYNC),
    *map(m.PrivvalMessage, PRIVVAL),
    m.MempoolMessage(m.Txs((b"{",))),
    m.MempoolMessage(m.Txs((b"proto encoding in mempool",))),
    m.StatesyncMessage(m.SnapshotsRequest()),
    m.StatesyncMessage(m.SnapshotsResponse(1, 2, 3, b"chuck hash", b"snapshot metadata")),
    m.StatesyncMessage(m.ChunkRequest(1, 2, 3)),
    m.StatesyncMessage(m.ChunkResponse(1, 2, 3, b"it's a chunk")),
    m.Packet(m.PacketPing()),
    m.Packet(m.PacketPong()),
    m.Packet(m.PacketMsg(1, False, b"data transmitted over the wire")),
    m.PexMessage(m.PexRequest()),
    m.PexMessage(m.PexAddrs((m.NetAddress("1", "127.0.0.1", 9090),))),
    EvidenceList((EVIDENCE,)),
]

VECTORS = shared_folder() / "vectors" / "cometbft" / "cometbft" / "wire_messages.json"


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"no vectors at {VECTORS}; set BEFFROI_SHARED")
def test_every_described_message_has_the_golden_bytes_in_the_order_of_the_file():
    groups = load_json(VECTORS)["groups"]
    golden = [case["hex"] for group in groups for case in group["cases"]]
    assert [encode(value).hex() for value in DESCRIBED] == golden
