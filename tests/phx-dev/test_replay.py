"""Does phx-dev answer as the recorded servers did? One test for each recorded scenario.

REPLAY_ONLY=text in the environment restricts the run to scenarios with that text in their name.
"""
import glob
import os
import sys
import unittest

import replay
from replayed import replayed

SETS = ("phoenix-1.8-bandit", "microcontroller-server")


def scenarios():
    only = os.environ.get("REPLAY_ONLY", "")
    for name in SETS:
        for path in sorted(glob.glob(os.path.join(replay.TRANSCRIPTS, name, "*.jsonl"))):
            scenario = os.path.basename(path)[:-len(".jsonl")]
            if only in scenario:
                yield f"{name}_{scenario}", path


SCENARIOS = list(scenarios())
Replayed = replayed(replay.Replay, SCENARIOS, at_least=1, at_once=6)


if __name__ == "__main__":
    program = unittest.main(exit=False)
    print(f"replayed {len(SCENARIOS)} scenarios")
    sys.exit(not program.result.wasSuccessful())
