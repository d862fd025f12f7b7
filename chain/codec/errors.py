"""What a decoder says of bytes it will not accept."""


class DecodeError(ValueError):
    """The bytes are not the one canonical encoding of a value; the message says what and where."""
