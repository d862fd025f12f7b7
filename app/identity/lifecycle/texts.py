"""What people read about lost phones and standings: English, then French. Messages are not cut.

Reads: nothing.  Never: names a person.
"""

from typing import Final

NEXT: Final[dict[str, tuple[str, str]]] = {
    "old_waiting": (
        "City hall is giving this account a new key. If you still hold the phone and did not ask for this, stop it now.",
        "La mairie donne une nouvelle clé à ce compte. Si vous avez encore le téléphone et n'avez rien demandé, arrêtez.",
    ),
    "old_vetoed": (
        "You stopped the recovery. Come to city hall with a title: two other agents decide after a week.",
        "Vous avez arrêté la récupération. Venez en mairie avec un titre : deux autres agents décident après une semaine.",
    ),
    "old_overridden": (
        "Two other agents set the recovery going again; it cannot be stopped a second time. Go to city hall.",
        "Deux autres agents ont relancé la récupération ; elle ne peut plus être arrêtée. Allez en mairie.",
    ),
    "new_waiting": (
        "The delay runs. Come back to this screen when it is over; nothing else is needed.",
        "Le délai court. Revenez sur cet écran quand il sera écoulé ; rien d'autre n'est nécessaire.",
    ),
    "new_ready": (
        "The delay is over: finish now, and write the twelve words down again.",
        "Le délai est écoulé : terminez maintenant, et notez à nouveau les douze mots.",
    ),
    "new_vetoed": (
        "Somebody who holds the old phone stopped the recovery. Come to city hall with a title.",
        "Quelqu'un qui tient l'ancien téléphone a arrêté la récupération. Venez en mairie avec un titre.",
    ),
}
STATUSES: Final[dict[str, tuple[str, str]]] = {
    "active": ("The account works again.", "Le compte fonctionne à nouveau."),
    "suspended": (
        "The account freezes; one agent can lift it.",
        "Le compte est gelé ; un agent peut le lever.",
    ),
    "expired": (
        "The account freezes until the identity is renewed at the desk.",
        "Le compte est gelé jusqu'au renouvellement de l'identité au guichet.",
    ),
    "moved_out": (
        "Votes end at once; points and minutes stay usable for six months; an export is offered. It cannot be undone.",
        "Les votes cessent aussitôt ; points et minutes restent utilisables six mois ; un export est proposé. Irréversible.",
    ),
    "ended": (
        "The account freezes and two agents can take it back for 30 days; then it closes. The reason stays in the file.",
        "Le compte est gelé et deux agents peuvent revenir en arrière pendant 30 jours ; puis il est clos. Le motif reste au dossier.",
    ),
    "merged": (
        "This identity closes in favour of another of the same person. It cannot be undone.",
        "Cette identité est close au profit d'une autre de la même personne. Irréversible.",
    ),
    "revoked": (
        "The identity closes for good.",
        "L'identité est close définitivement.",
    ),
    "erased": (
        "The person's key is destroyed: nobody can read the file again, backups included within 30 days.",
        "La clé de la personne est détruite : plus personne ne peut lire le dossier, sauvegardes comprises sous 30 jours.",
    ),
}
OPENING: Final = (
    "The account freezes at once. The new key signs from {hours} h on, unless the old key stops it. Whoever recovers within {days} days before a vote does not vote in it here: the paper vote stays open.",
    "Le compte est gelé immédiatement. La nouvelle clé signe après {hours} h, sauf arrêt par l'ancienne clé. Qui récupère dans les {days} jours avant un vote n'y vote pas ici : le vote papier reste ouvert.",
)
LETTER: Final = (
    "A recovery of your citizen account is under way: from {day} a new phone will sign in your place. If you did not ask for it, open the app on your phone and choose Stop, or come to city hall with a title of identity.",
    "Une récupération de votre compte citoyen est en cours : à partir du {day}, un nouveau téléphone signera à votre place. Si vous ne l'avez pas demandée, ouvrez l'application sur votre téléphone et choisissez « Arrêter », ou présentez-vous en mairie avec une pièce d'identité.",
)
