"""Each planted bug is noticed by the law named beside it; without any, the same hunts find nothing."""

from random import Random

import pytest

from tests.town.energy.laws import LAWS
from tests.town.energy.planted_bugs import BUGS

CASES = 600


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    bug.plant(monkeypatch)
    with pytest.raises((AssertionError, IndexError, KeyError)):
        LAWS[bug.law](Random(f"hunt {name}"), CASES)


@pytest.mark.parametrize("law", sorted({bug.law for bug in BUGS.values()}))
def test_without_a_bug_the_hunt_finds_nothing(law: str) -> None:
    LAWS[law](Random(f"hunt {law}"), CASES)


def test_every_law_but_the_plainest_has_a_bug_that_breaks_it() -> None:
    unhunted = LAWS.keys() - {bug.law for bug in BUGS.values()}
    assert sorted(unhunted) == [
        "a_coefficient_file_reads_back_as_written",
        "a_table_of_readings_reads_back_as_written",
        "more_production_lowers_nobody_by_more_than_one_watt_hour",
        "redistributed_shares_serve_all_who_have_a_share",
        "sums_beyond_two_to_the_53_are_exact",
        "the_order_of_a_book_changes_no_trade",
    ]
