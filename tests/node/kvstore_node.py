"""A real node process with the key-value application: `python -m tests.node.kvstore_node --home DIR`."""

import sys

from chain.node.main import main
from tests.node.kvstore_app import KvStoreApp

if __name__ == "__main__":
    sys.exit(main(app_factory=lambda store, clock: KvStoreApp(store, clock.now)))
