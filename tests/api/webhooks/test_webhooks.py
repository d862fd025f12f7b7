"""A shop's own systems hear, signed, what its tills did: once it is final, until they say so, and nothing of others."""

import hmac
import json
import socket
import threading
from base64 import b64decode
from contextlib import suppress
from hashlib import sha256

import pytest

from app.cli.demo.client import expect
from app.cli.demo.http import new_key
from app.core.database import connected, insert_row, write
from app.webhooks.models import Delivery, Webhook
from app.webhooks.sending import NotDelivered, Sender, _is_public, is_acceptable_url
from app.webhooks.service import (
    BACKOFF_S,
    SEND_BATCH,
    Turn,
    pick_due,
    queue_lines,
    send_due,
)
from chain.crypto import ed25519

MASTER = bytes(32)
NEAR = Sender(allow_private=True)


def register(street, owner, url: str, **more) -> dict:
    body = {"shop": "boulangerie", "url": url, **more}
    return expect(
        "webhook", street.api.post("/v1/webhooks", body, token=owner.token, key=new_key())
    )


def run(now_s: int, sender: Sender = NEAR, turn: Turn | None = None) -> int:
    """One round of the dispatcher; returns how many were heard."""
    with connected():
        queue_lines(now_s=now_s)
        return send_due(sender, turn or Turn(), master_key=MASTER, now_s=now_s)


def verify(key: str, headers: dict[str, str], body: bytes) -> bool:
    """As the Standard Webhooks specification tells receivers to."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    version, _, signature = headers["webhook-signature"].partition(",")
    raw = b64decode(key.partition("_")[2])
    if version == "v1":
        return hmac.compare_digest(hmac.new(raw, signed, sha256).digest(), b64decode(signature))
    return version == "v1a" and ed25519.verify_strict(raw, signed, b64decode(signature))


@pytest.mark.parametrize(("scheme", "prefix"), [("hmac", "whsec_"), ("ed25519", "whpk_")])
def test_an_endpoint_hears_of_a_sale_signed_and_without_the_customer(
    street, listener, scheme, prefix
):
    till, other = street.open_shop("boulangerie"), street.open_shop("librairie")
    ana = street.phone("Ana", 3_000, till)
    owner = street.owner("boulangerie")
    made = register(street, owner, listener.url, scheme=scheme)
    assert made["key"].startswith(prefix)
    done = expect("redeem", till.redeem(ana.make_code(30), 10))
    expect("elsewhere", other.redeem(ana.make_code(30), 5))
    assert run(street.clock()) == 1
    assert run(street.clock()) == 0
    ((headers, body),) = listener.heard
    assert verify(made["key"], headers, body)
    assert not verify(made["key"], headers, body + b" ")
    event = json.loads(body)
    assert (event["type"], event["data"]["points"]) == ("loyalty.redeem", -10)
    assert event["data"]["transaction"] == done["transaction"]
    assert ana.account not in body.decode()
    assert "/v1/transactions/" in event["data"]["proof"]
    (listed,) = street.api.get("/v1/webhooks", token=owner.token).body["webhooks"]
    assert "key" not in listed


def test_only_the_kinds_asked_for_are_told(street, listener):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana")
    register(street, street.owner("boulangerie"), listener.url, kinds=["redeem"])
    expect("earn", till.earn(ana.account, 3_000))
    expect("redeem", till.redeem(ana.make_code(30), 10))
    run(street.clock())
    assert [json.loads(body)["type"] for _, body in listener.heard] == ["loyalty.redeem"]


def test_a_deaf_endpoint_is_tried_with_growing_waits_then_its_letter_is_dead_and_can_be_replayed(
    street, listener
):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana")
    owner = street.owner("boulangerie")
    made = register(street, owner, listener.url)
    expect("earn", till.earn(ana.account, 3_000))
    listener.status, now_s = 500, street.clock()
    for tries, wait_s in enumerate(BACKOFF_S, 1):
        assert run(now_s) == 0
        assert len(listener.heard) == tries
        run(now_s + wait_s - 1)
        assert len(listener.heard) == tries, "tried too early"
        now_s += wait_s
    run(now_s)
    run(now_s + 10**6)
    assert len(listener.heard) == len(BACKOFF_S) + 1
    path = f"/v1/webhooks/{made['id']}"
    (dead,) = street.api.get(path + "/deliveries?status=dead", token=owner.token).body["deliveries"]
    assert (dead["answer"], dead["attempts"]) == (500, len(BACKOFF_S) + 1)
    listener.status = 200
    asked = street.api.post(path + "/replays", {"since": 0}, token=owner.token)
    assert asked.body == {"queued": 1}
    assert run(street.clock()) == 1
    assert {headers["webhook-id"] for headers, _ in listener.heard} == {dead["id"]}


def test_an_endpoint_that_is_gone_or_ended_hears_nothing_more(street, listener):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana")
    owner = street.owner("boulangerie")
    register(street, owner, listener.url)
    listener.status = 410
    for _ in range(2):
        expect("earn", till.earn(ana.account, 3_000))
        run(street.clock())
    assert len(listener.heard) == 1
    assert street.api.get("/v1/webhooks", token=owner.token).body["webhooks"] == []


def test_a_redirect_is_not_followed_and_counts_as_unheard(street, listener):
    till = street.open_shop("boulangerie")
    register(street, street.owner("boulangerie"), listener.url)
    expect("earn", till.earn(street.phone("Ana").account, 3_000))
    listener.status = 307
    assert run(street.clock()) == 0
    assert len(listener.heard) == 1


def test_who_answers_a_byte_at_a_time_is_cut():
    """Each byte comes in time; without an end of the whole, one shop would keep all others from being told."""
    is_over = threading.Event()

    def trickle() -> None:
        line, _ = server.accept()
        with line, suppress(OSError):
            line.sendall(b"HTTP/1.1 ")
            while not is_over.wait(0.05):
                line.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        giving_up = threading.Timer(20, is_over.set)
        giving_up.start()
        with pytest.raises(NotDelivered):
            Sender(allow_private=True, whole_s=0.5).post(
                f"http://127.0.0.1:{server.getsockname()[1]}/hook", {}, b"{}"
            )
        assert not is_over.is_set(), "the other side gave up first"
        giving_up.cancel()
        is_over.set()
        thread.join(10)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/hook",
        "https://127.0.0.1:1/hook",
        "https://10.0.0.7/hook",
        "https://[::1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.7]/hook",
        "https://[64:ff9b::a00:7]/hook",
        "https://[2002:a00:7::1]/hook",
        "https://[fec0::7]/hook",
        "https://224.0.0.1/hook",
        "https://[::a00:7]/hook",
        "https://[::ffff:0:10.0.0.7]/hook",
        "https://[64:ff9b:1::a00:7]/hook",
        "https://[100::7]/hook",
    ],
)
def test_the_towns_own_network_is_out_of_reach(url):
    with pytest.raises(NotDelivered, match="not a public https address"):
        Sender().post(url, {}, b"{}")


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07::1", "64:ff9b::5db8:d70e"]
)
def test_an_address_of_the_internet_is_public_behind_nat64_too(address):
    assert _is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "https://user:secret@example.org/",
        "https://example.org/#part",
        "ftp://example.org/",
        "https://",
        "https://example.org:0/",
        "https://[::1",
        "https://example..org/",
        "https://.example.org/",
        f"https://{'a' * 64}.example.org/",
    ],
)
def test_an_address_that_is_no_endpoint_is_refused(street, url):
    assert not is_acceptable_url(url)
    street.open_shop("boulangerie")
    owner = street.owner("boulangerie")
    body = {"shop": "boulangerie", "url": url.ljust(10)}
    answer = street.api.post("/v1/webhooks", body, token=owner.token, key=new_key())
    assert answer.code == "webhook_url_refused"


@pytest.mark.parametrize("host", ["example..org", "a" * 64 + ".example.org", ".example.org"])
def test_a_name_that_cannot_be_looked_up_silences_no_other_endpoint(street, listener, host):
    """It ended the one dispatcher of all shops, at each start anew."""
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana")
    owner = street.owner("boulangerie")
    bad = register(street, owner, "https://example.org/hook")
    with connected(), write():
        Webhook.update(url=f"https://{host}/").where(Webhook.id == bad["id"]).execute()
    register(street, owner, listener.url)
    expect("earn", till.earn(ana.account, 3_000))
    assert run(street.clock()) == 1
    assert len(listener.heard) == 1


def test_ten_endpoints_are_enough(street, listener):
    street.open_shop("boulangerie")
    owner = street.owner("boulangerie")
    for _ in range(10):
        register(street, owner, listener.url)
    body = {"shop": "boulangerie", "url": listener.url}
    answer = street.api.post("/v1/webhooks", body, token=owner.token, key=new_key())
    assert (answer.status, answer.code) == (409, "webhook_limit")


def test_the_key_of_an_endpoint_lies_in_no_table(street, listener):
    street.open_shop("boulangerie")
    owner = street.owner("boulangerie")
    made = register(street, owner, listener.url, scheme="hmac")
    secret = made["key"].removeprefix("whsec_").encode()
    home = street.town.config.home
    assert secret not in b"".join(path.read_bytes() for path in home.glob("town.db*"))


# --- whose turn it is ------------------------------------------------------------------------


def wait_in_line(endpoints: dict[str, int]) -> None:
    """So many deliveries wait for each endpoint; those of the first named are the oldest."""
    with connected(), write():
        for rank, (webhook, count) in enumerate(endpoints.items()):
            for number in range(count):
                row = {
                    "id": f"msg_{webhook}-{number}",
                    "webhook": webhook,
                    "position": number,
                    "occurred_at": 1,
                    "status": "pending",
                    "next_at": 10 * rank + number,
                }
                insert_row(Delivery, row)


def picked(turn: Turn) -> list[str]:
    with connected():
        return [row.webhook for row in pick_due(turn, now_s=10**9)]


def test_an_endpoint_that_replays_a_month_takes_its_share_of_a_round_and_no_more(street):
    wait_in_line({"a": 500, "b": 3, "c": 1})
    turns = picked(Turn())
    assert len(turns) <= SEND_BATCH
    assert turns[:4] == ["a", "b", "c", "a"]
    assert {name: turns.count(name) for name in "abc"} == {"a": 7, "b": 3, "c": 1}


def test_one_endpoint_alone_uses_the_whole_round(street):
    wait_in_line({"a": 500})
    assert picked(Turn()) == ["a"] * SEND_BATCH


def test_with_more_endpoints_than_a_round_holds_each_has_its_turn_within_two(street):
    names = [f"w{number:03d}" for number in range(SEND_BATCH + 10)]
    wait_in_line(dict.fromkeys(names, 100))
    turn, served = Turn(), []
    for _ in range(2):
        served += (round_ := picked(turn))
        turn.webhook = round_[-1]
    assert set(served) == set(names)


def test_each_endpoint_hears_its_own_oldest_first(street):
    wait_in_line({"a": 9, "b": 9})
    with connected():
        rows = [row.next_at for row in pick_due(Turn(), now_s=10**9) if row.webhook == "b"]
    assert rows == sorted(rows)
    assert len(rows) == 9
