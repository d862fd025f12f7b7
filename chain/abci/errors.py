"""Why an ABCI call is not answered; each has a stable `code` that the exception text and the log carry.

AbciRefusal      `abci_*`   the client's call is wrong; nothing of it was executed, its connection is closed
AbciCallFailed              the other side answered an exception, or something that answers nothing we asked
"""

from typing import Final

ORDER: Final = "abci_order"
"""The grammar of the specification does not allow this call now."""
HEIGHT: Final = "abci_height"
"""The call names another height than the one that comes next."""
CHAIN_EXISTS: Final = "abci_chain_exists"
"""InitChain, but the application holds blocks of a chain already."""
VERSION: Final = "abci_version"
"""The engine speaks another version of ABCI or of blocks."""
EXTENSIONS_OFF: Final = "abci_extensions_off"
"""Vote extensions are not used here."""
FRAME_TOO_LARGE: Final = "abci_frame_too_large"
"""The announced size is above the limit; refused before anything was read."""
MALFORMED: Final = "abci_malformed"
"""The bytes are no request."""
CONSENSUS_TAKEN: Final = "abci_consensus_taken"
"""Another connection drives consensus: two engines must never share one application."""
REFUSED: Final = "abci_refused"
"""The application refuses the call (a genesis it cannot start from)."""
BROKEN: Final = "abci_application_failed"
"""The application met a broken invariant: it answers this and its process stops."""


class AbciRefusal(Exception):
    """One refused call."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class AbciCallFailed(Exception):
    """The call brought no answer; `code` is the part before the colon of the exception's text, if it has one."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.partition(":")[0]
