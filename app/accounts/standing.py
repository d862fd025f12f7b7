"""What a second key may do at the API: it reads what its account may read, except an identity's own file.

Reads: `account_keys`, `accounts`.  Writes: nothing.  Never: says what the key may sign; the chain does.
"""

from app.accounts.keys import find_live_device
from app.accounts.service import find_account
from app.core.context import Actor


def find_second_key(kid: str, now_s: int) -> Actor | None:
    """A tablet or a helper's phone in date, or None; `subject` is its own, so that its sessions end with it."""
    device = find_live_device(kid, now_s)
    if device is None:
        return None
    account = find_account(device.account)
    if account is None or account.status != "open" or account.domain == "identity":
        return Actor(kid, kid, frozenset({"device"}))
    scopes = frozenset({"device", f"citizen:{account.domain}"})
    return Actor(kid, kid, scopes, account.id, account.domain)
