"""Who may sign 2D-Docs: the State's trust list, and the authorities' signing certificates.

The operator puts both into one folder (docs/2ddoc.md): `trust-list.xml` as France Titres publishes it, and
`certificates/` with the signing certificates that the authorities publish. Nothing is fetched. The list counts
until its own next update; a signing certificate counts when a listed authority signed it.
Reads: that folder.  Never: judges the list's XML signature (the operator does, see the page).
Source: ETSI TS 119 612 (trusted lists); research/identity.md §3.1.
"""

import base64
import binascii
import xml.etree.ElementTree as ET  # the operator's own file; a document type is refused, so nothing expands
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

IN_ACCORD: Final = "http://uri.etsi.org/TrstSvc/Svcstatus/inaccord"
LIST_BYTES_MAX: Final = 1_048_576
CERTIFICATES_MAX: Final = 10_000
_NS: Final = {"t": "http://uri.etsi.org/02231/v2#"}
_HASHES: Final[Mapping[type[ec.EllipticCurve], type[hashes.HashAlgorithm]]] = {
    ec.SECP256R1: hashes.SHA256,
    ec.SECP384R1: hashes.SHA384,
    ec.SECP521R1: hashes.SHA512,
}


class TrustError(Exception):
    """The folder does not hold a list or certificates that can be read; the message says which file."""


@dataclass(frozen=True, slots=True)
class TrustList:
    """The listed authorities that are in accord, by their four characters (FR06)."""

    issued_at: datetime
    next_update_at: datetime
    authorities: Mapping[str, tuple[x509.Certificate, ...]] = field(repr=False)

    def is_current(self, now_s: int) -> bool:
        """Whether the list still speaks at that time."""
        return self.issued_at.timestamp() <= now_s < self.next_update_at.timestamp()


@dataclass(frozen=True, slots=True)
class Trust:
    """The list, and signing certificates by (authority, certificate id)."""

    trust_list: TrustList
    certificates: Mapping[tuple[str, str], x509.Certificate] = field(repr=False)


def load_trust(folder: Path) -> Trust:
    """Read the folder; raises TrustError. A certificate that no listed authority signed is left out."""
    try:
        raw = (folder / "trust-list.xml").read_bytes()
    except OSError as error:
        raise TrustError(f"{folder / 'trust-list.xml'} cannot be read") from error
    trust_list = parse_trust_list(raw)
    files = sorted((folder / "certificates").glob("*"))[:CERTIFICATES_MAX]
    return Trust(trust_list, index_certificates(trust_list, _read_certificates(files)))


def parse_trust_list(raw: bytes) -> TrustList:
    """The authorities of a trust list; raises TrustError."""
    if len(raw) > LIST_BYTES_MAX or b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise TrustError("trust-list.xml is too large or declares entities")
    try:
        root = ET.fromstring(raw)  # noqa: S314  # see the import
        issued = _read_time(root, ".//t:ListIssueDateTime")
        next_update = _read_time(root, ".//t:NextUpdate/t:dateTime")
        authorities: dict[str, tuple[x509.Certificate, ...]] = {}
        for provider in root.iterfind(".//t:TrustServiceProvider", _NS):
            name = provider.findtext(".//t:TSPTradeName/t:Name", "", _NS).strip()
            authorities[name] = authorities.get(name, ()) + tuple(_read_services(provider))
    except (ET.ParseError, ValueError, binascii.Error) as error:
        raise TrustError("trust-list.xml is not a trust list") from error
    return TrustList(issued, next_update, authorities)


def _read_time(root: ET.Element, path: str) -> datetime:
    text = root.findtext(path, "", _NS).strip()
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def _read_services(provider: ET.Element) -> Iterable[x509.Certificate]:
    for service in provider.iterfind(".//t:TSPService/t:ServiceInformation", _NS):
        if service.findtext("t:ServiceStatus", "", _NS).strip() != IN_ACCORD:
            continue
        for text in service.iterfind(".//t:X509Certificate", _NS):
            yield x509.load_der_x509_certificate(
                base64.b64decode("".join((text.text or "").split()))
            )


def _read_certificates(files: Iterable[Path]) -> Iterable[x509.Certificate]:
    for path in files:
        raw = path.read_bytes()
        is_pem = raw.lstrip().startswith(b"-----BEGIN")
        try:
            read = x509.load_pem_x509_certificate if is_pem else x509.load_der_x509_certificate
            yield read(raw)
        except ValueError as error:
            raise TrustError(f"{path} is not a certificate") from error


def index_certificates(
    trust_list: TrustList, certificates: Iterable[x509.Certificate]
) -> dict[tuple[str, str], x509.Certificate]:
    """Signing certificates that a listed authority signed; the common name is the id that codes carry."""
    found = {}
    for certificate in certificates:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        for authority, roots in trust_list.authorities.items():
            if names and any(_is_signed_by(certificate, root) for root in roots):
                found[authority, str(names[0].value)] = certificate
    return found


def _is_signed_by(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_signed(certificate: x509.Certificate, message: bytes, signature: bytes) -> bool:
    """ECDSA over r‖s with the hash that belongs to the curve; False for any other key or length."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or type(key.curve) not in _HASHES:
        return False
    half = (key.curve.key_size + 7) // 8
    if len(signature) != 2 * half:
        return False
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(_HASHES[type(key.curve)]()))
    except InvalidSignature:
        return False
    return True
