"""Does phx-dev answer as the recorded servers did? One test for each recorded scenario.

REPLAY_ONLY=text in the environment restricts the run to scenarios with that text in their name.
"""
import concurrent.futures
import glob
import os
import sys
import tempfile
import unittest

import replay

SETS = ("phoenix-1.8-bandit", "microcontroller-server")
AT_ONCE = 6  # most scenarios wait more than they work

pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
results = {}


def scenarios():
    only = os.environ.get("REPLAY_ONLY", "")
    for name in SETS:
        for path in sorted(glob.glob(os.path.join(replay.TRANSCRIPTS, name, "*.jsonl"))):
            scenario = os.path.basename(path)[:-len(".jsonl")]
            if only in scenario:
                yield name, scenario, path


def run(path):
    with tempfile.TemporaryDirectory() as directory:
        replay.Replay(path).run(directory)


def setUpModule():
    for name, scenario, path in scenarios():
        if scenario not in replay.SKIPPED:
            results[name, scenario] = pool.submit(run, path)


def tearDownModule():
    pool.shutdown()


class Replayed(unittest.TestCase):
    def test_recordings_are_there(self):
        self.assertTrue(list(scenarios()))

    def test_every_skipped_scenario_exists(self):
        if not os.environ.get("REPLAY_ONLY"):
            self.assertLessEqual(replay.SKIPPED.keys(), {s for _, s, _ in scenarios()})


def add_test(name, scenario):
    def test(self):
        if scenario in replay.SKIPPED:
            self.skipTest(replay.SKIPPED[scenario])
        results[name, scenario].result()
    setattr(Replayed, f"test_{name}_{scenario}", test)


for set_name, scenario_name, _ in scenarios():
    add_test(set_name, scenario_name)


def summary():
    skipped = [s for _, s, _ in scenarios() if s in replay.SKIPPED]
    named = ", ".join(f"{s} ({replay.SKIPPED[s]})" for s in skipped)
    parts = ", ".join(f"connection {c} of {s} ({why})"
                      for (s, c), why in replay.SKIPPED_CONNECTIONS.items())
    return f"replayed {len(results)} scenarios, {len(skipped)} skipped: {named}; and {parts}"


if __name__ == "__main__":
    program = unittest.main(exit=False)
    print(summary())
    sys.exit(not program.result.wasSuccessful())
