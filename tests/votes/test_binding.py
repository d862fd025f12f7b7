"""The proof beside a partial decryption holds for that decryption of that tally by that key, and for nothing else."""

import pytest

from app.cli.ballot_board import Assembled, BoxState, ShareLine
from app.cli.bound_shares import find_unbound
from chain.votes import formats
from chain.votes.archive import read_archive
from chain.votes.binding import bind_decryption, is_bound
from chain.votes.formats import PartialDecryption, Proof
from chain.votes.proofs import prove_equality
from chain.votes.tally import Rows
from tests.votes.kit import Booth, build


def test_a_proof_of_binding_holds_for_its_own_statement_only(booth: Booth) -> None:
    tally, secret = booth.tally(), booth.trustee_secrets[0]
    record = booth.decrypt(tally, 1)
    proof = bind_decryption(booth.election, tally.rows, record, secret, booth.draw)
    keys = booth.trustees.keys

    def holds(
        rows: Rows = tally.rows,
        owner: int = 1,
        shown: PartialDecryption = record,
        by: Proof = proof,
    ) -> bool:
        factors = booth.factors(shown)
        return is_bound(booth.election, rows, keys[owner - 1], shown, factors, by)

    assert holds()
    assert not holds(rows=booth.tally(booth.ballots[:2]).rows)
    assert not holds(owner=2)
    assert not holds(shown=booth.decrypt(tally, 1))
    assert not holds(by=Proof(challenge=proof.response, response=proof.challenge))
    assert not holds(by=Proof(challenge="0", response="0"))


@pytest.mark.parametrize("place", [0, -1])
def test_one_factor_that_is_another_power_is_not_bound(booth: Booth, place: int) -> None:
    """Whoever holds the key binds what it likes with the true secret: a single other factor among many is seen."""
    tally, secret = booth.tally(), booth.trustee_secrets[0]
    record = booth.decrypt(tally, 1)
    row = list(record.decryption_factors[0])
    row[place] = booth.group.encode(booth.group.power(tally.rows[0][place].alpha, secret + 1))
    forged = formats.replace(
        record, decryption_factors=(tuple(row), *record.decryption_factors[1:])
    )
    proof = bind_decryption(booth.election, tally.rows, forged, secret, booth.draw)
    key, factors = booth.trustees.keys[0], booth.factors(forged)
    assert not is_bound(booth.election, tally.rows, key, forged, factors, proof)


def test_two_wrong_factors_that_make_up_for_each_other_are_not_bound(booth: Booth) -> None:
    tally, secret, group = booth.tally(), booth.trustee_secrets[0], booth.group
    record = booth.decrypt(tally, 1)
    first, second, *rest = booth.factors(record)[: len(record.decryption_factors[0])]
    moved = group.multiply(first, group.generator)
    taken = group.multiply(second, group.invert(group.generator))
    row = tuple(group.encode(factor) for factor in (moved, taken, *rest))
    forged = formats.replace(record, decryption_factors=(row, *record.decryption_factors[1:]))
    proof = bind_decryption(booth.election, tally.rows, forged, secret, booth.draw)
    key, factors = booth.trustees.keys[0], booth.factors(forged)
    assert not is_bound(booth.election, tally.rows, key, forged, factors, proof)


def test_an_auditor_is_told_whose_share_is_not_bound(booth: Booth) -> None:
    steps = booth.steps((1, 3))
    tally = booth.tally()
    shares = {}
    for place, owner in enumerate((1, 3)):
        secret = booth.trustee_secrets[owner - 1]
        record = booth.decrypt(tally, owner)
        bound = bind_decryption(booth.election, tally.rows, record, secret, booth.draw)
        shares[owner] = ShareLine(place, formats.encode(record).decode(), bound)
    box = Assembled(read_archive(build(steps)), tuple(steps), BoxState(), shares)
    assert find_unbound(box) == ()
    other = prove_equality(booth.group, "", booth.group.generator, 5, booth.draw)
    shares[3] = ShareLine(1, shares[3].share, other)
    assert find_unbound(box) == (3,)
    before = Assembled(box.archive, tuple(steps[:2]), BoxState(), {})
    assert find_unbound(before) == ()
