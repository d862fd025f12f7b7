"""Following a chain without trusting whoever shows it: every block is checked before SQL sees a byte of it.

    header H+1   decided by the validators that header H announced, and names H as its parent
    data hash    the transactions shown are those of the header
    results      those shown for H hash to header H+1's last_results_hash
    journal      what happened at the end of H is a leaf proved under header H+1's app_hash

so H can be projected once header H+1 is there. Anything else is a lie of the node, with a code of its own.
Reads: the node's RPC.  Writes: nothing.
"""

from dataclasses import dataclass
from typing import Any, Final

from app.core.chain_client import MALFORMED, ChainClient, RpcError
from app.core.feed import BlockFeed, Pruned, ShownBlock
from app.core.problems import NodeUnavailable
from chain.codec.cmtjson import from_json
from chain.codec.hashing import hash_commit, hash_data, hash_header, hash_results, hash_validators
from chain.crypto.commits import verify_commit_light
from chain.crypto.light_forms import light_block_form
from chain.types.abci import ExecTxResult
from chain.types.block import Block, Commit, Header, SignedHeader
from chain.types.evidence import LightBlock
from chain.types.validator import Validator, ValidatorSet

PRUNED_TEXT: Final = "is not available, lowest height is"
"""CometBFT's words for a height below the base."""
VALIDATORS_PER_PAGE: Final = 100
"""CometBFT's limit of one page of `validators`."""

NODE_FORK: Final = "node_fork"
NODE_PRUNED: Final = "node_pruned"
"""Not a lie, but as much an end: what SQL needs next is nowhere to be read."""


class NodeLied(Exception):
    """A node showed something that does not verify; `code` is stable.

    `node` is who did; empty when nobody alone did (a fork that is proved, a height that is nowhere). The projector
    goes on without that node when enough others are configured, else it halts with the code.
    """

    def __init__(self, code: str, detail: str, node: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.node = node


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the next header is checked against; before the first block, what the genesis says."""

    chain_id: str
    height: int
    header_hash: bytes
    """Empty before the first block."""
    next_validators_hash: bytes
    time_ns: int = 0


@dataclass(frozen=True, slots=True)
class CheckedBlock:
    """A block whose header was decided by the right validators and whose transactions are its own."""

    block: Block
    header_hash: bytes
    validators: ValidatorSet

    @property
    def header(self) -> Header:
        """The verified header."""
        return self.block.header

    def anchor(self) -> Anchor:
        """What its child is checked against."""
        header = self.header
        return Anchor(
            header.chain_id,
            header.height,
            self.header_hash,
            header.next_validators_hash,
            header.time.to_ns(),
        )


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """A block with its results, both proved; `child` is the block whose header proves them."""

    checked: CheckedBlock
    results: tuple[ExecTxResult, ...]
    commit: Commit
    """The canonical one, from the next block."""
    child: CheckedBlock


class Verifier:
    """Walks a chain block by block from an anchor, over one node, with others as witnesses."""

    def __init__(self, chain: ChainClient, feed: BlockFeed, anchor: Anchor) -> None:
        self._chain = chain
        self._feed = feed
        self._anchor = anchor
        self._tip: CheckedBlock | None = None
        """The block after the anchor, once it was checked: its results wait for its child."""
        self._looked_at = anchor.height + 1
        """Height whose answers are being judged."""
        self._sets: dict[bytes, ValidatorSet] = {}
        """Validator sets seen lately, by hash; at most two (now and next)."""

    def advance(self) -> ProvenBlock | None:
        """The next provable block, or None while its child is not there yet.

        Raises NodeLied, NodeUnavailable.
        """
        try:
            with reading("node_malformed"):  # also what only hashing a value shows to be none
                return self._advance()
        except NodeLied as lie:
            if not lie.node and lie.code not in (NODE_FORK, NODE_PRUNED):
                lie.node = self._feed.source_of(self._looked_at) or self._chain.answered_by
            raise

    def _advance(self) -> ProvenBlock | None:
        if self._tip is None:
            first = self._fetch(self._anchor.height + 1)
            if first is None:
                return None
            self._tip = self._check(self._anchor, *first)
        tip = self._tip
        fetched = self._fetch(tip.header.height + 1)
        if fetched is None:
            return None
        child = self._check(tip.anchor(), *fetched)
        if not self._is_witnessed(child):
            return None
        results = self._fetch_results(tip.header, child.header)
        self._anchor, self._tip = tip.anchor(), child
        return ProvenBlock(tip, results, child.block.last_commit, child)

    # --- asking the node -------------------------------------------------------------------

    def _fetch(self, height: int) -> tuple[Block, Commit] | None:
        """Block and commit of a height, or None when the node has not decided it."""
        shown = self._show(height)
        if shown is None:
            return None
        with reading("node_malformed"):
            signed = from_json(SignedHeader, shown.commit["signed_header"])
            return from_json(Block, shown.block["block"]), signed.commit

    def _show(self, height: int) -> ShownBlock | None:
        self._looked_at = height
        try:
            with reading("node_malformed"):
                return self._feed.get(height)
        except Pruned as gone:
            detail = f"no configured node keeps height {gone.height} any more"
            raise NodeLied(NODE_PRUNED, detail) from gone

    def _fetch_results(self, header: Header, child: Header) -> tuple[ExecTxResult, ...]:
        found = self._show(header.height)
        if found is None:
            raise NodeUnavailable
        with reading("node_malformed"):
            lines = found.results["txs_results"] or ()
            shown = tuple(from_json(ExecTxResult, line) for line in lines)
        if hash_results(shown) != child.last_results_hash:
            raise NodeLied("node_results_mismatch", f"results of height {header.height}")
        return shown

    def _get_validators(self, header: Header) -> ValidatorSet:
        known = self._sets.get(header.validators_hash)
        if known is not None:
            return known
        found = fetch_validators(self._chain, header.height)
        if hash_validators(found.validators) != header.validators_hash:
            where = f"validators of height {header.height}"
            raise NodeLied("node_validators_mismatch", where, self._chain.answered_by)
        self._sets = {**dict(list(self._sets.items())[-1:]), header.validators_hash: found}
        return found

    def _is_witnessed(self, checked: CheckedBlock) -> bool:
        """f other nodes show the same header (PROTOCOL §4), as far as so many are configured and still have it."""
        others = self._chain.urls[1:]
        wanted = min((len(checked.validators.validators) - 1) // 3, len(others))
        agreed = gone = 0
        for url in others if wanted else ():
            said = self._ask_witness(url, checked)
            gone += said is None
            agreed += said is True
            if agreed == wanted:
                break
        return agreed >= min(wanted, len(others) - gone)

    def _ask_witness(self, url: str, checked: CheckedBlock) -> bool | None:
        """Whether a node shows the header; None when it has pruned it, and so cannot speak for or against."""
        height = checked.header.height
        try:
            answer = self._chain.call("commit", {"height": str(height)}, node=url)
        except RpcError as error:
            return None if PRUNED_TEXT in error.data else False
        except NodeUnavailable:
            return False
        try:
            with reading("node_malformed"):
                shown = from_json(SignedHeader, answer["signed_header"])
                is_same = hash_header(shown.header) == checked.header_hash
                is_fork = not is_same and _is_fork(shown, checked)
        except NodeLied as lie:
            lie.node = url
            raise
        if not is_same:
            liar = "" if is_fork else url
            raise NodeLied(NODE_FORK, f"two nodes show different headers of height {height}", liar)
        return True

    # --- checking --------------------------------------------------------------------------

    def _check(self, anchor: Anchor, block: Block, commit: Commit) -> CheckedBlock:
        header, header_hash = block.header, hash_header(block.header)
        where = f"height {anchor.height + 1}"
        if header.chain_id != anchor.chain_id:
            raise NodeLied("node_wrong_chain", f"{where}: chain {header.chain_id[:50]!r}")
        if header.height != anchor.height + 1 or header.last_block_id.hash != anchor.header_hash:
            raise NodeLied("node_header_forged", f"{where}: not the child of the last header")
        if header.validators_hash != anchor.next_validators_hash:
            raise NodeLied("node_header_forged", f"{where}: validators were not announced")
        if header.time.to_ns() < anchor.time_ns:
            raise NodeLied("node_header_forged", f"{where}: time goes backwards")
        validators = self._get_validators(header)
        _check_commit(header, commit, validators)
        if hash_data(block.data.txs) != header.data_hash:
            raise NodeLied("node_data_mismatch", f"{where}: transactions")
        if hash_commit(block.last_commit) != header.last_commit_hash:
            raise NodeLied("node_data_mismatch", f"{where}: last commit")
        return CheckedBlock(block, header_hash, validators)


def fetch_validators(chain: ChainClient, height: int) -> ValidatorSet:
    """The set a node shows for a height, all pages; not verified."""
    found: list[Validator] = []
    for page in range(1, 101):
        answer = chain.call(
            "validators",
            {"height": str(height), "page": str(page), "per_page": str(VALIDATORS_PER_PAGE)},
        )
        with reading("node_malformed"):
            found.extend(from_json(Validator, line) for line in answer["validators"])
            total = int(answer["total"])
        if len(found) >= total:
            break
    return ValidatorSet(tuple(found))


def _is_fork(shown: SignedHeader, checked: CheckedBlock) -> bool:
    """Whether the same validators decided this other header too, for the same height of the same chain.

    Then that is proved, whoever shows it. An honest header of another height only says that this node lies.
    """
    ours, other = checked.header, shown.header
    if (other.chain_id, other.height) != (ours.chain_id, ours.height):
        return False
    try:
        _check_commit(other, shown.commit, checked.validators)
    except NodeLied:
        return False
    return True


def _check_commit(header: Header, commit: Commit, validators: ValidatorSet) -> None:
    """The commit decides this very header, by more than two thirds of its own validators."""
    block = LightBlock(SignedHeader(header, commit), validators)
    flaw = light_block_form(block, header.chain_id)
    if flaw:
        raise NodeLied("node_header_forged", f"height {header.height}: {flaw}")
    refusal = verify_commit_light(
        header.chain_id, validators, commit.block_id, header.height, commit
    )
    if refusal is not None:
        raise NodeLied("node_commit_invalid", f"height {header.height}: {refusal}")


class reading:  # noqa: N801  # reads as a statement: `with reading(...)`
    """Whatever a malformed answer raises while being read becomes a NodeLied."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: Any, _trace: Any) -> None:
        if isinstance(error, MALFORMED):
            raise NodeLied(self._code, f"{type(error).__name__}: {error}"[:200]) from error
