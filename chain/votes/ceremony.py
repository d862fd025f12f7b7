"""The Pedersen key ceremony: n trustees make one election key that any `threshold` of them can use.

Six steps, as in belenios-tool: certificates; a polynomial each, shared out; shares received and checked
against public coefficients; verification keys; the public record. One step is ours, before coefficients are
shown: each trustee first publishes their hash (`commit`), so that nobody can choose last and bias the key
(Belenios does the same from its version 4 on). Files are those of belenios-tool 2.0.

Source: Belenios specification 2.0, §4.7; glondu/belenios tag 2.0, src/lib/v1/trustees.ml (`MakePedersen`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from chain.codec.errors import DecodeError
from chain.limits import VOTES_TRUSTEES_MAX
from chain.votes import formats
from chain.votes.channel import ChannelError, receive, send
from chain.votes.checks import Flaw
from chain.votes.election import BASE58
from chain.votes.formats import (
    CertificateKeys,
    Coefficients,
    DecryptionKey,
    Polynomial,
    RawPolynomial,
    Secret,
    SignedMessage,
    ThresholdKeys,
    VInput,
    VOutput,
)
from chain.votes.group import Element, Group
from chain.votes.randomness import RandomBytes, draw_below, draw_scalar
from chain.votes.trustees import (
    check_trustee_key,
    compute_share_image,
    make_trustee_key,
    read_certificate,
    read_coefficients,
    sign_message,
)

SEED_CHARS: Final = 22
_SEED: Final = re.compile(f"[{BASE58}]{{{SEED_CHARS}}}", re.ASCII)
_NUMBER: Final = re.compile("0|[1-9][0-9]{0,99}", re.ASCII)


class CeremonyError(ValueError):
    """A step cannot go on. `trustee` is whose contribution is at fault, from 1; 0 when it is nobody's."""

    def __init__(self, trustee: int, detail: str) -> None:
        super().__init__(f"trustee {trustee}: {detail}" if trustee else detail)
        self.trustee = trustee
        self.detail = detail


@dataclass(frozen=True, slots=True)
class TrusteeSecrets:
    """What a trustee derives from its seed."""

    signing: int
    """sk: signs certificates, coefficients and messages."""
    decryption: int
    """dk: receives messages. The decryption key of the election is another, made by the ceremony."""


@dataclass(frozen=True, slots=True)
class Certified:
    """Keys of one trustee, out of its certificate."""

    verification: Element
    encryption: Element


def draw_seed(draw: RandomBytes) -> str:
    """A trustee's seed: 22 Base58 characters (128 bits)."""
    return "".join(BASE58[draw_below(58, draw)] for _ in range(SEED_CHARS))


def derive_secrets(seed: str) -> TrusteeSecrets:
    """Both secrets of a seed, not reduced; raises CeremonyError on a mistyped seed."""
    if not _SEED.fullmatch(seed):
        raise CeremonyError(0, f"a seed is {SEED_CHARS} Base58 characters")
    return TrusteeSecrets(_hash_number(f"sk|{seed}"), _hash_number(f"dk|{seed}"))


def make_certificate(group: Group, seed: str, draw: RandomBytes) -> SignedMessage:
    """Step 1: the trustee's public keys, signed by themselves."""
    secrets = derive_secrets(seed)
    keys = CertificateKeys(
        verification=group.encode(group.generator_power(secrets.signing)),
        encryption=group.encode(group.generator_power(secrets.decryption)),
    )
    return sign_message(group, secrets.signing, formats.encode(keys).decode(), draw)


def open_certificates(group: Group, certificates: Sequence[SignedMessage]) -> tuple[Certified, ...]:
    """Step 2: check all certificates; raises CeremonyError naming the first that fails."""
    if not 1 <= len(certificates) <= VOTES_TRUSTEES_MAX:
        raise CeremonyError(0, f"{len(certificates)} trustees")
    opened: list[Certified] = []
    for index, certificate in enumerate(certificates, 1):
        try:
            keys = read_certificate(group, certificate)
        except DecodeError as error:
            raise CeremonyError(index, str(error)) from error
        if isinstance(keys, Flaw):
            raise CeremonyError(index, keys.detail)
        opened.append(Certified(*keys))
    if len(set(opened)) != len(opened):
        raise CeremonyError(0, "the same certificate twice")
    return tuple(opened)


def share_polynomial(
    group: Group,
    certificates: Sequence[SignedMessage],
    seed: str,
    threshold: int,
    draw: RandomBytes,
) -> Polynomial:
    """Step 3: draw a polynomial of degree threshold-1 and seal its value for every trustee."""
    opened = open_certificates(group, certificates)
    if not 1 <= threshold <= len(opened):
        raise CeremonyError(0, f"threshold {threshold} of {len(opened)} trustees")
    secrets = derive_secrets(seed)
    own = opened[_find_own(group, opened, secrets)]
    coefficients = [draw_scalar(group, draw) for _ in range(threshold)]
    images = Coefficients(
        coefexps=tuple(group.encode(group.generator_power(a)) for a in coefficients)
    )
    polynomial = RawPolynomial(polynomial=tuple(str(a) for a in coefficients))

    def seal(recipient: Element, content: RawPolynomial | Secret) -> str:
        return send(group, secrets.signing, recipient, formats.encode(content).decode(), draw)

    return Polynomial(
        polynomial=seal(own.encryption, polynomial),
        secrets=tuple(
            seal(other.encryption, Secret(secret=str(_evaluate(group, coefficients, index))))
            for index, other in enumerate(opened, 1)
        ),
        coefexps=sign_message(group, secrets.signing, formats.encode(images).decode(), draw),
    )


def commit(coefexps: SignedMessage) -> str:
    """What a trustee publishes before its coefficients: their hash."""
    return sha256(b"beffroi-coefexps|" + formats.encode(coefexps)).hexdigest()


def check_reveals(commitments: Sequence[str], polynomials: Sequence[Polynomial]) -> None:
    """All coefficients are those committed to; raises CeremonyError naming the first that is not."""
    if len(commitments) != len(polynomials):
        raise CeremonyError(0, "commitments and polynomials differ in number")
    for index, (commitment, polynomial) in enumerate(zip(commitments, polynomials, strict=True), 1):
        if commit(polynomial.coefexps) != commitment:
            raise CeremonyError(index, "coefficients are not those committed to")


def distribute(
    group: Group, certificates: Sequence[SignedMessage], polynomials: Sequence[Polynomial]
) -> tuple[VInput, ...]:
    """Step 4: what each trustee receives from all; raises CeremonyError naming who signed badly."""
    _open_coefficients(group, certificates, [polynomial.coefexps for polynomial in polynomials])
    for index, polynomial in enumerate(polynomials, 1):
        if len(polynomial.secrets) != len(polynomials):
            raise CeremonyError(index, "another number of secrets than trustees")
    return tuple(
        VInput(
            polynomial=own.polynomial,
            secrets=tuple(polynomial.secrets[position] for polynomial in polynomials),
            coefexps=tuple(polynomial.coefexps for polynomial in polynomials),
        )
        for position, own in enumerate(polynomials)
    )


def accept_shares(
    group: Group,
    certificates: Sequence[SignedMessage],
    seed: str,
    vinput: VInput,
    draw: RandomBytes,
) -> VOutput:
    """Step 5: open and check every share, make the decryption key; raises CeremonyError naming a cheat."""
    secrets = derive_secrets(seed)
    opened = open_certificates(group, certificates)
    own = opened[_find_own(group, opened, secrets)]
    key = compute_decryption_key(group, certificates, seed, vinput)
    sealed = formats.encode(DecryptionKey(decryption_key=str(key))).decode()
    return VOutput(
        private_key=send(group, secrets.signing, own.encryption, sealed, draw),
        public_key=make_trustee_key(group, key, draw),
    )


def compute_decryption_key(
    group: Group, certificates: Sequence[SignedMessage], seed: str, vinput: VInput
) -> int:
    """Sum of the shares received, each checked against its sender's coefficients. Not reduced modulo q."""
    secrets = derive_secrets(seed)
    opened = open_certificates(group, certificates)
    rank = _find_own(group, opened, secrets) + 1
    own_polynomial = _receive(group, secrets, opened, rank, vinput.polynomial)
    threshold = len(_decode_sent(RawPolynomial, own_polynomial, rank).polynomial)
    rows = _open_coefficients(group, certificates, vinput.coefexps, threshold)
    if len(vinput.secrets) != len(opened):
        raise CeremonyError(0, "another number of secrets than trustees")
    total = 0
    for sender, (sealed, row) in enumerate(zip(vinput.secrets, rows, strict=True), 1):
        text = _receive(group, secrets, opened, sender, sealed)
        share = _read_number(_decode_sent(Secret, text, sender).secret, sender)
        if group.generator_power(share) != compute_share_image(group, [row], rank):
            raise CeremonyError(sender, "share does not fit the published coefficients")
        total += share
    return total


def conclude(
    group: Group,
    certificates: Sequence[SignedMessage],
    polynomials: Sequence[Polynomial],
    voutputs: Sequence[VOutput],
) -> ThresholdKeys:
    """Step 6: the public record; raises CeremonyError naming whose verification key is wrong."""
    coefexps = tuple(polynomial.coefexps for polynomial in polynomials)
    rows = _open_coefficients(group, certificates, coefexps)
    if len(voutputs) != len(rows):
        raise CeremonyError(0, "another number of verification keys than trustees")
    for rank, voutput in enumerate(voutputs, 1):
        try:
            key = check_trustee_key(group, voutput.public_key)
        except DecodeError as error:
            raise CeremonyError(rank, str(error)) from error
        if isinstance(key, Flaw):
            raise CeremonyError(rank, key.detail)
        if key != compute_share_image(group, rows, rank):
            raise CeremonyError(rank, "verification key is not that of the coefficients")
    return ThresholdKeys(
        threshold=len(rows[0]),
        certs=tuple(certificates),
        coefexps=coefexps,
        verification_keys=tuple(voutput.public_key for voutput in voutputs),
    )


def open_decryption_key(group: Group, seed: str, private_key: str) -> int:
    """The decryption key out of a trustee's own sealed file; raises CeremonyError when it is not its own."""
    secrets = derive_secrets(seed)
    sender = group.generator_power(secrets.signing)
    try:
        text = receive(group, secrets.decryption, sender, private_key)
    except (ChannelError, DecodeError) as error:
        raise CeremonyError(0, str(error)) from error
    return _read_number(_decode_sent(DecryptionKey, text, 0).decryption_key, 0)


# --- parts -------------------------------------------------------------------------------------


def _find_own(group: Group, opened: Sequence[Certified], secrets: TrusteeSecrets) -> int:
    """Position of the certificate made from our seed."""
    ours = Certified(
        group.generator_power(secrets.signing), group.generator_power(secrets.decryption)
    )
    if ours not in opened:
        raise CeremonyError(0, "no certificate of ours among them")
    return opened.index(ours)


def _open_coefficients(
    group: Group,
    certificates: Sequence[SignedMessage],
    coefexps: Sequence[SignedMessage],
    threshold: int = 0,
) -> list[tuple[Element, ...]]:
    """Everybody's coefficients; as many each as `threshold`, or as the first has."""
    opened = open_certificates(group, certificates)
    if len(coefexps) != len(opened):
        raise CeremonyError(0, "another number of coefficients than trustees")
    rows: list[tuple[Element, ...]] = []
    for index, (keys, signed) in enumerate(zip(opened, coefexps, strict=True), 1):
        try:
            wanted = threshold or len(formats.decode(Coefficients, signed.message).coefexps)
            row = read_coefficients(group, keys.verification, signed, wanted)
        except DecodeError as error:
            raise CeremonyError(index, str(error)) from error
        if isinstance(row, Flaw):
            raise CeremonyError(index, row.detail)
        if not 1 <= wanted <= len(opened):
            raise CeremonyError(index, f"{wanted} coefficients for {len(opened)} trustees")
        threshold = wanted
        rows.append(row)
    return rows


def _receive(
    group: Group, secrets: TrusteeSecrets, opened: Sequence[Certified], sender: int, sealed: str
) -> str:
    try:
        return receive(group, secrets.decryption, opened[sender - 1].verification, sealed)
    except (ChannelError, DecodeError) as error:
        raise CeremonyError(sender, str(error)) from error


def _decode_sent(type_: type[formats.R], text: str, sender: int) -> formats.R:
    try:
        return formats.decode(type_, text)
    except DecodeError as error:
        raise CeremonyError(sender, str(error)) from error


def _read_number(text: str, sender: int) -> int:
    """A secret in decimal; belenios-tool writes sums without reducing them."""
    if not _NUMBER.fullmatch(text):
        raise CeremonyError(sender, "not a decimal secret")
    return int(text)


def _evaluate(group: Group, coefficients: Sequence[int], index: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * index + coefficient) % group.order
    return value


def _hash_number(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest(), "big")
