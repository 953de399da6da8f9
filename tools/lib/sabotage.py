"""Applies each patch of tests/sabotage to a copy of the tree and sees a named test turn red.

A patch breaks one rule in one line. Its head says which rule and which ctest tests guard it:

    breaks: a reply is matched by its ref
    red: phx_machine phx_replay

The patch has worked when the tree still builds and at least one of those tests fails; before any
patch all of them must pass.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "sabotage"


def run(*command, cwd=COPY, check=True):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode != 0:
        sys.exit(f"sabotage: {' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}")
    return done


def head(patch):
    text = patch.read_text()
    breaks = re.search(r"^breaks: (.+)$", text, re.M)
    red = re.search(r"^red: (.+)$", text, re.M)
    if not breaks or not red:
        sys.exit(f"sabotage: {patch.name}: needs a line 'breaks: RULE' and a line 'red: TEST...'")
    return breaks.group(1), red.group(1).split()


def copy_tree():
    """The tracked files as they are in the working tree, in a folder of their own."""
    COPY.mkdir(parents=True, exist_ok=True)
    files = run("git", "ls-files", "-z", cwd=ROOT).stdout
    pack = subprocess.Popen(["tar", "--null", "-T", "-", "-cf", "-"], cwd=ROOT, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    unpack = subprocess.Popen(["tar", "-xf", "-"], cwd=COPY, stdin=pack.stdout)
    pack.stdin.write(files.encode())
    pack.stdin.close()
    if pack.wait() or unpack.wait():
        sys.exit("sabotage: could not copy the tree")


def main():
    patches = sorted((ROOT / "tests" / "sabotage").glob("*.patch"))
    wanted = sys.argv[1:]
    if wanted:
        patches = [p for p in patches if p.stem in wanted]
    if not patches:
        sys.exit("sabotage: no patches found")
    copy_tree()
    for preset in ("cortex-m3", "dev"):
        if not (COPY / "build" / preset / "build.ninja").exists():
            run("cmake", "--preset", preset, "-DMCU_WERROR=OFF")
        run("cmake", "--build", "--preset", preset)

    tests = sorted({t for p in patches for t in head(p)[1]})
    for test in tests:
        if ctest(test).returncode != 0:
            sys.exit(f"sabotage: {test} fails before anything was broken")

    failed = 0
    for patch in patches:
        breaks, red = head(patch)
        if run("patch", "-p1", "-s", "-i", str(patch), check=False).returncode != 0:
            sys.exit(f"sabotage: {patch.name} does not apply: make it anew")
        turned, verdict = None, "DOES NOT BUILD"
        try:
            if run("cmake", "--build", "--preset", "dev", check=False).returncode == 0:
                turned = next((t for t in red if ctest(t).returncode != 0), None)
                verdict = f"red: {turned}" if turned else f"NOT NOTICED by {' '.join(red)}"
        finally:
            run("patch", "-p1", "-s", "-R", "-i", str(patch))
        failed += turned is None
        print(f"{patch.stem:34} {breaks}: {verdict}", flush=True)
    run("cmake", "--build", "--preset", "dev")
    print(f"{len(patches) - failed} passed, {failed} failed")
    return 1 if failed else 0


def ctest(name):
    done = run("ctest", "--preset", "dev", "-R", f"^{re.escape(name)}$", check=False)
    if "No tests were found" in done.stdout:
        sys.exit(f"sabotage: there is no test named {name}")
    return done


if __name__ == "__main__":
    sys.exit(main())
