"""The API's clock: real time, plus an offset file that only an insecure (test or demo) town honours.

Reads: the system clock and the offset file.  Never: used to decide a deadline of the chain.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from app.core.config import Config, ConfigError
from chain.town.params import all_parameters, unsafe_values

VALIDATORS_MIN: Final = 4
"""As `chain.town.city` counts: below, one fault stops the town."""


class Clock(Protocol):
    """Where the API takes the time from."""

    def now_s(self) -> int:
        """Unix seconds."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def now_s(self) -> int:
        return int(time.time())


@dataclass(frozen=True, slots=True)
class OffsetClock:
    """The machine's clock moved by the whole seconds written in `file`; a missing file means none."""

    file: Path

    def now_s(self) -> int:
        return int(time.time()) + self._offset_s()

    def _offset_s(self) -> int:
        try:
            return int(self.file.read_text(encoding="ascii").strip() or 0)
        except (OSError, ValueError):
            return 0


@dataclass(slots=True)
class FixedClock:
    """A clock that stands where it is put; for tests."""

    seconds: int

    def now_s(self) -> int:
        return self.seconds


def choose_clock(config: Config) -> Clock:
    """The machine's clock, or the offset one that the configuration asks for.

    Raises ConfigError when the town's genesis is secure: there the clock is nobody's to move.
    """
    if config.clock_offset_file is None:
        return SystemClock()
    if not is_insecure_genesis(config.genesis_file):
        raise ConfigError("BEFFROI_CLOCK_OFFSET_FILE is refused: this town is not insecure")
    return OffsetClock(config.clock_offset_file)


def is_insecure_genesis(path: Path) -> bool:
    """Whether a genesis names a town unfit for production; raises ConfigError if unreadable.

    The same two reasons the chain itself gives: a parameter outside its range, or fewer than four validators.
    """
    try:
        app_state = json.loads(path.read_text(encoding="utf-8"))["app_state"]
        stated, validators = app_state.get("params", {}), app_state["validators"]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path} is not a readable genesis") from error
    defaults = {parameter.name: parameter.default for parameter in all_parameters()}
    return bool(unsafe_values(defaults | stated)) or len(validators) < VALIDATORS_MIN
