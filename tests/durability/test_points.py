"""Three heights, ended at every operation: a sample of what `make crash` plays whole, and the bugs it must find."""

from itertools import islice

import pytest

from chain.node.host import ConsensusHost
from chain.node.signer import FileSigner
from chain.store.wal import Wal
from tests.durability import points as points_module
from tests.durability.disk import KILL, NONE, Point
from tests.durability.points import (
    SHAPES,
    Shape,
    open_every_cut,
    operations,
    play,
    points_of,
    twice,
)

SAMPLE = 70
"""One point of so many is played here."""


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_node_that_ends_at_any_operation_goes_on_by_itself_to_the_same_chain(shape):
    chosen = list(points_of(shape, every_cut=shape.validators == 1))
    first = SHAPES.index(shape) * 7 % SAMPLE
    for point in chosen[first::SAMPLE]:
        assert play(shape, point) == []


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[2]], ids=str)
def test_every_cut_of_every_record_opens_as_its_last_border(shape):
    tally = open_every_cut(shape)
    assert tally.violations == []
    assert tally.cuts > 2_000


def test_a_node_that_ends_twice_goes_on_by_itself():
    for first, second in islice(twice(SHAPES[0], (KILL, NONE), 8), 5, None, 120):
        assert play(SHAPES[0], first, second) == []


def test_the_workload_has_every_kind_of_operation():
    """A workload without one of them would prove nothing about it."""
    kinds = {operation.kind for operation in operations(SHAPES[2])[0]}
    assert kinds >= {"append", "sync", "replace", "commit", "send", "open"}


# ── planted bugs ─────────────────────────────────────────────────────────────────────────────────────


def nothing(*_args: object, **_options: object) -> None:
    pass


def sends_before_it_syncs(monkeypatch):
    real = ConsensusHost._release

    def release(host):
        for body in host._work.outbox:
            host._do.network.broadcast(body)
        real(host)

    monkeypatch.setattr(ConsensusHost, "_release", release)


def log_ends_the_height_before_the_store_has_it(monkeypatch):
    real = ConsensusHost._settle

    def settle(host, built, commit):
        host._log_end_height(built.block.header.height)
        real(host, built, commit)

    monkeypatch.setattr(ConsensusHost, "_settle", settle)


def takes_no_cut_for_safe(monkeypatch):
    from chain.node import recovery

    monkeypatch.setattr(recovery, "covers", lambda payloads, last: False)


PLANTED = {
    "log not synced": (lambda m: m.setattr(Wal, "sync", nothing), Shape(4)),
    "signer not flushed": (lambda m: m.setattr(FileSigner, "flush", nothing), Shape(4)),
    "sends before it syncs": (sends_before_it_syncs, Shape(4)),
    "log not replayed": (lambda m: m.setattr(ConsensusHost, "_replay", nothing), Shape(1)),
    "log ends the height too early": (log_ends_the_height_before_the_store_has_it, Shape(1)),
    "lost sectors refuse": (takes_no_cut_for_safe, Shape(1)),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug, monkeypatch):
    plant, shape = PLANTED[bug]
    known = operations(shape)
    monkeypatch.setattr(points_module, "operations", lambda _shape: known)
    chosen = [p for p in points_of(shape, every_cut=False) if p.kind in ("sync", "commit", "send")]
    plant(monkeypatch)
    assert any(play(shape, point) for point in chosen), "no point noticed"


def test_a_point_that_is_not_reached_is_a_violation():
    assert play(SHAPES[0], Point(10_000, is_after=False, loss=KILL)) != []
