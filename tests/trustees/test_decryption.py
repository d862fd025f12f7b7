"""A trustee decrypts the tally that its own machine made of a box that holds, and nothing else, once."""

from pathlib import Path

import msgspec
import pytest

from app.cli.ballot_board import Assembled, BoxState, ElectionState
from app.cli.trustee.decryption import Refused, decrypt_tally
from app.cli.trustee.memory import Memory, OtherTally
from app.cli.trustee.vault import Secrets
from chain.votes import formats
from chain.votes.archive import Step, hash_hex, read_archive
from chain.votes.checks import Flaw
from chain.votes.formats import PartialDecryption
from chain.votes.tally import check_decryption, encode_tally, size_tally
from chain.votes.verifier import judge_in_turn
from tests.votes.kit import Booth, ballot_step, build, seeded, tally_step


def state_of(booth: Booth) -> ElectionState:
    election = booth.election
    names = ("a", "b", "c")
    return ElectionState(
        election.uuid, booth.group.name, "tally", {}, "threshold", names, 2, election.fingerprint
    )


def closed(booth: Booth) -> list[Step]:
    """Up to the encrypted tally."""
    return [s for s in booth.steps((1, 3)) if s.type not in ("PartialDecryption", "Result")]


def secrets_of(booth: Booth, rank: int) -> Secrets:
    scalar = str(booth.trustee_secrets[rank - 1])
    return Secrets(election=booth.election.uuid, rank=rank, group=booth.group.name, scalar=scalar)


def decrypt(booth: Booth, steps: list[Step], folder: Path, rank: int = 1, **how):  # type: ignore[no-untyped-def]
    archive = read_archive(build(steps))
    assembled = Assembled(archive, tuple(steps), BoxState(), {})
    return decrypt_tally(
        how.get("state", state_of(booth)),
        assembled,
        how.get("secrets", secrets_of(booth, rank)),
        Memory(folder),
        judge_in_turn,
        seeded("trustee"),
    )


def test_a_share_is_made_of_the_recomputed_tally_and_holds(booth: Booth, tmp_path: Path) -> None:
    made = decrypt(booth, closed(booth), tmp_path)
    tally = booth.tally()
    record = formats.decode_exactly(PartialDecryption, made.share.encode())
    factors = check_decryption(booth.election, tally.rows, booth.trustees.keys[0], record)
    assert not isinstance(factors, Flaw)
    assert made.tally_hash == hash_hex(encode_tally(booth.election, tally))
    assert (made.voters, made.is_repeated) == (3, False)


def test_a_share_given_before_is_repeated_byte_for_byte(booth: Booth, tmp_path: Path) -> None:
    first = decrypt(booth, closed(booth), tmp_path)
    again = decrypt(booth, closed(booth), tmp_path)
    assert (again.share, again.is_repeated) == (first.share, True)


def test_a_second_tally_of_the_same_election_is_refused_for_ever(
    booth: Booth, tmp_path: Path
) -> None:
    """Two boxes that differ by one ballot, both well formed: their difference is that ballot."""
    decrypt(booth, closed(booth), tmp_path)
    fewer = booth.ballots[:3]
    tally = booth.tally(fewer)
    body = encode_tally(booth.election, tally)
    steps = [
        booth.setup_step(),
        *(ballot_step(ballot) for ballot in fewer),
        Step(0, "EndBallots", ()),
        tally_step(body, formats.encode(size_tally(tally, hash_hex(body)))),
    ]
    with pytest.raises(OtherTally):
        decrypt(booth, steps, tmp_path)
    decrypt(booth, steps, tmp_path / "a machine without the memory")


@pytest.mark.parametrize("what", ["tally", "open", "ballot", "replayed"])
def test_a_box_that_does_not_hold_is_not_decrypted(booth: Booth, tmp_path: Path, what: str) -> None:
    steps = closed(booth)
    match what:
        case "tally":  # one ballot alone, published as the tally
            alone = booth.tally(booth.ballots[:1])
            body = encode_tally(booth.election, alone)
            sized = formats.encode(size_tally(booth.tally(), hash_hex(body)))
            steps[-1] = tally_step(body, sized)
        case "open":
            steps = steps[:-2]
        case "ballot":
            steps = [*steps[:2], *steps[3:]]
        case "replayed":
            steps.insert(5, steps[1])
    with pytest.raises(Refused):
        decrypt(booth, steps, tmp_path)
    assert not list(tmp_path.iterdir())


def test_records_of_another_election_or_another_key_are_refused(
    booth: Booth, tmp_path: Path
) -> None:
    state = msgspec.structs.replace(state_of(booth), fingerprint="x")
    with pytest.raises(Refused, match="another election"):
        decrypt(booth, closed(booth), tmp_path, state=state)
    wrong = msgspec.structs.replace(secrets_of(booth, 2), rank=1)
    for secrets in (wrong, msgspec.structs.replace(secrets_of(booth, 1), rank=4)):
        with pytest.raises(Refused, match="vault"):
            decrypt(booth, closed(booth), tmp_path, secrets=secrets)
    assert not list(tmp_path.iterdir())


def test_what_was_decrypted_is_on_the_disk_before_anybody_has_it(
    booth: Booth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails keeps the share from leaving."""

    def fail(*_args, **_how):  # type: ignore[no-untyped-def]
        raise OSError("no space left")

    monkeypatch.setattr("app.cli.trustee.memory.write_durably", fail)
    with pytest.raises(OSError, match="no space"):
        decrypt(booth, closed(booth), tmp_path)
