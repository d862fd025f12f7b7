"""What a provider says of a person, as the town's civil record: FranceConnect's pivot identity.

Reads: nothing.  Never: keeps what the record does not need (e-mail, gender).
Source: research/identity.md §1.1; france-connect/sources, back/libs/cryptography-fcp.
"""

from collections.abc import Mapping
from typing import Any, Final

from app.core.problems import Problem
from app.identity.civil import Civil
from app.identity.federation import codes
from app.identity.pivot import read_claims

PIVOT: Final = ("family_name", "given_name", "birthdate", "birthcountry")


def read_pivot(claims: Mapping[str, Any], *, now_s: int) -> Civil:
    """The civil record of a pivot identity; raises Problem naming the claim, never its content."""
    missing = [name for name in PIVOT if not _is_text(claims.get(name))]
    if missing:
        raise Problem(codes.FEDERATION_CLAIMS_INCOMPLETE, ", ".join(missing))
    listed = claims.get("given_name_array")
    if not (isinstance(listed, list) and listed and all(_is_text(name) for name in listed)):
        claims = {**claims, "given_name_array": None}
    return read_claims(claims, now_s=now_s)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
