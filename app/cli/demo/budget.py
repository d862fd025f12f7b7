"""What the town votes on in the demo: a participatory budget of three projects, and whether to hold another.

Reads: whether `belenios-tool` is installed.  Writes: nothing.
"""

import shutil
from collections.abc import Sequence
from typing import Any, Final

from app.cli.town import REGISTRAR_BODIES, TRUSTEE_BODIES

REGISTRARS: Final = tuple(REGISTRAR_BODIES)
TRUSTEES: Final = tuple(TRUSTEE_BODIES)
THRESHOLDS: Final = (3, 2)
"""Registrars 3 of 4, trustees 2 of 3."""
PROJECTS: Final = ("Kiosque à musique", "Verger partagé", "Abri à vélos")
COSTS_CENTS: Final = (900_000, 400_000, 500_000)
ENVELOPE_CENTS: Final = 1_000_000
HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
TOOL: Final = "belenios-tool"


def choose_group() -> str:
    """The group that `belenios-tool` judges where it is installed; else the smaller and faster one."""
    return "BELENIOS-2048" if shutil.which(TOOL) else "Ed25519"


def choices_of(number: int) -> tuple[Sequence[int], ...]:
    """What voter `number` wants: up to two projects, or blank (the first place), and yes or no."""
    projects = ((0, 1, 1, 0), (0, 0, 1, 1), (0, 0, 1, 0), (1, 0, 0, 0))[number % 4]
    return (projects, ((1, 0), (0, 1), (1, 0))[number % 3])


def make_draft(start: int, relay_url: str) -> dict[str, Any]:
    """What city hall states; issuance opens at unix second `start`, other dates as early as the rules let them be."""
    opens = start + 26 * DAY_S
    return {
        "name": "Budget participatif",
        "description": "Dix mille euros pour la place du Beffroi.",
        "group": choose_group(),
        "legal_kind": "budget_participatif",
        "policy": "budget",
        "items": [
            {
                "kind": "budget",
                "title": "Quels projets retenir ?",
                "choices": list(PROJECTS),
                "blank": True,
                "min": 1,
                "max": 2,
                "costs_cents": list(COSTS_CENTS),
                "envelope_cents": ENVELOPE_CENTS,
                "fit": "skip",
                "votes_min": 1,
                "order": [0, 1, 2],
            },
            {
                "kind": "yes_no",
                "title": "Recommencer l'an prochain ?",
                "choices": ["Oui", "Non"],
                "blank": False,
                "majority": [1, 2],
            },
        ],
        "regulation": {
            "text_fr": "Règlement du budget participatif.",
            "text_en": "Regulation of the participatory budget.",
            "paper_fr": "À la mairie, le jour du vote, de 8 h à 18 h.",
            "paper_en": "At city hall, on the day of the vote, from 8 to 18.",
            "contact": "mairie, 02 00 00 00 00",
            "relays": [{"body": "temoin", "url": relay_url}],
        },
        "calendar": {
            "issuance_opens": start,
            "issuance_closes": start + 21 * DAY_S,
            "registration_closes": start + 25 * DAY_S,
            "voting_opens": opens,
            "voting_closes": opens + DAY_S,
            "appeals_close": opens + 61 * DAY_S,
        },
        "stations": [{"station": "1", "weight_class": "one", "weight": 1}],
        "registrars": list(REGISTRARS),
        "registrars_threshold": THRESHOLDS[0],
        "ceremony": "threshold",
        "trustees": list(TRUSTEES),
        "trustees_threshold": THRESHOLDS[1],
    }
