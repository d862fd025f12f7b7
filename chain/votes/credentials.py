"""Credentials: secrets of voters, their public keys, and the list the election is sealed with.

A ballot depends only on the secret scalar, so any way of making one is compatible; this module has the
paper code of Belenios 2.0 (typed by a person) and reads and writes the public list.
Source: Belenios specification 2.0, §4.2; glondu/belenios tag 2.0, src/lib/core/credential.ml.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from typing import Final

from chain.codec.errors import DecodeError
from chain.votes import formats
from chain.votes.checks import Check, Flaw
from chain.votes.election import BASE58
from chain.votes.group import Element, Group, is_proper_member
from chain.votes.randomness import RandomBytes, draw_below

_DIGITS: Final = 14
_CHECK_MODULUS: Final = 53
_ITERATIONS: Final = 1_000
_CODE: Final = re.compile(f"(?:[{BASE58}]{{3}}-){{4}}[{BASE58}]{{3}}", re.ASCII)
_WEIGHT: Final = re.compile("0|[1-9][0-9]{0,11}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Voter:
    """One line of the public list."""

    credential: Element
    weight: int


def draw_code(draw: RandomBytes) -> str:
    """A private credential XXX-XXX-XXX-XXX-XXX: 14 random Base58 digits and a check digit."""
    value = draw_below(58**_DIGITS, draw)
    digits = ""
    rest = value
    for _ in range(_DIGITS):
        rest, digit = divmod(rest, 58)
        digits = BASE58[digit] + digits
    digits += BASE58[_CHECK_MODULUS - value % _CHECK_MODULUS]
    return "-".join(digits[start : start + 3] for start in range(0, len(digits), 3))


def is_code(text: str) -> bool:
    """True for a private credential whose check digit fits: catches a mistyped character."""
    if not _CODE.fullmatch(text):
        return False
    digits = [BASE58.index(letter) for letter in text.replace("-", "")]
    value = 0
    for digit in digits[:_DIGITS]:
        value = value * 58 + digit
    return (value + digits[_DIGITS]) % _CHECK_MODULUS == 0


def derive_secret(group: Group, uuid: str, code: str) -> int:
    """Secret scalar of a private credential, dashes included, in one election."""
    derived = pbkdf2_hmac("sha256", code.encode(), uuid.encode(), _ITERATIONS, 32)
    return int.from_bytes(derived, "big") % group.order


def encode_public_list(group: Group, voters: Iterable[Voter]) -> bytes:
    """The credentials record: sorted by key, so that it says nothing about who is who."""
    ordered = sorted(voters, key=lambda voter: group.sort_key(voter.credential))
    return formats.encode([_encode_voter(group, voter) for voter in ordered])


def read_public_list(group: Group, record: bytes) -> Mapping[str, int] | Flaw:
    """{credential as written: weight} in the order of the record, or what is wrong with it."""
    try:
        entries = formats.decode_exactly(tuple[str, ...], record)
    except DecodeError as error:
        return Flaw(Check.CREDENTIALS_FORM, str(error))
    voters: dict[str, int] = {}
    for position, entry in enumerate(entries, 1):
        flaw = _read_voter(group, entry, voters)
        if flaw is not None:
            return flaw.at(f"credential {position}")
    return voters


def _encode_voter(group: Group, voter: Voter) -> str:
    text = group.encode(voter.credential)
    return text if voter.weight == 1 else f"{text},{voter.weight}"


def _read_voter(group: Group, entry: str, voters: dict[str, int]) -> Flaw | None:
    """Add one entry to `voters`."""
    text, comma, weight = entry.partition(",")
    if comma and not _WEIGHT.fullmatch(weight):
        return Flaw(Check.CREDENTIALS_FORM, "weight is not a decimal number")
    if int(weight or 1) > formats.WEIGHT_MAX:
        return Flaw(Check.CREDENTIALS_FORM, "weight is too large")
    try:
        credential = group.decode(text)
    except DecodeError as error:
        return Flaw(Check.CREDENTIALS_FORM, str(error))
    if not is_proper_member(group, credential):
        return Flaw(Check.CREDENTIAL_MEMBER, "not a proper group member")
    if text in voters:
        return Flaw(Check.DUPLICATE_CREDENTIAL, f"{text[:40]} is listed twice")
    voters[text] = int(weight or 1)
    return None
