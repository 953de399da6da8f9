"""A board as a NervesHub device, from the offer to its own hello, at both releases: what is claimed is
true, what fails is said, and whatever is killed, cut or pulled, the board ends with a whole firmware."""
import concurrent.futures
import json
import os
import pathlib
import queue
import shutil
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


def uuid_of(path):
    shown = subprocess.run([os.path.join(BIN, "mkfw"), "show", path], check=True, capture_output=True, text=True)
    return next(line.split()[1] for line in shown.stdout.splitlines() if line.startswith("uuid"))


class Probe:
    def __init__(self, server, folder, boards, speed=1, **more):
        scheme = "wss" if server.tls else "ws"
        words = {"url": f"{scheme}://localhost:{server.port}/device-socket/websocket", "key": KEY, "secret": SECRET,
                 "folder": folder, "speed": speed, **more}
        do = words.pop("do", [])
        self.process = subprocess.Popen(
            [os.path.join(BIN, "board_probe"), *(f"{k}={v}" for k, v in words.items()),
             *(f"board={name}:{flash}" for name, flash in boards.items()), *(f"do={order}" for order in do)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines, self.seen, self.raw = queue.Queue(), [], []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for text in self.process.stdout:
            try:
                self.lines.put(json.loads(text))
            except ValueError:
                self.raw.append(text)
        self.lines.put(None)

    def tell(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def next(self):
        try:
            line = self.lines.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise AssertionError(f"nothing more, after {self.seen[-12:]}") from None
        if line is None:
            return None
        self.seen.append(line)
        return line

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
        if self.process.stdin:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        try:
            status = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.reader.join(DEADLINE_S)
        while not self.lines.empty():
            line = self.lines.get()
            if line is not None:
                self.seen.append(line)
        self.process.stdout.close()
        return status


class Main(unittest.TestCase):
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

    def test_an_update_to_its_end(self):
        probe = self.probe()
        uuid = self.push(self.files.good)
        probe.wait_for("hello", "b")
        self.eventually(lambda: self.device()["uuid"] == uuid, "the server knows the new one")
        self.sane()


class Release240(Main):
    release = "2.4.0"


if __name__ == "__main__":
    unittest.main(failfast=True)
