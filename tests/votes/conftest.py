"""Elections made once and shared by tests that do not change them."""

import pytest

from tests.votes.kit import GROUPS, ONE_OF_THREE, UP_TO_TWO, YES_NO, Booth, open_booth


def hold_election(group_name: str) -> Booth:
    """Three questions, three voters of weights 1, 1 and 5, a revote, three trustees of whom two suffice."""
    booth = open_booth(
        GROUPS[group_name],
        (ONE_OF_THREE, UP_TO_TWO, YES_NO),
        weights=(1, 1, 5),
        trustees=3,
        threshold=2,
    )
    booth.cast(0, [[0, 1, 0, 0], [1, 1, 0], [1, 0]])
    booth.cast(1, [[1, 0, 0, 0], [0, 0, 1], [0, 0]])
    booth.cast(2, [[0, 0, 0, 1], [0, 1, 1], [0, 1]])
    booth.cast(0, [[0, 0, 1, 0], [1, 0, 0], [0, 1]])
    return booth


RESULT = ((1, 0, 1, 5), (1, 5, 6), (0, 6))


@pytest.fixture(scope="session", params=sorted(GROUPS))
def booth(request: pytest.FixtureRequest) -> Booth:
    """The election of `hold_election`, on each group in turn."""
    return hold_election(request.param)
