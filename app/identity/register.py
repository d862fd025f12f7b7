"""The sealed files of persons: opened for who may, destroyed for good by destroying the person's key.

Civil data is sealed under the person's own key before it touches SQL; the chain sees a random cid, a key
and a salted commitment.
Reads and writes: the register's tables and the person-key folder.  Never: logs anything civil.
"""

import hmac
from hashlib import sha256
from typing import Any, Final

import msgspec

from app.core.config import Config
from app.core.database import write
from app.core.problems import Problem
from app.identity import codes
from app.identity.civil import Civil
from app.identity.keystore import PersonKeyGone, PersonKeys
from app.identity.models import DeskEntry, DuplicateIndex, Enrolment, IdentityRow, Person
from chain.codec.canonical import decode_canonical

_DUPLICATE_LABEL: Final = b"beffroi-duplicate-index-1"


class SealedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person's key seals: the civil record, the commitment's salt, and what the agent saw."""

    civil: Civil
    salt: str
    title_seen: str


class Register:
    """The erasable half of every identity: needs the master key, which only the desk's server holds."""

    def __init__(self, config: Config) -> None:
        if config.master_key is None:
            raise Problem(codes.PERSON_KEYS_ABSENT)
        self.keys = PersonKeys(config.person_keys, config.master_key)
        self.index_key = hmac.new(config.master_key, _DUPLICATE_LABEL, sha256).digest()

    def read_file(self, cid: str) -> SealedFile | None:
        """A person's own file, opened; None once it was erased."""
        person = Person.get_or_none(Person.cid == cid)
        if person is None:
            return None
        try:
            box = self.keys.load(cid)
        except PersonKeyGone:
            return None
        return decode_canonical(SealedFile, box.decrypt(bytes(person.sealed)))

    def erase(self, cid: str) -> None:
        """Make a person's file unreadable for good: the key first, so that backups die with it."""
        self.keys.destroy(cid)
        with write():
            Person.delete().where(Person.cid == cid).execute()
            DuplicateIndex.delete().where(DuplicateIndex.cid == cid).execute()
            Enrolment.delete().where(Enrolment.cid == cid).execute()
            DeskEntry.delete().where(DeskEntry.cid == cid).execute()

    def sweep_erased(self) -> int:
        """Erase the files of identities that the chain says are erased; returns how many."""
        erased = (
            Person.select(Person.cid)
            .join(IdentityRow, on=(IdentityRow.cid == Person.cid))
            .where(IdentityRow.status == "erased")
        )
        cids = [person.cid for person in erased]
        for cid in cids:
            self.erase(cid)
        return len(cids)


def read_civil(fields: dict[str, Any]) -> Civil:
    """The typed civil record; raises Problem naming the field, never its content."""
    try:
        civil = msgspec.convert(fields, Civil, strict=True)
    except msgspec.ValidationError as error:
        raise Problem(
            codes.CIVIL_INVALID, str(error).rpartition(" - at ")[2].strip("`$.")
        ) from error
    texts = (civil.family_name, *civil.given_names, civil.address)
    if any(not c.isprintable() for text in texts for c in text):
        raise Problem(codes.CIVIL_INVALID, "control or bidirectional characters")
    return civil
