"""City hall over HTTP: preparing and publishing a vote, its regulation, its complaints and incidents."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest

from app.core.database import connected, write
from app.core.problems import NodeUnavailable, Problem
from app.votes import complaints, rolls, service
from app.votes.models import ComplaintRow, ElectionRow, RequestRow, RollRow
from app.votes.regulation import read_regulation
from chain.codec.canonical import b64url_decode, b64url_encode, encode_canonical
from chain.codec.merkle import merkle_root
from chain.town.votes import keeping
from chain.town.votes_schemas import ElectionCancel, ElectionCreate, ElectionPostpone, VoteCalendar
from chain.types.codes import VOTES_COMPLAINT_KNOWN
from chain.votes.messages import roll_leaf
from tests.api.conftest import Town
from tests.api.votes.votes_kit import draft_request
from tests.town.town_kit import DAY_S, key

AGENT = key("agent_supervisor@mairie")
COMMISSION = key("electoral_commission@dehors")
SEATS = ("mairie", "commerces", "coop", "dehors", "reg1", "reg2", "reg3", "reg4")


def draft(hall: Town, **changes: Any) -> Any:
    asked = draft_request(hall.lab.now_s, **changes)
    return hall.http.post("/v1/votes/drafts", json=asked, headers=hall.login(AGENT))


def publish(hall: Town, **changes: Any) -> str:
    """A published election; its identifier."""
    drafted = draft(hall, **changes)
    assert drafted.status_code == 201, drafted.json
    body = msgspec.convert(drafted.json["body"], ElectionCreate)
    answer = hall.post_tx("/v1/votes/elections", hall.tx(body, "body:mairie", AGENT), AGENT)
    assert answer.status_code == 201, answer.json
    return str(drafted.json["election"])


def council(hall: Town, body: Any) -> Any:
    seats = [key(f"seat@{name}") for name in SEATS]
    return hall.post_tx("/v1/votes/decisions", hall.tx(body, "council", *seats), seats[0])


# --- preparing -----------------------------------------------------------------------------------


def test_a_local_referendum_is_refused_with_its_article(hall: Town) -> None:
    answer = draft(hall, legal_kind="referendum_local")
    assert (answer.status_code, answer.json["code"]) == (422, "votes_referendum_refused")
    assert "LO 1112-1" in answer.json["title"]


def test_a_vote_whose_only_relay_is_city_hall_s_is_refused(hall: Town) -> None:
    asked = draft_request(hall.lab.now_s)
    asked["regulation"]["relays"] = [{"body": "mairie", "url": "https://relais.mairie.example"}]
    answer = hall.http.post("/v1/votes/drafts", json=asked, headers=hall.login(AGENT))
    assert (answer.status_code, answer.json["code"]) == (422, "votes_regulation_refused")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("items", [{"kind": "lottery"}]),
        ("items", [{"kind": "single", "title": "?", "choices": ["A"], "blank": True}]),
        ("registrars", ["Not A Slug"]),
        ("stations", [{"station": "1", "weight_class": "one", "weight": 0}]),
    ],
)
def test_a_draft_that_cannot_be_published_is_refused(hall: Town, where: str, value: Any) -> None:
    answer = draft(hall, **{where: value})
    assert (answer.status_code, answer.json["code"]) == (422, "votes_regulation_refused")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"registrars": ["reg1", "reg2"]}, "votes_registrars_shape"),
        ({"registrars_threshold": 2}, "votes_registrars_shape"),
        ({"trustees": ["reg1", "tru2"]}, "votes_bodies_conflict"),
        ({"issuance_opens": -1}, "votes_calendar_refused"),
        ({"voting_opens": 10 * DAY_S}, "votes_calendar_refused"),
    ],
)
def test_what_the_chain_would_refuse_is_said_at_the_draft(
    hall: Town, changes: dict[str, Any], code: str
) -> None:
    now_s = hall.lab.now_s
    dates = {name: now_s + by for name, by in changes.items() if name.endswith("_opens")}
    calendar = draft_request(now_s)["calendar"] | dates
    others = {name: value for name, value in changes.items() if name not in dates}
    answer = draft(hall, calendar=calendar, **others)
    assert answer.json["code"] == code
    assert answer.json["detail"] != answer.json["title"], "which one is said"


def test_a_roll_for_a_station_that_is_none_says_so(hall: Town) -> None:
    path = f"/v1/votes/elections/{publish(hall)}/rolls"
    asked = {"default": "9", "stations": {}, "classes": {}}
    answer = hall.http.post(path, json=asked, headers=hall.login(AGENT))
    assert (answer.status_code, answer.json["code"]) == (422, "request_invalid")
    assert "no station 9" in answer.json["detail"]


def test_a_draft_is_published_with_its_regulation_hashed_in(hall: Town) -> None:
    election = publish(hall)
    page = hall.http.get(f"/v1/votes/elections/{election}").json
    assert (page["phase"], page["owner"]) == ("ceremony", "body:mairie")
    raw = hall.http.get(f"/v1/votes/elections/{election}/regulation").data
    assert b64url_encode(sha256(raw).digest()) == page["regulation"]
    regulation = read_regulation(raw)
    assert regulation.election == election
    assert regulation.rules.items[0].order == (1, 2, 0)
    listed = hall.http.get("/v1/votes/elections").json["elections"]
    assert [line["election"] for line in listed] == [election]
    headers = hall.login(AGENT)
    assert hall.http.get("/v1/votes/drafts", headers=headers).json == {"drafts": []}
    ended = hall.http.post(f"/v1/votes/drafts/{election}/end", headers=headers)
    assert ended.status_code == 404, "what was published stays"


def test_an_election_that_asks_in_another_order_than_its_rulebook_counts_is_not_relayed(
    hall: Town,
) -> None:
    """Its regulation's hash is right; the votes for one choice would be published as another's."""
    body = msgspec.convert(draft(hall).json["body"], ElectionCreate)
    first, *rest = body.questions
    swapped = msgspec.structs.replace(first, answers=first.answers[::-1])
    for questions in ((swapped, *rest), (*body.questions, first)):
        other = msgspec.structs.replace(body, questions=questions)
        answer = hall.post_tx("/v1/votes/elections", hall.tx(other, "body:mairie", AGENT), AGENT)
        assert (answer.status_code, answer.json["code"]) == (409, "votes_regulation_differs")


def test_an_election_without_a_kept_regulation_is_not_relayed(hall: Town) -> None:
    drafted = draft(hall).json
    body = msgspec.convert(drafted["body"], ElectionCreate)
    other = msgspec.structs.replace(body, regulation=key("another text").kid)
    answer = hall.post_tx("/v1/votes/elections", hall.tx(other, "body:mairie", AGENT), AGENT)
    assert (answer.status_code, answer.json["code"]) == (409, "votes_regulation_unknown")


def test_a_draft_can_be_dropped(hall: Town) -> None:
    election = draft(hall).json["election"]
    headers = hall.login(AGENT)
    assert hall.http.post(f"/v1/votes/drafts/{election}/end", headers=headers).status_code == 204
    assert hall.http.get("/v1/votes/drafts", headers=headers).json == {"drafts": []}


@pytest.mark.parametrize(
    "item",
    [
        {
            "kind": "yes_no",
            "title": "Un parc ?",
            "choices": ["Oui", "Non"],
            "blank": True,
            "majority": [1, 2],
        },
        {
            "kind": "approval",
            "title": "Jury",
            "choices": ["A", "B", "C"],
            "blank": True,
            "min": 1,
            "max": 2,
            "seats": 2,
            "order": [0, 1, 2],
        },
        {
            "kind": "majority_judgment",
            "title": "Logo",
            "choices": ["A", "B"],
            "blank": False,
            "grades": [{"name": name, "points": 0} for name in ("Bien", "Passable", "Non")],
            "middle": "lower",
            "seats": 1,
            "order": [1, 0],
        },
        {
            "kind": "score",
            "title": "Notes",
            "choices": ["A", "B"],
            "blank": False,
            "grades": [{"name": str(p), "points": p} for p in (2, 1, 0)],
            "seats": 1,
            "order": [1, 0],
        },
        {
            "kind": "budget",
            "title": "Budget",
            "choices": ["Bancs", "Arbres"],
            "blank": True,
            "min": 1,
            "max": 2,
            "costs_cents": [100, 200],
            "envelope_cents": 250,
            "fit": "skip",
            "votes_min": 0,
            "order": [0, 1],
        },
    ],
    ids=lambda item: item["kind"],
)
def test_every_kind_of_vote_is_taken_by_the_chain(hall: Town, item: dict[str, Any]) -> None:
    assert publish(hall, items=[item])


# --- moving --------------------------------------------------------------------------------------


def test_the_council_postpones_and_cancels_and_the_page_tells_why(hall: Town) -> None:
    election = publish(hall)
    calendar = hall.http.get(f"/v1/votes/elections/{election}").json["calendar"]
    later = {name: at + DAY_S for name, at in calendar.items()}
    reason = key("délibération 12").kid
    moved = council(hall, ElectionPostpone(election, VoteCalendar(**later), reason))
    assert moved.status_code == 201, moved.json
    page = hall.http.get(f"/v1/votes/elections/{election}").json
    assert (page["calendar"], page["reason"]) == (later, reason)
    assert council(hall, ElectionCancel(election, reason)).status_code == 201
    assert hall.http.get(f"/v1/votes/elections/{election}").json["phase"] == "cancelled"
    told = hall.http.get(f"/v1/votes/elections/{election}/events").json["events"]
    assert [event["kind"] for event in told] == ["created", "postponed", "cancelled"]
    assert told[-1]["text_fr"] == "Le vote est annulé."


# --- complaints and incidents --------------------------------------------------------------------


def test_a_complaint_s_hash_is_on_the_chain_and_its_text_is_read_by_the_commission_only(
    hall: Town,
) -> None:
    election = publish(hall)
    path = f"/v1/votes/elections/{election}/complaints"
    text = "L'isoloir Zyxqwv était fermé."
    receipt = hall.http.post(path, json={"text": text, "contact": "a@example.org"}).json
    content = encode_canonical(
        {"contact": "a@example.org", "election": election, "salt": receipt["salt"], "text": text}
    )
    assert b64url_encode(sha256(content).digest()) == receipt["complaint"]
    hall.follow()
    (line,) = hall.http.get(path).json["complaints"]
    assert (line["complaint"], line["place"], line["status"]) == (receipt["complaint"], 1, "open")
    assert "text" not in line
    texts = hall.http.get(f"{path}/texts", headers=hall.login(COMMISSION)).json["complaints"]
    assert (texts[0]["text"], texts[0]["contact"]) == (text, "a@example.org")
    assert hall.http.get(f"{path}/texts", headers=hall.login(AGENT)).status_code == 403
    database = (hall.config.home / "town.db").read_bytes()
    assert b"Zyxqwv" not in database
    answered = hall.http.post(
        "/v1/votes/complaints/answers",
        json={"complaint": receipt["complaint"], "status": "upheld", "answer": "Rouvert à 9 h."},
        headers=hall.login(COMMISSION),
    )
    assert answered.status_code == 200, answered.json
    (line,) = hall.http.get(path).json["complaints"]
    assert (line["status"], line["answer"]) == ("upheld", "Rouvert à 9 h.")


def test_complaints_are_taken_until_appeals_are_over_and_their_texts_deleted_then(
    hall: Town,
) -> None:
    election = publish(hall)
    path = f"/v1/votes/elections/{election}/complaints"
    assert hall.http.post(path, json={"text": "une"}).status_code == 201
    hall.clock.seconds = hall.lab.now_s + 30 * DAY_S
    late = hall.http.post(path, json={"text": "deux"})
    assert (late.status_code, late.json["code"]) == (409, "votes_complaints_closed")
    with connected():
        assert complaints.forget_after_appeals(hall.lab.now_s) == 0
        assert complaints.forget_after_appeals(hall.clock.seconds) == 1
        assert ComplaintRow.get().sealed == ""
    read = hall.http.get(f"{path}/texts", headers=hall.login(COMMISSION)).json["complaints"]
    assert (read[0]["text"], read[0]["complaint"] != "") == ("", True)


def test_a_register_that_is_full_keeps_no_other_election_s_complaint_from_the_chain(
    hall: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (complaints, keeping):
        monkeypatch.setattr(module, "VOTES_COMPLAINTS_MAX", 1)
    monkeypatch.setattr(complaints, "ANCHOR_BATCH", 2)
    flooded, quiet = publish(hall), publish(hall)
    for number in range(4):
        path = f"/v1/votes/elections/{flooded}/complaints"
        assert hall.http.post(path, json={"text": f"{number}"}).status_code == 201
        hall.follow()
    path = f"/v1/votes/elections/{quiet}/complaints"
    assert hall.http.post(path, json={"text": "L'urne était ouverte."}).status_code == 201
    hall.follow()
    (line,) = hall.http.get(path).json["complaints"]
    assert line["place"] == 1


def test_a_complaint_that_the_chain_refuses_holds_up_no_other(hall: Town) -> None:
    election = publish(hall)
    with connected():
        for number in range(3):
            text = f"{number}"
            complaints.receive(hall.config, election, text=text, contact="", now_s=number)
        sent: list[str] = []

        def submit(text: str, *, types: tuple[str, ...]) -> None:
            sent.append(text)
            if len(sent) == 1:
                raise Problem(VOTES_COMPLAINT_KNOWN)
            if len(sent) == 3:
                raise NodeUnavailable

        with pytest.raises(NodeUnavailable):
            complaints.anchor_waiting(hall.config, submit, hall.lab.now_s)
        assert len(sent) == 3


def test_the_incident_page_is_public_and_written_by_those_who_run_the_vote(hall: Town) -> None:
    election = publish(hall)
    path = f"/v1/votes/elections/{election}/incidents"
    line = {"level": "serious", "text_fr": "Panne à 10 h.", "text_en": "Outage at 10."}
    assert hall.http.post(path, json=line).status_code == 401
    assert hall.http.post(path, json=line, headers=hall.login(COMMISSION)).status_code == 201
    (shown,) = hall.http.get(path).json["incidents"]
    assert {name: shown[name] for name in line} == line


# --- rolls, reminders, sign-off ------------------------------------------------------------------


def fill_roll(election: str, cids: list[str], now_s: int) -> None:
    """A roll without a register: as `draw_up` writes it."""
    entries = {("1", "one"): [(cid, bytes([n]) * 16) for n, cid in enumerate(cids)]}
    rolls._write(election, entries)


def test_everybody_on_a_roll_can_show_it_against_its_root(hall: Town) -> None:
    election = publish(hall)
    cids = [key(f"citizen {n}").kid for n in range(7)]
    with connected():
        fill_roll(election, cids, hall.lab.now_s)
        (roll,) = rolls.list_rolls(election)
        assert roll["electors"] == 7
        leaves = []
        for cid in cids:
            place = rolls.open_place(election, cid)
            leaf = roll_leaf(election, b64url_decode(cid), b64url_decode(place["salt"]))
            leaves.append((place["index"], leaf))
            node, index, total = sha256(b"\x00" + leaf).digest(), place["index"], 7
            aunts = [b64url_decode(aunt) for aunt in place["aunts"]]
            assert _climb(node, index, total, aunts) == b64url_decode(roll["root"])
        ordered = [leaf for _, leaf in sorted(leaves)]
        assert ordered == sorted(ordered), "places follow hashes, not people"
        assert merkle_root(ordered) == b64url_decode(roll["root"])


def _climb(node: bytes, index: int, total: int, aunts: list[bytes]) -> bytes:
    """RFC 6962 by recursion on sizes, independent of `chain.codec.merkle`."""
    if total == 1:
        return node
    split = 1 << ((total - 1).bit_length() - 1)
    if index < split:
        left, right = _climb(node, index, split, aunts[:-1]), aunts[-1]
    else:
        left, right = aunts[-1], _climb(node, index - split, total - split, aunts[:-1])
    return sha256(b"\x01" + left + right).digest()


def test_reminders_go_to_all_alike_and_never_say_who_voted(hall: Town) -> None:
    election = publish(hall)
    cids = [key(f"citizen {n}").kid for n in range(3)]
    with connected():
        fill_roll(election, cids, hall.lab.now_s)
        with write():
            RequestRow.insert(
                election=election, cid=cids[0], station="1", weight_class="one", at=1, height=1
            ).execute()
        for phase, to in (
            ("issuance", sorted(cids[1:])),
            ("registration", [cids[0]]),
            ("voting", [cids[0]]),
            ("tally", []),
        ):
            with write():
                ElectionRow.update(phase=phase).execute()
            reminders = service.list_reminders(election)
            assert reminders["cids"] == to, phase
            assert bool(reminders["text_fr"]) is bool(to)
        assert "personne ne sait qui a voté" in service.choose_reminder("voting", has_asked=True)[0]
    headers = hall.login(COMMISSION)
    lines = hall.http.get(f"/v1/votes/elections/{election}/sign-off", headers=headers).json["lines"]
    assert [(line["cid"], line["day"]) for line in lines] == [(cids[0], 0)]


def test_a_roll_is_drawn_up_only_before_it_is_fixed(hall: Town) -> None:
    election = publish(hall)
    headers = hall.login(COMMISSION)
    path = f"/v1/votes/elections/{election}/rolls"
    empty = hall.http.post(path, json={"stations": {"1": "1"}}, headers=headers)
    assert (empty.status_code, empty.json["code"]) == (422, "votes_roll_small")
    with connected(), write():
        ElectionRow.update(phase="issuance").execute()
    late = hall.http.post(path, json={"stations": {"1": "1"}}, headers=headers)
    assert (late.status_code, late.json["code"]) == (409, "votes_roll_closed")
    with connected():
        assert RollRow.select().count() == 0


# --- who reads the box ---------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["trackers", "ballots", "archive"])
def test_the_box_refuses_to_be_told_who_reads_it(hall: Town, page: str) -> None:
    election = publish(hall)
    path = f"/v1/votes/elections/{election}/{page}"
    told = hall.http.get(path, headers=hall.login(AGENT))
    assert (told.status_code, told.json["code"]) == (400, "anonymous_identified")
    assert hall.http.get(path).status_code in (200, 409)


def test_an_anonymous_transaction_is_no_transaction_here(hall: Town) -> None:
    """Ballots go to a relay: no route of the API takes one, whatever it is wrapped in."""
    raw = '{"body":{"ballot":"{}","election":"11111111111111"},"town":"x","type":"ballot.cast"}'
    for path in ("/v1/votes/offices", "/v1/votes/decisions", "/v1/votes/elections"):
        answer = hall.post_tx(path, raw, AGENT)
        assert answer.status_code in (400, 403, 422), path
        assert answer.json["code"] in ("tx_malformed", "auth_scope_missing")
