"""Anonymous transactions as the relay reads them: enough to know which election they are for and when they may leave.

The chain judges them; here only form, town and kind are read, with the chain's own strict codec.
Reads: bytes.  Writes: nothing.
"""

from dataclasses import dataclass
from typing import Final

from app.core.problems import Problem
from app.relay.entitlement import name_registration
from chain.town.envelope import TX_MAX_BYTES, AnonymousEnvelope, decode_anonymous
from chain.town.votes_schemas import CredRegister

TRANSACTION_MAX_BYTES: Final = TX_MAX_BYTES


@dataclass(frozen=True, slots=True)
class Anonymous:
    """One transaction by what the relay needs of it."""

    raw: bytes
    key: str
    """SHA-256 of its bytes, hex."""
    name: str
    """Under which it is held: its key; for a registration that of its credential, so that one credential is one row."""
    kind: str
    election: str
    body: object


def read_anonymous(raw: bytes, *, town: str) -> Anonymous:
    """Read one transaction; raises Problem for what is too large, malformed, of another town or not anonymous."""
    found = decode_anonymous(raw, town)
    if not isinstance(found, AnonymousEnvelope):
        raise Problem(found.code, found.detail)
    body, key = found.body, found.raw_hash.hex()
    election: str = body.election  # type: ignore[attr-defined]  # every anonymous body names its election
    name = name_registration(body) if isinstance(body, CredRegister) else key
    return Anonymous(raw, key, name, found.type, election, body)
