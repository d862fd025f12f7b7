"""The sealed files of persons: opened for who may, destroyed for good by destroying the person's key.

Civil data is sealed under the person's own key before it touches SQL; the chain sees a random cid, a key
and a salted commitment.
Reads and writes: the register's tables and the person-key folder.  Never: logs anything civil.
"""

import hmac
import json
from hashlib import sha256
from typing import Any, Final

import msgspec

from app.core.config import Config
from app.core.context import Actor
from app.core.database import run_sql, write
from app.core.problems import Problem
from app.identity import codes, personal
from app.identity.civil import Civil, list_digests
from app.identity.duplicates import log_desk
from app.identity.erasurelog import ErasureLog
from app.identity.indexkeys import IndexKeys
from app.identity.keystore import PersonKeyGone, PersonKeys
from app.identity.lifecycle.forgetting import forget_life
from app.identity.models import (
    AgentPerson,
    DuplicateIndex,
    IdentityRow,
    Person,
)
from app.identity.tombstones import list_open_ballots, put_tombstones
from chain.codec.canonical import b64url_decode, decode_canonical, encode_canonical

_AGENT_LABEL: Final = b"beffroi-agent-person-1"
ERASED: Final = "erased"
REGISTER_LOCK: Final = "identity.register"
"""One draft at a time looks for duplicates and adds its own digests."""
_INDEX: Final = "INSERT INTO duplicate_index (cid, kind, digest, version) VALUES (?, ?, ?, ?)"


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
        self.index = IndexKeys(config.person_keys, config.master_key)
        self.erasures = ErasureLog(config.person_keys)
        self._agent_key = hmac.new(config.master_key, _AGENT_LABEL, sha256).digest()

    # --- opening -----------------------------------------------------------------------------

    def read_file(self, cid: str) -> SealedFile | None:
        """A person's own file, opened; None once it was erased, also where a backup brought it back."""
        person = Person.get_or_none(Person.cid == cid)
        if person is None or self._was_erased(cid):
            return None
        try:
            box = self.keys.load(cid)
        except PersonKeyGone:
            return None
        person = self._promote(person)
        return decode_canonical(SealedFile, box.decrypt(bytes(person.sealed)))

    def open_for(self, cid: str, *, agent: Actor, reason: str, now_s: int) -> SealedFile:
        """A citizen's file for an agent, who says why; the citizen's access log shows it.

        Raises Problem for a file that is not there, restricted, or the agent's own.
        """
        person = Person.get_or_none(Person.cid == cid)
        if person is None or self._was_erased(cid):
            raise Problem(codes.IDENTITY_FILE_ABSENT)
        self.check_not_own(agent.kid, cid)
        if person.restricted_at:
            raise Problem(codes.IDENTITY_RESTRICTED)
        with write():
            log_desk(agent, "read", cid, reason, now_s)  # first, so that no reading goes unlogged
        opened = self.read_file(cid)
        if opened is None:
            raise Problem(codes.IDENTITY_FILE_ABSENT)
        return opened

    def seal(self, cid: str, content: Any) -> bytes:
        """A record sealed under a person's key; raises PersonKeyGone."""
        return bytes(self.keys.load(cid).encrypt(encode_canonical(content)))

    def unseal(self, cid: str, sealed: bytes) -> bytes:
        """What `seal` sealed, as canonical JSON; raises PersonKeyGone."""
        return self.keys.load(cid).decrypt(bytes(sealed))

    def put_index(self, cid: str, *civils: Civil) -> None:
        """Replace a person's digests, under every live version; inside the caller's transaction.

        Two civil records while a correction waits for the chain: whoever is like either meets this person.
        """
        DuplicateIndex.delete().where(DuplicateIndex.cid == cid).execute()
        for key in self.index.all():
            digests = {line for civil in civils for line in list_digests(key.key, civil)}
            for kind, digest in sorted(digests):
                run_sql(_INDEX, cid, kind, digest, key.version)

    def index_again(self, cid: str) -> None:
        """Digests of the file and of a signed correction that waits; inside the caller's transaction."""
        person = Person.get_by_id(cid)
        sealed = [person.sealed]
        if person.sealed_next is not None and is_signed_renewal(person.renewal):
            sealed.append(person.sealed_next)
        opened = (decode_canonical(SealedFile, self.unseal(cid, content)) for content in sealed)
        self.put_index(cid, *(content.civil for content in opened))

    def _promote(self, person: Person) -> Person:
        """Let the corrected file replace the old one, once the chain holds its commitment."""
        if person.sealed_next is None or not is_signed_renewal(person.renewal):
            return person
        row = IdentityRow.get_or_none(IdentityRow.cid == person.cid)
        draft = read_renewal_draft(person.renewal)
        if row is None or row.commitment != json.loads(draft)["commitment"]:
            return person
        with write():
            Person.update(
                sealed=person.sealed_next,
                sealed_next=None,
                draft=draft,
                attestation=person.renewal,
                renewal="",
            ).where(Person.cid == person.cid).execute()
            self.index_again(person.cid)
        return Person.get_by_id(person.cid)  # type: ignore[no-any-return]

    # --- agents and their own files -----------------------------------------------------------

    def record_agent(self, kid: str, cid: str, *, by: Actor, now_s: int) -> None:
        """Note that the file `cid` is the own file of the agent whose key is `kid`."""
        if by.kid == kid:
            raise Problem(codes.AGENT_OWN_RECORD)
        with write():
            AgentPerson.delete().where(AgentPerson.kid == kid).execute()
            AgentPerson.insert(
                kid=kid, digest=self._agent_digest(kid, cid), recorded_by=by.kid, recorded_at=now_s
            ).execute()

    def check_not_own(self, kid: str, cid: str) -> None:
        """Raise Problem when the file is the agent's own."""
        digest = self._agent_digest(kid, cid)
        if (
            AgentPerson.select()
            .where((AgentPerson.kid == kid) & (AgentPerson.digest == digest))
            .exists()
        ):
            raise Problem(codes.AGENT_OWN_RECORD)

    def _agent_digest(self, kid: str, cid: str) -> str:
        return hmac.new(self._agent_key, f"{kid}\n{cid}".encode(), sha256).hexdigest()

    # --- erasing -----------------------------------------------------------------------------

    def erase(self, cid: str, *, now_s: int) -> None:
        """Make a person's file unreadable for good: the key first, so that backups die with it.

        Open ballots keep a mark of the person until they end (`tombstones`). May be repeated after a crash.
        """
        self._leave_tombstones(cid, now_s)
        self.erasures.add(cid)
        self.keys.destroy(cid)
        personal.delete_rows(cid)
        forget_life(cid)

    def _leave_tombstones(self, cid: str, now_s: int) -> None:
        person = Person.get_or_none(Person.cid == cid)
        if person is None or not list_open_ballots(now_s):
            return
        try:
            opened = self.unseal(cid, person.sealed)
        except PersonKeyGone:
            return
        with write():
            civil = decode_canonical(SealedFile, opened).civil
            put_tombstones(self.index.current(), civil, now_s=now_s)

    def sweep_erased(self, *, now_s: int) -> int:
        """Erase the files of identities that the chain, or the erasure log, says are erased; returns how many."""
        erased = (
            Person.select(Person.cid)
            .join(IdentityRow, on=(IdentityRow.cid == Person.cid))
            .where(IdentityRow.status == ERASED)
        )
        cids = {person.cid for person in erased}
        logged = self.erasures.read()
        cids |= {person.cid for person in Person.select(Person.cid) if person.cid in logged}
        for cid in sorted(cids):
            self.erase(cid, now_s=now_s)
        for cid in sorted(logged):
            self.keys.destroy(cid)  # a restored key store may hold it again, other tables a row
            personal.delete_rows(cid)
        return len(cids)

    def _was_erased(self, cid: str) -> bool:
        row = IdentityRow.get_or_none(IdentityRow.cid == cid)
        return (row is not None and row.status == ERASED) or cid in self.erasures.read()


def is_signed_renewal(text: str) -> bool:
    """Whether `Person.renewal` holds the agent's JWS; before, it holds the JSON to sign."""
    return bool(text) and not text.startswith("{")


def read_renewal_draft(text: str) -> str:
    """The JSON that an agent signed, from the compact JWS."""
    return b64url_decode(text.split(".")[1]).decode("utf-8")
