"""What people read about their keys: English, then French. Messages are not cut.

Reads: nothing.  Never: names a person.
"""

from typing import Final

NOTICES: Final[dict[str, tuple[str, str]]] = {
    "key_rotated": (
        "The account signs with a new key. If this was not you, go to city hall now.",
        "Le compte signe avec une nouvelle clé. Si ce n'est pas vous, allez en mairie sans attendre.",
    ),
    "device_added": (
        "A second device or helper may sign for this account. If you did not add it, remove it now.",
        "Un second appareil ou un aidant peut signer pour ce compte. Si ce n'est pas vous, retirez-le sans attendre.",
    ),
    "device_removed": (
        "A device or helper may no longer sign for this account.",
        "Un appareil ou un aidant ne peut plus signer pour ce compte.",
    ),
    "recovery_opened": (
        "City hall is giving this account a new key. If you did not ask for it, stop it here before the delay is over.",
        "La mairie donne une nouvelle clé à ce compte. Si vous ne l'avez pas demandé, arrêtez-le ici avant la fin du délai.",
    ),
    "recovery_vetoed": (
        "The old key stopped the recovery. Come to city hall in person; two other agents decide after a week.",
        "L'ancienne clé a arrêté la récupération. Venez en mairie ; deux autres agents décident après une semaine.",
    ),
    "recovery_overridden": (
        "Two other agents set the recovery going again. It can be finished now.",
        "Deux autres agents ont relancé la récupération. Elle peut être terminée.",
    ),
    "recovery_cancelled": (
        "The recovery was given up; the old key goes on.",
        "La récupération est abandonnée ; l'ancienne clé reste valable.",
    ),
    "recovery_lapsed": (
        "Nobody finished the recovery; the old key goes on.",
        "Personne n'a terminé la récupération ; l'ancienne clé reste valable.",
    ),
    "recovery_finished": (
        "The account has its new key; the old one and all other devices are out.",
        "Le compte a sa nouvelle clé ; l'ancienne et tous les autres appareils sont écartés.",
    ),
    "status_changed": (
        "City hall changed the standing of this account. Ask there if you do not know why.",
        "La mairie a changé l'état de ce compte. Renseignez-vous sur place si vous ignorez pourquoi.",
    ),
    "renewed": (
        "The identity was renewed.",
        "L'identité a été renouvelée.",
    ),
}
WHAT: Final[dict[str, tuple[str, str]]] = {
    "contract": ("sign energy contracts", "signer des contrats d'énergie"),
    "pay": ("give and move points", "donner et déplacer des points"),
    "trade": ("agree SEL exchanges", "conclure des échanges du SEL"),
    "veto": ("stop a recovery of this account", "arrêter une récupération de ce compte"),
}
DEVICE_TEXTS: Final = (
    "This key will be able to: {what}. Never to vote or to change keys. Either of you can end it at any time.",
    "Cette clé pourra : {what}. Jamais voter, ni changer de clé. Chacun de vous peut y mettre fin à tout moment.",
)
