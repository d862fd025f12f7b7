"""A town of production nodes on the simulation's machines, played for three heights; one machine's disk is the victim.

Calm weather: every message arrives after a millisecond. What goes wrong is the victim's disk, at one chosen operation.
The wire, the disks and the decisions are watched by `tests.sim.full.watch` and by `Decisions`.
"""

import asyncio
import gc
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chain.codec.proto import decode
from chain.codec.signbytes import proposal_sign_bytes
from chain.crypto.ed25519 import derive_public, verify_zip215
from chain.store.blocks import _ROW_DECODER
from chain.store.kv import Batch
from chain.types.block import Block
from chain.types.messages import ConsensusMessage, VoteMessage
from chain.types.primitives import SignedMsgType
from tests.node.kvstore_app import KvStoreApp
from tests.sim.full.loop import Deadlock, VirtualLoop
from tests.sim.full.machine import Machine, describe, seed_of
from tests.sim.full.net import Net
from tests.sim.full.scene import genesis_of
from tests.sim.full.watch import Marks, Trace, Watcher

HEIGHTS = 3
PLAY_MAX_S = 90.0
"""Virtual seconds in which the town must get there, whatever happened to one disk."""
BLOCK_ROW = 0x42
BLOCK_MAX_BYTES = 1_000


class CalmRoute:
    """Every message arrives, soon and once."""

    def delays(self, *_: Any) -> tuple[float, ...]:
        return (0.001,)

    def is_cut(self, _source: int, _target: int) -> bool:
        return False


@dataclass
class Decisions:
    """What precommits on the wire decided: a block that others may have acted on can never become another."""

    total: int
    votes: dict[tuple[int, int, bytes], set[bytes]] = field(default_factory=dict)
    decided: dict[int, bytes] = field(default_factory=dict)

    def hear(self, message: Any) -> None:
        if not isinstance(message, ConsensusMessage):
            return
        body = message.value
        if not isinstance(body, VoteMessage) or body.vote.type is not SignedMsgType.PRECOMMIT:
            return
        vote = body.vote
        if vote.block_id.is_nil():
            return
        voters = self.votes.setdefault((vote.height, vote.round, vote.block_id.hash), set())
        voters.add(vote.validator_address)
        if 3 * len(voters) > 2 * self.total:
            self.decided.setdefault(vote.height, vote.block_id.hash)


class Town:
    """Machines 0 to n-1 and what is known of them."""

    def __init__(self, validators: int, *, has_own_store: bool = False) -> None:
        self.loop = VirtualLoop(random.Random("order"))
        self.marks = Marks()
        self.trace = Trace(self.loop.time, None)
        genesis = genesis_of(validators, {})
        self.watcher = Watcher(genesis.doc.chain_id, self.trace, self.marks)
        self.watcher.verify = self._is_by
        self.decisions = Decisions(validators)
        self.watcher.heard.append(self.decisions.hear)
        self.net = Net(self.loop, random.Random("net"), CalmRoute(), self.watcher)
        self.machines = [
            Machine(i, self.loop, self.net, random.Random(i), genesis, self._application)
            for i in range(validators)
        ]
        for machine in self.machines:
            machine.has_own_store = has_own_store
            machine.on_failure = self._on_failure
            machine.on_crash = self._on_crash
            machine.disk.on_write = lambda batch, m=machine: self._on_write(m, batch)
            self.watcher.disks[machine.index] = machine.disk
            self.watcher.addresses[machine.index] = machine.address
        self.is_expected: Callable[[Machine, BaseException], bool] = lambda _machine, _failure: (
            False
        )
        self.failures: list[BaseException] = []
        """Failures that were expected."""
        self.restart_after_s: float | None = 0.5
        self.goal = HEIGHTS
        self.is_over: Callable[[], bool] = self._all_there

    @staticmethod
    def _application(store: Any, clock: Any) -> KvStoreApp:
        return KvStoreApp(store, clock.now)

    def _is_by(self, source: int, proposal: Any) -> bool:
        message = proposal_sign_bytes(self.watcher.chain_id, proposal)
        return verify_zip215(derive_public(seed_of(source)), message, proposal.signature)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────

    def _on_write(self, machine: Machine, batch: Batch) -> None:
        for key, value in batch.writes.items():
            if len(key) == 9 and key[0] == BLOCK_ROW and value is not None:
                self.watcher.on_block(machine.index, int.from_bytes(key[1:], "big"), value)

    def _on_crash(self, machine: Machine, _why: str) -> None:
        if self.restart_after_s is not None:
            self._later(self.restart_after_s, lambda: machine.is_up or machine.boot())

    def _on_failure(self, machine: Machine, failure: BaseException) -> None:
        if self.is_expected(machine, failure):
            self.failures.append(failure)
        else:
            self.watcher.violate("R1", f"n{machine.index}: {failure!r}\n{describe(failure)}")

    def _later(self, delay_s: float, work: Callable[[], object]) -> None:
        self.loop.call_later(delay_s, work, context=self.loop.director.context)

    def _all_there(self) -> bool:
        return all(m.is_up and self.height(m) >= self.goal for m in self.machines)

    @staticmethod
    def height(machine: Machine) -> int:
        node = machine.node
        return 0 if node is None or node.host is None else node.host.state.last_block_height

    # ── the story ────────────────────────────────────────────────────────────────────────────────────

    def play(self) -> list[tuple[str, str]]:
        """Run until everybody is at the last height; returns what was violated."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            self.loop.run_until_complete(self._story())
        except Deadlock as failure:
            self.watcher.violate("L1", f"deadlock: {failure}")
        finally:
            self.close()
            if was_enabled:
                gc.enable()
        self._check_blocks()
        return self.watcher.violations

    async def _story(self) -> None:
        for machine in self.machines:
            if not machine.is_up:
                machine.boot()
        end_s = self.loop.time() + PLAY_MAX_S
        while self.loop.time() < end_s and not self.watcher.violations:
            await asyncio.sleep(0.05)
            self._offer()
            if self.is_over():
                return
        if not self.watcher.violations:
            heights = [self.height(m) for m in self.machines]
            self.watcher.violate("L1", f"not there in {PLAY_MAX_S} s: heights {heights}")

    def _offer(self) -> None:
        """A client: a transaction for the next height, to everybody who listens, until it is in."""
        top = max(self.watcher.heights.values(), default=0)
        for machine in self.machines:
            if machine.is_up and machine.node is not None and machine.node.host is not None:
                self.loop.call_soon(
                    machine.node.pool.add,
                    b"h%d=%s" % (top, b"x" * 40),
                    context=machine.process.context,
                )

    def _check_blocks(self) -> None:
        for machine in self.machines:
            rows = machine.disk.rows.get("chain.lmdb", {})
            for key, raw in rows.items():
                if len(key) != 9 or key[0] != BLOCK_ROW:
                    continue
                row, height = _ROW_DECODER.decode(raw), int.from_bytes(key[1:], "big")
                assert isinstance(decode(Block, row.encoded), Block)
                if len(row.encoded) >= BLOCK_MAX_BYTES:
                    self.watcher.violate("workload", f"block {height}: {len(row.encoded)} bytes")
                wanted = self.decisions.decided.get(height)
                if wanted is not None and row.block_id.hash != wanted:
                    self.watcher.violate("S1", f"n{machine.index} has another block {height}")

    def close(self) -> None:
        for machine in self.machines:
            self.restart_after_s = None
            machine.end("over")
        self.loop.close()
