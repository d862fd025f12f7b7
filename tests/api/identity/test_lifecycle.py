"""Lost phones, waiting acts, second keys and notices through the public API, on a chain in memory."""

import json

import pytest

from app.accounts import devices as account_devices
from app.cli.demo.clerk import Clerk
from app.cli.demo.client import expect
from app.core.access import STEP_UP_S
from app.core.database import connected
from app.core.projector import Projector
from app.identity.lifecycle import statuses
from app.wiring import all_tables, build_projections
from chain.crypto.keys import jwk_of
from chain.town import devices as chain_devices
from chain.town.identity.records import TERMINAL, TRANSITIONS
from chain.town.schemas import (
    AccountDeviceAdd,
    AccountDeviceRemove,
    AccountRotate,
    IdRecoverCancel,
    IdRecoverFinish,
    IdRecoverOpen,
    IdRecoverVeto,
    IdRotate,
    IdStatus,
    Jwk,
)
from tests.journeys.kit import Street
from tests.town.town_kit import key

DAY_S = 86_400
WAIT_S = 72 * 3_600


def jwk(signer) -> Jwk:
    return Jwk(**jwk_of(signer.public_key))


class Lost:
    """Ana, active, whose phone is gone; her new one; two agents of two bodies."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.log_in()
        self.ana = street.new_phone("Ana")
        street.enrol(self.ana, self.clerk)
        expect("batch", self.clerk.write_batch(self.clerk.read_batch()["attestations"]))
        self.old, self.new = self.ana.identity_key, key("ana's new phone")
        self.cid = self.ana.read_identity()["cid"]

    def log_in(self) -> None:
        self.clerk, self.supervisor = self.street.clerk, self.street.supervisor

    def open(self):
        body = IdRecoverOpen(self.old.kid, self.cid, jwk(self.new))
        signers = [self.clerk.key, self.supervisor.key, self.new]
        text = self.clerk.sign(body, sender="body:mairie", signers=signers)
        return self.clerk.send("/v1/desk/recoveries", text)

    def answer(self, body, signer):
        text = self.ana.sign(body, sender=self.old.kid, signers=[signer])
        return self.ana.send("/v1/recoveries/answers", text, token=self.ana.login(signer))

    def ask(self, signer, path="/v1/recoveries/me"):
        return self.street.api.get(path, token=self.ana.login(signer))

    def notices(self, signer, after: int = 0) -> list[str]:
        answer = self.ask(signer, f"/v1/accounts/me/notices?after={after}")
        return [notice["kind"] for notice in answer.body["notices"]]

    def wait(self, seconds: int) -> None:
        lab = self.street.town.lab
        lab.now_s += seconds
        lab.produce()
        lab.produce()
        lab.on_block()
        self.log_in()  # access tokens live ten minutes
        self.ana.identity_token = ""


@pytest.fixture
def lost(street) -> Lost:
    return Lost(street)


# --- the whole way -------------------------------------------------------------------------


def test_a_lost_phone_comes_back_by_the_desk(lost) -> None:
    expect("open", lost.open())
    shown = lost.ask(lost.new).body
    assert (shown["side"], shown["step"], shown["can"]) == ("new", "waiting", [])
    assert lost.answer(IdRecoverFinish(jwk(lost.new)), lost.new).code == "identity_recovery_early"
    lost.wait(WAIT_S)
    assert lost.ask(lost.new).body["can"] == ["finish"]
    expect("finish", lost.answer(IdRecoverFinish(jwk(lost.new)), lost.new))
    token = lost.ana.login(lost.new)
    own = lost.street.api.get("/v1/identity/me", token=token).body
    assert (own["cid"], own["status"]) == (lost.cid, "active")
    assert own["opening"] is not None, "the file is still hers"
    assert lost.street.api.get("/v1/identity/me", token=lost.ana.login(lost.old)).status == 404


def test_a_frozen_account_opens_no_door_of_the_citizen(lost) -> None:
    token = lost.ana.login(lost.old)
    expect("open", lost.open())
    answer = lost.street.api.get("/v1/identity/me/mandates", token=token)
    assert answer.status in (401, 403)


def test_the_old_phone_stops_it_and_both_sides_are_told_what_to_do(lost) -> None:
    expect("open", lost.open())
    shown = lost.ask(lost.old).body
    assert (shown["side"], shown["can"]) == ("old", ["veto"])
    expect("veto", lost.answer(IdRecoverVeto(), lost.old))
    assert lost.answer(IdRecoverVeto(), lost.old).code == "identity_recovery_vetoed"
    shown = lost.ask(lost.new).body
    assert (shown["step"], shown["can"]) == ("vetoed", [])
    assert "city hall" in shown["next"]
    french = lost.street.api.call(
        "GET",
        "/v1/recoveries/me",
        token=lost.ana.login(lost.old),
        headers={"Accept-Language": "fr"},
    )
    assert "mairie" in french.body["next"]


def test_strangers_have_no_recovery(lost) -> None:
    expect("open", lost.open())
    assert lost.ask(key("a stranger")).code == "not_found"


def test_giving_up_lets_the_old_phone_go_on(lost) -> None:
    expect("open", lost.open())
    text = lost.clerk.sign(IdRecoverCancel(lost.old.kid), sender="body:mairie")
    expect("cancel", lost.clerk.send("/v1/desk/recoveries", text))
    assert lost.ana.read_identity()["status"] == "active"
    assert lost.ask(lost.old).code == "not_found"
    assert lost.ask(lost.new).code == "not_found"


def test_the_chain_gives_the_account_back_and_sql_follows(lost) -> None:
    expect("open", lost.open())
    lost.wait(WAIT_S + 30 * DAY_S)
    assert lost.ana.read_identity()["status"] == "active"
    assert lost.notices(lost.old)[-1] == "recovery_lapsed"


# --- everybody is told ---------------------------------------------------------------------


def test_r17_a_new_device_a_rotation_and_a_recovery_are_told_to_all_devices(lost) -> None:
    tablet, second = key("tablet", "ES256"), lost.ana.wallet.derive_key("identity", 1)
    expires = lost.street.clock() + 30 * DAY_S
    add = AccountDeviceAdd(jwk(tablet), ("veto",), expires)
    text = lost.ana.sign(add, sender=lost.old.kid, signers=[lost.old, tablet])
    expect("device", lost.ana.send("/v1/accounts/devices", text, token=lost.ana.login(lost.old)))
    text = lost.ana.sign(
        IdRotate(lost.cid, jwk(second)), sender=lost.old.kid, signers=[lost.old, second]
    )
    expect("rotate", lost.ana.send("/v1/identity/rotations", text, token=lost.ana.login(lost.old)))
    expect("open", lost.open())
    expected = ["device_added", "key_rotated", "recovery_opened"]
    assert lost.notices(second) == expected
    assert lost.notices(tablet) == expected
    assert lost.notices(lost.new) == expected
    assert lost.notices(lost.old) == expected[:2], "a key that was put out learns of that, not more"
    lost.wait(WAIT_S)
    expect("finish", lost.answer(IdRecoverFinish(jwk(lost.new)), lost.new))
    assert lost.notices(lost.new)[-1] == "recovery_finished"
    assert lost.notices(tablet)[-1] == "recovery_finished"
    assert lost.notices(lost.old) == expected[:2]


def test_notices_go_on_from_the_last_height(lost) -> None:
    expect("open", lost.open())
    first = lost.ask(lost.new, "/v1/accounts/me/notices").body["notices"]
    assert lost.notices(lost.new, after=first[-1]["height"]) == []
    assert lost.notices(key("a stranger")) == []


def test_the_letter_goes_to_the_address_on_file_and_its_reading_is_logged(lost) -> None:
    expect("open", lost.open())
    listed = lost.street.api.get("/v1/desk/recoveries", token=lost.clerk.token).body["recoveries"]
    assert [(r["account"], r["letter_printed"]) for r in listed] == [(lost.old.kid, False)]
    path = f"/v1/desk/recoveries/{lost.old.kid}/letter"
    letter = expect("letter", lost.street.api.post(path, {}, token=lost.clerk.token))
    assert letter["address"] == "3 rue du Beffroi"
    assert "city hall" in letter["text_en"]
    assert "mairie" in letter["text_fr"]
    listed = lost.street.api.get("/v1/desk/recoveries", token=lost.clerk.token).body["recoveries"]
    assert listed[0]["letter_printed"] is True
    log = lost.ask(lost.old, "/v1/identity/me/access-log").body["entries"]
    assert ("letter", "recovery") in [(line["action"], line["reason"]) for line in log]


def test_there_is_no_letter_where_no_recovery_runs(lost) -> None:
    path = f"/v1/desk/recoveries/{lost.old.kid}/letter"
    assert lost.street.api.post(path, {}, token=lost.clerk.token).code == "not_found"


def test_counts_of_every_month_are_public(lost) -> None:
    expect("open", lost.open())
    expect("veto", lost.answer(IdRecoverVeto(), lost.old))
    months = lost.street.api.get("/v1/recoveries/months").body["months"]
    assert (months[0]["opened"], months[0]["vetoed"], months[0]["finished"]) == (1, 1, 0)


# --- acts of two agents --------------------------------------------------------------------


def collected(lost: Lost, body, first: Clerk, *others):
    """Open an act, let the others sign what they read, send it."""
    text = first.sign(body, sender="body:mairie")
    act = expect("act", _post(lost, "/v1/desk/acts", {"transaction": text}, first.token))
    for signer, token in others:
        read = expect("read", lost.street.api.get(f"/v1/acts/{act['id']}", token=token))
        signed = _sign_again(read["transaction"], signer)
        path = f"/v1/acts/{act['id']}/signatures"
        sent = {"transaction": signed, "key": jwk_of(signer.public_key)}
        act = expect("sign", _post(lost, path, sent, token))
    return act, _post(lost, f"/v1/acts/{act['id']}/submission", None, first.token)


def _post(lost: Lost, path: str, body, token: str):
    from app.cli.demo.http import new_key

    return lost.street.api.post(path, body, token=token, key=new_key())


def _sign_again(text: str, signer) -> str:
    from chain.crypto import jws

    payload = jws.parse(text.encode(), "beffroi-tx", 60_000).payload
    return jws.sign_compact(payload, "beffroi-tx", signer).decode()


def test_r32_agents_of_two_bodies_and_the_new_phone_sign_one_after_the_other(lost) -> None:
    body = IdRecoverOpen(lost.old.kid, lost.cid, jwk(lost.new))
    act, answer = collected(
        lost,
        body,
        lost.clerk,
        (lost.supervisor.key, lost.supervisor.token),
        (lost.new, lost.ana.login(lost.new)),
    )
    assert len(act["signers"]) == 3
    expect("submission", answer)
    queue = lost.street.api.get("/v1/desk/acts", token=lost.supervisor.token).body["acts"]
    assert queue == []


def test_an_act_without_its_second_signature_is_refused_by_the_chain_and_still_waits(lost) -> None:
    _, answer = collected(lost, IdStatus(lost.cid, "ended"), lost.clerk)
    assert answer.code == "identity_second_agent"
    queue = lost.street.api.get("/v1/desk/acts", token=lost.supervisor.token).body["acts"]
    assert [act["type"] for act in queue] == ["id.status"]


def test_a_signature_over_another_payload_is_not_added(lost) -> None:
    text = lost.clerk.sign(IdStatus(lost.cid, "ended"), sender="body:mairie")
    act = expect("act", _post(lost, "/v1/desk/acts", {"transaction": text}, lost.clerk.token))
    other = lost.supervisor.sign(IdStatus(lost.cid, "revoked"), sender="body:mairie")
    path = f"/v1/acts/{act['id']}/signatures"
    sent = {"transaction": other, "key": jwk_of(lost.supervisor.key.public_key)}
    assert _post(lost, path, sent, lost.supervisor.token).code == "act_malformed"


def test_nobody_spoils_an_act_with_a_signature_that_is_not_theirs_or_not_valid(lost) -> None:
    text = lost.clerk.sign(IdStatus(lost.cid, "ended"), sender="body:mairie")
    act = expect("act", _post(lost, "/v1/desk/acts", {"transaction": text}, lost.clerk.token))
    path = f"/v1/acts/{act['id']}/signatures"
    good = _sign_again(text, lost.supervisor.key)
    header, payload, signature = good.split(".")
    spoiled = f"{header}.{payload}.{signature[:-4]}{'AAAA' if signature[-4:] != 'AAAA' else 'BBBA'}"
    key = jwk_of(lost.supervisor.key.public_key)
    stranger, stranger_token = lost.new, lost.ana.login(lost.new)
    for sent, token in (
        ({"transaction": spoiled, "key": key}, lost.supervisor.token),
        ({"transaction": good, "key": key}, stranger_token),
        ({"transaction": good, "key": jwk_of(stranger.public_key)}, lost.supervisor.token),
    ):
        assert _post(lost, path, sent, token).code == "act_malformed"
    act = expect(
        "sign", _post(lost, path, {"transaction": good, "key": key}, lost.supervisor.token)
    )
    assert len(act["signers"]) == 2
    expect("sent", _post(lost, f"/v1/acts/{act['id']}/submission", None, lost.clerk.token))


def test_an_agent_who_adds_a_signature_showed_a_second_factor_lately(lost) -> None:
    text = lost.clerk.sign(IdStatus(lost.cid, "ended"), sender="body:mairie")
    act = expect("act", _post(lost, "/v1/desk/acts", {"transaction": text}, lost.clerk.token))
    good = _sign_again(text, lost.supervisor.key)
    sent = {"transaction": good, "key": jwk_of(lost.supervisor.key.public_key)}
    lab = lost.street.town.lab
    lab.now_s += STEP_UP_S  # without logging in again
    lab.produce()
    lab.on_block()
    answer = _post(lost, f"/v1/acts/{act['id']}/signatures", sent, lost.supervisor.token)
    assert answer.code == "auth_step_up_required"


def test_an_act_is_opened_by_one_of_its_signers_and_of_the_kinds_that_two_sign(lost) -> None:
    text = lost.clerk.sign(IdStatus(lost.cid, "ended"), sender="body:mairie")
    answer = _post(lost, "/v1/desk/acts", {"transaction": text}, lost.supervisor.token)
    assert answer.code == "act_malformed"
    text = lost.clerk.sign(IdRecoverCancel(lost.old.kid), sender="body:mairie")
    answer = _post(lost, "/v1/desk/acts", {"transaction": text}, lost.clerk.token)
    assert answer.code == "transaction_wrong_route"


def test_an_act_dies_with_its_payload(lost) -> None:
    text = lost.clerk.sign(IdStatus(lost.cid, "ended"), sender="body:mairie")
    act = expect("act", _post(lost, "/v1/desk/acts", {"transaction": text}, lost.clerk.token))
    lost.wait(15 * DAY_S)
    clerk = lost.street.clerk
    assert lost.street.api.get(f"/v1/acts/{act['id']}", token=clerk.token).code == "act_expired"


# --- previews ------------------------------------------------------------------------------


def preview(lost: Lost, path: str, body, token: str = "", language: str = "en"):
    return expect(
        "preview",
        lost.street.api.call(
            "POST",
            path,
            body,
            token=token or lost.clerk.token,
            headers={"Accept-Language": language},
        ),
    )


def test_the_desk_reads_what_a_recovery_would_do_before_anybody_signs(lost) -> None:
    asked = {"account": lost.old.kid}
    shown = preview(lost, "/v1/desk/recoveries/previews", asked)
    assert (shown["allowed"], shown["agents"], shown["bodies"]) == (True, 2, 2)
    assert shown["from_s"] == lost.street.clock() + WAIT_S
    assert "72 h" in shown["text"]
    french = preview(lost, "/v1/desk/recoveries/previews", asked, language="fr")
    assert "papier" in french["text"]
    expect("open", lost.open())
    shown = preview(lost, "/v1/desk/recoveries/previews", asked)
    assert (shown["allowed"], shown["code"]) == (False, "identity_recovery_pending")
    nobody = {"account": key("nobody").kid}
    assert preview(lost, "/v1/desk/recoveries/previews", nobody)["code"] == "account_unknown"


@pytest.mark.parametrize("after", sorted(TRANSITIONS))
@pytest.mark.parametrize("before", sorted(TRANSITIONS))
def test_a_preview_of_a_status_says_what_the_chain_will_say(before: str, after: str) -> None:
    """The API cannot import the chain's table; it must not differ from it."""
    nexts = statuses._NEXT.get(before, frozenset({"erased"}) - {before})
    assert (after in nexts) == (after in TRANSITIONS[before])
    assert statuses.TERMINAL == TERMINAL


def test_a_preview_of_an_end_says_how_long_it_can_be_taken_back(lost) -> None:
    shown = preview(lost, "/v1/desk/statuses/previews", {"cid": lost.cid, "status": "ended"})
    assert (shown["allowed"], shown["agents"]) == (True, 2)
    assert shown["until_s"] == lost.street.clock() + 30 * DAY_S
    shown = preview(lost, "/v1/desk/statuses/previews", {"cid": lost.cid, "status": "suspended"})
    assert shown["agents"] == 1
    shown = preview(lost, "/v1/desk/statuses/previews", {"cid": lost.cid, "status": "active"})
    assert shown["code"] == "identity_bad_transition"


def test_a_preview_of_a_second_key_names_its_powers(lost) -> None:
    assert account_devices.SCOPES_OF == chain_devices.SCOPES_OF
    token = lost.ana.login(lost.old)
    asked = {"scopes": ["veto"], "expires_at": lost.street.clock() + DAY_S}
    shown = preview(lost, "/v1/accounts/devices/previews", asked, token)
    assert shown["allowed"] is True
    assert "Never to vote" in shown["text"]
    asked = {"scopes": ["pay"], "expires_at": lost.street.clock() + DAY_S}
    assert preview(lost, "/v1/accounts/devices/previews", asked, token)["code"] == (
        "account_device_scope"
    )
    asked = {"scopes": ["veto"], "expires_at": lost.street.clock() + 400 * DAY_S}
    assert preview(lost, "/v1/accounts/devices/previews", asked, token)["allowed"] is False


# --- devices -------------------------------------------------------------------------------


def test_devices_are_listed_and_end_by_either_side(lost) -> None:
    helper = key("helper's phone")
    expires = lost.street.clock() + 30 * DAY_S
    add = AccountDeviceAdd(jwk(helper), ("veto",), expires)
    text = lost.ana.sign(add, sender=lost.old.kid, signers=[lost.old, helper])
    expect("device", lost.ana.send("/v1/accounts/devices", text, token=lost.ana.login(lost.old)))
    for signer in (lost.old, helper):
        shown = lost.ask(signer, "/v1/accounts/me/devices").body["keys"]
        assert [(k["kind"], k["kid"], k["scopes"]) for k in shown] == [
            ("own", lost.old.kid, []),
            ("device", helper.kid, ["veto"]),
        ]
    remove = AccountDeviceRemove(helper.kid)
    text = lost.ana.sign(remove, sender=lost.old.kid, signers=[helper])
    expect("remove", lost.ana.send("/v1/accounts/devices", text, token=lost.ana.login(helper)))
    assert lost.ask(helper, "/v1/accounts/me/devices").code == "not_found"
    assert len(lost.ask(lost.old, "/v1/accounts/me/devices").body["keys"]) == 1


def test_a_helper_reads_the_points_and_signs_no_rotation(lost) -> None:
    phone, helper = lost.street.phone("Ana"), key("helper's phone")
    expires = lost.street.clock() + 30 * DAY_S
    add = AccountDeviceAdd(jwk(helper), ("pay",), expires)
    text = phone.sign(add, sender=phone.account, signers=[phone.key, helper])
    expect("device", phone.send("/v1/accounts/devices", text))
    token = phone.login(helper)
    shown = lost.street.api.get("/v1/loyalty/accounts/me", token=token)
    assert (shown.status, shown.body["account"]) == (200, phone.account)
    new = key("helper's own")
    text = phone.sign(AccountRotate(jwk(new)), sender=phone.account, signers=[helper, new])
    assert phone.send("/v1/accounts", text, token=token).code == "account_device_scope"
    text = phone.sign(AccountDeviceRemove(helper.kid), sender=phone.account)
    expect("remove", phone.send("/v1/accounts/devices", text))
    assert lost.street.api.get("/v1/loyalty/accounts/me", token=token).status in (401, 403)


def test_a_second_key_of_an_identity_does_not_open_the_file(lost) -> None:
    """No mandate, no helper, no tablet reads the civil record by the key alone."""
    helper = key("helper's phone")
    add = AccountDeviceAdd(jwk(helper), ("veto",), lost.street.clock() + DAY_S)
    text = lost.ana.sign(add, sender=lost.old.kid, signers=[lost.old, helper])
    expect("device", lost.ana.send("/v1/accounts/devices", text, token=lost.ana.login(lost.old)))
    assert lost.ask(helper, "/v1/identity/me").code == "not_found"
    assert lost.ask(helper, "/v1/identity/me/mandates").code == "auth_scope_missing"


# --- rebuild -------------------------------------------------------------------------------


def test_a_rebuild_gives_identical_rows_after_a_whole_life(lost) -> None:
    expect("open", lost.open())
    expect("veto", lost.answer(IdRecoverVeto(), lost.old))
    lost.wait(7 * DAY_S + 31 * DAY_S)
    expect("open", lost.open())
    lost.wait(WAIT_S)
    expect("finish", lost.answer(IdRecoverFinish(jwk(lost.new)), lost.new))
    agents = [lost.clerk.key, lost.supervisor.key]
    text = lost.clerk.sign(IdStatus(lost.cid, "ended"), sender="body:mairie", signers=agents)
    expect("ended", lost.clerk.send("/v1/identity/statuses", text))
    lost.wait(31 * DAY_S)
    before = snapshot()
    assert {row["status"] for row in before["accounts"] if row["domain"] == "identity"} == {
        "closed"
    }
    with connected():
        lab = lost.street.town.lab
        Projector(lab.client(), lab.genesis, build_projections()).rebuild()
    assert snapshot() == before


def snapshot() -> dict[str, list]:
    with connected():
        return {
            table._meta.table_name: sorted(
                (dict(row) for row in table.select().dicts()),
                key=lambda row: json.dumps(row, default=str),
            )
            for table in all_tables()
            if table._meta.table_name != "projector"
        }
