"""One frozen, typed configuration per process, read once from the environment and checked at start.

Reads: the environment it is handed, and the key files it names.  Writes: nothing.
Never: gives a secret a default; `VARIABLES` is the whole list and `docs` and tests read it.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from app.core.keyfiles import KeyFileError, RoleKey, read_key_file, read_secret_file

DEFAULT_HOME: Final = ".beffroi"
DEFAULT_NODE_URL: Final = "http://127.0.0.1:26657"
DEFAULT_PUBLIC_URL: Final = "http://127.0.0.1:8000"
MASTER_KEY_BYTES: Final = 32
TICKETS_PER_HOUR_MAX: Final = 1_000_000
REQUESTS_PER_MINUTE_MAX: Final = 10_000_000
TRUSTED_PROXIES_MAX: Final = 5


class ConfigError(Exception):
    """A variable is missing or wrong; the message names it and says what is expected."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: what it means, and its default (None: required or absent, see meaning)."""

    name: str
    meaning: str
    default: str | None = None
    secret: bool = False


VARIABLES: Final = (
    Variable("BEFFROI_HOME", "folder of the town's local state", DEFAULT_HOME),
    Variable(
        "DATABASE_URL",
        "read model: sqlite:///path (default: town.db in the home folder) or postgresql://user:pw@host/db",
    ),
    Variable("BEFFROI_NODE_URLS", "RPC addresses of nodes, comma-separated", DEFAULT_NODE_URL),
    Variable(
        "BEFFROI_GENESIS_FILE",
        "genesis.json this town trusts (default: node/config/genesis.json in the home folder)",
    ),
    Variable(
        "BEFFROI_PUBLIC_URL",
        "address clients use; issuer and audience of access tokens",
        DEFAULT_PUBLIC_URL,
    ),
    Variable(
        "BEFFROI_TOKEN_KEY_FILES",
        "key files of access tokens, comma-separated: the first signs, all verify; required by the API",
        secret=True,
    ),
    Variable(
        "BEFFROI_GATEWAY_KEY_FILE",
        "role key that signs account tickets; without it the ticket route answers 503",
        secret=True,
    ),
    Variable(
        "BEFFROI_MASTER_KEY_FILE",
        "32 bytes in base64url that wrap each person's own key; required by enrolment",
        secret=True,
    ),
    Variable(
        "BEFFROI_PERSON_KEYS",
        "key store of persons, apart from the database (default: folder person-keys in the home folder)",
    ),
    Variable(
        "BEFFROI_CLOCK_OFFSET_FILE",
        "file with seconds added to the clock; honoured only by a town whose status says insecure",
    ),
    Variable("BEFFROI_TICKETS_PER_HOUR", "account tickets per client address and hour", "600"),
    Variable(
        "BEFFROI_TWODDOC_FOLDER",
        "trust list and certificates of 2D-Doc (docs/2ddoc.md); without it that check answers 404",
    ),
    Variable(
        "BEFFROI_POSTCODES",
        "postcodes of the town, comma-separated: a proof of residence names one (default: any)",
    ),
    Variable(
        "BEFFROI_FEDERATION_FILE",
        "FranceConnect and ProConnect of this town (docs/federation.md); without it those logins answer 404",
    ),
    Variable(
        "BEFFROI_REQUESTS_PER_MINUTE",
        "requests a minute of one address; a tenth for one account or key, a twentieth for logging in",
        "6000",
    ),
    Variable(
        "BEFFROI_LIMITS_STORAGE",
        "where requests are counted: memory:// (each process for itself) or redis://host:port/n, for all",
        "memory://",
    ),
    Variable("BEFFROI_TRUSTED_PROXIES", "how many proxies in front set X-Forwarded-*", "0"),
)
"""Every variable the API, the projector and the command line read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a process of the town's API needs to know; secrets stay out of its `repr`."""

    home: Path
    database_url: str = field(repr=False)
    node_urls: tuple[str, ...]
    genesis_file: Path
    public_url: str
    person_keys: Path
    token_keys: tuple[RoleKey, ...] = field(default=(), repr=False)
    gateway_key: RoleKey | None = field(default=None, repr=False)
    master_key: bytes | None = field(default=None, repr=False)
    clock_offset_file: Path | None = None
    federation_file: Path | None = None
    twoddoc_folder: Path | None = None
    postcodes: frozenset[str] = frozenset()
    tickets_per_hour: int = 600
    requests_per_minute: int = 6_000
    limits_storage: str = "memory://"
    trusted_proxies: int = 0

    def derive_key(self, label: bytes) -> bytes:
        """32 bytes for one purpose, from a secret that is not in the database: the master key, else the token key.

        For digests of what people sent: without a key, whoever has the database tries every name on them.
        """
        secret = self.master_key or (self.token_keys[0].seed if self.token_keys else None)
        assert secret is not None, "a process that answers requests holds a key"
        return hmac.new(secret, b"beffroi-derived-1\x00" + label, hashlib.sha256).digest()


def load_config(environ: Mapping[str, str], *, need_token_keys: bool = True) -> Config:
    """Read and check all variables; raises ConfigError naming the first that is wrong.

    `need_token_keys` is False for programs that issue no tokens (projector, command line).
    """
    home = Path(environ.get("BEFFROI_HOME") or DEFAULT_HOME).resolve()
    token_keys = _read_token_keys(environ.get("BEFFROI_TOKEN_KEY_FILES", ""))
    if need_token_keys and not token_keys:
        raise ConfigError("BEFFROI_TOKEN_KEY_FILES is required: name at least one key file")
    return Config(
        home=home,
        database_url=_read_database_url(environ.get("DATABASE_URL", ""), home),
        node_urls=_read_urls(environ.get("BEFFROI_NODE_URLS") or DEFAULT_NODE_URL),
        genesis_file=_path(environ, "BEFFROI_GENESIS_FILE", home / "node/config/genesis.json"),
        public_url=_read_url(
            "BEFFROI_PUBLIC_URL", environ.get("BEFFROI_PUBLIC_URL") or DEFAULT_PUBLIC_URL
        ),
        person_keys=_path(environ, "BEFFROI_PERSON_KEYS", home / "person-keys"),
        token_keys=token_keys,
        gateway_key=_read_optional_key(environ, "BEFFROI_GATEWAY_KEY_FILE"),
        master_key=_read_master_key(environ.get("BEFFROI_MASTER_KEY_FILE", "")),
        clock_offset_file=_optional_path(environ, "BEFFROI_CLOCK_OFFSET_FILE"),
        federation_file=_optional_path(environ, "BEFFROI_FEDERATION_FILE"),
        twoddoc_folder=_optional_path(environ, "BEFFROI_TWODDOC_FOLDER"),
        postcodes=_read_postcodes(environ.get("BEFFROI_POSTCODES", "")),
        tickets_per_hour=_read_int(
            environ, "BEFFROI_TICKETS_PER_HOUR", default=600, most=TICKETS_PER_HOUR_MAX
        ),
        requests_per_minute=_read_int(
            environ, "BEFFROI_REQUESTS_PER_MINUTE", default=6_000, most=REQUESTS_PER_MINUTE_MAX
        ),
        limits_storage=environ.get("BEFFROI_LIMITS_STORAGE") or "memory://",
        trusted_proxies=_read_int(
            environ, "BEFFROI_TRUSTED_PROXIES", default=0, most=TRUSTED_PROXIES_MAX
        ),
    )


def _path(environ: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(environ.get(name) or default).resolve()


def _optional_path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]).resolve() if environ.get(name) else None


def _read_database_url(text: str, home: Path) -> str:
    url = text or f"sqlite:///{home / 'town.db'}"
    if urlsplit(url).scheme not in ("sqlite", "postgresql", "postgres"):
        raise ConfigError("DATABASE_URL must start with sqlite:/// or postgresql://")
    return url


def _read_urls(text: str) -> tuple[str, ...]:
    urls = tuple(
        _read_url("BEFFROI_NODE_URLS", part.strip()) for part in text.split(",") if part.strip()
    )
    if not urls:
        raise ConfigError("BEFFROI_NODE_URLS names no address")
    return urls


def _read_url(name: str, text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"{name} must be an http(s) address, not {text!r}")
    return text.rstrip("/")


def _read_int(environ: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"\d{1,9}", text) or int(text) > most:
        raise ConfigError(f"{name} must be a whole number from 0 to {most}")
    return int(text)


def _read_postcodes(text: str) -> frozenset[str]:
    codes = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not all(re.fullmatch(r"\d{5}", code) for code in codes):
        raise ConfigError("BEFFROI_POSTCODES: five digits each, comma-separated")
    return codes


def _read_token_keys(text: str) -> tuple[RoleKey, ...]:
    return tuple(
        _read_key("BEFFROI_TOKEN_KEY_FILES", part.strip())
        for part in text.split(",")
        if part.strip()
    )


def _read_optional_key(environ: Mapping[str, str], name: str) -> RoleKey | None:
    return _read_key(name, environ[name]) if environ.get(name) else None


def _read_key(name: str, path: str) -> RoleKey:
    try:
        return read_key_file(Path(path))
    except KeyFileError as error:
        raise ConfigError(f"{name}: {error}") from error


def _read_master_key(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return read_secret_file(Path(path), size_bytes=MASTER_KEY_BYTES)
    except KeyFileError as error:
        raise ConfigError(f"BEFFROI_MASTER_KEY_FILE: {error}") from error
