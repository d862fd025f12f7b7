"""Looks for civil strings in raw bytes, in every spelling somebody could have left them in."""

import base64
import hashlib
import json
import unicodedata
from pathlib import Path
from urllib.parse import quote

from app.identity.civil import normalise_name


def spellings(text: str) -> dict[str, bytes]:
    """Every form of one string, by name: raw, case, Unicode forms, encodings and unsalted hashes."""
    forms = {
        "raw": text,
        "lower": text.lower(),
        "upper": text.upper(),
        "nfd": unicodedata.normalize("NFD", text),
        "normalised": normalise_name(text),
        "json": json.dumps(text)[1:-1],
        "url": quote(text),
    }
    found = {name: form.encode() for name, form in forms.items() if len(form) >= 6}
    for name, form in list(found.items()):
        found[f"{name} utf-16"] = form.decode().encode("utf-16-le")
        found[f"{name} hex"] = form.hex().encode()
        found[f"{name} HEX"] = form.hex().upper().encode()
        digest = hashlib.sha256(form).digest()
        found[f"{name} sha256"] = digest
        found[f"{name} sha256 hex"] = digest.hex().encode()
        found[f"{name} sha256 base64"] = base64.urlsafe_b64encode(digest).rstrip(b"=")
        for shift in range(3):
            for kind, encode in (("", base64.b64encode), ("url", base64.urlsafe_b64encode)):
                inner = encode(bytes(shift) + form)[4:-4]
                if len(inner) >= 8:
                    found[f"{name} base64{kind} {shift}"] = inner
    return found


def find_traces(folder: Path, texts: list[str], *, skip: tuple[str, ...] = ()) -> list[str]:
    """`file: spelling of text` for each hit in the files under `folder` (sub-folders in `skip` left out)."""
    needles = [
        (f"{name} of text {index}", form)
        for index, text in enumerate(texts)
        for name, form in spellings(text).items()
    ]
    hits = []
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        if file.relative_to(folder).parts[0] in skip:
            continue
        content = file.read_bytes()
        hits += [f"{file.name}: {name}" for name, form in needles if form in content]
    return hits
