"""Counting: the encrypted tally, its partial decryptions, the result.

Source: Belenios specification 2.0, §4.13 to §4.16.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chain.codec.errors import DecodeError
from chain.votes import formats
from chain.votes.ballot import read_choices
from chain.votes.checks import Check, Flaw
from chain.votes.election import Cipher, Election, choices_count
from chain.votes.formats import Answer, Ciphertext, EncryptedTally, PartialDecryption, SizedTally
from chain.votes.group import Element, Group
from chain.votes.proofs import prove_equality, verify_equality
from chain.votes.randomness import RandomBytes
from chain.votes.trustees import Trustees, combine_factors

Rows = tuple[tuple[Cipher, ...], ...]
"""A ciphertext per question and choice."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Product of the counted ballots, each raised to its weight. Grows ballot by ballot."""

    rows: Rows
    count: int = 0
    """Ballots counted: one per voter."""
    weight: int = 0
    """Sum of their weights."""


def empty_tally(election: Election) -> Tally:
    """Nothing counted yet."""
    neutral = Cipher(election.group.identity, election.group.identity)
    return Tally(tuple((neutral,) * choices_count(q) for q in election.questions))


def add_ballot(
    election: Election, tally: Tally, answers: Sequence[Answer], weight: int = 1
) -> Tally:
    """Count a checked ballot."""
    group = election.group
    rows = tuple(
        tuple(
            _multiply(group, total, _raise(group, cipher, weight))
            for total, cipher in zip(row, read_choices(election, answer), strict=True)
        )
        for row, answer in zip(tally.rows, answers, strict=True)
    )
    return Tally(rows, tally.count + 1, tally.weight + weight)


def remove_ballot(
    election: Election, tally: Tally, answers: Sequence[Answer], weight: int = 1
) -> Tally:
    """Take back a ballot that was counted: a voter's earlier one when the next arrives."""
    group = election.group
    rows = tuple(
        tuple(
            _multiply(group, total, _invert(group, _raise(group, cipher, weight)))
            for total, cipher in zip(row, read_choices(election, answer), strict=True)
        )
        for row, answer in zip(tally.rows, answers, strict=True)
    )
    return Tally(rows, tally.count - 1, tally.weight - weight)


def encode_tally(election: Election, tally: Tally) -> bytes:
    """The encrypted tally record."""
    encode = election.group.encode
    record: EncryptedTally = tuple(
        tuple(Ciphertext(alpha=encode(c.alpha), beta=encode(c.beta)) for c in row)
        for row in tally.rows
    )
    return formats.encode(record)


def read_rows(election: Election, record: bytes | str) -> Rows:
    """The ciphertexts of a tally record; raises DecodeError. Whether they are members is not looked at."""
    decode = election.group.decode
    read: EncryptedTally = formats.decode(EncryptedTally, record)
    return tuple(tuple(Cipher(decode(c.alpha), decode(c.beta)) for c in row) for row in read)


def size_tally(tally: Tally, encrypted_hash: str) -> SizedTally:
    """The payload of EncryptedTally over the record of that hash."""
    return SizedTally(
        num_tallied=tally.count,
        total_weight=formats.encode_count(tally.weight),
        encrypted_tally=encrypted_hash,
    )


def _multiply(group: Group, a: Cipher, b: Cipher) -> Cipher:
    return Cipher(group.multiply(a.alpha, b.alpha), group.multiply(a.beta, b.beta))


def _raise(group: Group, cipher: Cipher, weight: int) -> Cipher:
    if weight == 1:
        return cipher
    return Cipher(group.power(cipher.alpha, weight), group.power(cipher.beta, weight))


def _invert(group: Group, cipher: Cipher) -> Cipher:
    return Cipher(group.invert(cipher.alpha), group.invert(cipher.beta))


# --- decryption --------------------------------------------------------------------------------


def decrypt_partially(
    election: Election, rows: Rows, secret: int, draw: RandomBytes
) -> PartialDecryption:
    """A trustee's factors for the tally, with proofs. The caller made sure that `rows` is the tally."""
    group = election.group
    prefix = _decryption_prefix(election, group.generator_power(secret))
    return PartialDecryption(
        decryption_factors=tuple(
            tuple(group.encode(group.power(cipher.alpha, secret)) for cipher in row) for row in rows
        ),
        decryption_proofs=tuple(
            tuple(prove_equality(group, prefix, cipher.alpha, secret, draw) for cipher in row)
            for row in rows
        ),
    )


def check_decryption(
    election: Election, rows: Rows, key: Element, record: PartialDecryption
) -> tuple[Element, ...] | Flaw:
    """The factors, question after question, if each is shown to be alpha^x for the x of g^x = key."""
    shape = [len(row) for row in rows]
    if [len(r) for r in record.decryption_factors] != shape:
        return Flaw(Check.DECRYPTION_FORM, "another number of factors than ciphertexts")
    if [len(r) for r in record.decryption_proofs] != shape:
        return Flaw(Check.DECRYPTION_FORM, "another number of proofs than ciphertexts")
    group = election.group
    prefix = _decryption_prefix(election, key)
    factors: list[Element] = []
    for question, (row, texts, proofs) in enumerate(
        zip(rows, record.decryption_factors, record.decryption_proofs, strict=True), 1
    ):
        for choice, (cipher, text, proof) in enumerate(zip(row, texts, proofs, strict=True), 1):
            place = f"question {question}, choice {choice}"
            try:
                factor = group.decode(text)
            except DecodeError as error:
                return Flaw(Check.DECRYPTION_FORM, f"{place}: {error}")
            bases, images = (group.generator, cipher.alpha), (key, factor)
            if not group.is_member(factor) or not verify_equality(
                group, prefix, bases, images, proof
            ):
                return Flaw(Check.DECRYPTION_PROOF, f"{place}: factor is not proved")
            factors.append(factor)
    return tuple(factors)


def _decryption_prefix(election: Election, key: Element) -> str:
    return f"decrypt|{election.fingerprint}|{election.group.encode(key)}|"


# --- result ------------------------------------------------------------------------------------


def open_tally(
    election: Election, tally: Tally, trustees: Trustees, factors: Mapping[int, Sequence[Element]]
) -> tuple[tuple[Element, ...], ...]:
    """g^votes per question and choice, from the factors of enough trustees."""
    group = election.group
    masks = iter(combine_factors(group, trustees, factors))
    return tuple(
        tuple(group.multiply(cipher.beta, group.invert(next(masks))) for cipher in row)
        for row in tally.rows
    )


def compute_result(
    election: Election, tally: Tally, opened: Sequence[Sequence[Element]]
) -> tuple[tuple[int, ...], ...]:
    """Votes per question and choice: logarithms up to the total weight, by baby steps and giant steps.

    Raises ValueError when there is none, which proofs exclude.
    """
    find = _Logarithms(election.group, tally.weight).find
    return tuple(tuple(find(element) for element in row) for row in opened)


def encode_result(result: Sequence[Sequence[int]]) -> bytes:
    """The result record."""
    rows = tuple(tuple(formats.encode_count(votes) for votes in row) for row in result)
    return formats.encode(formats.Result(result=rows))


class _Logarithms:
    """Table of g^0 … g^(m-1) for logarithms below m^2."""

    def __init__(self, group: Group, highest: int) -> None:
        self._group = group
        self._step = 1
        while self._step * self._step <= highest:
            self._step += 1
        self._table: dict[Element, int] = {}
        power = group.identity
        for exponent in range(self._step):
            self._table[power] = exponent
            power = group.multiply(power, group.generator)
        self._giant = group.invert(power)

    def find(self, element: Element) -> int:
        """x of g^x = element."""
        for giant in range(self._step):
            low = self._table.get(element)
            if low is not None:
                return giant * self._step + low
            element = self._group.multiply(element, self._giant)
        raise ValueError("no logarithm within the total weight")
