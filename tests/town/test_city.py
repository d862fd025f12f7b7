"""Bodies, council acts, roles, validators: who decides, when it takes effect, what can never happen."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.codec.canonical import b64url_encode
from chain.crypto import ed25519
from chain.crypto.keys import address
from chain.town import city
from chain.town.accounts import role_of
from chain.town.engine import JOURNAL
from chain.town.schemas import (
    ActBodyAdd,
    ActBodyRemove,
    ActParamSet,
    ActRoleGrant,
    ActRoleRevoke,
    ActValidatorSet,
    CouncilActs,
)
from chain.types.abci import AbciValidator, Misbehavior, MisbehaviorType
from chain.types.timestamp import Timestamp
from tests.town.test_engine import PROGRAMME
from tests.town.town_kit import BODIES, DAY_S, jwk, key, make_town, name_of, validator_seed


def pub_key(index: int) -> bytes:
    return ed25519.derive_public(validator_seed(index))


def set_validator(body: str, index: int, power: int = 10) -> ActValidatorSet:
    return ActValidatorSet(body, b64url_encode(pub_key(index)), power)


def misbehaviour(index: int, height: int = 1) -> Misbehavior:
    validator = AbciValidator(address(pub_key(index)), 10)
    return Misbehavior(MisbehaviorType.DUPLICATE_VOTE, validator, height, Timestamp(1), 40)


def act(town, *acts, seats=BODIES[:3]):
    return town.run(town.council_tx(*acts, seats=seats))[0]


def journal_of(town, height=None):
    record = JOURNAL.get(town.reader, (height or town.height).to_bytes(8, "big"))
    return [] if record is None else list(record.entries)


# --- quorum ---


@pytest.mark.parametrize(
    ("bodies", "signers", "code"),
    [
        (1, 1, "ok"),
        (2, 1, "city_no_quorum"),
        (2, 2, "ok"),
        (3, 2, "city_no_quorum"),  # exactly two thirds is not more than two thirds
        (3, 3, "ok"),
        (4, 2, "city_no_quorum"),
        (4, 3, "ok"),
    ],
)
def test_an_act_needs_more_than_two_thirds_of_the_seats(bodies, signers, code):
    names = BODIES[:bodies]
    town = make_town(bodies=names, roles=(), validators=1)
    result = act(town, ActParamSet("council_delay_s", 30), seats=names[:signers])
    assert name_of(result) == code


def test_only_seats_speak_for_the_council():
    town = make_town()
    signers = [town.seat(b) for b in BODIES[:3]] + [town.role("clerk")]
    result = town.do(CouncilActs((ActParamSet("council_delay_s", 1),)), "council", *signers)
    assert name_of(result) == "tx_not_entitled"


# --- delay ---


def test_an_act_takes_effect_after_the_delay_and_not_before():
    town = make_town(params={"council_delay_s": 7 * DAY_S})
    result = act(town, ActParamSet("due_max_per_block", 50))
    assert town.result_data(result)["effective"] == town.now_s - 1 + 7 * DAY_S
    assert town.status()["next_due"] == town.now_s - 1 + 7 * DAY_S
    town.advance(7 * DAY_S - 2)
    town.idle()
    assert town.status()["params"]["due_max_per_block"] == 200
    town.idle()
    assert town.status()["params"]["due_max_per_block"] == 50
    assert town.status()["next_due"] is None


def test_ending_a_role_key_does_not_wait():
    town = make_town(params={"council_delay_s": 7 * DAY_S})
    clerk = town.role("loyalty_operator")
    mixed = act(town, ActRoleRevoke(clerk.kid), ActParamSet("due_max_per_block", 50))
    assert town.result_data(mixed) | {"effective": 0} == {"at_once": 1, "later": 1, "effective": 0}
    assert role_of(town.reader, clerk.kid).revoked_since == town.now_s - 1
    assert name_of(town.do(PROGRAMME, "body:commerces", clerk)) == "tx_key_expired"


def test_an_act_that_cannot_work_is_refused_at_once_and_schedules_nothing():
    town = make_town()
    assert name_of(act(town, ActBodyRemove("nobody"))) == "city_unknown_body"
    assert list(city.PENDING.scan(town.reader)) == []


def test_an_act_overtaken_by_events_is_dropped_whole_and_the_journal_says_so():
    town = make_town(params={"council_delay_s": 60})
    act(town, ActBodyAdd("lycee", "Lycée", jwk(key("seat@lycee"))))
    late = ActBodyAdd("lycee", "Lycée bis", jwk(key("other seat")))
    act(town, ActParamSet("due_max_per_block", 50), late)
    town.advance(60)
    town.idle(2)
    assert town.status()["params"]["due_max_per_block"] == 200
    kinds = [entry["kind"] for h in (3, 4) for entry in journal_of(town, h)]
    assert kinds == ["city.acts_applied", "city.acts_refused"]


# --- bodies and roles ---


def test_a_new_body_has_a_seat_that_counts():
    town = make_town()
    act(town, ActBodyAdd("lycee", "Lycée", jwk(key("seat@lycee"))))
    three_of_five = act(town, ActParamSet("council_delay_s", 1))
    assert name_of(three_of_five) == "city_no_quorum"
    four = act(town, ActParamSet("council_delay_s", 1), seats=(*BODIES[:3], "lycee"))
    assert name_of(four) == "ok"


def test_a_body_that_leaves_loses_seat_and_roles():
    town = make_town(bodies=(*BODIES, "lycee"), roles=(("clerk", "lycee"),), validators=4)
    seats = BODIES
    assert name_of(act(town, ActBodyRemove("lycee"), seats=seats)) == "ok"
    clerk = key("clerk@lycee")
    assert role_of(town.reader, clerk.kid).revoked_since > 0
    assert name_of(act(town, ActParamSet("council_delay_s", 1))) == "ok"  # 3 of 4 again
    reused = ActBodyAdd("lycee", "Lycée", jwk(key("seat@lycee")))
    assert name_of(act(town, reused)) == "city_key_in_use"


def test_a_body_that_runs_a_validator_cannot_leave():
    town = make_town()
    assert name_of(act(town, ActBodyRemove("coop"))) == "city_act_refused"


@pytest.mark.parametrize(
    ("role", "body", "life_s", "code"),
    [
        ("clerk", "coop", 366 * DAY_S - 1, "ok"),
        ("clerk", "coop", 367 * DAY_S, "city_param_out_of_range"),
        ("clerk", "coop", -5, "city_param_out_of_range"),
        ("clerk", "nobody", DAY_S, "city_unknown_body"),
        ("till", "coop", DAY_S, "city_act_refused"),
        ("shop_owner", "coop", DAY_S, "city_act_refused"),
    ],
)
def test_a_role_is_granted_to_a_body_for_a_bounded_time(role, body, life_s, code):
    town = make_town()
    grant = ActRoleGrant(role, body, jwk(key("fresh")), town.now_s + life_s)
    assert name_of(act(town, grant)) == code
    assert (role_of(town.reader, key("fresh").kid) is not None) == (code == "ok")


def test_a_role_key_is_nobodys_other_key():
    town = make_town()
    for used in (town.seat("coop"), town.role("clerk")):
        grant = ActRoleGrant("clerk", "coop", jwk(used), town.now_s + DAY_S)
        assert name_of(act(town, grant)) == "city_key_in_use"


# --- parameters ---


def test_a_secure_town_cannot_be_voted_below_a_floor():
    town = make_town(secure=True)
    for name, value in (("council_delay_s", DAY_S), ("identity_batch_min_entries", 7)):
        assert name_of(act(town, ActParamSet(name, value))) == "city_param_out_of_range"
    assert name_of(act(town, ActParamSet("council_delay_s", 8 * DAY_S))) == "ok"
    assert name_of(act(town, ActParamSet("no_such_thing", 1))) == "city_param_out_of_range"


def test_an_insecure_town_says_so_until_the_council_repairs_it():
    town = make_town(secure=True, params={"council_delay_s": 0, "till_undo_max_s": 600})
    assert town.status()["insecure_reasons"] == ["param:council_delay_s", "param:till_undo_max_s"]
    acts = (ActParamSet("till_undo_max_s", 300), ActParamSet("council_delay_s", 7 * DAY_S))
    assert name_of(act(town, *acts)) == "ok"
    assert town.status()["insecure"] is False


# --- validators ---


def test_a_validator_change_reaches_the_engine_once():
    town = make_town()
    act(town, ActBodyAdd("lycee", "Lycée", jwk(key("seat@lycee"))))
    act(town, set_validator("lycee", 9, 10), seats=BODIES)
    assert [(u.pub_key, u.power) for u in town.last.validator_updates] == [(pub_key(9), 10)]
    town.run(town.open_tx(key("phone")))
    assert town.last.validator_updates == ()


def test_several_changes_of_one_key_are_one_update():
    town = make_town()
    act(town, set_validator("coop", 2, 11), set_validator("coop", 2, 12))
    assert [(u.pub_key, u.power) for u in town.last.validator_updates] == [(pub_key(2), 12)]
    act(town, set_validator("coop", 2, 11), set_validator("coop", 2, 12))
    assert town.last.validator_updates == ()


@pytest.mark.parametrize(
    "acts",
    [
        [set_validator("mairie", 8)],  # a second validator of one body among five: f is 1
        [set_validator("mairie", 0, 20)],  # 20 of 50: more than a third of the power
        [set_validator("mairie", 0, 0)],  # three would remain
        [set_validator("coop", 0, 11)],  # run by the mairie
        [set_validator("coop", 77, 0)],  # not there
        [set_validator("mairie", n, 0) for n in range(4)],
    ],
)
def test_an_act_that_would_break_the_validator_set_is_refused(acts):
    town = make_town()
    assert name_of(act(town, *acts)) == "city_act_refused"
    assert town.validators == {pub_key(n): 10 for n in range(4)}


def test_a_body_cannot_take_over_anothers_validator():
    town = make_town(bodies=(*BODIES, "lycee"), roles=(), validators=4)
    assert name_of(act(town, set_validator("lycee", 0), seats=BODIES)) == "city_act_refused"


def test_a_validator_is_replaced_in_one_act():
    town = make_town()
    swap = (set_validator("coop", 2, 0), set_validator("coop", 8))
    assert name_of(act(town, *swap)) == "ok"
    assert town.validators == {pub_key(n): 10 for n in (0, 1, 3, 8)} | {pub_key(2): 0}


def test_a_proven_cheat_is_removed_at_once_when_four_remain_and_never_comes_back():
    town = make_town(bodies=(*BODIES, "lycee"), roles=(), validators=5)
    town.finalize(misbehavior=(misbehaviour(4),))
    assert [(u.pub_key, u.power) for u in town.last.validator_updates] == [(pub_key(4), 0)]
    back = act(town, set_validator("lycee", 4), seats=BODIES)
    assert name_of(back) == "city_act_refused"


def test_a_proven_cheat_is_only_marked_when_fewer_than_four_would_remain():
    town = make_town()
    town.finalize(misbehavior=(misbehaviour(3),))
    assert town.last.validator_updates == ()
    marked = [v for v in town.status()["validators"] if v["status"] == "marked"]
    assert [v["pub_key"] for v in marked] == [b64url_encode(pub_key(3))]
    assert name_of(act(town, set_validator("dehors", 3, 12))) == "city_act_refused"
    swap = (set_validator("dehors", 3, 0), set_validator("dehors", 8))
    assert name_of(act(town, *swap)) == "ok"
    assert town.validators[pub_key(8)] == 10
    assert name_of(act(town, set_validator("dehors", 3))) == "city_act_refused"


def test_evidence_against_a_stranger_changes_no_validator():
    town = make_town()
    town.finalize(misbehavior=(misbehaviour(50),))
    assert town.last.validator_updates == ()


def test_a_town_of_one_validator_works_and_says_insecure():
    town = make_town(secure=True, validators=1)
    assert town.status()["insecure_reasons"] == ["validators:fewer_than_4"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(BODIES), st.integers(0, 9), st.integers(0, 30)),
            min_size=1,
            max_size=4,
        ),
        max_size=6,
    )
)
def test_no_sequence_of_acts_breaks_the_invariants_of_the_set(rounds):
    town = make_town()
    for acts in rounds:
        act(town, *[set_validator(body, index, power) for body, index, power in acts])
        live = {k: v for k, v in town.validators.items() if v > 0}
        status = town.status()["validators"]
        assert {v["pub_key"]: v["power"] for v in status} == {
            b64url_encode(k): v for k, v in live.items()
        }
        assert len(live) >= 4
        for body in BODIES:
            own = [v["power"] for v in status if v["body"] == body]
            assert len(own) <= (len(live) - 1) // 3
            assert 3 * sum(own) < sum(live.values())
