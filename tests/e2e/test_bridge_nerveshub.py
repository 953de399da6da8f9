"""A board on a serial line as a device of NervesHub, beside an application or without one."""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness_bridge import BIN, Bridge, PhxDev, folder, free_port, secret_file, wait_until, yaml_value  # noqa: E402
from harness_mcu import Mcu  # noqa: E402
import test_bridge_watch as watch  # noqa: E402

KEY, SECRET = "nhp_lab", "s3cret/with+signs"
VERSION = "0.1.0"  # of the sample firmware
UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$"


def write_hub_config(test, mcus, server=None, **nerveshub):
    """A configuration file with the section nerveshub; mcus: dictionaries; server: its section, or None."""
    sections = {"nerveshub": nerveshub, **({"server": server} if server else {}),
                "metrics": {"listen": f"127.0.0.1:{free_port()}"}}
    lines = []
    for name, members in sections.items():
        lines += [f"{name}:"] + [f"  {key}: {yaml_value(value)}" for key, value in members.items()]
    lines.append("mcus:")
    for mcu in mcus:
        members = [f"{key}: {yaml_value(value)}" for key, value in mcu.items()]
        lines += ["  - " + members[0], *("    " + member for member in members[1:])]
    path = folder(test) / "bridge.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path, sections["metrics"]["listen"]


class Hub(PhxDev):
    """phx-dev as a NervesHub."""

    def __init__(self, test, release="main", **how):
        super().__init__(test, "--nerves", release, "--nerves-key", f"{KEY}={SECRET}", **how)

    @property
    def device_url(self):
        return self.url.replace("/microcontrollers/", "/device-socket/")

    def device(self, name):
        devices = self.request("GET", "/nerves/devices")["devices"]
        return next((d for d in devices if d["identifier"] == name), None)

    def wait_joined(self, name, *topics):
        """The device, once it has joined these, or `device`."""
        wanted = set(topics or ["device"])
        return wait_until(lambda: wanted <= set((self.device(name) or {"topics": ()})["topics"]) and self.device(name),
                          lambda: f"{name} joins {wanted}: {self.device(name)}")

    def events(self, name=None, device="a"):
        return [e for e in self.request("GET", "/nerves/events")["events"]
                if name in (None, e["event"]) and e["device"] == device]

    def wait_event(self, name, count=1, device="a"):
        return wait_until(lambda: len(self.events(name, device)) >= count and self.events(name, device),
                          lambda: f"{count} of {name}: {[e['event'] for e in self.events(device=device)]}")

    def push(self, topic, event, payload=None, device="a"):
        answer = self.request("POST", "/nerves/push",
                              {"device": device, "topic": topic, "event": event, "payload": payload or {}})
        assert answer["received"] == 1, answer


class Nerveshub(unittest.TestCase):
    release = "main"

    def start(self, mcus, hub=None, server=None, **nerveshub):
        """A bridge with these entries of mcus and of sections."""
        self.hub = hub or Hub(self, self.release)
        self.nerveshub = {"url": self.hub.device_url, "key": KEY, "secret_file": str(secret_file(self, SECRET)),
                          "folder": str(folder(self) / "firmware"), "reconnect_min": "100ms",
                          "reconnect_max": "500ms", "allow_http": True, **nerveshub}
        self.config, self.listen = write_hub_config(self, mcus, server, **self.nerveshub)
        self.bridge = Bridge(self, "--config", self.config)
        return self.bridge

    def wait_metric(self, name, wanted, mcu="a"):
        """The metric of the MCU once wanted(it) holds."""
        def found():
            try:
                value = watch.metrics(self.listen).get((f"mcu_bridge_{name}", ("mcu", mcu)))
            except OSError:
                return None
            return (value,) if value is not None and wanted(value) else None
        return wait_until(found, f"{name} of {mcu}")[0]

    def status(self):
        status, text = watch.get(self.listen, "/status")
        self.assertEqual(status, 200)
        return {mcu["name"]: mcu for mcu in json.loads(text)["mcus"]}


class OneBoard(Nerveshub):
    def setUp(self):
        self.mcu = Mcu(self, "posix")

    def start(self, *arguments, **more):
        return super().start([{"name": "a", "path": self.mcu.path}], *arguments, **more)

    def test_it_shows_up_with_its_firmware(self):
        self.start()
        device = self.hub.wait_joined("a", "device", "console", "extensions")
        self.assertEqual((device["product"], device["version"], device["crashes"]), ("mcu-stub", VERSION, 0))
        self.assertRegex(device["uuid"], UUID)
        self.assertTrue(device["platform"] and device["architecture"])
        join = next(e["payload"] for e in self.hub.events("phx_join") if e["topic"] == "device")
        self.assertNotIn("currently_downloading_uuid", join)
        shown = self.status()["a"]["nerveshub"]
        self.assertEqual((shown["state"], shown["uuid"], shown["version"], shown["update"]),
                         ("joined", device["uuid"], VERSION, "idle"))
        self.assertIsNone(self.status()["a"]["server"])
        self.assertEqual(watch.get(self.listen, "/healthz")[0], 200)
        self.assertEqual(self.bridge.stop(), 0)
        wait_until(lambda: not self.hub.device("a")["connected"], "it is offline")

    def test_readings_are_taken_from_the_board_and_wait_nowhere(self):
        self.start()
        self.wait_metric("readings_received_total", lambda n: n >= 50)
        self.assertEqual(self.wait_metric("readings_waiting", lambda n: True), 0)
        self.assertEqual(self.bridge.said("refused|spool|cannot"), [])


if __name__ == "__main__":
    unittest.main()
