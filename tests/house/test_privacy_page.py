"""`docs/privacy.md` has a line for every column of every table and every field of a sealed record."""

import re
from pathlib import Path

from app.energy.members import MemberOpening, PointOpening
from app.energy.months import KeptInvoice, KeptStatement
from app.identity.civil import Civil
from app.identity.lifecycle.links import Link, Links
from app.identity.lifecycle.mandates import Terms
from app.identity.register import SealedFile
from app.wiring import all_tables
from chain.town.energy.commitments import SealedOrder

PAGE = Path(__file__).resolve().parents[2] / "docs" / "privacy.md"
SEALED = (
    Civil,
    KeptInvoice,
    KeptStatement,
    Link,
    Links,
    MemberOpening,
    PointOpening,
    SealedFile,
    SealedOrder,
    Terms,
)
ROW = re.compile(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|")


def read_fields(text: str) -> set[tuple[str, str]]:
    """(table or record, column or field) of every row of the page; a pair may stand there once."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        row = ROW.match(line)
        if row:
            found.extend((row[1], field) for field in re.findall(r"`(\w+)`", row[2]))
    assert len(found) == len(set(found)), sorted({pair for pair in found if found.count(pair) > 1})
    return set(found)


def stored_fields() -> set[tuple[str, str]]:
    columns = {
        (table._meta.table_name, field.column_name)
        for table in all_tables()
        for field in table._meta.sorted_fields
    }
    sealed = {(record.__name__, name) for record in SEALED for name in record.__struct_fields__}
    return columns | sealed


def test_every_stored_field_has_its_line_in_the_privacy_page() -> None:
    missing = stored_fields() - read_fields(PAGE.read_text())
    assert sorted(missing) == [], "say in docs/privacy.md what it is, why, how long, how erased"


def test_the_privacy_page_speaks_of_no_field_that_is_gone() -> None:
    gone = read_fields(PAGE.read_text()) - stored_fields()
    assert sorted(gone) == []


def test_a_line_about_a_person_answers_every_question() -> None:
    """Only the last section, whose tables hold nobody, may leave the reasons out."""
    text = PAGE.read_text().split("## Nothing about a person")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if ROW.match(line)]
    silent = [row[:2] for row in rows if len(row) != 6 or not all(row[i].strip() for i in range(6))]
    assert silent == []


def test_the_reader_of_the_page_catches_a_planted_column() -> None:
    text = PAGE.read_text().replace("`expires_month`, ", "")
    assert ("identity", "expires_month") in stored_fields() - read_fields(text)
