"""Refusals of logins by FranceConnect and ProConnect: what happened, what to do next, whom to call.

Reads: nothing.  Never: says why the State refused somebody (a deceased person is refused there as well).
"""

from typing import Final

from app.core.codes import app_code

FEDERATION_ABSENT: Final = app_code(
    404,
    "federation_absent",
    "This town has not set up this login; come to the desk, or ask city hall when it will open.",
    "La ville n'a pas ouvert cette connexion ; venez au guichet, ou demandez à la mairie quand elle ouvrira.",
)
FEDERATION_LOGIN_UNKNOWN: Final = app_code(
    403,
    "federation_login_unknown",
    "This login was not started on this phone, is out of date or was used; start it again from the app.",
    "Cette connexion ne vient pas de ce téléphone, est périmée ou a servi ; recommencez depuis l'application.",
)
FEDERATION_MIXED_UP: Final = app_code(
    403,
    "federation_mixed_up",
    "The answer comes from another identity provider than the one that was asked; start again, and tell city hall.",
    "La réponse vient d'un autre fournisseur d'identité que celui demandé ; recommencez et prévenez la mairie.",
)
FEDERATION_REFUSED: Final = app_code(
    403,
    "federation_refused",
    "The identity provider did not confirm the login; try again, or come to the desk with an identity title.",
    "Le fournisseur d'identité ne confirme pas la connexion ; réessayez, ou venez au guichet avec un titre d'identité.",
)
FEDERATION_UNREACHABLE: Final = app_code(
    503,
    "federation_unreachable",
    "The identity provider does not answer; try again in some minutes.",
    "Le fournisseur d'identité ne répond pas ; réessayez dans quelques minutes.",
    retryable=True,
)
FEDERATION_PROVIDER_FAILED: Final = app_code(
    502,
    "federation_provider_failed",
    "The identity provider reports a failure of its own; start again in some minutes, else come to the desk.",
    "Le fournisseur d'identité signale une panne ; recommencez dans quelques minutes, sinon venez au guichet.",
    retryable=True,
)
FEDERATION_ANSWER_INVALID: Final = app_code(
    502,
    "federation_answer_invalid",
    "The identity provider's answer does not verify and was not used; start again, and tell city hall if it recurs.",
    "La réponse du fournisseur d'identité n'est pas vérifiable et n'a pas été utilisée ; recommencez, "
    "et prévenez la mairie si cela se répète.",
)
FEDERATION_ASSURANCE_LOW: Final = app_code(
    403,
    "federation_assurance_low",
    "The login is of a lower level than this act needs; choose a stronger identity provider or come to the desk.",
    "La connexion est d'un niveau trop faible pour cet acte ; choisissez un fournisseur d'identité plus sûr "
    "ou venez au guichet.",
)
FEDERATION_CLAIMS_INCOMPLETE: Final = app_code(
    422,
    "federation_claims_incomplete",
    "The identity provider did not send a complete civil identity; come to the desk with an identity title.",
    "Le fournisseur d'identité n'a pas transmis un état civil complet ; venez au guichet avec une pièce d'identité.",
)
FEDERATION_LINK_PROPOSED: Final = app_code(
    409,
    "federation_link_proposed",
    "You are enrolled already: link this login from the phone that holds your identity, or recover it at the desk.",
    "Vous êtes déjà enrôlé : reliez cette connexion depuis le téléphone qui porte votre identité, "
    "ou récupérez-la au guichet.",
)
FEDERATION_OTHER_PERSON: Final = app_code(
    409,
    "federation_other_person",
    "The identity provider names another civil identity than this file; if yours changed, come to the desk.",
    "Le fournisseur d'identité nomme un autre état civil que ce dossier ; si le vôtre a changé, venez au guichet.",
)
FEDERATION_LOGGED_OUT_UNKNOWN: Final = app_code(
    403,
    "federation_logged_out_unknown",
    "This end of session was not asked for here; close the page.",
    "Cette fin de session n'a pas été demandée ici ; fermez la page.",
)
AGENT_WRONG_EMPLOYER: Final = app_code(
    403,
    "agent_wrong_employer",
    "ProConnect names an employer that is not this town; log in with the account of the town.",
    "ProConnect indique un employeur qui n'est pas cette ville ; connectez-vous avec le compte de la ville.",
)
AGENT_NOT_AUTHORISED: Final = app_code(
    403,
    "agent_not_authorised",
    "This professional account was not authorised for this agent's key; ask a supervisor.",
    "Ce compte professionnel n'est pas autorisé pour la clé de cet agent ; demandez à un responsable.",
)
AGENT_SECOND_FACTOR_MISSING: Final = app_code(
    403,
    "agent_second_factor_missing",
    "The professional login was made without a second factor; turn it on with your provider and start again.",
    "La connexion professionnelle a été faite sans second facteur ; activez-le chez votre fournisseur et recommencez.",
)
