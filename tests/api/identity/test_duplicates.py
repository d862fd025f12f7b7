"""Twins, homonyms, married names, returns: what the desk does about files that look alike."""

import pytest

from app.core.database import connected
from app.identity.duplicates import SEARCHES_PER_HOUR
from app.identity.models import DeskEntry, Enrolment, Person
from chain.town.schemas import IdStatus
from tests.api.identity import desk_kit as kit

TWIN = {"family_name": "Lefèvre", "given_names": ["Ana", "Rose"]}
FIRST = {"family_name": "Lefèvre", "given_names": ["Ana", "Marie"]}


def end(street, cid, status):
    agents = [street.clerk, street.supervisor]
    text = agents[0].sign(
        IdStatus(cid, status), sender="body:mairie", signers=[agent.key for agent in agents]
    )
    assert agents[0].send("/v1/identity/statuses", text).status == 201


# --- what a hit says ---------------------------------------------------------------------------


def test_a_strict_hit_names_the_identity_to_link_to(street):
    _, cid = kit.written(street, **FIRST)
    refused = kit.draft(street.clerk, kit.announce(street), civil=FIRST)
    assert refused.code == "identity_duplicate"
    (candidate,) = refused.body["candidates"]
    assert candidate == {"cid": cid, "kinds": ["loose", "strict", "swap"], "status": "active"}


def test_no_reason_overrules_a_strict_hit(street):
    kit.written(street, **FIRST)
    for reason in ("twin", "namesake", "returned"):
        refused = kit.draft(
            street.clerk, kit.announce(street), civil=FIRST, duplicate_reason=reason
        )
        assert refused.code == "identity_duplicate"


def test_inverted_names_ask_a_human(street):
    kit.written(street, family_name="Martin", given_names=["Claude"])
    civil = {"family_name": "Claude", "given_names": ["Martin"]}
    refused = kit.draft(street.clerk, kit.announce(street), civil=civil)
    assert (refused.code, refused.body["detail"]) == ("identity_duplicate_undecided", "swap")


def test_a_married_name_typed_as_the_family_name_asks_a_human(street):
    kit.written(street, family_name="Martin", usage_name="Durand", given_names=["Zoé"])
    civil = {"family_name": "Durand", "given_names": ["Zoé"]}
    refused = kit.draft(street.clerk, kit.announce(street), civil=civil)
    assert refused.code == "identity_duplicate_undecided"


def test_the_citizen_sees_that_a_search_met_the_own_file(street):
    phone, _ = kit.written(street, **FIRST)
    clerk = street.clerk
    kit.draft(clerk, kit.announce(street), civil=FIRST)
    kit.search(clerk, **TWIN)
    log = kit.access_log(street, phone)
    assert [(action, reason) for _, action, reason in log] == [
        ("attest", ""),
        ("match", ""),
        ("match", "recovery"),
    ]


# --- the same person again ---------------------------------------------------------------------


def link(clerk, phone, cid, **civil):
    body = {"number": phone.comparison_number(), "cid": cid, "civil": {**kit.CIVIL, **civil}}
    path = f"/v1/desk/enrolments/{phone.enrolment}/link"
    return clerk.api.post(path, body, token=clerk.token, key=kit.new_key())


def test_a_new_phone_is_linked_to_the_identity_its_holder_has(street):
    _, cid = kit.written(street, **FIRST)
    phone = kit.announce(street)
    answer = link(street.clerk, phone, cid, **FIRST)
    assert answer.status == 201, answer.body
    assert answer.body["cid"] == cid
    assert answer.body["key"]["x"]
    assert phone.enrolment_status() == "linked"
    again = kit.draft(street.clerk, phone, civil={"family_name": "Autre"})
    assert again.code == "enrolment_wrong_state"


@pytest.mark.parametrize("civil", [TWIN, {"family_name": "Autre"}])
def test_a_phone_is_not_linked_to_somebody_elses_identity(street, civil):
    _, cid = kit.written(street, **FIRST)
    assert link(street.clerk, kit.announce(street), cid, **civil).code == "identity_link_differs"


def test_a_person_who_moved_out_may_return_and_a_second_agent_looks(street):
    _, cid = kit.written(street, **FIRST)
    end(street, cid, "moved_out")
    phone, clerk = kit.announce(street), street.clerk
    refused = kit.draft(clerk, phone, civil=FIRST, duplicate_reason="namesake")
    assert refused.code == "identity_duplicate_undecided"
    drafted = kit.draft(clerk, phone, civil=FIRST, duplicate_reason="returned")
    assert drafted.status == 201
    assert kit.sign(clerk, phone, drafted).status == 201
    assert clerk.read_batch()["waiting"] == 0
    kinds = {review["cid"]: review["kind"] for review in kit.reviews(street.supervisor)}
    assert kinds[drafted.body["cid"]] == "duplicate"


# --- the oracle is limited ---------------------------------------------------------------------


def test_searches_and_drafts_share_thirty_an_hour_and_each_is_logged(street):
    clerk, phone = street.clerk, kit.announce(street)
    assert kit.draft(clerk, phone).status == 201
    for index in range(1, SEARCHES_PER_HOUR):
        answer = kit.search(clerk, family_name="Personne")
        assert answer.body == {"candidates": [], "left": SEARCHES_PER_HOUR - 1 - index}
    assert kit.search(clerk).code == "identity_searches_exceeded"
    assert kit.draft(clerk, phone).code == "identity_searches_exceeded"
    with connected():
        logged = DeskEntry.select().where(DeskEntry.action == "search")
        assert logged.count() == SEARCHES_PER_HOUR
        assert {entry.clerk for entry in logged} == {clerk.key.kid}
    assert kit.search(street.supervisor).status == 200, "the limit is each agent's own"


def test_an_hour_later_the_agent_searches_again(street):
    clerk = street.clerk
    for _ in range(SEARCHES_PER_HOUR):
        kit.search(clerk)
    street.town.clock.seconds += 3_600
    street.town.lab.now_s = street.town.clock.seconds
    assert kit.search(street.clerk).status == 200


def test_a_refused_draft_leaves_neither_rows_nor_a_key(street):
    kit.written(street, **FIRST)
    before = sorted(street.town.config.person_keys.rglob("*.key"))
    phone = kit.announce(street)
    assert kit.draft(street.clerk, phone, civil=FIRST).status == 409
    with connected():
        assert Person.select().count() == 1
        assert Enrolment.get_by_id(phone.enrolment).status == "open"
    assert sorted(street.town.config.person_keys.rglob("*.key")) == before
