"""A statement or an invoice on paper and in files: JSON, CSV, PDF with the JSON inside; in French or English.

Reads: values.  Writes: bytes.  Never: another member's line.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final
from unicodedata import normalize

from fpdf import FPDF

from app.energy.charts import format_date, format_euros, format_kwh, format_number
from app.energy.statements import Invoice, Statement, describe_line

COLUMNS: Final = (
    "line",
    "kind",
    "month",
    "buyer",
    "seller",
    "source",
    "energy_wh",
    "amount_nano_eur",
    "net_cents",
    "vat_cents",
    "accise_cents",
    "gross_cents",
)
_PLAIN: Final = str.maketrans(
    {"€": "EUR", "œ": "oe", "Œ": "OE", "\u202f": " ", "\u2019": "'", "\u2013": "-", "\u2026": "..."}
)
WORDS: Final = {
    "en": {
        "colon": ": ",
        "statement": "Statement of shared energy",
        "invoice": "Invoice",
        "member": "Member",
        "seller": "Seller",
        "buyer": "Buyer",
        "month": "Month",
        "operation": "Operation",
        "point": "Point",
        "metered": "metered",
        "shared": "shared",
        "consumer": "coverage: {0} % of consumption came from neighbours",
        "producer": "self-consumption: {0} % of production went to neighbours",
        "pays": "To pay",
        "gets": "To receive",
        "saved": "Saved against the own supplier's price",
        "more": "Earned above the price of surplus",
        "co2": "CO2 avoided: {0} g, counted at {1} mg/kWh ({2})",
        "columns": (
            "Delivered",
            "What",
            "Buyer",
            "Seller",
            "Energy",
            "Net",
            "VAT",
            "Accise",
            "Total",
        ),
        "energy": "energy",
        "correction": "correction",
        "issued": "Issued",
        "due": "Due within {0} days",
        "chain": "Root of the month's statements: {0}. The attached file holds this statement, its salt and its path.",
        "page": "page",
    },
    "fr": {
        "colon": " : ",
        "statement": "Relevé d'énergie partagée",
        "invoice": "Facture",
        "member": "Membre",
        "seller": "Vendeur",
        "buyer": "Acheteur",
        "month": "Mois",
        "operation": "Opération",
        "point": "Point",
        "metered": "mesuré",
        "shared": "partagé",
        "consumer": "couverture : {0} % de la consommation vient des voisins",
        "producer": "autoconsommation : {0} % de la production va aux voisins",
        "pays": "À payer",
        "gets": "À recevoir",
        "saved": "Économie par rapport au prix du fournisseur",
        "more": "Gain par rapport au prix du surplus",
        "co2": "CO2 évité : {0} g, compté à {1} mg/kWh ({2})",
        "columns": (
            "Livré",
            "Nature",
            "Acheteur",
            "Vendeur",
            "Énergie",
            "HT",
            "TVA",
            "Accise",
            "Total",
        ),
        "energy": "énergie",
        "correction": "correction",
        "issued": "Émise le",
        "due": "À régler sous {0} jours",
        "chain": "Racine des relevés du mois : {0}. Le fichier joint contient ce relevé, son sel et son chemin.",
        "page": "page",
    },
}


def format_json(document: Mapping[str, Any]) -> bytes:
    """One JSON document, indented."""
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def format_csv(statement: Statement) -> bytes:
    """One line per statement line, RFC 4180, UTF-8 with a byte-order mark for spreadsheets; energies in Wh."""
    out = StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for line in statement.lines:
        shown = describe_line(line)
        writer.writerow([shown[name] for name in COLUMNS])
    return out.getvalue().encode()


def format_statement_pdf(
    statement: Statement, *, root: str, attached: bytes, language: str, name: str, made_s: int
) -> bytes:
    """A4 pages; `attached` is the JSON with salt and path, inside as statement.json; `made_s` is unix seconds."""
    words: Mapping[str, Any] = WORDS[language]
    pdf = _start(words, words["statement"], language, made_s)
    said = [
        f"{words['operation']} {statement.operation}",
        f"{words['month']} {format_date(statement.month, language)}",
        f"{words['member']} {name or statement.member}",
    ]
    for point in statement.points:
        share = _percent(point.share_ppm, language)
        metered, shared = (format_kwh(wh, language) for wh in (point.metered_wh, point.shared_wh))
        said.append(
            f"{words['point']} {point.point}{words['colon']}{words['metered']} {metered}, "
            f"{words['shared']} {shared}; {words[point.side].format(share)}"
        )
    if statement.pays_cents or statement.saved_cents:
        said.append(
            f"{words['pays']}{words['colon']}{format_euros(statement.pays_cents, language)}"
        )
        said.append(
            f"{words['saved']}{words['colon']}{format_euros(statement.saved_cents, language)}"
        )
    if statement.gets_cents or statement.earned_more_cents:
        said.append(
            f"{words['gets']}{words['colon']}{format_euros(statement.gets_cents, language)}"
        )
        said.append(
            f"{words['more']}{words['colon']}{format_euros(statement.earned_more_cents, language)}"
        )
    said.append(
        words["co2"].format(statement.co2_avoided_g, statement.co2_mg_per_kwh, statement.co2_source)
    )
    if statement.mention:
        said.append(statement.mention)
    said.append(words["chain"].format(root or "-"))
    _write(pdf, said)
    _write_lines(pdf, words, [describe_line(line) for line in statement.lines], language)
    pdf.embed_file(bytes=attached, basename="statement.json", desc=words["statement"])
    return bytes(pdf.output())


def format_invoice_pdf(
    invoice: Invoice,
    *,
    seller: str,
    buyer: str,
    mention: str,
    due_days: int,
    language: str,
    made_s: int,
) -> bytes:
    """One seller's claim on one buyer, with the mention the tax mode asks for."""
    words: Mapping[str, Any] = WORDS[language]
    title = f"{words['invoice']} {invoice.number}"
    pdf = _start(words, title, language, made_s)
    _write(
        pdf,
        [
            f"{words['seller']}{words['colon']}{seller}",
            f"{words['buyer']}{words['colon']}{buyer}",
            f"{words['issued']} {format_date(_day_of(made_s), language)}",
            f"{words['month']} {format_date(invoice.month, language)}",
            f"{words['pays']}{words['colon']}{format_euros(invoice.gross_cents, language)}",
            words["due"].format(due_days),
            *([mention] if mention else []),
        ],
    )
    _write_lines(pdf, words, [describe_line(line) for line in invoice.lines], language)
    return bytes(pdf.output())


def _start(words: Mapping[str, Any], title: str, language: str, made_s: int) -> FPDF:
    pdf = _Page(words["page"])
    pdf.set_creation_date(datetime.fromtimestamp(made_s, UTC))
    pdf.set_title(title)
    pdf.set_lang(language)
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 15)
    pdf.cell(0, 9, spell_latin(title), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", size=9)
    return pdf


class _Page(FPDF):
    """Pages numbered at the foot."""

    def __init__(self, word: str) -> None:
        super().__init__(format="A4")
        self._word = word

    def footer(self) -> None:
        """The number of the page, below the text."""
        self.set_y(-12)
        self.set_font("Helvetica", size=8)
        self.cell(0, 5, f"{self._word} {self.page_no()}", align="C")


def _write(pdf: FPDF, said: Sequence[str]) -> None:
    for text in said:
        pdf.multi_cell(0, 5, spell_latin(text), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(3)


def _write_lines(
    pdf: FPDF, words: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], language: str
) -> None:
    pdf.set_font("Helvetica", size=7)
    widths = (16, 18, 32, 32, 22, 18, 16, 16, 20)
    aligned = ("LEFT",) * 4 + ("RIGHT",) * 5
    with pdf.table(col_widths=widths, text_align=aligned, line_height=4) as table:
        table.row(words["columns"])
        for line in lines:
            money = (
                format_euros(line[name], language)
                for name in ("net_cents", "vat_cents", "accise_cents", "gross_cents")
            )
            shown = (line["month"], words[line["kind"]], line["buyer"], line["seller"])
            row = (*shown, f"{format_number(line['energy_wh'])} Wh", *money)
            table.row(tuple(map(spell_latin, row)))


def _percent(ppm: int, language: str) -> str:
    whole, rest = divmod(ppm // 1_000, 10)
    return f"{whole}{',' if language == 'fr' else '.'}{rest}"


def _day_of(time_s: int) -> str:
    """The UTC day of a moment, as the file's own date has it."""
    return datetime.fromtimestamp(time_s, UTC).date().isoformat()


def spell_latin(text: str) -> str:
    """What the PDF's own fonts can show.

    The euro and the ligatures by their letters, narrow spaces as spaces, letters without their marks where Latin-1 has
    none with them, the rest as `?`.
    """
    plain = text.translate(_PLAIN)
    shown = (char if char <= "\xff" else normalize("NFKD", char)[0] for char in plain)
    return "".join(shown).encode("latin-1", "replace").decode("latin-1")
