"""`python -m tests.cometbft.kvstore_abci`: the key-value application, without ticks, behind an ABCI socket."""

import sys

from chain.node.abci import main
from tests.node.kvstore_app import KvStoreApp

if __name__ == "__main__":
    sys.exit(main(app_factory=lambda store, _clock: KvStoreApp(store)))
