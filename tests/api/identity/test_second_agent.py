"""Two agents where the rules say: decided likenesses, very many enrolments, one in twenty; never on the own file."""

import pytest

from app.core.access import STEP_UP_S
from app.core.database import connected
from app.identity import reviews as rules
from app.identity.models import AgentPerson, DeskReview, DuplicateIndex, Person
from app.identity.register import Register
from tests.api.identity import desk_kit as kit
from tests.town.town_kit import key

FIRST = {"family_name": "Lefèvre", "given_names": ["Ana", "Marie"]}
TWIN = {"family_name": "Lefèvre", "given_names": ["Ana", "Rose"]}


@pytest.fixture
def twin(street):
    """(phone, clerk, review): a likeness that the first agent decided."""
    kit.written(street, **FIRST)
    phone, clerk = kit.announce(street), street.clerk
    drafted = kit.draft(clerk, phone, civil=TWIN, duplicate_reason="twin")
    assert kit.sign(clerk, phone, drafted).status == 201
    (review,) = [r for r in kit.reviews(street.supervisor) if r["kind"] == "duplicate"]
    return phone, clerk, review


def test_a_decided_likeness_waits_for_another_agent(street, twin):
    phone, clerk, review = twin
    assert clerk.read_batch()["waiting"] == 0
    assert phone.read_identity()["status"] == "pending"
    answer = kit.decide(street.supervisor, review)
    assert (answer.status, answer.body["outcome"]) == (201, "confirmed")
    assert clerk.read_batch()["waiting"] == 1
    assert ("review", "confirmed") in [entry[1:] for entry in kit.access_log(street, phone)]


def test_the_first_agent_is_not_the_second(street, twin):
    _, clerk, review = twin
    assert kit.reviews(clerk) == []
    answer = kit.decide(clerk, review)
    assert (answer.status, answer.code) == (403, "second_agent_same")
    assert clerk.read_batch()["waiting"] == 0


def test_the_second_agent_signs_with_the_own_key_over_this_attestation(street, twin):
    _, _, review = twin
    forged = kit.decide(street.supervisor, review, signer=key("somebody"))
    assert forged.code == "identity_attestation_differs"
    other = kit.decide(street.supervisor, review | {"attestation": "A" * 43})
    assert other.code == "identity_attestation_differs"


def test_a_rejected_enrolment_is_erased(street, twin):
    _, clerk, review = twin
    answer = kit.decide(street.supervisor, review, "rejected")
    assert answer.body == {"cid": review["cid"], "outcome": "rejected", "on_chain": False}
    with connected():
        assert Person.get_or_none(Person.cid == review["cid"]) is None
        assert not DuplicateIndex.select().where(DuplicateIndex.cid == review["cid"]).exists()
    assert list(street.town.config.person_keys.rglob(f"{review['cid']}.key")) == []
    assert clerk.read_batch()["waiting"] == 0


def test_a_review_is_decided_once(street, twin):
    _, _, review = twin
    kit.decide(street.supervisor, review)
    assert kit.decide(street.supervisor, review, "rejected").code == "enrolment_wrong_state"


def test_beyond_the_days_number_each_enrolment_at_level_three_waits(street, monkeypatch):
    monkeypatch.setattr(rules, "LEVEL3_PER_DAY", 2)
    monkeypatch.setattr(rules, "SAMPLE_PER_10000", 0)
    for _ in range(3):
        street.enrol(street.new_phone())
    assert street.clerk.read_batch()["waiting"] == 2
    assert [review["kind"] for review in kit.reviews(street.supervisor)] == ["volume"]


def test_a_sampled_enrolment_goes_on_and_is_looked_at_afterwards(street, monkeypatch):
    monkeypatch.setattr(rules, "SAMPLE_PER_10000", 10_000)
    _, cid = kit.written(street)
    (review,) = kit.reviews(street.supervisor)
    assert (review["kind"], review["cid"]) == ("sample", cid)
    answer = kit.decide(street.supervisor, review, "rejected")
    assert answer.body["on_chain"] is True, "two agents then end it by id.status"
    with connected():
        assert Person.get_or_none(Person.cid == cid) is not None


def test_about_five_in_a_hundred_are_sampled(street):
    """The draw is a keyed digest: 2 000 persons give a hundred, within six standard deviations."""
    index = Register(street.town.config).index.current()
    drawn = sum(rules._draw(index, f"{number:064x}") for number in range(2_000))
    assert 40 <= drawn <= 160


def test_drafting_again_does_not_draw_again(street):
    register = Register(street.town.config)
    phone, clerk = kit.announce(street), street.clerk
    drawn = set()
    for _ in range(3):
        cid = kit.draft(clerk, phone).body["cid"]
        with connected():
            row = DuplicateIndex.get(cid=cid, kind="strict")
            drawn.add((row.digest, rules.is_sampled(register.index.current(), cid)))
    assert len(drawn) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/desk/recoveries",
        "/v1/desk/accounts/statuses",
        "/v1/desk/acts",
        f"/v1/desk/reviews/{'A' * 22}/decision",
        "/v1/identity/statuses",
    ],
)
def test_an_act_of_two_agents_asks_for_a_factor_just_shown(street, path):
    town = street.town
    headers = {**town.login(key("clerk@mairie")), "Idempotency-Key": "step-up-0001"}
    town.clock.seconds += STEP_UP_S
    answer = town.http.post(path, json={}, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (401, "auth_step_up_required")


def test_an_agent_does_nothing_to_the_own_file(street):
    phone, cid = kit.written(street, **FIRST)
    clerk, supervisor = street.clerk, street.supervisor
    path = f"/v1/desk/agents/{clerk.key.kid}/person"
    sent = {"token": supervisor.token, "key": kit.new_key()}
    assert supervisor.api.post(path, {"cid": cid}, **sent).status == 204
    assert kit.read(clerk, cid).code == "agent_own_record"
    fresh = kit.announce(street)
    body = {
        "number": fresh.comparison_number(),
        "cid": cid,
        "civil": {**kit.CIVIL, **FIRST},
    }
    linked = clerk.api.post(
        f"/v1/desk/enrolments/{fresh.enrolment}/link", body, token=clerk.token, key=kit.new_key()
    )
    assert linked.code == "agent_own_record"
    assert kit.read(supervisor, cid).status == 200
    del phone


def test_a_supervisor_does_not_name_the_own_file(street):
    _, cid = kit.written(street)
    supervisor = street.supervisor
    path = f"/v1/desk/agents/{supervisor.key.kid}/person"
    answer = supervisor.api.post(path, {"cid": cid}, token=supervisor.token, key=kit.new_key())
    assert answer.code == "agent_own_record"
    as_clerk = street.clerk.api.post(
        path, {"cid": cid}, token=street.clerk.token, key=kit.new_key()
    )
    assert as_clerk.code == "auth_scope_missing"


def test_the_note_of_an_agents_own_file_joins_nothing_without_the_key(street):
    _, cid = kit.written(street)
    supervisor = street.supervisor
    path = f"/v1/desk/agents/{street.clerk.key.kid}/person"
    supervisor.api.post(path, {"cid": cid}, token=supervisor.token, key=kit.new_key())
    with connected():
        (row,) = AgentPerson.select().tuples()
    assert street.clerk.key.kid in row
    assert cid not in row


def test_a_review_holds_no_open_name(street, twin):
    with connected():
        assert DeskReview.select().count() >= 1
    _, _, review = twin
    assert "fèvre" not in str(review)
