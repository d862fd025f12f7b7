"""City agents by ProConnect: the town's own establishment, an account authorised beforehand, a second factor.

A login here adds a second factor to an agent's key; it grants no role (roles are on the chain) and signs nothing.
Reads and writes: tables `agent_access`, `agent_login`.  Never: keeps a name, an e-mail or a uid in clear.
Source: research/identity.md §1.2.
"""

import hmac
from hashlib import sha256
from typing import Final

from app.core.config import Config
from app.core.database import write
from app.core.problems import Problem
from app.identity import codes as identity_codes
from app.identity.federation import codes
from app.identity.federation.models import AgentAccess, AgentLogin
from app.identity.federation.oidc import Verified
from app.identity.federation.settings import Provider

SESSION_LIFE_S: Final = 12 * 3_600
"""ProConnect's own session lasts twelve hours."""
_LABEL: Final = b"beffroi-agent-account-1"


def authorise_agent(
    config: Config, *, kid: str, idp_id: str, uid: str, by_kid: str, now_s: int
) -> None:
    """Let one professional account speak for one agent's key; raises Problem for one's own key."""
    if kid == by_kid:
        raise Problem(codes.AGENT_NOT_AUTHORISED, "nobody authorises an account for the own key")
    digest = digest_account(config, idp_id, uid)
    with write():
        AgentAccess.delete().where(
            (AgentAccess.account_digest == digest) | (AgentAccess.kid == kid)
        ).execute()
        AgentAccess.insert(
            account_digest=digest, kid=kid, granted_by=by_kid, granted_at=now_s
        ).execute()


def revoke_agent(kid: str) -> None:
    """End an agent's authorisation and present login."""
    with write():
        AgentAccess.delete().where(AgentAccess.kid == kid).execute()
        AgentLogin.delete().where(AgentLogin.kid == kid).execute()


def admit_agent(
    config: Config, provider: Provider, verified: Verified, *, kid: str, now_s: int
) -> int:
    """Judge a verified professional login for the key that started it; returns until when it counts.

    Raises Problem: wrong employer, account not authorised for this key, no second factor.
    """
    claims = verified.claims
    if str(claims.get("siret", "")).replace(" ", "") not in provider.sirets:
        raise Problem(codes.AGENT_WRONG_EMPLOYER)
    digest = digest_account(config, str(claims.get("idp_id", "")), str(claims.get("uid", "")))
    access = AgentAccess.get_or_none(AgentAccess.account_digest == digest)
    if access is None or access.kid != kid:
        raise Problem(codes.AGENT_NOT_AUTHORISED)
    if not (provider.mfa_amr.intersection(verified.amr) or verified.acr in provider.mfa_acr):
        raise Problem(codes.AGENT_SECOND_FACTOR_MISSING)
    until_s = now_s + SESSION_LIFE_S
    with write():
        AgentLogin.delete().where(
            (AgentLogin.kid == kid) | (AgentLogin.expires_at <= now_s)
        ).execute()
        AgentLogin.insert(kid=kid, acr=verified.acr, at=now_s, expires_at=until_s).execute()
    return until_s


def find_agent_login(kid: str, now_s: int) -> AgentLogin | None:
    """The agent's professional login that still counts, or None: a second factor for `app.auth`."""
    return AgentLogin.get_or_none((AgentLogin.kid == kid) & (AgentLogin.expires_at > now_s))  # type: ignore[no-any-return]


def digest_account(config: Config, idp_id: str, uid: str) -> str:
    """Keyed digest of one professional account, hex; fields are length-prefixed."""
    if config.master_key is None:
        raise Problem(identity_codes.PERSON_KEYS_ABSENT)
    parts = [part.encode() for part in (idp_id, uid)]
    message = _LABEL + b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    return hmac.new(config.master_key, message, sha256).hexdigest()
