"""`beffroi registrar`: make keys, publish them, sign the citizens' requests, on a machine of one's own.

The role key signs what is sent; blind-signing keys never leave the machine and lie sealed under a passphrase.
Everything acted on is proved by the light client, from a trust the operator gives (`--genesis`, `--trust-hash`,
`--store`).
"""

import json
import secrets as chance
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.progress import Progress

from app.cli.judging import show_progress
from app.cli.registrar.keyring import KeptKeys, Keyring, Station, modulus_text
from app.cli.registrar.memory import Memory, OtherValue
from app.cli.registrar.register import ElectionState, Register, UnknownElection
from app.cli.registrar.signing import (
    NotOurs,
    Unfit,
    Waiting,
    check_keys,
    judge_request,
    sign_batch,
)
from app.cli.trust import ChainOptions, chain_options, open_chain
from app.core.chain_client import RpcError
from app.core.keyfiles import KeyFileError, RoleKey, read_key_file, read_private_text
from app.core.problems import NodeUnavailable
from app.core.sealedfiles import check_passphrase
from app.core.trusted_chain import NotProved
from chain.crypto.blind_rsa import SignerKey
from chain.limits import VOTES_SIGNED_PER_TX_MAX
from chain.town.envelope import build_transaction
from chain.town.votes_schemas import IssueSign, RegistrarKeys, StationKey

EXIT_REFUSED: Final = 1
EXIT_UNREACHED: Final = 2
EXIT_WAITING: Final = 3
LIFE_S: Final = 3_600
POLL_S: Final = 0.5
WATCH_S: Final = 2.0
"""Between two looks for new requests."""
OVERLAP_HEIGHTS: Final = 10
"""Searched again each time: an index may know a request some blocks before its record is proved."""
FINAL_WAIT_S: Final = 60
"""A transaction sent is final within seconds; after a minute the operator is told to look again."""
FILES: Final = click.Path(path_type=Path)
_EXITS: Final = {"done": 0, "incomplete": EXIT_REFUSED, "waiting": EXIT_WAITING}
PASSES_MAX: Final = 3
"""Looks at the nodes' indexes before a request that is on the chain counts as hidden: one may come in between."""
_BEFORE_ISSUANCE: Final = frozenset({"ceremony", "sealed"})


class Refusal(Exception):
    """What is said, and how the command ends."""

    def __init__(self, verdict: str, reason: str, code: int) -> None:
        super().__init__(reason)
        self.said = {"verdict": verdict, "reason": reason}
        self.code = code


class ChainRefusal(Exception):
    """The chain refused a transaction; the message is its own."""


@dataclass(slots=True)
class Desk:
    """A registrar at work on one election."""

    register: Register
    key: RoleKey
    keyring: Keyring
    rank: int
    progress: Progress
    end_s: float
    """Until when requests are waited for, on the monotonic clock."""

    @property
    def chain(self) -> Any:
        return self.register.chain

    def memory(self) -> Memory:
        """What this machine signed in this election."""
        return Memory(self.keyring.folder, self.register.name, self.rank)


@dataclass(slots=True)
class Tally:
    """What one run did."""

    signed: int = 0
    answered: set[str] = field(default_factory=set)
    """Cids that are proved to have this registrar's answer."""
    refused: dict[str, str] = field(default_factory=dict)
    """Requests that were not signed, and why."""
    since: int = 0
    """Height from which indexes are searched again; 0 for the whole of issuance."""


@click.group()
def registrar() -> None:
    """A registrar's part of an election, on a machine of a body outside city hall."""


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
            is_new = not any(vault.glob(f"{election}-*.registrar"))
            keyring = Keyring(vault, _read_passphrase(passphrase_file, is_new=is_new))
            with open_chain(chain) as trusted, show_progress(is_json) as progress:
                register = Register(trusted, election)
                place = _find_rank(register.election(), role.body, rank)
                desk = Desk(register, role, keyring, place, progress, time.monotonic() + wait)
                said = command(desk, **more)
        except Exception as error:  # told apart below; what is not known is raised again
            refusal = _refusal(error)
            if refusal is None:
                raise
            _say(refusal.said, is_json)
            sys.exit(refusal.code)
        _say(said, is_json)
        sys.exit(_EXITS[said["verdict"]])

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


_OPTIONS: Final = (
    click.argument("election"),
    click.option("--key", required=True, type=FILES, help="The body's registrar key file."),
    click.option("--vault", required=True, type=FILES, help="Folder of this registrar's keys."),
    click.option(
        "--rank", type=click.IntRange(1, 64), help="Which place, if the body has several."
    ),
    click.option("--passphrase-file", type=FILES, help="Of mode 600; asked for otherwise."),
    click.option("--wait", type=click.IntRange(0), default=0, help="Seconds to go on waiting."),
    click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text."),
)


# --- the commands ----------------------------------------------------------------------------------


@registrar.command()
@desk_options
def keygen(desk: Desk) -> dict[str, Any]:
    """Make this registrar's keys for ELECTION, one per station, sealed on this machine; nothing is sent."""
    stations = desk.register.stations()
    with_bar = desk.progress.track(stations, description="keys")
    kept = desk.keyring.make(desk.register.name, desk.rank, with_bar)
    return _head(desk) | {"keys": _fingerprints(kept)}


@registrar.command()
@desk_options
def publish(desk: Desk) -> dict[str, Any]:
    """Publish the public halves of the keys made for ELECTION; voters and auditors compare their fingerprints."""
    state = desk.register.election()
    kept = _kept(desk)
    if desk.register.published_height(desk.rank) is None:
        if state.phase != "sealed":
            if state.phase == "ceremony":
                return _head(desk, "waiting") | {"waiting_for": "the trustees' key"}
            raise Refusal("refused", f"too late: the election is {state.phase}", EXIT_REFUSED)
        _send(desk, RegistrarKeys(desk.register.name, desk.rank, _public_keys(desk, kept)))
        _await(desk, lambda: desk.register.published_height(desk.rank) is not None)
    check_keys(desk.register, kept)
    return _head(desk) | {"keys": _fingerprints(kept)}


@registrar.command()
@desk_options
def status(desk: Desk) -> dict[str, Any]:
    """Say where ELECTION stands, and what waits for this registrar."""
    kept = desk.keyring.read(desk.register.name, desk.rank)
    height = desk.register.published_height(desk.rank)
    said = _head(desk) | {
        "has_keys": kept is not None,
        "has_published": height is not None,
        "signed_here": len(desk.memory()),
    }
    return said | _counts(desk)


@registrar.command()
@desk_options
@click.option(
    "--batch",
    type=click.IntRange(1, VOTES_SIGNED_PER_TX_MAX),
    default=VOTES_SIGNED_PER_TX_MAX,
    help="Answers in one transaction.",
)
def sign(desk: Desk, batch: int) -> dict[str, Any]:
    """Sign what citizens of ELECTION asked and this registrar has not answered, after checks of its own.

    With --wait, go on for that long, or until issuance closes. Exit codes: 0 nothing is left, 1 refused or
    something is left (`refused`, `unseen`), 2 no node proves what is needed, 3 issuance has not begun.
    """
    kept = _kept(desk)
    if desk.register.election().phase in _BEFORE_ISSUANCE:
        return _head(desk, "waiting") | _counts(desk)
    signers = check_keys(desk.register, kept)
    memory, tally = desk.memory(), Tally()
    passes = 0
    while _is_open(desk):
        _sign_waiting(desk, signers, memory, tally, batch)
        passes += 1
        is_over = time.monotonic() >= desk.end_s
        is_unseen = bool(_counts(desk, tally)["unseen"])
        if is_over and (passes >= PASSES_MAX or not is_unseen):
            break
        if is_unseen:
            tally.since = 0
        if not is_over:
            time.sleep(WATCH_S)
        desk.chain.catch_up()
    refused = [{"cid": cid, "reason": why} for cid, why in sorted(tally.refused.items())]
    counts = _counts(desk, tally)
    verdict = "incomplete" if refused or counts["unseen"] else "done"
    return _head(desk, verdict) | {"signed": tally.signed, "refused": refused} | counts


# --- signing ---------------------------------------------------------------------------------------


def _sign_waiting(
    desk: Desk, signers: dict[Station, SignerKey], memory: Memory, tally: Tally, size: int
) -> None:
    """Everything that waits now, a batch at a time."""
    first = tally.since or desk.register.published_height(desk.rank) or 1
    tally.since = max(1, desk.chain.header.height - OVERLAP_HEIGHTS)
    found = desk.register.find_requests(first) - tally.answered - tally.refused.keys()
    if not found:
        return
    todo = desk.progress.track(sorted(found), description="requests")
    waiting = _judge_all(desk, todo, signers, memory, tally)
    while batch := list(islice(waiting, size)):
        _sign_some(desk, batch, memory, tally)


def _judge_all(
    desk: Desk,
    cids: Iterable[str],
    signers: dict[Station, SignerKey],
    memory: Memory,
    tally: Tally,
) -> Iterator[Waiting]:
    """Requests that wait, each proved and judged; what is not signed is noted with its reason."""
    for cid in cids:
        request = desk.register.request(cid)
        if request is None:
            continue  # refused by the chain, or not yet under the proved height
        try:
            judged = judge_request(request, desk.rank, signers)
            if judged is None:
                tally.answered.add(cid)
                continue
            memory.check(cid, judged.value)
        except (Unfit, OtherValue) as error:
            tally.refused[cid] = str(error)
            continue
        yield judged


def _sign_some(desk: Desk, batch: list[Waiting], memory: Memory, tally: Tally) -> None:
    """Sign and send a batch, and see it proved; one that the chain refuses is sent one by one."""
    answers = sign_batch(batch, memory, chance.token_bytes)
    try:
        _send(desk, IssueSign(desk.register.name, desk.rank, answers))
        _await(desk, lambda: _is_answered(desk, answers[-1].cid))
    except ChainRefusal as refusal:
        if not _is_open(desk):
            return
        if len(batch) == 1:
            tally.refused[batch[0].cid] = str(refusal)
            return
        for each in batch:
            _sign_some(desk, [each], memory, tally)
        return
    tally.signed += len(answers)
    tally.answered.update(answer.cid for answer in answers)


def _is_answered(desk: Desk, cid: str) -> bool:
    request = desk.register.request(cid)
    return request is not None and bool(request.signatures[desk.rank - 1])


def _is_open(desk: Desk) -> bool:
    """Whether issuance lasts at the newest proved header."""
    state = desk.register.election()
    return (
        state.phase == "issuance"
        and desk.chain.header.time.seconds < state.calendar["issuance_closes"]
    )


# --- acting ----------------------------------------------------------------------------------------


def _send(desk: Desk, body: msgspec.Struct) -> None:
    """Sign with the role key and hand in; raises ChainRefusal."""
    transaction = build_transaction(
        desk.chain.town(),
        f"body:{desk.key.body}",
        body,
        [desk.key.signer],
        chance.token_bytes(16),
        int(time.time()) + LIFE_S,
    )
    answer = desk.chain.rpc.broadcast(transaction)
    if answer.code:
        raise ChainRefusal(answer.log)


def _await(desk: Desk, is_there: Callable[[], bool]) -> None:
    """Wait until the chain proves it; raises Refusal."""
    end_s = time.monotonic() + FINAL_WAIT_S
    desk.chain.catch_up()
    while not is_there():
        if time.monotonic() > end_s:
            text = f"sent, and not proved within {FINAL_WAIT_S} s: run the command again"
            raise Refusal("unknown", text, EXIT_UNREACHED)
        time.sleep(POLL_S)
        desk.chain.catch_up()


def _kept(desk: Desk) -> KeptKeys:
    kept = desk.keyring.read(desk.register.name, desk.rank)
    if kept is None:
        raise Refusal("refused", "no keys of this election: run keygen first", EXIT_REFUSED)
    return kept


def _public_keys(desk: Desk, kept: KeptKeys) -> tuple[StationKey, ...]:
    signers = kept.signers()
    stations = desk.register.stations()
    if set(stations) != signers.keys():
        raise NotOurs("the keys of this machine are for other stations than the election's")
    return tuple(StationKey(*place, modulus_text(signers[place])) for place in stations)


# --- people ----------------------------------------------------------------------------------------


def _fingerprints(kept: KeptKeys) -> dict[str, str]:
    """SHA-256 of each modulus, to be read out over the telephone."""
    return {
        "/".join(place): sha256(modulus_text(signer).encode()).hexdigest()[:32]
        for place, signer in kept.signers().items()
    }


def _counts(desk: Desk, tally: Tally | None = None) -> dict[str, Any]:
    """Proved counts over all stations; `unseen` requests are on the chain without this registrar's answer, and no
    node has shown them."""
    lines = [desk.register.station(place) for place in desk.register.stations()]
    requests = sum(line.requests for line in lines)
    answered = sum(line.signed[desk.rank - 1] for line in lines)
    said = {
        "electors": sum(line.electors for line in lines),
        "requests": requests,
        "answered": answered,
    }
    if tally is None:
        return said
    return said | {"unseen": max(0, requests - answered - len(tally.refused))}


def _find_rank(state: ElectionState, body: str, rank: int | None) -> int:
    """The body's place among the registrars; raises Refusal."""
    held = [place for place, name in enumerate(state.registrars, 1) if name == body]
    if rank is not None and rank in held:
        return rank
    if rank is None and len(held) == 1:
        return held[0]
    text = f"{body} holds the places {held} of this election: give --rank" if held else ""
    raise Refusal("refused", text or f"{body} is no registrar of this election", EXIT_REFUSED)


def _read_passphrase(file: Path | None, *, is_new: bool) -> str:
    if file is not None:
        return check_passphrase(read_private_text(file).rstrip("\n"))
    typed: str = click.prompt(
        "Passphrase of the vault", hide_input=True, err=True, confirmation_prompt=is_new
    )
    return check_passphrase(typed)


def _head(desk: Desk, verdict: str = "done") -> dict[str, Any]:
    state = desk.register.election()
    return {
        "verdict": verdict,
        "election": state.election,
        "phase": state.phase,
        "registrar": desk.rank,
        "height": desk.chain.header.height,
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
        case KeyFileError() | NotOurs() | OtherValue() | ChainRefusal():
            return Refusal("refused", str(error), EXIT_REFUSED)
        case _:
            return None


def _say(shown: dict[str, Any], is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for name, value in shown.items():
        click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
