"""CometBFT's own code as a judge: one Go process that answers questions line by line."""

import json
import select
import subprocess
from base64 import b64decode, b64encode
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from chain.codec.proto import encode
from chain.types.validator import ValidatorSet
from tests.cometbft.install import TOOLS

ANSWER_S = 60


@dataclass(frozen=True)
class Verdict:
    ok: bool
    why: str
    data: bytes


def members(validators: ValidatorSet) -> list[dict[str, Any]]:
    return [
        {"pub_key": b64encode(v.pub_key).decode(), "power": v.voting_power}
        for v in validators.validators
    ]


class Judge:
    """Use as a context manager; bytes are given as bytes, values of ours are encoded."""

    def __enter__(self) -> "Judge":
        self._process = subprocess.Popen(
            [TOOLS / "comet-judge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)

    def ask(self, do: str, **question: Any) -> Verdict:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"do": do} | {name: _plain(value) for name, value in question.items()})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        heard, _, _ = select.select([self._process.stdout], [], [], ANSWER_S)
        assert heard, f"comet-judge did not answer {do} within {ANSWER_S} s"
        answer = json.loads(self._process.stdout.readline())
        return Verdict(answer["ok"], answer.get("why", ""), b64decode(answer.get("bytes") or ""))


def _plain(value: Any) -> Any:
    if isinstance(value, ValidatorSet):
        return members(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, str | int | list):
        return value
    return b64encode(encode(value)).decode()
