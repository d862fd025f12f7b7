"""A generated month of a coalition: 80 shops, 11 000 redemptions, the same in every run.

Each citizen has a few habitual shops, large and near ones more often, and earns and spends at those alike. What
netting saves rests on that balance: where points flow one way only (`one_way`), more must really be paid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

SHOPS = 80
REDEMPTIONS = 11_000
CITIZENS = 4_000
HABITS = 4


@dataclass(frozen=True)
class Redeemed:
    issuer: str
    redeemer: str
    points: int


def generate_month(
    shops: int = SHOPS,
    redemptions: int = REDEMPTIONS,
    *,
    seed: int = 6,
    one_way_percent: int = 0,
) -> Iterator[Redeemed]:
    rng = Random(seed)
    names = [f"shop-{index:03d}" for index in range(shops)]
    sizes = [rng.choice((1, 1, 2, 3, 8)) for _ in names]
    habits = [_habits(rng, shops, sizes) for _ in range(CITIZENS)]
    for _ in range(redemptions):
        own = rng.choice(habits)
        issuer, redeemer = rng.choice(own), rng.choice(own)
        if rng.randrange(100) < one_way_percent:
            redeemer = rng.randrange(shops // 8)
        yield Redeemed(names[issuer], names[redeemer], rng.randrange(50, 150))


def _habits(rng: Random, shops: int, sizes: list[int]) -> list[int]:
    home = rng.randrange(shops)
    weights = [
        sizes[i] * (6 if min(abs(i - home), shops - abs(i - home)) < 6 else 1) for i in range(shops)
    ]
    return rng.choices(range(shops), weights, k=HABITS)
