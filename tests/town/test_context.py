"""Overlays behave as a dictionary laid over another, whatever the order of reads, writes and scans."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain.town.context import Overlay
from chain.town.ports import StateVersion
from tests.town.town_kit import MemoryStateStore

ids = st.sampled_from([bytes([n]) for n in range(8)])
records = st.one_of(st.none(), st.binary(min_size=1, max_size=2))


class LayeredOverlay(RuleBasedStateMachine):
    """Store, block overlay and transaction overlay against one dict each."""

    @initialize(content=st.dictionaries(ids, st.binary(min_size=1, max_size=2)))
    def start(self, content):
        store = MemoryStateStore()
        changes = tuple(("ns", rid, rec) for rid, rec in sorted(content.items()))
        store.save(StateVersion(1, b"", changes, tuple((n, r, None) for n, r, _ in changes)))
        self.block, self.block_model = Overlay(store), dict(content)
        self.open()

    def open(self):
        self.tx, self.tx_model = Overlay(self.block), dict(self.block_model)

    @rule(rid=ids, record=records)
    def write(self, rid, record):
        self.tx.put("ns", rid, record)
        self.tx_model[rid] = record

    @rule()
    def keep(self):
        self.block.absorb(self.tx)
        self.block_model = self.tx_model
        self.open()

    @rule()
    def drop(self):
        self.open()

    @rule(start=ids, stop=st.one_of(st.none(), ids))
    def scan_a_range(self, start, stop):
        wanted = sorted(
            (rid, rec)
            for rid, rec in self.tx_model.items()
            if rec is not None and rid >= start and (stop is None or rid < stop)
        )
        assert list(self.tx.scan("ns", start, stop)) == wanted

    @invariant()
    def both_layers_read_as_their_models(self):
        if not hasattr(self, "tx"):
            return
        for overlay, model in ((self.tx, self.tx_model), (self.block, self.block_model)):
            for rid in (bytes([n]) for n in range(8)):
                assert overlay.get("ns", rid) == model.get(rid)


LayeredOverlay.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_overlays_read_as_dictionaries = LayeredOverlay.TestCase


def test_changes_come_sorted_by_namespace_and_id():
    overlay = Overlay(MemoryStateStore())
    for namespace, rid in (("b", b"2"), ("a", b"9"), ("b", b"1"), ("a", b"1")):
        overlay.put(namespace, rid, b"x")
    assert [change[:2] for change in overlay.changes()] == [
        ("a", b"1"),
        ("a", b"9"),
        ("b", b"1"),
        ("b", b"2"),
    ]
