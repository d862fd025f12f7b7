"""Trustees: mandatory ones with a key each, and threshold groups made by a Pedersen ceremony.

The trustees record lists blocks; a trustee's index counts over all blocks, from 1. The election's key is the
product of the blocks' keys; a decryption needs every single trustee and `threshold` of each group.
Source: Belenios specification 2.0, §4.4 to §4.7; glondu/belenios tag 2.0, src/lib/v1/trustees.ml.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chain.codec.errors import DecodeError
from chain.limits import VOTES_TRUSTEES_MAX
from chain.votes import formats
from chain.votes.checks import Check, Flaw
from chain.votes.formats import (
    CertificateKeys,
    Coefficients,
    SignedMessage,
    ThresholdKeys,
    TrusteeKey,
    TrusteesRecord,
)
from chain.votes.group import Element, Group, is_proper_member
from chain.votes.proofs import prove_knowledge, verify_knowledge
from chain.votes.randomness import RandomBytes


@dataclass(frozen=True, slots=True)
class Block:
    """One entry of the trustees record."""

    first: int
    """Index over all trustees of its first one."""
    keys: tuple[Element, ...]
    """Verification keys: what partial decryptions are checked against."""
    threshold: int
    """How many of them must decrypt: 1 of 1 for a single trustee."""
    public_key: Element
    """Its factor of the election's key."""

    def indexes(self) -> range:
        """Its trustees, counted over all blocks."""
        return range(self.first, self.first + len(self.keys))


@dataclass(frozen=True, slots=True)
class Trustees:
    """All blocks, checked."""

    blocks: tuple[Block, ...]
    public_key: Element
    """Product of the blocks' keys: must be the election's."""

    @property
    def keys(self) -> tuple[Element, ...]:
        """Verification keys in order of index."""
        return tuple(key for block in self.blocks for key in block.keys)

    def is_enough(self, owners: Sequence[int]) -> bool:
        """True when partial decryptions of these trustees give the result."""
        present = set(owners)
        return all(
            sum(index in present for index in block.indexes()) >= block.threshold
            for block in self.blocks
        )


def make_trustee_key(group: Group, secret: int, draw: RandomBytes) -> TrusteeKey:
    """Public key of a secret, and the proof of knowing it."""
    public = group.encode(group.generator_power(secret))
    pok = prove_knowledge(group, _pok_prefix(group, public), secret, draw)
    return TrusteeKey(pok=pok, public_key=public)


def encode_trustees(blocks: Sequence[TrusteeKey | ThresholdKeys]) -> bytes:
    """The trustees record."""
    return formats.encode(
        [
            ("Single" if isinstance(block, TrusteeKey) else "Pedersen", formats.as_raw(block))
            for block in blocks
        ]
    )


def read_trustees(group: Group, record: bytes) -> Trustees | Flaw:
    """Read and check every key, proof and certificate of the record."""
    try:
        entries = formats.decode_exactly(TrusteesRecord, record)
        return _read_blocks(group, entries)
    except DecodeError as error:
        return Flaw(Check.TRUSTEES_FORM, str(error))


def _read_blocks(group: Group, entries: TrusteesRecord) -> Trustees | Flaw:
    blocks: list[Block] = []
    product, first = group.identity, 1
    for kind, raw in entries:
        block = (
            _read_single(group, first, raw)
            if kind == "Single"
            else _read_threshold(group, first, raw)
        )
        if isinstance(block, Flaw):
            return block
        blocks.append(block)
        product, first = group.multiply(product, block.public_key), first + len(block.keys)
    if not 1 < first <= VOTES_TRUSTEES_MAX + 1:
        return Flaw(Check.TRUSTEES_FORM, "no trustee, or too many")
    return Trustees(tuple(blocks), product)


def _read_single(group: Group, first: int, raw: formats.Raw) -> Block | Flaw:
    key = check_trustee_key(group, formats.decode_exactly(TrusteeKey, bytes(raw)))
    if isinstance(key, Flaw):
        return key.at(f"trustee {first}")
    return Block(first, (key,), 1, key)


def check_trustee_key(group: Group, key: TrusteeKey) -> Element | Flaw:
    """The key as group element; its proof of knowledge holds. Raises DecodeError when it is no text of one."""
    public = group.decode(key.public_key)
    if not is_proper_member(group, public):
        return Flaw(Check.TRUSTEE_PROOF, "key is not a proper group member")
    if not verify_knowledge(group, _pok_prefix(group, key.public_key), public, key.pok):
        return Flaw(Check.TRUSTEE_PROOF, "proof of knowledge of the private key fails")
    return public


def _pok_prefix(group: Group, public: str) -> str:
    return f"pok|{group.name}|{public}|"


# --- threshold groups --------------------------------------------------------------------------


def sign_message(group: Group, secret: int, message: str, draw: RandomBytes) -> SignedMessage:
    """`signed_msg` of the specification."""
    proof = prove_knowledge(group, f"sigmsg|{message}|", secret, draw)
    return SignedMessage(message=message, signature=proof)


def is_signed_by(group: Group, key: Element, signed: SignedMessage) -> bool:
    """True when `key` signed the message."""
    return verify_knowledge(group, f"sigmsg|{signed.message}|", key, signed.signature)


def read_certificate(group: Group, certificate: SignedMessage) -> tuple[Element, Element] | Flaw:
    """(verification key, encryption key) of a certificate signed by its own verification key.

    Raises DecodeError when the message does not hold two elements.
    """
    content = formats.decode(CertificateKeys, certificate.message)
    keys = (group.decode(content.verification), group.decode(content.encryption))
    if not all(is_proper_member(group, key) for key in keys):
        return Flaw(Check.TRUSTEE_CERTIFICATE, "a key is not a proper group member")
    if not is_signed_by(group, keys[0], certificate):
        return Flaw(Check.TRUSTEE_CERTIFICATE, "the certificate's signature does not verify")
    return keys


def read_coefficients(
    group: Group, signer: Element, signed: SignedMessage, threshold: int
) -> tuple[Element, ...] | Flaw:
    """A_0 … A_(t-1) of one trustee, signed by the key of its certificate."""
    if not is_signed_by(group, signer, signed):
        return Flaw(Check.TRUSTEE_CERTIFICATE, "the coefficients' signature does not verify")
    texts = formats.decode(Coefficients, signed.message).coefexps
    if len(texts) != threshold:
        return Flaw(Check.TRUSTEES_FORM, f"{len(texts)} coefficients, threshold {threshold}")
    elements = tuple(group.decode(text) for text in texts)
    if not all(group.is_member(element) for element in elements):
        return Flaw(Check.TRUSTEE_CERTIFICATE, "a coefficient is not a group member")
    return elements


def compute_share_image(
    group: Group, coefficients: Sequence[Sequence[Element]], index: int
) -> Element:
    """g^(sum of the polynomials at `index`): the verification key of that trustee, from public values."""
    image = group.identity
    for row in coefficients:
        # Horner: A_0 * (A_1 * (A_2 …)^j)^j
        value = group.identity
        for coefficient in reversed(row):
            value = group.multiply(coefficient, group.power(value, index))
        image = group.multiply(image, value)
    return image


def _read_threshold(group: Group, first: int, raw: formats.Raw) -> Block | Flaw:
    record = formats.decode_exactly(ThresholdKeys, bytes(raw))
    count = len(record.certs)
    if not 1 <= record.threshold <= count <= VOTES_TRUSTEES_MAX:
        return Flaw(Check.TRUSTEES_FORM, f"threshold {record.threshold} of {count} trustees")
    if len(record.coefexps) != count or len(record.verification_keys) != count:
        return Flaw(Check.TRUSTEES_FORM, "certificates, coefficients and keys differ in number")
    rows: list[tuple[Element, ...]] = []
    for offset, (certificate, signed) in enumerate(zip(record.certs, record.coefexps, strict=True)):
        row = _read_participant(group, certificate, signed, record.threshold)
        if isinstance(row, Flaw):
            return row.at(f"trustee {first + offset}")
        rows.append(row)
    keys = _check_verification_keys(group, first, record.verification_keys, rows)
    if isinstance(keys, Flaw):
        return keys
    public = group.identity
    for row in rows:
        public = group.multiply(public, row[0])
    return Block(first, keys, record.threshold, public)


def _read_participant(
    group: Group, certificate: SignedMessage, signed: SignedMessage, threshold: int
) -> tuple[Element, ...] | Flaw:
    keys = read_certificate(group, certificate)
    if isinstance(keys, Flaw):
        return keys
    return read_coefficients(group, keys[0], signed, threshold)


def _check_verification_keys(
    group: Group,
    first: int,
    published: Sequence[TrusteeKey],
    coefficients: Sequence[Sequence[Element]],
) -> tuple[Element, ...] | Flaw:
    keys: list[Element] = []
    for position, record in enumerate(published, 1):
        place = f"trustee {first + position - 1}"
        key = check_trustee_key(group, record)
        if isinstance(key, Flaw):
            return key.at(place)
        if key != compute_share_image(group, coefficients, position):
            return Flaw(
                Check.TRUSTEE_KEY, f"{place}: verification key is not that of the coefficients"
            )
        keys.append(key)
    return tuple(keys)


# --- putting partial decryptions together ---------------------------------------------------------


def combine_factors(
    group: Group, trustees: Trustees, factors: Mapping[int, Sequence[Element]]
) -> tuple[Element, ...]:
    """alpha^(secret of the election's key) for every ciphertext, out of each owner's alpha^x.

    `factors` must be those of enough trustees (`Trustees.is_enough`).
    """
    length = len(next(iter(factors.values())))
    combined = [group.identity] * length
    for block in trustees.blocks:
        present = [index for index in block.indexes() if index in factors][: block.threshold]
        ranks = [index - block.first + 1 for index in present]
        for index, rank in zip(present, ranks, strict=True):
            weight = lagrange_at_zero(group.order, ranks, rank)
            for place, factor in enumerate(factors[index]):
                power = factor if weight == 1 else group.power(factor, weight)
                combined[place] = group.multiply(combined[place], power)
    return tuple(combined)


def lagrange_at_zero(q: int, ranks: Sequence[int], rank: int) -> int:
    """Weight of the share at `rank` when a polynomial is read at 0 from its values at `ranks`, mod q."""
    weight = 1
    for other in ranks:
        if other != rank:
            weight = weight * other * pow(other - rank, -1, q) % q
    return weight
