"""Bugs to plant in the energy functions: one small change of source each, and the law that must notice.

The changed module is compiled apart and its functions' code is put under the functions everybody imported; undoing
the patch restores them. A text that is not found exactly once fails the test, so that no bug goes stale.
"""

from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from chain.town.energy import (
    calendar,
    coefficients,
    contracts,
    enedis,
    intervals,
    market,
    matrix,
    money,
    pools,
    roots,
    rounding,
    steps,
    timeline,
)


@dataclass(frozen=True)
class Bug:
    name: str
    module: ModuleType
    old: str
    new: str
    law: str

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        source = Path(self.module.__file__).read_text()
        assert source.count(self.old) == 1, f"{self.name}: {source.count(self.old)} places"
        changed: dict[str, object] = {"__name__": self.module.__name__}
        exec(compile(source.replace(self.old, self.new), self.name, "exec"), changed)
        for name, function in changed.items():
            original = inner(vars(self.module).get(name))
            if original is not None and original.__module__ == self.module.__name__:
                patch.setattr(original, "__code__", inner(function).__code__)
        for cached in vars(self.module).values():
            getattr(cached, "cache_clear", lambda: None)()


def inner(value: object) -> FunctionType | None:
    """The plain function under a name, through a cache if there is one."""
    value = getattr(value, "__wrapped__", value)
    return value if isinstance(value, FunctionType) else None


BOUNDS = "allocated_never_exceeds_production_nor_anybodys_consumption"
LOSSLESS = "keys_that_redistribute_lose_not_one_watt_hour"
ORACLE = "pro_rata_is_largest_remainder_with_ties_by_hash"
QUOTA = "everybody_is_within_one_watt_hour_of_the_exact_share"
ORDER = "the_order_of_the_list_changes_nobodys_share"
STORES = "nothing_is_both_stored_and_allocated"
CELLS = "deliveries_sum_to_rows_and_columns"
CASCADE = "a_cascade_serves_a_group_only_from_what_the_former_left"
MATRIX = "a_matrix_gives_the_legal_minimum_of_consumption_and_coefficients"
FILLING = "water_filling_leaves_nobody_thirsty_beside_somebody_who_got_more"
ILLEGAL = "a_result_that_breaks_the_law_is_refused"
VOLUME = "an_auction_trades_the_largest_volume_inside_every_limit"
MERIT = "better_prices_then_earlier_orders_are_served_first"
REST = "nobody_trades_more_than_he_ordered_and_the_rest_stays_open"
K = "k_moves_the_price_from_the_last_offer_to_the_last_bid"
MONEY = "what_buyers_pay_is_what_sellers_get_after_one_rounding"
PERCENT = "coefficients_stay_below_consumption_and_one_hundred_percent"
DAYS = "local_days_have_92_96_or_100_quarters_in_the_right_nights"
CLOCKS = "local_time_and_utc_agree_both_ways"
WATTS = "a_days_watts_become_its_exact_energy"
MIDNIGHT = "a_curve_cut_at_midnight_reads_the_same"
LABELS = "a_label_at_the_end_of_a_step_is_the_start_of_the_next"
VERSIONS = "an_interval_keeps_every_version_in_one_chain"
LEAVES = "equal_readings_have_different_leaves_at_two_steps"
OPENINGS = "every_member_opens_his_own_row_and_no_other"

_ROWS: tuple[tuple[str, ModuleType, str, str, str], ...] = (
    # rounding
    (
        "rounds_up",
        rounding,
        "[total * weight // whole for",
        "[-(-total * weight // whole) for",
        BOUNDS,
    ),
    ("floors_and_forgets_the_rest", rounding, "    if spare:", "    if False:", LOSSLESS),
    (
        "tie_goes_to_the_place_in_the_list",
        rounding,
        "return sha256(prefix + names[index].encode()).digest()",
        "return index.to_bytes(8, 'big')",
        ORDER,
    ),
    (
        "tie_goes_to_the_smaller_name",
        rounding,
        "return sha256(prefix + names[index].encode()).digest()",
        "return names[index].encode()",
        "equals_take_turns_over_the_steps",
    ),
    (
        "tie_is_the_same_at_every_step",
        rounding,
        "step = start_s.to_bytes",
        "step = (0).to_bytes",
        "equals_take_turns_over_the_steps",
    ),
    ("all_who_tie_are_served", rounding, "if missing < len(tied):", "if False:", LOSSLESS),
    (
        "smallest_remainders_first",
        rounding,
        "reverse=True)[count - 1]",
        "reverse=False)[count - 1]",
        ORACLE,
    ),
    # pools
    ("static_share_above_consumption", pools, "[min(title, need) for", "[title for", BOUNDS),
    (
        "nobodys_share_is_handed_out",
        pools,
        "[*shares, SHARE_WHOLE - sum(shares)]",
        "[*shares, 0]",
        QUOTA,
    ),
    (
        "weights_of_the_full_still_count",
        pools,
        "weight_left -= weights[index]",
        "weight_left -= 0",
        FILLING,
    ),
    (
        "level_by_need_instead_of_need_per_weight",
        pools,
        "(needs[index] << shift) // weights[index]",
        "needs[index]",
        FILLING,
    ),
    (
        "level_order_rounded_off",
        pools,
        "(needs[index] << shift) // weights[index]",
        "needs[index] // weights[index] // 100",
        FILLING,
    ),
    (
        "second_group_sees_the_whole_production",
        pools,
        "production_wh -= sum(share)",
        "production_wh -= 0",
        CASCADE,
    ),
    ("equal_parts_and_pro_rata_swapped", pools, "if is_equal", "if not is_equal", CASCADE),
    ("stores_are_filled_from_stores", pools, "if sum(charges) > plants_wh:", "if False:", STORES),
    (
        "storage_counted_twice",
        pools,
        "plants_wh = sum(prod_wh) - sum_at(prod_wh, roster.discharging)",
        "plants_wh = sum(prod_wh)",
        STORES,
    ),
    ("release_above_what_consumers_took", pools, "<= consumed:", "<= total:", STORES),
    (
        "producers_share_alike",
        pools,
        "parts = apportion(total, prod_wh, rank)",
        "parts = apportion(total, [1] * len(prod_wh), rank)",
        BOUNDS,
    ),
    # matrix
    (
        "coefficients_above_consumption",
        matrix,
        "if sum(energies) > needs[consumer]:",
        "if False:",
        BOUNDS,
    ),
    (
        "own_plant_serves_twice",
        matrix,
        "prod_left[producer] -= energy_wh",
        "prod_left[producer] -= 0",
        BOUNDS,
    ),
    (
        "row_shared_out_whole",
        matrix,
        "[*values, SHARE_WHOLE - sum(values)]",
        "[*values, 0]",
        MATRIX,
    ),
    # contracts
    (
        "contract_above_consumption",
        contracts,
        "min(asked, prod[producer], needs[consumer])",
        "min(asked, prod[producer])",
        BOUNDS,
    ),
    (
        "contract_volume_sold_again",
        contracts,
        "            prod[producer] -= energy_wh\n",
        "            prod[producer] -= 0\n",
        BOUNDS,
    ),
    (
        "contracts_tie_by_place_in_the_list",
        contracts,
        "(ppas[index].rank, by_hash(index))",
        "(ppas[index].rank, index)",
        ORDER,
    ),
    (
        "orders_not_cut_to_the_meter",
        contracts,
        "energy_wh = min(order.energy_wh, left[position[order.point]])",
        "energy_wh = order.energy_wh",
        BOUNDS,
    ),
    (
        "traded_energy_is_shared_again",
        contracts,
        "needs[consumer] -= trade.energy_wh",
        "needs[consumer] -= 0",
        CELLS,
    ),
    # the law
    ("law_blind_to_consumption", steps, "not 0 <= got <= used for", "not 0 <= got for", ILLEGAL),
    ("law_blind_to_sums", steps, "if sum(auto) != sum(made):", "if False:", ILLEGAL),
    (
        "law_blind_to_stores",
        steps,
        "if stored_wh + allocated_wh - released_wh > production_wh:",
        "if stored_wh > production_wh:",
        "a_store_filled_from_a_store_is_refused",
    ),
    (
        "own_check_takes_anything_near",
        steps,
        "in (floor, floor + (rest > 0))",
        "in range(floor - 2, floor + 3)",
        "one_member_can_check_his_own_pro_rata_share",
    ),
    # market
    (
        "touching_prices_do_not_meet",
        market,
        "if bid[3] < offer[3]:",
        "if bid[3] <= offer[3]:",
        VOLUME,
    ),
    (
        "rest_of_a_bid_is_dropped",
        market,
        "        if not bid_left:\n",
        "        if True:\n",
        VOLUME,
    ),
    (
        "k_turned_round",
        market,
        "bid.price_micro_eur * k_halves + offer.price_micro_eur * (2 - k_halves)",
        "offer.price_micro_eur * k_halves + bid.price_micro_eur * (2 - k_halves)",
        K,
    ),
    ("mean_price_rounded_up", market, "(2 - k_halves)) // 2", "(2 - k_halves) + 1) // 2", K),
    (
        "last_arrival_first",
        market,
        'chosen.sort(key=_BY_PRICE, reverse=side == "bid")',
        'chosen.sort(key=_BY_PRICE)\n    if side == "bid":\n        chosen.reverse()',
        MERIT,
    ),
    ("arrival_ignored", market, "    chosen.sort(key=_BY_ARRIVAL)\n", "", MERIT),
    (
        "self_trade_at_one_price",
        market,
        "dearest.get(who, price - 1) >= price:",
        "dearest.get(who, price - 1) > price:",
        VOLUME,
    ),
    (
        "marginal_order_stays_open_whole",
        market,
        "orders[first]._replace(energy_wh=left)",
        "orders[first]",
        REST,
    ),
    (
        "pay_as_bid_at_one_price",
        market,
        'if pricing == "pay_as_bid":',
        "if False:",
        "pay_as_bid_prices_each_pair_and_trades_as_much",
    ),
    # money
    ("lines_floored", money, "total - sum(cents), lambda", "0, lambda", MONEY),
    ("halves_up", money, "return cents + (cents & 1)", "return cents + 1", MONEY),
    (
        "cents_cut_off",
        money,
        "return cents + (2 * rest > NANO_EUR_PER_CENT)",
        "return cents",
        MONEY,
    ),
    (
        "line_tie_by_place",
        money,
        "return sha256(_DOMAIN + line.line_id.encode()).digest()",
        "return b''",
        "the_order_of_invoice_lines_changes_no_cent",
    ),
    # coefficients
    (
        "coefficient_above_consumption",
        coefficients,
        "(unit + 1) * prod_wh <= cons * whole",
        "True",
        PERCENT,
    ),
    (
        "coefficients_floored_only",
        coefficients,
        "min(spare, len(takers))",
        "0",
        "spare_units_of_a_scarce_step_make_up_one_hundred_percent",
    ),
    (
        "coefficients_rounded_up",
        coefficients,
        "[wh * whole // prod_wh for",
        "[-(-wh * whole // prod_wh) for",
        PERCENT,
    ),
    (
        "prediction_forgets_a_producer",
        coefficients,
        "zip(units, prod_wh, strict=True)",
        "list(zip(units, prod_wh, strict=True))[:1]",
        PERCENT,
    ),
    # time
    (
        "summer_time_forgotten",
        calendar,
        "zone.base_s + shift_s if starts <= utc_s < ends else zone.base_s",
        "zone.base_s",
        DAYS,
    ),
    ("clocks_change_on_saturday", calendar, "(last + 4) % 7", "(last + 5) % 7", DAYS),
    (
        "march_has_30_days",
        calendar,
        "days_of_date(year, month, 31)",
        "days_of_date(year, month, 24)",
        DAYS,
    ),
    (
        "autumn_hour_seen_once",
        calendar,
        "return tuple(sorted(utc for utc in found if utc + offset_at(zone, utc) == local_s))",
        "return tuple(sorted(utc for utc in found if utc + offset_at(zone, utc) == local_s))[:1]",
        CLOCKS,
    ),
    (
        "no_leap_day_in_400_years",
        calendar,
        "+ year_of_era // 4 - year_of_era // 100 + day_of_year",
        "+ year_of_era // 4 + day_of_year",
        DAYS,
    ),
    (
        "end_labels_taken_as_starts",
        timeline,
        'utc - step_s if label == "end" else utc',
        "utc",
        LABELS,
    ),
    (
        "autumn_hour_always_the_first",
        timeline,
        "if expected in found:",
        "if expected == found[0]:",
        MIDNIGHT,
    ),
    (
        "watts_floored_every_step",
        enedis,
        "(2 * running + unit) // (2 * unit)",
        "given + sum(loads[first : first + per_step]) // unit",
        WATTS,
    ),
    ("watts_carried_past_midnight", enedis, "if today != day:", "if day is None:", MIDNIGHT),
    (
        "watts_taken_as_watt_hours",
        enedis,
        "// _THOUSAND * spec.file_step_s",
        "// _THOUSAND * HOUR_S",
        WATTS,
    ),
    # versions and roots
    (
        "version_skipped",
        intervals,
        "version.number != len(interval.versions) + 1 or ",
        "",
        VERSIONS,
    ),
    (
        "former_root_not_asked",
        intervals,
        " or version.previous_root != interval.root",
        "",
        VERSIONS,
    ),
    (
        "former_versions_overwritten",
        intervals,
        "versions=(*interval.versions, version)",
        "versions=(version,)",
        VERSIONS,
    ),
    (
        "key_changed_after_the_fact",
        intervals,
        "if version.key_hash != interval.key_hash:",
        "if False:",
        VERSIONS,
    ),
    (
        "sums_taken_on_trust",
        intervals,
        "if sums.autocons_wh + sums.surplus_wh != sums.prod_wh:",
        "if False:",
        VERSIONS,
    ),
    (
        "other_readings_than_committed",
        intervals,
        "if interval.state is State.METERED and version.readings != interval.readings:",
        "if False:",
        VERSIONS,
    ),
    (
        "any_state_after_any",
        intervals,
        "if interval.state not in _FOLLOWS[state]:",
        "if False:",
        VERSIONS,
    ),
    (
        "corrected_for_ever",
        intervals,
        "if at_s > interval.correctable_until_s:",
        "if False:",
        "nothing_is_corrected_after_its_window",
    ),
    (
        "delta_turned_round",
        intervals,
        "tuple(after - before for",
        "tuple(before - after for",
        "deltas_replayed_over_the_first_version_give_the_last",
    ),
    ("salt_without_the_step", roots, "\\0{row.start_s}", "", LEAVES),
    (
        "salt_without_the_version",
        roots,
        "\\0{row.version}",
        "",
        LEAVES,
    ),
    (
        "number_of_leaves_not_bound",
        roots,
        "if opening.proof.total != published.count:",
        "if False:",
        OPENINGS,
    ),
    ("leaves_in_the_order_of_members", roots, "    leaves.sort()\n", "", OPENINGS),
    (
        "path_not_checked",
        roots,
        "if not verify_merkle_proof(",
        "if False and not verify_merkle_proof(",
        OPENINGS,
    ),
)

BUGS: dict[str, Bug] = {row[0]: Bug(*row) for row in _ROWS}
