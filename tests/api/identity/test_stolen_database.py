"""A thief has the whole database and the whole chain, and knows everybody's name: nobody is found without the key.

Canary citizens use every service of the desk; then the loot is searched for them in every form of `tests.canary`,
attacked with a dictionary of 20 000 people, and looked through for rows that join two of a citizen's accounts.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.core.database import connected, run_sql
from app.identity.civil import compute_commitment
from app.identity.lifecycle.links import encode_proof
from app.identity.models import DeskEntry
from app.identity.register import Register
from app.wiring import all_tables
from chain.codec.canonical import b64url_decode, b64url_encode, encode_canonical
from tests.api.conftest import Town, close_database
from tests.api.identity import desk_kit as kit
from tests.api.identity.test_rights import correct, me, sign_correction
from tests.api.identity.thief import open_jws, steal
from tests.canary import (
    canary,
    civil_of,
    dictionary,
    forms,
    guess_with_key,
    guess_without_key,
    search,
    strings_of,
    tokens,
)
from tests.journeys.kit import Street

CITIZENS = 4
PEOPLE = 20_000


@dataclass
class Loot:
    """What the thief carried off, and who the citizens are."""

    street: Street
    phones: list[Any] = field(default_factory=list)
    cids: list[str] = field(default_factory=list)
    places: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture(scope="module")
def loot(tmp_path_factory, module_capture):
    """A day at the desk, then the theft: database files, a dump, every block and state record, every log line."""
    street = Street(Town(Path(tmp_path_factory.mktemp("stolen"))))
    stolen = Loot(street)
    for number in range(CITIZENS):
        phone, cid = kit.written(street, **canary(number))
        stolen.phones.append(phone)
        stolen.cids.append(cid)
    live(stolen)
    stolen.places = steal(street) | {"logs": module_capture()}
    yield stolen
    close_database()


@pytest.fixture(scope="module")
def module_capture():
    """Everything that was printed since the module began, logs included (structlog writes to standard output)."""
    import io

    import structlog

    kept = io.StringIO()
    before = structlog.get_config()
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(kept), cache_logger_on_first_use=False
    )
    yield lambda: kept.getvalue().encode()
    structlog.configure(**before)


def live(stolen: Loot) -> None:
    """The canaries use what there is: readings, searches, likenesses, rights, points."""
    street, clerk = stolen.street, stolen.street.clerk
    kit.read(clerk, stolen.cids[0])
    kit.search(clerk, **canary(1))
    twin = canary(2) | {"given_names": [canary(2)["given_names"][0], "Rose"]}
    kit.draft(clerk, kit.announce(street), civil=twin, duplicate_reason="twin")
    kit.draft(clerk, kit.announce(street), civil=canary(3))
    kit.draft(clerk, kit.announce(street), civil=canary(3) | {"birthdate": "1903-04-99"})
    wanted = {"kind": "rectification", "wanted": {"family_name": canary(0)["family_name"]}}
    me(street, stolen.phones[0], "requests", wanted)
    me(street, stolen.phones[0], "export")
    me(street, stolen.phones[1], "restriction", {"restricted": True})
    drafted = correct(clerk, stolen.cids[3], canary(3) | {"address": canary(2)["address"]})
    sign_correction(clerk, stolen.cids[3], drafted)
    till = street.open_shop("boulangerie")
    for phone in stolen.phones:
        assert phone.open_loyalty_account().status == 201
        assert till.earn(phone.account, 5_000).status == 201
        assert till.redeem(phone.make_code(40, shop="boulangerie"), 3).status == 201
    for phone, cid in zip(stolen.phones, stolen.cids, strict=True):
        link_account(street, phone, cid)


def link_account(street: Street, phone: Any, cid: str) -> None:
    """Put the loyalty account on the one list that joins it to the identity, sealed."""
    proof = encode_proof(street.facts.town, cid, phone.account)
    signature = b64url_encode(phone.wallet.derive_key("loyalty").sign(proof))
    body = {"account": phone.account, "signature": signature}
    path = "/v1/identity/me/accounts"
    answer = street.api.call("PUT", path, body, token=phone.identity_token)
    assert answer.body == {"count": 1}, answer.body


# --- nobody shows --------------------------------------------------------------------------------


def test_no_canary_shows_in_the_database_the_chain_or_the_logs_in_any_form(loot):
    assert len(loot.places["dump.sql"]) > 50_000
    assert loot.cids[0].encode() in loot.places["signed payloads"]
    assert b"/v1/desk/enrolments" in loot.places["logs"]
    assert search(loot.places, map(canary, range(CITIZENS))) == []


@pytest.mark.parametrize("form", sorted(forms("Zzcanarïelle")))
def test_the_search_finds_a_planted_name_in_every_form(form):
    text = next(strings_of(canary(0)))
    found = search({"planted": b"..." + forms(text)[form] + b"..."}, [canary(0)])
    assert any(line.endswith(text) for line in found)


def test_no_digest_of_a_request_is_an_unkeyed_one(loot):
    """A draft's body is a name, a birth date and a number that the database holds: a plain digest would be found."""
    import hashlib

    with connected():
        kept = {row[0] for row in run_sql("SELECT fingerprint FROM idempotency").fetchall()}
        number = str(run_sql("SELECT number FROM enrolment LIMIT 1").fetchone()[0])
    assert kept
    body = {
        "number": number,
        "civil": {**kit.CIVIL, **canary(0)},
        "level_identity": 3,
        "level_residence": 3,
        "title_seen": "national_identity_card",
    }
    phone = kit.announce(loot.street)
    clerk = loot.street.clerk
    body["number"] = phone.comparison_number()
    path = f"/v1/desk/enrolments/{phone.enrolment}/draft"
    answer = clerk.api.post(path, body, token=clerk.token, key=kit.new_key())
    assert answer.code == "identity_duplicate"
    sent = [json.dumps(body).encode(), json.dumps(body, separators=(",", ":")).encode()]
    sent.append(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    with connected():
        after = {row[0] for row in run_sql("SELECT fingerprint FROM idempotency").fetchall()}
    assert len(after) > len(kept)
    assert after.isdisjoint(hashlib.sha256(text).hexdigest() for text in sent)


# --- nobody is guessed ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people():
    return dictionary(PEOPLE, map(canary, range(CITIZENS)))


def test_twenty_thousand_names_without_the_key_find_nobody(loot, people):
    stolen = tokens(loot.places)
    assert len(stolen) > 100
    assert guess_without_key(stolen, people) == []


def test_the_same_names_with_the_key_find_exactly_the_enrolled(loot, people):
    """The attack works: what protects is the key, which is not in the loot."""
    key = Register(loot.street.town.config).index.current().key
    found = guess_with_key(tokens(loot.places), people, key)
    assert {person.family_name for person in found} == {
        canary(number)["family_name"] for number in range(CITIZENS)
    }
    for place, content in loot.places.items():
        assert key not in content, place
        assert key.hex().encode() not in content, place


def test_the_attack_without_a_key_finds_whom_a_plain_digest_gives_away(loot, people):
    """Planted: one unkeyed digest in one row, as a careless migration would leave it."""
    import hashlib

    planted = hashlib.sha256(encode_canonical(civil_of(canary(0)))).hexdigest().encode()
    some = [*people[:500], civil_of(canary(0))]
    found = guess_without_key(tokens(loot.places | {"planted": planted}), some)
    assert [person.family_name for person in found] == [canary(0)["family_name"]]


def test_no_value_in_the_loot_is_the_salt_that_opens_a_commitment(loot):
    """Whoever knows the person exactly still lacks the salt; every stolen value is tried as one."""
    stolen = tokens(loot.places)
    commitments = {b64url_decode(loot.phones[0].read_identity()["commitment"])}
    civil = civil_of({**kit.CIVIL, **canary(0)})
    assert all(compute_commitment(civil, salt) not in commitments for salt in stolen)
    opening = loot.phones[0].read_identity()["opening"]
    assert compute_commitment(civil, b64url_decode(opening["salt"])) in commitments


def test_the_online_oracle_is_limited_and_every_question_is_logged(loot):
    """Who may not steal may ask at the desk: thirty an hour, each with the agent's key, and the person sees it."""
    supervisor = loot.street.supervisor
    with connected():
        asked = DeskEntry.select().where(DeskEntry.clerk == supervisor.key.kid).count()
    answers = [kit.search(supervisor, **canary(3)) for _ in range(40)]
    assert sum(answer.status == 200 for answer in answers) == 30 - asked
    assert {answer.code for answer in answers if answer.status != 200} == {
        "identity_searches_exceeded"
    }
    log = kit.access_log(loot.street, loot.phones[3])
    mine = [action for agent, action, _ in log if agent == supervisor.key.kid]
    assert mine == ["match"] * (30 - asked)


# --- nothing joins -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lines(loot):
    """Every SQL row, log line and transaction with what is signed inside, as (place, its long words)."""
    found = []
    with connected():
        for table in all_tables():
            for row in table.select().tuples():
                text = " ".join(str(value) for value in row if isinstance(value, (str, int)))
                found.append((table._meta.table_name, text))
    found += [("log", line) for line in loot.places["logs"].decode().splitlines()]
    for tx in loot.places["transactions"].split(b"\n"):
        found.append(("transaction", b"\n".join([tx, *open_jws(tx)]).decode()))
    return [(place, frozenset(re.findall(r"[A-Za-z0-9_-]{16,}", text))) for place, text in found]


def test_no_row_line_or_block_joins_two_accounts_of_one_person(loot, lines):
    for phone, cid in zip(loot.phones, loot.cids, strict=True):
        seen, identity, account = 0, {cid, phone.identity_key.kid}, phone.account
        for place, words in lines:
            is_identity, is_account = bool(words & identity), account in words
            seen += is_identity + is_account
            assert not (is_identity and is_account), place
        assert seen > 6, "the citizen is in the loot, in rows of each account alone"


def test_no_value_links_a_persons_accounts_that_strangers_do_not_share(loot, lines):
    """Through one more row: whatever stands beside both accounts of one citizen stands beside others' too."""
    beside = {}
    for _, words in lines:
        for name in words:
            beside.setdefault(name, set()).update(words)
    names = [[phone.account for phone in loot.phones], loot.cids]
    names.append([phone.identity_key.kid for phone in loot.phones])
    shared = set().union(*(common_words(beside, group) for group in names))
    for phone, cid in zip(loot.phones, loot.cids, strict=True):
        identity = beside.get(cid, set()) | beside.get(phone.identity_key.kid, set())
        link = (identity & beside.get(phone.account, set())) - shared
        assert link == set(), link


def test_the_search_for_a_link_finds_a_planted_one(loot, lines):
    """A push token kept in two rows, one beside each account, is what the test above must see."""
    phone, token = loot.phones[0], "push-token-0123456789"
    planted = [("p", {phone.account, token}), ("p", {loot.cids[0], token})]
    with pytest.raises(AssertionError, match=token):
        test_no_value_links_a_persons_accounts_that_strangers_do_not_share(loot, lines + planted)


def common_words(beside, names):
    """What stands beside at least two different people's names: a shop's key, a route, a block."""
    seen = Counter(word for name in names for word in beside.get(name, ()))
    return {word for word, count in seen.items() if count > 1}
