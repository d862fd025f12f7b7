"""The second device of a Benaloh audit, on the command line: two pictures and the election's own record.

Reads: an archive, pictures or their texts.  Writes: nothing.  Never: asks the town; the record comes from an archive
that was fetched with the chain's proof, not from the phone that is audited.
"""

from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image, UnidentifiedImageError

from chain.codec.errors import DecodeError
from chain.votes.archive import collect_steps, read_archive
from chain.votes.checks import Flaw
from chain.votes.election import Election, read_election
from chain.votes.voter.audit import check_opening, read_opening, read_tracker


def audit(archive: Path, shown: str, opened: str) -> dict[str, Any]:
    """What the audited phone's two pictures say; raises DecodeError, OSError, Unreadable, Unsupported."""
    election = read_setup(archive)
    uuid, tracker = read_tracker(read_picture(shown))
    if uuid != election.uuid:
        return {"verdict": "invalid", "reason": "the first picture is of another election"}
    finding = check_opening(election, read_opening(read_picture(opened)), tracker)
    if finding.flaw:
        return {"verdict": "invalid", "tracker": tracker, "reason": finding.flaw}
    return {"verdict": "valid", "tracker": tracker, "choices": describe(election, finding.votes)}


def describe(election: Election, votes: tuple[tuple[int, ...], ...]) -> dict[str, list[str]]:
    """Choices in the words of the election, by question."""
    said = {}
    for question, row in zip(election.questions, votes, strict=True):
        names = ("(blank)", *question.answers) if question.blank is True else question.answers
        said[question.question] = [name for name, chosen in zip(names, row, strict=True) if chosen]
    return said


def read_setup(archive: Path) -> Election:
    """The election of an archive."""
    steps = collect_steps(read_archive(archive.read_bytes()))
    if isinstance(steps, Flaw) or not steps or steps[0].type != "Setup":
        raise DecodeError("the archive does not begin with an election")
    return read_election(steps[0].bodies[0])


def read_picture(given: str) -> str:
    """The text of a QR code: as typed, or out of a picture file that is named."""
    path = Path(given)
    if len(given) > 200 or not path.is_file():
        return given
    try:
        with Image.open(path) as picture:
            grey = picture.convert("L")
    except UnidentifiedImageError as error:
        raise DecodeError(f"{path} is no picture") from error
    found = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormat.QRCode)
    if not found:
        raise DecodeError(f"no QR code in {path}")
    return str(found[0].text)
