"""What the RPC tells of consensus, and the proof of misbehaviour that it takes."""

import asyncio
import json
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from time import time_ns
from typing import Any

import aiohttp
import pytest

from chain.codec.cmtjson import from_json, to_json
from chain.codec.hashing import hash_evidence, hash_header
from chain.codec.signbytes import vote_sign_bytes
from chain.crypto import ed25519
from chain.crypto.keys import address
from chain.crypto.light_attack import make_light_attack
from chain.execution.evidence import make_duplicate_vote
from chain.limits import EVIDENCE_PENDING_MAX
from chain.node.config import NodeConfig
from chain.node.home import init_home
from chain.node.node import Node
from chain.rpc.ports import VotesView
from chain.rpc.round_json import _bit_array_text, vote_text
from chain.store.kv import Batch
from chain.types.block import Block, BlockID, PartSetHeader, Proposal, SignedHeader, Vote
from chain.types.params import GenesisValidator
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet
from tests.node.attacks import sign_block
from tests.node.kvstore_app import KvStoreApp
from tests.node.live import Client, make_home, running
from tests.node.test_rpc import differences, recorded
from tests.waiting import run_within

OURS = sha256(b"our validator").digest()
PROTO_NAMES = {
    "TotalVotingPower": "total_voting_power",
    "ValidatorPower": "validator_power",
    "Timestamp": "timestamp",
}
OTHER = sha256(b"a validator that never speaks").digest()


def vote(seed: bytes, name: bytes = b"\1", **changes: Any) -> Vote:
    """A signed prevote of height 1, round 0 for a made-up block."""
    block_id = BlockID(name * 32, PartSetHeader(1, name * 32))
    voter = address(ed25519.derive_public(seed))
    unsigned = Vote(SignedMsgType.PREVOTE, 1, 0, block_id, Timestamp(1), voter, 0)
    unsigned = replace(unsigned, **changes)
    return replace(unsigned, signature=ed25519.sign(seed, vote_sign_bytes("live-1", unsigned)))


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────────


def with_lone_node(root, check) -> None:
    """A node whose own validator key the test knows, with its first block made."""
    home = make_home(root)
    key = json.loads((home.config / "priv_validator_key.json").read_text())
    seed = b64decode(key["priv_key"]["value"])[:32]

    async def run() -> None:
        async with running(home) as (node, rpc):
            await check(node, rpc, seed)

    run_within(run())


def evidence_of(node: Node, seed: bytes, name: bytes = b"\2", **changes: Any) -> Any:
    """True evidence against the node's own validator, from two conflicting prevotes at height 1."""
    validators = node.states.load_validators(1)
    time = node.blocks.load_meta(1).header.time
    a, b = vote(seed, b"\1", **changes), vote(seed, name, **changes)
    item = make_duplicate_vote(a, b, time, validators)
    assert item is not None
    return item


async def wait_height(node: Node, height: int) -> None:
    for _ in range(400):
        if node.blocks.height() >= height:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"no height {height} within two seconds")


def test_true_evidence_is_in_the_next_block_and_told_as_cometbft_tells_it(tmp_path):
    async def check(node, rpc, seed):
        item = evidence_of(node, seed)
        await asyncio.sleep(0.1)  # the proof block of height 1 is out, nothing waits
        height = node.blocks.height()
        answer = await rpc("broadcast_evidence", evidence=to_json(item))
        assert answer == {"hash": b64encode(hash_evidence(item)).decode()}
        await wait_height(node, height + 1)
        block = (await rpc("block", height=str(height + 1)))["block"]
        assert from_json(Block, block).evidence.evidence == (item,)
        assert block["evidence"]["evidence"][0]["type"] == "tendermint/DuplicateVoteEvidence"
        found = await rpc("block_search", query=f"block.height = {height + 1}")
        theirs = recorded("block_search_evidence")["result"]
        # That node wrote three fields by their .proto names; v0.38.25 has no JSON names for them and writes Go's.
        value = theirs["blocks"][0]["block"]["evidence"]["evidence"][0]["value"]
        for name, proto_name in PROTO_NAMES.items():
            value[name] = value.pop(proto_name)
        assert differences(found["blocks"][0], theirs["blocks"][0]) <= {
            (".block.data.txs[]", "str"),
            (".block.header.version.app", "str"),
        }
        again = await rpc("broadcast_evidence", evidence=to_json(item))
        assert again == answer, "known already, as CometBFT answers it"
        await rpc.commit(b"k=v")
        assert not node.evidence.has_pending()

    with_lone_node(tmp_path, check)


def test_a_light_client_attack_brought_by_a_client_is_in_the_next_block(tmp_path):
    """A forged block of the lone validator's own key, as a light client's witness brings it."""

    async def check(node, rpc, seed):
        await rpc.commit(b"k=v")
        await wait_height(node, 3)
        ours = SignedHeader(node.blocks.load(2).block.header, node.blocks.load_commit(2)[0])
        members = node.states.load_validators(2)
        header = replace(ours.header, app_hash=b"\x66" * 32)
        common, time = node.states.load_validators(1), node.blocks.load_meta(1).header.time
        item = make_light_attack(
            sign_block(header, members, (), seeds=(seed,)),
            chain_id=header.chain_id,
            common_height=1,
            common_time=time,
            common=common,
            ours=ours,
        )
        assert len(item.byzantine_validators) == 1
        forged = replace(item, byzantine_validators=())
        refused = await rpc.full("broadcast_evidence", evidence=to_json(forged))
        assert "evidence_byzantine" in refused["error"]["data"]
        height = node.blocks.height()
        answer = await rpc("broadcast_evidence", evidence=to_json(item))
        assert answer == {"hash": b64encode(hash_evidence(item)).decode()}
        await wait_height(node, height + 1)
        carried = [node.blocks.load(h).block.evidence.evidence for h in (height, height + 1)]
        assert (item,) in carried

    with_lone_node(tmp_path, check)


def test_false_stale_and_malformed_evidence_is_refused_and_nothing_waits(tmp_path):
    async def check(node, rpc, seed):
        item = evidence_of(node, seed)
        a, b = item.vote_a, item.vote_b
        stranger = evidence_of(node, seed)
        for false, reason in (
            (replace(item, timestamp=Timestamp(7)), "evidence_time"),
            (replace(item, validator_power=11), "evidence_power"),
            (replace(item, total_voting_power=11), "evidence_power"),
            (replace(item, vote_a=b, vote_b=a), "evidence_votes"),
            (replace(item, vote_b=a), "evidence_votes"),
            (replace(item, vote_b=replace(b, signature=bytes(64))), "evidence_signature"),
            (replace(item, vote_a=vote(OTHER), vote_b=vote(OTHER, b"\2")), "evidence_validator"),
            (
                replace(item, vote_a=replace(a, height=9), vote_b=replace(b, height=9)),
                "evidence_height",
            ),
            (replace(stranger, vote_a=replace(a, validator_index=3)), "evidence_votes"),
            (replace(stranger, vote_b=replace(b, extension=b"x")), "evidence_votes"),
            (evidence_of(node, seed, type=SignedMsgType.PROPOSAL), "evidence_votes"),
            (evidence_of(node, seed, round=-1), "evidence_votes"),
        ):
            refused = await rpc.full("broadcast_evidence", evidence=to_json(false))
            assert refused["error"]["code"] == -32603
            assert f"failed to add evidence: {reason}" in refused["error"]["data"], false
        for malformed in ({}, {"type": "x"}, [], "text", to_json(item) | {"value": {}}):
            refused = await rpc.full("broadcast_evidence", evidence=malformed)
            assert refused["error"]["code"] == -32602, malformed
        refused = await rpc.full("broadcast_evidence")
        assert refused["error"]["data"] == "no evidence was provided"
        assert not node.evidence.has_pending()
        quoted = json.dumps(to_json(item))
        async with rpc.session.get(
            f"{rpc.url}broadcast_evidence", params={"evidence": quoted}
        ) as got:
            assert (await got.json())["result"]["hash"]

    with_lone_node(tmp_path, check)


def test_one_liar_cannot_fill_memory_with_evidence(tmp_path):
    async def check(node, rpc, seed):
        state = node.state()
        for n in range(EVIDENCE_PENDING_MAX):
            item = evidence_of(node, seed, round=n)
            assert node.evidence.submit(state, item) is None
        full = node.evidence.submit(state, evidence_of(node, seed, round=EVIDENCE_PENDING_MAX))
        assert full is not None
        assert full.reason == "evidence_full"
        assert node.evidence.submit(state, item) is None, "one that waits already is no news"

    with_lone_node(tmp_path, check)


def test_evidence_that_waited_too_long_is_forgotten(tmp_path):
    async def check(node, rpc, seed):
        assert node.evidence.submit(node.state(), evidence_of(node, seed)) is None
        params = node.state().consensus_params.evidence
        late = replace(
            node.state(),
            last_block_height=2 + params.max_age_num_blocks,
            last_block_time=node.state().last_block_time.plus_ns(params.max_age_duration_ns + 1),
        )
        block = node.blocks.load(1).block
        in_time = replace(late, last_block_height=params.max_age_num_blocks)
        node.evidence.stage(Batch(), node.state(), in_time, block)
        node.evidence.settle()
        assert node.evidence.has_pending(), "old in time only"
        node.evidence.stage(Batch(), node.state(), late, block)
        node.evidence.settle()
        assert not node.evidence.has_pending()

    with_lone_node(tmp_path, check)


# ── where consensus stands ───────────────────────────────────────────────────────────────────────────


def with_stuck_node(root, check) -> None:
    """One of two validators: it proposes and prevotes, then waits for a validator that never speaks."""
    home = init_home(
        root,
        chain_id="live-1",
        app_state={},
        genesis_time=Timestamp.from_ns(time_ns()),
        config=NodeConfig(rpc_port=0),
        validator_seed=OURS,
        validators=(
            GenesisValidator(ed25519.derive_public(OURS), 11),
            GenesisValidator(ed25519.derive_public(OTHER), 10),
        ),
    )

    async def run() -> None:
        node = Node(home, app_factory=lambda store, clock: KvStoreApp(store, clock.now))
        await node.start(asyncio.get_running_loop())
        async with aiohttp.ClientSession() as session:
            client = Client(session, f"http://127.0.0.1:{node.rpc.port}/")
            try:
                await until_prevoted(node)
                await check(node, client)
            finally:
                await node.stop()

    run_within(run())


async def until_prevoted(node: Node) -> None:
    for _ in range(400):
        if node.host.core is not None and node.round_view().votes[0].prevotes.power:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("no prevote within two seconds")


def test_a_height_in_progress_shows_its_proposal_votes_and_whose_is_missing(tmp_path):
    async def check(node, rpc):
        brief = (await rpc("consensus_state"))["round_state"]
        dump = await rpc("dump_consensus_state")
        assert dump["peers"] == []
        state = dump["round_state"]
        assert (state["height"], state["round"], state["step"]) == ("1", 0, 4)
        assert brief["height/round/step"] == "1/0/4"
        proposal = from_json(Proposal, state["proposal"])
        block = from_json(Block, state["proposal_block"])
        assert hash_header(block.header) == proposal.block_id.hash
        assert brief["proposal_block_hash"] == proposal.block_id.hash.hex().upper()
        assert state["proposal_block_parts"] == {"count/total": "1/1", "parts_bit_array": "x"}
        assert (state["locked_round"], state["locked_block"]) == (-1, None)
        assert (state["valid_round"], state["valid_block_parts"]) == (-1, None)
        assert (brief["locked_block_hash"], brief["valid_block_hash"]) == ("", "")
        votes = state["votes"][0]
        assert votes == brief["height_vote_set"][0]
        assert votes["prevotes_bit_array"] == "BA{2:x_} 11/21 = 0.52"
        assert votes["prevotes"][1] == "nil-Vote"
        assert votes["prevotes"][0].startswith(
            f"Vote{{0:{brief['proposer']['address'][:12]} 1/00/SIGNED_MSG_TYPE_PREVOTE(Prevote) "
            f"{brief['proposal_block_hash'][:12]} "
        )
        assert votes["precommits"] == ["nil-Vote", "nil-Vote"]
        assert (state["commit_round"], state["last_commit"]) == (-1, None)
        members = from_json(ValidatorSet, state["validators"])
        assert [v.voting_power for v in members.validators] == [11, 10]
        assert members.proposer.address == address(ed25519.derive_public(OURS))
        assert state["last_validators"]["validators"] == []
        assert state["triggered_timeout_precommit"] is False

    with_stuck_node(tmp_path, check)


def test_between_two_heights_the_last_commit_is_shown_with_its_voters(tmp_path):
    async def check(node, rpc, seed):
        await rpc.commit(b"k=v")
        await asyncio.sleep(0.1)
        state = (await rpc("dump_consensus_state"))["round_state"]
        height = node.blocks.height()
        assert (state["height"], state["step"]) == (str(height + 1), 1)
        assert state["proposal"] is state["proposal_block"] is state["proposal_block_parts"] is None
        assert state["votes"][0]["precommits_bit_array"] == "BA{1:_} 0/10 = 0.00"
        assert state["last_commit"]["votes_bit_array"] == "BA{1:x} 10/10 = 1.00"
        named = (await rpc("commit"))["signed_header"]["commit"]["block_id"]["hash"]
        assert (
            f" {height}/00/SIGNED_MSG_TYPE_PRECOMMIT(Precommit) {named[:12]} "
            in (state["last_commit"]["votes"][0])
        )
        assert state["commit_time"] >= (await rpc("header"))["header"]["time"]

    with_lone_node(tmp_path, check)


def test_a_vote_in_one_line_is_what_cometbft_s_own_test_expects():
    """`types/vote_test.go`, TestVoteString: six bytes of each value, zeros where there are fewer."""
    example = Vote(
        SignedMsgType.PRECOMMIT,
        12345,
        2,
        BlockID(
            sha256(b"blockID_hash").digest(),
            PartSetHeader(1_000_000, sha256(b"blockID_part_set_header_hash").digest()),
        ),
        Timestamp.from_rfc3339("2017-12-25T03:00:01.234Z"),
        sha256(b"validator_address").digest()[:20],
        56789,
        extension=b"extension",
    )
    expected = (
        "Vote{56789:6AF1F4111082 12345/02/SIGNED_MSG_TYPE_PRECOMMIT(Precommit) "
        "8B01023386C3 000000000000 657874656E73 @ 2017-12-25T03:00:01.234Z}"
    )
    assert vote_text(example) == expected
    prevote = replace(example, type=SignedMsgType.PREVOTE, extension=b"")
    assert vote_text(prevote) == expected.replace(
        "PRECOMMIT(Precommit)", "PREVOTE(Prevote)"
    ).replace("657874656E73", "000000000000")


@pytest.mark.parametrize(
    ("power", "total", "fraction"),
    [(0, 10, "0.00"), (856, 1304, "0.66"), (2, 3, "0.67"), (10, 10, "1.00")],
)
def test_a_bit_array_names_the_voters_and_the_fraction_of_power(power, total, fraction):
    votes = VotesView((vote(OURS), None), power, total)
    assert _bit_array_text(votes) == f"BA{{2:x_}} {power}/{total} = {fraction}"
