"""One identity at phx-dev's NervesHub, both releases: what crashes a channel there or blocks updates is
never sent, and what a server pushes ends where it should."""
import http.server
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SOURCE = os.environ.get("MCU_SOURCE", ".")
BIN = os.environ.get("MCU_BIN", "build/dev/bin")
sys.path.insert(0, os.path.join(SOURCE, "tests/phx-dev"))

import phxdev  # noqa: E402
from talker import Talker  # noqa: E402

KEY, SECRET = "nhp_lab", "s3cret/with+signs"
NEW = os.path.join(SOURCE, "tests/vectors/fw/lab-1.1.0-signed.fw")
OLD_UUID = "206d2695-f7b3-5efd-05c8-5d40adeac947"
NEW_UUID = "2cc211b5-e7c5-5b9c-b678-c70df78babe5"
DEADLINE_S = 30


class Probe(Talker):
    def __init__(self, server, identifier="mcu-1", secret=SECRET, ahead_s=0, port=None):
        super().__init__(
            [os.path.join(BIN, "nerves_probe"),
             f"ws://127.0.0.1:{port or server.port}/device-socket/websocket", identifier, KEY, secret],
            parse=lambda line: line.rstrip("\n"), stderr=subprocess.STDOUT,
            env={**os.environ, "MCU_PROBE_AHEAD_S": str(ahead_s)})

    def tell(self, order):
        self.process.stdin.buffer.write(order if isinstance(order, bytes) else order.encode())
        self.process.stdin.buffer.write(b"\n")
        self.process.stdin.buffer.flush()

    def wait_for(self, start):
        """The next line that starts so."""
        end = time.monotonic() + DEADLINE_S
        while not (line := self.hear(f"a line {start}", end - time.monotonic())).startswith(start):
            pass
        return line

    def stop(self):
        self.process.stdin.close()
        try:
            self.status = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.status = self.process.wait()
        self.process.stdout.close()


class Main(unittest.TestCase):
    release = "main"

    def setUp(self):
        self.server = phxdev.Server("--nerves", self.release, "--nerves-key", f"{KEY}={SECRET}")
        self.addCleanup(self.server.stop)

    def probe(self, joined=True, **how):
        probe = Probe(self.server, **how)
        self.addCleanup(self.stop, probe)
        if joined:
            probe.tell(f"board {OLD_UUID} 1.0.0")
            probe.wait_for("joined")
        return probe

    def stop(self, probe):
        probe.stop()
        self.assertEqual(probe.status, 0, probe.seen)

    def device(self):
        devices = self.server.get("/nerves/devices")["devices"]
        return next((d for d in devices if d["identifier"] == "mcu-1"), None)

    def eventually(self, condition, what):
        phxdev.eventually(condition, what)

    def events(self, name=None):
        return [e for e in self.server.get("/nerves/events")["events"] if name in (None, e["event"])]

    def push(self, topic, event, payload=None):
        answer = self.server.post("/nerves/push", {"device": "mcu-1", "topic": topic, "event": event,
                                                   "payload": payload or {}})
        self.assertEqual(answer["received"], 1)

    def topics(self, *wanted):
        self.eventually(lambda: set(wanted) <= set(self.device()["topics"]), f"{wanted} are joined")

    # ---- joining

    def test_nothing_is_joined_before_the_firmware_is_known(self):
        probe = self.probe(joined=False)
        self.eventually(lambda: self.device() and self.device()["connected"], "it is connected")
        probe.tell(f"board {OLD_UUID} ")
        probe.tell("log a line that goes nowhere")
        probe.tell(f"board {OLD_UUID} 1.0.0")
        probe.wait_for("joined")
        joins = [e["payload"] for e in self.events("phx_join") if e["topic"] == "device"]
        self.assertEqual([j["nerves_fw_version"] for j in joins], ["1.0.0"])
        self.assertRegex(joins[0]["device_api_version"], r"^\d+\.\d+\.\d+$")
        self.topics("device", "console", "extensions")
        self.assertEqual(self.device()["crashes"], 0)

    def test_it_joins_anew_with_the_new_firmware_and_only_then(self):
        probe = self.probe()
        probe.tell(f"board {OLD_UUID} 1.0.0")
        probe.tell(f"board {NEW_UUID} 1.1.0")
        probe.wait_for("left")
        probe.wait_for("joined")
        self.assertEqual([e["payload"]["nerves_fw_uuid"] for e in self.events("phx_join")
                          if e["topic"] == "device"], [OLD_UUID, NEW_UUID])

    def test_a_wrong_secret_is_told_from_a_wrong_clock(self):
        probe = self.probe(joined=False, secret="wrong")
        probe.wait_for("bad the server refuses the key, its secret or the identifier")
        self.assertFalse([line for line in probe.seen if "clock" in line or "wrong" in line])

    def test_the_secret_is_asked_for_at_every_attempt(self):
        with tempfile.NamedTemporaryFile("w") as file:
            probe = self.probe(joined=False, secret=f"@{file.name}")
            self.eventually(lambda: self.device() is None, "nobody is there")
            print("wrong", file=file, flush=True)
            probe.wait_for("bad the server refuses the key, its secret or the identifier")
            file.truncate(0)
            file.seek(0)
            print(SECRET, file=file, flush=True)
            probe.tell(f"board {OLD_UUID} 1.0.0")
            probe.wait_for("joined")

    def test_a_clock_that_is_wrong_either_way_is_no_obstacle(self):
        for ahead in (3600, -3600):
            with self.subTest(ahead):
                probe = self.probe(joined=False, ahead_s=ahead)
                probe.tell(f"board {OLD_UUID} 1.0.0")
                probe.wait_for("joined")
                said = [line for line in probe.seen if "clock" in line]
                self.assertEqual(len(said), 0 if ahead > 0 and self.release == "2.4.0" else 1)
                probe.tell("quit")

    def test_it_comes_back_by_itself_after_a_kick_and_after_a_crash(self):
        probe = self.probe()
        self.server.post("/nerves/kick", {"device": "mcu-1"})
        probe.wait_for("left")
        probe.wait_for("joined")
        self.server.post("/fault", {"crash": "device"})
        probe.wait_for("bad the channel crashed on the server")
        probe.wait_for("joined")

    def test_a_join_after_a_cut_names_the_update_that_goes_on(self):
        probe = self.probe()
        probe.tell(f"downloading {NEW_UUID}")
        self.server.post("/nerves/kick", {"device": "mcu-1"})
        probe.wait_for("left")
        probe.wait_for("joined")
        joins = [e["payload"] for e in self.events("phx_join") if e["topic"] == "device"]
        self.assertEqual([j.get("currently_downloading_uuid") for j in joins], [None, NEW_UUID])

    # ---- updates

    def test_an_update_from_the_offer_to_the_new_firmware(self):
        probe = self.probe()
        self.server.post("/nerves/release", {"path": NEW})
        self.assertEqual(probe.wait_for("offer"), f"offer {NEW_UUID}")
        for word in ("received", "started", "downloading", "updating"):
            probe.tell(f"status {word}")
        probe.tell("progress 50")
        probe.tell("status completed")
        probe.tell("rebooting")
        self.eventually(lambda: self.events("rebooting"), "it says that it reboots")
        if self.release == "main":
            self.assertEqual(self.device()["inflight"]["status"], "completed")
        probe.tell(f"board {NEW_UUID} 1.1.0")
        probe.wait_for("joined")
        state = self.device()
        self.assertEqual((state["uuid"], state["inflight"], state["crashes"], state["validation"]),
                         (NEW_UUID, None, 0, "validated"))

    def test_nothing_that_makes_a_phantom_is_said_by_itself(self):
        self.probe()
        self.topics("device", "console", "extensions")
        self.push("extensions", "health:check")
        self.eventually(lambda: self.events("health:report"), "health is reported")
        self.assertIsNone(self.device()["inflight"])
        self.assertFalse(self.events("status_update") + self.events("fwup_progress"))

    # All that this device ever says, on each topic.
    WORDS = {"device": {"phx_join", "status_update", "fwup_progress", "rebooting", "scripts/run"},
             "console": {"phx_join", "up"},
             "extensions": {"phx_join", "health:attached", "health:detached", "health:report", "logging:attached",
                            "logging:detached", "logging:send", "logging:dropped"}}

    def test_nothing_that_a_device_is_brought_to_do_crashes_a_channel(self):
        seed = int(os.environ.get("MCU_SEED", random.randrange(1 << 32)))
        dice = random.Random(seed)
        self.server.post("/nerves/settings", {"logging": True})
        probe = self.probe()
        garbage = lambda: bytes(b for b in dice.randbytes(dice.randrange(300)) if b not in b"\n\0")
        device = lambda event: ["push", {"device": "mcu-1", "topic": "device", "event": event, "payload": {"ref": "r"}}]
        extensions = lambda event: ["push", {"device": "mcu-1", "topic": "extensions", "event": event,
                                             "payload": {"extensions": "all"}}]
        told = [lambda: b"print " + garbage(), lambda: b"log " + garbage(), lambda: "lines 5",
                lambda: f"board {dice.choice([OLD_UUID, NEW_UUID, '', 'hello'])} 1.0.0", lambda: "rebooting",
                lambda: f"downloading {dice.choice([NEW_UUID, ''])}"]
        done = [["kick", {"device": "mcu-1"}], device("scripts/run"), device("archive"), device("nosuch"),
                extensions("attach"), extensions("detach"), extensions("health:check")]
        for i in range(150):
            if dice.randrange(3):
                probe.tell(dice.choice(told)())
            elif dice.randrange(6):
                order, payload = dice.choice(done)
                self.server.post(f"/nerves/{order}", payload)
            else:
                self.server.post("/fault", {"crash": dice.choice(list(self.WORDS))})
        probe.tell(f"board {OLD_UUID} 1.0.1")
        self.topics("device", "console")
        self.eventually(lambda: self.consoled(probe), f"it goes on, seed {seed}")
        self.assertEqual(self.device()["crashes"], 0, f"seed {seed}")
        for event in self.events():
            self.assertIn(event["event"], self.WORDS[event["topic"]], f"seed {seed}")

    # ---- what else is pushed

    def test_a_script_is_never_run(self):
        self.probe()
        self.push("device", "scripts/run", {"ref": "AB+/cd", "text": "System.cmd(\"touch\", [\"/x\"])"})
        self.eventually(lambda: self.device()["script_output"], "it is answered")
        answer = self.events("scripts/run")[0]["payload"]
        self.assertEqual((answer["ref"], answer["result"], answer["output"]),
                         ("AB+/cd", "error", "not supported"))

    def test_reboot_and_identify_reach_the_board_and_an_archive_is_refused_politely(self):
        probe = self.probe()
        for event in ("reboot", "identify", "archive", "nosuch"):
            self.push("device", event)
        probe.wait_for("reboot")
        probe.wait_for("identify")
        probe.wait_for("say an archive was offered")
        self.assertTrue(self.device()["connected"])

    # ---- console

    def test_keys_and_the_window_reach_the_board(self):
        probe = self.probe()
        self.topics("console")
        self.push("console", "window_size", {"height": 24, "width": 80})
        self.push("console", "dn", {"data": "ls é"})
        self.push("console", "file-data/start", {"filename": "../../etc/passwd"})
        self.assertEqual(probe.wait_for("window"), "window 24 80")
        self.assertEqual(probe.wait_for("typed"), "typed ls é")
        probe.wait_for("say a file was sent to the console")

    def test_ten_thousand_lines_arrive_whole_in_few_messages(self):
        probe = self.probe()
        self.topics("console")
        self.eventually(lambda: self.consoled(probe), "the console is joined at both ends")
        probe.tell("lines 10000")
        self.eventually(lambda: self.printed().endswith("line 9999\n"), "the last line is there")
        lines = self.printed().split("~", 1)[-1]
        self.assertEqual(re.sub("^~*", "", lines), "".join(f"line {i}\n" for i in range(10000)))
        self.assertLess(len(self.events("up")), 200)
        self.assertEqual(self.device()["crashes"], 0)

    def printed(self):
        return "".join(e["payload"]["data"] for e in self.events("up"))

    def consoled(self, probe):
        probe.tell("print ~")
        return "~" in self.printed()

    # ---- extensions

    def test_health_is_reported_once_attached_and_when_asked(self):
        self.probe()
        self.eventually(lambda: len(self.events("health:report")) == 1, "health was asked and answered")
        self.push("extensions", "health:check")
        self.eventually(lambda: len(self.events("health:report")) == 2, "and again")
        self.assertEqual(self.events("health:report")[0]["payload"]["value"],
                         {"metrics": {"link_errors": 0}})
        self.push("extensions", "detach", {"extensions": "all"})
        self.eventually(lambda: self.events("health:detached"), "it is detached")
        self.push("extensions", "attach", {"extensions": ["health"]})
        self.eventually(lambda: len(self.events("health:attached")) == 2, "it is attached again")

    def test_logs_go_out_where_they_are_taken_within_the_limit(self):
        self.server.post("/nerves/settings", {"logging": True})
        probe = self.probe()
        self.eventually(lambda: self.events("logging:attached"), "logging is attached")
        for i in range(50):
            probe.tell(f"log line {i}")
        probe.tell("print end")
        self.eventually(lambda: "end" in self.printed(), "all was said")
        sent = [e["payload"]["message"] for e in self.events("logging:send")]
        self.assertEqual(sent[:10], [f"line {i}" for i in range(10)])
        self.assertLess(len(sent), 50)


class Elsewhere(http.server.ThreadingHTTPServer):
    """Answers every request with a redirect to `to`, or with 404; keeps their headers."""

    daemon_threads = True

    def __init__(self, test, to=None):
        super().__init__(("127.0.0.1", 0), Elsewhere.Handler)
        self.to, self.requests = to, []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        test.addCleanup(self.server_close)
        test.addCleanup(self.shutdown)

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            self.server.requests.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(404 if self.server.to is None else 301)
            if self.server.to is not None:
                self.send_header("Location", self.server.to)
            self.send_header("Content-Length", "0")
            self.end_headers()


class Redirected(unittest.TestCase):
    def test_a_redirect_of_the_socket_takes_no_header_to_another_host(self):
        other = Elsewhere(self)
        first = Elsewhere(self, f"http://127.0.0.1:{other.server_port}/device-socket/websocket")
        probe = Probe(None, port=first.server_port)
        self.addCleanup(probe.stop)
        phxdev.eventually(lambda: len(first.requests) >= 3, "it has been redirected some times")
        for name in ("x-nh-alg", "x-nh-key", "x-nh-time", "x-nh-signature"):
            self.assertIn(name, first.requests[0])
        self.assertEqual(other.requests, [])
        probe.wait_for("bad")
        probe.catch_up()
        for request in first.requests:
            for secret in (SECRET, request["x-nh-signature"], KEY):
                self.assertNotIn(secret, "\n".join(probe.seen))


class Release240(Main):
    release = "2.4.0"


if __name__ == "__main__":
    unittest.main(failfast=True)
