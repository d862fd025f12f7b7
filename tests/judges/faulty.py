"""`python -m tests.judges.faulty HOW [MARK]`: a judge that goes wrong over its first task, as a process can.

dies: killed · hangs: sleeps for ever · loops: computes for ever, with a short alarm · lies: answers another ballot ·
babbles: says what no judge says. With a file MARK only the first process to make it goes wrong.
"""

import os
import signal
import sys
import time
from pathlib import Path

from chain.judges import worker
from chain.judges.frames import Answer, Task
from chain.votes.checks import Check, Flaw
from chain.votes.judging import Finding

_honest = worker._judge


def main() -> int:
    how, *mark = sys.argv[1:]
    if mark and not _is_first(Path(mark[0])):
        return worker.main()
    if how == "loops":
        worker.JUDGES_JOB_MAX_S = 0.2
        worker.find = _loop
    else:
        worker._judge = {"dies": _die, "hangs": _hang, "lies": _lie, "babbles": _babble}[how]
    return worker.main()


def _is_first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _die(_task: Task) -> Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("dead")


def _hang(_task: Task) -> Answer:
    time.sleep(3_600)
    raise AssertionError("woken")


def _loop(_record: bytes, _ballot: bytes) -> Finding:
    while True:
        pass


def _lie(task: Task) -> Answer:
    return Answer(task.number, b"\x00" * 32, Flaw(Check.BALLOT_SIGNATURE, "a lie"))


def _babble(task: Task) -> Answer:
    os.write(0, b"\xff" * 64)
    return _honest(task)


if __name__ == "__main__":
    sys.exit(main())
