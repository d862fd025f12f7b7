"""The refusal every function of this package may answer with, and how one names the line of a file."""

from chain.town.context import Refused
from chain.types.codes import Code

__all__ = ["Refused", "refuse_line"]


def refuse_line(code: Code, line: int, detail: str, word: str = "line") -> Refused:
    """Refusal of a whole file because of one line (or reading, in JSON), counted from 1 as editors do."""
    return Refused(code, f"{word} {line}: {detail}")
