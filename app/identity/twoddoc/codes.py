"""Refusals of 2D-Doc verification: each says what is wrong with the document and what to ask for instead."""

from typing import Final

from app.core.codes import app_code

TWODDOC_ABSENT: Final = app_code(
    404,
    "twoddoc_absent",
    "This town has not installed the 2D-Doc trust list; check the document by eye, as two proofs.",
    "La ville n'a pas installé la liste de confiance 2D-Doc ; vérifiez le document à l'œil, comme deux justificatifs.",
)
TWODDOC_UNREADABLE: Final = app_code(
    422,
    "twoddoc_unreadable",
    "No single 2D-Doc can be read in this picture; crop it to the code, and take it flat and in good light.",
    "Aucun 2D-Doc lisible dans cette image ; cadrez sur le code, à plat et bien éclairé.",
)
TWODDOC_MALFORMED: Final = app_code(
    422,
    "twoddoc_malformed",
    "The code is not a whole 2D-Doc; scan it again, else ask for another document.",
    "Le code n'est pas un 2D-Doc complet ; scannez-le à nouveau, sinon demandez un autre document.",
)
TWODDOC_UNKNOWN_AUTHORITY: Final = app_code(
    422,
    "twoddoc_unknown_authority",
    "The code names an authority that the State does not list (a specimen does so); ask for another document.",
    "Le code nomme une autorité que l'État ne liste pas (cas d'un spécimen) ; demandez un autre document.",
)
TWODDOC_UNKNOWN_CERTIFICATE: Final = app_code(
    422,
    "twoddoc_unknown_certificate",
    "The signing certificate is not installed here; tell the operator, and ask for another document meanwhile.",
    "Le certificat de signature n'est pas installé ici ; prévenez l'opérateur, et demandez un autre document.",
)
TWODDOC_CERTIFICATE_EXPIRED: Final = app_code(
    422,
    "twoddoc_certificate_expired",
    "The code was signed outside the life of its certificate; ask for another document.",
    "Le code a été signé hors de la validité de son certificat ; demandez un autre document.",
)
TWODDOC_FORGED: Final = app_code(
    422,
    "twoddoc_forged",
    "The signature does not fit the content: the code was altered. Keep the document and call your supervisor.",
    "La signature ne correspond pas au contenu : le code a été modifié. Gardez le document et appelez un responsable.",
)
TWODDOC_LIST_EXPIRED: Final = app_code(
    503,
    "twoddoc_list_expired",
    "The installed trust list is out of date, so no code can be believed; tell the operator.",
    "La liste de confiance installée est périmée, aucun code ne peut être cru ; prévenez l'opérateur.",
)
TWODDOC_NOT_RESIDENCE: Final = app_code(
    422,
    "twoddoc_not_residence",
    "The document is genuine but is no proof of residence; ask for an invoice, a residence or a housing tax notice.",
    "Le document est authentique mais n'est pas un justificatif de domicile ; demandez une facture ou un avis de taxe.",
)
TWODDOC_EXPIRED: Final = app_code(
    422,
    "twoddoc_expired",
    "The proof of residence is older than three months or carries no date; ask for a newer one.",
    "Le justificatif de domicile a plus de trois mois ou n'est pas daté ; demandez-en un plus récent.",
)
TWODDOC_ELSEWHERE: Final = app_code(
    422,
    "twoddoc_elsewhere",
    "The address of the document is not in this town; ask for a proof of residence here.",
    "L'adresse du document n'est pas dans cette ville ; demandez un justificatif de domicile ici.",
)
