"""Every byte a full month leaves on the chain is read: no PRM, no reading, no figure of one person and interval."""

import re
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest

from chain.town.energy import records
from tests.town.energy.month import CONSUMERS, MONTH, Month, play_month
from tests.town.town_kit import Town

FOURTEEN_DIGITS = re.compile(rb"[0-9]{14}")
STEP_NUMBERS = {"sums", "estimated", "orders"}
"""All that is ever said in numbers of one step."""


@pytest.fixture(scope="module")
def month() -> Month:
    return play_month(Random("a month of chain bytes"))


def all_json(month: Month) -> Iterator[Any]:
    """Every JSON value on the chain: payloads, result data, logs, records (beside the tree lie hashes alone)."""
    yield from month.payloads()
    for raw in month.results:
        yield msgspec.json.decode(raw)
    for namespace, _, raw in month.records:
        if not namespace.startswith("~"):
            yield msgspec.json.decode(raw)


def walk(value: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Leaves of a JSON value with the way to them; places in arrays are not named."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from walk(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, path)
    else:
        yield path, value


def personal_figures(month: Month) -> set[int]:
    """What each person consumed, got, bought elsewhere, produced, gave and sold elsewhere in each interval."""
    figures: set[int] = set()
    for result in month.days.values():
        for metered, made in zip(result.given.steps, result.allocations, strict=True):
            for wh, shared in (
                *zip(metered.cons_wh, made.autocons_wh, strict=True),
                *zip(metered.prod_wh, made.autoprod_wh, strict=True),
            ):
                figures |= {wh, shared, wh - shared}
    return figures - {0}


def test_the_month_was_played_with_everything_in_it(month: Month) -> None:
    types = {payload["type"] for payload in month.payloads()}
    missing = {"energy.leave", "energy.paid", "energy.order_cancel", "energy.witness"}
    from chain.town.energy.onchain import RULES

    assert {body.TYPE for body in RULES} - types == missing
    assert len(month.days) == 32
    assert len(month.days["2026-10-25"].reading_steps) == 100
    day = records.DAYS.get(month.village.town.reader, records.day_id("les-tilleuls", "2026-10-12"))
    assert (day.state, day.version) == ("settled", 2)


def test_no_string_of_fourteen_digits_is_in_any_chain_byte(month: Month) -> None:
    for raw in (*month.transactions, *month.results):
        assert not FOURTEEN_DIGITS.search(raw)
    for _, record_id, raw in month.records:
        assert not FOURTEEN_DIGITS.search(record_id)
        assert not FOURTEEN_DIGITS.search(raw)
    for value in all_json(month):
        assert not FOURTEEN_DIGITS.search(msgspec.json.encode(value))
    everything = b"".join(msgspec.json.encode(value) for value in all_json(month))
    assert all(prm.encode() not in everything for prm in month.prms)


def test_no_reading_or_other_figure_of_one_person_and_interval_is_in_any_chain_byte(
    month: Month,
) -> None:
    figures = personal_figures(month)
    assert len(figures) > 40_000
    for value in all_json(month):
        for path, leaf in walk(value):
            if path and path[-1] == "sums":
                continue  # of many, looked at below
            if isinstance(leaf, int):
                assert leaf not in figures, path
            if isinstance(leaf, str) and leaf.isdecimal():
                assert int(leaf) not in figures, path


def test_of_one_step_nothing_is_said_in_numbers_but_sums_and_counts(month: Month) -> None:
    seen = set()
    for payload in month.payloads():
        for path, leaf in walk(payload):
            if "steps" in path and not isinstance(leaf, str) and leaf is not None:
                seen.add(path[path.index("steps") + 1])
    assert seen <= STEP_NUMBERS
    assert "sums" in seen
    for namespace, record_id, raw in month.records:
        if namespace == "energy":
            paths = {path[-1] for path, leaf in walk(msgspec.json.decode(raw)) if path}
            assert not paths & STEP_NUMBERS - {"estimated"}, record_id


def test_every_sum_of_a_step_hides_five_households_and_two_plants(month: Month) -> None:
    shown = hidden = 0
    for payload in month.payloads():
        if payload["type"] not in ("energy.allocate", "energy.correct"):
            continue
        body = payload["body"]
        name = body["day"] + (" corrected" if payload["type"] == "energy.correct" else "")
        result = month.days[name]
        rest: list[int] = []
        for index, step in enumerate(body["steps"]):
            metered = result.given.steps[index]
            if "sums" not in step:
                rest.append(index)
                continue
            shown += 1
            assert sum(wh > 0 for wh in metered.cons_wh) >= 5
            assert sum(wh > 0 for wh in metered.prod_wh) != 1
            assert step["sums"][0] == sum(metered.prod_wh)
        hidden += len(rest)
        assert len(rest) != 1
        columns = zip(*(result.given.steps[index].cons_wh for index in rest), strict=True)
        assert sum(any(column) for column in columns) >= 5 or not rest
    assert shown > 1_000
    assert hidden > 300


def test_prices_quantities_and_sides_of_orders_stay_sealed(month: Month) -> None:
    numbers = {order.price_micro_eur for order in month.orders}
    numbers |= {order.energy_wh for order in month.orders}
    for value in all_json(month):
        for path, leaf in walk(value):
            assert leaf not in numbers or isinstance(leaf, bool), path
            assert leaf not in ("bid", "offer") or path[-1] == "step", path


def test_the_scan_finds_a_reading_that_is_planted(month: Month) -> None:
    planted = next(iter(sorted(personal_figures(month))))
    leaves = [leaf for _, leaf in walk({"energy": [{"note": planted}]})]
    assert leaves[0] in personal_figures(month)
    assert FOURTEEN_DIGITS.search(b'{"prm":"' + month.prms[0].encode() + b'"}')


def test_credits_are_per_month_and_per_account_only(month: Month) -> None:
    listed = [p["body"] for p in month.payloads() if p["type"] == "energy.credit"]
    assert [body["month"] for body in listed] == [MONTH]
    assert 0 < len(listed[0]["entries"]) < CONSUMERS


def test_a_second_machine_accepts_every_block_of_the_month_and_has_the_same_state(
    month: Month,
) -> None:
    town = month.village.town
    copy = Town(town.genesis)
    for time_s, transactions in month.blocks:
        copy.now_s = time_s
        assert copy.is_acceptable(*transactions)
        copy.finalize(*transactions)
    assert copy.app_hash == town.app_hash
