"""cosmjs's CometBFT 0.38 client decodes every method it knows, over HTTP and websocket, from a running town.

What it decoded is then put to our own codec: header hashes, transaction proofs, commit signatures, proposer.
"""

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256

import pytest

from chain.codec.hashing import hash_header, hash_validators
from chain.codec.merkle import verify_merkle_proof
from chain.crypto.commits import verify_commit_full
from chain.types.block import (
    BlockID,
    Commit,
    CommitSig,
    ConsensusVersion,
    Header,
    PartSetHeader,
    Proof,
)
from chain.types.primitives import BlockIDFlag
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet
from tests.oracles.town import NodeProcess, make_home, run_script
from tests.town import town_kit

pytestmark = pytest.mark.process
CHAIN = "beffroi-test-1"
QUERY = "tx.type = 'account.open'"
NIL = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""Merkle root of nothing."""


@pytest.fixture(scope="module")
def said_over(town):
    """Everything cosmjs decoded over a transport, asked once each."""
    return cache(lambda scheme: ask(town, scheme))


@pytest.fixture(scope="module", params=["http", "ws"])
def said(request, said_over):
    """The same for what must hold over both."""
    return said_over(request.param)


def ask(town, scheme: str):
    names = {kind: f"{scheme} {kind}" for kind in ("sync", "async", "commit", "heard")}
    job = {
        "url": f"{scheme}://127.0.0.1:{town.port}",
        "path": "/record/account",
        "key": (b"account/" + kid(names["commit"]).encode()).hex(),
        "txs": {kind: b64encode(town.open_tx(name)).decode() for kind, name in names.items()},
        "query": QUERY,
    }
    answer = run_script("cosmjs.mjs", job)
    answer["job"], answer["names"] = job, names
    return answer


def kid(name: str) -> str:
    return town_kit.key(name).kid


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def block_id(said) -> BlockID:
    if said is None:
        return BlockID()
    parts = said["parts"]
    return BlockID(raw(said["hash"]), PartSetHeader(parts["total"], raw(parts["hash"])))


def header(said) -> Header:
    return Header(
        ConsensusVersion(said["version"]["block"], said["version"]["app"]),
        said["chainId"],
        said["height"],
        Timestamp.from_rfc3339(said["time"]),
        block_id(said["lastBlockId"]),
        *(
            raw(said[name])
            for name in (
                "lastCommitHash",
                "dataHash",
                "validatorsHash",
                "nextValidatorsHash",
                "consensusHash",
                "appHash",
                "lastResultsHash",
                "evidenceHash",
                "proposerAddress",
            )
        ),
    )


def commit(said) -> Commit:
    return Commit(
        said["height"],
        said["round"],
        block_id(said["blockId"]),
        tuple(
            CommitSig(
                BlockIDFlag(line["blockIdFlag"]),
                raw(line["validatorAddress"]),
                Timestamp.from_rfc3339(line["timestamp"]),
                raw(line["signature"]),
            )
            for line in said["signatures"]
        ),
    )


def validators(said) -> ValidatorSet:
    return ValidatorSet(
        tuple(
            Validator(raw(v["address"]), raw(v["pubkey"]["data"]), int(v["votingPower"]))
            for v in said
        )
    )


def test_the_client_for_0_38_is_chosen_by_the_node_s_version(said):
    assert said["client"] == "Comet38Client"
    assert said["status"]["nodeInfo"]["network"] == CHAIN
    assert said["abciInfo"]["data"] == "beffroi"
    assert said["genesis"]["chainId"] == CHAIN


def test_headers_decoded_by_cosmjs_hash_to_the_ids_that_were_signed(said):
    for name in ("block", "blockNext", "blockFirst", "blockNewest"):
        block = said[name]
        assert hash_header(header(block["block"]["header"])).hex() == block["blockId"]["hash"]
    for meta in said["blockchain"]["blockMetas"]:
        assert hash_header(header(meta["header"])).hex() == meta["blockId"]["hash"]
    assert said["blockNext"]["block"]["header"]["lastBlockId"] == said["block"]["blockId"]
    assert said["blockFirst"]["block"]["lastCommit"] is None
    heights = [meta["header"]["height"] for meta in said["blockchain"]["blockMetas"]]
    assert heights == list(range(heights[0], 0, -1))[:20]


def test_commits_decoded_by_cosmjs_verify_against_the_validators_it_decoded(said):
    members = validators(said["validatorsAll"]["validators"])
    assert said["validators"]["validators"] == said["validatorsAll"]["validators"]
    assert hash_validators(members.validators).hex() == said["commit"]["header"]["validatorsHash"]
    for answer, canonical in ((said["commit"], True), (said["commitNewest"], False)):
        signed = commit(answer["commit"])
        assert answer["canonical"] is canonical
        assert hash_header(header(answer["header"])) == signed.block_id.hash
        assert verify_commit_full(CHAIN, members, signed.block_id, signed.height, signed) is None
    in_block = commit(said["blockNext"]["block"]["lastCommit"])
    assert in_block == commit(said["commit"]["commit"])


def test_a_transaction_is_found_with_its_result_and_a_proof_under_the_data_hash(said):
    done, tx = said["broadcastTxCommit"], said["tx"]
    assert tx["hash"] == done["hash"] == sha256(raw(tx["tx"])).hexdigest()
    assert tx["height"] == done["height"] == said["block"]["block"]["header"]["height"]
    assert said["block"]["block"]["txs"][tx["index"]] == tx["tx"]
    assert tx["result"] == done["txResult"] == said["blockResults"]["results"][tx["index"]]
    proof = tx["proof"]["proof"]
    path = Proof(
        proof["total"], proof["index"], raw(proof["leafHash"]), tuple(map(raw, proof["aunts"]))
    )
    root = raw(said["block"]["block"]["header"]["dataHash"])
    assert raw(tx["proof"]["rootHash"]) == root
    assert verify_merkle_proof(path, root, raw(tx["hash"]))
    assert said["txWithoutProof"] == tx | {"proof": None}
    account = json.loads(raw(tx["result"]["data"]))["account"]
    assert account == kid(said["names"]["commit"])


def test_an_executed_block_has_its_results_hash_in_the_next_header(said):
    assert said["blockNext"]["block"]["header"]["lastResultsHash"] != NIL
    assert said["blockResultsEmpty"]["results"] == []
    assert said["block"]["block"]["evidence"] == []


def test_sync_and_async_broadcasts_are_in_the_chain_a_moment_later(said, town):
    for method in ("broadcastTxSync", "broadcastTxAsync"):
        answer = said[method]
        assert answer["code"] == 0
        found = town.call("tx", hash=b64encode(raw(answer["hash"])).decode())
        assert found["tx_result"]["info"] == "ok"
    assert said["numUnconfirmedTxs"].keys() == {"total", "totalBytes"}


def test_searches_page_through_everything_in_order(said):
    newest = [tx["height"] for tx in said["txSearch"]["txs"]]
    assert newest == sorted(newest, reverse=True)
    assert len(newest) == min(5, said["txSearch"]["totalCount"]) >= 3
    every = [(tx["height"], tx["index"]) for tx in said["txSearchAll"]["txs"]]
    assert every == sorted(set(every))
    assert len(every) == said["txSearchAll"]["totalCount"] >= said["txSearch"]["totalCount"]
    assert [b["block"]["header"]["height"] for b in said["blockSearch"]["blocks"]] == [1, 2]
    heights = [b["block"]["header"]["height"] for b in said["blockSearchAll"]["blocks"]]
    assert heights == list(range(1, said["broadcastTxCommit"]["height"] + 1))


def test_queries_answer_the_record_with_two_proof_operations(said):
    for name in ("abciQuery", "abciQueryAtHeight"):
        answer = said[name]
        assert answer["code"] == 0
        assert json.loads(raw(answer["value"]))["status"] == "open"
        assert [op["type"] for op in answer["proof"]["ops"]] == ["ics23:simple"] * 2
    assert said["abciQueryAtHeight"]["height"] == said["broadcastTxCommit"]["height"]
    assert said["abciQueryWithoutProof"]["proof"] is None
    assert said["abciQueryUnknownPath"]["codespace"] == "query"


def test_refusals_carry_their_code_and_errors_their_reason(said):
    assert said["refusedTx"]["codespace"] == said["refusedCommit"]["checkTx"]["codespace"] == "tx"
    assert said["refusedCommit"]["height"] == 0
    errors = {name: json.loads(text) for name, text in said["errors"].items()}
    assert {error["code"] for error in errors.values()} == {-32603}
    for name, words in {
        "blockOfHeightZero": "must be greater than 0",
        "blockOfTheFuture": "less than or equal to the current blockchain height",
        "pageTooFar": "page should be within [1, 1] range, given 2",
        "searchPageTooFar": "range, given 1000",
        "unknownTx": "not found",
        "malformedQuery": "failed to parse query",
    }.items():
        assert words in errors[name]["data"]


def test_a_socket_hears_of_blocks_headers_and_its_transaction(said_over):
    said = said_over("ws")
    events = said["events"]
    heard = events["tx"]
    assert b64encode(raw(heard["tx"])).decode() == said["job"]["txs"]["heard"]
    assert heard["hash"] == events["sent"]["hash"]
    assert heard["result"]["code"] == 0
    assert header(events["newBlock"]["header"]) == header(events["newBlockHeader"])
    assert header(events["newBlock"]["header"]).height <= heard["height"]


def test_batches_of_many_and_of_one_are_answered_over_http(said_over):
    batches = said_over("http")["batches"]
    assert batches["answers"] == 25
    assert batches["alone"]["data"] == "beffroi"


def test_validator_updates_and_a_changed_power_are_decoded(tmp_path, town):
    """The key-value application changes its own validator's power, which a lone town never does."""
    make_home(tmp_path, {}, town_kit.validator_seed(3))
    node = NodeProcess("tests.node.kvstore_node", tmp_path)
    try:
        node.wait_height(1)
        own = node.call("status")["validator_info"]["pub_key"]["value"]
        answer = run_script(
            "validator_update.mjs", {"url": f"http://127.0.0.1:{node.port}", "key": own}
        )
    finally:
        node.stop()
    update = answer["updates"][0]
    assert update == {
        "pubkey": {"algorithm": "ed25519", "data": answer["key"]},
        "votingPower": "25",
    }
    assert [before["votingPower"] for before in answer["before"]] == ["10"]
    assert [after["votingPower"] for after in answer["after"]] == ["25"]
