"""What phone and desk both compute: the proof of possession and the six-digit comparison number.

Shared with the clients on purpose: the number protects nobody if the server alone says what it is.
Reads: nothing.  Writes: nothing.
"""

import hashlib
from typing import Final

POSSESSION_LABEL: Final = "beffroi-enrolment-1"
NUMBER_LABEL: Final = b"beffroi-comparison-1\x00"
QR_PREFIX: Final = "BEFFROI:ENROL:"


def encode_possession(town: str, kid: str, issued_at_s: int) -> bytes:
    """The bytes a phone signs to start an enrolment; the label keeps it from being any transaction."""
    return f"{POSSESSION_LABEL}\n{town}\n{kid}\n{issued_at_s}".encode("ascii")


def compute_comparison_number(enrolment_id: str, kid: str) -> str:
    """Six digits that bind one enrolment to one key.

    The server draws the id after it has seen the key, so nobody can search a second key with the
    same number for an enrolment that is already on a clerk's screen.
    """
    digest = hashlib.sha256(NUMBER_LABEL + f"{enrolment_id}\n{kid}".encode("ascii")).digest()
    return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06d}"
