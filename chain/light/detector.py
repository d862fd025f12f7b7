"""Do the witnesses see the same chain as the primary? If not, who lies, and what proves it.

A witness that shows another block at the verified height is examined along the primary's trace up to the point
where both part; from there evidence is made against the primary, for the witness, and then, with the roles
exchanged, against the witness, for the primary. Full nodes judge which of the two is true.
Source: CometBFT 0.38 `light/detector.go`.
"""

from dataclasses import dataclass

from chain.codec.hashing import hash_header
from chain.crypto.light_attack import is_lunatic, make_light_attack
from chain.light.bisection import Failure, Trace, verify_skipping
from chain.light.sources import LATEST, Answer, Missing, Steps, fetch_at, height_of
from chain.light.verifier import TrustOptions
from chain.limits import LIGHT_BLOCK_LAG_MS, NANOS_PER_MS
from chain.types.evidence import LightBlock, LightClientAttackEvidence
from chain.types.primitives import Hash
from chain.types.timestamp import Timestamp


@dataclass(frozen=True, slots=True)
class Report:
    """Evidence, and the source whose full node should judge it."""

    evidence: LightClientAttackEvidence
    to: str


@dataclass(frozen=True, slots=True)
class Attack:
    """Two sources show different blocks, both well signed: trust nothing further, report both."""

    primary: str
    witness: str
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class Detection:
    """Witnesses that agree, and those to stop using, each with the reason."""

    agreeing: tuple[str, ...] = ()
    removed: tuple[tuple[str, str], ...] = ()


def block_hash(block: LightBlock) -> Hash:
    """The hash of a light block's header."""
    return hash_header(block.signed_header.header)


def detect_divergence(
    primary: str,
    witnesses: tuple[str, ...],
    trace: Trace,
    options: TrustOptions,
    now: Timestamp,
) -> Steps[Attack | Detection]:
    """Compare the last block of a verified trace with every witness."""
    agreeing: list[str] = []
    removed: list[tuple[str, str]] = []
    for witness in witnesses:
        answer = yield from _comparable(witness, trace[-1], options)
        if isinstance(answer, Missing):
            if not answer.is_benign():
                removed.append((witness, str(answer)))
        elif block_hash(answer) == block_hash(trace[-1]):
            agreeing.append(witness)
        else:
            attack = yield from _judge_conflict(primary, witness, trace, answer, options, now)
            if isinstance(attack, Attack):
                return attack
            removed.append((witness, attack.reason))
    return Detection(tuple(agreeing), tuple(removed))


def _comparable(witness: str, verified: LightBlock, options: TrustOptions) -> Steps[Answer]:
    """The witness's block of that height; or its newest one, if that is lower and yet not earlier.

    A witness that is behind gets time to catch up: twice the clock drift, and the lag of a block.
    """
    height = height_of(verified)
    answer = yield from fetch_at(witness, height)
    if answer is not Missing.TOO_HIGH:
        return answer
    patience_ns = 2 * options.clock_drift_ns + LIGHT_BLOCK_LAG_MS * NANOS_PER_MS
    for after_ns in (0, patience_ns):
        newest = yield from fetch_at(witness, LATEST, after_ns)
        if isinstance(newest, Missing):
            return newest
        if height_of(newest) >= height:
            return (yield from fetch_at(witness, height))
        if newest.signed_header.header.time >= verified.signed_header.header.time:
            return newest  # a forward lunatic: the primary's block lies in the witness's past
    return Missing.NO_RESPONSE


def _judge_conflict(
    primary: str,
    witness: str,
    trace: Trace,
    challenge: LightBlock,
    options: TrustOptions,
    now: Timestamp,
) -> Steps[Attack | Failure]:
    parted = yield from examine(trace, challenge, witness, options, now)
    if isinstance(parted, Failure):
        return parted
    reports = [Report(make_evidence(parted), witness)]
    # The witness itself may be at fault: hold the primary for true, and examine the witness's trace.
    back = yield from examine(parted.source_trace, parted.divergent, primary, options, now)
    if not isinstance(back, Failure):
        reports.append(Report(make_evidence(back), primary))
    return Attack(primary, witness, tuple(reports))


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two chains part: what the examined source verified from the last common block on, and what the
    other trace holds instead."""

    source_trace: Trace
    divergent: LightBlock


def examine(
    trace: Trace, target: LightBlock, source: str, options: TrustOptions, now: Timestamp
) -> Steps[Parting | Failure]:
    """Walk along a trace with another source's blocks until both part (`examineConflictingHeaderAgainstTrace`).

    `target` is that source's block, not above the trace's end. A Failure speaks against the source.
    """
    if height_of(target) < height_of(trace[0]):
        return Failure(height_of(target), "lower than the trusted block")
    common: LightBlock | None = None
    for held in trace:
        if common is not None and height_of(held) > height_of(target):
            return (yield from _forward_parting(common, held, target, source, options, now))
        answer: Answer = target
        if height_of(held) != height_of(target):
            answer = yield from fetch_at(source, height_of(held))
        if isinstance(answer, Missing):
            return Failure(height_of(held), str(answer))
        if common is None:
            if block_hash(answer) != block_hash(held):
                return Failure(height_of(held), "another block than the trusted one")
            # Our own copy: the header is the same, but nobody has judged the set the source sent with it.
            common = held
            continue
        verified = yield from verify_skipping(source, common, answer, options, now)
        if isinstance(verified, Failure):
            return verified
        if block_hash(answer) != block_hash(held):
            return Parting(verified, held)
        common = answer
    return Failure(height_of(target), "no divergence")


def _forward_parting(
    common: LightBlock,
    held: LightBlock,
    target: LightBlock,
    source: str,
    options: TrustOptions,
    now: Timestamp,
) -> Steps[Parting | Failure]:
    """The trace goes above a target that is not earlier: its next block is the divergent one."""
    if held.signed_header.header.time > target.signed_header.header.time:
        return Failure(height_of(target), "not later than the block above it")
    if height_of(common) == height_of(target):
        return Parting((common,), held)
    verified = yield from verify_skipping(source, common, target, options, now)
    return verified if isinstance(verified, Failure) else Parting(verified, held)


def make_evidence(parted: Parting) -> LightClientAttackEvidence:
    """Evidence against whoever showed the divergent block, the source's trace held for true."""
    common, trusted = parted.source_trace[0], parted.source_trace[-1]
    conflicting = parted.divergent
    theirs, ours = conflicting.signed_header.header, trusted.signed_header.header
    # A header no valid execution gives is judged at the last common height, any other at its own.
    ground = common if is_lunatic(theirs, ours) else trusted
    return make_light_attack(
        conflicting,
        chain_id=ours.chain_id,
        common_height=height_of(ground),
        common_time=ground.signed_header.header.time,
        common=ground.validator_set,
        ours=trusted.signed_header,
    )
