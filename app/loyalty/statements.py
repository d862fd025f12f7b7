"""A member's statement: what came and went in a period, as JSON, CSV and PDF, with the chain's proof of the wallet.

The proof is of the wallet's head after the last proved block, so it proves the closing balance of a statement that
runs to the present; each line names its transaction, whose own proof is at `/v1/transactions/<hash>?proof=1`.
The PDF carries the JSON as an attachment, so paper and proof are one file.
Reads: this domain's tables.  Writes: bytes.  Never: another account's line.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final

from fpdf import FPDF
from peewee import fn

from app.core.codes import REQUEST_INVALID
from app.core.problems import Problem
from app.loyalty import service
from app.loyalty.models import Operation
from app.loyalty.schemas import LotSchema, PendingSchema

LINES_MAX: Final = 2_000
PERIOD_MAX_S: Final = 367 * 86_400
COLUMNS: Final = (
    "time",
    "kind",
    "programme",
    "shop",
    "points",
    "pool_points",
    "pending",
    "purchase_cents",
    "of",
    "ref",
    "transaction",
)
WORDS: Final = {
    "en": {
        "title": "Statement of loyalty points",
        "account": "Account",
        "period": "From {0} to {1} (UTC)",
        "opening": "opening",
        "closing": "closing",
        "columns": ("Date", "What", "Programme", "Shop", "Points", "Transaction"),
        "proof": "State proved after block {0}, app hash {1}. The attached statement.json holds the proof: "
        "beffroi proof verify.",
        "page": "page",
    },
    "fr": {
        "title": "Relevé de points de fidélité",
        "account": "Compte",
        "period": "Du {0} au {1} (UTC)",
        "opening": "solde initial",
        "closing": "solde final",
        "columns": ("Date", "Nature", "Programme", "Commerce", "Points", "Transaction"),
        "proof": "État prouvé après le bloc {0}, empreinte {1}. Le fichier joint statement.json contient la preuve : "
        "beffroi proof verify.",
        "page": "page",
    },
}


def build_statement(account: str, *, start_s: int, end_s: int, now_s: int) -> dict[str, Any]:
    """Lines with start_s <= time < end_s, oldest first, with balances before and after, by programme.

    Balances are points less debts, without what cools off. Raises Problem for a period that is empty, too long or
    holds more than LINES_MAX lines.
    """
    if not 0 <= start_s < end_s or end_s - start_s > PERIOD_MAX_S:
        raise Problem(REQUEST_INVALID, "a period of a year at most, that ends after it starts")
    mine = (Operation.account == account) & (Operation.time < end_s)
    rows = list(
        Operation.select()
        .where(mine & (Operation.time >= start_s))
        .order_by(Operation.position)
        .limit(LINES_MAX + 1)
    )
    if len(rows) > LINES_MAX:
        raise Problem(REQUEST_INVALID, f"more than {LINES_MAX} lines: ask for a shorter period")
    described = service.describe_account(account, now_s=now_s)
    opening, closing = _sum_before(account, start_s), _sum_before(account, end_s)
    return {
        "account": account,
        "start": start_s,
        "end": end_s,
        "height": described["height"],
        "app_hash": described["app_hash"],
        "balances": [
            {"programme": name, "opening": opening.get(name, 0), "closing": closing[name]}
            for name in sorted(closing)
        ],
        "lots": LotSchema(many=True).dump(described["lots"]),
        "pending": PendingSchema(many=True).dump(described["pending"]),
        "debts": described["debts"],
        "lines": [service.describe_operation(row, is_own=True) for row in rows],
    }


def _sum_before(account: str, time_s: int) -> dict[str, int]:
    own = fn.SUM(Operation.points - Operation.pool_points)
    rows = (
        Operation.select(Operation.programme, own.alias("total"))
        .where((Operation.account == account) & (Operation.time < time_s))
        .group_by(Operation.programme)
    )
    return {row.programme: int(row.total) for row in rows}


def format_csv(statement: Mapping[str, Any]) -> bytes:
    """One line per operation, RFC 4180, UTF-8 with a byte-order mark for spreadsheets; dates as ISO 8601 in UTC."""
    out = StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for line in statement["lines"]:
        shown = {**line, "time": _iso(line["time"])}
        writer.writerow([_no_formula(shown[name]) for name in COLUMNS])
    return out.getvalue().encode()


def _no_formula(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula is quoted (OWASP CSV injection); numbers stay numbers."""
    is_risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return "'" + value if is_risky else value


def format_pdf(statement: Mapping[str, Any], attached: bytes, *, language: str) -> bytes:
    """A4 pages in `language` (`fr` or `en`), with `attached` (the JSON) inside as statement.json."""
    words: Mapping[str, Any] = WORDS[language]
    pdf = _Page(words)
    pdf.set_creation_date(datetime.fromtimestamp(statement["end"], UTC))
    pdf.set_title(words["title"])
    pdf.set_lang(language)
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 15)
    pdf.cell(0, 9, words["title"], new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", size=9)
    period = words["period"].format(_iso(statement["start"])[:10], _iso(statement["end"])[:10])
    said = [f"{words['account']} {statement['account']}", period]
    for line in statement["balances"]:
        said.append(
            f"{line['programme']}: {words['opening']} {line['opening']}, {words['closing']} {line['closing']}"
        )
    said.append(words["proof"].format(statement["height"], statement["app_hash"]))
    for text in said:
        pdf.multi_cell(0, 5, _latin(text), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(3)
    _write_table(pdf, words["columns"], statement["lines"])
    pdf.embed_file(bytes=attached, basename="statement.json", desc=words["title"])
    return bytes(pdf.output())


class _Page(FPDF):
    """Pages numbered at the foot."""

    def __init__(self, words: Mapping[str, Any]) -> None:
        super().__init__(format="A4")
        self._words = words

    def footer(self) -> None:
        """The number of the page, below the text."""
        self.set_y(-12)
        self.set_font("Helvetica", size=8)
        self.cell(0, 5, f"{self._words['page']} {self.page_no()}", align="C")


def _write_table(pdf: FPDF, heads: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> None:
    pdf.set_font("Helvetica", size=7)
    widths = (27, 20, 26, 26, 14, 77)
    aligned = ("LEFT", "LEFT", "LEFT", "LEFT", "RIGHT", "LEFT")
    with pdf.table(col_widths=widths, text_align=aligned, line_height=4) as table:
        table.row(heads)
        for line in lines:
            shown = (_iso(line["time"]), line["kind"], line["programme"], line["shop"])
            table.row(tuple(map(_latin, (*shown, str(line["points"]), line["transaction"]))))


def _latin(text: str) -> str:
    """What the PDF's own fonts can show; anything else becomes a question mark."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _iso(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_json(statement: Mapping[str, Any]) -> bytes:
    """The statement as one JSON document."""
    return json.dumps(statement, ensure_ascii=False, indent=1).encode()
