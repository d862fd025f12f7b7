"""What happened at the end of a block, as a proved leaf of the state tree: present with its entries, or absent.

A leaf is never rewritten, so any later state proves it too. While catching up, the version of the block is
long gone at the node: then one recent version is asked, under a header trusted by skipping verification.
Reads: the node's RPC.  Never: believes an unproved answer.
"""

import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.core.chain_client import ChainClient, QueryAnswer, RpcError
from app.core.feed import JOURNAL_PATH, BlockFeed, journal_id
from app.core.proofs import read_proof_ops
from app.core.verifier import NodeLied, ProvenBlock, fetch_validators, reading
from chain.codec.cmtjson import from_json
from chain.codec.hashing import hash_validators
from chain.light.state_proof import verify_record
from chain.light.verifier import TrustedBlock, TrustOptions, Verdict, verify_step
from chain.types.block import SignedHeader
from chain.types.codes import QUERY_VERSION_GONE
from chain.types.evidence import LightBlock
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp

NAMESPACE: Final = "journal"
_FOR_EVER: Final = TrustOptions(trusting_period_ns=1_000 * 365 * 86_400 * NANOS_PER_SECOND)
"""The walk starts from the operator's genesis and checks every block, so age lends no doubt here."""


@dataclass(frozen=True, slots=True)
class _Version:
    """A state version and the app hash, from a verified header, that its proofs lead to."""

    height: int
    app_hash: bytes


class JournalReader:
    """Reads proved journal leaves over one chain client."""

    def __init__(self, chain: ChainClient, feed: BlockFeed) -> None:
        self._chain = chain
        self._feed = feed
        self._recent: _Version | None = None

    def read(self, proven: ProvenBlock) -> tuple[dict[str, Any], ...]:
        """Entries of the block's journal leaf, empty when there is none; raises NodeLied."""
        header, child = proven.checked.header, proven.child.header
        if child.app_hash == header.app_hash:
            return ()  # nothing changed, so nothing happened
        record = self._read_record(proven, journal_id(header.height))
        if record is None:
            return ()
        with reading("node_journal_unproved"):
            leaf = msgspec.json.decode(record, type=dict[str, Any])
            return tuple(leaf["entries"])

    def _read_record(self, proven: ProvenBlock, record_id: bytes) -> bytes | None:
        own = _Version(proven.checked.header.height, proven.child.header.app_hash)
        shown = self._feed.get(own.height)
        ahead = shown.journal if shown is not None else None
        if ahead is not None and ahead.code != QUERY_VERSION_GONE.number:
            return _prove(ahead, record_id, own)
        try:
            return self._read_newer(proven, record_id)
        except NodeLied as lie:
            lie.node = lie.node or self._chain.answered_by  # not who showed the block
            raise

    def _read_newer(self, proven: ProvenBlock, record_id: bytes) -> bytes | None:
        """The record under a newer state than its own, which is gone."""
        height = proven.checked.header.height
        if self._recent is not None and self._recent.height > height:
            answer = self._query(record_id, self._recent.height)
            if answer.code != QUERY_VERSION_GONE.number:
                return _prove(answer, record_id, self._recent)
        self._recent = self._trust_recent(proven)
        answer = self._query(record_id, self._recent.height)
        return _prove(answer, record_id, self._recent)

    def _query(self, record_id: bytes, height: int) -> QueryAnswer:
        return self._chain.query(JOURNAL_PATH, record_id, height=height, prove=True)

    # --- catching up -----------------------------------------------------------------------

    def _trust_recent(self, proven: ProvenBlock) -> _Version:
        """A version of a moment ago: the header before the newest one, trusted by skipping."""
        status = self._chain.call("status")
        with reading("node_malformed"):
            newest = int(status["sync_info"]["latest_block_height"])
        signed = self._skip_to(proven, newest)
        return _Version(newest - 1, signed.header.app_hash)

    def _skip_to(self, proven: ProvenBlock, target: int) -> SignedHeader:
        trusted = self._as_trusted(SignedHeader(proven.child.header, proven.commit))
        signed, goal = SignedHeader(proven.child.header, proven.commit), target
        while trusted.header.height < target:
            light = self._fetch_light(goal)
            judgement = verify_step(light, trusted, _FOR_EVER, _now())
            if judgement.verdict is Verdict.SUCCESS:
                signed = light.signed_header
                trusted, goal = self._as_trusted(signed), target
            elif judgement.verdict is Verdict.NOT_ENOUGH_TRUST and goal > trusted.header.height + 1:
                goal = (trusted.header.height + goal) // 2
            else:
                raise NodeLied("node_header_forged", f"height {goal}: {judgement.reason}")
        return signed

    def _as_trusted(self, signed: SignedHeader) -> TrustedBlock:
        try:
            announced = fetch_validators(self._chain, signed.header.height + 1)
        except RpcError:
            announced = fetch_validators(self._chain, signed.header.height)
        if hash_validators(announced.validators) != signed.header.next_validators_hash:
            raise NodeLied("node_validators_mismatch", f"after height {signed.header.height}")
        return TrustedBlock(signed.header, announced)

    def _fetch_light(self, height: int) -> LightBlock:
        commit = self._chain.call("commit", {"height": str(height)})
        with reading("node_malformed"):
            signed = from_json(SignedHeader, commit["signed_header"])
        return LightBlock(signed, fetch_validators(self._chain, height))


def _now() -> Timestamp:
    return Timestamp.from_ns(time.time_ns())


def _prove(answer: QueryAnswer, record_id: bytes, version: _Version) -> bytes | None:
    """The record, or None for proved absence; raises NodeLied for anything unproved."""
    record = answer.value or None
    with reading("node_journal_unproved"):
        ops = read_proof_ops(answer)
    if answer.code or not verify_record(version.app_hash, NAMESPACE, record_id, record, ops):
        raise NodeLied("node_journal_unproved", f"state of height {version.height}")
    return record
