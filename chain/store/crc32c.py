"""CRC-32C (Castagnoli, RFC 3720 appendix B.4), which guards every record of the write-ahead log.

The standard library has only CRC-32 (IEEE). A byte-by-byte loop costs 60 ns a byte in Python, which a
full block feels; long inputs are therefore folded in halves with `bytes.translate`, at C speed: a CRC is
linear over GF(2), so the first half can be advanced over the second by a fixed 32 x 32 bit matrix, applied
to all its words at once as sixteen byte tables.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

_POLYNOMIAL: Final = 0x82F63B78
"""Reflected form."""
_LOOP_BELOW_BYTES: Final = 256
"""Shorter inputs go through the plain loop: folding costs about 10 us a level."""


def _byte_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE: Final = _byte_table()


def crc32c(data: bytes) -> int:
    """Checksum of `data`, 0 to 2^32-1."""
    if len(data) < _LOOP_BELOW_BYTES:
        return _advance(0xFFFFFFFF, data) ^ 0xFFFFFFFF
    # The initial register 0xFFFFFFFF equals the complement of the first four bytes.
    head = bytes(byte ^ 0xFF for byte in data[:4])
    folded_size = len(data) & ~3
    words = head + data[4:folded_size]
    register = _advance(0, _fold(words))
    return _advance(register, data[folded_size:]) ^ 0xFFFFFFFF


def crc32c_prefixes(data: bytes) -> Iterator[int]:
    """Checksums of the first 1, 2, 3... bytes of `data`."""
    register = 0xFFFFFFFF
    for byte in data:
        register = _TABLE[(register ^ byte) & 0xFF] ^ (register >> 8)
        yield register ^ 0xFFFFFFFF


def _advance(register: int, data: bytes) -> int:
    for byte in data:
        register = _TABLE[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register


def _fold(words: bytes) -> bytes:
    """Shorten a multiple of 4 bytes to under 256 with the same remainder from a zero register."""
    while len(words) >= _LOOP_BELOW_BYTES:
        half_words = 1 << ((len(words) // 4 - 1).bit_length() - 1)
        tail = words[-4 * half_words :]
        front = words[: -4 * half_words]
        # Advanced over `half_words`, `front` (never longer than `tail`) lands on the end of `tail`.
        kept = len(tail) - len(front)
        words = tail[:kept] + _xor(_multiply(front, half_words), tail[kept:])
    return words


def _multiply(words: bytes, shift_words: int) -> bytes:
    """Each 32-bit word advanced over `shift_words` words of zeros."""
    tables = _shift_tables(shift_words)
    lanes = [words[offset::4] for offset in range(4)]
    result = bytearray(len(words))
    for out in range(4):
        mixed = 0
        for into in range(4):
            mixed ^= int.from_bytes(lanes[into].translate(tables[into][out]), "little")
        result[out::4] = mixed.to_bytes(len(words) // 4, "little")
    return bytes(result)


def _xor(left: bytes, right: bytes) -> bytes:
    mixed = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
    return mixed.to_bytes(len(left), "little")


@cache
def _shift_tables(shift_words: int) -> tuple[tuple[bytes, ...], ...]:
    """[input byte][output byte] -> 256-byte table of the matrix "advance over `shift_words` zero words"."""
    columns = [_advance_zeros(1 << bit, shift_words) for bit in range(32)]
    tables = []
    for into in range(4):
        images = []
        for byte in range(256):
            image = 0
            for bit in range(8):
                if byte >> bit & 1:
                    image ^= columns[8 * into + bit]
            images.append(image)
        tables.append(tuple(bytes(i >> (8 * out) & 0xFF for i in images) for out in range(4)))
    return tuple(tables)


def _advance_zeros(register: int, words: int) -> int:
    """Register after `words` (a power of two) zero words, by repeated squaring of the matrix."""
    columns = [_advance(1 << bit, b"\0\0\0\0") for bit in range(32)]
    while words > 1:
        columns = [_apply(columns, column) for column in columns]
        words >>= 1
    return _apply(columns, register)


def _apply(columns: list[int], vector: int) -> int:
    image = 0
    bit = 0
    while vector:
        if vector & 1:
            image ^= columns[bit]
        vector >>= 1
        bit += 1
    return image
