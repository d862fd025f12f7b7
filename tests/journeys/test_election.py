"""A whole election through the town's chain, by everybody's own program: see `tests.journeys.polling_day`.

`make drill NAME=election` holds the same on four validators, over HTTP and a relay.
"""

from itertools import count
from pathlib import Path

import pytest

from app.cli.ballot_board import Board
from chain.light.ballot_receipt import verify_receipt
from tests.api.lab import Lab
from tests.journeys.election import Poll
from tests.journeys.polling_day import hold, judge, make_voters
from tests.town.votes.kit import BODIES, LAX, TRUSTEE_BODIES, VOTE_ROLES
from tests.trustees.lab_chain import follow
from tests.trustees.lab_vote import LabTown, fetch, prepare_desk, trustee
from tests.votes.kit import UUID


@pytest.mark.slow
@pytest.mark.parametrize("group", ["BELENIOS-2048", "Ed25519"])
def test_a_whole_election_is_held_audited_and_verified_by_strangers(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, numbers = Lab(bodies=BODIES, roles=VOTE_ROLES, params=LAX), count()

    def act(action: str, rank: int):  # type: ignore[no-untyped-def]
        desk = prepare_desk(tmp_path / f"desk{rank}", TRUSTEE_BODIES[rank - 1])
        return trustee(monkeypatch, lab, action, UUID, *desk)

    def snapshot() -> bytes:
        out = tmp_path / f"snapshot{next(numbers)}.bel"
        assert fetch(monkeypatch, lab, UUID, out)[0] == 0
        return out.read_bytes()

    poll = Poll.of(LabTown(lab), act, make_voters(group), group=group)
    judge(poll, hold(poll, snapshot, tmp_path), tmp_path)
    lab.produce()
    board = Board(follow(lab), UUID)
    assembled = board.assemble(3)
    for tracker in poll.trackers.values():
        kept = board.receipt(assembled, tracker)
        assert kept is not None
        assert verify_receipt(kept, board.chain.checkpoint()).flaw == ""
