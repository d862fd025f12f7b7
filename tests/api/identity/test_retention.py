"""The retention table: every rule works at its day and not before, and the privacy page says the same."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.main import main
from app.core.database import connected, write
from app.identity.enrolment import ENROLMENT_LIFE_S
from app.identity.federation.citizens import DRAFT_LIFE_S
from app.identity.models import AgentPerson, DeskEntry, DeskReview, Enrolment, Person, RightsRequest
from app.identity.register import Register
from app.identity.retention import DAY_S, RULES, purge
from chain.codec.canonical import b64url_encode
from tests.api.identity import desk_kit as kit
from tests.api.identity.test_rights import end

PAGE = Path(__file__).resolve().parents[3] / "docs" / "privacy.md"


def run(street, now_s):
    with connected():
        return {k: n for k, n in purge(Register(street.town.config), now_s=now_s).items() if n}


def there(cid):
    with connected():
        return Person.get_or_none(Person.cid == cid) is not None


def test_the_privacy_page_repeats_the_retention_table():
    text = PAGE.read_text()
    for rule in RULES:
        assert f"| `{rule.name}` | {rule.what} | {rule.kept} |" in text


def test_the_table_says_how_long_each_kind_of_draft_waits():
    (kept,) = [rule.kept for rule in RULES if rule.name == "drafts"]
    desk, vouched = ENROLMENT_LIFE_S // 60, DRAFT_LIFE_S // DAY_S
    assert kept == f"{desk} minutes; {vouched} days by FranceConnect"


def test_a_purge_of_a_fresh_town_ends_nothing(street):
    kit.written(street)
    assert run(street, street.clock()) == {}


def test_unsigned_drafts_go_after_ten_minutes_and_the_enrolment_a_day_later(street):
    phone, now_s = kit.announce(street), street.clock()
    cid = kit.draft(street.clerk, phone).body["cid"]
    assert run(street, now_s + 500) == {}
    assert run(street, now_s + 700)["drafts"] == 1
    assert not there(cid)
    assert list(street.town.config.person_keys.rglob(f"{cid}.key")) == []
    late = kit.announce(street)
    assert run(street, street.clock() + DAY_S) == {}
    assert run(street, street.clock() + DAY_S + 700)["enrolments"] == 1
    with connected():
        assert Enrolment.get_or_none(Enrolment.id == late.enrolment) is None


@pytest.mark.parametrize(("status", "rule", "days"), [("moved_out", "ended", 365)])
def test_the_file_of_an_ended_identity_goes_after_its_time(street, status, rule, days):
    _, cid = kit.written(street)
    end(street, cid, status)
    ended_s = street.clock()
    assert rule not in run(street, ended_s + (days - 1) * DAY_S)
    assert there(cid)
    assert run(street, ended_s + (days + 1) * DAY_S)[rule] == 1
    assert not there(cid)


def test_a_restricted_file_is_kept_for_its_citizen(street):
    """Restriction (GDPR art. 18) also asks that the town does not erase meanwhile."""
    phone, cid = kit.written(street)
    with connected(), write():
        Person.update(restricted_at=1).where(Person.cid == cid).execute()
    end(street, cid, "moved_out")
    run(street, street.clock() + 400 * DAY_S)
    assert there(cid)
    del phone


def test_files_that_no_batch_wrote_go_after_ninety_days(street):
    phone = street.new_phone()
    street.enrol(phone)
    cid = phone.read_identity()["cid"]
    now_s = street.clock()
    run(street, now_s + 89 * DAY_S)
    assert there(cid)
    assert run(street, now_s + 91 * DAY_S)["pending"] == 1
    assert not there(cid)


def test_files_that_no_second_agent_decided_go_after_thirty_days(street):
    kit.written(street, family_name="Lefèvre", given_names=["Ana", "Marie"])
    phone, clerk = kit.announce(street), street.clerk
    twin = {"family_name": "Lefèvre", "given_names": ["Ana", "Rose"]}
    drafted = kit.draft(clerk, phone, civil=twin, duplicate_reason="twin")
    kit.sign(clerk, phone, drafted)
    now_s = street.clock()
    run(street, now_s + 29 * DAY_S)
    assert there(drafted.body["cid"])
    assert run(street, now_s + 31 * DAY_S)["undecided"] == 1
    assert not there(drafted.body["cid"])


def test_logs_reviews_and_requests_go_after_a_year(street):
    _, cid = kit.written(street)
    now_s = street.clock()
    with connected(), write():
        DeskReview.insert(
            id="r", cid=cid, kind="sample", opened_at=1, opened_by="k", decided_at=now_s
        ).execute()
        RightsRequest.insert(
            id="q", cid=cid, kind="rectification", sealed=b"", asked_at=1, closed_at=now_s
        ).execute()
    assert run(street, now_s + 364 * DAY_S) == {"enrolments": 1}
    gone = run(street, now_s + 366 * DAY_S)
    assert (gone["reviews"], gone["requests"]) == (1, 1)
    assert gone["entries"] >= 2
    with connected():
        assert DeskEntry.select().count() == 0


def test_an_undecided_review_and_an_open_request_never_lapse(street):
    _, cid = kit.written(street)
    with connected(), write():
        DeskReview.insert(id="r", cid=cid, kind="sample", opened_at=1, opened_by="k").execute()
        RightsRequest.insert(id="q", cid=cid, kind="erasure", sealed=b"", asked_at=1).execute()
    run(street, street.clock() + 3_650 * DAY_S)
    with connected():
        assert DeskReview.get_or_none(DeskReview.id == "r") is not None
        assert RightsRequest.get_or_none(RightsRequest.id == "q") is not None


def test_the_note_of_an_agents_own_file_goes_with_the_role(street):
    with connected(), write():
        for kid in (street.clerk.key.kid, "A" * 43):
            AgentPerson.insert(kid=kid, digest="d", recorded_by="k", recorded_at=1).execute()
    assert run(street, street.clock())["agents"] == 1
    with connected():
        assert [row.kid for row in AgentPerson.select()] == [street.clerk.key.kid]


def test_the_command_purges_rotates_and_reapplies(street, monkeypatch, tmp_path):
    """The operator's jobs on a real home, by the public command."""
    kit.written(street)
    config = street.town.config
    master = tmp_path / "master.key"
    master.write_text(b64url_encode(config.master_key) + "\n")
    master.chmod(0o600)
    monkeypatch.setenv("BEFFROI_HOME", str(config.home))
    monkeypatch.setenv("DATABASE_URL", config.database_url)
    monkeypatch.setenv("BEFFROI_MASTER_KEY_FILE", str(master))
    monkeypatch.setenv("BEFFROI_PERSON_KEYS", str(config.person_keys))
    ran = {
        name: CliRunner().invoke(main, ["register", *name.split()])
        for name in ("retention", "purge", "reapply-erasures", "rotate-index-key")
    }
    assert {name: result.exit_code for name, result in ran.items()} == dict.fromkeys(ran, 0), ran
    assert ran["rotate-index-key"].output == "indexed 1 files under version 2\n"
    assert len(ran["retention"].output.splitlines()) == len(RULES)
    monkeypatch.delenv("BEFFROI_MASTER_KEY_FILE")
    refused = CliRunner().invoke(main, ["register", "purge"])
    assert refused.exit_code == 1
    assert "master key" in refused.output
