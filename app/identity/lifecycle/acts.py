"""Acts that wait for signatures: agents of two bodies, and the citizen's new phone, seldom sign at one desk.

Whoever opens an act hands in the transaction signed by one; each other signer adds a signature over the very same
bytes; then anybody who knows the act's random id sends it. Only the asking key's own signature is added, and only when
it is valid: one that is not would make the act useless for ever. Whose signatures suffice, the chain says.
Reads and writes: `pending_act`.
"""

import secrets
from typing import Any, Final

from app.core.codes import NOT_FOUND
from app.core.context import Actor
from app.core.database import lock_until_commit, write
from app.core.problems import Problem
from app.core.transactions import TRANSACTION_CHARS_MAX, check_type, read_transaction
from app.identity.lifecycle import codes
from app.identity.lifecycle.models import PendingAct
from chain.codec.canonical import b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto.jws import ParsedJws, merge_signatures, parse, verify_signature
from chain.crypto.keys import PublicKey
from chain.town.envelope import TX_TYP

TYPES: Final = (
    "id.status",
    "id.recover_open",
    "id.recover_override",
    "account.status",
)
"""Acts that two sign."""
LIST_MAX: Final = 100
ACTS_LOCK: Final = "pending acts"


def open_act(text: str, *, key: PublicKey, actor: Actor, now_s: int) -> PendingAct:
    """Keep a transaction until the others have signed; raises Problem for another kind, or one out of date."""
    transaction = read_transaction(text)
    check_type(transaction, TYPES)
    _check_own_signature(text, key=key, actor=actor)
    if transaction.payload.exp <= now_s:
        raise Problem(codes.ACT_EXPIRED)
    with write():
        PendingAct.delete().where(PendingAct.expires_at < now_s).execute()
        return PendingAct.create(
            id=b64url_encode(secrets.token_bytes(16)),
            type=transaction.payload.type,
            transaction=text,
            opened_by=actor.kid,
            opened_at=now_s,
            expires_at=transaction.payload.exp,
        )


def get_act(act_id: str, *, now_s: int) -> PendingAct:
    """An act that still waits; raises Problem."""
    act = PendingAct.get_or_none(PendingAct.id == act_id)
    if act is None:
        raise Problem(NOT_FOUND)
    if act.expires_at <= now_s:
        raise Problem(codes.ACT_EXPIRED)
    return act  # type: ignore[no-any-return]


def sign_act(act_id: str, text: str, *, key: PublicKey, actor: Actor, now_s: int) -> PendingAct:
    """Add the actor's signature over the same payload; raises Problem when it is another's, or wrong."""
    _check_own_signature(text, key=key, actor=actor)
    with write():
        lock_until_commit(ACTS_LOCK)  # two who sign at once must not lose one signature
        act = get_act(act_id, now_s=now_s)
        try:
            merged = merge_signatures(
                act.transaction.encode(),
                text.encode("utf-8", "replace"),
                TX_TYP,
                TRANSACTION_CHARS_MAX,
            )
        except (DecodeError, ValueError) as error:
            raise Problem(codes.ACT_MALFORMED, str(error)) from error
        act.transaction = merged.decode("ascii")
        act.save()
    return act


def note_sent(act_id: str) -> None:
    """Remember that the act went to the chain, so that the queue no longer shows it."""
    with write():
        PendingAct.update(sent=1).where(PendingAct.id == act_id).execute()


def list_acts(*, now_s: int) -> list[dict[str, Any]]:
    """The second agents' queue, oldest first: kinds and signers, and the payload each must read before signing."""
    rows = (
        PendingAct.select()
        .where((PendingAct.expires_at > now_s) & (PendingAct.sent == 0))
        .order_by(PendingAct.opened_at, PendingAct.id)
        .limit(LIST_MAX)
    )
    return [describe_act(row) for row in rows]


def describe_act(act: PendingAct) -> dict[str, Any]:
    """What a signer must see: the whole transaction, and who signed so far."""
    return {
        "id": act.id,
        "type": act.type,
        "opened_at": act.opened_at,
        "expires_at": act.expires_at,
        "signers": _signers(act.transaction),
        "transaction": act.transaction,
        "sent": bool(act.sent),
    }


def _check_own_signature(text: str, *, key: PublicKey, actor: Actor) -> None:
    """Raise Problem unless `text` carries the actor's valid signature under `key` and no other."""
    entries = _parse(text).signatures
    if [entry.kid for entry in entries] != [actor.kid]:
        raise Problem(codes.ACT_MALFORMED, "each hands in the own signature, one at a time")
    if not verify_signature(entries[0], key):
        raise Problem(codes.ACT_MALFORMED, "the signature is not that key's over these bytes")


def _parse(text: str) -> ParsedJws:
    try:
        return parse(text.encode("utf-8", "replace"), TX_TYP, TRANSACTION_CHARS_MAX)
    except DecodeError as error:
        raise Problem(codes.ACT_MALFORMED, str(error)) from error


def _signers(text: str) -> list[str]:
    return [entry.kid for entry in _parse(text).signatures]
