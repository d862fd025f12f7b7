"""The identity providers of this town, read once from the file that BEFFROI_FEDERATION_FILE names.

    {"franceconnect": {"issuer": "https://…/api/v2", "client_id": "…", "client_secret_file": "fc.secret",
                       "return_url": "https://town.example/retour"},
     "proconnect": {…, "sirets": ["21590350100017"]}}

Secrets sit in files of their own beside it, readable by their owner only. docs/federation.md explains each member.
Reads: those files.  Never: gives a secret a default; never http but to this machine, and that only when asked.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from app.core.config import Config, ConfigError
from app.core.keyfiles import KeyFileError, read_private_text
from app.identity.federation.fetch import Fetcher, origin_of

FRANCECONNECT: Final = "franceconnect"
FRANCECONNECT_PLUS: Final = "franceconnect-plus"
PROCONNECT: Final = "proconnect"
CITIZEN_PROVIDERS: Final = (FRANCECONNECT, FRANCECONNECT_PLUS)
PROVIDERS: Final = (*CITIZEN_PROVIDERS, PROCONNECT)

PIVOT_SCOPES: Final = "openid identite_pivot"
AGENT_SCOPES: Final = "openid uid siret idp_id"
_SCOPES: Final = {
    FRANCECONNECT: PIVOT_SCOPES,
    FRANCECONNECT_PLUS: PIVOT_SCOPES,
    PROCONNECT: AGENT_SCOPES,
}
_ACR: Final = {FRANCECONNECT: "eidas1", FRANCECONNECT_PLUS: "eidas2", PROCONNECT: ""}
ALGORITHMS: Final = ("ES256", "RS256")
_SIRET: Final = re.compile(r"\d{14}")
_KNOWN: Final = frozenset(
    {"issuer", "client_id", "client_secret_file", "client_key_file", "encryption_key_file", "return_url",
     "post_logout_redirect_uri", "redirect_uri", "scope", "acr", "alg", "pkce", "insecure_loopback", "sirets",
     "mfa_amr", "mfa_acr"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One OpenID provider as this town knows it; secrets stay out of its `repr`."""

    name: str
    issuer: str
    client_id: str
    redirect_uri: str
    return_url: str
    """Where the citizen's browser goes with the answer: a claimed HTTPS link of the app, or a page of it."""
    post_logout_redirect_uri: str
    scope: str
    acr: str = ""
    """Least `acr` that counts; empty asks for none."""
    alg: str = "ES256"
    pkce: bool = True
    client_secret: str = field(default="", repr=False)
    client_key: ECKey | RSAKey | None = field(default=None, repr=False)
    """With it the client authenticates by private_key_jwt, without it by client_secret_post."""
    encryption_key: ECKey | RSAKey | None = field(default=None, repr=False)
    """With it, tokens and claims must come encrypted to it (FranceConnect+)."""
    sirets: frozenset[str] = frozenset()
    mfa_amr: frozenset[str] = frozenset({"mfa"})
    mfa_acr: frozenset[str] = frozenset()
    fetcher: Fetcher = field(default=Fetcher(frozenset()), repr=False)


def load_providers(config: Config) -> dict[str, Provider]:
    """The providers of the town by name, none without a file; raises ConfigError naming what is wrong."""
    path = config.federation_file
    if path is None:
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"BEFFROI_FEDERATION_FILE: {path} cannot be read as JSON") from error
    if not isinstance(document, dict) or set(document) - set(PROVIDERS):
        raise ConfigError(
            f"BEFFROI_FEDERATION_FILE names providers other than {', '.join(PROVIDERS)}"
        )
    return {
        name: _read_provider(name, members, path.parent, config.public_url)
        for name, members in document.items()
    }


def _read_provider(name: str, members: Any, folder: Path, public_url: str) -> Provider:
    if not isinstance(members, dict) or set(members) - _KNOWN:
        raise _wrong(name, "an object of the members that docs/federation.md names")
    issuer, loopback = _text(name, members, "issuer"), members.get("insecure_loopback", False)
    if loopback is not False and (loopback is not True or public_url.startswith("https:")):
        raise _wrong(name, "insecure_loopback true only in a town that itself has no https (tests)")
    if not origin_of(issuer) or (not issuer.startswith("https:") and not loopback):
        raise _wrong(name, "an https issuer")
    base = f"{public_url}/v1/federation/{name}"
    provider = Provider(
        name=name,
        issuer=issuer,
        client_id=_text(name, members, "client_id"),
        redirect_uri=_text(name, members, "redirect_uri", f"{base}/callback"),
        return_url=_text(name, members, "return_url"),
        post_logout_redirect_uri=_text(
            name, members, "post_logout_redirect_uri", f"{base}/logged-out"
        ),
        scope=_text(name, members, "scope", _SCOPES[name]),
        acr=members.get("acr", _ACR[name]),
        alg=members.get("alg", "ES256"),
        pkce=members.get("pkce", True),
        client_secret=_read_secret(name, members, folder),
        client_key=_read_key(name, members, folder, "client_key_file"),
        encryption_key=_read_key(name, members, folder, "encryption_key_file"),
        sirets=frozenset(members.get("sirets", ())),
        mfa_amr=frozenset(members.get("mfa_amr", ("mfa",))),
        mfa_acr=frozenset(members.get("mfa_acr", ())),
        fetcher=Fetcher(frozenset({origin_of(issuer)}), allow_loopback=loopback),
    )
    return _check(provider)


def _check(provider: Provider) -> Provider:
    if provider.alg not in ALGORITHMS:
        raise _wrong(provider.name, f"alg one of {', '.join(ALGORITHMS)}")
    if bool(provider.client_secret) == (provider.client_key is not None):
        raise _wrong(provider.name, "either client_secret_file or client_key_file")
    if not isinstance(provider.pkce, bool) or not isinstance(provider.acr, str):
        raise _wrong(provider.name, "pkce true or false, acr a text")
    if "#" in provider.return_url or not origin_of(provider.return_url):
        raise _wrong(provider.name, "a return_url without fragment")
    if provider.name == PROCONNECT and not (
        provider.sirets and all(_SIRET.fullmatch(siret) for siret in provider.sirets)
    ):
        raise _wrong(provider.name, "sirets: the 14 digits of each establishment of the town")
    return provider


def _text(name: str, members: dict[str, Any], member: str, default: str = "") -> str:
    text = members.get(member, default)
    if not isinstance(text, str) or not text:
        raise _wrong(name, f"{member}, a text")
    return text


def _read_secret(name: str, members: dict[str, Any], folder: Path) -> str:
    return _read_file(name, members, folder, "client_secret_file").strip()


def _read_key(
    name: str, members: dict[str, Any], folder: Path, member: str
) -> ECKey | RSAKey | None:
    text = _read_file(name, members, folder, member)
    if not text:
        return None
    for kind in (ECKey, RSAKey):
        try:
            return kind.import_key(text)
        except (JoseError, ValueError, TypeError):
            continue
    raise _wrong(name, f"{member}, an EC or RSA private key in PEM")


def _read_file(name: str, members: dict[str, Any], folder: Path, member: str) -> str:
    if not members.get(member):
        return ""
    try:
        return read_private_text(folder / str(members[member]))
    except KeyFileError as error:
        raise ConfigError(f"BEFFROI_FEDERATION_FILE: {name}: {member}: {error}") from error


def _wrong(name: str, expected: str) -> ConfigError:
    return ConfigError(f"BEFFROI_FEDERATION_FILE: {name} needs {expected}")
