"""`python -m tests.town.settlement`: the generated month on four validators, and what the auditor makes of it.

80 shops and 11 000 redemptions as signed transactions in blocks; every validator runs every block and must reach
the same state; then the auditor's recount runs over the proved blocks. Some minutes; exit 1 when anything differs.
"""

import json
import sys
import time

from app.cli.audit import recount_blocks
from app.core.replay import replay_chain
from tests.town.settlement.market import Market
from tests.town.settlement.month import REDEMPTIONS, SHOPS, generate_month
from tests.town.town_kit import DAY_S

MONTH_S = 31 * DAY_S
VALIDATORS = 4


def main() -> int:
    """Make the month, close it, recount it; one JSON object last."""
    redemptions = int(sys.argv[1]) if len(sys.argv) > 1 else REDEMPTIONS
    began_s = time.monotonic()
    market = Market(SHOPS, validators=VALIDATORS, params={"settlement_period_s": MONTH_S})
    for number, spent in enumerate(generate_month(redemptions=redemptions), 1):
        market.spend(spent.issuer, spent.redeemer, spent.points)
        if number % 1_000 == 0:
            print(f"{number} redemptions, {time.monotonic() - began_s:.0f} s", flush=True)
    market.close_epoch(MONTH_S)
    made_s = time.monotonic() - began_s
    recount = recount_blocks(replay_chain(market.lab.client(), market.lab.genesis))
    (batch,) = recount.reports
    findings = [*recount.findings, *batch.findings]
    shown = {
        "redemptions": redemptions,
        "validators_with_equal_state": VALIDATORS,
        "blocks": market.lab.height,
        "shops": batch.shops,
        "sum_of_nets": batch.net_sum_millicents,
        "payments": batch.legs,
        "paid_cents": batch.legs_cents,
        "gross_cents": batch.gross_millicents // 1_000,
        "compression_percent": batch.compression_percent,
        "findings": len(findings),
        "made_s": round(made_s),
        "recount_s": round(time.monotonic() - began_s - made_s),
    }
    print(json.dumps(shown))
    good = not findings and batch.net_sum_millicents == 0 and batch.legs <= SHOPS - 1
    return 0 if good and batch.compression_percent >= 90 else 1


if __name__ == "__main__":
    sys.exit(main())
