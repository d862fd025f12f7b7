"""Preparing an election: what city hall states, checked and put together into what its agent signs.

Reads and writes: `vote_draft`.  Never: signs.
"""

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from app.core.codes import NOT_FOUND
from app.core.database import write
from app.core.problems import Problem
from app.votes.codes import REGULATION_DIFFERS, REGULATION_REFUSED, REGULATION_UNKNOWN
from app.votes.models import DraftRow, ElectionRow
from app.votes.regulation import (
    VERSION,
    Regulation,
    check_legal_kind,
    encode_regulation,
    hash_regulation,
    is_counted_as_asked,
    read_regulation,
)
from app.votes.stating import check_stated
from chain.codec.canonical import encode_canonical
from chain.town.votes_schemas import ElectionCreate, VoteQuestion
from chain.votes.counting import Item, Rules, make_questions
from chain.votes.counting.rules import VERSION as RULES_VERSION
from chain.votes.counting.rules import count_questions
from chain.votes.election import BASE58

UUID_CHARS: Final = 14
RULE: Final = "beffroi-rules-1"
"""The counting rule's name on the chain: chain/votes/counting, rulebooks of version 1."""


def make_draft(stated: Mapping[str, Any], *, owner: str, kid: str, now_s: int) -> dict[str, Any]:
    """Put a draft together and keep it; raises Problem naming what cannot be."""
    check_legal_kind(stated["legal_kind"])
    election = "".join(secrets.choice(BASE58) for _ in range(UUID_CHARS))
    try:
        rules = msgspec.convert({"version": RULES_VERSION, "items": stated["items"]}, Rules)
        regulation = msgspec.convert(
            {
                **stated["regulation"],
                "version": VERSION,
                "election": election,
                "name": stated["name"],
                "legal_kind": stated["legal_kind"],
                "rules": msgspec.to_builtins(rules),
            },
            Regulation,
        )
    except msgspec.ValidationError as error:
        raise Problem(REGULATION_REFUSED, str(error)) from error
    raw = encode_regulation(regulation, owner=owner)
    body = _make_body(stated, election, rules, hash_regulation(raw))
    check_stated(body, now_s)
    with write():
        DraftRow.insert(
            election=election,
            owner=owner,
            body=encode_canonical(body).decode(),
            regulation=raw.decode(),
            drafted_by=kid,
            drafted_at=now_s,
        ).execute()
    return describe_draft(get_draft(election))


def _make_body(
    stated: Mapping[str, Any], election: str, rules: Rules, regulation: str
) -> ElectionCreate:
    names = (
        "name",
        "description",
        "group",
        "legal_kind",
        "policy",
        "calendar",
        "stations",
        "registrars",
        "registrars_threshold",
        "ceremony",
        "trustees",
        "trustees_threshold",
    )
    members = {
        **{name: stated[name] for name in names},
        "election": election,
        "regulation": regulation,
        "questions": [_question(question) for question in make_questions(rules)],
        "contests": [_contest(item) for item in rules.items],
    }
    try:
        return msgspec.convert(members, ElectionCreate)
    except msgspec.ValidationError as error:
        raise Problem(REGULATION_REFUSED, str(error)) from error


def _question(question: Any) -> dict[str, Any]:
    members = {name: getattr(question, name) for name in ("question", "answers", "min", "max")}
    return members | ({"blank": True} if question.blank is True else {})


def _contest(item: Item) -> dict[str, Any]:
    """The item as the chain's contest: enough for its own checks; the rulebook holds the rest."""
    members: dict[str, Any] = {
        "kind": item.__struct_config__.tag,
        "questions": count_questions(item),
        "rule": RULE,
        "winners": getattr(item, "seats", 1),
    }
    costs = getattr(item, "costs_cents", ())
    return members | (
        {"costs_cents": costs, "budget_cents": getattr(item, "envelope_cents", 0)} if costs else {}
    )


def get_draft(election: str) -> DraftRow:
    """A draft; raises Problem(not_found)."""
    found = DraftRow.get_or_none(DraftRow.election == election)
    if found is None:
        raise Problem(NOT_FOUND)
    return found  # type: ignore[no-any-return]


def list_drafts() -> list[dict[str, Any]]:
    """Drafts that were not published, newest first."""
    published = ElectionRow.select(ElectionRow.election)
    rows = DraftRow.select().where(DraftRow.election.not_in(published))
    return [describe_draft(row) for row in rows.order_by(DraftRow.drafted_at.desc()).limit(100)]


def describe_draft(row: DraftRow) -> dict[str, Any]:
    """What the agent reads and signs."""
    return {
        "election": row.election,
        "owner": row.owner,
        "drafted_by": row.drafted_by,
        "drafted_at": row.drafted_at,
        "regulation_hash": hash_regulation(row.regulation.encode()),
        "regulation": json.loads(row.regulation),
        "body": json.loads(row.body),
        "is_published": ElectionRow.select().where(ElectionRow.election == row.election).exists(),
    }


def end_draft(election: str) -> None:
    """Forget a draft; a published one is a public document and stays. Raises Problem(not_found)."""
    found = describe_draft(get_draft(election))
    if found["is_published"]:
        raise Problem(NOT_FOUND, "it was published")
    with write():
        DraftRow.delete().where(DraftRow.election == election).execute()


def read_kept_rules(election: str, regulation: str, questions: Any) -> Rules:
    """The rulebook of an election that is asked as it will be counted; raises Problem.

    `questions` are the election's own, as its transaction writes them; `regulation` is the hash it names.
    """
    check_regulation_kept(election, regulation)
    rules = read_regulation(get_draft(election).regulation.encode()).rules
    try:
        asked = msgspec.convert(questions, tuple[VoteQuestion, ...])
    except msgspec.ValidationError as error:
        raise Problem(REGULATION_DIFFERS) from error
    if not is_counted_as_asked(rules, asked):
        raise Problem(REGULATION_DIFFERS)
    return rules


def check_regulation_kept(election: str, regulation: str) -> None:
    """Raise Problem unless a draft holds the document an election names: it must be there for everybody to read."""
    found = DraftRow.get_or_none(DraftRow.election == election)
    if found is None or hash_regulation(found.regulation.encode()) != regulation:
        raise Problem(REGULATION_UNKNOWN)
