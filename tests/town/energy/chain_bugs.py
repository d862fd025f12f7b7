"""Bugs to plant in energy's chain rules and in what days publish, and the hunt that must notice each.

A hunt is a test of this folder, played again on the spoiled code; `planted_bugs.Bug` says how code is spoiled.
"""

from collections.abc import Callable
from random import Random
from types import ModuleType

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from chain.town.energy import (
    agreements,
    batches,
    calendar,
    commitments,
    days,
    perimeter,
    roots,
)
from chain.town.energy.onchain import (
    allocating,
    consents,
    contracting,
    crediting,
    disputing,
    membership,
    metering,
    operations,
    ordering,
    reporting,
    rosters,
    standing,
    stating,
)
from chain.town.energy_schemas import Sums
from tests.town.energy import (
    test_agreements,
    test_chain_bytes,
    test_chain_contracts,
    test_chain_credits,
    test_chain_days,
    test_chain_opening,
    test_chain_orders,
    test_days,
    test_perimeter,
)
from tests.town.energy.chain_kit import Village, contract_key, make_village, ok
from tests.town.energy.machine import EnergyMachine
from tests.town.energy.month import play_month
from tests.town.energy.planted_bugs import Bug
from tests.town.energy.test_machine import SETTINGS

Hunt = Callable[[], object]


def _month() -> Village:
    return make_village(back_days=23)


def _played() -> Village:
    village = _month()
    test_chain_days.play_month(village)
    return village


def _settled() -> Village:
    village = _played()
    ok(village.pmo(village.statement(test_chain_days.MONTH)))
    return village


def _market() -> Village:
    return make_village(back_days=5, key_kind="contract", key_hash=contract_key())


def _machine() -> None:
    run_state_machine_as_test(EnergyMachine, settings=settings(SETTINGS, max_examples=25))  # type: ignore[no-untyped-call]


def _figures() -> None:
    played = play_month(Random("a month of chain bytes"))
    test_chain_bytes.test_every_sum_of_a_step_hides_five_households_and_two_plants(played)
    test_chain_bytes.test_no_reading_or_other_figure_of_one_person_and_interval_is_in_any_chain_byte(
        played
    )


def _allocation() -> None:
    for changes, code in (
        ({"key_hash": test_chain_days.digest("others")}, "energy_key_invalid"),
        ({"engine": "another-engine"}, "energy_key_invalid"),
        ({"readings": test_chain_days.digest("others")}, "energy_readings_invalid"),
    ):
        test_chain_days.test_an_allocation_that_does_not_fit_is_refused(_month(), changes, code)


def _sums() -> None:
    for mark in test_days.test_sums_that_do_not_add_up_or_show_somebody_are_refused.pytestmark:
        for row in mark.args[1]:
            test_days.test_sums_that_do_not_add_up_or_show_somebody_are_refused(*row)


def _clauses() -> None:
    for mark in test_agreements.test_one_wrong_clause_is_named.pytestmark:
        for row in mark.args[1]:
            test_agreements.test_one_wrong_clause_is_named(*row)
    test_agreements.test_a_contract_whose_clauses_all_hold_has_no_flaw()


def _contract_terms() -> None:
    for mark in test_chain_contracts.test_terms_that_cannot_hold_are_refused.pytestmark:
        for row in mark.args[1]:
            village = make_village(back_days=20)
            test_chain_contracts.test_terms_that_cannot_hold_are_refused(village, *row)


def _perimeters() -> None:
    for mark in test_chain_opening.test_nobody_is_admitted_outside_the_perimeter.pytestmark:
        for row in mark.args[1]:
            test_chain_opening.test_nobody_is_admitted_outside_the_perimeter(*row)


def _with(test: Callable[[Village], object], make: Callable[[], Village]) -> Hunt:
    return lambda: test(make())


READINGS = test_chain_opening.test_the_readings_of_a_day_are_the_adapters_and_of_every_active_column
ROWS = test_chain_opening.test_rows_of_a_day_follow_who_was_a_member_on_it
TAKEN = test_chain_opening.test_a_point_is_active_in_one_operation_only_until_it_left
MEASURED = test_chain_opening.test_no_day_that_was_measured_changes_its_members
NEW_KEY = test_chain_opening.test_a_new_key_holds_from_tomorrow_without_the_council_and_a_new_adapter_waits_for_it
APPROVED = (
    test_chain_opening.test_an_operation_is_in_force_once_the_council_approved_what_was_published
)
OWN_WITNESS = test_chain_opening.test_an_unwitnessed_allocation_says_so_and_the_managers_own_body_is_no_witness
STEPS = _with(
    test_chain_contracts.test_each_step_names_the_transaction_of_the_step_before,
    lambda: make_village(back_days=20),
)
HANDS = _with(test_chain_contracts.test_each_step_is_one_partys, lambda: make_village(back_days=20))
NOTICE = _with(
    test_chain_contracts.test_notice_ends_a_contract_after_its_days,
    lambda: make_village(back_days=20),
)
GATE = _with(
    test_chain_orders.test_an_order_after_gate_closure_is_late_and_so_is_its_cancellation, _market
)
ARRIVAL = _with(
    test_chain_orders.test_an_order_stands_with_its_arrival_number_until_it_is_cancelled, _market
)
SHORT_OF_ORDERS = _with(test_chain_orders.test_no_more_orders_are_opened_than_stood, _market)
FORGOTTEN = _with(
    test_chain_orders.test_old_orders_and_their_book_are_forgotten_a_few_at_a_time, _market
)
UNWITNESSED = _with(test_chain_days.test_an_unwitnessed_day_cannot_be_settled, _month)
CORRECTION = _with(
    test_chain_days.test_a_correction_names_the_last_root_and_loses_the_witness, _month
)
ISSUES = _with(
    test_chain_days.test_a_settled_month_is_corrected_by_a_further_issue_of_its_statements, _month
)
UPHELD = test_chain_days.test_an_open_challenge_stops_the_statement_and_an_upheld_one_asks_for_a_correction
REREAD = _with(
    test_chain_days.test_corrected_readings_ask_for_a_corrected_allocation_before_settling, _month
)
WAITS = _with(
    test_chain_days.test_a_statement_waits_for_every_day_and_for_the_end_of_the_month, _month
)
OPERATOR = _with(
    test_chain_days.test_a_result_of_the_operator_beyond_the_tolerance_asks_for_a_correction,
    _month,
)
LOWERED = _with(
    test_chain_credits.test_a_correction_below_what_was_credited_stops_retirement_at_what_was_shared,
    _played,
)


_ROWS: tuple[tuple[str, ModuleType, str, str, Hunt], ...] = (
    # readings
    (
        "anybodys_adapter",
        metering,
        'if ctx.sender != f"body:{terms.adapter}":',
        "if False:",
        READINGS,
    ),
    (
        "a_meter_left_out",
        metering,
        "if body.count != roster.consumers + roster.producers:",
        "if body.count > roster.consumers + roster.producers:",
        READINGS,
    ),
    ("a_day_not_over", metering, "if ctx.time_s < starts.stop:", "if False:", READINGS),
    ("a_short_day", metering, "if len(body.steps) != len(starts):", "if False:", READINGS),
    (
        "the_same_file_twice",
        metering,
        "if held is not None and root == held.readings:",
        "if False:",
        READINGS,
    ),
    (
        "a_reading_version_skipped",
        metering,
        "body.version != last + 1",
        "body.version <= last",
        READINGS,
    ),
    ("readings_that_name_no_last_root", metering, "or body.previous != previous", "", _machine),
    (
        "readings_corrected_for_ever",
        metering,
        "if ctx.time_s > until_s:",
        "if False:",
        test_chain_days.test_a_correction_after_its_time_is_late,
    ),
    (
        "days_without_clock_changes",
        calendar,
        "return range(_midnight(zone, day), _midnight(zone, day + 1), step_s)",
        "return range(_midnight(zone, day), _midnight(zone, day) + DAY_S, step_s)",
        test_chain_opening.test_a_day_of_the_clock_change_has_its_own_number_of_steps,
    ),
    # allocations
    (
        "a_correction_that_shows_steps",
        allocating,
        "if isinstance(body, EnergyCorrect):\n        flaw",
        "if False:\n        flaw",
        _with(test_chain_days.test_a_correction_shows_no_sums_of_steps, _month),
    ),
    (
        "a_correction_that_names_no_last_root",
        allocating,
        "or body.previous != held.root:",
        "or False:",
        CORRECTION,
    ),
    (
        "a_version_skipped",
        allocating,
        "if body.version != held.version + 1 or",
        "if body.version <= held.version or",
        CORRECTION,
    ),
    ("another_key", allocating, "if body.key_hash != held.key_hash:", "if False:", _allocation),
    ("another_engine", allocating, "if body.engine != ENGINE:", "if False:", _allocation),
    ("older_readings", allocating, "if body.readings != held.readings:", "if False:", _allocation),
    (
        "the_managers_own_witness",
        allocating,
        "if role.body == found.pmo:",
        "if False:",
        OWN_WITNESS,
    ),
    (
        "a_witness_of_the_version_before",
        allocating,
        "witnesses=witnesses,",
        "witnesses=witnesses or held.witnesses,",
        CORRECTION,
    ),
    (
        "a_witness_of_another_root",
        allocating,
        "if not held.version or (body.version, body.root) != (held.version, held.root):",
        "if not held.version:",
        _machine,
    ),
    (
        "more_orders_than_stood",
        allocating,
        "if step.orders > standing:",
        "if False:",
        SHORT_OF_ORDERS,
    ),
    # what is published of a day
    ("one_hidden_step_subtracted", batches, "if hidden == 1:", "if False:", _sums),
    (
        "four_households",
        batches,
        "if households < households_min:",
        "if households + 1 < households_min:",
        _sums,
    ),
    (
        "surplus_not_counted",
        batches,
        "if sums.autocons_wh + sums.surplus_wh != sums.prod_wh:",
        "if False:",
        _sums,
    ),
    ("shared_above_consumed", batches, "if sums.autocons_wh > sums.cons_wh:", "if False:", _sums),
    ("one_plant_shown", batches, "sum(wh > 0 for wh in prod_wh) != 1", "True", _figures),
    (
        "few_households_shown",
        batches,
        "is_crowd = sum(wh > 0 for wh in cons_wh) >= households_min",
        "is_crowd = True",
        _figures,
    ),
    (
        "rest_of_the_day_shows_few",
        batches,
        "while any(shown) and hidden and not (",
        "while False and not (",
        test_days.test_whatever_is_published_and_whatever_can_be_subtracted_hides_five_households,
    ),
    (
        "a_store_is_a_household",
        days,
        "metered.cons_wh[: given.households]",
        "metered.cons_wh",
        test_days.test_stores_are_counted_on_both_sides_and_are_no_household,
    ),
    (
        "readings_not_compared",
        days,
        "if readings != expected:",
        "if False:",
        lambda: test_days.test_one_watt_hour_more_is_found_with_its_step("readings"),
    ),
    (
        "rows_of_the_first_version_again",
        days,
        "AllocationRow(*head, given.version,",
        "AllocationRow(*head, 1,",
        test_days.test_the_same_reading_has_another_leaf_at_every_step_and_version,
    ),
    (
        "rows_without_salt",
        roots,
        'return hmac.digest(member_key, message.encode(), "sha256")',
        "return bytes(SALT_BYTES)",
        test_days.test_whoever_lacks_a_members_key_cannot_try_readings_until_the_root_fits,
    ),
    (
        "a_step_more_than_the_day",
        days,
        "if len(given.steps) != expected:",
        "if len(given.steps) < expected:",
        test_days.test_a_day_short_of_steps_or_long_is_not_computed,
    ),
    # members
    (
        "a_store_counted_once",
        rosters,
        'point.side != "producer" for',
        'point.side == "consumer" for',
        ROWS,
    ),
    (
        "a_member_counts_a_day_late",
        rosters,
        "changes[place:] = [_moved(change, columns, sign) for change in changes[place:]]",
        "changes[place + 1:] = [_moved(change, columns, sign) for change in changes[place + 1:]]",
        ROWS,
    ),
    ("who_leaves_comes_twice", rosters, "change.consumers + sign *", "change.consumers + ", ROWS),
    ("a_tag_free_too_early", membership, "or held.until_day > body.from_day", "", TAKEN),
    (
        "a_point_in_two_operations",
        membership,
        "if held is not None and (not held.until_day or",
        "if held is not None and (",
        TAKEN,
    ),
    (
        "no_consent_to_share",
        membership,
        'if not has_consent(ctx.state, body.operation, body.account, "allocation"):',
        "if False:",
        test_chain_opening.test_nobody_is_admitted_without_the_consent_to_share,
    ),
    (
        "perimeter_not_asked",
        membership,
        "refused = check_lawful(ctx.state, held, day)",
        "refused = None",
        _perimeters,
    ),
    (
        "power_at_the_cap",
        perimeter,
        "peak_w >= below_w",
        "peak_w > below_w",
        test_chain_opening.test_no_plant_is_admitted_that_reaches_the_cap,
    ),
    (
        "any_of_several_conditions_will_do",
        perimeter,
        "if not any(condition in perimeter.conditions for condition in group):",
        "if not perimeter.conditions:",
        test_perimeter.test_a_declared_operation_is_judged_as_its_points_are,
    ),
    ("a_measured_day_changes", standing, "found.metered_day + 1", "0", MEASURED),
    (
        "withdrawal_without_effect",
        consents,
        'if body.act == "withdrawn" and body.purpose == "allocation":',
        "if False:",
        test_chain_opening.test_taking_back_the_consent_to_share_ends_the_membership,
    ),
    (
        "another_says_it_first",
        stating,
        "body.line, ctx.sender)",
        'body.line, "")',
        _with(
            test_chain_credits.test_each_side_says_once_that_a_line_was_paid_and_nobody_says_it_for_another,
            _settled,
        ),
    ),
    (
        "hidden_days_share_what_no_plant_makes",
        stating,
        "if rest.prod_wh > possible_wh:",
        "if False:",
        lambda: test_chain_days.test_a_month_of_hidden_days_shares_no_more_than_its_plants_can_make(
            Sums(10**12, 10**12, 10**12, 0), "energy_sums_wrong"
        ),
    ),
    (
        "a_correction_by_the_keys_of_another_day",
        metering,
        "    if held is None:\n        return terms_on(ctx.state, found, day)\n",
        "    if found:\n        return terms_on(ctx.state, found, day)\n",
        test_chain_days.test_changing_keys_often_puts_no_day_out_of_reach_of_a_correction,
    ),
    (
        "sums_of_a_day_of_one_home",
        days,
        "totals = add_sums(sums) if _is_day_public(given) else None",
        "totals = add_sums(sums) if given.households >= given.households_min else None",
        lambda: test_days.test_a_day_of_few_at_home_or_of_one_plant_publishes_no_sums(4, 2, False),
    ),
    # operations
    (
        "a_key_changed_today",
        operations,
        "max(today_of(ctx, held) + 1, held.first_day)",
        "max(today_of(ctx, held), held.first_day)",
        NEW_KEY,
    ),
    (
        "a_key_before_the_first_day",
        operations,
        "max(today_of(ctx, held) + 1, held.first_day)",
        "today_of(ctx, held) + 1",
        test_chain_opening.test_nothing_holds_before_the_first_day_that_the_council_approved,
    ),
    (
        "an_approved_change_brought_forward",
        operations,
        "around = (*before[-1:], *held.schedule[len(before) :])",
        "around = held.schedule[-1:]",
        test_chain_opening.test_no_approved_change_is_brought_forward_without_the_council,
    ),
    (
        "a_late_departure_keeps_members",
        membership,
        "held.until_day > max(until_day, held.from_day) for held in points",
        "False for held in points",
        test_chain_opening.test_a_departure_dated_far_ahead_keeps_nobody_from_leaving_sooner,
    ),
    (
        "an_adapter_changed_alone",
        operations,
        "(known.regime, known.adapter, known.correction_days)",
        "(known.regime, terms.adapter, known.correction_days)",
        NEW_KEY,
    ),
    (
        "approved_unread",
        operations,
        "if record.terms_hash != body.terms_hash:",
        "if False:",
        APPROVED,
    ),
    (
        "its_own_adapter",
        operations,
        'if f"body:{terms.adapter}" == ctx.sender:',
        "if False:",
        test_chain_opening.test_the_manager_is_not_its_own_adapter,
    ),
    # contracts
    ("a_step_without_its_link", contracting, "if body.previous != held.last:", "if False:", STEPS),
    ("the_seller_accepts", contracting, '"accept": (held.terms.buyer,),', "", HANDS),
    (
        "notice_without_its_days",
        contracting,
        "today_of(ctx, found) + held.terms.notice_days",
        "today_of(ctx, found)",
        NOTICE,
    ),
    (
        "another_members_point",
        contracting,
        "return point.account == account and is_active_on(",
        "return is_active_on(",
        _contract_terms,
    ),
    (
        "store_to_store",
        contracting,
        'if sides == ["storage", "storage"]:',
        "if False:",
        _with(
            test_chain_contracts.test_nothing_is_sold_from_store_to_store,
            lambda: make_village(back_days=20),
        ),
    ),
    (
        "no_siren_above_3_kwc",
        agreements,
        "if document.plant.peak_w > SMALL_PLANT_W and not seller.siren:",
        "if False:",
        _clauses,
    ),
    (
        "an_hour_with_two_prices",
        agreements,
        "hours == list(range(_DAYS * _HOURS))",
        "set(hours) == set(range(_DAYS * _HOURS))",
        _clauses,
    ),
    (
        "a_claim_made_twice",
        agreements,
        'if bool(document.origin.claim) != (document.origin.handling == "cancelled"):',
        "if False:",
        _clauses,
    ),
    # orders
    (
        "no_gate",
        ordering,
        "return check_gate(put_s=ctx.time_s, start_s=body.start, gate_s=terms.gate_s)",
        "return None",
        GATE,
    ),
    (
        "an_arrival_number_twice",
        ordering,
        "fresh = BookRecord(held.seq + 1, held.standing + 1)",
        "fresh = BookRecord(held.standing + 1, held.standing + 1)",
        ARRIVAL,
    ),
    (
        "anybody_cancels",
        ordering,
        "if found is None or found.account != ctx.sender:",
        "if found is None:",
        ARRIVAL,
    ),
    (
        "old_orders_kept",
        ordering,
        "            table.delete(ctx.state, record_id)\n",
        "            pass\n",
        FORGOTTEN,
    ),
    (
        "an_order_without_salt",
        commitments,
        'sha256(domain + b"\\x00" + salt + message)',
        'sha256(domain + b"\\x00" + message)',
        test_chain_orders.test_a_sealed_order_opens_to_what_was_said_and_to_nothing_else,
    ),
    # challenges, the grid operator, statements
    (
        "challenged_for_ever",
        disputing,
        "if ctx.time_s >= challenge_ends_s(ctx, held):",
        "if False:",
        _machine,
    ),
    (
        "one_member_many_challenges",
        disputing,
        "if before is not None and before.version == body.version:",
        "if False:",
        UPHELD,
    ),
    (
        "upheld_without_effect",
        disputing,
        "is_faulted=held.is_faulted or is_upheld,",
        "",
        test_chain_days.test_an_open_challenge_stops_the_statement_and_an_upheld_one_asks_for_a_correction,
    ),
    (
        "tolerance_for_the_operator",
        reporting,
        "if body.difference_wh > tolerance_wh:",
        "if False:",
        OPERATOR,
    ),
    ("settled_unwitnessed", stating, "if not held.witnesses:", "if False:", UNWITNESSED),
    (
        "settled_while_challenged",
        stating,
        "if held.open_challenges or held.is_faulted:",
        "if False:",
        UPHELD,
    ),
    (
        "settled_before_the_window_ends",
        stating,
        "if ctx.time_s < challenge_ends_s(ctx, held):",
        "if False:",
        test_chain_days.test_nothing_is_settled_while_a_day_can_be_challenged,
    ),
    (
        "settled_over_old_readings",
        stating,
        "if held.allocated_readings != held.readings:",
        "if False:",
        REREAD,
    ),
    (
        "a_day_with_members_skipped",
        stating,
        "if roster.consumers + roster.producers == 0:",
        "if True:",
        _with(
            test_chain_days.test_a_day_with_members_and_without_readings_stops_the_statement, _month
        ),
    ),
    ("totals_of_other_days", stating, "if rest == NO_SUMS else", "if True else", WAITS),
    (
        "a_statement_that_names_no_last_one",
        stating,
        "if body.previous != last:",
        "if False:",
        ISSUES,
    ),
    # credits
    (
        "credited_above_what_was_shared",
        crediting,
        "if lot.credited_wh + credited_wh > lot.shared_wh:",
        "if credited_wh > lot.shared_wh:",
        _with(test_chain_credits.test_no_more_is_credited_than_was_shared, _settled),
    ),
    ("credited_twice", crediting, "    if held.credited_wh:\n", "    if False:\n", _machine),
    (
        "credited_without_consent",
        crediting,
        'if not has_consent(ctx.state, body.operation, entry.account, "credits"):',
        "if False:",
        _with(
            test_chain_credits.test_who_did_not_consent_or_is_no_member_is_not_credited, _settled
        ),
    ),
    (
        "given_and_kept",
        crediting,
        "replace(held, held_wh=held_wh - energy_wh)",
        "replace(held, held_wh=held_wh)",
        _machine,
    ),
    (
        "retired_and_kept",
        crediting,
        "fresh = replace(lot, retired_wh=lot.retired_wh + body.energy_wh)",
        "fresh = lot",
        _machine,
    ),
    (
        "a_claim_used_again",
        crediting,
        "if CLAIMS.get(ctx.state, body.claim.encode()) is not None:",
        "if False:",
        _with(test_chain_credits.test_a_watt_hour_is_retired_once_and_a_claim_made_once, _settled),
    ),
    (
        "retired_above_what_was_shared",
        crediting,
        "if lot.retired_wh + body.energy_wh > lot.shared_wh:",
        "if False:",
        LOWERED,
    ),
)

HUNTS: dict[str, Hunt] = {row[0]: row[4] for row in _ROWS}
BUGS: dict[str, Bug] = {row[0]: Bug(*row[:4], row[0]) for row in _ROWS}
