"""The group an election lives in: one small Protocol, and the hash of every Fiat-Shamir proof.

Written multiplicatively, with the letters of the specification: g generator, q order. Two groups implement
it: BELENIOS-2048 (`finite_field`) and Ed25519 (`edwards`).
Source: Belenios specification 2.0, §4.1 and §5.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import NewType, Protocol

Element = NewType("Element", object)
"""A value only its group understands. Equal elements are equal values, whichever way they were computed."""

Power = Callable[[int], Element]
"""Exponentiation of one base fixed in advance."""


Powers = Callable[[Element, Sequence[int]], tuple[Element, ...]]
"""Several exponentiations of one base."""


class NotMember(ValueError):
    """An element outside the subgroup of order q."""


class Group(Protocol):
    """A cyclic group of prime order in which discrete logarithms are hard."""

    @property
    def name(self) -> str:
        """As written in `election.group`, and hashed into proofs of knowledge of a key."""

    @property
    def order(self) -> int:
        """q: scalars are integers of [0, q)."""

    @property
    def generator(self) -> Element:
        """g."""

    @property
    def identity(self) -> Element:
        """1: a member, but refused wherever a key, a credential or an alpha is expected."""

    def multiply(self, a: Element, b: Element) -> Element:
        """a * b, of members."""

    def invert(self, a: Element) -> Element:
        """1 / a, of a member."""

    def power(self, base: Element, exponent: int) -> Element:
        """base^exponent of a member, for any integer exponent >= 0."""

    def powers(self, base: Element, exponents: Sequence[int]) -> tuple[Element, ...]:
        """base^e for each e of [0, q), of a member; cheaper together."""

    def member_powers(self, base: Element, exponents: Sequence[int]) -> tuple[Element, ...]:
        """`powers` of a base nobody has looked at; raises NotMember unless it is one. Cheaper than both."""

    def generator_power(self, exponent: int) -> Element:
        """g^exponent, for any integer exponent >= 0; faster than `power`."""

    def fix_base(self, base: Element) -> Power:
        """A faster `power` for a base used many times; worth it from some dozens of uses."""

    def is_member(self, a: Element) -> bool:
        """True for an element of the subgroup of order q, the identity included."""

    def encode(self, a: Element) -> str:
        """The one text of an element, as in files and in hashes."""

    def decode(self, text: str) -> Element:
        """Read a text; membership is not checked. Raises DecodeError unless `text` is the one spelling."""

    def sort_key(self, a: Element) -> int:
        """Order of the credentials' list: the integer the text stands for."""


def hash_to_scalar(group: Group, prefix: str, elements: Iterable[Element]) -> int:
    """G.hash of the specification: SHA-256 of prefix and comma-joined texts, big-endian, mod q."""
    text = prefix + ",".join(group.encode(element) for element in elements)
    return int.from_bytes(sha256(text.encode()).digest(), "big") % group.order


def is_proper_member(group: Group, a: Element) -> bool:
    """A member that is not the identity: our rule, stricter than belenios-tool's, for keys and alphas."""
    return a != group.identity and group.is_member(a)
