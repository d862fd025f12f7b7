"""What one ballot of an election costs and weighs at most, from its questions.

Figures measured on one slow core, gmpy2 in use: a disjunct of a proof takes two double powers. Plain integers are
eight times slower, which is why validators that carry BELENIOS-2048 need gmpy2 (DESIGN §9).
"""

from collections.abc import Sequence
from typing import Final

from chain.limits import VOTES_BALLOT_MAX_BYTES, VOTES_BALLOT_MAX_GAS_US
from chain.votes.election import choices_count
from chain.votes.formats import Question

_DISJUNCT_US: Final = {"BELENIOS-2048": 2_900, "Ed25519": 900}
"""Verifying one branch of a proof; the hash and the reading of its texts included."""
_CHOICE_US: Final = {"BELENIOS-2048": 250, "Ed25519": 350}
"""Reading, remembering and counting one ciphertext, and taking back the one before; tree included."""
_BASE_US: Final = {"BELENIOS-2048": 4_000, "Ed25519": 2_500}
"""Envelope, signature, box and voter."""

_ELEMENT_CHARS: Final = {"BELENIOS-2048": 617, "Ed25519": 64}
_SCALAR_CHARS: Final = 78
_PROOF_CHARS: Final = 2 * _SCALAR_CHARS + len('{"challenge":"","response":""},')
_CIPHER_CHARS: Final = len('{"alpha":"","beta":""},')
_ANSWER_CHARS: Final = 100
_BALLOT_CHARS: Final = 400


def ballot_gas_us(group: str, questions: Sequence[Question]) -> int | None:
    """Worst cost of a ballot in µs; None when no block should carry it."""
    disjuncts = sum(_disjuncts(question) for question in questions)
    choices = sum(choices_count(question) for question in questions)
    cost = _BASE_US[group] + disjuncts * _DISJUNCT_US[group] + choices * _CHOICE_US[group]
    return cost if cost <= VOTES_BALLOT_MAX_GAS_US else None


def ballot_max_bytes(group: str, questions: Sequence[Question]) -> int | None:
    """Upper bound of a ballot's length; None when it could not travel."""
    disjuncts = sum(_disjuncts(question) for question in questions)
    choices = sum(choices_count(question) for question in questions)
    size = (
        _BALLOT_CHARS
        + _ELEMENT_CHARS[group]
        + _PROOF_CHARS
        + len(questions) * _ANSWER_CHARS
        + choices * (2 * _ELEMENT_CHARS[group] + _CIPHER_CHARS)
        + disjuncts * _PROOF_CHARS
        + 2 * choices
    )
    return size if size <= VOTES_BALLOT_MAX_BYTES else None


def _disjuncts(question: Question) -> int:
    """Branches of all proofs of one answer: two per choice, one per allowed sum, and blank's three more."""
    branches = 2 * choices_count(question) + question.max - question.min + 1
    return branches + 3 if question.blank is True else branches
