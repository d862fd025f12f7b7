"""Read the pixels of a PNG picture, as a till's camera software would hand them to the QR reader.

Only what PNG files of QR codes use: not interlaced, greyscale, palette or RGB(A), 1 to 8 bits a sample.
Reads: bytes.  Writes: nothing.  Never: touches the network or the disk.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MAX_SIDE_PX: Final = 4_096
"""A till refuses larger pictures: 16 MiB of grey is already more than a phone's screen holds."""
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples per pixel by colour type (PNG specification, table 11.1)."""


class NotAPicture(ValueError):
    """The bytes are not a PNG this reader understands."""


@dataclass(frozen=True, slots=True)
class GreyPicture:
    """One byte per pixel, row after row; 0 is black."""

    width: int
    height: int
    pixels: bytes

    def as_buffer(self) -> memoryview:
        """The two-dimensional view that zxing-cpp reads without a copy."""
        return memoryview(self.pixels).cast("B", (self.height, self.width))


@dataclass(frozen=True, slots=True)
class _Layout:
    width: int
    height: int
    depth: int
    channels: int
    is_palette: bool

    @property
    def row_bytes(self) -> int:
        return (self.width * self.depth * self.channels + 7) // 8

    @property
    def step_bytes(self) -> int:
        """Distance to the same sample of the pixel on the left, at least one byte."""
        return max(1, self.depth * self.channels // 8)


def decode_png(data: bytes) -> GreyPicture:
    """Pixels of a PNG file as greys.

    Raises NotAPicture on anything else. Source: PNG specification (third edition) §9, §10, §11.
    """
    chunks = _read_chunks(data)
    layout = _read_layout(chunks)
    size = (layout.row_bytes + 1) * layout.height
    raw = _inflate(b"".join(body for name, body in chunks if name == b"IDAT"), size)
    palette = b"".join(body for name, body in chunks if name == b"PLTE")
    pixels = bytearray()
    above = bytes(layout.row_bytes)
    for row in range(layout.height):
        start = row * (layout.row_bytes + 1)
        line = raw[start + 1 : start + 1 + layout.row_bytes]
        above = _unfilter(raw[start], line, above, layout.step_bytes)
        pixels += _greys(above, layout, palette)
    return GreyPicture(layout.width, layout.height, bytes(pixels))


def _read_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    if data[:8] != SIGNATURE:
        raise NotAPicture("no PNG signature")
    chunks, offset = [], 8
    while offset + 12 <= len(data):
        size = int.from_bytes(data[offset : offset + 4], "big")
        name, body = data[offset + 4 : offset + 8], data[offset + 8 : offset + 8 + size]
        checksum = data[offset + 8 + size : offset + 12 + size]
        if len(checksum) != 4 or zlib.crc32(name + body) != int.from_bytes(checksum, "big"):
            raise NotAPicture("damaged chunk")
        chunks.append((name, body))
        offset += 12 + size
        if name == b"IEND":
            return chunks
    raise NotAPicture("the file ends early")


def _read_layout(chunks: list[tuple[bytes, bytes]]) -> _Layout:
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise NotAPicture("no header")
    width, height, depth, colour, method, filtering, interlace = struct.unpack(
        ">IIBBBBB", chunks[0][1]
    )
    supported = colour in _CHANNELS and depth in (1, 2, 4, 8) and (depth == 8 or colour in (0, 3))
    if not supported or method or filtering or interlace:
        raise NotAPicture("a kind of PNG that no QR picture uses")
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
        raise NotAPicture("the picture is too large")
    return _Layout(width, height, depth, _CHANNELS[colour], colour == 3)


def _inflate(data: bytes, size: int) -> bytes:
    """Exactly `size` bytes; bounded, so that a small file cannot fill the memory."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, size)
    except zlib.error as error:
        raise NotAPicture("damaged pixel data") from error
    if len(raw) != size:
        raise NotAPicture("pixel data of another size")
    return raw


def _unfilter(kind: int, line: bytes, above: bytes, step: int) -> bytes:
    """Undo the filter of one row (PNG specification §9.2)."""
    if kind == 0:
        return line
    if kind > 4:
        raise NotAPicture("unknown filter")
    out = bytearray(line)
    for index in range(len(out)):
        left = out[index - step] if index >= step else 0
        up = above[index]
        corner = above[index - step] if index >= step else 0
        guess = (left, up, (left + up) // 2, _paeth(left, up, corner))[kind - 1]
        out[index] = (out[index] + guess) & 0xFF
    return bytes(out)


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    nearest = sorted(
        ((abs(estimate - left), 0), (abs(estimate - up), 1), (abs(estimate - corner), 2))
    )
    return (left, up, corner)[nearest[0][1]]


def _greys(row: bytes, layout: _Layout, palette: bytes) -> bytes:
    """Grey values of one unfiltered row; transparency is ignored, as on a screen with a white page."""
    samples = _samples(row, layout)
    if layout.is_palette:
        if 3 * max(samples) + 3 > len(palette):
            raise NotAPicture("a colour that the palette does not have")
        return bytes(_luma(*palette[3 * s : 3 * s + 3]) for s in samples)
    if layout.channels >= 3:
        step = layout.channels
        return bytes(_luma(*samples[i : i + 3]) for i in range(0, len(samples), step))
    scale = 255 // ((1 << layout.depth) - 1)
    return bytes(s * scale for s in samples[:: layout.channels])


def _samples(row: bytes, layout: _Layout) -> bytes:
    if layout.depth == 8:
        return row[: layout.width * layout.channels]
    depth, per_byte, mask = layout.depth, 8 // layout.depth, (1 << layout.depth) - 1
    spread = bytes(
        (byte >> (8 - depth * (slot + 1))) & mask for byte in row for slot in range(per_byte)
    )
    return spread[: layout.width]


def _luma(red: int, green: int, blue: int) -> int:
    """ITU-R BT.601 grey, in integers."""
    return (299 * red + 587 * green + 114 * blue) // 1000
