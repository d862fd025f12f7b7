"""What a refusal is before it is a document: raised by services and by programs that serve nothing.

    Problem            carries a code of the chain or of the API
    NodeUnavailable    no node answered (503, Retry-After)

Apart from `app.core.problems`, which writes the document, so that a command that follows a chain does not load Flask.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.core.codes import NODE_UNAVAILABLE, AnyCode

RETRY_AFTER_S: Final = 2


class Problem(Exception):
    """A refusal on its way to the client.

    `detail` adds the field or figure in English; `errors` lists fields; `extra` adds members such as
    the transaction's hash; `headers` such as Retry-After are kept.
    """

    def __init__(
        self,
        code: AnyCode,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code.name}: {detail}" if detail else code.name)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


class NodeUnavailable(Problem):
    """No configured node answered in time."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(NODE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)})
