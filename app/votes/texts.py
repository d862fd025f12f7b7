"""What an election's events say to people, and what the app reminds a citizen of; French and English.

A reminder depends on the calendar and on whether a credential was asked for. Who voted is known to nobody, so it
cannot depend on that: everybody who asked is reminded alike.
"""

from typing import Any, Final

EVENTS: Final = {
    "created": ("Le vote est publié.", "The vote is published."),
    "restarted": (
        "La cérémonie des clés recommence avec d'autres dépositaires.",
        "The key ceremony begins again with other trustees.",
    ),
    "sealed": (
        "La clé du vote est faite ; personne ne la détient seul.",
        "The vote's key is made; nobody holds it alone.",
    ),
    "issuance_opened": (
        "Vous pouvez demander votre matériel de vote dans l'application.",
        "You can ask for your voting material in the app.",
    ),
    "issuance_closed": (
        "Les demandes sont closes ; ouvrez l'application une fois pour enregistrer votre droit de vote.",
        "Requests are closed; open the app once to register your right to vote.",
    ),
    "freezing": ("La liste est en cours de clôture.", "The list is being closed."),
    "frozen": (
        "La liste des droits de vote anonymes est close et publiée.",
        "The list of anonymous credentials is closed and published.",
    ),
    "voting_opened": ("L'urne est ouverte.", "The ballot box is open."),
    "not_opened": (
        "L'urne n'a pas pu s'ouvrir à la date prévue ; la mairie publie la suite.",
        "The ballot box could not open on its date; city hall publishes what comes next.",
    ),
    "closed": (
        "L'urne est close ; les dépositaires déchiffrent la somme.",
        "The ballot box is closed; the trustees decrypt the sum.",
    ),
    "share": ("Un dépositaire a donné sa part.", "A trustee gave their share."),
    "result": ("Le résultat est connu.", "The result is known."),
    "archived": (
        "Un organisme conserve l'archive du vote.",
        "A body keeps the archive of the vote.",
    ),
    "postponed": ("Le vote est reporté.", "The vote is postponed."),
    "cancelled": ("Le vote est annulé.", "The vote is cancelled."),
    "purging": (
        "Les recours sont clos ; les bulletins sont effacés.",
        "Appeals are over; ballots are deleted.",
    ),
    "purged": ("Les bulletins sont effacés.", "Ballots are deleted."),
}
"""By kind of event: French, English."""

ASK_NOW: Final = (
    "Demandez votre matériel de vote avant la clôture des demandes, ou votez sur papier.",
    "Ask for your voting material before requests close, or vote on paper.",
)
OPEN_APP: Final = (
    "Ouvrez l'application pour enregistrer votre droit de vote ; rien d'autre n'est à faire.",
    "Open the app to register your right to vote; nothing else is needed.",
)
VOTE_NOW: Final = (
    "L'urne est ouverte. Si vous avez déjà voté, ne tenez pas compte de ce rappel : personne ne sait qui a voté.",
    "The ballot box is open. If you have voted, ignore this reminder: nobody knows who voted.",
)
VOTE_ON_PAPER: Final = (
    "Vous n'avez pas demandé de matériel de vote électronique : votez sur papier à votre bureau.",
    "You did not ask for electronic voting material: vote on paper at your station.",
)
NOTHING: Final = ("", "")


def choose_reminder(phase: str, *, has_asked: bool) -> tuple[str, str]:
    """The reminder of someone on the roll, in French and English; empty when there is nothing to do."""
    if phase == "issuance":
        return NOTHING if has_asked else ASK_NOW
    if phase == "registration" and has_asked:
        return OPEN_APP
    if phase == "voting":
        return VOTE_NOW if has_asked else VOTE_ON_PAPER
    return NOTHING


def describe_event(kind: str) -> dict[str, Any]:
    """An event's sentence in both languages."""
    french, english = EVENTS.get(kind, ("", ""))
    return {"text_fr": french, "text_en": english}
