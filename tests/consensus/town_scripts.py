"""Scripted attacks on several processes: the network does what the script says, puppets lie on purpose.

They run in the simulation of the pure core, so that its referee judges every message and decision: agreement, one
voice per process, the lock rule, and progress once what can heal has healed.
"""

from collections.abc import Callable, Collection

from chain.consensus import SignProposal, SignVote
from chain.consensus.rounds import NO_ROUND
from chain.types.primitives import SignedMsgType
from tests.consensus.catalogue import attack
from tests.sim.core.faults import DROP, HostFault, Nemesis, TwoPolkas
from tests.sim.core.liars import LIARS, Liar
from tests.sim.core.plan import Plan
from tests.sim.core.town import process_of
from tests.sim.core.world import World

Cut = Callable[[int, int, str, int, int, int], int]
"""(height, round, kind, source, target, ms) -> DROP, or milliseconds of delay"""

A, B, C, D = range(4)
HEIGHTS = 6
HEALS_MS = 4_000
"""What the script does to a height is over so long after it began, unless it is forever."""
FOUR, SEVEN = (10,) * 4, (10,) * 7


def nothing(*_: object) -> int:
    """A network without faults."""
    return 0


class Rules(Nemesis):
    """The script's network; `forever` faults do not heal, others `HEALS_MS` after their height began."""

    def __init__(self, count: int, cut: Cut, *, forever: bool, hosts: Collection[str]) -> None:
        super().__init__(0, (), count)
        self.cut, self.forever, self.hosts = cut, forever, hosts
        self.began: dict[int, int] = {}

    def begin(self, height: int, now_ms: int) -> tuple[HostFault, ...]:
        if height in self.began or self.healed:
            return ()
        self.began[height] = now_ms
        return tuple(
            HostFault(name, who, 20 + 70 * who, 100)
            for name in self.hosts
            for who in range(self.count)
        )

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
        is_over = self.healed or now_ms > self.began.get(height, 0) + HEALS_MS
        if is_over and not self.forever:
            return 0
        return self.cut(height, round_, kind, source, target, now_ms)


def play(
    *,
    powers: tuple[int, ...] = FOUR,
    liars: dict[int, type[Liar]] | None = None,
    cut: Cut = nothing,
    forever: bool = False,
    hosts: Collection[str] = (),
    clocks: dict[int, int] | None = None,
    has_changes: bool = False,
    heights: int = HEIGHTS,
) -> World:
    """Run a town under the script's rules to its end; raises Violation."""
    lying = liars or {}
    plan = Plan(
        seed=1,
        powers=powers,
        liars=tuple((i, "silent") for i in sorted(lying)),
        faults=(),
        clocks=tuple((clocks or {}).get(i, 1000) for i in range(len(powers))),
        heights=heights,
        has_changes=has_changes,
    )
    world = World(plan, Rules(len(powers), cut, forever=forever, hosts=hosts))
    for index, kind in lying.items():
        world.processes[index].liar = kind(world, world.processes[index])
    world.run()
    return world


def by_round(rounds: int, judge: Callable[[int, str, int, int], bool]) -> Cut:
    """Drop what `judge(round, kind, source, target)` says in rounds below `rounds`."""

    def cut(_height: int, round_: int, kind: str, source: int, target: int, _ms: int) -> int:
        return DROP if round_ < rounds and judge(round_, kind, source, target) else 0

    return cut


# --- links ---------------------------------------------------------------------------------------


@attack(
    "PROTOCOL §5, L49", "two correct nodes that never meet, and a silent third party, stop the town"
)
def link_between_two_is_cut_while_the_fourth_is_silent() -> None:
    world = play(
        liars={D: LIARS["silent"]},
        cut=lambda _h, _r, _k, source, target, _ms: DROP if {source, target} == {A, B} else 0,
        forever=True,
    )
    assert len(world.rounds) >= HEIGHTS + 5, "C passes on what A and B say"


@attack("PROTOCOL §5", "nodes in a ring, each with two neighbours, never gather a quorum")
def ring_of_four_where_nobody_hears_the_opposite_one() -> None:
    play(
        cut=lambda _h, _r, _k, source, target, _ms: DROP if (source - target) % 4 == 2 else 0,
        forever=True,
    )


@attack("L49, catching up", "a node that heard nothing for many heights stays behind")
def one_process_hears_nobody_and_comes_back() -> None:
    world = play(cut=lambda _h, _r, _k, _s, target, _ms: DROP if target == A else 0, heights=1)
    assert world.marks["catch_up"] > 0


@attack("L57, L65", "whoever proposes is attacked, so nothing is ever proposed in time")
def every_proposer_of_three_rounds_is_cut_off() -> None:
    world = play(cut=by_round(3, lambda _r, kind, _s, _t: kind in ("proposal", "block")))
    assert min(world.rounds[height] for height in range(1, HEIGHTS + 1)) >= 3


@attack("L22, L57", "a proposal that comes after the nil prevote makes a process vote twice")
def proposals_come_when_the_wait_is_over() -> None:
    world = play(
        cut=lambda _h, round_, kind, _s, _t, _ms: 500 if kind == "proposal" and round_ < 2 else 0
    )
    assert world.marks["late_proposal"] > 0


@attack("L49", "one process decides, the others go on and decide something else")
def one_process_alone_hears_the_precommits() -> None:
    def cut(height: int, round_: int, kind: str, _source: int, target: int, _ms: int) -> int:
        is_hidden = kind in ("precommit", "claim") and target != height % 4
        return DROP if is_hidden and round_ < 2 else 0

    world = play(cut=cut)
    assert world.marks["catch_up"] > 0


@attack("L36, L42", "a polka that comes after the precommit is forgotten, or locked")
def prevotes_come_when_the_wait_is_over() -> None:
    def cut(_height: int, round_: int, kind: str, source: int, target: int, _ms: int) -> int:
        if round_ == 0 and kind in ("proposal", "block") and target == D:
            return DROP
        return 800 if round_ == 0 and kind == "prevote" and source == B else 0

    world = play(cut=cut)
    assert world.marks["valid_without_lock"] > 0


@attack("L28-L29", "the holder of an older lock never joins a newer polka")
def two_polkas_in_two_rounds_and_the_older_lock_gives_way() -> None:
    plan = Plan(1, FOUR, (), ("twopolkas",), (1000,) * 4, 20, has_changes=False)

    class Always(Nemesis):
        def draw(self, height, now_ms):  # type: ignore[no-untyped-def]
            import random

            return (("twopolkas", TwoPolkas(random.Random(height), 4, now_ms)),)

    world = World(plan, Always(1, plan.faults, 4))
    world.run()
    assert world.marks["unlock"] > 0
    assert world.marks["hidden_lock"] > 0


@attack("L28, L55", "messages in any order, late and twice, confuse the rounds")
def everything_is_late_and_in_disorder() -> None:
    play(
        cut=lambda height, round_, kind, s, t, ms: (
            (height * 7 + len(kind) * 31 + s * 97 + t * 57 + ms) % 700
        )
    )


# --- liars ---------------------------------------------------------------------------------------


class DisjointStories(Liar):
    """Tells A one block, B another, and everybody else nil; always the same camps."""

    def on_vote(self, effect: SignVote) -> None:
        blocks = self.world.blocks_of(effect.height)
        self.say_vote(effect, effect.block_id, [self.index])
        for target in self.others:
            told = blocks[target % len(blocks)] if blocks and target < 2 else effect.block_id
            self.say_vote(effect, told, [target])

    def on_proposal(self, effect: SignProposal) -> None:
        self.world.offer(self.process, effect, effect.block_id, effect.pol_round, [self.index, A])
        for target in self.others[1:]:
            twin = self.world.build(self.process, effect.height, effect.round)
            self.world.offer(self.process, effect, twin, NO_ROUND, [target])


class Hoarder(Liar):
    """Keeps its votes back and lets them loose two rounds later, to one process only."""

    def __init__(self, world: World, process: object) -> None:
        super().__init__(world, process)  # type: ignore[arg-type]
        self.kept: list[SignVote] = []

    def on_vote(self, effect: SignVote) -> None:
        self.kept.append(effect)

    def on_round(self, round_: int) -> None:
        due = [
            e for e in self.kept if e.round <= round_ - 2 or e.height < self.process.state.height
        ]
        self.kept = [e for e in self.kept if e not in due]
        for effect in due:
            self.say_vote(effect, effect.block_id, [self.others[effect.round % len(self.others)]])


class Prophet(Liar):
    """Votes for heights and rounds to come, in floods."""

    def on_round(self, round_: int) -> None:
        height = self.process.state.height
        for ahead in range(60):
            for type_ in (SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT):
                effect = SignVote(type_, height + 1, ahead, self.known_blocks(height)[0])
                self.say_vote(effect, effect.block_id, self.others)


@attack("L36, L49", "an equivocator makes disjoint peers decide different blocks")
def the_fourth_tells_disjoint_peers_disjoint_stories() -> None:
    world = play(liars={D: DisjointStories})
    assert world.marks["conflict"] > 0, "correct processes talk to each other"


@attack("L36, L49", "f = 2 of 7 equivocate together")
def two_of_seven_tell_disjoint_stories_together() -> None:
    play(powers=SEVEN, liars={5: DisjointStories, 6: DisjointStories})


@attack("L36, L49", "liars that vote for everything complete any quorum")
def two_of_seven_say_yes_to_everything() -> None:
    world = play(powers=SEVEN, liars={2: LIARS["yesman"], 6: LIARS["yesman"]}, cut=lossy)
    assert world.marks["conflict"] > 0


@attack("L36, 2f + 1", "liars with a hair less than a third of unequal power tip a quorum")
def liars_with_just_under_a_third_of_unequal_power() -> None:
    play(powers=(10, 10, 9, 8, 6), liars={2: LIARS["yesman"], 4: DisjointStories}, cut=lossy)


@attack("L44, L55", "f = 2 of 7 end every round by nil votes and far rounds")
def two_of_seven_flood_nil() -> None:
    world = play(powers=SEVEN, liars={0: LIARS["nilflooder"], 3: LIARS["nilflooder"]})
    assert max(world.rounds.values()) < 6


@attack("L22-L29", "a validator that lost its log forgets its lock when another one is hidden")
def amnesia_while_a_lock_is_hidden() -> None:
    def hides(round_: int, kind: str, source: int, target: int) -> bool:
        hearer = round_ % 3
        return (kind in ("prevote", "claim") and target != hearer) or (
            source == hearer and kind == "precommit"
        )

    play(liars={D: LIARS["amnesiac"]}, cut=by_round(3, hides))


@attack("L49, parts", "a proposer names a block and gives it to nobody, or to one")
def proposer_withholds_the_parts_of_its_block() -> None:
    world = play(liars={D: LIARS["withholder"]})
    assert world.marks["fetched"] > 0


@attack(
    "L34, L47", "votes kept back and let loose rounds later make an old quorum in one place only"
)
def votes_are_withheld_and_let_loose_rounds_later() -> None:
    play(liars={D: Hoarder}, cut=by_round(2, lambda r, kind, _s, t: kind == "proposal" and t == r))


@attack("L28", "lies about the proof-of-lock round free locks or stop rounds")
def proposer_lies_about_the_round_of_its_proof() -> None:
    world = play(liars={D: LIARS["polliar"]}, cut=lossy)
    assert world.marks["locked_refusal"] + world.marks["pol_prevote"] + world.marks["nil_polka"] > 0


@attack("L23", "a proposer of invalid blocks has one accepted, or stops the town")
def proposer_builds_invalid_blocks() -> None:
    world = play(liars={D: LIARS["badbuilder"]})
    assert world.marks["bad_block_refused"] > 0


@attack("bounds", "votes for heights to come fill the memory or displace honest ones")
def votes_for_the_next_height_come_in_floods() -> None:
    world = play(liars={D: Prophet})
    assert all(len(p.state.postponed) < 200 for p in world.correct)


@attack("L55", "a liar that answers one process only splits the rounds of the town")
def liar_speaks_to_one_process_only() -> None:
    class OneFriend(Liar):
        def say_vote(self, effect, block_id, targets):  # type: ignore[no-untyped-def]
            super().say_vote(effect, block_id, [self.index, A])

    play(
        liars={D: OneFriend}, cut=by_round(1, lambda _r, kind, _s, t: kind == "proposal" and t == B)
    )


# --- clocks, restarts, membership ----------------------------------------------------------------


@attack("L57-L67", "a clock that runs ten times too fast drives everybody through rounds")
def one_clock_runs_ten_times_too_fast() -> None:
    world = play(clocks={A: 100})
    assert max(world.rounds.values()) <= 2


@attack("L57-L67", "clocks that run at a quarter of the speed hold the town up for ever")
def one_clock_runs_slow_and_a_liar_is_silent() -> None:
    play(clocks={A: 4_000}, liars={D: LIARS["silent"]})


@attack("S3, replay", "a process that dies in every height says something else when it comes back")
def every_process_dies_once_in_every_height() -> None:
    world = play(hosts=("restart",), cut=lossy)
    assert world.marks["restarted"] > HEIGHTS


@attack("L11, proposer(h, r)", "a set that changes under attack leaves two ideas of who votes")
def the_validator_set_changes_under_attack() -> None:
    world = play(
        powers=(12, 10, 9, 8, 7, 6, 5),
        liars={6: LIARS["yesman"]},
        cut=lossy,
        has_changes=True,
        heights=20,
    )
    changed = world.marks["set_changed"] + world.marks["joined"] + world.marks["left"]
    assert changed > 0
    assert {process_of(v.address) for v in world.town.validators(20).validators} <= set(range(7))


def lossy(height: int, round_: int, kind: str, source: int, target: int, _ms: int) -> int:
    """Half of the links of early rounds are cut, by a rule instead of a coin."""
    if round_ >= 3:
        return 0
    return (
        DROP if (height * 13 + round_ * 7 + len(kind) * 5 + source * 11 + target * 3) % 5 < 2 else 0
    )
