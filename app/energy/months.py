"""Months of an operation: statements and invoices drafted from published days, kept sealed, shown once on the chain.

The first issue of a month bills its energy; after corrections a further issue holds the differences alone, as lines
of their own, so that nothing billed is ever changed. Statements and invoices are sealed under the books key, which
outlives the readings: accounting law keeps them ten years (Code de commerce, L123-22).
Reads: days, `energy_month`.  Writes: `energy_statement_file`, `energy_issue`, `energy_invoice_file`.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct

from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.database import insert_row, lock_until_commit, write
from app.core.problems import Problem
from app.energy import documents
from app.energy.codes import ENERGY_NOT_PUBLISHED
from app.energy.convention import MENTIONS, hash_convention
from app.energy.days import compute, is_published_result, read_basis, read_input
from app.energy.keys import MemberKeys, derive_statement_salt
from app.energy.members import find_convention, find_member, has_consent
from app.energy.models import (
    CreditLine,
    DayRow,
    InvoiceFile,
    IssueRow,
    MonthRow,
    Operation,
    PointRow,
    StatementFile,
)
from app.energy.month import LineKey, MonthSum, days_of_month, format_day, sum_steps
from app.energy.readings import zone_of
from app.energy.statements import (
    Billed,
    Invoice,
    MonthInputs,
    Statement,
    StatementLine,
    build_invoices,
    build_lines,
    build_statements,
    check_invoices,
    compute_statement_root,
    count_credits,
    encode_statement,
    gross_cents,
)
from chain.codec.canonical import b64url_decode, b64url_encode, encode_canonical
from chain.codec.merkle import verify_merkle_proof
from chain.limits import ENERGY_CREDITS_PER_TX_MAX
from chain.town.energy import tables
from chain.town.energy.refusals import Refused
from chain.town.energy_schemas import CreditEntry, EnergyCredit, EnergyStatement, Sums
from chain.types.block import Proof
from chain.types.codes import (
    ENERGY_CREDITED_ALREADY,
    ENERGY_INTERVAL_STATE,
    ENERGY_OPENING_INVALID,
)

MONTHS_MAX: Final = 24


class KeptStatement(Struct, frozen=True):
    """A sealed statement: its canonical bytes, its salt and its path under the month's root."""

    statement: str
    salt: str
    index: int
    total: int
    aunts: tuple[str, ...]


class KeptInvoice(Struct, frozen=True):
    """A sealed invoice with the names both sides had then."""

    number: str
    seller: str
    buyer: str
    seller_name: str
    buyer_name: str
    seller_siren: str
    month: str
    lines: tuple[StatementLine, ...]
    net_cents: int
    vat_cents: int
    accise_cents: int
    gross_cents: int
    mention: str
    due_days: int
    at: int


# --- drafting --------------------------------------------------------------------------------------


def draft_month(
    config: Config, operation: Operation, month: str, *, households_min: int, now_s: int
) -> tuple[EnergyStatement, dict[str, Any]]:
    """What the *PMO* signs next for a month, with totals for its eye; statements and invoices are kept, sealed."""
    number = 1 + _published_issues(operation.operation, month)
    days = _days(operation.operation, month)
    current, totals = _sum_month(config, operation, days, households_min)
    convention = find_convention(operation.operation, days[-1].day)[0]
    versions = [[row.day, row.version, row.root] for row in days]
    inputs = MonthInputs(
        convention,
        month,
        current,
        _owners(operation.operation, current),
        b64url_encode(sha256(encode_canonical(versions)).digest()),
        number,
        _billed(config, operation.operation, month, number) if number > 1 else None,
    )
    lines = build_lines(inputs)
    convention_hash = b64url_encode(hash_convention(convention))
    statements = build_statements(inputs, lines, convention_hash)
    invoices = build_invoices(inputs, lines)
    check_invoices(statements.values(), lines, invoices)
    root = _keep(config, operation.operation, inputs, statements, invoices, versions, now_s)
    message = EnergyStatement(
        operation.operation,
        month,
        number,
        _last_root(operation.operation, month, number),
        root,
        len(statements),
        totals,
    )
    said = {
        "statements": len(statements),
        "invoices": len(invoices),
        "lines": len(lines),
        "gross_cents": sum(map(gross_cents, lines)),
        "corrections": sum(line.kind == "correction" for line in lines),
    }
    return message, said


def _published_issues(operation: str, month: str) -> int:
    here = (MonthRow.operation == operation) & (MonthRow.month == month)
    return int(MonthRow.select().where(here).count())


def _last_root(operation: str, month: str, number: int) -> str:
    if number == 1:
        return ""
    row = MonthRow.get(
        (MonthRow.operation == operation)
        & (MonthRow.month == month)
        & (MonthRow.number == number - 1)
    )
    return str(row.root)


def _days(operation: str, month: str) -> list[DayRow]:
    """Published days of a month, in order; raises Problem when there is none or one waits for its allocation."""
    days = days_of_month(month)
    here = (
        (DayRow.operation == operation)
        & (DayRow.day >= format_day(days.start))
        & (DayRow.day <= format_day(days.stop - 1))
    )
    found = list(DayRow.select().where(here).order_by(DayRow.day))
    if not found:
        raise Problem(NOT_FOUND, f"no day of {month} is published")
    waiting = [row.day for row in found if not row.version]
    if waiting:
        raise Problem(ENERGY_INTERVAL_STATE, f"{waiting[0]} has no allocation")
    return found


def _sum_month(
    config: Config, operation: Operation, days: Sequence[DayRow], households_min: int
) -> tuple[MonthSum, Sums]:
    """The month recomputed from readings, day by day; a day that does not give its published root stops it."""
    total = MonthSum({}, {})
    for row in days:
        loaded, convention = read_input(config, operation, row.day, read_basis(row))
        result = compute(loaded, convention, row.version, households_min)
        if not is_published_result(row, result):
            raise Problem(ENERGY_OPENING_INVALID, row.day)
        roster = tables.roster_of(loaded.readings)
        assert not isinstance(roster, Refused), "the day was computed"
        sum_steps(
            roster,
            zip(result.steps, result.allocations, strict=True),
            pool_price_micro_eur=convention.pool_price_micro_eur,
            zone=zone_of(operation.zone),
            into=total,
        )
    shared = total.shared_wh
    return total, Sums(total.produced_wh, total.consumed_wh, shared, total.produced_wh - shared)


def _owners(operation: str, current: MonthSum) -> dict[str, str]:
    """Column to account, for every column of the month."""
    accounts = {
        point.name: point.account
        for point in PointRow.select().where(PointRow.operation == operation)
    }
    names = (*current.consumers, *current.producers)
    return {name: accounts[name.partition("_")[2]] for name in names}


def _billed(config: Config, operation: str, month: str, number: int) -> dict[LineKey, Billed]:
    """What the issues before `number` billed, line by line; each line is read off its buyer's statement."""
    found: dict[LineKey, Billed] = {}
    files = StatementFile.select().where(
        (StatementFile.operation == operation)
        & (StatementFile.month == month)
        & (StatementFile.number < number)
    )
    for file in files:
        statement = _open(config, file)[0]
        own = {point.point for point in statement.points}
        for line in statement.lines:
            if line.buyer in own:
                key = LineKey(line.buyer, line.seller, line.source)
                was = found.get(key, Billed(0, 0))
                found[key] = Billed(
                    was.energy_wh + line.energy_wh, was.amount_nano_eur + line.amount_nano_eur
                )
    return found


def _keep(
    config: Config,
    operation: str,
    inputs: MonthInputs,
    statements: Mapping[str, Statement],
    invoices: Iterable[Invoice],
    versions: Sequence[Sequence[Any]],
    now_s: int,
) -> str:
    """Seal what was drafted, in place of an earlier draft of the same issue; returns the root, base64url."""
    keys, month, number = MemberKeys(config), inputs.month, inputs.issue
    salted = [
        (
            derive_statement_salt(keys.salt_key(account), operation, month, number),
            encode_statement(statement),
        )
        for account, statement in statements.items()
    ]
    root, proofs = compute_statement_root(salted)
    shown = b64url_encode(root)
    with write():
        lock_until_commit(f"energy {operation}")
        for table, issue in (
            (StatementFile, StatementFile.number),
            (InvoiceFile, InvoiceFile.issue),
            (IssueRow, IssueRow.number),
        ):
            table.delete().where(
                (table.operation == operation) & (table.month == month) & (issue == number)
            ).execute()
        row = {"operation": operation, "month": month, "number": number, "root": shown}
        versions_text = encode_canonical([list(item) for item in versions]).decode()
        insert_row(IssueRow, {**row, "versions": versions_text, "at": now_s})
        for (account, _), (salt, raw), proof in zip(
            statements.items(), salted, proofs, strict=True
        ):
            kept = KeptStatement(
                raw.decode(),
                b64url_encode(salt),
                proof.index,
                proof.total,
                tuple(map(b64url_encode, proof.aunts)),
            )
            sealed = keys.seal_books(account, msgspec.json.encode(kept))
            insert_row(StatementFile, {**row, "account": account, "sealed": sealed, "at": now_s})
        for invoice in invoices:
            _keep_invoice(config, keys, operation, inputs, invoice, now_s)
    return shown


def _keep_invoice(
    config: Config,
    keys: MemberKeys,
    operation: str,
    inputs: MonthInputs,
    invoice: Invoice,
    now_s: int,
) -> None:
    seller = find_member(config, operation, invoice.seller)
    buyer = find_member(config, operation, invoice.buyer)
    kept = KeptInvoice(
        number=invoice.number,
        seller=invoice.seller,
        buyer=invoice.buyer,
        seller_name=seller.name if seller else "",
        buyer_name=buyer.name if buyer else "",
        seller_siren=seller.siren if seller else "",
        month=invoice.month,
        lines=invoice.lines,
        net_cents=invoice.net_cents,
        vat_cents=invoice.vat_cents,
        accise_cents=invoice.accise_cents,
        gross_cents=invoice.gross_cents,
        mention=MENTIONS[inputs.convention.taxes.vat],
        due_days=inputs.convention.due_days,
        at=now_s,
    )
    insert_row(
        InvoiceFile,
        {
            "number": invoice.number,
            "operation": operation,
            "month": invoice.month,
            "issue": inputs.issue,
            "seller": invoice.seller,
            "buyer": invoice.buyer,
            "sealed": keys.seal_books(invoice.seller, msgspec.json.encode(kept)),
            "at": now_s,
        },
    )


def draft_credits(config: Config, operation: Operation, month: str) -> EnergyCredit:
    """KWHC of a stated month: what each consenting member's points received, sorted by account.

    Of those who had none yet, as many as one transaction takes: the next draft has the others.
    Credited to who received the energy: the claim of its origin is theirs.
    """
    row = _issue(operation.operation, month, 0)
    credited = _list_credited(operation.operation, month)
    received: dict[str, int] = {}
    for file in StatementFile.select().where(
        (StatementFile.operation == operation.operation)
        & (StatementFile.month == month)
        & (StatementFile.number == row.number)
        & (StatementFile.root == row.root)
    ):
        is_asked = has_consent(operation.operation, file.account, "credits")
        if is_asked and file.account not in credited:
            wh = count_credits(_open(config, file)[0])
            if wh:
                received[file.account] = wh
    if not received and credited:
        raise Problem(ENERGY_CREDITED_ALREADY)
    if not received:
        raise Problem(NOT_FOUND, "no member consented to credits")
    listed = sorted(received.items())[:ENERGY_CREDITS_PER_TX_MAX]
    entries = tuple(CreditEntry(account, wh) for account, wh in listed)
    return EnergyCredit(operation.operation, month, entries)


def _list_credited(operation: str, month: str) -> set[str]:
    """Accounts that have had this month's KWHC."""
    lines = CreditLine.select(CreditLine.account).where(
        (CreditLine.operation == operation)
        & (CreditLine.month == month)
        & (CreditLine.kind == "credit")
    )
    return {line.account for line in lines}


# --- reading ---------------------------------------------------------------------------------------


def list_months(operation: str) -> list[dict[str, Any]]:
    """Published issues, newest month first."""
    found = MonthRow.select().where(MonthRow.operation == operation)
    ordered = found.order_by(MonthRow.month.desc(), MonthRow.number.desc()).limit(MONTHS_MAX)
    return [
        {
            **{name: getattr(row, name) for name in row._meta.sorted_field_names},
            "totals": msgspec.json.decode(row.totals),
        }
        for row in ordered
    ]


def _issue(operation: str, month: str, number: int) -> MonthRow:
    """A published issue (0: the last); raises Problem when it is not on the chain."""
    here = (MonthRow.operation == operation) & (MonthRow.month == month)
    if number:
        here &= MonthRow.number == number
    row = MonthRow.select().where(here).order_by(MonthRow.number.desc()).first()
    if row is None:
        raise Problem(ENERGY_NOT_PUBLISHED)
    found: MonthRow = row
    return found


def find_statement(
    config: Config, operation: str, month: str, number: int, account: str
) -> tuple[Statement, dict[str, Any], MonthRow]:
    """A member's published statement, what proves it under the month's root, and the issue."""
    row = _issue(operation, month, number)
    file = StatementFile.get_or_none(
        (StatementFile.operation == operation)
        & (StatementFile.month == month)
        & (StatementFile.number == row.number)
        & (StatementFile.account == account)
        & (StatementFile.root == row.root)
    )
    if file is None:
        raise Problem(NOT_FOUND)
    statement, kept = _open(config, file)
    proof = {
        "salt": kept.salt,
        "index": kept.index,
        "total": kept.total,
        "aunts": list(kept.aunts),
        "root": row.root,
        "transaction": row.payload_hash,
        "height": row.height,
    }
    return statement, proof, row


def _open(config: Config, file: StatementFile) -> tuple[Statement, KeptStatement]:
    raw = MemberKeys(config).open_books(file.account, bytes(file.sealed))
    kept = msgspec.json.decode(raw, type=KeptStatement)
    return msgspec.json.decode(kept.statement, type=Statement), kept


def list_savings(config: Config, operation: str, account: str) -> list[tuple[str, int]]:
    """Cents a member saved or earned more, by month, all published issues together; oldest first."""
    saved: dict[str, int] = {}
    for file in StatementFile.select().where(
        (StatementFile.operation == operation) & (StatementFile.account == account)
    ):
        published = MonthRow.get_or_none(
            (MonthRow.operation == operation)
            & (MonthRow.month == file.month)
            & (MonthRow.number == file.number)
            & (MonthRow.root == file.root)
        )
        if published is not None:
            statement = _open(config, file)[0]
            gained = statement.saved_cents + statement.earned_more_cents
            saved[file.month] = saved.get(file.month, 0) + gained
    return sorted(saved.items())[-MONTHS_MAX:]


def list_shares(config: Config, operation: str, month: str) -> list[tuple[str, int]]:
    """Wh that each consuming point got in a month's last published issue, by point."""
    row = _issue(operation, month, 0)
    found = []
    for file in StatementFile.select().where(
        (StatementFile.operation == operation)
        & (StatementFile.month == month)
        & (StatementFile.number == row.number)
        & (StatementFile.root == row.root)
    ):
        points = _open(config, file)[0].points
        found += [(p.point, p.shared_wh) for p in points if p.side == "consumer"]
    return found


def list_invoices(config: Config, accounts: Sequence[str]) -> list[dict[str, Any]]:
    """Published invoices these accounts are a party of, newest first."""
    rows = InvoiceFile.select().where(
        InvoiceFile.seller.in_(accounts) | InvoiceFile.buyer.in_(accounts)
    )
    found = []
    for row in rows.order_by(InvoiceFile.month.desc(), InvoiceFile.number):
        if is_published(row):
            kept = open_invoice(config, row)
            found.append(describe_invoice(kept) | {"lines": []})
    return found


def is_published(row: InvoiceFile) -> bool:
    """Whether the issue this invoice was drawn up with is the one on the chain, not a draft made later."""
    drawn = IssueRow.get_or_none(
        (IssueRow.operation == row.operation)
        & (IssueRow.month == row.month)
        & (IssueRow.number == row.issue)
    )
    return (
        drawn is not None
        and MonthRow.select()
        .where(
            (MonthRow.operation == row.operation)
            & (MonthRow.month == row.month)
            & (MonthRow.number == row.issue)
            & (MonthRow.root == drawn.root)
        )
        .exists()
    )


def get_invoice(config: Config, number: str, account: str) -> KeptInvoice:
    """An invoice for one of its parties; anybody else's does not exist."""
    row = InvoiceFile.get_or_none(InvoiceFile.number == number)
    if row is None or account not in (row.seller, row.buyer) or not is_published(row):
        raise Problem(NOT_FOUND)
    return open_invoice(config, row)


def open_invoice(config: Config, row: InvoiceFile) -> KeptInvoice:
    """What is in the seller's books."""
    raw = MemberKeys(config).open_books(row.seller, bytes(row.sealed))
    return msgspec.json.decode(raw, type=KeptInvoice)


def describe_invoice(kept: KeptInvoice) -> dict[str, Any]:
    """An invoice as JSON."""
    shown: dict[str, Any] = msgspec.to_builtins(kept)
    for line in shown["lines"]:
        line["gross_cents"] = line["net_cents"] + line["vat_cents"] + line["accise_cents"]
    return shown


def format_invoice(kept: KeptInvoice, language: str) -> bytes:
    """The invoice on paper."""
    invoice = Invoice(
        kept.number,
        kept.seller,
        kept.buyer,
        kept.month,
        kept.lines,
        kept.net_cents,
        kept.vat_cents,
        kept.accise_cents,
        kept.gross_cents,
    )
    seller = kept.seller_name or kept.seller
    return documents.format_invoice_pdf(
        invoice,
        seller=f"{seller}, SIREN {kept.seller_siren}" if kept.seller_siren else seller,
        buyer=kept.buyer_name or kept.buyer,
        mention=kept.mention,
        due_days=kept.due_days,
        language=language,
        made_s=kept.at,
    )


def check_proof(statement: bytes, proof: Mapping[str, Any]) -> bool:
    """Whether a statement's bytes stand under the root its proof names."""
    leaf = b64url_decode(proof["salt"]) + statement
    path = Proof(
        total=proof["total"],
        index=proof["index"],
        leaf_hash=sha256(b"\x00" + leaf).digest(),
        aunts=tuple(b64url_decode(aunt) for aunt in proof["aunts"]),
    )
    return verify_merkle_proof(path, b64url_decode(proof["root"]), leaf)
