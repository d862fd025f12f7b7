"""`beffroi registrar` on a chain: keys made and published, requests signed after checks of its own, nothing told."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.registrar import command, keyring
from app.cli.registrar.memory import Memory
from chain.codec.canonical import b64url_decode
from chain.town.schemas import IdStatus
from tests.api.lab import Lab
from tests.registrar.lab_desk import Desk, lab_issuance
from tests.town.identity.kit import CLERK, cid_of
from tests.town.votes.issuing import Issuance, registrar_key
from tests.town.votes.kit import UUID

Made = tuple[Issuance, Lab, Desk]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Made:
    """Three citizens, a sealed election, nobody's keys."""
    issuance, lab = lab_issuance(citizens=3)
    return issuance, lab, Desk(monkeypatch, lab, tmp_path)


def open_with(made: Made, rank: int = 1) -> None:
    """This registrar publishes by the command, the others by the kit; the window opens."""
    issuance, _, desk = made
    desk.place_keys(rank)
    assert desk.run("publish", rank=rank)[0] == 0
    for other in range(1, 5):
        if other != rank:
            issuance.must(issuance.publish_keys(other))
    issuance.open()


def test_a_registrar_makes_keys_publishes_them_and_answers_everybody(made: Made) -> None:
    issuance, _, desk = made
    code, said = desk.run("keygen", rank=1)
    assert (code, said["verdict"], list(said["keys"])) == (0, "done", ["1/one"])
    sealed = next(desk.vault(1).glob("*.registrar"))
    assert sealed.stat().st_mode & 0o777 == 0o600
    code, published = desk.run("publish", rank=1)
    assert (code, published["keys"]) == (0, said["keys"])
    assert desk.run("publish", rank=1)[0] == 0
    for other in (2, 3, 4):
        issuance.must(issuance.publish_keys(other))
    assert desk.run("sign", rank=1)[0] == 3
    issuance.open()
    for name in issuance.citizens:
        issuance.must(issuance.request(name))
    code, said = desk.run("sign", rank=1, options=("--batch", "2"))
    assert (code, said["verdict"], said["signed"], said["unseen"]) == (0, "done", 3, 0)
    assert issuance.line().signed == (3, 0, 0, 0)
    code, said = desk.run("sign", rank=1)
    assert (code, said["signed"], said["answered"], said["requests"]) == (0, 0, 3, 3)
    for rank in (2, 3):
        issuance.must(issuance.sign(rank, *issuance.citizens))
    issuance.end_issuance()
    assert issuance.must(issuance.register("c0"))
    code, said = desk.run("sign", rank=1)
    assert (code, said["phase"], said["signed"]) == (0, "registration", 0)


def test_whoever_waits_answers_late_requests_until_issuance_closes(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuance, lab, desk = made
    open_with(made)
    issuance.must(issuance.request("c0"))
    later = [lambda: issuance.must(issuance.request("c1"))]

    def sleep(_seconds: float) -> None:
        """What happens meanwhile: another citizen asks; then the window closes."""
        if later:
            later.pop()()
        else:
            lab.now_s = issuance.record.calendar.issuance_closes

    monkeypatch.setattr(command.time, "sleep", sleep)
    code, said = desk.run("sign", rank=1, options=("--wait", "3600"))
    assert (code, said["verdict"], said["signed"], said["answered"]) == (0, "done", 2, 2)


def test_nothing_secret_is_printed(made: Made) -> None:
    _, _, desk = made
    desk.place_keys(1)
    shown = json.dumps(desk.run("publish", rank=1)) + json.dumps(desk.run("status", rank=1))
    signer = registrar_key(0)
    for secret in (f"{signer.p:x}", f"{signer.q:x}", str(signer.p), "un beffroi de briques"):
        assert secret not in shown
        for path in desk.vault(1).iterdir():
            assert secret not in path.read_text()


def test_keys_are_made_once(made: Made) -> None:
    _, _, desk = made
    desk.place_keys(1)
    before = next(desk.vault(1).glob("*.registrar")).read_bytes()
    code, said = desk.run("keygen", rank=1)
    assert (code, said["verdict"]) == (1, "refused")
    assert "may be published" in said["reason"]
    assert next(desk.vault(1).glob("*.registrar")).read_bytes() == before


def test_two_programs_at_once_do_not_make_two_keys_for_one_place(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, desk = made
    beside: list[Any] = []
    make = keyring._make

    def make_slowly(station: keyring.Station) -> keyring.KeptKey:
        """A key takes seconds; meanwhile somebody starts the program again."""
        if not beside:
            beside.append(None)
            beside[0] = desk.run("keygen", rank=1)
        return make(station)

    monkeypatch.setattr(keyring, "_make", make_slowly)
    code, said = desk.run("keygen", rank=1)
    assert (code, beside[0][0]) == (0, 1)
    assert "another program is at work" in beside[0][1]["reason"]
    assert desk.run("publish", rank=1)[1]["keys"] == said["keys"]


def test_two_programs_at_once_do_not_sign_for_one_place(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuance, _, desk = made
    open_with(made)
    issuance.must(issuance.request("c0"))
    beside: list[Any] = []
    sign_batch = command.sign_batch

    def sign_slowly(*batch: Any) -> Any:
        beside.append(desk.run("sign", rank=1))
        assert desk.run("status", rank=1)[0] == 0
        return sign_batch(*batch)

    monkeypatch.setattr(command, "sign_batch", sign_slowly)
    assert desk.run("sign", rank=1)[0] == 0
    ((code, said),) = beside
    assert (code, "another program is at work" in said["reason"]) == (1, True)


def test_status_says_what_waits(made: Made) -> None:
    issuance, _, desk = made
    code, said = desk.run("status", rank=1)
    assert (code, said["has_keys"], said["has_published"]) == (0, False, False)
    open_with(made)
    issuance.must(issuance.request("c0"))
    said = desk.run("status", rank=1)[1]
    assert (said["has_published"], said["requests"], said["answered"]) == (True, 1, 0)
    assert (said["electors"], said["signed_here"]) == (3, 0)


def test_whoever_is_no_registrar_or_has_no_keys_signs_nothing(made: Made) -> None:
    _, _, desk = made
    code, said = desk.run("status", rank=9, body="coop")
    assert (code, said["reason"]) == (1, "coop is no registrar of this election")
    code, said = desk.run("sign", rank=2)
    assert (code, "keygen" in said["reason"]) == (1, True)
    desk.place_keys(2)
    (desk.folder / "desk2" / "passphrase").write_text("another passphrase altogether\n")
    code, said = desk.run("sign", rank=2)
    assert (code, "wrong passphrase" in said["reason"]) == (1, True)
    (desk.folder / "desk2" / "passphrase").write_text("short\n")
    code, said = desk.run("sign", rank=2)
    assert (code, "12 characters" in said["reason"]) == (1, True)


def test_keys_on_the_chain_that_are_not_this_machines_are_an_alarm(made: Made) -> None:
    """Somebody published others in this registrar's name, or the vault was mixed up: nothing is signed."""
    issuance, _, desk = made
    open_with(made, rank=2)
    issuance.must(issuance.request("c0"))
    desk.place_keys(1, number=8)
    for action in ("publish", "sign"):
        code, said = desk.run(action, rank=1)
        assert (code, "not this machine's" in said["reason"]) == (1, True)
    path = desk.vault(1) / f"{UUID}-1.registrar"
    desk.vault(2).joinpath(f"{UUID}-2.registrar").replace(path)
    code, said = desk.run("sign", rank=1)
    assert (code, "another place" in said["reason"]) == (1, True)
    assert issuance.line().signed == (0, 0, 0, 0)


def test_a_lost_answer_is_given_again_and_a_second_value_never(made: Made) -> None:
    """Even when the chain itself shows another request of the citizen."""
    issuance, _, desk = made
    open_with(made)
    for name in ("c0", "c1"):
        issuance.must(issuance.request(name))
    request = issuance.request_record("c0")
    assert request is not None
    memory = Memory(desk.vault(1), UUID, 1)
    memory.remember({cid_of("c0"): b64url_decode(request.blinded[0]), cid_of("c1"): b"other"})
    code, said = desk.run("sign", rank=1)
    assert (code, said["verdict"], said["signed"]) == (1, "incomplete", 1)
    assert [each["cid"] for each in said["refused"]] == [cid_of("c1")]
    assert "another request" in said["refused"][0]["reason"]
    answered = issuance.request_record("c0")
    assert answered is not None
    assert answered.signatures[0]


def test_one_citizen_who_may_not_vote_any_more_keeps_nobody_waiting(made: Made) -> None:
    issuance, _, desk = made
    open_with(made)
    for name in issuance.citizens:
        issuance.must(issuance.request(name))
    town: Any = issuance.town
    agents = (town.role("clerk"), town.role("agent_supervisor"))
    issuance.must(town.do(IdStatus(cid_of("c1"), "suspended"), CLERK, *agents))
    code, said = desk.run("sign", rank=1)
    assert (code, said["signed"], [r["cid"] for r in said["refused"]]) == (1, 2, [cid_of("c1")])
    assert issuance.line().signed == (2, 0, 0, 0)


def test_a_node_that_hides_a_request_is_noticed(made: Made) -> None:
    issuance, lab, desk = made
    open_with(made)
    for name in ("c0", "c1"):
        issuance.must(issuance.request(name))
    answer = lab.answer

    def hide(method: str, params: dict[str, Any]) -> dict[str, Any]:
        shown = answer(method, params)
        if method == "tx_search":
            shown = {"txs": shown["txs"][:1], "total_count": "1"}
        return shown

    lab.answer = hide  # type: ignore[method-assign]
    code, said = desk.run("sign", rank=1)
    assert (code, said["verdict"], said["signed"], said["unseen"]) == (1, "incomplete", 1, 1)


def test_a_node_that_shows_another_value_gets_no_signature(made: Made) -> None:
    """It wants a signature on a value of its own: what is signed is proved first."""
    issuance, lab, desk = made
    open_with(made)
    issuance.must(issuance.request("c0"))
    answer = lab.answer
    prefix = f"request/{UUID}/".encode().hex()

    def lie(method: str, params: dict[str, Any]) -> dict[str, Any]:
        shown = answer(method, params)
        if method == "abci_query" and params["data"].startswith(prefix):
            raw = json.loads(base64.b64decode(shown["response"]["value"]))
            raw["blinded"] = ["B" * 512, *raw["blinded"][1:]]
            text = json.dumps(raw, separators=(",", ":"), sort_keys=True)
            shown["response"]["value"] = base64.b64encode(text.encode()).decode()
        return shown

    lab.answer = lie  # type: ignore[method-assign]
    code, said = desk.run("sign", rank=1)
    assert (code, said["verdict"]) == (2, "unreached")
    assert not (desk.vault(1) / f"{UUID}-1.signed").exists()


def test_the_memory_keeps_what_was_written_whole(tmp_path: Path) -> None:
    memory = Memory(tmp_path, UUID, 1)
    memory.remember({"a": b"1", "b": b"2"})
    path = tmp_path / f"{UUID}-1.signed"
    assert path.stat().st_mode & 0o777 == 0o600
    whole = path.read_text()
    path.write_text(whole + '["c", "12')
    path.chmod(0o600)
    again = Memory(tmp_path, UUID, 1)
    assert len(again) == 2
    assert path.read_text() == whole
    again.remember({"c": b"3"})
    assert len(Memory(tmp_path, UUID, 1)) == 3
