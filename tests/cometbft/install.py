"""`python -m tests.cometbft.install`: CometBFT and abci-cli at the pinned tag, and our judge, into `.tools/bin`.

Built by the ordinary Go client from the Go module proxy, with the toolchain that is here. Standard library only.
Exit 0 when they are there, or when this machine has no Go that can build them (said on stdout); Go's exit code
when building failed.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools" / "bin"
MODULE = "github.com/cometbft/cometbft"
VERSION = "v0.38.26"
"""The same as `chain.node.cometbft.COMETBFT_VERSION`; a test compares."""
PROGRAMS = {"cometbft": f"{MODULE}/cmd/cometbft", "abci-cli": f"{MODULE}/abci/cmd/abci-cli"}
GO_MIN = (1, 22)
BUILD_TIMEOUT_S = 1_500
MARK = TOOLS / ".cometbft-version"


def go_environment() -> dict[str, str]:
    """The toolchain that is here, nothing fetched but modules."""
    return {
        **os.environ,
        "GOBIN": str(TOOLS),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod",
        "CGO_ENABLED": "0",
    }


def missing() -> str | None:
    """Why the real CometBFT cannot run here, or None."""
    if is_installed():
        return None
    refused = go_missing()
    return refused or "CometBFT is not installed: python -m tests.cometbft.install"


def go_missing() -> str | None:
    """Why Go cannot build it, or None."""
    go = shutil.which("go")
    if go is None:
        return "Go is not installed"
    text = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"go(\d+)\.(\d+)", text)
    if match is None or (int(match[1]), int(match[2])) < GO_MIN:
        return f"{text.strip()} is older than {GO_MIN[0]}.{GO_MIN[1]}"
    return None


def is_installed() -> bool:
    """Whether the programs of the pinned tag are in place."""
    return (
        MARK.exists()
        and MARK.read_text() == VERSION
        and all((TOOLS / name).exists() for name in PROGRAMS)
    )


def install() -> int:
    """`go install` of the programs."""
    if is_installed():
        return 0
    refused = go_missing()
    if refused is not None:
        print(f"cometbft: {refused}; its tests will skip")
        return 0
    TOOLS.mkdir(parents=True, exist_ok=True)
    packages = [f"{path}@{VERSION}" for path in PROGRAMS.values()]
    done = subprocess.run(
        ["go", "install", *packages],
        env=go_environment(),
        cwd=TOOLS,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode == 0:
        MARK.write_text(VERSION)
        print(f"cometbft: installed {', '.join(PROGRAMS)} {VERSION}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(install())
