"""tests/guard.py, under which every end-to-end test runs: nothing that a test starts outlives it."""

import pathlib
import subprocess
import sys
import time
import unittest

GUARD = pathlib.Path(__file__).resolve().parents[1] / "guard.py"
PATIENCE = 60
# A test that starts a process of its own session, prints its id, and ends, or waits to be killed.
TEST = ("import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n")


def runs(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Guard(unittest.TestCase):
    def start(self, script, through=()):
        process = subprocess.Popen([*through, sys.executable, str(GUARD), sys.executable, "-c", script],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, int(process.stdout.readline())

    def wait_gone(self, pid):
        until = time.monotonic() + PATIENCE
        while runs(pid):
            self.assertLess(time.monotonic(), until, "still there")
            time.sleep(0.01)

    def test_what_a_killed_test_has_started_is_killed(self):
        process, stray = self.start(TEST + "time.sleep(1000)")
        self.assertTrue(runs(stray))
        process.kill()
        self.wait_gone(stray)

    def test_what_a_test_had_started_is_killed_when_the_test_itself_was(self):
        process, stray = self.start(TEST + "import os; os.kill(os.getpid(), 9)")
        self.assertNotEqual(process.wait(PATIENCE), 0)
        self.wait_gone(stray)

    def test_when_who_runs_the_tests_is_killed_they_end_with_all_they_started(self):
        runner, stray = self.start(TEST + "time.sleep(1000)", through=[
            sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])"])
        runner.kill()
        self.wait_gone(stray)

    def test_a_test_that_leaves_a_process_behind_has_failed(self):
        process, stray = self.start(TEST)
        said = process.stdout.read()
        self.assertEqual(process.wait(PATIENCE), 1)
        self.assertRegex(said, rf"guard: left behind:\n  sleep 1000 \({stray}\)")
        self.assertFalse(runs(stray))

    def test_a_test_s_own_verdict_is_passed_on(self):
        for status in (0, 3):
            process, _ = self.start(f"print(1, flush=True); raise SystemExit({status})")
            self.assertEqual(process.wait(PATIENCE), status)


if __name__ == "__main__":
    unittest.main()
