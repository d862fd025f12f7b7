"""Against Debian's belenios-tool 2.0: what each makes the other accepts, and where it accepts too much.

Needs the program (`apt-get install belenios-tool`); it knows BELENIOS-2048 and not Ed25519.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chain.votes import formats
from chain.votes.archive import Step, read_archive, write_archive
from chain.votes.ballot import judge_ballot, sign_ballot
from chain.votes.ceremony import (
    accept_shares,
    conclude,
    distribute,
    draw_seed,
    make_certificate,
    open_decryption_key,
    share_polynomial,
)
from chain.votes.credentials import derive_secret, draw_code
from chain.votes.election import make_election, read_election
from chain.votes.finite_field import BELENIOS_2048
from chain.votes.formats import PartialDecryption, Polynomial, SignedMessage, VOutput
from chain.votes.tally import check_decryption
from chain.votes.trustees import Trustees, encode_trustees, read_trustees
from chain.votes.verifier import verify_archive
from tests.votes.conftest import RESULT, hold_election
from tests.votes.kit import (
    ONE_OF_THREE,
    UP_TO_TWO,
    UUID,
    YES_NO,
    Booth,
    ballot_step,
    build,
    decryption_step,
    open_booth,
    seeded,
)
from tests.votes.test_own_archives import steps_after

TOOL = shutil.which("belenios-tool")

pytestmark = pytest.mark.skipif(TOOL is None, reason="belenios-tool is not installed")


def tool(*arguments: str | Path, folder: Path, given: bytes = b"", fails: bool = False) -> bytes:
    """Run the tool in `folder`; its standard output (standard error when it must fail)."""
    assert TOOL is not None
    ran = subprocess.run(
        [TOOL, *map(str, arguments)], cwd=folder, input=given, capture_output=True, timeout=60
    )
    assert (ran.returncode != 0) == fails, ran.stderr.decode()
    return ran.stderr if fails else ran.stdout


def put(folder: Path, data: bytes, uuid: str = UUID) -> Path:
    """An archive alone in a folder of its own, as the tool wants it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{uuid}.bel").write_bytes(data)
    return folder


def tool_accepts(folder: Path, data: bytes) -> bool:
    ran = subprocess.run(
        [str(TOOL), "election", "verify"], cwd=put(folder, data), capture_output=True, timeout=60
    )
    return ran.returncode == 0


@pytest.fixture(scope="module")
def booth() -> Booth:
    return hold_election("BELENIOS-2048")


# --- our elections -----------------------------------------------------------------------------


def test_the_tool_accepts_our_threshold_election_and_every_beginning_of_it(
    booth: Booth, tmp_path: Path
) -> None:
    """Weights, blank votes, a revote, accents and quotes, a Pedersen group of which one is absent."""
    steps = booth.steps((1, 3))
    tool("election", "verify", folder=put(tmp_path / "whole", build(steps)))
    tool("election", "verify", folder=put(tmp_path / "voting", build(steps[:4])))
    tool(
        "election",
        "verify-diff",
        *("--dir1", "voting", "--dir2", "whole"),
        folder=tmp_path,
    )


def test_the_tool_accepts_our_election_with_mandatory_trustees(tmp_path: Path) -> None:
    booth = open_booth(BELENIOS_2048, (YES_NO,), voters=2, trustees=3)
    booth.cast(0, [[1, 0]])
    booth.cast(1, [[0, 0]])
    tool("election", "verify", folder=put(tmp_path, booth.archive()))


def test_the_tool_computes_our_tally_and_result_to_the_byte(booth: Booth, tmp_path: Path) -> None:
    steps = booth.steps((1, 3))
    closed = put(tmp_path / "closed", build(steps[:6]))
    computed = tool("election", "compute-encrypted-tally", folder=closed)
    assert computed.splitlines() == list(steps[6].bodies)
    decrypted = put(tmp_path / "decrypted", build(steps[:9]))
    assert tool("election", "compute-result", folder=decrypted).strip() == steps[9].bodies[0]


# --- their ballots, their trustees ---------------------------------------------------------------


def test_ballots_made_by_the_tool_are_accepted_beside_ours_and_counted(tmp_path: Path) -> None:
    draw = seeded("codes")
    codes = [draw_code(draw) for _ in range(2)]
    booth = open_booth(BELENIOS_2048, (ONE_OF_THREE, UP_TO_TWO, YES_NO), voters=2, trustees=1)
    booth.voter_secrets[:] = [derive_secret(BELENIOS_2048, UUID, code) for code in codes]
    folder = put(tmp_path, build([booth.setup_step()]))
    for code, votes in zip(
        codes, ("[[0,0,1,0],[1,0,1],[0,1]]", "[[1,0,0,0],[1,0,0],[0,0]]"), strict=True
    ):
        (folder / "code").write_text(code)
        (folder / "votes").write_text(votes)
        made = tool(
            "election", "generate-ballot", "--privcred", "code", "--ballot", "votes", folder=folder
        ).strip()
        assert judge_ballot(booth.election, made) is None
        booth.ballots.append(made)
    booth.cast(1, [[0, 0, 1, 0], [0, 1, 0], [1, 0]])
    data = booth.archive()
    report = verify_archive(data).report
    assert report is not None
    assert report.result == ((0, 0, 2, 0), (1, 1, 1), (1, 1))
    tool("election", "verify", folder=put(folder, data))


def test_the_tool_decrypts_with_the_files_of_our_ceremony(tmp_path: Path) -> None:
    """A trustee who trusts neither us nor our program uses the tool with the same key files."""
    draw = seeded("trustees")
    seeds = [draw_seed(draw) for _ in range(3)]
    certificates = [make_certificate(BELENIOS_2048, seed, draw) for seed in seeds]
    polynomials = [share_polynomial(BELENIOS_2048, certificates, seed, 2, draw) for seed in seeds]
    vinputs = distribute(BELENIOS_2048, certificates, polynomials)
    voutputs = [
        accept_shares(BELENIOS_2048, certificates, seed, vinput, draw)
        for seed, vinput in zip(seeds, vinputs, strict=True)
    ]
    booth = booth_of(conclude(BELENIOS_2048, certificates, polynomials, voutputs))
    booth.trustee_secrets = [
        open_decryption_key(BELENIOS_2048, seed, voutput.private_key)
        for seed, voutput in zip(seeds, voutputs, strict=True)
    ]
    booth.cast(0, [[1, 0]])
    steps = booth.steps((2, 3))
    folder = put(tmp_path, build(steps[:4]))
    (folder / "seed").write_text(seeds[1])
    (folder / "sealed").write_text(voutputs[1].private_key)
    made = tool(
        "election",
        "decrypt-threshold",
        *("--key", "seed", "--decryption-key", "sealed", "--trustee-id", "2"),
        folder=folder,
    ).splitlines()[0]
    theirs = formats.decode_exactly(PartialDecryption, made)
    key = booth.trustees.keys[1]
    assert not isinstance(
        check_decryption(booth.election, booth.tally().rows, key, theirs), formats.Struct
    )
    steps[4] = decryption_step(2, theirs)
    data = build(steps)
    assert verify_archive(data).flaw is None
    tool("election", "verify", folder=put(folder, data))


def booth_of(block: formats.ThresholdKeys) -> Booth:
    """An election of one question and voter under a given threshold group."""
    booth = open_booth(BELENIOS_2048, (YES_NO,), voters=1, trustees=1)
    booth.trustees_record = encode_trustees([block])
    trustees = read_trustees(BELENIOS_2048, booth.trustees_record)
    assert isinstance(trustees, Trustees), trustees
    booth.trustees = trustees
    booth.record = make_election(
        uuid=UUID,
        name="Essai",
        description="",
        questions=(YES_NO,),
        group=BELENIOS_2048,
        public_key=trustees.public_key,
    )
    booth.election = read_election(booth.record)
    return booth


def test_one_ceremony_is_held_by_their_trustees_and_ours_together(tmp_path: Path) -> None:
    """Trustee 1 runs the tool, trustee 2 our code; both accept the other's messages at every step."""
    draw = seeded("mixed")
    step = ("setup", "generate-trustee-key-threshold", "--group", "BELENIOS-2048", "--step")
    tool(*step, "1", folder=tmp_path)
    their_seed = next(tmp_path.glob("*.key"))
    their_certificate = next(tmp_path.glob("*.cert"))
    our_seed = draw_seed(draw)
    certificates = [
        formats.decode_exactly(SignedMessage, their_certificate.read_bytes().strip()),
        make_certificate(BELENIOS_2048, our_seed, draw),
    ]
    write_lines(tmp_path / "certs.jsons", certificates)
    tool(*step, "2", "--certs", "certs.jsons", folder=tmp_path)
    made = tool(
        *step,
        "3",
        *("--certs", "certs.jsons", "--key", their_seed, "--threshold", "2"),
        folder=tmp_path,
    )
    polynomials = [
        formats.decode_exactly(Polynomial, made.strip()),
        share_polynomial(BELENIOS_2048, certificates, our_seed, 2, draw),
    ]
    write_lines(tmp_path / "polynomials.jsons", polynomials)
    vinputs = distribute(BELENIOS_2048, certificates, polynomials)
    their_vinput = formats.encode(vinputs[0])
    made = tool(
        *step,
        "5",
        *("--certs", "certs.jsons", "--key", their_seed),
        folder=tmp_path,
        given=their_vinput + b"\n",
    )
    voutputs = [
        formats.decode_exactly(VOutput, made.strip()),
        accept_shares(BELENIOS_2048, certificates, our_seed, vinputs[1], draw),
    ]
    block = conclude(BELENIOS_2048, certificates, polynomials, voutputs)
    lines = b"".join(formats.encode(voutput) + b"\n" for voutput in voutputs)
    theirs = tool(
        *step,
        "6",
        *("--certs", "certs.jsons", "--polynomials", "polynomials.jsons"),
        folder=tmp_path,
        given=lines,
    )
    assert theirs.strip() == formats.encode(block)


def write_lines(path: Path, records: list) -> None:
    path.write_bytes(b"".join(formats.encode(record) + b"\n" for record in records))


# --- dishonest elections: two verifiers --------------------------------------------------------------


def copied(booth: Booth) -> list[Step]:
    stolen = formats.decode(formats.Ballot, booth.ballots[1])
    stolen = formats.replace(stolen, credential=booth.group.encode(booth.credential(2)))
    body = sign_ballot(booth.election, stolen, booth.voter_secrets[2], booth.draw)
    return steps_after(booth, [*booth.ballots, body])


def removed(booth: Booth) -> list[Step]:
    steps = booth.steps((1, 3))
    return steps[:2] + steps[3:]


def late(booth: Booth) -> list[Step]:
    steps = booth.steps((1, 3))
    extra = ballot_step(booth.ballot(1, [[0, 1, 0, 0], [1, 0, 0], [1, 0]]))
    return [*steps[:6], extra, *steps[6:]]


def unclosed(booth: Booth) -> list[Step]:
    return [step for step in booth.steps((1, 3)) if step.type != "EndBallots"]


def twice(booth: Booth) -> list[Step]:
    steps = booth.steps((1, 3))
    return [*steps[:-1], steps[-2], steps[-1]]


def replayed(booth: Booth) -> list[Step]:
    return steps_after(booth, [*booth.ballots, booth.ballots[0]])


@pytest.mark.parametrize(
    ("forge", "is_seen_by_the_tool"),
    [
        (copied, True),
        (removed, True),
        (late, True),
        (unclosed, False),
        (twice, False),
        (replayed, False),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_we_refuse_what_the_tool_refuses_and_what_it_does_not_see(
    booth: Booth,
    tmp_path: Path,
    forge: Callable[[Booth], list[Step]],
    is_seen_by_the_tool: bool,
) -> None:
    data = build(forge(booth))
    assert verify_archive(data).flaw is not None
    assert tool_accepts(tmp_path, data) is not is_seen_by_the_tool


def test_a_replayed_ballot_changes_the_result_the_tool_certifies(
    booth: Booth, tmp_path: Path
) -> None:
    """Why the verifier is ours: the revote of voter 0 is undone and the tool says all is well."""
    data = build(replayed(booth))
    said = json.loads(read_archive(data).records[-2].body)["result"]
    assert said == [[1, 1, 0, 5], [1, 6, 6], [1, 5]]
    assert said != [list(row) for row in RESULT]
    assert tool_accepts(tmp_path, data)


def test_the_tool_agrees_with_our_bytes_after_a_round_trip(booth: Booth, tmp_path: Path) -> None:
    data = booth.archive((2, 3))
    assert write_archive(read_archive(data)) == data
    assert tool_accepts(tmp_path, data)
