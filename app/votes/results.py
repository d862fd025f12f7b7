"""What was decided, for people: outcomes by the published rulebook, as JSON, CSV and the minutes as PDF.

The chain computes votes per choice; the rulebook, whose hash the election holds, makes outcomes of them. Both are
public, so anybody can do what this module does (`chain.votes.counting`).
Reads: this domain's tables.  Writes: bytes.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final

from fpdf import FPDF

from app.core.problems import Problem
from app.votes.board import find_document, find_election
from app.votes.codes import RESULT_MISSING
from app.votes.drafts import read_kept_rules
from app.votes.models import ElectionRow, PlaceRow, StationRow
from app.votes.regulation import LEGAL_KINDS, SIGN_OFF_EN, SIGN_OFF_FR
from app.votes.turnout import group_stations
from chain.votes.counting import Outcome, count_result

COLUMNS: Final = (
    "item",
    "kind",
    "title",
    "place",
    "choice",
    "votes",
    "grade",
    "taken",
    "blank",
    "voters",
)
WORDS: Final = {
    "fr": {
        "title": "Procès-verbal de dépouillement",
        "law": "Nature du vote",
        "result": "Résultat",
        "blank": "blancs",
        "voters": "votants",
        "weight": "poids exprimé",
        "taken": "retenu",
        "tie": "Égalité départagée par l'ordre publié",
        "turnout": "Participation",
        "columns": ("Bureaux", "Inscrits", "Demandes", "Enregistrés", "Votants"),
        "counts": "Bulletins {ballots}, votants {voters}, votes changés {revotes}, annulés pour contrôle {spoiled}",
        "gap": "Droits de vote délivrés et non enregistrés : {0}",
        "trustees": "Dépositaires ayant déchiffré",
        "proof": "Règlement {0} ; empreinte du vote {1} ; archive : {2} événements, dernier {3}. "
        "Vérification par quiconque : beffroi votes verify.",
        "spent": "Dépense : {0} €",
        "sign": "Le président de la commission, les assesseurs :",
        "page": "page",
    },
    "en": {
        "title": "Minutes of the count",
        "law": "What the vote is in law",
        "result": "Result",
        "blank": "blank",
        "voters": "voters",
        "weight": "weight counted",
        "taken": "taken",
        "tie": "Tie resolved by the published order",
        "turnout": "Turnout",
        "columns": ("Stations", "Electors", "Requests", "Registered", "Voters"),
        "counts": "Ballots {ballots}, voters {voters}, changed votes {revotes}, spoiled for a check {spoiled}",
        "gap": "Credentials issued and not registered: {0}",
        "trustees": "Trustees who decrypted",
        "proof": "Regulation {0}; fingerprint of the vote {1}; archive: {2} events, the last {3}. "
        "Anybody can verify: beffroi votes verify.",
        "spent": "Spent: {0} €",
        "sign": "The chair of the commission, the assessors:",
        "page": "page",
    },
}


def build_result(election: str) -> dict[str, Any]:
    """Votes, outcomes and counts; raises Problem before the result."""
    row = find_election(election)
    if not row.votes:
        raise Problem(RESULT_MISSING)
    return {
        "election": row.election,
        "name": row.name,
        "legal_kind": row.legal_kind,
        "regulation": row.regulation,
        "fingerprint": row.fingerprint,
        "votes": json.loads(row.votes),
        "result": find_document(election, "result"),
        "outcomes": [describe_outcome(outcome) for outcome in count_outcomes(row)],
        "counts": describe_counts(row),
        "turnout": describe_turnout(election),
        "trustees": _list_decrypted(election),
        "events": row.events,
        "head": row.head,
    }


def count_outcomes(row: ElectionRow) -> tuple[Outcome, ...]:
    """The rulebook applied to the chain's votes; raises Problem when it is not the rulebook of what was asked."""
    rules = read_kept_rules(row.election, row.regulation, json.loads(row.setup)["questions"])
    return count_result(rules, json.loads(row.votes), row.weight)


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON."""
    shown = asdict(outcome)
    return {**shown, "lines": [dict(line) for line in shown["lines"]]}


def describe_counts(row: ElectionRow) -> dict[str, int]:
    """Published counts; `gap` is what registrars together could still have stuffed."""
    names = (
        "electors",
        "requests",
        "served",
        "registrations",
        "ballots",
        "voters",
        "revotes",
        "spoiled",
        "weight",
    )
    counts = {name: getattr(row, name) for name in names}
    return {
        **counts,
        "unserved": row.requests - row.served,
        "gap": row.served - row.registrations,
    }


def describe_turnout(election: str) -> list[dict[str, Any]]:
    """Turnout by station, small ones merged."""
    return group_stations(StationRow.select().where(StationRow.election == election))


def _list_decrypted(election: str) -> list[str]:
    mine = (PlaceRow.election == election) & (PlaceRow.office == "trustee")
    rows = PlaceRow.select().where(mine & (PlaceRow.step == "share")).order_by(PlaceRow.rank)
    return [row.body for row in rows]


# --- files -------------------------------------------------------------------------------------


def format_json(result: Mapping[str, Any]) -> bytes:
    """The result as one JSON document."""
    return json.dumps(result, ensure_ascii=False, indent=1).encode()


def format_csv(result: Mapping[str, Any]) -> bytes:
    """One line per choice, RFC 4180, UTF-8 with a byte-order mark for spreadsheets."""
    out = StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for number, outcome in enumerate(result["outcomes"], 1):
        for line in outcome["lines"]:
            shown = {
                **{name: outcome[name] for name in ("kind", "title", "blank", "voters")},
                **{name: line[name] for name in ("place", "votes", "grade")},
                "item": number,
                "choice": line["name"],
                "taken": int(line["is_taken"]),
            }
            writer.writerow([_no_formula(shown[name]) for name in COLUMNS])
    return out.getvalue().encode()


def _no_formula(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula is quoted (OWASP CSV injection); numbers stay numbers."""
    is_risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return "'" + value if is_risky else value


def format_minutes(result: Mapping[str, Any], *, language: str, at_s: int) -> bytes:
    """The minutes as A4 pages to be signed, with the JSON inside as result.json."""
    words: Mapping[str, Any] = WORDS[language]
    pdf = _Minutes(words)
    pdf.set_creation_date(datetime.fromtimestamp(at_s, UTC))
    pdf.set_title(words["title"])
    pdf.set_lang(language)
    pdf.add_page()
    _write_head(pdf, result, words, language)
    for outcome in result["outcomes"]:
        _write_outcome(pdf, outcome, words)
    _write_turnout(pdf, result, words)
    _say(pdf, f"{words['trustees']}: " + ", ".join(result["trustees"]))
    _say(
        pdf,
        words["proof"].format(
            result["regulation"], result["fingerprint"], result["events"], result["head"]
        ),
    )
    _say(pdf, SIGN_OFF_FR if language == "fr" else SIGN_OFF_EN)
    pdf.ln(6)
    _say(pdf, words["sign"])
    pdf.embed_file(bytes=format_json(result), basename="result.json", desc=words["title"])
    return bytes(pdf.output())


class _Minutes(FPDF):
    """Pages numbered at the foot."""

    def __init__(self, words: Mapping[str, Any]) -> None:
        super().__init__(format="A4")
        self._words = words

    def footer(self) -> None:
        """The number of the page, below the text."""
        self.set_y(-12)
        self.set_font("Helvetica", size=8)
        self.cell(0, 5, f"{self._words['page']} {self.page_no()}", align="C")


def _write_head(
    pdf: FPDF, result: Mapping[str, Any], words: Mapping[str, Any], language: str
) -> None:
    pdf.set_font("Helvetica", "B", 15)
    pdf.multi_cell(0, 8, _latin(words["title"]), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", "B", 11)
    pdf.multi_cell(0, 6, _latin(result["name"]), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", size=9)
    french, english = LEGAL_KINDS[result["legal_kind"]]
    _say(pdf, f"{words['law']}: {french if language == 'fr' else english}")
    _say(pdf, words["counts"].format(**result["counts"]))
    _say(pdf, words["gap"].format(result["counts"]["gap"]))


def _write_outcome(pdf: FPDF, outcome: Mapping[str, Any], words: Mapping[str, Any]) -> None:
    pdf.ln(2)
    pdf.set_font("Helvetica", "B", 10)
    _say(pdf, f"{words['result']}: {outcome['title']}")
    pdf.set_font("Helvetica", size=9)
    _say(pdf, f"{words['blank']} {outcome['blank']}, {words['weight']} {outcome['voters']}")
    for line in outcome["lines"]:
        taken = f" - {words['taken']}" if line["is_taken"] else ""
        grade = f" ({line['grade']})" if line["grade"] else ""
        _say(pdf, f"{line['place']}. {line['name']}: {line['votes']}{grade}{taken}")
    for tie in outcome["ties"]:
        names = {line["choice"]: line["name"] for line in outcome["lines"]}
        _say(pdf, f"{words['tie']}: " + ", ".join(names[choice] for choice in tie))
    if outcome["spent_cents"]:
        euros, cents = divmod(outcome["spent_cents"], 100)
        _say(pdf, words["spent"].format(f"{euros},{cents:02d}"))


def _write_turnout(pdf: FPDF, result: Mapping[str, Any], words: Mapping[str, Any]) -> None:
    pdf.ln(2)
    pdf.set_font("Helvetica", "B", 10)
    _say(pdf, words["turnout"])
    pdf.set_font("Helvetica", size=8)
    with pdf.table(text_align="LEFT", line_height=5) as table:
        table.row(words["columns"])
        for group in result["turnout"]:
            counts = (group[name] for name in ("electors", "requests", "registrations", "voters"))
            table.row((_latin(", ".join(group["stations"])), *map(str, counts)))
    pdf.ln(2)
    pdf.set_font("Helvetica", size=9)


def _say(pdf: FPDF, text: str) -> None:
    pdf.multi_cell(0, 5, _latin(text), new_x="LMARGIN", new_y="NEXT")


def _latin(text: str) -> str:
    """What the PDF's own fonts can show; anything else becomes a question mark."""
    return (
        text.replace("€", "EUR")
        .replace("’", "'")
        .replace("—", "-")
        .replace("œ", "oe")
        .replace("Œ", "OE")
        .encode("latin-1", "replace")
        .decode("latin-1")
    )
