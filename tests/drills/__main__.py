"""`python -m tests.drills [NAME…] [--quick]`: crash, partition and lie drills on real processes.

One table on screen and one JSON file; exit 1 when anything that must hold did not. The full form takes some twenty
minutes; the quick one leaves some drills out and makes the others short, to stay under four minutes. Figures to quote
are those of a quiet machine; the load average is written beside them.
"""

import argparse
import sys
from pathlib import Path

from tests.drills import ALL, QUICK
from tests.drills.report import print_report, run_drill, write_report

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--quick", action="store_true", help="few cycles, small towns")
    parser.add_argument("--json", type=Path, help="where the results go")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(ALL)
    if unknown:
        parser.error(f"no such drill: {', '.join(sorted(unknown))}")
    runs = []
    for name in arguments.names or (QUICK if arguments.quick else ALL):
        print(f"drill {name} …", flush=True)
        runs.append(run_drill(name, is_quick=arguments.quick))
        print(f"drill {name}: {runs[-1].verdict} in {runs[-1].seconds:.0f} s", flush=True)
    print_report(runs)
    is_whole = not arguments.names and not arguments.quick
    default = ROOT / "bench" / "results" / ("drill.json" if is_whole else "drill-part.json")
    write_report(runs, arguments.json or default, is_quick=arguments.quick)
    return 1 if any(run.verdict == "VIOLATED" for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
