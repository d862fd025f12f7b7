"""The trustees' key and the decryption: steps out of turn, bad proofs, wrong or repeated shares, results too early."""

from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from chain.town.votes.records import CEREMONIES, get_document, rank_id
from chain.town.votes_schemas import (
    ElectionRestart,
    TallyShare,
    TrusteeCert,
    TrusteeCommit,
    TrusteeKeyGiven,
    TrusteeReveal,
    TrusteeVerify,
    VoteContest,
    VoteQuestion,
)
from chain.types.abci import ExecTxResult
from chain.votes import ceremony, formats
from chain.votes.ballot import read_choices
from chain.votes.binding import bind_decryption
from chain.votes.checks import Flaw
from chain.votes.edwards import ED25519
from chain.votes.formats import Proof
from chain.votes.group import hash_to_scalar
from chain.votes.randomness import draw_scalar
from chain.votes.tally import Rows, check_decryption, decrypt_partially, read_rows
from chain.votes.trustees import make_trustee_key
from tests.town.town_kit import key
from tests.town.votes.kit import (
    CITY_HALL,
    NO_PROOF,
    UUID,
    Vote,
    as_proof,
    as_signed,
    make_vote,
    open_vote,
)
from tests.votes.kit import seeded

CHOICE = [[0, 1, 0, 0]]


def refused(vote: Vote, body: Struct, sender: Any, code: str) -> None:
    """A signed transaction that CheckTx refuses, the proposer leaves out, and a decided block takes without effect."""
    town = vote.town
    before = list(town.store.scan("votes"))
    for ask in (lambda tx: town.check(tx).info, lambda tx: vote.run(tx)[0].info):
        assert ask(town.tx(body, *sender)) == code
    assert town.propose(town.tx(body, *sender)) == ()
    assert list(town.store.scan("votes")) == before


class Ceremony:
    """Three trustees' own files, each step made honestly and sent by hand."""

    def __init__(self, threshold: int = 2) -> None:
        self.draw = seeded("ceremony")
        self.vote = make_vote(trustees_threshold=threshold)
        assert self.vote.publish().info == "ok"
        self.seeds = [ceremony.draw_seed(self.draw) for _ in range(3)]
        self.certs = [ceremony.make_certificate(ED25519, seed, self.draw) for seed in self.seeds]
        self.polynomials = [
            ceremony.share_polynomial(ED25519, self.certs, seed, threshold, self.draw)
            for seed in self.seeds
        ]

    def cert(self, n: int) -> TrusteeCert:
        return TrusteeCert(UUID, n, as_signed(self.certs[n - 1]))

    def commit(self, n: int) -> TrusteeCommit:
        return TrusteeCommit(UUID, n, ceremony.commit(self.polynomials[n - 1].coefexps))

    def reveal(self, n: int) -> TrusteeReveal:
        made = self.polynomials[n - 1]
        return TrusteeReveal(UUID, n, as_signed(made.coefexps), made.secrets)

    def verify(self, n: int) -> TrusteeVerify:
        vinput = ceremony.distribute(ED25519, self.certs, self.polynomials)[n - 1]
        made = ceremony.accept_shares(ED25519, self.certs, self.seeds[n - 1], vinput, self.draw)
        return TrusteeVerify(UUID, n, made.public_key.public_key, as_proof(made.public_key.pok))

    def all(self, step: Any) -> list[ExecTxResult]:
        results = [self.vote.as_trustee(n, step(n)) for n in (1, 2, 3)]
        assert {result.info for result in results} == {"ok"}, [r.log for r in results]
        return results

    def refused(self, n: int, body: Struct, code: str) -> None:
        refused(self.vote, body, self.vote.trustee(n), code)


def test_a_ceremony_step_by_step_seals_the_election() -> None:
    own = Ceremony()
    for step in (own.cert, own.commit, own.reveal):
        own.all(step)
        assert own.vote.phase == "ceremony"
    data = own.vote.town.result_data(own.all(own.verify)[-1])
    assert (data["phase"], own.vote.phase) == ("sealed", "sealed")
    assert own.vote.election.fingerprint == data["fingerprint"] == own.vote.record.fingerprint
    line = CEREMONIES.get(own.vote.town.reader, rank_id(UUID, 1))
    assert line is not None
    assert line.secrets == ()
    own.refused(1, own.cert(1), "votes_wrong_phase")


def test_nobody_gives_a_step_before_all_gave_the_one_before_or_twice() -> None:
    own = Ceremony()
    assert own.vote.as_trustee(1, own.cert(1)).info == "ok"
    own.refused(1, own.cert(1), "votes_ceremony_step")
    own.refused(1, own.commit(1), "votes_ceremony_step")
    assert own.vote.as_trustee(2, own.cert(2)).info == "ok"
    assert own.vote.as_trustee(3, own.cert(3)).info == "ok"
    own.refused(1, own.reveal(1), "votes_ceremony_step")
    own.all(own.commit)
    own.refused(2, own.commit(2), "votes_ceremony_step")
    own.refused(1, own.verify(1), "votes_ceremony_step")
    own.all(own.reveal)
    own.refused(3, own.reveal(3), "votes_ceremony_step")


def test_a_trustee_acts_for_its_own_place_only() -> None:
    own = Ceremony()
    refused(own.vote, own.cert(1), own.vote.trustee(2), "votes_trustee_unknown")
    refused(own.vote, replace(own.cert(1), trustee=4), own.vote.trustee(1), "votes_trustee_unknown")
    agent = (CITY_HALL, own.vote.agent())
    refused(own.vote, own.cert(1), agent, "tx_wrong_role")


def test_coefficients_other_than_those_committed_to_are_refused() -> None:
    """A trustee that saw the others' coefficients could else choose the election's key."""
    own = Ceremony()
    own.all(own.cert)
    own.all(own.commit)
    other = ceremony.share_polynomial(ED25519, own.certs, own.seeds[2], 2, own.draw)
    changed = replace(own.reveal(3), coefexps=as_signed(other.coefexps))
    own.refused(3, changed, "votes_ceremony_commitment")
    own.refused(
        3, replace(own.reveal(3), secrets=own.reveal(3).secrets[:2]), "votes_ceremony_proof"
    )


def test_another_trustees_certificate_commitment_or_key_is_refused() -> None:
    own = Ceremony()
    assert own.vote.as_trustee(1, own.cert(1)).info == "ok"
    own.refused(2, replace(own.cert(1), trustee=2), "votes_ceremony_proof")
    assert own.vote.as_trustee(2, own.cert(2)).info == "ok"
    assert own.vote.as_trustee(3, own.cert(3)).info == "ok"
    assert own.vote.as_trustee(1, own.commit(1)).info == "ok"
    own.refused(2, replace(own.commit(1), trustee=2), "votes_ceremony_commitment")


def test_a_polynomial_of_another_degree_is_refused() -> None:
    own = Ceremony()
    own.all(own.cert)
    own.polynomials[0] = ceremony.share_polynomial(ED25519, own.certs, own.seeds[0], 3, own.draw)
    own.all(own.commit)
    own.refused(1, own.reveal(1), "votes_ceremony_proof")


def test_a_verification_key_that_is_not_of_the_coefficients_is_refused() -> None:
    own = Ceremony()
    for step in (own.cert, own.commit, own.reveal):
        own.all(step)
    made = make_trustee_key(ED25519, draw_scalar(ED25519, own.draw), own.draw)
    mine = TrusteeVerify(UUID, 1, made.public_key, as_proof(made.pok))
    own.refused(1, mine, "votes_ceremony_proof")
    unproved = replace(own.verify(1), pok=as_proof(made.pok))
    own.refused(1, unproved, "votes_ceremony_proof")


def test_single_keys_need_their_proof_and_are_each_their_own() -> None:
    draw = seeded("single")
    vote = make_vote(ceremony="single", trustees_threshold=3)
    assert vote.publish().info == "ok"
    first, second = (make_trustee_key(ED25519, draw_scalar(ED25519, draw), draw) for _ in "ab")
    given = TrusteeKeyGiven(UUID, 1, first.public_key, as_proof(first.pok))
    refused(vote, replace(given, pok=as_proof(second.pok)), vote.trustee(1), "votes_ceremony_proof")
    assert vote.as_trustee(1, given).info == "ok"
    refused(vote, given, vote.trustee(1), "votes_ceremony_step")
    refused(vote, replace(given, trustee=2), vote.trustee(2), "votes_ceremony_proof")
    own = Ceremony()
    refused(own.vote, given, own.vote.trustee(1), "votes_ceremony_step")


def test_a_ceremony_begins_again_without_a_trustee_that_vanished() -> None:
    own = Ceremony()
    own.all(own.cert)
    again = ElectionRestart(UUID, "single", ("tru1", "tru2"), 2)
    refused(
        own.vote, again, ("body:commerces", key("agent_supervisor@commerces")), "tx_not_entitled"
    )
    assert own.vote.do(again, CITY_HALL, own.vote.agent()).info == "ok"
    own.vote.body = replace(
        own.vote.body, ceremony="single", trustees=("tru1", "tru2"), trustees_threshold=2
    )
    own.vote.hold_ceremony()
    refused(own.vote, again, (CITY_HALL, own.vote.agent()), "votes_wrong_phase")


# --- decryption ----------------------------------------------------------------------------------


@pytest.fixture
def closed() -> Vote:
    vote = open_vote(2)
    assert vote.cast(0, CHOICE).info == "ok"
    vote.close()
    return vote


def test_nothing_is_decrypted_before_the_end() -> None:
    vote = open_vote(2)
    assert vote.cast(0, CHOICE).info == "ok"
    share = TallyShare(UUID, 1, "{}", NO_PROOF)
    refused(vote, share, vote.trustee(1), "votes_not_closed")
    sealed = make_vote()
    assert sealed.publish().info == "ok"
    sealed.hold_ceremony()
    refused(sealed, share, sealed.trustee(1), "votes_not_closed")


def test_a_wrong_share_is_refused(closed: Vote) -> None:
    true = closed.share(1)
    by_two = closed.share(2)
    partial = formats.decode(formats.PartialDecryption, true.share)
    factors = (partial.decryption_factors[0][::-1],)
    mixed = formats.replace(partial, decryption_factors=factors)
    short = formats.replace(partial, decryption_factors=())
    for share in (
        by_two.share,
        formats.encode(mixed).decode(),
        formats.encode(short).decode(),
        true.share.replace(":", ": ", 1),
        "{}",
    ):
        body = replace(true, share=share)
        refused(closed, body, closed.trustee(1), "votes_share_invalid")
    refused(closed, by_two, closed.trustee(1), "votes_trustee_unknown")
    assert closed.as_trustee(1, true).info == "ok"


def test_a_share_of_a_single_ballot_is_refused(closed: Vote) -> None:
    """A trustee tricked into decrypting something else than the tally has done it for nothing."""
    election = closed.election
    tally = decrypt_partially(
        election,
        ((*_cipher_rows(closed),),),
        closed.trustee_secrets[0],
        closed.draw,
    )
    share = TallyShare(UUID, 1, formats.encode(tally).decode(), closed.share(1).bound)
    refused(closed, share, closed.trustee(1), "votes_share_invalid")


def test_a_factor_chosen_after_its_proof_is_refused(closed: Vote) -> None:
    """Belenios' proof does not hash what it is about: this share passes every check of an archive, and would leave
    the tally without a result, or with another one were the randomness of all ballots known."""
    true = closed.share(1)
    forged = forge_factor(closed, true.share)
    election, rows = closed.election, _tally_rows(closed)
    key = election.g_power(closed.trustee_secrets[0])
    record = formats.decode_exactly(formats.PartialDecryption, forged.encode())
    assert not isinstance(check_decryption(election, rows, key, record), Flaw)
    secret = closed.trustee_secrets[0]
    own = as_proof(bind_decryption(election, rows, record, secret, closed.draw))
    for bound in (true.bound, own, NO_PROOF):
        body = TallyShare(UUID, 1, forged, bound)
        refused(closed, body, closed.trustee(1), "votes_share_invalid")


def test_a_true_share_without_its_own_binding_proof_is_refused(closed: Vote) -> None:
    true = closed.share(1)
    for bound in (NO_PROOF, closed.share(1).bound, closed.share(2).bound):
        body = replace(true, bound=bound)
        refused(closed, body, closed.trustee(1), "votes_share_invalid")
    assert closed.as_trustee(1, true).info == "ok"


def forge_factor(vote: Vote, share: str) -> str:
    """The share with its second factor and proof of Belenios made the other way round: first the proof."""
    election, secret = vote.election, vote.trustee_secrets[0]
    group, q = election.group, election.group.order
    alpha = _tally_rows(vote)[0][1].alpha
    key_power, alpha_power = 11, 12
    prefix = f"decrypt|{election.fingerprint}|{group.encode(election.g_power(secret))}|"
    commitments = [election.g_power(key_power), group.power(alpha, alpha_power)]
    challenge = hash_to_scalar(group, prefix, commitments)
    response = (key_power - secret * challenge) % q
    other = (alpha_power - response) * pow(challenge, -1, q) % q
    assert other != secret % q
    record = formats.decode(formats.PartialDecryption, share)
    (first, _, *factors), (proof, _, *proofs) = (
        record.decryption_factors[0],
        record.decryption_proofs[0],
    )
    made = Proof(challenge=str(challenge), response=str(response))
    changed = formats.replace(
        record,
        decryption_factors=((first, group.encode(group.power(alpha, other)), *factors),),
        decryption_proofs=((proof, made, *proofs),),
    )
    return formats.encode(changed).decode()


def _tally_rows(vote: Vote) -> Rows:
    return read_rows(vote.election, get_document(vote.town.reader, UUID, "tally"))


def _cipher_rows(vote: Vote) -> tuple[Any, ...]:
    other = formats.decode(formats.Ballot, vote.ballot(1, [[1, 0, 0, 0]]))
    return read_choices(vote.election, other.answers[0])


def test_a_repeated_share_is_refused_and_a_late_one(closed: Vote) -> None:
    assert closed.decrypt(3).info == "ok"
    refused(closed, closed.share(3), closed.trustee(3), "votes_share_repeated")
    late = closed.share(2)
    assert closed.decrypt(1).info == "ok"
    assert closed.phase in ("counting", "decided")
    refused(closed, late, closed.trustee(2), "votes_decided")
    closed.settle()
    assert closed.phase == "decided"
    refused(closed, late, closed.trustee(2), "votes_decided")


def test_the_result_needs_no_trustee_that_vanished(closed: Vote) -> None:
    for number in (2, 3):
        assert closed.decrypt(number).info == "ok"
    closed.settle()
    assert closed.journal("votes.result")["votes"] == [[0, 1, 0, 0]]


def test_one_share_of_two_is_no_result(closed: Vote) -> None:
    assert closed.decrypt(2).info == "ok"
    closed.settle()
    assert closed.phase == "tally"
    assert all(e["kind"] != "votes.result" for block in closed.blocks for e in block.journal)


def test_many_choices_are_counted_over_several_blocks_to_the_same_result() -> None:
    question = VoteQuestion(question="?", answers=tuple(f"a{i}" for i in range(20)), min=0, max=20)
    contest = VoteContest(kind="approval", questions=1, rule="most-votes")
    vote = open_vote(2, questions=(question,), contests=(contest,))
    votes = [[int(i % 3 == 0) for i in range(20)]]
    assert vote.cast(0, votes).info == "ok"
    vote.close()
    for number in (1, 2):
        assert vote.decrypt(number).info == "ok"
    assert vote.phase == "counting"
    vote.settle()
    assert vote.journal("votes.result")["votes"] == votes
