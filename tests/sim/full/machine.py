"""One simulated machine: a disk, a clock, a place on the net, and the production `Node` as its process.

`boot` starts a new life on what the disk holds; `crash` ends the present one at any moment.
"""

import asyncio
import random
import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.node.config import NodeConfig, P2PConfig, Timeouts
from chain.node.home import Genesis, Home
from chain.node.node import AppFactory, Node
from chain.node.pacing import Pacing
from chain.node.signer import STATE_FILE, LastSigned, encode_state
from chain.rpc.events import EventBus
from chain.rpc.methods import Methods, method_table
from chain.rpc.params import Params
from chain.rpc.ports import NodeView
from chain.store.errors import StoreFull
from chain.types.messages import DefaultNodeInfo
from chain.types.timestamp import Timestamp
from tests.sim.full.disk import Disk, FaultyFolder, FaultyStore, StoredFile
from tests.sim.full.loop import PROCESS, PowerCut, Process, VirtualLoop
from tests.sim.full.net import MemorySwitch, Net
from tests.town.town_kit import validator_seed

GENESIS_NS = 1_790_000_000 * 10**9
QUICK = Timeouts(
    propose_s=0.6,
    propose_delta_s=0.2,
    prevote_s=0.3,
    prevote_delta_s=0.1,
    precommit_s=0.3,
    precommit_delta_s=0.1,
    commit_s=0.3,
)


seed_of = validator_seed


class SimClock:
    """A machine's clock: shifted, or stopped; waits run on the loop's time whatever the wall says."""

    def __init__(self, loop: VirtualLoop, machine: "Machine") -> None:
        self._loop, self._machine = loop, machine
        self._zero_s = 1_000.0

    def now(self) -> Timestamp:
        at_s = self._machine.frozen_at_s
        if at_s is None:
            at_s = self.monotonic_s()
        ns = GENESIS_NS + round((at_s - self._zero_s + self._machine.skew_s) * 1e9)
        return Timestamp.from_ns(ns)

    def monotonic_s(self) -> float:
        process = self._machine.process
        busy_s = 0.0 if process is None else process.busy_until_s
        return max(self._loop.time(), busy_s if PROCESS.get(None) is process else 0.0)


class NoSocketRpc:
    """The RPC's methods without HTTP; clients of the simulation call them."""

    def __init__(self, view: NodeView, events: EventBus) -> None:
        self.methods = method_table(Methods(view, events))
        self.port = 0

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def call(self, method: str, **params: Any) -> Any:
        """What the method returns: a value, or something to await."""
        return self.methods[method](Params(params))


class SimPlatform:
    """`chain.node.platform.Platform` of one life of one machine."""

    def __init__(self, machine: "Machine", process: Process) -> None:
        self._machine, self._process = machine, process

    def load_genesis(self) -> Genesis:
        return self._machine.genesis

    def load_signing_seed(self) -> bytes:
        return self._machine.seed

    def load_node_id(self) -> str:
        return self._machine.node_id

    def open_store(self, name: str) -> FaultyStore:
        return FaultyStore(self._machine.disk, self._process, name)

    def open_folder(self, name: str) -> FaultyFolder:
        return FaultyFolder(self._machine.disk, self._process, name)

    def make_clock(self, offset_file: str, is_insecure: Callable[[], bool]) -> SimClock:
        return SimClock(self._machine.loop, self._machine)

    def load_peer_certificates(self) -> dict[str, bytes]:
        return {}

    def open_switch(self, settings: P2PConfig, info: DefaultNodeInfo) -> MemorySwitch:
        machine = self._machine
        return MemorySwitch(
            machine.net, machine.index, self._process, lambda: machine.disk.enter(self._process)
        )

    def open_rpc(self, view: NodeView, events: EventBus, config: NodeConfig) -> NoSocketRpc:
        return NoSocketRpc(view, events)

    def open_judges(self, loop: asyncio.AbstractEventLoop) -> None:
        return None


class Machine:
    """Node `index` of a simulated town, through all its lives."""

    def __init__(
        self,
        index: int,
        loop: VirtualLoop,
        net: Net,
        chance: random.Random,
        genesis: Genesis,
        app_factory: AppFactory,
    ) -> None:
        self.index, self.loop, self.net, self.genesis = index, loop, net, genesis
        self._app_factory = app_factory
        self.seed = seed_of(index)
        self.public_key = derive_public(self.seed)
        self.address = address(self.public_key)
        self.node_id = sha256(f"simulated node {index}".encode()).hexdigest()[:40]
        net.names[index], net.numbers[self.node_id] = self.node_id, index
        self.disk = Disk(chance, loop.time)
        self.disk.files["", STATE_FILE] = StoredFile(bytearray(encode_state(LastSigned())))
        self.disk.files["", STATE_FILE].durable = len(encode_state(LastSigned()))
        self.skew_s = 0.0
        self.frozen_at_s: float | None = None
        self.process: Process | None = None
        self.node: Node | None = None
        self.lives = 0
        self.on_failure: Callable[[Machine, BaseException], None] = _raise
        self.on_crash: Callable[[Machine, str], None] = lambda _machine, _why: None
        self.on_boot: Callable[[Machine], None] = lambda _machine: None
        self.has_own_store = False
        self._starts: list[asyncio.Task[None]] = []

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.is_alive

    def boot(self) -> None:
        """A new process on this disk."""
        assert not self.is_up, "one process per machine"
        self.lives += 1
        process = Process(f"n{self.index}", self._fail)
        self.process = self.disk.owner = process
        self.disk.on_end = self._end_in_operation
        self.loop.call_soon(self._begin, process, context=process.context)

    def _begin(self, process: Process) -> None:
        task = self.loop.create_task(self._start(process))
        task.add_done_callback(self._started)
        self._starts.append(task)

    def _end_in_operation(self) -> None:
        self.crash("in the middle of an operation", power=self.disk.faults.is_power_cut)

    async def _start(self, process: Process) -> None:
        """As `chain.node.main`: everything that escapes ends the process."""
        config = NodeConfig(
            moniker=f"n{self.index}",
            timeouts=QUICK,
            pacing=Pacing(empty_interval_s=5.0, proof_delay_s=0.5),
            p2p=P2PConfig(listen_host="simulated"),
        )
        self.node = Node(
            Home(Path(f"/simulated/n{self.index}")),
            app_factory=self._app_factory,
            config=config,
            platform=SimPlatform(self, process),
            has_own_store=self.has_own_store,
        )
        await self.node.start(self.loop)
        self.on_boot(self)

    def _started(self, task: asyncio.Task[None]) -> None:
        failure = task.exception()
        if failure is not None:
            self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        if isinstance(failure, PowerCut):
            return
        self.end(f"stopped by {failure!r}"[:160])
        self.on_failure(self, failure)

    def end(self, why: str) -> None:
        """The process is gone, whatever it was doing."""
        process, self.process, self.node = self.process, None, None
        if process is None:
            return
        process.end()
        self.net.leave(self.index)
        self.on_crash(self, why)

    def crash(self, why: str, *, power: bool) -> None:
        """Kill the process; with `power` the kernel's unwritten bytes go as well."""
        self.end(why)
        if power:
            self.disk.cut_power()


def is_disk_fault(failure: BaseException) -> bool:
    """Whether the simulated disk said so."""
    return isinstance(failure, OSError | StoreFull) and "(simulated)" in str(failure)


def _raise(_machine: Machine, failure: BaseException) -> None:
    raise failure


def describe(failure: BaseException) -> str:
    return "".join(traceback.format_exception(failure))
