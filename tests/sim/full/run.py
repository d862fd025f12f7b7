"""One seed, from genesis to verdict."""

import asyncio
import gc
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from time import process_time
from typing import Any

import structlog

from chain.codec.signbytes import proposal_sign_bytes
from chain.crypto.ed25519 import is_accepted_quickly
from chain.node.node import AppFactory
from chain.store.kv import Batch
from tests.sim.full.loop import PROCESS, Deadlock, VirtualLoop
from tests.sim.full.machine import Machine, describe, is_disk_fault
from tests.sim.full.nemesis import Nemesis, Profile, draw_profile
from tests.sim.full.net import Net
from tests.sim.full.puppets import TRICKS, Puppet
from tests.sim.full.scene import Scene, key_value_scene
from tests.sim.full.town import TownTraffic, state_of, town_scene
from tests.sim.full.verdict import Verdict
from tests.sim.full.watch import Marks, Trace, Watcher
from tests.sim.full.workload import Clients

HEIGHTS_MIN = 10
FAULTS_OVER_S = 8.0
"""Virtual seconds in which the seed's faults begin."""
TROUBLE_MAX_S = 45.0
"""Virtual seconds after which everything is healed, whatever was reached."""
L1_HEIGHTS, L1_S = 5, 30.0
BLOCK_ROW = 0x42
LOG_MARKS = {
    "log repaired": "torn log repaired",
    "replaying the log": "log replayed",
    "conflicting votes": "conflict seen",
    "block refused": "block refused",
    "behind: back to block sync": "back to block sync",
    "peer dropped": "block sync dropped a peer",
    "vote not signed": "signer refused a vote",
    "proposal not signed": "signer refused a proposal",
    "own block refused": "own block refused",
    "signer state missing: signing nothing": "signer state missing",
}
QUIET_LOGS = frozenset(
    {"tx not taken", "tx refused", "peer connected", "peer gone", "node started"}
)


@dataclass
class Outcome:
    """What one seed came to."""

    seed: int
    digest: str
    heights: int
    rounds: list[int]
    marks: Marks
    violations: list[tuple[str, str]]
    virtual_s: float
    faults: list[str] = field(default_factory=list)
    messages: int = 0
    cpu_s: float = 0.0
    """Processor seconds that this seed took."""

    def is_good(self) -> bool:
        return not self.violations


class Run:
    """Everything of one seed."""

    def __init__(
        self,
        seed: int,
        *,
        say: Callable[[str], None] | None = None,
        profile: Profile | None = None,
        tricks: tuple[str, ...] | None = None,
        app_factory: AppFactory | None = None,
    ) -> None:
        self.seed = seed
        self.chance = random.Random(f"full node {seed}")
        self.profile = profile or draw_profile(self.chance)
        self.loop = VirtualLoop(random.Random(f"order {seed}"))
        self.marks = Marks()
        self.trace = Trace(self.loop.time, say)
        self.trace(f"{self.profile}")
        self.scene: Scene = (town_scene if self.profile.is_town else key_value_scene)(
            self.profile.validators, self.chance, self.loop
        )
        if isinstance(self.scene.traffic, TownTraffic):
            self.scene.traffic.find = self._find_record
        chain_id = self.scene.genesis.doc.chain_id
        self.watcher = Watcher(chain_id, self.trace, self.marks)
        self.watcher.verify = self._is_by
        self.nemesis = Nemesis(self.profile, self.chance, self.trace, self.marks)
        self.net = Net(self.loop, self.chance, self.nemesis, self.watcher)
        self.net.trace = self.trace
        self.nemesis.net = self.net
        self.machines = [self._machine(i, app_factory) for i in range(self.profile.validators)]
        self.nemesis.machines = self.machines
        self.watcher.liars = frozenset(self.profile.liars)
        self._add_puppets(tricks)
        self.clients = Clients(
            self.loop,
            self.machines,
            self.scene.traffic,
            self.chance,
            self.trace,
            self.marks,
            pause_s=self.scene.pause_s,
        )
        self._faults_seen = 0
        self._authors: dict[bytes, int] = {}

    def _is_by(self, source: int, proposal: Any) -> bool:
        """Whose key signed a proposal; libsodium's word is enough for keys that sign as everybody does."""
        author = self._authors.get(proposal.signature)
        if author is None:
            message = proposal_sign_bytes(self.watcher.chain_id, proposal)
            signers = (
                m.index
                for m in self.machines
                if is_accepted_quickly(m.public_key, message, proposal.signature)
            )
            author = self._authors[proposal.signature] = next(signers, -1)
        return author == source

    def _machine(self, index: int, app_factory: AppFactory | None) -> Machine:
        machine = Machine(
            index,
            self.loop,
            self.net,
            self.chance,
            self.scene.genesis,
            app_factory or self.scene.app_factory,
        )
        machine.has_own_store = self.profile.has_own_store
        machine.on_failure = self._on_failure
        machine.on_crash = self._on_crash
        machine.on_boot = self._on_boot
        machine.disk.on_write = lambda batch: self._on_write(machine, batch)
        self.watcher.disks[index] = machine.disk
        self.watcher.addresses[index] = machine.address
        return machine

    def _add_puppets(self, tricks: tuple[str, ...] | None) -> None:
        for index in self.profile.liars:
            chosen = tricks or tuple(self.chance.sample(TRICKS, self.chance.randint(1, 3)))
            peers = [i for i in range(self.profile.validators) if i != index]
            puppet = Puppet(
                self.machines[index],
                self.watcher.chain_id,
                chosen,
                self.chance,
                self.marks,
                peers,
            )
            self.trace(f"n{index} is a puppet: {', '.join(chosen)}")
            self.net.proxies[index] = puppet.say
            self.watcher.heard.append(puppet.hear)
            for trick in chosen:
                self.marks[f"trick: {trick}"] += 1

    def _find_record(self, namespace: str, record_id: bytes) -> bytes | None:
        up = [m for m in self.machines if m.is_up and m.node is not None]
        return state_of(up[0]).get(namespace, record_id) if up else None

    # ── what happens to machines ─────────────────────────────────────────────────────────────────────

    def _on_write(self, machine: Machine, batch: Batch) -> None:
        for key, value in batch.writes.items():
            if len(key) == 9 and key[0] == BLOCK_ROW and value is not None:
                self.watcher.on_block(machine.index, int.from_bytes(key[1:], "big"), value)

    def _on_boot(self, machine: Machine) -> None:
        self.trace(f"n{machine.index} starts, life {machine.lives}")
        if machine.lives > 1:
            self.marks["restarted"] += 1
        if machine.index in self.watcher.liars:
            # Its mouth signs with its key: the node inside must not fall silent over that.
            machine.node._signer.heed_signature = lambda *_args: None

    def _on_crash(self, machine: Machine, why: str) -> None:
        self.trace(f"n{machine.index} ends: {why}")
        self.marks["process ended"] += 1
        # Half of them are back within the same height, as under a supervisor.
        longest_s = self.chance.choice((0.3, 4.0))
        self._later(self.chance.uniform(0.02, longest_s), lambda: self._boot(machine))

    def _boot(self, machine: Machine) -> None:
        if not machine.is_up:
            machine.boot()

    def _on_failure(self, machine: Machine, failure: BaseException) -> None:
        if is_disk_fault(failure):
            self.marks["stopped by its disk"] += 1
            if self.chance.random() < 0.5:
                machine.disk.cut_power()  # somebody exchanged the disk's cable
            return
        if machine.index not in self.watcher.liars:
            self.watcher.violate("R1", f"n{machine.index} failed: {failure!r}\n{describe(failure)}")

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        self.loop.call_later(delay_s, work, context=self.loop.director.context)

    # ── the story ────────────────────────────────────────────────────────────────────────────────────

    def play(self) -> Outcome:
        """Run it all; violations are in the outcome, never raised."""
        with _logs_to(self._on_log), _no_collector():
            try:
                self.loop.run_until_complete(self._story())
            except Deadlock as failure:
                self.watcher.violate("L1", f"deadlock: {failure}")
            finally:
                self._close()
        rounds = [self.watcher.rounds[h] for h in sorted(self.watcher.rounds)]
        return Outcome(
            self.seed,
            self.trace.digest(),
            max(self.watcher.heights.values(), default=0),
            rounds,
            self.marks,
            self.watcher.violations,
            self.loop.time() - 1_000.0,
            self.nemesis.hit,
            self.net.messages,
        )

    async def _story(self) -> None:
        PROCESS.set(self.loop.director)
        for machine in self.machines:
            machine.boot()
        self.clients.start()
        self.nemesis.schedule(FAULTS_OVER_S)
        started_s = self.loop.time()
        await self._until(
            lambda: (
                self.loop.time() - started_s > FAULTS_OVER_S + 0.5 and self._lowest() >= HEIGHTS_MIN
            ),
            TROUBLE_MAX_S,
        )
        if self.watcher.violations:
            return
        self.nemesis.heal()
        self.watcher.is_healed = True
        for machine in self.machines:
            self._boot(machine)
        wanted = {m.index: self.watcher.heights[m.index] + L1_HEIGHTS for m in self._correct()}
        wanted = {i: max(h, HEIGHTS_MIN) for i, h in wanted.items()}
        healed_s = self.loop.time()
        is_live = await self._until(
            lambda: all(self.watcher.heights[i] >= h for i, h in wanted.items()), L1_S
        )
        self.trace(f"healed in {self.loop.time() - healed_s:.2f} s")
        if not is_live and not self.watcher.violations:
            heights = {i: self.watcher.heights[i] for i in wanted}
            self.watcher.violate("L1", f"{L1_S} s after healing: {heights}, wanted {wanted}")
        await self._settle()
        if not self.watcher.violations:
            self._judge()

    async def _settle(self) -> None:
        """Let the last transactions be decided and everybody reach one height."""
        self.clients.is_stopped = True
        if not self.watcher.violations:
            await self._until(
                lambda: len({self.watcher.heights[m.index] for m in self._correct()}) == 1, 5.0
            )

    def _correct(self) -> list[Machine]:
        return [m for m in self.machines if m.index not in self.watcher.liars]

    def _lowest(self) -> int:
        return min(self.watcher.heights[m.index] for m in self._correct())

    async def _until(self, is_done: Callable[[], bool], seconds: float) -> bool:
        """Watch in steps of 50 ms; True when done, False at the end of the time or at a violation."""
        end_s = self.loop.time() + seconds
        while self.loop.time() < end_s:
            if is_done():
                return True
            await asyncio.sleep(0.05)
            self.net.drop_silent_lines()
            while self._faults_seen < len(self.net.faults):
                self.watcher.on_accusation(*self.net.faults[self._faults_seen])
                self._faults_seen += 1
            if self.watcher.violations:
                return False
        return is_done()

    def _judge(self) -> None:
        verdict = Verdict(self.scene.genesis, self.machines, self.watcher)
        if self.watcher.violations:
            return
        verdict.check_agreement()
        codes = verdict.check_replay(self.scene.fresh_app())
        model = self.scene.model()
        if model is not None:
            verdict.check_model(model, codes)
        verdict.check_answers(self.clients, codes)
        verdict.check_evidence()
        verdict.check_bounds()
        self.scene.check_state(verdict.best, self.clients, self.watcher.violate)
        for block in verdict.blocks:
            if block.evidence.evidence:
                self.marks["evidence committed"] += 1
            if block.data.txs:
                self.marks["block with txs"] += 1

    def _on_log(self, event: dict[str, Any]) -> None:
        name = event.pop("event")
        process = PROCESS.get(self.loop.director)
        if name == "committed":
            height, round_ = event["height"], event["round"]
            self.watcher.rounds[height] = max(round_, self.watcher.rounds.get(height, 0))
            return
        is_liar = process.name in {f"n{i}" for i in self.watcher.liars}
        is_forgetful = process.name in {f"n{i}" for i in self.nemesis.forgetful}
        if name == "our key signed elsewhere: signing nothing" and not (is_liar or is_forgetful):
            self.watcher.violate("H2", f"{process.name} believes that somebody else has its key")
        if name == "consensus begins" and event.get("synced_blocks"):
            self.marks["blocks synced"] += 1
        if name in LOG_MARKS:
            self.marks[LOG_MARKS[name]] += 1
        if name not in QUIET_LOGS:
            self.trace(f"{process.name} {name} " + " ".join(f"{k}={v}" for k, v in event.items()))

    def _close(self) -> None:
        self.clients.abandon()
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            if coroutine is not None:
                coroutine.close()  # what a life that was cut short left in the middle
        self.loop.close()


class _logs_to:  # noqa: N801  # a context manager, used as a verb
    """Send structlog's events to a function for a while."""

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take

    def __enter__(self) -> None:
        self._before = structlog.get_config()

        def processor(_logger: Any, _method: str, event: dict[str, Any]) -> Any:
            self._take(event)
            raise structlog.DropEvent

        structlog.configure(
            processors=[processor],
            wrapper_class=structlog.make_filtering_bound_logger(20),
            cache_logger_on_first_use=False,
        )

    def __exit__(self, *_exc: object) -> None:
        structlog.configure(**self._before)


class _no_collector:  # noqa: N801
    """No cycle collection in the middle of a run: finalisers would speak at moments no seed controls."""

    def __enter__(self) -> None:
        self._was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *_exc: object) -> None:
        if self._was_on:
            gc.enable()


def run_seed(seed: int, **how: Any) -> Outcome:
    """One seed."""
    started_s = process_time()
    outcome = Run(seed, **how).play()
    outcome.cpu_s = process_time() - started_s
    return outcome
