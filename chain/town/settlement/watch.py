"""The figures the law limits, counted after each batch: value in circulation, value spent in twelve months, reserves.

French law lets a limited network work without a licence, but wants a declaration once more than 1 M EUR was spent in
twelve months (CMF L.521-3 II) or is in circulation (L.525-6); the alarm comes at 70 % of it.
Reads: issuers' totals, programmes, batches, standings.  Writes: the watch, the journal.  Never: stops anything.
"""

from itertools import islice
from typing import Final

from msgspec.structs import asdict, replace

from chain.limits import SETTLEMENT_BATCHES_A_YEAR, SETTLEMENT_TOTALS_PER_STEP
from chain.town import params
from chain.town.context import BlockContext, Overlay, Reader
from chain.town.due import schedule_due
from chain.town.loyalty.records import TOTALS
from chain.town.settlement.closing import WATCH_KIND
from chain.town.settlement.guarantee import count_outstanding, get_highest_value
from chain.town.settlement.netting import MILLICENTS_PER_CENT
from chain.town.settlement.records import (
    BATCHES,
    COUNTING,
    CURRENT,
    STANDINGS,
    WATCHES,
    StandingRecord,
    WatchRecord,
    epoch_id,
)
from chain.town.settlement.standing import get_standing

YEAR_S: Final = 365 * params.DAY_S
BPS: Final = 10_000


def count_circulation(ctx: BlockContext, text: str) -> None:
    """Due work: count the next totals; after the last, publish the watch and say whether it alarms."""
    counting = WATCHES.get(ctx.state, COUNTING) or WatchRecord()
    start = counting.scanned.encode() + b"\x00" if counting.scanned else b""
    page = list(islice(TOTALS.scan(ctx.state, start), SETTLEMENT_TOTALS_PER_STEP))
    value = counting.circulation_millicents
    highest: dict[str, int] = {}
    for record_id, totals in page:
        programme, _, issuer = record_id.decode().partition("/")
        if programme not in highest:
            highest[programme] = get_highest_value(ctx.state, programme)
        held = count_outstanding(totals) * highest[programme]
        _add_value(ctx.state, issuer, held, epoch=int(text))
        value += held
    counting = replace(counting, circulation_millicents=value)
    if len(page) == SETTLEMENT_TOTALS_PER_STEP:
        scanned = replace(counting, scanned=page[-1][0].decode())
        WATCHES.put(ctx.state, COUNTING, scanned)
        schedule_due(ctx.state, ctx.time_s, WATCH_KIND, text)
        return
    WATCHES.put(ctx.state, COUNTING, WatchRecord())
    _publish(ctx, int(text), value)


def _add_value(state: Overlay, issuer: str, value: int, *, epoch: int) -> None:
    """Add to what an issuer has in circulation over all programmes; the first total of a watch starts it anew."""
    standing = get_standing(state, issuer)
    before = standing.value_millicents if standing.counted == epoch else 0
    record = replace(standing, value_millicents=before + value, counted=epoch)
    STANDINGS.put(state, issuer.encode(), record)


def _find_short(state: Reader) -> list[list[str | int]]:
    """`[issuer, required cents, held cents]` of every pledge that is smaller than it should be."""
    short: list[list[str | int]] = []
    for record_id, standing in STANDINGS.scan(state):
        required, held = compute_reserve(state, standing)
        if held < required:
            short.append([record_id.decode(), required, held])
    return short


def compute_reserve(state: Reader, standing: StandingRecord) -> tuple[int, int]:
    """(required, held) cents of one issuer's pledge: the parameter's share of its points, and what is left of it."""
    bps = params.get_param(state, params.SETTLEMENT_RESERVE_BPS)
    required = -(-standing.value_millicents * bps // (BPS * MILLICENTS_PER_CENT))
    used = -(-standing.used_millicents // MILLICENTS_PER_CENT)
    return required, standing.held_cents - used


def _publish(ctx: BlockContext, epoch: int, circulation: int) -> None:
    year = _sum_year(ctx.state, epoch, ctx.time_s)
    watch = WatchRecord(ctx.time_s, circulation, year, is_alarming(ctx.state, circulation, year))
    WATCHES.put(ctx.state, CURRENT, watch)
    facts = {name: value for name, value in asdict(watch).items() if name != "scanned"}
    ctx.note(WATCH_KIND, **facts, short=_find_short(ctx.state))


def is_alarming(state: Reader, circulation: int, year: int) -> bool:
    """Whether either figure reached the alarm's share of the threshold."""
    threshold = params.get_param(state, params.SETTLEMENT_THRESHOLD_CENTS) * MILLICENTS_PER_CENT
    percent = params.get_param(state, params.SETTLEMENT_ALARM_PERCENT)
    return max(circulation, year) * 100 >= threshold * percent


def _sum_year(state: Reader, epoch: int, now_s: int) -> int:
    first = max(1, epoch - SETTLEMENT_BATCHES_A_YEAR)
    batches = BATCHES.scan(state, epoch_id(first), epoch_id(epoch + 1))
    return sum(b.redeemed_millicents for _, b in batches if b.closed_s > now_s - YEAR_S)
