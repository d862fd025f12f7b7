"""The lock file pins every package by hash and sends nobody to a registry of somebody's own."""

import json
import subprocess

from tests.oracles import install
from tests.oracles.install import HERE

LOCK = json.loads((HERE / "package-lock.json").read_text())
PUBLIC = "https://registry.npmjs.org/"


def test_every_package_is_locked_by_hash_and_none_names_another_registry():
    packages = {name: entry for name, entry in LOCK["packages"].items() if name}
    assert len(packages) > 20
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert entry.get("resolved", PUBLIC).startswith(PUBLIC), name
        assert not entry.get("hasInstallScript") or name.endswith("protobufjs"), name


def test_package_and_lock_name_the_same_exact_versions():
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert LOCK["packages"][""]["dependencies"] == wanted
    for name, version in wanted.items():
        assert LOCK["packages"][f"node_modules/{name}"]["version"] == version


def test_node_modules_are_never_committed():
    ignored = subprocess.run(
        ["git", "check-ignore", "tests/oracles/node_modules/ws"],
        cwd=HERE.parents[1],
        check=False,
        timeout=120,
    )
    assert ignored.returncode in {0, 128}, "128: not a git checkout"


def test_a_machine_without_node_is_told_so_and_nothing_fails(monkeypatch, capsys):
    monkeypatch.setattr(install, "find_node", lambda: None)
    assert install.missing() == "node is not installed"
    assert install.install() == 0
    assert "skip" in capsys.readouterr().out


def test_packages_of_another_lock_count_as_not_installed(monkeypatch, tmp_path):
    mark = tmp_path / "mark"
    monkeypatch.setattr(install, "MARK", mark)
    assert not install.is_installed()
    mark.write_text("another lock")
    assert not install.is_installed()
    mark.write_text(install.lock_digest())
    assert install.is_installed()
