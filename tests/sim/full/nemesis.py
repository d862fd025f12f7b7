"""Everything that goes wrong outside the nodes, drawn from the seed, and healed at a known moment.

Noise that is the same everywhere only slows a BFT protocol down, so messages are lost per (height, round, kind,
source, target): all copies until the height's healing time, which a protocol that sends again must outlive.
On top of it come a few faults with a beginning and an end: partitions, clogged lines, deaths, bad disks, clocks.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chain.p2p.channels import ChannelId
from chain.types.messages import (
    BlockPart,
    ConsensusMessage,
    NewRoundStep,
    NewValidBlock,
    ProposalMessage,
    VoteMessage,
    VoteSetMaj23,
)
from tests.sim.full.machine import Machine
from tests.sim.full.net import Net
from tests.sim.full.watch import Marks, Trace

FAULTS = {
    "halves": 2,
    "single": 2,
    "one way": 2,
    "ring": 1,
    "long cut": 1,
    "swizzle-clog": 2,
    "flap": 2,
    "kill": 4,
    "power cut": 4,
    "end at operation": 6,
    "all end": 2,
    "stall": 2,
    "fsync error": 2,
    "disk full": 2,
    "disk lost": 1,
    "slow disk": 1,
    "clock ahead": 1,
    "clock behind": 1,
    "clock jumps back": 1,
    "clock frozen": 1,
}
"""Weights of the draw."""


BROADCAST = frozenset(
    {
        ChannelId.STATE,
        ChannelId.DATA,
        ChannelId.VOTE,
        ChannelId.VOTE_BITS,
        ChannelId.MEMPOOL,
        ChannelId.EVIDENCE,
    }
)


@dataclass(frozen=True)
class Profile:
    """What one seed is like."""

    validators: int
    liars: tuple[int, ...]
    is_town: bool
    has_own_store: bool
    loss: float
    """Share of (height, round, kind, source, target) whose messages are lost until the height's healing time."""
    noise: float
    """Share of other messages lost one by one."""
    doubles: float
    delay_s: tuple[float, float]
    late: float
    """Share of messages that come up to a second later than others."""
    heal_s: tuple[float, float]
    faults: int
    kinds: tuple[str, ...] = tuple(FAULTS)
    """Faults to draw from."""


def draw_profile(chance: random.Random, *, town: bool | None = None) -> Profile:
    validators = 7 if chance.random() < 0.06 else 4
    faulty = (validators - 1) // 3
    liars = tuple(sorted(chance.sample(range(validators), faulty))) if chance.random() < 0.5 else ()
    is_town = chance.random() < 0.2
    return Profile(
        validators=validators,
        liars=liars,
        is_town=is_town if town is None else town,
        has_own_store=chance.random() < 0.25,
        loss=chance.choice((0.0, 0.1, 0.2, 0.35, 0.5)),
        noise=chance.choice((0.0, 0.0, 0.05, 0.2)),
        doubles=chance.choice((0.0, 0.05, 0.2)),
        delay_s=chance.choice(((0.001, 0.01), (0.005, 0.05), (0.02, 0.15))),
        late=chance.choice((0.0, 0.02, 0.1)),
        heal_s=chance.choice(((0.1, 1.0), (0.2, 3.0))),
        faults=chance.randint(3, 6),
    )


def place_of(message: Any) -> tuple[int, int, str] | None:
    """(height, round, kind) of a consensus message."""
    if not isinstance(message, ConsensusMessage):
        return None
    match message.value:
        case VoteMessage(vote):
            return vote.height, vote.round, f"vote {int(vote.type)}"
        case ProposalMessage(proposal):
            return proposal.height, proposal.round, "proposal"
        case BlockPart(height, round_):
            return height, round_, "part"
        case VoteSetMaj23(height, round_):
            return height, round_, "claim"
        case NewRoundStep(height, round_):
            return height, round_, "step"
        case NewValidBlock(height, round_):
            return height, round_, "request"
        case _:
            return None


class Nemesis:
    """`Route` of the net, and the director of faults."""

    def __init__(self, profile: Profile, chance: random.Random, trace: Trace, marks: Marks) -> None:
        self.profile, self.chance, self.trace, self.marks = profile, chance, trace, marks
        self.machines: list[Machine] = []
        self.net: Net | None = None
        self.is_healed = False
        self.blocked: dict[tuple[int, int], int] = {}
        """Directions through which nothing comes, with how many faults want it so."""
        self._lost: dict[tuple[object, ...], bool] = {}
        self._heals_at_s: dict[int, float] = {}
        self.forgetful: set[int] = set()
        """Machines whose disk was lost: they may well meet votes of their own that they know nothing of."""
        self.hit: list[str] = []

    # ── Route ────────────────────────────────────────────────────────────────────────────────────────

    def is_cut(self, source: int, target: int) -> bool:
        return (source, target) in self.blocked

    def delays(
        self, source: int, target: int, channel: ChannelId, message: Any
    ) -> tuple[float, ...]:
        chance, profile = self.chance, self.profile
        if self.is_healed:
            return (chance.uniform(0.001, 0.02),)
        if (source, target) in self.blocked or self._is_lost(source, target, message):
            self.marks["message lost"] += 1
            return ()
        found = [self._delay()]
        # Questions and answers are paired on one TCP stream, which doubles nothing; the rest comes by many ways.
        is_paired = channel not in BROADCAST
        if profile.doubles and not is_paired and chance.random() < profile.doubles:
            self.marks["message doubled"] += 1
            found.append(self._delay() + chance.uniform(0.0, 0.5))
        return tuple(found)

    def _delay(self) -> float:
        delay_s = self.chance.uniform(*self.profile.delay_s)
        if self.profile.late and self.chance.random() < self.profile.late:
            delay_s += self.chance.uniform(0.0, 1.0)
        return delay_s

    def _is_lost(self, source: int, target: int, message: Any) -> bool:
        place = place_of(message)
        if place is None:
            return self.profile.noise > 0 and self.chance.random() < self.profile.noise
        if not self.profile.loss:
            return False
        height, now_s = place[0], self._now_s()
        heals_at_s = self._heals_at_s.get(height)
        if heals_at_s is None:
            heals_at_s = now_s + self.chance.uniform(*self.profile.heal_s)
            self._heals_at_s[height] = heals_at_s
        if now_s >= heals_at_s:
            return False
        key = (*place, source, target)
        if key not in self._lost:
            self._lost[key] = self.chance.random() < self.profile.loss
        return self._lost[key]

    def _now_s(self) -> float:
        assert self.net is not None
        return self.net.loop.time()

    # ── faults ───────────────────────────────────────────────────────────────────────────────────────

    def schedule(self, over_s: float) -> None:
        """Draw the seed's faults and put each on the clock."""
        names = list(self.profile.kinds)
        weights = [FAULTS[name] for name in names]
        for name in self.chance.choices(names, weights, k=self.profile.faults):
            self._later(self.chance.uniform(0.3, over_s), lambda n=name: self._begin(n))

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        assert self.net is not None
        loop = self.net.loop
        loop.call_later(delay_s, work, context=loop.director.context)

    def _begin(self, name: str) -> None:
        if self.is_healed:
            return
        self.trace(f"fault: {name}")
        self.hit.append(name)
        self.marks[f"fault: {name}"] += 1
        getattr(self, "_" + name.replace(" ", "_").replace("-", "_"))()

    def _block(self, pairs: list[tuple[int, int]], seconds: float) -> None:
        for pair in pairs:
            self.blocked[pair] = self.blocked.get(pair, 0) + 1
        self.trace(f"blocked for {seconds:.2f} s: {pairs}")
        self._later(seconds, lambda: self._unblock(pairs))

    def _unblock(self, pairs: list[tuple[int, int]]) -> None:
        if self.is_healed:
            return
        for pair in pairs:
            left = self.blocked.get(pair, 1) - 1
            if left:
                self.blocked[pair] = left
            else:
                self.blocked.pop(pair, None)

    def _all(self) -> list[int]:
        return list(range(self.profile.validators))

    def _between(self, some: list[int], others: list[int]) -> list[tuple[int, int]]:
        return [p for a in some for b in others if a != b for p in ((a, b), (b, a))]

    def _halves(self) -> None:
        order = self.chance.sample(self._all(), self.profile.validators)
        cut = self.profile.validators // 2
        self._block(self._between(order[:cut], order[cut:]), self.chance.uniform(0.5, 4.0))

    def _single(self) -> None:
        one = self.chance.choice(self._all())
        others = [i for i in self._all() if i != one]
        self._block(self._between([one], others), self.chance.uniform(0.5, 6.0))

    def _long_cut(self) -> None:
        """Long enough for the line to be given up, and for block sync afterwards."""
        one = self.chance.choice(self._all())
        others = [i for i in self._all() if i != one]
        self._block(self._between([one], others), self.chance.uniform(22.0, 26.0))

    def _one_way(self) -> None:
        one = self.chance.choice(self._all())
        targets = [i for i in self._all() if i != one]
        pairs = [(one, i) for i in targets]
        if self.chance.random() < 0.5:
            pairs = [(i, one) for i in targets]
        self._block(pairs, self.chance.uniform(0.5, 4.0))

    def _ring(self) -> None:
        """Everybody hears two neighbours only."""
        order = self.chance.sample(self._all(), self.profile.validators)
        size = len(order)
        near = {(order[i], order[(i + d) % size]) for i in range(size) for d in (1, -1)}
        pairs = [(a, b) for a in self._all() for b in self._all() if a != b and (a, b) not in near]
        self._block(pairs, self.chance.uniform(1.0, 5.0))

    def _swizzle_clog(self) -> None:
        """Stop lines one by one, let them go in another order (FoundationDB)."""
        pairs = [(a, b) for a in self._all() for b in self._all() if a != b]
        chosen = self.chance.sample(pairs, self.chance.randint(3, len(pairs)))
        opening = self.chance.sample(range(len(chosen)), len(chosen))
        for step, pair in enumerate(chosen):
            starts_s = 0.15 * step
            ends_s = 0.15 * len(chosen) + 0.15 * opening[step] + 0.1
            self._later(starts_s, lambda p=pair, s=ends_s - starts_s: self._block_if_open(p, s))

    def _block_if_open(self, pair: tuple[int, int], seconds: float) -> None:
        if not self.is_healed:
            self._block([pair], seconds)

    def _flap(self) -> None:
        assert self.net is not None
        one = self.chance.choice(self._all())
        for a, b in sorted(self.net.lines):
            if one in (a, b):
                self.net.break_line(a, b)

    def _victim(self) -> Machine | None:
        up = [m for m in self.machines if m.is_up]
        return self.chance.choice(up) if up else None

    def _kill(self) -> None:
        self._end(power=False)

    def _power_cut(self) -> None:
        self._end(power=True)

    def _end(self, *, power: bool) -> None:
        victim = self._victim()
        if victim is not None:
            victim.crash("power cut" if power else "killed", power=power)

    def _end_at_operation(self) -> None:
        """In the middle of whatever it does: before or after one of its next writes, syncs or messages."""
        victim = self._victim()
        if victim is not None:
            faults = victim.disk.faults
            faults.is_durable_only = self.chance.random() < 0.6
            faults.ops_until_end = self.chance.randrange(12 if faults.is_durable_only else 60)
            faults.is_end_after = self.chance.random() < 0.5
            faults.is_power_cut = self.chance.random() < 0.6

    def _all_end(self) -> None:
        power = self.chance.random() < 0.6
        for machine in self.machines:
            if machine.is_up:
                machine.crash("all end", power=power)

    def _stall(self) -> None:
        victim = self._victim()
        if victim is not None and victim.process is not None:
            victim.process.delay(self._now_s(), self.chance.uniform(0.5, 5.0))

    def _fsync_error(self) -> None:
        victim = self._victim()
        if victim is not None:
            victim.disk.faults.syncs_until_error = self.chance.randrange(0, 12)

    def _disk_full(self) -> None:
        victim = self._victim()
        if victim is None:
            return
        victim.disk.faults.is_full = True

        def empty() -> None:
            victim.disk.faults.is_full = False

        self._later(self.chance.uniform(0.5, 4.0), empty)

    def _disk_lost(self) -> None:
        """A machine with its key and nothing else. It is silent for a while, so at most f may be so, liars included."""
        faulty = (self.profile.validators - 1) // 3
        victim = self._victim()
        if victim is not None and len(self.profile.liars) + len(self.forgetful) < faulty:
            victim.crash("disk lost", power=True)
            victim.disk.wipe()
            self.forgetful.add(victim.index)
            self.marks["disk lost"] += 1

    def _slow_disk(self) -> None:
        victim = self._victim()
        if victim is None:
            return
        victim.disk.faults.slow_s = self.chance.choice((0.02, 0.1, 0.5))

        def recover() -> None:
            victim.disk.faults.slow_s = 0.0

        self._later(self.chance.uniform(0.5, 4.0), recover)

    def _skew(self, seconds: float) -> None:
        if all(m.skew_s == 0 and m.frozen_at_s is None for m in self.machines):  # one of n
            self.chance.choice(self.machines).skew_s = seconds

    def _clock_ahead(self) -> None:
        self._skew(self.chance.uniform(1.0, 600.0))

    def _clock_behind(self) -> None:
        self._skew(-self.chance.uniform(1.0, 600.0))

    def _clock_jumps_back(self) -> None:
        self._skew(-self.chance.uniform(0.1, 30.0))

    def _clock_frozen(self) -> None:
        if all(m.skew_s == 0 and m.frozen_at_s is None for m in self.machines):
            self.chance.choice(self.machines).frozen_at_s = self._now_s()

    # ── the end of faults ────────────────────────────────────────────────────────────────────────────

    def heal(self) -> None:
        """Lines, disks and processes are good from now on; one clock in two stays wrong: one of n may."""
        self.trace("healed")
        self.is_healed = True
        self.blocked.clear()
        for machine in self.machines:
            machine.disk.faults.is_full = False
            machine.disk.faults.slow_s = 0.0
            machine.disk.faults.ops_until_end = -1
            machine.disk.faults.syncs_until_error = -1
            if self.chance.random() < 0.5:
                machine.skew_s, machine.frozen_at_s = 0.0, None
