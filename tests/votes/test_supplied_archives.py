"""The supplied elections: the good accepted with their result, every bad one refused for its own reason."""

import pytest

from chain.votes import groups
from chain.votes.archive import (
    ArchiveWriter,
    check_prefix,
    read_archive,
    write_archive,
)
from chain.votes.checks import Check
from chain.votes.finite_field import GMP, PLAIN, belenios_2048
from chain.votes.verifier import Stage, verify_archive
from tests.vectors import belenios as suite
from tests.votes.shared import BELENIOS, archive_bytes, cases, needs_belenios, steps_of

REASONS = {
    "r01-flipped-proof-resigned": Check.BALLOT_PROOF,
    "r02-flipped-signature": Check.BALLOT_SIGNATURE,
    "r04-duplicate-public-credential": Check.DUPLICATE_CREDENTIAL,
    "r05-unknown-credential": Check.UNKNOWN_CREDENTIAL,
    "r06-altered-decryption-factor": Check.DECRYPTION_PROOF,
    "r07-altered-result": Check.RESULT_VALUE,
    "r08-raw-byte-flip": Check.RECORD_HASH,
    "r10-non-canonical-json": Check.BALLOT_FORM,
    "r11-other-election-hash": Check.BALLOT_ELECTION,
    "g01-wrong-encrypted-tally-payload": Check.TALLY_CIPHERTEXTS,
    "g02-wrong-num-tallied": Check.TALLY_COUNT,
    "g04-same-ballot-recorded-twice": Check.DUPLICATE_BALLOT,
}

pytestmark = needs_belenios


@pytest.mark.parametrize("case", cases("good"), ids=lambda case: case["case"])
def test_a_good_archive_is_accepted_with_its_result(case: dict) -> None:
    verdict = verify_archive(archive_bytes(case["folder"]))
    assert verdict.flaw is None
    assert verdict.report is not None
    assert verdict.report.stage is (Stage.FINISHED if case["result"] else Stage.VOTING)
    result = verdict.report.result
    assert (result and [list(row) for row in result]) == case["result"]


@pytest.mark.parametrize("case", cases("bad"), ids=lambda case: case["case"])
def test_a_bad_archive_is_refused_for_its_own_reason(case: dict) -> None:
    verdict = verify_archive(archive_bytes(case["folder"]))
    assert verdict.flaw is not None
    assert verdict.flaw.check is REASONS[case["case"]]


@pytest.mark.skipif(GMP is None, reason="gmpy2 is not installed")
@pytest.mark.parametrize(
    "folder",
    ["threshold", "rejected/r01-flipped-proof-resigned", "rejected/r06-altered-decryption-factor"],
)
def test_plain_integers_give_the_verdict_of_gmpy2(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without the package is slower, never of another opinion."""
    fast = verify_archive(archive_bytes(folder))
    monkeypatch.setattr(groups, "BELENIOS_2048", belenios_2048(PLAIN))
    assert verify_archive(archive_bytes(folder)) == fast


@pytest.mark.parametrize("name", ["single", "threshold"])
def test_a_snapshot_is_a_prefix_of_the_final_archive_and_not_the_other_way(name: str) -> None:
    earlier = read_archive(archive_bytes(f"{name}/snapshot-during-voting"))
    later = read_archive(archive_bytes(name))
    assert check_prefix(earlier, later) is None
    flaw = check_prefix(later, earlier)
    assert flaw is not None
    assert flaw.check is Check.NOT_A_PREFIX


def test_every_supplied_archive_is_written_again_byte_for_byte() -> None:
    for path in BELENIOS.rglob("*.bel"):
        data = path.read_bytes()
        assert write_archive(read_archive(data)) == data, path


@pytest.mark.parametrize("name", ["single", "threshold"])
def test_the_archive_writer_makes_the_tools_bytes_from_the_same_events(name: str) -> None:
    data = archive_bytes(name)
    writer = ArchiveWriter(read_archive(data).timestamp_s)
    for step in steps_of(data):
        writer.add_step(step)
    assert write_archive(writer.build()) == data


def test_the_vector_suite_passes_on_every_file_it_knows() -> None:
    replayed = [suite.replay(path) for path in sorted(BELENIOS.rglob("*")) if path.is_file()]
    assert sum(checks or 0 for checks in replayed) >= 80
