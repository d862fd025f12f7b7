"""Protobuf: every message comes back, and every accepted byte string is the one encoding of its value."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.codec import wire
from chain.codec.errors import DecodeError
from chain.codec.proto import (
    decode,
    decode_delimited,
    encodable_classes,
    encode,
    encode_delimited,
)
from chain.types.abci import ExecTxResult, RequestCheckTx
from chain.types.block import NIL_BLOCK_ID, Block, BlockID, Commit, Data, PartSetHeader, Vote
from chain.types.messages import BitArray, ConsensusMessage, HasVote, Request, RequestFlush
from chain.types.params import ConsensusParams, EvidenceParams
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import ZERO_TIME
from chain.types.validator import Validator
from tests.codec.strategies import KEY, minimal, values

CLASSES = encodable_classes()
few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=300, deadline=None)

named = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def is_canonical_or_refused(cls, data):
    try:
        value = decode(cls, data)
    except DecodeError:
        return True
    return encode(value) == data


@named
@few
@given(st.data())
def test_what_is_encoded_comes_back(cls, data):
    value = data.draw(values(cls))
    assert decode(cls, encode(value)) == value


@named
@few
@given(st.data())
def test_altered_bytes_are_refused_or_are_the_encoding_of_what_was_read(cls, data):
    good = encode(data.draw(values(cls)))
    at = data.draw(st.integers(0, len(good)))
    inserted = data.draw(st.binary(max_size=3))
    dropped = data.draw(st.integers(0, 3))
    assert is_canonical_or_refused(cls, good[:at] + inserted + good[at + dropped :])


@many
@given(st.sampled_from(CLASSES), st.binary(max_size=60))
def test_noise_is_refused_or_canonical(cls, noise):
    assert is_canonical_or_refused(cls, noise)


@named
def test_the_least_value_comes_back(cls):
    value = minimal(cls)
    assert decode(cls, encode(value)) == value


VOTE = Vote(SignedMsgType.PREVOTE, 1, 0, NIL_BLOCK_ID, ZERO_TIME, b"", 0)


def test_required_parts_of_a_vote_are_written_when_empty():
    assert encode(VOTE).hex() == "08011001" + "22021200" + "2a0b088092b8c398feffffff01"


@pytest.mark.parametrize(
    ("why", "data"),
    [
        ("padded varint", "0880801001" + "10"),
        ("padded value", "088100"),
        ("padded key", "880001"),
        ("padded length", "128000"),
        ("over-long varint", "08" + "ff" * 10 + "01"),
        ("varint above 64 bits", "08" + "ff" * 9 + "02"),
        ("total above 32 bits", "088080808010"),
        ("written zero", "0800"),
        ("written empty bytes", "1200"),
        ("fields out of order", "1201aa0801"),
        ("field twice", "08010802"),
        ("unknown field", "1801"),
        ("another wire type", "0a0101"),
        ("length beyond the buffer", "1205aa"),
        ("cut key", "80"),
        ("cut value", "08"),
        ("field number zero", "0001"),
    ],
)
def test_a_second_way_to_write_a_part_set_header_is_refused(why, data):
    with pytest.raises(DecodeError):
        decode(PartSetHeader, bytes.fromhex(data))


def test_a_missing_required_message_is_refused():
    with pytest.raises(DecodeError, match="part_set_header"):
        decode(BlockID, b"")


def test_text_that_is_not_utf8_is_refused():
    good = encode(ExecTxResult(log="abc"))
    with pytest.raises(DecodeError, match="UTF-8"):
        decode(ExecTxResult, good.replace(b"abc", b"a\xffc"))


def test_an_unknown_enumeration_value_is_refused():
    good = encode(HasVote(1, 0, SignedMsgType.PREVOTE, 0))
    assert good == b"\x08\x01\x18\x01"
    with pytest.raises(DecodeError, match="type"):
        decode(HasVote, b"\x08\x01\x18\x03")


def test_a_key_of_another_type_or_length_is_refused():
    good = encode(Validator(b"a" * 20, KEY, 1))
    assert decode(Validator, good).pub_key == KEY
    with pytest.raises(DecodeError, match="Ed25519"):
        decode(Validator, good.replace(b"\x12\x22\x0a\x20", b"\x12\x22\x12\x20"))
    with pytest.raises(ValueError, match="32 bytes"):
        encode(Validator(b"a" * 20, KEY[:31], 1))


def test_integers_outside_their_field_are_a_broken_invariant():
    with pytest.raises(ValueError, match="round"):
        encode(replace(VOTE, round=2**31))
    with pytest.raises(ValueError, match="total"):
        encode(PartSetHeader(-1, b""))
    with pytest.raises(TypeError):
        encode(object())


def test_negative_integers_take_ten_bytes_and_come_back():
    params = replace(ConsensusParams(), evidence=EvidenceParams(1, -1_500_000_000, 1))
    assert decode(ConsensusParams, encode(params)) == params
    assert b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" in encode(ConsensusParams())


def test_durations_whose_parts_disagree_in_sign_are_refused():
    good = encode(EvidenceParams(0, 1_000_000_001, 0))
    assert good.hex() == "1204" + "0801" + "1001"
    minus_one = "ff" * 9 + "01"
    with pytest.raises(DecodeError, match="duration"):
        decode(EvidenceParams, bytes.fromhex("120d" + "0801" + "10" + minus_one))


def test_an_envelope_holds_exactly_one_known_message():
    good = encode(ConsensusMessage(HasVote(1, 0, SignedMsgType.PREVOTE, 0)))
    assert decode(ConsensusMessage, good).value.height == 1
    for bad in (b"", good + good, b"\x52\x00", good[:-1]):
        with pytest.raises(DecodeError):
            decode(ConsensusMessage, bad)


def test_bits_are_packed_and_a_run_that_is_empty_is_left_out():
    flags = tuple(index % 3 == 0 for index in range(70))
    bits = BitArray.from_flags(flags)
    assert decode(BitArray, encode(bits)) == bits
    assert [bits.get(index) for index in range(72)] == [*flags, False, False]
    assert not bits.get(-1)
    assert encode(BitArray()) == b""
    with pytest.raises(DecodeError):
        decode(BitArray, b"\x08\x01\x10\x01")  # one key per element is not how 0.38 writes them


def test_a_block_without_last_commit_is_not_one_with_an_empty_commit():
    least = minimal(Block)
    empty = replace(least, last_commit=Commit(0, 0, NIL_BLOCK_ID, ()))
    assert encode(empty) == encode(least) + bytes.fromhex("22041a021200")
    assert decode(Block, encode(least)).last_commit is None


def test_empty_transactions_are_counted():
    data = Data((b"", b"x", b""))
    assert encode(data) == b"\x0a\x00\x0a\x01x\x0a\x00"
    assert decode(Data, encode(data)) == data


def test_socket_frames_are_taken_one_by_one_and_only_when_whole():
    first, second = Request(RequestCheckTx(b"x" * 200)), Request(RequestFlush())
    stream = encode_delimited(first) + encode_delimited(second)
    taken = decode_delimited(Request, stream, 0, 1_000)
    assert taken is not None
    assert taken[0] == first
    assert decode_delimited(Request, stream, taken[1], 1_000) == (second, len(stream))
    size = len(encode_delimited(first))
    for cut in range(size):
        assert decode_delimited(Request, stream[:cut], 0, 1_000) is None


def test_a_frame_above_the_limit_is_refused_as_soon_as_it_is_announced():
    with pytest.raises(DecodeError, match="at most 10"):
        wire.take_frame(b"\x0b", 0, 10)
    with pytest.raises(DecodeError):
        wire.take_frame(b"\xff" * 10, 0, 10)
