"""The full matrix: one coefficient per producer and consumer, with owners served from their own plant first.

A consumer gets the sum of what the coefficients offer him, capped by his consumption; where the cap bites, every
producer's part shrinks in proportion. What is not taken is surplus: nothing is offered a second time, as in the law.
"""

from collections.abc import Iterable, Mapping, Sequence

from chain.town.energy.conventions import SHARE_WHOLE, Matrix
from chain.town.energy.pools import Run, nobody_last, rank_within, share_pro_rata, subtract
from chain.town.energy.refusals import Refused
from chain.town.energy.rounding import Rank, apportion, rank_by_hash
from chain.town.energy.steps import Allocation, Delivery, Roster, Step
from chain.types.codes import ENERGY_KEY_INVALID, ENERGY_POINT_UNKNOWN


def prepare_matrix(key: Matrix, roster: Roster) -> Run | Refused:
    """Check the coefficients against the members."""
    rows = _matrix_rows(key, roster)
    if isinstance(rows, Refused):
        return rows
    own = _own_plants(key, roster)
    if isinstance(own, Refused):
        return own

    def run(step: Step) -> Allocation:
        takers = rank_by_hash(step.operation, step.start_s, roster.consumers)
        givers = rank_by_hash(step.operation, step.start_s, roster.producers)
        prod, needs = list(step.prod_wh), list(step.cons_wh)
        cells: dict[tuple[int, int], int] = {}
        for producer, members in own:
            share = share_pro_rata(
                prod[producer], [needs[m] for m in members], rank_within(takers, members)
            )
            _deliver(cells, producer, zip(members, share, strict=True), prod, needs)
        titles = _matrix_titles(rows, prod, takers)
        for consumer in sorted(titles):
            offered = titles[consumer]
            producers = [producer for producer, _ in offered]
            energies = [energy_wh for _, energy_wh in offered]
            if sum(energies) > needs[consumer]:
                energies = apportion(needs[consumer], energies, rank_within(givers, producers))
            for producer, energy_wh in zip(producers, energies, strict=True):
                _deliver(cells, producer, [(consumer, energy_wh)], prod, needs)
        return _matrix_allocation(cells, step, prod, needs)

    return run


def _matrix_rows(key: Matrix, roster: Roster) -> list[tuple[list[int], list[int]]] | Refused:
    """Per producer: indices of its consumers, and their shares with nobody's at the end."""
    position = {name: index for index, name in enumerate(roster.consumers)}
    unknown = sorted(key.shares_ppm.keys() - frozenset(roster.producers))
    if unknown:
        return Refused(ENERGY_POINT_UNKNOWN, unknown[0])
    rows: list[tuple[list[int], list[int]]] = []
    for index, producer in enumerate(roster.producers):
        shares = key.shares_ppm.get(producer, {})
        strangers = sorted(shares.keys() - position.keys())
        if strangers:
            return Refused(ENERGY_POINT_UNKNOWN, strangers[0])
        if sum(shares.values()) > SHARE_WHOLE:
            return Refused(ENERGY_KEY_INVALID, f"{producer} shares out {sum(shares.values())} ppm")
        members = sorted(position[name] for name, share in shares.items() if share)
        if index in roster.discharging and any(m in roster.charging for m in members):
            return Refused(ENERGY_KEY_INVALID, f"store {producer} would fill a store")
        values = [shares[roster.consumers[member]] for member in members]
        rows.append((members, [*values, SHARE_WHOLE - sum(values)]))
    return rows


def _own_plants(key: Matrix, roster: Roster) -> list[tuple[int, list[int]]] | Refused:
    """Per producer that serves its owners first: the owners' indices."""
    takers = {name: index for index, name in enumerate(roster.consumers)}
    givers = {name: index for index, name in enumerate(roster.producers)}
    members: dict[int, list[int]] = {}
    for consumer, producer in sorted(key.own.items()):
        if consumer not in takers or producer not in givers:
            return Refused(ENERGY_POINT_UNKNOWN, consumer if consumer not in takers else producer)
        if takers[consumer] in roster.charging and givers[producer] in roster.discharging:
            return Refused(ENERGY_KEY_INVALID, f"store {producer} would fill a store")
        members.setdefault(givers[producer], []).append(takers[consumer])
    return sorted(members.items())


def _matrix_titles(
    rows: Sequence[tuple[list[int], list[int]]], prod_wh: Sequence[int], rank: Rank
) -> dict[int, list[tuple[int, int]]]:
    """Per consumer: (producer, Wh) that the coefficients offer, before his consumption caps them."""
    titles: dict[int, list[tuple[int, int]]] = {}
    for producer, (members, shares) in enumerate(rows):
        by_hash = nobody_last(rank_within(rank, members), len(members))
        parts = apportion(prod_wh[producer], shares, by_hash)
        for member, part in zip(members, parts, strict=False):
            if part:
                titles.setdefault(member, []).append((producer, part))
    return titles


def _deliver(
    cells: dict[tuple[int, int], int],
    producer: int,
    shares: Iterable[tuple[int, int]],
    prod_left: list[int],
    need_left: list[int],
) -> None:
    """Move Wh of one producer to consumers, in the cells and in both remainders."""
    for consumer, energy_wh in shares:
        if energy_wh:
            cells[producer, consumer] = cells.get((producer, consumer), 0) + energy_wh
            prod_left[producer] -= energy_wh
            need_left[consumer] -= energy_wh


def _matrix_allocation(
    cells: Mapping[tuple[int, int], int],
    step: Step,
    prod_left: Sequence[int],
    need_left: Sequence[int],
) -> Allocation:
    deliveries = (Delivery(p, c, wh, "matrix") for (p, c), wh in sorted(cells.items()))
    return Allocation(
        subtract(step.cons_wh, need_left), subtract(step.prod_wh, prod_left), tuple(deliveries)
    )
