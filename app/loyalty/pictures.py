"""QR pictures: `BF1:` codes and a shop's printed code of the day, at the error level of their use.

A shop's printed code is a link that opens the app, which shows the shop's registered name from the chain. It holds
nothing secret; it changes every day, so a sheet found elsewhere, or pasted over another, is out of date tomorrow.
Reads: values.  Writes: PNG and SVG bytes.  Never: keeps what it draws.
Source: research page "loyalty", §5.1 (b), §5.2; levels and versions ISO/IEC 18004.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import Final, Literal

import segno

SECONDS_PER_DAY: Final = 86_400
LEVELS: Final = {"screen": "m", "print": "q", "poster": "h"}
"""Error level by use: a screen is bright and close, paper is folded, a poster gets dirty."""
QUIET_MODULES: Final = 4
POSTER_BITS: Final = 50
POSTER_CHARS: Final = 10
NIGHT_S: Final = 4 * 3_600
"""Yesterday's sheet still opens the shop for this long after midnight UTC."""
CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Format = Literal["png", "svg"]


def draw(text: str, *, use: str, kind: Format, scale: int) -> bytes:
    """A picture of `text` at the level of `use`, never boosted; `scale` pixels per module."""
    picture = BytesIO()
    code = segno.make_qr(text, error=LEVELS[use], boost_error=False)
    code.save(picture, kind=kind, scale=scale, border=QUIET_MODULES)
    return picture.getvalue()


def compute_poster(chain_id: str, shop: str, day: int) -> str:
    """Ten Crockford characters that name a shop on one day (days since 1970, UTC)."""
    said = f"beffroi-poster\x00{chain_id}\x00{shop}\x00{day}".encode()
    number = int.from_bytes(sha256(said).digest()[:8], "big") >> (64 - POSTER_BITS)
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(POSTER_BITS - 5, -1, -5))


def poster_text(public_url: str, poster: str) -> str:
    """The link of a printed code, in capitals, so that a QR code holds it in its alphanumeric mode."""
    return f"{public_url}/P/{poster}".upper()


def find_poster(
    poster: str, chain_id: str, shops: Iterable[str], *, now_s: int
) -> tuple[str, int] | None:
    """(shop, day) that a printed code names now, or None: unknown, or of another day."""
    today = now_s // SECONDS_PER_DAY
    days = [today, today - 1] if now_s % SECONDS_PER_DAY < NIGHT_S else [today]
    wanted = poster.upper()
    for shop in shops:
        for day in days:
            if compute_poster(chain_id, shop, day) == wanted:
                return shop, day
    return None


def day_text(day: int) -> str:
    """Date of a day number, ISO 8601."""
    return datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC).date().isoformat()
