"""The verdict on a proof of residence: genuine, recent, of this person, of this town.

Order: form, trust list, authority, certificate, signature, and only then what the document says.
Reads: what it is handed.  Never: keeps a document; an agent sees names and address, the evidence is a level and a date.
Source: research/identity.md §1.5 (R2: machine-checked, < 3 months), §3.1.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from cryptography import x509

from app.core.problems import Problem
from app.identity.civil import normalise_name
from app.identity.twoddoc import codes
from app.identity.twoddoc.code import CodeMalformed, TwoDDoc, parse_code
from app.identity.twoddoc.trust import Trust, is_signed

KINDS: Final = {"00": "residence_proof", "01": "invoice", "02": "housing_tax_notice"}
"""Types of perimeter 01 that prove a residence (specification §6.1)."""
AGE_MAX_DAYS: Final = 92
"""Three months."""
AHEAD_MAX_DAYS: Final = 1
"""An invoice printed on the eve carries tomorrow's date."""
_ADDRESS: Final = ("20", "21", "22", "23")


@dataclass(frozen=True, slots=True)
class ResidenceProof:
    """What a genuine document says; personal, so it goes to the agent and nowhere else."""

    kind: str
    issued_on: date
    names: tuple[str, ...] = field(repr=False)
    address: str = field(repr=False)
    postcode: str
    city: str
    is_cut_short: bool
    """The issuer shortened a name or a line: compare by eye."""


def verify_residence(
    text: str, trust: Trust, *, postcodes: frozenset[str], now_s: int
) -> ResidenceProof:
    """Judge one code; raises Problem. An empty `postcodes` asks for no town."""
    code = verify_code(text, trust, now_s=now_s)
    if code.type not in KINDS:
        raise Problem(codes.TWODDOC_NOT_RESIDENCE, code.type)
    issued_on = code.issued_on
    today = _day_of(now_s)
    oldest, newest = today - timedelta(days=AGE_MAX_DAYS), today + timedelta(days=AHEAD_MAX_DAYS)
    if issued_on is None or not oldest <= issued_on <= newest:
        raise Problem(codes.TWODDOC_EXPIRED)
    postcode = code.fields.get("24", "")
    if code.fields.get("26") != "FR" or (postcodes and postcode not in postcodes):
        raise Problem(codes.TWODDOC_ELSEWHERE)
    lines = [code.fields.get(name, "") for name in _ADDRESS]
    return ResidenceProof(
        kind=KINDS[code.type],
        issued_on=issued_on,
        names=tuple(_read_names(code)),
        address=", ".join(line for line in lines if line),
        postcode=postcode,
        city=code.fields.get("25", ""),
        is_cut_short=bool(code.truncated),
    )


def verify_code(text: str, trust: Trust, *, now_s: int) -> TwoDDoc:
    """A 2D-Doc of any type whose signature a listed authority answers for; raises Problem."""
    try:
        code = parse_code(text)
    except CodeMalformed as error:
        raise Problem(codes.TWODDOC_MALFORMED, str(error)) from error
    if not trust.trust_list.is_current(now_s):
        raise Problem(codes.TWODDOC_LIST_EXPIRED)
    if not trust.trust_list.authorities.get(code.authority):
        raise Problem(codes.TWODDOC_UNKNOWN_AUTHORITY, code.authority)
    certificate = trust.certificates.get((code.authority, code.certificate))
    if certificate is None:
        raise Problem(codes.TWODDOC_UNKNOWN_CERTIFICATE, f"{code.authority} {code.certificate}")
    if not _was_alive(certificate, code.signed_on, now_s):
        raise Problem(codes.TWODDOC_CERTIFICATE_EXPIRED)
    if not is_signed(certificate, code.signed_part, code.signature):
        raise Problem(codes.TWODDOC_FORGED)
    return code


def _was_alive(certificate: x509.Certificate, signed_on: date | None, now_s: int) -> bool:
    """On the day of signature, which is not to come; a code without that day counts as signed now."""
    today = _day_of(now_s)
    day = today if signed_on is None else signed_on
    first, last = certificate.not_valid_before_utc.date(), certificate.not_valid_after_utc.date()
    return first <= day <= last and day <= today + timedelta(days=AHEAD_MAX_DAYS)


def _read_names(code: TwoDDoc) -> Iterable[str]:
    """Beneficiary and co-beneficiary: one line with strokes, or title, given and family name."""
    for line, given, family in (("10", "12", "13"), ("1I", "1K", "1L")):
        whole = code.fields.get(line, "").replace("/", " ")
        apart = f"{code.fields.get(given, '')} {code.fields.get(family, '')}"
        if name := (whole or apart).strip():
            yield name


def is_named(
    proof: ResidenceProof, family_names: Iterable[str], given_names: Iterable[str]
) -> bool:
    """Whether one line of the document names this person: a family name whole, and a given name."""
    given = [set(normalise_name(name).split()) for name in given_names]
    for line in proof.names:
        words = set(normalise_name(line).split())
        has_family = any(
            family and set(family) <= words
            for family in (normalise_name(name).split() for name in family_names)
        )
        if has_family and any(name and name <= words for name in given):
            return True
    return False


def _day_of(now_s: int) -> date:
    return datetime.fromtimestamp(now_s, UTC).date()
