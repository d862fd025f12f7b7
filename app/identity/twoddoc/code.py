"""The 2D-Doc format: header, fields, signature; perimeter 01, C40, versions 03 and 04.

    DC 04 FR06 ABCD 1636 1637 01 01 FR │ id value [GS] … │ US │ base32 of r‖s
    version, authority, certificate, issue and signature dates (days since 2000, hex), type, perimeter, country

Reads: nothing.  Writes: nothing.  Never: judges a signature; never gives a part of a code that is not whole.
Source: spécifications techniques des codes à barres 2D-Doc, France Titres, v3 (§4 format, §7-8 fields and types).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

CODE_CHARS_MAX: Final = 2_335
"""What the largest Data Matrix (144 x 144) holds in C40."""
EPOCH: Final = date(2000, 1, 1)
NO_DATE: Final = "FFFF"
GS, RS, US = "\x1d", "\x1e", "\x1f"
"""End of a variable field; end of a truncated one; end of the signed part."""
HEADER: Final = re.compile(
    r"DC(?P<version>03|04)(?P<ca>[A-Z]{2}[0-9A-Z]{2})(?P<certificate>[0-9A-Z]{4})(?P<issued>[0-9A-F]{4})"
    r"(?P<signed>[0-9A-F]{4})(?P<type>[0-9A-Z]{2})(?P<perimeter>[0-9A-Z]{2})(?P<rest>.*)",
    re.DOTALL,
)
COUNTRY: Final = re.compile(r"[A-Z]{2}")
FIXED: Final[Mapping[str, int]] = {
    "06": 4, "07": 6, "08": 4, "09": 4, "0A": 9, "0B": 9, "0D": 36, "1C": 8, "1G": 1, "1H": 1, "24": 5, "26": 2,
    "2B": 5, "2D": 2, "40": 13, "44": 13, "45": 4, "47": 13, "49": 13, "4A": 8, "4B": 8,
}  # fmt: skip
"""Characters of the fields that have no end mark."""
VARIABLE: Final[Mapping[str, int]] = {
    **dict.fromkeys(("01", "02", "03", "04", "05", "0C", "18", "19", "1A", "1B"), 200),
    **dict.fromkeys((f"1{c}" for c in "01234567IJKLMNOP"), 38),
    **dict.fromkeys(("20", "21", "22", "23", "27", "28", "29", "2A", "46", "48"), 38),
    "1D": 16, "1E": 30, "1F": 30, "25": 32, "2C": 32,
    **dict.fromkeys(("41", "42", "43", "4T", "4U", "4V", "4W", "4X", "4Y", "4Z"), 200),
}  # fmt: skip
"""Most characters of the fields that end with GS, with RS where cut short, or at their full length."""


class CodeMalformed(Exception):
    """Not a whole 2D-Doc of a kind known here; the message names the part, never its content."""


@dataclass(frozen=True, slots=True)
class TwoDDoc:
    """One code as read: nothing of it is true until its signature was verified."""

    authority: str
    certificate: str
    issued_on: date | None
    signed_on: date | None
    type: str
    fields: Mapping[str, str] = field(repr=False)
    truncated: frozenset[str]
    """Fields that their issuer cut short."""
    signed_part: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    """r ‖ s."""


def parse_code(text: str) -> TwoDDoc:
    """Read one code; raises CodeMalformed."""
    if len(text) > CODE_CHARS_MAX:
        raise CodeMalformed("size")
    signed_text, mark, tail = text.partition(US)
    header = HEADER.fullmatch(signed_text)
    if not mark or header is None or not signed_text.isascii():
        raise CodeMalformed("header")
    if header["perimeter"] != "01":
        raise CodeMalformed("perimeter")
    rest = header["rest"]
    if header["version"] == "04":
        if COUNTRY.match(rest) is None:
            raise CodeMalformed("country")
        rest = rest[2:]
    fields, truncated = _read_fields(rest)
    return TwoDDoc(
        authority=header["ca"],
        certificate=header["certificate"],
        issued_on=read_date(header["issued"]),
        signed_on=read_date(header["signed"]),
        type=header["type"],
        fields=fields,
        truncated=truncated,
        signed_part=signed_text.encode("ascii"),
        signature=_read_signature(tail),
    )


def read_date(text: str) -> date | None:
    """Days since 1 January 2000 in four hexadecimal digits; None for FFFF."""
    return None if text == NO_DATE else EPOCH + timedelta(days=int(text, 16))


def _read_fields(text: str) -> tuple[dict[str, str], frozenset[str]]:
    fields: dict[str, str] = {}
    truncated = set()
    while text:
        name, text = text[:2], text[2:]
        if name in fields:
            raise CodeMalformed(f"field {name} twice")
        if name in FIXED:
            value, text = text[: FIXED[name]], text[FIXED[name] :]
            if len(value) < FIXED[name] or any(mark in value for mark in (GS, RS)):
                raise CodeMalformed(f"field {name}")
        elif name in VARIABLE:
            value, mark, text = _cut(text, VARIABLE[name])
            if mark == RS:
                truncated.add(name)
        else:
            raise CodeMalformed(f"field {name!r} is not known")
        fields[name] = value
    return fields, frozenset(truncated)


def _cut(text: str, most: int) -> tuple[str, str, str]:
    """(value, end mark or empty, what follows) of a variable field."""
    for position, character in enumerate(text[: most + 1]):
        if character in (GS, RS):
            return text[:position], character, text[position + 1 :]
    return text[:most], "", text[most:]


def _read_signature(text: str) -> bytes:
    """Unpadded base32 of r‖s: 64, 96 or 132 bytes."""
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError) as error:
        raise CodeMalformed("signature") from error
    if len(raw) not in (64, 96, 132):
        raise CodeMalformed("signature")
    return raw
