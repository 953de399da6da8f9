"""Runs a test, and lets nothing of it outlive it.

usage: guard.py COMMAND...

Whatever a test starts carries a mark in its environment. What still runs 10 s after the
test's end is named and ended, and the test has failed. A test that is killed cannot clean up; then all
of that is ended at once, if need be by a watcher on the other end of a pipe. With a parent that is
killed (ctest) the test ends too.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

PATIENCE_S = 10
PR_SET_PDEATHSIG = 1


def of_process(pid, what):
    try:
        with open(f"/proc/{pid}/{what}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def parent_and_state(pid):
    words = of_process(pid, "stat").rpartition(b")")[2].split()
    return (int(words[1]), words[0]) if words else (0, b"Z")


def marked(mark):
    """The processes with the mark, and what they have started with another environment."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    parents = {pid: parent for pid in pids for parent, state in [parent_and_state(pid)] if state != b"Z"}
    found = {pid for pid in parents if mark in of_process(pid, "environ").split(b"\0")}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def end_all(mark):
    """Again and again, since what is about to end may start something."""
    while found := marked(mark):
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)


def watch(mark):
    """Starts the watcher, no child of ours: who kills a test by its tree shall not find it. Returns our
    end of the pipe, whose closing it waits for; "." in it tells that all is well."""
    theirs, ours = os.pipe()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.close(theirs)
        return ours
    os.setsid()
    if os.fork():
        os._exit(0)
    os.close(ours)
    for fd in range(3):   # nobody shall wait for its end
        os.dup2(os.open(os.devnull, os.O_RDWR), fd)
    if os.read(theirs, 1) != b".":
        end_all(mark)
    os._exit(0)


def left_behind(mark):
    until = time.monotonic() + PATIENCE_S
    while found := marked(mark):
        if time.monotonic() > until:
            return [f"{of_process(pid, 'cmdline').replace(bytes(1), b' ').decode(errors='replace')}({pid})"
                    for pid in sorted(found)]
        time.sleep(0.05)
    return []


def main():
    name = f"MCU_GUARD_{os.getpid()}_{time.monotonic_ns()}"
    mark = f"{name}=1".encode()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    watcher = watch(mark)
    status = subprocess.run(sys.argv[1:], env={**os.environ, name: "1"}).returncode
    strays = left_behind(mark) if status >= 0 else []
    if strays:
        print("guard: left behind:", *strays, sep="\n  ", flush=True)
    end_all(mark)
    os.write(watcher, b".")
    return status if status > 0 else 1 if status or strays else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(1)
