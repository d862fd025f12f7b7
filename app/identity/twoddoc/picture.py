"""The Data Matrix in a picture: PNG or JPEG bytes in, the code's text out.

Reads: nothing.  Never: a picture of more than PIXELS_MAX, however few bytes it takes.
"""

import io
import warnings
from typing import Final

import zxingcpp
from PIL import Image

PICTURE_BYTES_MAX: Final = 45_000
"""What a request of 64 KiB carries as base64: a cropped photograph of the code."""
PIXELS_MAX: Final = 4_000_000
FORMATS: Final = ("PNG", "JPEG")


class PictureUnreadable(Exception):
    """Not a picture, too large, or without exactly one Data Matrix."""


def read_picture(raw: bytes) -> str:
    """Text of the one Data Matrix in a picture; raises PictureUnreadable."""
    if len(raw) > PICTURE_BYTES_MAX:
        raise PictureUnreadable("size")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
                if picture.width * picture.height > PIXELS_MAX:
                    raise PictureUnreadable("pixels")
                grey = picture.convert("L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning) as error:
        raise PictureUnreadable("form") from error
    found = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormat.DataMatrix)
    if len(found) != 1:
        raise PictureUnreadable("code")
    return bytes(found[0].bytes).decode("latin-1")
