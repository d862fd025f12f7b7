"""The trustee's side of the key ceremony: every step out of the chain's lines and its own vault."""

import msgspec
import pytest

from app.cli.ballot_board import CeremonyLine, ElectionState, SignedText
from app.cli.trustee.ceremony import DONE, Move, NotOurs, next_move
from app.cli.trustee.vault import Secrets
from chain.town.votes_schemas import TrusteeReveal, VoteSigned
from chain.votes import ceremony, formats
from chain.votes.formats import Proof, ThresholdKeys, TrusteeKey
from chain.votes.groups import get_group
from chain.votes.trustees import Trustees, encode_trustees, lagrange_at_zero, read_trustees
from tests.votes.kit import UUID, seeded

GROUPS = ["BELENIOS-2048", "Ed25519"]


def election(kind: str = "threshold", group: str = "Ed25519", trustees: int = 3) -> ElectionState:
    threshold = trustees if kind == "single" else 2
    names = tuple(f"body-{rank}" for rank in range(1, trustees + 1))
    return ElectionState(UUID, group, "ceremony", {}, kind, names, threshold)


class Round:
    """Trustees with a vault each, and the lines that the chain keeps of what they sent."""

    def __init__(self, state: ElectionState) -> None:
        self.state = state
        self.lines = [CeremonyLine(rank) for rank in range(1, len(state.trustees) + 1)]
        self.vaults: dict[int, Secrets | None] = dict.fromkeys(range(1, len(self.lines) + 1))
        self.poks: dict[int, Proof] = {}

    def move(self, rank: int, seed: str = "") -> Move:
        draw = seeded(f"trustee {rank} {seed}")
        return next_move(self.state, self.lines, rank, self.vaults[rank], draw)

    def take(self, rank: int, seed: str = "") -> Move:
        """Keep and send the next step, as the command does."""
        move = self.move(rank, seed)
        if move.body is not None:
            self.vaults[rank] = move.secrets
            self.send(move.body)
        return move

    def send(self, body: msgspec.Struct) -> None:
        sent = msgspec.to_builtins(body)
        rank = sent["trustee"]
        line = self.lines[rank - 1]
        fields = {name: sent[name] for name in ("commitment", "public_key") if name in sent}
        for name in ("cert", "coefexps"):
            if name in sent:
                fields[name] = msgspec.convert(sent[name], SignedText)
        if "secrets" in sent:
            fields["secrets"] = tuple(sent["secrets"])
        if "pok" in sent:
            self.poks[rank] = msgspec.convert(sent["pok"], Proof)
        self.lines[rank - 1] = msgspec.structs.replace(line, **fields)

    def finish(self) -> None:
        for _ in range(5):
            for rank in self.vaults:
                self.take(rank, str(_))

    def record(self) -> bytes:
        keys = tuple(
            TrusteeKey(pok=self.poks[line.trustee], public_key=line.public_key)
            for line in self.lines
        )
        if self.state.ceremony == "single":
            return encode_trustees(keys)
        block = ThresholdKeys(
            threshold=self.state.trustees_threshold,
            certs=tuple(line.cert.as_signed() for line in self.lines),
            coefexps=tuple(line.coefexps.as_signed() for line in self.lines),
            verification_keys=keys,
        )
        return encode_trustees([block])


@pytest.mark.parametrize("group", GROUPS)
def test_three_trustees_make_a_key_that_any_two_of_them_hold(group: str) -> None:
    table = Round(election(group=group))
    table.finish()
    assert [table.move(rank) for rank in (1, 2, 3)] == [DONE] * 3
    known = get_group(group)
    opened = read_trustees(known, table.record())
    assert isinstance(opened, Trustees), opened
    scalars = {rank: int(secrets.scalar) for rank, secrets in table.vaults.items()}
    for pair in ((1, 2), (1, 3), (3, 2)):
        whole = sum(scalars[r] * lagrange_at_zero(known.order, pair, r) for r in pair)
        assert known.generator_power(whole % known.order) == opened.public_key


@pytest.mark.parametrize("group", GROUPS)
def test_single_trustees_give_a_key_each(group: str) -> None:
    table = Round(election("single", group))
    table.finish()
    known = get_group(group)
    opened = read_trustees(known, table.record())
    assert isinstance(opened, Trustees), opened
    total = sum(int(secrets.scalar) for secrets in table.vaults.values())
    assert known.generator_power(total % known.order) == opened.public_key


def test_each_step_waits_for_everybodys_step_before() -> None:
    table = Round(election())
    table.take(1)
    assert table.move(1).waiting == (2, 3)
    table.take(2)
    assert table.move(1).waiting == (3,)
    table.take(3)
    assert table.take(1).step == "commit"
    assert (table.move(1).step, table.move(1).waiting) == ("reveal", (2, 3))


def test_a_step_whose_answer_was_lost_is_repeated_as_it_was() -> None:
    """Kept, perhaps sent, and the power went: the same bytes again, whatever chance says now."""
    table = Round(election())
    for step in ("cert", "commit", "reveal"):
        for rank in (1, 2, 3):
            first = table.move(rank)
            table.vaults[rank] = first.secrets
            again = table.move(rank, "other chance")
            assert (again.step, again.body) == (step, first.body)
            table.send(first.body)
    kept = table.move(1)
    table.vaults[1] = kept.secrets
    again = table.move(1, "other chance")
    assert again.body.public_key == kept.body.public_key


def test_a_ceremony_begun_again_draws_everything_anew() -> None:
    """The chain forgot the lines: coefficients that were shown before must not be used a second time."""
    table = Round(election())
    for _ in range(3):
        for rank in (1, 2, 3):
            table.take(rank)
    shown = table.lines[0]
    table.lines = [CeremonyLine(rank) for rank in (1, 2, 3)]
    for step in range(3):
        for rank in (1, 2, 3):
            table.take(rank, f"second {step}")
    assert table.lines[0].commitment != shown.commitment
    assert table.lines[0].cert != shown.cert


def test_a_share_of_a_ceremony_given_up_is_never_a_key_of_ones_own() -> None:
    """Two of three made it with us, and can compute it: alone, then, each of two single trustees would decrypt."""
    own = Round(election())
    for _ in range(4):
        for rank in (1, 2, 3):
            own.take(rank)
    shares = {rank: secrets.scalar for rank, secrets in own.vaults.items() if secrets is not None}
    assert all(shares.values())
    again = Round(election("single", trustees=2))
    again.vaults = {1: own.vaults[1], 2: own.vaults[2]}
    for rank in (1, 2):
        again.take(rank, "again")
        kept = again.vaults[rank]
        assert kept is not None
        assert kept.scalar not in shares.values()
        assert (again.take(rank), kept.seed, kept.polynomial) == (DONE, "", "")


def test_a_step_under_our_name_that_we_did_not_make_is_noticed() -> None:
    honest, stranger = Round(election()), Round(election())
    for rank in (1, 2, 3):
        honest.take(rank)
        stranger.take(rank, "stranger")
    honest.lines[0] = stranger.lines[0]
    with pytest.raises(NotOurs):
        honest.move(1)
    done, other = Round(election()), Round(election())
    done.finish()
    other.finish()
    other.vaults[2] = replace_scalar(other.vaults[2])
    with pytest.raises(NotOurs):
        other.move(2)
    done.vaults[3] = None
    with pytest.raises(NotOurs):
        done.move(3)


def replace_scalar(secrets: Secrets) -> Secrets:
    return msgspec.structs.replace(secrets, scalar=str(int(secrets.scalar) + 1))


def test_a_commitment_we_cannot_open_stops_the_ceremony() -> None:
    table = Round(election())
    for _ in range(2):
        for rank in (1, 2, 3):
            table.take(rank)
    lost = msgspec.structs.replace(table.vaults[1], polynomial="")
    with pytest.raises(NotOurs):
        next_move(table.state, table.lines, 1, lost, seeded("x"))
    other = msgspec.structs.replace(table.vaults[1], polynomial=table.vaults[1].polynomial)
    table.lines[0] = msgspec.structs.replace(table.lines[0], commitment="ab" * 32)
    with pytest.raises(NotOurs):
        next_move(table.state, table.lines, 1, other, seeded("x"))


def test_a_share_that_does_not_fit_names_who_sent_it() -> None:
    table = Round(election())
    for _ in range(3):
        for rank in (1, 2, 3):
            table.take(rank)
    cheat = table.lines[1]
    swapped = (cheat.secrets[0], cheat.secrets[0], cheat.secrets[2])
    table.lines[1] = msgspec.structs.replace(cheat, secrets=swapped)
    table.move(1)
    with pytest.raises(ceremony.CeremonyError) as refused:
        table.move(2)
    assert refused.value.trustee == 2


def test_coefficients_that_were_not_committed_to_are_refused_also_by_the_trustees() -> None:
    table, other = Round(election()), Round(election())
    for _ in range(3):
        for rank in (1, 2, 3):
            table.take(rank)
    for rank in (1, 2, 3):
        other.vaults[rank] = table.vaults[rank]
    polynomial = ceremony.share_polynomial(
        get_group("Ed25519"),
        [line.cert.as_signed() for line in table.lines],
        table.vaults[3].seed,
        2,
        seeded("chosen last"),
    )
    body = TrusteeReveal(
        UUID,
        3,
        msgspec.convert(msgspec.to_builtins(polynomial.coefexps), VoteSigned),
        polynomial.secrets,
    )
    table.send(body)
    with pytest.raises(ceremony.CeremonyError) as refused:
        table.move(1)
    assert refused.value.trustee == 3


def test_what_is_sent_holds_no_secret() -> None:
    table = Round(election())
    for rank in (1, 2, 3):
        for _ in range(1):
            table.take(rank)
    for _ in range(3):
        for rank in (1, 2, 3):
            move = table.take(rank)
            if move.body is None:
                continue
            sent = formats.encode(msgspec.to_builtins(move.body)).decode()
            kept = move.secrets
            assert kept.seed not in sent
            assert not kept.scalar or kept.scalar not in sent


def test_an_unknown_group_is_not_guessed_at() -> None:
    state = replace_group(election())
    with pytest.raises(NotOurs, match="RFC-3526"):
        next_move(state, [CeremonyLine(1)], 1, None, seeded("x"))


def replace_group(state: ElectionState) -> ElectionState:
    return msgspec.structs.replace(state, group="RFC-3526-2048")
