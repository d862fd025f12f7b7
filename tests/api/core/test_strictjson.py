"""Bodies: one meaning or none."""

import pytest

from app.core.problems import Problem
from app.core.strictjson import _STRING, parse_strict


def refused(raw: bytes) -> str:
    with pytest.raises(Problem) as caught:
        parse_strict(raw)
    return caught.value.code.name


def test_a_plain_document_is_read() -> None:
    assert parse_strict('{"a": [1, -2, "é", true, null]}'.encode()) == {
        "a": [1, -2, "é", True, None]
    }


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "json_malformed"),
        (b"{", "json_malformed"),
        (b"{} {}", "json_malformed"),
        (b"\xef\xbb\xbf{}", "json_malformed"),
        (b"\xff{}", "json_malformed"),
        (b'{"a": 01}', "json_malformed"),
        (b"{'a': 1}", "json_malformed"),
        (b'{"a": 1, "a": 1}', "json_duplicate_key"),
        (b'{"b": {"a": 1, "\\u0061": 2}}', "json_duplicate_key"),
        (b'{"a": 1.0}', "json_bad_number"),
        (b'{"a": 1e2}', "json_bad_number"),
        (b'{"a": 1e400}', "json_bad_number"),
        (b'{"a": NaN}', "json_bad_number"),
        (b'{"a": -Infinity}', "json_bad_number"),
        (b'{"a": -0}', "json_bad_number"),
        (b'{"a": 9007199254740992}', "json_bad_number"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "json_bad_number"),
        (b'{"a": "\\u0000"}', "json_bad_text"),
        (b'{"a": "\\ud800"}', "json_bad_text"),
        (b'{"\\udc00": 1}', "json_bad_text"),
        (b"[" * 30_000 + b"]" * 30_000, "json_too_deep"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "json_too_deep"),
    ],
)
def test_whatever_two_readers_could_read_differently_is_refused(raw: bytes, code: str) -> None:
    assert refused(raw) == code


def test_the_largest_safe_integer_and_a_proper_surrogate_pair_are_fine() -> None:
    assert parse_strict(b'{"a": 9007199254740991, "b": "\\ud83d\\ude00"}') == {
        "a": 2**53 - 1,
        "b": "😀",
    }


def test_brackets_inside_strings_are_not_depth() -> None:
    assert parse_strict(b'{"a": "' + b"[" * 500 + b'\\""}') == {"a": "[" * 500 + '"'}


@pytest.mark.parametrize("end", ["", "\\", "x", "[" * 20])
def test_a_string_that_never_ends_is_read_once(end: str) -> None:
    """Each of its quotes began a scan of the rest: half a minute of CPU for one body, before any login."""
    hostile = '"' + '\\"' * 500 + end
    first = _STRING.match(hostile)
    assert first is not None
    assert len(hostile) - first.end() <= 1, (
        "a lone backslash may be left, nothing that begins a string"
    )
    assert refused(hostile.encode()) == "json_malformed"
