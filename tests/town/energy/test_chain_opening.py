"""An operation comes into force, members join, days are committed: each by the right hands, in the right order."""

import pytest
from msgspec.structs import replace

from chain.town.energy import records
from chain.town.energy_schemas import (
    EnergyAdmit,
    EnergyApprove,
    EnergyChallenge,
    EnergyLeave,
    Perimeter,
)
from tests.town.energy.chain_kit import (
    ENERGY_ROLES,
    OP,
    PARAMS,
    PERIMETER,
    Village,
    digest,
    make_village,
    ok,
    terms,
)
from tests.town.town_kit import key, make_town, name_of


def bare() -> Village:
    return Village(make_town(roles=ENERGY_ROLES, params=PARAMS), terms())


def test_an_operation_is_in_force_once_the_council_approved_what_was_published() -> None:
    village = bare()
    first = village.day(-10)
    data = village.town.result_data(ok(village.register(first)))
    assert (data["status"], data["proposed"]) == ("proposed", 1)
    wrong = EnergyApprove(OP, 1, digest("other terms"))
    assert name_of(village.council(wrong)) == "energy_operation_version"
    data = village.town.result_data(ok(village.approve(first)))
    assert (data["status"], data["proposed"]) == ("active", 0)
    assert data["terms_hash"] == records.hash_terms(OP, 1, first, village.terms)


def test_the_manager_is_not_its_own_adapter() -> None:
    village = bare()
    assert name_of(village.register(village.day(0), adapter="coop")) == "energy_not_independent"


def test_only_the_manager_that_opened_an_operation_amends_it() -> None:
    village = bare()
    ok(village.register(village.day(0)))

    from chain.town.energy_schemas import EnergyOperation

    amended = EnergyOperation(OP, 2, village.day(1), terms())
    assert name_of(village.pmo(amended, of="commerces")) == "tx_not_entitled"


def test_a_new_key_holds_from_tomorrow_without_the_council_and_a_new_adapter_waits_for_it() -> None:
    village = make_village(consumers=1, producers=0)
    changed = {"key_kind": "contract", "key_hash": digest("new key")}
    assert name_of(village.register(village.day(0), 2, **changed)) == "energy_day_refused"
    data = village.town.result_data(ok(village.register(village.day(1), 2, **changed)))
    assert data["schedule"][-1][1] == 2
    data = village.town.result_data(ok(village.register(village.day(2), 3, adapter="commerces")))
    assert (data["proposed"], data["schedule"][-1][1]) == (3, 2)
    data = village.town.result_data(ok(village.approve(village.day(2), 3)))
    assert data["schedule"][-1][1] == 3


def test_step_and_clock_of_an_operation_never_change() -> None:
    village = make_village(consumers=1, producers=0)
    assert name_of(village.register(village.day(1), 2, step_s=1800)) == "energy_operation_version"


@pytest.mark.parametrize(
    ("perimeter", "code"),
    [
        (replace(PERIMETER, extent_m=2_001), "energy_outside_perimeter"),
        (Perimeter(0, digest("places"), ("one_epci", "commune")), "energy_regime_condition"),
        (None, "tx_body_invalid"),
    ],
)
def test_nobody_is_admitted_outside_the_perimeter(perimeter: Perimeter | None, code: str) -> None:
    village = make_village(consumers=1, producers=0)
    index = village.open_member("late")
    ok(village.consent(index, "allocation"))
    ok(village.join(index, village.claim(index)))
    assert name_of(village.admit(index, village.day(0), perimeter=perimeter)) == code
    ok(village.admit(index, village.day(0)))


def test_no_plant_is_admitted_that_reaches_the_cap() -> None:
    village = make_village(consumers=1, producers=0)
    index = village.open_member("plant")
    ok(village.consent(index, "allocation"))
    ok(village.join(index, village.claim(index, "producer", peak_w=5_000_000)))
    assert name_of(village.admit(index, village.day(0))) == "energy_power_exceeds"


def test_nobody_is_admitted_without_the_consent_to_share() -> None:
    village = make_village(consumers=1, producers=0)
    index = village.open_member("silent")
    ok(village.join(index, village.claim(index)))
    assert name_of(village.admit(index, village.day(0))) == "energy_consent_missing"


def test_a_point_is_active_in_one_operation_only_until_it_left() -> None:
    village = make_village(consumers=1, producers=0)
    tag = digest("tag of one prm")
    first, second = village.open_member("first"), village.open_member("second")
    for index in (first, second):
        ok(village.consent(index, "allocation"))
        ok(village.join(index, village.claim(index)))
    ok(village.admit(first, village.day(0), tags=[tag]))
    assert name_of(village.admit(second, village.day(0), tags=[tag])) == "energy_point_taken"
    leave = EnergyLeave(OP, village.members[first].kid, village.day(3), "moved")
    ok(village.member(first, leave))
    assert name_of(village.admit(second, village.day(2), tags=[tag])) == "energy_point_taken"
    ok(village.admit(second, village.day(3), tags=[tag]))


def test_rows_of_a_day_follow_who_was_a_member_on_it() -> None:
    village = make_village(consumers=5, producers=1)
    assert village.columns(village.day(-1)) == 6
    ok(village.member(0, EnergyLeave(OP, village.members[0].kid, village.day(2), "opt_out")))
    late = village.open_member("late")
    ok(village.consent(late, "allocation"))
    ok(village.join(late, village.claim(late, "storage"), village.claim(late)))
    ok(village.admit(late, village.day(1)))
    assert [village.columns(village.day(n)) for n in (0, 1, 2)] == [6, 9, 8]


def test_no_day_that_was_measured_changes_its_members() -> None:
    village = make_village()
    village.read(village.day(-5))
    assert (
        name_of(village.pmo(EnergyLeave(OP, village.members[0].kid, village.day(-5), "death")))
        == "energy_day_refused"
    )
    index = village.open_member("late")
    ok(village.consent(index, "allocation"))
    ok(village.join(index, village.claim(index)))
    assert name_of(village.admit(index, village.day(-5))) == "energy_day_refused"
    ok(village.admit(index, village.day(-4)))


def test_taking_back_the_consent_to_share_ends_the_membership() -> None:
    village = make_village(consumers=2, producers=0)
    data = village.town.result_data(ok(village.consent(0, "allocation", "withdrawn")))
    assert data["member_until"] == village.day(1)
    assert [village.columns(village.day(n)) for n in (0, 1)] == [2, 1]
    assert name_of(village.consent(0, "allocation", "withdrawn")) == "energy_consent_missing"


def test_a_refused_request_leaves_nothing_and_may_be_made_again() -> None:
    village = make_village(consumers=1, producers=0)
    index = village.open_member("late")
    ok(village.join(index, village.claim(index)))
    account = village.members[index].kid
    ok(village.pmo(EnergyAdmit(OP, account, "refused", "", (), None)))
    found = village.record(records.MEMBERS, records.member_id(OP, account))
    assert (found.status, found.asked, found.points) == ("refused", (), ())
    again = EnergyAdmit(OP, account, "refused", "", (), None)
    assert name_of(village.pmo(again)) == "energy_nothing_asked"
    ok(village.join(index, village.claim(index)))


def test_the_readings_of_a_day_are_the_adapters_and_of_every_active_column() -> None:
    village = make_village()
    day = village.day(-3)
    good = village.readings(day)
    for body, code in (
        (replace(good, count=good.count - 1), "energy_readings_invalid"),
        (replace(good, steps=good.steps[1:]), "energy_time_gap"),
        (replace(good, steps=(*good.steps, good.steps[0])), "energy_time_overlap"),
        (replace(good, key_hash=digest("other")), "energy_key_invalid"),
        (replace(good, version=2), "energy_version_stale"),
        (replace(good, day="2026-02-30"), "energy_day_refused"),
        (replace(good, operation="les-ormes"), "energy_unknown_operation"),
    ):
        assert name_of(village.adapter(body)) == code
    assert name_of(village.adapter(good, of="coop")) == "energy_not_independent"
    assert name_of(village.adapter(good, of="commerces")) == "tx_not_entitled"
    invented = replace(good, steps=(replace(good.steps[0], estimated=9), *good.steps[1:]))
    assert name_of(village.adapter(invented)) == "energy_readings_invalid"
    assert name_of(village.adapter(village.readings(village.day(0)))) == "energy_day_refused"
    ok(village.adapter(good))
    repeated = replace(good, version=2, previous=village.day_record(day).readings)
    assert name_of(village.adapter(repeated)) == "energy_file_repeated"


def test_a_day_of_the_clock_change_has_its_own_number_of_steps() -> None:
    village = make_village(back_days=20, consumers=6)
    village.town.advance(40 * 86_400)
    assert len(village.readings("2026-10-25").steps) == 100
    village.read("2026-10-25")
    cut = village.readings("2026-10-24")
    assert len(cut.steps) == 96


def test_an_unwitnessed_allocation_says_so_and_the_managers_own_body_is_no_witness() -> None:
    village = make_village()
    day = village.day(-3)
    village.read(day)
    body = village.allocation(day)
    own = key("energy_witness@coop")
    assert name_of(village.pmo(body, own)) == "energy_not_independent"
    ok(village.pmo(body))
    assert village.day_record(day).witnesses == ()


def test_a_missing_reading_is_refused_where_the_convention_refuses_it() -> None:
    village = make_village(consumers=1, producers=0, missing="refuse")
    good = village.readings(village.day(-3))
    gap = replace(good, steps=(replace(good.steps[0], estimated=1), *good.steps[1:]))
    assert name_of(village.adapter(gap)) == "energy_reading_missing"
    ok(village.adapter(good))


def test_a_departure_dated_far_ahead_keeps_nobody_from_leaving_sooner() -> None:
    village = make_village(consumers=3, producers=0)
    for index in (0, 1, 2):
        late = EnergyLeave(OP, village.members[index].kid, village.day(300), "exclusion")
        ok(village.pmo(late))
    sooner = EnergyLeave(OP, village.members[0].kid, village.day(5), "opt_out")
    ok(village.member(0, sooner))
    assert name_of(village.member(0, sooner)) == "energy_not_member"
    data = village.town.result_data(ok(village.consent(1, "allocation", "withdrawn")))
    assert data["member_until"] == village.day(1)
    columns = [village.columns(village.day(n)) for n in (0, 1, 4, 5, 299, 300)]
    assert columns == [3, 2, 2, 1, 1, 0]
    tag = village.record(records.TAGS, digest(f"tag {village.points[sooner.account][0]}").encode())
    assert tag.until_day == sooner.until_day


def test_a_meter_that_counts_elsewhere_stays_there_when_its_earlier_end_comes_sooner() -> None:
    village = make_village(consumers=2, producers=0)
    account = village.members[0].kid
    tag = digest(f"tag {village.points[account][0]}")
    ok(village.pmo(EnergyLeave(OP, account, village.day(30), "exclusion")))
    second = village.open_member("next tenant")
    ok(village.consent(second, "allocation"))
    ok(village.join(second, village.claim(second)))
    ok(village.admit(second, village.day(30), tags=[tag]))
    ok(village.member(0, EnergyLeave(OP, account, village.day(5), "opt_out")))
    held = village.record(records.TAGS, tag.encode())
    assert (held.point, held.until_day) == (village.points[village.members[second].kid][0], "")


def test_who_comes_back_may_still_object_to_days_before() -> None:
    village = make_village(params={"energy_challenge_s": 10 * 86_400})
    day = village.day(-3)
    village.read(day)
    village.publish(day)
    account = village.members[0].kid
    ok(village.pmo(EnergyLeave(OP, account, village.day(-1), "moved")))
    ok(village.join(0, village.claim(0)))
    ok(village.admit(0, village.day(1)))
    ok(village.member(0, EnergyChallenge(OP, day, 1, digest("claim"))))


def test_an_admission_without_a_first_day_is_refused() -> None:
    village = make_village(consumers=1, producers=0)
    index = village.open_member("late")
    ok(village.consent(index, "allocation"))
    ok(village.join(index, village.claim(index)))
    assert name_of(village.admit(index, "")) == "energy_day_refused"


def test_no_approved_change_is_brought_forward_without_the_council() -> None:
    village = make_village()
    regime = {"regime": "building", "adapter": "commerces"}
    ok(village.register(village.day(200), 2, **regime))
    ok(village.approve(village.day(200), 2))
    ok(village.register(village.day(2), 3, **regime))
    found = village.record(records.OPERATIONS, OP.encode())
    assert (found.proposed, [item.version for item in found.schedule]) == (3, [1, 2])
    ok(village.register(village.day(250), 4, **regime, gate_s=60))
    found = village.record(records.OPERATIONS, OP.encode())
    assert (found.proposed, [item.version for item in found.schedule]) == (0, [1, 2, 4])


def test_nothing_holds_before_the_first_day_that_the_council_approved() -> None:
    village = bare()
    first = village.day(20)
    ok(village.register(first))
    ok(village.approve(first))
    assert name_of(village.register(village.day(10), 2)) == "energy_day_refused"
    ok(village.register(first, 2))
    assert village.record(records.OPERATIONS, OP.encode()).first_day == village.today + 20
