"""The contract key: volumes of bilateral contracts first, then the auction of the step, then the rest pro rata.

Contracts and orders only decide who gets which allocated Wh at which price; the law's caps hold at each stage,
because every stage takes from what is left of production and of consumption.
"""

from collections.abc import Iterable, Mapping, Sequence

from chain.town.energy.conventions import SHARE_WHOLE, Contract, Ppa
from chain.town.energy.market import Order, Side, check_book, clear
from chain.town.energy.pools import Run, share_pool, share_pro_rata, subtract
from chain.town.energy.refusals import Refused
from chain.town.energy.rounding import rank_by_hash
from chain.town.energy.steps import Allocation, Delivery, Roster, Step
from chain.types.codes import ENERGY_KEY_INVALID, ENERGY_ORDER_INVALID, ENERGY_POINT_UNKNOWN


def prepare_contract(key: Contract, roster: Roster) -> Run | Refused:
    """Check the contracts against the members."""
    takers = {name: index for index, name in enumerate(roster.consumers)}
    givers = {name: index for index, name in enumerate(roster.producers)}
    flaw = _check_ppas(key.ppas, takers, givers, roster)
    if flaw is not None:
        return flaw

    def run(step: Step) -> Allocation | Refused:
        prod, needs = list(step.prod_wh), list(step.cons_wh)
        deliveries = _serve_ppas(key.ppas, step, takers, givers, prod, needs)
        traded = _serve_auction(key, roster, step, takers, givers, prod, needs)
        if isinstance(traded, Refused):
            return traded
        rest, made = share_pool(roster, step, prod, needs, share_pro_rata)
        needs = [left - got for left, got in zip(needs, rest, strict=True)]
        prod = [left - gave for left, gave in zip(prod, made, strict=True)]
        return Allocation(
            subtract(step.cons_wh, needs), subtract(step.prod_wh, prod), (*deliveries, *traded)
        )

    return run


def _check_ppas(
    ppas: Sequence[Ppa], takers: Mapping[str, int], givers: Mapping[str, int], roster: Roster
) -> Refused | None:
    if len({ppa.contract_id for ppa in ppas}) < len(ppas):
        return Refused(ENERGY_KEY_INVALID, "two contracts of one id")
    for ppa in ppas:
        if ppa.consumer not in takers or ppa.producer not in givers:
            return Refused(ENERGY_POINT_UNKNOWN, f"contract {ppa.contract_id}")
        if ppa.kind == "share_ppm" and ppa.quantity > SHARE_WHOLE:
            return Refused(ENERGY_KEY_INVALID, f"contract {ppa.contract_id}: above 100 %")
        if takers[ppa.consumer] in roster.charging and givers[ppa.producer] in roster.discharging:
            return Refused(ENERGY_KEY_INVALID, f"contract {ppa.contract_id}: store to store")
    return None


def _serve_ppas(
    ppas: Sequence[Ppa],
    step: Step,
    takers: Mapping[str, int],
    givers: Mapping[str, int],
    prod: list[int],
    needs: list[int],
) -> list[Delivery]:
    """Contract volumes in order of rank, equals by hash; shares are of the whole production, floored."""
    by_hash = rank_by_hash(step.operation, step.start_s, [ppa.contract_id for ppa in ppas])
    order = sorted(range(len(ppas)), key=lambda index: (ppas[index].rank, by_hash(index)))
    deliveries = []
    for index in order:
        ppa = ppas[index]
        producer, consumer = givers[ppa.producer], takers[ppa.consumer]
        asked = ppa.quantity
        if ppa.kind == "share_ppm":
            asked = step.prod_wh[producer] * ppa.quantity // SHARE_WHOLE
        energy_wh = min(asked, prod[producer], needs[consumer])
        if energy_wh:
            prod[producer] -= energy_wh
            needs[consumer] -= energy_wh
            source = f"ppa:{ppa.contract_id}"
            deliveries.append(Delivery(producer, consumer, energy_wh, source, ppa.price_micro_eur))
    return deliveries


def _serve_auction(
    key: Contract,
    roster: Roster,
    step: Step,
    takers: Mapping[str, int],
    givers: Mapping[str, int],
    prod: list[int],
    needs: list[int],
) -> list[Delivery] | Refused:
    """Orders cut down to what their points really have left, then one auction."""
    flaw = check_book(step.orders, negative_prices=False)
    if flaw is not None:
        return flaw
    for order in step.orders:
        side = takers if order.side == "bid" else givers
        if order.point not in side:
            return Refused(ENERGY_POINT_UNKNOWN, f"order {order.order_id}")
        if order.side == "bid" and takers[order.point] in roster.charging:
            return Refused(ENERGY_ORDER_INVALID, f"order {order.order_id}: a store does not bid")
    bids = _cut_to_meter(step.orders, "bid", takers, needs)
    offers = _cut_to_meter(step.orders, "offer", givers, prod)
    outcome = clear((*bids, *offers), k_halves=key.k_halves, pricing=key.pricing)
    if isinstance(outcome, Refused):
        return outcome
    deliveries = []
    for trade in outcome.trades:
        producer, consumer = givers[trade.offer.point], takers[trade.bid.point]
        prod[producer] -= trade.energy_wh
        needs[consumer] -= trade.energy_wh
        source = f"order:{trade.bid.order_id}/{trade.offer.order_id}"
        deliveries.append(
            Delivery(producer, consumer, trade.energy_wh, source, trade.price_micro_eur)
        )
    return deliveries


def _cut_to_meter(
    orders: Iterable[Order], side: Side, position: Mapping[str, int], metered_left: Sequence[int]
) -> list[Order]:
    """Orders of one side, best price first, each at most what its point has left after the better ones."""
    sign = -1 if side == "bid" else 1
    chosen = [order for order in orders if order.side == side]
    chosen.sort(key=lambda order: (sign * order.price_micro_eur, order.seq, order.order_id))
    left = dict(enumerate(metered_left))
    cut = []
    for order in chosen:
        energy_wh = min(order.energy_wh, left[position[order.point]])
        if energy_wh:
            left[position[order.point]] -= energy_wh
            cut.append(order._replace(energy_wh=energy_wh))
    return cut
