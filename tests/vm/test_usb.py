"""The bridge on real /dev/ttyUSB lines: the kernel's own ftdi_sio and unmodified libserialport, in a
machine without udev, so that only the kernel tells of what comes and goes."""

import json
import re
import unittest

from harness_vm import OnAMachine

KEYS = ("API_TOKEN_MC_VZGkp2vvJJjHj3qZ", "API_TOKEN_MC_0123456789abcdefXYZ")
URL = "ws://127.0.0.1:4711/microcontrollers/websocket"
FIRST, SECOND = (f"pci-0000:00:02.0-usb-0:{port}:1.0" for port in (1, 2))

CONFIG = """
server: {{url: "%s", reconnect_min: 100ms, reconnect_max: 500ms}}
readings: {{at_and_seq: true, batch_wait: 50ms}}
ports:
  - {{name: left, {left}}}
  - {{name: right, {right}}}
mcus:
  - {{name: bench-1, device: "A", api_key_file: key1}}
  - {{name: bench-2, device: "B", api_key_file: key2}}
""" % URL


class Usb(OnAMachine):
    @classmethod
    def prepare(cls, machine):
        machine.run("umask 077; " + "; ".join(f"echo {key} > key{i + 1}" for i, key in enumerate(KEYS)))
        machine.run("phx-dev --port 4711 --quiet %s >/tmp/phx-dev 2>&1 & true" %
                    " ".join(f"--api-key {key}={i + 1}" for i, key in enumerate(KEYS)))
        cls.a = machine.board("A", "FT0001", 1)
        cls.b = machine.board("B", "FT0002", 2)
        cls.a.start()
        cls.b.start()

    def tidy(self):
        """No bridge, no adapters: as each test found it."""
        self.machine.run("kill $(cat /tmp/pid); wait $(cat /tmp/pid); rm /tmp/pid", check=False)
        for board in self.machine.boards:
            board.unplug()
        self.machine.wait_run("ls /dev | grep ttyUSB", lambda said: not said, "no ttyUSB")

    def bridge(self, left="usb_serial: FT0001", right="usb_serial: FT0002"):
        self.machine.write("bridge.yaml", CONFIG.format(left=left, right=right))
        since = self.machine.log.position()
        self.machine.run("mcu-bridge --config bridge.yaml 2>/dev/log & echo $! >/tmp/pid")
        return since

    def wait_line(self, pattern, since):
        """The first line of the bridge that matches; returns it and where the next one begins."""
        return self.machine.log.wait(pattern, since)

    def readings(self, after=0):
        said = self.machine.run(f"wget -q -O - 'http://127.0.0.1:4711/readings?after={after}'", check=False)
        return json.loads(said)["readings"] if said.startswith("{") else []

    def wait_readings(self, controller, count=8):
        last = max((reading["id"] for reading in self.readings()), default=0)
        got = []
        for _ in range(600):
            got = [r for r in self.readings(last) if r["controller_id"] == controller]
            if len(got) >= count:
                return got
        self.fail(f"only {len(got)} readings of controller {controller}")

    def wait_tty(self, name):
        self.machine.wait_run("ls /dev", lambda said: re.search(rf"\b{name}\b", said), name)

    def test_1_boards_are_found_by_serial_and_the_latency_timer_is_set(self):
        since = self.bridge()
        _, heard = self.wait_line("left: waiting for the line: no port has the USB serial number FT0001", since)
        self.b.plug()
        self.wait_tty("ttyUSB0")
        self.machine.run("echo 16 > /sys/class/tty/ttyUSB0/device/latency_timer", check=False)
        self.wait_line("right: /dev/ttyUSB0 is open", since)
        self.a.plug()
        self.wait_line("left: /dev/ttyUSB1 is open", heard)
        self.wait_line("bench-1: board A on /dev/ttyUSB1", heard)
        self.wait_readings(1)
        self.wait_readings(2)
        self.assertEqual(self.machine.run("cat /sys/class/tty/ttyUSB1/device/latency_timer"), "1")
        said = self.machine.run("mcu-tool list --json", check=False)
        ports = {p["path"]: p for p in json.loads(said)["ports"]}
        self.assertEqual(ports["/dev/ttyUSB1"]["usb_serial"], "FT0001")
        self.assertEqual(ports["/dev/ttyUSB1"]["usb"], "0403:6001")
        self.assertEqual(ports["/dev/ttyUSB1"]["usb_path"], FIRST)
        self.assertEqual(ports["/dev/ttyUSB0"]["usb_path"], SECOND)
        self.assertRegex(ports["/dev/ttyUSB1"]["text"], r"in use by mcu-bridge \(process \d+\)")

    def test_2_unplugged_in_the_middle_and_plugged_in_under_another_number(self):
        self.a.plug()
        begin = since = self.bridge()
        self.wait_line("bench-1: board A on /dev/ttyUSB0", since)
        before = self.wait_readings(1)
        self.a.unplug()
        _, since = self.wait_line("left: /dev/ttyUSB0 is gone", since)
        self.b.plug()
        self.wait_line("bench-2: board B on /dev/ttyUSB0", since)
        self.a.plug()
        self.wait_line("bench-1: board A on /dev/ttyUSB1", since)
        after = self.wait_readings(1)
        first, last = before[0]["id"], after[-1]["id"]
        mine = [r for r in self.readings(first - 1) if r["controller_id"] == 1 and r["id"] <= last]
        seqs = [tuple(r["extra"]["seq"].split("-")) for r in mine]
        self.assertEqual(len(seqs), len(set(seqs)), "a reading came twice")
        self.assertEqual(len({seq[0] for seq in seqs}), 1, "the board has started anew")
        for kind in {(r["sensor"], r["type"]) for r in mine}:
            numbers = [int(seq[1]) for seq, r in zip(seqs, mine) if (r["sensor"], r["type"]) == kind]
            self.assertEqual(numbers, sorted(numbers), "out of order")
        # A number that brought no reading was a log line or a control that fell to fail-safe; the bridge has
        # told each of them, so every hole has its line.
        numbers = {int(seq[1]) for seq in seqs}
        told = [l for l in self.machine.log.lines[begin:] if re.search("bench-1: (board: |control .* is )", l)]
        self.assertLessEqual(max(numbers) - min(numbers) + 1 - len(numbers), len(told), told)

    def test_3_two_with_one_serial_are_both_named_and_the_place_decides(self):
        twin = self.machine.board("twin", "FT0001", 3, identity="B")
        twin.start()
        self.a.plug()
        self.wait_tty("ttyUSB0")
        twin.plug()
        self.wait_tty("ttyUSB1")
        since = self.bridge(right="usb_path: 1-4")
        line, _ = self.wait_line("left: .*2 ports have the USB serial number FT0001", since)
        self.assertIn(f"/dev/ttyUSB0 (usb_path {FIRST})", line)
        self.assertIn(f"/dev/ttyUSB1 (usb_path {FIRST.replace('0:1:', '0:3:')})", line)
        self.assertFalse([l for l in self.machine.log.lines[since:] if "is open" in l])
        self.machine.run("kill $(cat /tmp/pid); wait $(cat /tmp/pid)", check=False)
        since = self.bridge(left=f"usb_serial: FT0001, usb_path: '{FIRST}'", right="usb_serial: FT0001, usb_path: 1-3")
        self.wait_line("left: /dev/ttyUSB0 is open", since)
        self.wait_line("right: /dev/ttyUSB1 is open", since)
        self.wait_line("bench-1: board A on /dev/ttyUSB0", since)
        self.wait_line("bench-2: board B on /dev/ttyUSB1", since)

    def test_4_a_second_one_of_that_serial_is_named_when_it_comes(self):
        twin = self.machine.board("late", "FT0001", 4, identity="C")
        self.a.plug()
        since = self.bridge()
        self.wait_line("bench-1: board A on /dev/ttyUSB0", since)
        twin.start()
        twin.plug()
        self.wait_line("left: 2 ports have the USB serial number FT0001.*going on with /dev/ttyUSB0", since)
        self.wait_readings(1)

    def test_5_a_silent_board_is_reset_on_demand_and_its_line_opened_again(self):
        mute = self.machine.board("mute", "MUTE", 5)
        self.a.plug()
        mute.plug()
        since = self.bridge(right="usb_serial: MUTE, dtr_rts: on_demand")
        _, since = self.wait_line("right: /dev/ttyUSB\\d is open", since)
        _, since = self.wait_line("right: nothing answers on /dev/ttyUSB\\d", since)
        _, since = self.wait_line("right: resetting the board on /dev/ttyUSB\\d by DTR and RTS", since)
        self.wait_line("right: /dev/ttyUSB\\d is open", since)
        self.wait_readings(1)

    def test_6_a_board_that_comes_and_goes_is_left_alone_and_the_other_goes_on(self):
        self.a.plug()
        since = self.bridge()
        self.wait_line("bench-1: board A on", since)
        for _ in range(3):
            self.b.plug()
            _, at = self.wait_line("right: /dev/ttyUSB1 is open", since)
            self.b.unplug()
            _, since = self.wait_line("right: .* is gone", at)
        self.wait_line("right: .* comes and goes, 3 times in a row", at)
        self.wait_readings(1)
        self.assertFalse([l for l in self.machine.log.lines[at:] if "bench-1: the board is gone" in l])


if __name__ == "__main__":
    unittest.main(failfast=True)
