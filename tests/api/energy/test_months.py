"""A neighbourhood's month: statements, invoices, KWHC, a correction, pictures, and what nobody may see."""

import json

import pytest
from nacl.exceptions import CryptoError

from app.cli.demo.client import Refused, expect
from app.cli.demo.neighbours import settle
from app.core.database import connected, write
from app.energy import charts, months
from app.energy.days import open_sealed_day
from app.energy.keys import MemberKeys
from app.energy.models import IssueRow, MeterDay
from chain.codec.canonical import b64url_encode
from chain.codec.cmtjson import to_json
from chain.town.energy_schemas import (
    EnergyRetire,
    EnergyTransfer,
    LotPart,
)
from tests.api.conftest import close_database
from tests.api.energy.kit import OP, Neighbourhood


@pytest.fixture(scope="module")
def stated(tmp_path_factory):
    """A month of two days: published, witnessed, reconciled, stated, credited; then one reading corrected."""
    made = Neighbourhood(tmp_path_factory.mktemp("month"), past_month=True)
    first, last = made.month_days(2)
    for day in (first, last):
        made.publish(day)
    made.reconcile(first, last)
    made.wait_for_challenges()
    answer, said = made.manager.state_month(OP, first[:7])
    expect("statement", answer)
    made.first_said = said
    yield made
    close_database()


def month_of(hood) -> str:
    return hood.month_days(2)[0][:7]


def statement(member, month: str, issue: int = 0) -> dict:
    return member.get(f"/statements/me?operation={OP}&month={month}&issue={issue}")


def test_buyers_pay_what_sellers_get_and_each_statement_is_under_the_published_root(stated) -> None:
    month = month_of(stated)
    (issue,) = expect("months", stated.street.api.get(f"/v1/energy/operations/{OP}/months"))[
        "months"
    ]
    pays = gets = 0
    for member in (*stated.homes, *stated.roofs):
        shown = statement(member, month, 1)
        assert shown["proof"]["root"] == issue["root"]
        assert months.check_proof(shown["canonical"].encode(), shown["proof"])
        forged = shown["canonical"].replace('"pays_cents":', '"pays_cents":1')
        assert not months.check_proof(forged.encode(), shown["proof"])
        pays += shown["statement"]["pays_cents"]
        gets += shown["statement"]["gets_cents"]
    assert pays == gets == stated.first_said["gross_cents"] > 0
    assert issue["count"] == len(stated.homes) + len(stated.roofs)


def test_a_home_sees_its_invoice_on_paper_and_not_its_neighbour_s(stated) -> None:
    home, other = stated.homes[0], stated.homes[1]
    mine = home.get("/invoices/me")["invoices"]
    assert {invoice["buyer"] for invoice in mine} == {home.account}
    theirs = other.get("/invoices/me")["invoices"][0]["number"]
    assert home.api.get(f"/v1/energy/invoices/{theirs}", token=home.token).status == 404
    shown = home.get(f"/invoices/{mine[0]['number']}")
    assert shown["buyer_name"] == home.name
    assert shown["gross_cents"] == sum(line["gross_cents"] for line in shown["lines"])
    assert "293 B" in shown["mention"]


def test_invoices_of_a_draft_made_after_the_signature_are_shown_to_nobody(stated) -> None:
    home, month = stated.homes[0], month_of(stated)
    number = home.get("/invoices/me")["invoices"][0]["number"]
    with connected():
        drawn = IssueRow.get(IssueRow.month == month, IssueRow.number == 1)
        for root, status in (("A" * 43, 404), (drawn.root, 200)):
            with write():
                IssueRow.update(root=root).where(IssueRow.month == month).execute()
            answer = home.api.get(f"/v1/energy/invoices/{number}", token=home.token)
            assert answer.status == status
            assert bool(home.get("/invoices/me")["invoices"]) is (status == 200)


@pytest.mark.parametrize(("form", "start"), [("pdf", b"%PDF-"), ("csv", "\ufeffline,".encode())])
def test_a_statement_comes_as_a_file_too(stated, form, start) -> None:
    home = stated.homes[0]
    path = f"/v1/energy/statements/me?operation={OP}&month={month_of(stated)}&format={form}"
    sent = home.api.authorize("GET", path, home.token)
    answer = stated.town.app.test_client().get(path, headers=sent)
    assert answer.status_code == 200
    assert answer.data.startswith(start)
    assert "attachment" in answer.headers["Content-Disposition"]


def test_kwhc_are_credited_once_given_and_used_up(stated, monkeypatch) -> None:
    month, home, friend = month_of(stated), stated.homes[2], stated.homes[3]
    monkeypatch.setattr(months, "ENERGY_CREDITS_PER_TX_MAX", 4)  # as of an operation of many
    drafts = f"/operations/{OP}/months/{month}/credit-drafts"
    sent = [stated.manager.draft(drafts)[0]]
    expect("credit", stated.manager.send_as_body("/credits", sent[0]))
    sent.append(stated.manager.draft(drafts)[0])
    expect("the others", stated.manager.send_as_body("/credits", sent[1]))
    credited = [entry.account for message in sent for entry in message.entries]
    assert sorted(credited) == sorted(member.account for member in stated.homes)
    held = home.get("/credits/me")["energy_wh"]
    received = statement(home, month, 1)["statement"]["points"][0]["shared_wh"]
    assert held == received > 0
    again = stated.manager.send_as_body("/credits", sent[0])
    assert again.code in ("energy_credited_already", "energy_lot_exhausted")
    with pytest.raises(Refused, match="energy_credited_already"):
        stated.manager.draft(drafts)
    part = (LotPart(OP, month, 5),)
    path = "/v1/energy/transfers"
    expect(
        "gift",
        home.send(path, home.sign(EnergyTransfer(friend.account, part, ""), sender=home.account)),
    )
    claim = b64url_encode(b"c" * 32)
    body = EnergyRetire(OP, month, 3, claim)
    expect("claim", friend.send("/v1/energy/retirements", friend.sign(body, sender=friend.account)))
    assert home.get("/credits/me")["energy_wh"] == held - 5
    kinds = [line["kind"] for line in friend.get("/credits/me")["lines"]]
    assert kinds == ["retired", "received", "credit"]


def test_a_corrected_reading_is_a_delta_line_and_the_first_bill_stays(stated) -> None:
    """Adapter, manager and witness again; the second issue holds differences alone, and sums to the new figures."""
    last = stated.month_days(1)[0]
    month, home = month_of(stated), stated.homes[0]
    before = {
        m.account: statement(m, month, 1)["canonical"] for m in (*stated.homes, *stated.roofs)
    }
    change = {f"add_{home.points[0].prm}": 90}
    upload = stated.upload(last, **change)
    refused = stated.adapter.import_files(OP, [upload])
    assert refused.code == "energy_day_present"
    expect("correction", stated.adapter.import_files(OP, [upload], is_correction=True))
    expect("readings", stated.adapter.publish(OP, last))
    evidence = b64url_encode(b"e" * 32)
    expect("version 2", stated.manager.allocate(OP, last, evidence=evidence))
    expect("witness", stated.witness.witness(OP, last))
    found = stated.manager.export(OP, last, last)
    expect("report", stated.manager.report(OP, last, last, found["coefficients"]))
    expect("reconcile", stated.manager.reconcile(OP, last, last, stated.autocons(last, last)))
    stated.wait_for_challenges()
    answer, said = stated.manager.state_month(OP, month)
    expect("second issue", answer)
    assert said["corrections"] == said["lines"] > 0
    total = 0
    for member in (*stated.homes, *stated.roofs):
        assert statement(member, month, 1)["canonical"] == before[member.account]
        one, two = (statement(member, month, issue)["statement"] for issue in (1, 2))
        own = {point["point"] for point in two["points"]}
        assert {line["kind"] for line in two["lines"]} <= {"correction"}
        bought = sum(
            line["energy_wh"] for s in (one, two) for line in s["lines"] if line["buyer"] in own
        )
        if member in stated.homes:
            assert bought == two["points"][0]["shared_wh"]
        total += two["pays_cents"] - two["gets_cents"]
    assert total == 0
    shown = expect("day", stated.street.api.get(f"/v1/energy/operations/{OP}/days/{last}"))
    assert (shown["version"], shown["readings_version"], shown["state"]) == (2, 2, "settled")
    home.check_day(OP, last)
    chart = f"/v1/energy/operations/{OP}/days/{last}/chart"
    assert stated.street.api.get(chart).status == 404  # a correction shows no sums of steps


def test_a_month_whose_readings_no_longer_give_the_published_day_is_not_billed(stated) -> None:
    """Statements follow from what was witnessed; a reading changed in the database stops them."""
    day, home = stated.month_days(2)[0], stated.homes[0]
    here = (MeterDay.day == day) & (MeterDay.account == home.account)
    with connected(), write():
        keys, row = MemberKeys(stated.town.config), MeterDay.get(here)
        before = bytes(row.sealed)
        metered, estimated = json.loads(keys.open_readings(home.account, before))
        changed = json.dumps([[wh + 1 for wh in metered], estimated]).encode()
        forged = keys.seal_readings(home.account, changed)
        MeterDay.update(sealed=forged).where(here).execute()
    path = f"/v1/energy/operations/{OP}/months/{month_of(stated)}/drafts"
    answer = stated.manager.api.post(path, None, token=stated.manager.token)
    with connected(), write():
        MeterDay.update(sealed=before).where(here).execute()
    assert answer.code == "energy_opening_invalid", answer.body


# --- pictures and curves ---------------------------------------------------------------------------


def get_svg(hood, path: str, member=None) -> str:
    headers = {}
    if member is not None:
        headers = member.api.authorize("GET", path, member.token)
    answer = hood.town.app.test_client().get(path, headers=headers)
    assert answer.status_code == 200, answer.data
    assert answer.mimetype == "image/svg+xml"
    return answer.get_data(as_text=True)


def test_pictures_are_drawn_of_the_own_day_the_public_day_and_the_savings(stated) -> None:
    day, home = stated.month_days(2)[0], stated.homes[0]
    assert "<desc" in get_svg(stated, f"/v1/energy/operations/{OP}/days/{day}/chart")
    own = f"/v1/energy/curves/me/chart?operation={OP}&day={day}"
    assert charts.format_date(day, "en") in get_svg(stated, own, home)
    saved = get_svg(stated, f"/v1/energy/savings/me/chart?operation={OP}", home)
    year, month = month_of(stated).split("-")
    assert f">{month}<" in saved
    assert f">{year}<" in saved
    shares = f"/v1/energy/operations/{OP}/months/{month_of(stated)}/chart"
    assert get_svg(stated, shares, stated.manager).count("<rect") >= len(stated.homes)


def test_the_manager_sees_days_without_consent_and_steps_with_it(stated) -> None:
    day, home = stated.month_days(2)[0], stated.homes[4]
    path = f"/v1/energy/operations/{OP}/curves?account={home.account}&first={day}&last={day}"
    shown = expect("curve", stated.manager.api.get(path, token=stated.manager.token))
    assert (shown["by"], len(shown["rows"])) == ("day", 1)
    settle(home, [home.consent(OP, "curve_display")], "consent")
    shown = expect("curve", stated.manager.api.get(path, token=stated.manager.token))
    assert (shown["by"], len(shown["rows"])) == ("step", 96)
    settle(home, [home.consent(OP, "curve_display", "withdrawn")], "withdrawal")
    shown = expect("curve", stated.manager.api.get(path, token=stated.manager.token))
    assert shown["by"] == "day"


def test_a_witness_is_given_a_day_only_while_every_member_consents(stated) -> None:
    day, home = stated.month_days(2)[0], stated.homes[5]
    stated.witness.recompute(OP, day)
    settle(home, [home.consent(OP, "witness", "withdrawn")], "withdrawal")
    path = f"/v1/energy/operations/{OP}/days/{day}/sealed"
    answer = stated.witness.api.get(path, token=stated.witness.token)
    assert answer.code == "energy_consent_missing"
    settle(home, [home.consent(OP, "witness")], "consent")
    shown = expect("sealed", stated.witness.api.get(path, token=stated.witness.token))
    with pytest.raises(CryptoError):
        open_sealed_day(shown["sealed"], bytes(32))


# --- nothing of anybody where it must not be -------------------------------------------------------


def test_no_prm_name_or_reading_stands_in_the_database_or_a_block(stated) -> None:
    """The database's files and every block of the month, searched for PRMs, names and a whole curve."""
    blocks = b"".join(
        json.dumps(to_json(block)).encode() for block in stated.town.lab.blocks.values()
    )
    raw = b"".join(tx for block in stated.town.lab.blocks.values() for tx in block.data.txs)
    home = stated.town.config.home
    files = {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    day = stated.month_days(2)[0]
    home_0 = stated.homes[0]
    curve = [
        r["metered_wh"]
        for r in home_0.get(f"/curves/me?operation={OP}&first={day}&last={day}")["rows"]
    ]
    needles = [member.name.encode() for member in (*stated.homes, *stated.roofs)]
    needles += [member.points[0].prm.encode() for member in (*stated.homes, *stated.roofs)]
    needles += [",".join(map(str, curve[40:52])).encode(), json.dumps(curve[40:52]).encode()]
    for needle in needles:
        for place, content in {"blocks": blocks, "transactions": raw, **files}.items():
            assert needle not in content, (place, needle)
