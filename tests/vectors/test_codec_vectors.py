"""The codec's conformance suites over the shared folder; skipped, saying so, when it is absent."""

import pytest

from tests.vectors import headers, merkle, proposer, vote_sign_bytes, wire_messages
from tests.vectors.runner import run_suite, shared_folder

VECTORS = shared_folder() / "vectors" / "cometbft"
RECORDED = ["tendermint-rs/kvstore_v0_38", "tendermint-rs/serialization", "cometbft"]

pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir(), reason=f"no vectors at {VECTORS}; set BEFFROI_SHARED"
)


@pytest.mark.parametrize(
    ("suite", "folders", "files"),
    [
        (headers, RECORDED, 75),
        (vote_sign_bytes, ["cometbft"], 1),
        (wire_messages, ["cometbft"], 1),
        (merkle, ["cometbft"], 1),
        (proposer, ["cometbft"], 1),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_shared_vector_of_the_suite_passes(suite, folders, files, capsys):
    code = run_suite([str(VECTORS / folder) for folder in folders], suite.replay)
    output = capsys.readouterr().out
    assert code == 0, output
    passed = int(output.splitlines()[-1].split()[0])
    assert passed >= files, f"only {passed} files were recognised"


def test_an_altered_recording_is_caught(tmp_path, capsys):
    """Each alteration of one recorded block breaks one computed fact."""
    recorded = (VECTORS / RECORDED[0] / "incoming" / "block_at_height_10.json").read_text()
    signature = recorded.split('"signature": "')[1][:10]
    alterations = {
        "chain": ("dockerchain", "dockerchaim"),
        "time": ("2023-05-17T14:12:53.0", "2023-05-17T14:12:54.0"),
        "integer": ('"height": "10"', '"height": "0x10"'),
        "txs": ('"txs": []', '"txs": ["AA=="]'),
        "signature": (signature, "AAAAAAAAAA"),
    }
    for name, (old, new) in alterations.items():
        assert old in recorded, name
        (tmp_path / f"{name}.json").write_text(recorded.replace(old, new, 1))
    assert run_suite([str(tmp_path)], headers.replay) == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"0 passed, {len(alterations)} failed"
