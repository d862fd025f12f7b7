"""Citizens whose every personal field is a string that occurs nowhere else, and the search for them in any bytes.

What a thief tries is here too: every form in which a careless program leaves a name (research of the field:
raw, cases, normal forms, encodings, plain digests), and the guesses of who knows all names of a town.
"""

import base64
import hashlib
import hmac
import json
import re
import unicodedata
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

from app.identity.civil import Civil, list_digests, normalise_name
from chain.codec.canonical import b64url_encode, encode_canonical

FAMILY_NAMES = ("Zzcanarïelle", "Qwyzômbert", "Xévaltroudz", "Kjœrnvalczy", "Wrzéplonski", "Ytrôbanvik",
                "Vzälgrimouet", "Uxîndelkarz")  # fmt: skip
GIVEN_NAMES = ("Ézyclémentie", "Thyränodor", "Quixôtine", "Zéphyrandol")
DATE_FORMS = ("{0}-{1}-{2}", "{0}{1}{2}", "{2}/{1}/{0}", "{2}.{1}.{0}", "{2}{1}{0}")


def canary(number: int) -> dict[str, Any]:
    """The civil record of canary citizen `number` (0 to 7), as a clerk types it."""
    return {
        "family_name": FAMILY_NAMES[number],
        "given_names": [GIVEN_NAMES[number % 4], GIVEN_NAMES[(number + 1) % 4]],
        "birthdate": f"190{number}-0{number + 1}-2{number}",
        "birthplace": f"2B9{number}7",
        "usage_name": f"Épouse{FAMILY_NAMES[number][::-1]}",
        "address": f"{number}7391 impasse du Canari-Schœlzig, bâtiment Ÿ",
    }


def civil_of(fields: dict[str, Any]) -> Civil:
    return Civil(**{**fields, "given_names": tuple(fields["given_names"])})


def strings_of(fields: dict[str, Any]) -> Iterator[str]:
    """Every string that gives the citizen away; a birth date in each of its usual spellings.

    A birthplace of five digits alone is no secret and would be found by chance.
    """
    yield from (fields["family_name"], fields["usage_name"], fields["address"])
    yield from fields["given_names"]
    yield from (form.format(*fields["birthdate"].split("-")) for form in DATE_FORMS)


def forms(text: str) -> dict[str, bytes]:
    """The text as a careless program leaves it: form's name to bytes."""
    spelled = {
        "raw": text,
        "lower": text.lower(),
        "upper": text.upper(),
        "nfd": unicodedata.normalize("NFD", text),
        "normalised": normalise_name(text),
        "json": json.dumps(text)[1:-1],
        "url": urllib.parse.quote(text),
        "url+": urllib.parse.quote_plus(text),
    }
    found = {name: value.encode() for name, value in spelled.items() if value}
    raw = text.encode()
    found |= {"utf-16": text.encode("utf-16-le"), "latin-1": text.encode("latin-1", "replace")}
    found |= {"hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
    for shift in range(3):  # the same letters at each place within a base64 group
        coded = base64.b64encode(b"\0" * shift + raw)[(0, 2, 3)[shift] : -4]
        found[f"base64/{shift}"] = coded
        found[f"base64url/{shift}"] = coded.replace(b"+", b"-").replace(b"/", b"_")
    for name in ("raw", "lower", "upper", "nfd", "normalised"):
        value = spelled[name]
        if not value:
            continue  # a date has no letters, and the digest of nothing is everywhere
        for digest in (hashlib.sha256(value.encode()), hashlib.sha1(value.encode())):
            found[f"{digest.name} of {name}"] = digest.digest()
            found[f"{digest.name} hex of {name}"] = digest.hexdigest().encode()
            found[f"{digest.name} b64url of {name}"] = b64url_encode(digest.digest()).encode()
    return {name: value for name, value in found.items() if len(value) >= 5}


def search(places: dict[str, bytes], citizens: Iterable[dict[str, Any]]) -> list[str]:
    """Where a citizen shows: `place: form of text`; empty when nobody is found."""
    needles = [
        (f"{form} of {text}", needle)
        for fields in citizens
        for text in strings_of(fields)
        for form, needle in forms(text).items()
    ]
    return [
        f"{place}: {what}"
        for place, content in places.items()
        for what, needle in needles
        if needle in content
    ]


# --- guessing ------------------------------------------------------------------------------------


def dictionary(count: int, besides: Iterable[dict[str, Any]]) -> list[Civil]:
    """`count` plausible townspeople with those the thief hopes to find among them."""
    hoped = [civil_of(fields) for fields in besides]
    names = (
        "Martin",
        "Bernard",
        "Lefèvre",
        "N’Diaye",
        "Le Goff",
        "Nguyễn",
        "Garcia",
        "Saint-Exupéry",
    )
    made = [
        Civil(
            family_name=f"{names[i % 8]} {_letters(i // 8)}",
            given_names=(GIVEN_NAMES[i % 4], "Jean-Luc"),
            birthdate=f"{1930 + i % 80}-{1 + i % 12:02d}-{1 + i % 28:02d}",
            birthplace=f"{10_000 + i % 80_000:05d}",
        )
        for i in range(count - len(hoped))
    ]
    return made[: count // 2] + hoped + made[count // 2 :]


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def tokens(places: dict[str, bytes]) -> set[bytes]:
    """Every digest-like value in the loot, as bytes: 64 hex digits, or 43 of base64url; and sealed blobs' heads."""
    found: set[bytes] = set()
    for content in places.values():
        found |= {bytes.fromhex(m.decode()) for m in re.findall(rb"[0-9a-f]{64}", content)}
        for match in re.findall(rb"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])", content):
            found.add(base64.urlsafe_b64decode(match + b"="))
    return found


def guess_without_key(loot: set[bytes], people: Iterable[Civil]) -> list[Civil]:
    """Who is found by digests that need no key, in every construction a thief would try first."""
    return [person for person in people if not loot.isdisjoint(_plain_digests(person))]


def guess_with_key(loot: set[bytes], people: Iterable[Civil], key: bytes) -> list[Civil]:
    """Who is found by whoever also has the index key."""
    return [
        person
        for person in people
        if any(bytes.fromhex(digest) in loot for _, digest in list_digests(key, person))
    ]


def _plain_digests(person: Civil) -> set[bytes]:
    given = " ".join(normalise_name(name) for name in person.given_names)
    family = normalise_name(person.family_name)
    parts = (family, given, person.birthdate, person.birthplace, person.birthcountry)
    messages = [
        encode_canonical(person),
        "".join(parts).encode(),
        "|".join(parts).encode(),
        f"{family} {given}".encode(),
        f"{family}{given}{person.birthdate}".encode(),
        *(
            _prefixed(f"beffroi-duplicate-{kind}-v1", *parts)
            for kind in ("strict", "loose", "swap")
        ),
        _prefixed("beffroi-duplicate-loose-v1", family, given.partition(" ")[0], person.birthdate),
        b"beffroi-civil-1" + bytes(32) + encode_canonical(person),
        b"beffroi-civil-1" + encode_canonical(person),
    ]
    digests = {hashlib.sha256(message).digest() for message in messages}
    digests |= {hmac.digest(key, messages[0], "sha256") for key in (b"", bytes(32))}
    return digests | {bytes.fromhex(digest) for _, digest in list_digests(bytes(32), person)}


def _prefixed(*fields: str) -> bytes:
    return b"".join(len(f.encode()).to_bytes(2, "big") + f.encode() for f in fields)
