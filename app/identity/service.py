"""What the chain tells of identities, written into SQL: batches, statuses, new keys.

The rooms beside: `enrolment` (the phone), `desk` (the clerk), `register` (sealed files), `duplicates`,
`batches`, `own` (the citizen).
Reads: verified transactions.  Writes: `identity`, `accounts`.
"""

import json
from typing import Final

from app.accounts.notices import put_notice
from app.accounts.service import put_account, rotate_account, set_account_status
from app.core.projection import ProjectedJournal, ProjectedTx
from app.identity.desk import ATTESTATION_CHARS_MAX
from app.identity.electoral.service import project_residences
from app.identity.lifecycle.projections import drop_recovery
from app.identity.models import IdentityRow
from chain.codec.canonical import decode_canonical
from chain.crypto.jws import parse
from chain.town import schemas
from chain.town.envelope import ATTESTATION_TYP

_ACCOUNT_STATUS: Final = {
    "active": "open",
    "suspended": "frozen",
    "expired": "frozen",
    "ended": "frozen",
}
"""An ended identity's account is closed a month later, by the chain's journal."""


def project_batch(tx: ProjectedTx) -> None:
    """Identities of an accepted batch, from the attestations the agents signed."""
    for text in tx.body.attestations:
        parsed = parse(text.encode(), ATTESTATION_TYP, ATTESTATION_CHARS_MAX)
        attestation = decode_canonical(schemas.Attestation, parsed.payload)
        jwk = _jwk_members(attestation.key)
        kid = put_account(domain="identity", jwk=jwk, height=tx.height)
        IdentityRow.insert(
            cid=attestation.cid,
            account=kid,
            kid=kid,
            jwk=json.dumps(jwk),
            status="active",
            level_identity=attestation.level_identity,
            level_residence=attestation.level_residence,
            commitment=attestation.commitment,
            expires_month=attestation.expires_month,
            height=tx.height,
            payload_hash=tx.payload_hash,
        ).execute()
    project_residences(tx)


def project_status(tx: ProjectedTx) -> None:
    """An identity's new status; its account freezes or closes with it, as on the chain."""
    account = str(tx.data["account"])
    set_account_status(account, _ACCOUNT_STATUS.get(tx.body.status, "closed"), tx.height)
    drop_recovery(account, tx.time_s)
    put_notice(tx, account, "status_changed")
    IdentityRow.update(status=tx.body.status, height=tx.height, payload_hash=tx.payload_hash).where(
        IdentityRow.cid == tx.body.cid
    ).execute()


def project_rotation(tx: ProjectedTx) -> None:
    """An identity's new key."""
    jwk = _jwk_members(tx.body.new_key)
    rotate_account(str(tx.data["account"]), jwk, tx.height)
    put_notice(tx, str(tx.data["account"]), "key_rotated", str(tx.data["kid"]))
    IdentityRow.update(
        kid=tx.data["kid"], jwk=json.dumps(jwk), height=tx.height, payload_hash=tx.payload_hash
    ).where(IdentityRow.cid == tx.body.cid).execute()


def project_renewal(tx: ProjectedTx) -> None:
    """Known identities attested again: levels, month and commitment are the new attestation's."""
    for text in tx.body.attestations:
        parsed = parse(text.encode(), ATTESTATION_TYP, ATTESTATION_CHARS_MAX)
        attestation = decode_canonical(schemas.Attestation, parsed.payload)
        IdentityRow.update(
            status="active",
            level_identity=attestation.level_identity,
            level_residence=attestation.level_residence,
            commitment=attestation.commitment,
            expires_month=attestation.expires_month,
            height=tx.height,
            payload_hash=tx.payload_hash,
        ).where(IdentityRow.cid == attestation.cid).execute()
        account = IdentityRow.get_by_id(attestation.cid).account
        set_account_status(account, "open", tx.height)
        put_notice(tx, account, "renewed")
    project_residences(tx)


def project_final_end(line: ProjectedJournal) -> None:
    """The month in which an end could be taken back is over."""
    set_account_status(str(line.data["account"]), "closed", line.height)


def _jwk_members(key: schemas.Jwk) -> dict[str, str]:
    members = {"crv": key.crv, "kty": key.kty, "x": key.x}
    return members | {"y": key.y} if key.y else members


PROJECTIONS: Final = {
    "id.batch_attest": project_batch,
    "id.status": project_status,
    "id.batch_renew": project_renewal,
    "id.rotate": project_rotation,
}
JOURNAL: Final = {"identity.final": project_final_end}
