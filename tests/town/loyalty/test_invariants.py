"""Every invariant of loyalty on the research page (loyalty-sel.md §4.5) has its line in docs/loyalty.md and its tests.

The machine checks most of them after each step of a random history; what a machine of one ledger cannot see (blocks,
batches, validators, erasure) is checked where it can be seen.
"""

import re
from pathlib import Path

import pytest

from tests.house.test_identity_requirements import is_a_test

PAGE = Path(__file__).resolve().parents[3] / "docs" / "loyalty.md"
LOYALTY = (*range(1, 20), 24, 25)
"""I20 to I23 are of SEL."""
HERE = "tests/town/loyalty/"
MACHINE = HERE + "test_ledger_machine.py::test_no_history_breaks_an_invariant_of_the_ledger"
MONTH = "tests/town/settlement/test_netting.py::"
WHOLE = (
    "tests/town/test_differential.py::test_copies_that_saw_different_things_agree_on_every_block"
)
TESTS = {
    1: (MACHINE,),
    2: (MACHINE,),
    3: (MACHINE,),
    4: (MACHINE,),
    5: (MACHINE, HERE + "test_properties.py::test_a_refused_operation_changes_nothing"),
    6: (
        MACHINE,
        HERE + "test_through_the_town.py::test_the_same_transaction_twice_gives_points_once",
        HERE
        + "test_through_the_town.py::test_an_outbox_sent_again_after_three_days_gives_nothing_twice",
        "tests/api/loyalty/test_redemptions.py::test_one_idempotency_key_for_two_bodies_is_refused",
    ),
    7: (MACHINE, HERE + "test_expiry.py::test_a_lot_dies_in_its_very_second"),
    8: (MACHINE,),
    9: (MACHINE,),
    10: (MACHINE, HERE + "test_reversing.py::test_no_more_is_refunded_than_was_spent"),
    11: (MACHINE, HERE + "test_reversing.py::test_buy_earn_return_and_keep_nets_zero"),
    12: (
        MONTH + "test_positions_sum_to_zero_and_payments_clear_exactly_them",
        MONTH + "test_a_generated_month_of_80_shops_compresses_by_nine_tenths",
    ),
    13: (MONTH + "test_no_shop_both_pays_and_receives_in_one_batch",),
    14: (
        HERE + "test_properties.py::test_the_order_of_strangers_transactions_changes_nothing",
        HERE
        + "test_through_the_town.py::test_the_order_of_two_accounts_earns_in_a_block_does_not_matter",
    ),
    15: (MACHINE, HERE + "test_households.py::test_points_in_the_pool_keep_name_issuer_and_life"),
    16: (
        HERE
        + "test_offers.py::test_a_campaign_doubles_points_until_its_budget_is_spent_and_never_beyond",
        HERE + "test_offers.py::test_a_reward_costs_its_price_while_there_is_stock",
        HERE
        + "test_properties.py::test_an_evaluation_is_whole_never_negative_and_within_every_budget",
    ),
    17: (
        MACHINE,
        HERE + "test_paycode.py::test_the_counter_window_equals_a_set_of_used_counters",
        HERE
        + "test_invoices.py::test_what_was_paid_is_remembered_as_long_as_it_could_be_paid_again",
        HERE + "test_offers.py::test_a_voucher_is_used_in_parts_and_never_beyond_its_value",
        HERE + "test_offers.py::test_one_token_welcomes_one_newcomer_and_thanks_who_brought_it",
        "tests/journeys/test_real_town.py::test_twenty_tills_with_one_code_are_paid_once",
    ),
    18: (
        HERE + "offline/test_loss_bound.py::test_no_copied_phone_costs_shops_more_than_the_bound",
    ),
    19: (
        HERE
        + "test_properties.py::test_a_machine_that_starts_from_a_snapshot_ends_like_one_that_lived_through",
        WHOLE,
    ),
    24: (MACHINE, HERE + "test_properties.py::test_no_operation_of_points_names_another_asset"),
    25: (
        "tests/api/loyalty/test_erasure.py::test_erasing_a_citizens_file_changes_no_root_and_no_point",
    ),
}


def named_on(page: str) -> set[int]:
    """Numbers of the invariants that the page's table names."""
    rows = [line for line in page.splitlines() if re.match(r"\| I\d", line)]
    return {int(number) for row in rows for number in re.findall(r"\bI(\d+)\b", row.split("|")[1])}


def test_no_invariant_is_left_out_here_or_on_the_page() -> None:
    assert set(TESTS) == set(LOYALTY)
    assert named_on(PAGE.read_text()) == set(LOYALTY)


@pytest.mark.parametrize("number", LOYALTY)
def test_an_invariants_tests_exist(number: int) -> None:
    assert TESTS[number]
    assert [test for test in TESTS[number] if not is_a_test(test)] == []
