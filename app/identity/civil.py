"""Civil identity: the record an agent reads from a title, its commitment, and keyed indices for duplicates.

Reads: nothing.  Writes: nothing.  Never: stores or logs; never leaves a civil string unkeyed or unsalted.
"""

import hashlib
import hmac
import re
import unicodedata
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from chain.codec.canonical import encode_canonical

COMMITMENT_LABEL: Final = b"beffroi-civil-1"
SALT_BYTES: Final = 32
FRANCE_COG: Final = "99100"
"""INSEE code of France; a birthplace code means something only with it."""

_LIGATURES: Final = str.maketrans(
    {"Œ": "OE", "œ": "oe", "Æ": "AE", "æ": "ae", "ß": "ss", "ẞ": "SS", "Ø": "O", "ø": "o",
     "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "ı": "i"}
)  # fmt: skip
_NOT_LETTERS: Final = re.compile(r"[^A-Z]+")

Name = Annotated[str, Meta(min_length=1, max_length=100)]


class Civil(Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent reads on the title; partial birth dates use 00 (FranceConnect's form)."""

    family_name: Name
    given_names: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=10)]
    birthdate: Annotated[str, Meta(pattern=r"^[0-9]{4}-(0[0-9]|1[0-2])-([0-2][0-9]|3[01])\Z")]
    birthplace: Annotated[str, Meta(pattern=r"^(([0-9]{2}|2[AB])[0-9]{3})?\Z")] = ""
    """INSEE commune code (Corsica 2A, 2B; overseas 97, 98), empty when born abroad."""
    birthcountry: Annotated[str, Meta(pattern=r"^99[0-9]{3}\Z")] = FRANCE_COG
    usage_name: Annotated[str, Meta(max_length=100)] = ""
    """Name by marriage or usage, as printed on the title; never a reason to take two people for one."""
    address: Annotated[str, Meta(max_length=300)] = ""
    """Checked at the desk for the residence axis; erasable like the rest."""


class DuplicateKeys(Struct, frozen=True):
    """The three keyed indices of one person, hex; off chain only."""

    strict: str
    loose: str
    swap: str


DuplicateKind = Literal["strict", "loose", "swap"]


def normalise_name(name: str) -> str:
    """Letters A-Z and single spaces; two spellings of one name become one string.

    Order: NFC, ligatures, NFKD, marks dropped, upper case, all else to one space.
    """
    text = unicodedata.normalize("NFC", name).translate(_LIGATURES)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _NOT_LETTERS.sub(" ", text.upper()).strip()


def compute_commitment(civil: Civil, salt: bytes) -> bytes:
    """SHA-256(label ‖ salt ‖ canonical record): with the salt destroyed it opens to nobody."""
    return hashlib.sha256(COMMITMENT_LABEL + salt + encode_canonical(civil)).digest()


def compute_duplicate_keys(key: bytes, civil: Civil) -> DuplicateKeys:
    """Indices that meet when two records may be one person.

    strict: same person. loose: first given name only. swap: name tokens in any order (inverted and
    married names). A birthplace counts for France only, as FranceConnect does.
    """
    given = [normalise_name(name) for name in civil.given_names]
    family = normalise_name(civil.family_name)
    place = civil.birthplace if civil.birthcountry == FRANCE_COG else ""
    tokens = sorted(" ".join([family, *given]).split())
    return DuplicateKeys(
        strict=_keyed(
            key, "strict-v1", family, " ".join(given), civil.birthdate, place, civil.birthcountry
        ),
        loose=_keyed(key, "loose-v1", family, given[0].partition(" ")[0], civil.birthdate),
        swap=_keyed(key, "swap-v1", " ".join(tokens), civil.birthdate),
    )


def list_digests(key: bytes, civil: Civil) -> tuple[tuple[DuplicateKind, str], ...]:
    """(kind, digest) of one person; a usage name adds loose and swap ones, so that a married name meets."""
    own = compute_duplicate_keys(key, civil)
    found: list[tuple[DuplicateKind, str]] = [
        ("strict", own.strict),
        ("loose", own.loose),
        ("swap", own.swap),
    ]
    if civil.usage_name:
        used = compute_duplicate_keys(key, replace(civil, family_name=civil.usage_name))
        found += [("loose", used.loose), ("swap", used.swap)]
    return tuple(dict.fromkeys(found))


def compute_tombstone(key: bytes, ballot: str, civil: Civil) -> str:
    """What stays of an erased person until a ballot ends: another digest for every ballot."""
    return _keyed(key, "tombstone-v1", ballot, compute_duplicate_keys(key, civil).strict)


def _keyed(key: bytes, label: str, *fields: str) -> str:
    """HMAC-SHA-256 over length-prefixed fields: ("ab","c") and ("a","bc") never meet."""
    parts = [f"beffroi-duplicate-{label}", *fields]
    message = b"".join(len(p.encode()).to_bytes(2, "big") + p.encode() for p in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()
