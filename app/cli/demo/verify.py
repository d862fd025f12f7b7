"""The clients' own eyes: every proof the API shows is checked here against one pinned checkpoint.

Nothing the API says about a transaction or a record is printed as proved unless `chain.light` accepted it.
Reads: answers of the public API.  Writes: nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from app.cli.demo.client import expect
from app.cli.demo.http import Api
from chain.codec.canonical import b64url_encode
from chain.crypto.jws import parse
from chain.light.bundle import (
    Checkpoint,
    ProvedFacts,
    encode_checkpoint,
    parse_checkpoint,
    verify_bundle,
)
from chain.town.envelope import TX_MAX_BYTES, TX_TYP
from chain.types.timestamp import Timestamp


class NotProved(Exception):
    """A proof does not verify, or proves something else than what was claimed."""


@dataclass(frozen=True, slots=True)
class Proved:
    """A transaction's result, proved: `height` of its block, `data` of the rule."""

    height: int
    data: dict[str, Any]
    transaction: str


def payload_hash(transaction: str) -> str:
    """The name of a signed transaction: SHA-256 of its payload, hex."""
    return sha256(parse(transaction.encode(), TX_TYP, TX_MAX_BYTES).payload).hexdigest()


@dataclass(frozen=True, slots=True)
class Verifier:
    """One client's trust: a checkpoint it was given once (at city hall, with the application)."""

    checkpoint: Checkpoint
    clock: Callable[[], int]

    @classmethod
    def pin(cls, api: Api, clock: Callable[[], int]) -> "Verifier":
        """Take today's checkpoint for granted, as a citizen does who reads it on the notice board."""
        shown = expect("checkpoint", api.get("/v1/audit/checkpoint"))
        return cls(parse_checkpoint(json.dumps(shown).encode()), clock)

    def describe(self) -> str:
        """The checkpoint as canonical JSON, to be kept as a file."""
        return encode_checkpoint(self.checkpoint).decode()

    def check(self, bundle: Any) -> ProvedFacts:
        """Facts of a bundle; raises NotProved."""
        now = Timestamp(self.clock())
        verdict = verify_bundle(json.dumps(bundle).encode(), self.checkpoint, now)
        if verdict.facts is None:
            raise NotProved(f"{verdict.flaw}: {verdict.detail}")
        return verdict.facts

    def check_transaction(self, api: Api, transaction: str, *, code: int = 0) -> Proved:
        """That this very transaction is in a block and came out with `code`; raises NotProved."""
        name = payload_hash(transaction)
        answer = expect("receipt", api.get(f"/v1/transactions/{name}?proof=1"))
        facts = self.check(answer["proof"])
        if facts.tx != transaction.encode():
            raise NotProved("the proof is of another transaction")
        if facts.result is None or facts.result.code != code:
            raise NotProved("the proved result is another one")
        data = json.loads(facts.result.data) if facts.result.data else {}
        return Proved(facts.height, data, name)

    def check_record(
        self, bundle: Any, *, namespace: str, record_id: str
    ) -> tuple[int, dict[str, Any] | None]:
        """State height and content of a record, None when proved absent; raises NotProved."""
        facts = self.check(bundle)
        if (facts.namespace, facts.record_id) != (namespace, record_id.encode()):
            raise NotProved("the proof is of another record")
        content = None if facts.record is None else json.loads(facts.record)
        return facts.height - 1, content


def short(text: str | bytes) -> str:
    """The first characters of a hash, for people."""
    return (text.hex() if isinstance(text, bytes) else text)[:12]


def hash_name(transaction: str) -> str:
    """The base64url form of a payload hash, by which `loyalty.reverse` names an operation."""
    return b64url_encode(bytes.fromhex(payload_hash(transaction)))
