"""A whole election with nothing left out: identities, blind signatures with a silent registrar, anonymous registration,
ballots, a spoil, a revote, a trustee that vanished, and strangers' verdict on the archive."""

from pathlib import Path

import pytest

from chain.town.votes.assembly import read_state
from chain.votes.verifier import verify_archive
from tests.town.votes.issuing import Issuance
from tests.town.votes.kit import APPROVAL, ONE_OF_THREE, SINGLE, UP_TO_TWO, UUID
from tests.votes.test_belenios_tool import TOOL, put, tool

VOTES = {
    "c0": [[0, 1, 0, 0], [1, 1, 0]],
    "c1": [[1, 0, 0, 0], [0, 0, 1]],
    "c2": [[0, 0, 0, 1], [1, 0, 0]],
    "c3": [[0, 0, 0, 1], [0, 1, 1]],
}
CHANGED = [[0, 0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("group", ["BELENIOS-2048", "Ed25519"])
def test_from_the_first_request_to_a_result_that_strangers_verify(
    group: str, tmp_path: Path
) -> None:
    issuance = Issuance.at_issuance(
        5,
        stations=("1", "2"),
        group=group,
        questions=(ONE_OF_THREE, UP_TO_TWO),
        contests=(SINGLE, APPROVAL),
        ceremony="threshold",
        trustees_threshold=2,
    )
    vote = issuance.vote
    for name in issuance.citizens:
        issuance.must(issuance.request(name))
    for rank in (1, 2, 4):  # registrar 3 never signs
        issuance.must(issuance.sign(rank, *issuance.citizens))
    issuance.end_issuance()
    assert issuance.line().signers == (1, 2, 4)
    for name in VOTES:  # c4 never registers
        issuance.must(vote.run(issuance.register_tx(name))[0])
    vote.go_to(vote.body.calendar.registration_closes)
    issuance.must(vote.freeze())
    vote.settle()
    vote.go_to(vote.body.calendar.voting_opens)
    frozen = vote.journal("votes.frozen")
    assert [frozen[k] for k in ("requests", "served", "registrations")] == [5, 5, 4]
    vote.voter_secrets = [issuance.token(name).secret for name in VOTES]
    opened = vote.ballot(0, VOTES["c0"])
    assert vote.send(vote.spoil_body(0, opened)).info == "ok"
    for voter, choices in enumerate(VOTES.values()):
        issuance.must(vote.cast(voter, choices))
    issuance.must(vote.cast(0, CHANGED))
    assert vote.finish(3, 1) == ((1, 0, 1, 2), (1, 1, 3))
    archive = vote.archive()
    assert archive == read_state(vote.town.reader, UUID)
    report = verify_archive(archive).report
    assert report is not None
    assert (report.credentials, report.ballots, report.voters) == (4, 5, 4)
    assert report.result == ((1, 0, 1, 2), (1, 1, 3))
    if group == "BELENIOS-2048" and TOOL is not None:
        tool("election", "verify", folder=put(tmp_path, archive))
