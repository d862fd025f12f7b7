"""RFC 9474 vectors: every step of each variant, with the vector's own chance.

`python -m tests.vectors.blindrsa PATH…`. Our functions take their randomness from the caller, so the vector's
prefix, salt and blind are played through the functions the town uses, not through a test double.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import SignerKey, SignerPublicKey, Variant
from chain.crypto.randomness import RandomBytes
from tests.vectors.runner import load_json, main

_CASE = {"name", "p", "q", "n", "e", "msg", "inv", "blinded_msg", "blind_sig", "sig"}


def replay(path: Path) -> int | None:
    """Vectors checked, None when the file holds none."""
    content = load_json(path)
    if isinstance(content, dict):
        content = next((value for value in content.values() if isinstance(value, list)), [content])
    if not isinstance(content, list) or not content:
        return None
    if not all(isinstance(case, dict) and set(case) >= _CASE for case in content):
        return None
    for case in content:
        _check(case)
    return len(content)


def scripted(parts: Iterable[bytes]) -> RandomBytes:
    """A source that gives these values, each padded on the left to the size asked."""
    values: Iterator[bytes] = iter(parts)

    def draw(size_bytes: int) -> bytes:
        value = next(values).rjust(size_bytes, b"\x00")
        assert len(value) == size_bytes, f"{size_bytes} random bytes asked, {len(value)} scripted"
        return value

    return draw


def _check(case: dict[str, Any]) -> None:
    name = case["name"]
    public = SignerPublicKey(_int(case["n"]), _int(case["e"]))
    key = SignerKey(public, _int(case["p"]), _int(case["q"]))
    variant = _variant(case)
    prepared = blind_rsa.prepare(
        variant, _bytes(case["msg"]), scripted([_bytes(case.get("msg_prefix", ""))])
    )
    assert prepared == _bytes(case.get("input_msg", case["msg"])), f"{name}: input_msg"
    inverse = _int(case["inv"])
    r = pow(inverse, -1, public.n)
    chance = scripted([_bytes(case.get("salt", "")), (r - 1).to_bytes(public.size_bytes, "big")])
    blinded = blind_rsa.blind(public, variant, prepared, chance)
    assert blinded.message == _bytes(case["blinded_msg"]), f"{name}: blinded_msg"
    assert blinded.inverse == inverse, f"{name}: inv"
    signed = blind_rsa.blind_sign(key, blinded.message, scripted([b"\x07", b"\x0b", b"\x0d"]))
    assert signed == _bytes(case["blind_sig"]), f"{name}: blind_sig"
    signature = blind_rsa.finalize(public, variant, prepared, signed, blinded.inverse)
    assert signature == _bytes(case["sig"]), f"{name}: sig"
    _check_only_this_verifies(name, public, variant, prepared, signature)


def _check_only_this_verifies(
    name: str, public: SignerPublicKey, variant: Variant, prepared: bytes, signature: bytes
) -> None:
    assert blind_rsa.verify(public, variant, prepared, signature), f"{name}: not verified"
    assert not blind_rsa.verify(public, variant, prepared + b"\x00", signature), f"{name}: message"
    flipped = signature[:-1] + bytes([signature[-1] ^ 1])
    assert not blind_rsa.verify(public, variant, prepared, flipped), f"{name}: other signature"
    for other in blind_rsa.VARIANTS.values():
        if other.salt_bytes != variant.salt_bytes:
            assert not blind_rsa.verify(public, other, prepared, signature), f"{name}: salt size"


def _variant(case: dict[str, Any]) -> Variant:
    """By name when it is one of the RFC's, else by salt size and prefix."""
    named = blind_rsa.VARIANTS.get(case["name"])
    if named is not None:
        return named
    salt_bytes, is_randomized = _int(case["sLen"]), bool(_int(case.get("is_randomized", 0)))
    return next(
        variant
        for variant in blind_rsa.VARIANTS.values()
        if (variant.salt_bytes, variant.is_randomized) == (salt_bytes, is_randomized)
    )


def _int(text: str | int) -> int:
    return text if isinstance(text, int) else int(text, 16)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


if __name__ == "__main__":
    main(replay)
