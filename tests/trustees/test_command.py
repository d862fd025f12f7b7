"""`beffroi trustee` on a chain: the key made by three bodies, the box decrypted by two of them."""

import json
from pathlib import Path

import pytest

from app.cli.trustee import command
from chain.town.votes.records import get_document
from chain.votes.archive import check_prefix, read_archive
from chain.votes.verifier import Stage, verify_archive
from tests.api.lab import Lab
from tests.town.votes.kit import TRUSTEE_BODIES, Vote
from tests.trustees.lab_vote import fetch, keep_secrets, lab_vote, prepare_desk, trustee

ONE = [[0, 1, 0, 0]]
TWO = [[0, 0, 1, 0]]
BLANK = [[1, 0, 0, 0]]


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A step of one trustee; exit code and answer."""

    def run(lab: Lab, action: str, election: str, rank: int, *options: str):  # type: ignore[no-untyped-def]
        desk = prepare_desk(tmp_path / f"desk{rank}", TRUSTEE_BODIES[rank - 1])
        return trustee(monkeypatch, lab, action, election, *desk, *options)

    return run


def make_key(act, lab: Lab, uuid: str) -> None:  # type: ignore[no-untyped-def]
    for _ in range(4):
        for rank in (1, 2, 3):
            assert act(lab, "ceremony", uuid, rank)[0] in (0, 3)


def cast_all(vote: Vote) -> None:
    """Registered voters vote, one of them twice; the box closes."""
    vote.open_issuance()
    vote.fill_list(4)
    vote.go_to(vote.body.calendar.voting_opens)
    for voter, choice in ((0, ONE), (1, TWO), (2, BLANK), (3, ONE), (0, TWO)):
        assert vote.cast(voter, choice).info == "ok"
    vote.close()


@pytest.mark.parametrize("group", ["Ed25519", "BELENIOS-2048"])
def test_three_bodies_make_the_key_and_two_of_them_open_the_box(act, group: str) -> None:  # type: ignore[no-untyped-def]
    vote, lab = lab_vote(group=group)
    uuid = vote.uuid
    assert vote.publish().info == "ok"
    assert act(lab, "ceremony", uuid, 1)[1]["waiting_for"] == [2, 3]
    make_key(act, lab, uuid)
    assert vote.phase == "sealed"
    code, said = act(lab, "ceremony", uuid, 2)
    assert (code, said["verdict"], said["steps"]) == (0, "done", [])
    assert act(lab, "decrypt", uuid, 1)[0] == 3
    cast_all(vote)
    for rank in (1, 3):
        code, said = act(lab, "decrypt", uuid, rank)
        assert (code, said["verdict"], said["voters"], said["ballots"]) == (0, "done", 4, 5)
    vote.settle()
    assert vote.phase == "decided"
    result = json.loads(get_document(vote.town.reader, uuid, "result"))
    assert result == {"result": [[1, 1, 2, 0]]}
    code, said = act(lab, "decrypt", uuid, 2)
    assert (code, said["verdict"]) == (1, "refused")


def test_two_programs_at_once_do_not_draw_two_secrets_for_one_place(  # type: ignore[no-untyped-def]
    act, monkeypatch: pytest.MonkeyPatch
) -> None:
    vote, lab = lab_vote()
    assert vote.publish().info == "ok"
    beside = []
    send = command.send

    def send_slowly(*sent) -> None:  # type: ignore[no-untyped-def]
        if not beside:
            beside.append(None)
            beside[0] = act(lab, "ceremony", vote.uuid, 1)
        send(*sent)

    monkeypatch.setattr(command, "send", send_slowly)
    assert act(lab, "ceremony", vote.uuid, 1)[1]["waiting_for"] == [2, 3]
    code, said = beside[0]
    assert (code, "another program is at work" in said["reason"]) == (1, True)
    make_key(act, lab, vote.uuid)
    assert vote.phase == "sealed"


def test_a_share_given_is_not_given_again(act, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    vote, lab = lab_vote()
    vote.publish()
    vote.hold_ceremony()
    keep_secrets(tmp_path / "desk1", vote, 1)
    cast_all(vote)
    assert act(lab, "decrypt", vote.uuid, 1)[0] == 0
    code, said = act(lab, "decrypt", vote.uuid, 1)
    assert (code, said["sent"]) == (0, "before")


def test_a_node_that_shows_another_box_gets_no_share(act, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """It hides the revote, so that the difference of two tallies would be one voter's ballot."""
    vote, lab = lab_vote()
    vote.publish()
    vote.hold_ceremony()
    keep_secrets(tmp_path / "desk1", vote, 1)
    cast_all(vote)
    answer = lab.answer

    def hide(method, params):  # type: ignore[no-untyped-def]
        place = f"body/{vote.uuid}/".encode() + (4).to_bytes(8, "big")
        if method == "abci_query" and params["data"] == place.hex():
            params = {**params, "data": (place[:-1] + b"\x00").hex()}
        return answer(method, params)

    lab.answer = hide  # type: ignore[method-assign]
    code, said = act(lab, "decrypt", vote.uuid, 1)
    assert (code, said["verdict"]) == (2, "unreached")
    assert "not those of the box" in said["reason"]
    assert not list((tmp_path / "desk1" / "vault").glob("*.decrypted"))


def test_files_that_are_missing_exposed_or_of_a_stranger_are_refused(act, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    vote, lab = lab_vote()
    vote.publish()
    prepare_desk(tmp_path / "desk1", "coop")
    code, said = act(lab, "ceremony", vote.uuid, 1)
    assert (code, said["reason"]) == (1, "coop is no trustee of this election")
    act(lab, "ceremony", vote.uuid, 2)
    passphrase = tmp_path / "desk2" / "passphrase"
    passphrase.write_text("another passphrase altogether\n")
    code, said = act(lab, "ceremony", vote.uuid, 2)
    assert (code, "wrong passphrase" in said["reason"]) == (1, True)
    passphrase.chmod(0o644)
    code, said = act(lab, "ceremony", vote.uuid, 2)
    assert (code, "chmod 600" in said["reason"]) == (1, True)
    code, said = act(lab, "status", "ZZZZZZZZZZZZZZ", 3)
    assert (code, "no election" in said["reason"]) == (1, True)


def test_status_says_what_is_to_be_done(act) -> None:  # type: ignore[no-untyped-def]
    vote, lab = lab_vote()
    vote.publish()
    code, said = act(lab, "status", vote.uuid, 1)
    assert (code, said["next"], said["has_secrets"]) == (0, "cert", False)
    act(lab, "ceremony", vote.uuid, 1)
    code, said = act(lab, "status", vote.uuid, 1)
    assert (said["next"], said["waiting_for"], said["has_secrets"]) == ("commit", [2, 3], True)


def test_nothing_of_a_vault_is_told(act, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    vote, lab = lab_vote()
    vote.publish()
    _, said = act(lab, "ceremony", vote.uuid, 1)
    sealed = next((tmp_path / "desk1" / "vault").glob("*.sealed"))
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert set(said) == {
        "verdict", "election", "phase", "trustee", "height", "steps", "waiting_for",
    }  # fmt: skip


def test_an_auditor_fetches_the_archive_with_the_chains_proof(  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While people vote, and at the end; the first is the beginning of the second."""
    vote, lab = lab_vote()
    vote.publish()
    assert fetch(monkeypatch, lab, vote.uuid, tmp_path / "early.bel")[0] == 2
    vote.hold_ceremony()
    vote.open_issuance()
    vote.fill_list(3)
    vote.go_to(vote.body.calendar.voting_opens)
    vote.cast(0, ONE)
    during, final = tmp_path / "during.bel", tmp_path / "final.bel"
    assert fetch(monkeypatch, lab, vote.uuid, during)[1]["ballots"] == 1
    vote.cast(1, TWO)
    vote.close()
    for rank in (3, 2):
        vote.decrypt(rank)
    vote.settle()
    code, said = fetch(monkeypatch, lab, vote.uuid, final)
    assert (code, said["ballots"]) == (0, 2)
    report = verify_archive(final.read_bytes()).report
    assert report is not None
    assert (report.stage, report.decrypted_by) == (Stage.FINISHED, (3, 2))
    assert check_prefix(read_archive(during.read_bytes()), read_archive(final.read_bytes())) is None
    assert fetch(monkeypatch, lab, "ZZZZZZZZZZZZZZ", final)[0] == 1
