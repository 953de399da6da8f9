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
        results[name, scenario] = pool.submit(run, path)


def tearDownModule():
    pool.shutdown()


class Replayed(unittest.TestCase):
    def test_recordings_are_there(self):
        self.assertTrue(list(scenarios()))


def add_test(name, scenario):
    def test(self):
        results[name, scenario].result()
    setattr(Replayed, f"test_{name}_{scenario}", test)


for set_name, scenario_name, _ in scenarios():
    add_test(set_name, scenario_name)


if __name__ == "__main__":
    program = unittest.main(exit=False)
    print(f"replayed {len(results)} scenarios")
    sys.exit(not program.result.wasSuccessful())
