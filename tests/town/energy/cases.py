"""Random neighbourhoods from a seed: members with stores, keys of the six kinds, steps, order books."""

from random import Random

from chain.town.energy import conventions as keys_of
from chain.town.energy.conventions import SHARE_WHOLE, Key, Ppa
from chain.town.energy.market import Order
from chain.town.energy.steps import Roster, Step, make_roster

KINDS = ("static", "static_redistributed", "pro_rata", "cascade", "matrix", "contract")
POOLED = KINDS[:4]
REDISTRIBUTING = ("pro_rata", "cascade", "contract")


def make_members(random: Random, *, stores: bool = True) -> Roster:
    charging = (
        [f"b{i}" for i in range(random.randint(0, 2))] if stores and random.random() < 0.4 else []
    )
    discharging = (
        [f"d{i}" for i in range(random.randint(0, 2))] if stores and random.random() < 0.4 else []
    )
    roster = make_roster(
        [f"c{i}" for i in range(random.randint(1, 5))],
        [f"p{i}" for i in range(random.randint(1, 3))],
        charging=charging,
        discharging=discharging,
    )
    assert isinstance(roster, Roster)
    return roster


def make_energy(random: Random) -> int:
    """Zeros, ones, equal values, everyday figures and the largest allowed."""
    return random.choice(
        (
            0,
            0,
            1,
            2,
            100,
            100,
            random.randint(0, 9),
            random.randint(0, 3_000),
            random.randint(0, 5_000_000),
        )
    )


def make_step(random: Random, roster: Roster, orders: tuple[Order, ...] = ()) -> Step:
    return Step(
        random.choice(("op", "les-tilleuls")),
        900 * random.randint(0, 10**6),
        tuple(make_energy(random) for _ in roster.consumers),
        tuple(make_energy(random) for _ in roster.producers),
        orders,
    )


def make_shares(random: Random, names) -> dict[str, int]:
    """Parts per million that sum to at most the whole; equal, zero and uneven ones."""
    if random.random() < 0.3:
        return dict.fromkeys(names, SHARE_WHOLE // max(len(names), 1))
    left, shares = SHARE_WHOLE, {}
    for name in names:
        shares[name] = random.choice((0, random.randint(0, left), left // 3))
        left -= shares[name]
    return shares


def make_key(random: Random, kind: str, roster: Roster) -> Key:
    names = list(roster.consumers)
    match kind:
        case "static":
            return keys_of.Static(make_shares(random, names))
        case "static_redistributed":
            return keys_of.StaticRedistributed(make_shares(random, names))
        case "pro_rata":
            return keys_of.ProRata()
        case "cascade":
            random.shuffle(names)
            cut = random.randint(0, len(names))
            groups = tuple(tuple(part) for part in (names[:cut], names[cut:]))
            return keys_of.Cascade(groups, random.choice(("pro_rata", "equal")))
        case "matrix":
            return make_matrix(random, roster)
        case _:
            return keys_of.Contract(make_ppas(random, roster), random.randint(0, 2))


def make_matrix(random: Random, roster: Roster) -> keys_of.Matrix:
    plain = plain_consumers(roster)
    shares = {}
    for index, producer in enumerate(roster.producers):
        members = plain if index in roster.discharging else list(roster.consumers)
        shares[producer] = make_shares(random, members)
    own = {name: random.choice(plain_producers(roster)) for name in plain if random.random() < 0.3}
    return keys_of.Matrix(shares, own)


def make_ppas(random: Random, roster: Roster) -> tuple[Ppa, ...]:
    return tuple(
        Ppa(
            f"k{i}",
            random.choice(plain_producers(roster)),
            random.choice(roster.consumers),
            random.randint(0, 1),
            random.choice(("fixed_wh", "share_ppm")),
            random.choice((1, 50, random.randint(1, SHARE_WHOLE))),
            random.randint(0, 200_000),
        )
        for i in range(random.randint(0, 3))
    )


def plain_consumers(roster: Roster) -> list[str]:
    return [name for i, name in enumerate(roster.consumers) if i not in roster.charging]


def plain_producers(roster: Roster) -> list[str]:
    return [name for i, name in enumerate(roster.producers) if i not in roster.discharging]


def make_orders(random: Random, roster: Roster) -> tuple[Order, ...]:
    """Orders on real points; every order has its own participant, so that none can meet himself."""
    orders = []
    for i in range(random.randint(0, 5)):
        side = random.choice(("bid", "offer"))
        point = random.choice(plain_consumers(roster) if side == "bid" else roster.producers)
        price, energy = random.randrange(0, 300, 50), random.randint(1, 2_000)
        orders.append(Order(f"o{i}", side, f"who{i}", price, energy, random.randint(0, 3), point))
    return tuple(orders)


def make_case(random: Random, kind: str, *, stores: bool = True) -> tuple[Roster, Key, Step]:
    roster = make_members(random, stores=stores)
    orders = make_orders(random, roster) if kind == "contract" else ()
    return roster, make_key(random, kind, roster), make_step(random, roster, orders)


def make_book(random: Random, size: int) -> list[Order]:
    """A small book with many equal prices and arrivals, and some participants on both sides."""
    return [
        Order(
            f"o{i}",
            random.choice(("bid", "offer")),
            f"who{random.randint(0, 2 * size)}",
            random.choice((100, 100, 110, 120, random.randint(80, 140))),
            random.choice((1, 10, random.randint(1, 50))),
            random.randint(0, 3),
        )
        for i in range(size)
    ]


def reference_book(count: int, tick: int) -> list[Order]:
    """The generated books on which gsy, lemlab and ASSUME were measured: bids first, then offers."""
    random = Random(1)
    orders = []
    for i in range(count):
        side = "bid" if i < count // 2 else "offer"
        price, energy = random.randrange(6_000, 22_000, tick), random.randrange(50, 3_001)
        orders.append(Order(f"o{i}", side, f"who{i}", price, energy, i))
    return orders
