"""The forms of names within a path: whatever does not have the form is no route (404) before any view sees it.

    key       43 base64url characters: a thumbprint, an account, a commitment, a record's 32-byte name
    token     22 base64url characters: a random 16-byte id
    hash      64 hexadecimal digits in lower case: a payload hash
    slug      2 to 32 of a-z 0-9 and the hyphen, a letter first: a shop, a programme, an election
    word      1 to 20 of a-z and the hyphen, a letter first: one of a short list
    election  14 to 22 characters of Base58: an election's identifier
    printed   10 letters or digits in either case: a printed code
    day       YYYY-MM-DD, a local day; the calendar is asked later
    month     YYYY-MM
    invoice   an invoice's number: operation, month, issue, seller and serial, joined by hyphens

The same patterns stand in `openapi.yaml`. They keep what a stranger writes into a path out of logs, of the
audit log and of the database, where names of ours go.
"""

from typing import Any, Final

from flask import Flask
from flask_smorest import Api
from werkzeug.routing import BaseConverter

_FORMS: Final = {
    "key": "[A-Za-z0-9_-]{43}",
    "token": "[A-Za-z0-9_-]{22}",
    "hash": "[0-9a-f]{64}",
    "slug": "[a-z][a-z0-9-]{1,31}",
    "word": "[a-z][a-z-]{0,19}",
    "election": "[1-9A-HJ-NP-Za-km-z]{14,22}",
    "printed": "[0-9A-Za-z]{10}",
    "day": "20[0-9]{2}-[01][0-9]-[0-3][0-9]",
    "month": "20[0-9]{2}-(?:0[1-9]|1[0-2])",
    "invoice": "[a-z][a-z0-9-]{12,62}[0-9]",
}


class _Name(BaseConverter):
    """A part of a path that has one of the forms above; ASCII only, as the patterns name every character."""


CONVERTERS: Final[dict[str, type[BaseConverter]]] = {
    name: type(f"{name.title()}Name", (_Name,), {"regex": form}) for name, form in _FORMS.items()
}


def install_converters(app: Flask) -> None:
    """Teach `app` the forms; before any blueprint is registered."""
    app.url_map.converters.update(CONVERTERS)


def document_converters(api: Api) -> None:
    """Have the forms written into the OpenAPI description."""
    api.register_converter(_Name, _describe)


def _describe(converter: BaseConverter) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{converter.regex}$"}
