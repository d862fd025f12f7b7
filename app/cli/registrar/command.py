"""`beffroi registrar`: make keys, publish them, sign the citizens' requests, on a machine of one's own.

The role key signs what is sent; blind-signing keys never leave the machine and lie sealed under a passphrase.
Everything acted on is proved by the light client, from a trust the operator gives (`--genesis`, `--trust-hash`,
`--store`).
"""

import secrets as chance
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
from rich.progress import Progress

from app.cli.judging import show_progress
from app.cli.outside import (
    EXIT_REFUSED,
    EXIT_WAITING,
    ChainRefusal,
    Refusal,
    alone,
    answer,
    await_proved,
    body_options,
    find_rank,
    read_passphrase,
    send,
)
from app.cli.registrar.keyring import KeptKeys, Keyring, Station, modulus_text
from app.cli.registrar.memory import Memory, OtherValue
from app.cli.registrar.register import Register
from app.cli.registrar.signing import (
    NotOurs,
    Unfit,
    Waiting,
    check_keys,
    judge_request,
    sign_batch,
)
from app.cli.trust import ChainOptions, open_chain
from app.core.keyfiles import RoleKey, read_key_file
from chain.crypto.blind_rsa import SignerKey
from chain.limits import VOTES_SIGNED_PER_TX_MAX
from chain.town.votes_schemas import IssueSign, RegistrarKeys, StationKey

WATCH_S: Final = 2.0
"""Between two looks for new requests."""
OVERLAP_HEIGHTS: Final = 10
"""Searched again each time: an index may know a request some blocks before its record is proved."""
_EXITS: Final = {"incomplete": EXIT_REFUSED, "waiting": EXIT_WAITING}
_OWN: Final = (NotOurs, OtherValue)
PASSES_MAX: Final = 3
"""Looks at the nodes' indexes before a request that is on the chain counts as hidden: one may come in between."""
_BEFORE_ISSUANCE: Final = frozenset({"ceremony", "sealed"})


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

    @property
    def lock(self) -> Path:
        """Held by whoever makes keys or signs for this place; see `alone`."""
        return self.keyring.folder / f"{self.register.name}-{self.rank}.lock"

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

    @body_options("registrar", "keys")
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
            is_new = not any(vault.glob(f"{election}-*.registrar"))
            keyring = Keyring(vault, read_passphrase(passphrase_file, is_new=is_new))
            with open_chain(chain) as trusted, show_progress(is_json) as progress:
                register = Register(trusted, election)
                place = find_rank(register.election().registrars, role.body, rank, "registrar")
                desk = Desk(register, role, keyring, place, progress, time.monotonic() + wait)
                said: dict[str, Any] = command(desk, **more)
            return said

        answer(act, is_json, _EXITS, _OWN)

    return run


# --- the commands ----------------------------------------------------------------------------------


@registrar.command()
@desk_options
@alone
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
        send(
            desk.chain,
            desk.key,
            RegistrarKeys(desk.register.name, desk.rank, _public_keys(desk, kept)),
        )
        await_proved(desk.chain, lambda: desk.register.published_height(desk.rank) is not None)
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
@alone
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
        send(desk.chain, desk.key, IssueSign(desk.register.name, desk.rank, answers))
        await_proved(desk.chain, lambda: _is_answered(desk, answers[-1].cid))
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


def _head(desk: Desk, verdict: str = "done") -> dict[str, Any]:
    state = desk.register.election()
    return {
        "verdict": verdict,
        "election": state.election,
        "phase": state.phase,
        "registrar": desk.rank,
        "height": desk.chain.header.height,
    }
