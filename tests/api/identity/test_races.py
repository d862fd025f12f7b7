"""Twenty desks and one person; an erasure and a transfer at once: exactly one outcome each."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.database import connected
from app.identity.models import DuplicateIndex, IdentityRow, Person
from app.identity.register import Register
from app.identity.retention import purge
from chain.crypto.keys import jwk_of
from chain.town.schemas import IdRotate, IdStatus, Jwk
from tests.api.identity import desk_kit as kit
from tests.api.identity.test_rights import me

AT_ONCE = 20
ANA = {"family_name": "Lefèvre", "given_names": ["Ana", "Marie"]}


def together(acts):
    """Run every act in a thread of its own, started together; their answers in order."""
    with ThreadPoolExecutor(len(acts)) as pool:
        return [running.result(timeout=60) for running in [pool.submit(act) for act in acts]]


def hand_in(client, path, text, token=""):
    """Send a transaction without waiting for its block."""
    body = {"transaction": text}
    return client.api.post(path, body, token=token or client.token, key=kit.new_key())


def test_of_twenty_simultaneous_enrolments_of_one_person_one_is_drafted(street):
    """Twenty phones, two agents, one title: the look for duplicates and the new digests are one step."""
    phones = [kit.announce(street) for _ in range(AT_ONCE)]
    agents = [street.clerk, street.supervisor]
    acts = [
        lambda phone=phone, agent=agents[index % 2]: kit.draft(agent, phone, civil=ANA)
        for index, phone in enumerate(phones)
    ]
    answers = together(acts)
    codes = sorted(answer.code for answer in answers if answer.status != 201)
    assert codes == ["identity_duplicate"] * (AT_ONCE - 1)
    with connected():
        assert Person.select().count() == 1
        assert DuplicateIndex.select().where(DuplicateIndex.kind == "strict").count() == 1
    assert len(list(street.town.config.person_keys.rglob("*.key"))) == 1


def test_a_draft_signed_twenty_times_at_once_is_attested_once(street):
    phone, clerk = kit.announce(street), street.clerk
    drafted = kit.draft(clerk, phone, civil=ANA)
    answers = together([lambda: kit.sign(clerk, phone, drafted)] * AT_ONCE)
    assert {answer.status for answer in answers} <= {201, 409}
    assert any(answer.status == 201 for answer in answers)
    log = [(action, reason) for _, action, reason in _log(street, phone)]
    assert log.count(("attest", "")) == 1
    assert clerk.read_batch()["waiting"] == 1


def _log(street, phone):
    phone.read_identity()
    return kit.access_log(street, phone)


def test_twenty_requests_for_erasure_at_once_leave_nothing_and_no_error(street):
    phone = street.new_phone()
    street.enrol(phone, **ANA)
    phone.read_identity()
    acts = [lambda: me(street, phone, "requests", {"kind": "erasure"})] * AT_ONCE
    assert {answer.status for answer in together(acts)} <= {201, 404}
    with connected():
        assert not Person.select().exists()
    assert list(street.town.config.person_keys.rglob("*.key")) == []


@pytest.mark.parametrize("erase_first", [True, False])
def test_an_identity_erased_while_it_moves_to_a_new_key_ends_erased(street, erase_first):
    """Both wait for one block, in either order: the key changes before or not at all, and nobody comes back."""
    phone, cid = kit.written(street, **ANA)
    old, new = phone.identity_key, phone.wallet.derive_key("identity", 1)
    agents = [street.clerk, street.supervisor]
    erase = agents[0].sign(
        IdStatus(cid, "erased"), sender="body:mairie", signers=[agent.key for agent in agents]
    )
    rotate = phone.sign(
        IdRotate(cid, Jwk(**jwk_of(new.public_key))), sender=old.kid, signers=[old, new]
    )
    street.town.lab.is_lazy = True
    moved = hand_in(phone, "/v1/identity/rotations", rotate, phone.identity_token)
    erased = hand_in(agents[0], "/v1/identity/statuses", erase)
    assert (moved.body["state"], erased.body["state"]) == ("pending", "pending")
    if erase_first:
        street.town.lab.pending.reverse()
    street.town.lab.decide()
    results = [
        street.api.get(f"/v1/transactions/{answer.body['transaction']}").body
        for answer in (erased, moved)
    ]
    assert results[0]["code"] == "ok"
    assert (results[1]["code"] == "ok") is not erase_first
    with connected():
        row = IdentityRow.get_by_id(cid)
        assert row.status == "erased"
        assert row.kid == (old.kid if erase_first else new.kid)
        assert Register(street.town.config).read_file(cid) is None, "before any job ran"
        purge(Register(street.town.config), now_s=street.clock())
        assert Person.get_or_none(Person.cid == cid) is None


@pytest.mark.parametrize("erase_first", [True, False])
def test_points_spent_while_their_owner_is_erased_are_spent_once(street, erase_first):
    """Erasure joins no account: a payment in the same block counts once, and the books still balance."""
    till = street.open_shop("boulangerie")
    phone, cid = kit.written(street, **ANA)
    assert phone.open_loyalty_account().status == 201
    assert till.earn(phone.account, 5_000).status == 201
    before = street.balance(phone)
    agents = [street.clerk, street.supervisor]
    erase = agents[0].sign(
        IdStatus(cid, "erased"), sender="body:mairie", signers=[agent.key for agent in agents]
    )
    pay = till.sign_redeem(phone.make_code(40, shop="boulangerie"), 7)
    street.town.lab.is_lazy = True
    acts = [
        lambda: hand_in(agents[0], "/v1/identity/statuses", erase),
        lambda: hand_in(till, "/v1/loyalty/redemptions", pay),
    ]
    for act in acts if erase_first else reversed(acts):
        assert act().body["state"] == "pending"
    street.town.lab.decide()
    street.town.lab.is_lazy = False
    assert till.send("/v1/loyalty/redemptions", pay).body["code"] in ("ok", "code_already_used")
    assert street.balance(phone) == before - 7
    with connected():
        assert IdentityRow.get_by_id(cid).status == "erased"
