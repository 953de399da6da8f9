"""Runs every libFuzzer target for a while on its corpus; new inputs stay outside the tree.

usage: fuzz.py [--seconds N] [TARGET...]
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "dev" / "bin"


def fuzz(target, seconds):
    work = ROOT / "build" / "fuzz" / target.name
    work.mkdir(parents=True, exist_ok=True)
    corpus = ROOT / "tests" / "fuzz" / "corpus" / target.name
    done = subprocess.run([str(target), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                           "-print_final_stats=1", f"-artifact_prefix={work}/", str(work), str(corpus)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return target.name, done.returncode, done.stdout


def main():
    options = argparse.ArgumentParser(description="Runs every libFuzzer target for a while.")
    options.add_argument("--seconds", type=int, default=60, help="for each target")
    options.add_argument("targets", nargs="*")
    given = options.parse_args()
    targets = sorted(BIN.glob("fuzz_*"))
    if given.targets:
        targets = [t for t in targets if t.name in given.targets]
    if not targets:
        sys.exit("fuzz: no targets found: build the dev preset")
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, status, out in pool.map(lambda t: fuzz(t, given.seconds), targets):
            runs = next((line.split()[-1] for line in out.splitlines() if "number_of_executed_units" in line), "?")
            print(f"{name:32} {runs:>12} runs  {'ok' if status == 0 else 'FAILED'}", flush=True)
            if status != 0:
                bad += 1
                print(out[-4000:])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
