"""`beffroi trustee`: make a share of an election's key, and decrypt its tally once, on a machine of one's own.

The role key signs what is sent; the vault's secrets never leave. Everything acted on is proved by the light client,
from a trust the operator gives (`--genesis`, `--trust-hash`, `--store`).
"""

import secrets as chance
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click
from rich.progress import Progress

from app.cli.ballot_board import Board, ElectionState
from app.cli.judging import judge_over_cores, show_progress
from app.cli.outside import (
    EXIT_REFUSED,
    EXIT_WAITING,
    POLL_S,
    Refusal,
    alone,
    answer,
    await_proved,
    body_options,
    find_rank,
    read_passphrase,
    send,
)
from app.cli.trust import ChainOptions, open_chain
from app.cli.trustee import decryption
from app.cli.trustee.ceremony import DONE, Move, NotOurs, next_move
from app.cli.trustee.memory import Memory, OtherTally
from app.cli.trustee.vault import Vault
from app.core.keyfiles import RoleKey, read_key_file
from chain.town.votes_schemas import TallyShare, VoteProof
from chain.votes.ceremony import CeremonyError


@dataclass(slots=True)
class Desk:
    """A trustee at work on one election."""

    board: Board
    key: RoleKey
    vault: Vault
    memory: Memory
    rank: int
    progress: Progress
    end_s: float
    """Until when others are waited for, on the monotonic clock."""

    @property
    def lock(self) -> Path:
        """Held by whoever makes secrets or decrypts for this place; see `alone`."""
        return self.vault.folder / f"{self.board.name}-{self.rank}.lock"


_EXITS: Final = {"waiting": EXIT_WAITING}
_OWN: Final = (NotOurs, CeremonyError, OtherTally, decryption.Refused)


@click.group()
def trustee() -> None:
    """A trustee's part of an election, on a machine of a body outside city hall."""


def desk_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every subcommand; it is called with a `Desk`, and its answer printed."""

    @body_options("trustee", "secrets")
    @wraps(command)
    def run(
        election: str,
        chain: ChainOptions,
        key: Path,
        vault: Path,
        rank: int | None,
        passphrase_file: Path | None,
        wait: int,
        is_json: bool,
        **more: Any,
    ) -> None:
        def act() -> dict[str, Any]:
            role = read_key_file(key)
            is_new = not any(vault.glob(f"{election}-*.sealed"))
            opened = Vault(vault, read_passphrase(passphrase_file, is_new=is_new))
            with open_chain(chain) as trusted, show_progress(is_json) as progress:
                board = Board(trusted, election)
                place = find_rank(board.election().trustees, role.body, rank, "trustee")
                end_s = time.monotonic() + wait
                desk = Desk(board, role, opened, Memory(vault), place, progress, end_s)
                said: dict[str, Any] = command(desk, **more)
            return said

        answer(act, is_json, _EXITS, _OWN)

    return run


@trustee.command()
@desk_options
def status(desk: Desk) -> dict[str, Any]:
    """Say where ELECTION stands, and what this trustee has to do."""
    state = desk.board.election()
    kept = desk.vault.read(state.election, desk.rank)
    said = {**_head(desk, state), "has_secrets": kept is not None}
    if state.phase == "ceremony":
        lines = desk.board.ceremony(len(state.trustees))
        move = next_move(state, lines, desk.rank, kept, chance.token_bytes)
        return said | {"next": move.step, "waiting_for": list(move.waiting)}
    is_sent = desk.board.share(desk.rank) is not None
    return said | {"next": "decrypt" if state.phase == "tally" and not is_sent else "nothing"}


@trustee.command()
@desk_options
@alone
def ceremony(desk: Desk) -> dict[str, Any]:
    """Take every step of ELECTION's key ceremony that can be taken now.

    Exit 0: nothing is left to do. 3: other trustees are awaited. 1: refused. 2: no chain that can be trusted.
    """
    steps: list[str] = []
    while True:
        state = desk.board.election()
        if state.phase == "cancelled":
            raise Refusal("refused", "the election was cancelled", EXIT_REFUSED)
        move = DONE if state.phase != "ceremony" else _next(desk, state)
        if move.body is not None:
            _take(desk, move)
            steps.append(move.step)
        elif move.waiting and time.monotonic() < desk.end_s:
            time.sleep(POLL_S)
            desk.board.chain.catch_up()
        else:
            verdict = "waiting" if move.waiting else "done"
            more = {"steps": steps, "waiting_for": list(move.waiting)}
            return _head(desk, state, verdict) | more


@trustee.command()
@desk_options
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes; as many as cores by default.")
@alone
def decrypt(desk: Desk, jobs: int | None) -> dict[str, Any]:
    """Verify ELECTION's ballot box, multiply its tally here, decrypt that and nothing else, once.

    Exit codes as `ceremony`; 3 when voting is not over.
    """
    state = desk.board.election()
    while state.phase in _BEFORE_TALLY and time.monotonic() < desk.end_s:
        time.sleep(POLL_S)
        desk.board.chain.catch_up()
        state = desk.board.election()
    if state.phase in _BEFORE_TALLY:
        closes = state.calendar.get("voting_closes", 0)
        return _head(desk, state, "waiting") | {"voting_closes": closes}
    if desk.board.share(desk.rank) is not None:
        return _head(desk, state) | {"sent": "before"}
    if state.phase != "tally":
        raise Refusal("refused", f"nothing to decrypt: the election is {state.phase}", EXIT_REFUSED)
    kept = desk.vault.read(state.election, desk.rank)
    if kept is None:
        raise Refusal("refused", "the vault has no secrets of this election", EXIT_REFUSED)
    assembled = desk.board.assemble(len(state.trustees), _follow(desk.progress))
    judge = judge_over_cores(jobs, desk.progress)
    made = decryption.decrypt_tally(state, assembled, kept, desk.memory, judge, chance.token_bytes)
    bound = VoteProof(made.bound.challenge, made.bound.response)
    send(desk.board.chain, desk.key, TallyShare(state.election, desk.rank, made.share, bound))
    await_proved(desk.board.chain, lambda: desk.board.share(desk.rank) is not None)
    return {
        **_head(desk, desk.board.election()),
        "tally": made.tally_hash,
        "voters": made.voters,
        "ballots": assembled.box.ballots,
        "repeated": made.is_repeated,
    }


_BEFORE_TALLY: Final = frozenset(
    {"ceremony", "sealed", "issuance", "registration", "freezing", "frozen", "voting"}
)


# --- acting --------------------------------------------------------------------------------------


def _next(desk: Desk, state: ElectionState) -> Move:
    kept = desk.vault.read(state.election, desk.rank)
    lines = desk.board.ceremony(len(state.trustees))
    return next_move(state, lines, desk.rank, kept, chance.token_bytes)


def _take(desk: Desk, move: Move) -> None:
    """Keep, then send, then see it proved: in that order."""
    assert move.body is not None, "a step has a message"
    assert move.secrets is not None, "and the secrets it was made of"
    desk.vault.keep(move.secrets)
    send(desk.board.chain, desk.key, move.body)

    def is_taken() -> bool:
        state = desk.board.election()
        return state.phase != "ceremony" or _next(desk, state).step != move.step

    await_proved(desk.board.chain, is_taken)


def _follow(progress: Progress) -> Callable[[int, int], None]:
    """A bar for the ballots fetched."""
    task = progress.add_task("fetching")

    def note(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    return note


# --- people --------------------------------------------------------------------------------------


def _head(desk: Desk, state: ElectionState, verdict: str = "done") -> dict[str, Any]:
    return {
        "verdict": verdict,
        "election": state.election,
        "phase": state.phase,
        "trustee": desk.rank,
        "height": desk.board.chain.header.height,
    }
