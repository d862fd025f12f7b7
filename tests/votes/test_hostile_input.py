"""Whatever bytes or values come in, the verifier answers; it never breaks, and accepts nothing changed."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.votes.archive import Step, Unreadable
from chain.votes.election import Unsupported
from tests.votes.conftest import hold_election
from tests.votes.kit import GROUPS, Booth, build, verify

STRANGE = (
    None,
    True,
    0,
    -1,
    2**31,
    2**64,
    10**400,
    1.5,
    "",
    "0",
    "00",
    "-1",
    "1" * 5_000,
    "é\u0000",
    "ffff",
    "0" * 64,
    "f" * 64,
    [],
    [[]],
    {},
    {"alpha": "1", "beta": "1"},
)


@pytest.fixture(scope="module")
def ed25519() -> Booth:
    return hold_election("Ed25519")


def answer(data: bytes) -> str:
    """What the verifier says: valid, a check, unreadable or unsupported. Anything else is an exception."""
    try:
        flaw = verify(data).flaw
    except Unreadable:
        return "unreadable"
    except Unsupported:
        return "unsupported"
    return "valid" if flaw is None else str(flaw.check)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_strange_value_anywhere_is_refused_and_breaks_nothing(
    ed25519: Booth, data: st.DataObject
) -> None:
    """One leaf of one record replaced, and the archive chained anew around it."""
    steps = ed25519.steps((1, 3))
    position = data.draw(st.integers(0, len(steps) - 1))
    step = steps[position]
    if not step.bodies:
        return
    chosen = data.draw(st.integers(0, len(step.bodies) - 1))
    content = json.loads(step.bodies[chosen])
    places = list(leaves(content))
    place = places[data.draw(st.integers(0, len(places) - 1))]
    value = STRANGE[data.draw(st.integers(0, len(STRANGE) - 1))]
    if read_at(content, place) == value:
        return
    changed = json.dumps(
        replaced_at(content, place, value), separators=(",", ":"), ensure_ascii=False
    )
    bodies = list(step.bodies)
    bodies[chosen] = changed.encode("utf-8")
    steps[position] = Step(step.height, step.type, tuple(bodies))
    assert answer(build(steps)) != "valid", (step.type, place, value)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_anywhere_in_the_file_is_refused(ed25519: Booth, data: st.DataObject) -> None:
    archive = bytearray(ed25519.archive((1, 3)))
    position = data.draw(st.integers(0, len(archive) - 1))
    archive[position] ^= 1 << data.draw(st.integers(0, 7))
    assert answer(bytes(archive)) != "valid", position


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_cut_file_is_never_taken_for_a_whole_one(ed25519: Booth, data: st.DataObject) -> None:
    """Only a cut right after an event leaves an archive, and then it says how far it goes."""
    archive = ed25519.archive((1, 3))
    length = data.draw(st.integers(0, len(archive) - 1))
    said = answer(archive[:length])
    if said == "valid":
        report = verify(archive[:length]).report
        assert report is not None
        assert report.result is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2_000))
def test_random_bytes_are_unreadable(data: bytes) -> None:
    assert answer(data) == "unreadable"


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_a_deeply_nested_record_is_refused(name: str) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    booth = hold_election(name)
    for position in range(3):
        bodies = list(booth.setup_step().bodies)
        bodies[position] = deep
        assert answer(build([Step(0, "Setup", tuple(bodies))])).endswith("_form")
    ballot = Step(0, "Ballot", (deep,))
    assert answer(build([booth.setup_step(), ballot])) == "ballot_form"


# --- places in a JSON value ------------------------------------------------------------------------


def leaves(content: Any, place: tuple[Any, ...] = ()):  # type: ignore[no-untyped-def]
    """The place of every value that is no container."""
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    if not isinstance(content, dict | list):
        yield place
    for key, value in items:
        yield from leaves(value, (*place, key))


def read_at(content: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        content = content[key]
    return content


def replaced_at(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    inside = replaced_at(content[place[0]], place[1:], value)
    if isinstance(content, dict):
        return {**content, place[0]: inside}
    return [inside if index == place[0] else item for index, item in enumerate(content)]
