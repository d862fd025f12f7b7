"""Requests of one operation side by side on PostgreSQL, where transactions do not wait for each other by themselves."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.cli.demo.client import expect
from app.core.database import connected
from app.core.problems import Problem
from app.energy import days, months, readings
from app.energy.models import InvoiceFile, MeterDay, Operation, SharedDay, StatementFile
from tests.api.conftest import Town, close_database, fresh_postgres
from tests.api.energy.kit import OP, PARAMS, ROLES_OF_ENERGY, Neighbourhood
from tests.api.lab import Lab

TOGETHER = 6


def together(act: Callable[[], Any]) -> list[Any]:
    """What each of several threads got, or the code it was refused with."""

    def once(_: int) -> Any:
        with connected():
            try:
                return act()
            except Problem as problem:
                return problem.code.name

    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(once, range(TOGETHER)))


@pytest.mark.postgres
@pytest.mark.skipif("TEST_POSTGRES_URL" not in os.environ, reason="TEST_POSTGRES_URL is not set")
def test_files_and_drafts_that_come_at_once_are_one_file_and_one_draft(tmp_path) -> None:
    lab = Lab(roles=ROLES_OF_ENERGY, params=PARAMS)
    town = Town(tmp_path, lab=lab, database_url=fresh_postgres())
    hood = Neighbourhood(tmp_path, town=town, past_month=True)
    first, last = hood.month_days(2)
    config, now_s = town.config, town.clock.seconds
    with connected():
        operation = Operation.get(Operation.operation == OP)
    upload = readings.Upload("table", hood.table(first), "start")

    def import_once() -> str:
        readings.import_files(
            config, operation, [upload], rule="zero", is_correction=False, by="k" * 43, now_s=now_s
        )
        return "imported"

    assert sorted(together(import_once)) == ["energy_file_repeated"] * (TOGETHER - 1) + ["imported"]
    drafts = together(lambda: days.draft_readings(config, operation, last))
    assert drafts == [drafts[0]] * TOGETHER
    for day in (first, last):
        expect("readings", hood.adapter.publish(OP, day))
    shared = together(
        lambda: days.draft_allocation(config, operation, first, evidence="", households_min=5)
    )
    assert shared == [shared[0]] * TOGETHER
    for day in (first, last):
        hood.allocate(day)
    hood.reconcile(first, last)
    stated = together(
        lambda: months.draft_month(config, operation, first[:7], households_min=5, now_s=now_s)
    )
    assert stated == [stated[0]] * TOGETHER
    with connected():
        kept = [table.select().count() for table in (MeterDay, SharedDay, StatementFile)]
        assert kept == [16, 16, 8]
        numbers = [row.number for row in InvoiceFile.select()]
        assert len(set(numbers)) == len(numbers) == stated[0][1]["invoices"]
    close_database()
