"""What the chain judges from a declaration is what the dated rules say of the points themselves."""

from random import Random

from chain.town.energy import perimeter, regimes
from chain.town.energy.geometry import Place
from tests.town.energy.chain_kit import digest

NAMES = ("building", "standard", "derogation", "periurban", "rural", "epci")
DAYS = ("2019-11-24", "2019-12-01", "2020-12-01", "2023-10-01", "2025-03-05", "2026-11-23")


def make_operation(random: Random) -> regimes.Operation:
    spread = random.choice((100, 9_000, 45_000, 150_000))
    points = tuple(
        regimes.Point(
            f"p{n}",
            Place(48_000_000 + random.randrange(spread), 2_000_000 + random.randrange(spread)),
            random.choice(("urban", "periurban", "rural", "rural")),
            random.choice(("200000001", "200000001", "200000002", "")),
            random.choice(("a", "a", "a", "b", "")),
            random.random() < 0.8,
        )
        for n in range(random.randrange(1, 5))
    )
    watts = random.choice((499_999, 500_000, 2_999_999, 3_000_000, 4_999_999, 9_999_999, 10**7))
    return regimes.Operation(
        points,
        (regimes.Plant("roof", watts),),
        random.choice(("mainland", "mainland", "isolated")),
        random.random() < 0.6,
        random.choice(("", "decision 12")),
    )


def test_a_declared_operation_is_judged_as_its_points_are() -> None:
    random = Random("perimeter")
    verdicts = {"": 0}
    for _ in range(10_000):
        operation = make_operation(random)
        name, day = random.choice(NAMES), random.choice(DAYS)
        direct = regimes.check_operation(operation, name, day)
        declared = perimeter.declare(operation, digest("places"))
        told = perimeter.check_declared(
            declared,
            regime=name,
            territory=operation.territory,
            peak_w=sum(plant.peak_w for plant in operation.plants),
            day=day,
        )
        assert (direct is None) == (told is None), (operation, name, day, direct, told)
        if direct is not None and told is not None:
            assert direct.code is told.code
        code = "" if told is None else told.code.name
        verdicts[code] = verdicts.get(code, 0) + 1
    assert min(verdicts.values()) > 50, verdicts
    assert len(verdicts) == 5
