"""What must hold of every allocation, book, invoice, coefficient and day, each as a check over generated cases.

A check takes a `Random` and how many cases to try: 10 000 in the tests, fewer when a planted bug is hunted.
Oracles here are written apart from the code under test: fractions and brute force, no shortcut.
"""

from collections.abc import Callable
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from random import Random

from msgspec.structs import replace

from chain.town.energy import (
    calendar,
    coefficients,
    enedis,
    intervals,
    keys,
    market,
    money,
    pools,
    roots,
    rounding,
    steps,
    tables,
)
from chain.town.energy.conventions import (
    Cascade,
    Contract,
    Matrix,
    ProRata,
    Static,
    StaticRedistributed,
)
from chain.town.energy.refusals import Refused
from chain.town.energy.steps import Allocation, Roster, Step
from tests.town.energy import cases

Law = Callable[[Random, int], None]
LAWS: dict[str, Law] = {}


def law(function: Law) -> Law:
    LAWS[function.__name__] = function
    return function


def run(roster: Roster, key, step: Step) -> Allocation:
    plan = keys.prepare(key, roster)
    assert not isinstance(plan, Refused), plan
    result = keys.allocate(plan, step)
    assert not isinstance(result, Refused), result
    return result


def kinds(count: int, of=cases.KINDS):
    return (of[i % len(of)] for i in range(count))


def sum_at(values, indices) -> int:
    return sum(values[i] for i in indices)


# --- allocation ------------------------------------------------------------------------------------


@law
def allocated_never_exceeds_production_nor_anybodys_consumption(random: Random, count: int) -> None:
    for kind in kinds(count):
        roster, key, step = cases.make_case(random, kind)
        result = run(roster, key, step)
        assert all(0 <= a <= c for a, c in zip(result.autocons_wh, step.cons_wh, strict=True))
        assert all(0 <= a <= p for a, p in zip(result.autoprod_wh, step.prod_wh, strict=True))
        assert sum(result.autocons_wh) == sum(result.autoprod_wh)
        assert steps.check_law(roster, step, result) is None


@law
def keys_that_redistribute_lose_not_one_watt_hour(random: Random, count: int) -> None:
    for kind in kinds(count, cases.REDISTRIBUTING):
        roster, key, step = cases.make_case(random, kind, stores=False)
        shared = sum(run(roster, key, step).autocons_wh)
        assert shared == min(sum(step.prod_wh), sum(step.cons_wh))


@law
def redistributed_shares_serve_all_who_have_a_share(random: Random, count: int) -> None:
    for _ in range(count):
        roster, key, step = cases.make_case(random, "static_redistributed", stores=False)
        wanted = sum(
            c for c, n in zip(step.cons_wh, roster.consumers, strict=True) if key.shares_ppm[n]
        )
        assert sum(run(roster, key, step).autocons_wh) == min(sum(step.prod_wh), wanted)


@law
def deliveries_sum_to_rows_and_columns(random: Random, count: int) -> None:
    for kind in kinds(count, ("matrix", "contract", "cascade")):
        roster, key, step = cases.make_case(random, kind)
        result = run(roster, key, step)
        cells = coefficients.cells_of(result)
        got, gave = [0] * len(step.cons_wh), [0] * len(step.prod_wh)
        for (producer, consumer), wh in cells.items():
            assert wh > 0
            gave[producer] += wh
            got[consumer] += wh
        assert (tuple(got), tuple(gave)) == (result.autocons_wh, result.autoprod_wh)
        if isinstance(key, Matrix):
            assert sum(d.energy_wh for d in result.deliveries) == sum(result.autocons_wh)


def hamilton(total: int, weights: list[int], names: list[str], step: Step) -> list[int]:
    """Largest remainder by fractions, ties by the documented hash."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    exact = [Fraction(total * w, whole) for w in weights]
    parts = [int(q) for q in exact]

    def claim(i: int):
        stamp = step.start_s.to_bytes(8, "big")
        text = b"\x00".join((b"beffroi-energy-tie", step.operation.encode(), stamp))
        return parts[i] - exact[i], sha256(text + names[i].encode()).digest()

    for i in sorted(range(len(weights)), key=claim)[: total - sum(parts)]:
        parts[i] += 1
    return parts


def level(total: int, needs: list[int], weights: list[int]) -> list[Fraction]:
    """Water-filling by fractions: cap whoever is full at the present level, until nobody more is."""
    open_ = [i for i, w in enumerate(weights) if w]
    parts = [Fraction(0)] * len(needs)
    while open_:
        per_weight = Fraction(total, sum(weights[i] for i in open_))
        full = [i for i in open_ if needs[i] <= per_weight * weights[i]]
        if not full:
            for i in open_:
                parts[i] = per_weight * weights[i]
            return parts
        for i in full:
            parts[i] = Fraction(needs[i])
            total -= needs[i]
        open_ = [i for i in open_ if i not in full]
    return parts


@law
def everybody_is_within_one_watt_hour_of_the_exact_share(random: Random, count: int) -> None:
    for kind in kinds(count, ("pro_rata", "static", "static_redistributed")):
        roster, key, step = cases.make_case(random, kind, stores=False)
        total, needs = sum(step.prod_wh), list(step.cons_wh)
        if isinstance(key, ProRata):
            exact = [Fraction(min(total, sum(needs)) * n, sum(needs) or 1) for n in needs]
        elif isinstance(key, Static):
            titles = [Fraction(total * key.shares_ppm[n], 10**6) for n in roster.consumers]
            exact = [min(t, Fraction(n)) for t, n in zip(titles, needs, strict=True)]
        else:
            assert isinstance(key, StaticRedistributed)
            exact = level(total, needs, [key.shares_ppm[n] for n in roster.consumers])
        for got, share in zip(run(roster, key, step).autocons_wh, exact, strict=True):
            assert abs(got - share) < 1, (got, share)


@law
def pro_rata_is_largest_remainder_with_ties_by_hash(random: Random, count: int) -> None:
    for _ in range(count):
        roster, key, step = cases.make_case(random, "pro_rata", stores=False)
        needs = list(step.cons_wh)
        total = min(sum(step.prod_wh), sum(needs))
        expected = hamilton(total, needs, list(roster.consumers), step)
        result = run(roster, key, step)
        assert list(result.autocons_wh) == expected
        made = hamilton(total, list(step.prod_wh), list(roster.producers), step)
        assert list(result.autoprod_wh) == made


@law
def a_cascade_serves_a_group_only_from_what_the_former_left(random: Random, count: int) -> None:
    for _ in range(count):
        roster, key, step = cases.make_case(random, "cascade", stores=False)
        assert isinstance(key, Cascade)
        got = dict(zip(roster.consumers, run(roster, key, step).autocons_wh, strict=True))
        need = dict(zip(roster.consumers, step.cons_wh, strict=True))
        left = sum(step.prod_wh)
        for group in key.groups:
            served = sum(got[name] for name in group)
            assert served == min(left, sum(need[name] for name in group))
            left -= served
            if key.inside == "equal":
                thirsty = [got[name] for name in group if got[name] < need[name]]
                assert all(abs(a - b) <= 1 for a in thirsty for b in thirsty)
                assert all(got[n] <= max(thirsty, default=10**9) + 1 for n in group)


@law
def a_matrix_gives_the_legal_minimum_of_consumption_and_coefficients(
    random: Random, count: int
) -> None:
    for _ in range(count):
        roster, key, step = cases.make_case(random, "matrix")
        key = Matrix(key.shares_ppm)
        got = run(roster, key, step).autocons_wh
        for i, name in enumerate(roster.consumers):
            titles = [
                Fraction(p * key.shares_ppm[producer].get(name, 0), 10**6)
                for p, producer in zip(step.prod_wh, roster.producers, strict=True)
            ]
            lowest = min(step.cons_wh[i], sum(map(int, titles)))
            highest = min(step.cons_wh[i], sum(-int(-t // 1) for t in titles))
            assert lowest <= got[i] <= highest


@law
def the_order_of_the_list_changes_nobodys_share(random: Random, count: int) -> None:
    for kind in kinds(count):
        roster, key, step = cases.make_case(random, kind)
        first = run(roster, key, step)
        took, gave = [*range(len(roster.consumers))], [*range(len(roster.producers))]
        random.shuffle(took)
        random.shuffle(gave)
        mixed_roster = Roster(
            tuple(roster.consumers[i] for i in took),
            tuple(roster.producers[i] for i in gave),
            tuple(sorted(took.index(i) for i in roster.charging)),
            tuple(sorted(gave.index(i) for i in roster.discharging)),
        )
        orders = list(step.orders)
        random.shuffle(orders)
        if isinstance(key, Contract):
            key = replace(key, ppas=tuple(random.sample(key.ppas, len(key.ppas))))
        mixed = Step(
            step.operation,
            step.start_s,
            tuple(step.cons_wh[i] for i in took),
            tuple(step.prod_wh[i] for i in gave),
            tuple(orders),
        )
        second = run(mixed_roster, key, mixed)
        assert [first.autocons_wh[i] for i in took] == list(second.autocons_wh)
        assert [first.autoprod_wh[i] for i in gave] == list(second.autoprod_wh)


@law
def more_production_lowers_nobody_by_more_than_one_watt_hour(random: Random, count: int) -> None:
    for kind in kinds(count, cases.POOLED):
        roster, key, step = cases.make_case(random, kind, stores=False)
        more = Step(
            step.operation,
            step.start_s,
            step.cons_wh,
            tuple(min(p + random.choice((0, 1, 500)), 5_000_000) for p in step.prod_wh),
        )
        before, after = run(roster, key, step), run(roster, key, more)
        pairs = zip(before.autocons_wh, after.autocons_wh, strict=True)
        assert all(late >= early - 1 for early, late in pairs)


@law
def equals_take_turns_over_the_steps(random: Random, count: int) -> None:
    """One Wh for two equal neighbours: over 64 steps each is served at times, and not in turns of the list."""
    roster = steps.make_roster(["a", "b"], ["p"])
    assert isinstance(roster, Roster)
    for _ in range(max(1, count // 64)):
        first = random.randint(0, 10**6) * 900
        winners = {
            run(roster, ProRata(), Step("op", first + 900 * i, (1, 1), (1,))).autocons_wh
            for i in range(64)
        }
        assert winners == {(1, 0), (0, 1)}


@law
def nothing_is_both_stored_and_allocated(random: Random, count: int) -> None:
    for kind in kinds(count):
        roster, key, step = cases.make_case(random, kind)
        result = run(roster, key, step)
        stored = sum_at(result.autocons_wh, roster.charging)
        allocated = sum(result.autocons_wh) - stored
        discharged = sum_at(step.prod_wh, roster.discharging)
        released = sum_at(result.autoprod_wh, roster.discharging)
        production = sum(step.prod_wh) - discharged
        assert stored + (allocated - released) <= production
        assert released <= min(discharged, allocated)
        assert allocated <= discharged + production


@law
def a_result_that_breaks_the_law_is_refused(random: Random, count: int) -> None:
    for kind in kinds(count):
        roster, key, step = cases.make_case(random, kind)
        result = run(roster, key, step)
        got, gave = list(result.autocons_wh), list(result.autoprod_wh)
        side = random.choice((got, gave))
        place = random.randrange(len(side))
        side[place] += random.choice((-1, 1))
        broken = Allocation(tuple(got), tuple(gave))
        assert steps.check_law(roster, step, broken) is not None
        side[place] = (step.cons_wh if side is got else step.prod_wh)[place] + 1
        other = gave if side is got else got
        other[0] += sum(side) - sum(other)
        assert steps.check_law(roster, step, Allocation(tuple(got), tuple(gave))) is not None


@law
def a_store_filled_from_a_store_is_refused(random: Random, count: int) -> None:
    for _ in range(count):
        production, discharged, released, stored, allocated = (
            random.randint(0, 4) for _ in range(5)
        )
        lawful = (
            released <= discharged
            and released <= allocated
            and stored + allocated - released <= production
        )
        flaw = steps.check_storage(
            production_wh=production,
            discharged_wh=discharged,
            released_wh=released,
            stored_wh=stored,
            allocated_wh=allocated,
        )
        assert (flaw is None) == lawful
        if lawful:
            assert stored <= production
            assert allocated <= discharged + production


@law
def one_member_can_check_his_own_pro_rata_share(random: Random, count: int) -> None:
    for _ in range(count):
        roster, key, step = cases.make_case(random, "pro_rata", stores=False)
        result = run(roster, key, step)
        own = random.randrange(len(step.cons_wh))
        sums = {"production_wh": sum(step.prod_wh), "consumption_wh": sum(step.cons_wh)}
        got, used = result.autocons_wh[own], step.cons_wh[own]
        check = steps.check_own_pro_rata
        assert check(**sums, own_cons_wh=used, own_autocons_wh=got)
        assert not check(**sums, own_cons_wh=used, own_autocons_wh=got + 2)
        assert not check(**sums, own_cons_wh=used, own_autocons_wh=got - 2)


@law
def sums_beyond_two_to_the_53_are_exact(random: Random, count: int) -> None:
    for _ in range(count):
        weights = [random.randint(0, 2**60) for _ in range(random.randint(1, 5))]
        total = random.randint(0, 2**70)
        parts = rounding.apportion(total, weights, lambda i: bytes([i]))
        assert sum(parts) == (total if sum(weights) else 0)
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part * (sum(weights) or 1) - total * weight) < (sum(weights) or 1)


@law
def water_filling_leaves_nobody_thirsty_beside_somebody_who_got_more(
    random: Random, count: int
) -> None:
    for _ in range(count):
        size = random.randint(1, 6)
        needs = [cases.make_energy(random) for _ in range(size)]
        weights = [random.choice((0, 1, 1, 2, random.randint(0, 10**6))) for _ in range(size)]
        total = random.choice((0, 1, sum(needs) // 2, random.randint(0, 10**7)))
        parts = pools.fill_to_level(total, needs, weights, lambda i: bytes([i]))
        exact = level(total, needs, weights)
        assert all(abs(part - share) < 1 for part, share in zip(parts, exact, strict=True))
        assert sum(parts) == sum(exact)


# --- market ----------------------------------------------------------------------------------------


def best_volume(book: list[market.Order]) -> int:
    """Most that can trade at any one price, by trying each."""
    prices = {order.price_micro_eur for order in book}
    return max(
        (
            min(
                sum(o.energy_wh for o in book if o.side == "bid" and o.price_micro_eur >= price),
                sum(o.energy_wh for o in book if o.side == "offer" and o.price_micro_eur <= price),
            )
            for price in prices
        ),
        default=0,
    )


def cleared_books(random: Random, count: int, **terms):
    """Books that can be cleared, with the outcome; those refused for self-trade are shown to be so."""
    for _ in range(count):
        book = cases.make_book(random, random.randint(0, 8))
        outcome = market.clear(book, **terms)
        can_meet_himself = any(
            bid.participant == offer.participant and bid.price_micro_eur >= offer.price_micro_eur
            for bid in book
            for offer in book
            if bid.side == "bid" and offer.side == "offer"
        )
        assert isinstance(outcome, Refused) == can_meet_himself
        if not isinstance(outcome, Refused):
            yield book, outcome


@law
def an_auction_trades_the_largest_volume_inside_every_limit(random: Random, count: int) -> None:
    for book, outcome in cleared_books(random, count, k_halves=random.randint(0, 2)):
        assert outcome.volume_wh == best_volume(book)
        assert outcome.volume_wh == sum(trade.energy_wh for trade in outcome.trades)
        for bid, offer, energy_wh, price in outcome.trades:
            assert energy_wh > 0
            assert offer.price_micro_eur <= price <= bid.price_micro_eur
            assert price == outcome.price_micro_eur
            assert bid.participant != offer.participant


@law
def nobody_trades_more_than_he_ordered_and_the_rest_stays_open(random: Random, count: int) -> None:
    for book, outcome in cleared_books(random, count, k_halves=1):
        filled = dict.fromkeys((order.order_id for order in book), 0)
        for trade in outcome.trades:
            filled[trade.bid.order_id] += trade.energy_wh
            filled[trade.offer.order_id] += trade.energy_wh
        left = {o.order_id: o.energy_wh for o in (*outcome.open_bids, *outcome.open_offers)}
        for order in book:
            assert filled[order.order_id] + left.get(order.order_id, 0) == order.energy_wh


@law
def better_prices_then_earlier_orders_are_served_first(random: Random, count: int) -> None:
    for book, outcome in cleared_books(random, count, k_halves=1):
        filled = dict.fromkeys((order.order_id for order in book), 0)
        for trade in outcome.trades:
            filled[trade.bid.order_id] += trade.energy_wh
            filled[trade.offer.order_id] += trade.energy_wh
        for side, sign in (("bid", -1), ("offer", 1)):
            ranked = sorted(
                (o for o in book if o.side == side),
                key=lambda o, s=sign: (s * o.price_micro_eur, o.seq, o.order_id),
            )
            for better, worse in pairwise(ranked):
                assert filled[better.order_id] == better.energy_wh or not filled[worse.order_id]


@law
def k_moves_the_price_from_the_last_offer_to_the_last_bid(random: Random, count: int) -> None:
    for book, low in cleared_books(random, count, k_halves=0):
        middle, high = (market.clear(book, k_halves=k) for k in (1, 2))
        assert low.volume_wh == middle.volume_wh == high.volume_wh
        if low.trades:
            assert low.price_micro_eur == max(t.offer.price_micro_eur for t in low.trades)
            assert high.price_micro_eur == min(t.bid.price_micro_eur for t in high.trades)
            assert middle.price_micro_eur == (low.price_micro_eur + high.price_micro_eur) // 2


@law
def pay_as_bid_prices_each_pair_and_trades_as_much(random: Random, count: int) -> None:
    for book, outcome in cleared_books(random, count, k_halves=2, pricing="pay_as_bid"):
        assert outcome.volume_wh == best_volume(book)
        assert all(t.price_micro_eur == t.bid.price_micro_eur for t in outcome.trades)
        paid = sum(
            money.compute_amount_nano_eur(t.energy_wh, t.price_micro_eur) for t in outcome.trades
        )
        uniform = market.clear(book, k_halves=2)
        assert paid >= sum(t.energy_wh * t.price_micro_eur for t in uniform.trades)


@law
def the_order_of_a_book_changes_no_trade(random: Random, count: int) -> None:
    for book, outcome in cleared_books(random, count, k_halves=1):
        mixed = book[:]
        random.shuffle(mixed)
        assert market.clear(mixed, k_halves=1) == outcome


# --- money -----------------------------------------------------------------------------------------


def make_lines(random: Random) -> list[money.Line]:
    return [
        money.Line(
            f"line{i}",
            f"b{random.randint(0, 3)}",
            f"s{random.randint(0, 2)}",
            energy := random.choice((1_000, 1_000, 3_000, random.randint(-3_000, 10**6))),
            energy * random.choice((0, 1, 100_000, 5_000, random.randint(0, 400_000))),
        )
        for i in range(random.randint(0, 6))
    ]


@law
def what_buyers_pay_is_what_sellers_get_after_one_rounding(random: Random, count: int) -> None:
    for _ in range(count):
        lines = make_lines(random)
        invoices = money.bill(lines)
        exact = sum(line.amount_nano_eur for line in lines)
        assert invoices.total_cents == round(Fraction(exact, 10**7))
        assert sum(cents for _, cents in invoices.buyers_cents) == invoices.total_cents
        assert sum(cents for _, cents in invoices.sellers_cents) == invoices.total_cents
        for line, billed in zip(lines, invoices.lines, strict=True):
            assert abs(billed.amount_cents * 10**7 - line.amount_nano_eur) < 10**7
            assert (billed.buyer, billed.seller) == (line.buyer, line.seller)


@law
def the_order_of_invoice_lines_changes_no_cent(random: Random, count: int) -> None:
    for _ in range(count):
        lines = make_lines(random)
        billed = sorted(money.bill(lines).lines)
        random.shuffle(lines)
        assert sorted(money.bill(lines).lines) == billed


# --- coefficients ----------------------------------------------------------------------------------


@law
def coefficients_stay_below_consumption_and_one_hundred_percent(random: Random, count: int) -> None:
    for kind in kinds(count):
        roster, key, step = cases.make_case(random, kind, stores=False)
        result = run(roster, key, step)
        decimals = random.randint(0, 6)
        whole = coefficients.whole_units(decimals)
        rank = rounding.rank_by_hash(step.operation, step.start_s, roster.consumers)
        units = coefficients.compute_step_units(step, result, decimals, rank)
        assert all(sum(row) <= whole for row in units)
        offered = [
            sum(row[i] * prod for row, prod in zip(units, step.prod_wh, strict=True))
            for i in range(len(step.cons_wh))
        ]
        if not result.deliveries:
            assert all(o <= c * whole for o, c in zip(offered, step.cons_wh, strict=True))
        predicted = coefficients.predict_dso(units, step.cons_wh, step.prod_wh, decimals)
        coarse = sum(step.prod_wh) // whole + len(step.prod_wh) + 1
        for own, theirs in zip(result.autocons_wh, predicted, strict=True):
            assert abs(own - theirs) <= coarse


@law
def spare_units_of_a_scarce_step_make_up_one_hundred_percent(random: Random, count: int) -> None:
    for _ in range(count):
        prod = random.randint(1, 3_000)
        cons = [random.randint(prod, 2 * prod) for _ in range(random.randint(1, 6))]
        shared = rounding.apportion(prod, cons, lambda i: bytes([i]))
        units = coefficients.compute_units(shared, cons, prod, 1, lambda i: bytes([i]))
        room = [u for u, c in zip(units, cons, strict=True) if (u + 1) * prod <= c * 1_000]
        assert sum(units) == 1_000 or not room


@law
def a_coefficient_file_reads_back_as_written(random: Random, count: int) -> None:
    zone = calendar.EUROPE_PARIS
    for _ in range(max(1, count // 10)):
        decimals, step_s = random.randint(0, 4), random.choice((900, 1_800))
        label = random.choice(("start", "end"))
        prms = tuple(f"{random.randrange(10**14):014}" for _ in range(3))
        first = random.choice((1_711_839_600, 1_729_980_000, 1_700_000_000)) // step_s * step_s
        rows = tuple(
            coefficients.CoefficientRow(
                first + i * step_s,
                tuple(random.randint(0, coefficients.whole_units(decimals) // 3) for _ in prms),
            )
            for i in range(random.randint(1, 20))
        )
        file = coefficients.CoefficientFile(prms, decimals, rows)
        text = coefficients.format_coefficients(file, zone=zone, step_s=step_s, label=label)
        terms = {"decimals": decimals, "zone": zone, "step_s": step_s, "label": label}
        assert len(set(prms)) < 3 or coefficients.parse_coefficients(text, **terms) == file


# --- time ------------------------------------------------------------------------------------------


@law
def local_days_have_92_96_or_100_quarters_in_the_right_nights(random: Random, count: int) -> None:
    changes = {3: 92, 10: 100}
    for _ in range(count):
        year, month = random.randint(1996, 2090), random.choice((1, 3, 10, random.randint(1, 12)))
        day = random.randint(1, 28 if month == 2 else 30)
        number = calendar.days_of_date(year, month, day)
        assert calendar.date_of_days(number) == (year, month, day)
        is_last_sunday = (number + 4) % 7 == 0 and day > 24 and month in changes
        expected = changes[month] if is_last_sunday else 96
        grid = calendar.steps_of_day(calendar.EUROPE_PARIS, number, 900)
        assert len(grid) == expected, (year, month, day)
        assert len(calendar.steps_of_day(calendar.EUROPE_PARIS, number, 1_800)) * 2 == expected
        assert all(start % 900 == 0 for start in (grid[0], grid[-1]))
        following = calendar.steps_of_day(calendar.EUROPE_PARIS, number + 1, 900)
        assert grid.stop == following.start


@law
def local_time_and_utc_agree_both_ways(random: Random, count: int) -> None:
    zone = calendar.EUROPE_PARIS
    for _ in range(count):
        near = random.choice(
            (1_711_846_800, 1_729_990_800, random.randint(830_000_000, 4_000_000_000))
        )
        utc = near + random.randint(-4, 4) * 900
        assert utc in calendar.utc_of_local(zone, calendar.local_of_utc(zone, utc))


@law
def a_days_watts_become_its_exact_energy(random: Random, count: int) -> None:
    for _ in range(max(1, count // 25)):
        day = random.choice((19_812, 20_022, random.randint(15_000, 21_000)))
        starts = calendar.steps_of_day(calendar.EUROPE_PARIS, day, 900)
        milliwatts = [random.choice((0, 1_000, random.randint(0, 9_000_000))) for _ in starts]
        lines = [
            f"{calendar.format_local(calendar.EUROPE_PARIS, s)};{mw // 1000},{mw % 1000:03}"
            for s, mw in zip(starts, milliwatts, strict=True)
        ]
        spec = enedis.CurveSpec("12345678901234", "cons", 900, "start")
        curve = enedis.parse_load_curve("\n".join(("Horodate;Valeur", *lines)), spec)
        assert not isinstance(curve, Refused), curve
        exact = Fraction(sum(milliwatts) * 900, 3_600_000)
        assert abs(sum(curve.energy_wh) - exact) <= Fraction(1, 2)
        running = Fraction(0)
        for wh, mw in zip(curve.energy_wh, milliwatts, strict=True):
            running += Fraction(mw * 900, 3_600_000) - wh
            assert abs(running) <= Fraction(1, 2)


@law
def a_curve_cut_at_midnight_reads_the_same(random: Random, count: int) -> None:
    zone, step = calendar.EUROPE_PARIS, 1_800
    for _ in range(max(1, count // 50)):
        day = random.choice((19_812, 20_022, random.randint(15_000, 21_000)))
        days = [calendar.steps_of_day(zone, day + i, step) for i in (0, 1)]
        texts = [
            [f"{_day_first(zone, s)};{random.randint(0, 999)}" for s in starts] for starts in days
        ]
        spec = enedis.CurveSpec("12345678901234", "cons", step, "start")
        parse = enedis.parse_load_curve
        both = parse("\n".join(("Horodate;v", *texts[0], *texts[1])), spec)
        apart = [parse("\n".join(("Horodate;v", *text)), spec) for text in texts]
        assert not isinstance(both, Refused), both
        assert both.energy_wh == apart[0].energy_wh + apart[1].energy_wh
        assert (both.start_s, apart[1].start_s) == (days[0].start, days[1].start)


@law
def a_label_at_the_end_of_a_step_is_the_start_of_the_next(random: Random, count: int) -> None:
    zone, step = calendar.EUROPE_PARIS, 900
    for _ in range(max(1, count // 50)):
        day = random.choice((19_812, 20_022, random.randint(15_000, 21_000)))
        starts = calendar.steps_of_day(zone, day, step)
        texts = {
            label: "\n".join(("Horodate;v", *(f"{_day_first(zone, s + shift)};8" for s in starts)))
            for label, shift in (("start", 0), ("end", step))
        }
        curves = [
            enedis.parse_load_curve(text, enedis.CurveSpec("12345678901234", "prod", step, label))
            for label, text in texts.items()
        ]
        assert not isinstance(curves[0], Refused), curves[0]
        assert curves[0] == curves[1]
        assert curves[0].start_s == starts.start


def _day_first(zone, utc_s: int) -> str:
    text = calendar.format_clock(calendar.local_of_utc(zone, utc_s))
    return f"{text[8:10]}/{text[5:7]}/{text[:4]} {text[11:16]}"


@law
def a_table_of_readings_reads_back_as_written(random: Random, count: int) -> None:
    for _ in range(max(1, count // 10)):
        step_s = random.choice((900, 1_800))
        columns = tuple(
            tables.Column(side, f"{side}_{i}")
            for i, side in enumerate(random.sample(tables.SIDES, 3))
        )
        rows = tuple(tuple(cases.make_energy(random) for _ in columns) for _ in range(5))
        readings = tables.Readings(step_s, random.randint(0, 10**6) * step_s, columns, rows)
        assert tables.parse_readings(tables.format_readings(readings), step_s=step_s) == readings


# --- versions and roots ----------------------------------------------------------------------------


@law
def deltas_replayed_over_the_first_version_give_the_last(random: Random, count: int) -> None:
    for _ in range(count):
        roster, key, step = cases.make_case(random, "pro_rata", stores=False)
        versions = [run(roster, key, step).autocons_wh]
        for _ in range(random.randint(1, 3)):
            step = cases.make_step(random, roster)
            versions.append(run(roster, key, step).autocons_wh)
        deltas = [intervals.compute_deltas(a, b) for a, b in pairwise(versions)]
        assert intervals.apply_deltas(versions[0], deltas) == versions[-1]
        total = [sum(changes) for changes in zip(*deltas, strict=True)]
        assert total == [b - a for a, b in zip(versions[0], versions[-1], strict=True)]


def make_version(random: Random, number: int, previous: bytes, key_hash: bytes, count: int):
    shared, rest = random.randint(0, 99), random.randint(0, 99)
    return intervals.Version(
        number,
        previous,
        roots.Root(random.randbytes(32), count),
        roots.Root(random.randbytes(32), count),
        intervals.Sums(shared + rest, shared, rest),
        key_hash,
        keys.ENGINE,
    )


@law
def an_interval_keeps_every_version_in_one_chain(random: Random, count: int) -> None:
    """Random acts: whatever is accepted, versions are 1..N, each names the one before, and none changes."""
    for _ in range(max(1, count // 2)):
        key_hash = random.randbytes(32)
        interval = intervals.open_interval(
            operation="op", start_s=900, step_s=900, key_hash=key_hash, correctable_until_s=100
        )
        assert not isinstance(interval, Refused)
        for _ in range(8):
            after = _act(random, interval, key_hash)
            if isinstance(after, Refused):
                continue
            assert after.versions[: len(interval.versions)] == interval.versions
            interval = after
        for number, version in enumerate(interval.versions, 1):
            assert version.number == number
            former = interval.versions[number - 2].allocations.root if number > 1 else b""
            assert version.previous_root == former
            assert number > 1 or version.readings == roots.Root(b"r" * 32, 3)
            assert version.key_hash == key_hash
            assert version.sums.autocons_wh + version.sums.surplus_wh == version.sums.prod_wh
        if interval.state in (intervals.State.OPEN, intervals.State.METERED):
            assert not interval.versions


def _act(random: Random, interval: intervals.Interval, key_hash: bytes):
    number = len(interval.versions) + random.choice((0, 1, 1, 1, 2))
    previous = random.choice((interval.root, interval.root, interval.root, b"", b"x" * 32))
    version = make_version(
        random, number, previous, random.choice((key_hash, key_hash, b"k" * 32)), 3
    )
    if interval.readings is not None and random.random() < 0.8:
        version = intervals.replace(version, readings=interval.readings)
    if random.random() < 0.1:
        version = intervals.replace(version, sums=intervals.Sums(10, 5, 6))
    acts = (
        lambda: intervals.meter(
            interval,
            roots.Root(b"r" * 32, 3),
            points_count=random.choice((3, 3, 4)),
            estimated_count=0,
        ),
        lambda: intervals.allocate_first(interval, version),
        lambda: intervals.report(interval, b"c" * 32),
        lambda: intervals.reconcile(
            interval, b"d" * 32, difference_wh=random.randint(0, 9), tolerance_wh=5
        ),
        lambda: intervals.settle(interval, b"s" * 32),
        lambda: intervals.correct(interval, version, at_s=random.choice((50, 50, 100, 101))),
    )
    is_correctable = interval.versions and random.random() < 0.5
    return (acts[-1] if is_correctable else random.choice(acts))()


@law
def nothing_is_corrected_after_its_window(random: Random, count: int) -> None:
    for _ in range(count):
        key_hash, until = random.randbytes(32), random.randint(0, 99)
        first = make_version(random, 1, b"", key_hash, 3)
        interval = intervals.Interval(
            "op", 900, 900, key_hash, until, intervals.State.SETTLED, first.readings, 0, (first,)
        )
        second = make_version(random, 2, first.allocations.root, key_hash, 3)
        at_s = random.randint(0, 99)
        assert isinstance(intervals.correct(interval, second, at_s=at_s), Refused) == (at_s > until)


def make_rows(random: Random, count: int, *, start_s: int = 900, version: int = 1):
    return [
        roots.AllocationRow("op", start_s, version, f"c{i}", "consumer", 10, 4, 6)
        for i in range(count)
    ]


@law
def every_member_opens_his_own_row_and_no_other(random: Random, count: int) -> None:
    for _ in range(max(1, count // 20)):
        size = random.randint(1, 9)
        rows = make_rows(random, size)
        salts = [roots.compute_salt(random.randbytes(32), row) for row in rows]
        root, openings = roots.compute_openings(list(zip(rows, salts, strict=True)))
        assert root == roots.compute_root(zip(rows, salts, strict=True))
        for row, salt, opening in zip(rows, salts, openings, strict=True):
            assert (opening.row, opening.salt) == (row, salt)
            assert roots.check_opening(opening, root) is None
            lie = roots.Opening(
                roots.AllocationRow("op", 900, 1, row.point, "consumer", 10, 5, 5),
                salt,
                opening.proof,
            )
            assert roots.check_opening(lie, root) is not None
            padded = roots.Root(root.root, size + 1)
            assert roots.check_opening(opening, padded) is not None
        leaves = [s + roots.encode_row(row) for row, s in zip(rows, salts, strict=True)]
        places = sorted(range(size), key=lambda i: leaves[i])
        assert [openings[i].proof.index for i in places] == list(range(size))


@law
def equal_readings_have_different_leaves_at_two_steps(random: Random, count: int) -> None:
    for _ in range(count):
        key = random.randbytes(32)
        early, late = random.sample(range(0, 10**6, 900), 2)
        salts = {
            roots.compute_salt(key, roots.AllocationRow("op", start, version, "c", side, 5, 5, 0))
            for start in (early, late)
            for version in (1, 2)
            for side in ("consumer", "producer")
        }
        assert len(salts) == 8
