"""Whole elections in a few lines, from a seed: the same seed gives the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256

from chain.crypto.randomness import RandomBytes
from chain.votes import ceremony, formats
from chain.votes.archive import ArchiveWriter, Step, hash_hex, write_archive
from chain.votes.ballot import Votes, judge_ballot, make_ballot
from chain.votes.checks import Flaw
from chain.votes.credentials import Voter, encode_public_list
from chain.votes.edwards import ED25519
from chain.votes.election import Election, make_election, read_election
from chain.votes.finite_field import BELENIOS_2048
from chain.votes.formats import PartialDecryption, Question, TrusteeKey
from chain.votes.group import Element, Group
from chain.votes.randomness import draw_scalar
from chain.votes.tally import (
    Tally,
    add_ballot,
    compute_result,
    decrypt_partially,
    empty_tally,
    encode_result,
    encode_tally,
    open_tally,
    size_tally,
)
from chain.votes.trustees import Trustees, encode_trustees, make_trustee_key, read_trustees
from chain.votes.verifier import Verdict, verify_archive

GROUPS = {"BELENIOS-2048": BELENIOS_2048, "Ed25519": ED25519}
TIMESTAMP_S = 1_795_352_045
UUID = "68cdtCgcBHmHAb"

ONE_OF_THREE = Question(
    answers=("Marché couvert", "Square « arboré »", "Parking/gare"),
    blank=True,
    min=1,
    max=1,
    question="Que faire de la place du Beffroi ?",
)
UP_TO_TWO = Question(answers=("Vélo", "Bus", "Tram"), min=1, max=2, question="Quels modes ?")
YES_NO = Question(answers=("Oui", "Non"), min=0, max=1, question="Approuvez-vous ?")


def seeded(seed: str) -> RandomBytes:
    """A stream of bytes that looks like chance and is the same every time."""
    counter = 0

    def draw(size_bytes: int) -> bytes:
        nonlocal counter
        stream = b""
        while len(stream) < size_bytes:
            stream += sha256(f"{seed}|{counter}".encode()).digest()
            counter += 1
        return stream[:size_bytes]

    return draw


@dataclass
class Booth:
    """An election under way, with every secret at hand."""

    record: bytes
    election: Election
    trustees_record: bytes
    trustees: Trustees
    trustee_secrets: list[int]
    voter_secrets: list[int]
    weights: list[int]
    draw: RandomBytes
    ballots: list[bytes] = field(default_factory=list)
    _steps: dict[tuple[tuple[bytes, ...], tuple[int, ...]], list[Step]] = field(
        default_factory=dict, repr=False
    )

    @property
    def group(self) -> Group:
        return self.election.group

    @property
    def credentials_record(self) -> bytes:
        return encode_public_list(
            self.group,
            [Voter(self.credential(voter), weight) for voter, weight in enumerate(self.weights)],
        )

    def credential(self, voter: int) -> Element:
        return self.group.generator_power(self.voter_secrets[voter])

    def ballot(self, voter: int, votes: Votes) -> bytes:
        return make_ballot(self.election, self.voter_secrets[voter], votes, self.draw)

    def cast(self, voter: int, votes: Votes) -> bytes:
        self.ballots.append(self.ballot(voter, votes))
        return self.ballots[-1]

    def weight_of(self, credential: str) -> int:
        texts = [self.group.encode(self.credential(v)) for v in range(len(self.voter_secrets))]
        return self.weights[texts.index(credential)]

    def tally(self, ballots: Sequence[bytes] | None = None) -> Tally:
        last: dict[str, formats.Ballot] = {}
        for body in self.ballots if ballots is None else ballots:
            ballot = formats.decode(formats.Ballot, body)
            last[ballot.credential] = ballot
        tally = empty_tally(self.election)
        for credential, ballot in last.items():
            tally = add_ballot(self.election, tally, ballot.answers, self.weight_of(credential))
        return tally

    def decrypt(self, tally: Tally, owner: int) -> PartialDecryption:
        secret = self.trustee_secrets[owner - 1]
        return decrypt_partially(self.election, tally.rows, secret, self.draw)

    def factors(self, decryption: PartialDecryption) -> tuple[Element, ...]:
        return tuple(
            self.group.decode(text) for row in decryption.decryption_factors for text in row
        )

    # --- events -------------------------------------------------------------------------------

    def steps(self, owners: Sequence[int] = ()) -> list[Step]:
        """Every event of the honest election; `owners` decrypt (all trustees by default)."""
        key = (tuple(self.ballots), tuple(owners))
        if key not in self._steps:
            self._steps[key] = self._make_steps(owners)
        return list(self._steps[key])

    def _make_steps(self, owners: Sequence[int]) -> list[Step]:
        owners = owners or range(1, len(self.trustee_secrets) + 1)
        tally = self.tally()
        body = encode_tally(self.election, tally)
        decryptions = {owner: self.decrypt(tally, owner) for owner in owners}
        factors = {owner: self.factors(d) for owner, d in decryptions.items()}
        opened = open_tally(self.election, tally, self.trustees, factors)
        result = encode_result(compute_result(self.election, tally, opened))
        return [
            self.setup_step(),
            *(ballot_step(ballot) for ballot in self.ballots),
            Step(0, "EndBallots", ()),
            tally_step(body, formats.encode(size_tally(tally, hash_hex(body)))),
            *(decryption_step(owner, d) for owner, d in decryptions.items()),
            Step(0, "Result", (result,)),
        ]

    def setup_step(self) -> Step:
        records = (self.record, self.trustees_record, self.credentials_record)
        return Step(0, "Setup", records)

    def archive(self, owners: Sequence[int] = ()) -> bytes:
        return build(self.steps(owners))


@cache
def _judge_once(record: bytes, body: bytes) -> Flaw | None:
    return judge_ballot(read_election(record), body)


def verify(data: bytes) -> Verdict:
    """`verify_archive`, with each ballot of the session's elections judged only once."""
    return verify_archive(data, lambda record, bodies: (_judge_once(record, b) for b in bodies))


def build(steps: Sequence[Step]) -> bytes:
    """An archive of these events in this order, honestly chained, whatever they say."""
    writer = ArchiveWriter(TIMESTAMP_S)
    for step in steps:
        writer.add_step(step)
    return write_archive(writer.build())


def ballot_step(body: bytes) -> Step:
    return Step(0, "Ballot", (body,))


def tally_step(body: bytes, sized: bytes) -> Step:
    return Step(0, "EncryptedTally", (body, sized))


def decryption_step(owner: int, decryption: PartialDecryption) -> Step:
    body = formats.encode(decryption)
    owned = formats.Owned(owner=owner, payload=hash_hex(body))
    return Step(0, "PartialDecryption", (body, formats.encode(owned)))


# --- opening an election ---------------------------------------------------------------------


def open_booth(
    group: Group,
    questions: Sequence[Question] = (ONE_OF_THREE,),
    *,
    voters: int = 3,
    weights: Sequence[int] = (),
    trustees: int = 2,
    threshold: int = 0,
    uuid: str = UUID,
    seed: str = "election",
) -> Booth:
    """An election with mandatory trustees, or a threshold group when `threshold` is given."""
    draw = seeded(f"{seed}|{group.name}")
    if threshold:
        block, secrets = hold_ceremony(group, trustees, threshold, draw)
        trustees_record = encode_trustees([block])
    else:
        secrets = [draw_scalar(group, draw) for _ in range(trustees)]
        keys: list[TrusteeKey] = [make_trustee_key(group, secret, draw) for secret in secrets]
        trustees_record = encode_trustees(keys)
    opened = read_trustees(group, trustees_record)
    assert isinstance(opened, Trustees), opened
    record = make_election(
        uuid=uuid,
        name="Élection d'essai",
        description='Trois questions, "guillemets" et accents.',
        questions=questions,
        group=group,
        public_key=opened.public_key,
    )
    return Booth(
        record,
        read_election(record),
        trustees_record,
        opened,
        secrets,
        [draw_scalar(group, draw) for _ in range(len(weights) or voters)],
        list(weights) or [1] * voters,
        draw,
    )


def hold_ceremony(
    group: Group, trustees: int, threshold: int, draw: RandomBytes
) -> tuple[formats.ThresholdKeys, list[int]]:
    """All six steps and the commitments; the public record and every decryption key."""
    seeds = [ceremony.draw_seed(draw) for _ in range(trustees)]
    certificates = [ceremony.make_certificate(group, seed, draw) for seed in seeds]
    polynomials = [
        ceremony.share_polynomial(group, certificates, seed, threshold, draw) for seed in seeds
    ]
    commitments = [ceremony.commit(polynomial.coefexps) for polynomial in polynomials]
    ceremony.check_reveals(commitments, polynomials)
    vinputs = ceremony.distribute(group, certificates, polynomials)
    voutputs = [
        ceremony.accept_shares(group, certificates, seed, vinput, draw)
        for seed, vinput in zip(seeds, vinputs, strict=True)
    ]
    block = ceremony.conclude(group, certificates, polynomials, voutputs)
    secrets = [
        ceremony.open_decryption_key(group, seed, voutput.private_key)
        for seed, voutput in zip(seeds, voutputs, strict=True)
    ]
    return block, secrets
