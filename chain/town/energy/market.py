"""The order book of one step: uniform-price auction and pay-as-bid, both of maximal volume.

Merit order: bids from the dearest, offers from the cheapest, equals by arrival number, then by order id; so the
outcome does not depend on the order of the list. Orders meet while bid >= offer; what is left of the marginal order
stays open. The price lies between the last accepted offer and bid by k: 0 the offer (as ASSUME), ½ the floor
of their mean (as lemlab), 1 the bid (as gsy). Pay-as-bid applies the same k to each pair.

Units: Wh, µ€/kWh.  Source: research of the project on gsy-framework, lemlab and ASSUME, equality on six books.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Final, Literal, NamedTuple, TypeAlias

from chain.limits import ENERGY_NAME_MAX_CHARS, ENERGY_PRICE_MAX_MICRO_EUR, ENERGY_READING_MAX_WH
from chain.town.energy.refusals import Refused
from chain.types.codes import ENERGY_ORDER_INVALID, ENERGY_ORDER_LATE, ENERGY_ORDER_SELF

Side: TypeAlias = Literal["bid", "offer"]
Pricing: TypeAlias = Literal["uniform", "pay_as_bid"]

_SIDES: Final = ("bid", "offer")
K_OFFER: Final = 0
K_MIDDLE: Final = 1
K_BID: Final = 2
"""k in halves, so that it stays an integer."""


class Order(NamedTuple):
    """A wish to buy (bid) or sell (offer) at a limit price or better; `seq` is its arrival number."""

    order_id: str
    side: Side
    participant: str
    price_micro_eur: int
    energy_wh: int
    seq: int
    point: str = ""
    """Delivery point, where an allocation needs it; a participant may have several."""


class Trade(NamedTuple):
    """Two orders that met, for how much, at what price."""

    bid: Order
    offer: Order
    energy_wh: int
    price_micro_eur: int


@dataclass(frozen=True, slots=True)
class Clearing:
    """Outcome of a book; `price_micro_eur` is None when nothing trades, and each trade's own in pay-as-bid."""

    volume_wh: int
    price_micro_eur: int | None
    last_bid_micro_eur: int | None
    last_offer_micro_eur: int | None
    trades: tuple[Trade, ...]
    open_bids: tuple[Order, ...]
    open_offers: tuple[Order, ...]
    """What stays unfilled in merit order, the marginal order with its remaining quantity."""


def clear(
    orders: Sequence[Order],
    *,
    k_halves: int,
    pricing: Pricing = "uniform",
    negative_prices: bool = False,
) -> Clearing | Refused:
    """Clear one book; refused when an order is wrong or two of one participant could meet each other."""
    if k_halves not in (K_OFFER, K_MIDDLE, K_BID):
        return Refused(ENERGY_ORDER_INVALID, "k is 0, 1/2 or 1")
    flaw = check_book(orders, negative_prices=negative_prices)
    if flaw is not None:
        return flaw
    bids = _by_merit(orders, "bid")
    offers = _by_merit(orders, "offer")
    return _match(bids, offers, k_halves, pricing)


def check_book(orders: Sequence[Order], *, negative_prices: bool) -> Refused | None:
    """The first thing wrong with a book, or None."""
    floor = -ENERGY_PRICE_MAX_MICRO_EUR if negative_prices else 0
    for order_id, side, _, price, energy_wh, seq, _ in orders:
        if not (
            1 <= energy_wh <= ENERGY_READING_MAX_WH
            and floor <= price <= ENERGY_PRICE_MAX_MICRO_EUR
            and seq >= 0
            and side in _SIDES
            and 1 <= len(order_id) <= ENERGY_NAME_MAX_CHARS
        ):
            return Refused(ENERGY_ORDER_INVALID, f"order {order_id[:ENERGY_NAME_MAX_CHARS]}")
    if len({order[0] for order in orders}) < len(orders):
        return Refused(ENERGY_ORDER_INVALID, "two orders of one id")
    return _check_self_trade(orders)


def check_gate(*, put_s: int, start_s: int, gate_s: int) -> Refused | None:
    """Refuse an order placed later than `gate_s` seconds before the step starts."""
    if put_s > start_s - gate_s:
        return Refused(ENERGY_ORDER_LATE, f"{put_s - (start_s - gate_s)} s after closure")
    return None


def _check_self_trade(orders: Sequence[Order]) -> Refused | None:
    """Own orders that cannot meet can never both be accepted: an accepted bid is at or above an accepted offer."""
    dearest: dict[str, int] = {}
    for _, side, who, price, _, _, _ in orders:
        if side == "bid" and price > dearest.get(who, price - 1):
            dearest[who] = price
    for order_id, side, who, price, _, _, _ in orders:
        if side == "offer" and dearest.get(who, price - 1) >= price:
            return Refused(ENERGY_ORDER_SELF, f"order {order_id}")
    return None


_BY_ARRIVAL: Final = itemgetter(5, 0)
_BY_PRICE: Final = itemgetter(3)
"""Fields by place (seq and order_id, price): twice as fast as by name, and a book is sorted whole."""


def _by_merit(orders: Iterable[Order], side: Side) -> list[Order]:
    """Two stable sorts: arrival first, then price; `reverse` keeps equals in arrival order."""
    chosen = [order for order in orders if order[1] == side]
    chosen.sort(key=_BY_ARRIVAL)
    chosen.sort(key=_BY_PRICE, reverse=side == "bid")
    return chosen


def _match(bids: list[Order], offers: list[Order], k_halves: int, pricing: Pricing) -> Clearing:
    met = _meet(bids, offers)
    if not met.energies_wh:
        return Clearing(0, None, None, None, (), tuple(bids), tuple(offers))
    last_bid, last_offer = met.bids[-1], met.offers[-1]
    price = _between(last_bid, last_offer, k_halves)
    prices: Iterable[int] = repeat(price)
    if pricing == "pay_as_bid":
        prices = map(_between, met.bids, met.offers, repeat(k_halves))
    return Clearing(
        volume_wh=sum(met.energies_wh),
        price_micro_eur=price if pricing == "uniform" else None,
        last_bid_micro_eur=last_bid.price_micro_eur,
        last_offer_micro_eur=last_offer.price_micro_eur,
        trades=tuple(map(Trade, met.bids, met.offers, met.energies_wh, prices)),
        open_bids=_still_open(bids, met.next_bid, met.bid_left_wh),
        open_offers=_still_open(offers, met.next_offer, met.offer_left_wh),
    )


class _Met(NamedTuple):
    """Pairs as three columns, then where both lists stopped and what is left of the orders there."""

    bids: list[Order]
    offers: list[Order]
    energies_wh: list[int]
    next_bid: int
    bid_left_wh: int
    next_offer: int
    offer_left_wh: int


def _meet(bids: list[Order], offers: list[Order]) -> _Met:
    """Walk down both lists as long as the next bid pays the next offer."""
    met_bids, met_offers, energies = [], [], []
    i = j = 0
    bid_left = bids[0].energy_wh if bids else 0
    offer_left = offers[0].energy_wh if offers else 0
    while bid_left and offer_left:
        bid, offer = bids[i], offers[j]
        if bid[3] < offer[3]:
            break
        energy_wh = bid_left if bid_left < offer_left else offer_left
        met_bids.append(bid)
        met_offers.append(offer)
        energies.append(energy_wh)
        bid_left -= energy_wh
        offer_left -= energy_wh
        if not bid_left:
            i += 1
            bid_left = bids[i][4] if i < len(bids) else 0
        if not offer_left:
            j += 1
            offer_left = offers[j][4] if j < len(offers) else 0
    return _Met(met_bids, met_offers, energies, i, bid_left, j, offer_left)


def _between(bid: Order, offer: Order, k_halves: int) -> int:
    """Price at k between the two limits, floored to a whole µ€/kWh."""
    return (bid.price_micro_eur * k_halves + offer.price_micro_eur * (2 - k_halves)) // 2


def _still_open(orders: list[Order], first: int, left: int) -> tuple[Order, ...]:
    if first == len(orders):
        return ()
    return (orders[first]._replace(energy_wh=left), *orders[first + 1 :])
