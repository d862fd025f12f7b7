"""The vote keeper: who voted what in which round, and which thresholds that reaches.

Reads: votes whose signatures were checked.  Writes: nothing; every change is a new value.
Never: counts one validator twice for one threshold, or compares fractions (integers only).

Conflicting votes, as in CometBFT's `types.VoteSet`. A validator's first vote of a round and type counts. Its first
conflicting vote is evidence and is kept, but counts for its block only once a peer claims a majority for that
block; from then on any vote of an equivocator for the block counts. So an equivocator cannot hide from us a polka
that others saw, a claim costs its peer its only one for the round and type, and what is kept stays bounded. A host
must therefore send its majorities (`held_majorities`) with the votes it re-sends (PROTOCOL §5).
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from chain.limits import (
    CONSENSUS_CLAIMS_PER_TALLY_MAX,
    CONSENSUS_FAR_ROUNDS_PER_VALIDATOR_MAX,
    CONSENSUS_ROUNDS_AHEAD_MAX,
    CONSENSUS_ROUNDS_BEHIND_MAX,
    CONSENSUS_SKIP_MAX,
)
from chain.types.block import BlockID, Vote
from chain.types.primitives import Address, Power, Round, SignedMsgType
from chain.types.validator import ValidatorSet


def is_two_thirds(power: Power, total: Power) -> bool:
    """True for strictly more than 2/3: "2f + 1" of the paper, for weighted votes."""
    return power * 3 > total * 2


def is_one_third(power: Power, total: Power) -> bool:
    """True for strictly more than 1/3: "f + 1" of the paper; at least one of them is correct."""
    return power * 3 > total


class Electorate(Struct, frozen=True):
    """Addresses and powers of a validator set in set order, as the keeper needs them."""

    addresses: tuple[Address, ...]
    powers: tuple[Power, ...]
    total: Power

    @classmethod
    def of(cls, validators: ValidatorSet) -> "Electorate":
        """Take the facts out of a validator set."""
        members = validators.validators
        return cls(
            tuple(v.address for v in members),
            tuple(v.voting_power for v in members),
            validators.total_power(),
        )

    def is_member(self, index: int, address: Address) -> bool:
        """True when the validator at `index` has this address."""
        return 0 <= index < len(self.addresses) and self.addresses[index] == address


class BlockTally(Struct, frozen=True):
    """Votes for one block (or nil): power, and each voter's vote by validator index."""

    power: Power = 0
    votes: Mapping[int, Vote] = field(default_factory=dict)


class Tally(Struct, frozen=True):
    """Votes of one type in one round."""

    first: Mapping[int, Vote] = field(default_factory=dict)
    """First vote of each validator: what counts for thresholds over anything."""
    power: Power = 0
    """Power behind `first`."""
    blocks: Mapping[BlockID, BlockTally] = field(default_factory=dict)
    """Every tracked vote by block; an equivocator appears under several."""
    majorities: tuple[BlockID, ...] = ()
    """Blocks (or nil) with > 2/3, in the order they got there; two need > 1/3 of liars."""
    conflicts: Mapping[int, Vote] = field(default_factory=dict)
    """First conflicting vote of each equivocator."""
    claims: Mapping[bytes, BlockID] = field(default_factory=dict)
    """The block each peer claims a majority for; a peer's first claim is final."""


class RoundVotes(Struct, frozen=True):
    """Both tallies of a round, and the power heard from in either (for L55)."""

    prevotes: Tally = field(default_factory=Tally)
    precommits: Tally = field(default_factory=Tally)
    power: Power = 0

    def get(self, type_: SignedMsgType) -> Tally:
        """The tally of one vote type."""
        return self.prevotes if type_ is SignedMsgType.PREVOTE else self.precommits


class VoteKeeper(Struct, frozen=True):
    """All votes of one height that are worth keeping, by round."""

    electorate: Electorate
    rounds: Mapping[Round, RoundVotes] = field(default_factory=dict)
    commits: tuple[tuple[Round, BlockID], ...] = ()
    """(round, block) pairs with > 2/3 precommits for a block: candidates of L49."""


class AddedVote(Struct, frozen=True):
    """Outcome of `add_vote`: `is_new` is False for duplicates and for what is not tracked."""

    keeper: VoteKeeper
    is_new: bool
    conflict: tuple[Vote, Vote] | None = None
    """Set at the first sign of an equivocation: the two votes, smaller block id key first."""


_NO_VOTES = RoundVotes()


def get_round(keeper: VoteKeeper, round_: Round) -> RoundVotes:
    """The votes of a round; empty when none came."""
    return keeper.rounds.get(round_, _NO_VOTES)


def is_known(keeper: VoteKeeper, vote: Vote) -> bool:
    """True when the voter's first vote of the round and type names the same block: most of what is re-sent."""
    held = keeper.rounds.get(vote.round)
    first = None if held is None else held.get(vote.type).first.get(vote.validator_index)
    return first is not None and first.block_id == vote.block_id


def is_first_nearby(keeper: VoteKeeper, vote: Vote, current: Round) -> bool:
    """True for a voter's first vote of a type in a round within the window: it will be counted as it stands."""
    if vote.round > current + CONSENSUS_ROUNDS_AHEAD_MAX:
        return False
    held = keeper.rounds.get(vote.round)
    return held is None or vote.validator_index not in held.get(vote.type).first


def add_vote(keeper: VoteKeeper, vote: Vote) -> AddedVote:
    """Count a vote of a member once; report the first conflict of its voter in this round and type."""
    assert keeper.electorate.is_member(vote.validator_index, vote.validator_address)
    votes = get_round(keeper, vote.round)
    tally = votes.get(vote.type)
    index = vote.validator_index
    earlier = tally.first.get(index)
    if earlier is None:
        return AddedVote(_with_first_vote(keeper, votes, vote), is_new=True)
    block = tally.blocks.get(vote.block_id)
    if block is not None and index in block.votes:
        return AddedVote(keeper, is_new=False)
    is_claimed = vote.block_id in tally.claims.values()
    is_reported = index in tally.conflicts
    if is_reported and (not is_claimed or tally.conflicts[index] == vote):
        return AddedVote(keeper, is_new=False)
    if is_claimed:
        tally = _count(tally, vote, keeper.electorate)
    if is_reported:
        return AddedVote(_with_tally(keeper, vote.round, vote.type, tally), is_new=True)
    tally = replace(tally, conflicts={**tally.conflicts, index: vote})
    low, high = sorted((earlier, vote), key=lambda v: v.block_id.key())
    keeper = _with_tally(keeper, vote.round, vote.type, tally)
    return AddedVote(keeper, is_new=True, conflict=(low, high))


def add_claim(
    keeper: VoteKeeper, round_: Round, type_: SignedMsgType, block_id: BlockID, source: bytes
) -> VoteKeeper:
    """Let equivocators' votes count for a block that the peer `source` claims a majority for.

    A peer's second claim for the round and type, and claims beyond the bound, are ignored.
    """
    tally = get_round(keeper, round_).get(type_)
    if source in tally.claims or len(tally.claims) >= CONSENSUS_CLAIMS_PER_TALLY_MAX:
        return keeper
    counted = tally.blocks.get(block_id, BlockTally()).votes
    tally = replace(tally, claims={**tally.claims, source: block_id})
    for index, vote in tally.conflicts.items():
        if vote.block_id == block_id and index not in counted:
            tally = _count(tally, vote, keeper.electorate)
    return _with_tally(keeper, round_, type_, tally)


def held_votes(keeper: VoteKeeper) -> tuple[Vote, ...]:
    """Every vote kept, both of a conflict included, by round, type and validator: what to re-send."""
    return tuple(
        vote
        for round_ in sorted(keeper.rounds)
        for tally in (keeper.rounds[round_].prevotes, keeper.rounds[round_].precommits)
        for vote in _votes_of(tally)
    )


def held_majorities(keeper: VoteKeeper) -> tuple[tuple[Round, SignedMsgType, BlockID], ...]:
    """Every > 2/3 majority held, by round: what to claim to peers before re-sending votes."""
    return tuple(
        (round_, type_, block_id)
        for round_ in sorted(keeper.rounds)
        for type_ in (SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT)
        for block_id in keeper.rounds[round_].get(type_).majorities
    )


def admit_far_round(keeper: VoteKeeper, vote: Vote, current: Round) -> VoteKeeper | None:
    """Make room for a vote further ahead than the window, or None when it is not worth keeping.

    Each validator keeps only its newest far rounds, so a liar displaces nobody's votes but its own.
    """
    horizon = current + CONSENSUS_ROUNDS_AHEAD_MAX
    if vote.round <= horizon:
        return keeper
    if vote.round > current + CONSENSUS_SKIP_MAX:
        return None
    index = vote.validator_index
    far = [r for r, votes in keeper.rounds.items() if r > horizon and _is_voter(votes, index)]
    if vote.round in far or len(far) < CONSENSUS_FAR_ROUNDS_PER_VALIDATOR_MAX:
        return keeper
    oldest = min(far)
    return None if vote.round < oldest else _without_voter(keeper, oldest, index)


def get_skip_round(keeper: VoteKeeper, current: Round) -> Round | None:
    """L55: the highest round above `current` in which > 1/3 of the power voted, if any."""
    total = keeper.electorate.total
    reached = [r for r, v in keeper.rounds.items() if r > current and is_one_third(v.power, total)]
    return max(reached) if reached else None


def drop_old_rounds(keeper: VoteKeeper, current: Round, kept: Iterable[Round]) -> VoteKeeper:
    """Forget rounds too far behind, except `kept` ones and those with > 2/3 precommits for a block."""
    floor = current - CONSENSUS_ROUNDS_BEHIND_MAX
    if all(r >= floor for r in keeper.rounds):
        return keeper
    needed = (*kept, *(r for r, _ in keeper.commits))
    rounds = {r: v for r, v in keeper.rounds.items() if r >= floor or r in needed}
    return replace(keeper, rounds=rounds)


def _with_first_vote(keeper: VoteKeeper, votes: RoundVotes, vote: Vote) -> VoteKeeper:
    """Count a validator's first vote of a round and type, and its power towards L55 once a round."""
    index, tally = vote.validator_index, votes.get(vote.type)
    power = keeper.electorate.powers[index]
    counted = replace(
        _count(tally, vote, keeper.electorate),
        first={**tally.first, index: vote},
        power=tally.power + power,
    )
    if not _is_voter(votes, index):
        votes = replace(votes, power=votes.power + power)
        keeper = _with_round(keeper, vote.round, votes)
    return _with_tally(keeper, vote.round, vote.type, counted)


def _count(tally: Tally, vote: Vote, electorate: Electorate) -> Tally:
    """Add the vote under its block and note a majority reached by it."""
    block = tally.blocks.get(vote.block_id) or BlockTally()
    power = block.power + electorate.powers[vote.validator_index]
    grown = BlockTally(power, {**block.votes, vote.validator_index: vote})
    majorities = tally.majorities
    if vote.block_id not in majorities and is_two_thirds(power, electorate.total):
        majorities = (*majorities, vote.block_id)
    return replace(tally, blocks={**tally.blocks, vote.block_id: grown}, majorities=majorities)


def _with_tally(
    keeper: VoteKeeper, round_: Round, type_: SignedMsgType, tally: Tally
) -> VoteKeeper:
    """Put a tally in its place and list the commits it brings."""
    votes = get_round(keeper, round_)
    if type_ is SignedMsgType.PREVOTE:
        return _with_round(keeper, round_, replace(votes, prevotes=tally))
    keeper = _with_round(keeper, round_, replace(votes, precommits=tally))
    found = tuple(
        (round_, block_id)
        for block_id in tally.majorities
        if not block_id.is_nil() and (round_, block_id) not in keeper.commits
    )
    return replace(keeper, commits=keeper.commits + found) if found else keeper


def _with_round(keeper: VoteKeeper, round_: Round, votes: RoundVotes) -> VoteKeeper:
    return replace(keeper, rounds={**keeper.rounds, round_: votes})


def _is_voter(votes: RoundVotes, index: int) -> bool:
    return index in votes.prevotes.first or index in votes.precommits.first


def _votes_of(tally: Tally) -> tuple[Vote, ...]:
    """Every vote of a tally once: by voter, the first one before the conflicting ones."""
    votes: dict[int, list[Vote]] = {index: [vote] for index, vote in tally.first.items()}
    for index, vote in tally.conflicts.items():
        votes[index].append(vote)
    for block in tally.blocks.values():
        for index, vote in block.votes.items():
            if vote not in votes[index]:
                votes[index].append(vote)
    return tuple(vote for index in sorted(votes) for vote in votes[index])


def _without_voter(keeper: VoteKeeper, round_: Round, index: int) -> VoteKeeper:
    """Recount a far round without one validator; drop the round when nobody is left in it."""
    votes = keeper.rounds[round_]
    others = {r: v for r, v in keeper.rounds.items() if r != round_}
    recounted = replace(keeper, rounds=others)
    for tally in (votes.prevotes, votes.precommits):
        for vote in _votes_of(tally):
            if vote.validator_index != index:
                recounted = add_vote(recounted, vote).keeper
    return recounted
