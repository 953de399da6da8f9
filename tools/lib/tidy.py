"""clang-tidy over every C file of the host build, two at a time; prints findings only."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / "build" / "dev"


def tidy(file):
    done = subprocess.run(["clang-tidy", "--quiet", "-p", str(TREE), file], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    return done.returncode, done.stdout


def main():
    database = TREE / "compile_commands.json"
    if not database.exists():
        sys.exit(f"tidy: {database} is missing: run cmake --preset dev")
    files = sorted({entry["file"] for entry in json.loads(database.read_text())})
    if len(sys.argv) > 1:
        files = [f for f in files if any(part in f for part in sys.argv[1:])]
    files.sort(key=os.path.getsize, reverse=True)   # a long one begun last would end alone
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for status, out in pool.map(tidy, files):
            if status != 0:
                bad += 1
                print(out, end="")
    print(f"clang-tidy: {len(files) - bad} files clean, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
