"""One town for the whole folder; everything skips where the oracles cannot run."""

from collections.abc import Iterator

import pytest

from tests.oracles import install
from tests.oracles.town import LiveTown


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveTown]:
    """A running town."""
    reason = install.missing()
    if reason is not None:
        pytest.skip(reason)
    running = LiveTown(tmp_path_factory.mktemp("town"))
    try:
        yield running.start()
    finally:
        running.stop()
