"""Boards at phx-dev's NervesHub: firmware files and keys, board_probe's boards, and what is asked of both."""
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("MCU_SOURCE", ".")
BIN = os.environ.get("MCU_BIN", "build/dev/bin")
sys.path.insert(0, os.path.join(SOURCE, "tests/phx-dev"))

import phxdev  # noqa: E402
from talker import Ended, Talker  # noqa: E402

KEY, SECRET = "nhp_lab", "s3cret/with+signs"
DEADLINE_S = 60
NAMES = {"product": "greenhouse", "platform": "mega", "architecture": "avr8"}


def image(letter, size=3000):
    """What a linker makes: a build id in a note, and an end that tells a whole image from half one."""
    note = b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0" + bytes([ord(letter) - ord("a")]) + b"x" * 19
    return b"\0" * 64 + note + letter.encode() * size + b"END!"


def without_id(size=3000):
    return b"\0" * size + b"END!"


class Files:
    """Firmware files and keys, made once."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nerves-fw-"))
        for name in ("lab", "other"):
            self.run("keys", self.folder / name)
        self.good = self.pack("good", image("b"))
        self.third = self.pack("third", image("c"), version="1.2.0")

    @staticmethod
    def run(*words):
        subprocess.run([os.path.join(BIN, "mkfw"), *map(str, words)], check=True, capture_output=True)

    def pack(self, name, content, key="lab", version="1.1.0", resource=None, **names):
        source, to = self.folder / f"{name}.bin", self.folder / f"{name}.fw"
        source.write_bytes(content)
        words = [word for k, v in {**NAMES, **names, "version": version}.items() for word in (f"--{k}", v)]
        if key:
            words += ["--key", self.folder / f"{key}.priv"]
        if resource:
            words += ["--resource", resource]
        self.run("pack", *words, source, to)
        return to


def one_file(content):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass
    return Handler


class Probe(Talker):
    def __init__(self, server, folder, boards, speed=1, **more):
        scheme = "wss" if server.tls else "ws"
        words = {"url": f"{scheme}://localhost:{server.port}/device-socket/websocket", "key": KEY, "secret": SECRET,
                 "folder": folder, "speed": speed, **more}
        do = words.pop("do", [])
        self.raw = []
        super().__init__(
            [os.path.join(BIN, "board_probe"), *(f"{k}={v}" for k, v in words.items()),
             *(f"board={name}:{flash}" for name, flash in boards.items()), *(f"do={order}" for order in do)],
            parse=self._event, stderr=subprocess.STDOUT)

    def _event(self, text):
        try:
            return json.loads(text)
        except ValueError:
            self.raw.append(text)
            return None

    def next(self):
        """None at its end."""
        try:
            return self.hear("anything more", DEADLINE_S)
        except Ended:
            return None

    def wait_for(self, event, start="", board=None):
        while True:
            line = self.next()
            if line is None:
                raise AssertionError(f"ended before {event} {start}: {self.seen[-12:]} {self.raw}")
            if line["event"] == event and line["text"].startswith(start) and board in (None, line["board"]):
                return line["text"]

    def said(self, event):
        return [line["text"] for line in self.seen if line["event"] == event]

    def kill(self):
        self.process.kill()
        self.end()

    def end(self):
        self.close_input()
        try:
            status = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.reader.join(DEADLINE_S)
        self.catch_up()
        self.process.stdout.close()
        return status


class Boards(unittest.TestCase):
    release = "main"

    @classmethod
    def setUpClass(cls):
        cls.files = Files()
        cls.addClassCleanup(shutil.rmtree, cls.files.folder)

    def setUp(self):
        self.server = phxdev.Server("--nerves", self.release, "--nerves-key", f"{KEY}={SECRET}")
        self.addCleanup(self.server.stop)
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="nerves-board-"))
        self.addCleanup(shutil.rmtree, self.top, True)
        self.store, self.flash = self.top / "firmware", self.top / "mcu-1.flash"
        self.flash.write_bytes(image("a"))

    def probe(self, boards=None, joined=True, **how):
        probe = Probe(self.server, self.store, boards or {"mcu-1": self.flash},
                      **{"pubkey": self.files.folder / "lab.pub", **how})
        self.addCleanup(self.stop, probe)
        if joined:
            probe.wait_for("joined")
        return probe

    def stop(self, probe):
        if probe.process.stdout.closed:
            return
        self.assertEqual(probe.end(), 0, (probe.seen[-10:], probe.raw))

    def devices(self):
        return {d["identifier"]: d for d in self.server.get("/nerves/devices")["devices"]}

    def device(self, name="mcu-1"):
        return self.devices()[name]

    def events(self, name=None, device=None):
        return [e for e in self.server.get("/nerves/events")["events"]
                if name in (None, e["event"]) and device in (None, e.get("device"))]

    def push(self, path, device="mcu-1"):
        return self.server.post("/nerves/update", {"device": device, "path": str(path)})["uuid"]

    def eventually(self, condition, what):
        phxdev.eventually(condition, what)

    def sane(self, device="mcu-1"):
        """Nothing crashed, and the server knows of no update that is none."""
        state = self.device(device)
        self.assertEqual((state["crashes"], state["inflight"]), (0, None))
        self.assertFalse(self.events("CRASH"))

    def sane_with(self, uuid, device="mcu-1"):
        self.eventually(lambda: self.device(device)["uuid"] == uuid and not self.device(device)["inflight"],
                        f"{device} runs {uuid}, as the server sees it")
        self.sane(device)

    def statuses(self):
        return [e["payload"]["status"] for e in self.events("status_update")]

    def flashes(self, probe):
        return len(probe.said("flash"))

    def kept(self):
        return sorted(p.name for p in self.store.iterdir() if not p.name.startswith("board-"))

    def offer_again(self, uuid):
        self.server.post("/nerves/push", {"device": "mcu-1", "topic": "device", "event": "update", "payload": {
            "update_available": True, "deployment_id": None,
            "firmware_url": f"http://127.0.0.1:{self.server.port}/firmware/1/{uuid}.fw",
            "firmware_meta": {**NAMES, "uuid": uuid, "version": "1.1.0", "author": None, "description": None,
                              "vcs_identifier": None, "misc": None}}})

    def refused(self, path, reason, **how):
        probe = self.probe(**how)
        self.push(path)
        self.assertIn(reason, probe.wait_for("bad", "update to"))
        self.sane_with(self.device()["uuid"])
        self.assertEqual((self.flashes(probe), self.flash.read_bytes()), (0, image("a")))
        if self.release == "main":
            self.assertIn(reason[:20], [e for e in self.events("status_update")][-1]["payload"]["reason"])
        uuid = self.push(self.files.third)
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)
        probe.tell("quit")
        self.stop(probe)
        self.flash.write_bytes(image("a"))

    def again(self, path, uuid):
        """A person pushes it again and again."""
        if self.device()["uuid"] != uuid and not self.device()["inflight"] and "device" in self.device()["topics"]:
            self.server.request("POST", "/nerves/update", {"device": "mcu-1", "path": str(path)})
        return self.device()["uuid"] == uuid

    def small_disk(self):
        """Puts the folder on a disk of 4 MiB; False where there is none to be had."""
        self.store.mkdir(0o700)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", self.store],
                              capture_output=True)
        if made.returncode == 0:
            self.addCleanup(subprocess.run, ["umount", "-l", self.store])
        return made.returncode == 0

    def killed_at(self, n):
        """One board whose program dies before its nth lasting step, and is started again. Returns what it
        died of, or None when there is no such step."""
        name, store, flash = f"mcu-{n}", self.top / f"store-{n}", self.top / f"{n}.flash"
        flash.write_bytes(image("a"))
        how = {"pubkey": self.files.folder / "lab.pub", "speed": 50}
        probe = Probe(self.server, store, {name: flash}, die_at=n, **how)
        while (line := probe.next()) is not None and not (line["event"] == "joined" and line["text"] == self.uuid):
            pass
        lived = line is not None
        if lived:
            probe.tell("quit")
        probe.end()
        stages = probe.said("stage")
        died = None if lived else ((stages[-1].split()[0] if stages else "idle"), probe.said("step")[-1])
        again = Probe(self.server, store, {name: flash}, **how)
        again.wait_for("joined", self.uuid)
        self.sane_with(self.uuid, name)
        again.tell("quit")
        self.assertEqual((again.end(), flash.read_bytes()), (0, image("b")), died)
        return died

    def to_board(self, topic, event, **payload):
        answer = self.server.post("/nerves/push", {"device": "mcu-1", "topic": topic, "event": event,
                                                   "payload": payload})
        self.assertEqual(answer["received"], 1)

    def printed(self):
        return "".join(e["payload"]["data"] for e in self.events("up"))

    def consoled(self, probe):
        probe.tell("mcu-1 print ~")
        return "~" in self.printed()

    def logged(self, probe):
        probe.tell("mcu-1 log a pump starts")
        return any(e["payload"]["message"] == "a pump starts" for e in self.events("logging:send"))
