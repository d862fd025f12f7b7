"""The server library's own complaints, without the visitor: it would name the address, and quote what was sent.

A relay hands anonymous votes to a node, and a phone may: who called must be in no line of a node's log (PROTOCOL §8).
"""

import logging
import traceback
from typing import Final


class _Nameless(logging.Filter):
    """Keeps of a record where it came from, and nothing of the request."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        frames = traceback.extract_tb(error.__traceback__) if error is not None else None
        place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        record.msg = f"a request could not be handled: {type(error).__name__}{place}"
        record.args, record.exc_info, record.exc_text, record.stack_info = (), None, None, None
        return True


REQUESTS_LOG: Final = logging.getLogger("chain.rpc.requests")
REQUESTS_LOG.addFilter(_Nameless())
