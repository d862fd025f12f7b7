"""The nemesis: what may break a height, each fault with a time at which it heals.

Noise that is the same everywhere only slows a BFT protocol down and never tests its locks (measured: 0 of 113
seeds found a core without lock rule). So faults are drawn per (height, round, kind, source, target), and some are
aimed: a polka that one process alone sees, precommits that one process alone hears.

Reads: its own generator, virtual time.  Writes: nothing.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

DROP = -1
HEAL_MIN_MS, HEAL_MAX_MS = 300, 6_000
"""A fault ends so many virtual milliseconds after the first process began its height."""


class Fault(Protocol):
    """One thing that is wrong at one height."""

    heals_ms: int
    """Virtual millisecond from which it changes nothing."""
    by_author: bool
    """Whether a vote sent on by another is judged by its author's link."""

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        """DROP, or milliseconds to add to the message's way (0 = leave it alone)."""
        ...


Maker = Callable[[random.Random, int, int], Fault]
"""(generator, processes, now in ms) -> fault"""

FAULTS: dict[str, Maker] = {}


def _fault(maker: Maker) -> Maker:
    FAULTS[maker.__name__.lower()] = maker
    return maker


class _Healing:
    by_author = False
    """Whether a vote sent on by another is judged by its author's link."""

    def __init__(self, rng: random.Random, count: int, now_ms: int) -> None:
        self.rng, self.count, self.began_ms = rng, count, now_ms
        self.heals_ms = now_ms + rng.randrange(HEAL_MIN_MS, HEAL_MAX_MS)


@_fault
class Links(_Healing):
    """Each (round, kind, source, target) is cut or not."""

    def __init__(self, rng: random.Random, count: int, now_ms: int) -> None:
        super().__init__(rng, count, now_ms)
        self.loss = rng.choice((0.3, 0.5, 0.7, 0.9))
        self.cut: dict[tuple[int, str, int, int], bool] = {}

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        link = (round_, kind, source, target)
        if link not in self.cut:
            self.cut[link] = self.rng.random() < self.loss
        return DROP if self.cut[link] else 0


@_fault
class Partition(_Healing):
    """Halves, one alone, one way only, or a ring in which each hears its neighbours."""

    def __init__(self, rng: random.Random, count: int, now_ms: int) -> None:
        super().__init__(rng, count, now_ms)
        self.shape = rng.choice(("halves", "single", "one_way", "ring"))
        self.order = rng.sample(range(count), count)
        self.side = set(self.order[: 1 if self.shape == "single" else count // 2])

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        if self.shape == "ring":
            apart = (self.order.index(source) - self.order.index(target)) % self.count
            return 0 if apart in (1, self.count - 1) else DROP
        if self.shape == "one_way":
            return DROP if source in self.side and target not in self.side else 0
        return DROP if (source in self.side) != (target in self.side) else 0


class _Aimed(_Healing):
    """Acts on rounds below `rounds`, around one process."""

    def __init__(self, rng: random.Random, count: int, now_ms: int) -> None:
        super().__init__(rng, count, now_ms)
        self.heals_ms = now_ms + rng.randrange(2_000, HEAL_MAX_MS)
        self.rounds = rng.randint(1, 4)
        self.who = rng.randrange(count)


@_fault
class HiddenPolka(_Aimed):
    """In early rounds one process alone hears the prevotes, perhaps another one each round: hidden locks (L36)."""

    def __init__(self, rng: random.Random, count: int, now_ms: int) -> None:
        super().__init__(rng, count, now_ms)
        order = rng.sample(range(count), count)
        self.hearers = order if rng.random() < 0.6 else order[:1]

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        if round_ >= self.rounds:
            return 0
        hearer = self.hearers[round_ % len(self.hearers)]
        if kind in ("prevote", "claim") and target != hearer:
            return DROP
        return DROP if kind == "precommit" and source == hearer else 0


@_fault
class TwoPolkas(_Aimed):
    """A lock in round 0 that nobody shares, a polka for another block in round 1 that its holder hears too late.

    So the holder is locked on the older of two blocks when the newer one is offered again: only L29 frees it.
    """

    by_author = True

    def __init__(self, rng: random.Random, count: int, now_ms: int) -> None:
        super().__init__(rng, count, now_ms)
        order = rng.sample(range(count), count)
        self.holder, self.unheard, self.other = order[:3]
        self.deaf = set(order[3 : 3 + (count - 1) // 3])
        self.late_ms = rng.randrange(700, 1_400)

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        if round_ == 0:
            return DROP if self._hides(kind, source, target) else 0
        if round_ == 1 and kind in ("prevote", "claim") and target == self.holder:
            return self.late_ms if source in self.deaf or kind == "claim" else 0
        is_cut = (
            round_ == 1 and kind == "precommit" and (source in self.deaf or target in self.deaf)
        )
        return DROP if is_cut else 0

    def _hides(self, kind: str, source: int, target: int) -> bool:
        if kind in ("proposal", "block"):
            return target in self.deaf
        if kind in ("precommit", "claim"):
            return source == self.holder
        is_unheard = source == self.unheard and target != self.holder
        return kind == "prevote" and (is_unheard or (source, target) == (self.other, self.unheard))


@_fault
class LonelyDecision(_Aimed):
    """In early rounds one process alone hears the precommits: it decides and the others go on (L49)."""

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        is_hidden = kind in ("precommit", "claim") and target != self.who
        return DROP if round_ < self.rounds and is_hidden else 0


@_fault
class MuteProposer(_Aimed):
    """Proposals of early rounds reach some or none: nil polkas and mixed votes (L44, L57)."""

    def __init__(self, rng: random.Random, count: int, now_ms: int) -> None:
        super().__init__(rng, count, now_ms)
        self.deaf = set(rng.sample(range(count), rng.randint(1, count)))

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        is_hidden = kind in ("proposal", "block") and target in self.deaf
        return DROP if round_ < self.rounds and is_hidden else 0


@_fault
class LateProposal(_Aimed):
    """Proposals of early rounds come when the wait for them is over (L22 after L57)."""

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        is_late = round_ < self.rounds and kind == "proposal" and target != self.who
        return 250 + 150 * self.rounds if is_late else 0


@_fault
class LatePolka(_Aimed):
    """Prevotes of early rounds come after the precommit timeout: valid value without a lock (L42)."""

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        is_late = round_ < self.rounds and kind == "prevote" and (source + target) % 2 == 0
        return 300 + 200 * self.rounds if is_late else 0


@_fault
class Swizzle(_Healing):
    """Swizzle-clog: processes fall silent one by one and come back in another order."""

    def __init__(self, rng: random.Random, count: int, now_ms: int) -> None:
        super().__init__(rng, count, now_ms)
        span = self.heals_ms - now_ms
        stops = sorted(now_ms + rng.randrange(span // 2) for _ in range(count))
        ends = sorted(self.heals_ms - rng.randrange(span // 2) for _ in range(count))
        first, second = rng.sample(range(count), count), rng.sample(range(count), count)
        self.from_ms = dict(zip(first, stops, strict=True))
        self.to_ms = dict(zip(second, ends, strict=True))

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        for who in (source, target):
            if self.from_ms[who] <= now_ms < self.to_ms[who]:
                return DROP
        return 0


@_fault
class Flapping(_Healing):
    """Links go up and down all the time."""

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        return DROP if ((now_ms - self.began_ms) // 200 + source + 2 * target) % 3 else 0


@_fault
class Reorder(_Healing):
    """Everything takes a random and long way."""

    def judge(self, round_: int, kind: str, source: int, target: int, now_ms: int) -> int:
        return self.rng.randrange(400)


HOST_FAULTS = ("pause", "restart", "slow_clock")
"""What happens to a process: it stands still (SIGSTOP), dies and replays its log, or its timers run at half speed."""


@dataclass(frozen=True, slots=True)
class HostFault:
    """One process, one height, one of HOST_FAULTS."""

    name: str
    who: int
    after_ms: int
    lasts_ms: int


class Nemesis:
    """Draws the faults of each height; without names on the menu nothing ever breaks."""

    def __init__(self, seed: int, menu: tuple[str, ...], count: int) -> None:
        self.seed, self.count = seed, count
        self.menu = tuple(name for name in menu if name in FAULTS)
        self.host_menu = tuple(name for name in menu if name in HOST_FAULTS)
        self.healed = False
        self.hits: dict[tuple[int, str], int] = {}
        """Messages hurt, by (height, fault)."""
        self._of: dict[int, tuple[tuple[str, Fault], ...]] = {}

    def begin(self, height: int, now_ms: int) -> tuple[HostFault, ...]:
        """The first process begins a height: decide what will be wrong with it and with whom."""
        if height in self._of or self.healed:
            return ()
        self._of[height] = self.draw(height, now_ms)
        return self.draw_hosts(height)

    def draw(self, height: int, now_ms: int) -> tuple[tuple[str, Fault], ...]:
        """None, one or two faults of the menu."""
        rng = random.Random(f"{self.seed}/fault/{height}")
        size = min(len(self.menu), rng.choice((0, 0, 1, 1, 1, 1, 2)))
        names = rng.sample(self.menu, size)
        return tuple((name, FAULTS[name](rng, self.count, now_ms)) for name in names)

    def draw_hosts(self, height: int) -> tuple[HostFault, ...]:
        """Each fault of hosts on the menu, every second height or so, on one process."""
        rng = random.Random(f"{self.seed}/hosts/{height}")
        return tuple(
            HostFault(
                name, rng.randrange(self.count), rng.randrange(600), rng.randrange(200, 3_000)
            )
            for name in self.host_menu
            if rng.random() < 0.4
        )

    def heal(self) -> None:
        """From now on nothing breaks any more."""
        self.healed = True

    def judge(
        self,
        height: int,
        round_: int,
        kind: str,
        source: int,
        target: int,
        now_ms: int,
        author: int = -1,
    ) -> int:
        """DROP, or milliseconds of delay for a message of `height`; `author` when another sends it on."""
        if self.healed:
            return 0
        delay_ms = 0
        for name, fault in self._of.get(height, ()):
            if now_ms >= fault.heals_ms:
                continue
            by = author if fault.by_author and author >= 0 else source
            hurt = fault.judge(round_, kind, by, target, now_ms)
            if hurt:
                self.hits[height, name] = self.hits.get((height, name), 0) + 1
            if hurt == DROP:
                return DROP
            delay_ms += hurt
        return delay_ms
