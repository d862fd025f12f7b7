"""The key ceremony: an honest one gives a key two of three can use; every cheat is found and named."""

import json

import pytest

from chain.votes import formats
from chain.votes.ceremony import (
    CeremonyError,
    accept_shares,
    check_reveals,
    commit,
    compute_decryption_key,
    conclude,
    derive_secrets,
    distribute,
    draw_seed,
    make_certificate,
    open_certificates,
    open_decryption_key,
    share_polynomial,
)
from chain.votes.channel import ChannelError, decrypt, encrypt, receive, send
from chain.votes.checks import Check, Flaw
from chain.votes.finite_field import BELENIOS_2048
from chain.votes.formats import (
    EncryptedMessage,
    Polynomial,
    SignedMessage,
    ThresholdKeys,
    VInput,
    VOutput,
)
from chain.votes.group import Group
from chain.votes.trustees import encode_trustees, lagrange_at_zero, read_trustees, sign_message
from tests.votes.kit import GROUPS, hold_ceremony, seeded
from tests.votes.shared import BELENIOS, needs_belenios


class Table:
    """Three trustees after step 3, threshold 2."""

    def __init__(self, group: Group, threshold: int = 2) -> None:
        self.group = group
        self.draw = seeded(f"table|{group.name}")
        self.seeds = [draw_seed(self.draw) for _ in range(3)]
        self.certificates = [make_certificate(group, seed, self.draw) for seed in self.seeds]
        self.polynomials = [self.share(index, threshold) for index in range(3)]

    def share(self, index: int, threshold: int) -> Polynomial:
        seed = self.seeds[index]
        return share_polynomial(self.group, self.certificates, seed, threshold, self.draw)

    def accept(self, index: int, vinput: VInput) -> VOutput:
        seed = self.seeds[index]
        return accept_shares(self.group, self.certificates, seed, vinput, self.draw)


@pytest.fixture(scope="module", params=sorted(GROUPS))
def table(request: pytest.FixtureRequest) -> Table:
    return Table(GROUPS[request.param])


def replaced(items: list, index: int, item: object) -> list:
    return [*items[:index], item, *items[index + 1 :]]


# --- honest ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trustees", "threshold"), [(1, 1), (2, 2), (4, 3)])
def test_any_threshold_of_keys_makes_the_election_key(trustees: int, threshold: int) -> None:
    group = GROUPS["Ed25519"]
    block, secrets = hold_ceremony(group, trustees, threshold, seeded("shares"))
    read = read_trustees(group, encode_trustees([block]))
    assert not isinstance(read, Flaw)
    for first in range(trustees - threshold + 1):
        ranks = list(range(first + 1, first + threshold + 1))
        total = sum(
            secrets[rank - 1] * lagrange_at_zero(group.order, ranks, rank) for rank in ranks
        )
        assert group.generator_power(total) == read.public_key
        if threshold > 1:
            fewer = ranks[1:]
            total = sum(
                secrets[rank - 1] * lagrange_at_zero(group.order, fewer, rank) for rank in fewer
            )
            assert group.generator_power(total) != read.public_key


def test_seeds_are_base58_and_mistyped_ones_are_refused() -> None:
    seed = draw_seed(seeded("seed"))
    assert len(seed) == 22
    derive_secrets(seed)
    for other in (seed[:-1], seed + "1", seed[:-1] + "0", seed[:-1] + "é"):
        with pytest.raises(CeremonyError):
            derive_secrets(other)


# --- cheats ------------------------------------------------------------------------------------


def test_coefficients_changed_after_the_commitment_are_refused(table: Table) -> None:
    commitments = [commit(polynomial.coefexps) for polynomial in table.polynomials]
    check_reveals(commitments, table.polynomials)
    late = replaced(table.polynomials, 1, table.share(1, 2))
    with pytest.raises(CeremonyError, match="trustee 2: coefficients are not those committed"):
        check_reveals(commitments, late)
    with pytest.raises(CeremonyError):
        check_reveals(commitments[:2], table.polynomials)


def test_a_share_that_does_not_fit_the_coefficients_names_its_sender(table: Table) -> None:
    """Trustee 3 shows the coefficients of one polynomial and sends shares of another."""
    liar = formats.replace(table.polynomials[2], coefexps=table.share(2, 2).coefexps)
    vinputs = distribute(table.group, table.certificates, replaced(table.polynomials, 2, liar))
    with pytest.raises(CeremonyError, match="share does not fit") as caught:
        table.accept(0, vinputs[0])
    assert caught.value.trustee == 3


def test_coefficients_signed_by_somebody_else_are_refused(table: Table) -> None:
    liar = formats.replace(table.polynomials[2], coefexps=table.polynomials[0].coefexps)
    with pytest.raises(CeremonyError, match="signature") as caught:
        distribute(table.group, table.certificates, replaced(table.polynomials, 2, liar))
    assert caught.value.trustee == 3


def test_a_polynomial_of_another_degree_is_refused(table: Table) -> None:
    longer = replaced(table.polynomials, 1, table.share(1, 3))
    with pytest.raises(CeremonyError) as caught:
        distribute(table.group, table.certificates, longer)
    assert caught.value.trustee == 2


def test_shares_swapped_between_recipients_are_refused(table: Table) -> None:
    vinputs = distribute(table.group, table.certificates, table.polynomials)
    with pytest.raises(CeremonyError, match="encrypted to another key"):
        table.accept(0, formats.replace(vinputs[0], secrets=vinputs[1].secrets))


def test_a_verification_key_of_another_secret_is_refused(table: Table) -> None:
    vinputs = distribute(table.group, table.certificates, table.polynomials)
    voutputs = [table.accept(index, vinput) for index, vinput in enumerate(vinputs)]
    swapped = [voutputs[1], voutputs[0], voutputs[2]]
    with pytest.raises(CeremonyError, match="verification key") as caught:
        conclude(table.group, table.certificates, table.polynomials, swapped)
    assert caught.value.trustee == 1
    with pytest.raises(CeremonyError):
        conclude(table.group, table.certificates, table.polynomials, voutputs[:2])
    garbled = formats.replace(voutputs[2].public_key, public_key="garbled")
    garbled_output = formats.replace(voutputs[2], public_key=garbled)
    with pytest.raises(CeremonyError) as caught:
        conclude(
            table.group, table.certificates, table.polynomials, [*voutputs[:2], garbled_output]
        )
    assert caught.value.trustee == 3


def test_a_forged_or_repeated_certificate_is_refused(table: Table) -> None:
    first, second, third = table.certificates
    forged = SignedMessage(message=first.message, signature=second.signature)
    with pytest.raises(CeremonyError, match="signature") as caught:
        open_certificates(table.group, [forged, second, third])
    assert caught.value.trustee == 1
    with pytest.raises(CeremonyError, match="twice"):
        open_certificates(table.group, [first, first])
    with pytest.raises(CeremonyError, match="no certificate of ours"):
        share_polynomial(table.group, [first, second], table.seeds[2], 2, table.draw)


@pytest.mark.parametrize("threshold", [0, 4])
def test_an_impossible_threshold_is_refused(table: Table, threshold: int) -> None:
    with pytest.raises(CeremonyError, match="threshold"):
        table.share(0, threshold)


def test_a_message_passed_on_to_another_trustee_is_refused(table: Table) -> None:
    """Trustee 2 opens what 1 sent, and encrypts 1's signed words to 3."""
    group, draw = table.group, table.draw
    secrets = [derive_secrets(seed) for seed in table.seeds]
    opened = open_certificates(group, table.certificates)
    sealed = send(group, secrets[0].signing, opened[1].encryption, "hello", draw)
    assert receive(group, secrets[1].decryption, opened[0].verification, sealed) == "hello"
    inner = decrypt(group, secrets[1].decryption, formats.decode(EncryptedMessage, sealed))
    passed_on = formats.encode(encrypt(group, opened[2].encryption, inner, draw)).decode()
    with pytest.raises(ChannelError, match="another trustee"):
        receive(group, secrets[2].decryption, opened[0].verification, passed_on)
    with pytest.raises(ChannelError, match="signature"):
        receive(group, secrets[1].decryption, opened[2].verification, sealed)


def test_an_altered_message_is_refused(table: Table) -> None:
    group = table.group
    secrets = [derive_secrets(seed) for seed in table.seeds]
    opened = open_certificates(group, table.certificates)
    sealed = json.loads(send(group, secrets[0].signing, opened[1].encryption, "x", table.draw))
    last = sealed["data"][-1]
    one = group.encode(group.identity)
    for change in (
        {"data": sealed["data"][:-1] + ("0" if last != "0" else "1")},
        {"data": "zz"},
        {"alpha": one},
        {"beta": one},
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - ChannelError and DecodeError both are
            receive(
                group,
                secrets[1].decryption,
                opened[0].verification,
                json.dumps({**sealed, **change}),
            )


# --- the public record -------------------------------------------------------------------------


def check_of(group: Group, block: ThresholdKeys) -> Check | None:
    read = read_trustees(group, encode_trustees([block]))
    return read.check if isinstance(read, Flaw) else None


def test_every_part_of_the_public_record_is_checked(table: Table) -> None:
    group = table.group
    vinputs = distribute(group, table.certificates, table.polynomials)
    voutputs = [table.accept(index, vinput) for index, vinput in enumerate(vinputs)]
    block = conclude(group, table.certificates, table.polynomials, voutputs)
    assert check_of(group, block) is None
    certs, coefexps, keys = block.certs, block.coefexps, block.verification_keys
    other = sign_message(group, 77, coefexps[0].message, table.draw)
    for change, check in (
        ({"threshold": 1}, Check.TRUSTEES_FORM),
        ({"threshold": 0}, Check.TRUSTEES_FORM),
        ({"threshold": 4}, Check.TRUSTEES_FORM),
        ({"certs": certs[:2]}, Check.TRUSTEES_FORM),
        ({"certs": certs[::-1]}, Check.TRUSTEE_CERTIFICATE),
        ({"coefexps": (other, *coefexps[1:])}, Check.TRUSTEE_CERTIFICATE),
        ({"verification_keys": keys[::-1]}, Check.TRUSTEE_KEY),
        (
            {"verification_keys": (formats.replace(keys[0], pok=keys[1].pok), *keys[1:])},
            Check.TRUSTEE_PROOF,
        ),
    ):
        assert check_of(group, formats.replace(block, **change)) is check, change


# --- the supplied ceremony -----------------------------------------------------------------------


@needs_belenios
def test_the_tools_ceremony_is_opened_checked_and_concluded_to_its_bytes() -> None:
    folder = BELENIOS / "threshold"
    lines = (folder / "certs.jsons").read_bytes().splitlines()
    certificates = [formats.decode_exactly(SignedMessage, line) for line in lines]
    lines = (folder / "polynomials.jsons").read_bytes().splitlines()
    polynomials = [formats.decode_exactly(Polynomial, line) for line in lines]
    vinputs = distribute(BELENIOS_2048, certificates, polynomials)
    voutputs = []
    for vinput, certificate in zip(vinputs, certificates, strict=True):
        stem = next(
            path
            for path in folder.glob("*.cert")
            if formats.decode(SignedMessage, path.read_bytes()) == certificate
        )
        assert stem.with_suffix(".vinput").read_bytes().strip() == formats.encode(vinput)
        voutput = formats.decode_exactly(VOutput, stem.with_suffix(".voutput").read_bytes().strip())
        seed = stem.with_suffix(".key").read_text().strip()
        key = compute_decryption_key(BELENIOS_2048, certificates, seed, vinput)
        sealed = stem.with_suffix(".dkey").read_text()
        assert open_decryption_key(BELENIOS_2048, seed, voutput.private_key) == key
        assert open_decryption_key(BELENIOS_2048, seed, sealed) == key
        voutputs.append(voutput)
    block = conclude(BELENIOS_2048, certificates, polynomials, voutputs)
    assert formats.encode(block) == (folder / "threshold.json").read_bytes().strip()
    assert encode_trustees([block]) == (folder / "trustees.json").read_bytes().strip()


def test_a_dishonest_opening_of_ones_own_file_is_refused(table: Table) -> None:
    vinputs = distribute(table.group, table.certificates, table.polynomials)
    voutput = table.accept(0, vinputs[0])
    with pytest.raises(CeremonyError):
        open_decryption_key(table.group, table.seeds[1], voutput.private_key)
    with pytest.raises(CeremonyError):
        open_decryption_key(table.group, table.seeds[0], "{}")
