"""`beffroi audit energy`: a member, the manager, a witness or a court works days and statements out again.

What is believed is the genesis and whatever the validators signed: published roots come from proved blocks. Files bring
what the chain does not hold: own rows with their paths, whole days with the convention, statements with their proofs.
Reads: nodes' RPC, the trusted genesis, files.  Writes: nothing.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from nacl.exceptions import CryptoError

from app.cli.energy_terminal import progress
from app.core.chain_client import ChainClient
from app.core.keyfiles import KeyFileError, read_key_file
from app.core.projector import GenesisUnusable, read_genesis
from app.core.refusals import NodeUnavailable
from app.core.replay import ReplayedBlock, replay_chain
from app.core.verifier import NodeLied
from app.energy import audit, rows
from app.energy.convention import Convention, hash_convention
from app.energy.days import open_sealed_day
from app.energy.months import check_proof
from chain.codec.canonical import b64url_encode
from chain.town.energy.batches import compute_day_root
from chain.town.energy.conventions import ProRata, hash_key
from chain.town.energy_schemas import ReadingStep

EXIT_DIFFERS: Final = 1
EXIT_UNREADABLE: Final = 2
SUMS_PARAM: Final = "energy_sums_min_consumers"
SUMS_MIN: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree: a stable `code`, and where."""

    code: str
    where: str
    detail: str = ""


@dataclass(slots=True)
class Published:
    """What proved blocks say of energy: days by version, statements by issue."""

    readings: dict[tuple[str, str, int], tuple[ReadingStep, ...]] = field(default_factory=dict)
    allocations: dict[tuple[str, str, int], Any] = field(default_factory=dict)
    statements: dict[tuple[str, str, int], str] = field(default_factory=dict)
    witnessed: dict[tuple[str, str, int], int] = field(default_factory=dict)

    def add(self, block: ReplayedBlock) -> None:
        """Take a proved block's transactions."""
        for done in block.transactions:
            body = done.body
            if done.kind == "energy.readings":
                self.readings[body.operation, body.day, body.version] = body.steps
            elif done.kind in ("energy.allocate", "energy.correct"):
                version = int(done.data["version"])
                self.allocations[body.operation, body.day, version] = body
                self.witnessed[body.operation, body.day, version] = len(done.data["witnesses"])
            elif done.kind == "energy.witness":
                key = (body.operation, body.day, body.version)
                self.witnessed[key] = len(done.data["witnesses"])
            elif done.kind == "energy.statement":
                self.statements[body.operation, body.month, body.number] = body.root

    def readings_version(self, operation: str, day: str, root: str) -> int:
        """Version of the readings under a root; 0 when none is."""
        for (name, on, version), steps in self.readings.items():
            if (name, on) == (operation, day) and compute_day_root(steps) == root:
                return version
        return 0


@click.command("energy")
@click.option(
    "--node", "nodes", multiple=True, required=True, help="RPC address; repeat for witnesses."
)
@click.option(
    "--genesis", required=True, type=click.Path(path_type=Path), help="Trusted genesis file."
)
@click.option(
    "--own",
    "own_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Own rows: GET /v1/energy/days/me.",
)
@click.option(
    "--day",
    "day_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A whole opened day with its convention.",
)
@click.option(
    "--statement",
    "statement_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="An own statement: GET /v1/energy/statements/me.",
)
@click.option(
    "--sealed",
    "sealed_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A whole day as it was sealed to --key: GET /v1/energy/operations/…/days/…/sealed.",
)
@click.option(
    "--key", "key_path", type=click.Path(path_type=Path), help="Role key file that opens --sealed."
)
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def energy(
    nodes: tuple[str, ...],
    genesis: Path,
    own_paths: tuple[Path, ...],
    day_paths: tuple[Path, ...],
    statement_paths: tuple[Path, ...],
    sealed_paths: tuple[Path, ...],
    key_path: Path | None,
    is_json: bool,
) -> None:
    """Work published days and statements out again from files, against blocks proved from the genesis.

    Without files: lists what is published, and the chain's own consistency. Exit 0: all agree. 1: something
    differs, with what and where. 2: a file, genesis or node cannot be used.
    """
    try:
        documents = [_read(path) for path in (*own_paths, *day_paths, *statement_paths)]
        opened = _open_all([_read(path) for path in sealed_paths], key_path)
        doc = read_genesis(genesis)
        chain = ChainClient(nodes)
        published = collect(replay_chain(chain, doc), is_json=is_json, total=read_tip(chain))
    except (
        OSError,
        ValueError,
        CryptoError,
        KeyFileError,
        GenesisUnusable,
        NodeUnavailable,
        NodeLied,
    ) as error:
        _fail(str(error) or type(error).__name__, is_json)
    params = doc.app_state.get("params", {}) if isinstance(doc.app_state, Mapping) else {}
    households_min = int(params.get(SUMS_PARAM, SUMS_MIN))
    checked, findings = judge(
        published,
        own=documents[: len(own_paths)],
        days=[*documents[len(own_paths) : len(own_paths) + len(day_paths)], *opened],
        statements=documents[len(own_paths) + len(day_paths) :],
        households_min=households_min,
    )
    _say(published, checked, findings, is_json)
    sys.exit(EXIT_DIFFERS if findings else 0)


def read_tip(chain: ChainClient) -> int | None:
    """Height a node says it is at: only a bar's length, blocks themselves are proved; raises NodeUnavailable."""
    try:
        return int(chain.call("status")["sync_info"]["latest_block_height"])
    except (KeyError, TypeError, ValueError):
        return None


def collect(
    blocks: Iterable[ReplayedBlock], *, is_json: bool = True, total: int | None = None
) -> Published:
    """Everything published about energy on a proved chain; the bar moves with each proved block, up to `total`."""
    published = Published()
    with progress(is_json) as track:
        for block in track(blocks, "blocks", total):
            published.add(block)
    return published


def judge(
    published: Published,
    *,
    own: Iterable[Mapping[str, Any]] = (),
    days: Iterable[Mapping[str, Any]] = (),
    statements: Iterable[Mapping[str, Any]] = (),
    households_min: int = SUMS_MIN,
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """What was checked, and what does not agree."""
    checked: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for judged, files in (
        (_judge_own, own),
        (_judge_statement, statements),
        (lambda p, f: _judge_day(p, f, households_min), days),
    ):
        for file in files:
            try:
                shown, found = judged(published, file)
            except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
                shown, found = {}, [Finding("audit_file_malformed", "file", str(error)[:200])]
            checked += [shown] if shown else []
            findings += found
    return checked, findings


def _judge_own(
    published: Published, file: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Finding]]:
    """Every own row under the proved roots; by hand too, where the key is pro rata."""
    where = f"{file['operation']} {file['day']}"
    version = (file["operation"], file["day"], int(file["version"]))
    body = published.allocations.get(version)
    steps = published.readings.get((*version[:2], int(file["readings_version"])))
    if body is None or steps is None:
        return {}, [Finding("audit_version_unpublished", where, f"version {file['version']}")]
    is_pro_rata = body.key_hash == b64url_encode(hash_key(ProRata()))
    found = audit.check_own_day(
        file, readings=steps, allocation=body.steps, is_pro_rata=is_pro_rata
    )
    if isinstance(found, str):
        return {}, [Finding("audit_row_differs", where, found)]
    return {"own": where, "version": version[2], **asdict(found)}, []


def _judge_day(
    published: Published, file: Mapping[str, Any], households_min: int
) -> tuple[dict[str, Any], list[Finding]]:
    """A whole day recomputed bit for bit, and its sums."""
    loaded = rows.load_day(file["day"])
    if not isinstance(loaded, rows.DayInput):
        return {}, [Finding("audit_file_malformed", "day", loaded.detail)]
    convention = msgspec.convert(file["convention"], Convention)
    where = f"{loaded.operation} {loaded.day}"
    version = int(file["version"])
    body = published.allocations.get((loaded.operation, loaded.day, version))
    if body is None:
        return {}, [Finding("audit_version_unpublished", where, f"version {version}")]
    findings = []
    if b64url_encode(hash_key(convention.key)) != body.key_hash:
        findings.append(Finding("audit_key_differs", where))
    readings_version = published.readings_version(loaded.operation, loaded.day, body.readings)
    again = audit.recompute_day(
        loaded,
        convention.key,
        readings_version=readings_version,
        version=version,
        households_min=households_min,
    )
    if again.flaw:
        findings.append(Finding("audit_law_broken", where, again.flaw))
    if again.readings != body.readings:
        findings.append(Finding("audit_readings_differ", where))
    if again.allocation != compute_day_root(body.steps):
        findings.append(Finding("audit_allocation_differs", where))
    if body.totals is not None and again.shared_wh != body.totals.autocons_wh:
        findings.append(Finding("audit_sums_differ", where))
    shown = {
        "day": where,
        "version": version,
        "shared_wh": again.shared_wh,
        "columns": len(loaded.readings.columns),
        "convention": b64url_encode(hash_convention(convention)),
        "witnesses": published.witnessed.get((loaded.operation, loaded.day, version), 0),
    }
    return shown, findings


def _judge_statement(
    published: Published, file: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Finding]]:
    """A statement under the proved root of its month, and its own sums."""
    said = json.loads(file["canonical"])
    where = f"{said['operation']} {said['month']}, issue {said['issue']}"
    root = published.statements.get((said["operation"], said["month"], int(said["issue"])))
    if root is None:
        return {}, [Finding("audit_issue_unpublished", where)]
    findings = []
    proof = {**file["proof"], "root": root}
    if not check_proof(file["canonical"].encode(), proof):
        findings.append(Finding("audit_statement_differs", where))
    own = {point["point"] for point in said["points"]}
    bought = [line for line in said["lines"] if line["buyer"] in own]
    total = sum(line["net_cents"] + line["vat_cents"] + line["accise_cents"] for line in bought)
    if total != said["pays_cents"]:
        findings.append(Finding("audit_statement_does_not_add_up", where))
    shown = {"statement": where, "pays_cents": total, "gets_cents": said["gets_cents"]}
    return shown, findings


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path}: not a JSON object")
    return found


def _open_all(files: list[dict[str, Any]], key_path: Path | None) -> list[dict[str, Any]]:
    """Days that were sealed to a role key; raises CryptoError for another key's."""
    if not files:
        return []
    if key_path is None:
        raise ValueError("--sealed needs --key")
    seed = read_key_file(key_path).seed
    return [open_sealed_day(file["sealed"], seed) for file in files]


def _fail(reason: str, is_json: bool) -> None:
    verdict = {"verdict": "unreadable", "reason": reason}
    click.echo(json.dumps(verdict, ensure_ascii=False) if is_json else f"unreadable: {reason}")
    sys.exit(EXIT_UNREADABLE)


def _say(
    published: Published, checked: list[dict[str, Any]], findings: list[Finding], is_json: bool
) -> None:
    verdict = "differs" if findings else "agrees"
    days = sorted({(operation, day) for operation, day, _ in published.allocations})
    if is_json:
        shown = {
            "verdict": verdict,
            "days": [f"{operation} {day}" for operation, day in days],
            "issues": [f"{o} {m} {n}" for o, m, n in sorted(published.statements)],
            "checked": checked,
            "findings": [asdict(found) for found in findings],
        }
        click.echo(json.dumps(shown, ensure_ascii=False, sort_keys=True))
        return
    click.echo(f"{len(days)} days and {len(published.statements)} issues of statements published")
    for line in checked:
        click.echo("  ".join(f"{name} {value}" for name, value in line.items()))
    for found in findings:
        click.echo(f"{found.code}: {found.where} {found.detail}".rstrip())
    click.echo(f"{verdict}: {len(checked)} files checked")
