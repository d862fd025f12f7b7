"""Votes over HTTP on a town in memory: what city hall drafts, and rows filled from elections held without HTTP."""

import json
from typing import Any

from app.core.database import write
from app.core.projection import ProjectedAnonymous, ProjectedJournal, ProjectedTx
from app.core.transactions import ReadAnonymous, read_body, read_committed
from app.votes.models import DraftRow
from app.votes.projecting import ANONYMOUS, JOURNAL, PROJECTIONS
from app.votes.regulation import Regulation, RelayPlace, encode_regulation, hash_regulation
from chain.votes.counting import Approval, Item, Rules, Single, YesNo, make_questions
from tests.town.town_kit import DAY_S
from tests.town.votes.kit import REGISTRAR_BODIES, TRUSTEE_BODIES, Vote

PLACE = Single(
    title="Que faire de la place du Beffroi ?",
    choices=("Marché couvert", "Square « arboré »", "Parking/gare"),
    blank=True,
    order=(1, 2, 0),
)
MODES = Approval(
    title="Quels modes ?",
    choices=("Vélo", "Bus", "Tram"),
    blank=False,
    min=1,
    max=2,
    seats=2,
    order=(0, 1, 2),
)
AGREE = YesNo(title="Approuvez-vous ?", choices=("Oui", "Non"), blank=False, majority=(1, 2))
RELAYS = (RelayPlace("coop", "https://relais.coop.example"),)


def make_regulation(election: str, *items: Item, owner: str = "body:mairie") -> bytes:
    """A regulation over a rulebook of these items."""
    regulation = Regulation(
        version=1,
        election=election,
        name="Place du Beffroi",
        legal_kind="consultation_citoyenne",
        rules=Rules(version=1, items=items),
        text_fr="Règlement.",
        text_en="Regulation.",
        paper_fr="À la mairie, le jour même.",
        paper_en="At city hall, on the day.",
        contact="mairie, 02 00 00 00 00",
        relays=RELAYS,
    )
    return encode_regulation(regulation, owner=owner)


def belongs(items: tuple[Item, ...]) -> list[dict[str, Any]]:
    """Questions of items as the chain's messages spell them."""
    return [
        {name: getattr(q, name) for name in ("question", "answers", "min", "max")}
        | ({"blank": True} if q.blank is True else {})
        for q in make_questions(Rules(version=1, items=items))
    ]


def keep_draft(election: str, regulation: bytes) -> str:
    """A draft that holds the regulation; returns its hash."""
    with write():
        DraftRow.insert(
            election=election,
            owner="body:mairie",
            body="{}",
            regulation=regulation.decode(),
            drafted_by="A" * 43,
            drafted_at=1,
        ).execute()
    return hash_regulation(regulation)


def project(vote: Vote, first: int = 0) -> int:
    """Fill the rows from the blocks a vote went through, from `first` on; returns how many there are."""
    start = vote.town.height - len(vote.blocks) + 1
    with write():
        for height, block in enumerate(vote.blocks[first:], start + first):
            for index, (raw, result) in enumerate(zip(block.txs, block.results, strict=True)):
                if result.is_ok():
                    _project_tx(raw, result, height, index)
            for position, entry in enumerate(block.journal):
                facts = {name: value for name, value in entry.items() if name != "kind"}
                if entry["kind"] in JOURNAL:
                    told = ProjectedJournal(height, position, height, entry["kind"], facts)
                    JOURNAL[entry["kind"]](told)
    return len(vote.blocks)


def _project_tx(raw: bytes, result: Any, height: int, index: int) -> None:
    read, data = read_committed(raw), json.loads(result.data or b"{}")
    assert read is not None
    if isinstance(read, ReadAnonymous):
        told = ProjectedAnonymous(height, index, height, read.type, read.body, data)
        ANONYMOUS[read.type](told)
        return
    payload = read.payload
    if payload.type in PROJECTIONS:
        body = read_body(payload)
        tx = ProjectedTx(height, index, height, read.payload_hash, payload, body, 0, data)
        PROJECTIONS[payload.type](tx)


def draft_request(now_s: int, **changes: Any) -> dict[str, Any]:
    """What city hall posts to prepare a vote."""
    days = [now_s + day * DAY_S for day in range(1, 7)]
    names = (
        "issuance_opens",
        "issuance_closes",
        "registration_closes",
        "voting_opens",
        "voting_closes",
        "appeals_close",
    )
    asked: dict[str, Any] = {
        "name": "Place du Beffroi",
        "description": "Consultation sur l'avenir de la place.",
        "group": "Ed25519",
        "legal_kind": "consultation_citoyenne",
        "policy": "consultation",
        "items": [
            {
                "kind": "single",
                "title": PLACE.title,
                "choices": list(PLACE.choices),
                "blank": True,
                "order": [1, 2, 0],
            }
        ],
        "regulation": {
            "text_fr": "Règlement.",
            "text_en": "Regulation.",
            "paper_fr": "À la mairie.",
            "paper_en": "At city hall.",
            "contact": "02 00 00 00 00",
            "relays": [{"body": "coop", "url": "https://relais.coop.example"}],
        },
        "calendar": dict(zip(names, days, strict=True)),
        "stations": [{"station": "1", "weight_class": "one", "weight": 1}],
        "registrars": list(REGISTRAR_BODIES),
        "registrars_threshold": 3,
        "ceremony": "single",
        "trustees": list(TRUSTEE_BODIES[:2]),
        "trustees_threshold": 2,
    }
    return asked | changes
