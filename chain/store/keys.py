"""The key space of `data/chain.lmdb`: one byte says what a row is, heights are 8 bytes big-endian.

B height            encoded block                      b block hash      height
K height            seen commit (of the tip and below) S                 chain state, newest
R height            execution of the block             V height          validator set (sparse)
P height            consensus parameters (sparse)      G                 genesis document hash
X tx hash           height, index                      E key 0 value 0 height index   event of a tx
F key 0 value 0 height                                 event of a block
H height            header and commit of a block that is not here (before a restored snapshot)
A namespace 0 id    application record                 U height          application undo
M name              application meta                   N                 application version
Q evidence hash     height of the block that holds it  q height hash     evidence that waits for a block
T                   what was pruned so far
"""

from typing import Final

BLOCK: Final = b"B"
HASH_TO_HEIGHT: Final = b"b"
HEADER: Final = b"H"
SEEN_COMMIT: Final = b"K"
CHAIN_STATE: Final = b"S"
RESPONSES: Final = b"R"
VALIDATORS: Final = b"V"
PARAMS: Final = b"P"
GENESIS: Final = b"G"
TX: Final = b"X"
TX_EVENT: Final = b"E"
BLOCK_EVENT: Final = b"F"
APP_RECORD: Final = b"A"
APP_UNDO: Final = b"U"
APP_META: Final = b"M"
APP_VERSION: Final = b"N"
COMMITTED_EVIDENCE: Final = b"Q"
PENDING_EVIDENCE: Final = b"q"
PRUNED: Final = b"T"


def height_key(prefix: bytes, height: int) -> bytes:
    """Row of one height under `prefix`."""
    return prefix + height.to_bytes(8, "big")


def height_of(key: bytes) -> int:
    """Height of a `height_key`."""
    return int.from_bytes(key[1:9], "big")
