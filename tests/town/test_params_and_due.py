"""Parameters and their floors; the queue of due work and its bound."""

from dataclasses import replace

import pytest

from chain.town import params
from chain.town.context import Accepted, Overlay
from chain.town.due import FAILED, QUEUE, cancel_due, schedule_due
from chain.town.engine import JOURNAL
from chain.town.genesis import GenesisError
from chain.town.router import town_router
from chain.town.schemas import LoyaltyProgramme
from tests.town.test_engine import PROGRAMME, with_rule
from tests.town.town_kit import (
    BODIES,
    GENESIS_S,
    MemoryStateStore,
    make_genesis,
    make_town,
    name_of,
)


def test_every_parameters_default_is_a_production_value():
    for parameter in params.all_parameters():
        assert parameter.is_safe(parameter.default), parameter.name
        assert parameter.minimum <= parameter.safe_minimum <= parameter.safe_maximum, parameter.name
        assert parameter.safe_maximum <= parameter.maximum, parameter.name


@pytest.mark.parametrize("parameter", params.all_parameters(), ids=lambda p: p.name)
def test_a_genesis_outside_a_production_range_makes_the_town_insecure(parameter):
    for value in (parameter.safe_minimum - 1, parameter.safe_maximum + 1):
        if parameter.is_possible(value):
            town = make_town(secure=True, params={parameter.name: value})
            assert town.status()["insecure_reasons"] == [f"param:{parameter.name}"]
        else:
            with pytest.raises(GenesisError):
                make_town(secure=True, params={parameter.name: value})


def test_an_unknown_parameter_is_no_genesis():
    with pytest.raises(GenesisError, match="no parameter"):
        make_town(params={"council_delay": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"roles": (("clerk", "nobody"),)},
        {"roles": (("clerk", "mairie"), ("clerk", "mairie"))},
        {"validators": 0},
        {"validators": 5},  # the first of four bodies would run two of five
    ],
)
def test_a_genesis_that_breaks_a_rule_starts_no_town(change):
    with pytest.raises(GenesisError):
        make_town(**change)


def test_genesis_validators_are_those_of_the_document():
    genesis = make_genesis()
    from tests.town.town_kit import Town

    with pytest.raises(GenesisError, match="validators"):
        Town(replace(genesis, validators=genesis.validators[:3]))


def test_the_towns_name_depends_on_its_genesis_and_survives_a_migration():
    import json

    from tests.town.town_kit import Town

    first = make_town()
    assert make_town().town == first.town
    assert make_town(chain_id="beffroi-test-2").town != first.town
    assert make_town(params={"council_delay_s": 1}).town != first.town
    state = json.loads(first.genesis.app_state_bytes) | {"town": first.town}
    moved = replace(
        first.genesis, chain_id="beffroi-test-2", app_state_bytes=json.dumps(state).encode()
    )
    assert Town(moved).town == first.town


# --- due work ---


def scheduling(items):
    def apply(ctx, body):
        for at_s, kind, text in items:
            schedule_due(ctx.state, at_s, kind, text)
        return Accepted()

    return apply


def town_with_work(items, handlers, **how):
    router = with_rule(LoyaltyProgramme, scheduling(items))
    router = replace(router, due={**router.due, **handlers})
    town = make_town(router=router, **how)
    assert name_of(town.do(PROGRAMME, "body:commerces", town.role("loyalty_operator"))) == "ok"
    return town


def test_work_runs_when_due_in_order_of_time_and_only_once():
    seen = []
    items = [(GENESIS_S + at, "test.note", str(at)) for at in (30, 10, 20, 10)]
    town = town_with_work(items, {"test.note": lambda ctx, text: seen.append(text)})
    town.advance(8)
    town.idle()
    assert seen == []
    town.idle()
    assert seen == ["10"]
    town.advance(60)
    town.idle(3)
    assert seen == ["10", "20", "30"]


def test_more_work_than_a_block_may_do_waits_for_the_next_ones():
    seen = []
    items = [(GENESIS_S + 10, "test.note", str(n)) for n in range(25)]
    town = town_with_work(
        items,
        {"test.note": lambda ctx, text: seen.append(text)},
        params={"due_max_per_block": 10},
    )
    town.advance(30)
    counts = []
    for _ in range(4):
        before = town.app_hash
        town.idle()
        counts.append(len(seen))
        assert (town.app_hash != before) == (counts[-1:] != counts[-2:-1])
    assert counts == [10, 20, 25, 25]
    assert sorted(seen, key=int) == [str(n) for n in range(25)]


def test_work_that_breaks_is_set_aside_and_the_rest_goes_on():
    seen = []

    def breaks(ctx, text):
        ctx.state.put("loyalty", b"junk/1", b"{}")
        raise KeyError(text)

    items = [(GENESIS_S + 5, "test.breaks", "x"), (GENESIS_S + 6, "test.note", "y")]
    handlers = {"test.breaks": breaks, "test.note": lambda ctx, text: seen.append(text)}
    town = town_with_work(items, handlers)
    town.advance(30)
    town.idle()
    assert seen == ["y"]
    assert town.reader.get("loyalty", b"junk/1") is None
    assert [item.text for _, item in FAILED.scan(town.reader)] == ["x"]
    record = JOURNAL.get(town.reader, town.height.to_bytes(8, "big"))
    assert record.entries == ({"kind": "due.failed", "work": "test.breaks", "error": "KeyError"},)


def test_cancelled_work_never_runs():
    overlay = Overlay(MemoryStateStore())
    schedule_due(overlay, 10, "test.note", "x")
    cancel_due(overlay, 10, "test.note", "x")
    cancel_due(overlay, 10, "test.note", "never there")
    assert list(QUEUE.scan(overlay)) == []


def test_a_type_or_kind_claimed_twice_is_no_router():
    from chain.town import city
    from chain.town.rules import build_router

    with pytest.raises(ValueError, match=r"council\.act"):
        build_router((city.RULES, city.RULES), (), ())
    with pytest.raises(ValueError, match=r"city\.acts"):
        build_router((), (city.DUE, city.DUE), ())
    assert set(BODIES)  # the kit's default bodies
    assert "account.open" in town_router().routes
