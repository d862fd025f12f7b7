"""A town whose bodies can hold a vote, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Town, close_database
from tests.api.lab import Lab
from tests.town.votes.kit import BODIES, LAX, VOTE_ROLES


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Town]:
    """Mairie, commission, council, registrars and trustees; dates may be a second apart."""
    yield Town(tmp_path, lab=Lab(bodies=BODIES, roles=VOTE_ROLES, params=LAX))
    close_database()
