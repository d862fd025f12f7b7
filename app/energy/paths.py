"""What is kept of a shared day: each member's own figures, sealed, and the trees over all rows as salted hashes.

With both, a member's rows and paths are read in two hundred small chunks instead of computing everybody's day again;
and they stay his when a neighbour's readings are erased, because a hash under a lost salt says nothing of anybody.
Reads and writes: `energy_shared_day`, `energy_path_chunk`.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from app.core.config import Config
from app.core.database import insert_row, lock_until_commit, write
from app.core.problems import Problem
from app.energy import rows
from app.energy.codes import ENERGY_NOT_PUBLISHED
from app.energy.keys import MemberKeys
from app.energy.models import DayRow, PathChunk, SharedDay
from app.energy.readings import list_columns
from chain.town.energy import roots
from chain.town.energy.layers import name_chunks, read_path
from chain.types.block import Proof

Kind: TypeAlias = Literal["readings", "allocation"]
KINDS: Final[tuple[Kind, ...]] = ("readings", "allocation")


class KeptShare(Struct, frozen=True, array_like=True):
    """Of one column, step by step: Wh metered and shared, and the places of its rows in both trees.

    `estimated` lists the steps whose reading the convention completed. Days shared before places were kept have none.
    """

    metered_wh: tuple[int, ...]
    shared_wh: tuple[int, ...]
    reading_places: tuple[int, ...] = ()
    allocation_places: tuple[int, ...] = ()
    estimated: tuple[int, ...] = ()


def keep_day(
    config: Config, loaded: rows.DayInput, result: rows.DayResult, *, version: int, basis: int
) -> None:
    """Keep a drafted version over readings version `basis`; a draft made again replaces the last."""
    keys, accounts = MemberKeys(config), dict(list_columns(loaded.operation, loaded.day))
    columns = rows.allocation_columns(loaded.readings)
    with write():
        lock_until_commit(f"energy {loaded.operation}")
        _forget(loaded, version)
        placed: list[list[tuple[int, ...]]] = [[], []]
        for at, (step, shared) in enumerate(zip(result.steps, result.allocations, strict=True)):
            of_step = (
                rows.reading_rows(loaded, at, basis),
                rows.allocation_rows(loaded, at, step, shared, version),
            )
            for kind, salted, places in zip(KINDS, of_step, placed, strict=True):
                places.append(_keep_tree(loaded, version, kind, at, salted))
        for at_roster, column in enumerate(columns):
            at_table = loaded.readings.columns.index(column)
            shares = [(*r.autocons_wh, *r.autoprod_wh) for r in result.allocations]
            kept = KeptShare(
                tuple(row[at_table] for row in loaded.readings.rows),
                tuple(row[at_roster] for row in shares),
                tuple(row[at_table] for row in placed[0]),
                tuple(row[at_roster] for row in placed[1]),
                tuple(sorted(at for place, at in loaded.estimated if place == at_table)),
            )
            account = accounts[column.name]
            row = {
                "operation": loaded.operation,
                "day": loaded.day,
                "series": column.name,
                "version": version,
                "account": account,
                "sealed": keys.seal_readings(account, msgspec.json.encode(kept)),
            }
            insert_row(SharedDay, row)


def _forget(loaded: rows.DayInput, version: int) -> None:
    """An earlier draft of this version, and trees that a published version has replaced."""
    SharedDay.delete().where(
        (SharedDay.operation == loaded.operation)
        & (SharedDay.day == loaded.day)
        & (SharedDay.version == version)
    ).execute()
    PathChunk.delete().where(
        (PathChunk.operation == loaded.operation)
        & (PathChunk.day == loaded.day)
        & ((PathChunk.version == version) | (PathChunk.version < version - 1))
    ).execute()


def _keep_tree(
    loaded: rows.DayInput,
    version: int,
    kind: Kind,
    at: int,
    salted: Sequence[tuple[roots.Row, bytes]],
) -> tuple[int, ...]:
    """Write a step's tree; the places of its rows in the order given."""
    layers, places = roots.compute_layers(salted)
    for level, chunks in enumerate(layers.chunks):
        for chunk, nodes in enumerate(chunks):
            row = {
                "operation": loaded.operation,
                "day": loaded.day,
                "version": version,
                "kind": kind,
                "place": f"{at}/{level}/{chunk}",
                "nodes": nodes,
            }
            insert_row(PathChunk, row)
    return places


def open_share(keys: MemberKeys, day: DayRow, series: str, account: str) -> KeptShare:
    """An own column's figures in the day's last version; raises Problem when there are none, or they were erased."""
    file = SharedDay.get_or_none(
        (SharedDay.operation == day.operation)
        & (SharedDay.day == day.day)
        & (SharedDay.series == series)
        & (SharedDay.version == day.version)
    )
    if file is None:
        keys.salt_key(account)  # raises for who was erased
        raise Problem(ENERGY_NOT_PUBLISHED)
    return open_file(keys, file)


def open_file(keys: MemberKeys, file: SharedDay) -> KeptShare:
    """What one sealed file says; raises Problem when its member's readings were erased."""
    content = keys.open_readings(file.account, bytes(file.sealed))
    return msgspec.json.decode(content, type=KeptShare)


def read_paths(
    day: DayRow, kind: Kind, places: Sequence[int], total: int
) -> list[tuple[bytes, Proof]] | None:
    """Root and path of the row at each step's place; None when a chunk is not here."""
    named = {
        f"{at}/{level}/{chunk}"
        for at, place in enumerate(places)
        for level, chunk in name_chunks(total, place)
    }
    here = (
        (PathChunk.operation == day.operation)
        & (PathChunk.day == day.day)
        & (PathChunk.version == day.version)
        & (PathChunk.kind == kind)
        & PathChunk.place.in_(sorted(named))
    )
    chunks = {row.place: bytes(row.nodes) for row in PathChunk.select().where(here)}
    found = []
    for at, place in enumerate(places):

        def read(level: int, chunk: int, at: int = at) -> bytes:
            return chunks.get(f"{at}/{level}/{chunk}", b"")

        path = read_path(total, place, read)
        if path is None:
            return None
        found.append(path)
    return found
