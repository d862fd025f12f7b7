"""An agent opens a citizen's file with a reason, and the citizen reads it in the own access log."""

from app.core.database import connected
from app.core.idempotency import IdempotencyRecord
from tests.api.identity import desk_kit as kit

ANA = {"family_name": "Lefèvre", "given_names": ["Ana", "Marie"]}


def test_a_reading_needs_a_reason_and_is_in_the_citizens_access_log(street):
    phone, cid = kit.written(street, **ANA)
    clerk = street.clerk
    answer = kit.read(clerk, cid, "recovery")
    assert answer.status == 200
    assert answer.body["civil"]["family_name"] == "Lefèvre"
    assert kit.access_log(street, phone)[-1] == (clerk.key.kid, "read", "recovery")
    path = f"/v1/desk/persons/{cid}/readings"
    assert clerk.api.post(path, {}, token=clerk.token).status == 422
    assert kit.read(clerk, cid, "curiosity").status == 422
    assert len(kit.access_log(street, phone)) == 2, "who got nothing left no line"


def test_only_agents_open_files(street):
    phone, cid = kit.written(street, **ANA)
    path = f"/v1/desk/persons/{cid}/readings"
    body = {"reason": "recovery"}
    assert street.api.post(path, body).code == "auth_token_required"
    answer = street.api.post(path, body, token=phone.identity_token)
    assert answer.code == "auth_scope_missing"


def test_an_unknown_file_and_an_erased_one_are_the_same_answer(street):
    assert kit.read(street.clerk, "A" * 43).code == "identity_file_absent"


def test_an_opened_file_is_not_kept_for_repetitions(street):
    """The answers that idempotency keeps lie in the database in clear."""
    _, cid = kit.written(street, **ANA)
    assert kit.read(street.clerk, cid).status == 200
    kit.search(street.clerk, **ANA)
    with connected():
        kept = "".join(row.body + row.route for row in IdempotencyRecord.select())
    assert kept
    assert "readings" not in kept
    assert "searches" not in kept
    assert "Lef" not in kept
