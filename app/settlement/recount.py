"""The auditor's own settlement: batches computed again from proved transactions, and compared with the chain's.

Debts are counted from what each transaction's result says it took (whose points, under which version) at the value
that version's own transaction gave a point; every result must agree with its double entry, so a kind of spend that
is not understood here is a finding, never a silent zero. Positions, rounding, payments and root follow.
What the guarantee moved for a failed shop is taken from the proved journal: it must sum to zero over all shops.
Reads: verified blocks, handed over one by one.  Writes: nothing.  Never: a state record of the town.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chain.town.settlement.netting import (
    MILLICENTS_PER_CENT,
    compute_batch_root,
    compute_gross,
    compute_payments,
    compute_positions,
    round_positions,
)

CLOSE_KIND: Final = "settlement.close"
LEGS_KIND: Final = "settlement.legs"
ALLOWANCE_KIND: Final = "loyalty.allowance"
"""The end of an allowance for payments without a network: the one spend that block end makes."""
RESERVE: Final = "~reserve"
"""The association's name in a batch (chain.town.settlement.records)."""
_SPENDS: Final = frozenset(
    {"loyalty.redeem", "loyalty.reward_take", "loyalty.capture", "loyalty.invoice_pay"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree: a stable `code`, and where."""

    code: str
    detail: str
    height: int


@dataclass(slots=True)
class BatchReport:
    """One batch as recomputed; `findings` is empty when the chain said the same."""

    epoch: int
    from_height: int
    to_height: int
    shops: int
    legs: int
    legs_cents: int
    gross_millicents: int
    net_sum_millicents: int
    root: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def compression_percent(self) -> int:
        """How much less money moves than pair by pair, whole percents rounded down; 0 without debts."""
        if not self.gross_millicents:
            return 0
        saved = self.gross_millicents - self.legs_cents * MILLICENTS_PER_CENT
        return saved * 100 // self.gross_millicents


class Recount:
    """Follows a chain from its genesis; `reports` grows by one per closed epoch."""

    def __init__(self) -> None:
        self.reports: list[BatchReport] = []
        self.findings: list[Finding] = []
        """What could not be explained outside a batch."""
        self._values: dict[tuple[str, int], int] = {}
        self._in_force: dict[str, int] = {}
        self._series: dict[int, tuple[str, int]] = {}
        """Voucher series to its programme and version."""
        self._nullifiers: dict[str, int] = {}
        self._debts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._carried: dict[str, int] = {}
        self._first_height = 0
        self._shown: dict[int, list[list[Any]]] = {}
        """Legs of the last batches as the journal lists them."""

    # --- transactions ----------------------------------------------------------------------

    def add_transaction(
        self, *, height: int, kind: str, body: Any, data: Mapping[str, Any]
    ) -> None:
        """Count one accepted transaction."""
        if kind == "loyalty.programme":
            self._note_version(body)
        elif kind == "loyalty.voucher_series":
            self._series.setdefault(
                body.series, (body.programme, self._in_force.get(body.programme, 0))
            )
        elif kind == "settlement.resolve":
            for issuer, redeemer, millicents in data["corrections"]:
                self._owe(height, issuer, redeemer, -millicents)
        self._count_spent(height, kind, body, data)

    def _note_version(self, body: Any) -> None:
        if body.status == "active":
            self._values[body.programme, body.version] = body.terms.value_millicents
            self._in_force[body.programme] = body.version

    def _count_spent(self, height: int, kind: str, body: Any, data: Mapping[str, Any]) -> None:
        booked = _booked_points(data.get("entries", ()))
        if not booked:
            return
        try:
            moved = self._explain(kind, body, data)
        except (KeyError, TypeError, ValueError) as error:
            moved = []
            self._find("audit_unreadable", f"{kind}: {type(error).__name__}", height)
        told: defaultdict[tuple[str, str], int] = defaultdict(int)
        for issuer, redeemer, points, value in moved:
            told[issuer, redeemer] += points
            self._owe(height, issuer, redeemer, points * value)
        if {pair: points for pair, points in told.items() if points} != booked:
            self._find("audit_spend_unexplained", kind, height)

    def _explain(
        self, kind: str, body: Any, data: Mapping[str, Any]
    ) -> list[tuple[str, str, int, int]]:
        """`(issuer, redeemer, points, value of a point)` of what a result says was spent, or given back."""
        shop = data["shop"]
        if kind in _SPENDS or kind == ALLOWANCE_KIND:
            return [self._leg(leg, data, 1) for leg in data["taken"]]
        if kind == "loyalty.voucher_redeem":
            self._nullifiers[data["nullifier"]] = data["series"]
            return [(data["issuer"], shop, data["points"], self._series_value(data["series"]))]
        if kind == "loyalty.reverse" and data["kind"] == "voucher":
            value = self._series_value(self._nullifiers[data["nullifier"]])
            return [(data["issuer"], shop, -data["points"], value)]
        if kind == "loyalty.reverse":
            back = (*data["returned"], *data["created"])
            return [self._leg(leg, data, -1) for leg in back]
        raise ValueError(kind)

    def _leg(
        self, leg: Mapping[str, Any], data: Mapping[str, Any], sign: int
    ) -> tuple[str, str, int, int]:
        value = self._values[data["programme"], leg["version"]]
        return leg["issuer"], data["shop"], sign * leg["points"], value

    def _series_value(self, series: int) -> int:
        return self._values[self._series[series]]

    def _owe(self, height: int, issuer: str, redeemer: str, millicents: int) -> None:
        self._first_height = self._first_height or height
        if issuer != redeemer and millicents:
            self._debts[issuer, redeemer] += millicents

    # --- block ends ------------------------------------------------------------------------

    def add_journal(self, *, height: int, entry: Mapping[str, Any]) -> None:
        """Compare a closed batch, count a page of its legs, or what the end of an allowance paid."""
        if entry["kind"] == CLOSE_KIND:
            self._close(height, entry)
        elif entry["kind"] == LEGS_KIND:
            self._compare_legs(height, entry)
        elif entry["kind"] == ALLOWANCE_KIND:
            for paid in entry["paid"]:
                line = {**paid, "programme": entry["programme"]}
                self._count_spent(height, ALLOWANCE_KIND, None, line)

    def _close(self, height: int, entry: Mapping[str, Any]) -> None:
        net = compute_positions(self._debts)
        for shop, millicents in self._carried.items():
            net[shop] = net.get(shop, 0) + millicents
        self._move_guarantee(height, net, entry["guarantee"])
        rounded = round_positions(net)
        payments = compute_payments(rounded.cents)
        report = BatchReport(
            epoch=entry["epoch"],
            from_height=self._first_height,
            to_height=height,
            shops=len(rounded.cents),
            legs=len(payments),
            legs_cents=sum(leg.cents for leg in payments),
            gross_millicents=compute_gross(self._debts),
            net_sum_millicents=sum(net.values()),
            root=compute_batch_root(entry["epoch"], rounded.cents, payments),
        )
        self._compare(report, entry, [[s, net[s], rounded.cents[s]] for s in sorted(net)])
        self.reports.append(report)
        self._shown[report.epoch] = [[leg.payer, leg.payee, leg.cents] for leg in payments]
        self._debts.clear()
        self._carried = rounded.carried_millicents
        self._first_height = 0

    def _compare(
        self, report: BatchReport, entry: Mapping[str, Any], positions: list[list[Any]]
    ) -> None:
        for name in ("from_height", "to_height", "shops", "legs", "legs_cents", "gross_millicents"):
            if entry[name] != getattr(report, name):
                told = f"{name}: chain {entry[name]}, recomputed {getattr(report, name)}"
                report.findings.append(Finding("batch_differs", told, report.to_height))
        if entry["root"] != report.root:
            report.findings.append(Finding("root_differs", report.root, report.to_height))
        if list(entry["positions"]) != positions:
            wrong = _first_difference(entry["positions"], positions)
            report.findings.append(Finding("positions_differ", wrong, report.to_height))

    def _move_guarantee(
        self, height: int, net: dict[str, int], moved: Iterable[Mapping[str, Any]]
    ) -> None:
        for line in moved:
            parts: dict[str, int] = dict(line["shared"])
            parts[RESERVE] = parts.get(RESERVE, 0) + line["reserve_millicents"]
            total = sum(parts.values())
            if total > -net.get(line["shop"], 0) or min(parts.values()) < 0:
                self._find("guarantee_exceeds_the_debt", line["shop"], height)
            net[line["shop"]] = net.get(line["shop"], 0) + total
            for payer, part in parts.items():
                net[payer] = net.get(payer, 0) - part

    def _compare_legs(self, height: int, entry: Mapping[str, Any]) -> None:
        start = entry["start"]
        expected = self._shown.get(entry["epoch"], [])[start : start + len(entry["legs"])]
        if [list(leg) for leg in entry["legs"]] != expected:
            self._find("legs_differ", f"epoch {entry['epoch']} from leg {start}", height)

    def _find(self, code: str, detail: str, height: int) -> None:
        self.findings.append(Finding(code, detail, height))


def _booked_points(entries: Iterable[list[Any]]) -> dict[tuple[str, str], int]:
    """(issuer, redeemer) to points that a result's double entry moved onto the redeemer."""
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for holder, issuer, points in entries:
        kind, _, name = holder.partition(":")
        if kind == "RED":
            sums[issuer, name] += points
    return {pair: points for pair, points in sums.items() if points}


def _first_difference(told: Iterable[list[Any]], positions: list[list[Any]]) -> str:
    for chain, own in zip(told, positions, strict=False):
        if list(chain) != own:
            return f"chain {chain}, recomputed {own}"
    return "another number of shops"
