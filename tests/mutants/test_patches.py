"""Every planted bug still fits the code, and the list holds what the reliability study asks for."""

from dataclasses import replace

import pytest

from tests.mutants.__main__ import together
from tests.mutants.patches import StalePatch, apply_to, check_patches, load_mutants

MEASURED_IN_THE_STUDY = {
    "quorum_is_half",
    "same_voter_counted_twice",
    "no_lock_rule_L22",
    "no_lock_rule_L28",
    "lock_forgotten_at_a_new_round",
    "valid_value_never_set",
    "polka_counted_over_any_round",
}
FIRST = load_mutants()[0]


def test_every_patch_fits_the_code_exactly_once_and_compiles() -> None:
    """When this fails you changed code that a planted bug changes: bring `mutants.toml` up to date."""
    assert check_patches(load_mutants()) == []


def test_at_least_forty_bugs_are_planted_over_consensus_and_recovery() -> None:
    mutants = load_mutants()
    assert len(mutants) >= 40
    assert {mutant.name for mutant in mutants} >= MEASURED_IN_THE_STUDY
    files = {mutant.file for mutant in mutants}
    for part in ("consensus/driver", "consensus/rounds", "consensus/votes", "node/host"):
        assert f"chain/{part}.py" in files
    for part in ("node/gossip", "node/signer", "store/wal", "node/handshake", "sync/proof"):
        assert f"chain/{part}.py" in files
    for part in ("execution/evidence", "execution/validation", "types/validator"):
        assert f"chain/{part}.py" in files


def test_a_patch_whose_old_text_is_gone_or_twice_there_is_refused() -> None:
    edit = FIRST.edits()[0]
    assert apply_to(f"a\n{edit.old}", edit, "x") == f"a\n{edit.new}"
    with pytest.raises(StalePatch, match="stands 0 times"):
        apply_to("other code", edit, "x")
    with pytest.raises(StalePatch, match="stands 2 times"):
        apply_to(edit.old * 2, edit, "x")
    with pytest.raises(StalePatch, match="changes nothing"):
        apply_to(edit.old, replace(edit, new=edit.old), "x")
    assert check_patches((FIRST, FIRST)) == [f"{FIRST.name}: twice"]


def test_every_bug_names_first_the_one_test_that_notices_it() -> None:
    """So that a run over all of them takes minutes; whole files come after, should that test ever miss it."""
    assert [mutant.name for mutant in load_mutants() if "::" not in mutant.tests[0]] == []


def test_a_bug_whose_test_was_renamed_or_moved_is_refused() -> None:
    file = FIRST.tests[0].partition("::")[0]
    for gone in (f"{file}::test_that_nobody_wrote", "tests/no_such_file.py", f"{file}x::test_a"):
        assert check_patches((replace(FIRST, tests=(gone,)),)) == [f"{FIRST.name}: no test {gone}"]


def test_the_tests_of_one_file_run_together_on_the_unchanged_code_and_a_whole_file_alone() -> None:
    stages = {"a/b.py::x", "a/b.py", "a/b.py::y[1]", "a", "c.py::z"}
    assert together(stages) == (("a",), ("a/b.py",), ("a/b.py::x", "a/b.py::y[1]"), ("c.py::z",))
