"""Every record of one version, in one order that all nodes share; and the trees that such records give.

The order is by namespace; in a namespace of the tree by tree key (so that a run of records is a range of
leaves), in a side namespace (name starting with `~`, no part of the tree) by id.
Reads: a state store or a reader.  Writes: nothing.  Never: says whether the records are the right ones: the
caller compares the app hash.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from chain.town.context import Overlay, Reader
from chain.town.forest import Forest, compute_app_hash, update_forest
from chain.town.ports import StateStore
from chain.town.rolling import SIDE_PREFIX
from chain.town.tree import tree_key

StateRecord: TypeAlias = tuple[str, bytes, bytes]
"""Namespace, id, canonical record."""


class VersionGone(LookupError):
    """The store cannot give this version any more, or does not have it yet."""


@dataclass(frozen=True, slots=True)
class StateView:
    """One version's records, and the namespaces that may hold any, sorted."""

    reader: Reader
    namespaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadedState:
    """What a dump holds: records sorted by (namespace, id), their trees, and the root over them."""

    records: tuple[StateRecord, ...]
    forest: Forest
    app_hash: bytes


def view_state(store: StateStore, height: int) -> StateView:
    """The state after `height`, later blocks undone in memory; raises VersionGone.

    Any of the last versions whose undo the store keeps (PROTOCOL §4: 128).
    """
    newest = store.load_version()
    if newest is None or not 0 < height <= newest[0]:
        raise VersionGone(f"no state after height {height}")
    overlay = Overlay(store)
    for undone in range(newest[0], height, -1):
        undo = store.load_undo(undone)
        if undo is None:
            raise VersionGone(f"the state after height {height} is not kept any more")
        for namespace, record_id, before in undo:
            overlay.put(namespace, record_id, before)
    names = {*store.namespaces(), *overlay.written_namespaces()}
    return StateView(overlay, tuple(sorted(names)))


def dump_state(view: StateView) -> Iterator[StateRecord]:
    """Every record in the order of this module; one namespace at a time is held in memory."""
    for namespace in view.namespaces:
        held = list(view.reader.scan(namespace))
        if not namespace.startswith(SIDE_PREFIX):
            held.sort(key=lambda row, ns=namespace: tree_key(ns, row[0]))  # type: ignore[misc]
        for record_id, record in held:
            yield namespace, record_id, record


def load_state(records: Iterable[StateRecord]) -> LoadedState:
    """Trees and root of dumped records, in whatever order they come; raises ValueError on a doubled one."""
    ordered = tuple(sorted(records, key=lambda row: row[:2]))
    for earlier, later in itertools.pairwise(ordered):
        if earlier[:2] == later[:2]:
            raise ValueError(f"record {later[1]!r} of {later[0]} comes twice")
    forest = update_forest({}, ordered)
    return LoadedState(ordered, forest, compute_app_hash(forest))
