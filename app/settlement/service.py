"""Settlement's read model and who may see which part of it: a shop its own legs, the association all, everybody totals.

Reads and writes: this domain's tables.  Never: shows a shop what two others pay each other.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sepaxml.validation import ValidationError

from app.core.codes import NOT_FOUND, SETTLEMENT_BANK_MISSING, SETTLEMENT_IBAN_INVALID
from app.core.database import insert_row, write
from app.core.problems import Problem
from app.core.projection import ProjectedJournal, ProjectedTx
from app.settlement.bank import (
    Party,
    Transfer,
    clean_name,
    draw_epc,
    format_reference,
    make_epc_text,
    make_pain,
    read_iban,
)
from app.settlement.models import (
    SettlementBank,
    SettlementBatch,
    SettlementLeg,
    SettlementPosition,
    SettlementStanding,
    SettlementWatch,
)
from app.settlement.statements import read_statement

RESERVE: Final = "~reserve"
"""The association's name in a batch (chain.town.settlement.records)."""
BATCHES_MAX: Final = 60


# --- totals ----------------------------------------------------------------------------------


def list_batches() -> list[dict[str, Any]]:
    """The newest batches, newest first, with how many legs are settled."""
    rows = SettlementBatch.select().order_by(SettlementBatch.epoch.desc()).limit(BATCHES_MAX)
    return [_describe_batch(row) for row in rows]


def get_batch(epoch: int) -> dict[str, Any]:
    """Totals of one batch; raises Problem(not_found)."""
    row = SettlementBatch.get_or_none(SettlementBatch.epoch == epoch)
    if row is None:
        raise Problem(NOT_FOUND)
    return _describe_batch(row)


def _describe_batch(row: SettlementBatch) -> dict[str, Any]:
    legs = list(SettlementLeg.select().where(SettlementLeg.epoch == row.epoch))
    saved = row.gross_millicents - row.legs_cents * 1_000
    return {
        **{name: getattr(row, name) for name in row._meta.sorted_field_names},
        "received_legs": sum(bool(leg.received) for leg in legs),
        "overdue_legs": sum(leg.is_overdue for leg in legs),
        "compression_percent": saved * 100 // row.gross_millicents if row.gross_millicents else 0,
    }


def get_watch() -> dict[str, Any]:
    """The newest figures that the law limits; zeros before the first batch."""
    row = SettlementWatch.select().order_by(SettlementWatch.at.desc()).first()
    if row is None:
        return {"at": 0, "circulation_millicents": 0, "year_millicents": 0, "is_alarmed": False}
    return {name: getattr(row, name) for name in row._meta.sorted_field_names}


# --- what a shop sees ------------------------------------------------------------------------


def own_names(bodies: Iterable[str], *, is_operator: bool) -> tuple[str, ...]:
    """Names under which a caller stands in batches."""
    shops = tuple(body.removeprefix("shop:") for body in bodies if body.startswith("shop:"))
    return (*shops, RESERVE) if is_operator else shops


def describe_part(
    epoch: int, names: tuple[str, ...], *, is_operator: bool, with_codes: bool
) -> dict[str, Any]:
    """A caller's positions and legs of a batch; the association's are all of them."""
    get_batch(epoch)
    positions = SettlementPosition.select().where(SettlementPosition.epoch == epoch)
    legs = SettlementLeg.select().where(SettlementLeg.epoch == epoch)
    if not is_operator:
        positions = positions.where(SettlementPosition.shop.in_(names))
        legs = legs.where((SettlementLeg.payer.in_(names)) | (SettlementLeg.payee.in_(names)))
    return {
        "epoch": epoch,
        "positions": list(positions.order_by(SettlementPosition.shop)),
        "legs": [
            _describe_leg(leg, names, with_codes=with_codes)
            for leg in legs.order_by(SettlementLeg.leg)
        ],
    }


def _describe_leg(
    leg: SettlementLeg, names: tuple[str, ...], *, with_codes: bool
) -> dict[str, Any]:
    described = {name: getattr(leg, name) for name in leg._meta.sorted_field_names}
    bank = _find_bank(leg.payee) if leg.payer in names else None
    if bank is not None and with_codes:
        text = make_epc_text(_transfer(leg))
        described |= {"code_text": text, "code_svg": draw_epc(text)}
    return described | {
        "reference": format_reference(leg.epoch, leg.leg),
        "payee_holder": bank.holder if bank else "",
        "payee_iban": bank.iban if bank else "",
    }


def make_file(epoch: int, names: tuple[str, ...], *, now_s: int) -> bytes:
    """pain.001 of what the caller still has to pay of a batch; raises Problem when there is nothing."""
    get_batch(epoch)
    open_legs = SettlementLeg.select().where(
        (SettlementLeg.epoch == epoch) & SettlementLeg.payer.in_(names) & (SettlementLeg.paid == "")
    )
    legs = list(open_legs.order_by(SettlementLeg.leg))
    if not legs:
        raise Problem(NOT_FOUND, "nothing left to pay in this batch")
    payer = _party(legs[0].payer)
    message = f"BEFFROI-{epoch}-{payer.iban[-4:]}-{now_s}"
    try:
        return make_pain(
            payer,
            [_transfer(leg) for leg in legs],
            message=message,
            due=datetime.fromtimestamp(now_s, tz=UTC).date(),
        )
    except ValidationError as error:
        raise Problem(SETTLEMENT_BANK_MISSING, str(error)[:200]) from error


def _transfer(leg: SettlementLeg) -> Transfer:
    return Transfer(_party(leg.payee), leg.cents, format_reference(leg.epoch, leg.leg))


def _party(shop: str) -> Party:
    bank = _find_bank(shop)
    if bank is None:
        raise Problem(SETTLEMENT_BANK_MISSING, shop)
    return Party(bank.holder, bank.iban)


# --- bank accounts ---------------------------------------------------------------------------


def _find_bank(shop: str) -> SettlementBank | None:
    found: SettlementBank | None = SettlementBank.get_or_none(SettlementBank.shop == shop)
    return found


def get_bank(names: tuple[str, ...]) -> dict[str, Any]:
    """The caller's own bank account; raises Problem(not_found) before one was given."""
    bank = _find_bank(names[0])
    if bank is None:
        raise Problem(NOT_FOUND)
    return {"shop": bank.shop, "holder": bank.holder, "iban": bank.iban}


def put_bank(
    names: tuple[str, ...], statement: str, *, kid: str, chain_id: str, now_s: int
) -> dict[str, Any]:
    """Note where the caller is paid, as its key signed it; raises Problem.

    `changed_at` is the time the owner signed, so that no older word comes after it.
    """
    with write():
        held = _find_bank(names[0])
        said = read_statement(
            statement,
            kid=kid,
            chain_id=chain_id,
            shop=names[0],
            after_s=held.changed_at if held else 0,
            now_s=now_s,
        )
        iban, holder = read_iban(said.iban), clean_name(said.holder)
        if iban is None or not holder:
            raise Problem(SETTLEMENT_IBAN_INVALID)
        SettlementBank.delete().where(SettlementBank.shop == names[0]).execute()
        SettlementBank.insert(shop=names[0], holder=holder, iban=iban, changed_at=said.at).execute()
    return get_bank(names)


# --- projections -----------------------------------------------------------------------------


def project_close(entry: ProjectedJournal) -> None:
    """A batch with every shop's position."""
    data = entry.data
    insert_row(
        SettlementBatch,
        {
            "epoch": data["epoch"],
            "from_height": data["from_height"],
            "to_height": data["to_height"],
            "closed_at": data["closed_s"],
            "dispute_until": data["dispute_until_s"],
            "pay_until": data["pay_until_s"],
            "shops": data["shops"],
            "legs": data["legs"],
            "legs_cents": data["legs_cents"],
            "gross_millicents": data["gross_millicents"],
            "redeemed_millicents": data["redeemed_millicents"],
            "root": data["root"],
        },
    )
    for shop, net, cents in data["positions"]:
        row = {"epoch": data["epoch"], "shop": shop, "net_millicents": net, "cents": cents}
        insert_row(SettlementPosition, row)


def project_legs(entry: ProjectedJournal) -> None:
    """A page of a batch's legs."""
    epoch, start = entry.data["epoch"], entry.data["start"]
    for index, (payer, payee, cents) in enumerate(entry.data["legs"], start):
        row = {"epoch": epoch, "leg": index, "payer": payer, "payee": payee, "cents": cents}
        insert_row(SettlementLeg, row)


def project_overdue(entry: ProjectedJournal) -> None:
    """Legs that were not paid in time."""
    for index, *_ in entry.data["legs"]:
        _set_leg(entry.data["epoch"], index, {"is_overdue": True})


def project_watch(entry: ProjectedJournal) -> None:
    """What circulates and what was spent in a year."""
    names = ("circulation_millicents", "year_millicents", "is_alarmed")
    row = {name: entry.data[name] for name in names}
    insert_row(SettlementWatch, {"at": entry.data["at_s"], **row}, is_new=False)


def project_leg(tx: ProjectedTx) -> None:
    """What somebody said of a leg; the result names all its marks."""
    names = ("paid", "received", "covered", "is_missing", "is_overdue")
    _set_leg(tx.data["epoch"], tx.data["leg"], {name: tx.data[name] for name in names})


def project_said(tx: ProjectedTx) -> None:
    """A shop agreed or objected, or its objection was decided."""
    said = {"settlement.ack": "agreed", "settlement.dispute": "disputed"}
    word = said.get(tx.payload.type) or tx.data["outcome"]
    SettlementPosition.update(said=word).where(
        (SettlementPosition.epoch == tx.data["epoch"])
        & (SettlementPosition.shop == tx.data["shop"])
    ).execute()


def project_standing(tx: ProjectedTx) -> None:
    """A shop left, failed or came back."""
    _set_standing(tx.data["shop"], {"status": tx.data["status"], "since": tx.data["since"]})


def project_reserve(tx: ProjectedTx) -> None:
    """What the association holds for a shop."""
    held = {"held_cents": tx.data["held_cents"], "attested_at": tx.time_s}
    _set_standing(tx.data["shop"], held)


def _set_leg(epoch: int, index: int, marks: Mapping[str, Any]) -> None:
    SettlementLeg.update(**marks).where(
        (SettlementLeg.epoch == epoch) & (SettlementLeg.leg == index)
    ).execute()


def _set_standing(shop: str, facts: Mapping[str, Any]) -> None:
    insert_row(SettlementStanding, {"shop": shop}, is_new=False)
    SettlementStanding.update(**facts).where(SettlementStanding.shop == shop).execute()


PROJECTIONS: Final = {
    "settlement.ack": project_said,
    "settlement.dispute": project_said,
    "settlement.resolve": project_said,
    "settlement.paid": project_leg,
    "settlement.missing": project_leg,
    "settlement.cover": project_leg,
    "settlement.standing": project_standing,
    "settlement.reserve": project_reserve,
}
JOURNAL: Final = {
    "settlement.close": project_close,
    "settlement.legs": project_legs,
    "settlement.overdue": project_overdue,
    "settlement.watch": project_watch,
}
