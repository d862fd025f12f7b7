"""What a reader of the house relies on, checked over every file."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = ("types", "codec", "crypto", "consensus", "execution", "town", "light", "votes")


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def pure_files() -> list[Path]:
    return python_files(
        *(f"chain/{package}" for package in PURE if (ROOT / "chain" / package).exists())
    )


def float_uses(source: str) -> list[str]:
    """Lines where a float could enter: literals, true division, the float type, round()."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append(f"{node.lineno}: literal {node.value}")
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div):
            found.append(f"{node.lineno}: true division")
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"float", "round"}
        ):
            found.append(f"{node.lineno}: {node.func.id}()")
    return found


def set_walks(source: str) -> list[str]:
    """Lines that iterate over a set display, a set comprehension or set(...) without sorting it."""

    def is_set(node: ast.AST) -> bool:
        if isinstance(node, (ast.Set, ast.SetComp)):
            return True
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"set", "frozenset"}
        )

    found = []
    for node in ast.walk(ast.parse(source)):
        iterated = None
        if isinstance(node, (ast.For, ast.comprehension)):
            iterated = node.iter
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"list", "tuple", "enumerate"}
            and node.args
        ):
            iterated = node.args[0]
        if iterated is not None and is_set(iterated):
            found.append(f"{iterated.lineno}: order of a set")
    return found


def clock_or_chance(source: str) -> list[str]:
    """Lines that hash with Python's seeded hash() or order by id()."""
    return [
        f"{node.lineno}: {node.func.id}()"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"hash", "id"}
    ]


@pytest.mark.parametrize("check", [float_uses, set_walks, clock_or_chance])
def test_pure_packages_are_deterministic(check) -> None:
    offences = {str(path.relative_to(ROOT)): check(path.read_text()) for path in pure_files()}
    assert {name: found for name, found in offences.items() if found} == {}


@pytest.mark.parametrize(
    ("check", "planted"),
    [
        (float_uses, "x = 1 / 2"),
        (float_uses, "x = 0.5"),
        (float_uses, "x = float(3)"),
        (set_walks, "for x in {1, 2}: pass"),
        (set_walks, "y = [x for x in set(z)]"),
        (set_walks, "y = list({1, 2})"),
        (clock_or_chance, "y = hash(b'x')"),
    ],
)
def test_the_determinism_checks_catch_a_planted_fault(check, planted: str) -> None:
    assert check(planted)


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files("app", "chain", "bench", "migrations")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_every_limit_is_used_and_explained() -> None:
    path = ROOT / "chain" / "limits.py"
    source = path.read_text()
    names = re.findall(r"^([A-Z][A-Z0-9_]+)(?:: Final)? =", source, re.MULTILINE)
    assert names
    used = {
        word
        for p in python_files("app", "chain", "tests", "bench")
        if p != path
        for word in re.findall(r"[A-Z][A-Z0-9_]+", p.read_text())
    }
    unused = [name for name in names if name not in used and source.count(name) < 2]
    assert unused == []
    tree = ast.parse(source)
    unexplained = [
        node.target.id
        for node, after in zip(tree.body, [*tree.body[1:], None], strict=True)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    ]
    assert unexplained == []


def test_every_refusal_code_is_documented() -> None:
    from app.cli.errors import FILE, render_errors

    assert FILE.read_text(encoding="utf-8") == render_errors(), "run `beffroi errors --write`"


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)
    explained = re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE)
    assert set(targets) == set(explained)


def test_no_tracked_file_names_a_folder_of_one_machine() -> None:
    found = subprocess.run(
        [
            "git",
            "grep",
            "-nIE",
            r"(^|[^A-Za-z0-9_./-])/(work|farm|root|home/[a-z]+)/",
            "--",
            ":!*.lock",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.stdout == ""


def test_assertions_are_refused_to_be_switched_off() -> None:
    done = subprocess.run(
        [sys.executable, "-O", "-c", "import chain"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode != 0
    assert "-O" in done.stderr


def committed_links(listing: str) -> list[str]:
    """Paths of symbolic links in the output of `git ls-files -s` (mode 120000)."""
    return [line.split("\t")[1] for line in listing.splitlines() if line.startswith("120000 ")]


def test_no_committed_file_is_a_link() -> None:
    """A link may lead out of the house, to a place that only one machine has."""
    assert committed_links("120000 6795b48 0\t.tools\n100644 6795b48 0\tREADME.md") == [".tools"]
    listed = subprocess.run(
        ["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert committed_links(listed.stdout) == []


CONFLICT = "^(<{7} |>{7} )"
"""What git leaves where two changes met and nobody decided."""


def test_no_committed_file_holds_an_undecided_conflict() -> None:
    """A patch list with one is unreadable, and only the long runs read it."""
    found = subprocess.run(
        ["git", "grep", "-lE", CONFLICT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if found.returncode == 128:
        pytest.skip("not a git checkout")
    assert found.stdout.split() == []


def test_the_mark_of_a_conflict_is_seen() -> None:
    planted = "<" * 7 + " HEAD\nours\n=======\ntheirs\n" + ">" * 7 + " other\n"
    assert len(re.findall(CONFLICT, planted, flags=re.MULTILINE)) == 2
