"""Refusals of shared energy that the chain never sees.

Reads: nothing.  Never: tells a stranger whether a point takes part.
"""

from typing import Final

from app.core.codes import app_code

ENERGY_KEYS_ABSENT: Final = app_code(
    503,
    "energy_keys_absent",
    "This server keeps no readings because it has no master key; ask city hall to set one.",
    "Ce serveur ne garde pas de relevés, faute de clé maîtresse ; demandez à la mairie de la poser.",
)
ENERGY_MEMBER_ERASED: Final = app_code(
    410,
    "energy_member_erased",
    "A member's readings were erased: their settled day is published and stays, but nobody works it out again. "
    "Your own rows and paths are still yours.",
    "Les relevés d'un membre sont effacés : sa journée réglée reste publiée, mais nul ne la recalcule plus. "
    "Vos propres lignes et preuves restent à vous.",
)
ENERGY_DAY_PRESENT: Final = app_code(
    409,
    "energy_day_present",
    "Readings of this day are there already; send the new ones as a correction.",
    "Des relevés de ce jour sont déjà là ; envoyez les nouveaux comme correction.",
)
ENERGY_DAY_PART: Final = app_code(
    422,
    "energy_day_part",
    "A file covers whole local days, from midnight to midnight; ask the operator for whole days.",
    "Un fichier couvre des jours entiers, de minuit à minuit heure locale ; demandez des jours entiers.",
)
ENERGY_CONVENTION_DIFFERS: Final = app_code(
    422,
    "energy_convention_differs",
    "The document is not the one the transaction commits to; compare key, step, and salt.",
    "Le document n'est pas celui que la transaction engage ; comparez clé, pas de temps et sel.",
)
ENERGY_OPENING_DIFFERS: Final = app_code(
    422,
    "energy_opening_differs",
    "What was sent beside the transaction does not open its commitment; check number and salt.",
    "Ce qui accompagne la transaction n'ouvre pas son engagement ; vérifiez numéro et sel.",
)
ENERGY_NOT_PUBLISHED: Final = app_code(
    409,
    "energy_not_published",
    "This is not on the chain yet; ask again once the day or month was published.",
    "Ceci n'est pas encore sur la chaîne ; redemandez une fois le jour ou le mois publié.",
    retryable=True,
)
ENERGY_DAYS_UNBILLED: Final = app_code(
    409,
    "energy_days_unbilled",
    "Days you shared are not billed yet, and need your readings; ask again once their month's statement is out, or"
    " three months after your last day.",
    "Des jours que vous avez partagés ne sont pas encore facturés et ont besoin de vos relevés ; redemandez quand le"
    " décompte de leur mois est paru, ou trois mois après votre dernier jour.",
)
ENERGY_MEMBERSHIP_RUNS: Final = app_code(
    409,
    "energy_membership_runs",
    "A membership still runs, and its days need your readings; leave the operation first.",
    "Une adhésion est en cours et ses jours ont besoin de vos relevés ; quittez d'abord l'opération.",
)
