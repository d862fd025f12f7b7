"""Which ballots among transactions still have to be judged, so that a node may have it done before it executes them.

A hint and no more: what is not judged ahead the rule judges itself, with the same outcome.
Reads: the ballot box, lists, parameters.  Writes: nothing.
"""

from collections.abc import Sequence

from chain.town.context import Reader, Refused
from chain.town.engine import StateUnavailable
from chain.town.envelope import decode_anonymous, is_anonymous
from chain.town.votes import ballots
from chain.town.votes_schemas import BallotCast
from chain.votes.judging import BallotTask, Finding


def ballot_task(state: Reader, town: str, raw: bytes, now_s: int) -> BallotTask | Refused | None:
    """The task in one transaction; None for one that holds no ballot, or a ballot that was judged."""
    if not is_anonymous(raw):
        return None
    try:
        return _read_task(state, town, raw, now_s)
    except (StateUnavailable, MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001  # poison: the engine, which is asked next, knows what to do with it
        return None


def _read_task(state: Reader, town: str, raw: bytes, now_s: int) -> BallotTask | Refused | None:
    envelope = decode_anonymous(raw, town)
    if isinstance(envelope, Refused):
        return envelope
    if not isinstance(envelope.body, BallotCast):
        return None
    return ballots.find_task(state, envelope.body, now_s)


def is_signed(task: BallotTask) -> bool:
    """Whether the credential that a ballot names signed it."""
    return ballots.is_signed(task)


def learn(task: BallotTask, finding: Finding) -> None:
    """Keep what another process of this node found, as if it had been found here."""
    ballots.learn(task, finding)


def ballot_tasks(
    state: Reader, town: str, txs: Sequence[bytes], now_s: int, gas_max_us: int
) -> tuple[BallotTask, ...]:
    """The tasks in a block, as far as it can be acceptable: up to its gas and to the first that is refused anyway."""
    tasks: list[BallotTask] = []
    gas_us = 0
    for raw in txs:
        task = ballot_task(state, town, raw, now_s)
        if isinstance(task, Refused):
            break
        if task is not None:
            gas_us += task.gas_us
            if gas_us > gas_max_us:
                break
            tasks.append(task)
    return tuple(tasks)
