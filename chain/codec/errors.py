"""What a decoder says of bytes it will not accept."""


class DecodeError(ValueError):
    """The bytes are not the one canonical encoding of a value; the message says what and where."""


class FrameTooLarge(DecodeError):
    """A stream announces more bytes than its reader takes."""
