"""What must hold, counted from the wire by arithmetic of its own.

The referee sees every message at the moment its author signs it, and every decision. It shares no code with the
vote keeper or the rules: it keeps who said what, and adds powers up again.

- S1 agreement, and each decision is backed by > 2/3 precommits on the wire, for a valid block that was offered;
- S3 no correct process says two things at one place, and none goes backwards;
- the lock rule itself (L22-L33): after a precommit, another block is prevoted only after a newer polka. So a
  core that forgets its lock is caught at the prevote, not only in the one run of a thousand that forks;
- no correct process is accused, and a conflict that reached a correct process is noticed.
"""

from collections import defaultdict

from chain.consensus import Decide, FoundConflict
from chain.types.block import BlockID, Proposal, Vote
from chain.types.primitives import SignedMsgType

PREVOTE, PRECOMMIT = SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT
_ORDER = {PREVOTE: 2, PRECOMMIT: 3}

Place = tuple[int, int, int]
"""(height, round, vote type)"""


class Violation(AssertionError):
    """An invariant does not hold; the message says which and where."""


class Referee:
    """Keeps what was said; raises Violation."""

    def __init__(self, correct: tuple[int, ...]) -> None:
        self.correct = frozenset(correct)
        self.powers: dict[int, dict[int, int]] = {}
        self.totals: dict[int, int] = {}
        self.valid: dict[BlockID, bool] = {}
        self.chain: dict[int, BlockID] = {}
        self.offered: dict[tuple[int, int], set[BlockID]] = defaultdict(set)
        self._voters: dict[tuple[int, int], set[int]] = defaultdict(set)
        self._any: dict[Place, set[int]] = defaultdict(set)
        self._for: dict[tuple[Place, BlockID], set[int]] = defaultdict(set)
        self._said: dict[tuple[int, int, int, int], BlockID] = {}
        self._votes: set[Vote] = set()
        self._offers: dict[tuple[int, int, int], tuple[BlockID, int]] = {}
        self._newest: dict[int, tuple[int, int, int]] = {}
        self._locks: dict[tuple[int, int], tuple[int, BlockID]] = {}
        self._heard: dict[tuple[int, int, int, int, int], BlockID] = {}
        self._owed: set[tuple[int, int, int, int, int]] = set()
        self._reported: set[tuple[int, int, int, int, int]] = set()

    def open_height(self, height: int, powers: dict[int, int]) -> None:
        """The validator set of a height, by process."""
        self.powers[height], self.totals[height] = powers, sum(powers.values())

    # --- what is said ----------------------------------------------------------------------------

    def on_vote(self, who: int, vote: Vote) -> None:
        """A vote is signed by `who`."""
        place = (vote.height, vote.round, int(vote.type))
        if who in self.correct:
            self._check_vote(who, vote, place)
        self._votes.add(vote)
        self._voters[vote.height, vote.round].add(who)
        self._any[place].add(who)
        self._for[place, vote.block_id].add(who)

    def _check_vote(self, who: int, vote: Vote, place: Place) -> None:
        if self._said.setdefault((who, *place), vote.block_id) != vote.block_id:
            raise Violation(f"S3: process {who} says two things at {place}")
        position = (vote.height, vote.round, _ORDER[vote.type])
        if position <= self._newest.get(who, (0, 0, 0)):
            raise Violation(f"S3: process {who} goes back to {position}")
        self._newest[who] = position
        if vote.block_id.is_nil():
            return
        if not self.valid[vote.block_id]:
            raise Violation(f"process {who} votes for an invalid block at {place}")
        if vote.type is PREVOTE:
            self._check_prevote(who, vote)
        elif not self._has_polka(vote.height, vote.round, vote.block_id):
            raise Violation(f"L36: process {who} precommits without a polka at {place}")
        else:
            self._locks[who, vote.height] = (vote.round, vote.block_id)

    def _check_prevote(self, who: int, vote: Vote) -> None:
        if vote.block_id not in self.offered[vote.height, vote.round]:
            raise Violation(f"L22: process {who} prevotes what round {vote.round} did not offer")
        locked = self._locks.get((who, vote.height))
        if locked is None or locked[1] == vote.block_id:
            return
        if not any(
            self._has_polka(vote.height, round_, vote.block_id)
            for round_ in range(locked[0], vote.round)
        ):
            raise Violation(
                f"L29: process {who} breaks its lock of round {locked[0]} in {vote.round}"
            )

    def is_unlock(self, who: int, height: int, block_id: BlockID) -> bool:
        """Whether a prevote for `block_id` leaves a lock behind."""
        locked = self._locks.get((who, height))
        return locked is not None and locked[1] != block_id

    def on_proposal(self, who: int, proposal: Proposal) -> None:
        """A proposal is signed by `who`."""
        place = (who, proposal.height, proposal.round)
        offer = (proposal.block_id, proposal.pol_round)
        if who in self.correct:
            if self._offers.setdefault(place, offer) != offer:
                raise Violation(f"S3: process {who} offers two blocks at {place[1:]}")
            if proposal.pol_round >= 0 and not self._has_polka(
                proposal.height, proposal.pol_round, proposal.block_id
            ):
                raise Violation(f"L16: process {who} names a polka that is none at {place[1:]}")
        self.offered[place[1:]].add(proposal.block_id)

    def on_round(self, who: int, height: int, round_: int) -> None:
        """`who` begins a round: > 2/3 precommits of the one before (L65) or > 1/3 are there already (L55)."""
        if who not in self.correct or round_ == 0:
            return
        before = self._sum(height, self._any[height, round_ - 1, int(PRECOMMIT)])
        there = self._sum(height, self._voters[height, round_])
        total = self.totals[height]
        if 3 * before <= 2 * total and 3 * there <= total:
            raise Violation(f"L55: process {who} begins {height}/{round_} without a reason")

    # --- decisions -------------------------------------------------------------------------------

    def on_decide(self, who: int, decision: Decide) -> None:
        """A process decides; a correct one must agree with every other and hold the proof."""
        if who not in self.correct:
            return
        height, block_id = decision.height, decision.block_id
        if self.chain.setdefault(height, block_id) != block_id:
            raise Violation(f"S1: two blocks are decided at height {height}")
        if not self.valid.get(block_id, False):
            raise Violation(f"process {who} decides an invalid block at {height}")
        place = (height, decision.round, int(PRECOMMIT))
        if not self._is_quorum(height, self._for[place, block_id]):
            raise Violation(f"L49: process {who} decides {height} without a quorum on the wire")
        self._check_proof(who, decision)

    def _check_proof(self, who: int, decision: Decide) -> None:
        behind = []
        for vote in decision.precommits:
            if vote not in self._votes:
                raise Violation(f"process {who} holds a vote that nobody signed")
            if (vote.height, vote.round, vote.type) != (
                decision.height,
                decision.round,
                PRECOMMIT,
            ):
                raise Violation(f"process {who} proves {decision.height} with other votes")
            if vote.block_id == decision.block_id:
                behind.append(vote.validator_address[0] - 1)
        if len(set(behind)) != len(behind) or not self._is_quorum(decision.height, set(behind)):
            raise Violation(f"L49: the commit of {decision.height} at process {who} proves nothing")

    # --- liars -----------------------------------------------------------------------------------

    def on_heard_vote(self, who: int, voter: int, vote: Vote, *, is_near: bool) -> None:
        """A correct process takes a vote in; two that differ oblige it to notice the conflict."""
        if not is_near or who not in self.correct:
            return
        key = (who, voter, vote.height, vote.round, int(vote.type))
        differs = self._heard.setdefault(key, vote.block_id) != vote.block_id
        if differs and key not in self._reported:
            self._owed.add(key)

    def on_conflict(self, who: int, conflict: FoundConflict) -> None:
        """A process reports an equivocation: it must be one, and of a liar."""
        a, b = conflict.vote_a, conflict.vote_b
        voter = a.validator_address[0] - 1
        if voter in self.correct:
            raise Violation(f"process {who} accuses the correct process {voter}")
        if {a, b} - self._votes or a.block_id == b.block_id or a.block_id.key() > b.block_id.key():
            raise Violation(f"process {who} reports a conflict that is none")
        key = (who, voter, a.height, a.round, int(a.type))
        self._reported.add(key)
        self._owed.discard(key)

    def on_height_over(self, who: int) -> None:
        """Nothing that obliged `who` may be left over."""
        owed = [key for key in self._owed if key[0] == who]
        if owed:
            raise Violation(f"process {who} missed an equivocation: {min(owed)}")

    def forget(self, who: int) -> None:
        """`who` lost what it had not made durable."""
        self._heard = {k: v for k, v in self._heard.items() if k[0] != who}
        self._owed = {k for k in self._owed if k[0] != who}
        self._reported = {k for k in self._reported if k[0] != who}

    def polka_is_nil(self, height: int, round_: int) -> bool:
        """Whether > 2/3 prevoted nil."""
        return self._has_polka(height, round_, BlockID())

    # --- arithmetic ------------------------------------------------------------------------------

    def _has_polka(self, height: int, round_: int, block_id: BlockID) -> bool:
        return self._is_quorum(height, self._for[(height, round_, int(PREVOTE)), block_id])

    def _is_quorum(self, height: int, voters: set[int]) -> bool:
        return 3 * self._sum(height, voters) > 2 * self.totals[height]

    def _sum(self, height: int, voters: set[int]) -> int:
        powers = self.powers[height]
        return sum(powers[voter] for voter in voters)
