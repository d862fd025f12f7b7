"""Whether the partial decryptions of a proved box are bound to its tally: the chain asks for it, no archive holds it.

Reads: an assembled box.  Writes: nothing.
"""

from app.cli.ballot_board import Assembled
from chain.codec.errors import DecodeError
from chain.votes import formats
from chain.votes.binding import is_bound
from chain.votes.checks import Flaw
from chain.votes.formats import PartialDecryption
from chain.votes.tally import Rows, check_decryption, read_rows
from chain.votes.verifier import Setup, open_setup


def find_unbound(assembled: Assembled) -> tuple[int, ...]:
    """Trustees whose share is not shown to decrypt the published tally; all of them when the records do not hold."""
    tally = next((s.bodies[0] for s in assembled.steps if s.type == "EncryptedTally"), None)
    if tally is None:
        return ()
    try:
        setup = open_setup(assembled.steps[0])
        if isinstance(setup, Flaw):
            return tuple(sorted(assembled.shares))
        rows = read_rows(setup.election, tally)
    except DecodeError:
        return tuple(sorted(assembled.shares))
    return tuple(
        rank for rank in sorted(assembled.shares) if not _holds(setup, rows, assembled, rank)
    )


def _holds(setup: Setup, rows: Rows, assembled: Assembled, rank: int) -> bool:
    line, key = assembled.shares[rank], setup.trustees.keys[rank - 1]
    record = formats.decode(PartialDecryption, line.share)
    factors = check_decryption(setup.election, rows, key, record)
    if isinstance(factors, Flaw):
        return False
    return is_bound(setup.election, rows, key, record, factors, line.bound)
