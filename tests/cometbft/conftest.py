"""Where CometBFT is missing everything here skips and says so; one quick network serves several tests."""

from collections.abc import Iterator

import pytest

from tests.cometbft import install
from tests.cometbft.net import EngineNet


@pytest.fixture(scope="session")
def cometbft() -> None:
    """Skip without the pinned CometBFT."""
    reason = install.missing()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def net(cometbft: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineNet]:
    """Four CometBFT validators, the key-value application behind each."""
    with EngineNet(tmp_path_factory.mktemp("net")) as running:
        yield running
