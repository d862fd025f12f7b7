"""What the chain keeps of recoveries: those under way, the last finished one of each identity, and monthly counts.

Reads and writes: namespace identity.  Never: why somebody lost a key.
"""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from chain.town.accounts import AccountStatus
from chain.town.context import Overlay, Reader, Table
from chain.town.identity.records import NAMESPACE, Status, month_of
from chain.town.schemas import CidOrNone, Jwk, Thumbprint, UnixSeconds

RecoveryStep = Literal[
    "opened", "vetoed", "overridden", "cancelled", "finished", "lapsed", "dropped"
]


class RecoveryRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A recovery under way. Times are header times; `vetoed_s` and `overridden_s` are 0 until it happens.

    `was_account` and `was_status` are what a recovery that is given up goes back to (`was_status` empty without a cid).
    """

    account: Thumbprint
    cid: CidOrNone
    new_key: Jwk
    new_kid: Thumbprint
    agents: tuple[Thumbprint, ...]
    opened_s: UnixSeconds
    ready_s: UnixSeconds
    lapses_s: UnixSeconds
    was_account: AccountStatus
    was_status: Status | Literal[""]
    vetoed_s: UnixSeconds = 0
    overridden_s: UnixSeconds = 0

    def is_stopped(self) -> bool:
        """Whether a veto stands."""
        return self.vetoed_s > 0 and self.overridden_s == 0


class LastRecoveryRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """When the recovery was opened that gave an identity its present key."""

    opened_s: UnixSeconds


class RecoveryMonthRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """How many recoveries took each step in one month (UTC), all domains together: published, so that misuse shows."""

    month: str
    opened: int = 0
    vetoed: int = 0
    overridden: int = 0
    cancelled: int = 0
    finished: int = 0
    lapsed: int = 0
    dropped: int = 0


RECOVERIES: Final = Table(NAMESPACE, "recovery", RecoveryRecord)
"""By account id."""
LAST_RECOVERIES: Final = Table(NAMESPACE, "last_recovery", LastRecoveryRecord)
"""By cid."""
RECOVERY_MONTHS: Final = Table(NAMESPACE, "recovery_month", RecoveryMonthRecord)
"""By month, `YYYY-MM`."""


def get_recovery(state: Reader, account_id: str) -> RecoveryRecord | None:
    """The recovery under way for an account, or None."""
    return RECOVERIES.get(state, account_id.encode())


def get_month(state: Reader, month: str) -> RecoveryMonthRecord:
    """Counts of one month."""
    return RECOVERY_MONTHS.get(state, month.encode()) or RecoveryMonthRecord(month)


def count_step(state: Overlay, step: RecoveryStep, time_s: int) -> None:
    """Count one step in the month of header time."""
    counts = get_month(state, month_of(time_s))
    counted = replace(counts, **{step: getattr(counts, step) + 1})
    RECOVERY_MONTHS.put(state, counts.month.encode(), counted)
