"""The one thing a trustee decrypts: the encrypted tally that its own machine made out of the proved ballot box.

Nobody hands a trustee ciphertexts. The box is assembled from the chain, every ballot judged, the tally multiplied here
and compared with the published one; only then is it decrypted, once, and written down before it is sent.
Reads: an assembled box, secrets, the memory.  Writes: the memory.
"""

from dataclasses import dataclass

from app.cli.ballot_board import Assembled, ElectionState
from app.cli.trustee.memory import Decrypted, Memory
from app.cli.trustee.vault import Secrets
from chain.codec.errors import DecodeError
from chain.crypto.randomness import RandomBytes
from chain.votes import formats
from chain.votes.archive import hash_hex
from chain.votes.binding import bind_decryption
from chain.votes.checks import Flaw
from chain.votes.formats import PartialDecryption
from chain.votes.tally import Tally, check_decryption, decrypt_partially, encode_tally
from chain.votes.verifier import BallotJudge, Setup, count_ballots, open_setup, verify_records


class Refused(Exception):
    """This trustee does not decrypt: the message says what does not hold."""


@dataclass(frozen=True, slots=True)
class Decryption:
    """A share ready to be sent."""

    share: str
    bound: formats.Proof
    """Binds the share's factors to the tally (`chain.votes.binding`)."""
    tally_hash: str
    voters: int
    is_repeated: bool
    """Made before: the same bytes again."""


def decrypt_tally(
    election: ElectionState,
    assembled: Assembled,
    secrets: Secrets,
    memory: Memory,
    judge: BallotJudge,
    draw: RandomBytes,
) -> Decryption:
    """Verify everything, decrypt the tally, remember it; raises Refused, OtherTally, KeyFileError."""
    setup, tally = recompute(election, assembled, judge)
    body = encode_tally(setup.election, tally)
    keys = setup.trustees.keys
    scalar = int(secrets.scalar or 0)
    if secrets.rank > len(keys) or setup.election.g_power(scalar) != keys[secrets.rank - 1]:
        raise Refused("the election's key was not made with the secrets of this vault")
    known = memory.recall(secrets.election, secrets.rank, hash_hex(body))
    if known is not None:
        kept = _read_kept(known)
        bound = bind_decryption(setup.election, tally.rows, kept, scalar, draw)
        return Decryption(known.share, bound, known.tally_hash, tally.count, is_repeated=True)
    record = decrypt_partially(setup.election, tally.rows, scalar, draw)
    flaw = check_decryption(setup.election, tally.rows, keys[secrets.rank - 1], record)
    assert not isinstance(flaw, Flaw), "our own decryption holds"
    share = formats.encode(record).decode()
    memory.remember(secrets.election, secrets.rank, Decrypted(hash_hex(body), share))
    bound = bind_decryption(setup.election, tally.rows, record, scalar, draw)
    return Decryption(share, bound, hash_hex(body), tally.count, is_repeated=False)


def _read_kept(known: Decrypted) -> PartialDecryption:
    try:
        return formats.decode_exactly(PartialDecryption, known.share.encode())
    except DecodeError as error:
        raise Refused(f"the decryption this machine wrote down cannot be read: {error}") from error


def recompute(
    election: ElectionState, assembled: Assembled, judge: BallotJudge
) -> tuple[Setup, Tally]:
    """The tally of a box that holds in every way the verifier knows; raises Refused."""
    verdict = verify_records(assembled.archive, judge)
    if verdict.flaw is not None:
        raise Refused(f"{verdict.flaw.check}: {verdict.flaw.detail}")
    steps = assembled.steps
    if not any(step.type == "EncryptedTally" for step in steps):
        raise Refused("the ballot box is not closed")
    setup = open_setup(steps[0])
    assert not isinstance(setup, Flaw), "it was just verified"
    if setup.election.fingerprint != election.fingerprint:
        raise Refused("the records are of another election than the one published")
    last: dict[str, bytes] = {}
    for step in steps:
        if step.type == "Ballot":
            last[formats.decode(formats.Ballot, step.bodies[0]).credential] = step.bodies[0]
    return setup, count_ballots(setup, [last[name] for name in sorted(last)])
