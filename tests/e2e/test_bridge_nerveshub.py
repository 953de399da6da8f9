"""A board on a serial line as a device of NervesHub, beside an application or without one."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness_bridge import BIN, Bridge, PhxDev, folder, free_port, secret_file, wait_until, yaml_value  # noqa: E402
from harness_mcu import Mcu  # noqa: E402
import test_bridge_watch as watch  # noqa: E402

KEY, SECRET = "nhp_lab", "s3cret/with+signs"


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


class Nerveshub(unittest.TestCase):
    def start(self, mcus, server=None, **nerveshub):
        """A bridge with these entries of mcus and of sections."""
        nerveshub = {"url": f"ws://127.0.0.1:{free_port()}/device-socket/websocket", "key": KEY,
                     "secret_file": str(secret_file(self, SECRET)), "folder": str(folder(self) / "firmware"),
                     "reconnect_min": "100ms", "reconnect_max": "500ms", **nerveshub}
        self.config, self.listen = write_hub_config(self, mcus, server, **nerveshub)
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


class WithoutAServer(Nerveshub):
    def test_readings_are_taken_from_the_board_and_wait_nowhere(self):
        mcu = Mcu(self, "posix")
        self.start([{"name": "a", "path": mcu.path}])
        self.wait_metric("readings_received_total", lambda n: n >= 50)
        self.assertEqual(self.wait_metric("readings_waiting", lambda n: True), 0)
        self.assertEqual(self.bridge.said("refused|spool|cannot"), [])
        self.assertEqual(self.bridge.stop(), 0)


if __name__ == "__main__":
    unittest.main()
