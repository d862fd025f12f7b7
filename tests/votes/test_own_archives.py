"""Elections made here, honest and not, on both groups: what the verifier must accept and refuse."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chain.votes import ballot as ballots
from chain.votes import formats
from chain.votes.archive import (
    Archive,
    Record,
    Step,
    check_prefix,
    hash_hex,
    read_archive,
    write_archive,
)
from chain.votes.ballot import sign_ballot
from chain.votes.checks import Check, Flaw
from chain.votes.credentials import Voter, encode_public_list
from chain.votes.election import Unsupported, make_election
from chain.votes.finite_field import P_2048
from chain.votes.formats import PartialDecryption
from chain.votes.proofs import prove_equality
from chain.votes.tally import encode_result, encode_tally, size_tally
from chain.votes.trustees import encode_trustees, make_trustee_key
from chain.votes.verifier import Stage
from tests.votes.conftest import RESULT
from tests.votes.kit import (
    ONE_OF_THREE,
    TIMESTAMP_S,
    UUID,
    Booth,
    ballot_step,
    build,
    decryption_step,
    tally_step,
    verify,
)


def check_of(data: bytes) -> Check | None:
    flaw = verify(data).flaw
    return flaw.check if flaw else None


def steps_after(booth: Booth, ballot_bodies: Sequence[bytes]) -> list[Step]:
    """The whole election honestly closed over another list of ballots."""
    return replace(booth, ballots=list(ballot_bodies)).steps((1, 3))


# --- honest ------------------------------------------------------------------------------------


def test_an_honest_election_is_accepted_with_its_result(booth: Booth) -> None:
    report = verify(booth.archive((1, 3))).report
    assert report is not None
    assert report.result == RESULT
    assert (report.ballots, report.voters, report.weight) == (4, 3, 7)
    assert report.decrypted_by == (1, 3)


@pytest.mark.parametrize("owners", [(1, 2), (2, 3), (3, 1), (1, 2, 3)])
def test_any_two_of_three_trustees_open_the_same_result(
    booth: Booth, owners: tuple[int, ...]
) -> None:
    report = verify(booth.archive(owners)).report
    assert report is not None
    assert report.result == RESULT


def test_every_beginning_of_an_election_is_accepted_and_a_prefix(booth: Booth) -> None:
    steps = booth.steps((1, 3))
    whole = read_archive(build(steps))
    stages = []
    for length in range(1, len(steps) + 1):
        data = build(steps[:length])
        report = verify(data).report
        assert report is not None
        assert check_prefix(read_archive(data), whole) is None
        stages.append(report.stage)
    assert stages == [
        Stage.SETUP,
        *[Stage.VOTING] * 4,
        Stage.CLOSED,
        Stage.TALLIED,
        *[Stage.DECRYPTING] * 2,
        Stage.FINISHED,
    ]


def test_an_election_without_a_ballot_is_accepted_with_zeros(booth: Booth) -> None:
    report = verify(build(steps_after(booth, []))).report
    assert report is not None
    assert report.result == ((0, 0, 0, 0), (0, 0, 0), (0, 0))


def test_the_same_seed_gives_the_same_bytes(booth: Booth) -> None:
    data = booth.archive((1, 3))
    assert write_archive(read_archive(data)) == data


# --- events ------------------------------------------------------------------------------------


def test_a_missing_end_of_ballots_is_refused(booth: Booth) -> None:
    steps = [step for step in booth.steps((1, 3)) if step.type != "EndBallots"]
    assert check_of(build(steps)) is Check.EVENT_ORDER


def test_a_late_ballot_is_refused_even_when_the_tally_counts_it(booth: Booth) -> None:
    late = booth.ballot(1, [[0, 1, 0, 0], [1, 0, 0], [1, 0]])
    steps = steps_after(booth, [*booth.ballots, late])
    end = next(i for i, step in enumerate(steps) if step.type == "EndBallots")
    steps[end - 1], steps[end] = steps[end], steps[end - 1]
    assert check_of(build(steps)) is Check.EVENT_ORDER


@pytest.mark.parametrize(
    "moved", ["two setups", "two ends", "result twice", "after result", "no tally", "shuffle"]
)
def test_events_out_of_order_are_refused(booth: Booth, moved: str) -> None:
    steps = booth.steps((1, 3))
    match moved:
        case "two setups":
            steps.insert(1, steps[0])
        case "two ends":
            steps.insert(6, steps[5])
        case "result twice":
            steps.append(steps[-1])
        case "after result":
            steps.append(steps[-2])
        case "no tally":
            del steps[6]
        case "shuffle":
            steps.insert(7, Step(0, "EndShuffles", ()))
    assert check_of(build(steps)) is Check.EVENT_ORDER


def test_an_archive_without_events_or_setup_is_refused(booth: Booth) -> None:
    assert check_of(build([])) is Check.EVENT_ORDER
    assert check_of(build(booth.steps((1, 3))[1:])) is Check.EVENT_ORDER


# --- ballots -----------------------------------------------------------------------------------


def test_a_superseded_ballot_put_back_is_refused(booth: Booth) -> None:
    replayed = steps_after(booth, [*booth.ballots, booth.ballots[0]])
    assert check_of(build(replayed)) is Check.DUPLICATE_BALLOT


def test_copied_answers_are_refused_although_signed_by_their_thief(booth: Booth) -> None:
    stolen = formats.decode(formats.Ballot, booth.ballots[1])
    thief = booth.group.encode(booth.credential(2))
    copy = sign_ballot(
        booth.election,
        formats.replace(stolen, credential=thief),
        booth.voter_secrets[2],
        booth.draw,
    )
    assert check_of(build(steps_after(booth, [*booth.ballots, copy]))) is Check.BALLOT_PROOF


def test_a_removed_ballot_is_refused_by_the_count_and_by_the_earlier_copy(booth: Booth) -> None:
    steps = booth.steps((1, 3))
    snapshot = read_archive(build(steps[:5]))
    removed = build(steps[:2] + steps[3:])
    assert check_of(removed) is Check.TALLY_COUNT
    flaw = check_prefix(snapshot, read_archive(removed))
    assert flaw is not None
    assert flaw.check is Check.NOT_A_PREFIX


def test_a_removed_revote_is_refused_by_the_ciphertexts(booth: Booth) -> None:
    steps = booth.steps((1, 3))
    assert check_of(build(steps[:4] + steps[5:])) is Check.TALLY_CIPHERTEXTS


@pytest.mark.parametrize(
    "votes",
    [
        [[0, 1, 1, 0], [1, 0, 0], [1, 0]],  # two of one
        [[1, 1, 0, 0], [1, 0, 0], [1, 0]],  # blank and one
        [[0, 0, 0, 0], [1, 0, 0], [1, 0]],  # none of one, not blank
        [[0, 1, 0, 0], [1, 1, 1], [1, 0]],  # three of two
        [[0, 1, 0, 0], [0, 0, 0], [1, 0]],  # none of one to two
        [[0, 1, 0, 0], [2, 0, 0], [1, 0]],  # one choice twice
        [[0, 1, 0, 0], [1, 0, 0], [1, 1]],  # both of yes and no
    ],
    ids=["two", "blank-and-one", "none", "three", "too-few", "double", "both"],
)
def test_an_over_vote_is_refused_whatever_proof_its_author_tries(
    booth: Booth, votes: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forger runs the honest prover on a false claim, for the nearest statement there is."""
    honest = ballots.prove_disjunction

    def prove(election, claim, witness, draw):  # type: ignore[no-untyped-def]
        index = min(max(witness.index, 0), len(claim.statements) - 1)
        return honest(election, claim, replace(witness, index=index), draw)

    monkeypatch.setattr(ballots, "_check_vote", lambda *_: None)
    monkeypatch.setattr(ballots, "prove_disjunction", prove)
    forged = booth.ballot(1, votes)
    assert check_of(build([booth.setup_step(), ballot_step(forged)])) is Check.BALLOT_PROOF


def test_a_ballot_of_another_election_is_refused(booth: Booth) -> None:
    record = make_election(
        uuid=UUID,
        name="Autre",
        description="",
        questions=booth.election.questions,
        group=booth.group,
        public_key=booth.trustees.public_key,
    )
    other = Step(0, "Setup", (record, booth.trustees_record, booth.credentials_record))
    assert check_of(build([other, ballot_step(booth.ballots[0])])) is Check.BALLOT_ELECTION


def test_an_unlisted_credential_is_refused(booth: Booth) -> None:
    listed = encode_public_list(booth.group, [Voter(booth.credential(2), 5)])
    setup = Step(0, "Setup", (booth.record, booth.trustees_record, listed))
    assert check_of(build([setup, ballot_step(booth.ballots[0])])) is Check.UNKNOWN_CREDENTIAL


# --- tally, decryption, result -------------------------------------------------------------------


def replace_step(steps: list[Step], kind: str, step: Step) -> list[Step]:
    first = next(i for i, old in enumerate(steps) if old.type == kind)
    return [*steps[:first], step, *steps[first + 1 :]]


def test_a_wrong_count_or_weight_or_tally_is_refused(booth: Booth) -> None:
    steps, tally = booth.steps((1, 3)), booth.tally()
    body = encode_tally(booth.election, tally)
    for other, check in (
        (replace(tally, count=4), Check.TALLY_COUNT),
        (replace(tally, weight=8), Check.TALLY_WEIGHT),
    ):
        sized = formats.encode(size_tally(other, hash_hex(body)))
        assert (
            check_of(build(replace_step(steps, "EncryptedTally", tally_step(body, sized)))) is check
        )
    fewer = booth.tally(booth.ballots[:3])
    body = encode_tally(booth.election, fewer)
    sized = formats.encode(size_tally(tally, hash_hex(body)))
    bad = replace_step(steps, "EncryptedTally", tally_step(body, sized))
    assert check_of(build(bad)) is Check.TALLY_CIPHERTEXTS


def test_the_same_trustee_twice_is_refused_even_with_a_fresh_proof(booth: Booth) -> None:
    steps = booth.steps((1, 3))
    again = decryption_step(1, booth.decrypt(booth.tally(), 1))
    assert check_of(build([*steps[:-1], again, steps[-1]])) is Check.DUPLICATE_DECRYPTION


def test_a_decryption_under_another_trustees_name_is_refused(booth: Booth) -> None:
    steps = booth.steps((1, 3))
    decryption = booth.decrypt(booth.tally(), 1)
    for owner, check in (
        (2, Check.DECRYPTION_PROOF),
        (0, Check.DECRYPTION_OWNER),
        (4, Check.DECRYPTION_OWNER),
    ):
        bad = replace_step(steps, "PartialDecryption", decryption_step(owner, decryption))
        assert check_of(build(bad)) is check


def test_a_decryption_of_another_shape_is_refused(booth: Booth) -> None:
    steps = booth.steps((1, 3))
    whole = booth.decrypt(booth.tally(), 1)
    cut = formats.replace(whole, decryption_factors=whole.decryption_factors[:-1])
    bad = replace_step(steps, "PartialDecryption", decryption_step(1, cut))
    assert check_of(build(bad)) is Check.DECRYPTION_FORM
    row = whole.decryption_factors[0][:-1]
    cut = formats.replace(whole, decryption_factors=(row, *whole.decryption_factors[1:]))
    bad = replace_step(steps, "PartialDecryption", decryption_step(1, cut))
    assert check_of(build(bad)) is Check.DECRYPTION_FORM


def test_a_factor_of_small_order_or_outside_the_group_is_refused(booth: Booth) -> None:
    """-f passes the equations whenever the challenge is even, so a cheat tries until it is."""
    group, tally = booth.group, booth.tally()
    cipher, secret = tally.rows[0][0], booth.trustee_secrets[0]
    prefix = f"decrypt|{booth.election.fingerprint}|{group.encode(booth.trustees.keys[0])}|"
    factor = group.power(cipher.alpha, secret)
    text = (
        "02".rjust(64, "0") if group.name == "Ed25519" else str(P_2048 - int(group.encode(factor)))
    )
    proof = prove_equality(group, prefix, cipher.alpha, secret, booth.draw)
    while int(proof.challenge) % 2:
        proof = prove_equality(group, prefix, cipher.alpha, secret, booth.draw)
    honest = booth.decrypt(tally, 1)
    first_factors, first_proofs = honest.decryption_factors[0], honest.decryption_proofs[0]
    cheat = PartialDecryption(
        decryption_factors=((text, *first_factors[1:]), *honest.decryption_factors[1:]),
        decryption_proofs=((proof, *first_proofs[1:]), *honest.decryption_proofs[1:]),
    )
    bad = replace_step(booth.steps((1, 3)), "PartialDecryption", decryption_step(1, cheat))
    assert check_of(build(bad)) is Check.DECRYPTION_PROOF


def test_a_result_of_too_few_trustees_is_refused(booth: Booth) -> None:
    steps = booth.steps((1, 3))
    assert check_of(build([*steps[:-2], steps[-1]])) is Check.MISSING_DECRYPTION


@pytest.mark.parametrize(
    ("result", "check"),
    [
        (((1, 0, 1, 5), (1, 5, 6), (1, 5)), Check.RESULT_VALUE),
        (((0, 1, 1, 5), (1, 5, 6), (0, 6)), Check.RESULT_VALUE),
        (((1, 0, 1, 5), (1, 5, 6), (0, 8)), Check.RESULT_VALUE),
        (((1, 0, 1, 5), (1, 5, 6)), Check.RESULT_FORM),
        (((1, 0, 1, 5), (1, 5, 6), (0, 6, 0)), Check.RESULT_FORM),
    ],
)
def test_another_result_is_refused(
    booth: Booth, result: tuple[tuple[int, ...], ...], check: Check
) -> None:
    steps = replace_step(booth.steps((1, 3)), "Result", Step(0, "Result", (encode_result(result),)))
    assert check_of(build(steps)) is check


def test_a_result_is_not_accepted_modulo_the_groups_order(booth: Booth) -> None:
    """g^(votes + q) is the same element: only the bound tells."""
    beyond = 6 + booth.group.order
    body = b'{"result":[[1,0,1,5],[1,5,6],[0,"%d"]]}' % beyond
    steps = replace_step(booth.steps((1, 3)), "Result", Step(0, "Result", (body,)))
    assert check_of(build(steps)) is Check.RESULT_VALUE


# --- setup -------------------------------------------------------------------------------------


def test_an_election_key_that_is_not_its_trustees_is_refused(booth: Booth) -> None:
    stranger = make_trustee_key(booth.group, 12345, booth.draw)
    setup = Step(0, "Setup", (booth.record, encode_trustees([stranger]), booth.credentials_record))
    assert check_of(build([setup])) is Check.ELECTION_KEY


def test_a_trustee_key_without_knowledge_is_refused(booth: Booth) -> None:
    """A key chosen to cancel the others' (rogue key) comes without a proof that fits."""
    honest = make_trustee_key(booth.group, 12345, booth.draw)
    rogue = formats.replace(
        honest, public_key=booth.group.encode(booth.group.generator_power(54321))
    )
    setup = Step(0, "Setup", (booth.record, encode_trustees([rogue]), booth.credentials_record))
    assert check_of(build([setup])) is Check.TRUSTEE_PROOF


@pytest.mark.parametrize(
    ("record", "check"),
    [
        (b'["x"]', Check.CREDENTIALS_FORM),
        (b'[ "1"]', Check.CREDENTIALS_FORM),
        (b"{}", Check.CREDENTIALS_FORM),
    ],
)
def test_a_malformed_credentials_record_is_refused(
    booth: Booth, record: bytes, check: Check
) -> None:
    setup = Step(0, "Setup", (booth.record, booth.trustees_record, record))
    assert check_of(build([setup])) is check


def test_credentials_outside_the_group_are_refused(booth: Booth) -> None:
    outside = "2" if booth.group.name != "Ed25519" else "02".rjust(64, "0")
    for text in (booth.group.encode(booth.group.identity), outside):
        record = formats.encode([text])
        setup = Step(0, "Setup", (booth.record, booth.trustees_record, record))
        assert check_of(build([setup])) is Check.CREDENTIAL_MEMBER


def test_a_credential_listed_twice_is_refused_also_with_another_weight(booth: Booth) -> None:
    text = booth.group.encode(booth.credential(0))
    for record in ([text, text], [text, f"{text},2"]):
        setup = Step(0, "Setup", (booth.record, booth.trustees_record, formats.encode(record)))
        assert check_of(build([setup])) is Check.DUPLICATE_CREDENTIAL


def test_an_election_that_names_a_field_twice_is_refused(booth: Booth) -> None:
    record = booth.record.replace(b'"uuid":', b'"name":"autre","uuid":')
    setup = Step(0, "Setup", (record, booth.trustees_record, booth.credentials_record))
    assert check_of(build([setup])) is Check.ELECTION_FORM


def test_what_we_do_not_judge_is_said_not_to_be_judged(booth: Booth) -> None:
    ranking = b'{"type":"NonHomomorphic","value":{"answers":["a","b"],"question":"?"}}'
    whole = formats.encode(booth.election.questions[0])
    for old, new in (
        (whole, ranking),
        (b'"version":1', b'"version":2'),
        (booth.group.name.encode(), b"RFC-3526-2048"),
    ):
        assert old in booth.record
        record = booth.record.replace(old, new, 1)
        setup = Step(0, "Setup", (record, booth.trustees_record, booth.credentials_record))
        with pytest.raises(Unsupported):
            verify(build([setup]))


# --- bytes -------------------------------------------------------------------------------------


def test_trailing_blocks_of_a_standard_tar_writer_are_refused(booth: Booth) -> None:
    assert check_of(booth.archive((1, 3)) + bytes(1024)) is Check.ARCHIVE_FORM


@pytest.mark.parametrize("offset", [100, 136, 156, 300, 512 + 38])
def test_a_byte_changed_in_a_header_or_padding_is_refused(booth: Booth, offset: int) -> None:
    data = bytearray(booth.archive((1, 3)))
    data[offset] ^= 1
    assert check_of(bytes(data)) is Check.ARCHIVE_FORM


def test_a_record_more_or_less_than_an_event_stands_for_is_refused(booth: Booth) -> None:
    archive = read_archive(booth.archive((1, 3)))
    extra = Record(f"{hash_hex(b'{}')}.data.json", b"{}")
    for records in (
        (extra, *archive.records),
        (*archive.records, extra),
        (*archive.records[:5], extra, *archive.records[5:]),
        archive.records[1:],
        archive.records[:-1],
    ):
        assert check_of(write_archive(Archive(TIMESTAMP_S, records))) is Check.RECORD_ORDER


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        (b'"height":0', b'"height":1', Check.EVENT_CHAIN),
        (b'"height":0', b'"height": 0', Check.EVENT_FORM),
        (b'"type":"Setup"', b'"type":"Start"', Check.EVENT_FORM),
        (b'{"height"', b'{"parent":"' + b"0" * 64 + b'","height"', Check.EVENT_CHAIN),
    ],
)
def test_a_damaged_event_is_refused(booth: Booth, old: bytes, new: bytes, check: Check) -> None:
    archive = read_archive(build([booth.setup_step()]))
    body = archive.records[-1].body.replace(old, new)
    record = Record(f"{hash_hex(body)}.event.json", body)
    damaged = Archive(TIMESTAMP_S, (*archive.records[:-1], record))
    assert check_of(write_archive(damaged)) is check


def test_every_single_bit_of_a_ballot_counts(booth: Booth) -> None:
    """A flipped bit, with record and chain made anew, is always seen, whatever field it hits."""
    body = booth.ballots[0]
    for position in range(0, len(body), len(body) // 24):
        flipped = bytearray(body)
        flipped[position] ^= 1
        data = build([booth.setup_step(), ballot_step(bytes(flipped))])
        assert isinstance(verify(data).flaw, Flaw), position


def test_a_question_text_changed_after_the_votes_is_refused(booth: Booth) -> None:
    record = booth.record.replace(ONE_OF_THREE.question.encode(), b"Faut-il raser le Beffroi ?")
    setup = Step(0, "Setup", (record, booth.trustees_record, booth.credentials_record))
    data = build([setup, ballot_step(booth.ballots[0])])
    assert check_of(data) is Check.BALLOT_ELECTION
