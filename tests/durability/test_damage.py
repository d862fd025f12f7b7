"""Damaged, lost, foreign and old files in a living town, and disks that refuse: a code, silence, or the truth."""

from functools import cache

import pytest

from tests.durability.damage import (
    STATE,
    cut_tail,
    flip,
    play_damaged,
    play_with_error,
    put,
    remove,
    zero_tail,
)
from tests.durability.disk import KILL, LOG, NONE, Operation, Point
from tests.durability.points import Shape, operations, set_up

LONE, FOUR = Shape(1), Shape(4, 1)


@cache
def known(shape: Shape) -> list[Operation]:
    return operations(shape)[0]


def points(shape: Shape, every: int, first: int = 0) -> list[Point]:
    return [
        Point(o.number, is_after=False, loss=KILL, kind=o.kind)
        for o in known(shape)[first::every]
        if o.number > 12 or shape == LONE
    ]


@cache
def foreign_files() -> dict[tuple[str, str], bytes]:
    """Log and signer state of a validator of another town."""
    town, disk = set_up(Shape(4, 2))
    assert town.play() == []
    return {name: bytes(disk.files[name].content) for name in (LOG, STATE)}


DAMAGES = {
    "bit at the start of the log": flip(LOG, 0.02, 3),
    "bit in the middle of the log": flip(LOG, 0.5, 0),
    "bit near the end of the log": flip(LOG, 0.9, 6),
    "last bit of the log": flip(LOG, 0.999, 1),
    "a tenth of the log gone": cut_tail(0.1),
    "half of the log gone": cut_tail(0.5),
    "zeros behind the log": zero_tail(4_096),
    "log gone": remove(LOG),
    "signer state gone": remove(STATE),
    "log and signer state gone": remove(LOG, STATE),
    "bit of the signer state": flip(STATE, 0.3, 0),
    "signer state cut": put(STATE, b'{"height": "3", "round"'),
    "signer state empty": put(STATE, b""),
    "log of another town": lambda disk: put(LOG, foreign_files()[LOG])(disk),
    "signer state of another validator": lambda disk: put(STATE, foreign_files()[STATE])(disk),
}
REFUSALS = {
    "wal_damaged",
    "signer_file",
    "signer_state_missing",
    "signer_ahead_of_log",
    "consensus_wal_ahead",
}


@pytest.mark.parametrize("what", DAMAGES)
def test_one_of_four_with_a_damaged_disk_refuses_or_rejoins_and_never_contradicts_itself(what):
    foreign_files()
    refusals = set()
    for point in points(FOUR, 61, first=len(what) % 29):
        result = play_damaged(FOUR, point, DAMAGES[what], goal=5)
        assert result.violations == ()
        assert result.refusal in REFUSALS or (result.refusal == "" and result.height >= 5)
        refusals.add(result.refusal)
    if "at the start" in what:
        assert "wal_damaged" in refusals


@pytest.mark.parametrize("what", DAMAGES)
def test_a_lone_validator_with_a_damaged_disk_refuses_or_goes_on_as_it_was(what):
    foreign_files()
    for point in points(LONE, 12, first=len(what) % 7):
        result = play_damaged(LONE, point, DAMAGES[what])
        assert result.violations == ()
        assert result.refusal in REFUSALS or (result.refusal == "" and result.height >= 3)


def test_a_home_of_another_day_that_comes_back_never_makes_its_key_sign_twice():
    """Older signer state, log and store together, while the three others went on."""
    refusals = set()
    for backup_at, crash_at in ((3, 60), (35, 90), (50, 52), (60, 99)):
        point = Point(crash_at, is_after=False, loss=KILL)
        rest_s = 0.3 if backup_at % 2 else 0.0
        result = play_damaged(FOUR, point, rest_s=rest_s, backup_at=backup_at, goal=8)
        assert result.violations == (), (backup_at, crash_at, rest_s)
        assert result.height >= 8
        refusals.add(result.refusal)
    assert refusals == {""}


def test_a_validator_without_its_signer_state_signs_nothing_until_a_full_height_passed():
    point = Point(70, is_after=False, loss=NONE)
    result = play_damaged(FOUR, point, remove(STATE), goal=8)
    assert result.violations == ()
    assert result.refusal == ""
    assert result.height >= 8


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", [LONE, FOUR, Shape(1, has_own_store=True)], ids=str)
def test_a_failed_sync_stops_the_node_before_the_wire_and_the_next_start_goes_on(shape):
    syncs = sum(o.kind in ("sync", "replace", "commit", "truncate") for o in known(shape))
    assert syncs >= 11
    for number in range(1, syncs + 1, 3 if shape.validators == 1 else 6):
        result = play_with_error(shape, "sync", number)
        assert result.violations == (), number
        assert result.refusal in {"disk_failed", "store_full", "store_io"}


@pytest.mark.parametrize("shape", [LONE, FOUR], ids=str)
def test_a_full_disk_stops_the_node_with_a_code_and_it_goes_on_when_there_is_room(shape):
    writes = [o.number for o in known(shape) if o.kind in ("append", "replace", "commit")]
    for number in writes[:: 4 if shape == LONE else 11]:
        result = play_with_error(shape, "full", number)
        assert result.violations == (), number
        assert result.refusal in {"disk_full", "store_full"}
