"""The Arduino library's examples as a host sees them, compiled for Uno and Mega, run by avr-run."""

import subprocess
import time
import unittest

from harness_flash import hex_data
from harness_mcu import AVR_BIN, BIN, Mcu, Probe

DEADMAN_S = 1.5  # of the library, unless a sketch says otherwise


class Sketches:
    """The questions; the classes below ask them of each board."""

    board = mcu = None

    def sketch_on_board(self, sketch):
        image = AVR_BIN / f"arduino-{sketch}-{self.board}.elf"
        self.assertTrue(image.is_file(), f"no {image}: cmake --preset avr && cmake --build --preset avr")
        return Mcu(self, command=[str(BIN / "avr-run"), "--mcu", self.mcu, "--image", str(image), "--fd", "{fd}",
                                        "--stack", "32"])

    def start(self, sketch):
        mcu = self.sketch_on_board(sketch)
        return mcu, Probe(self, mcu.path)

    def command(self, probe, name, value):
        since = probe.position()
        probe.send(f"command {name} {value} 5000")
        return probe.wait("result", since)["status"]

    def test_the_fan_says_what_it_has_and_obeys(self):
        _, probe = self.start("Fan")
        ready = probe.wait("ready")
        self.assertEqual((ready["device"], ready["product"], ready["architecture"], ready["platform"]),
                         ("fan-1", "fan", "avr", self.mcu))
        self.assertEqual([(s["name"], s["kind"], s["unit"]) for s in ready["sensors"]],
                         [("divider", "voltage", "V")])
        self.assertEqual([(c["name"], c["min"], c["max"]) for c in ready["controls"]], [("fan", 0, 100)])
        self.assertEqual(self.command(probe, "fan", 60), "done")
        self.assertTrue(0 <= probe.wait("reading", kind="voltage")["value"] <= 5)

    def test_a_build_is_known_by_what_stands_in_its_file(self):
        ids = []
        for sketch, version in (("Fan", "1.0.0"), ("NextFan", "1.1.0")):
            _, probe = self.start(sketch)
            ready = probe.wait("ready", version=version)
            note = b"\4\0\0\0\10\0\0\0\3\0\0\0GNU\0" + bytes.fromhex(ready["image"])
            self.assertEqual(hex_data(AVR_BIN / f"arduino-{sketch}-{self.board}.hex").count(note), 1)
            ids.append(ready["image"])
        self.assertNotEqual(*ids)

    def test_what_is_typed_is_answered(self):
        mcu = self.sketch_on_board("Fan")
        done = subprocess.run([str(BIN / "mcu-tool"), "console", mcu.path], input="?\n", capture_output=True, text=True)
        self.assertEqual(done.stdout, "fan 0 %\n", done.stderr)

    def test_the_valve_lets_moisture_in(self):
        _, probe = self.start("SampleDevice")
        probe.wait("log", text="started")
        self.assertAlmostEqual(probe.wait("reading", kind="humidity")["value"], 45, delta=0.1)
        self.assertEqual(self.command(probe, "valve", 1), "done")
        probe.wait("reading", kind="humidity", value=lambda v: v > 60)

    def test_with_its_host_killed_the_controls_go_to_fail_safe(self):
        mcu, probe = self.start("SampleDevice")
        probe.wait("ready")
        self.assertEqual(self.command(probe, "motor", 80), "done")
        probe.kill()
        time.sleep(2 * DEADMAN_S)  # the silence itself
        state = Probe(self, mcu.path).wait("state", control="motor")
        self.assertEqual((state["value"], "fail-safe" in state["cause"]), (0, True))

    def test_one_byte_in_a_hundred_damaged_all_arrives_in_order(self):
        mcu, probe = self.start("SampleDevice")
        probe.wait("ready")
        mcu.flip(0.01)
        probe.wait_until(lambda: len(probe.named("received")) >= 20, "twenty messages")
        mcu.flip(0)
        numbers = [e["number"] for e in probe.named("received")]
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertEqual(probe.named("nonsense"), [])


class Uno(Sketches, unittest.TestCase):
    board, mcu = "uno", "atmega328p"


class Mega(Sketches, unittest.TestCase):
    board, mcu = "mega", "atmega2560"


if __name__ == "__main__":
    unittest.main()
