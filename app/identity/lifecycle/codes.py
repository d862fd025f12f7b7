"""Refusals of an identity's life that the chain never sees."""

from typing import Final

from app.core.codes import app_code

ACT_MALFORMED: Final = app_code(
    422,
    "act_malformed",
    "This is not an act that waits for signatures: sign the very payload that was opened, once.",
    "Ce n'est pas un acte en attente de signatures : signez exactement le contenu ouvert, une seule fois.",
)
ACT_EXPIRED: Final = app_code(
    410,
    "act_expired",
    "The act ran out of time before all had signed; open it again at the desk.",
    "L'acte a expiré avant que tous aient signé ; ouvrez-le à nouveau au guichet.",
)
LINK_PROOF_INVALID: Final = app_code(
    403,
    "link_proof_invalid",
    "The account's own key did not sign this; sign it with the phone that holds the account.",
    "La clé du compte n'a pas signé ; signez avec le téléphone qui détient le compte.",
)
LINKS_FULL: Final = app_code(
    409,
    "links_full",
    "This person already names as many accounts as fit; remove one first.",
    "Cette personne a déjà déclaré autant de comptes que possible ; retirez-en un d'abord.",
)
MANDATE_NO_BALLOT: Final = app_code(
    422,
    "mandate_no_ballot",
    "Nobody votes for somebody else here: a mandate cannot cover ballots. The proxy vote is asked for on paper.",
    "Personne ne vote ici pour autrui : un mandat ne couvre pas les votes. La procuration se demande sur papier.",
)
MANDATE_TOO_LONG: Final = app_code(
    422,
    "mandate_too_long",
    "A mandate of this kind cannot last so long; the message says how long at most.",
    "Un mandat de ce type ne peut durer si longtemps ; le message dit la durée maximale.",
)
MANDATE_WRONG_STATE: Final = app_code(
    409,
    "mandate_wrong_state",
    "The mandate is not at this step; read it again.",
    "Le mandat n'en est pas à cette étape ; relisez-le.",
)
MANDATE_SELF: Final = app_code(
    422,
    "mandate_self",
    "A mandate is between two persons.",
    "Un mandat lie deux personnes.",
)
AGE_GUARDIAN_NEEDED: Final = app_code(
    409,
    "age_guardian_needed",
    "Below 15 a guardian holds the account: record the guardian's mandate first.",
    "Avant 15 ans, un représentant tient le compte : enregistrez d'abord son mandat.",
)
AGE_NOT_YET: Final = app_code(
    409,
    "age_not_yet",
    "This service is not open at this age; it opens by itself on the birthday.",
    "Ce service n'est pas ouvert à cet âge ; il s'ouvre de lui-même à l'anniversaire.",
)
AGE_NOT_A_MINOR: Final = app_code(
    409,
    "age_not_a_minor",
    "This person is of age (or has no readable file); a parent's mandate does not apply.",
    "Cette personne est majeure (ou son dossier est illisible) ; un mandat parental ne s'applique pas.",
)
