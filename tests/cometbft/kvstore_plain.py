"""`python -m tests.cometbft.kvstore_plain`: an embedded node with the application of `kvstore_abci`."""

import sys

from chain.node.main import main
from tests.node.kvstore_app import KvStoreApp

if __name__ == "__main__":
    sys.exit(main(app_factory=lambda store, _clock: KvStoreApp(store)))
