"""One line per event on standard error: time, level, event, facts. Never a token, a body or a person."""

import sys

import structlog

LEVEL_INFO = 20
LEVEL_WARNING = 30


def configure_logging(*, quiet: bool = False) -> None:
    """Set structlog up for this process; `quiet` keeps warnings and errors only."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "event"], bool_as_flag=False
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVEL_WARNING if quiet else LEVEL_INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
