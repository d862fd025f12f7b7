"""A town's chain for programs outside city hall: nothing a node says is used before it is proved.

    chain = TrustedChain(light_client, sources, rpc)
    chain.begin(root)                      # a header hash, a genesis, or the block an earlier run trusted
    chain.catch_up()                       # newest header, by signatures, compared with witnesses
    chain.record("votes", b"election/…")   # proved under that header's app hash (None: proved absent)
    chain.transactions(height)             # proved under that header's data hash

Trustees and registrars act on what they read here, with secrets at hand: a node that lies must not be able to choose
what they sign or decrypt. State is read one block behind the newest header, whose app hash proves it.
Reads: nodes' RPC.  Writes: nothing.  Never: believes a node.
"""

import base64
import http.client
import json
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from app.core.chain_client import MALFORMED, ChainClient, QueryAnswer, RpcError
from app.core.light_source import LightSource, drive
from app.core.refusals import NodeUnavailable
from chain.codec.cmtjson import from_json
from chain.codec.errors import DecodeError
from chain.codec.hashing import hash_data
from chain.light.bisection import Failure
from chain.light.bundle import Bundle, Checkpoint, checkpoint_of, state_bundle
from chain.light.client import LightClient, Outcome, TrustRoot, Verified
from chain.light.sources import Steps
from chain.light.state_proof import verify_record
from chain.types.abci import ProofOp
from chain.types.block import Block, Header
from chain.types.evidence import LightBlock
from chain.types.timestamp import Timestamp

ResultT = TypeVar("ResultT")


class NotProved(Exception):
    """What a node showed is not what the chain says, or no chain can be shown; the message says which."""


def read_clock() -> Timestamp:
    """The machine's time."""
    return Timestamp.from_ns(time.time_ns())


class TrustedChain:
    """One run: trust begun once, then read at one proved height until `catch_up` is called again."""

    def __init__(
        self,
        client: LightClient,
        sources: Mapping[str, LightSource],
        rpc: ChainClient,
        *,
        clock: Callable[[], Timestamp] = read_clock,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client = client
        self._sources = dict(sources)
        self.rpc = rpc
        """For broadcasts, and for what is proved otherwise."""
        self._clock = clock
        self._pause = pause
        self._newest: LightBlock | None = None

    # --- trust -------------------------------------------------------------------------------

    def begin(self, root: TrustRoot) -> None:
        """Fetch and judge the first trusted block; raises NotProved."""
        self._newest = self._run(self.client.begin(root))

    def catch_up(self) -> Header:
        """Verify the newest header; raises NotProved, also when nodes show two chains."""
        self._newest = self._run(self.client.verify_latest(self._clock()))
        return self.header

    @property
    def header(self) -> Header:
        """The newest header verified."""
        assert self._newest is not None, "trust begins with `begin`"
        return self._newest.signed_header.header

    @property
    def state_height(self) -> int:
        """The height whose state `record` reads."""
        return self.header.height - 1

    def header_at(self, height: int) -> Header:
        """A header of any height, verified; raises NotProved."""
        if height == self.header.height:
            return self.header
        block = self._run(self.client.verify_height(height, self._clock()))
        return block.signed_header.header

    def _run(self, steps: Steps[Outcome]) -> LightBlock:
        outcome = drive(steps, self._sources, self._pause)
        if isinstance(outcome, Verified):
            return outcome.block
        if isinstance(outcome, Failure):
            raise NotProved(f"height {outcome.height}: {outcome.reason}")
        raise NotProved(f"{outcome.primary} and {outcome.witness} show two chains, both signed")

    # --- reading -----------------------------------------------------------------------------

    def record(self, namespace: str, record_id: bytes) -> bytes | None:
        """A record of the state after `state_height`, None when it is proved that there is none.

        Raises NotProved. `record_id` is the full id, table prefix included.
        """
        return self._query(namespace, record_id)[0]

    def prove(self, namespace: str, record_id: bytes) -> Bundle:
        """The same with its proof, to be checked offline by others; raises NotProved."""
        record, ops = self._query(namespace, record_id)
        assert self._newest is not None, "trust begins with `begin`"
        return state_bundle(self._newest, namespace, record_id, record, ops)

    def checkpoint(self) -> Checkpoint:
        """The newest header verified, for those who trust whoever hands it out."""
        return checkpoint_of(self.header)

    def _query(self, namespace: str, record_id: bytes) -> tuple[bytes | None, tuple[ProofOp, ...]]:
        return self.ask_each(lambda url: self._query_at(url, namespace, record_id))

    def ask_each(self, ask: Callable[[str], ResultT]) -> ResultT:
        """What the first node gives that can show it; one that cannot is asked last from then on.

        Raises the first NotProved when no node can: a single liar, or one that lags, must not stop a trustee.
        """
        flaws: list[NotProved] = []
        for url in self.rpc.by_health():
            try:
                return ask(url)
            except NotProved as flaw:
                flaws.append(flaw)
                self.rpc.ask_last(url)
        raise flaws[0]

    def _query_at(
        self, url: str, namespace: str, record_id: bytes
    ) -> tuple[bytes | None, tuple[ProofOp, ...]]:
        try:
            answer = self.rpc.query(
                f"/record/{namespace}", record_id, height=self.state_height, prove=True, node=url
            )
            ops = _read_ops(answer)
        except (RpcError, NodeUnavailable, *MALFORMED) as error:
            raise NotProved(f"no node shows the record: {error}") from error
        record = answer.value or None
        app_hash = self.header.app_hash
        if answer.code or not verify_record(app_hash, namespace, record_id, record, ops):
            name = record_id.decode("utf-8", "replace")
            raise NotProved(f"{namespace} {name}: not proved ({answer.log or 'another state'})")
        return record, ops

    def town(self) -> str:
        """The town's name, which its transactions carry; raises NotProved."""
        record = self.record("city", b"town/town")
        if record is None:
            raise NotProved("this chain is no town")
        return str(json.loads(record)["town"])

    def transactions(self, height: int) -> tuple[bytes, ...]:
        """The transactions of a block, all and only those its header names; raises NotProved."""
        header = self.header_at(height)
        return self.ask_each(lambda url: self._transactions_at(url, header))

    def _transactions_at(self, url: str, header: Header) -> tuple[bytes, ...]:
        height = header.height
        try:
            shown = self.rpc.call("block", {"height": str(height)}, node=url)
            txs = from_json(Block, shown["block"]).data.txs
        except (
            RpcError,
            NodeUnavailable,
            DecodeError,
            OSError,
            http.client.HTTPException,
            *MALFORMED,
        ) as error:
            raise NotProved(f"block {height}: {error}") from error
        if hash_data(tuple(txs)) != header.data_hash:
            raise NotProved(f"block {height}: not the transactions its header names")
        return tuple(txs)


def _read_ops(answer: QueryAnswer) -> tuple[ProofOp, ...]:
    return tuple(
        ProofOp(
            str(op["type"]),
            base64.b64decode(op["key"], validate=True),
            base64.b64decode(op["data"], validate=True),
        )
        for op in answer.proof_ops
    )
