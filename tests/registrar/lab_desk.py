"""Registrars' desks on the chain of `tests.api.lab`: an issuance, and `beffroi registrar` as its bodies run it.

issuance, lab = lab_issuance(citizens=3)      # the trustees' key is made
desk = Desk(monkeypatch, lab, folder)         # desk.run("keygen", rank=1) -> exit code, JSON answer
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from msgspec import Struct

from app.cli.main import main
from app.cli.registrar import command
from app.cli.registrar.keyring import KeptKey, KeptKeys, Keyring
from app.core.keyfiles import new_role_key, write_key_file
from app.core.sealedfiles import write_sealed_file
from chain.crypto.jws import SigningKey
from chain.types.abci import ExecTxResult
from tests.api.lab import URL, Lab
from tests.town.town_kit import ROLES, key
from tests.town.votes.issuing import CLASS, REGISTRARS, Issuance, registrar_key
from tests.town.votes.kit import BODIES, LAX, UUID, VOTE_ROLES
from tests.trustees.lab_chain import follow
from tests.trustees.lab_vote import LabTown

PASSPHRASE = "un beffroi de briques"


class DeskTown(LabTown):
    """The lab as the kit of issuance drives it."""

    def do(self, body: Struct, sender: str, *signers: SigningKey) -> ExecTxResult:
        return self.run(self.tx(body, sender, *signers))[0]

    def role(self, role: str) -> SigningKey:
        return next(key(f"{name}@{body}") for name, body in ROLES if name == role)


def lab_issuance(citizens: int = 3, **how: Any) -> tuple[Issuance, Lab]:
    """A sealed election on a lab."""
    lab = Lab(bodies=BODIES, roles=VOTE_ROLES, params=LAX)
    return Issuance.sealed(citizens, town=DeskTown(lab), **how), lab


class Desk:
    """Every registrar's machine in one folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder

        @contextmanager
        def open_lab(_options: Any) -> Iterator[Any]:
            lab.produce()
            chain = follow(lab)
            catch_up = chain.catch_up
            chain.catch_up = lambda: (lab.produce(), catch_up())[1]  # type: ignore[method-assign]
            yield chain

        monkeypatch.setattr(command, "open_chain", open_lab)

    def prepare(self, rank: int, body: str = "") -> list[str]:
        """A registrar's files; the options that name them."""
        return prepare_files(self.folder / f"desk{rank}", body or REGISTRARS[rank - 1])

    def place_keys(self, rank: int, *, number: int | None = None) -> None:
        """A key made beforehand (the kit's of this rank, or another), where `keygen` would have put its own."""
        signer = registrar_key(rank - 1 if number is None else number)
        only = KeptKey(station="1", weight_class=CLASS, p=f"{signer.p:x}", q=f"{signer.q:x}")
        kept = KeptKeys(election=UUID, rank=rank, keys=(only,))
        self.prepare(rank)
        path = Keyring(self.vault(rank), PASSPHRASE).path(UUID, rank)
        write_sealed_file(path, msgspec.to_builtins(kept), PASSPHRASE)

    def vault(self, rank: int) -> Path:
        return self.folder / f"desk{rank}" / "vault"

    def run(self, action: str, *, rank: int, body: str = "", options: tuple[str, ...] = ()) -> Any:
        """Exit code and answer of one command."""
        arguments = ["registrar", action, UUID, *self.prepare(rank, body), *options]
        outcome = CliRunner().invoke(main, [*arguments, "--node", URL, "--json"])
        if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        return outcome.exit_code, json.loads(outcome.stdout or "{}")


def prepare_files(folder: Path, body: str) -> list[str]:
    """Role key, passphrase and vault of a registrar; the options that name them."""
    if not (folder / "key.json").exists():
        seed = sha256(f"test key registrar@{body}".encode()).digest()
        write_key_file(folder / "key.json", new_role_key("registrar", body, seed=seed))
        (folder / "passphrase").write_text(PASSPHRASE + "\n")
        (folder / "passphrase").chmod(0o600)
    return [
        *("--key", str(folder / "key.json")),
        *("--vault", str(folder / "vault")),
        *("--passphrase-file", str(folder / "passphrase")),
    ]
