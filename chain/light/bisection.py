"""From one trusted light block to another: forwards one by one or by leaps, backwards by hash.

Each returns the blocks verified on the way, the first trusted one included, or why it could not be done.
Source: CometBFT 0.38 `light/client.go` (verifySequential, verifySkipping, backwards).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from chain.crypto.light_forms import light_block_form
from chain.light.sources import Missing, Steps, fetch_at, height_of
from chain.light.verifier import (
    Judgement,
    TrustedBlock,
    TrustOptions,
    Verdict,
    is_expired,
    majority_flaw,
    verify_backwards,
    verify_step,
)
from chain.types.evidence import LightBlock
from chain.types.primitives import Height
from chain.types.timestamp import Timestamp

PIVOT_NUMERATOR: Final = 9
PIVOT_DENOMINATOR: Final = 16
"""The next try lies at 9/16 of the gap (CometBFT: better than the middle when sets change slowly)."""


class Mode(StrEnum):
    """Every header, or as few as trust allows."""

    SEQUENTIAL = "sequential"
    SKIPPING = "skipping"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a height could not be verified; `is_benign` when an honest source may cause it."""

    height: Height
    reason: str
    is_benign: bool = False


Trace: TypeAlias = tuple[LightBlock, ...]


def trust(block: LightBlock) -> TrustedBlock:
    """A verified light block as the ground of the next step.

    As CometBFT does, a leap asks a third of the set that decided the trusted block itself: its power at a
    height both sides agree on is what attack evidence is judged by.
    """
    return TrustedBlock(block.signed_header.header, block.validator_set)


def verify_forwards(
    mode: Mode,
    source: str,
    trusted: LightBlock,
    target: LightBlock,
    options: TrustOptions,
    now: Timestamp,
) -> Steps[Trace | Failure]:
    """Verify `target`, which lies above `trusted`, with blocks of the same source in between."""
    walk = verify_skipping if mode is Mode.SKIPPING else verify_sequential
    return (yield from walk(source, trusted, target, options, now))


def verify_skipping(
    source: str, trusted: LightBlock, target: LightBlock, options: TrustOptions, now: Timestamp
) -> Steps[Trace | Failure]:
    """Leap to the target; where too few of the trusted set signed, try nearer first (bisection)."""
    waiting, depth = [target], 0
    verified, trace = trusted, [trusted]
    while True:
        tried = waiting[depth]
        judgement = verify_step(tried, trust(verified), options, now)
        if judgement.verdict is Verdict.INVALID:
            return _invalid(tried, judgement)
        if judgement.is_success():
            trace.append(tried)
            if depth == 0:
                return tuple(trace)
            verified, depth = tried, _cut(waiting, depth)
            continue
        if depth == len(waiting) - 1:
            gap = height_of(tried) - height_of(verified)
            pivot = height_of(verified) + gap * PIVOT_NUMERATOR // PIVOT_DENOMINATOR
            nearer = yield from fetch_at(source, pivot)
            if isinstance(nearer, Missing):
                return Failure(pivot, str(nearer), nearer.is_benign())
            waiting.append(nearer)
        depth += 1


def _cut(waiting: list[LightBlock], depth: int) -> int:
    """Drop what lies at or below the block just verified; the next try is the target again."""
    del waiting[depth:]
    return 0


def verify_sequential(
    source: str, trusted: LightBlock, target: LightBlock, options: TrustOptions, now: Timestamp
) -> Steps[Trace | Failure]:
    """Verify every height up to the target."""
    trace = [trusted]
    for height in range(height_of(trusted) + 1, height_of(target) + 1):
        block = target
        if height < height_of(target):
            fetched = yield from fetch_at(source, height)
            if isinstance(fetched, Missing):
                return Failure(height, str(fetched), fetched.is_benign())
            block = fetched
        judgement = verify_step(block, trust(trace[-1]), options, now)
        if not judgement.is_success():
            return _invalid(block, judgement)
        trace.append(block)
    return tuple(trace)


def verify_hash_chain(
    source: str, trusted: LightBlock, height: Height, options: TrustOptions, now: Timestamp
) -> Steps[Trace | Failure]:
    """Down from a trusted block to a lower height, each header named by the one above it.

    Stricter than CometBFT, which believes the commit: who restores a snapshot below the header it trusts stores it.
    """
    if is_expired(trusted.signed_header.header, options.trusting_period_ns, now):
        return Failure(height_of(trusted), "the trusted header has expired")
    trace = [trusted]
    for lower in range(height_of(trusted) - 1, height - 1, -1):
        fetched = yield from fetch_at(source, lower)
        if isinstance(fetched, Missing):
            return Failure(lower, str(fetched), fetched.is_benign())
        newer = trace[-1].signed_header.header
        judgement = verify_backwards(fetched.signed_header.header, newer)
        if not judgement.is_success():
            return _invalid(fetched, judgement)
        flaw = light_block_form(fetched, newer.chain_id) or majority_flaw(fetched)
        if flaw:
            return Failure(lower, flaw)
        trace.append(fetched)
    return tuple(trace)


def _invalid(block: LightBlock, judgement: Judgement) -> Failure:
    return Failure(height_of(block), judgement.reason)
