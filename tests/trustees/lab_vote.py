"""An election of `tests.town.votes.kit` on the chain of `tests.api.lab`: what programs over the RPC act on.

vote, lab = lab_vote()                 # published nothing yet
trustee(lab, "ceremony", rank, folder) # `beffroi trustee` on that chain, its answer and exit code
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec import Struct

from app.cli import votes
from app.cli.main import main
from app.cli.trustee import command
from app.cli.trustee.vault import Secrets, Vault
from app.core.keyfiles import new_role_key, write_key_file
from chain.crypto.jws import SigningKey
from chain.town.application import StoreReader
from chain.town.envelope import build_transaction
from chain.types.abci import ExecTxResult, RequestQuery
from tests.api.lab import URL, Lab
from tests.town.town_kit import key
from tests.town.votes.kit import BODIES, LAX, VOTE_ROLES, Vote, lenient_router, make_body
from tests.trustees.lab_chain import follow
from tests.votes.kit import seeded

PASSPHRASE = "un beffroi de briques"


class LabTown:
    """`tests.town.town_kit.Town`, as far as elections need it, on a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.town = lab.town
        self._nonces = count(1)

    @property
    def now_s(self) -> int:
        return self.lab.now_s

    @now_s.setter
    def now_s(self, value: int) -> None:
        self.lab.now_s = value

    @property
    def height(self) -> int:
        return self.lab.height

    @property
    def reader(self) -> Any:
        return StoreReader(self.lab.store)

    def status(self) -> dict[str, Any]:
        return json.loads(self.lab.app.query(RequestQuery(path="/status")).value)

    def tx(self, body: Struct, sender: str, *signers: SigningKey) -> bytes:
        nonce16 = next(self._nonces).to_bytes(16, "big")
        return build_transaction(self.town, sender, body, signers, nonce16, self.now_s + 600)

    def role(self, role: str) -> SigningKey:
        """The genesis key of a role (the first body that holds it)."""
        return next(key(f"{name}@{body}") for name, body in VOTE_ROLES if name == role)

    def do(self, body: Struct, sender: str, *signers: SigningKey) -> ExecTxResult:
        return self.run(self.tx(body, sender, *signers))[0]

    def run(self, *txs: bytes) -> list[ExecTxResult]:
        return list(self.lab.results[self.lab.produce(*txs)])


def lab_vote(**changes: Any) -> tuple[Vote, Lab]:
    """An election that can be published on a lab whose issuance asks for nothing."""
    lab = Lab(router=lenient_router(), bodies=BODIES, roles=VOTE_ROLES, params=LAX)
    town: Any = LabTown(lab)
    return Vote(town, make_body(town, **changes), seeded("lab vote")), lab


def prepare_desk(folder: Path, body: str) -> list[str]:
    """A trustee's files; the options that name them."""
    if not (folder / "key.json").exists():
        role = new_role_key(
            "trustee", body, seed=sha256(f"test key trustee@{body}".encode()).digest()
        )
        write_key_file(folder / "key.json", role)
        (folder / "passphrase").write_text(PASSPHRASE + "\n")
        (folder / "passphrase").chmod(0o600)
    return [
        *("--key", str(folder / "key.json")),
        *("--vault", str(folder / "vault")),
        *("--passphrase-file", str(folder / "passphrase")),
    ]


def keep_secrets(folder: Path, vote: Vote, rank: int) -> None:
    """Put the secrets of a ceremony held by the kit into a trustee's vault."""
    prepare_desk(folder, vote.body.trustees[rank - 1])
    Vault(folder / "vault", PASSPHRASE).keep(
        Secrets(
            election=vote.uuid,
            rank=rank,
            group=vote.body.group,
            scalar=str(vote.trustee_secrets[rank - 1]),
        )
    )


def trustee(
    monkeypatch: pytest.MonkeyPatch, lab: Lab, action: str, election: str, *options: str
) -> tuple[int, dict[str, Any]]:
    """Run `beffroi trustee` against the lab; exit code and its JSON answer."""

    monkeypatch.setattr(command, "open_chain", open_lab(lab))
    return run_command("trustee", action, election, *options)


def fetch(
    monkeypatch: pytest.MonkeyPatch, lab: Lab, election: str, out: Path
) -> tuple[int, dict[str, Any]]:
    """Run `beffroi votes fetch` against the lab."""
    monkeypatch.setattr(votes, "open_chain", open_lab(lab))
    return run_command("votes", "fetch", election, "--out", str(out))


def open_lab(lab: Lab) -> Any:
    """What takes the place of `open_chain`."""

    @contextmanager
    def opened(_options: Any) -> Iterator[Any]:
        lab.produce()
        yield follow(lab)

    return opened


def run_command(*arguments: str) -> tuple[int, dict[str, Any]]:
    """A command on a chain; exit code and JSON answer."""
    outcome = CliRunner().invoke(main, [*arguments, "--node", URL, "--json"])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, json.loads(outcome.stdout or "{}")
