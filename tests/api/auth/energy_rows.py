"""Rows of the authorisation matrix for shared energy: one's own operation, days, months, and another's.

The neighbourhood of `tests/api/energy/kit.py` lives in the matrix's town: `les-tilleuls`, managed by the coop, where
the world's energy citizen has a home; `les-ormes` is managed by the shopkeepers, and nobody of the world is in it.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from app.cli.demo.client import expect
from app.cli.demo.http import new_key
from app.cli.demo.neighbours import Manager, MeterPoint, Neighbour, settle
from app.energy.convention import encode_convention
from app.energy.month import format_day, parse_day, starts_of_days
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.town.energy import commitments
from chain.town.energy.contract_document import Party, hash_document, terms_of
from chain.town.energy.conventions import Contract, hash_key
from chain.town.energy_schemas import (
    EnergyAdmit,
    EnergyApprove,
    EnergyChallenge,
    EnergyConsent,
    EnergyContract,
    EnergyJoin,
    EnergyLeave,
    EnergyOperation,
    EnergyOrder,
    EnergyOrderCancel,
    EnergyPaid,
    EnergyReport,
    EnergyRetire,
    EnergyTransfer,
    EnergyWitness,
    LotPart,
    OperationTerms,
)
from tests.api.auth.matrix_world import Asked, Row, World
from tests.api.energy.kit import OP, SEATS, Neighbourhood, make_convention, prm
from tests.town.energy.test_agreements import DOCUMENT
from tests.town.town_kit import key

BASE = "/v1/energy"
OTHER = "les-ormes"
MARKET = "le-marche"
REFUSED = frozenset({403, 404, 409})
BYTES = b64url_encode(bytes(32))


def hood(world: World) -> Neighbourhood:
    """The neighbourhood, made once; the world's spare people of energy are in it."""
    if "hood" not in world.kept:
        made = Neighbourhood(world.street.town.config.home, town=world.street.town, past_month=True)
        world.spares["home 1"] = key("energy home 1")
        world.spares["pmo@commerces"] = key("pmo@commerces")
        other = made.agent(Manager, "pmo", "commerces")
        expect("other", open_terms(other, OTHER))
        for day in made.month_days(2):
            made.publish(day)
        world.kept["hood"] = made
    found: Neighbourhood = world.kept["hood"]
    found.log_in()
    return found


def open_terms(manager: Manager, operation: str) -> Any:
    return manager.open_operation(
        make_convention(operation=operation), adapter="dehors", from_day=manager_day(manager)
    )


def manager_day(manager: Manager) -> str:
    return format_day(manager.clock() // 86_400 - 40)


def made_once(world: World, name: str, make: Callable[[], Any]) -> Any:
    if name not in world.kept:
        world.kept[name] = make()
    return world.kept[name]


# --- shapes ------------------------------------------------------------------------------------------


def named(path: str, who: str = "pmo", body: Callable[[World], Any] | None = None) -> Row:
    """A path of the own operation, and the same of another's."""

    def asked(world: World, operation: str) -> Asked:
        made = hood(world)
        day, last = made.month_days(2)
        filled = path.format(operation=operation, day=day, last=last, month=day[:7])
        return Asked(BASE + filled, body(world) if body else None)

    return Row(who, own=lambda w: asked(w, OP), other=lambda w: asked(w, OTHER))


def by_body(path: str, who: str, body: str, make: Callable[[World, str], Any]) -> Row:
    """A message of the own body's operation, and the same about another body's."""

    def asked(world: World, operation: str) -> Asked:
        hood(world)
        return made_once(
            world,
            f"{path} of {operation}",
            lambda: world.tx(
                BASE + path, make(world, operation), f"body:{body}", world.signers[who]
            ),
        )

    return Row(who, own=lambda w: asked(w, OP), other=lambda w: asked(w, OTHER), refused=REFUSED)


def by_member(path: str, make: Callable[[World], Any], **more: Any) -> Row:
    """A message of the own account, and the same signed in another account's name."""

    def asked(world: World, is_own: bool) -> Asked:
        made = hood(world)
        account = made.homes[0].account if is_own else made.homes[1].account
        signed = world.tx(BASE + path, make(world), account, made.homes[0].key)
        return Asked(signed.path, {**(signed.body or {}), **more})

    return Row(
        "citizen:energy",
        own=lambda w: asked(w, True),
        other=lambda w: asked(w, False),
        refused=REFUSED,
    )


# --- messages ----------------------------------------------------------------------------------------


def fresh_terms(world: World, operation: str) -> tuple[EnergyOperation, str, str]:
    made = hood(world)
    name = "une-autre" if operation == OP else operation
    convention = make_convention(operation=name)
    document, salt = encode_convention(convention), bytes([len(name)]) * 32
    terms = OperationTerms(
        step_s=900,
        zone="Europe/Paris",
        regime="standard",
        territory="mainland",
        adapter="dehors",
        key_kind="pro_rata",
        key_hash=b64url_encode(hash_key(convention.key)),
        missing="zero",
        correction_days=60,
        gate_s=0,
        convention=commitments.commit_text(document, salt),
    )
    version = 1 if operation == OP else 2
    message = EnergyOperation(name, version, made.day(-40), terms)
    return message, document.decode(), b64url_encode(salt)


def open_operation(world: World, operation: str) -> Asked:
    message, document, salt = fresh_terms(world, operation)
    made = world.tx(f"{BASE}/operations", message, "body:coop", world.signers["pmo"])
    return Asked(made.path, {**(made.body or {}), "convention": document, "salt": salt})


def approve(world: World, *seats: str) -> Asked:
    made = hood(world)
    name = made_once(world, "to approve", lambda: open_waiting(made))
    body: EnergyApprove = made.manager.approval(name, missing="zero")
    signers = [key(f"seat@{seat}") for seat in seats]
    return world.tx(f"{BASE}/operations/approvals", body, "council", *signers)


def open_waiting(made: Neighbourhood) -> str:
    expect("waiting", open_terms(made.manager, "qui-attend"))
    return "qui-attend"


def join(world: World, is_own: bool) -> Asked:
    made = hood(world)
    point = made_once(
        world, "more meter", lambda: MeterPoint(prm(500), "consumer", 48_600_000, 500_000)
    )
    account = made.homes[0].account if is_own else made.homes[1].account
    body = EnergyJoin(OP, 1, (point.claim(),))
    signed = world.tx(f"{BASE}/memberships", body, account, made.homes[0].key)
    more = {"name": "Foyer", "points": [point.opening()]}
    return Asked(signed.path, {**(signed.body or {}), **more})


def admit(world: World, operation: str) -> EnergyAdmit:
    made = hood(world)
    if operation == OTHER:
        return EnergyAdmit(OTHER, made.homes[1].account, "refused", "", (), None)
    made_once(world, "asks", lambda: ask(made))
    return EnergyAdmit(OP, made.homes[1].account, "refused", "", (), None)


def ask(made: Neighbourhood) -> bool:
    made.homes[1].points = [MeterPoint(prm(501), "consumer", 48_600_000, 500_000)]
    settle(made.homes[1], [made.homes[1].ask_to_join(OP)], "request")
    made.homes[1].points = [MeterPoint(prm(1), "consumer", 48_600_900, 500_000)]
    return True


def readings(world: World, sender: str) -> Asked:
    made = hood(world)
    day = made.day(-1)

    def draft() -> Any:
        expect("import", made.adapter.import_files(OP, [made.upload(day)]))
        return made.adapter.draft(f"/operations/{OP}/days/{day}/readings-drafts")[0]

    message = made_once(world, "readings", draft)
    return world.tx(f"{BASE}/readings", message, sender, world.signers["meter_adapter"])


def allocation(world: World, operation: str) -> Any:
    made = hood(world)
    day = made.day(-6)

    def draft() -> Any:
        made.meter(day)
        return made.manager.draft(f"/operations/{OP}/days/{day}/allocation-drafts", {})[0]

    message = made_once(world, "allocation", draft)
    return msgspec.structs.replace(message, operation=operation)


def witness(world: World, operation: str) -> Any:
    made = hood(world)
    day = made.month_days(2)[0]
    shown = expect("day", world.street.api.get(f"{BASE}/operations/{OP}/days/{day}"))
    return EnergyWitness(operation, day, shown["version"], shown["root"])


def fresh_day(world: World, offset: int) -> str:
    """A published day of its own."""
    made = hood(world)
    day = made.day(offset)
    made_once(world, day, lambda: made.publish(day) or True)
    return day


def report(world: World, operation: str) -> EnergyReport:
    day = fresh_day(world, -7)
    return EnergyReport(operation, day, day, BYTES)


def order(world: World, *, is_own: bool, path: str = "/orders") -> Asked:
    """An order of the market operation, where the key of the day has an auction."""
    made = made_once(world, "market", lambda: open_market(hood(world)))
    member = made.homes[0]
    start = (member.clock() // 900 + 40) * 900
    name = ""
    for membership in member.get("/memberships/me")["memberships"]:
        if membership["operation"] == MARKET:
            name = f"cons_{membership['points'][0]['name']}"
    salt = bytes([7]) * 32
    sealed = commitments.SealedOrder(MARKET, start, name, "bid", 100_000, 500)
    commitment = commitments.commit_order(sealed, salt)
    account = member.account if is_own else made.homes[1].account
    if path == "/orders":
        body: Any = EnergyOrder(MARKET, start, commitment)
        opening = {
            "point": name,
            "side": "bid",
            "price_micro_eur": 100_000,
            "energy_wh": 500,
            "salt": b64url_encode(salt),
        }
        signed = world.tx(BASE + path, body, account, member.key)
        return Asked(signed.path, {**(signed.body or {}), "opening": opening})
    if is_own and "ordered" not in world.kept:
        world.kept["ordered"] = world.ask("POST", order(world, is_own=True), "citizen:energy")
    body = EnergyOrderCancel(MARKET, start, commitment)
    return world.tx(BASE + path, body, account, member.key)


def open_market(made: Neighbourhood) -> Neighbourhood:
    """A second operation of the coop whose key is contracts and an auction; the first home joins it too."""
    convention = make_convention(operation=MARKET, key=Contract())
    expect(
        "market",
        made.manager.open_operation(convention, adapter="dehors", from_day=made.day(-5)),
    )
    made.approve(operation=MARKET)
    home = made.homes[0]
    before = home.points
    home.points = [MeterPoint(prm(700), "consumer", 48_600_000, 500_000)]
    made.join([home], made.day(-3), operation=MARKET)
    home.points = before
    return made


def contract(world: World, is_own: bool) -> Asked:
    made = hood(world)
    seller, buyer = made.roofs[0], made.homes[0]
    offered = made_once(world, "offered", lambda: offer(made, seller, buyer))
    accept = EnergyContract(OP, offered["contract"], "accept", offered["last"])
    account = buyer.account if is_own else seller.account
    return world.tx(f"{BASE}/contracts", accept, account, buyer.key)


def offer(made: Neighbourhood, seller: Neighbour, buyer: Neighbour) -> dict[str, Any]:
    """The seller's offer with its document; what the API shows of the contract."""
    document = msgspec.structs.replace(
        DOCUMENT,
        seller=Party(seller.account, "person", ""),
        buyer=Party(buyer.account, "person", ""),
        seller_point=seller.points[0].commitment,
        buyer_point=buyer.points[0].commitment,
        term=msgspec.structs.replace(DOCUMENT.term, start_day=made.day(2)),
        data=DOCUMENT.data[:1],
    )
    body = EnergyContract(OP, hash_document(document), "offer", "", terms_of(document))
    asked = {
        "transaction": seller.sign(body, sender=seller.account),
        "document": encode_canonical(document).decode(),
    }
    path = f"{BASE}/contracts"
    expect("offer", seller.api.post(path, asked, token=seller.token, key=new_key(), wait_s=5))
    shown: dict[str, Any] = seller.get("/contracts/me")["contracts"][0]
    return shown


def statement(world: World, operation: str) -> Any:
    """The month of the two published days, reconciled and past its challenges."""
    made = hood(world)
    first, last = made.month_days(2)

    def draft() -> Any:
        made.reconcile(first, last)
        made.wait_for_challenges()
        return made.manager.draft(f"/operations/{OP}/months/{first[:7]}/drafts")[0]

    message = made_once(world, "statement", draft)
    return msgspec.structs.replace(message, operation=operation)


def stated(world: World) -> str:
    made_once(world, "stated", lambda: post(world, "POST /v1/energy/statements"))
    return hood(world).month_days(2)[0][:7]


def credited(world: World) -> str:
    month = stated(world)
    made_once(world, "credited", lambda: post(world, "POST /v1/energy/credits"))
    return month


def post(world: World, name: str) -> bool:
    """What a row sends of its own; a transaction sent twice is taken once."""
    row = ENERGY_ROWS[name]
    answer = world.ask("POST", row.own(world), row.who)
    assert answer.status_code == 201, answer.json
    return True


def invoice(world: World, number: int) -> Asked:
    stated(world)
    client = hood(world).homes[number]
    return Asked(f"{BASE}/invoices/{client.get('/invoices/me')['invoices'][0]['number']}")


def transfer(world: World) -> EnergyTransfer:
    part = LotPart(OP, credited(world), 3)
    return EnergyTransfer(hood(world).homes[1].account, (part,), "")


def credit(world: World, operation: str) -> Any:
    month = stated(world)
    path = f"/operations/{OP}/months/{month}/credit-drafts"
    message = made_once(world, "credit", lambda: hood(world).manager.draft(path)[0])
    return msgspec.structs.replace(message, operation=operation)


def reconcile_body(world: World) -> dict[str, str]:
    made = hood(world)
    day = made.month_days(2)[0]
    return {"first": day, "last": day, "content": made.autocons(day, day)}


_SPAN = "first={day}&last={day}"
ENERGY_ROWS: dict[str, Row] = {
    "POST /v1/energy/operations": Row(
        "pmo",
        own=lambda w: open_operation(w, OP),
        other=lambda w: open_operation(w, OTHER),
        refused=REFUSED,
    ),
    "POST /v1/energy/operations/approvals": Row(
        "council",
        own=lambda w: approve(w, *SEATS),
        other=lambda w: approve(w, "mairie"),
        refused=REFUSED,
    ),
    "GET /v1/energy/operations/{operation}/convention": named(
        "/operations/{operation}/convention", "citizen:energy"
    ),
    "GET /v1/energy/operations/{operation}/members": named("/operations/{operation}/members"),
    "GET /v1/energy/operations/{operation}/perimeter": named("/operations/{operation}/perimeter"),
    "POST /v1/energy/operations/{operation}/imports": Row(
        "meter_adapter",
        own=lambda w: imports(w, OP),
        other=lambda w: imports(w, "a-un-autre"),
    ),
    "POST /v1/energy/operations/{operation}/days/{day}/readings-drafts": Row(
        "meter_adapter",
        own=lambda w: drafts(w, OP),
        other=lambda w: drafts(w, "a-un-autre"),
    ),
    "POST /v1/energy/operations/{operation}/days/{day}/allocation-drafts": named(
        "/operations/{operation}/days/{last}/allocation-drafts", body=lambda w: {"evidence": BYTES}
    ),
    "GET /v1/energy/operations/{operation}/curves": Row(
        "pmo", own=lambda w: member_curve(w, OP), other=lambda w: member_curve(w, OTHER)
    ),
    "GET /v1/energy/operations/{operation}/days/{day}/sealed": named(
        "/operations/{operation}/days/{day}/sealed"
    ),
    "POST /v1/energy/operations/{operation}/coefficients": named(
        "/operations/{operation}/coefficients",
        body=lambda w: dict.fromkeys(("first", "last"), hood(w).month_days(2)[0]),
    ),
    "POST /v1/energy/operations/{operation}/reconciliations": named(
        "/operations/{operation}/reconciliations", body=reconcile_body
    ),
    "POST /v1/energy/memberships": Row(
        "citizen:energy",
        own=lambda w: join(w, True),
        other=lambda w: join(w, False),
        refused=REFUSED,
    ),
    "POST /v1/energy/memberships/answers": by_body("/memberships/answers", "pmo", "coop", admit),
    "POST /v1/energy/readings": Row(
        "meter_adapter",
        own=lambda w: readings(w, "body:dehors"),
        other=lambda w: readings(w, "body:mairie"),
        refused=REFUSED,
    ),
    "POST /v1/energy/allocations": by_body("/allocations", "pmo", "coop", allocation),
    "POST /v1/energy/witnessings": by_body("/witnessings", "energy_witness", "mairie", witness),
    "POST /v1/energy/reports": by_body("/reports", "pmo", "coop", report),
    "POST /v1/energy/consents": by_member(
        "/consents", lambda w: EnergyConsent(OP, "statistics", "given", BYTES)
    ),
    "POST /v1/energy/challenges": by_member(
        "/challenges", lambda w: EnergyChallenge(OP, fresh_day(w, -8), 1, BYTES)
    ),
    "POST /v1/energy/contracts": Row(
        "citizen:energy",
        own=lambda w: contract(w, True),
        other=lambda w: contract(w, False),
        refused=REFUSED,
    ),
    "GET /v1/energy/contracts/{contract}": Row(
        "citizen:energy",
        own=lambda w: contract_seen(w, True),
        other=lambda w: contract_seen(w, False),
    ),
    "POST /v1/energy/orders": Row(
        "citizen:energy",
        own=lambda w: order(w, is_own=True),
        other=lambda w: order(w, is_own=False),
        refused=REFUSED,
    ),
    "POST /v1/energy/orders/cancellations": Row(
        "citizen:energy",
        own=lambda w: order(w, is_own=True, path="/orders/cancellations"),
        other=lambda w: order(w, is_own=False, path="/orders/cancellations"),
        refused=REFUSED,
    ),
    "POST /v1/energy/statements": by_body("/statements", "pmo", "coop", statement),
    "GET /v1/energy/invoices/{number}": Row(
        "citizen:energy", own=lambda w: invoice(w, 0), other=lambda w: invoice(w, 1)
    ),
    "POST /v1/energy/credits": by_body("/credits", "pmo", "coop", credit),
    "POST /v1/energy/transfers": by_member("/transfers", transfer),
    "POST /v1/energy/retirements": by_member(
        "/retirements", lambda w: EnergyRetire(OP, credited(w), 2, BYTES)
    ),
    "POST /v1/energy/payments": by_member(
        "/payments", lambda w: EnergyPaid(OP, credited(w), BYTES, BYTES, "paid")
    ),
    "POST /v1/energy/operations/{operation}/months/{month}/drafts": named(
        "/operations/{operation}/months/{month}/drafts"
    ),
    "POST /v1/energy/operations/{operation}/months/{month}/credit-drafts": Row(
        "pmo",
        own=lambda w: month_path(w, OP, "credit-drafts", {}),
        other=lambda w: month_path(w, OTHER, "credit-drafts", {}),
        used_up="energy_credited_already",
    ),
    "GET /v1/energy/operations/{operation}/months/{month}/chart": Row(
        "pmo",
        own=lambda w: month_path(w, OP, "chart"),
        other=lambda w: month_path(w, OTHER, "chart"),
    ),
    "GET /v1/energy/operations/{operation}/clearing": Row(
        "pmo", own=lambda w: clearing(w, OP), other=lambda w: clearing(w, OTHER)
    ),
    "POST /v1/energy/memberships/departures": by_member(
        "/memberships/departures",
        lambda w: EnergyLeave(OP, hood(w).homes[0].account, hood(w).day(20), "opt_out"),
    ),
}


def imports(world: World, operation: str) -> Asked:
    made = hood(world)
    made_once(world, "metered by others", lambda: meter_by_others(made))
    day = made.day(-2)
    return Asked(f"{BASE}/operations/{operation}/imports", {"files": [made.upload(day)]})


def meter_by_others(made: Neighbourhood) -> bool:
    """An operation whose adapter is another body."""
    convention = make_convention(operation="a-un-autre")
    answer = made.manager.open_operation(convention, adapter="mairie", from_day=made.day(-5))
    expect("other adapter", answer)
    return True


def drafts(world: World, operation: str) -> Asked:
    made = hood(world)
    made_once(world, "metered by others", lambda: meter_by_others(made))
    day = made.day(-3)
    if operation == OP:
        made_once(
            world,
            "for a draft",
            lambda: expect("import", made.adapter.import_files(OP, [made.upload(day)])),
        )
    return Asked(f"{BASE}/operations/{operation}/days/{day}/readings-drafts")


def member_curve(world: World, operation: str) -> Asked:
    made = hood(world)
    day, account = made.month_days(2)[0], made.homes[0].account
    query = f"first={day}&last={day}&account={account}"
    return Asked(f"{BASE}/operations/{operation}/curves?{query}")


def month_path(world: World, operation: str, what: str, body: Any = None) -> Asked:
    return Asked(f"{BASE}/operations/{operation}/months/{stated(world)}/{what}", body)


def clearing(world: World, operation: str) -> Asked:
    number = parse_day(hood(world).month_days(2)[0])
    start = starts_of_days(range(number, number + 1), 900).start
    return Asked(f"{BASE}/operations/{operation}/clearing?start={start}")


def contract_seen(world: World, is_own: bool) -> Asked:
    contract(world, is_own=True)
    name = world.kept["offered"]["contract"]
    return Asked(f"{BASE}/contracts/{name if is_own else 'A' * 43}")
