"""The OpenID Connect client: discovery, the way to the provider, the code's redemption, signed claims, logout.

Authlib builds the requests and judges the ID token's claims, joserfc verifies signatures; what neither does is
here: exact issuer and endpoints of one origin, one allowed algorithm, keys from the provider's set only (a
header's jku, x5u or jwk is not looked at), fetched again once on an unknown key or a bad signature, then no.
Reads: the provider, over `fetch`.  Never: decides what a login is for; logs a code, a token or a claim.
Source: OpenID Connect Core 1.0 §3.1; RFC 7636, 9207, 9700; research/identity.md §1.1-1.2.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from joserfc.registry import HeaderParameter

from app.core.problems import Problem
from app.identity.federation import codes
from app.identity.federation.fetch import Fetched, FetchRefused, Unreachable, origin_of
from app.identity.federation.settings import PROCONNECT, Provider

LEEWAY_S: Final = 30
"""How far the provider's clock may be from ours; FranceConnect's ID tokens live 60 s."""
METADATA_LIFE_S: Final = 3_600
SUBJECT_CHARS_MAX: Final = 255
"""OpenID Connect Core §2: a sub has at most 255 characters."""
ACR_ORDER: Final = ("eidas1", "eidas2", "eidas3")
ENDPOINTS: Final = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "end_session_endpoint",
)
ENCRYPTIONS: Final = ("ECDH-ES", "RSA-OAEP", "RSA-OAEP-256", "A256GCM")
_JWE_RULES: Final = jwe.JWERegistry(
    # RFC 7519 §5.3: claims may be repeated in the header of an encrypted token; what counts is inside.
    header_registry={name: HeaderParameter(name, "str") for name in ("iss", "aud", "sub")},
    algorithms=list(ENCRYPTIONS),
)
_KEY_TYPE: Final[Mapping[str, type[Key]]] = {"ES256": ECKey, "RS256": RSAKey}


class Invalid(Exception):
    """A token that does not verify; the message names the check, never the content."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a provider said, after every check: who (`subject`), how surely (`acr`, `amr`), and the claims."""

    subject: str
    acr: str
    amr: tuple[str, ...]
    claims: Mapping[str, Any] = field(repr=False)
    id_token: str = field(repr=False)


class _TownClient(OAuth2Client):
    """Authlib's protocol client over this house's fetcher."""

    EXTRA_AUTHORIZE_PARAMS: Final = ("nonce", "prompt", "acr_values", "claims")


class _Session:
    """What Authlib expects of a `requests` session, with the one method it uses."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def post(self, url: str, *, data: Any, headers: Any, auth: Any) -> "_Answer":
        body = urlencode(data)
        url, headers, body = auth.prepare("POST", url, dict(headers), body)
        answer = _ask(self._provider, "POST", url, headers=headers, body=body.encode())
        if answer.status >= 500:
            raise Problem(codes.FEDERATION_PROVIDER_FAILED)
        return _Answer(answer.status, answer.body)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The part of a `requests` response that Authlib reads."""

    status_code: int
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    def raise_for_status(self) -> None:
        raise Invalid("token endpoint")


class OidcClient:
    """This town at one provider. One per process and provider; metadata and keys are kept for an hour."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._lock = threading.Lock()
        self._metadata: dict[str, str] = {}
        self._keys: KeySet | None = None
        self._fresh_until_s = 0

    # --- to the provider ---

    def authorization_url(self, *, state: str, nonce: str, verifier: str, now_s: int) -> str:
        """Where the browser goes; raises Problem when the provider cannot be asked for its endpoints."""
        provider, extra = self.provider, {}
        if provider.name == PROCONNECT:
            extra["claims"] = _ask_for_agent_claims(provider)
        elif provider.acr:
            extra["acr_values"] = provider.acr
        url, _ = self._client().create_authorization_url(
            self.read_metadata(now_s)["authorization_endpoint"],
            state=state,
            nonce=nonce,
            code_verifier=verifier,
            **extra,
        )
        return str(url)

    def logout_url(self, *, id_token: str, state: str, now_s: int) -> str:
        """Where the browser goes to end the provider's session."""
        query = {
            "id_token_hint": id_token,
            "state": state,
            "post_logout_redirect_uri": self.provider.post_logout_redirect_uri,
        }
        return f"{self.read_metadata(now_s)['end_session_endpoint']}?{urlencode(query)}"

    def redeem(self, code: str, *, nonce: str, verifier: str, now_s: int) -> Verified:
        """Trade the code for tokens and claims, and verify all of them; raises Problem."""
        try:
            tokens = self._fetch_tokens(code, verifier, now_s)
            id_claims = self._check_id_token(tokens, nonce, now_s)
            claims = self._fetch_userinfo(tokens["access_token"], id_claims["sub"], now_s)
        except (Invalid, JoseError, ValueError) as error:
            raise Problem(codes.FEDERATION_ANSWER_INVALID, _name_of(error)) from error
        except OAuth2Error as error:
            raise Problem(codes.FEDERATION_ANSWER_INVALID, "token endpoint") from error
        acr = str(id_claims.get("acr") or "")
        if not is_sufficient(acr, self.provider.acr):
            raise Problem(codes.FEDERATION_ASSURANCE_LOW)
        amr = tuple(str(method) for method in id_claims.get("amr") or ())
        return Verified(id_claims["sub"], acr, amr, claims, tokens["id_token"])

    # --- what the provider publishes ---

    def read_metadata(self, now_s: int) -> Mapping[str, str]:
        """The provider's endpoints, at most an hour old; raises Problem."""
        with self._lock:
            if now_s >= self._fresh_until_s:
                self._metadata = self._fetch_metadata()
                self._keys, self._fresh_until_s = None, now_s + METADATA_LIFE_S
            return self._metadata

    def _fetch_metadata(self) -> dict[str, str]:
        """OpenID Connect Discovery 1.0 §4: the issuer is exactly ours, the endpoints are on its origin."""
        issuer = self.provider.issuer
        document = self._fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise Problem(codes.FEDERATION_MIXED_UP, "issuer")
        for name in ENDPOINTS:
            if origin_of(str(document.get(name, ""))) not in self.provider.fetcher.origins:
                raise Problem(codes.FEDERATION_MIXED_UP, name)
        return {name: str(document[name]) for name in ENDPOINTS} | {
            "iss_in_response": str(
                document.get("authorization_response_iss_parameter_supported") is True
            )
        }

    def _fetch_json(self, url: str) -> dict[str, Any]:
        answer = _ask(self.provider, "GET", url, headers={"Accept": "application/json"})
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = None
        if answer.status != 200 or not isinstance(document, dict):
            raise Problem(codes.FEDERATION_PROVIDER_FAILED)
        return document

    def _fetch_keys(self, now_s: int) -> KeySet:
        url = self.read_metadata(now_s)["jwks_uri"]
        self._keys = KeySet.import_key_set(self._fetch_json(url))  # type: ignore[arg-type]
        return self._keys

    # --- tokens ---

    def _client(self) -> _TownClient:
        provider = self.provider
        client = _TownClient(
            _Session(provider),
            client_id=provider.client_id,
            client_secret=provider.client_key or provider.client_secret,
            token_endpoint_auth_method="private_key_jwt"  # the name of a method
            if provider.client_key
            else "client_secret_post",
            scope=provider.scope,
            redirect_uri=provider.redirect_uri,
            code_challenge_method="S256" if provider.pkce else None,
        )
        client.register_client_auth_method(PrivateKeyJWT(alg=_algorithm_of(provider)))
        return client

    def _fetch_tokens(self, code: str, verifier: str, now_s: int) -> dict[str, str]:
        more = {"code_verifier": verifier} if self.provider.pkce else {}
        tokens = self._client().fetch_token(
            self.read_metadata(now_s)["token_endpoint"],
            grant_type="authorization_code",
            code=code,
            **more,
        )
        for name in ("access_token", "id_token"):
            if not isinstance(tokens.get(name), str):
                raise Invalid(name)
        if str(tokens.get("token_type", "")).lower() != "bearer":
            raise Invalid("token_type")
        return dict(tokens)

    def _check_id_token(self, tokens: Mapping[str, str], nonce: str, now_s: int) -> dict[str, Any]:
        header, claims = self.verify_token(tokens["id_token"], now_s)
        provider = self.provider
        token = CodeIDToken(
            claims,
            header,
            options={
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": provider.client_id},
                "nonce": {"essential": True, "value": nonce},
            },
            params={
                "nonce": nonce,
                "client_id": provider.client_id,
                "access_token": tokens["access_token"],
            },
        )
        token.validate(now=now_s, leeway=LEEWAY_S)
        if not 0 < len(token["sub"]) <= SUBJECT_CHARS_MAX:
            raise Invalid("sub")
        return dict(token)

    def _fetch_userinfo(self, access_token: str, subject: str, now_s: int) -> dict[str, Any]:
        """Claims about the same subject, signed by the provider for us; anything less is refused."""
        url = self.read_metadata(now_s)["userinfo_endpoint"]
        answer = _ask(
            self.provider, "GET", url, headers={"Authorization": f"Bearer {access_token}"}
        )
        if answer.status != 200 or answer.media_type != "application/jwt":
            raise Invalid("userinfo is not a signed answer")
        _, claims = self.verify_token(answer.body.decode("ascii"), now_s)
        if claims.get("sub") != subject:
            raise Invalid("userinfo.sub")
        if claims.get("iss", self.provider.issuer) != self.provider.issuer:
            raise Invalid("userinfo.iss")
        audience = claims.get("aud", self.provider.client_id)
        if self.provider.client_id not in (audience if isinstance(audience, list) else [audience]):
            raise Invalid("userinfo.aud")
        return claims

    def verify_token(self, text: str, now_s: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """(header, claims) of a signed token, decrypted first where this town asked for that; raises Invalid."""
        signed = self._decrypt(text)
        header = jws.extract_compact(signed.encode("ascii")).headers()
        if header.get("alg") != self.provider.alg:
            raise Invalid("alg")
        keys = self._keys or self._fetch_keys(now_s)
        try:
            return header, _verify(signed, _find_key(keys, header, self.provider.alg), header)
        except (Invalid, JoseError):
            # The provider may have changed its keys since we asked: once more with fresh ones, then no.
            keys = self._fetch_keys(now_s)
            return header, _verify(signed, _find_key(keys, header, self.provider.alg), header)

    def _decrypt(self, text: str) -> str:
        key = self.provider.encryption_key
        is_encrypted = text.count(".") == 4
        if is_encrypted != (key is not None):
            raise Invalid("encryption")
        if key is None:
            return text
        plaintext = jwe.decrypt_compact(text, key, registry=_JWE_RULES).plaintext
        if plaintext is None:
            raise Invalid("encryption")
        return plaintext.decode("ascii")


def is_sufficient(acr: str, least: str) -> bool:
    """Whether the level reached is at least the level asked for; eIDAS levels are ordered, others equal."""
    if not least:
        return True
    if acr in ACR_ORDER and least in ACR_ORDER:
        return ACR_ORDER.index(acr) >= ACR_ORDER.index(least)
    return acr == least


def _ask_for_agent_claims(provider: Provider) -> str:
    """ProConnect tells `amr` only when asked, and knows no acr_values (doc_fs/implementation_technique.md)."""
    wanted: dict[str, Any] = {"amr": {"essential": True}}
    if provider.mfa_acr:
        wanted["acr"] = {"essential": True, "values": sorted(provider.mfa_acr)}
    return json.dumps({"id_token": wanted}, separators=(",", ":"))


def _algorithm_of(provider: Provider) -> str:
    return "RS256" if isinstance(provider.client_key, RSAKey) else "ES256"


def _find_key(keys: KeySet, header: Mapping[str, Any], alg: str) -> Key:
    """The one signature key that the header names; raises Invalid."""
    kid = header.get("kid")
    found = [key for key in keys.keys if key.kid == kid and isinstance(key, _KEY_TYPE[alg])]
    if not isinstance(kid, str) or len(found) != 1 or found[0].get("use") not in (None, "sig"):
        raise Invalid("kid")
    return found[0]


def _verify(signed: str, key: Key, header: Mapping[str, Any]) -> dict[str, Any]:
    raw = jws.deserialize_compact(signed, key, algorithms=[str(header["alg"])]).payload
    claims = json.loads(raw)
    if not isinstance(claims, dict):
        raise Invalid("claims")
    return claims


def _ask(
    provider: Provider,
    method: str,
    url: str,
    *,
    headers: dict[str, str],
    body: bytes | None = None,
) -> Fetched:
    try:
        return provider.fetcher.request(method, url, headers=headers, body=body)
    except Unreachable as error:
        raise Problem(codes.FEDERATION_UNREACHABLE) from error
    except FetchRefused as error:
        raise Problem(codes.FEDERATION_ANSWER_INVALID, str(error)) from error


def _name_of(error: Exception) -> str:
    """What failed, in a word that holds nothing of the token."""
    claim = getattr(error, "claim", "")
    return str(claim or (error if isinstance(error, Invalid) else getattr(error, "error", "form")))


Clients = Callable[[str], OidcClient]
