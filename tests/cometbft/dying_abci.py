"""`python -m tests.cometbft.dying_abci`: the key-value application that, once, ends something before Commit.

DIE_HEIGHT: after FinalizeBlock of this height; DIE_PID_FILE: kill -9 that process and go on, else this one ends.
LIE_HASH: Info tells a wrong app hash.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from chain.node.abci import main
from chain.types.abci import RequestFinalizeBlock, RequestInfo, ResponseFinalizeBlock, ResponseInfo
from tests.node.kvstore_app import KvStoreApp


class Dying(KvStoreApp):
    def info(self, request: RequestInfo) -> ResponseInfo:
        answer = super().info(request)
        if "LIE_HASH" in os.environ and answer.last_block_height:
            return replace(answer, last_block_app_hash=b"\x07" * 32)
        return answer

    def finalize_block(self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock:
        answer = super().finalize_block(request)
        if request.height == int(os.environ.get("DIE_HEIGHT", "0")):
            pid_file = os.environ.get("DIE_PID_FILE")
            os.kill(int(Path(pid_file).read_text()) if pid_file else os.getpid(), signal.SIGKILL)
        return answer


if __name__ == "__main__":
    sys.exit(main(app_factory=lambda store, _clock: Dying(store)))
