"""`beffroi` commands as processes of their own, forked from one that has loaded them: nineteen starts cost one.

Reads: nothing.  Writes: what the commands write.  Never: shares memory between two of them.
"""

import io
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from subprocess import CompletedProcess
from typing import Final

from app.cli.main import main

LOADED: Final = ("app.cli.registrar.command", "app.cli.trustee.command", "app.cli.votes")
PROGRAM_MAX_S: Final = 120
"""As long as `RealTown.run_job` waits."""
KILLED_S: Final = 5
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(LOADED))


def run_program(arguments: Sequence[str], environment: Mapping[str, str]) -> CompletedProcess[str]:
    """A command's exit code and what it printed; raises TimeoutError."""
    own, its = _context.Pipe(duplex=False)
    process = _context.Process(
        target=_play, args=(list(arguments), dict(environment), its), daemon=True
    )
    process.start()
    its.close()
    try:
        if not own.poll(PROGRAM_MAX_S):
            raise TimeoutError(f"{' '.join(arguments[:2])}: nothing within {PROGRAM_MAX_S} s")
        code, out, err = own.recv()
    except EOFError:
        code, out, err = 1, "", "it died without a word"
    finally:
        process.kill()
        process.join(KILLED_S)
        own.close()
    return CompletedProcess(list(arguments), code, out, err)


def _play(arguments: list[str], environment: dict[str, str], told: Connection) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["beffroi", *arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(arguments, prog_name="beffroi")
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    told.send((code, out.getvalue(), err.getvalue()))
