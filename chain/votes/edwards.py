"""Ed25519's prime-order subgroup as a Belenios group, over PyNaCl, with the identity wrapped.

Elements are RFC 8032 encodings (32 bytes); their text is the same number written most significant digit
first, in hexadecimal. libsodium refuses scalar 0, results equal to the identity and the identity as a point,
so those cases are answered here before it is asked.
Source: glondu/belenios tag 3.3.0, doc/specification.tex §5.2 and src/lib/core/ed25519_pure.ml.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)
from nacl.exceptions import RuntimeError as SodiumError

from chain.codec.errors import DecodeError
from chain.crypto.ed25519 import L
from chain.votes.group import Element, NotMember, Power

_TEXT: Final = re.compile("[0-9a-f]{64}", re.ASCII)
_IDENTITY_BYTES: Final = (1).to_bytes(32, "little")
_IDENTITY: Final = Element(_IDENTITY_BYTES)
_BASE: Final = Element(crypto_scalarmult_ed25519_base_noclamp(_IDENTITY_BYTES))


@dataclass(frozen=True, slots=True)
class Edwards:
    """The subgroup of order L of Curve25519 in Edwards form. Elements are 32 bytes."""

    name: str = "Ed25519"
    order: int = L
    generator: Element = _BASE
    identity: Element = _IDENTITY

    def multiply(self, a: Element, b: Element) -> Element:
        """Sum of the two points."""
        return Element(crypto_core_ed25519_add(cast(bytes, a), cast(bytes, b)))

    def invert(self, a: Element) -> Element:
        """The opposite point."""
        return Element(crypto_core_ed25519_sub(_IDENTITY_BYTES, cast(bytes, a)))

    def power(self, base: Element, exponent: int) -> Element:
        """[exponent]base; raises NotMember when base is none (libsodium looks at every call)."""
        scalar = exponent % L
        if scalar == 0 or base == _IDENTITY:
            return self.identity
        try:
            point = crypto_scalarmult_ed25519_noclamp(
                scalar.to_bytes(32, "little"), cast(bytes, base)
            )
        except SodiumError as exc:
            raise NotMember("not a member of the group") from exc
        return Element(point)

    def powers(self, base: Element, exponents: Sequence[int]) -> tuple[Element, ...]:
        """One by one: libsodium offers nothing else."""
        return tuple(self.power(base, exponent) for exponent in exponents)

    def member_powers(self, base: Element, exponents: Sequence[int]) -> tuple[Element, ...]:
        """`powers`: libsodium looks at the point whenever it multiplies it; else we ask."""
        if not any(exponents) and not self.is_member(base):
            raise NotMember("not a member of the group")
        return self.powers(base, exponents)

    def generator_power(self, exponent: int) -> Element:
        """[exponent]B, from libsodium's own table."""
        scalar = exponent % L
        if scalar == 0:
            return self.identity
        return Element(crypto_scalarmult_ed25519_base_noclamp(scalar.to_bytes(32, "little")))

    def fix_base(self, base: Element) -> Power:
        """No table here: adding points costs a decompression each, more than it would save."""
        return lambda exponent: self.power(base, exponent)

    def is_member(self, a: Element) -> bool:
        """A canonical point of the prime-order subgroup, or the identity."""
        return a == _IDENTITY or crypto_core_ed25519_is_valid_point(cast(bytes, a))

    def encode(self, a: Element) -> str:
        """64 lower-case hexadecimal digits, most significant first."""
        return cast(bytes, a)[::-1].hex()

    def decode(self, text: str) -> Element:
        """64 lower-case hexadecimal digits; whether it is a point is for `is_member`."""
        if not _TEXT.fullmatch(text):
            raise DecodeError("not 64 lower-case hexadecimal digits")
        return Element(bytes.fromhex(text)[::-1])

    def sort_key(self, a: Element) -> int:
        """The number the text writes."""
        return int.from_bytes(cast(bytes, a), "little")


ED25519: Final = Edwards()
