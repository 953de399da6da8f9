"""The sample firmware as a host sees it, on each of its boards, over a line that is cut and damaged."""

import time
import unittest

from harness_mcu import Mcu, Probe

DEADMAN_S = 1.5  # of the sample firmware
CAUSE_POWER, CAUSE_PIN, CAUSE_SOFTWARE = 1, 2, 4


class Firmware:
    """The questions; the classes below ask them of each board."""

    board = platform = None
    cause_of_reset = None

    def start(self, **options):
        mcu = Mcu(self, self.board, **options)
        return mcu, Probe(self, mcu.path)

    def command(self, probe, name, value):
        since = probe.position()
        probe.send(f"command {name} {value} 5000")
        probe.wait("sent", since)
        self.assertEqual(probe.wait("result", since)["status"], "done")

    def temperature(self, probe, since, wanted):
        return probe.wait("reading", since, kind="temperature", value=wanted)["value"]

    def without_holes(self, probe, since=0):
        """The numbers of the reliable messages from one event on: each one more than the one before."""
        numbers = [e["number"] for e in probe.named("received", since)]
        self.assertGreater(len(numbers), 1)
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        return numbers

    def wait_received(self, probe, more):
        wanted = len(probe.named("received")) + more
        probe.wait_until(lambda: len(probe.named("received")) >= wanted, f"{more} more messages")

    def test_it_says_who_it_is_and_what_it_has(self):
        _, probe = self.start(board=7)
        ready = probe.wait("ready")
        self.assertEqual((ready["device"], ready["product"], ready["platform"]), ("stub-7", "mcu-stub", self.platform))
        self.assertEqual(len(ready["image"]), 40)
        self.assertEqual(ready["reset"], CAUSE_POWER)
        self.assertEqual([(s["name"], s["kind"], s["unit"]) for s in ready["sensors"]],
                         [("bme280", "temperature", "Cel"), ("bme280", "pressure", "hPa"),
                          ("bme280", "humidity", "%RH"), ("bh1750", "illuminance", "lx")])
        self.assertEqual([(c["name"], c["min"], c["max"], c["failsafe"]) for c in ready["controls"]],
                         [("motor", 0, 100, 0), ("valve", 0, 1, 0)])
        probe.wait("log", text=lambda text: text.endswith("started: power on"))

    def test_every_sensor_is_read(self):
        _, probe = self.start()
        self.assertTrue(39 < probe.wait("reading", kind="temperature")["value"] < 41)
        self.assertTrue(1012 < probe.wait("reading", kind="pressure")["value"] < 1015)
        self.assertTrue(44 < probe.wait("reading", kind="humidity")["value"] < 46)
        self.assertTrue(90 < probe.wait("reading", kind="illuminance")["value"] < 910)
        self.assertEqual(probe.named("nonsense"), [])

    def test_its_clock_goes_as_ours(self):
        _, probe = self.start()
        first, begun = probe.wait("reading"), time.monotonic()
        last = probe.wait("reading", device_us=lambda us: us and us > first["device_us"] + 3000000)
        taken = time.monotonic() - begun
        # Readings come up to half a second after they were taken.
        self.assertAlmostEqual((last["device_us"] - first["device_us"]) / 1e6, taken, delta=1.5)

    def test_the_motor_cools_and_its_stop_lets_it_warm_again(self):
        _, probe = self.start()
        before = probe.wait("reading", kind="temperature")["value"]
        self.command(probe, "motor", 100)
        since = probe.position()
        cold = self.temperature(probe, since, lambda v: v < before - 3)
        self.command(probe, "motor", 0)
        self.temperature(probe, probe.position(), lambda v: v < cold)
        self.temperature(probe, probe.position(), lambda v: v > cold + 0.5)

    def test_the_valve_lets_moisture_in_and_pressure_out(self):
        _, probe = self.start()
        probe.wait("ready")
        self.command(probe, "valve", 0.5)
        since = probe.position()
        probe.wait("reading", since, kind="humidity", value=lambda v: v > 50)
        probe.wait("reading", since, kind="pressure", value=lambda v: v < 1000)

    def test_a_reset_in_the_middle_of_a_frame_is_survived(self):
        mcu, probe = self.start()
        for count in (1, 3, 37, 60):
            self.wait_received(probe, 2)
            since = probe.position()
            mcu.reset_after(count)
            ready = probe.wait("ready", since)
            self.assertEqual((ready["fresh"], ready["reset"]), (True, self.cause_of_reset))
            position = probe.seen.index(ready)
            probe.wait_until(lambda: len(probe.named("received", position)) >= 4, "messages after the reset")
            self.assertEqual(self.without_holes(probe, position)[0], 0)

    def test_unplugged_and_plugged_in_again_no_reading_is_lost(self):
        mcu, probe = self.start()
        self.wait_received(probe, 4)
        for count in (0, 1, 33):
            since = probe.position()
            if count:
                mcu.cut_after(count, "up")
            else:
                mcu.cut()
            probe.wait("gone", since)
            mcu.plug()
            self.assertFalse(probe.wait("ready", since)["fresh"])
            self.wait_received(probe, 3)
        self.assertEqual(self.without_holes(probe)[0], 0)
        probe.send("console status")
        probe.wait("console", text="dropped 0 readings\n")

    def test_killed_and_started_again_it_is_a_new_run(self):
        mcu, probe = self.start()
        first = probe.wait("ready")
        since = probe.position()
        mcu.kill()
        probe.wait("lost", since)
        mcu.start()
        second = probe.wait("ready", since)
        self.assertEqual((second["fresh"], second["reset"], second["device"]), (True, CAUSE_POWER, first["device"]))
        self.assertNotEqual(second["epoch"], first["epoch"])

    def test_the_host_resets_it(self):
        _, probe = self.start()
        probe.wait("reading")
        since = probe.position()
        probe.send("reset")
        self.assertEqual(probe.wait("result", since)["status"], "done")
        self.assertEqual(probe.wait("ready", since)["reset"], CAUSE_SOFTWARE)

    def test_with_its_host_killed_the_controls_go_to_fail_safe(self):
        mcu, probe = self.start()
        probe.wait("ready")
        self.command(probe, "motor", 80)
        probe.kill()
        time.sleep(2 * DEADMAN_S)  # the silence itself
        again = Probe(self, mcu.path)
        state = again.wait("state", control="motor")
        self.assertEqual((state["value"], "fail-safe" in state["cause"]), (0, True))
        again.wait("log", text=lambda text: text.startswith("host gone"))
        again.send("console status")
        again.wait("console", text="motor 0 %\n")
        self.without_holes(again)
        self.assertEqual(again.named("nonsense"), [])

    def test_one_byte_in_a_hundred_damaged_all_arrives_in_order(self):
        lines = {fault: self.start() for fault in ("flip", "drop", "dup", "insert")}
        for _, probe in lines.values():
            self.wait_received(probe, 2)
        for fault, (mcu, _) in lines.items():
            mcu.fault(fault, 0.01)
        for fault, (mcu, probe) in lines.items():
            self.wait_received(probe, 12)
            self.assertGreater(mcu.stats()["up"][fault], 0)
            mcu.fault(fault, 0)
        for fault, (_, probe) in lines.items():
            with self.subTest(fault=fault):
                self.wait_received(probe, 2)
                self.assertEqual(self.without_holes(probe)[0], 0)
                self.assertEqual(probe.named("nonsense"), [])
                self.assertEqual(len(probe.named("ready")), 1, "the session did not stand")

    def test_it_keeps_up_at_9600_baud(self):
        mcu, probe = self.start(baud=9600)
        self.command_when_ready(probe, "motor", 30)
        self.wait_received(probe, 4)
        self.without_holes(probe)

    def command_when_ready(self, probe, name, value):
        probe.wait("ready")
        self.command(probe, name, value)

    def test_an_identity_set_once_is_kept_without_power(self):
        folder = Mcu(self, self.board)  # only for a folder that is cleaned up
        mcu, probe = self.start(identity="", state=folder.folder / "kept")
        self.assertEqual(probe.wait("ready")["device"], "")
        since = probe.position()
        probe.send("set-id bench-1")
        self.assertEqual(probe.wait("result", since)["status"], "done")
        mcu.kill()
        mcu.start()
        self.assertEqual(probe.wait("ready", since)["device"], "bench-1")

    def test_the_console_moves_the_motor_and_the_host_is_told(self):
        _, probe = self.start()
        probe.wait("ready")
        since = probe.position()
        probe.send("console set motor 25")
        probe.wait("console", since, text="ok\n")
        state = probe.wait("state", since, control="motor")
        self.assertEqual((state["value"], state["cause"]), (25, "changed at the device"))
        for wrong in ("set motor 101", "set motor x", "set engine 1", "set motor"):
            since = probe.position()
            probe.send("console " + wrong)
            self.assertNotEqual(probe.wait("console", since)["text"], "ok\n", wrong)

    def test_identify_is_done(self):
        _, probe = self.start()
        probe.wait("ready")
        since = probe.position()
        probe.send("identify 50")
        self.assertEqual(probe.wait("result", since)["status"], "done")


class Process(Firmware, unittest.TestCase):
    board = platform = "posix"
    cause_of_reset = CAUSE_POWER  # a process can only be started anew


class CortexM3(Firmware, unittest.TestCase):
    board, platform = "cortex-m3", "mps2-an385"
    cause_of_reset = CAUSE_PIN

    def test_two_boards_are_two_identities(self):
        _, one = self.start(board=1)
        _, two = self.start(board=2)
        self.assertEqual([one.wait("ready")["device"], two.wait("ready")["device"]], ["stub-1", "stub-2"])

    def test_a_flood_from_the_host_is_held_up_and_not_lost(self):
        """More than its receive ring, sent while it stands still."""
        mcu, probe = self.start()
        probe.wait("reading")
        mcu.pause()
        for i in range(30):
            probe.send(f"console set motor {i}")
        mcu.resume()
        probe.wait_until(lambda: len(probe.named("console")) >= 30, "thirty answers")
        states = [e["value"] for e in probe.named("state") if "device" in e["cause"]]
        self.assertEqual(states, list(range(30)))


class ATmega328P(Firmware, unittest.TestCase):
    board = platform = "atmega328p"
    cause_of_reset = CAUSE_PIN


class ATmega2560(Firmware, unittest.TestCase):
    board = platform = "atmega2560"
    cause_of_reset = CAUSE_PIN


if __name__ == "__main__":
    unittest.main()
