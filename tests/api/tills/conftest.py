"""Clients of a town in memory."""

import pytest

from tests.journeys.kit import Street


@pytest.fixture
def street(town) -> Street:
    return Street(town)
