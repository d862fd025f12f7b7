"""The command line of bodies outside city hall: what `beffroi registrar` and `beffroi trustee` have in common.

Reads: key files, passphrases, the chain by light client.  Writes: transactions signed by the body's role key.
"""

import json
import secrets as chance
import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import msgspec

from app.cli.trust import UnknownElection, chain_options
from app.core.chain_client import BroadcastAnswer, RpcError
from app.core.keyfiles import KeyFileError, RoleKey, read_private_text
from app.core.refusals import NodeUnavailable
from app.core.sealedfiles import check_passphrase, hold_alone
from app.core.trusted_chain import NotProved, TrustedChain
from chain.town.envelope import build_transaction

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


class ChainRefusal(Exception):
    """The chain refused a transaction; the message is its own."""


def body_options(role: str, kept: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Options of every subcommand of a `role` whose vault holds `kept`; the command gets them and `chain`."""
    options = (
        click.argument("election"),
        click.option("--key", required=True, type=FILES, help=f"The body's {role} key file."),
        click.option("--vault", required=True, type=FILES, help=f"Folder of this {role}'s {kept}."),
        click.option(
            "--rank", type=click.IntRange(1, 64), help="Which place, if the body has several."
        ),
        click.option("--passphrase-file", type=FILES, help="Of mode 600; asked for otherwise."),
        click.option("--wait", type=click.IntRange(0), default=0, help="Seconds to go on waiting."),
        click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text."),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        run = chain_options(command)
        for option in reversed(options):
            run = option(run)
        return run

    return decorate


def alone(command: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Let one process at a time make secrets or sign for the place of a desk (`desk.lock`).

    What a place keeps is read, judged and written: two processes side by side would each make a key, and the last
    one written would bury the one that was published; or each sign a value the other does not know of.
    """

    @wraps(command)
    def run(desk: Any, **more: Any) -> dict[str, Any]:
        with hold_alone(desk.lock):
            return command(desk, **more)

    return run


def answer(
    act: Callable[[], dict[str, Any]],
    is_json: bool,
    exits: dict[str, int],
    own: tuple[type[Exception], ...],
) -> NoReturn:
    """Run `act`, print what it says and exit by its verdict (`exits`, else 0); `own` are its own refusals."""
    try:
        said = act()
    except Exception as error:  # told apart below; what is not known is raised again
        refusal = find_refusal(error, own)
        if refusal is None:
            raise
        say(refusal.said, is_json)
        sys.exit(refusal.code)
    say(said, is_json)
    sys.exit(exits.get(said["verdict"], 0))


def find_refusal(error: Exception, own: tuple[type[Exception], ...]) -> Refusal | None:
    """How an error is told, None for a bug."""
    match error:
        case Refusal():
            return error
        case NotProved() | NodeUnavailable() | RpcError():
            return Refusal("unreached", str(error) or "no node answers", EXIT_UNREACHED)
        case KeyFileError() | ChainRefusal() | UnknownElection():
            return Refusal("refused", str(error), EXIT_REFUSED)
        case _ if isinstance(error, own):
            return Refusal("refused", str(error), EXIT_REFUSED)
        case _:
            return None


def say(shown: dict[str, Any], is_json: bool) -> None:
    """One JSON object, or a line per member."""
    if is_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for name, value in shown.items():
        click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")


def find_rank(holders: Sequence[str], body: str, rank: int | None, role: str) -> int:
    """The body's place (from 1) among the `holders` of a role; raises Refusal."""
    held = [place for place, name in enumerate(holders, 1) if name == body]
    if rank is not None and rank in held:
        return rank
    if rank is None and len(held) == 1:
        return held[0]
    text = f"{body} holds the places {held} of this election: give --rank" if held else ""
    raise Refusal("refused", text or f"{body} is no {role} of this election", EXIT_REFUSED)


def read_passphrase(file: Path | None, *, is_new: bool) -> str:
    """From a file that nobody else reads, or typed (twice for a new vault); raises KeyFileError, Refusal."""
    if file is not None:
        return check_passphrase(read_private_text(file).rstrip("\n"))
    typed: str = click.prompt(
        "Passphrase of the vault", hide_input=True, err=True, confirmation_prompt=is_new
    )
    return check_passphrase(typed)


def send(chain: TrustedChain, key: RoleKey, body: msgspec.Struct) -> None:
    """Sign with the role key and hand in at every node, so that none alone can drop or refuse it.

    Raises ChainRefusal when no node takes it, NodeUnavailable or RpcError when none says a word.
    """
    transaction = build_transaction(
        chain.town(),
        f"body:{key.body}",
        body,
        [key.signer],
        chance.token_bytes(16),
        chain.header.time.seconds + LIFE_S,
    )
    answers: list[BroadcastAnswer] = []
    silent: RpcError | NodeUnavailable | None = None
    for url in chain.rpc.by_health():
        try:
            answers.append(chain.rpc.broadcast(transaction, node=url))
        except (RpcError, NodeUnavailable) as error:
            silent = error
    if silent is not None and not answers:
        raise silent
    if all(answer.code for answer in answers):
        raise ChainRefusal(answers[0].log)


def await_proved(chain: TrustedChain, is_there: Callable[[], bool]) -> None:
    """Wait until the chain proves what was sent; raises Refusal."""
    end_s = time.monotonic() + FINAL_WAIT_S
    chain.catch_up()
    while not is_there():
        if time.monotonic() > end_s:
            text = f"sent, and not proved within {FINAL_WAIT_S} s: run the command again"
            raise Refusal("unknown", text, EXIT_UNREACHED)
        time.sleep(POLL_S)
        chain.catch_up()
