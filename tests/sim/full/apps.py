"""The application of the cheap seeds, and an independent model of it.

`OnceApp` is the tests' key-value application with a replay rule, as the town has one: a key is written once.
"""

from hashlib import sha256

from chain.types.abci import (
    ExecTxResult,
    RequestCheckTx,
    RequestProcessProposal,
    ResponseCheckTx,
    ResponseProcessProposal,
)
from tests.node.kvstore_app import Candidate, KvStoreApp

ALREADY = 5


class OnceApp(KvStoreApp):
    """A second transaction for a key has no effect."""

    def check_tx(self, request: RequestCheckTx) -> ResponseCheckTx:
        key = request.tx.partition(b"=")[0]
        if self.store.get("kv", key) is not None:
            return ResponseCheckTx(code=ALREADY, log="written already", codespace="kv")
        return super().check_tx(request)

    def process_proposal(self, request: RequestProcessProposal) -> ResponseProcessProposal:
        answer = super().process_proposal(request)
        self.calls.clear()
        return answer

    def _apply(self, candidate: Candidate, updates: list, tx: bytes) -> ExecTxResult:
        key = tx.partition(b"=")[0]
        if candidate.writes.get(key, self.store.get("kv", key)) is not None:
            return ExecTxResult(code=ALREADY, log="written already", codespace="kv")
        return super()._apply(candidate, updates, tx)


class KeyValueModel:
    """What the blocks must do, written again from the rules: app hash and outcome of each transaction."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.app_hash = (0).to_bytes(32, "big")

    def run(self, txs: tuple[bytes, ...]) -> list[int]:
        codes = []
        for tx in txs:
            key, value = tx.split(b"=", 1)
            if key in self.records:
                codes.append(ALREADY)
            elif value == b"refuse":
                codes.append(3)
            else:
                self.records[key] = value
                codes.append(0)
        total = 0
        for key, value in self.records.items():
            text = len(key).to_bytes(4, "big") + key + value
            total += int.from_bytes(sha256(text).digest(), "big")
        self.app_hash = (total % 2**256).to_bytes(32, "big")
        return codes
