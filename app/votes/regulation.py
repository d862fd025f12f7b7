"""The regulation of a vote: what the law wants published before anybody votes, as one document with one hash.

Canonical JSON, so that its SHA-256, which the election's transaction holds, is of bytes that everybody can write. It
carries the rulebook by which the result is counted, what the vote is in law, how to vote on paper, what the sign-off
list means, and the relays.
Reads: nothing.  Writes: nothing.
Source: research/voting.md §5.4 (labels, paper, regulation hashed in), §7.5 (sign-off list); PROTOCOL §8 (relays).
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from app.core.problems import Problem
from app.votes.codes import REGULATION_REFUSED
from chain.codec.canonical import b64url_encode, decode_canonical, encode_canonical
from chain.codec.errors import DecodeError
from chain.town.votes_schemas import VoteQuestion
from chain.types.codes import VOTES_REFERENDUM_REFUSED
from chain.votes.counting import Rules, encode_rules, make_questions

VERSION: Final = 1
REGULATION_MAX_BYTES: Final = 256 * 1_024
LEGAL_KINDS: Final = {
    "consultation_citoyenne": (
        "Consultation citoyenne : un avis, sans forme imposée par la loi ; le conseil municipal décide.",
        "Citizen consultation: an opinion, in no form set by law; the municipal council decides.",
    ),
    "consultation_electeurs": (
        (
            "Consultation des électeurs (CGCT, art. L. 1112-15 à L. 1112-22) : un avis ; le conseil municipal "
            "décide après en avoir délibéré, et ne peut consulter à nouveau sur le même objet avant un an."
        ),
        (
            "Consultation of electors (CGCT, art. L. 1112-15 to L. 1112-22): an opinion; the municipal council "
            "decides, and may not consult again on the same matter within a year."
        ),
    ),
    "budget_participatif": (
        "Budget participatif : règles fixées par délibération ; le conseil municipal engage la dépense.",
        "Participatory budget: rules set by the council's deliberation; the municipal council spends.",
    ),
    "vote_interne": (
        "Vote interne d'une association ou du SEL : ses statuts s'appliquent.",
        "Internal vote of an association or of the SEL: its statutes apply.",
    ),
}
"""What each vote is in law, in French and English; a local referendum is none of them."""

Text = Annotated[str, Meta(min_length=1, max_length=20_000)]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s\"<>]{3,200}\Z")]
SlugText = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,31}\Z")]


class RelayPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """A relay that takes this election's anonymous transactions, and the body that runs it."""

    body: SlugText
    url: Url


class Regulation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the module; texts in both languages say the same."""

    version: int
    election: str
    name: str
    legal_kind: Literal[
        "consultation_citoyenne", "consultation_electeurs", "budget_participatif", "vote_interne"
    ]
    rules: Rules
    text_fr: Text
    text_en: Text
    paper_fr: Text
    """How, where and when to vote on paper: always possible."""
    paper_en: Text
    contact: Text
    """Whom to call."""
    relays: Annotated[tuple[RelayPlace, ...], Meta(min_length=1, max_length=16)]


SIGN_OFF_FR: Final = (
    "La liste d'émargement est celle des personnes à qui le matériel de vote électronique a été délivré ; "
    "elle ne dit pas qui a voté. Qui y figure ne vote pas sur papier."
)
SIGN_OFF_EN: Final = (
    "The sign-off list is of those who were issued electronic voting material; it does not say who voted. "
    "Whoever is on it does not vote on paper."
)


def encode_regulation(regulation: Regulation, *, owner: str) -> bytes:
    """The document's bytes; raises Problem when it cannot be read again or leaves voters no relay but `owner`'s."""
    if all(f"body:{place.body}" == owner for place in regulation.relays):
        raise Problem(REGULATION_REFUSED, "at least one relay is run by another body than the vote")
    try:
        encode_rules(regulation.rules.items)
        raw = encode_canonical(regulation)
        read_regulation(raw)
    except (DecodeError, ValueError) as error:
        raise Problem(REGULATION_REFUSED, str(error)) from error
    return raw


def read_regulation(raw: bytes) -> Regulation:
    """Read a document; raises DecodeError."""
    if len(raw) > REGULATION_MAX_BYTES:
        raise DecodeError("the regulation is too long")
    return decode_canonical(Regulation, raw)


def hash_regulation(raw: bytes) -> str:
    """What the election's transaction holds: SHA-256 in base64url."""
    return b64url_encode(sha256(raw).digest())


def is_counted_as_asked(rules: Rules, questions: Sequence[VoteQuestion]) -> bool:
    """Whether an election asks exactly what a rulebook counts: the same questions and choices in the same order.

    Both are hashed into the election and neither names the other's words: were two choices swapped between them, the
    votes for one would be published as the other's.
    """
    asked = [(q.question, q.answers, q.min, q.max, q.blank) for q in questions]
    return asked == [
        (q.question, q.answers, q.min, q.max, q.blank is True) for q in make_questions(rules)
    ]


def check_legal_kind(kind: str) -> None:
    """Refuse a local referendum with its article before anything else is judged."""
    if kind == "referendum_local":
        raise Problem(VOTES_REFERENDUM_REFUSED)
