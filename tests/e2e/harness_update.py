"""What updates are tested with from end to end: firmware files by mkfw, a NervesHub by phx-dev, boards behind
mcu-bridge as its devices, and what became of an update as each of them tells it.

    hub = Hub(self, "main")
    board = Board(self, "cortex-m3")
    bridge = HubBridge(self, hub, [board])
    new = hub.firmware(board, 2)
    seen = hub.update(board, new)       # pushes it and waits until the board has joined with it
"""

import json
import platform
import re
import subprocess
import urllib.request

from harness_bridge import Bridge, PhxDev, folder, free_port, secret_file, wait_until
from harness_flash import STK500V2
from harness_mcu import AVR_BIN, BIN, PATIENCE, Mcu
from images import image

KEY, SECRET = "nhp_lab", "s3cret/with+signs"
AVRDUDE = ["avrdude", "-p", "m2560", "-c", "wiring", "-P", "{port}", "-b", "{baud}", "-D", "-U", "flash:w:{file}:i"]
UPDATE_WORDS = ("status_update", "fwup_progress")
STAGES = ["received", "started", "downloading", "updating", "completed"]

# board: product, platform, architecture as its hello has them
NAMES = {
    "posix": ("mcu-stub", "posix", platform.machine()),
    "cortex-m3": ("mcu-stub", "mps2-an385", "cortex-m3"),
    "atmega2560": ("mcu-stub", "atmega2560", "avr"),
    "arduino-mega": ("fan", "atmega2560", "avr"),
}
VERSIONS = {
    "posix": {1: "1.0.0", 2: "2.0.0", "hang": "2.0.1", "mute": "2.0.1"},
    "cortex-m3": {1: "0.1.0", 2: "2.0.0", "hang": "2.0.1"},
    "atmega2560": {1: "0.1.0", 2: "2.0.0", "hang": "2.0.1"},
    "arduino-mega": {1: "1.0.0", 2: "1.1.0"},
}


def mkfw(*arguments):
    return subprocess.run([str(BIN / "mkfw"), *map(str, arguments)], check=True, capture_output=True, text=True).stdout


class Firmware:
    """A .fw file: where it is, its version, its uuid, and the bytes of its image."""

    def __init__(self, path, version, data):
        self.path, self.version, self.data = str(path), version, data
        self.uuid = re.search(r"^uuid\s+(\S+)", mkfw("show", path), re.M)[1]


class Board:
    """An emulated board behind a serial line that keeps its baud rate. "arduino-mega": the fan of the Arduino
    library, under the Mega's own boot loader, reset whenever its port is opened."""

    def __init__(self, test, kind, name="bench-1", number=1, baud=115200, **options):
        self.kind, self.name = kind, name
        self.state = folder(test) / "state"
        if kind == "arduino-mega":
            self.device = "fan-1"
            self.mcu = Mcu(test, "atmega2560", image=AVR_BIN / "arduino-Fan-mega.elf", boot=STK500V2,
                           state=self.state, baud=baud, reset_on_open=True, **options)
        else:
            self.device = f"stub-{number}"
            self.mcu = Mcu(test, kind, board=number, state=self.state, baud=baud, **options)

    def image(self, version):
        """Bytes of an image for it, and the name of a file for them; 1 is what it comes with,
        but for "posix", which comes with another 0.1.0."""
        if self.kind == "arduino-mega":
            return (AVR_BIN / f"arduino-{ {1: 'Fan', 2: 'NextFan'}[version] }-mega.hex").read_bytes(), "firmware.hex"
        return image(self.kind, version), "firmware.bin"

    def version(self, version):
        return VERSIONS[self.kind][version]

    def entry(self):
        """Its entry under mcus."""
        entry = {"name": self.name, "device": self.device, "path": self.mcu.path}
        if self.kind == "arduino-mega":
            entry["flash_command"] = AVRDUDE
        return entry


class Hub(PhxDev):
    """phx-dev as the NervesHub of one product, over TLS, with a key that signs its firmware."""

    def __init__(self, test, release="main", *arguments):
        self.test, self.release = test, release
        self.folder = folder(test)
        mkfw("keys", self.folder / "lab")
        self.public_key = self.folder / "lab.pub"
        super().__init__(test, "--nerves", release, "--nerves-key", f"{KEY}={SECRET}", "--nerves-fw-key",
                         str(self.public_key), *arguments, tls=True)

    @property
    def url(self):
        return f"wss://localhost:{self.port}/device-socket/websocket"

    def firmware(self, board, version, key="lab.priv", **names):
        """A signed file with that image for the board. `names` in place of those that the board says."""
        data, resource = board.image(version)
        product, platform_name, architecture = NAMES[board.kind]
        names = {"product": product, "version": board.version(version), "platform": platform_name,
                 "architecture": architecture, **names}
        source = self.folder / resource
        source.write_bytes(data)
        path = self.folder / f"{board.kind}-{version}-{len(list(self.folder.iterdir()))}.fw"
        signing = ["--key", self.folder / key] if key else []
        mkfw("pack", *(word for name, text in names.items() for word in (f"--{name}", text)), *signing, source, path)
        return Firmware(path, names["version"], data)

    # -- What it knows.

    def device(self, board):
        devices = self.request("GET", "/nerves/devices")["devices"]
        return next((d for d in devices if d["identifier"] == board.name), None)

    def events(self, board, after=0):
        return [e for e in self.request("GET", f"/nerves/events?after={after}")["events"] if e["device"] == board.name]

    def last_event(self):
        return self.request("GET", "/nerves/events")["last"]

    def joined(self, board, topics=("device", "console", "extensions"), patience=PATIENCE, **wanted):
        """The device once it has joined these topics, with these members."""
        def found():
            device = self.device(board)
            return device if device and set(topics) <= set(device["topics"]) and \
                all(device[name] == value for name, value in wanted.items()) else None
        return wait_until(found, lambda: f"{board.name} joined with {wanted}; is {self.device(board)}", patience)

    # -- What a person does there.

    def push(self, board, topic, event, payload):
        body = {"device": board.name, "topic": topic, "event": event, "payload": payload}
        return self.request("POST", "/nerves/push", body)["received"]

    def console(self, board, typed, answer):
        """Types a line, and waits for text that matches; returns what was printed since."""
        after = self.last_event()
        assert self.push(board, "console", "dn", {"data": typed + "\r"}) == 1

        def printed():
            return "".join(e["payload"]["data"] for e in self.events(board, after) if e["event"] == "up")
        wait_until(lambda: re.search(answer, printed()), lambda: f"{answer!r} on the console; got {printed()!r}")
        return printed()

    def offer(self, board, firmware):
        """Pushes the update; returns the id of the last event before it."""
        after = self.last_event()
        self.request("POST", "/nerves/update", {"device": board.name, "path": firmware.path})
        return after

    def update(self, board, firmware, patience=5 * PATIENCE):
        """Pushes the update, waits until the board has joined with it, and returns all that it said meanwhile."""
        after = self.offer(board, firmware)
        self.joined(board, patience=patience, uuid=firmware.uuid, validation="validated")
        return self.events(board, after)


def words(events):
    """(stage, progress or None) of each word about an update, in order."""
    out = []
    for event in events:
        payload = event["payload"]
        if event["event"] == "status_update":
            out.append((payload["status"], None))
        elif event["event"] == "fwup_progress":
            out.append((payload.get("stage"), payload["value"]))
    return out


class HubBridge(Bridge):
    """mcu-bridge with these boards as devices of the hub; `nerveshub`: more of that section. `server`: the URL of
    their application, where each has a key of its own."""

    def __init__(self, test, hub, boards, server=None, **nerveshub):
        self.test = test
        section = {"url": hub.url, "key": KEY, "secret_file": str(secret_file(test, SECRET)), "ca_file": str(hub.cert),
                   "firmware_keys_file": str(hub.public_key), "boot_quiet": "60s",
                   "reconnect_min": "100ms", "reconnect_max": "1s", **nerveshub}
        self.listen = f"127.0.0.1:{free_port()}"
        self.config = folder(test) / "bridge.yaml"
        sections = {"nerveshub": section, "metrics": {"listen": self.listen},
                    "mcus": [board.entry() for board in boards]}
        if server:
            sections["server"] = {"url": server, "reconnect_min": "100ms"}
            for i, entry in enumerate(sections["mcus"]):
                entry["api_key_file"] = str(secret_file(test, f"API_TOKEN_MC_0123456789abcdef{i}"))
        self.config.write_text(json.dumps(sections, indent=1))  # JSON is YAML
        super().__init__(test, "--config", self.config)

    def status(self, board):
        """What /status says of this board."""
        with urllib.request.urlopen(f"http://{self.listen}/status", timeout=PATIENCE) as answer:
            mcus = json.load(answer)["mcus"]
        return next(mcu for mcu in mcus if mcu["name"] == board.name)

    def table(self):
        """What a person sees."""
        done = subprocess.run([str(BIN / "mcu-bridge"), "status", "--config", str(self.config)], capture_output=True,
                              text=True, timeout=PATIENCE)
        return done.stdout + done.stderr
