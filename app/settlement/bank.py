"""What banks read: IBANs, the QR text of a credit transfer (EPC069-12), and pain.001 files checked by the ISO schema.

Reads: values.  Writes: nothing.  Never: a database; says who pays whom only to its caller.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Final

import segno
from sepaxml import SepaTransfer

PAIN_SCHEMA: Final = "pain.001.001.09"
NAME_MAX_CHARS: Final = 70
"""Of a payment's parties, in EPC069-12 and ISO 20022 alike."""
NAME_MAX_BYTES: Final = 210
"""Three a character, as Latin, Greek and Cyrillic need at most: all of a code then fits EPC_MAX_BYTES."""
EPC_MAX_BYTES: Final = 331
EPC_MAX_VERSION: Final = 13
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}\Z")
_FRENCH_IBAN_CHARS: Final = 27
_LINE_BREAKS: Final = re.compile(r"[\r\n\t]+")


@dataclass(frozen=True, slots=True)
class Party:
    """A bank account and its holder."""

    name: str
    iban: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """A payment to make; `reference` is what the payee finds it by."""

    payee: Party
    cents: int
    reference: str


def read_iban(text: str) -> str | None:
    """The IBAN without blanks, in capitals; None when form or check digits are wrong (ISO 13616)."""
    iban = "".join(text.split()).upper()
    if not _IBAN.match(iban) or (iban.startswith("FR") and len(iban) != _FRENCH_IBAN_CHARS):
        return None
    digits = "".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])
    return iban if int(digits) % 97 == 1 else None


def clean_name(text: str) -> str:
    """A holder's name as a bank takes it: one line, at most 70 characters and 210 bytes of UTF-8."""
    name = _LINE_BREAKS.sub(" ", text).strip()[:NAME_MAX_CHARS]
    return name.encode()[:NAME_MAX_BYTES].decode(errors="ignore")


def format_reference(epoch: int, leg: int) -> str:
    """The end-to-end reference of a leg: `BEFFROI-12-3`, within the 35 characters of ISO 20022."""
    return f"BEFFROI-{epoch}-{leg}"


def make_epc_text(transfer: Transfer) -> str:
    """Text of a credit-transfer QR code, version 002 (no BIC within the EEA), UTF-8; raises ValueError when too long.

    Source: EPC069-12 v2.1, the twelve data elements in order; trailing empty ones are left out.
    """
    euros, cents = divmod(transfer.cents, 100)
    if not 0 < transfer.cents <= 99_999_999_999:
        raise ValueError("an amount is 0.01 to 999999999.99 EUR")
    lines = (
        "BCD",
        "002",
        "1",
        "SCT",
        "",
        clean_name(transfer.payee.name),
        transfer.payee.iban,
        f"EUR{euros}.{cents:02d}",
        "",
        "",
        transfer.reference,
    )
    text = "\n".join(lines)
    if len(text.encode()) > EPC_MAX_BYTES:
        raise ValueError(f"at most {EPC_MAX_BYTES} bytes")
    return text


def draw_epc(text: str) -> str:
    """The code as SVG: error level M and at most version 13, as EPC069-12 fixes them."""
    code = segno.make(text, error="m", boost_error=False, micro=False, encoding="utf-8", eci=False)
    assert int(code.version) <= EPC_MAX_VERSION, "331 bytes fit version 13"
    picture = BytesIO()
    code.save(picture, kind="svg", scale=4, xmldecl=False)
    return picture.getvalue().decode()


def make_pain(payer: Party, transfers: Iterable[Transfer], *, message: str, due: date) -> bytes:
    """A pain.001.001.09 file of one debtor's transfers, checked against the ISO 20022 schema that sepaxml ships.

    Raises ValueError when there is nothing to pay; sepaxml's ValidationError when the schema refuses a value.
    """
    config = {
        "name": clean_name(payer.name),
        "IBAN": payer.iban,
        "batch": True,
        "currency": "EUR",
        "msg_id": message,
    }
    file = SepaTransfer(config, schema=PAIN_SCHEMA, clean=True)
    count = 0
    for transfer in transfers:
        count += 1
        file.add_payment(
            {
                "name": clean_name(transfer.payee.name),
                "IBAN": transfer.payee.iban,
                "amount": transfer.cents,
                "execution_date": due,
                "description": transfer.reference,
                "endtoend_id": transfer.reference,
            }
        )
    if not count:
        raise ValueError("nothing to pay")
    exported: bytes = file.export(validate=True)
    return exported
