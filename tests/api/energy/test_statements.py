"""Statements and invoices of a month: no Wh and no cent is lost, corrections are lines, both sides read the same."""

import csv
import io
import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.energy import documents, statements
from app.energy.convention import Carbon, Convention, Taxes, check_plants, read_convention
from app.energy.month import (
    LineKey,
    days_of_month,
    format_day,
    parse_day,
    starts_of_days,
    sum_steps,
)
from chain.town.energy.calendar import EUROPE_PARIS
from chain.town.energy.conventions import Contract, Ppa, ProRata
from chain.town.energy.keys import allocate, prepare
from chain.town.energy.refusals import Refused
from chain.town.energy.steps import Step, make_roster

SOURCE = "figure of this test, stated by nobody"
PRO_RATA = ProRata()
MONTH = "2026-06"
FIRST_S = starts_of_days(days_of_month(MONTH), 900).start


def make_convention(key=PRO_RATA, **changes) -> Convention:
    values = {
        "schema": 1,
        "operation": "village",
        "step_s": 900,
        "key": key,
        "pool_price_micro_eur": 120_001,
        "outside_price_micro_eur": 201_600,
        "surplus_price_micro_eur": 76_100,
        "taxes": Taxes("franchise_293b", 0, "zero_acc_below_1mw", 0),
        "carbon": Carbon(30_000, SOURCE),
        "missing": "refuse",
        "tolerance_wh_per_step": 1,
        "decimals": 3,
    }
    return Convention(**(values | changes))


STANDARD = Taxes("standard", 200_000, "standard", 33_700)
CONSUMERS = [f"cons_{letter}" for letter in "abcdef"]
PRODUCERS = ["prod_p", "prod_q"]
OWNERS = {name: f"member {name[-1]}" for name in (*CONSUMERS, *PRODUCERS)}


def make_month(seed: int, steps: int = 40, key=PRO_RATA):
    """Random readings of six homes and two roofs, allocated and summed."""
    random = Random(seed)
    roster = make_roster(CONSUMERS, PRODUCERS)
    plan = prepare(key, roster)
    pairs = []
    for at in range(steps):
        step = Step(
            "village",
            FIRST_S + at * 900,
            [random.randrange(0, 700) for _ in CONSUMERS],
            [random.randrange(0, 1_500) for _ in PRODUCERS],
        )
        pairs.append((step, allocate(plan, step)))
    return sum_steps(roster, pairs, pool_price_micro_eur=120_001)


def draw(seed: int, convention=None, **more):
    inputs = statements.MonthInputs(
        convention or make_convention(), MONTH, make_month(seed), OWNERS, **more
    )
    lines = statements.build_lines(inputs)
    return inputs, lines, statements.build_statements(inputs, lines, "h")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), taxed=st.booleans())
def test_what_buyers_pay_is_what_sellers_get_to_the_cent(seed, taxed) -> None:
    convention = make_convention(taxes=STANDARD) if taxed else make_convention()
    inputs, lines, drawn = draw(seed, convention)
    invoices = statements.build_invoices(inputs, lines)
    statements.check_invoices(drawn.values(), lines, invoices)
    pays = sum(statement.pays_cents for statement in drawn.values())
    gets = sum(statement.gets_cents for statement in drawn.values())
    assert pays == gets == sum(invoice.gross_cents for invoice in invoices)
    assert sum(line.energy_wh for line in lines) == inputs.current.shared_wh
    exact_nano = sum(line.amount_nano_eur for line in lines)
    assert abs(sum(line.net_cents for line in lines) * 10**7 - exact_nano) * 2 <= 10**7
    assert all(abs(line.net_cents * 10**7 - line.amount_nano_eur) < 10**7 for line in lines)


def test_a_planted_cent_on_one_side_is_noticed() -> None:
    inputs, lines, drawn = draw(1)
    one = next(s for s in drawn.values() if s.pays_cents)
    wrong = {**drawn, one.member: type(one)(**{**_fields(one), "pays_cents": one.pays_cents + 1})}
    with pytest.raises(AssertionError, match="buyers pay"):
        statements.check_invoices(wrong.values(), lines, statements.build_invoices(inputs, lines))


def _fields(value):
    return {name: getattr(value, name) for name in value.__struct_fields__}


def test_rates_and_rest_are_those_of_the_sums() -> None:
    _, _, drawn = draw(3)
    for statement in drawn.values():
        for point in statement.points:
            assert point.metered_wh == point.shared_wh + point.rest_wh
            assert point.share_ppm == point.shared_wh * 1_000_000 // point.metered_wh
            assert sum(day[1] for day in point.days) == point.metered_wh
            assert sum(day[2] for day in point.days) == point.shared_wh


def test_a_statement_names_the_factor_and_the_source_of_its_co2() -> None:
    _, _, drawn = draw(4)
    statement = drawn["member a"]
    shared = sum(line.energy_wh for line in statement.lines if line.buyer == "cons_a")
    assert statement.co2_avoided_g == shared * 30_000 // 1_000_000
    assert (statement.co2_mg_per_kwh, statement.co2_source) == (30_000, SOURCE)


def test_a_correction_is_a_line_of_its_own_and_the_sum_is_the_final_figure() -> None:
    """What was billed plus the deltas is what the new figures say, line by line."""
    first, again = make_month(5), make_month(6)
    billed = {
        key: statements.Billed(line.energy_wh, line.amount_nano_eur)
        for key, line in first.lines.items()
    }
    inputs = statements.MonthInputs(
        make_convention(), "2026-07", make_month(7), OWNERS, changes=((MONTH, again, billed),)
    )
    lines = statements.build_lines(inputs)
    deltas = [line for line in lines if line.kind == statements.CORRECTION]
    assert deltas
    assert {line.month for line in deltas} == {MONTH}
    for key in billed.keys() | again.lines.keys():
        changed = sum(
            line.energy_wh
            for line in deltas
            if (line.buyer, line.seller, line.source) == tuple(key)
        )
        before = billed[key].energy_wh if key in billed else 0
        after = again.lines[key].energy_wh if key in again.lines else 0
        assert before + changed == after
    drawn = statements.build_statements(inputs, lines, "h")
    statements.check_invoices(drawn.values(), lines, statements.build_invoices(inputs, lines))


def test_a_month_that_did_not_change_gets_no_correction_line() -> None:
    first = make_month(5)
    billed = {
        key: statements.Billed(line.energy_wh, line.amount_nano_eur)
        for key, line in first.lines.items()
    }
    inputs = statements.MonthInputs(
        make_convention(), "2026-07", make_month(7), OWNERS, changes=((MONTH, first, billed),)
    )
    kinds = {line.kind for line in statements.build_lines(inputs)}
    assert kinds == {statements.ENERGY}


def test_a_contract_s_energy_is_billed_at_its_price_and_the_rest_at_the_pool_s() -> None:
    key = Contract(ppas=(Ppa("k1", "prod_p", "cons_a", 0, "fixed_wh", 50, 90_000),))
    month = make_month(8, key=key)
    ppa = month.lines[LineKey("cons_a", "prod_p", "ppa:k1")]
    assert 0 < ppa.energy_wh <= 50 * 40
    assert ppa.amount_nano_eur == ppa.energy_wh * 90_000
    pool = [line for name, line in month.lines.items() if name.source == "pool"]
    assert all(line.amount_nano_eur == line.energy_wh * 120_001 for line in pool)


def test_invoices_are_numbered_without_a_hole_and_nobody_bills_himself() -> None:
    owners = {**OWNERS, "cons_a": "member p"}
    inputs = statements.MonthInputs(make_convention(), MONTH, make_month(9), owners)
    invoices = statements.build_invoices(inputs, statements.build_lines(inputs))
    assert all(invoice.seller != invoice.buyer for invoice in invoices)
    for seller in {invoice.seller for invoice in invoices}:
        numbers = [int(i.number[-4:]) for i in invoices if i.seller == seller]
        assert numbers == list(range(1, len(numbers) + 1))
    assert len({invoice.number for invoice in invoices}) == len(invoices)


def test_each_statement_opens_under_the_month_s_root_and_a_changed_one_does_not() -> None:
    from chain.codec.merkle import verify_merkle_proof

    _, _, drawn = draw(10)
    salted = [
        (bytes([n]) * 32, statements.encode_statement(s)) for n, s in enumerate(drawn.values())
    ]
    root, proofs = statements.compute_statement_root(salted)
    for (salt, raw), proof in zip(salted, proofs, strict=True):
        assert verify_merkle_proof(proof, root, salt + raw)
        assert not verify_merkle_proof(proof, root, salt + raw.replace(b"2026-06", b"2026-05"))


def test_a_convention_with_a_rate_its_mode_does_not_charge_is_refused() -> None:
    from chain.codec.canonical import encode_canonical

    good = make_convention(taxes=STANDARD)
    assert read_convention(encode_canonical(good)) == good
    for taxes in (
        Taxes("franchise_293b", 200_000, "zero_acc_below_1mw", 0),
        Taxes("standard", 0, "zero_acc_below_1mw", 0),
        Taxes("standard", 200_000, "standard", 0),
    ):
        assert isinstance(read_convention(encode_canonical(make_convention(taxes=taxes))), Refused)


def test_the_exemption_of_small_sellers_ends_at_three_kwc() -> None:
    taxes = Taxes("exempt_3kwc", 0, "zero_acc_below_1mw", 0)
    assert check_plants(taxes, {"member p": 3_000}) is None
    assert isinstance(check_plants(taxes, {"member p": 3_001}), Refused)
    large = Taxes("franchise_293b", 0, "zero_acc_below_1mw", 0)
    assert isinstance(check_plants(large, {"member p": 1_000_000}), Refused)


@pytest.mark.parametrize(
    ("month", "days", "steps"),
    [
        ("2026-02", 28, 2_688),
        ("2026-03", 31, 2_972),
        ("2026-10", 31, 2_980),
        ("2024-02", 29, 2_784),
    ],
)
def test_a_month_has_its_days_and_the_steps_of_its_clock_changes(month, days, steps) -> None:
    found = days_of_month(month)
    assert len(found) == days
    assert len(starts_of_days(found, 900, EUROPE_PARIS)) == steps
    assert format_day(found[0]) == f"{month}-01"
    assert parse_day(f"{month}-01") == found[0]


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-01", "2026/01", "1969-12", ""])
def test_what_is_no_month_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"month|YYYY"):
        days_of_month(text)


# --- on paper -------------------------------------------------------------------------------------


def test_the_csv_holds_every_line_and_sums_to_what_is_paid() -> None:
    _, _, drawn = draw(11, make_convention(taxes=STANDARD))
    statement = drawn["member a"]
    text = documents.format_csv(statement).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(statement.lines)
    assert sum(int(row["gross_cents"]) for row in rows) == statement.pays_cents


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_pdf_carries_the_statement_as_a_file(language) -> None:
    _, _, drawn = draw(12)
    statement = drawn["member p"]
    attached = documents.format_json(json.loads(statements.encode_statement(statement)))
    page = documents.format_statement_pdf(
        statement, root="r", attached=attached, language=language, name="Zoé", made_s=1_790_000_000
    )
    assert page.startswith(b"%PDF-")
    assert b"statement.json" in page
    again = documents.format_statement_pdf(
        statement, root="r", attached=attached, language=language, name="Zoé", made_s=1_790_000_000
    )
    assert page == again


def test_names_on_paper_keep_their_letters() -> None:
    assert (
        documents.spell_latin("Sœur Zoé Šimková, 12\u202f€ – l’été")
        == "Soeur Zoé Simková, 12 EUR - l'été"
    )
    assert documents.spell_latin("日") == "?"


def test_an_invoice_says_the_mention_its_tax_mode_asks_for() -> None:
    inputs, lines, drawn = draw(13)
    invoice = statements.build_invoices(inputs, lines)[0]
    statement = drawn[invoice.seller]
    assert "293 B" in statement.mention
    page = documents.format_invoice_pdf(
        invoice,
        seller="Vendeuse",
        buyer="Acheteur",
        mention=statement.mention,
        due_days=30,
        language="fr",
        made_s=1_790_000_000,
    )
    assert page.startswith(b"%PDF-")


def test_a_wh_that_goes_through_a_store_is_credited_once_to_who_uses_it() -> None:
    roster = make_roster(["cons_a"], ["prod_p"], charging=["charge_s"], discharging=["discharge_s"])
    plan = prepare(PRO_RATA, roster)
    noon = Step("village", FIRST_S, [100, 300], [400, 0])
    night = Step("village", FIRST_S + 900, [300, 0], [0, 300])
    pairs = [(step, allocate(plan, step)) for step in (noon, night)]
    month = sum_steps(roster, pairs, pool_price_micro_eur=120_001)
    owners = {
        name: f"member {name[-1]}" for name in ("cons_a", "prod_p", "charge_s", "discharge_s")
    }
    inputs = statements.MonthInputs(make_convention(), MONTH, month, owners)
    drawn = statements.build_statements(inputs, statements.build_lines(inputs), "h")
    credited = {name: statements.count_credits(one) for name, one in drawn.items()}
    assert credited == {"member a": 400, "member p": 0, "member s": 0}
    assert month.shared_wh == 700
