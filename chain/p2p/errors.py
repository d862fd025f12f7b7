"""What a peer did wrong: a stable code for logs and counters, and a detail for people."""


class PeerFault(Exception):
    """The connection ends; `code` is counted and logged (`p2p_*`)."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
