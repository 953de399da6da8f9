"""Does phx-dev --nerves answer as two recorded NervesHub servers did? One test a scenario.

REPLAY_ONLY=text in the environment restricts the run to scenarios with that text in their name.
"""
import concurrent.futures
import glob
import os
import tempfile
import unittest

import replay
import replay_nerves

AT_ONCE = 4
# Scenarios that are not replayed, and why; where there is another place, a test there covers it.
LEFT_OUT = {
    "archive": "made by orders to the server's database; test_nerves.py",
    "big_update": "needs its firmware of 2.7 MB; test_nerves.py",
    "compression": "the compressed frames were recorded without their text",
    "connect_paths": "the recorded web endpoint had no router; test_nerves.py",
    "download": "bodies are not text; test_nerves.py",
    "idle_silent": "takes three minutes; test_nerves.py",
    "idle_ws_pings": "takes three minutes",
    "join_topics": "device:99 is a hole of the server that is not copied",
    "logging_on": "made by orders to the server's database; test_nerves.py",
    "moved_product": "made by orders to the server's database",
    "msgpack": "MessagePack is not spoken",
    "mtls_ok": "its certificates are not known; test_nerves.py",
    "mtls_refused": "its certificates are not known; test_nerves.py",
    "new_release": "made by orders to the server's database",
    "penalty": "made by orders to the server's database; test_nerves.py",
    "removed_device": "made by orders to the server's database",
    "second_connection": "its second half is mTLS; test_nerves.py",
    "status_deployment": "recorded with a part of the server missing; status_rescheduled",
}
LEFT_OUT_OF_MAIN = {"connect_vsn": "3.0.0 is MessagePack"}

pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
results = {}


def scenarios():
    only = os.environ.get("REPLAY_ONLY", "")
    for release in ("main", "2.4.0"):
        for path in sorted(glob.glob(os.path.join(replay.TRANSCRIPTS, f"nerveshub-{release}", "*.jsonl"))):
            name = os.path.basename(path)[:-len(".jsonl")]
            left_out = name in LEFT_OUT or release == "main" and name in LEFT_OUT_OF_MAIN
            if only in name and not left_out:
                yield release.replace(".", "_"), name, path


def run(path):
    with tempfile.TemporaryDirectory() as directory:
        replay_nerves.NervesReplay(path).run(directory)


def setUpModule():
    for release, name, path in scenarios():
        results[release, name] = pool.submit(run, path)


def tearDownModule():
    pool.shutdown()


class Replayed(unittest.TestCase):
    def test_recordings_are_there(self):
        self.assertGreater(len(list(scenarios())), 0 if os.environ.get("REPLAY_ONLY") else 60)


def add_test(release, name):
    def test(self):
        results[release, name].result()
    setattr(Replayed, f"test_nerveshub_{release}_{name}", test)


for release_name, scenario_name, _ in scenarios():
    add_test(release_name, scenario_name)


if __name__ == "__main__":
    unittest.main()
