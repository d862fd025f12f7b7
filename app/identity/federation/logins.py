"""One federated login from its start to its end: what is bound to the app, what serves once, what is forgotten.

The app gets a secret of 32 bytes; state, nonce, PKCE verifier, logout state and the seal of the ID token are all
derived from it, and the database holds only the hash of the state. Who steals the database can finish no login;
who lures a citizen into a login started elsewhere gets nothing either, because the answer lands on the citizen's
own device, which does not hold the secret.
Reads and writes: table `federation_login`.  Never: stores or logs a secret, a code or a token in clear.
Source: RFC 9700 §2.1, §4.7; RFC 8252; requirement 22 of docs/identity-requirements.md.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from app.core.database import write
from app.core.problems import Problem
from app.identity.federation import codes
from app.identity.federation.models import FederationLogin
from app.identity.federation.oidc import OidcClient, Verified
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError

SECRET_BYTES: Final = 32
LOGIN_LIFE_S: Final = 600
"""From the app's first call to the provider's answer: people look for their password."""
SESSION_LIFE_S: Final = 1_800
"""How long a logout can be asked for: FranceConnect's session lasts 30 min."""
ENROL, LINK, AGENT = "enrol", "link", "agent"
OPEN, USED = "open", "used"
_LABEL: Final = b"beffroi-federated-login-1/"
_DENIED: Final = frozenset(
    {"access_denied", "login_required", "interaction_required", "consent_required"}
)
"""Nobody was logged in, for reasons the provider keeps to itself (OpenID Connect Core §3.1.2.6)."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Everything one login needs that nobody else may guess, as base64url of 32 bytes each (43 characters)."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    logout_state: str = field(repr=False)
    seal: bytes = field(repr=False)


def derive_secrets(secret: str) -> Secrets:
    """All values of a login from the app's secret; raises Problem for a malformed one."""
    try:
        raw = b64url_decode(secret)
    except DecodeError as error:
        raise Problem(codes.FEDERATION_LOGIN_UNKNOWN) from error
    if len(raw) != SECRET_BYTES:
        raise Problem(codes.FEDERATION_LOGIN_UNKNOWN)

    def derive(name: bytes) -> bytes:
        return hmac.new(raw, _LABEL + name, sha256).digest()

    texts = (b64url_encode(derive(name)) for name in (b"state", b"nonce", b"pkce", b"logout"))
    return Secrets(*texts, derive(b"seal"))


def start_login(client: OidcClient, *, purpose: str, target: str, now_s: int) -> dict[str, Any]:
    """Open a login; returns the secret for the app alone and the address for the browser."""
    secret = b64url_encode(secrets.token_bytes(SECRET_BYTES))
    own = derive_secrets(secret)
    url = client.authorization_url(
        state=own.state, nonce=own.nonce, verifier=own.verifier, now_s=now_s
    )
    with write():
        FederationLogin.delete().where(FederationLogin.expires_at <= now_s).execute()
        FederationLogin.insert(
            state_hash=_hash(own.state),
            provider=client.provider.name,
            purpose=purpose,
            target=target,
            phase=OPEN,
            expires_at=now_s + LOGIN_LIFE_S,
        ).execute()
    return {"secret": secret, "authorization_url": url, "expires_in": LOGIN_LIFE_S}


def return_url(client: OidcClient, answer: Mapping[str, str], *, now_s: int) -> str:
    """Where the browser takes the provider's answer: the app's own address, as a fragment; uses nothing up.

    Raises Problem for a state that this provider was not asked with.
    """
    _find_open(client, answer.get("state", ""), now_s)
    passed = {name: answer[name] for name in ("state", "code", "iss", "error") if name in answer}
    fragment = urlencode({"provider": client.provider.name, **passed})
    return f"{client.provider.return_url}#{fragment}"


def finish_login(
    client: OidcClient, secret: str, answer: Mapping[str, str], *, now_s: int
) -> tuple[FederationLogin, Verified]:
    """Check the answer against the app's own login, use the login up, and ask the provider who it was.

    A wrong secret uses nothing up; with the right one the login is spent, whatever comes after. Raises Problem.
    """
    own = derive_secrets(secret)
    if not hmac.compare_digest(own.state.encode(), answer.get("state", "").encode()):
        raise Problem(codes.FEDERATION_LOGIN_UNKNOWN)
    login = _find_open(client, own.state, now_s)
    _use_up(login)
    check_issuer(client, answer, now_s=now_s)
    if "error" in answer:
        is_denied = answer["error"] in _DENIED
        raise Problem(codes.FEDERATION_REFUSED if is_denied else codes.FEDERATION_PROVIDER_FAILED)
    verified = client.redeem(
        answer.get("code", ""), nonce=own.nonce, verifier=own.verifier, now_s=now_s
    )
    sealed = bytes(SecretBox(own.seal).encrypt(verified.id_token.encode()))
    with write():
        FederationLogin.update(
            sealed_id_token=sealed,
            logout_hash=_hash(own.logout_state),
            expires_at=now_s + SESSION_LIFE_S,
        ).where(FederationLogin.state_hash == login.state_hash).execute()
    return login, verified


def check_issuer(client: OidcClient, answer: Mapping[str, str], *, now_s: int) -> None:
    """RFC 9207: an `iss` beside the code is the provider's own, and there where the provider promises one."""
    promised = client.read_metadata(now_s)["iss_in_response"] == "True"
    told = answer.get("iss")
    if (told is None and promised) or (told is not None and told != client.provider.issuer):
        raise Problem(codes.FEDERATION_MIXED_UP, "iss")


def start_logout(client: OidcClient, secret: str, *, now_s: int) -> str:
    """The address that ends the provider's session, for the app that logged in; raises Problem."""
    own = derive_secrets(secret)
    login = FederationLogin.get_or_none(
        (FederationLogin.state_hash == _hash(own.state))
        & (FederationLogin.provider == client.provider.name)
        & (FederationLogin.expires_at > now_s)
    )
    if login is None or login.sealed_id_token is None:
        raise Problem(codes.FEDERATION_LOGIN_UNKNOWN)
    try:
        id_token = SecretBox(own.seal).decrypt(bytes(login.sealed_id_token)).decode()
    except CryptoError as error:
        raise Problem(codes.FEDERATION_LOGIN_UNKNOWN) from error
    return client.logout_url(id_token=id_token, state=own.logout_state, now_s=now_s)


def finish_logout(client: OidcClient, state: str) -> str:
    """Forget the login whose logout comes back; returns the app's address. Raises Problem for another state."""
    with write():
        done = (
            FederationLogin.delete()
            .where(
                (FederationLogin.logout_hash == _hash(state))
                & (FederationLogin.provider == client.provider.name)
            )
            .execute()
        )
    if done != 1:
        raise Problem(codes.FEDERATION_LOGGED_OUT_UNKNOWN)
    return f"{client.provider.return_url}#{urlencode({'provider': client.provider.name, 'logged_out': '1'})}"


def _find_open(client: OidcClient, state: str, now_s: int) -> FederationLogin:
    login = FederationLogin.get_or_none(
        (FederationLogin.state_hash == _hash(state))
        & (FederationLogin.phase == OPEN)
        & (FederationLogin.expires_at > now_s)
    )
    if login is None:
        raise Problem(codes.FEDERATION_LOGIN_UNKNOWN)
    if login.provider != client.provider.name:
        raise Problem(codes.FEDERATION_MIXED_UP, "callback")
    return login  # type: ignore[no-any-return]


def _use_up(login: FederationLogin) -> None:
    """Exactly one of several simultaneous answers goes on."""
    with write():
        used = (
            FederationLogin.update(phase=USED)
            .where(
                (FederationLogin.state_hash == login.state_hash) & (FederationLogin.phase == OPEN)
            )
            .execute()
        )
    if used != 1:
        raise Problem(codes.FEDERATION_LOGIN_UNKNOWN)


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
