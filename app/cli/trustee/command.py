"""`beffroi trustee`: make a share of an election's key, and decrypt its tally once, on a machine of one's own.

The role key signs what is sent; the vault's secrets never leave. Everything acted on is proved by the light client,
from a trust the operator gives (`--genesis`, `--trust-hash`, `--store`).
"""

import json
import secrets as chance
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.progress import Progress

from app.cli.ballot_board import Board, ElectionState, UnknownElection
from app.cli.judging import judge_over_cores, show_progress
from app.cli.trust import ChainOptions, chain_options, open_chain
from app.cli.trustee import decryption
from app.cli.trustee.ceremony import DONE, Move, NotOurs, next_move
from app.cli.trustee.memory import Memory, OtherTally
from app.cli.trustee.vault import Vault
from app.core.chain_client import RpcError
from app.core.keyfiles import KeyFileError, RoleKey, read_key_file, read_private_text
from app.core.problems import NodeUnavailable
from app.core.sealedfiles import check_passphrase
from app.core.trusted_chain import NotProved
from chain.town.envelope import build_transaction
from chain.town.votes_schemas import TallyShare
from chain.votes.ceremony import CeremonyError

EXIT_REFUSED: Final = 1
EXIT_UNREACHED: Final = 2
EXIT_WAITING: Final = 3
LIFE_S: Final = 3_600
"""From the newest header on: no clock of this machine goes into what is signed."""
POLL_S: Final = 0.5
FINAL_WAIT_S: Final = 60
"""A transaction sent is final within seconds; after a minute the operator is told to look again."""
FILES: Final = click.Path(path_type=Path)


class Refusal(Exception):
    """What is said, and how the command ends."""

    def __init__(self, verdict: str, reason: str, code: int) -> None:
        super().__init__(reason)
        self.said = {"verdict": verdict, "reason": reason}
        self.code = code


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


@click.group()
def trustee() -> None:
    """A trustee's part of an election, on a machine of a body outside city hall."""


def desk_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every subcommand; it is called with a `Desk`, and its answer printed."""

    @chain_options
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
        try:
            role = read_key_file(key)
            is_new = not any(vault.glob(f"{election}-*.sealed"))
            opened = Vault(vault, _read_passphrase(passphrase_file, is_new=is_new))
            with open_chain(chain) as trusted, show_progress(is_json) as progress:
                board = Board(trusted, election)
                place = _find_rank(board.election(), role.body, rank)
                end_s = time.monotonic() + wait
                desk = Desk(board, role, opened, Memory(vault), place, progress, end_s)
                said = command(desk, **more)
        except Exception as error:  # told apart below; what is not known is raised again
            refusal = _refusal(error)
            if refusal is None:
                raise
            _say(refusal.said, is_json)
            sys.exit(refusal.code)
        _say(said, is_json)
        sys.exit(EXIT_WAITING if said["verdict"] == "waiting" else 0)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


_OPTIONS: Final = (
    click.argument("election"),
    click.option("--key", required=True, type=FILES, help="The body's trustee key file."),
    click.option("--vault", required=True, type=FILES, help="Folder of this trustee's secrets."),
    click.option(
        "--rank", type=click.IntRange(1, 64), help="Which place, if the body has several."
    ),
    click.option("--passphrase-file", type=FILES, help="Of mode 600; asked for otherwise."),
    click.option("--wait", type=click.IntRange(0), default=0, help="Seconds to wait for others."),
    click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text."),
)


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
    _send(desk, TallyShare(state.election, desk.rank, made.share))
    _await(desk, lambda: desk.board.share(desk.rank) is not None)
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
    _send(desk, move.body)

    def is_taken() -> bool:
        state = desk.board.election()
        return state.phase != "ceremony" or _next(desk, state).step != move.step

    _await(desk, is_taken)


def _send(desk: Desk, body: msgspec.Struct) -> None:
    chain = desk.board.chain
    transaction = build_transaction(
        chain.town(),
        f"body:{desk.key.body}",
        body,
        [desk.key.signer],
        chance.token_bytes(16),
        chain.header.time.seconds + LIFE_S,
    )
    answer = chain.rpc.broadcast(transaction)
    if answer.code:
        raise Refusal("refused", answer.log, EXIT_REFUSED)


def _await(desk: Desk, is_there: Callable[[], bool]) -> None:
    """Wait until the chain proves it; raises Refusal."""
    end_s = time.monotonic() + FINAL_WAIT_S
    desk.board.chain.catch_up()
    while not is_there():
        if time.monotonic() > end_s:
            text = f"sent, and not proved within {FINAL_WAIT_S} s: run the command again"
            raise Refusal("unknown", text, EXIT_UNREACHED)
        time.sleep(POLL_S)
        desk.board.chain.catch_up()


def _follow(progress: Progress) -> Callable[[int, int], None]:
    """A bar for the ballots fetched."""
    task = progress.add_task("fetching")

    def note(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    return note


# --- people --------------------------------------------------------------------------------------


def _find_rank(state: ElectionState, body: str, rank: int | None) -> int:
    """The body's place among the trustees; raises Refusal."""
    held = [place for place, name in enumerate(state.trustees, 1) if name == body]
    if rank is not None and rank in held:
        return rank
    if rank is None and len(held) == 1:
        return held[0]
    text = f"{body} holds the places {held} of this election: give --rank" if held else ""
    raise Refusal("refused", text or f"{body} is no trustee of this election", EXIT_REFUSED)


def _read_passphrase(file: Path | None, *, is_new: bool) -> str:
    if file is not None:
        return check_passphrase(read_private_text(file).rstrip("\n"))
    typed: str = click.prompt(
        "Passphrase of the vault", hide_input=True, err=True, confirmation_prompt=is_new
    )
    return check_passphrase(typed)


def _head(desk: Desk, state: ElectionState, verdict: str = "done") -> dict[str, Any]:
    return {
        "verdict": verdict,
        "election": state.election,
        "phase": state.phase,
        "trustee": desk.rank,
        "height": desk.board.chain.header.height,
    }


def _refusal(error: Exception) -> Refusal | None:
    """How an error is told, None for a bug."""
    match error:
        case Refusal():
            return error
        case NotProved() | NodeUnavailable() | RpcError():
            return Refusal("unreached", str(error) or "no node answers", EXIT_UNREACHED)
        case UnknownElection():
            return Refusal("refused", f"there is no election {error}", EXIT_REFUSED)
        case KeyFileError() | NotOurs() | CeremonyError() | OtherTally() | decryption.Refused():
            return Refusal("refused", str(error), EXIT_REFUSED)
        case _:
            return None


def _say(shown: dict[str, Any], is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for name, value in shown.items():
        click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
