"""JSON of the RPC: what is written comes back, and nothing but DecodeError comes of anything else."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.codec.cmtjson import from_json, json_classes, to_json
from chain.codec.errors import DecodeError
from chain.types.abci import (
    Event,
    EventAttribute,
    ExecTxResult,
    ProofOp,
    ResponseInfo,
    ResponseQuery,
    ValidatorUpdate,
)
from chain.types.block import BlockID, CommitSig, Data, PartSetHeader, Vote
from chain.types.evidence import DuplicateVoteEvidence
from chain.types.messages import TxResult
from chain.types.params import ConsensusParams, GenesisDoc, GenesisValidator
from chain.types.timestamp import Timestamp
from tests.codec.strategies import KEY, minimal, values

few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
named = pytest.mark.parametrize("cls", json_classes(), ids=lambda cls: cls.__name__)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@named
@few
@given(st.data())
def test_what_is_written_comes_back_through_text(cls, data):
    value = data.draw(values(cls))
    assert from_json(cls, json.loads(json.dumps(to_json(value)))) == value


@named
@few
@given(st.data())
def test_anything_else_in_a_member_is_refused_or_read(cls, data):
    written = to_json(minimal(cls))
    key = data.draw(st.sampled_from(sorted(written) or ["data"]))
    written[key] = data.draw(ANY_JSON)
    check_refused_or_read(cls, written)


@named
@few
@given(ANY_JSON)
def test_any_json_is_refused_or_read(cls, anything):
    check_refused_or_read(cls, anything)


def check_refused_or_read(cls, document) -> None:
    """DecodeError and nothing else, or a value that is written and read as itself from then on."""
    try:
        value = from_json(cls, document)
    except DecodeError:
        return
    assert type(value) is cls
    assert from_json(cls, to_json(value)) == value


def test_large_integers_are_strings_and_small_ones_numbers():
    written = to_json(minimal(Vote))
    assert written["height"] == "0"
    assert written["round"] == 0
    assert written["timestamp"] == "1970-01-01T00:00:00Z"
    assert to_json(CommitSig())["timestamp"] == "0001-01-01T00:00:00Z"


def test_hashes_are_upper_hex_and_other_bytes_base64_or_null():
    written = to_json(BlockID(b"\xab", PartSetHeader(1, b"\xcd")))
    assert written == {"hash": "AB", "parts": {"total": 1, "hash": "CD"}}
    assert to_json(CommitSig(signature=b"\xff"))["signature"] == "/w=="
    assert to_json(CommitSig())["signature"] is None
    assert to_json(CommitSig())["validator_address"] == ""
    assert to_json(Data((b"", b"a"))) == {"txs": ["", "YQ=="]}


def test_a_result_has_every_field_in_an_answer_and_only_set_ones_in_an_event():
    events = (Event("tx", (EventAttribute("type", "earn"),)),)
    result = ExecTxResult(events=events)
    shown = [{"type": "tx", "attributes": [{"key": "type", "value": "earn", "index": True}]}]
    assert to_json(result) == {
        "code": 0,
        "data": None,
        "log": "",
        "info": "",
        "gas_wanted": "0",
        "gas_used": "0",
        "events": shown,
        "codespace": "",
    }
    event = TxResult(5, 0, b"a", result)
    assert to_json(event) == {"height": "5", "tx": "YQ==", "result": {"events": shown}}


def test_a_query_answer_spells_proof_ops_in_camel_case():
    answer = ResponseQuery(proof_ops=(ProofOp("ics23:simple", b"k", b"d"),))
    assert to_json(answer)["proofOps"] == {
        "ops": [{"type": "ics23:simple", "key": "aw==", "data": "ZA=="}]
    }
    assert to_json(ResponseQuery())["proofOps"] is None


def test_info_leaves_out_what_is_zero():
    assert to_json(ResponseInfo(data="beffroi", last_block_height=3)) == {
        "data": "beffroi",
        "last_block_height": "3",
    }


def test_a_validator_update_carries_the_generated_oneof():
    assert to_json(ValidatorUpdate(b"\x00" * 32, 7)) == {
        "pub_key": {
            "Sum": {
                "type": "tendermint.crypto.PublicKey_Ed25519",
                "value": {"ed25519": "A" * 43 + "="},
            }
        },
        "power": "7",
    }


def test_evidence_is_written_with_gos_names_and_read_with_either():
    vote = minimal(Vote)
    evidence = DuplicateVoteEvidence(vote, vote, 3, 1, Timestamp(1))
    written = to_json(evidence)
    assert written["type"] == "tendermint/DuplicateVoteEvidence"
    inner = written["value"]
    assert (inner["TotalVotingPower"], inner["ValidatorPower"]) == ("3", "1")
    inner["total_voting_power"] = inner.pop("TotalVotingPower")
    assert from_json(DuplicateVoteEvidence, written) == evidence


GENESIS = GenesisDoc(
    Timestamp(1), "town", 1, ConsensusParams(), (GenesisValidator(KEY, 10, "hall"),), b"", {}
)


def test_genesis_keeps_an_empty_app_state_and_gives_defaults_for_what_is_left_out():
    written = to_json(GENESIS)
    assert written["app_state"] == {}
    assert from_json(GenesisDoc, written) == GENESIS
    for key in ("initial_height", "consensus_params", "app_hash"):
        del written[key]
    assert from_json(GenesisDoc, written) == GENESIS
    assert "app_state" not in to_json(minimal(GenesisDoc))


def test_a_genesis_address_that_is_not_that_of_the_key_is_refused():
    written = to_json(GENESIS)
    written["validators"][0]["address"] = "00" * 20
    with pytest.raises(DecodeError, match="not that of the key"):
        from_json(GenesisDoc, written)
    written["validators"][0]["address"] = ""
    assert from_json(GenesisDoc, written) == GENESIS


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("height", "01"),
        ("height", "0x1"),
        ("height", 1.0),
        ("height", True),
        ("height", str(2**63)),
        ("round", "1"),
        ("round", 2**31),
        ("type", 3),
        ("timestamp", "yesterday"),
        ("validator_address", "0"),
        ("validator_address", "zz"),
        ("signature", "YQ"),
        ("signature", "Y Q="),
        ("block_id", []),
    ],
)
def test_a_member_of_another_shape_is_refused_by_name(member, value):
    written = {**to_json(minimal(Vote)), member: value}
    with pytest.raises(DecodeError, match=member):
        from_json(Vote, written)


def test_half_a_surrogate_pair_is_not_text():
    with pytest.raises(DecodeError, match="Unicode"):
        from_json(ResponseInfo, {"data": "\ud800"})
