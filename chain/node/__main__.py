"""Entry of `python -m chain.node`."""

import sys

from chain.node.main import main

if __name__ == "__main__":
    sys.exit(main())
