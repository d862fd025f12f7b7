"""A voter's receipt: made without telling anybody which ballot, checked offline, false for every other box."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from app.cli import votes
from app.cli.ballot_board import Board
from app.cli.main import main
from chain.codec.errors import DecodeError
from chain.light.ballot_receipt import (
    BallotReceipt,
    Following,
    encode_receipt,
    parse_receipt,
    verify_receipt,
)
from chain.types.timestamp import Timestamp
from chain.votes.ballot import tracker
from tests.api.lab import Lab
from tests.town.votes.kit import Vote
from tests.trustees.lab_chain import follow
from tests.trustees.lab_vote import lab_vote, open_lab, run_command

CHOICES = [[0, 1, 0, 0]]


@pytest.fixture(scope="module")
def voted() -> tuple[Vote, Lab, list[bytes]]:
    """Three ballots in an open box."""
    vote, lab = lab_vote()
    vote.publish()
    vote.open_box(3)
    ballots = [vote.ballot(voter, CHOICES) for voter in range(3)]
    for ballot in ballots:
        assert vote.run(vote.cast_tx(ballot))[0].info == "ok"
    lab.produce()
    return vote, lab, ballots


def receipt_of(voted: tuple[Vote, Lab, list[bytes]], voter: int) -> tuple[BallotReceipt, Board]:
    vote, lab, ballots = voted
    board = Board(follow(lab), vote.uuid)
    made = board.receipt(board.assemble(3), tracker(ballots[voter]))
    assert made is not None
    return made, board


@pytest.mark.parametrize("voter", [0, 1, 2])
def test_a_receipt_holds_offline_for_first_middle_and_last_ballot(voted, voter: int) -> None:  # type: ignore[no-untyped-def]
    made, board = receipt_of(voted, voter)
    kept = parse_receipt(encode_receipt(made))
    verdict = verify_receipt(kept, board.chain.checkpoint(), Timestamp(voted[1].now_s))
    assert (verdict.flaw, verdict.tracker) == ("", tracker(voted[2][voter]))
    assert verdict.height == board.chain.header.height


def test_a_receipt_says_nothing_of_choice_or_credential(voted) -> None:  # type: ignore[no-untyped-def]
    vote, _, _ = voted
    text = encode_receipt(receipt_of(voted, 0)[0]).decode()
    assert vote.election.group.encode(vote.election.g_power(vote.voter_secrets[0])) not in text
    assert "answers" not in text


def test_any_change_to_a_receipt_is_seen(voted) -> None:  # type: ignore[no-untyped-def]
    made, board = receipt_of(voted, 1)
    other, _ = receipt_of(voted, 0)
    change = msgspec.structs.replace
    for bad in (
        change(made, ballot="ab" * 32),
        change(made, parent="ab" * 32),
        change(made, event=made.event + 1),
        change(made, following=()),
        change(made, following=(*made.following, Following("EndBallots"))),
        change(made, following=other.following),
        change(made, election="ZZZZZZZZZZZZZZ"),
    ):
        assert verify_receipt(bad, board.chain.checkpoint()).flaw, bad


def test_a_box_under_another_chain_or_another_record_is_refused(voted) -> None:  # type: ignore[no-untyped-def]
    made, board = receipt_of(voted, 1)
    stranger = Lab(validators=4, chain_id="beffroi-other-1")
    assert verify_receipt(made, follow(stranger).checkpoint()).flaw
    tally = board.chain.prove("votes", b"tally/" + voted[0].uuid.encode())
    swapped = msgspec.structs.replace(made, box=tally)
    assert "not of this election's" in verify_receipt(swapped, board.chain.checkpoint()).flaw


def test_no_node_learns_which_ballot_a_receipt_is_about(voted) -> None:  # type: ignore[no-untyped-def]
    """The queries for two voters' receipts are the same, byte for byte and in order."""
    vote, lab, ballots = voted
    asked: list[list[str]] = []
    answer = lab.answer

    def listen(method, params):  # type: ignore[no-untyped-def]
        asked[-1].append(json.dumps([method, params], sort_keys=True))
        return answer(method, params)

    lab.answer = listen  # type: ignore[method-assign]
    try:
        for ballot in ballots[:2]:
            asked.append([])
            board = Board(follow(lab), vote.uuid)
            assert board.receipt(board.assemble(3), tracker(ballot)) is not None
    finally:
        lab.answer = answer  # type: ignore[method-assign]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b'{"format":"x"}'])
def test_what_is_no_receipt_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_receipt(data)


def test_the_commands_write_and_check_a_receipt(  # type: ignore[no-untyped-def]
    voted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vote, lab, ballots = voted
    monkeypatch.setattr(votes, "open_chain", open_lab(lab))
    kept, trusted = tmp_path / "receipt.json", tmp_path / "checkpoint.json"
    files = ("--out", str(kept), "--checkpoint", str(trusted))
    code, said = run_command("votes", "receipt", vote.uuid, tracker(ballots[2]), *files)
    assert (code, said["event"]) == (0, 3)
    check = ["votes", "check-receipt", str(kept), "--checkpoint", str(trusted), "--json"]
    checked = CliRunner().invoke(main, check)
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["tracker"] == tracker(ballots[2])
    kept.write_bytes(kept.read_bytes().replace(b'"event":3', b'"event":2'))
    assert CliRunner().invoke(main, check).exit_code == 1
    kept.write_bytes(b"")
    assert CliRunner().invoke(main, check).exit_code == 2
    code, said = run_command("votes", "receipt", vote.uuid, "A" * 43, *files)
    assert (code, said["verdict"]) == (1, "absent")
