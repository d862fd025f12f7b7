"""Suite `quint`: traces of Malachite's model-checked Quint specification, replayed on our consensus core.

Three formats, told apart by what is in the file:
 - driver runs (`validator_set` and `steps`): several processes, each step one input of one process;
 - state machine (`state` in the variables): one process, inputs are rules whose guards already hold;
 - vote keeper (`bookkeeper` in the variables): votes in, thresholds out.

What a driver run leaves unsaid, and how it is read here:
 - The model has a step per rule; our core fires every enabled rule at once. The model works off its own steps
   (`StepChangeDInput`, `PendingDInput`) before it takes the next message, so the two are compared strictly
   whenever a process next takes something from outside. In between, our votes may only run ahead.
 - A record equal to the one before it is the model delivering messages or changing height, not a step.
 - A process that starts a height late has votes of it loaded without a record. They are among the votes sent
   by then that it never receives afterwards: the run is tried without them, then with them.
 - A proposal that came before its round is looked at by the model only when its step changes in that round or
   when the polka it names comes in; it is handed to our core at that moment (its block at once).
 - A certificate is a claimed majority and its votes; a proposal carries its value, hence also the block.
"""

import ast
import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chain.consensus import (
    NO_ROUND,
    BlockBuilt,
    BlockReceived,
    BuildBlock,
    CoreState,
    Effect,
    FoundConflict,
    HeightConfig,
    Input,
    MajorityClaimed,
    ProposalReceived,
    RoundState,
    ScheduleTimeout,
    SignProposal,
    SignVote,
    Step,
    TimeoutElapsed,
    TimeoutKind,
    VoteReceived,
    rounds,
    start_height,
    step,
)
from chain.consensus.votes import (
    Electorate,
    VoteKeeper,
    add_vote,
    get_round,
    get_skip_round,
    is_one_third,
    is_two_thirds,
)
from chain.types.block import NIL_BLOCK_ID, BlockID, PartSetHeader, Proposal, Vote
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import ZERO_TIME
from chain.types.validator import (
    Validator,
    ValidatorSet,
    increment_proposer_priority,
    new_validator_set,
)
from tests.vectors.runner import load_json, main

Json = dict[str, Any]

VOTE_TYPES = {"Prevote": SignedMsgType.PREVOTE, "Precommit": SignedMsgType.PRECOMMIT}
TIMEOUTS = {
    "ProposeTimeout": TimeoutKind.PROPOSE,
    "PrevoteTimeout": TimeoutKind.PREVOTE,
    "PrecommitTimeout": TimeoutKind.PRECOMMIT,
}
STEPS = {
    "NoStep": Step.NEW,
    "ProposeStep": Step.PROPOSE,
    "PrevoteStep": Step.PREVOTE,
    "PrecommitStep": Step.PRECOMMIT,
    "CommitStep": Step.DECIDED,
}
OWN_STEPS = ("StepChangeDInput", "PendingDInput", "NoDInput")
HEIGHT_OFFSET = 1
"""The model counts heights from 0, we from 1."""


def replay(path: Path) -> int | None:
    """Replay one file of any of the three formats."""
    trace = load_json(path)
    if not isinstance(trace, dict):
        return None
    if "validator_set" in trace and "steps" in trace:
        return replay_driver_run(trace)
    variables = trace.get("vars", ())
    if "bookkeeper" in variables:
        return replay_vote_keeper(trace)
    if {"state", "input", "output"} <= set(variables):
        return replay_state_machine(trace)
    return None


# --- the model's values ------------------------------------------------------------------------


def block_id_of(value: str | Json) -> BlockID:
    """A block id for a value of the model: `Nil`, `{"Val": name}` or a bare name."""
    name = value["Val"] if isinstance(value, dict) else value
    if name == "Nil":
        return NIL_BLOCK_ID
    digest = hashlib.sha256(name.encode()).digest()
    return BlockID(digest, PartSetHeader(1, hashlib.sha256(digest).digest()))


def is_valid(name: str) -> bool:
    """The model's validity predicate."""
    return name != "invalid"


def split(tagged: str | Json) -> tuple[str, Any]:
    """Tag and content of a variant; a bare tag has no content."""
    if isinstance(tagged, str):
        return tagged, None
    ((tag, content),) = tagged.items()
    return tag, content


def address_of(name: str) -> bytes:
    """An address that sorts as the name does, since equal powers are ordered by address."""
    return name.encode().ljust(20, b"\0")


def vote_of(fields: Json, order: dict[str, int], offset: int) -> Vote:
    name = fields["srcAddress"]
    return Vote(
        VOTE_TYPES[fields["voteType"]],
        fields["height"] + offset,
        fields["round"],
        block_id_of(fields["valueId"]),
        ZERO_TIME,
        address_of(name),
        order[name],
    )


def validators_of(weights: dict[str, int]) -> tuple[ValidatorSet, dict[str, int]]:
    """Our validator set, and the index of each name in it."""
    made = new_validator_set(tuple(Validator(address_of(n), b"", w) for n, w in weights.items()))
    names = {address_of(n): n for n in weights}
    return made, {names[v.address]: i for i, v in enumerate(made.validators)}


# --- vote keeper -------------------------------------------------------------------------------


def replay_vote_keeper(trace: Json) -> int:
    """Same tallies, same thresholds at the same vote, same equivocators."""
    states = trace["states"]
    weights = states[0]["bookkeeper"]["validatorSet"]
    validators, order = validators_of(weights)
    keeper = VoteKeeper(Electorate.of(validators))
    emitted: set[str] = set()
    conflicts = checks = 0
    for before, state in itertools.pairwise(states):
        if state == before:
            continue
        fields, weight, current = state["weightedVote"]["WV"]
        assert weights[fields["srcAddress"]] == weight, "a vote with a wrong weight"
        vote = vote_of(fields, order, 0)
        added = add_vote(keeper, vote)
        keeper = added.keeper
        conflicts += added.conflict is not None
        output = _keeper_output(keeper, vote, fields["valueId"], current, emitted)
        assert output == _text(state["lastEmitted"]), (
            f"{fields}: {output}, the model {state['lastEmitted']}"
        )
        emitted.add(output)
        checks += 1 + _compare_tallies(keeper, state["bookkeeper"], order)
    caught = {
        (v["srcAddress"], v["round"], v["voteType"])
        for pair in states[-1]["bookkeeper"]["evidence"]
        for v in pair
        if sum(w["voteType"] == v["voteType"] and w["round"] == v["round"] for w in pair) > 1
    }
    assert conflicts == len(caught), f"{conflicts} conflicts found, the model {len(caught)}"
    return checks


def _keeper_output(
    keeper: VoteKeeper, vote: Vote, value: str | Json, current: int, emitted: set[str]
) -> str:
    """The model's name for what the keeper says after this vote."""
    votes, total = get_round(keeper, vote.round), keeper.electorate.total
    tally = votes.get(vote.type)
    is_prevote = vote.type is SignedMsgType.PREVOTE
    output: Any = "NoVKOutput"
    if vote.round > current and is_one_third(votes.power, total):
        assert get_skip_round(keeper, current) is not None
        return _text({"SkipVKOutput": vote.round})
    if vote.block_id in tally.majorities and not vote.block_id.is_nil():
        name = "PolkaValueVKOutput" if is_prevote else "PrecommitValueVKOutput"
        output = {name: [vote.round, split(value)[1]]}
    elif vote.block_id in tally.majorities and is_prevote:
        output = {"PolkaNilVKOutput": vote.round}
    elif is_two_thirds(tally.power, total):
        output = {"PolkaAnyVKOutput" if is_prevote else "PrecommitAnyVKOutput": vote.round}
    return "NoVKOutput" if _text(output) in emitted else _text(output)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _compare_tallies(keeper: VoteKeeper, bookkeeper: Json, order: dict[str, int]) -> int:
    """Weight per value, voters and power heard of every round."""
    checks = 0
    assert set(map(int, bookkeeper["rounds"])) == set(keeper.rounds), "other rounds than the model"
    for number, expected in bookkeeper["rounds"].items():
        votes = get_round(keeper, int(number))
        assert votes.power == sum(expected["votesAddressesWeights"].values()), "power heard"
        for key, tally in (("prevotes", votes.prevotes), ("precommits", votes.precommits)):
            voters = {order[name] for name in expected[key]["votesAddresses"]}
            assert set(tally.first) == voters, f"voters of round {number}"
            weights = {
                block_id_of(ast.literal_eval(value) if value.startswith("{") else value): weight
                for value, weight in expected[key]["valuesWeights"].items()
                if weight
            }
            assert {b: t.power for b, t in tally.blocks.items()} == weights, f"weights in {number}"
            checks += 2
    return checks


# --- state machine -----------------------------------------------------------------------------


def replay_state_machine(trace: Json) -> int:
    """Same state and same output after each rule; what the model calls an error our rules refuse."""
    first, *rest = trace["states"]
    machine = _machine_of(first["state"])
    checks, before = 0, first
    for record in rest:
        if record == before:
            continue
        if _is_new_instance(before, record):
            machine = _machine_of(record["state"])
        else:
            machine = _replay_rule(machine, record)
            _compare_machine(machine, record)
            checks += 1
        before = record
    return checks


def _machine_of(state: Json) -> RoundState:
    return RoundState(
        height=state["height"],
        is_voter=True,
        round=state["round"],
        step=STEPS.get(state["step"], Step.NEW),
        locked_round=state["lockedRound"],
        locked_block_id=block_id_of(state["lockedValue"]),
        valid_round=state["validRound"],
        valid_block_id=block_id_of(state["validValue"]),
    )


def _is_new_instance(before: Json, record: Json) -> bool:
    """The model's `init` or a jump to another height or process: nothing to replay."""
    same = all(before["state"][k] == record["state"][k] for k in ("height", "p"))
    return not same or record["input"] == "NoConsensusInput"


def _replay_rule(machine: RoundState, record: Json) -> RoundState:
    tag, content = split(record["input"])
    expected, _ = split(record["output"])
    try:
        after, effects = _RULES_BY_INPUT[tag](machine, content)
    except AssertionError:
        assert expected == "ErrorOutput", f"{tag}: our rule refuses, the model says {expected}"
        return machine
    if expected == "ErrorOutput":
        assert (after, effects) == (machine, ()), f"{tag}: the model refuses, we give {effects}"
        return machine
    assert _has_output(after, effects, record["output"]), (
        f"{tag}: we give {effects}, the model {record['output']}"
    )
    return after


Rule = Callable[[RoundState, Any], rounds.Transition]


def _on_precommit_timeout(machine: RoundState, at: list[int]) -> rounds.Transition:
    due = at[0] == machine.height and rounds.is_precommit_timeout_due(machine, at[1])
    assert due, "L65 is not enabled"
    return machine, ()


def _on_skip(machine: RoundState, round_: int) -> rounds.Transition:
    assert round_ > machine.round, "L55 is not enabled"
    return machine, ()


def _on_commit(machine: RoundState, _: Any) -> rounds.Transition:
    assert machine.step is not Step.DECIDED, "L49 is not enabled"
    return rounds.on_commit(machine), ()


_RULES_BY_INPUT: dict[str, Rule] = {
    "NewRoundCInput": lambda m, r: rounds.start_round(m, r, is_proposer=False),
    "NewRoundProposerCInput": lambda m, r: rounds.start_round(m, r, is_proposer=True),
    "ProposeValueCInput": lambda m, v: rounds.propose(m, block_id_of(v), NO_ROUND),
    "ProposalCInput": lambda m, c: rounds.on_fresh_proposal(m, block_id_of(c[1]), is_valid=True),
    "ProposalInvalidCInput": lambda m, _: rounds.on_fresh_proposal(
        m, block_id_of("invalid"), is_valid=False
    ),
    "ProposalAndPolkaPreviousAndValidCInput": lambda m, c: rounds.on_proposal_with_polka(
        m, block_id_of(c[0]), c[1], is_valid=True
    ),
    "ProposalAndPolkaAndInvalidCInput": lambda m, v: rounds.on_fresh_proposal(
        m, block_id_of(v), is_valid=False
    ),
    "PolkaAnyCInput": lambda m, _: rounds.on_any_prevotes(m),
    "PolkaNilCInput": lambda m, _: rounds.on_nil_polka(m),
    "ProposalAndPolkaAndValidCInput": lambda m, v: rounds.on_polka(m, block_id_of(v)),
    "PrecommitAnyCInput": lambda m, _: rounds.on_any_precommits(m),
    "ProposalAndCommitAndValidCInput": _on_commit,
    "RoundSkipCInput": _on_skip,
    "TimeoutProposeCInput": lambda m, at: rounds.on_timeout_propose(m, at[1]),
    "TimeoutPrevoteCInput": lambda m, at: rounds.on_timeout_prevote(m, at[1]),
    "TimeoutPrecommitCInput": _on_precommit_timeout,
}


def _has_output(machine: RoundState, effects: tuple[Effect, ...], output: str | Json) -> bool:
    """Do our effects say what the model's output says?"""
    tag, content = split(output)
    match tag:
        case "VoteOutput":
            type_, block_id = VOTE_TYPES[content["voteType"]], block_id_of(content["valueId"])
            return effects == (SignVote(type_, machine.height, content["round"], block_id),)
        case "ProposalOutput":
            block_id, pol_round = block_id_of(content["proposal"]), content["validRound"]
            offer = SignProposal(machine.height, content["round"], block_id, pol_round)
            return offer in effects
        case "TimeoutOutput":
            return ScheduleTimeout(TIMEOUTS[content[1]], machine.height, content[0]) in effects
        case "GetValueAndScheduleTimeoutOutput":
            timeout = ScheduleTimeout(TIMEOUTS[content[2]], machine.height, content[1])
            return timeout in effects and BuildBlock(machine.height, content[1]) in effects
        case "SkipRoundOutput":
            return effects == () and content > machine.round
        case "DecidedOutput":
            return machine.step is Step.DECIDED
        case "NoConsensusOutput":
            return effects == ()
    return False


def _compare_machine(machine: RoundState, record: Json) -> None:
    expected = record["state"]
    ours = (machine.round, *_locks(machine))
    assert ours == (expected["round"], *_expected_locks(expected)), f"{record['input']}: {ours}"
    if expected["step"] in STEPS:  # between two rounds the model has a step of its own
        assert machine.step is STEPS[expected["step"]], f"{record['input']}: {machine.step!r}"


def _locks(machine: RoundState) -> tuple[int, BlockID, int, BlockID]:
    return (
        machine.locked_round,
        machine.locked_block_id,
        machine.valid_round,
        machine.valid_block_id,
    )


def _expected_locks(state: Json) -> tuple[int, BlockID, int, BlockID]:
    return (
        state["lockedRound"],
        block_id_of(state["lockedValue"]),
        state["validRound"],
        block_id_of(state["validValue"]),
    )


# --- driver runs -------------------------------------------------------------------------------

SentVote = tuple[SignedMsgType, int, BlockID]
"""Type, round and block of a vote somebody signed."""


@dataclass
class Process:
    """Our core standing in for one process of the run during one height."""

    state: CoreState
    sent: list[SentVote] = field(default_factory=list)
    proposed: dict[int, tuple[BlockID, int]] = field(default_factory=dict)
    conflicts: int = 0

    @classmethod
    def start(cls, config: HeightConfig) -> "Process":
        state, effects = start_height(config)
        process = cls(state)
        process.note(effects)
        return process

    def feed(self, *inputs: Input) -> None:
        for input_ in inputs:
            self.state, effects = step(self.state, input_)
            self.note(effects)

    def note(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case SignVote(type_, _, round_, block_id):
                    self.sent.append((type_, round_, block_id))
                case SignProposal(_, round_, block_id, pol_round):
                    self.proposed[round_] = (block_id, pol_round)
                case FoundConflict():
                    self.conflicts += 1

    def decision(self) -> tuple[int, BlockID] | None:
        decided = self.state.decision
        return None if decided is None else (decided.round, decided.block_id)


@dataclass(frozen=True)
class Run:
    """The facts of a file that every process needs."""

    validators: ValidatorSet
    order: dict[str, int]
    proposers: list[str]
    steps: list[Json]
    weights: dict[str, int]

    def is_proposer(self, proposal: Json) -> bool:
        """The model's rotation: names in order, round 0 belongs to the second."""
        return (
            self.proposers[(proposal["round"] + 1) % len(self.proposers)]
            == (proposal["srcAddress"])
        )

    def config(self, name: str, height: int) -> HeightConfig:
        return HeightConfig(height + HEIGHT_OFFSET, self.validators, address_of(name))


def replay_driver_run(trace: Json) -> int:
    """Every process votes, locks and decides as in the run; the run's agreement or disagreement is ours."""
    weights = trace["validator_set"]
    validators, order = _rotated_to_second(weights)
    run = Run(validators, order, sorted(weights), list(_real_steps(trace["steps"])), weights)
    checks = 0
    decisions: dict[int, set[BlockID]] = defaultdict(set)
    expected: dict[int, set[BlockID]] = defaultdict(set)
    for name in trace["initial"]:
        for height, indices in _segments(run, name).items():
            made, process = _replay_segment(run, name, height, indices)
            checks += made
            decided = process.decision()
            if decided is not None:
                decisions[height].add(decided[1])
        for entry in trace["final"][name]["chain"]:
            decision = entry["decision"]
            expected[decision["height"]].add(block_id_of(decision["proposal"]))
    assert decisions == expected, f"decided {decisions}, the model {expected}"
    liars = sum(w for n, w in weights.items() if n not in trace["initial"])
    is_split = any(len(blocks) > 1 for blocks in decisions.values())
    assert not is_split or liars * 3 >= sum(weights.values()), "disagreement without enough liars"
    return checks + 1


def _rotated_to_second(weights: dict[str, int]) -> tuple[ValidatorSet, dict[str, int]]:
    """Our set, rotated until its first proposer is the model's, so that our proposer proposes as in the run."""
    validators, order = validators_of(weights)
    second = address_of(sorted(weights)[1 % len(weights)])
    for _ in weights:
        if validators.get_proposer().address == second:
            break
        validators = increment_proposer_priority(validators, 1)
    return validators, order


def _real_steps(steps: list[Json]) -> Iterator[Json]:
    """Steps of processes, without the records repeated while the model did something else."""
    before: Json = {}
    for record in steps:
        same = all(record[k] == before.get(k) for k in ("validator", "input", "output"))
        is_idle = same and (
            record["state_after"] == before["state_after"]
            or record["state_after"]["step"] == "NoStep"
        )
        if "state_after" in record and not is_idle:
            yield record
        before = record if "state_after" in record else {}


def _segments(run: Run, name: str) -> dict[int, list[int]]:
    """Indices of a process's steps by height."""
    found: dict[int, list[int]] = defaultdict(list)
    for index, record in enumerate(run.steps):
        if record["validator"] == name:
            found[record["state_after"]["height"]].append(index)
    return dict(found)


def _replay_segment(run: Run, name: str, height: int, indices: list[int]) -> tuple[int, Process]:
    """Replay one process at one height, without and then with the votes that may have been loaded silently."""
    hidden = _silent_votes(run, name, height, indices)
    try:
        return _replay_steps(run, name, height, indices, [])
    except AssertionError:
        if not hidden:
            raise
    return _replay_steps(run, name, height, indices, hidden)


def _silent_votes(run: Run, name: str, height: int, indices: list[int]) -> list[Vote]:
    """Votes of the height sent before the process began it and not received by it later."""
    received = set()
    for index in indices:
        tag, content = split(run.steps[index]["input"])
        for fields in [content] if tag == "VoteDInput" else []:
            received.add((fields["srcAddress"], fields["round"], fields["voteType"]))
    votes = []
    for record in run.steps[: indices[0]]:
        tag, content = split(record["output"])
        if tag != "VoteOutput" or content["height"] != height or record["validator"] == name:
            continue
        if (content["srcAddress"], content["round"], content["voteType"]) not in received:
            votes.append(vote_of(content, run.order, HEIGHT_OFFSET))
    return votes


def _replay_steps(
    run: Run, name: str, height: int, indices: list[int], hidden: list[Vote]
) -> tuple[int, Process]:
    process = Process.start(run.config(name, height))
    process.feed(*(VoteReceived(vote) for vote in hidden))
    sent: list[SentVote] = []
    early: list[ProposalReceived] = []
    checks, round_ = 0, 0
    for position, index in enumerate(indices):
        record = run.steps[index]
        for input_ in _inputs_of(run, record, round_):
            if isinstance(input_, ProposalReceived) and input_.proposal.round > round_:
                early.append(input_)
            else:
                process.feed(input_)
        process.feed(*(p for p in early if _is_looked_at(p.proposal, record, round_)))
        round_ = max(record["state_after"]["round"], 0)
        tag, content = split(record["output"])
        if tag == "VoteOutput":
            block_id = block_id_of(content["valueId"])
            sent.append((VOTE_TYPES[content["voteType"]], content["round"], block_id))
        where = f"step {index} of {name}, {record['input']}"
        assert process.sent[: len(sent)] == sent, f"{where}: we sent {process.sent}, not {sent}"
        _compare_proposal(run, process, tag, content, where)
        following = indices[position + 1 : position + 2]
        if following and split(run.steps[following[0]]["input"])[0] in OWN_STEPS:
            continue  # the model has rules to fire before it takes anything in
        _compare_process(process, record, sent, where, is_last=not following)
        checks += 1
    return checks, process


def _inputs_of(run: Run, record: Json, round_: int) -> Iterator[Input]:
    """The run's input as ours; a timeout is always one of the current round."""
    tag, content = split(record["input"])
    height = record["state_after"]["height"] + HEIGHT_OFFSET
    match tag:
        case "VoteDInput":
            yield VoteReceived(vote_of(content, run.order, HEIGHT_OFFSET))
        case "CertificateDInput":
            votes = [vote_of(fields, run.order, HEIGHT_OFFSET) for fields in content]
            a_vote = votes[0]
            yield MajorityClaimed(
                a_vote.type, a_vote.height, a_vote.round, a_vote.block_id, repr(content).encode()
            )
            yield from (VoteReceived(vote) for vote in votes)
        case "ProposalDInput" if run.is_proposer(content):
            block_id = block_id_of(content["proposal"])
            at, pol_round = content["round"], content["validRound"]
            yield ProposalReceived(Proposal(height, at, pol_round, block_id, ZERO_TIME))
            yield BlockReceived(block_id, is_valid(content["proposal"]))
        case "ProposeValueDInput":
            yield BlockBuilt(round_, block_id_of(content))
        case "TimeoutDInput":
            yield TimeoutElapsed(TIMEOUTS[content], height, round_)


def _is_looked_at(proposal: Proposal, record: Json, round_: int) -> bool:
    """Does the model, in this step and round, look at a proposal that came early?"""
    tag, content = split(record["input"])
    if proposal.round != round_:
        return False
    votes = [content] if tag == "VoteDInput" else content if tag == "CertificateDInput" else []
    return tag == "StepChangeDInput" or any(
        v["voteType"] == "Prevote" and v["round"] == proposal.pol_round for v in votes
    )


def _compare_proposal(run: Run, process: Process, tag: str, content: Any, where: str) -> None:
    """Our proposal is the run's. Weighted sets rotate otherwise than in the model: nothing to compare."""
    if tag != "ProposalOutput" or len(set(run.weights.values())) > 1:
        return
    ours = process.proposed.get(content["round"])
    expected = (block_id_of(content["proposal"]), content["validRound"])
    assert ours == expected, f"{where}: we propose {ours}, not {expected}"


def _compare_process(
    process: Process, record: Json, sent: list[SentVote], where: str, *, is_last: bool
) -> None:
    """Votes, locks, decision, round and step. A run may end with a rule of the model still to fire."""
    expected, machine = record["state_after"], process.state.machine
    tag, content = split(record["output"])
    if is_last and len(process.sent) > len(sent):
        return
    assert process.sent == sent, f"{where}: we sent {process.sent}, not {sent}"
    locks = _locks(machine)
    assert locks == _expected_locks(expected), f"{where}: our locks are {locks}"
    if tag == "DecidedOutput":
        decided = (content[0], block_id_of(content[1]))
        assert process.decision() == decided, f"{where}: we decide {process.decision()}"
    if expected["step"] == "CommitStep":
        assert process.decision() is not None, f"{where}: we have not decided"
    elif expected["step"] != "NoStep":
        ours = (machine.round, machine.step)
        assert ours == (expected["round"], STEPS[expected["step"]]), f"{where}: we are at {ours}"


if __name__ == "__main__":
    main(replay)
