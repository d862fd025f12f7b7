"""Agents' second factors, with a real authenticator in software and real one-time codes."""

from typing import Any

import pyotp
import pytest
from click.testing import CliRunner

from app.auth.factors import CODE_LIFE_S, FACTORS_PER_KEY_MAX, make_factor_code
from app.auth.models import FactorRow
from app.auth.service import FAILURES_PER_KEY_MAX
from app.cli import auth as auth_command
from app.cli.demo.http import make_proof
from app.cli.demo.passkey import PRESENT, VERIFIED, SoftPasskey
from app.cli.main import main
from app.cli.openapi import describe_api
from app.core.access import FACTOR_SCOPES, SCOPES, STEP_UP_S
from app.core.audit_log import AuditEntry
from app.core.database import connected
from chain.crypto.jws import SigningKey
from chain.town.schemas import ActRoleGrant, CouncilActs
from tests.api.conftest import PUBLIC_URL, Town
from tests.town.town_kit import BODIES, jwk, key

PROOF_KEY = key("the clerk's proof key", "ES256")
CAREFUL = PRESENT | VERIFIED
ELIGIBLE, BACKED_UP = 0x08, 0x10
"""BE and BS (WebAuthn level 3 §6.1)."""
CLERK, SUPERVISOR = key("clerk@mairie"), key("agent_supervisor@commerces")


def enrolment_code(town: Town, signer: SigningKey = CLERK) -> str:
    """As the server's operator gives it to the first agent."""
    with town.app.app_context(), connected():
        return make_factor_code(signer.kid)[0]


def log_in(town: Town, signer: SigningKey = CLERK) -> dict[str, str]:
    """A session by the key alone."""
    answer = town.login_answer(signer, with_factor=False)
    return {"Authorization": "DPoP " + answer.json["access_token"]}


def enrol(town: Town, headers: dict[str, str], passkey: SoftPasskey, code: str) -> Any:
    asked = town.http.post(
        "/v1/auth/factors/passkeys/options", json={"code": code}, headers=headers
    )
    if asked.status_code != 201:
        return asked
    credential = passkey.create(asked.json["options"], PUBLIC_URL)
    body = {"credential": credential}
    return town.http.post("/v1/auth/factors/passkeys", json=body, headers=headers)


def show(
    town: Town, headers: dict[str, str], passkey: SoftPasskey, origin: str = PUBLIC_URL
) -> Any:
    asked = town.http.post("/v1/auth/passkeys/challenges", headers=headers).json
    credential = passkey.get(asked["options"], origin)
    body = {"credential": credential}
    return town.http.post("/v1/auth/passkeys/assertions", json=body, headers=headers)


def elevated(town: Town, headers: dict[str, str], answer: Any) -> dict[str, str]:
    """Headers of the token that a shown factor gave."""
    assert answer.status_code == 201, answer.json
    old = headers["Authorization"].removeprefix("DPoP ")
    town.prover.keys[answer.json["access_token"]] = town.prover.keys[old]
    return {"Authorization": "DPoP " + answer.json["access_token"]}


def with_passkey(town: Town, *, is_counting: bool = True) -> tuple[dict[str, str], SoftPasskey]:
    headers = log_in(town)
    passkey = SoftPasskey(key("the clerk's security key", "ES256"), is_counting=is_counting)
    assert enrol(town, headers, passkey, enrolment_code(town)).status_code == 201
    return headers, passkey


# --- what the key alone gets -----------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["clerk@mairie", "agent_supervisor@commerces", "loyalty_operator@commerces", "seat@coop"],
)
def test_an_agent_s_key_alone_gets_no_agent_s_scope(town: Town, name: str) -> None:
    """Requirement 19."""
    answer = town.login_answer(key(name), with_factor=False).json
    assert (answer["scope"], answer["needs_factor"]) == ("device", True)
    headers = {"Authorization": "DPoP " + answer["access_token"]}
    refused = town.http.get("/v1/desk/batch", headers=headers)
    assert (refused.status_code, refused.json["code"]) == (403, "auth_scope_missing")


def test_renewing_a_session_does_not_stand_for_a_factor(town: Town) -> None:
    first = town.login_answer(CLERK, PROOF_KEY, with_factor=False).json
    path = "/v1/auth/refreshes"
    proof = make_proof(PROOF_KEY, "POST", PUBLIC_URL + path, town.clock.seconds)
    body = {"refresh_token": first["refresh_token"]}
    answer = town.http.post(path, json=body, headers={"DPoP": proof})
    assert answer.status_code == 201
    assert (answer.json["scope"], answer.json["needs_factor"]) == ("device", True)


def test_every_scope_of_agents_known_or_new_asks_for_a_factor() -> None:
    free = {scope for scope in SCOPES if scope.startswith("citizen:")}
    assert set(SCOPES) - free - {"public", "device", "till", "shop_owner"} == FACTOR_SCOPES


def test_no_route_offers_mail_or_a_short_message_as_a_factor() -> None:
    """Requirement 18: the kinds of factors are two, and neither travels by mail or telephone."""
    kinds = describe_api()["components"]["schemas"]["Factor"]["properties"]["kind"]["enum"]
    assert kinds == ["passkey", "otp"]
    said = str([path for path in describe_api()["paths"] if path.startswith("/v1/auth")]).lower()
    assert not any(word in said for word in ("mail", "sms", "phone", "letter"))


# --- passkeys --------------------------------------------------------------------------------


def test_a_passkey_opens_the_role_and_the_session_renews_with_it(town: Town) -> None:
    headers, passkey = with_passkey(town)
    answer = show(town, headers, passkey)
    assert answer.json["scope"] == "clerk device"
    assert answer.json["needs_factor"] is False
    assert (
        town.http.get("/v1/desk/batch", headers=elevated(town, headers, answer)).status_code == 200
    )
    assert show(town, headers, passkey).status_code == 201, "the older token still shows factors"


def test_an_agent_s_session_lasts_a_working_day(town: Town) -> None:
    answer = town.login_answer(CLERK).json
    assert answer["session_expires_at"] - town.clock.seconds == 12 * 3_600


def test_a_session_begun_before_its_key_had_a_role_lasts_a_working_day_from_then_on(
    town: Town,
) -> None:
    newcomer = key("clerk who comes later")
    headers = log_in(town, newcomer)
    granted = ActRoleGrant("clerk", "mairie", jwk(newcomer), town.lab.now_s + 10_000)
    seats = [key(f"seat@{body}") for body in BODIES[:3]]
    tx = town.tx(CouncilActs((granted,)), "council", *seats)
    assert town.post_tx("/v1/city/acts", tx, seats[0]).status_code == 201
    passkey = SoftPasskey(key("the newcomer's security key", "ES256"))
    assert enrol(town, headers, passkey, enrolment_code(town, newcomer)).status_code == 201
    for _ in range(2):
        answer = show(town, headers, passkey)
        assert answer.json["scope"] == "clerk device"
        assert answer.json["session_expires_at"] - town.clock.seconds <= 12 * 3_600


def change_data(credential: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**credential, "response": {**credential["response"], **changes}}


@pytest.mark.parametrize(
    "wrong", ["origin", "rp_id", "no user verification", "counter", "other key", "old challenge"]
)
def test_an_assertion_that_is_not_exactly_right_is_refused(town: Town, wrong: str) -> None:
    """Requirement 20."""
    headers, passkey = with_passkey(town)
    assert show(town, headers, passkey).status_code == 201
    asked = town.http.post("/v1/auth/passkeys/challenges", headers=headers).json["options"]
    origin = "https://evil.test" if wrong == "origin" else PUBLIC_URL
    if wrong == "rp_id":
        asked["rpId"] = "evil.test"
    if wrong == "no user verification":
        passkey.flags = PRESENT
    if wrong == "counter":
        passkey.counter -= 1
    if wrong == "old challenge":
        town.http.post("/v1/auth/passkeys/challenges", headers=headers)
    signer = passkey
    if wrong == "other key":
        signer = SoftPasskey(key("a thief's security key", "ES256"), is_counting=True, counter=9)
    credential = signer.get(asked, origin)
    if wrong == "other key":
        credential |= {"id": passkey.get(asked, origin)["id"]}
        credential["rawId"] = credential["id"]
    answer = town.http.post(
        "/v1/auth/passkeys/assertions", json={"credential": credential}, headers=headers
    )
    assert (answer.status_code, answer.json["code"]) == (401, "auth_factor_invalid")


def test_an_assertion_serves_once_and_for_two_minutes(town: Town) -> None:
    headers, passkey = with_passkey(town)
    asked = town.http.post("/v1/auth/passkeys/challenges", headers=headers).json["options"]
    body = {"credential": passkey.get(asked, PUBLIC_URL)}
    path = "/v1/auth/passkeys/assertions"
    assert town.http.post(path, json=body, headers=headers).status_code == 201
    assert town.http.post(path, json=body, headers=headers).json["code"] == "auth_factor_invalid"
    asked = town.http.post("/v1/auth/passkeys/challenges", headers=headers).json["options"]
    town.clock.seconds += 121
    body = {"credential": passkey.get(asked, PUBLIC_URL)}
    assert town.http.post(path, json=body, headers=headers).json["code"] == "auth_factor_invalid"


@pytest.mark.parametrize("credential", [{}, {"id": 7}, {"id": "x", "response": []}, {"id": None}])
def test_nonsense_in_place_of_a_credential_is_refused_not_stumbled_over(
    town: Town, credential: dict[str, Any]
) -> None:
    headers, _ = with_passkey(town)
    for path in ("/v1/auth/passkeys/assertions", "/v1/auth/factors/passkeys"):
        town.http.post("/v1/auth/passkeys/challenges", headers=headers)
        answer = town.http.post(path, json={"credential": credential}, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (401, "auth_factor_invalid")


@pytest.mark.parametrize(
    ("more_flags", "device_type", "is_backed_up"),
    [
        (0, "single_device", False),
        (ELIGIBLE, "multi_device", False),
        (ELIGIBLE | BACKED_UP, "multi_device", True),
    ],
)
def test_whether_a_passkey_can_be_copied_is_recorded(
    town: Town, more_flags: int, device_type: str, is_backed_up: bool
) -> None:
    """Requirement 20: what BE and BS said when it was taken in."""
    headers = log_in(town)
    passkey = SoftPasskey(key("the clerk's phone", "ES256"), flags=CAREFUL | more_flags)
    assert enrol(town, headers, passkey, enrolment_code(town)).status_code == 201
    shown = town.http.get("/v1/auth/factors", headers=headers).json["factors"]
    assert [(f["kind"], f["device_type"], f["is_backed_up"]) for f in shown] == [
        ("passkey", device_type, is_backed_up)
    ]


def test_a_passkey_that_is_backed_up_later_is_seen_at_its_next_use(town: Town) -> None:
    headers = log_in(town)
    passkey = SoftPasskey(key("the clerk's phone", "ES256"), flags=CAREFUL | ELIGIBLE)
    assert enrol(town, headers, passkey, enrolment_code(town)).status_code == 201
    passkey.flags |= BACKED_UP
    assert show(town, headers, passkey).status_code == 201
    (shown,) = town.http.get("/v1/auth/factors", headers=headers).json["factors"]
    assert shown["is_backed_up"] is True


# --- one-time codes --------------------------------------------------------------------------


def with_app(town: Town) -> tuple[dict[str, str], pyotp.TOTP]:
    headers = log_in(town)
    answer = town.http.post(
        "/v1/auth/factors/one-time-codes",
        json={"code": enrolment_code(town)},
        headers=headers,
    )
    assert answer.status_code == 201, answer.json
    return headers, pyotp.TOTP(answer.json["secret"])


def try_code(town: Town, headers: dict[str, str], code: str) -> Any:
    return town.http.post("/v1/auth/one-time-codes", json={"code": code}, headers=headers)


def test_a_one_time_code_serves_once_and_no_earlier_one_after_it(town: Town) -> None:
    """Requirement 20."""
    headers, app = with_app(town)
    code, before = app.at(town.clock.seconds), app.at(town.clock.seconds - 30)
    assert try_code(town, headers, code).json["scope"] == "clerk device"
    for used in (code, before):
        again = try_code(town, headers, used)
        assert (again.status_code, again.json["code"]) == (401, "auth_factor_invalid")


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 201), (0, 201), (1, 201), (2, 401)])
def test_a_code_of_the_step_before_or_after_is_taken(town: Town, steps: int, status: int) -> None:
    headers, app = with_app(town)
    assert try_code(town, headers, app.at(town.clock.seconds + 30 * steps)).status_code == status


def test_ten_wrong_codes_close_the_door_for_a_quarter_of_an_hour(town: Town) -> None:
    headers, app = with_app(town)
    right = app.at(town.clock.seconds)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(FAILURES_PER_KEY_MAX):
        assert try_code(town, headers, wrong).status_code == 401
    answer = try_code(town, headers, right)
    assert (answer.status_code, answer.json["code"]) == (429, "auth_too_many_attempts")


def test_the_secret_of_an_app_is_sealed_in_the_database_and_shown_once(town: Town) -> None:
    headers, app = with_app(town)
    assert app.secret not in str(town.http.get("/v1/auth/factors", headers=headers).json)
    with connected():
        (row,) = FactorRow.select()
    assert app.secret.encode() not in bytes(row.material)


# --- enrolling -------------------------------------------------------------------------------


def test_a_stolen_role_key_alone_enrols_no_factor(town: Town) -> None:
    headers = log_in(town)
    passkey = SoftPasskey(key("a thief's security key", "ES256"))
    for code in ("", "guess", enrolment_code(town, SUPERVISOR)):
        answer = enrol(town, headers, passkey, code)
        assert (answer.status_code, answer.json["code"]) == (403, "auth_factor_code_invalid"), code


def test_an_enrolment_code_serves_once_and_for_a_day(town: Town) -> None:
    headers, code = log_in(town), enrolment_code(town)
    passkey = SoftPasskey(key("the clerk's security key", "ES256"))
    assert enrol(town, headers, passkey, code).status_code == 201
    other = SoftPasskey(key("another", "ES256"))
    assert enrol(town, headers, other, code).json["code"] == "auth_factor_code_invalid"
    late = enrolment_code(town)
    town.clock.seconds += CODE_LIFE_S
    assert enrol(town, log_in(town), other, late).json["code"] == "auth_factor_code_invalid"


def test_the_operator_s_command_gives_the_first_agent_a_code(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth_command, "load_config", lambda _environ: town.config)
    monkeypatch.setattr(auth_command, "create_app", lambda _config: town.app)
    printed = CliRunner().invoke(main, ["auth", "factor-code", CLERK.kid])
    assert printed.exit_code == 0
    passkey = SoftPasskey(key("the clerk's security key", "ES256"))
    assert enrol(town, log_in(town), passkey, printed.output.strip()).status_code == 201
    assert CliRunner().invoke(main, ["auth", "factor-code", "nobody"]).exit_code == 1


def test_a_supervisor_who_has_just_shown_a_factor_gives_enrolment_codes(town: Town) -> None:
    path = f"/v1/auth/keys/{CLERK.kid}/factor-codes"
    supervisor = town.login(SUPERVISOR)
    answer = town.http.post(path, headers=supervisor)
    assert answer.status_code == 201
    passkey = SoftPasskey(key("the clerk's security key", "ES256"))
    assert enrol(town, log_in(town), passkey, answer.json["code"]).status_code == 201
    town.clock.seconds += STEP_UP_S
    stale = town.http.post(path, headers=supervisor)
    assert (stale.status_code, stale.json["code"]) == (401, "auth_step_up_required")
    assert town.http.get("/v1/desk/batch", headers=supervisor).status_code == 200


def test_a_fresh_factor_lets_its_holder_enrol_another_up_to_the_limit(town: Town) -> None:
    headers, passkey = with_passkey(town)
    fresh = elevated(town, headers, show(town, headers, passkey))
    for number in range(FACTORS_PER_KEY_MAX - 1):
        another = SoftPasskey(key(f"security key {number}", "ES256"))
        assert enrol(town, fresh, another, "").status_code == 201
    full = enrol(town, fresh, SoftPasskey(key("one too many", "ES256")), "")
    assert (full.status_code, full.json["code"]) == (409, "auth_factors_full")


def test_a_passkey_made_without_user_verification_is_not_taken_in(town: Town) -> None:
    headers = log_in(town)
    passkey = SoftPasskey(key("a careless key", "ES256"), flags=PRESENT)
    answer = enrol(town, headers, passkey, enrolment_code(town))
    assert (answer.status_code, answer.json["code"]) == (401, "auth_factor_invalid")


def test_a_passkey_serves_one_key_and_the_log_names_what_was_enrolled(town: Town) -> None:
    headers, passkey = with_passkey(town)
    (mine,) = town.http.get("/v1/auth/factors", headers=headers).json["factors"]
    other = log_in(town, SUPERVISOR)
    refused = enrol(town, other, passkey, enrolment_code(town, SUPERVISOR))
    assert (refused.status_code, refused.json["code"]) == (401, "auth_factor_invalid")
    with connected():
        rows = list(AuditEntry.select().where(AuditEntry.action == "factor.enrol"))
    assert [(row.who, row.target) for row in rows] == [(CLERK.kid, mine["id"])]


# --- what a stolen agent's session can do ----------------------------------------------------


def test_a_stolen_agent_s_session_cannot_attest(town: Town) -> None:
    """The desk's routes open, but an attestation carries the agent's own signature."""
    from tests.journeys.kit import CIVIL, Street

    street = Street(town)
    clerk = street.clerk
    enrolment = clerk.scan_enrolment(street.new_phone().start_enrolment())
    clerk.key = key("a thief's key")  # the session goes on, the signing key stayed with the agent
    with pytest.raises(RuntimeError, match="identity_attestation_differs"):
        clerk.attest(enrolment, CIVIL, enrolment["number"])
