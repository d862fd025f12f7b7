"""Life of a day on the chain: allocated, witnessed, challenged, corrected, reconciled, settled, each in its turn."""

import pytest
from msgspec.structs import replace

from chain.limits import ENERGY_TERMS_KEPT
from chain.town.energy import records
from chain.town.energy_schemas import (
    EnergyChallenge,
    EnergyLeave,
    EnergyReconcile,
    EnergyReport,
    EnergyStatement,
    EnergyVerdict,
    EnergyWitness,
    Sums,
)
from tests.town.energy.chain_kit import OP, Village, digest, make_village, ok
from tests.town.town_kit import key, name_of

MONTH = "2026-08"


@pytest.fixture
def village() -> Village:
    """In force for the last three days of August; today is 21 September."""
    return make_village(back_days=23)


def play_month(village: Village, *, is_witnessed: bool = True) -> list[str]:
    days = [day for day in village.days_of(MONTH) if day >= village.day(-23)]
    for day in days:
        village.read(day)
        village.publish(day, is_witnessed=is_witnessed)
    village.reconcile(days[0], days[-1])
    return days


def test_a_month_goes_from_readings_to_statements(village: Village) -> None:
    days = play_month(village)
    assert days == ["2026-08-29", "2026-08-30", "2026-08-31"]
    data = village.town.result_data(ok(village.pmo(village.statement(MONTH))))
    assert (data["days"], data["lot"]["shared_wh"]) == (3, 3 * 96 * 400)
    assert {village.day_record(day).state for day in days} == {"settled"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"readings": digest("others")}, "energy_readings_invalid"),
        ({"key_hash": digest("others")}, "energy_key_invalid"),
        ({"engine": "another-engine"}, "energy_key_invalid"),
        ({"totals": None}, "energy_sums_wrong"),
        ({"totals": Sums(1, 1, 1, 0)}, "energy_sums_wrong"),
        ({"day": "2026-09-02"}, "energy_interval_state"),
        ({"operation": "les-ormes"}, "energy_unknown_operation"),
    ],
)
def test_an_allocation_that_does_not_fit_is_refused(
    village: Village, changes: dict, code: str
) -> None:
    day = village.day(-5)
    village.read(day)
    body = village.allocation(day)
    assert name_of(village.pmo(replace(body, **changes))) == code
    assert name_of(village.pmo(replace(body, steps=body.steps[1:]))) == "energy_readings_invalid"
    assert name_of(village.pmo(body, of="commerces")) == "tx_not_entitled"
    ok(village.pmo(body))
    assert name_of(village.pmo(body)) == "energy_interval_state"


def test_a_witness_of_another_body_signs_the_very_root_later(village: Village) -> None:
    day = village.day(-5)
    village.read(day)
    village.publish(day, is_witnessed=False)
    root = village.day_record(day).root
    for body, code in (
        (EnergyWitness(OP, day, 1, digest("another root")), "energy_version_stale"),
        (EnergyWitness(OP, day, 2, root), "energy_version_stale"),
        (EnergyWitness(OP, village.day(-6), 1, root), "energy_interval_state"),
    ):
        assert name_of(village.witness(body)) == code
    good = EnergyWitness(OP, day, 1, root)
    assert name_of(village.witness(good, of="coop")) == "energy_not_independent"
    ok(village.witness(good))
    assert village.day_record(day).witnesses == ("body:mairie",)


def test_an_unwitnessed_day_cannot_be_settled(village: Village) -> None:
    days = play_month(village, is_witnessed=False)
    for day in days[1:]:
        ok(village.witness(EnergyWitness(OP, day, 1, village.day_record(day).root)))
    assert name_of(village.pmo(village.statement(MONTH))) == "energy_unwitnessed"
    ok(village.witness(EnergyWitness(OP, days[0], 1, village.day_record(days[0]).root)))
    ok(village.pmo(village.statement(MONTH)))


def test_a_correction_names_the_last_root_and_loses_the_witness(village: Village) -> None:
    day = village.day(-5)
    village.read(day)
    early = village.correction(day, previous=digest("nothing"))
    early = replace(early, version=2)
    assert name_of(village.pmo(early)) == "energy_interval_state"
    village.publish(day)
    first = village.day_record(day)
    good = village.correction(day)
    for changes in ({"previous": digest("other")}, {"version": 3}):
        assert name_of(village.pmo(replace(good, **changes))) == "energy_version_stale"
    ok(village.pmo(good))
    fresh = village.day_record(day)
    assert (fresh.state, fresh.version, fresh.witnesses) == ("corrected", 2, ())
    kept = village.record(records.VERSIONS, records.version_id(OP, day, 2))
    assert (kept.previous, kept.evidence) == (first.root, digest("evidence"))
    assert name_of(village.pmo(good)) == "energy_version_stale"


def test_corrected_readings_ask_for_a_corrected_allocation_before_settling(
    village: Village,
) -> None:
    days = play_month(village)
    village.read(days[1])
    held = village.day_record(days[1])
    assert (held.readings_version, held.state) == (2, "reconciled")
    assert name_of(village.pmo(village.statement(MONTH))) == "energy_readings_invalid"
    stale = replace(village.correction(days[1]), readings=held.allocated_readings)
    assert name_of(village.pmo(stale)) == "energy_readings_invalid"
    ok(village.pmo(village.correction(days[1]), key("energy_witness@mairie")))
    assert name_of(village.pmo(village.statement(MONTH))) == "energy_interval_state"
    village.reconcile(days[1], days[1])
    ok(village.pmo(village.statement(MONTH)))


def test_a_correction_shows_no_sums_of_steps(village: Village) -> None:
    """Two versions of a step, subtracted, are what one household changed: its curve, where all of it came late."""
    day = village.day(-5)
    village.read(day)
    village.publish(day)
    good = village.correction(day)
    telling = replace(good, steps=village.allocation(day).steps)
    assert any(step.sums is not None for step in telling.steps)
    assert name_of(village.pmo(telling)) == "energy_sums_private"
    one = (telling.steps[0], *good.steps[1:])
    assert name_of(village.pmo(replace(good, steps=one))) == "energy_sums_private"
    ok(village.pmo(good))


def test_a_correction_after_its_time_is_late() -> None:
    village = make_village(back_days=23, correction_days=10)
    day = village.day(-5)
    village.read(day)
    village.publish(day)
    village.town.advance(4 * 86_400)
    ok(village.pmo(village.correction(day)))
    village.town.advance(2 * 86_400)
    assert name_of(village.pmo(village.correction(day))) == "energy_correction_late"
    assert name_of(village.adapter(village.readings(day))) == "energy_correction_late"


def test_a_settled_month_is_corrected_by_a_further_issue_of_its_statements(
    village: Village,
) -> None:
    days = play_month(village)
    first = village.statement(MONTH)
    ok(village.pmo(first))
    assert name_of(village.pmo(first)) == "energy_statement_stale"
    again = replace(first, number=2, previous=first.root, root=digest("issue 2"))
    assert name_of(village.pmo(again)) == "energy_interval_state"
    ok(village.pmo(village.correction(days[0]), key("energy_witness@mairie")))
    village.reconcile(days[0], days[0])
    unlinked = replace(again, previous=digest("another"))
    assert name_of(village.pmo(unlinked)) == "energy_statement_stale"
    skipped = replace(again, number=3)
    assert name_of(village.pmo(skipped)) == "energy_statement_stale"
    ok(village.pmo(again))
    assert village.day_record(days[0]).statement == 2


def test_a_statement_waits_for_every_day_and_for_the_end_of_the_month(village: Village) -> None:
    days = play_month(village)
    good = village.statement(MONTH)
    assert name_of(village.pmo(replace(good, month="2026-09"))) == "energy_day_refused"
    assert name_of(village.pmo(replace(good, month="2026-07"))) == "energy_interval_state"
    wrong = replace(good, totals=Sums(8, 8, 8, 0))
    assert name_of(village.pmo(wrong)) == "energy_sums_wrong"
    unlawful = replace(good, totals=Sums(8, 8, 8, 1))
    assert name_of(village.pmo(unlawful)) == "energy_sums_wrong"
    assert name_of(village.pmo(good, of="commerces")) == "tx_not_entitled"
    assert len(days) == 3
    ok(village.pmo(good))


def test_a_day_with_members_and_without_readings_stops_the_statement(village: Village) -> None:
    for day in ("2026-08-29", "2026-08-31"):
        village.read(day)
        village.publish(day)
        village.reconcile(day, day)
    result = village.pmo(village.statement(MONTH))
    assert name_of(result) == "energy_interval_state"
    assert "2026-08-30" in result.log


def test_days_without_any_member_need_no_readings_before_and_after() -> None:
    village = make_village(back_days=23, consumers=0, producers=0)
    for n in range(6):
        village.settle_in(f"late {n}", "2026-08-30", "producer" if n == 5 else "consumer")
    for index in range(6):
        body = EnergyLeave(OP, village.members[index].kid, "2026-08-31", "moved")
        ok(village.pmo(body))
    assert [village.columns(day) for day in ("2026-08-29", "2026-08-30", "2026-08-31")] == [0, 6, 0]
    village.read("2026-08-30")
    village.publish("2026-08-30")
    village.reconcile("2026-08-30", "2026-08-30")
    data = village.town.result_data(ok(village.pmo(village.statement(MONTH))))
    assert data["days"] == 1


# --- challenges ----------------------------------------------------------------------------


def challenge(village: Village, day: str, member: int = 0, version: int = 1):
    return village.member(member, EnergyChallenge(OP, day, version, digest("claim")))


def test_nothing_is_settled_while_a_day_can_be_challenged() -> None:
    village = make_village(back_days=23, params={"energy_challenge_s": 10 * 86_400})
    play_month(village)
    assert name_of(village.pmo(village.statement(MONTH))) == "energy_challenge_open"
    village.town.advance(10 * 86_400)
    assert name_of(challenge(village, "2026-08-30")) == "energy_challenge_refused"
    ok(village.pmo(village.statement(MONTH)))


def test_an_open_challenge_stops_the_statement_and_an_upheld_one_asks_for_a_correction() -> None:
    village = make_village(back_days=23, params={"energy_challenge_s": 86_400})
    days = play_month(village)
    name = village.town.result_data(ok(challenge(village, days[0])))["challenge"]
    assert name_of(challenge(village, days[0])) == "energy_challenge_refused"
    village.town.advance(2 * 86_400)
    assert name_of(village.pmo(village.statement(MONTH))) == "energy_challenge_open"
    verdict = EnergyVerdict(OP, days[0], name, "upheld", digest("evidence"))
    assert name_of(village.witness(verdict, of="coop")) == "energy_not_independent"
    ok(village.witness(verdict))
    assert name_of(village.witness(verdict)) == "energy_challenge_refused"
    assert name_of(village.pmo(village.statement(MONTH))) == "energy_challenge_open"
    ok(village.pmo(village.correction(days[0]), key("energy_witness@mairie")))
    village.reconcile(days[0], days[0])
    village.town.advance(86_400)
    ok(village.pmo(village.statement(MONTH)))


def test_a_rejected_challenge_lets_the_month_go_on() -> None:
    village = make_village(back_days=23, params={"energy_challenge_s": 86_400})
    days = play_month(village)
    name = village.town.result_data(ok(challenge(village, days[0])))["challenge"]
    village.town.advance(2 * 86_400)
    ok(village.witness(EnergyVerdict(OP, days[0], name, "rejected", digest("evidence"))))
    ok(village.pmo(village.statement(MONTH)))


def test_who_was_answered_may_challenge_the_next_version_and_verdicts_make_room() -> None:
    village = make_village(back_days=23, params={"energy_challenge_s": 86_400})
    day = village.day(-5)
    village.read(day)
    village.publish(day)
    name = village.town.result_data(ok(challenge(village, day)))["challenge"]
    ok(village.witness(EnergyVerdict(OP, day, name, "rejected", digest("evidence"))))
    assert name_of(challenge(village, day)) == "energy_challenge_refused"
    assert village.day_record(day).open_challenges == 0
    ok(village.pmo(village.correction(day)))
    assert name_of(challenge(village, day)) == "energy_version_stale"
    ok(challenge(village, day, version=2))


def test_who_was_no_member_that_day_cannot_challenge_it() -> None:
    village = make_village(back_days=23, params={"energy_challenge_s": 86_400})
    late = village.settle_in("late", village.day(-3))
    for day in (village.day(-5), village.day(-2)):
        village.read(day)
        village.publish(day)
    assert name_of(challenge(village, village.day(-5), late)) == "energy_not_member"
    assert name_of(challenge(village, village.day(-2), late, 2)) == "energy_version_stale"
    ok(challenge(village, village.day(-2), late))


# --- the grid operator ---------------------------------------------------------------------


def test_a_result_of_the_operator_beyond_the_tolerance_asks_for_a_correction(
    village: Village,
) -> None:
    day = village.day(-5)
    village.read(day)
    village.publish(day)
    rows = 96 * village.columns(day)
    report = EnergyReport(OP, day, day, digest("coefficients"))
    assert name_of(village.pmo(EnergyReconcile(OP, day, day, digest("dso"), 0))) == (
        "energy_interval_state"
    )
    ok(village.pmo(report))
    assert name_of(village.pmo(report)) == "energy_interval_state"
    wide = EnergyReconcile(OP, day, day, digest("dso"), rows + 1)
    assert name_of(village.pmo(wide)) == "energy_dso_disagrees"
    ok(village.pmo(village.correction(day)))
    ok(village.pmo(EnergyReconcile(OP, day, day, digest("dso"), rows)))


def test_a_range_moves_whole_or_not_at_all(village: Village) -> None:
    for offset in (-5, -3):
        village.read(village.day(offset))
        village.publish(village.day(offset))
    body = EnergyReport(OP, village.day(-5), village.day(-3), digest("coefficients"))
    assert name_of(village.pmo(body)) == "energy_interval_state"
    assert village.day_record(village.day(-5)).state == "allocated"
    backwards = EnergyReport(OP, village.day(-3), village.day(-5), digest("coefficients"))
    assert name_of(village.pmo(backwards)) == "energy_day_refused"
    long = EnergyReport(OP, village.day(-40), village.day(-5), digest("coefficients"))
    assert name_of(village.pmo(long)) == "energy_day_refused"


def few_at_home() -> tuple[Village, str]:
    """Three homes and two roofs of 3 kW that share one day, whose sums nobody may see."""
    village = make_village(back_days=21, consumers=3)
    day = "2026-08-31"
    village.read(day)
    body = village.allocation(day)
    bare = tuple(replace(step, sums=None) for step in body.steps)
    ok(village.pmo(replace(body, steps=bare, totals=None), key("energy_witness@mairie")))
    village.reconcile(day, day)
    return village, day


@pytest.mark.parametrize(
    ("totals", "code"),
    [
        (Sums(10**12, 10**12, 10**12, 0), "energy_sums_wrong"),
        (Sums(2 * 3_000 * 25 + 1, 200_000, 100, 2 * 3_000 * 25 - 99), "energy_sums_wrong"),
        (Sums(2 * 3_000 * 25, 200_000, 100, 2 * 3_000 * 25 - 100), "ok"),
    ],
)
def test_a_month_of_hidden_days_shares_no_more_than_its_plants_can_make(
    totals: Sums, code: str
) -> None:
    village, _ = few_at_home()
    body = EnergyStatement(OP, MONTH, 1, "", digest("statement"), 5, totals)
    assert name_of(village.pmo(body)) == code


def test_a_month_of_which_one_day_is_hidden_shares_what_the_others_did_at_least() -> None:
    village = make_village(back_days=22, consumers=5)
    shown, hidden = "2026-08-30", "2026-08-31"
    leaver = village.members[0].kid
    ok(village.pmo(EnergyLeave(OP, leaver, hidden, "moved")))
    for day in (shown, hidden):
        village.read(day)
    village.publish(shown)
    body = village.allocation(hidden)
    bare = tuple(replace(step, sums=None) for step in body.steps)
    ok(village.pmo(replace(body, steps=bare, totals=None), key("energy_witness@mairie")))
    village.reconcile(shown, hidden)
    known = village.day_record(shown).totals
    less = replace(known, autocons_wh=known.autocons_wh - 1, surplus_wh=known.surplus_wh + 1)
    for totals, code in (
        (less, "energy_sums_wrong"),
        (
            replace(known, prod_wh=known.prod_wh * 9, surplus_wh=known.prod_wh * 8),
            "energy_sums_wrong",
        ),
        (known, "ok"),
    ):
        body = EnergyStatement(OP, MONTH, 1, "", digest("statement"), 5, totals)
        assert name_of(village.pmo(body)) == code


def test_no_statement_counts_more_members_than_a_town_could_have(village: Village) -> None:
    play_month(village)
    absurd = village.statement(MONTH, count=2**40)
    assert name_of(village.pmo(absurd)) == "tx_body_invalid"


def test_changing_keys_often_puts_no_day_out_of_reach_of_a_correction() -> None:
    village = make_village(back_days=23, correction_days=90)
    day = village.day(-3)
    village.read(day)
    measured_under = village.terms.key_hash

    def changed(version: int) -> dict:
        return {"key_hash": digest(f"key {version}"), "correction_days": 90}

    for version in range(2, 2 + ENERGY_TERMS_KEPT):
        ok(village.register(village.day(1), version, **changed(version)))
        village.town.advance(86_400)
    ok(village.adapter(village.readings(day, key_hash=measured_under)))
    assert village.day_record(day).readings_version == 2
