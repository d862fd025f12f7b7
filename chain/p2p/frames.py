"""Frames: length (4 bytes, big-endian) ‖ channel (1 byte) ‖ message. Sizes are judged from the first five bytes.

Reads: bytes as they come.  Writes: nothing.  Never: holds more than one frame of its channel's limit.
"""

from chain.p2p.channels import CHANNELS, ChannelId
from chain.p2p.errors import PeerFault

HEADER_BYTES = 5


def encode_frame(channel: ChannelId, message: bytes) -> bytes:
    """One frame; a message above its channel's limit is a mistake of ours (ValueError)."""
    if len(message) > CHANNELS[channel].max_bytes:
        raise ValueError(f"{len(message)} bytes on channel {channel.name}")
    return len(message).to_bytes(4, "big") + bytes((channel,)) + message


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[ChannelId, bytes]]:
        """Frames that `data` completes, in order.

        Raises PeerFault as soon as a header announces an unknown channel or more than the channel allows.
        """
        self._buffer += data
        frames: list[tuple[ChannelId, bytes]] = []
        start = 0
        while len(self._buffer) - start >= HEADER_BYTES:
            length = int.from_bytes(self._buffer[start : start + 4], "big")
            channel = _check_header(length, self._buffer[start + 4])
            end = start + HEADER_BYTES + length
            if len(self._buffer) < end:
                break
            frames.append((channel, bytes(self._buffer[start + HEADER_BYTES : end])))
            start = end
        del self._buffer[:start]
        return frames


def _check_header(length: int, number: int) -> ChannelId:
    try:
        channel = ChannelId(number)
    except ValueError as error:
        raise PeerFault("p2p_unknown_channel", f"channel {number:#04x}") from error
    if length > CHANNELS[channel].max_bytes:
        raise PeerFault("p2p_frame_too_large", f"{length} bytes on {channel.name}")
    return channel
