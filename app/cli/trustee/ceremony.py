"""What a trustee does next in the making of the election's key, out of the chain's lines and its own secrets.

`single`: the key. `threshold`: certificate, commitment, coefficients with sealed shares, verification key; each when
everybody has done the one before. Nothing of a step leaves before its secrets lie in the vault (`Move.secrets`), and
what was drawn is never drawn again: a step whose answer was lost is repeated as it was.
Reads: lines of the board, secrets.  Writes: nothing; the caller keeps and sends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from app.cli.ballot_board import CeremonyLine, ElectionState, SignedText
from app.cli.trustee.vault import Secrets
from chain.crypto.randomness import RandomBytes
from chain.town.votes_schemas import (
    TrusteeCert,
    TrusteeCommit,
    TrusteeKeyGiven,
    TrusteeReveal,
    TrusteeVerify,
    VoteProof,
    VoteSigned,
)
from chain.votes import ceremony, formats
from chain.votes.formats import Polynomial, Proof, SignedMessage, VInput
from chain.votes.group import Group
from chain.votes.groups import get_group
from chain.votes.randomness import draw_scalar
from chain.votes.trustees import make_trustee_key


class NotOurs(Exception):
    """The chain shows a step under this trustee's name that the vault's secrets did not make."""


@dataclass(frozen=True, slots=True)
class Move:
    """The next step: keep `secrets`, then send `body`; or wait for the trustees of `waiting`; or neither: done."""

    step: str
    secrets: Secrets | None = None
    body: msgspec.Struct | None = None
    waiting: tuple[int, ...] = ()


DONE = Move("done")


def next_move(
    election: ElectionState,
    lines: Sequence[CeremonyLine],
    rank: int,
    secrets: Secrets | None,
    draw: RandomBytes,
) -> Move:
    """What to do now; raises NotOurs, ceremony.CeremonyError when somebody else's step does not hold."""
    group = get_group(election.group)
    if group is None:
        raise NotOurs(f"this program does not know the group {election.group}")
    table = _Table(election, group, tuple(lines), rank)
    own = lines[rank - 1]
    if own.public_key:
        table.check_key(secrets)
        return DONE
    if election.ceremony == "single":
        return table.give_key(secrets, draw)
    if own.cert is None:
        return table.certify(secrets, draw)
    known = table.check_certificate(secrets)
    if not own.commitment:
        return table.commit(known, draw)
    if own.coefexps is None:
        return table.reveal(known)
    return table.verify(known, draw)


@dataclass(frozen=True, slots=True)
class _Table:
    """One trustee at the table."""

    election: ElectionState
    group: Group
    lines: tuple[CeremonyLine, ...]
    rank: int

    def _fresh(self) -> Secrets:
        return Secrets(election=self.election.election, rank=self.rank, group=self.election.group)

    def give_key(self, secrets: Secrets | None, draw: RandomBytes) -> Move:
        """Ceremony `single`. A share of a threshold ceremony that was given up is no key of one's own: as many of its
        trustees as the threshold can compute it."""
        if secrets is None or not secrets.scalar or secrets.seed:
            scalar = str(int(draw_scalar(self.group, draw)))
            secrets = msgspec.structs.replace(self._fresh(), scalar=scalar)
        key = make_trustee_key(self.group, int(secrets.scalar), draw)
        body = TrusteeKeyGiven(
            self.election.election, self.rank, key.public_key, _vote_proof(key.pok)
        )
        return Move("key", secrets, body)

    def certify(self, secrets: Secrets | None, draw: RandomBytes) -> Move:
        """Step 1. Secrets that went beyond it belong to a ceremony that was given up: all is drawn anew."""
        if secrets is None or not secrets.certificate or secrets.polynomial or secrets.scalar:
            seed = ceremony.draw_seed(draw)
            certificate = ceremony.make_certificate(self.group, seed, draw)
            text = formats.encode(certificate).decode()
            secrets = msgspec.structs.replace(self._fresh(), seed=seed, certificate=text)
        signed = formats.decode(SignedMessage, secrets.certificate)
        body = TrusteeCert(self.election.election, self.rank, _vote_signed(signed))
        return Move("cert", secrets, body)

    def commit(self, secrets: Secrets, draw: RandomBytes) -> Move:
        """Step 2: the polynomial is drawn here, and never again."""
        waiting = self._without(lambda line: line.cert)
        if waiting:
            return Move("commit", waiting=waiting)
        if not secrets.polynomial:
            made = ceremony.share_polynomial(
                self.group,
                self._certificates(),
                secrets.seed,
                self.election.trustees_threshold,
                draw,
            )
            text = formats.encode(made).decode()
            secrets = msgspec.structs.replace(secrets, polynomial=text)
        commitment = ceremony.commit(_polynomial(secrets).coefexps)
        body = TrusteeCommit(self.election.election, self.rank, commitment)
        return Move("commit", secrets, body)

    def reveal(self, secrets: Secrets) -> Move:
        """Step 3: what was committed to."""
        polynomial = self._committed(secrets)
        waiting = self._without(lambda line: line.commitment)
        if waiting:
            return Move("reveal", waiting=waiting)
        body = TrusteeReveal(
            self.election.election,
            self.rank,
            _vote_signed(polynomial.coefexps),
            polynomial.secrets,
        )
        return Move("reveal", secrets, body)

    def verify(self, secrets: Secrets, draw: RandomBytes) -> Move:
        """Step 4: every share opened and checked, the decryption key made and kept."""
        polynomial = self._committed(secrets)
        waiting = self._without(lambda line: line.coefexps)
        if waiting:
            return Move("verify", waiting=waiting)
        coefexps = tuple(_signed(line.coefexps) for line in self.lines)
        for line, revealed in zip(self.lines, coefexps, strict=True):
            if ceremony.commit(revealed) != line.commitment:
                raise ceremony.CeremonyError(line.trustee, "coefficients not committed to")
        vinput = VInput(
            polynomial=polynomial.polynomial,
            secrets=tuple(line.secrets[self.rank - 1] for line in self.lines),
            coefexps=coefexps,
        )
        scalar = ceremony.compute_decryption_key(
            self.group, self._certificates(), secrets.seed, vinput
        )
        secrets = msgspec.structs.replace(secrets, scalar=str(int(scalar)))
        key = make_trustee_key(self.group, scalar, draw)
        body = TrusteeVerify(
            self.election.election, self.rank, key.public_key, _vote_proof(key.pok)
        )
        return Move("verify", secrets, body)

    # --- checks --------------------------------------------------------------------------------

    def check_key(self, secrets: Secrets | None) -> None:
        """The key under our name is ours."""
        if secrets is None or not secrets.scalar:
            raise NotOurs(
                "the chain has a key under this name, and its secret is not in this vault"
            )
        public = self.group.encode(self.group.generator_power(int(secrets.scalar)))
        if public != self.lines[self.rank - 1].public_key:
            raise NotOurs("the key under this name is not that of this vault")

    def check_certificate(self, secrets: Secrets | None) -> Secrets:
        """The certificate under our name is ours."""
        shown = _signed(self.lines[self.rank - 1].cert)
        if secrets is None or secrets.certificate != formats.encode(shown).decode():
            raise NotOurs("the certificate under this name is not that of this vault")
        return secrets

    def _committed(self, secrets: Secrets) -> Polynomial:
        if not secrets.polynomial:
            raise NotOurs("a commitment under this name, and no coefficients in this vault")
        polynomial = _polynomial(secrets)
        if ceremony.commit(polynomial.coefexps) != self.lines[self.rank - 1].commitment:
            raise NotOurs("the commitment under this name is not that of this vault")
        return polynomial

    def _without(self, given: Callable[[CeremonyLine], object]) -> tuple[int, ...]:
        return tuple(line.trustee for line in self.lines if not given(line))

    def _certificates(self) -> tuple[SignedMessage, ...]:
        return tuple(_signed(line.cert) for line in self.lines)


def _polynomial(secrets: Secrets) -> Polynomial:
    return formats.decode(Polynomial, secrets.polynomial)


def _signed(text: SignedText | None) -> SignedMessage:
    assert text is not None, "asked for once everybody has given it"
    return text.as_signed()


def _vote_signed(signed: SignedMessage) -> VoteSigned:
    return VoteSigned(signed.message, _vote_proof(signed.signature))


def _vote_proof(proof: Proof) -> VoteProof:
    return VoteProof(proof.challenge, proof.response)
