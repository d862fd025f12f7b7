"""Who waits for judges and for how long: a pool that answers when the test says so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from chain.judges.desk import Admission, Desk
from chain.judges.pool import Then
from chain.limits import (
    JUDGES_QUEUE_GAS_US,
    JUDGES_WAITING_MAX,
    JUDGES_WAITING_PER_BALLOT_MAX,
)
from chain.votes.judging import BallotTask, Finding
from tests.judges.kit import good

FLAWLESS = Finding(None, None)


@dataclass
class Source:
    """An application whose transactions are names of tasks."""

    tasks: dict[bytes, BallotTask]
    learned: dict[bytes, Finding] = field(default_factory=dict)
    forged: set[bytes] = field(default_factory=set)
    judge_together: Callable[[Sequence[BallotTask]], None] = lambda _tasks: None

    def ballot_of(self, tx: bytes) -> BallotTask | None:
        task = self.tasks.get(tx)
        return None if task is None or task.digest in self.learned else task

    def ballots_of(self, txs: Sequence[bytes], time_s: int) -> tuple[BallotTask, ...]:
        found = (self.ballot_of(tx) for tx in txs)
        return tuple(task for task in found if task is not None)

    def is_signed(self, task: BallotTask) -> bool:
        return task.digest not in self.forged

    def learn_finding(self, task: BallotTask, finding: Finding) -> None:
        self.learned[task.digest] = finding


class Pool:
    """Holds every ballot until told."""

    def __init__(self) -> None:
        self.is_open = True
        self.held: dict[int, tuple[BallotTask, Then]] = {}
        self.hurried: list[int] = []
        self.worked_off: list[list[int]] = []

    def submit(self, task: BallotTask, then: Then, *, is_urgent: bool = False) -> int:
        number = len(self.held) + 1
        self.held[number] = task, then
        if is_urgent:
            self.hurry(number)
        return number

    def hurry(self, number: int) -> None:
        self.hurried.append(number)

    def work_off(self, numbers: Sequence[int]) -> None:
        self.worked_off.append(list(numbers))

    def stop(self) -> None:
        self.is_open = False

    def answer(self, number: int, finding: Finding | None = FLAWLESS) -> None:
        self.held[number][1](finding)


class Turns:
    """The loop's next turn, when the test says."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.calls.append(callback)

    def run(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Counter:
    """A caller: how often it was called."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


def make(**tasks: BallotTask) -> tuple[Desk, Source, Pool, Turns]:
    source = Source({name.encode(): task for name, task in tasks.items()})
    pool, turns = Pool(), Turns()
    return Desk(source, pool, turns), source, pool, turns  # type: ignore[arg-type]


def test_what_holds_no_ballot_does_not_wait():
    desk, _, pool, _ = make(a=good())
    assert desk.admit(b"other", Counter()) is Admission.READY
    assert not desk.must_block_wait([b"other"], 0, Counter())
    assert pool.held == {}


def test_a_ballot_waits_for_its_finding_and_is_then_ready():
    desk, source, pool, turns = make(a=good())
    called = Counter()
    assert desk.admit(b"a", called) is Admission.WAITING
    assert (desk.waiting(), called.count) == (1, 0)
    pool.answer(1)
    assert called.count == 0, "in a turn of its own, so that others get theirs between"
    turns.run()
    assert called.count == 1
    assert source.learned == {source.tasks[b"a"].digest: FLAWLESS}
    assert desk.admit(b"a", called) is Admission.READY
    assert (desk.waiting(), desk.judged) == (0, 1)


def test_the_same_ballot_from_every_peer_is_judged_once():
    desk, _, pool, turns = make(a=good())
    callers = [Counter() for _ in range(3)]
    for caller in callers:
        assert desk.admit(b"a", caller) is Admission.WAITING
    assert len(pool.held) == 1
    pool.answer(1)
    turns.run()
    assert [caller.count for caller in callers] == [1, 1, 1]


def test_one_ballot_of_a_credential_is_with_the_judges_at_a_time():
    """Else ten thousand false ballots of one voter would all be judged before the first makes it wait."""
    desk, _, pool, turns = make(a=good(), b=good(), c=good(1))
    second = Counter()
    assert desk.admit(b"a", Counter()) is Admission.WAITING
    assert desk.admit(b"b", second) is Admission.WAITING
    assert len(pool.held) == 1
    assert desk.admit(b"c", Counter()) is Admission.WAITING
    assert len(pool.held) == 2, "another voter's goes on"
    pool.answer(1)
    turns.run()
    assert second.count == 1
    assert desk.admit(b"b", second) is Admission.WAITING
    assert len(pool.held) == 3


def test_a_forgery_in_a_voters_name_does_not_wait_behind_the_voters_ballot():
    """CheckTx refuses it at once; a thousand of them do not keep the voter's own out."""
    desk, source, pool, _ = make(a=good(), b=good(), c=good())
    source.forged.add(source.tasks[b"b"].digest)
    assert desk.admit(b"a", Counter()) is Admission.WAITING
    for _ in range(1_000):
        assert desk.admit(b"b", Counter()) is Admission.READY
    assert desk.admit(b"c", Counter()) is Admission.WAITING
    assert len(pool.held) == 1


def test_few_ballots_of_a_credential_wait_behind_one():
    """All are let go at once and ask again: many would keep the node's thread busy for nothing."""
    desk, _, _, _ = make(a=good(), b=good())
    assert desk.admit(b"a", Counter()) is Admission.WAITING
    told = [desk.admit(b"b", Counter()) for _ in range(JUDGES_WAITING_PER_BALLOT_MAX)]
    assert told == [Admission.WAITING] * (JUDGES_WAITING_PER_BALLOT_MAX - 1) + [Admission.FULL]
    assert desk.admit(b"a", Counter()) is Admission.WAITING, "the ballot itself may come from all"


def test_what_waits_is_bounded_by_what_judging_it_may_cost():
    half = JUDGES_QUEUE_GAS_US // 2
    desk, _, pool, _ = make(
        a=good(0, gas_us=half), b=good(1, gas_us=half), c=good(2, gas_us=1), d=good(2)
    )
    assert desk.admit(b"a", Counter()) is Admission.WAITING
    assert desk.admit(b"b", Counter()) is Admission.WAITING
    assert desk.admit(b"c", Counter()) is Admission.FULL
    pool.answer(1)
    assert desk.admit(b"c", Counter()) is Admission.WAITING


def test_callers_are_bounded_too():
    desk, _, _, _ = make(a=good())
    for _ in range(JUDGES_WAITING_MAX):
        assert desk.admit(b"a", Counter()) is Admission.WAITING
    assert desk.admit(b"a", Counter()) is Admission.FULL


def test_a_ballot_that_no_judge_survived_is_left_to_the_application():
    desk, source, pool, turns = make(a=good())
    called = Counter()
    desk.admit(b"a", called)
    pool.answer(1, None)
    turns.run()
    assert called.count == 1
    assert source.learned == {}
    assert desk.admit(b"a", called) is Admission.READY
    assert not desk.must_block_wait([b"a"], 0, called)
    assert (desk.judged, desk.given_up, len(pool.held)) == (0, 1, 1)


def test_without_judges_nothing_waits():
    desk, _, pool, _ = make(a=good())
    pool.is_open = False
    assert desk.admit(b"a", Counter()) is Admission.READY
    assert not desk.must_block_wait([b"a"], 0, Counter())
    assert pool.held == {}


def test_a_stopped_desk_turns_everybody_away():
    """Judging in line while the node stops would hold its stop up."""
    desk, _, pool, _ = make(a=good())
    desk.stop()
    assert not pool.is_open
    assert desk.admit(b"a", Counter()) is Admission.FULL


def test_a_block_waits_for_all_its_ballots_once_and_before_all_others():
    desk, _, pool, turns = make(a=good(), b=good(1), c=good(2))
    called = Counter()
    desk.admit(b"a", Counter())
    assert desk.must_block_wait([b"a", b"x", b"b", b"c"], 0, called)
    assert sorted(pool.hurried) == [1, 2, 3]
    assert pool.hurried[-1] == 1, "the block's first is the last to be put in front"
    for number in (3, 1, 2):
        assert called.count == 0
        pool.answer(number)
        turns.run()
    assert called.count == 1
    assert not desk.must_block_wait([b"a", b"b", b"c"], 0, called)


def test_two_ballots_of_one_credential_in_a_block_do_not_wait_for_each_other():
    """The block is refused by its quota in the end; it must come to an end."""
    first = good()
    desk, _, pool, turns = make(a=first, b=replace(good(), credential=first.credential))
    called = Counter()
    assert desk.must_block_wait([b"a", b"b"], 0, called)
    pool.answer(1)
    pool.answer(2)
    turns.run()
    assert called.count == 1
    assert desk.waiting() == 0


def test_a_block_that_cannot_wait_is_worked_off_with_the_judges():
    """At a start, in block sync: what is with the judges already is not handed in again."""
    desk, source, pool, _ = make(a=good(), b=good(1))
    desk.admit(b"a", Counter())
    source.judge_together([source.tasks[b"a"], source.tasks[b"b"]])
    assert [sorted(numbers) for numbers in pool.worked_off] == [[1, 2]]
    source.judge_together([source.tasks[b"a"]])
    assert len(pool.worked_off) == 1, "one ballot is judged here as fast as elsewhere"
