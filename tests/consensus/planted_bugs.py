"""Bugs to plant in the core, each as small as the mistake it stands for.

The first eight are those measured in the reliability study; random noise finds some of them in 0 of 400 runs.
"""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chain.consensus import driver, rounds, votes
from chain.consensus.rounds import NO_ROUND
from chain.types.block import NIL_BLOCK_ID

Plant = Callable[[pytest.MonkeyPatch], None]
BUGS: dict[str, Plant] = {}


def bug(function: Plant) -> Plant:
    BUGS[function.__name__] = function
    return function


def _without_rule(patch: pytest.MonkeyPatch, rule: object) -> None:
    patch.setattr(driver, "_RULES", tuple(r for r in driver._RULES if r is not rule))


@bug
def quorum_is_two_of_four(patch: pytest.MonkeyPatch) -> None:
    for module in (votes, driver):
        patch.setattr(module, "is_two_thirds", lambda power, total: power * 2 >= total)


@bug
def one_voter_is_counted_again(patch: pytest.MonkeyPatch) -> None:
    real = votes.add_vote

    def add(keeper, vote):
        added = real(keeper, vote)
        if added.is_new or added.conflict:
            return added
        tally = votes.get_round(keeper, vote.round).get(vote.type)
        counted = votes._count(tally, vote, keeper.electorate)
        power = counted.power + keeper.electorate.powers[vote.validator_index]
        keeper = votes._with_tally(keeper, vote.round, vote.type, replace(counted, power=power))
        return replace(added, keeper=keeper, is_new=True)

    patch.setattr(driver, "add_vote", add)


@bug
def no_lock_rule(patch: pytest.MonkeyPatch) -> None:
    def prevote(state, block_id, *_, is_valid):
        return rounds._prevote(state, block_id if is_valid else NIL_BLOCK_ID)

    patch.setattr(rounds, "on_fresh_proposal", prevote)
    patch.setattr(rounds, "on_proposal_with_polka", prevote)


@bug
def lock_forgotten_at_a_new_round(patch: pytest.MonkeyPatch) -> None:
    real = rounds.start_round

    def start(state, round_, *, is_proposer):
        free = replace(state, locked_round=NO_ROUND, locked_block_id=NIL_BLOCK_ID)
        return real(free, round_, is_proposer=is_proposer)

    patch.setattr(rounds, "start_round", start)


@bug
def valid_value_never_set(patch: pytest.MonkeyPatch) -> None:
    real = rounds.on_polka

    def on_polka(state, block_id):
        after, effects = real(state, block_id)
        kept = {"valid_round": state.valid_round, "valid_block_id": state.valid_block_id}
        return replace(after, **kept), effects

    patch.setattr(rounds, "on_polka", on_polka)


@bug
def polka_counted_over_any_round(patch: pytest.MonkeyPatch) -> None:
    real = driver._rule_polka

    def rule(state):
        seen: dict = {}
        for held in state.votes.rounds.values():
            for block_id, block in held.prevotes.blocks.items():
                seen.setdefault(block_id, set()).update(block.votes)
        powers, total = state.votes.electorate.powers, state.votes.electorate.total
        now = votes.get_round(state.votes, state.round)
        many = tuple(b for b, who in seen.items() if sum(powers[i] for i in who) * 3 > total * 2)
        merged = replace(now, prevotes=replace(now.prevotes, majorities=many))
        keeper = replace(state.votes, rounds={**state.votes.rounds, state.round: merged})
        fired = real(replace(state, votes=keeper))
        return fired and (replace(fired[0], votes=state.votes), fired[1])

    patch.setattr(driver, "_RULES", tuple(rule if r is real else r for r in driver._RULES))


@bug
def prevote_timeout_not_armed(patch: pytest.MonkeyPatch) -> None:
    _without_rule(patch, driver._rule_any_prevotes)


@bug
def precommit_timeout_not_armed(patch: pytest.MonkeyPatch) -> None:
    _without_rule(patch, driver._rule_any_precommits)


@bug
def propose_timeout_not_armed(patch: pytest.MonkeyPatch) -> None:
    real = rounds.start_round

    def start(state, round_, *, is_proposer):
        after, effects = real(state, round_, is_proposer=is_proposer)
        return after, tuple(e for e in effects if not isinstance(e, driver.rounds.ScheduleTimeout))

    patch.setattr(rounds, "start_round", start)


@bug
def round_skip_missing(patch: pytest.MonkeyPatch) -> None:
    _without_rule(patch, driver._rule_skip)


@bug
def skip_at_exactly_one_third(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(votes, "is_one_third", lambda power, total: power * 3 >= total)


@bug
def quorum_at_exactly_two_thirds(patch: pytest.MonkeyPatch) -> None:
    for module in (votes, driver):
        patch.setattr(module, "is_two_thirds", lambda power, total: power * 3 >= total * 2)


@bug
def older_polka_frees_the_lock(patch: pytest.MonkeyPatch) -> None:
    def prevote(state, block_id, pol_round, *, is_valid):
        return rounds._prevote(state, block_id if is_valid else NIL_BLOCK_ID)

    patch.setattr(rounds, "on_proposal_with_polka", prevote)


@bug
def lock_never_freed(patch: pytest.MonkeyPatch) -> None:
    def prevote(state, block_id, pol_round, *, is_valid):
        return rounds.on_fresh_proposal(state, block_id, is_valid=is_valid)

    patch.setattr(rounds, "on_proposal_with_polka", prevote)


@bug
def proof_of_lock_not_checked(patch: pytest.MonkeyPatch) -> None:
    """Any polka of the named round will do, whatever its block."""
    real = driver.get_round

    class Anything(tuple):
        def __contains__(self, _):
            return True

    def get(keeper, round_):
        held = real(keeper, round_)
        some = Anything(held.prevotes.majorities)
        return replace(held, prevotes=replace(held.prevotes, majorities=some))

    patch.setattr(driver, "get_round", get)


@bug
def nil_polka_unlocks(patch: pytest.MonkeyPatch) -> None:
    real = rounds.on_nil_polka

    def on_nil(state):
        return real(replace(state, locked_round=NO_ROUND, locked_block_id=NIL_BLOCK_ID))

    patch.setattr(rounds, "on_nil_polka", on_nil)


@bug
def nil_polka_ignored(patch: pytest.MonkeyPatch) -> None:
    _without_rule(patch, driver._rule_nil_polka)


@bug
def polka_after_the_precommit_locks(patch: pytest.MonkeyPatch) -> None:
    real = rounds.on_polka

    def on_polka(state, block_id):
        return real(replace(state, step=rounds.Step.PREVOTE), block_id)

    patch.setattr(rounds, "on_polka", on_polka)


@bug
def only_this_round_decides(patch: pytest.MonkeyPatch) -> None:
    real = driver._rule_decide

    def rule(state):
        now = tuple(c for c in state.votes.commits if c[0] == state.round)
        fired = real(replace(state, votes=replace(state.votes, commits=now)))
        return fired and (replace(fired[0], votes=state.votes), fired[1])

    patch.setattr(driver, "_RULES", (rule, *driver._RULES[1:]))


@bug
def validity_not_asked(patch: pytest.MonkeyPatch) -> None:
    real = driver._take_block
    patch.setattr(driver, "_take_block", lambda s, b, *, is_valid: real(s, b, is_valid=True))


@bug
def late_timeouts_obeyed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        rounds, "is_precommit_timeout_due", lambda s, r: s.step is not rounds.Step.DECIDED
    )
    real = driver._enter_round
    patch.setattr(driver, "_enter_round", lambda s, r: real(s, max(r, s.round + 1)))


@bug
def conflicts_hide_polkas(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(driver, "add_claim", lambda keeper, *_: keeper)


@bug
def unclaimed_conflicts_counted_for_any(patch: pytest.MonkeyPatch) -> None:
    """Every vote of an equivocator counts as if it were its first."""
    real = votes.add_vote

    def add(keeper, vote):
        tally = votes.get_round(keeper, vote.round).get(vote.type)
        added = real(keeper, vote)
        if added.conflict is None:
            return added
        power = tally.power + keeper.electorate.powers[vote.validator_index]
        tally = votes.get_round(added.keeper, vote.round).get(vote.type)
        tally = votes._count(replace(tally, power=power), vote, keeper.electorate)
        keeper = votes._with_tally(added.keeper, vote.round, vote.type, tally)
        return replace(added, keeper=keeper)

    patch.setattr(driver, "add_vote", add)


@bug
def proposer_offers_twice(patch: pytest.MonkeyPatch) -> None:
    real = rounds.propose
    patch.setattr(rounds, "propose", lambda s, b, r: real(replace(s, has_proposed=False), b, r))


@bug
def valid_value_not_offered_again(patch: pytest.MonkeyPatch) -> None:
    real = rounds.start_round

    def start(state, round_, *, is_proposer):
        blind = replace(state, valid_round=NO_ROUND, valid_block_id=NIL_BLOCK_ID)
        after, effects = real(blind, round_, is_proposer=is_proposer)
        kept = {"valid_round": state.valid_round, "valid_block_id": state.valid_block_id}
        return replace(after, **kept), effects

    patch.setattr(rounds, "start_round", start)


@bug
def far_rounds_without_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(driver, "admit_far_round", lambda keeper, *_: keeper)


@bug
def old_rounds_dropped_with_the_lock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(driver, "_needed_rounds", lambda _: ())
