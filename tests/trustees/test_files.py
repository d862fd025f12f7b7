"""Sealed files, the vault and the memory of a trustee's machine."""

import json
import os
from pathlib import Path

import pytest

from app.cli.trustee.memory import Decrypted, Memory, OtherTally
from app.cli.trustee.vault import Secrets, Vault
from app.core.keyfiles import KeyFileError
from app.core.sealedfiles import WrongPassphrase, read_sealed_file, write_sealed_file

PASSPHRASE = "un beffroi de briques"
SECRETS = Secrets(election="68cdtCgcBHmHAb", rank=2, group="Ed25519", seed="s" * 22)
TALLY, OTHER = "aa" * 32, "bb" * 32


def test_a_sealed_file_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "x.sealed"
    write_sealed_file(path, {"seed": "canary-seed"}, PASSPHRASE)
    assert read_sealed_file(path, PASSPHRASE) == {"seed": "canary-seed"}
    with pytest.raises(WrongPassphrase):
        read_sealed_file(path, PASSPHRASE + "!")
    assert "canary" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_same_content_is_never_sealed_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.sealed"
    write_sealed_file(path, {"a": 1}, PASSPHRASE)
    first = path.read_bytes()
    write_sealed_file(path, {"a": 1}, PASSPHRASE)
    assert path.read_bytes() != first
    assert [p.name for p in tmp_path.iterdir()] == ["x.sealed"]


@pytest.mark.parametrize("passphrase", ["", "password", "12345678901"])
def test_a_passphrase_too_short_to_protect_anything_seals_nothing(
    tmp_path: Path, passphrase: str
) -> None:
    with pytest.raises(KeyFileError, match="12 characters"):
        write_sealed_file(tmp_path / "x.sealed", {}, passphrase)
    assert not list(tmp_path.iterdir())


def test_an_altered_foreign_or_exposed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sealed"
    write_sealed_file(path, {"a": 1}, PASSPHRASE)
    content = json.loads(path.read_text())
    for changed in (
        {**content, "box": content["box"][:-4] + "AAAA"},
        {**content, "box": "AA"},
        {**content, "salt": "AA"},
        {**content, "format": "other"},
        [],
        {},
    ):
        path.write_text(json.dumps(changed))
        with pytest.raises(KeyFileError):
            read_sealed_file(path, PASSPHRASE)
    path.write_text(json.dumps(content))
    os.chmod(path, 0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_sealed_file(path, PASSPHRASE)


def test_a_vault_gives_back_the_secrets_of_a_place_and_shows_none(tmp_path: Path) -> None:
    vault = Vault(tmp_path, PASSPHRASE)
    assert vault.read(SECRETS.election, 2) is None
    vault.keep(SECRETS)
    assert vault.read(SECRETS.election, 2) == SECRETS
    assert vault.read(SECRETS.election, 1) is None
    assert PASSPHRASE not in repr(vault)


def test_a_vault_file_under_another_name_is_refused(tmp_path: Path) -> None:
    vault = Vault(tmp_path, PASSPHRASE)
    vault.keep(SECRETS)
    vault.path(SECRETS.election, 2).rename(vault.path(SECRETS.election, 1))
    with pytest.raises(KeyFileError, match="another place"):
        vault.read(SECRETS.election, 1)


def test_one_tally_is_remembered_and_another_refused_for_ever(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    assert memory.recall("e", 1, TALLY) is None
    memory.remember("e", 1, Decrypted(TALLY, "share"))
    assert Memory(tmp_path).recall("e", 1, TALLY) == Decrypted(TALLY, "share")
    for _ in range(2):
        with pytest.raises(OtherTally):
            Memory(tmp_path).recall("e", 1, OTHER)
        with pytest.raises(OtherTally):
            Memory(tmp_path).remember("e", 1, Decrypted(OTHER, "share"))
    assert memory.recall("e", 2, OTHER) is None
    assert memory.recall("f", 1, OTHER) is None


@pytest.mark.parametrize("content", ["", "{}", "[", '{"tally": 1}'])
def test_a_damaged_memory_forgets_nothing(tmp_path: Path, content: str) -> None:
    """A file that cannot be read is not a file that says nothing was decrypted."""
    memory = Memory(tmp_path)
    memory.remember("e", 1, Decrypted(TALLY, "share"))
    next(tmp_path.glob("*.decrypted")).write_text(content)
    with pytest.raises(KeyFileError):
        memory.recall("e", 1, TALLY)
