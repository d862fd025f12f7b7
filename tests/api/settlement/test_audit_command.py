"""`beffroi audit settlement`: batches recomputed from proved blocks; a chain that lies about one is found out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import audit
from app.cli.main import main
from app.core.replay import replay_chain
from chain.codec.canonical import b64url_encode
from chain.codec.cmtjson import to_json
from chain.town.loyalty.offline.records import name_payment
from chain.town.loyalty_offline_schemas import (
    LoyaltyAllowance,
    LoyaltyOfflineClaim,
    LoyaltyOfflineKey,
)
from chain.town.loyalty_schemas import LoyaltyInvoicePay
from chain.town.schemas import LoyaltyReverse
from tests.town.loyalty.kit import make_invoice
from tests.town.loyalty.offline.kit import pay_of_result
from tests.town.settlement.market import Market
from tests.town.settlement.month import generate_month
from tests.town.town_kit import key


@pytest.fixture(scope="module")
def market() -> Market:
    """A week of eight shops on two validators."""
    market = Market(8, validators=2)
    for spent in generate_month(8, 40):
        market.spend(spent.issuer, spent.redeemer, spent.points)
    market.flush()
    market.close_epoch()
    return market


def run(market: Market, tmp_path: Path, *options: str, monkeypatch: pytest.MonkeyPatch):
    genesis = tmp_path / "genesis.json"
    genesis.write_text(json.dumps(to_json(market.lab.genesis)))
    monkeypatch.setattr(audit, "ChainClient", lambda _urls: market.lab.client())
    arguments = ["audit", "settlement", "--node", "http://node.test:26657"]
    return CliRunner().invoke(main, [*arguments, "--genesis", str(genesis), *options])


def test_the_auditor_finds_the_very_batch_the_chain_closed(market, tmp_path, monkeypatch) -> None:
    answer = run(market, tmp_path, "--json", monkeypatch=monkeypatch)
    assert answer.exit_code == 0, answer.output
    shown = json.loads(answer.output)
    assert shown["verdict"] == "agrees"
    (batch,) = shown["batches"]
    assert batch["net_sum_millicents"] == 0
    assert 0 < batch["legs"] <= 7
    assert batch["shops"] <= 8
    assert batch["findings"] == []


def test_one_batch_may_be_asked_for_and_an_unknown_one_is_told(
    market, tmp_path, monkeypatch
) -> None:
    answer = run(market, tmp_path, "--epoch", "1", monkeypatch=monkeypatch)
    assert answer.exit_code == 0
    assert answer.output.startswith("batch 1, heights ")
    unknown = run(market, tmp_path, "--epoch", "9", monkeypatch=monkeypatch)
    assert unknown.exit_code == 2
    assert "no batch 9" in unknown.output


def test_a_file_that_is_no_genesis_is_unreadable(tmp_path) -> None:
    (tmp_path / "no.json").write_text("{}")
    answer = CliRunner().invoke(
        main,
        ["audit", "settlement", "--node", "http://x:1", "--genesis", str(tmp_path / "no.json")],
    )
    assert answer.exit_code == 2


@pytest.fixture(scope="module")
def blocks(market):
    return list(replay_chain(market.lab.client(), market.lab.genesis))


def changed(blocks, kind: str, change):
    """The same blocks with one kind of journal entry altered, as a chain of liars would write it."""
    return [
        replace(
            block,
            journal=tuple(
                change(dict(entry)) if entry["kind"] == kind else entry for entry in block.journal
            ),
        )
        for block in blocks
    ]


def close_with(name: str, value):
    return lambda entry: {**entry, name: value}


@pytest.mark.parametrize(
    ("kind", "change", "code"),
    [
        ("settlement.close", close_with("root", "A" * 43), "root_differs"),
        ("settlement.close", close_with("legs_cents", 1), "batch_differs"),
        ("settlement.close", close_with("gross_millicents", 1), "batch_differs"),
        ("settlement.close", close_with("from_height", 1), "batch_differs"),
        (
            "settlement.close",
            lambda e: {**e, "positions": [[e["positions"][0][0], 1, 0], *e["positions"][1:]]},
            "positions_differ",
        ),
        (
            "settlement.close",
            close_with(
                "guarantee", [{"shop": "shop-001", "reserve_millicents": 10**9, "shared": []}]
            ),
            "guarantee_exceeds_the_debt",
        ),
        (
            "settlement.legs",
            lambda e: {**e, "legs": [["shop-000", "shop-001", 5], *e["legs"][1:]]},
            "legs_differ",
        ),
    ],
)
def test_a_batch_that_differs_from_the_blocks_is_named(blocks, kind, change, code) -> None:
    recount = audit.recount_blocks(changed(blocks, kind, change))
    found = [*recount.findings, *(f for report in recount.reports for f in report.findings)]
    assert code in [finding.code for finding in found]


def test_a_spend_the_auditor_cannot_explain_is_a_finding_not_a_zero(blocks) -> None:
    strange = [
        replace(
            block,
            transactions=tuple(
                replace(done, kind="loyalty.new_kind") if done.kind == "loyalty.redeem" else done
                for done in block.transactions
            ),
        )
        for block in blocks
    ]
    codes = {finding.code for finding in audit.recount_blocks(strange).findings}
    assert codes >= {"audit_unreadable", "audit_spend_unexplained"}


def test_what_an_invoice_obliges_is_recounted_too() -> None:
    market = Market(2)
    market.spend("shop-000", "shop-001", 300)
    market.flush()
    phone, till = next(iter(market._phones.values())), key("till of shop-001")
    text = make_invoice(
        till,
        70,
        market.lab.now_s + 200,
        number="1",
        shop="shop-001",
        chain_id=market.lab.genesis.chain_id,
    )
    market.put(LoyaltyInvoicePay(till.kid, "town", text), phone.account, phone.key)
    market.close_epoch()
    recount = audit.recount_blocks(replay_chain(market.lab.client(), market.lab.genesis))
    assert recount.findings == []
    assert [(r.legs_cents, r.findings) for r in recount.reports] == [(370, [])]


def test_a_late_refund_is_recounted_in_the_epoch_it_came_in() -> None:
    market = Market(2)
    market.spend("shop-000", "shop-001", 300)
    market.flush()
    ref = market.last_reference(market.lab.blocks[market.lab.height])
    market.close_epoch()
    market.put(LoyaltyReverse(ref, 120), "shop:shop-001", key("owner of shop-001"))
    market.close_epoch()
    recount = audit.recount_blocks(replay_chain(market.lab.client(), market.lab.genesis))
    assert recount.findings == []
    assert [(r.epoch, r.legs_cents, r.findings) for r in recount.reports] == [
        (1, 300, []),
        (2, 120, []),
    ]


def test_what_allowances_paid_at_block_end_is_recounted_too(tmp_path, monkeypatch) -> None:
    """The week's first debt, so the epoch opens in that very block, and a refund of it later."""
    market = Market(3, params={"loyalty_offline_points": 50, "loyalty_offline_per_tx_points": 50})
    baker, florist, grocer = market.names
    phone = market.phone_of(baker)
    market.earn(baker, phone.account, 100)
    issuer = key("issuer of town")
    body = LoyaltyOfflineKey("town", b64url_encode(issuer.public_key.raw))
    market.put(body, "body:commerces", key("loyalty_operator@commerces"))
    market.put(LoyaltyAllowance("town", 50), phone.account, phone.key)
    market.flush()
    locked = json.loads(market.lab.results[market.lab.height][-1].data)
    market.lab.now_s += 3_600
    for counter, (shop, points) in enumerate(((florist, 40), (grocer, 20)), 1):
        text = pay_of_result(
            locked, phone, issuer, market.lab.genesis.chain_id, shop, points, counter
        )
        market.put(LoyaltyOfflineClaim((text,)), f"shop:{shop}", key(f"till of {shop}"))
    market.flush()
    market.lab.now_s = locked["closes"]
    market.lab.produce()
    market.compare()
    paid = name_payment(locked["allowance"], florist)
    market.put(LoyaltyReverse(paid, 3), f"shop:{florist}", key(f"owner of {florist}"))
    market.flush()
    market.close_epoch()
    answer = run(market, tmp_path, "--json", monkeypatch=monkeypatch)
    assert answer.exit_code == 0, answer.output
    shown = json.loads(answer.output)
    assert shown["verdict"] == "agrees"
    (batch,) = shown["batches"]
    assert batch["gross_millicents"] == (33 + 17 - 3) * 1_000
