"""Agents, attestations and citizens for identity tests on a running town."""

from typing import Any

from chain.codec.canonical import encode_canonical
from chain.crypto import jws
from chain.crypto.jws import SigningKey
from chain.town.identity.attesting import ATTESTATION_TYP
from chain.town.schemas import Attestation, IdBatchAttest, IdBatchRenew
from chain.types.abci import ExecTxResult
from tests.town.town_kit import ROLES, Town, blind, jwk, key, make_town

CLERK = "body:mairie"
MORE_ROLES = (
    *ROLES,
    ("clerk", "coop"),
    ("clerk", "dehors"),
    ("agent_supervisor", "mairie"),
)
"""Two agents of city hall and one of each other body."""


def commitment(name: str) -> str:
    """32 bytes that look random."""
    return key(f"commitment {name}").kid


def cid_of(name: str) -> str:
    return key(f"cid {name}").kid


def attest(town: Town, name: str, /, **how: Any) -> str:
    """An attestation of the citizen `name`; any field, the signer and the JWS type may be set."""
    signer: SigningKey = how.pop("by", None) or town.role("clerk")
    typ: str = how.pop("typ", ATTESTATION_TYP)
    fields: dict[str, Any] = {
        "town": town.town,
        "cid": cid_of(name),
        "key": jwk(key(name)),
        "blind": blind(name),
        "commitment": commitment(name),
        "level_identity": 3,
        "level_residence": 2,
        "expires_month": "2029-06",
    }
    attestation = Attestation(**(fields | how))
    return jws.sign_compact(encode_canonical(attestation), typ, signer).decode()


def batch(town: Town, *names: str, **how: Any) -> ExecTxResult:
    """A batch of these citizens, rightly sorted, by the clerk."""
    texts = [attest(town, name, **how) for name in sorted(names, key=cid_of)]
    return send(town, *texts)


def send(town: Town, *texts: str) -> ExecTxResult:
    return town.do(IdBatchAttest(texts), CLERK, town.role("clerk"))


def renew(town: Town, *names: str, **how: Any) -> ExecTxResult:
    """A batch of renewals of these citizens by the clerk, each a new word."""
    texts = [
        attest(town, name, **{"blind": blind(f"{name} at {town.now_s}")} | how)
        for name in sorted(names, key=cid_of)
    ]
    return town.do(IdBatchRenew(texts), CLERK, town.role("clerk"))


def open_identity(name: str = "ada", **genesis: Any) -> Town:
    """A lax town with one active identity."""
    town = make_town(**genesis)
    assert batch(town, name).info == "ok"
    return town


def agent(name: str) -> SigningKey:
    """An agent's key, `clerk@coop` for instance."""
    return key(name)
