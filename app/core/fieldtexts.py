"""What is wrong with a field, in French: marshmallow tells it in English only.

Reads: values.  Writes: nothing.
"""

import re
from typing import Final

_FRENCH: Final = (
    (r"Missing data for required field\.", "Ce champ est obligatoire."),
    (r"Unknown field\.", "Ce champ est inconnu ici ; retirez-le."),
    (r"Field may not be null\.", "Ce champ ne peut pas être nul."),
    (r"Invalid input type\.", "Un objet est attendu ici."),
    (r"Invalid type\.", "Un objet est attendu ici."),
    (r"Invalid value\.", "Cette valeur n'est pas valable."),
    (r"Not a valid string\.", "Un texte est attendu ici."),
    (r"Not a valid integer\.", "Un nombre entier est attendu ici."),
    (r"Not a valid boolean\.", "true ou false est attendu ici."),
    (r"Not a valid list\.", "Une liste est attendue ici."),
    (r"Not a valid mapping type\.", "Un objet est attendu ici."),
    (r"Not a valid date\.", "Une date (AAAA-MM-JJ) est attendue ici."),
    (r"Not a valid number\.", "Un nombre est attendu ici."),
    (r"Number too large\.", "Ce nombre est trop grand."),
    (r"Must be one of: (.*)\.", r"Valeurs possibles : \1."),
    (r"One or more of the choices you made was not in: (.*)\.", r"Valeurs possibles : \1."),
    (r"String does not match expected pattern\.", "Le texte n'a pas la forme attendue."),
    (r"Shorter than minimum length (\d+)\.", r"Trop court : au moins \1."),
    (r"Longer than maximum length (\d+)\.", r"Trop long : au plus \1."),
    (r"Length must be between (\d+) and (\d+)\.", r"La longueur doit aller de \1 à \2."),
    (r"Length must be (\d+)\.", r"La longueur doit être \1."),
    (
        r"Must be greater than or equal to (\S+) and less than or equal to (\S+)\.",
        r"La valeur doit aller de \1 à \2.",
    ),
    (r"Must be greater than or equal to (\S+)\.", r"La valeur doit être au moins \1."),
    (r"Must be less than or equal to (\S+)\.", r"La valeur doit être au plus \1."),
    (r"Must be greater than (\S+)\.", r"La valeur doit dépasser \1."),
    (r"either text or picture", "Donnez un texte ou une image, l'un des deux."),
)
_PATTERNS: Final = tuple((re.compile(english, re.DOTALL), french) for english, french in _FRENCH)


def translate(message: str) -> str:
    """The same in French; a message this table does not know stays as it is."""
    for english, french in _PATTERNS:
        match = english.fullmatch(message)
        if match is not None:
            return match.expand(french)
    return message
