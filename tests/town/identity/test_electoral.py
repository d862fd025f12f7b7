"""The electoral axis on a running town: imports, counts, who signs, and what the axes are worth over time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.town import params
from chain.town.identity.axes import ELECTORS, get_levels
from chain.town.identity.electoral import STATIONS, get_newest, station_id
from chain.town.params import all_parameters
from chain.town.policies import AXES, POLICIES, list_unmet, read_policy
from chain.town.schemas import (
    ElectoralEnrol,
    ElectoralImport,
    ElectoralStrike,
    ElectorEntry,
    IdStatus,
    StationCount,
)
from tests.town.identity.kit import CLERK, batch, cid_of, commitment
from tests.town.identity.test_elections import plan
from tests.town.town_kit import DAY_S, key, make_town

COMMISSION = "body:dehors"
PEOPLE = ("ada", "bob", "cleo")
SMALL = {"electoral_station_min_electors": 1}


def town_of(*people, **more):
    town = make_town(params=SMALL | more)
    assert batch(town, *people).info == "ok"
    return town


def commit(town, body, *, sender=COMMISSION, by="electoral_commission"):
    return town.do(body, sender, town.role(by))


def put_register(town, month="2027-08", **stations):
    lines = tuple(StationCount(name.lstrip("_"), count) for name, count in sorted(stations.items()))
    return commit(town, ElectoralImport(commitment("extract"), month, lines))


def enrol(town, serial=1, /, **where):
    pairs = sorted((cid_of(name), station.lstrip("_")) for name, station in where.items())
    return commit(town, ElectoralEnrol(serial, tuple(ElectorEntry(*pair) for pair in pairs)))


def strike(town, serial, *names):
    return commit(town, ElectoralStrike(serial, tuple(sorted(cid_of(name) for name in names))))


def levels(town, name, ahead_s=0):
    return get_levels(town.reader, cid_of(name), town.now_s + ahead_s)


def counts(town, station, serial=1):
    record = STATIONS.get(town.reader, station_id(serial, station))
    return record.imported, record.enrolled


# --- who signs -------------------------------------------------------------------------------


def test_only_the_electoral_commission_sets_the_axis() -> None:
    town = town_of("ada")
    body = ElectoralImport(commitment("extract"), "2027-08", (StationCount("1", 60),))
    assert commit(town, body, sender=CLERK, by="clerk").info == "tx_wrong_role"
    assert (
        commit(town, body, sender="body:commerces", by="agent_supervisor").info == "tx_wrong_role"
    )
    assert commit(town, body, sender=CLERK).info == "tx_not_entitled"
    assert put_register(town, _1=60).info == "ok"
    entry = ElectoralEnrol(1, (ElectorEntry(cid_of("ada"), "1"),))
    assert commit(town, entry, sender=CLERK, by="clerk").info == "tx_wrong_role"
    assert levels(town, "ada").electoral == 0


def test_an_elector_has_level_two_at_the_station_found() -> None:
    town = town_of(*PEOPLE)
    result = put_register(town, _1=60, _2=70)
    assert town.result_data(result) == {"serial": 1, "stations": 2, "electors": 130}
    assert enrol(town, ada="_1", bob="_2").info == "ok"
    assert (levels(town, "ada").electoral, levels(town, "ada").station) == (2, "1")
    assert levels(town, "cleo").electoral == 0
    assert (counts(town, "1"), counts(town, "2")) == ((60, 1), (70, 1))


# --- enrolled ≤ imported ---------------------------------------------------------------------


def test_no_station_has_more_identities_than_imported_electors() -> None:
    town = town_of(*PEOPLE)
    assert put_register(town, _1=2).info == "ok"
    result = enrol(town, ada="_1", bob="_1", cleo="_1")
    assert (result.info, "entry 2" in result.log) == ("electoral_station_full", True)
    assert counts(town, "1") == (2, 0), "all or none"
    assert enrol(town, ada="_1", bob="_1").info == "ok"
    assert enrol(town, cleo="_1").info == "electoral_station_full"
    assert strike(town, 1, "bob").info == "ok"
    assert enrol(town, cleo="_1").info == "ok"
    assert counts(town, "1") == (2, 2)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(["_1", "_2", ""])), max_size=10))
def test_counts_follow_any_order_of_enrolling_and_striking(steps) -> None:
    town = town_of(*PEOPLE)
    put_register(town, _1=1, _2=2)
    where: dict[str, str] = {}
    for name, station in steps:
        others = sum(1 for held in where.values() if held == station)
        if not station:
            assert (strike(town, 1, name).info == "ok") is (name in where)
            where.pop(name, None)
        else:
            room = others < {"_1": 1, "_2": 2}[station]
            assert (enrol(town, **{name: station}).info == "ok") is (room and name not in where)
            if room:
                where.setdefault(name, station)
    for station, imported in (("1", 1), ("2", 2)):
        held = sum(1 for s in where.values() if s == f"_{station}")
        assert counts(town, station) == (imported, held)


def test_a_station_too_small_to_hide_in_is_not_imported() -> None:
    town = make_town()
    assert put_register(town, _1=49, _2=60).info == "electoral_station_too_small"
    assert put_register(town, _1=50).info == "ok"


# --- one import after the other --------------------------------------------------------------


def test_a_new_import_asks_for_everybody_again() -> None:
    town = town_of("ada", "bob")
    put_register(town, _1=60)
    enrol(town, ada="_1", bob="_1")
    assert put_register(town, _1=60).info == "ok"
    assert get_newest(town.reader).serial == 2
    assert levels(town, "ada").electoral == 0
    assert enrol(town, ada="_1").info == "electoral_register_replaced"
    assert strike(town, 1, "ada").info == "electoral_register_replaced"
    assert enrol(town, 2, ada="_1").info == "ok"
    assert (levels(town, "ada").electoral, levels(town, "bob").electoral) == (2, 0)
    assert counts(town, "1", 2) == (60, 1)


def test_no_import_takes_everybody_off_the_roll_of_an_open_election() -> None:
    town = town_of("ada")
    put_register(town, _1=60)
    enrol(town, ada="_1")
    plan(town, DAY_S)
    assert put_register(town, _1=60).info == "electoral_election_open"
    assert levels(town, "ada").electoral == 2
    town.advance(8 * DAY_S)
    assert put_register(town, _1=60).info == "ok"


def test_an_extract_wears_out_and_is_not_dated_ahead() -> None:
    town = town_of("ada")
    assert put_register(town, "2026-08", _1=60).info == "electoral_register_expired"
    assert put_register(town, "2027-11", _1=60).info == "electoral_register_expired"
    assert put_register(town, "2026-10", _1=60).info == "ok"
    assert enrol(town, ada="_1").info == "ok"
    assert levels(town, "ada", 30 * DAY_S).electoral == 2
    assert levels(town, "ada", 60 * DAY_S).electoral == 0
    town.advance(60 * DAY_S)
    assert strike(town, 1, "ada").info == "electoral_register_expired"


def test_another_commission_cannot_go_on_with_an_import() -> None:
    roles = (("clerk", "mairie"), ("agent_supervisor", "commerces"), ("gateway", "mairie"),
             ("electoral_commission", "dehors"), ("electoral_commission", "coop"))  # fmt: skip
    town = make_town(params=SMALL, roles=roles)
    assert batch(town, "ada").info == "ok"
    put_register(town, _1=60)
    body = ElectoralEnrol(1, (ElectorEntry(cid_of("ada"), "1"),))
    assert town.do(body, "body:coop", key("electoral_commission@coop")).info == "tx_not_entitled"


# --- bad lists -------------------------------------------------------------------------------


def test_lists_come_sorted_and_each_once() -> None:
    town = town_of("ada", "bob")
    double = (StationCount("1", 60), StationCount("1", 60))
    assert (
        commit(town, ElectoralImport(commitment("x"), "2027-08", double)).info
        == "electoral_unsorted"
    )
    put_register(town, _1=60)
    pairs = sorted(cid_of(name) for name in ("ada", "bob"))
    reversed_ = tuple(ElectorEntry(cid, "1") for cid in reversed(pairs))
    assert commit(town, ElectoralEnrol(1, reversed_)).info == "electoral_unsorted"
    twice = (ElectorEntry(pairs[0], "1"),) * 2
    assert commit(town, ElectoralEnrol(1, twice)).info == "electoral_unsorted"


def test_strangers_the_departed_and_unknown_stations_are_refused() -> None:
    town = town_of("ada", "bob")
    assert enrol(town, ada="_1").info == "electoral_register_replaced", "nothing was imported"
    put_register(town, _1=60)
    assert enrol(town, zoe="_1").info == "identity_unknown"
    assert enrol(town, ada="_9").info == "electoral_station_unknown"
    town.do(IdStatus(cid_of("bob"), "suspended"), CLERK, town.role("clerk"))
    assert enrol(town, bob="_1").info == "identity_not_active"
    assert enrol(town, ada="_1").info == "ok"
    assert enrol(town, ada="_1").info == "electoral_already"
    assert strike(town, 1, "bob").info == "electoral_not_enrolled"


# --- what the axes are worth -----------------------------------------------------------------


def test_a_suspended_identity_has_nothing_and_gets_it_back() -> None:
    town = town_of("ada")
    put_register(town, _1=60)
    enrol(town, ada="_1")
    town.do(IdStatus(cid_of("ada"), "suspended"), CLERK, town.role("clerk"))
    assert levels(town, "ada") == get_levels(town.reader, cid_of("nobody"), town.now_s)
    town.do(IdStatus(cid_of("ada"), "active"), CLERK, town.role("clerk"))
    held = levels(town, "ada")
    assert (held.identity, held.residence, held.electoral) == (3, 2, 2)
    assert ELECTORS.get(town.reader, cid_of("ada").encode()).station == "1"


@pytest.mark.parametrize(("days", "level"), [(0, 2), (370, 2), (400, 0)])
def test_a_residence_counts_for_twelve_months(days: int, level: int) -> None:
    """Enrolled in September 2026: through September 2027, gone in October."""
    town = town_of("ada")
    held = levels(town, "ada", days * DAY_S)
    assert (held.residence, held.identity) == (level, 3)


def test_residence_zero_leaves_no_record() -> None:
    town = make_town()
    assert batch(town, "ada", level_residence=0).info == "ok"
    assert levels(town, "ada").residence == 0


# --- policies --------------------------------------------------------------------------------


def ask(name: str, **held: int) -> tuple[str, ...]:
    return list_unmet(read_policy(POLICIES[name], lambda parameter: parameter.default), held)


@pytest.mark.parametrize(
    ("policy", "held", "unmet"),
    [
        ("loyalty", {}, ()),
        ("sel", {}, ("identity",)),
        ("sel", {"identity": 1}, ()),
        ("budget", {"identity": 1, "residence": 1, "age_years": 15}, ("age_years",)),
        ("budget", {"identity": 1, "residence": 1, "age_years": 16}, ()),
        ("consultation", {"identity": 3, "residence": 3}, ("electoral",)),
        ("consultation", {"identity": 1, "electoral": 2}, ("identity",)),
        ("consultation", {"identity": 2, "electoral": 2}, ()),
        ("certificate", {"identity": 2, "residence": 1}, ("identity", "residence")),
    ],
)
def test_policies_ask_what_the_towns_figures_say(policy, held, unmet) -> None:
    assert ask(policy, **held) == unmet


def test_no_secure_town_lets_half_known_people_vote() -> None:
    for parameter in (params.POLICY_CONSULTATION_IDENTITY, params.POLICY_CONSULTATION_ELECTORAL):
        assert parameter.is_possible(1)
        assert not parameter.is_safe(1)


def test_every_policy_parameter_is_used_by_a_policy() -> None:
    used = {getattr(p, axis) for p in POLICIES.values() for axis in AXES} - {None}
    assert {p for p in all_parameters() if p.name.startswith("policy_")} == used
