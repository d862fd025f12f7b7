"""A registrar's own checks of a request, and its answer; everything looked at was proved before.

The chain refuses what is wrong, but a registrar answers for its own signature: it signs one value a citizen, with the
key it made itself for that station, and only values that a voter can have sent.
Reads: what it is given.  Writes: nothing.
"""

from dataclasses import dataclass

from app.cli.registrar.keyring import KeptKeys, Station, modulus_text
from app.cli.registrar.memory import Memory
from app.cli.registrar.register import Register, RequestState
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto.blind_rsa import SignerKey, blind_sign, is_blinded_message
from chain.crypto.randomness import RandomBytes
from chain.town.votes_schemas import IssuedSignature


class NotOurs(Exception):
    """The keys on the chain are not those of this machine."""


class Unfit(Exception):
    """A request this registrar does not sign; the message says why."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for this registrar, judged: what it will sign, with which key."""

    cid: str
    value: bytes
    signer: SignerKey


def check_keys(register: Register, kept: KeptKeys) -> dict[Station, SignerKey]:
    """The keys by station, each proved to be the one published; raises NotOurs, NotProved."""
    signers = kept.signers()
    for place in register.stations():
        mine = signers.get(place)
        if mine is None or register.key(kept.rank, place) != modulus_text(mine):
            raise NotOurs(
                f"station {'/'.join(place)}: the key on the chain is not this machine's; sign nothing, "
                "tell the electoral commission"
            )
    return signers


def judge_request(
    request: RequestState, rank: int, signers: dict[Station, SignerKey]
) -> Waiting | None:
    """What is to be signed of a request, None when it has its answer; raises Unfit."""
    if rank > len(request.signatures) or len(request.blinded) != len(request.signatures):
        raise Unfit("not a value for every registrar")
    if request.signatures[rank - 1]:
        return None
    signer = signers.get(request.place)
    if signer is None:
        raise Unfit(f"no key for station {'/'.join(request.place)}")
    try:
        value = b64url_decode(request.blinded[rank - 1])
    except DecodeError as error:
        raise Unfit("its value is not base64url") from error
    if not is_blinded_message(signer.public, value):
        raise Unfit("its value is out of range")
    return Waiting(request.cid, value, signer)


def sign_batch(
    batch: list[Waiting], memory: Memory, draw: RandomBytes
) -> tuple[IssuedSignature, ...]:
    """Answers sorted by citizen; what is signed is on the disk first. Raises OtherValue."""
    memory.remember({waiting.cid: waiting.value for waiting in batch})
    return tuple(
        IssuedSignature(waiting.cid, b64url_encode(blind_sign(waiting.signer, waiting.value, draw)))
        for waiting in sorted(batch, key=lambda each: each.cid)
    )
