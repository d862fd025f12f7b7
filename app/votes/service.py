"""What the routes of votes show: elections for everybody, the own standing for a citizen, lists for city hall.

Reads: this domain's tables, the own identity.  Never: says or knows who voted.
"""

import json
from typing import Any, Final

from app.core.problems import Problem
from app.identity.models import IdentityRow
from app.votes.board import find_election
from app.votes.codes import NOT_ON_ROLL
from app.votes.drafts import check_regulation_kept, get_draft
from app.votes.models import (
    ElectionRow,
    EventRow,
    PlaceRow,
    RequestRow,
    RollRow,
    SignatureRow,
    StationRow,
)
from app.votes.projecting import ANONYMOUS, DATES, JOURNAL, PROJECTIONS, REGISTRAR, TRUSTEE
from app.votes.regulation import LEGAL_KINDS, SIGN_OFF_EN, SIGN_OFF_FR
from app.votes.results import describe_counts, describe_turnout
from app.votes.texts import choose_reminder, describe_event

__all__ = ["ANONYMOUS", "JOURNAL", "PROJECTIONS"]

ELECTIONS_MAX: Final = 200
ENDED: Final = frozenset({"purged", "cancelled"})


# --- for everybody -----------------------------------------------------------------------------


def list_elections() -> list[dict[str, Any]]:
    """Elections, newest first."""
    rows = ElectionRow.select().order_by(ElectionRow.created_at.desc(), ElectionRow.election)
    return [_describe_short(row) for row in rows.limit(ELECTIONS_MAX)]


def _describe_short(row: ElectionRow) -> dict[str, Any]:
    names = ("election", "name", "legal_kind", "policy", "phase", "owner", "created_at", "height")
    return {
        **{name: getattr(row, name) for name in names},
        "calendar": {date: getattr(row, date) for date in DATES},
    }


def describe_election(election: str) -> dict[str, Any]:
    """The election's page: what is asked, who keeps what, where it stands, every published count."""
    row = find_election(election)
    setup = json.loads(row.setup)
    french, english = LEGAL_KINDS[row.legal_kind]
    return {
        **_describe_short(row),
        "description": row.description,
        "legal_fr": french,
        "legal_en": english,
        "sign_off_fr": SIGN_OFF_FR,
        "sign_off_en": SIGN_OFF_EN,
        "group": row.group_name,
        "regulation": row.regulation,
        "fingerprint": row.fingerprint,
        "questions": [{"blank": False, **question} for question in setup["questions"]],
        "contests": setup["contests"],
        "stations": setup["stations"],
        "registrars": _list_places(election, REGISTRAR),
        "registrars_threshold": setup["registrars_threshold"],
        "signers": _list_signers(election),
        "ceremony": row.ceremony,
        "trustees": _list_places(election, TRUSTEE),
        "trustees_threshold": row.trustees_threshold,
        "counts": describe_counts(row),
        "turnout": describe_turnout(election),
        "reason": row.reason,
        "events": row.events,
        "head": row.head,
    }


def _list_places(election: str, office: str) -> list[dict[str, Any]]:
    mine = (PlaceRow.election == election) & (PlaceRow.office == office)
    rows = PlaceRow.select().where(mine).order_by(PlaceRow.rank)
    names = ("rank", "body", "step", "height")
    return [{name: getattr(row, name) for name in names} for row in rows]


def _list_signers(election: str) -> list[dict[str, Any]]:
    """Signer sets, once issuance has ended."""
    rows = StationRow.select().where(StationRow.election == election)
    return [
        {
            "station": row.station,
            "weight_class": row.weight_class,
            "signers": json.loads(row.signers),
        }
        for row in rows.order_by(StationRow.station, StationRow.weight_class)
        if row.signers
    ]


def read_regulation_text(election: str) -> bytes:
    """The regulation's own bytes, whose SHA-256 the election holds; raises Problem."""
    row = find_election(election)
    check_regulation_kept(election, row.regulation)
    return get_draft(election).regulation.encode()


def list_events(election: str) -> list[dict[str, Any]]:
    """What happened, oldest first, with a sentence in both languages."""
    find_election(election)
    rows = EventRow.select().where(EventRow.election == election)
    ordered = rows.order_by(EventRow.height, EventRow.position)
    return [
        {
            "kind": row.kind,
            "height": row.height,
            "time": row.time_s,
            "facts": json.loads(row.facts),
            **describe_event(row.kind),
        }
        for row in ordered
    ]


# --- for a citizen -----------------------------------------------------------------------------


def find_cid(account: str) -> str:
    """The identity that logged in; raises Problem when it is none."""
    row = IdentityRow.get_or_none(IdentityRow.account == account)
    if row is None:
        raise Problem(NOT_ON_ROLL)
    return str(row.cid)


def list_own(account: str) -> list[dict[str, Any]]:
    """Elections of which one is on the roll, with what to do now."""
    cid = find_cid(account)
    rows = (
        ElectionRow.select()
        .join(RollRow, on=(RollRow.election == ElectionRow.election))
        .where((RollRow.cid == cid) & ElectionRow.phase.not_in(ENDED))
        .order_by(ElectionRow.voting_opens, ElectionRow.election)
    )
    asked = {row.election: row for row in RequestRow.select().where(RequestRow.cid == cid)}
    return [_describe_own(row, asked.get(row.election)) for row in rows]


def _describe_own(row: ElectionRow, request: RequestRow | None) -> dict[str, Any]:
    french, english = choose_reminder(row.phase, has_asked=request is not None)
    return {
        **_describe_short(row),
        "requested_at": request.at if request is not None else 0,
        "reminder_fr": french,
        "reminder_en": english,
    }


def describe_own_request(election: str, account: str) -> dict[str, Any]:
    """The own request with the blind signatures that came for it."""
    cid = find_cid(account)
    mine = (RequestRow.election == election) & (RequestRow.cid == cid)
    row = RequestRow.get_or_none(mine)
    signed = SignatureRow.select().where(
        (SignatureRow.election == election) & (SignatureRow.cid == cid)
    )
    return {
        "cid": cid,
        "requested_at": row.at if row is not None else 0,
        "signatures": [
            {"registrar": line.registrar, "signature": line.signature}
            for line in signed.order_by(SignatureRow.registrar)
        ],
    }


# --- for city hall -----------------------------------------------------------------------------


def list_sign_off(election: str) -> list[dict[str, Any]]:
    """Who was issued voting material, by station: identities and days; who voted is known to nobody."""
    find_election(election)
    rows = RequestRow.select().where(RequestRow.election == election)
    ordered = rows.order_by(RequestRow.station, RequestRow.cid)
    return [
        {
            "station": row.station,
            "weight_class": row.weight_class,
            "cid": row.cid,
            "day": row.at - row.at % 86_400,
        }
        for row in ordered
    ]


def list_reminders(election: str) -> dict[str, Any]:
    """Whom a reminder may go to, and what it says: those who have not asked yet, later everybody who asked."""
    row = find_election(election)
    asked = {r.cid for r in RequestRow.select().where(RequestRow.election == election)}
    on_roll = {r.cid for r in RollRow.select().where(RollRow.election == election)}
    has_asked = row.phase != "issuance"
    french, english = choose_reminder(row.phase, has_asked=has_asked)
    to = asked if has_asked else on_roll - asked
    return {
        "phase": row.phase,
        "text_fr": french,
        "text_en": english,
        "cids": sorted(to) if french else [],
    }
