"""Proven misbehaviour: whose power goes when, what the council may do in the same block, what is recorded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec.canonical import b64url_encode
from chain.crypto.keys import address
from chain.limits import MISBEHAVIOUR_RECORDS_MAX
from chain.town import city
from chain.town.context import Overlay
from chain.town.schemas import ActBodyAdd, ActRoleRevoke
from chain.town.validators import MISBEHAVIOUR, VALIDATORS
from chain.types.abci import AbciValidator, Misbehavior, MisbehaviorType
from chain.types.timestamp import Timestamp
from tests.town.test_city import act, journal_of, pub_key, set_validator
from tests.town.town_kit import BODIES, jwk, key, make_town, name_of

SEVEN = (*BODIES, "lycee", "hopital", "port")


def guilty(index: int, height: int = 1, kind=MisbehaviorType.DUPLICATE_VOTE) -> Misbehavior:
    validator = AbciValidator(address(pub_key(index)), 10)
    return Misbehavior(kind, validator, height, Timestamp(1_700_000_000), 40)


def town_of(validators: int, **how):
    return make_town(bodies=SEVEN, roles=(), validators=validators, **how)


def status_of(town, index: int) -> tuple[str, int]:
    record = VALIDATORS.get(town.reader, b64url_encode(pub_key(index)).encode())
    return record.status, record.power


def records(town):
    return [record for _, record in MISBEHAVIOUR.scan(town.reader)]


def updates(town):
    return {u.pub_key: u.power for u in town.last.validator_updates}


def test_of_two_punished_in_one_block_only_as_many_go_as_leave_four():
    town = town_of(6)
    town.finalize(misbehavior=(guilty(5), guilty(4)))
    assert updates(town) == {pub_key(5): 0, pub_key(4): 0}
    town = town_of(5)
    town.finalize(misbehavior=(guilty(4), guilty(3)))
    assert updates(town) == {pub_key(4): 0}
    assert status_of(town, 3) == ("marked", 10)
    assert [(r.outcome, r.validator) for r in sorted(records(town), key=lambda r: r.outcome)] == [
        ("marked", b64url_encode(pub_key(3))),
        ("removed", b64url_encode(pub_key(4))),
    ]


def test_a_marked_validator_goes_as_soon_as_four_others_are_there():
    town = town_of(4)
    town.finalize(misbehavior=(guilty(3),))
    assert updates(town) == {}
    assert name_of(act(town, set_validator("lycee", 8), seats=SEVEN)) == "ok"
    assert updates(town) == {pub_key(8): 10, pub_key(3): 0}
    assert status_of(town, 3) == ("tombstoned", 0)


def test_the_council_replaces_a_marked_validator_in_one_act_also_by_the_same_body():
    town = town_of(4)
    town.finalize(misbehavior=(guilty(3),))
    assert name_of(act(town, set_validator("dehors", 3, 0), seats=SEVEN)) == "city_act_refused"
    swap = (set_validator("dehors", 3, 0), set_validator("dehors", 8))
    assert name_of(act(town, *swap, seats=SEVEN)) == "ok"
    assert updates(town) == {pub_key(3): 0, pub_key(8): 10}
    back = (set_validator("dehors", 8, 0), set_validator("dehors", 3))
    assert name_of(act(town, *back, seats=SEVEN)) == "city_act_refused"


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        # A key re-weighed and punished in one block: punished.
        ([set_validator("lycee", 4, 12)], {4: 0}),
        # Taken out and punished: out, and its key is dead.
        ([set_validator("lycee", 4, 0)], {4: 0}),
        # Replaced and punished.
        ([set_validator("lycee", 4, 0), set_validator("lycee", 8)], {4: 0, 8: 10}),
        # Another one added and a third re-weighed.
        ([set_validator("hopital", 8), set_validator("coop", 2, 11)], {4: 0, 8: 10, 2: 11}),
    ],
)
def test_the_council_acts_on_a_validator_in_the_block_that_punishes_it(acts, expected):
    town = town_of(5)
    tx = town.council_tx(*acts, seats=SEVEN)
    (result,) = town.finalize(tx, misbehavior=(guilty(4),))
    assert name_of(result) == "ok"
    assert updates(town) == {pub_key(n): power for n, power in expected.items()}
    assert status_of(town, 4) == ("tombstoned", 0)
    back = act(town, set_validator("lycee", 4), seats=SEVEN)
    assert name_of(back) == "city_act_refused"


def test_an_act_of_the_same_block_that_leaves_four_others_lets_a_cheat_go_at_once():
    town = town_of(4)
    tx = town.council_tx(set_validator("lycee", 8), seats=SEVEN)
    town.finalize(tx, misbehavior=(guilty(3),))
    assert updates(town) == {pub_key(8): 10, pub_key(3): 0}


def test_an_act_that_waits_cannot_bring_a_punished_key_back():
    town = town_of(5, params={"council_delay_s": 3})
    act(town, set_validator("lycee", 4, 15), seats=SEVEN)
    town.finalize(misbehavior=(guilty(4),))
    town.advance(10)
    town.idle()
    assert journal_of(town)[-1]["kind"] == "city.acts_refused"
    assert status_of(town, 4) == ("tombstoned", 0)


def test_who_left_before_its_offence_was_proved_never_comes_back():
    town = town_of(5)
    act(town, set_validator("lycee", 4, 0), seats=SEVEN)
    assert status_of(town, 4) == ("left", 0)
    town.finalize(misbehavior=(guilty(4),))
    assert updates(town) == {}
    assert [r.outcome for r in records(town)] == ["barred"]
    assert name_of(act(town, set_validator("lycee", 4), seats=SEVEN)) == "city_act_refused"


def test_who_left_in_peace_may_come_back():
    town = town_of(5)
    act(town, set_validator("lycee", 4, 0), seats=SEVEN)
    assert name_of(act(town, set_validator("lycee", 4, 9), seats=SEVEN)) == "ok"
    assert updates(town) == {pub_key(4): 9}


def test_one_offence_is_recorded_once_and_another_beside_it():
    town = town_of(5)
    attack = MisbehaviorType.LIGHT_CLIENT_ATTACK
    town.finalize(misbehavior=(guilty(4, 7), guilty(4, 7), guilty(4, 7, attack), guilty(4, 8)))
    listed = [(r.height, r.offence, r.outcome) for r in records(town)]
    assert listed == [
        (7, "duplicate_vote", "removed"),
        (7, "light_client_attack", "barred"),
        (8, "duplicate_vote", "barred"),
    ]
    told = [e for e in journal_of(town) if e["kind"] == "city.validator_punished"]
    assert len(told) == 3
    first = told[0]
    assert first["validator"] == b64url_encode(pub_key(4))
    assert (first["body"], first["power"], first["total_power"]) == ("lycee", 10, 40)
    assert (first["time"], first["committed_height"]) == (1_700_000_000, town.height)
    town.finalize(misbehavior=(guilty(4, 7),))
    assert len(records(town)) == 3


def test_what_is_recorded_of_one_key_is_bounded():
    town = town_of(5)
    town.finalize(misbehavior=tuple(guilty(4, h) for h in range(1, MISBEHAVIOUR_RECORDS_MAX + 9)))
    assert len(records(town)) == MISBEHAVIOUR_RECORDS_MAX


def test_a_kind_of_misbehaviour_nobody_knows_changes_nothing():
    town = town_of(5)
    town.finalize(misbehavior=(guilty(4, 1, MisbehaviorType.UNKNOWN),))
    assert records(town) == []
    assert status_of(town, 4) == ("active", 10)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(4, 7),
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 9), max_size=3),
            st.lists(
                st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 12)), max_size=3
            ),
        ),
        max_size=5,
    ),
)
def test_no_mix_of_acts_and_punishments_empties_the_set_or_revives_a_key(size, blocks):
    town = town_of(size)
    dead: set[bytes] = set()
    for cheats, acts in blocks:
        tx = town.council_tx(*(set_validator(SEVEN[b], k, p) for b, k, p in acts), seats=SEVEN)
        txs = (tx,) if acts else ()
        town.finalize(*txs, misbehavior=tuple(guilty(k, town.height) for k in cheats))
        live = {k: p for k, p in town.validators.items() if p > 0}
        assert len(live) >= 4
        assert not dead & live.keys()
        told = [u.pub_key for u in town.last.validator_updates]
        assert told == sorted(set(told), key=b64url_encode), "one word per key"
        dead |= {pub_key(k) for k in range(10) if _is_dead(town, k)}


def _is_dead(town, index: int) -> bool:
    record = VALIDATORS.get(town.reader, b64url_encode(pub_key(index)).encode())
    return record is not None and record.status == "tombstoned"


# --- acts that are held --------------------------------------------------------------------


def hold(town, is_held: bool) -> None:
    """What the votes domain does at the opening and at the close of an election."""
    overlay = Overlay(town.reader)
    if is_held:
        city.hold_acts(overlay, "election-1", town.now_s)
    else:
        city.release_acts(overlay, "election-1")
    for namespace, record_id, record in overlay.changes():
        town.store._put(namespace, record_id, record)


def test_no_waiting_act_takes_effect_while_an_election_is_open_but_a_key_ends_at_once():
    town = make_town()
    clerk = key("clerk@mairie")
    new = ActBodyAdd("gare", "La gare", jwk(key("seat@gare")))
    hold(town, True)
    act(town, new)
    assert city.BODIES.get(town.reader, b"gare") is None
    assert journal_of(town)[0]["kind"] == "city.acts_held"
    assert name_of(act(town, ActRoleRevoke(clerk.kid))) == "ok"
    town.advance(city.HOLD_RETRY_S)
    town.idle()
    assert city.BODIES.get(town.reader, b"gare") is None
    hold(town, False)
    town.advance(city.HOLD_RETRY_S)
    town.idle()
    assert city.BODIES.get(town.reader, b"gare") is not None
