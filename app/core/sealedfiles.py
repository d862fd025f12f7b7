"""Secrets of a body's own machine in files: sealed under a passphrase, mode 0600, replaced whole.

scrypt (RFC 7914) and NaCl's secretbox. There is no default passphrase and none below twelve characters: the files
hold a share of an election's key, or keys that make voters.
Reads and writes: the file named.  Never: writes a secret in clear, or says whether a passphrase was nearly right.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import scrypt
from pathlib import Path
from typing import Any, Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from app.core.keyfiles import PRIVATE_MODE, KeyFileError, read_private_text
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError

FORMAT: Final = "beffroi-sealed-1"
PASSPHRASE_MIN_CHARS: Final = 12
SALT_BYTES: Final = 16
SCRYPT_N: Final = 2**15
"""32 MiB and a tenth of a second a guess."""
SCRYPT_R: Final = 8
_MEMORY_BYTES: Final = 256 * SCRYPT_N * SCRYPT_R


class WrongPassphrase(KeyFileError):
    """The passphrase does not open the file, or the file was altered: nobody can tell which."""


def check_passphrase(passphrase: str) -> str:
    """The passphrase; raises KeyFileError when it is too short to protect anything."""
    if len(passphrase) < PASSPHRASE_MIN_CHARS:
        raise KeyFileError(f"a passphrase has at least {PASSPHRASE_MIN_CHARS} characters")
    return passphrase


def write_sealed_file(path: Path, document: dict[str, Any], passphrase: str) -> None:
    """Seal a JSON object under a fresh salt and replace the file at once, or not at all."""
    salt = os.urandom(SALT_BYTES)
    box = SecretBox(_derive(check_passphrase(passphrase), salt))
    sealed = bytes(box.encrypt(json.dumps(document).encode()))
    content = {"format": FORMAT, "salt": b64url_encode(salt), "box": b64url_encode(sealed)}
    write_durably(path, json.dumps(content) + "\n")


def read_sealed_file(path: Path, passphrase: str) -> dict[str, Any]:
    """The object sealed in a file; raises KeyFileError when it is missing, open to others or no sealed file,
    WrongPassphrase when it does not open."""
    try:
        content = json.loads(read_private_text(path))
        is_ours = content["format"] == FORMAT
        salt, sealed = b64url_decode(content["salt"]), b64url_decode(content["box"])
    except (ValueError, KeyError, TypeError, DecodeError, RecursionError) as error:
        raise KeyFileError(f"{path} is no sealed file") from error
    if not is_ours or len(salt) != SALT_BYTES:
        raise KeyFileError(f"{path} is no sealed file of this version")
    try:
        opened = SecretBox(_derive(passphrase, salt)).decrypt(sealed)
    except (CryptoError, ValueError) as error:
        raise WrongPassphrase(f"{path}: wrong passphrase, or an altered file") from error
    document: dict[str, Any] = json.loads(opened)
    return document


def write_durably(path: Path, text: str, *, is_new: bool = False) -> None:
    """Replace a file of mode 0600 so that after a power cut it is the old one or the new one, whole.

    With `is_new` an existing file is left as it is: raises FileExistsError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        try:
            os.link(aside, path)
        finally:
            aside.unlink()
    else:
        aside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a new file's bytes on the disk are nothing without its name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def hold_alone(path: Path) -> Iterator[None]:
    """Keep every other process off what `path` stands for (an empty file of mode 0600); raises KeyFileError.

    The kernel's lock: it goes with the process however that ends, so there is no stale one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KeyFileError(
                f"another program is at work with {path.with_suffix('')}: let it end first"
            ) from error
        yield
    finally:
        os.close(descriptor)


def _derive(passphrase: str, salt: bytes) -> bytes:
    return scrypt(
        passphrase.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=1, maxmem=_MEMORY_BYTES, dklen=32
    )
