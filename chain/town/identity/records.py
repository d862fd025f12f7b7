"""What the chain keeps of an identity: a random cid, a key, levels, a commitment, a status; and how many there are.

Reads and writes: namespace identity.  Never: anything civil, nor a date the agents give finer than a month.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from chain.town.accounts import AccountRecord, AccountStatus, RoleRecord, get_account, live_role
from chain.town.context import Overlay, Reader, Table, TxContext
from chain.town.schemas import Bytes16, Bytes32, Jwk, Thumbprint
from chain.types.timestamp import Timestamp

NAMESPACE: Final = "identity"

AGENT_ROLES: Final = frozenset({"clerk", "agent_supervisor"})
"""Who attests and moves identities; the electoral axis is not theirs (PROTOCOL §6)."""
CITIZEN_CURVE: Final = "Ed25519"
"""A citizen's key must survive by words (SLIP-0010) and sign codes (PROTOCOL §2)."""

Status = Literal[
    "active", "suspended", "expired", "moved_out", "ended", "merged", "revoked", "erased"
]
"""`ended` is every ordinary end that may turn out an error: death, departure, a duplicate seen late. Why is never on
the chain: a death is civil data, and whoever was shown a cid once could read it."""
TERMINAL: Final = frozenset({"moved_out", "ended", "merged", "revoked", "erased"})
TRANSITIONS: Final[Mapping[Status, frozenset[str]]] = {
    "active": frozenset({"suspended", "expired"}) | TERMINAL,
    "suspended": frozenset({"active", "expired"}) | TERMINAL,
    "expired": frozenset({"active", "suspended"}) | TERMINAL,
    # From a terminal status only erasure is left: the right to it does not end with moving or dying.
    "moved_out": frozenset({"erased"}),
    # Except from `ended`, for a month: registers err.
    "ended": frozenset({"active", "expired", "erased"}),
    "merged": frozenset({"erased"}),
    "revoked": frozenset({"erased"}),
    "erased": frozenset(),
}


class IdentityRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One identity. `account` is the id of its account of domain identity; `key` that account's present key."""

    cid: Bytes32
    account: Thumbprint
    key: Jwk
    commitment: Bytes32
    blind: Bytes16
    level_identity: int
    level_residence: int
    expires_month: str
    status: Status


class ReversalRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Until when an ended identity may come back: header time, unix seconds."""

    until_s: int


class BatchRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """When the last batch was written (for the first: when the town was born), and how many there were."""

    last_s: int
    batches: int = 0


class CountRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """How many identities were ever written, and how many stand in each status (absent: none)."""

    enrolled: int = 0
    by_status: dict[str, int] = {}


class UsedAttestationRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An agent's word that was taken at this header time; it is never taken again."""

    used_s: int


IDENTITIES: Final = Table(NAMESPACE, "identity", IdentityRecord)
BATCHES: Final = Table(NAMESPACE, "batch", BatchRecord)
COUNTS: Final = Table(NAMESPACE, "count", CountRecord)
USED_ATTESTATIONS: Final = Table(NAMESPACE, "used_attestation", UsedAttestationRecord)
"""By SHA-256 of the agent's key id and the payload: attestations lie in blocks for anybody to send again."""
REVERSALS: Final = Table(NAMESPACE, "reversal", ReversalRecord)
"""By cid, while an ended identity may come back."""
LAST_BATCH_ID: Final = b"last"
LAST_RENEWAL_ID: Final = b"renewal"
TOTAL_ID: Final = b"total"


def init_identity(state: Overlay, genesis_s: int) -> None:
    """Called once by InitChain: the first batch's waiting time runs from the town's birth."""
    BATCHES.put(state, LAST_BATCH_ID, BatchRecord(genesis_s))
    BATCHES.put(state, LAST_RENEWAL_ID, BatchRecord(genesis_s))
    COUNTS.put(state, TOTAL_ID, CountRecord())


def get_identity(state: Reader, cid: str) -> IdentityRecord | None:
    """The identity of that cid, or None."""
    return IDENTITIES.get(state, cid.encode())


def get_counts(state: Reader) -> CountRecord:
    """Enrolment counters."""
    return COUNTS.get(state, TOTAL_ID) or CountRecord()


def is_current(record: IdentityRecord, time_s: int) -> bool:
    """Whether the identity counts at header time: active, and its month of expiry not over."""
    return record.status == "active" and month_of(time_s) <= record.expires_month


def month_of(time_s: int) -> str:
    """`YYYY-MM` (UTC) of unix time: how dates of a person are kept, but for header times that a deadline needs."""
    return Timestamp(time_s).to_rfc3339()[:7]


def get_agent(ctx: TxContext, kid: str) -> RoleRecord | None:
    """The live role of a key that may attest and move identities, or None."""
    role = live_role(ctx.state, kid, ctx.time_s)
    return role if role is not None and role.role in AGENT_ROLES else None


def moved_counts(by_status: Mapping[str, int], status: str, count: int) -> dict[str, int]:
    """Counters with `count` more in one status; sorted, without zeros."""
    moved = {**by_status, status: by_status.get(status, 0) + count}
    assert moved[status] >= 0, "no status counts fewer than nobody"
    return {name: moved[name] for name in sorted(moved) if moved[name]}


def account_of(state: Reader, record: IdentityRecord) -> AccountRecord:
    """The identity's account, which always exists."""
    account = get_account(state, record.account)
    assert account is not None, "an identity always has its account"
    return account


def account_status(status: str) -> AccountStatus:
    """How an account stands while its identity has that status."""
    if status == "active":
        return "open"
    return "closed" if status in TERMINAL - {"ended"} else "frozen"


def count_move(state: Overlay, previous: str, status: str) -> None:
    """Count one identity that moved."""
    counts = get_counts(state)
    by_status = moved_counts(moved_counts(counts.by_status, previous, -1), status, 1)
    COUNTS.put(state, TOTAL_ID, CountRecord(counts.enrolled, by_status))


def agents_of(ctx: TxContext) -> tuple[RoleRecord, ...]:
    """The live agent roles among the signers, each once (an envelope holds a key once)."""
    roles = (get_agent(ctx, signer.kid) for signer in ctx.signers)
    return tuple(role for role in roles if role is not None)


def count_agents(ctx: TxContext) -> int:
    """How many agents in office signed."""
    return len(agents_of(ctx))
