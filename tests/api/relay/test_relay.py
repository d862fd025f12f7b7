"""The relay: whom it listens to, when what it holds leaves and in which order, and what it never keeps."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from app.core.chain_client import RpcError
from app.relay import models
from app.relay.limits import PER_PROVIDER, PER_RELAY, PER_VISITOR, Crowd
from app.relay.service import TIMES_SENT
from chain.town.envelope import TX_MAX_BYTES, build_transaction
from chain.town.schemas import IdRecoverVeto
from chain.types.codes import (
    VOTES_BALLOT_PROOF,
    VOTES_BALLOT_SEEN,
    VOTES_NOT_OPEN,
    VOTES_REGISTRATION_CLOSED,
    Code,
)
from chain.votes.privacy import BATCH_S, Window
from tests.api.relay.relay_kit import (
    DAY_S,
    ELECTION,
    OTHER_RECORD,
    PATH,
    START_S,
    TOWN,
    WINDOWS,
    Relay,
    ballot,
    open_relay,
    registration,
    sealed_box,
    spoil,
    tampered,
    true_ballot,
    true_spoil,
)
from tests.town.town_kit import key

VOTING_S = WINDOWS.voting.opens_s + 100


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with open_relay(tmp_path / "relay.db") as made:
        yield made


def by_hash(*raws: bytes) -> list[bytes]:
    return sorted(raws, key=lambda raw: sha256(raw).hexdigest())


# --- rounds --------------------------------------------------------------------------------------


def test_what_came_within_a_round_leaves_together_in_the_order_of_its_hashes(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    came = [ballot(number) for number in range(12)]
    for raw in came:
        answer = relay.post(raw)
        assert answer.status_code == 202
        assert answer.json["leaves_at"] % BATCH_S == 0
        assert relay.after(1) == []
    left = relay.after(BATCH_S)
    assert left == by_hash(*came)
    assert left != came


def test_a_registration_waits_for_the_time_it_wishes(relay: Relay) -> None:
    wish_s = START_S + 3 * DAY_S + 7
    answer = relay.post(registration(1), f"?release_at={wish_s}")
    assert wish_s <= answer.json["leaves_at"] < wish_s + BATCH_S
    assert relay.after(3 * DAY_S) == []
    assert relay.after(BATCH_S + 7) == [registration(1)]


def test_a_ballot_s_wish_is_not_heard_for_it_waited_on_the_phone(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    relay.post(ballot(1), f"?release_at={VOTING_S + DAY_S}")
    assert relay.after(BATCH_S) == [ballot(1)]


def test_in_the_last_hour_nothing_waits(relay: Relay) -> None:
    relay.clock.seconds = WINDOWS.voting.closes_s - 600
    relay.post(ballot(1))
    assert relay.after(0) == [ballot(1)]


def test_a_wish_beyond_the_window_is_cut_to_its_last_hour(relay: Relay) -> None:
    answer = relay.post(registration(1), f"?release_at={START_S + 400 * DAY_S}")
    assert answer.json["leaves_at"] < WINDOWS.registration.closes_s


def test_the_same_transaction_twice_leaves_once_a_round(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    first, second = relay.post(ballot(1)), relay.post(ballot(1))
    assert first.json == second.json
    assert relay.after(BATCH_S) == [ballot(1)]


def test_what_is_held_outlives_the_program(tmp_path: Path) -> None:
    with open_relay(tmp_path / "relay.db") as relay:
        relay.post(registration(1), f"?release_at={START_S + DAY_S}")
    with open_relay(tmp_path / "relay.db", START_S + 2 * DAY_S) as again:
        assert again.after(0) == [registration(1)]


# --- nodes ---------------------------------------------------------------------------------------


def test_a_silent_node_loses_nothing(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    relay.post(ballot(1))
    relay.nodes.is_down = True
    assert relay.after(BATCH_S) == []
    relay.nodes.is_down = False
    assert relay.after(1) == [ballot(1)]


def test_a_transaction_is_handed_to_three_nodes_and_then_forgotten(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    relay.post(ballot(1))
    sent = [relay.after(BATCH_S) for _ in range(TIMES_SENT + 2)]
    assert sent == [[ballot(1)]] * TIMES_SENT + [[], []]
    assert len(set(relay.nodes.avoided)) == TIMES_SENT


def test_a_refusal_is_shown_in_a_list_of_all_and_by_no_name_of_its_own(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    relay.nodes.judge = lambda raw: VOTES_BALLOT_PROOF.number if raw == ballot(2) else 0
    keys = [relay.post(ballot(number)).json["transaction"] for number in (1, 2)]
    relay.after(BATCH_S)
    listed = relay.http.get("/v1/anonymous/refusals").json["refusals"]
    assert listed == [{"transaction": keys[1], "code": "votes_ballot_proof"}]
    assert relay.http.get(f"/v1/anonymous/refusals/{keys[1]}").status_code == 404
    assert relay.http.get(f"{PATH}/{keys[1]}").status_code == 404


def test_what_came_by_another_relay_before_is_no_refusal(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    relay.nodes.judge = lambda _raw: VOTES_BALLOT_SEEN.number
    relay.post(ballot(1))
    assert relay.after(BATCH_S) == [ballot(1)]
    assert relay.http.get("/v1/anonymous/refusals").json == {"refusals": []}
    assert relay.after(BATCH_S) == []


@pytest.mark.parametrize(
    ("window", "make", "code"),
    [
        (WINDOWS.voting, ballot, VOTES_NOT_OPEN),
        (WINDOWS.registration, registration, VOTES_REGISTRATION_CLOSED),
    ],
)
def test_what_comes_before_the_chain_has_opened_waits_for_the_next_round(
    relay: Relay, window: Window, make: Callable[[int], bytes], code: Code
) -> None:
    """The hour has struck, but a phase opens with a block, and a long list is sealed over many: no ballot is lost."""
    relay.clock.seconds = window.opens_s
    relay.nodes.judge = lambda _raw: code.number
    relay.post(make(1))
    assert relay.after(BATCH_S) == [make(1)]
    assert relay.after(BATCH_S) == [make(1)]
    relay.nodes.judge = lambda _raw: 0
    assert relay.after(BATCH_S) == [make(1)]
    assert relay.http.get("/v1/anonymous/refusals").json == {"refusals": []}
    relay.nodes.judge = lambda _raw: code.number
    relay.post(make(2))
    relay.clock.seconds = window.closes_s
    assert make(2) in relay.after(0)
    listed = relay.http.get("/v1/anonymous/refusals").json["refusals"]
    assert [line["code"] for line in listed] == [code.name]


def test_being_told_that_it_is_there_already_is_no_refusal(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    relay.post(ballot(1))
    relay.after(BATCH_S)
    relay.nodes.judge = lambda _raw: VOTES_BALLOT_SEEN.number
    relay.after(BATCH_S)
    assert relay.http.get("/v1/anonymous/refusals").json == {"refusals": []}
    assert relay.after(BATCH_S) == []


def test_what_nodes_refuse_without_judging_it_is_kept_however_often(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    relay.post(ballot(1))
    relay.nodes.error = RpcError("broadcast_tx_sync", {"code": -32603, "message": "not now"})
    for _ in range(TIMES_SENT + 2):
        assert relay.after(BATCH_S) == []
    relay.nodes.error = None
    assert relay.after(BATCH_S) == [ballot(1)]
    assert relay.http.get("/v1/anonymous/refusals").json == {"refusals": []}


def test_one_that_nodes_do_not_judge_holds_up_no_other(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    first, second = by_hash(ballot(1), ballot(2))
    for raw in (first, second):
        relay.post(raw)

    def judge(raw: bytes) -> int:
        if raw == first:
            raise RpcError("broadcast_tx_sync", {"code": -32603, "message": "not now"})
        return 0

    relay.nodes.judge = judge
    assert relay.after(BATCH_S) == [first, second]


def test_a_round_that_fails_is_shown_and_comes_again(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rounds(threading.Event):
        """Three looks, then the end; no waiting."""

        left = 3
        seen: tuple[int, ...] = ()

        def wait(self, timeout: float | None = None) -> bool:
            self.seen += (relay.http.get("/health").status_code,)
            self.left -= 1
            return self.left < 0

    relay.clock.seconds = VOTING_S
    relay.post(ballot(1))
    relay.clock.seconds += BATCH_S
    full = [sqlite3.OperationalError("database or disk is full")]
    send_again = relay.shelf.send_again

    def fail_once(key: str, leaves_s: int) -> None:
        if full:
            raise full.pop()
        send_again(key, leaves_s)

    monkeypatch.setattr(relay.shelf, "send_again", fail_once)
    rounds = Rounds()
    relay.service.run(rounds)
    assert rounds.seen == (200, 503, 200, 200)
    assert relay.nodes.taken == [ballot(1), ballot(1)]


def test_the_end_of_the_rounds_by_a_defect_is_shown(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Defect(Exception):
        pass

    def fail(_now_s: int) -> None:
        raise Defect

    stop = threading.Event()
    monkeypatch.setattr(relay.shelf, "take_due", fail)
    with pytest.raises(Defect):
        relay.service.run(stop)
    assert relay.http.get("/health").status_code == 503


def test_a_round_is_read_one_transaction_at_a_time(relay: Relay) -> None:
    relay.clock.seconds = VOTING_S
    for number in range(3):
        relay.post(ballot(number))
    due = relay.shelf.take_due(VOTING_S + BATCH_S)
    first = next(due)
    raws = by_hash(*map(ballot, range(3)))
    relay.shelf.drop(sha256(raws[1]).hexdigest())
    assert [first.raw, *(held.raw for held in due)] == [raws[0], raws[2]]


# --- whom it listens to --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "DPoP", "Proxy-Authorization"])
def test_who_says_who_they_are_is_not_listened_to(relay: Relay, name: str) -> None:
    answer = relay.post(registration(1), **{name: "anything"})
    assert (answer.status_code, answer.json["code"]) == (400, "anonymous_identified")
    assert relay.after(7 * DAY_S) == []


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{}", "tx_malformed"),
        (b"", "tx_malformed"),
        (registration(1)[:-1], "tx_malformed"),
        (registration(1).replace(b'"body":', b'"body": '), "tx_malformed"),
        (registration(1, town=key("another town").kid), "tx_wrong_town"),
        (registration(1, election="1" * 14), "votes_unknown_election"),
        (ballot(1), "votes_not_open"),
        (b"x" * (TX_MAX_BYTES + 1), "request_too_large"),
        (
            build_transaction(
                TOWN, key("somebody").kid, IdRecoverVeto(), [key("somebody")], bytes(16), START_S
            ),
            "tx_malformed",
        ),
    ],
)
def test_what_is_no_anonymous_transaction_of_this_town_now_is_refused(
    relay: Relay, raw: bytes, code: str
) -> None:
    answer = relay.post(raw)
    assert (answer.status_code >= 400, answer.json["code"]) == (True, code)


@pytest.mark.parametrize(
    ("now_s", "raw", "code"),
    [
        (START_S - 1, registration(1), "votes_registration_closed"),
        (WINDOWS.registration.closes_s, registration(1), "votes_registration_closed"),
        (WINDOWS.voting.closes_s, ballot(1), "votes_closed"),
        (WINDOWS.voting.closes_s, spoil(1), "votes_closed"),
    ],
)
def test_outside_its_window_a_transaction_is_told_so_at_once(
    relay: Relay, now_s: int, raw: bytes, code: str
) -> None:
    relay.clock.seconds = now_s
    assert relay.post(raw).json["code"] == code


def test_a_relay_whose_nodes_are_silent_says_so(relay: Relay) -> None:
    relay.elections.is_down = True
    assert relay.post(registration(1)).json["code"] == "node_unavailable"


def test_a_wrong_time_or_a_compressed_body_is_refused(relay: Relay) -> None:
    assert relay.post(registration(1), "?release_at=-1").json["code"] == "request_invalid"
    assert relay.post(registration(1), "?release_at=1e9").json["code"] == "request_invalid"
    packed = relay.post(registration(1), **{"Content-Encoding": "gzip"})
    assert packed.json["code"] == "media_type_unsupported"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (registration(1, signer=1), "votes_token_invalid"),
        (registration(1, told=77), "votes_credential_invalid"),
        (registration(1).replace(b'"registrar":1', b'"registrar":2'), "votes_signers_wrong"),
    ],
    ids=["another key", "another secret", "another signer set"],
)
def test_what_no_registrar_issued_finds_no_place_on_the_shelf(
    relay: Relay, raw: bytes, code: str
) -> None:
    assert relay.post(raw, f"?release_at={START_S + 3 * DAY_S}").json["code"] == code
    assert relay.after(6 * DAY_S) == []


def test_whoever_holds_one_credential_takes_one_place(relay: Relay) -> None:
    same = [registration(1), *(registration(1, draws=f"{n}") for n in range(3))]
    assert len(set(same)) == 4
    for raw in same:
        assert relay.post(raw).status_code == 202
    assert relay.after(BATCH_S) == [registration(1)]


def test_a_registration_is_asked_to_come_back_while_its_signers_are_not_known(relay: Relay) -> None:
    relay.elections.stations.clear()
    answer = relay.post(registration(1))
    assert (answer.status_code, answer.json["code"]) == (503, "node_unavailable")


def test_a_full_shelf_sends_away_and_keeps_what_it_has(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ROWS_MAX", 2)
    statuses = [relay.post(registration(number)).status_code for number in range(3)]
    assert statuses == [202, 202, 503]
    assert len(relay.after(BATCH_S)) == 2


def test_room_on_the_shelf_is_what_is_held_however_it_came_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ROWS_MAX", 2)
    monkeypatch.setattr(models, "BYTES_MAX", 10)
    shelf = models.Shelf(tmp_path / "shelf")
    assert shelf.put("a", b"12345", 1)
    assert shelf.put("a", b"12345", 1), "the same twice is one"
    assert not shelf.put("b", b"123456", 1), "six bytes beside five"
    assert shelf.put("b", b"1234", 1)
    assert not shelf.put("c", b"1", 1), "two rows are held"
    shelf.close()
    shelf = models.Shelf(tmp_path / "shelf")
    assert not shelf.put("c", b"1", 1), "still, after a restart"
    shelf.drop("a")
    shelf.refuse("b", "hash", "votes_closed", 1)
    assert shelf.put("c", b"1234567890", 1)
    shelf.close()


# --- what answers say ----------------------------------------------------------------------------


def test_an_answer_sets_nothing_and_lets_any_page_ask(relay: Relay) -> None:
    for answer in (relay.post(registration(1)), relay.http.get("/health"), relay.http.get("/x")):
        assert "Set-Cookie" not in answer.headers
        assert "ETag" not in answer.headers
        assert answer.headers["Connection"] == "close"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    asked = relay.http.options(PATH, headers={"Origin": "https://vote.example"})
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Headers"] == "Content-Type"


# --- ballots at the door -------------------------------------------------------------------------


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Relay]:
    """A relay while people vote, the list sealed."""
    with open_relay(tmp_path / "sealed.db", VOTING_S) as made:
        made.elections.boxes[ELECTION] = sealed_box()
        yield made


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (ballot(1), "votes_ballot_form"),
        (true_ballot(7), "votes_credential_unknown"),
        (true_ballot(1).replace(b"68cd", b"68ce"), "votes_unknown_election"),
        (tampered(true_ballot(1)), "votes_ballot_signature"),
        (true_ballot(1, record=OTHER_RECORD), "votes_ballot_election"),
        (true_spoil(7), "votes_credential_unknown"),
        (true_spoil(1, by=2), "votes_spoil_invalid"),
    ],
)
def test_what_no_voter_signed_finds_no_place_on_the_shelf(
    sealed: Relay, raw: bytes, code: str
) -> None:
    """Else a stranger fills it with 160 kB of nothing at a time, and voters are sent away until the round."""
    answer = sealed.post(raw)
    assert (answer.status_code // 100, answer.json["code"]) == (4, code)
    assert sealed.after(2 * BATCH_S) == []


def test_what_voters_signed_is_held_and_leaves(sealed: Relay) -> None:
    raws = [true_ballot(0), true_ballot(1), true_spoil(2)]
    assert [sealed.post(raw).status_code for raw in raws] == [202, 202, 202]
    assert sealed.after(2 * BATCH_S) == by_hash(*raws)


def test_a_voter_has_a_part_of_the_shelf_and_gets_it_back(
    sealed: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "HELD_PER_VOTER", 3)
    mine = [true_ballot(0, number) for number in range(3)]
    assert [sealed.post(raw).status_code for raw in (*mine, mine[0])] == [202] * 4
    assert sealed.post(true_ballot(0, 3)).json["code"] == "node_busy"
    assert sealed.post(true_ballot(1)).status_code == 202
    sealed.nodes.judge = lambda _raw: VOTES_BALLOT_SEEN.number
    sealed.after(2 * BATCH_S)
    assert sealed.post(true_ballot(0, 3)).status_code == 202


# --- limits --------------------------------------------------------------------------------------


def test_a_visitor_is_limited_and_forgotten_with_the_minute() -> None:
    now = [0.0]
    crowd = Crowd(lambda: now[0])
    said = [crowd.lets_in("192.0.2.1") for _ in range(PER_VISITOR + 1)]
    assert said == [True] * PER_VISITOR + [False]
    kept = repr(crowd.__dict__)
    assert "192.0.2.1" not in kept
    assert sum(crowd._counts) == PER_VISITOR
    key_before = crowd._key
    now[0] = 61.0
    assert crowd.lets_in("192.0.2.1")
    assert crowd._key != key_before
    assert sum(crowd._counts) == 1


def test_everybody_together_is_limited_too() -> None:
    crowd = Crowd(lambda: 0.0)
    addresses = (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(PER_RELAY + 500))
    assert sum(map(crowd.lets_in, addresses)) == PER_RELAY


def test_whoever_rents_a_large_network_is_one_visitor_among_others() -> None:
    """A /48 holds 65 536 networks of households: alone it would be everybody together."""
    crowd = Crowd(lambda: 0.0)
    rented = (f"2001:db8:7:{number:x}::/64" for number in range(2 * PER_PROVIDER))
    assert sum(map(crowd.lets_in, rented)) == PER_PROVIDER
    assert crowd.lets_in("2001:db8:8:1::/64")
    assert crowd.lets_in("192.0.2.1")


def test_a_visitor_who_comes_too_often_is_told_to_come_back(relay: Relay) -> None:
    answers = [relay.post(b"{}") for _ in range(PER_VISITOR + 1)]
    assert answers[-1].status_code == 429
    assert answers[-1].json["code"] == "rate_exceeded"
