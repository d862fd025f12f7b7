"""Canonical JSON and base64url: one spelling per value, every other one refused."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field

from chain.codec.canonical import (
    MAX_SAFE_INTEGER,
    b64url_decode,
    b64url_encode,
    decode_canonical,
    encode_canonical,
)
from chain.codec.errors import DecodeError
from chain.limits import CANONICAL_DEPTH_MAX

safe_integers = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
texts = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=20)
keys = st.text(alphabet=st.characters(max_codepoint=127), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | safe_integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


class Sample(Struct, frozen=True, forbid_unknown_fields=True):
    body: dict[str, Any]
    sender: str = field(name="from")


@given(values)
def test_what_was_encoded_decodes_to_itself(value: Any) -> None:
    assert decode_canonical(object, encode_canonical(value)) == value


@given(st.dictionaries(keys, values, max_size=5))
def test_encoding_equals_the_sorted_compact_form_of_the_standard_library(value: dict) -> None:
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # RFC 8785 §3.2.2.2 writes DEL and everything above U+001F as it is, as json.dumps does.
    assert encode_canonical(value) == expected.encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"body":{},"from":"a","from":"a"}', "duplicate key"),
        (b'{"body":{"a":1,"a":1},"from":"a"}', "duplicate key in an untyped object"),
        (b'{"from":"a","body":{}}', "other key order"),
        (b'{"body":{"b":1,"a":2},"from":"a"}', "other key order deeper"),
        (b'{"body":{}, "from":"a"}', "blank"),
        (b'{"body":{},"from":"a"}\n', "newline after"),
        (b' {"body":{},"from":"a"}', "blank before"),
        (b'{"body":{"a":1.5},"from":"a"}', "fraction"),
        (b'{"body":{"a":1.0},"from":"a"}', "integral fraction"),
        (b'{"body":{"a":1e3},"from":"a"}', "exponent"),
        (b'{"body":{"a":-0},"from":"a"}', "minus zero"),
        (b'{"body":{"a":9007199254740992},"from":"a"}', "2^53"),
        (b'{"body":{"a":-9007199254740992},"from":"a"}', "-2^53"),
        (b'{"body":{"a":123456789012345678901234567890},"from":"a"}', "beyond 64 bits"),
        (b'{"body":{},"from":"\\u0061"}', "needless escape"),
        (b'{"body":{},"from":"\\/"}', "escaped slash"),
        (b'{"body":{},"from":"\\u00e9"}', "escaped letter"),
        (b'{"body":{},"from":"\\u001F"}', "upper-case escape"),
        (b'{"body":{},"from":"\\ud800"}', "lone surrogate"),
        (b'{"body":{},"from":"\xff"}', "bad UTF-8"),
        (b'{"body":{},"from":"\xc0\x80"}', "overlong UTF-8"),
        ('{"body":{"é":1},"from":"a"}'.encode(), "key that is not ASCII"),
        (b'{"body":{},"from":"a","more":1}', "unknown field"),
        (b'{"body":{}}', "missing field"),
        (b'{"body":{},"from":"a"}{}', "something after"),
        (b'{"body":{},"from":"a"', "cut short"),
        (b'\xef\xbb\xbf{"body":{},"from":"a"}', "byte order mark"),
        (b'{"body":{"a":NaN},"from":"a"}', "not a number"),
        (b"", "nothing"),
        (b'{"body":' + b'{"a":' * 32 + b"1" + b"}" * 32 + b',"from":"a"}', "too deep"),
        (b'{"body":' + b"[" * 50_000, "far too deep and cut"),
    ],
)
def test_every_other_spelling_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(DecodeError):
        decode_canonical(Sample, text)


def test_the_canonical_spelling_is_accepted() -> None:
    text = '{"body":{"a":-9007199254740991,"é'.replace("é", "b") + '":"é\\n\\u001f/"},"from":"a"}'
    decoded = decode_canonical(Sample, text.encode())
    assert decoded == Sample({"a": -MAX_SAFE_INTEGER, "b": "é\n\x1f/"}, "a")


def test_long_digits_and_brackets_inside_strings_are_no_integers_and_no_nesting() -> None:
    value = {"a": "12345678901234567890", "b": '"\\' + "[{" * 200}
    assert decode_canonical(dict, encode_canonical(value)) == value


def test_unclosed_strings_are_refused_in_linear_time() -> None:
    hostile = b"{" * 40 + b'"' + b'\\"' * 500_000 + b"\\"
    started = time.perf_counter()
    with pytest.raises(DecodeError):
        decode_canonical(object, hostile)
    assert time.perf_counter() - started < 1  # quadratic takes hours


def test_nesting_up_to_the_limit_is_accepted() -> None:
    text = b"[" * CANONICAL_DEPTH_MAX + b"]" * CANONICAL_DEPTH_MAX
    assert encode_canonical(decode_canonical(object, text)) == text


def test_the_encoder_stops_at_the_depth_where_the_decoder_does() -> None:
    value: Any = 7
    for _ in range(CANONICAL_DEPTH_MAX):
        value = [value]
    assert decode_canonical(list, encode_canonical(value)) == value
    for deeper in ([value], {"a": value}, [[], value], [True, value]):
        with pytest.raises(ValueError, match="deeper"):
            encode_canonical(deeper)


@pytest.mark.parametrize("value", [1.5, 2**53, {"é": 1}, {1: 2}, b"raw", {"a": [float("nan")]}])
def test_the_encoder_refuses_what_the_subset_cannot_say(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode_canonical(value)


@given(st.binary(max_size=70))
def test_base64url_returns_the_same_bytes(data: bytes) -> None:
    assert b64url_decode(b64url_encode(data)) == data
    assert b64url_decode(b64url_encode(data).encode()) == data


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AA==",
        "AB",
        "AAB",
        "A A",
        "AA\n",
        "+A",
        "/A",
        "é",
        "AA=",
        "AAAA=",
        "AAAAA",
        "=",
        "A-+A",
    ],
)
def test_other_spellings_of_base64url_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        b64url_decode(text)
