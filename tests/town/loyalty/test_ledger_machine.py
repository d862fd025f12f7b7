"""The ledger never differs from the naive one, over 300 random histories of 50 steps."""

from hypothesis import HealthCheck, settings

from tests.town.loyalty.machine import LedgerMachine

TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
