"""The life of an identity: which status may follow which, by whose word, and what it does to its account."""

import pytest

from chain.crypto import jws
from chain.town.accounts import get_account, get_key_use
from chain.town.envelope import TX_TYP, sign_payload
from chain.town.identity.records import TERMINAL, TRANSITIONS, get_counts, get_identity, is_current
from chain.town.schemas import AccountRotate, IdRotate, IdStatus
from chain.types.abci import ExecTxResult
from tests.town.identity.kit import CLERK, cid_of, open_identity
from tests.town.town_kit import DAY_S, Town, jwk, key

STATUSES = sorted(TRANSITIONS)
ALIVE = ("active", "suspended", "expired")


def move(town: Town, status: str, *, agents: int = 2, name: str = "ada") -> ExecTxResult:
    signers = (town.role("clerk"), town.role("agent_supervisor"))[:agents]
    return town.do(IdStatus(cid_of(name), status), CLERK, *signers)


def in_status(status: str) -> Town:
    town = open_identity()
    if status != "active":
        assert move(town, status).info == "ok"
    return town


@pytest.mark.parametrize("after", STATUSES)
@pytest.mark.parametrize("before", STATUSES)
def test_every_pair_of_statuses_follows_the_table(before: str, after: str) -> None:
    """Alive statuses move freely, terminal ones only to erased, an end may be taken back; nothing stays where it is."""
    allowed = before != after and (
        before in ALIVE
        or (after == "erased" and before in TERMINAL)
        or (before == "ended" and after in ("active", "expired"))
    )
    town = in_status(before)
    assert move(town, after).info == ("ok" if allowed else "identity_bad_transition")
    expected = after if allowed else before
    assert get_identity(town.reader, cid_of("ada")).status == expected
    assert get_counts(town.reader).by_status == {expected: 1}
    account = get_account(town.reader, key("ada").kid).status
    frozen = ("suspended", "expired", "ended")
    assert account == (
        "open" if expected == "active" else "frozen" if expected in frozen else "closed"
    )


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_terminal_status_needs_two_agents(status: str) -> None:
    town = open_identity()
    assert move(town, status, agents=1).info == "identity_second_agent"
    assert get_identity(town.reader, cid_of("ada")).status == "active"
    assert move(town, status, agents=2).info == "ok"


def test_a_proposer_who_strips_a_signature_burns_nothing() -> None:
    """The same payload with one signature is refused before it is recorded; the whole act still counts."""
    town = open_identity()
    agents = (town.role("clerk"), town.role("agent_supervisor"))
    whole = town.tx(IdStatus(cid_of("ada"), "ended"), CLERK, *agents)
    payload = jws.parse(whole, TX_TYP, 10_000).payload
    stripped = sign_payload(payload, agents[:1])
    assert not town.is_acceptable(stripped)
    assert town.run(stripped)[0].info == "identity_second_agent"
    assert town.run(whole)[0].info == "ok"


def test_one_agent_suspends_and_resumes() -> None:
    town = open_identity()
    assert move(town, "suspended", agents=1).info == "ok"
    result = move(town, "active", agents=1)
    assert town.result_data(result) == {
        "cid": cid_of("ada"),
        "account": key("ada").kid,
        "previous": "suspended",
        "status": "active",
        "month": "2026-09",
        "reversible_until": 0,
    }


def test_a_citizen_cannot_be_the_second_agent() -> None:
    town = open_identity()
    result = town.do(IdStatus(cid_of("ada"), "ended"), CLERK, town.role("clerk"), key("ada"))
    assert result.info == "tx_not_entitled"
    assert get_identity(town.reader, cid_of("ada")).status == "active"


def test_an_unknown_identity_has_no_status() -> None:
    assert move(open_identity(), "suspended", name="bob").info == "identity_unknown"


def test_an_identity_past_its_month_does_not_count_and_cannot_be_resumed() -> None:
    town = open_identity()
    assert move(town, "suspended").info == "ok"
    record = get_identity(town.reader, cid_of("ada"))
    town.advance(3 * 365 * DAY_S)
    assert not is_current(record, town.now_s)


# --- rotation ------------------------------------------------------------------------------


def rotate(town: Town, new: str, *signers: str, sender: str = "ada") -> ExecTxResult:
    body = IdRotate(cid_of("ada"), jwk(key(new)))
    return town.do(body, key(sender).kid, *[key(name) for name in signers])


def test_old_and_new_key_together_rotate_an_identity() -> None:
    town = open_identity()
    result = rotate(town, "new", "ada", "new")
    assert town.result_data(result) == {
        "cid": cid_of("ada"),
        "account": key("ada").kid,
        "previous_kid": key("ada").kid,
        "kid": key("new").kid,
    }
    record = get_identity(town.reader, cid_of("ada"))
    account = get_account(town.reader, key("ada").kid)
    assert record.key == account.jwk == jwk(key("new"))
    assert get_key_use(town.reader, key("ada").kid).use == "retired"


@pytest.mark.parametrize(
    ("signers", "refusal"),
    [
        (("ada",), "tx_missing_signature"),
        (("new",), "tx_missing_signature"),
        (("new", "thief"), "tx_unknown_key"),
    ],
)
def test_neither_key_rotates_alone(signers, refusal: str) -> None:
    town = open_identity()
    assert rotate(town, "new", *signers).info == refusal
    assert get_identity(town.reader, cid_of("ada")).key == jwk(key("ada"))


def test_the_retired_key_signs_nothing_more() -> None:
    town = open_identity()
    assert rotate(town, "new", "ada", "new").info == "ok"
    assert rotate(town, "third", "ada", "third").info == "tx_key_expired"
    assert rotate(town, "third", "new", "third").info == "ok"
    assert rotate(town, "ada", "third", "ada").info == "city_key_in_use"


def test_nobody_rotates_another_persons_identity() -> None:
    town = open_identity()
    town.open_account(key("mallory"), "loyalty")
    assert rotate(town, "new", "mallory", "new", sender="mallory").info == "account_wrong_domain"


def test_a_frozen_identity_is_not_rotated() -> None:
    town = in_status("suspended")
    assert rotate(town, "new", "ada", "new").info == "account_frozen"


def test_an_identity_past_its_month_is_not_rotated() -> None:
    town = open_identity()
    town.advance(3 * 365 * DAY_S)
    assert rotate(town, "new", "ada", "new").info == "identity_not_active"


def test_a_citizens_new_key_is_ed25519() -> None:
    town = open_identity()
    new = key("card", "ES256")
    result = town.do(IdRotate(cid_of("ada"), jwk(new)), key("ada").kid, key("ada"), new)
    assert result.info == "tx_body_invalid"


def test_an_identity_account_is_not_rotated_behind_its_record() -> None:
    town = open_identity()
    body = AccountRotate(jwk(key("new")))
    result = town.do(body, key("ada").kid, key("ada"), key("new"))
    assert result.info == "account_wrong_domain"


# --- the end that may be taken back ----------------------------------------------------------


def test_r32_an_end_is_taken_back_within_thirty_days_by_two_agents() -> None:
    """A register erred: the person is alive, and the account works again."""
    town = open_identity()
    ended = town.result_data(move(town, "ended"))
    assert ended["reversible_until"] == town.now_s - 1 + 30 * DAY_S
    town.advance(30 * DAY_S - 5)
    assert move(town, "active", agents=1).info == "identity_second_agent"
    assert move(town, "active").info == "ok"
    assert get_account(town.reader, key("ada").kid).status == "open"
    town.advance(40 * DAY_S)
    town.idle(2)
    assert get_account(town.reader, key("ada").kid).status == "open"


def test_after_thirty_days_an_end_is_final_and_the_account_closes_by_itself() -> None:
    town = open_identity()
    assert move(town, "ended").info == "ok"
    assert get_account(town.reader, key("ada").kid).status == "frozen"
    town.advance(30 * DAY_S)
    assert move(town, "active").info == "identity_reversal_late"
    town.idle(2)
    assert get_account(town.reader, key("ada").kid).status == "closed"
    assert move(town, "erased").info == "ok"


def test_the_end_of_the_month_changes_nothing_for_an_identity_erased_meanwhile() -> None:
    town = open_identity()
    assert move(town, "ended").info == "ok"
    assert move(town, "erased").info == "ok"
    town.advance(31 * DAY_S)
    town.idle(2)
    assert get_identity(town.reader, cid_of("ada")).status == "erased"
    assert get_account(town.reader, key("ada").kid).status == "closed"


def test_no_status_says_why_somebody_left() -> None:
    """A death is civil data: whoever was shown a cid once must not read it on the chain."""
    assert not {"deceased", "dead", "guardianship", "incapacitated"} & set(TRANSITIONS)
