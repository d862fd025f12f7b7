"""The audit log: every entry seals the one before, the chain holds its head, a command finds any tampering."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from app.audit.models import AnchorRow
from app.audit.service import ANCHOR_EVERY_S, anchor, anchor_if_due, verify_log
from app.cli import audit_log as audit_command
from app.cli.main import main
from app.core import audit_log
from app.core.audit_log import AuditEntry, Head, read_head, seal
from app.core.database import connected, database, run_sql, write
from tests.api.conftest import Town
from tests.journeys.kit import Street
from tests.town.town_kit import key

BODY = "body:mairie"


def fill(town: Town, count: int = 6) -> None:
    """Entries as routes write them."""
    with town.app.app_context(), connected():
        for number in range(count):
            audit_log.record("test.act", who="k" * 43, target=f"object-{number}", reason="drill")


def anchored(town: Town, count: int = 6) -> None:
    fill(town, count)
    services = town.app.extensions["beffroi"]
    with connected():
        sent = anchor(town.config, services.relay, town.clock.now_s())
    assert sent is not None
    town.follow()


def verdict(town: Town) -> Any:
    with connected():
        return verify_log(town.lab.client(), BODY)


def test_an_entry_says_who_what_when_where_why_and_how_it_ended(town: Town) -> None:
    """Requirement 45."""
    Street(town).enrol(Street(town).new_phone())
    with connected():
        rows = list(AuditEntry.select().where(AuditEntry.action == "desk.attest"))
    assert len(rows) == 1
    row = rows[0]
    assert row.who == key("clerk@mairie").kid
    assert row.at == town.clock.seconds
    assert len(row.target) == 43
    assert row.place.startswith("POST /v1/desk/enrolments/")
    assert row.outcome == "done"


def test_nothing_civil_and_no_secret_can_be_written_into_the_log(town: Town) -> None:
    with town.app.app_context(), connected():
        for bad in (
            {"reason": "Lefèvre"},
            {"target": "3 rue du Beffroi"},
            {"who": "ana@example.org"},
            {"target": "a" * 65},
            {"outcome": "eyJhbGciOiJFZERTQSJ9.eyJ.x"},
        ):
            with pytest.raises(AssertionError, match="no place in the audit log"):
                audit_log.record("test.act", **bad)
    for action in ("Lire le dossier", "x" * 41):
        with town.app.app_context(), connected(), pytest.raises(AssertionError):
            audit_log.record(action)


@pytest.mark.parametrize("name", ["Lefevre.Ana-1931", "0612345678", "ana.lefevre_example"])
def test_what_a_caller_calls_the_request_does_not_get_into_the_log(town: Town, name: str) -> None:
    """Requirement 45: entries stay for ever, so that no word of the caller's may be in one."""
    path = f"/v1/auth/keys/{key('alice').kid}/sessions/end"
    supervisor = {**town.login(key("agent_supervisor@commerces")), "X-Request-Id": name}
    assert town.http.post(path, headers=supervisor).status_code == 200
    with connected():
        (row,) = AuditEntry.select().where(AuditEntry.action == "sessions.end")
    assert name not in row.place
    assert row.place.startswith("POST /v1/auth/keys/")


def test_an_untouched_log_is_whole(town: Town) -> None:
    anchored(town)
    fill(town, 2)
    found = verdict(town)
    assert (found.is_whole, found.entries >= 8, found.anchored >= 6) == (True, True, True)


def change(**values: Any) -> Callable[[int], None]:
    return lambda seq: AuditEntry.update(**values).where(AuditEntry.seq == seq).execute()


def drop(seq: int) -> None:
    AuditEntry.delete().where(AuditEntry.seq == seq).execute()


def drop_last(seq: int) -> None:
    AuditEntry.delete().where(AuditEntry.seq >= seq).execute()


def reseal(seq: int) -> None:
    """A database administrator who knows the format: change one entry and seal all that follow anew."""
    before = AuditEntry.get_by_id(seq - 1).hash
    for row in AuditEntry.select().where(AuditEntry.seq >= seq).order_by(AuditEntry.seq):
        fields = {name: row.__data__[name] for name in row.__data__ if name != "hash"}
        fields["who"] = "somebody-else"
        sealed = seal(before, fields)
        AuditEntry.update(who="somebody-else", hash=sealed).where(
            AuditEntry.seq == row.seq
        ).execute()
        before = sealed


@pytest.mark.parametrize(
    "tamper",
    [
        change(who="somebody-else"),
        change(action="test.other"),
        change(target="another"),
        change(at=1),
        change(place="elsewhere"),
        change(reason="other"),
        change(outcome="refused"),
        change(hash="A" * 43),
        drop,
        drop_last,
        reseal,
    ],
)
def test_tampering_with_any_row_is_found_by_the_command(town: Town, tamper: Any) -> None:
    """Requirement 46: each field, a missing row, a cut end, and a log sealed anew."""
    anchored(town)
    with connected(), write():
        tamper(4)
    found = verdict(town)
    assert not found.is_whole
    assert 4 <= found.broken_at <= 6
    assert found.what


def test_anchors_that_were_tampered_with_too_are_held_against_the_chain(town: Town) -> None:
    anchored(town)
    with connected(), write():
        reseal(4)
        AnchorRow.update(head=read_head().hash).execute()
    found = verdict(town)
    assert not found.is_whole
    assert "rebuild" in found.what


def test_an_inserted_entry_is_found(town: Town) -> None:
    anchored(town)
    with connected(), write():
        run_sql("UPDATE audit_entries SET seq = seq + 1000 WHERE seq >= 4")
        run_sql("UPDATE audit_entries SET seq = seq - 999 WHERE seq >= 1000")
        AuditEntry.insert(
            seq=4, at=1, who="", action="x", target="", place="", reason="", outcome="", hash="x"
        ).execute()
    assert verdict(town).broken_at == 4


def test_the_log_is_anchored_once_a_day_when_something_came(town: Town) -> None:
    relay = town.app.extensions["beffroi"].relay

    def due() -> bool:
        with connected():
            return anchor_if_due(town.config, relay, town.clock.now_s()) is not None

    assert not due(), "an empty log"
    fill(town)
    assert due()
    town.follow()
    assert not due()
    fill(town)
    assert not due(), "a day has not gone by"
    town.lab.now_s += ANCHOR_EVERY_S
    town.clock.seconds = town.lab.now_s
    assert due()
    with connected():
        assert AnchorRow.select().count() == 2


def test_a_rebuilt_read_model_has_the_anchors_again(town: Town) -> None:
    anchored(town)
    with connected():
        before = [row.__data__ for row in AnchorRow.select()]
    town.projector.rebuild()
    with connected():
        assert [row.__data__ for row in AnchorRow.select()] == before
    assert verdict(town).is_whole


def test_writers_at_once_make_one_chain(town: Town) -> None:
    gate = threading.Barrier(4)

    def run() -> None:
        gate.wait(timeout=20)
        fill(town, 5)
        if not database.is_closed():
            database.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    with connected():
        assert read_head().count == 20
    assert verdict(town).is_whole


def test_the_command_says_whole_or_where_it_broke(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchored(town)
    monkeypatch.setattr(audit_command, "_open", lambda: town.config)
    monkeypatch.setattr(audit_command, "ChainClient", lambda _urls: town.lab.client())
    good = CliRunner().invoke(main, ["audit", "log", "--json"])
    assert (good.exit_code, json.loads(good.output)["is_whole"]) == (0, True)
    with connected(), write():
        drop(3)
    bad = CliRunner().invoke(main, ["audit", "log"])
    assert bad.exit_code == 1
    assert bad.output.startswith("BROKEN at entry 3")


def test_a_stolen_refresh_token_leaves_exactly_one_event(town: Town) -> None:
    """Requirement 6, the audit log's side of it."""
    from tests.api.auth.test_sessions import open_session, refresh

    first = open_session(town)
    second = refresh(town, first["refresh_token"]).json
    refresh(town, second["refresh_token"])
    for _ in range(3):
        assert refresh(town, first["refresh_token"]).status_code == 401
    with connected():
        events = list(AuditEntry.select().where(AuditEntry.action == "session.stolen"))
    assert [(e.target, e.reason) for e in events] == [(first["session"], "refresh_reused")]


def test_an_empty_log_has_a_head(town: Town) -> None:
    with connected():
        assert read_head() == Head(0, audit_log.NO_ENTRY)
    assert verdict(town).is_whole
