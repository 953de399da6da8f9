"""Runs the unit tests of the release tree under valgrind's memcheck."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / "tests" / "unit"
BIN = ROOT / "build" / "release" / "bin"


def main():
    names = sorted(p.stem for p in UNIT.glob("*.c") if (BIN / p.stem).exists())
    if not names:
        sys.exit("valgrind: no unit tests in the release tree: cmake --build --preset release")
    bad = 0
    for name in names:
        done = subprocess.run(["valgrind", "-q", "--error-exitcode=9", "--leak-check=full",
                               "--errors-for-leak-kinds=definite", str(BIN / name)], cwd=UNIT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"{name:32} {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
        if done.returncode != 0:
            bad += 1
            print(done.stdout[-3000:])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
