"""Registrars and trustees at work: `beffroi registrar` and `beffroi trustee`, a process and a folder for each body.

Reads: role keys.  Writes: a folder per body, with its passphrase and what its program seals there.
"""

import json
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.cli.demo.report import check
from app.cli.demo.verify import Verifier
from chain.codec.canonical import b64url_decode


class Stage(Protocol):
    """What these programs need of the place the story is played on."""

    genesis: Path
    keys_dir: Path
    node_urls: tuple[str, ...]

    def run_program(self, *arguments: str) -> subprocess.CompletedProcess[str]: ...


@dataclass(frozen=True, slots=True)
class Offices:
    """Bodies outside city hall, each with a machine (here: a folder) of its own."""

    stage: Stage

    @property
    def folder(self) -> Path:
        """Where they keep what is theirs."""
        return self.stage.keys_dir.parent / "offices"

    def work(
        self, election: str, verifier: Verifier, *jobs: tuple[str, ...]
    ) -> list[dict[str, Any]]:
        """Several at once: (role, body, action, options…); what each says. Raises CheckFailed unless all exit 0."""
        with ThreadPoolExecutor(len(jobs)) as pool:
            return list(pool.map(lambda job: self._one(election, verifier, *job), jobs))

    def _one(
        self, election: str, verifier: Verifier, role: str, body: str, action: str, *more: str
    ) -> dict[str, Any]:
        folder = self.folder / body
        folder.mkdir(parents=True, exist_ok=True)
        passphrase = folder / "passphrase"
        if not passphrase.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text(f"le beffroi de {body}\n", encoding="utf-8")
        own = (
            *("--key", str(self.stage.keys_dir / f"{role}-{body}.json")),
            *("--vault", str(folder)),
            *("--passphrase-file", str(passphrase)),
        )
        return self.run(role, action, election, *own, *self.follow(verifier), *more)

    def follow(self, verifier: Verifier) -> Sequence[str]:
        """Options that name the nodes, none of which is believed, and the checkpoint read at city hall."""
        pinned = verifier.checkpoint
        digest = b64url_decode(pinned.header_hash).hex()
        return (
            *(word for url in self.stage.node_urls for word in ("--node", url)),
            *("--trust-height", str(pinned.height), "--trust-hash", digest),
            *("--genesis", str(self.stage.genesis)),
        )

    def run(self, *arguments: str) -> dict[str, Any]:
        """A `beffroi` command's answer; raises CheckFailed unless it exits 0."""
        ran = self.stage.run_program(*arguments, "--json")
        told = f"{ran.stdout}{ran.stderr}".strip()
        check(ran.returncode == 0, f"{' '.join(arguments[:2])}: exit {ran.returncode}: {told}")
        return dict(json.loads(ran.stdout))
