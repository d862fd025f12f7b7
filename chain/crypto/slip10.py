"""SLIP-0010 for Ed25519: one seed, one key per domain and epoch, hardened steps only.

Hardened-only means that no public key of one domain leads to that of another: accounts of one person stay
unlinkable by key. Beffroi's paths are m/1100'/domain'/epoch'.
Source: satoshilabs/slips slip-0010.md.
"""

import hmac
import re
from enum import IntEnum
from hashlib import sha512
from typing import Final

from chain.limits import SLIP10_DEPTH_MAX

PURPOSE: Final = 1_100
HARDENED: Final = 2**31
SEED_MIN_BYTES: Final = 16
SEED_MAX_BYTES: Final = 64

_MASTER_KEY: Final = b"ed25519 seed"
_PATH: Final = re.compile(r"m(/(0|[1-9][0-9]{0,9})['hH])*", re.ASCII)


class Domain(IntEnum):
    """Second step of a path: what the key is for."""

    IDENTITY = 0
    LOYALTY = 1
    SEL = 2
    ENERGY = 3
    VOTE = 4
    DOCUMENT = 5


def derive(seed: bytes, path: str) -> bytes:
    """Ed25519 seed (32 bytes) at a path such as `m/1100'/1'/0'`.

    `seed` 16 to 64 bytes (BIP-39 gives 64). Raises ValueError on another size, and on a path that is not
    written in full or has a step that is not hardened or beyond 2^31-1.
    """
    return derive_node(seed, path)[0]


def derive_node(seed: bytes, path: str) -> tuple[bytes, bytes]:
    """(key, chain code) at a path, 32 bytes each; errors as `derive`."""
    if not SEED_MIN_BYTES <= len(seed) <= SEED_MAX_BYTES:
        raise ValueError(f"seed of {len(seed)} bytes, not 16 to 64")
    key, chain_code = _split(_MASTER_KEY, seed)
    for index in _indices(path):
        data = b"\x00" + key + (index + HARDENED).to_bytes(4, "big")
        key, chain_code = _split(chain_code, data)
    return key, chain_code


def domain_path(domain: Domain, epoch: int = 0) -> str:
    """The path of a domain's key; a new epoch makes an unrelated key (votes use one per election)."""
    if not 0 <= epoch < HARDENED:
        raise ValueError(f"epoch out of range: {epoch}")
    return f"m/{PURPOSE}'/{int(domain)}'/{epoch}'"


def _split(key: bytes, data: bytes) -> tuple[bytes, bytes]:
    digest = hmac.new(key, data, sha512).digest()
    return digest[:32], digest[32:]


def _indices(path: str) -> list[int]:
    if not _PATH.fullmatch(path):
        raise ValueError("a path is m followed by hardened steps, such as m/1100'/1'/0'")
    indices = [int(step[:-1]) for step in path.split("/")[1:]]
    if len(indices) > SLIP10_DEPTH_MAX or any(index >= HARDENED for index in indices):
        raise ValueError(f"a path has at most {SLIP10_DEPTH_MAX} steps, each below 2^31")
    return indices
