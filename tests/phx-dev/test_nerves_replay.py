"""Does phx-dev --nerves answer as two recorded NervesHub servers did? One test a scenario.

REPLAY_ONLY=text in the environment restricts the run to scenarios with that text in their name.
"""
import glob
import os
import unittest

import replay
import replay_nerves
from replayed import replayed

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


def scenarios():
    only = os.environ.get("REPLAY_ONLY", "")
    for release in ("main", "2.4.0"):
        for path in sorted(glob.glob(os.path.join(replay.TRANSCRIPTS, f"nerveshub-{release}", "*.jsonl"))):
            name = os.path.basename(path)[:-len(".jsonl")]
            left_out = name in LEFT_OUT or release == "main" and name in LEFT_OUT_OF_MAIN
            if only in name and not left_out:
                yield f"nerveshub_{release.replace('.', '_')}_{name}", path


Replayed = replayed(replay_nerves.NervesReplay, list(scenarios()), at_once=4,
                    at_least=1 if os.environ.get("REPLAY_ONLY") else 61)


if __name__ == "__main__":
    unittest.main()
