"""Runs the benchmark groups and prints their figures: NAME VALUE UNIT RATIO GOAL ok|short."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "release" / "bin"

GROUPS = {
    "link": [BIN / "bench_link"],
    "phx": [BIN / "bench_phx"],
    "spool": [BIN / "bench_spool"],
    "bridge": ["python3", ROOT / "tests" / "bench" / "bench_bridge.py"],
    "versus": ["python3", ROOT / "tests" / "bench" / "bench_versus.py"],
    "size": ["python3", ROOT / "tools" / "lib" / "footprint.py"],
    "scrape": ["python3", ROOT / "tests" / "bench" / "bench_scrape.py"],
    "limit": ["python3", ROOT / "tests" / "bench" / "bench_limit.py"],
    "scale": ["python3", ROOT / "tests" / "bench" / "bench_scale.py"],
}


def main():
    groups = sys.argv[1:] or list(GROUPS)
    unknown = [g for g in groups if g not in GROUPS]
    if unknown:
        sys.exit(f"tools/bench: there is no group {unknown[0]}; there are {', '.join(GROUPS)}")
    failed = 0
    for group in groups:
        # A figure that is short of its goal is no error here; a benchmark that cannot run is.
        done = subprocess.run([str(c) for c in GROUPS[group]], stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        if not done.stdout.strip():
            print(f"tools/bench: {group} printed no figure, status {done.returncode}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
