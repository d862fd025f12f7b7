"""Refusals of the enrolment desk that the chain never sees.

Reads: nothing.  Never: tells a stranger whether somebody is enrolled.
"""

from typing import Final

from app.core.codes import app_code

ENROLMENT_PROOF_INVALID: Final = app_code(
    403,
    "enrolment_proof_invalid",
    "The phone did not prove that it holds this key; check its clock and start again.",
    "Le téléphone n'a pas prouvé qu'il détient cette clé ; vérifiez son heure et recommencez.",
)
ENROLMENT_EXPIRED: Final = app_code(
    410,
    "enrolment_expired",
    "The enrolment is out of date; start a new one on the phone.",
    "L'enrôlement est périmé ; recommencez-le sur le téléphone.",
)
ENROLMENT_WRONG_STATE: Final = app_code(
    409,
    "enrolment_wrong_state",
    "The enrolment is not at this step; look at its status.",
    "L'enrôlement n'en est pas à cette étape ; regardez son état.",
)
ENROLMENT_NUMBER_DIFFERS: Final = app_code(
    409,
    "enrolment_number_differs",
    "The number differs from the one on the phone: this is another phone. Stop and start again.",
    "Le nombre diffère de celui du téléphone : c'est un autre téléphone. Arrêtez et recommencez.",
)
IDENTITY_KEY_TAKEN: Final = app_code(
    409,
    "identity_key_taken",
    "This key already belongs to an identity; use the phone's next key.",
    "Cette clé appartient déjà à une identité ; utilisez la clé suivante du téléphone.",
)
IDENTITY_DUPLICATE: Final = app_code(
    409,
    "identity_duplicate",
    "This person is enrolled already; link this phone to the identity they have, then open a recovery.",
    "Cette personne est déjà enrôlée ; liez ce téléphone à son identité, puis ouvrez une récupération.",
)
IDENTITY_DUPLICATE_UNDECIDED: Final = app_code(
    409,
    "identity_duplicate_undecided",
    "A similar person is enrolled (twin, namesake, inverted names?); decide and give the reason.",
    "Une personne semblable est enrôlée (jumeau, homonyme, noms inversés ?) ; décidez et donnez le motif.",
)
IDENTITY_SEARCHES_EXCEEDED: Final = app_code(
    429,
    "identity_searches_exceeded",
    "This agent has made the hour's searches for duplicates; continue later.",
    "Cet agent a fait ses recherches de doublons de l'heure ; continuez plus tard.",
    retryable=True,
)
IDENTITY_ATTESTATION_DIFFERS: Final = app_code(
    422,
    "identity_attestation_differs",
    "The signed attestation is not the drafted one, or not signed by this agent; draft again.",
    "L'attestation signée n'est pas celle du brouillon, ou pas signée par cet agent ; refaites-la.",
)
IDENTITY_BATCH_UNKNOWN: Final = app_code(
    422,
    "identity_batch_unknown",
    "The batch holds an attestation that does not wait here; read the batch again.",
    "Le lot contient une attestation qui n'est pas en attente ici ; relisez le lot.",
)
PERSON_KEYS_ABSENT: Final = app_code(
    503,
    "person_keys_absent",
    "This server holds no master key, so it cannot open civil records; an operator must provide it.",
    "Ce serveur n'a pas de clé maîtresse et ne peut ouvrir les dossiers ; un opérateur doit la fournir.",
)
CIVIL_INVALID: Final = app_code(
    422,
    "civil_invalid",
    "A field of the civil record does not have the required form.",
    "Un champ de l'état civil n'a pas la forme requise.",
)
IDENTITY_LINK_DIFFERS: Final = app_code(
    409,
    "identity_link_differs",
    "This title does not name the holder of that identity, or it is not written yet; search again.",
    "Ce titre ne désigne pas le titulaire de cette identité, ou elle n'est pas encore écrite ; cherchez de nouveau.",
)
IDENTITY_FILE_ABSENT: Final = app_code(
    404,
    "identity_file_absent",
    "There is no such file, or it was erased.",
    "Ce dossier n'existe pas, ou il a été effacé.",
)
IDENTITY_RESTRICTED: Final = app_code(
    409,
    "identity_restricted",
    "The citizen restricts this file; it stays closed until they lift that themselves, or ask the town's DPO.",
    "Le citoyen a limité ce dossier ; il reste fermé tant qu'il ne lève pas la limite ; voyez le DPO de la ville.",
)
AGENT_OWN_RECORD: Final = app_code(
    403,
    "agent_own_record",
    "Nobody acts on their own file; ask a colleague.",
    "Nul n'agit sur son propre dossier ; demandez à un collègue.",
)
SECOND_AGENT_SAME: Final = app_code(
    403,
    "second_agent_same",
    "The second agent must be another one than the first; ask a colleague.",
    "Le second agent doit être un autre que le premier ; demandez à un collègue.",
)
RIGHTS_REQUESTS_OPEN: Final = app_code(
    409,
    "rights_requests_open",
    "Three requests wait for an answer already; wait for it, or write to the town's DPO.",
    "Trois demandes attendent déjà une réponse ; attendez-la, ou écrivez au DPO de la ville.",
)
