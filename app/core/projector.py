"""The projector: verified blocks in, rows out, one SQL transaction per block.

Killed at any point it continues where the last transaction ended; `rebuild` empties what it wrote and writes
it again, byte for byte, because projections use nothing but the blocks. When the node lies it notes why in
the state row (the API then refuses writes and says so) and stops.
Reads: the node through `app.core.verifier`.  Writes: the projected tables and the state row, nothing else.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from app.core.chain_client import MALFORMED, ChainClient, RpcError
from app.core.database import connected, insert_row, write
from app.core.feed import BlockFeed
from app.core.journal import JournalReader
from app.core.outbox import drop_outbox
from app.core.problems import NodeUnavailable
from app.core.projection import (
    PROJECTOR_ROW,
    ProjectedAnonymous,
    ProjectedBlock,
    ProjectedGenesis,
    ProjectedJournal,
    ProjectedTx,
    Projections,
    ProjectorState,
    Transaction,
    get_projector_state,
)
from app.core.transactions import ReadAnonymous, ReadTransaction, read_body, read_committed
from app.core.verifier import Anchor, NodeLied, ProvenBlock, Verifier
from app.core.wakeup import Wakeup
from chain.codec.canonical import b64url_decode
from chain.codec.cmtjson import from_json
from chain.codec.errors import DecodeError
from chain.codec.hashing import hash_validators
from chain.crypto.keys import address
from chain.town.genesis import GenesisError, compute_town, decode_genesis_state
from chain.town.migration import decode_migration, is_migration
from chain.types.abci import ExecTxResult
from chain.types.params import GenesisDoc
from chain.types.validator import Validator, new_validator_set

IDLE_WAIT_S: Final = 1.0
"""How long a missed wake-up can delay a block."""
RETRY_S: Final = 0.5
STALLED_S: Final = 5.0
"""Without a new block for so long, other nodes are asked whether there is one."""
HALTED_EXIT: Final = 3
"""Exit status of a projector that stopped because the node lied."""
_log = structlog.get_logger("app.projector")


class GenesisUnusable(Exception):
    """The trusted genesis file is missing, malformed, or of another chain than SQL follows."""


class Projector:
    """Keeps SQL at the last provable height of one chain."""

    def __init__(self, chain: ChainClient, genesis: GenesisDoc, projections: Projections) -> None:
        self._chain = chain
        self._genesis = genesis
        self._projections = projections
        self._feed = BlockFeed(chain)
        self._journal = JournalReader(chain, self._feed)
        self._verifier: Verifier | None = None
        self._moved_at_s = time.monotonic()
        """Monotonic second of the last block projected, or of the last look at other nodes."""

    # --- running ---------------------------------------------------------------------------

    def run(
        self,
        stop: threading.Event,
        wakeup: Wakeup,
        *,
        every_second: Callable[[], object] = lambda: None,
    ) -> None:
        """Follow until `stop` is set, calling `every_second` meanwhile; raises NodeLied after noting it."""
        called_at = 0.0
        with connected():
            self.prepare()
            while not stop.is_set():
                wakeup.clear()
                if not self._step_or_wait():
                    wakeup.wait(IDLE_WAIT_S)
                if time.monotonic() - called_at >= 1.0:
                    called_at = time.monotonic()
                    _call_unless_silent(every_second)

    def catch_up(self) -> int:
        """Project everything provable now; returns the height reached."""
        with connected():
            self.prepare()
            while self.step():
                pass
            return self._read_state().height

    def _step_or_wait(self) -> bool:
        try:
            return self.step()
        except (NodeUnavailable, RpcError) as error:
            _log.warning("node_silent", error=str(error)[:200])
            time.sleep(RETRY_S)
            return False

    def prepare(self) -> None:
        """Write the genesis on a fresh database; check it on any other, and move to the next chain with the town."""
        state = get_projector_state()
        lineage = _read_lineage(self._genesis)
        town = _compute_town(self._genesis) if lineage is None else lineage.town
        if lineage is not None and (state is None or state.chain_id != self._genesis.chain_id):
            self._move(state, lineage)
        elif state is None:
            with write():
                self._project_genesis(town)
        elif (state.chain_id, state.town) != (self._genesis.chain_id, town):
            raise GenesisUnusable(f"SQL follows {state.chain_id}, not {self._genesis.chain_id}")
        elif state.halted_code:
            _log.warning("trying_again", halted_code=state.halted_code)
            self._note_halt("")
        self._verifier = Verifier(self._chain, self._feed, self._anchor())

    def _move(self, state: ProjectorState | None, lineage: "_Lineage") -> None:
        """Go on with rows of the old chain, if they end exactly where the new one begins."""
        at = (lineage.town, lineage.chain_id, lineage.height, lineage.header_hash)
        if state is None or (state.town, state.chain_id, state.height, state.header_hash) != at:
            raise GenesisUnusable(
                f"this genesis continues {lineage.chain_id} after height {lineage.height}: first follow that chain "
                "to that height, with its own genesis and an archive node of it; then start with this genesis"
            )
        with write():
            ProjectorState.update(
                chain_id=self._genesis.chain_id,
                header_hash="",
                next_validators_hash=_hash_genesis_validators(self._genesis).hex(),
                app_hash=self._genesis.app_hash.hex(),
                halted_code="",
            ).where(ProjectorState.id == PROJECTOR_ROW).execute()
        _log.info("chain_moved", chain_id=self._genesis.chain_id, height=lineage.height)

    def step(self) -> bool:
        """Project one block; False when the next one is not provable yet. Raises NodeLied."""
        assert self._verifier is not None, "prepare first"
        try:
            proven = self._verifier.advance()
            if proven is None:
                self._look_around()
                return False
            entries = self._read_journal(proven)
            with write():
                self._project(proven, entries)
            self._moved_at_s = time.monotonic()
        except NodeLied as lie:
            _log.error("node_lied", code=lie.code, detail=lie.detail, node=lie.node)
            if self._go_on_without(lie.node):
                return True
            self._note_halt(lie.code)
            raise
        except RpcError:  # an error for an answer, again and again: no more use than silence
            self._look_around()
            raise
        return True

    def _read_journal(self, proven: ProvenBlock) -> tuple[dict[str, Any], ...]:
        try:
            return self._journal.read(proven)
        except NodeLied as lie:
            lie.node = lie.node or self._feed.source_of(proven.checked.header.height)
            raise

    def _go_on_without(self, liar: str) -> bool:
        """Ask the others from now on; False when fewer than f + 1 would be left, or nobody alone lied."""
        needed = (len(self._genesis.validators) - 1) // 3 + 1
        if liar not in self._chain.urls or len(self._chain.urls) - 1 < needed:
            return False
        self._chain.leave_out(liar)
        self._begin_again()
        _log.warning("going_on_without", node=liar, left=len(self._chain.urls))
        return True

    def _look_around(self) -> None:
        """A node that has shown nothing new for a while is asked last, if another one is further."""
        now_s = time.monotonic()
        if len(self._chain.urls) == 1 or now_s - self._moved_at_s < STALLED_S:
            return
        self._moved_at_s = now_s
        reached = self._read_state().height + 1  # a block is provable once its child is there
        for url in self._chain.urls[1:]:
            with suppress(NodeUnavailable, RpcError, *MALFORMED):
                status = self._chain.call("status", node=url)
                if int(status["sync_info"]["latest_block_height"]) > reached:
                    _log.warning("node_stalls", node=self._chain.urls[0], another=url)
                    self._chain.ask_last(self._chain.urls[0])
                    self._begin_again()
                    return

    def _begin_again(self) -> None:
        """From what SQL holds, with nothing kept of what was shown."""
        self._feed.forget()
        self._verifier = Verifier(self._chain, self._feed, self._anchor())

    def rebuild(self) -> int:
        """Empty the projected tables, fill them again; returns the height reached.

        Raises GenesisUnusable on a genesis that continues an older chain: its rows cannot be made from it alone.
        """
        if _read_lineage(self._genesis) is not None:
            raise GenesisUnusable("the rows began on an older chain: restore a copy of SQL instead")
        with connected():
            with write():
                for table in reversed(self._projections.tables):
                    table.delete().execute()
                ProjectorState.delete().execute()
            return self.catch_up()

    # --- writing ---------------------------------------------------------------------------

    def _project_genesis(self, town: str) -> None:
        genesis = self._genesis
        ProjectorState.insert(
            id=PROJECTOR_ROW,
            chain_id=genesis.chain_id,
            town=town,
            height=genesis.initial_height - 1,
            next_validators_hash=_hash_genesis_validators(genesis).hex(),
            time_s=genesis.genesis_time.seconds,
        ).execute()
        told = ProjectedGenesis(
            genesis.chain_id,
            genesis.genesis_time.seconds,
            genesis.initial_height,
            genesis.app_state,
        )
        for project in self._projections.genesis:
            project(told)

    def _project(self, proven: ProvenBlock, entries: tuple[dict[str, Any], ...]) -> None:
        block = proven.checked.block
        done = [
            self._project_tx(proven, index, read_committed(raw), result)
            for index, (raw, result) in enumerate(zip(block.data.txs, proven.results, strict=True))
        ]
        for position, entry in enumerate(entries):
            self._project_journal(proven, position, entry)
        told = ProjectedBlock(
            block.header,
            proven.checked.header_hash,
            proven.commit,
            proven.checked.validators,
            len(block.data.txs),
        )
        for project in self._projections.blocks:
            project(told)
        if done:
            drop_outbox([name for name in done if name], chain_time_s=block.header.time.seconds)
        self._advance_state(proven)

    def _project_tx(
        self,
        proven: ProvenBlock,
        index: int,
        read: ReadTransaction | ReadAnonymous | None,
        result: ExecTxResult,
    ) -> str:
        """One transaction; what no envelope can be read from never had an effect and gets no row."""
        header = proven.checked.header
        if read is None:
            return ""
        if isinstance(read, ReadAnonymous):
            self._project_anonymous(proven, index, read, result)
            return ""
        row = {
            "payload_hash": read.payload_hash,
            "height": header.height,
            "position": index,
            "time_s": header.time.seconds,
            "type": read.payload.type,
            "sender": read.payload.sender,
            "code": result.code,
            "data": result.data.decode("utf-8"),
        }
        insert_row(Transaction, row, is_new=False)
        project = self._projections.transactions.get(read.payload.type)
        if result.is_ok() and project is not None:
            project(
                ProjectedTx(
                    header.height,
                    index,
                    header.time.seconds,
                    read.payload_hash,
                    read.payload,
                    read_body(read.payload),
                    result.code,
                    json.loads(result.data or b"{}"),
                )
            )
        return read.payload_hash

    def _project_anonymous(
        self, proven: ProvenBlock, index: int, read: ReadAnonymous, result: ExecTxResult
    ) -> None:
        """What nobody signed has no row of its own: whoever asked for one alone would say whose it is."""
        project = self._projections.anonymous.get(read.type)
        if not result.is_ok() or project is None:
            return
        header = proven.checked.header
        facts = json.loads(result.data or b"{}")
        project(
            ProjectedAnonymous(
                header.height, index, header.time.seconds, read.type, read.body, facts
            )
        )

    def _project_journal(self, proven: ProvenBlock, position: int, entry: dict[str, Any]) -> None:
        header, kind = proven.checked.header, str(entry["kind"])
        project = self._projections.journal.get(kind)
        if project is not None:
            facts = {name: value for name, value in entry.items() if name != "kind"}
            project(ProjectedJournal(header.height, position, header.time.seconds, kind, facts))

    def _advance_state(self, proven: ProvenBlock) -> None:
        header = proven.checked.header
        ProjectorState.update(
            height=header.height,
            header_hash=proven.checked.header_hash.hex(),
            next_validators_hash=header.next_validators_hash.hex(),
            app_hash=proven.child.header.app_hash.hex(),
            time_s=header.time.seconds,
        ).where(ProjectorState.id == PROJECTOR_ROW).execute()

    def _note_halt(self, code: str) -> None:
        with write():
            ProjectorState.update(halted_code=code).where(
                ProjectorState.id == PROJECTOR_ROW
            ).execute()

    def _anchor(self) -> Anchor:
        state = self._read_state()
        return Anchor(
            state.chain_id,
            state.height,
            bytes.fromhex(state.header_hash),
            bytes.fromhex(state.next_validators_hash),
        )

    def _read_state(self) -> ProjectorState:
        state = get_projector_state()
        assert state is not None, "prepare writes it"
        return state


def _call_unless_silent(act: Callable[[], object]) -> None:
    try:
        act()
    except (NodeUnavailable, RpcError) as error:
        _log.info("node_silent", error=str(error)[:200])


# --- the trusted genesis -----------------------------------------------------------------------


def read_genesis(path: Path) -> GenesisDoc:
    """Read `genesis.json`; raises GenesisUnusable."""
    try:
        return from_json(GenesisDoc, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, DecodeError) as error:
        raise GenesisUnusable(f"{path}: {error}") from error


def genesis_anchor(genesis: GenesisDoc) -> Anchor:
    """What the first block of a chain is checked against, when nothing of it was seen yet."""
    validators_hash = _hash_genesis_validators(genesis)
    return Anchor(genesis.chain_id, genesis.initial_height - 1, b"", validators_hash)


@dataclass(frozen=True, slots=True)
class _Lineage:
    """Where an exported genesis takes over."""

    town: str
    chain_id: str
    height: int
    header_hash: str


def _read_lineage(genesis: GenesisDoc) -> _Lineage | None:
    """None for a genesis that founds a town."""
    raw = json.dumps(genesis.app_state).encode()
    if not is_migration(raw):
        return None
    try:
        state = decode_migration(raw)
    except GenesisError as error:
        raise GenesisUnusable(str(error)) from error
    before = state.lineage
    header_hash = b64url_decode(before.header_hash).hex()
    return _Lineage(state.town, before.chain_id, before.height, header_hash)


def _compute_town(genesis: GenesisDoc) -> str:
    try:
        state = decode_genesis_state(json.dumps(genesis.app_state).encode())
        return compute_town(genesis.chain_id, genesis.genesis_time, state)
    except GenesisError as error:
        raise GenesisUnusable(str(error)) from error


def _hash_genesis_validators(genesis: GenesisDoc) -> bytes:
    listed = tuple(
        Validator(address(validator.pub_key), validator.pub_key, validator.power)
        for validator in genesis.validators
    )
    return hash_validators(new_validator_set(listed).validators)
