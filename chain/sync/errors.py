"""What ends a node during block sync."""


class SyncFailure(Exception):
    """More than two thirds of the power decided a block that this node finds invalid: it must stop.

    Either this node's state went another way than the town's, or a third of the power lies; `code` is stable.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
