"""Keys that put all production in one pool: static, static with redistribution, pro rata, cascade.

What a pool gives is then said to come from the producers pro rata of what they produced. Stores are kept apart where
the law asks for it: they are filled from plants only, never from another store (D315-5).
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from chain.town.energy.conventions import (
    SHARE_WHOLE,
    Cascade,
    Shares,
    Static,
    StaticRedistributed,
)
from chain.town.energy.refusals import Refused
from chain.town.energy.rounding import Rank, apportion, rank_by_hash
from chain.town.energy.steps import Allocation, Roster, Step, sum_at
from chain.types.codes import ENERGY_KEY_INVALID, ENERGY_POINT_UNKNOWN

Pool: TypeAlias = Callable[[int, Sequence[int], Rank], list[int]]
"""(production, needs, rank) -> what each consumer gets of the pool."""
Run: TypeAlias = Callable[[Step], Allocation | Refused]


def pooled(roster: Roster, pool: Pool) -> Run:
    """A key that shares one pool, as something to run on steps."""

    def run(step: Step) -> Allocation:
        autocons, autoprod = share_pool(roster, step, step.prod_wh, step.cons_wh, pool)
        return Allocation(tuple(autocons), tuple(autoprod))

    return run


def share_pool(
    roster: Roster,
    step: Step,
    prod_wh: Sequence[int],
    cons_wh: Sequence[int],
    pool: Pool,
) -> tuple[list[int], list[int]]:
    """Pool what is produced, share it by `pool`, then say whose production it was."""
    rank = rank_by_hash(step.operation, step.start_s, roster.consumers)
    needs = _limit_charges(roster, prod_wh, cons_wh, rank) if roster.charging else cons_wh
    autocons = pool(sum(prod_wh), needs, rank)
    origin = rank_by_hash(step.operation, step.start_s, roster.producers)
    return autocons, split_pool(roster, autocons, prod_wh, origin)


def split_pool(
    roster: Roster, autocons_wh: Sequence[int], prod_wh: Sequence[int], rank: Rank
) -> list[int]:
    """AUTOPROD per producer: pro rata of production, stores never giving to stores."""
    total = sum(autocons_wh)
    parts = apportion(total, prod_wh, rank)
    consumed = total - sum_at(autocons_wh, roster.charging)
    if sum_at(parts, roster.discharging) <= consumed:
        return parts
    stores = frozenset(roster.discharging)
    from_stores = [wh if index in stores else 0 for index, wh in enumerate(prod_wh)]
    from_plants = [0 if index in stores else wh for index, wh in enumerate(prod_wh)]
    released = apportion(consumed, from_stores, rank)
    made = apportion(total - consumed, from_plants, rank)
    return [store + plant for store, plant in zip(released, made, strict=True)]


def _limit_charges(
    roster: Roster, prod_wh: Sequence[int], cons_wh: Sequence[int], rank: Rank
) -> list[int]:
    """Needs of stores cut down to what plants (not other stores) produce."""
    plants_wh = sum(prod_wh) - sum_at(prod_wh, roster.discharging)
    needs = list(cons_wh)
    charges = [cons_wh[index] for index in roster.charging]
    if sum(charges) > plants_wh:
        cut = apportion(plants_wh, charges, rank_within(rank, roster.charging))
        for index, charge in zip(roster.charging, cut, strict=True):
            needs[index] = charge
    return needs


def share_pro_rata(production_wh: int, needs_wh: Sequence[int], rank: Rank) -> list[int]:
    """Everybody his need, or when production is short, pro rata of needs."""
    if production_wh >= sum(needs_wh):
        return list(needs_wh)
    return apportion(production_wh, needs_wh, rank)


def fill_to_level(
    total: int, needs: Sequence[int], weights: Sequence[int], rank: Rank
) -> list[int]:
    """Water-filling: everybody gets level x weight, capped by his need, with the highest level `total` allows.

    Members are taken by need/weight, the soonest full first; once one does not fill up, nobody after him does.
    The order is exact: two different fractions of denominators below 2^b differ by more than 2^-2b.
    """
    parts = [0] * len(needs)
    eligible = [index for index, weight in enumerate(weights) if weight and needs[index]]
    shift = 2 * max((weights[index] for index in eligible), default=1).bit_length()
    eligible.sort(key=lambda index: (needs[index] << shift) // weights[index])
    weight_left = sum(weights[index] for index in eligible)
    for position, index in enumerate(eligible):
        if needs[index] * weight_left > total * weights[index]:
            thirsty = eligible[position:]
            shares = apportion(total, [weights[i] for i in thirsty], lambda i: rank(thirsty[i]))  # noqa: B023 - used at once
            for member, share in zip(thirsty, shares, strict=True):
                parts[member] = share
            break
        parts[index] = needs[index]
        total -= needs[index]
        weight_left -= weights[index]
    return parts


def _check_shares(shares: Shares, roster: Roster) -> list[int] | Refused:
    """Shares in the order of the roster; every consumer is named, so that none is forgotten."""
    unknown = sorted(shares.keys() - frozenset(roster.consumers))
    if unknown:
        return Refused(ENERGY_POINT_UNKNOWN, unknown[0])
    missing = [name for name in roster.consumers if name not in shares]
    if missing:
        return Refused(ENERGY_KEY_INVALID, f"no share for {missing[0]}; 0 is allowed")
    if sum(shares.values()) > SHARE_WHOLE:
        return Refused(ENERGY_KEY_INVALID, f"shares sum to {sum(shares.values())} ppm")
    return [shares[name] for name in roster.consumers]


def prepare_static(key: Static, roster: Roster) -> Run | Refused:
    """Titles by share, each capped by consumption; what is not taken is surplus."""
    shares = _check_shares(key.shares_ppm, roster)
    if isinstance(shares, Refused):
        return shares
    with_nobody = [*shares, SHARE_WHOLE - sum(shares)]

    def pool(production_wh: int, needs_wh: Sequence[int], rank: Rank) -> list[int]:
        titles = apportion(production_wh, with_nobody, nobody_last(rank, len(shares)))
        return [min(title, need) for title, need in zip(titles, needs_wh, strict=False)]

    return pooled(roster, pool)


def nobody_last(rank: Rank, nobody: int) -> Rank:
    """The share that was given to nobody loses every tie."""
    return lambda index: b"\xff" * 33 if index == nobody else rank(index)


def prepare_redistributed(key: StaticRedistributed, roster: Roster) -> Run | Refused:
    """Weights are the shares; consumers without a share get nothing."""
    shares = _check_shares(key.shares_ppm, roster)
    if isinstance(shares, Refused):
        return shares
    weights = shares
    return pooled(roster, lambda total, needs, rank: fill_to_level(total, needs, weights, rank))


def prepare_cascade(key: Cascade, roster: Roster) -> Run | Refused:
    """Groups in order, each served from what the former left."""
    position = {name: index for index, name in enumerate(roster.consumers)}
    named = [name for group in key.groups for name in group]
    unknown = [name for name in named if name not in position]
    if unknown:
        return Refused(ENERGY_POINT_UNKNOWN, unknown[0])
    if len(set(named)) < len(named) or len(named) < len(position):
        return Refused(ENERGY_KEY_INVALID, "each consumer is in exactly one group")
    groups = [[position[name] for name in group] for group in key.groups]
    is_equal = key.inside == "equal"

    def pool(production_wh: int, needs_wh: Sequence[int], rank: Rank) -> list[int]:
        parts = [0] * len(needs_wh)
        for members in groups:
            needs = [needs_wh[member] for member in members]
            local = rank_within(rank, members)
            share = (
                fill_to_level(production_wh, needs, [1] * len(needs), local)
                if is_equal
                else share_pro_rata(production_wh, needs, local)
            )
            for member, part in zip(members, share, strict=True):
                parts[member] = part
            production_wh -= sum(share)
        return parts

    return pooled(roster, pool)


def rank_within(rank: Rank, members: Sequence[int]) -> Rank:
    """Rank of members of a part of the list."""
    return lambda index: rank(members[index])


def subtract(whole: Sequence[int], left: Sequence[int]) -> tuple[int, ...]:
    """What was taken of each."""
    return tuple(a - b for a, b in zip(whole, left, strict=True))
