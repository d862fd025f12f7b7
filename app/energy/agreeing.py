"""Contracts: each clause held against the chain's records before a signature is relayed; then kept, sealed.

The document stays between its parties and the *PMO*. Whoever offers, accepts or countersigns through here is told every
clause that does not hold, before anything reaches the chain, which knows only hash, parties, points and days.
Reads: the node's records, conventions, accounts.  Writes: `energy_contract_file`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from app.accounts.models import AccountRow
from app.core.chain_client import ChainClient, RpcError
from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.database import insert_row, write
from app.core.problems import NodeUnavailable, Problem
from app.energy.codes import ENERGY_OPENING_DIFFERS
from app.energy.keys import MemberKeys
from app.energy.members import find_convention, get_operation
from app.energy.models import ContractFile, ContractRow, ContractStepRow
from chain.town.energy.agreements import Facts, find_flaws
from chain.town.energy.contract_document import (
    ContractDocument,
    IndexedPrice,
    decode_document,
    hash_document,
    terms_of,
)
from chain.town.energy.onchain.facts import read_facts
from chain.town.energy.refusals import Refused
from chain.town.energy_schemas import EnergyContract
from chain.types.codes import ENERGY_POINT_UNKNOWN, TX_NOT_ENTITLED

LISTED_MAX: Final = 500
_AGREEING: Final = ("offer", "accept", "countersign")
"""Steps by which a party binds itself; the later ones only end what was agreed."""


class NodeRecords:
    """Records of the last committed state as the town's own node shows them, one by one; raises Problem without it."""

    def __init__(self, chain: ChainClient) -> None:
        self._chain = chain

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        """One record in its canonical form, or None."""
        try:
            answer = self._chain.query(f"/record/{namespace}", record_id)
        except RpcError as error:
            raise NodeUnavailable(error.message) from error
        return answer.value or None

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """No node lists its records: whoever asks for that asks the wrong reader."""
        raise NotImplementedError


# --- before a step is relayed ----------------------------------------------------------------------


def check_step(
    config: Config, chain: ChainClient, sender: str, body: EnergyContract, sent: str
) -> None:
    """Raise Problem when a binding step agrees to a document with a clause that does not hold, or to an unseen one.

    Only a party is told what is wrong with a document. `sent` is needed with the offer; later steps may leave it out
    where the offer came through here.
    """
    if body.step not in _AGREEING:
        return
    document = _read_document(body, sent or _find_document(config, body.contract))
    if sender not in (document.seller.account, document.buyer.account, f"body:{document.pmo}"):
        raise Problem(TX_NOT_ENTITLED, "of the contract's parties")
    facts = _read_facts(chain, document)
    if isinstance(facts, Refused):
        raise Problem(facts.code, facts.detail)
    flaws = find_flaws(document, facts)
    # Who names points or an operation that are not the parties' learns that, and nothing of the others' consents.
    flaws = tuple(flaw for flaw in flaws if _is_of_others(flaw)) or flaws
    if flaws:
        raise Problem(flaws[0].code, "; ".join(flaw.detail or flaw.code.name for flaw in flaws))


def _is_of_others(flaw: Refused) -> bool:
    return flaw.code is ENERGY_POINT_UNKNOWN or flaw.detail.startswith("identity")


def _read_document(body: EnergyContract, text: str) -> ContractDocument:
    if not text:
        raise Problem(ENERGY_OPENING_DIFFERS, "send the contract's document")
    document = decode_document(text.encode())
    if isinstance(document, Refused):
        raise Problem(document.code, document.detail)
    is_named = hash_document(document) == body.contract and document.operation == body.operation
    if not is_named or (body.step == "offer" and terms_of(document) != body.terms):
        raise Problem(ENERGY_OPENING_DIFFERS, "the document is not the one offered")
    return document


def _read_facts(chain: ChainClient, document: ContractDocument) -> Facts | Refused:
    parties = (document.seller.account, document.buyer.account)
    active = AccountRow.select(AccountRow.id).where(
        AccountRow.id.in_(parties) & (AccountRow.status == "open")
    )
    indices = {}
    if isinstance(document.price.tariff, IndexedPrice):
        convention, _ = find_convention(document.operation, document.term.start_day)
        indices = convention.series
    return read_facts(
        NodeRecords(chain),
        document,
        active_accounts=frozenset(row.id for row in active),
        indices=indices,
    )


# --- what is kept ----------------------------------------------------------------------------------


def keep_document(
    config: Config, body: EnergyContract, account: str, document: str, now_s: int
) -> None:
    """Seal an offered document with the seller's books key."""
    if body.step != "offer":
        return
    keys = MemberKeys(config)
    keys.create(account)
    row = {
        "contract": body.contract,
        "operation": body.operation,
        "account": account,
        "sealed": keys.seal_books(account, document.encode()),
        "at": now_s,
    }
    with write():
        insert_row(ContractFile, row, is_new=False)


def list_contracts(config: Config, account: str) -> list[dict[str, Any]]:
    """Contracts an account is a party of."""
    mine = (ContractRow.seller == account) | (ContractRow.buyer == account)
    rows = ContractRow.select().where(mine).order_by(ContractRow.start_day.desc()).limit(LISTED_MAX)
    return [_describe_contract(config, row) for row in rows]


def get_contract(
    config: Config, contract: str, account: str, bodies: Sequence[str]
) -> dict[str, Any]:
    """A contract for its parties and the operation's *PMO*; anybody else's does not exist."""
    row = ContractRow.get_or_none(ContractRow.contract == contract)
    if row is None:
        raise Problem(NOT_FOUND)
    is_party = bool(account) and account in (row.seller, row.buyer)
    if not is_party and get_operation(row.operation).pmo not in bodies:
        raise Problem(NOT_FOUND)
    return _describe_contract(config, row)


def _find_document(config: Config, contract: str) -> str:
    """The document of an offer that came through here, or nothing."""
    file = ContractFile.get_or_none(ContractFile.contract == contract)
    if file is None:
        return ""
    return MemberKeys(config).open_books(file.account, bytes(file.sealed)).decode()


def _describe_contract(config: Config, row: ContractRow) -> dict[str, Any]:
    steps = ContractStepRow.select().where(ContractStepRow.contract == row.contract)
    return {
        **{name: getattr(row, name) for name in row._meta.sorted_field_names},
        "document": _find_document(config, row.contract),
        "steps": [
            {
                name: getattr(step, name)
                for name in step._meta.sorted_field_names
                if name != "contract"
            }
            for step in steps.order_by(ContractStepRow.number)
        ],
    }
