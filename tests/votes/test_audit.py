"""Benaloh audit: a second device finds out whether the phone encrypted what it says."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import segno
import zxingcpp
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.cli.main import main
from chain.codec.errors import DecodeError
from chain.votes.ballot import InvalidVote, judge_ballot, make_ballot, tracker
from chain.votes.election import read_election
from chain.votes.voter.audit import (
    PREFIX,
    Auditable,
    check_opening,
    encode_opening,
    make_auditable,
    read_opening,
    read_tracker,
    tracker_text,
)
from chain.votes.voter.keys import stream_of
from tests.votes.kit import Booth, build, seeded

VOTES = ((0, 1, 0, 0), (1, 0, 1), (0, 1))
OTHER = ((0, 0, 1, 0), (1, 0, 1), (0, 1))


def prepare(booth: Booth, votes=VOTES, seed: str = "phone") -> Auditable:
    return make_auditable(booth.election, booth.voter_secrets[0], votes, seeded(seed))


def photograph(text: str) -> str:
    """Through a picture, as the second device gets it."""
    drawn = io.BytesIO()
    segno.make_qr(text, error="m", boost_error=False).save(drawn, kind="png", scale=4, border=4)
    drawn.seek(0)
    with Image.open(drawn) as picture:
        found = zxingcpp.read_barcodes(picture.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode)
    return found[0].text


def test_an_auditable_ballot_is_an_ordinary_valid_one(booth: Booth) -> None:
    assert judge_ballot(booth.election, prepare(booth).body) is None


def test_a_second_device_reads_the_choices_of_an_honest_phone_off_two_pictures(
    booth: Booth,
) -> None:
    made = prepare(booth)
    uuid, shown = read_tracker(photograph(tracker_text(booth.election.uuid, made.tracker)))
    assert (uuid, shown) == (booth.election.uuid, tracker(made.body))
    opening = read_opening(photograph(encode_opening(made.opening)))
    assert opening == made.opening
    finding = check_opening(read_election(booth.record), opening, shown)
    assert (finding.flaw, finding.votes) == ("", VOTES)


def test_a_phone_that_encrypted_something_else_is_caught(booth: Booth) -> None:
    """Malware encrypts OTHER and says VOTES: it has to open a tracker that it showed before."""
    cheat = prepare(booth, OTHER)
    lie = replace(cheat.opening, choices=tuple(c for vote in VOTES for c in vote))
    assert check_opening(booth.election, lie, cheat.tracker).flaw
    honest = prepare(booth, VOTES, "another ballot, made when the audit was asked for")
    assert check_opening(booth.election, honest.opening, cheat.tracker).flaw


def test_every_part_of_an_opening_counts(booth: Booth) -> None:
    made = prepare(booth)
    opening = made.opening
    for changed in (
        replace(opening, uuid=opening.uuid[::-1]),
        replace(opening, fingerprint=prepare(booth).tracker),
        replace(opening, credential=booth.group.encode(booth.credential(1))),
        replace(opening, seed=bytes(32)),
        replace(opening, signature=replace_response(opening.signature)),
        replace(opening, choices=opening.choices[:-1]),
        replace(opening, choices=(*opening.choices, 0)),
        replace(opening, choices=(1, 1, *opening.choices[2:])),
        replace(opening, group="BELENIOS-2048" if booth.group.name == "Ed25519" else "Ed25519"),
    ):
        assert check_opening(booth.election, changed, made.tracker).flaw, changed


def replace_response(proof):
    return type(proof)(challenge=proof.challenge, response=str(int(proof.response) + 1))


def test_a_record_with_another_key_is_noticed(booth: Booth) -> None:
    """City hall's server hands the phone a record whose key it owns: the second device has the real one."""
    made = prepare(booth)
    text = booth.record.replace(b"essai", b"essay")
    assert check_opening(read_election(text), made.opening, made.tracker).flaw


def test_the_opening_does_not_give_the_credentials_secret_away(booth: Booth) -> None:
    """The signature's chance is not in the seed: a ballot made wholly from the seed has another signature."""
    made = prepare(booth)
    draw = stream_of(made.opening.seed, "beffroi-ballot-1")
    whole = make_ballot(booth.election, booth.voter_secrets[0], VOTES, draw)
    assert whole != made.body
    assert whole[: whole.index(b'"signature"')] == made.body[: made.body.index(b'"signature"')]


def test_two_audits_share_no_chance(booth: Booth) -> None:
    draw = seeded("phone")
    made = [make_auditable(booth.election, booth.voter_secrets[0], VOTES, draw) for _ in range(2)]
    assert made[0].opening.seed != made[1].opening.seed
    assert made[0].tracker != made[1].tracker


def test_a_phone_refuses_choices_that_do_not_answer(booth: Booth) -> None:
    with pytest.raises(InvalidVote):
        prepare(booth, ((1, 1, 0, 0), (1, 0, 1), (0, 1)))


def test_a_secret_is_not_printed_with_its_ballot(booth: Booth) -> None:
    made = prepare(booth)
    assert repr(made.opening.seed) not in f"{made} {made.opening}"


@given(st.text(max_size=300))
def test_strange_pictures_are_refused(text: str) -> None:
    for read in (read_opening, read_tracker):
        with pytest.raises(DecodeError):
            read(text)
        with pytest.raises(DecodeError):
            read(PREFIX + text)


def test_a_cut_lengthened_or_respelled_opening_is_refused(booth: Booth) -> None:
    text = encode_opening(prepare(booth).opening)
    for other in (text[:-3], text + "000", text.lower(), text[:-1], "BV2:" + text[4:]):
        with pytest.raises(DecodeError):
            read_opening(other)


def test_the_command_is_the_second_device(booth: Booth, tmp_path: Path) -> None:
    """Pictures in, choices in the election's words out; a phone that lies exits 1."""
    archive, picture = tmp_path / "election.bel", tmp_path / "opened.png"
    archive.write_bytes(build([booth.setup_step()]))
    made, other = prepare(booth), prepare(booth, OTHER, "other")
    segno.make_qr(encode_opening(made.opening), error="m").save(str(picture), scale=4)
    shown = tracker_text(booth.election.uuid, made.tracker)

    def run(*options: str) -> tuple[int, dict]:
        arguments = ["votes", "audit", str(archive), "--json", *options]
        outcome = CliRunner().invoke(main, arguments)
        return outcome.exit_code, json.loads(outcome.stdout)

    code, said = run("--shown", shown, "--opened", str(picture))
    assert (code, said["verdict"]) == (0, "valid")
    assert said["choices"] == {
        "Que faire de la place du Beffroi ?": ["Marché couvert"],
        "Quels modes ?": ["Vélo", "Tram"],
        "Approuvez-vous ?": ["Non"],
    }
    assert run("--shown", shown, "--opened", encode_opening(other.opening))[0] == 1
    assert run("--shown", "nonsense", "--opened", str(picture))[0] == 2
