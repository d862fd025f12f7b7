"""Lots die at their second, at block end, a bounded number of wallets per block, and the journal tells."""

from chain.limits import LOYALTY_EXPIRED_LOTS
from chain.town.due import QUEUE
from chain.town.loyalty.books import get_totals
from tests.town.loyalty.kit import DAY_S, open_town


def test_a_lot_dies_in_its_very_second() -> None:
    town, tills = open_town("baker")
    phone = town.open_phone("ada")
    town.earn("baker", tills["baker"], phone.account, 1_000)
    town.next_block(seconds=365 * DAY_S - 1)
    assert len(town.wallet(phone.account).lots) == 1
    town.next_block(seconds=1)
    assert town.wallet(phone.account).lots == ()
    totals = get_totals(town.state, "town", "baker")
    assert (totals.minted, totals.expired) == (10, 10)


def test_the_journal_says_what_expired_and_how_it_was_booked() -> None:
    town, tills = open_town("baker")
    phone = town.open_phone("ada")
    town.earn("baker", tills["baker"], phone.account, 1_000)
    lot = town.wallet(phone.account).lots[0].lot
    town.next_block(seconds=365 * DAY_S)
    entries = [["EXP", "baker", 10], [f"USR:{phone.account}", "baker", -10]]
    assert town.journal == [
        {
            "kind": "loyalty.expire",
            "account": phone.account,
            "lots": [[lot, "town", "baker", 10]],
            "entries": [["town", entries]],
        }
    ]


def test_a_wallet_of_many_expired_lots_is_emptied_over_several_blocks() -> None:
    town, tills = open_town("baker")
    phone = town.open_phone("ada")
    count = 2 * LOYALTY_EXPIRED_LOTS + 1
    for _ in range(count):
        town.earn("baker", tills["baker"], phone.account, 100)
    town.next_block(seconds=365 * DAY_S)
    held = [len(town.wallet(phone.account).lots)]
    while held[-1]:
        town.next_block(seconds=1)
        held.append(len(town.wallet(phone.account).lots))
    assert held == [LOYALTY_EXPIRED_LOTS + 1, 1, 0]
    assert get_totals(town.state, "town", "baker").expired == count
    assert list(QUEUE.scan(town.state)) == []


def test_a_block_expires_no_more_wallets_than_its_bound_and_the_rest_is_not_spendable() -> None:
    town, tills = open_town("baker")
    phones = [town.open_phone(f"p{n}") for n in range(5)]
    for phone in phones:
        town.earn("baker", tills["baker"], phone.account, 1_000)
    town.next_block(seconds=365 * DAY_S, due_max=2)
    till = town.add_till("baker", "next")
    late = [phone for phone in phones if town.wallet(phone.account).lots]
    assert len(late) == 3
    code = late[0].pay_code(town.time_s, shop="baker")
    assert town.redeem("baker", till, 1, code).code.name == "loyalty_overdraw"
    town.next_block(seconds=1, due_max=2)
    town.next_block(seconds=1, due_max=2)
    assert not any(town.wallet(phone.account).lots for phone in phones)


def test_a_wallet_has_one_item_in_the_queue_however_often_it_is_filled() -> None:
    town, tills = open_town("baker")
    town.add_programme("fair", days=3)
    phone = town.open_phone("ada")
    for programme in ("town", "town", "fair", "town", "fair"):
        town.earn("baker", tills["baker"], phone.account, 500, programme=programme)
        town.next_block(seconds=60)
    assert len(list(QUEUE.scan(town.state))) == 1
    town.next_block(seconds=3 * DAY_S)
    assert [lot.programme for lot in town.wallet(phone.account).lots] == ["town"] * 3
    assert len(list(QUEUE.scan(town.state))) == 1


def test_the_queue_is_empty_once_nothing_is_left_to_expire() -> None:
    town, tills = open_town("baker")
    phone = town.open_phone("ada")
    town.earn("baker", tills["baker"], phone.account, 500)
    town.redeem("baker", tills["baker"], 5, phone.pay_code(town.time_s, shop="baker"))
    town.next_block(seconds=365 * DAY_S)
    waiting = [item.kind for _, item in QUEUE.scan(town.state)]
    assert [kind for kind in waiting if kind.startswith("loyalty.")] == []
    assert [line for line in town.journal if line["kind"].startswith("loyalty.")] == []
