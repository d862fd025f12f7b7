"""The election record: read, written, and opened with what proofs need at hand.

Source: Belenios specification 2.0, §4.3 to §4.5.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from chain.codec.errors import DecodeError
from chain.limits import VOTES_ANSWERS_MAX, VOTES_QUESTIONS_MAX
from chain.votes import formats
from chain.votes.formats import Question
from chain.votes.group import Element, Group, Power, is_proper_member
from chain.votes.groups import get_group

BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
VERSION: Final = 1

_UUID: Final = re.compile(f"[{BASE58}]{{14,64}}", re.ASCII)
_SCALAR: Final = re.compile("0|[1-9][0-9]{0,99}", re.ASCII)


class Unsupported(Exception):
    """The record may be right, but it is of a kind this program does not judge (group, question type)."""


@dataclass(frozen=True, slots=True)
class Cipher:
    """An ElGamal ciphertext of group elements."""

    alpha: Element
    beta: Element


@dataclass(frozen=True, slots=True)
class Election:
    """An election opened: its record's content, and the powers its proofs are made of."""

    uuid: str
    name: str
    fingerprint: str
    """phi: Base64 without padding of the SHA-256 of the record."""
    group: Group
    public_key: Element
    """y."""
    questions: tuple[Question, ...]
    g_power: Power
    y_power: Power


def read_election(record: bytes) -> Election:
    """Open an election record.

    Raises DecodeError when it is not one, Unsupported for a version, group or question type we do not know.
    """
    formats.refuse_duplicate_keys(record)
    content = formats.decode(formats.Election, record)
    if content.version != VERSION:
        raise Unsupported(f"protocol version {content.version}")
    group = get_group(content.group)
    if group is None:
        raise Unsupported(f"group {content.group}")
    if not _UUID.fullmatch(content.uuid):
        raise DecodeError("uuid is not 14 or more Base58 characters")
    if not 1 <= len(content.questions) <= VOTES_QUESTIONS_MAX:
        raise DecodeError("no question, or too many")
    public_key = group.decode(content.public_key)
    if not is_proper_member(group, public_key):
        raise DecodeError("public key is not a proper group member")
    questions = tuple(_read_question(raw) for raw in content.questions)
    return Election(
        content.uuid,
        content.name,
        fingerprint(record),
        group,
        public_key,
        questions,
        group.generator_power,
        group.fix_base(public_key),
    )


def make_election(
    *,
    uuid: str,
    name: str,
    description: str,
    questions: Sequence[Question],
    group: Group,
    public_key: Element,
    administrator: str = "",
    credential_authority: str = "",
) -> bytes:
    """The canonical election record; raises DecodeError when it would not be readable again."""
    content = formats.Election(
        version=VERSION,
        description=description,
        name=name,
        group=group.name,
        public_key=group.encode(public_key),
        questions=tuple(formats.as_raw(question) for question in questions),
        uuid=uuid,
        administrator=administrator or formats.UNSET,
        credential_authority=credential_authority or formats.UNSET,
    )
    record = formats.encode(content)
    read_election(record)
    return record


def fingerprint(record: bytes) -> str:
    """SHA-256 in Base64 without padding: phi of an election, tracker of a ballot (§4.1)."""
    return b64encode(sha256(record).digest()).rstrip(b"=").decode("ascii")


def read_scalar(group: Group, text: str) -> int:
    """A decimal scalar of [0, q); raises DecodeError otherwise."""
    if not _SCALAR.fullmatch(text):
        raise DecodeError("not a decimal scalar")
    scalar = int(text)
    if scalar >= group.order:
        raise DecodeError("scalar beyond the group's order")
    return scalar


def choices_count(question: Question) -> int:
    """Ciphertexts of an answer: one per answer, and one before them when blank is allowed."""
    return len(question.answers) + (question.blank is True)


def _read_question(raw: formats.Raw) -> Question:
    kind = _question_type(bytes(raw))
    if kind:
        raise Unsupported(f"question of type {kind}")
    question = formats.decode(Question, bytes(raw))
    if not 1 <= len(question.answers) <= VOTES_ANSWERS_MAX:
        raise DecodeError("a question without answers, or with too many")
    if not 0 <= question.min <= question.max <= VOTES_ANSWERS_MAX:
        raise DecodeError("a question's bounds are not 0 <= min <= max")
    return question


def _question_type(raw: bytes) -> str:
    """`type` of a question that is not homomorphic (those carry none)."""
    try:
        return formats.decode(formats.TypedQuestion, raw).type
    except DecodeError:
        return ""
