"""Renewal: known identities are attested again in batches, by the rule of the first one."""

import pytest

from chain.town.accounts import get_account
from chain.town.identity.records import get_counts, get_identity
from chain.town.schemas import IdBatchRenew, IdStatus
from tests.town.identity.kit import CLERK, attest, batch, cid_of, open_identity, renew, send
from tests.town.town_kit import jwk, key, make_town


def status(town, to: str, *roles: str):
    return town.do(IdStatus(cid_of("ada"), to), CLERK, *[town.role(role) for role in roles])


def test_a_renewal_replaces_levels_month_and_commitment_and_nothing_else() -> None:
    town = open_identity()
    before = get_identity(town.reader, cid_of("ada"))
    changes = {
        "commitment": key("corrected name").kid,
        "level_residence": 3,
        "expires_month": "2031-09",
    }
    assert renew(town, "ada", **changes).info == "ok"
    after = get_identity(town.reader, cid_of("ada"))
    assert (after.commitment, after.level_residence, after.expires_month) == tuple(changes.values())
    assert (after.cid, after.account, after.key) == (before.cid, before.account, before.key)
    counts = get_counts(town.reader)
    assert (counts.enrolled, counts.by_status) == (1, {"active": 1})


def test_an_expired_identity_is_active_again() -> None:
    town = open_identity()
    assert status(town, "expired", "clerk").info == "ok"
    assert renew(town, "ada", expires_month="2031-09").info == "ok"
    assert get_identity(town.reader, cid_of("ada")).status == "active"
    assert get_account(town.reader, key("ada").kid).status == "open"
    assert get_counts(town.reader).by_status == {"active": 1}


@pytest.mark.parametrize("to", ["suspended", "ended", "erased", "moved_out"])
def test_no_other_status_is_renewed_away(to: str) -> None:
    town = open_identity()
    assert status(town, to, "clerk", "agent_supervisor").info == "ok"
    assert renew(town, "ada").info == "identity_not_active"
    assert get_identity(town.reader, cid_of("ada")).status == to


def test_a_renewal_cannot_slip_in_a_key_or_a_stranger() -> None:
    town = open_identity()
    assert renew(town, "ada", key=jwk(key("thief"))).info == "identity_key_differs"
    assert renew(town, "bob").info == "identity_unknown"


def test_renewals_hide_among_each_other_as_enrolments_do() -> None:
    rules = {"identity_batch_min_entries": 2, "identity_batch_max_wait_s": 259_200}
    town = make_town(params=rules)
    assert batch(town, "ada", "bob").info == "ok"
    assert renew(town, "ada").info == "identity_batch_too_small"
    assert renew(town, "ada", "bob").info == "ok"


def test_an_old_word_of_an_agent_brings_nothing_back() -> None:
    """Attestations lie in blocks: whoever may write batches could send an earlier one again, under the agent's name."""
    town = make_town()
    first = attest(town, "ada")
    assert send(town, first).info == "ok"
    assert renew(town, "ada", level_identity=1, commitment=key("corrected").kid).info == "ok"
    before = get_identity(town.reader, cid_of("ada"))
    again = town.do(IdBatchRenew((first,)), CLERK, town.role("clerk"))
    assert again.info == "identity_bad_attestation"
    assert "entry 0: used before" in again.log
    assert get_identity(town.reader, cid_of("ada")) == before
