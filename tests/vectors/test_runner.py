"""The vector runner: what counts as passed, failed and passed over."""

from pathlib import Path

from tests.vectors.runner import load_json, run_suite


def _replay(path: Path) -> int | None:
    vectors = load_json(path)
    if not isinstance(vectors, dict) or "cases" not in vectors:
        return None
    assert "bad" not in vectors["cases"], "a bad case"
    if "crash" in vectors["cases"]:
        raise ZeroDivisionError("crashed")
    return len(vectors["cases"])


def _write(folder: Path, name: str, text: str) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_folder_is_recursed_and_foreign_files_are_passed_over(tmp_path, capsys):
    _write(tmp_path, "a/b/good.json", '{"cases": [1, 2]}')
    _write(tmp_path, "a/other.json", "[]")
    _write(tmp_path, "README.md", "text")
    assert run_suite([str(tmp_path)], _replay) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 passed, 0 failed"
    assert sum("not of this suite" in line for line in lines) == 2


def test_a_foreign_file_given_by_name_is_a_failure(tmp_path, capsys):
    assert run_suite([_write(tmp_path, "x.json", "[]")], _replay) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


def test_disagreement_crash_broken_json_absence_and_emptiness_are_failures(tmp_path, capsys):
    paths = [
        _write(tmp_path, "bad.json", '{"cases": ["bad"]}'),
        _write(tmp_path, "crash.json", '{"cases": ["crash"]}'),
        _write(tmp_path, "torn.json", '{"cases": ['),
        _write(tmp_path, "empty.json", '{"cases": []}'),
        str(tmp_path / "absent.json"),
        _write(tmp_path, "good.json", '{"cases": [1]}'),
    ]
    assert run_suite(paths, _replay) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 5 failed"


def test_running_nothing_is_a_failure(tmp_path, capsys):
    assert run_suite([], _replay) == 1
    assert run_suite([str(tmp_path)], _replay) == 1
    assert capsys.readouterr().out.splitlines() == ["0 passed, 0 failed"] * 2
