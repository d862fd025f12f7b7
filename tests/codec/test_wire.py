"""Varints and fixed integers: one way to write each number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.codec import wire
from chain.codec.errors import DecodeError

UNSIGNED = st.integers(0, 2**64 - 1)
SIGNED = st.integers(-(2**63), 2**63 - 1)


@given(UNSIGNED, st.binary(max_size=3))
def test_an_unsigned_varint_comes_back_and_ends_where_it_ends(value, rest):
    data = wire.encode_uvarint(value)
    assert wire.decode_uvarint(data + rest, 0, len(data + rest)) == (value, len(data))


@given(SIGNED)
def test_signed_integers_come_back(value):
    data = wire.encode_varint(value)
    assert wire.decode_varint(data, 0, len(data)) == (value, len(data))
    fixed = wire.encode_sfixed64(value)
    assert wire.decode_sfixed64(fixed, 0, 8) == (value, 8)


@given(UNSIGNED)
def test_a_padded_varint_is_refused(value):
    data = wire.encode_uvarint(value)
    padded = data[:-1] + bytes((data[-1] | 128, 0))
    with pytest.raises(DecodeError):
        wire.decode_uvarint(padded, 0, len(padded))


@given(UNSIGNED)
def test_a_cut_varint_is_refused(value):
    data = wire.encode_uvarint(value)
    with pytest.raises(DecodeError):
        wire.decode_uvarint(data, 0, len(data) - 1)


@given(st.binary(max_size=12))
def test_whatever_is_accepted_is_how_the_number_is_written(data):
    try:
        value, stop = wire.decode_uvarint(data, 0, len(data))
    except DecodeError:
        return
    assert wire.encode_uvarint(value) == data[:stop]


@pytest.mark.parametrize(
    ("value", "data"), [(0, "00"), (-1, "01"), (1, "02"), (-64, "7f"), (64, "8001")]
)
def test_zigzag_is_that_of_go(value, data):
    assert wire.encode_zigzag(value).hex() == data


@pytest.mark.parametrize(
    ("write", "value"),
    [
        (wire.encode_uvarint, -1),
        (wire.encode_uvarint, 2**64),
        (wire.encode_varint, 2**63),
        (wire.encode_zigzag, 2**63),
        (wire.encode_sfixed64, -(2**63) - 1),
    ],
)
def test_a_number_above_64_bits_is_a_broken_invariant(write, value):
    with pytest.raises(ValueError, match="64-bit"):
        write(value)


def test_a_cut_fixed_integer_is_refused():
    with pytest.raises(DecodeError):
        wire.decode_sfixed64(b"\x00" * 7, 0, 7)
