"""No forbidden path of an identity is reachable, over random histories of acts by everybody."""

from hypothesis import HealthCheck, settings

from tests.town.identity.machine import IdentityMachine

TestIdentities = IdentityMachine.TestCase
TestIdentities.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
