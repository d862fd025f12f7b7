"""What a citizen's federated login is for: to enrol without the desk, or to link the login to an own identity.

A provider's word makes a sealed draft, never an identity: the attestation is signed by an agent's own key
(PROTOCOL §6) and goes to the chain in the same batches as those of the desk.
Reads and writes: the register, tables `federation_link` and `federated_draft`.  Never: shows civil data to an
agent who does not need it; tells anybody but the person logged in that the person is enrolled.
"""

import hmac
import json
import secrets
from hashlib import sha256
from typing import Any, Final

from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.context import Actor
from app.core.database import lock_until_commit, write
from app.core.problems import Problem
from app.identity import codes as identity_codes
from app.identity.civil import SALT_BYTES, Civil, compute_duplicate_keys
from app.identity.desk import DraftFacts, build_attestation
from app.identity.duplicates import (
    DUPLICATE,
    LEFT,
    LIKENESS_REASONS,
    RETURNED,
    find_candidates,
    log_desk,
)
from app.identity.enrolment import DRAFTED, OPEN, get_enrolment
from app.identity.federation import codes
from app.identity.federation.claims import read_pivot
from app.identity.federation.models import FederatedDraft, FederationLink
from app.identity.federation.oidc import Verified
from app.identity.federation.settings import Provider
from app.identity.models import DuplicateIndex, Enrolment, Person
from app.identity.register import REGISTER_LOCK, Register, SealedFile
from app.identity.tombstones import block_open_ballots
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.town import schemas

DRAFT_LIFE_S: Final = 14 * 86_400
"""How long a vouched-for enrolment waits for an agent's signature."""
LEVEL_OF_ACR: Final = {"eidas1": 1, "eidas2": 2, "eidas3": 3}
"""research/identity.md §1.5: the identity axis."""
DRAFTS_SHOWN_MAX: Final = 100
_LABEL: Final = b"beffroi-federated-subject-1"


class Citizens:
    """The register's side of federated logins: needs the master key."""

    def __init__(self, config: Config) -> None:
        self._register = Register(config)
        assert config.master_key is not None, "the register asked for it"
        self._key = hmac.new(config.master_key, _LABEL, sha256).digest()

    def check_enrolment(self, enrolment_id: str, *, now_s: int) -> Enrolment:
        """The open enrolment that a login may fill; raises Problem."""
        enrolment = get_enrolment(enrolment_id, now_s=now_s)
        if enrolment.status != OPEN or enrolment.clerk:
            raise Problem(identity_codes.ENROLMENT_WRONG_STATE, enrolment.status)
        return enrolment

    def draft(
        self, provider: Provider, verified: Verified, *, enrolment_id: str, town: str, now_s: int
    ) -> int:
        """Seal the vouched-for identity and queue it for an agent; returns the level reached. Raises Problem.

        Somebody enrolled already is told to link; a namesake or twin waits for an agent's decision.
        """
        enrolment = self.check_enrolment(enrolment_id, now_s=now_s)
        civil = read_pivot(verified.claims, now_s=now_s)
        facts = DraftFacts(civil, LEVEL_OF_ACR.get(verified.acr, 0), 0, provider.name)
        cid, salt = b64url_encode(secrets.token_bytes(32)), secrets.token_bytes(SALT_BYTES)
        attestation = build_attestation(
            facts, town=town, cid=cid, jwk=json.loads(enrolment.jwk), salt=salt, now_s=now_s
        )
        sealed = SealedFile(civil, b64url_encode(salt), provider.name)
        subject = self.digest_subject(provider, verified.subject)
        source = {"provider": provider.name, "acr": verified.acr, "at": now_s}
        self._register.keys.create(cid)
        try:
            with write():
                lock_until_commit(REGISTER_LOCK)
                dropped = self._drop_unsigned(subject)
                hits = self._judge(civil, subject)
                self._save(enrolment, attestation, sealed, hits=hits, source=source)
                _put_link(subject, cid, **source)
        except BaseException:
            self._register.keys.destroy(cid)
            raise
        for old in dropped:
            self._register.keys.destroy(old)
        return facts.level_identity

    def _judge(self, civil: Civil, subject: str) -> tuple[str, ...]:
        """Kinds of index that meet other files; raises Problem for a person who has an identity here."""
        candidates = find_candidates(self._register.index.all(), civil)
        has_identity = any(c.is_same and c.status not in LEFT for c in candidates)
        is_linked = FederationLink.select().where(FederationLink.subject_digest == subject).exists()
        if has_identity or is_linked:
            raise Problem(codes.FEDERATION_LINK_PROPOSED)
        return tuple(sorted({kind for candidate in candidates for kind in candidate.kinds}))

    def _save(
        self,
        enrolment: Enrolment,
        attestation: schemas.Attestation,
        sealed: SealedFile,
        *,
        hits: tuple[str, ...],
        source: dict[str, Any],
    ) -> None:
        """All rows of one draft, inside the caller's transaction; raises Problem when the phone was served."""
        until_s = source["at"] + DRAFT_LIFE_S
        taken = Enrolment.update(status=DRAFTED, cid=attestation.cid, expires_at=until_s).where(
            (Enrolment.id == enrolment.id) & (Enrolment.status == OPEN) & (Enrolment.clerk == "")
        )
        if taken.execute() != 1:
            raise Problem(identity_codes.ENROLMENT_WRONG_STATE)
        Person.delete().where((Person.kid == enrolment.kid) & (Person.attested_at == 0)).execute()
        Person.insert(
            cid=attestation.cid,
            kid=enrolment.kid,
            status=DRAFTED,
            sealed=self._register.seal(attestation.cid, sealed),
            draft=encode_canonical(attestation).decode(),
            flag=DUPLICATE if hits else "",
        ).execute()
        self._register.put_index(attestation.cid, sealed.civil)
        block_open_ballots(
            self._register.index.all(), attestation.cid, sealed.civil, now_s=source["at"]
        )
        FederatedDraft.insert(
            enrolment=enrolment.id, cid=attestation.cid, hits=",".join(hits), **source
        ).execute()

    def _drop_unsigned(self, subject: str) -> list[str]:
        """Forget what nobody signed of this subject, and rows that lead to no file; returns the cids."""
        known = Person.select(Person.cid)
        FederatedDraft.delete().where(FederatedDraft.cid.not_in(known)).execute()
        FederationLink.delete().where(FederationLink.cid.not_in(known)).execute()
        unsigned = [
            link.cid
            for link in FederationLink.select().where(FederationLink.subject_digest == subject)
            if not _is_signed(link.cid)
        ]
        for cid in unsigned:
            for table in (Person, DuplicateIndex, Enrolment, FederationLink, FederatedDraft):
                table.delete().where(table.cid == cid).execute()
        return unsigned

    def link(self, provider: Provider, verified: Verified, *, cid: str, now_s: int) -> int:
        """Join a login to an identity whose file says the same; returns the level reached. Raises Problem."""
        file = self._register.read_file(cid)
        if file is None:
            raise Problem(NOT_FOUND)
        if not self._is_same_person(read_pivot(verified.claims, now_s=now_s), file.civil):
            raise Problem(codes.FEDERATION_OTHER_PERSON)
        subject = self.digest_subject(provider, verified.subject)
        with write():
            known = FederationLink.get_or_none(FederationLink.subject_digest == subject)
            if known is not None and known.cid != cid and _is_signed(known.cid):
                raise Problem(codes.FEDERATION_OTHER_PERSON)
            _put_link(subject, cid, provider=provider.name, acr=verified.acr, at=now_s)
        return LEVEL_OF_ACR.get(verified.acr, 0)

    def _is_same_person(self, told: Civil, filed: Civil) -> bool:
        key = self._register.index.current().key
        return hmac.compare_digest(
            compute_duplicate_keys(key, told).strict, compute_duplicate_keys(key, filed).strict
        )

    def digest_subject(self, provider: Provider, subject: str) -> str:
        """Keyed digest of a pairwise subject at one issuer, hex."""
        issuer = provider.issuer.encode()
        message = len(issuer).to_bytes(2, "big") + issuer + subject.encode()
        return hmac.new(self._key, message, sha256).hexdigest()


# --- the agent who signs ---------------------------------------------------------------------


def list_drafts(now_s: int) -> list[dict[str, Any]]:
    """Vouched-for enrolments that wait for an agent, oldest first; nothing civil."""
    rows = (
        FederatedDraft.select(FederatedDraft, Enrolment.id)
        .join(Enrolment, on=(Enrolment.id == FederatedDraft.enrolment))
        .where((Enrolment.status == DRAFTED) & (Enrolment.expires_at > now_s))
        .order_by(FederatedDraft.at, FederatedDraft.enrolment)
        .limit(DRAFTS_SHOWN_MAX)
    )
    return [
        {
            "enrolment": row.enrolment,
            "provider": row.provider,
            "acr": row.acr,
            "at": row.at,
            "similar": [hit for hit in row.hits.split(",") if hit],
        }
        for row in rows
    ]


def claim_draft(
    config: Config, enrolment_id: str, *, clerk: Actor, reason: str, now_s: int
) -> dict[str, Any]:
    """Take a vouched-for enrolment: the attestation to sign. Similar files ask for the agent's reason.

    Such a decision is looked at by a second agent before the batch, as at the desk. Raises Problem.
    """
    enrolment = get_enrolment(enrolment_id, now_s=now_s)
    draft = FederatedDraft.get_or_none(FederatedDraft.enrolment == enrolment_id)
    if draft is None:
        raise Problem(NOT_FOUND)
    if enrolment.status != DRAFTED or enrolment.clerk not in ("", clerk.kid):
        raise Problem(identity_codes.ENROLMENT_WRONG_STATE, enrolment.status)
    if enrolment.kid == clerk.kid:
        raise Problem(identity_codes.AGENT_OWN_RECORD)
    Register(config).check_not_own(clerk.kid, enrolment.cid)
    kinds = [kind for kind in draft.hits.split(",") if kind]
    if kinds and reason not in ((RETURNED,) if "strict" in kinds else LIKENESS_REASONS):
        raise Problem(identity_codes.IDENTITY_DUPLICATE_UNDECIDED, draft.hits)
    person = Person.get_by_id(enrolment.cid)
    with write():
        Enrolment.update(clerk=clerk.kid).where(Enrolment.id == enrolment_id).execute()
        log_desk(clerk, "federated", enrolment.cid, reason, now_s)
    return {"cid": person.cid, "attestation": json.loads(person.draft)}


def list_links(cid: str) -> list[dict[str, Any]]:
    """The logins linked to one identity, without their subjects."""
    rows = (
        FederationLink.select().where(FederationLink.cid == cid).order_by(FederationLink.linked_at)
    )
    return [{"provider": r.provider, "acr": r.acr, "linked_at": r.linked_at} for r in rows]


def _is_signed(cid: str) -> bool:
    return bool(Person.select().where((Person.cid == cid) & (Person.attested_at > 0)).exists())


def _put_link(subject: str, cid: str, *, provider: str, acr: str, at: int) -> None:
    FederationLink.delete().where(FederationLink.subject_digest == subject).execute()
    FederationLink.insert(
        subject_digest=subject, provider=provider, cid=cid, acr=acr, linked_at=at
    ).execute()
