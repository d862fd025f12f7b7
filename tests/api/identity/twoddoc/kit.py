"""An authority of our own that issues 2D-Docs: what no town can get without paying, for tests only."""

import base64
import io
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import zxingcpp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from PIL import Image

from app.identity.twoddoc.code import EPOCH, GS
from app.identity.twoddoc.trust import IN_ACCORD, Trust, index_certificates, parse_trust_list

TODAY = date(2026, 9, 21)
NOW_S = int(datetime(2026, 9, 21, 12, tzinfo=UTC).timestamp())
HASHES = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
CURVES = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
INVOICE = {
    "10": "MME/ANA/LEFEVRE",
    "22": "3 RUE DU BEFFROI",
    "24": "59000",
    "25": "LILLE",
    "26": "FR",
}


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@cache
def authority_key(which: str):
    """RSA, as the listed authorities have."""
    del which
    return rsa.generate_private_key(65_537, 2_048)


@cache
def signer_key(bits: int = 256):
    return ec.generate_private_key(CURVES[bits])


def certify(subject, issuer_name, public_key, issuer_key, start=None, end=None):
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer_name))
    return (
        builder.public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start or datetime(2025, 1, 1, tzinfo=UTC))
        .not_valid_after(end or datetime(2027, 1, 1, tzinfo=UTC))
        .sign(issuer_key, hashes.SHA256())
    )


@cache
def root(which: str = "FR98"):
    key = authority_key(which)
    return certify(which, which, key.public_key(), key)


def leaf(cert_id="0001", bits=256, **life):
    return certify(cert_id, "FR98", signer_key(bits).public_key(), authority_key("FR98"), **life)


def trust_list(status=IN_ACCORD, next_update="2027-02-25T11:00:00Z", roots=("FR98",)) -> bytes:
    providers = "".join(
        f"<TrustServiceProvider><TSPInformation><TSPTradeName><Name>{r}</Name></TSPTradeName></TSPInformation>"
        f"<TSPServices><TSPService><ServiceInformation><ServiceDigitalIdentity><DigitalId><X509Certificate>"
        f"{base64.b64encode(root(r).public_bytes(Encoding.DER)).decode()}</X509Certificate></DigitalId>"
        f"</ServiceDigitalIdentity><ServiceStatus>{status}</ServiceStatus></ServiceInformation></TSPService>"
        f"</TSPServices></TrustServiceProvider>"
        for r in roots
    )
    return (
        f'<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#"><SchemeInformation>'
        f"<ListIssueDateTime>2026-08-25T11:00:00Z</ListIssueDateTime><NextUpdate><dateTime>{next_update}"
        f"</dateTime></NextUpdate></SchemeInformation><TrustServiceProviderList>{providers}"
        f"</TrustServiceProviderList></TrustServiceStatusList>"
    ).encode()


def trust(*certificates, **listed) -> Trust:
    parsed = parse_trust_list(trust_list(**listed))
    return Trust(parsed, index_certificates(parsed, certificates or (leaf(),)))


def folder(path: Path) -> Path:
    """The operator's folder."""
    (path / "certificates").mkdir(parents=True)
    (path / "trust-list.xml").write_bytes(trust_list())
    (path / "certificates" / "0001.pem").write_bytes(leaf().public_bytes(Encoding.PEM))
    return path


def days(day: date | None) -> str:
    return "FFFF" if day is None else f"{(day - EPOCH).days:04X}"


def issue(
    fields=None,
    *,
    version="04",
    ca="FR98",
    cert="0001",
    issued=TODAY - timedelta(days=30),
    signed=TODAY - timedelta(days=30),
    kind="01",
    bits=256,
    end=GS,
) -> str:
    """A signed code; fixed fields first, as issuers do."""
    fields = INVOICE if fields is None else fields
    body = "".join(n + v + ("" if n in ("24", "26") else end) for n, v in fields.items())
    country = "FR" if version == "04" else ""
    text = f"DC{version}{ca}{cert}{days(issued)}{days(signed)}{kind}01{country}{body}"
    return f"{text}\x1f{sign(text, bits)}"


def sign(text: str, bits: int = 256) -> str:
    der = signer_key(bits).sign(text.encode(), ec.ECDSA(HASHES[bits]))
    half = (bits + 7) // 8
    raw = b"".join(part.to_bytes(half, "big") for part in decode_dss_signature(der))
    return base64.b32encode(raw).decode().rstrip("=")


def draw(text: str, scale: int = 4, kind: str = "PNG") -> bytes:
    """The Data Matrix as an invoice prints it."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix)
    pixels = zxingcpp.write_barcode_to_image(code, scale=scale)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()
