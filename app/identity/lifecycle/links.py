"""Which accounts of other domains a person says are theirs: the one place that joins them, sealed under the person's
key.

The town needs it for three things only: recovering lost accounts, erasure, an estate. The phone proves each account
by its own key; the desk opens the list with a reason that the citizen reads in the access log. The sealed list has
one size for all, so that not even the number of accounts shows. No answer, no log line and no idempotency record
holds an account beside the identity.
Reads and writes: `person_links`, the person-key folder, the desk's log.
"""

import json
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from app.accounts.service import find_account
from app.core.context import Actor
from app.core.database import write
from app.core.problems import Problem
from app.identity.duplicates import log_desk
from app.identity.lifecycle import codes
from app.identity.lifecycle.mandates import check_age
from app.identity.lifecycle.models import PersonLinks
from app.identity.register import Register
from chain.codec.canonical import b64url_decode, decode_canonical, encode_canonical
from chain.codec.errors import DecodeError
from chain.crypto import ed25519, es256
from chain.crypto.keys import public_key_from_jwk
from chain.types.codes import ACCOUNT_UNKNOWN

LINKS_MAX: Final = 8
SEALED_BYTES: Final = 1_024
"""Eight links of at most 90 bytes, filled up with blanks: one size for all."""
LABEL: Final = "beffroi-link-1"


class Link(Struct, frozen=True, forbid_unknown_fields=True):
    """One account of a person."""

    account: Annotated[str, Meta(max_length=43)]
    domain: Annotated[str, Meta(max_length=16)]


class Links(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person's key seals here."""

    accounts: Annotated[tuple[Link, ...], Meta(max_length=LINKS_MAX)]


def encode_proof(town: str, cid: str, account: str) -> bytes:
    """The bytes that the account's key signs; the label and the line feeds keep it from being a transaction."""
    return f"{LABEL}\n{town}\n{cid}\n{account}\n".encode("ascii", "replace")


def add_link(
    register: Register, *, town: str, cid: str, account_id: str, signature: str, now_s: int
) -> int:
    """Add an account whose key signed for it; returns how many there are. The same one again changes nothing."""
    account = find_account(account_id)
    if account is None or account.domain == "identity":
        raise Problem(ACCOUNT_UNKNOWN)
    check_age(register, cid, account.domain, now_s=now_s)
    if not _is_signed(json.loads(account.jwk), encode_proof(town, cid, account_id), signature):
        raise Problem(codes.LINK_PROOF_INVALID)
    with write():
        links = read_links(register, cid)
        if account_id in {link.account for link in links}:
            return len(links)
        if len(links) >= LINKS_MAX:
            raise Problem(codes.LINKS_FULL)
        return _save(register, cid, (*links, Link(account_id, account.domain)))


def remove_link(register: Register, *, cid: str, account_id: str) -> int:
    """Take an account off the list; returns how many are left."""
    with write():
        links = read_links(register, cid)
        return _save(register, cid, tuple(link for link in links if link.account != account_id))


def read_links(register: Register, cid: str) -> tuple[Link, ...]:
    """The opened list; empty when there is none, raises PersonKeyGone once the person was erased."""
    row = PersonLinks.get_or_none(PersonLinks.cid == cid)
    if row is None:
        return ()
    opened = register.keys.load(cid).decrypt(bytes(row.sealed))
    return decode_canonical(Links, opened.rstrip(b" ")).accounts


def open_at_desk(
    register: Register, cid: str, *, clerk: Actor, reason: str, now_s: int
) -> list[dict[str, Any]]:
    """The list for an agent, with a reason that the citizen will read; nobody opens their own. Raises Problem."""
    register.check_not_own(clerk.kid, cid)
    with write():
        log_desk(clerk, "accounts", cid, reason, now_s)
    return [{"account": link.account, "domain": link.domain} for link in read_links(register, cid)]


def _save(register: Register, cid: str, links: tuple[Link, ...]) -> int:
    plain = encode_canonical(Links(links)).ljust(SEALED_BYTES)
    assert len(plain) == SEALED_BYTES, "eight links fit"
    sealed = bytes(register.keys.load(cid).encrypt(plain))
    PersonLinks.delete().where(PersonLinks.cid == cid).execute()
    PersonLinks.insert(cid=cid, sealed=sealed).execute()
    return len(links)


def _is_signed(jwk: dict[str, str], message: bytes, signature: str) -> bool:
    try:
        raw = b64url_decode(signature)
    except DecodeError:
        return False
    key = public_key_from_jwk(jwk)
    verify = ed25519.verify_strict if key.alg == "EdDSA" else es256.verify
    return len(raw) == 64 and verify(key.raw, message, raw)
