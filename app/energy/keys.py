"""Two keys per energy account, in the key store apart from the database: one for readings, one for the books.

The readings key seals meter curves and makes the salts under the chain's roots; destroying it makes both say nothing
any more, in every backup, at once. The books key seals statements and invoices, which accounting law keeps
for ten years, and dies with them.
Reads and writes: the folder `energy` of the key store.  Never: a log, the database.
"""

import hmac
from typing import Final

from nacl.secret import SecretBox

from app.core.config import Config
from app.core.problems import Problem
from app.energy.codes import ENERGY_KEYS_ABSENT, ENERGY_MEMBER_ERASED
from app.identity.keystore import KeyStoreError, PersonKeyGone, PersonKeys
from chain.codec.canonical import b64url_encode

FOLDER: Final = "energy"
BOOKS: Final = "books-"
_SEAL: Final = b"beffroi-energy-seal\x00"
_SALT: Final = b"beffroi-energy-salt-key\x00"
_DAY: Final = "beffroi-energy-day-key"
_BOOK: Final = b"beffroi-energy-books\x00"


class MemberKeys:
    """Keys of all energy accounts; raises Problem when this server has no master key."""

    def __init__(self, config: Config) -> None:
        if config.master_key is None:
            raise Problem(ENERGY_KEYS_ABSENT)
        self._store = PersonKeys(config.person_keys / FOLDER, config.master_key)
        self._secrets: dict[str, bytes] = {}

    def create(self, account: str) -> None:
        """Both keys of an account that joins; what is there already stays."""
        for name in (account, BOOKS + account):
            try:
                self._store.load(name)
            except PersonKeyGone:
                self._store.create(name)

    def seal_readings(self, account: str, content: bytes) -> bytes:
        """Readings and results of an account; raises Problem when it was erased."""
        return bytes(self._box(account, _SEAL).encrypt(content))

    def open_readings(self, account: str, sealed: bytes) -> bytes:
        """What `seal_readings` closed; raises Problem when the account was erased."""
        return self._box(account, _SEAL).decrypt(sealed)

    def seal_books(self, account: str, content: bytes) -> bytes:
        """Statements and invoices of an account."""
        return bytes(self._box(BOOKS + account, _BOOK).encrypt(content))

    def open_books(self, account: str, sealed: bytes) -> bytes:
        """What `seal_books` closed."""
        return self._box(BOOKS + account, _BOOK).decrypt(sealed)

    def salt_key(self, account: str) -> bytes:
        """32 bytes from which all of an account's salts come; the member may have them, nobody else."""
        return hmac.digest(self._secret(account), _SALT, "sha256")

    def has_readings(self, account: str) -> bool:
        """Whether the account's readings can still be opened."""
        try:
            self._secret(account)
        except Problem:
            return False
        return True

    def erase_readings(self, account: str) -> bool:
        """Destroy the readings key: curves, results and the meaning of roots go; False when it was gone."""
        self._secrets.pop(account, None)
        return self._store.destroy(account)

    def erase_books(self, account: str) -> bool:
        """Destroy the books key, when no statement has to be kept any more."""
        self._secrets.pop(BOOKS + account, None)
        return self._store.destroy(BOOKS + account)

    def _secret(self, name: str) -> bytes:
        if name not in self._secrets:
            try:
                self._secrets[name] = bytes(self._store.load(name))
            except KeyStoreError as error:
                raise Problem(ENERGY_MEMBER_ERASED) from error
        return self._secrets[name]

    def _box(self, name: str, label: bytes) -> SecretBox:
        return SecretBox(hmac.digest(self._secret(name), label, "sha256"))


def derive_day_key(salt_key: bytes, operation: str, day: str) -> bytes:
    """The key of one account's salts on one day: what a witness is given, which opens that day alone."""
    return hmac.digest(salt_key, f"{_DAY}\x00{operation}\x00{day}".encode(), "sha256")


def derive_statement_salt(salt_key: bytes, operation: str, month: str, number: int) -> bytes:
    """Salt of one statement under the month's root."""
    message = f"beffroi-energy-statement-salt\x00{operation}\x00{month}\x00{number}"
    return hmac.digest(salt_key, message.encode(), "sha256")


def name_point(commitment: str) -> str:
    """The short name of a point in keys, tables and rows: sixteen letters, no digit, from its commitment.

    Whoever has the chain's commitment finds the name again; it says nothing of the PRM.
    """
    digest = hmac.digest(b"beffroi-energy-point-name", commitment.encode(), "sha256")
    return "".join("abcdefghijklmnop"[byte & 15] for byte in digest[:16])


def encode_key(key: bytes) -> str:
    """A key as it is handed to its owner."""
    return b64url_encode(key)
