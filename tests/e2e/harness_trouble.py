"""A board, mcu-bridge and phx-dev as NervesHub, and the questions that end every test of an update: does
the board run a firmware, does the server know which, was no success claimed that was none, is no update
left in flight, and does the next one work?

    hub = Hub(self, "2.4.0")
    desk = Desk(self, "posix", hub)      # board, configuration and bridge
    desk.joined()
    file = desk.fw(2)                    # version 2.0.0 as a .fw
    hub.release(file)
    desk.runs(2)
    desk.at_peace()                      # the questions
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

from fw_files import fw_file
from harness_bridge import Bridge, PhxDev, folder, secret_file, wait_until, yaml_value
from harness_mcu import BIN, PATIENCE, Mcu, Probe
from images import Flash, image, image_id, posix_image

KEY, SECRET = "nhp_lab", "s3cret/with+signs"
LONG = PATIENCE * 3  # for what waits on purpose: a board that does not come back, an update of an AVR
FLASHER = pathlib.Path(__file__).resolve().parent / "fake_flasher.py"
PLATFORMS = {"posix": "posix", "cortex-m3": "mps2-an385", "atmega2560": "atmega2560"}


class Hub(PhxDev):
    """phx-dev as NervesHub."""

    def __init__(self, test, release="main", *arguments, **how):
        self.like = release
        super().__init__(test, "--nerves", release, "--nerves-key", f"{KEY}={SECRET}", *arguments, **how)

    @property
    def url(self):
        scheme, host = ("wss", "localhost") if self.tls else ("ws", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}/device-socket/websocket"

    def order(self, what, **body):
        return self.request("POST", f"/nerves/{what}", body)

    def release(self, file=None):
        """What every device is to run."""
        return self.order("release", **({"path": str(file)} if file else {}))

    def update(self, device, file):
        """A person pushes it to one device."""
        return self.order("update", device=device, path=str(file))

    def spoil(self, **faults):
        """What goes wrong with downloads from now on; nothing: no more."""
        return self.order("fault", **faults)

    def devices(self):
        return {d["identifier"]: d for d in self.request("GET", "/nerves/devices")["devices"]}

    def events(self, device="a", *names):
        return [e for e in self.request("GET", "/nerves/events")["events"]
                if e["device"] == device and (not names or e["event"] in names)]

    def statuses(self, device="a"):
        return [e["payload"]["status"] for e in self.events(device, "status_update")]

    def reasons(self, device="a"):
        """Why updates failed, as it was told."""
        said = [e["payload"] for e in self.events(device, "status_update")]
        return [p.get("reason") if p["status"] == "failed" else p["status"].removeprefix("fwup error: ")
                for p in said if p["status"] == "failed" or "fwup error" in p["status"]]

    def percents(self, device="a", stage="updating"):
        return [e["payload"]["value"] for e in self.events(device, "fwup_progress") if e["payload"]["stage"] == stage]

    def downloads(self):
        return self.request("GET", "/nerves/downloads")["downloads"]


class Desk:
    """One board with its bridge, a device of `hub` by the name "a". `way`: in_band or command, with the
    fake flasher that writes a process's flash."""

    def __init__(self, test, board, hub, way="in_band", start=True, flasher=(), mcu=None, **settings):
        self.test, self.board, self.hub, self.way = test, board, hub, way
        self.folder = folder(test)
        self.state = self.folder / "state"
        self.mcu = Mcu(test, board, state=self.state, **{"baud": 460800, **(mcu or {})})
        self.flash = Flash(self.state, board)
        wait_until(self.flash.is_there, "a flash")
        self.files = self.folder / "firmware"
        self.ids = {}  # of the images that were packed: which uuid
        self.bridge = None
        self.said_architecture = None
        self.log_level = settings.pop("log_level", "debug")
        self.settings = {"url": hub.url, "key": KEY, "secret_file": str(secret_file(test, SECRET)),
                         "folder": str(self.files), "keep_free": "0", "reconnect_min": "100ms",
                         "reconnect_max": "500ms", "allow_http": True}
        if hub.tls:
            self.settings.update(ca_file=str(hub.cert), allow_http=False)
        if way == "command":
            self.settings.update(flash="command", boot_quiet="100ms", flash_command=[
                sys.executable, str(FLASHER), "{port}", "{file}", self.flash.path, str(self.mcu.folder / "control2"),
                *flasher])
            self.control = Second(test, self.mcu)
        self.settings.update(settings)
        if start:
            self.start()

    # ---- the bridge

    def config(self):
        lines = ["log:", f"  level: {self.log_level}", "nerveshub:"]
        lines += [f"  {key}: {json.dumps(value) if isinstance(value, list) else yaml_value(value)}"
                  for key, value in self.settings.items()]
        lines += ["mcus:", "  - name: a", f"    path: {yaml_value(self.mcu.path)}"]
        path = self.folder / "bridge.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def start(self):
        self.bridge = Bridge(self.test, "--config", self.config())

    def kill(self):
        """As kill -9 does, and what it left of a flasher goes too, as with a machine that loses power."""
        self.bridge.kill()
        if self.way == "command":
            self.control.end_flasher()

    def restart(self):
        self.kill()
        self.start()

    # ---- firmware

    def image(self, version):
        return posix_image(version, size=40000) if self.board == "posix" and isinstance(version, str) and \
            version not in ("hang", "mute") else image(self.board, version)

    def fw(self, version, *options, data=None, pack=True, resources=None, **names):
        """A .fw of this image (see images.image): by mkfw with `options`, or with more `resources` and unsigned."""
        data = self.image(version) if data is None else data
        shown = {1: "1.0.0", 2: "2.0.0"}.get(version, str(version))
        out = self.folder / f"{re.sub('[^a-z0-9.]', '-', shown)}-{len(self.ids)}.fw"
        names = {"product": "mcu-stub", "version": shown, "platform": PLATFORMS[self.board],
                 "architecture": self.architecture(), **names}
        if resources is not None:
            fw_file(out, {"firmware.bin": data, **resources}, **names)
        else:
            raw = self.folder / "image.bin"
            raw.write_bytes(data)
            words = [word for key, value in names.items() for word in (f"--{key}", value)]
            subprocess.run([BIN / "mkfw", "pack", *words, *options, raw, out], check=True, capture_output=True)
        self.ids[image_id(data)] = self.uuid(out)
        return out

    def architecture(self):
        """As the board said it the first time."""
        if self.said_architecture is None:
            self.said_architecture = self.device()["architecture"]
        return self.said_architecture

    @staticmethod
    def uuid(file):
        shown = subprocess.run([BIN / "mkfw", "show", file], check=True, capture_output=True, text=True).stdout
        return re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", shown)[0]

    # ---- what is seen

    def device(self):
        return self.hub.devices().get("a", {})

    def memory(self):
        """The most that the bridge has used, MiB."""
        status = pathlib.Path(f"/proc/{self.bridge.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def joined(self):
        wait_until(lambda: "device" in self.device().get("topics", []) and self.device()["uuid"], "it has joined")
        return self.device()["uuid"]

    def joins(self):
        """What each join of `device` said."""
        return [e["payload"] for e in self.hub.events("a", "phx_join") if e["topic"] == "device"]

    def runs(self, file, patience=LONG):
        """The server knows that the board runs this file, or this uuid, and nothing is in flight."""
        uuid = self.uuid(file) if isinstance(file, pathlib.Path) else file

        def there():
            device = self.device()
            return device.get("uuid") == uuid and device["connected"] and device["inflight"] is None
        wait_until(there, lambda: f"it runs {uuid}: {self.device()}, {self.hub.reasons()}", patience)

    def at_rest(self):
        """No update is under way for the bridge either: one that is killed before would tell its end once more."""
        def stages():
            return [json.loads(file.read_text()).get("stage", 0) for file in self.files.glob("board-*.json")]
        wait_until(lambda: stages() == [0], lambda: f"the bridge is at rest: {stages()}")

    def failed(self, reason, count=1, patience=LONG):
        """The server was told of failures, of which the last one fits."""
        wait_until(lambda: len(self.hub.reasons()) >= count, lambda: f"failure {count}; the server heard {self.heard()}", patience)
        self.test.assertRegex(self.hub.reasons()[-1], reason)

    def heard(self, count=12):
        return [(e["topic"], e["event"], e["payload"]) for e in self.hub.events() if e["topic"] == "device"][-count:]

    def flashing(self, percent=20):
        """So far it is written now."""
        wait_until(lambda: max(self.hub.percents(), default=0) >= percent, f"{percent} percent are written", LONG)

    def at_peace(self, next_version="9.9.9"):
        """What has to hold after any trouble, and once more after one more update."""
        self.truth()
        if next_version is not None:
            self.hub.spoil()
            file = self.fw(next_version)
            self.hub.release()
            self.hub.update("a", file)
            self.runs(file)
            self.truth()
        self.bridge.kill()
        probe = Probe(self.test, self.mcu.path)
        ready = probe.wait("ready")
        self.test.assertEqual(self.ids.get(ready["image"], self.device()["uuid"]), self.device()["uuid"])
        probe.close()

    def truth(self):
        device = self.device()
        self.test.assertIsNone(device["inflight"])
        self.test.assertEqual(device["crashes"], 0)
        self.test.assertEqual(self.hub.events("a", "CRASH"), [])
        self.claims_are_true()

    def claims_are_true(self):
        """Each `completed` is followed by a join with another uuid than before it, and none is said without one."""
        joined, claimed = None, False
        for event in self.hub.events("a", "phx_join", "status_update"):
            if event["topic"] == "device" and event["event"] == "phx_join":
                uuid = event["payload"]["nerves_fw_uuid"]
                if claimed:
                    self.test.assertNotEqual(uuid, joined, "completed, and the same firmware")
                joined, claimed = uuid, False
            elif event["event"] == "status_update":
                claimed = claimed or event["payload"]["status"] == "completed"
        self.test.assertFalse(claimed, "completed, and no join")


class Second:
    """The fake flasher's hand on mcu-link: kills and starts the board, tells who it is."""

    def __init__(self, test, mcu):
        self.pid = mcu.folder / "flasher.pid"
        hand = {"control": str(mcu.folder / "control"), "pid": str(self.pid), "link": mcu.path}
        (mcu.folder / "control2").write_text(json.dumps(hand))

    def end_flasher(self):
        try:
            os.kill(int(self.pid.read_text()), signal.SIGKILL)
        except (OSError, ValueError):
            pass
