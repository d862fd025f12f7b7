"""The canary's own check: a trace in any spelling is found."""

import base64
import hashlib

import pytest

from tests.journeys.search import find_traces

NAME = "Canarîe-8f3a21"


@pytest.mark.parametrize(
    "trace",
    [
        NAME.encode(),
        NAME.lower().encode(),
        b"x" + base64.b64encode(b"ab" + NAME.encode() + b"cd"),
        base64.urlsafe_b64encode(b"?" + NAME.encode()),
        NAME.encode().hex().encode(),
        hashlib.sha256(NAME.encode()).digest(),
        hashlib.sha256(NAME.encode()).hexdigest().encode(),
        b"CANARIE F A",
        b"Canar%C3%AEe-8f3a21",
        b"Canar\\u00eee-8f3a21",
    ],
)
def test_a_trace_in_any_spelling_is_found(tmp_path, trace):
    (tmp_path / "log").write_bytes(b"before " + trace + b" after")
    assert find_traces(tmp_path, [NAME])


def test_other_bytes_are_no_trace(tmp_path):
    (tmp_path / "log").write_bytes(bytes(range(256)) * 100)
    assert find_traces(tmp_path, [NAME]) == []
