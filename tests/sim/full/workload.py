"""Clients: they send transactions to nodes over the RPC's methods, and remember what they were told.

S5  what was answered "committed" is in every chain at that height with that outcome; what was refused is in none
S6  no transaction, whoever sent it how often to how many nodes, had its effect twice
"""

import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from chain.rpc.errors import InternalError
from tests.sim.full.loop import VirtualLoop
from tests.sim.full.machine import Machine
from tests.sim.full.watch import Marks, Trace


class Answer(Enum):
    """What a client knows of its transaction."""

    UNKNOWN = auto()
    COMMITTED = auto()
    REFUSED = auto()


@dataclass
class Sent:
    """One transaction and every answer to it."""

    tx: bytes
    must_fail: bool = False
    answers: list[tuple[Answer, int, int]] = field(default_factory=list)
    """(kind, height, code), one per submission that was answered."""


class Traffic:
    """What is sent in one kind of town."""

    def next_tx(self) -> tuple[bytes, bool]:
        """A transaction, and whether it is malformed so that no node may take it."""
        raise NotImplementedError

    def is_final_refusal(self, code: int, codespace: str) -> bool:
        """Whether CheckTx's refusal means that the transaction can be in no chain."""
        raise NotImplementedError


class KeyValueTraffic(Traffic):
    """`key=value`, each key once; some malformed, some that execution refuses."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._count = 0

    def next_tx(self) -> tuple[bytes, bool]:
        self._count += 1
        draw = self._chance.random()
        if draw < 0.05:
            return b"bad=%d" % self._count, True
        if draw < 0.1:
            return b"k%d=refuse" % self._count, False
        return b"k%d=v%d" % (self._count, self._chance.randrange(10**6)), False

    def is_final_refusal(self, code: int, codespace: str) -> bool:
        return code == 2


class Clients:
    """Several people at once, each with one node or two at a time."""

    def __init__(
        self,
        loop: VirtualLoop,
        machines: list[Machine],
        traffic: Traffic,
        chance: random.Random,
        trace: Trace,
        marks: Marks,
        *,
        pause_s: tuple[float, float],
    ) -> None:
        self.loop, self.machines, self.traffic = loop, machines, traffic
        self.chance, self.trace, self.marks = chance, trace, marks
        self._pause_s = pause_s
        self.sent: dict[bytes, Sent] = {}
        self.effects: dict[bytes, int] = {}
        """Best outcome of each transaction in the chain, once it is known."""
        self.is_stopped = False
        self._tasks: list[Any] = []

    def start(self) -> None:
        self._later(self.chance.uniform(*self._pause_s), self._send_next)

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        self.loop.call_later(delay_s, work, context=self.loop.director.context)

    def _send_next(self) -> None:
        if self.is_stopped:
            return
        self._later(self.chance.uniform(*self._pause_s), self._send_next)
        up = [m for m in self.machines if m.is_up and m.node is not None and m.node.rpc is not None]
        if not up:
            return
        tx, must_fail = self.traffic.next_tx()
        sent = self.sent.setdefault(tx, Sent(tx, must_fail))
        targets = [self.chance.choice(up)]
        if self.chance.random() < 0.15:  # somebody who got no answer tries another node
            self.marks["tx sent twice"] += 1
            targets.append(self.chance.choice(up))
        for machine in targets:
            assert machine.process is not None
            self.loop.call_soon(self._submit, machine, sent, context=machine.process.context)

    def _submit(self, machine: Machine, sent: Sent) -> None:
        task = self.loop.create_task(self._ask(machine, sent))
        task.add_done_callback(_look)
        self._tasks.append(task)

    async def _ask(self, machine: Machine, sent: Sent) -> None:
        """As over HTTP: `broadcast_tx_commit`, which answers once the block is durable."""
        assert machine.node is not None
        rpc: Any = machine.node.rpc
        try:
            told = await rpc.call("broadcast_tx_commit", tx=b64encode(sent.tx).decode())
        except InternalError:
            sent.answers.append((Answer.UNKNOWN, 0, 0))
            return
        check = told["check_tx"]
        code = int(check.get("code", 0))
        if code:
            final = self.traffic.is_final_refusal(code, check.get("codespace", ""))
            sent.answers.append((Answer.REFUSED if final else Answer.UNKNOWN, 0, code))
            return
        height, outcome = int(told["height"]), int(told["tx_result"].get("code", 0))
        self.trace(f"n{machine.index} answers: committed at {height}, code {outcome}")
        self.marks["answered: committed"] += 1
        sent.answers.append((Answer.COMMITTED, height, outcome))

    def abandon(self) -> None:
        """Forget who still waits."""
        for task in self._tasks:
            task._log_destroy_pending = False


def _look(task: Any) -> None:
    """An exception here is the simulation's own mistake, or the end of the node."""
    failure = task.exception()
    if failure is not None:
        raise failure
