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
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools" / "bin"
MODULE = "github.com/cometbft/cometbft"
VERSION = "v0.38.26"
"""The same as `chain.node.cometbft.COMETBFT_VERSION`; a test compares."""
PROGRAMS = {"cometbft": f"{MODULE}/cmd/cometbft", "abci-cli": f"{MODULE}/abci/cmd/abci-cli"}
JUDGE = ROOT / "tests" / "cometbft" / "go"
"""Our small Go program that asks CometBFT's own code; its go.sum pins every module."""
GO_MIN = (1, 22)
BUILD_TIMEOUT_S = 1_500
MARK = TOOLS / ".cometbft-version"


def go_environment() -> dict[str, str]:
    """The toolchain that is here, nothing fetched but modules."""
    return {
        **os.environ,
        "GOBIN": str(TOOLS),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod -buildvcs=false",
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
    text = subprocess.run(
        [go, "version"], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    match = re.search(r"go(\d+)\.(\d+)", text)
    if match is None or (int(match[1]), int(match[2])) < GO_MIN:
        return f"{text.strip()} is older than {GO_MIN[0]}.{GO_MIN[1]}"
    return None


def is_installed() -> bool:
    """Whether the programs of the pinned tag, and the judge of this source, are in place."""
    names = [*PROGRAMS, "comet-judge"]
    return (
        MARK.exists()
        and MARK.read_text() == wanted()
        and all((TOOLS / name).exists() for name in names)
    )


def wanted() -> str:
    """Names what should be installed: the tag and the judge's source."""
    source = b"".join((JUDGE / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    return f"{VERSION} {sha256(source).hexdigest()}"


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
    steps = [
        (["go", "install", *packages], TOOLS),
        (["go", "build", "-mod=readonly", "-o", str(TOOLS / "comet-judge"), "."], JUDGE),
    ]
    for command, folder in steps:
        done = subprocess.run(
            command, env=go_environment(), cwd=folder, timeout=BUILD_TIMEOUT_S, check=False
        )
        if done.returncode != 0:
            return done.returncode
    MARK.write_text(wanted())
    print(f"cometbft: installed {', '.join(PROGRAMS)} {VERSION} and comet-judge")
    return 0


if __name__ == "__main__":
    sys.exit(install())
