"""A real validator process that is honest in consensus and lies in block sync: other transactions, same height."""

import sys
from dataclasses import replace

from chain.codec.hashing import hash_data
from chain.node.main import main
from chain.sync.serving import BlockServer
from chain.types.block import Data
from chain.types.messages import BlockResponse
from tests.node.kvstore_app import KvStoreApp

honest = BlockServer._block


def lying(server, height):
    answer, size = honest(server, height)
    if isinstance(answer, BlockResponse):
        data = Data((b"stolen=everything",))
        header = replace(answer.block.header, data_hash=hash_data(data.txs))
        answer = replace(answer, block=replace(answer.block, data=data, header=header))
    return answer, size


if __name__ == "__main__":
    BlockServer._block = lying
    sys.exit(main(app_factory=lambda store, clock: KvStoreApp(store, clock.now)))
