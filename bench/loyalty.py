"""`make bench NAME=loyalty`: redemptions to finality, wallets of a million lots, netting, cameras, and the bare ledger.

`redeem_finality_p95_vs_floor`: redemptions one after the other on four node processes, 95th percentile against the disk
syncs and round trips measured in the same run. `lots_1e6_vs_1e3` is measured by `bench.lots`, which see.
`qr_read_rate_200px`: pay codes drawn 7-M, photographed by a synthetic camera (perspective ±4 %, rotation ±20°, blur
0.6-1.4 px, noise), read by zxing-cpp at 120 to 340 pixels a side. Ledger operations count rules over an overlay alone:
no signatures of transactions, no tree; the code's own signature is checked.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from math import cos, radians, sin
from random import Random
from statistics import median

import segno
import zxingcpp
from PIL import Image, ImageFilter

from bench.chain import floor_metrics
from bench.lots import lots_metrics
from bench.report import Metric, write_results
from bench.town_cluster import PROGRAMME, SHOP, BenchTown, RoundTrips, bench_town
from chain.codec import bf1
from chain.codec.canonical import b64url_decode
from chain.crypto.jws import SigningKey
from chain.town.context import Accepted, Outcome
from chain.town.loyalty import records
from chain.town.schemas import LoyaltyRedeem
from chain.town.settlement.netting import (
    compute_gross,
    compute_payments,
    compute_positions,
    round_positions,
)
from tests.town.loyalty.kit import LedgerTown, Phone, open_town
from tests.town.settlement.month import generate_month

REPEATS = 5
REDEMPTIONS = 100
CUSTOMERS = 100
LEDGER_OPS = 2_000
PHOTOS = 40
SIDES = (120, 160, 200, 260, 340)
AIM_FLOOR, AIM_COMPRESSION, AIM_READ = 6.0, 0.90, 0.95


# --- finality ------------------------------------------------------------------------------


def measure_finality() -> list[Metric]:
    """Redemptions to their final answer on four processes."""
    with bench_town(CUSTOMERS) as town:
        town.flood(town.sales(CUSTOMERS))
        chain_id = town.cluster.nodes[0].call("status")["node_info"]["network"]
        with RoundTrips(town.folder) as pings:
            busy = [town.commit_ms(n, redemption(town, chain_id, n)) for n in range(REDEMPTIONS)]
        heights = town.cluster.check_agreement()
        profiles = town.finish()
    named = {m.name: m for m in floor_metrics(busy, profiles, heights, pings.median_ms)}
    ratio = named["finality_p95_vs_floor"].ratio
    assert ratio is not None
    p95, floor_ms = named["finality_p95_vs_floor"].value, named["finality_p95_vs_floor"].baseline
    return [
        Metric("redeem_finality_p50_ms", median(busy), "ms"),
        Metric(
            "redeem_finality_p95_vs_floor",
            p95,
            "ms",
            floor_ms,
            ratio,
            AIM_FLOOR,
            ratio <= AIM_FLOOR,
        ),
        named["disk_syncs_ms_per_height"],
        named["round_trip_ms"],
    ]


def redemption(town: BenchTown, chain_id: str, number: int) -> bytes:
    """A customer's fresh code, taken by the till."""
    customer = town.customers[number % len(town.customers)]
    code = bf1.PayCode(
        bf1.CodeAlg.ED25519,
        bf1.Kind.PAY,
        b64url_decode(customer.kid)[: bf1.KEY_REF_BYTES],
        number + 1,
        int(time.time()),
        60,
        records.POINT_ASSET,
        5,
        bf1.shop_ref(SHOP),
    )
    body = bf1.encode_body(code)
    text = bf1.to_text(body, customer.sign(bf1.signed_bytes(chain_id, body)))
    return town.tx(LoyaltyRedeem(PROGRAMME, 5, text), f"shop:{SHOP}", town.till)


# --- the bare ledger -----------------------------------------------------------------------


def measure_ledger() -> list[Metric]:
    """Earns and redemptions per second of processor time, rules alone, median of REPEATS."""
    earns, spends = [], []
    for _ in range(REPEATS):
        town, tills = open_town("baker")
        phones = [town.open_phone(f"phone {n}") for n in range(100)]
        till = tills["baker"]
        earns.append(_per_s(partial(_earn, town, till, phones)))
        codes = [phones[n % 100].pay_code(town.time_s, shop="baker") for n in range(LEDGER_OPS)]
        spends.append(_per_s(partial(_redeem, town, till, codes)))
    return [
        Metric("ledger_earns_per_s", median(earns), "1/s"),
        Metric("ledger_redemptions_per_s", median(spends), "1/s"),
    ]


def _earn(town: LedgerTown, till: SigningKey, phones: list[Phone], number: int) -> Outcome:
    return town.earn("baker", till, phones[number % 100].account, 2_000)


def _redeem(town: LedgerTown, till: SigningKey, codes: list[str], number: int) -> Outcome:
    return town.redeem("baker", till, 5, codes[number])


def _per_s(act: Callable[[int], object]) -> float:
    started = time.process_time()
    for number in range(LEDGER_OPS):
        outcome = act(number)
        assert isinstance(outcome, Accepted), outcome
    return LEDGER_OPS / (time.process_time() - started)


# --- settlement, pictures ------------------------------------------------------------------


def measure_settlement() -> list[Metric]:
    """What netting saves of a generated month, and how long it takes."""
    matrix: defaultdict[tuple[str, str], int] = defaultdict(int)
    for spent in generate_month():
        if spent.issuer != spent.redeemer:
            matrix[spent.issuer, spent.redeemer] += spent.points * 1_000
    timings = []
    for _ in range(REPEATS):
        started = time.process_time_ns()
        cents = round_positions(compute_positions(matrix)).cents
        payments = compute_payments(cents)
        timings.append((time.process_time_ns() - started) / 1e6)
    assert sum(cents.values()) == 0
    assert len(payments) <= len(cents) - 1
    gross = compute_gross(matrix) / 1_000
    paid = sum(payment.cents for payment in payments)
    saved = 1 - paid / gross
    return [
        Metric(
            "settlement_compression",
            saved,
            "of gross",
            None,
            saved,
            AIM_COMPRESSION,
            saved >= AIM_COMPRESSION,
        ),
        Metric("settlement_payments", len(payments), "legs"),
        Metric("settlement_80_shops_ms", median(timings), "ms"),
    ]


def measure_pictures() -> list[Metric]:
    """Share of photos read, by the side of the symbol in sensor pixels."""
    town, _ = open_town("baker")
    phone, random = town.open_phone("camera"), Random(20_261_123)
    found = []
    for side in SIDES:
        read = 0
        for _ in range(PHOTOS):
            text = phone.pay_code(town.time_s, shop="baker")
            shown = zxingcpp.read_barcodes(photograph(text, side, random))
            read += [code.text for code in shown] == [text]
        rate, is_aim = read / PHOTOS, side == 200
        aim = AIM_READ if is_aim else None
        ok = rate >= AIM_READ if is_aim else None
        found.append(Metric(f"qr_read_rate_{side}px", rate, "of photos", None, rate, aim, ok))
    return found


def photograph(text: str, side: int, random: Random) -> Image.Image:
    """A grey photo of a pay code whose symbol is `side` pixels wide."""
    matrix = segno.make_qr(text, error="m", boost_error=False).matrix
    modules, scale = len(matrix), 8
    sheet = Image.new("L", (modules, modules), 255)
    sheet.putdata([0 if dark else 255 for row in matrix for dark in row])
    sheet = sheet.resize((modules * scale,) * 2, Image.Resampling.NEAREST)
    canvas = side * 2
    corners = _corners(side, canvas, random)
    source = [(0, 0), (0, sheet.height), (sheet.width, sheet.height), (sheet.width, 0)]
    framed = Image.new("L", (sheet.width * 3,) * 2, 235)
    framed.paste(255, (sheet.width - 6 * scale,) * 2 + (2 * sheet.width + 6 * scale,) * 2)
    framed.paste(sheet, (sheet.width, sheet.width))
    shifted = [(x + sheet.width, y + sheet.width) for x, y in source]
    small = framed.resize((framed.width // 2,) * 2, Image.Resampling.BOX)
    halved = [(x / 2, y / 2) for x, y in shifted]
    photo = small.transform(
        (canvas, canvas),
        Image.Transform.PERSPECTIVE,
        _solve(corners, halved),
        Image.Resampling.BICUBIC,
        fillcolor=235,
    )
    photo = photo.filter(ImageFilter.GaussianBlur(random.uniform(0.6, 1.4)))
    noise = Image.frombytes("L", photo.size, random.randbytes(canvas * canvas))
    return Image.blend(photo, noise, 0.12)


def _corners(side: int, canvas: int, random: Random) -> list[tuple[float, float]]:
    """Where the symbol's corners fall: turned by up to 20°, each moved by up to 4 % of the side."""
    turn, half = radians(random.uniform(-20, 20)), side / 2
    found = []
    for x, y in ((-half, -half), (-half, half), (half, half), (half, -half)):
        slip_x, slip_y = (random.uniform(-0.04, 0.04) * side for _ in range(2))
        found.append(
            (
                canvas / 2 + x * cos(turn) - y * sin(turn) + slip_x,
                canvas / 2 + x * sin(turn) + y * cos(turn) + slip_y,
            )
        )
    return found


def _solve(
    target: list[tuple[float, float]], source: list[tuple[float, float]]
) -> tuple[float, ...]:
    """The eight coefficients that take points of the photo back to the sheet (Gaussian elimination)."""
    rows = []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    for column in range(8):
        pivot = max(range(column, 8), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for row in range(8):
            if row != column:
                factor = rows[row][column]
                pairs = zip(rows[row], rows[column], strict=True)
                rows[row] = [value - factor * held for value, held in pairs]
    return tuple(row[8] for row in rows)


def main() -> None:
    """Print the table, write bench/results/loyalty.json."""
    metrics = [*lots_metrics(), *measure_ledger(), *measure_settlement(), *measure_pictures()]
    write_results("loyalty", [*measure_finality(), *metrics])


if __name__ == "__main__":
    main()
