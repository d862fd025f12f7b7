"""A second proof beside each partial decryption, because Belenios' own leaves the factors free.

The challenge of protocol version 1 hashes the trustee's key and the commitments, neither ciphertext nor factor: whoever
holds the key can choose the proof first and take the factor that fits it, which is then no power of the ciphertext at
all. Such a share passes every check of an archive and leaves the tally without a result; a trustee that also knew the
randomness of all ballots (a coalition with whoever made the voters' software) could choose the result.
Here everything the proof is about is hashed first: election, key, ciphertexts, and the share as it is published. One
proof covers all its factors, each with a weight drawn from that hash.
Nothing of it is in an archive, whose form is Belenios'; the chain asks for it and keeps it.
Source: D. Bernhard, O. Pereira, B. Warinschi, "How not to prove yourself", ASIACRYPT 2012 (the weakness); M. Bellare,
J. Garay, T. Rabin, "Fast batch verification for modular exponentiation", EUROCRYPT 1998 (small exponents).
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from chain.votes import formats
from chain.votes.election import Cipher, Election
from chain.votes.formats import PartialDecryption, Proof
from chain.votes.group import Element, Group
from chain.votes.proofs import prove_equality, verify_equality
from chain.votes.randomness import RandomBytes
from chain.votes.tally import Rows

_LABEL: Final = "beffroi-share-1"
_WEIGHT_BYTES: Final = 16
"""A wrong factor goes unseen once in 2^128 weights."""


def bind_decryption(
    election: Election, rows: Rows, record: PartialDecryption, secret: int, draw: RandomBytes
) -> Proof:
    """The proof that every factor of our own decryption is its ciphertext to the power of the key's secret."""
    key = election.group.generator_power(secret)
    digest = _digest(election, rows, key, record)
    base = _combine(election.group, digest, [cipher.alpha for cipher in _flat(rows)])
    return prove_equality(election.group, _prefix(digest), base, secret, draw)


def is_bound(
    election: Election,
    rows: Rows,
    key: Element,
    record: PartialDecryption,
    factors: Sequence[Element],
    proof: Proof,
) -> bool:
    """Whether the proof is of this decryption; `factors` are those of `record`, group members (`check_decryption`)."""
    group = election.group
    digest = _digest(election, rows, key, record)
    base = _combine(group, digest, [cipher.alpha for cipher in _flat(rows)])
    image = _combine(group, digest, factors)
    return verify_equality(group, _prefix(digest), (group.generator, base), (key, image), proof)


def _digest(election: Election, rows: Rows, key: Element, record: PartialDecryption) -> str:
    """SHA-256 over the whole statement."""
    encode = election.group.encode
    ciphers = ",".join(f"{encode(cipher.alpha)},{encode(cipher.beta)}" for cipher in _flat(rows))
    share = sha256(formats.encode(record)).hexdigest()
    text = f"{_LABEL}|{election.fingerprint}|{encode(key)}|{ciphers}|{share}"
    return sha256(text.encode()).hexdigest()


def _prefix(digest: str) -> str:
    return f"bind|{digest}|"


def _combine(group: Group, digest: str, elements: Sequence[Element]) -> Element:
    """Product of the elements, each to the weight of its place."""
    product = group.identity
    for place, element in enumerate(elements):
        weight = sha256(f"{digest}|{place}".encode()).digest()[:_WEIGHT_BYTES]
        product = group.multiply(product, group.power(element, int.from_bytes(weight, "big")))
    return product


def _flat(rows: Rows) -> list[Cipher]:
    return [cipher for row in rows for cipher in row]
