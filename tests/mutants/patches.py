"""The patches: read from `mutants.toml`, refused when they no longer fit the code they change."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.vectors.runner import CHECKOUT

DATA = Path(__file__).with_name("mutants.toml")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small mistake: `old` becomes `new` in `file`."""

    name: str
    area: str
    file: str
    rule: str
    """Line of arXiv 1807.04938, or the rule it breaks."""
    why: str
    """What would go wrong in a town."""
    old: str
    new: str
    tests: tuple[str, ...]
    """pytest arguments, the likeliest killer first."""
    also: tuple["Edit", ...] = ()
    """Further places, for a rule that the code guards twice."""

    def edits(self) -> tuple["Edit", ...]:
        """Every place it changes."""
        return (Edit(self.file, self.old, self.new), *self.also)


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in one file."""

    file: str
    old: str
    new: str


class StalePatch(ValueError):
    """A patch does not fit the code any more; the message says which."""


def load_mutants(path: Path = DATA) -> tuple[Mutant, ...]:
    """Every mutant in the order of the file; raises KeyError on an unknown area."""
    data = tomllib.loads(path.read_text())
    found = []
    for row in data["mutant"]:
        tests = (*row.pop("tests", ()), *data["areas"][row["area"]])
        also = tuple(Edit(**edit) for edit in row.pop("also", ()))
        found.append(Mutant(tests=tests, also=also, **row))
    return tuple(found)


def change(root: Path, mutant: Mutant) -> dict[Path, tuple[str, str]]:
    """Every file the mutant touches: path -> (source as it is, source with the mistake). Raises StalePatch."""
    changed: dict[Path, tuple[str, str]] = {}
    for edit in mutant.edits():
        path = root / edit.file
        source, current = changed.get(path, (path.read_text(),) * 2)
        changed[path] = source, apply_to(current, edit, mutant.name)
    return changed


def apply_to(source: str, edit: Edit, name: str) -> str:
    """The source with the mistake in it; raises StalePatch unless `old` stands there exactly once."""
    found = source.count(edit.old)
    if found != 1:
        raise StalePatch(f"{name}: its old text stands {found} times in {edit.file}")
    if edit.old == edit.new:
        raise StalePatch(f"{name}: changes nothing")
    return source.replace(edit.old, edit.new)


def check_patches(mutants: tuple[Mutant, ...], root: Path = CHECKOUT) -> list[str]:
    """What is wrong with the patches: stale ones, ones that do not compile, names twice."""
    names = [mutant.name for mutant in mutants]
    wrong = [f"{name}: twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for mutant in mutants:
        try:
            for path, (_, changed) in change(root, mutant).items():
                compile(changed, str(path), "exec")
        except (StalePatch, SyntaxError, OSError) as error:
            wrong.append(str(error))
        for test in mutant.tests:
            if not _is_there(root, test):
                wrong.append(f"{mutant.name}: no test {test}")
    return wrong


def _is_there(root: Path, test: str) -> bool:
    """Whether the file or folder stands, and in it the function if one is named: a renamed test kills nothing."""
    path, _, function = test.partition("::")
    if not (root / path).exists():
        return False
    return not function or f"def {function.partition('[')[0]}(" in (root / path).read_text()
