"""Key files: one Ed25519 role key as a private JWK (RFC 8037) with the role and body it stands for.

Reads and writes: files of mode 0600.  Never: prints or logs what is secret in them.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of

SEED_BYTES: Final = 32
PRIVATE_MODE: Final = 0o600


class KeyFileError(Exception):
    """A key file is missing, readable by others, or malformed; the message names the file."""


@dataclass(frozen=True, slots=True)
class RoleKey:
    """An Ed25519 key that signs for a role of a body; `seed` is the 32-byte private part."""

    role: str
    body: str
    signer: SigningKey
    seed: bytes = field(repr=False)

    @property
    def kid(self) -> str:
        """RFC 7638 thumbprint."""
        return self.signer.kid

    def jwk(self) -> dict[str, str]:
        """The public key as JWK members."""
        return jwk_of(self.signer.public_key)


def new_role_key(role: str, body: str = "", *, seed: bytes | None = None) -> RoleKey:
    """A fresh key, or the one of `seed` (32 bytes)."""
    seed = os.urandom(SEED_BYTES) if seed is None else seed
    return RoleKey(role, body, SigningKey("EdDSA", seed), seed)


def write_key_file(path: Path, key: RoleKey) -> None:
    """Write one key readable by its owner only; refuses to replace an existing file."""
    document = {
        "role": key.role,
        "body": key.body,
        "kid": key.kid,
        "key": {**key.jwk(), "d": b64url_encode(key.seed)},
    }
    _write_private(path, json.dumps(document, indent=2) + "\n")


def read_key_file(path: Path) -> RoleKey:
    """Read one key back; raises KeyFileError when it is missing, open to others, or inconsistent."""
    try:
        document = json.loads(_read_private(path))
        text, public_text = document["key"]["d"], document["key"]["x"]
        role, body = str(document["role"]), str(document["body"])
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"{path} is not a key file") from error
    key = new_role_key(role, body, seed=_decode_secret(path, text, SEED_BYTES))
    if key.jwk()["x"] != public_text:
        raise KeyFileError(f"{path}: the public part does not belong to the private part")
    return key


def write_secret_file(path: Path, *, size_bytes: int) -> None:
    """Write fresh random bytes as base64url, readable by the owner only."""
    _write_private(path, b64url_encode(os.urandom(size_bytes)) + "\n")


def read_secret_file(path: Path, *, size_bytes: int) -> bytes:
    """Read such a file back; raises KeyFileError."""
    return _decode_secret(path, _read_private(path).strip(), size_bytes)


def read_private_text(path: Path) -> str:
    """Text of a file that only its owner may read (another program's secret); raises KeyFileError."""
    return _read_private(path)


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read_private(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise KeyFileError(f"{path} is readable by others; chmod 600 it")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} cannot be read") from error


def _decode_secret(path: Path, text: object, size_bytes: int) -> bytes:
    try:
        secret = b64url_decode(text) if isinstance(text, str) else b""
    except DecodeError as error:
        raise KeyFileError(f"{path} does not hold {size_bytes} bytes in base64url") from error
    if len(secret) != size_bytes:
        raise KeyFileError(f"{path} does not hold {size_bytes} bytes in base64url")
    return secret
