"""The second implementation against the first, live: a Python host with the sample firmware, and mp-probe
with a Python device, on lines good and bad."""

import os
import pathlib
import sys
import termios
import time
import tty
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import mcu_link
from harness_mcu import Mcu, Probe

HERE = pathlib.Path(__file__).resolve().parent
FAULTS = ("flip", "drop", "dup", "insert")


class PythonHost(unittest.TestCase):
    def start(self, **options):
        mcu = Mcu(self, "posix", **options)
        fd = os.open(mcu.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.addCleanup(os.close, fd)
        tty.setraw(fd, termios.TCSANOW)
        host = mcu_link.Host(fd)
        host.run(lambda: host.about)
        return mcu, host

    def control(self, host, name):
        return next(n for n, c in enumerate(host.about["controls"]) if c["name"] == name)

    def result(self, host, request):
        host.run(lambda: request in host.results)
        return host.results[request][0]

    def numbers(self, host):
        return [number for number, _, _ in host.received_messages]

    def test_hello_and_description(self):
        _, host = self.start(board=5)
        self.assertEqual(host.hello_ack["device"], b"stub-5")
        self.assertEqual((host.about["product"], host.about["platform"]), ("mcu-stub", "posix"))
        self.assertEqual([(s["name"], s["kind"]) for s in host.about["sensors"]],
                         [("bme280", "temperature"), ("bme280", "pressure"), ("bme280", "humidity"),
                          ("bh1750", "illuminance")])
        self.assertEqual([c["name"] for c in host.about["controls"]], ["motor", "valve"])

    def test_readings_come_whole_and_in_order(self):
        _, host = self.start()
        host.run(lambda: {slot for slot, _, _ in host.readings} == {0, 1, 2, 3} and len(host.readings) >= 24)
        temperature = next(raw for slot, _, raw in host.readings if slot == 0)
        self.assertTrue(30 < temperature * 10.0 ** host.about["sensors"][0]["exponent"] < 50)
        self.assertEqual(self.numbers(host), list(range(len(self.numbers(host)))))

    def test_commands_are_answered_each_in_its_way(self):
        _, host = self.start()
        motor = self.control(host, "motor")
        about = host.about["controls"][motor]
        host.run(lambda: host.offset_us is not None)
        self.assertEqual(self.result(host, host.command(motor, about["max"])), "done")
        self.assertEqual(self.result(host, host.command(motor, about["max"] + 1)), "refused: value out of range")
        self.assertEqual(self.result(host, host.command(77, 1)), "refused: no such control")
        self.assertEqual(self.result(host, host.command(motor, about["min"], ttl_s=-5)), "refused: past its deadline")
        self.assertEqual(self.result(host, host.command(motor, about["min"], crc=1)),
                         "refused: CRC-32 of the command does not match")
        last = host.command(motor, about["min"])
        self.assertEqual(self.result(host, last), "done")
        host.request = last - 1 & 0xFFFF
        host.command(motor, about["max"])
        host.run(lambda: len(host.results[last]) == 2)
        self.assertEqual(host.results[last][1], "refused: older than a command already taken")

    def test_console(self):
        _, host = self.start()
        host.give("console", bytes=b"status\n")
        host.run(lambda: b"motor 0 %" in host.printed)

    def test_a_silent_restart_is_seen_and_survived(self):
        mcu, host = self.start()
        host.run(lambda: len(host.received_messages) >= 2)
        mcu.kill()
        mcu.start()
        host.run(lambda: len(host.sessions) == 2 and host.about)
        self.assertNotEqual(host.sessions[0]["epoch"], host.sessions[1]["epoch"])
        self.assertTrue(host.fresh)
        came = len(host.received_messages)
        host.run(lambda: len(host.received_messages) >= came + 3)

    def test_over_a_bad_line_nothing_is_lost_and_nothing_comes_twice(self):
        for seed, fault in enumerate(FAULTS, 1):
            with self.subTest(fault=fault):
                mcu, host = self.start(seed=seed)
                mcu.fault(fault, 0.01)
                host.run(lambda: len(host.received_messages) >= 12)
                motor = self.control(host, "motor")
                host.run(lambda: host.offset_us is not None)
                asked = [host.command(motor, value) for value in range(10)]
                host.run(lambda: all(request in host.results for request in asked))
                self.assertEqual([host.results[request] for request in asked], [["done"]] * 10)
                self.assertEqual(self.numbers(host), list(range(len(self.numbers(host)))))
                self.assertEqual(len(host.sessions), 1)


class PythonDevice(unittest.TestCase):
    def start(self, **options):
        mcu = Mcu(self, command=[sys.executable, str(HERE / "device.py"), "{fd}"], **options)
        return mcu, Probe(self, mcu.path)

    def command(self, probe, name, value, ttl_ms=5000):
        since = probe.position()
        probe.send(f"command {name} {value} {ttl_ms}")
        return probe.wait("result", since)["status"]

    def values(self, probe, kind="count", since=0):
        return [e["value"] for e in probe.named("reading", since) if e["kind"] == kind]

    def wait_values(self, probe, count):
        probe.wait_until(lambda: len(self.values(probe)) >= count, f"{count} readings")

    def test_hello_and_description(self):
        _, probe = self.start()
        ready = probe.wait("ready")
        self.assertEqual((ready["device"], ready["product"], ready["platform"]), ("python-1", "python", "interpreter"))
        self.assertEqual([(s["name"], s["kind"], s["unit"]) for s in ready["sensors"]],
                         [("counter", "count", "1"), ("counter", "Zähler", "m³")])
        self.assertEqual([(c["name"], c["min"], c["max"], c["failsafe"]) for c in ready["controls"]],
                         [("motor", -100, 100, 0), ("heater", 0, 2.5, 0.5), ("lamp", 0, 1, 0)])

    def test_readings_come_whole_and_in_order(self):
        _, probe = self.start()
        self.wait_values(probe, 30)
        self.assertEqual(self.values(probe), list(range(len(self.values(probe)))))
        halves = [e["value"] for e in probe.named("reading") if e["kind"] != "count"]
        self.assertGreater(len(halves), 1)
        self.assertEqual(halves, [n / 2 for n in range(len(halves))])

    def test_commands_are_answered(self):
        _, probe = self.start()
        probe.wait("ready")
        for name, value in (("motor", -99.9), ("heater", 2.25), ("lamp", 1)):
            self.assertEqual(self.command(probe, name, value), "done", name)

    def test_console(self):
        _, probe = self.start()
        probe.wait("ready")
        probe.send("console hello")
        probe.wait("console", text=lambda text: text.startswith("HELLO"))

    def test_a_restart_is_told_apart_from_an_unplugged_cable(self):
        mcu, probe = self.start()
        first = probe.wait("ready")
        self.wait_values(probe, 3)
        since = probe.position()
        mcu.kill()
        mcu.start()
        second = probe.wait("ready", since)
        self.assertTrue(second["fresh"])
        self.assertNotEqual(second["epoch"], first["epoch"])
        fresh = probe.seen.index(second)
        probe.wait_until(lambda: len(self.values(probe, since=fresh)) >= 3, "readings after the restart")
        since = probe.position()
        mcu.cut()
        probe.wait("gone", since)
        mcu.plug()
        self.assertFalse(probe.wait("ready", since)["fresh"])
        come = len(self.values(probe, since=since))
        probe.wait_until(lambda: len(self.values(probe, since=since)) >= come + 20, "readings after the cut")
        values = self.values(probe, since=fresh)
        self.assertEqual(values, list(range(len(values))))

    def test_with_its_host_killed_the_controls_go_to_fail_safe(self):
        mcu, probe = self.start()
        probe.wait("ready")
        self.assertEqual(self.command(probe, "motor", 50), "done")
        probe.kill()
        time.sleep(2 * mcu_link.Device.DEADMAN_S)  # the silence itself
        again = Probe(self, mcu.path)
        states = [again.wait("state", control=name) for name in ("motor", "heater", "lamp")]
        self.assertEqual([(state["value"], "fail-safe" in state["cause"]) for state in states],
                         [(0, True), (0.5, True), (0, True)])

    def test_over_a_bad_line_nothing_is_lost_and_nothing_comes_twice(self):
        for seed, fault in enumerate(FAULTS, 1):
            with self.subTest(fault=fault):
                mcu, probe = self.start(seed=seed)
                probe.wait("ready")
                mcu.fault(fault, 0.01)
                for value in range(5):
                    self.assertEqual(self.command(probe, "motor", value), "done")
                self.wait_values(probe, len(self.values(probe)) + 60)
                self.assertEqual(self.values(probe), list(range(len(self.values(probe)))))
                self.assertEqual(len(probe.named("ready")), 1)
                self.assertEqual(probe.named("nonsense"), [])


if __name__ == "__main__":
    unittest.main()
