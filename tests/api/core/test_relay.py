"""What becomes of a transaction between the phone and its proved result."""

from typing import Any

import pytest

from app.core import relay
from app.core.database import connected
from app.core.outbox import OutboxRow, find_outbox
from tests.api.conftest import Town
from tests.town.town_kit import key

ALICE = key("alice")


def resend(town: Town) -> int:
    with town.app.app_context(), connected():
        return town.app.extensions["beffroi"].relay.resend()


def test_with_wait_the_answer_is_final_and_names_the_block(town: Town) -> None:
    answer = town.post_tx("/v1/accounts", town.open_tx(ALICE), ALICE, wait=5)
    assert answer.status_code == 201
    assert answer.headers["Preference-Applied"] == "wait=5"
    assert (answer.json["state"], answer.json["code"]) == ("final", "ok")
    assert answer.json["height"] == town.lab.height - 1
    assert answer.json["data"] == {"account": ALICE.kid, "domain": "loyalty"}


def test_without_finality_the_answer_is_202_and_says_where_to_ask(town: Town) -> None:
    tx = town.open_tx(ALICE)
    town.lab.is_lazy = True
    answer = town.post_tx("/v1/accounts", tx, ALICE, wait=0)
    assert (answer.status_code, answer.json["state"]) == (202, "pending")
    place = answer.headers["Location"]
    assert town.http.get(place).json["state"] == "pending"
    assert town.http.get(place + "?proof=1").json["code"] == "proof_not_ready"
    town.lab.decide()
    final = town.http.get(place).json
    assert (final["state"], final["code"]) == ("final", "ok")
    with connected():
        assert OutboxRow.select().count() == 0


def test_who_asks_while_the_transaction_becomes_final_is_not_told_that_it_is_unknown(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.lab.is_lazy = True
    place = town.post_tx("/v1/accounts", town.open_tx(ALICE), ALICE, wait=0).headers["Location"]

    def find_meanwhile(payload_hash: str) -> OutboxRow | None:
        town.lab.decide()
        return find_outbox(payload_hash)

    monkeypatch.setattr(relay, "find_outbox", find_meanwhile)
    answer = town.http.get(place)
    assert (answer.status_code, answer.json["state"]) == (200, "final")


def test_the_same_transaction_again_gives_the_first_result(town: Town) -> None:
    tx = town.open_tx(ALICE)
    first = town.post_tx("/v1/accounts", tx, ALICE)
    again = town.post_tx("/v1/accounts", tx, ALICE)
    assert again.status_code == 201
    assert again.json == first.json


def test_a_refusal_names_the_chain_s_code_and_the_transaction(town: Town) -> None:
    town.open_account(ALICE)
    answer = town.post_tx("/v1/accounts", town.open_tx(ALICE), ALICE)
    assert (answer.status_code, answer.json["code"]) == (409, "account_exists")
    assert len(answer.json["transaction"]) == 64
    assert town.http.get(f"/v1/transactions/{answer.json['transaction']}").status_code == 404


def test_a_refusal_inside_a_block_names_the_height(town: Town) -> None:
    town.open_account(ALICE)
    tx = town.open_tx(ALICE)
    height = town.lab.produce(tx)
    town.lab.produce()
    town.follow()
    answer = town.post_tx("/v1/accounts", tx, ALICE)
    assert (answer.status_code, answer.json["code"]) == (409, "account_exists")
    assert answer.json["height"] == height
    shown = town.http.get(f"/v1/transactions/{answer.json['transaction']}").json
    assert (shown["state"], shown["code"]) == ("final", "account_exists")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no transaction", "tx_malformed"),
        ("a.b.c.d.e.f", "tx_malformed"),
        ("{}          ", "tx_malformed"),
        ("é" * 20, "tx_malformed"),
    ],
)
def test_what_is_no_envelope_never_reaches_the_node(town: Town, text: str, code: str) -> None:
    answer = town.post_tx("/v1/accounts", text, ALICE)
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert town.lab.broadcasts == 0


def test_another_spelling_of_an_envelope_is_malformed(town: Town) -> None:
    tx = town.open_tx(ALICE).decode()
    for spelled in (tx + "=", tx + " ", tx.replace(".", "..", 1), tx[:-1]):
        assert town.post_tx("/v1/accounts", spelled, ALICE).json["code"] == "tx_malformed"


def test_a_route_takes_only_its_own_kinds(town: Town) -> None:
    answer = town.post_tx("/v1/city/acts", town.open_tx(ALICE), key("seat@mairie"))
    assert (answer.status_code, answer.json["code"]) == (422, "transaction_wrong_route")


def test_expired_and_foreign_transactions_keep_the_chain_s_codes(town: Town) -> None:
    from chain.town.envelope import build_transaction
    from chain.town.schemas import AccountRotate
    from tests.town.town_kit import jwk

    body = AccountRotate(jwk(key("new")))
    late = town.tx(body, ALICE.kid, ALICE, key("new"), exp=town.lab.now_s - 1)
    assert town.post_tx("/v1/accounts", late, ALICE).json["code"] == "tx_expired"
    far = town.tx(body, ALICE.kid, ALICE, key("new"), exp=town.lab.now_s + 90_000)
    assert town.post_tx("/v1/accounts", far, ALICE).json["code"] == "tx_expiry_too_far"
    foreign = build_transaction(
        "A" * 43, ALICE.kid, body, [ALICE, key("new")], bytes(16), town.lab.now_s + 60
    )
    assert town.post_tx("/v1/accounts", foreign, ALICE).json["code"] == "tx_wrong_town"
    unknown = town.tx(body, ALICE.kid, ALICE, key("new"))
    assert town.post_tx("/v1/accounts", unknown, ALICE).json["code"] == "tx_unknown_key"


def test_an_unanswered_transaction_is_sent_again_after_five_seconds(town: Town) -> None:
    tx = town.open_tx(ALICE)
    town.lab.is_lazy = True
    town.post_tx("/v1/accounts", tx, ALICE, wait=0)
    assert resend(town) == 0, "not yet"
    town.lab.pending.clear()  # the node forgot it
    town.clock.seconds += 6
    assert resend(town) == 1
    assert town.lab.pending == [tx]
    assert resend(town) == 0, "just sent"


def test_a_transaction_the_node_no_longer_takes_is_shown_refused(town: Town) -> None:
    first, second = town.open_tx(ALICE), town.open_tx(ALICE)
    town.lab.is_lazy = True
    answer = town.post_tx("/v1/accounts", first, ALICE, wait=0)
    town.lab.pending.clear()
    town.lab.produce(second)
    town.lab.produce()
    town.follow()
    town.clock.seconds += 6
    assert resend(town) == 1
    shown = town.http.get(answer.headers["Location"]).json
    assert (shown["state"], shown["code"]) == ("refused", "account_exists")
    town.lab.now_s += 700  # past its expiry: it may be forgotten
    town.lab.produce(town.open_tx(key("bob")))
    town.lab.produce()
    town.follow()
    assert town.http.get(answer.headers["Location"]).status_code == 404


def test_a_full_mempool_is_503_with_retry_after(town: Town) -> None:
    tx = town.open_tx(ALICE)

    def full(method: str, result: Any) -> Any:
        if method == "broadcast_tx_sync":
            raise LookupError("mempool is full: number of txs 5000")
        return result

    town.lab.is_lazy, town.lab.tamper = True, full
    answer = town.post_tx("/v1/accounts", tx, ALICE)
    assert (answer.status_code, answer.json["code"]) == (503, "node_busy")
    assert answer.headers["Retry-After"]


def test_an_unknown_receipt_is_404_whatever_its_form(town: Town) -> None:
    for text in ("a" * 64, "Z" * 64, "a" * 63, "a" * 65, "%00" * 64):
        assert town.http.get(f"/v1/transactions/{text}").status_code == 404
