"""Applies each patch of tests/sabotage to a copy of the tree and sees a named test turn red.

usage: sabotage.py [PATCH...]      names without .patch; none: all of them

A patch breaks one rule in one line. Its head says which rule, which ctest tests guard it, and which
case of each must notice: a piece of its name, or of the last words of a program that has no cases,
with _ for a space, or - for whatever it says:

    breaks: a reply is matched by its ref
    red: phx_channel_test phx_storm_test
    by: a_reply_ends_the_push_with_its_ref -

Each named test must turn red. Of a Python test only the cases that fit `by` are run. Before any
patch all of them must pass.

A red test often has waited for long for what does not come any more. So what a patch has built is put
aside, and while its tests run there the next patch is built.
"""

import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "sabotage"
DEV = COPY / "build" / "dev"
BROKEN = COPY / "broken"   # the programs of patches whose tests run
LEAST_LIMIT_S = 120        # a machine that does other things as well may need this for any test


def run(*command, cwd=COPY, check=True):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode != 0:
        sys.exit(f"sabotage: {' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}")
    return done


class Patch:
    def __init__(self, file):
        text = file.read_text()
        found = {key: value.strip() for key, value in re.findall(r"^(breaks|red|by): (.+)$", text, re.M)}
        if "breaks" not in found or "red" not in found:
            sys.exit(f"sabotage: {file.name}: needs a line 'breaks: RULE' and a line 'red: TEST...'")
        self.file, self.name = file, file.stem
        self.breaks, self.red, self.by = found["breaks"], found["red"].split(), found.get("by", "").split()
        if self.by and len(self.by) != len(self.red):
            sys.exit(f"sabotage: {file.name}: needs as many words in 'by:' as in 'red:'")
        self.touches = re.findall(r"^\+\+\+ b/(\S+)", text, re.M)

    def runs(self):
        """What to run for it: (test, piece of a case's name or None)."""
        return [(test, None if by == "-" else by) for test, by in zip(self.red, self.by or ["-"] * len(self.red))]


# -- The copy of the tree.

def copy_tree():
    """The tracked files as they are in the working tree. What has not changed keeps its time, so that
    a second run builds little; what was removed goes, since test lists are globbed."""
    COPY.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(BROKEN, ignore_errors=True)
    names = [n for n in run("git", "ls-files", "-z", cwd=ROOT).stdout.split("\0") if n and (ROOT / n).is_file()]
    for old in [p for p in COPY.rglob("*") if p.is_file() and p.relative_to(COPY).parts[0] != "build"]:
        if str(old.relative_to(COPY)) not in set(names):
            old.unlink()
    for name in names:
        here, there = ROOT / name, COPY / name
        if not there.exists() or here.read_bytes() != there.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here, there)


def configure(preset):
    launcher = []
    if shutil.which("ccache"):
        os.environ.update(CCACHE_BASEDIR=str(COPY), CCACHE_NOHASHDIR="1")
        launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"]
    run("cmake", "--preset", preset, "-DMCU_WERROR=OFF", *launcher)


# -- What there is to run.

def command_of(entry):
    """ctest tells none of a program that is not built yet."""
    return entry.get("command") or [str(DEV / "bin" / entry["name"].removesuffix("_corpus"))]


class Test:
    def __init__(self, entry, programs):
        properties = {p["name"]: p["value"] for p in entry["properties"]}
        self.command = command_of(entry)
        self.folder = properties["WORKING_DIRECTORY"]
        self.environment = dict(os.environ, **dict(v.split("=", 1) for v in properties.get("ENVIRONMENT", [])))
        self.is_python = "python" in pathlib.Path(self.command[0]).name
        self.targets = programs if self.is_python else [pathlib.Path(self.command[0]).name]

    def run(self, by, limit_s, programs):
        """Whether it passed with these programs (None: no end in time), and what it complains of."""
        command = self.command + (["-k", by] if self.is_python and by else [])
        if not self.is_python:
            command = [str(programs / self.targets[0])] + command[1:]
        child = subprocess.Popen(command, cwd=self.folder, env=dict(self.environment, MCU_BIN=str(programs)),
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                 start_new_session=True)
        try:
            out, _ = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return None, [f"no end after {limit_s:.0f} s"]
        if self.is_python and by and re.search(r"^Ran 0 tests", out, re.M):
            sys.exit(f"sabotage: {' '.join(command)}: no case has this name")
        return child.returncode == 0, complaints(out)


def complaints(out):
    """The failing cases' names, or a program's last words."""
    cases = re.findall(r"^\[  (?:FAILED|ERROR )  \] (?!\d)(\w+)|^(?:FAIL|ERROR): (\w+)", out, re.M)
    names = list(dict.fromkeys(a or b for a, b in cases))
    sanitizer = re.findall(r"^SUMMARY: .+$|\S+: runtime error: .+$|\S+ Assertion .+ failed", out, re.M)
    wrong = re.findall(r"^.*(?:BROKEN|broken|WRONG|lost|FAILED|[1-9]\d* failed).*$", out, re.M)
    return names + sanitizer or wrong or [line for line in out.splitlines() if line.strip()][-3:]


def known_tests():
    listed = json.loads(run("ctest", "--preset", "dev", "--show-only=json-v1").stdout)["tests"]
    alone = {pathlib.Path(command_of(t)[0]).name for t in listed}
    built = re.findall(r"^bin/(\S+): \w*(?:EXECUTABLE|MODULE_LIBRARY)_LINKER",  # modules are preloaded into programs
                       run("ninja", "-t", "targets", "all", cwd=DEV).stdout, re.M)
    programs = sorted(name for name in set(built) - alone if not name.startswith("bench_"))
    return {t["name"]: Test(t, programs) for t in listed}


def targets_of(tests):
    return sorted({target for test in tests for target in test.targets})


def build(tests, check=True):
    return run("cmake", "--build", "--preset", "dev", "--target", *targets_of(tests), check=check).returncode == 0


def put_aside(tests, name):
    """A copy of the programs as they are now; the next patch is built over them."""
    folder = BROKEN / name
    folder.mkdir(parents=True)
    for target in targets_of(tests):
        shutil.copy(DEV / "bin" / target, folder)
    return folder


# -- The run.

class Sabotage:
    def __init__(self, patches):
        self.patches, self.began, self.took, self.bad = patches, time.monotonic(), {}, []
        self.done = itertools.count(1)
        self.at_once = 4   # as ctest; they wait more than they work
        self.pool = concurrent.futures.ThreadPoolExecutor(self.at_once)

    def say(self, i, n, text):
        spent = int(time.monotonic() - self.began)
        print(f"[{i:3}/{n} {spent // 60:3}:{spent % 60:02}] {text}", flush=True)

    def prepare(self):
        copy_tree()
        configure("dev")
        self.tests = known_tests()
        for patch in self.patches:
            for test in patch.red:
                if test not in self.tests:
                    sys.exit(f"sabotage: {patch.name}: there is no test named {test}")
        named = [self.tests[test] for patch in self.patches for test in patch.red]
        if any(test.is_python for test in named):   # some emulate a board
            for preset in ("cortex-m3", "avr"):
                configure(preset)
                run("cmake", "--build", "--preset", preset)
        build(named)
        self.tests = known_tests()
        self.whole = put_aside(named, "nothing")

    def part(self, test, by):
        """What is run of a test: a program knows no cases."""
        return test, by if self.tests[test].is_python else None

    def run_whole(self, test, by):
        began = time.monotonic()
        passed, said = self.tests[test].run(by, 900, self.whole)
        if not passed:   # once more: what fails twice is not the load
            passed, said = self.tests[test].run(by, 900, self.whole)
        return passed, said, time.monotonic() - began

    def baseline(self):
        runs = sorted({self.part(*r) for p in self.patches for r in p.runs()}, key=str)
        under_way = {self.pool.submit(self.run_whole, *r): r for r in runs}
        for i, future in enumerate(concurrent.futures.as_completed(under_way), 1):
            test, by = under_way[future]
            passed, said, self.took[test, by] = future.result()
            if not passed:
                self.pool.shutdown(cancel_futures=True)
                sys.exit(f"sabotage: {test} fails before anything was broken: {'; '.join(said)}")
            self.say(i, len(runs), f"{test}{' -k ' + by if by else ''} passes, {self.took[test, by]:.1f} s")

    def verdict(self, patch, programs):
        """Whether each named test has noticed, and in what words."""
        good, words = True, []
        for test, by in patch.runs():
            limit_s = LEAST_LIMIT_S + 5 * self.took[self.part(test, by)]
            passed, said = self.tests[test].run(by, limit_s, programs)
            noticed = passed is False and (by is None or any(by in line.replace(" ", "_") for line in said))
            good = good and noticed
            state = ("red" if noticed else "NOT NOTICED" if passed else "PROVES NOTHING" if passed is None else
                     f"RED, BUT NOT BY {by}")
            words.append(f"{state}: {test}" + ("" if passed else f" ({'; '.join(said[:4])})"))
        return good, ", ".join(words)

    def tell(self, patch, good, words, build_s, run_s):
        if not good:
            self.bad.append(patch.name)
        self.say(next(self.done), len(self.patches), f"{'ok  ' if good else 'FAIL'} {patch.name}: {patch.breaks}: "
                 f"{words}, built in {build_s:.0f} s, ran {run_s:.0f} s")

    def look(self, patch, programs, build_s):
        began = time.monotonic()
        good, words = self.verdict(patch, programs)
        shutil.rmtree(programs)
        return patch, good, words, build_s, time.monotonic() - began

    def break_it(self, patch):
        """Applies, builds and takes back. Returns the programs, or what went wrong."""
        kept = {name: (COPY / name).read_bytes() for name in patch.touches}
        tests = [self.tests[t] for t in patch.red]
        try:
            # Outside of git's sight the copy is plain files, which git apply takes as they are.
            applied = subprocess.run(["git", "apply", str(patch.file)], cwd=COPY, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True,
                                     env=dict(os.environ, GIT_CEILING_DIRECTORIES=str(COPY.parent)))
            if applied.returncode != 0:
                return None, "DOES NOT APPLY: make it anew"
            if not build(tests, check=False):
                return None, "DOES NOT BUILD"
            return put_aside(tests, patch.name), ""
        finally:
            for name, content in kept.items():
                (COPY / name).write_bytes(content)

    def settle(self, under_way, most):
        """Tells of the looks that have ended, and waits until at most so many are under way."""
        while True:
            for future in [f for f in under_way if f.done()]:
                under_way.remove(future)
                self.tell(*future.result())
            if len(under_way) <= most:
                return
            concurrent.futures.wait(under_way, return_when=concurrent.futures.FIRST_COMPLETED)

    def run(self):
        self.prepare()
        self.baseline()
        shutil.rmtree(self.whole)
        under_way = set()
        for patch in self.patches:
            began = time.monotonic()
            programs, wrong = self.break_it(patch)
            build_s = time.monotonic() - began
            if programs is None:
                self.tell(patch, False, wrong, build_s, 0)
                continue
            under_way.add(self.pool.submit(self.look, patch, programs, build_s))
            self.settle(under_way, self.at_once)
        self.settle(under_way, 0)
        bad = sorted(self.bad)
        print(f"{len(self.patches) - len(bad)} passed, {len(bad)} failed in "
              f"{time.monotonic() - self.began:.0f} s{''.join(f'{chr(10)}  {b}' for b in bad)}")
        return 1 if bad else 0


def main():
    patches = [Patch(f) for f in sorted((ROOT / "tests" / "sabotage").glob("*.patch"))]
    wanted = [pathlib.Path(name).stem for name in sys.argv[1:]]
    unknown = set(wanted) - {p.name for p in patches}
    if unknown or not patches:
        sys.exit(f"sabotage: no patch {' '.join(sorted(unknown)) or 'found'}")
    return Sabotage([p for p in patches if not wanted or p.name in wanted]).run()


if __name__ == "__main__":
    sys.exit(main())
