"""`beffroi votes`: verify an election's archive without asking the town anything, or fetch it with the chain's proof.

`verify` and `verify-diff` read the files named and nothing else; `fetch` asks the nodes named and believes none.
The proofs of ballots are spread over the machine's cores by `app.cli.judging`; `chain.votes` stays pure.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from app.cli import ballot_audit
from app.cli.ballot_board import Assembled, Board
from app.cli.bound_shares import find_unbound
from app.cli.judging import judge_over_cores, show_progress
from app.cli.trust import ChainOptions, UnknownElection, chain_options, open_chain
from app.core.chain_client import RpcError
from app.core.refusals import NodeUnavailable
from app.core.trusted_chain import NotProved
from chain.codec.errors import DecodeError
from chain.light.ballot_receipt import encode_receipt, parse_receipt, verify_receipt
from chain.light.bundle import encode_checkpoint, parse_checkpoint
from chain.types.timestamp import Timestamp
from chain.votes.archive import Unreadable, check_prefix, read_archive, write_archive
from chain.votes.checks import Flaw
from chain.votes.election import Unsupported
from chain.votes.verifier import Verdict, verify_archive

EXIT_INVALID: Final = 1
EXIT_UNREADABLE: Final = 2


@click.group()
def votes() -> None:
    """Elections: check their archives."""


@votes.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--after", "earlier", type=click.Path(path_type=Path), help="An earlier copy of the archive."
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes; as many as cores by default.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def verify(file: Path, earlier: Path | None, jobs: int | None, is_json: bool) -> None:
    """Verify the election archive FILE (.bel), complete or still being written.

    With --after, also check that nothing an earlier copy held was changed or removed.
    Exit 0: valid. 1: invalid, with the check that failed. 2: unreadable, or of a kind not judged here.
    """
    try:
        data = file.read_bytes()
        flaw = _compare(earlier, data) if earlier is not None else None
        with show_progress(is_json) as progress:
            verdict = (
                Verdict(flaw) if flaw else verify_archive(data, judge_over_cores(jobs, progress))
            )
    except (OSError, Unreadable, Unsupported) as error:
        _say({"verdict": "unreadable", "reason": str(error)}, is_json)
        sys.exit(EXIT_UNREADABLE)
    _say(_describe(verdict), is_json)
    sys.exit(0 if verdict.is_valid else EXIT_INVALID)


@votes.command("verify-diff")
@click.argument("earlier", type=click.Path(path_type=Path))
@click.argument("later", type=click.Path(path_type=Path))
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def verify_diff(earlier: Path, later: Path, is_json: bool) -> None:
    """Check that the archive LATER begins with everything EARLIER held, byte for byte.

    Quick: neither is verified. Exit codes as `verify`.
    """
    try:
        flaw = _compare(earlier, later.read_bytes())
    except (OSError, Unreadable) as error:
        _say({"verdict": "unreadable", "reason": str(error)}, is_json)
        sys.exit(EXIT_UNREADABLE)
    _say(_describe(Verdict(flaw)) if flaw else {"verdict": "prefix"}, is_json)
    sys.exit(EXIT_INVALID if flaw else 0)


@votes.command()
@click.argument("election")
@chain_options
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where it is written.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def fetch(election: str, chain: ChainOptions, out: Path, is_json: bool) -> None:
    """Write the archive of ELECTION out of a node's records, proved to be the chain's by the light client.

    Then `verify` it. Checks what no archive holds: that each trustee's share is bound to the tally. Exit 0: written.
    1: there is no such election, or a share that is not bound. 2: nothing that can be trusted.
    """
    with _reading(chain, election, is_json) as (board, assembled):
        height = board.chain.state_height
    out.write_bytes(write_archive(assembled.archive))
    box, unbound = assembled.box, find_unbound(assembled)
    said = {"events": box.events, "head": box.head, "ballots": box.ballots, "height": height}
    verdict = (
        {"verdict": "unbound", "trustees": list(unbound)} if unbound else {"verdict": "written"}
    )
    _say({**verdict, "file": str(out), **said}, is_json)
    sys.exit(EXIT_INVALID if unbound else 0)


@votes.command()
@click.argument("election")
@click.argument("tracker")
@chain_options
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where it is written.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Also write the checkpoint.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def receipt(
    election: str,
    tracker: str,
    chain: ChainOptions,
    out: Path,
    checkpoint: Path | None,
    is_json: bool,
) -> None:
    """Write a receipt of the ballot with TRACKER in ELECTION's box; no node learns which ballot it is about.

    Exit 0: written. 1: no such election, or the ballot is not in the box. 2: nothing that can be trusted.
    """
    with _reading(chain, election, is_json) as (board, assembled):
        made = board.receipt(assembled, tracker)
        trusted = board.chain.checkpoint()
    if made is None:
        _say({"verdict": "absent", "reason": f"no ballot {tracker} in the box"}, is_json)
        sys.exit(EXIT_INVALID)
    out.write_bytes(encode_receipt(made))
    if checkpoint is not None:
        checkpoint.write_bytes(encode_checkpoint(trusted))
    _say({"verdict": "written", "file": str(out), "event": made.event}, is_json)


@votes.command("check-receipt")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--checkpoint", required=True, type=click.Path(path_type=Path))
@click.option("--at", "at_s", type=int, help="Judge the checkpoint's age at this unix time.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def check_receipt(file: Path, checkpoint: Path, at_s: int | None, is_json: bool) -> None:
    """Verify a receipt offline: is the ballot in the box that the checkpoint proves?

    Exit codes as `verify`. The checkpoint is taken as vouched for today unless --at is given.
    """
    try:
        kept = parse_receipt(file.read_bytes())
        trusted = parse_checkpoint(checkpoint.read_bytes())
    except (OSError, DecodeError) as error:
        _say({"verdict": "unreadable", "reason": str(error)}, is_json)
        sys.exit(EXIT_UNREADABLE)
    found = verify_receipt(kept, trusted, None if at_s is None else Timestamp(at_s))
    if found.flaw:
        _say({"verdict": "invalid", "reason": found.flaw}, is_json)
        sys.exit(EXIT_INVALID)
    said = {"tracker": found.tracker, "height": found.height, "time": found.time}
    _say({"verdict": "valid", "election": kept.election, **said}, is_json)


@votes.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--shown", required=True, help="What the phone showed first: picture file or text.")
@click.option("--opened", required=True, help="What it showed when told to open the ballot.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def audit(archive: Path, shown: str, opened: str, is_json: bool) -> None:
    """Check as a second device that a ballot holds the choices its phone says; ARCHIVE gives the election.

    Exit 0: it holds these choices and nothing else. 1: the phone lied. 2: a picture or the archive is unreadable.
    """
    try:
        said = ballot_audit.audit(archive, shown, opened)
    except (OSError, DecodeError, Unreadable, Unsupported) as error:
        _say({"verdict": "unreadable", "reason": str(error)}, is_json)
        sys.exit(EXIT_UNREADABLE)
    _say(said, is_json)
    sys.exit(0 if said["verdict"] == "valid" else EXIT_INVALID)


@contextmanager
def _reading(
    chain: ChainOptions, election: str, is_json: bool
) -> Iterator[tuple[Board, Assembled]]:
    """The proved box of an election; ends the command when there is none."""
    try:
        with open_chain(chain) as trusted, show_progress(is_json) as progress:
            board = Board(trusted, election)
            trustees = len(board.election().trustees)
            task = progress.add_task("fetching")
            yield (
                board,
                board.assemble(
                    trustees, lambda done, of: progress.update(task, completed=done, total=of)
                ),
            )
    except (NotProved, NodeUnavailable, RpcError) as error:
        _say({"verdict": "unreached", "reason": str(error)}, is_json)
        sys.exit(EXIT_UNREADABLE)
    except UnknownElection:
        _say({"verdict": "unknown", "reason": f"there is no election {election}"}, is_json)
        sys.exit(EXIT_INVALID)


def _compare(earlier: Path, data: bytes) -> Flaw | None:
    return check_prefix(read_archive(earlier.read_bytes()), read_archive(data))


# --- the answer --------------------------------------------------------------------------------


def _describe(verdict: Verdict) -> dict[str, Any]:
    if verdict.flaw is not None:
        said = {"verdict": "invalid", "check": str(verdict.flaw.check)}
        place = {} if verdict.flaw.event is None else {"event": verdict.flaw.event}
        return {**said, **place, "reason": verdict.flaw.detail}
    assert verdict.report is not None, "a verdict is a flaw or a report"
    return {"verdict": "valid", **asdict(verdict.report)}


def _say(shown: dict[str, Any], is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for name, value in shown.items():
        click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
