"""Lines that come, go, babble and flood: found at once, said what is wrong, and no board's harm to another."""

import os
import pty
import re
import select
import threading
import time
import tty
import unittest

from harness_bridge import Bridge, PhxDev, folder, line_options, secret_file, wait_until, write_config
from harness_mcu import BIN, Mcu

STARTED_LOOKING = "waiting for the line"


class Raw:
    """A PTY whose bytes are the test's: `feed` is called for what to send, as fast as it is taken."""

    def __init__(self, test, link, feed=None):
        self.link = link
        self.feed = feed
        self.master = self.slave = None
        self.stopping = threading.Event()
        self.sent = 0
        self.plug()
        self.writer = threading.Thread(target=self.run, daemon=True)
        if feed:
            self.writer.start()
        test.addCleanup(self.close)

    def plug(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.master)
        os.set_blocking(self.master, False)
        name = os.ttyname(self.slave)
        os.symlink(name, f"{self.link}.new")
        os.rename(f"{self.link}.new", self.link)

    def cut(self):
        os.unlink(self.link)
        os.close(self.slave)
        os.close(self.master)

    def run(self):
        pending = b""
        while not self.stopping.is_set():
            if not select.select([], [self.master], [], 0.1)[1]:
                continue
            pending = pending or self.feed()
            try:
                count = os.write(self.master, pending)
                self.sent += count
                pending = pending[count:]
            except BlockingIOError:
                pass

    def close(self):
        self.stopping.set()
        if self.feed:
            self.writer.join(30)
        try:
            self.cut()
        except OSError:
            pass


def noise(seed=[1]):
    seed[0] += 1
    return bytes((i * seed[0] * 31 + 7) % 255 + 1 for i in range(512))


class Comes(unittest.TestCase):
    def test_a_line_is_opened_when_it_appears_and_not_looked_for_meanwhile(self):
        server, key = PhxDev(self), secret_file(self)
        mcu = Mcu(self, "posix")
        times = []
        for _ in range(2):
            mcu.cut()
            bridge = Bridge(self, *line_options(server.url, mcu.path, key))
            bridge.wait_line(STARTED_LOOKING)
            began = time.monotonic()
            mcu.plug()
            bridge.wait_line("is open at")
            times.append(time.monotonic() - began)
            server.wait_more()
            time.sleep(3.1)  # a line that lives shorter counts as one that comes and goes
            since = bridge.position()
            mcu.cut()
            bridge.wait_line("is gone", since)
            mcu.plug()
            bridge.wait_line("is open at", since)
            server.wait_more()
            self.assertEqual(bridge.stop(), 0)
        # The next look was 10 s away when it came: at least one of them was heard.
        self.assertLess(min(times), 5)

    def test_a_pattern_finds_the_only_line_of_its_kind_and_refuses_to_guess(self):
        server = PhxDev(self)
        place = folder(self)
        Mcu(self, "posix", path=place / "usb-Arduino_1-if00")
        other = Raw(self, str(place / "usb-Arduino_2-if00"))
        config = write_config(self, server.url, {"left": f"{place}/usb-Arduino_*"},
                              [{"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)}])
        bridge = Bridge(self, "--config", config)
        bridge.wait_line(r"2 ports are called .*usb-Arduino_\*, such as .*: say which")
        self.assertFalse(bridge.said("is open"))
        other.close()
        server.wait_more()


class Sick(unittest.TestCase):
    def setUp(self):
        self.server = PhxDev(self)
        self.good = Mcu(self, "posix")
        self.place = folder(self) / "ttySick"

    def run_bridge(self):
        config = write_config(self, self.server.url, {"good": self.good.path, "sick": self.place},
                              [{"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)}],
                              readings={"batch_wait": "50ms"})
        return Bridge(self, "--config", config)

    def test_bytes_without_a_frame_are_called_a_wrong_baud_rate(self):
        def slowly():
            time.sleep(0.1)
            return noise()[:64]
        Raw(self, str(self.place), slowly)
        bridge = self.run_bridge()
        line = bridge.wait_line("sick: .*not one valid frame.*most likely 115200 is not the firmware's baud rate")
        self.assertIn("/dev/pts/", line)
        self.server.wait_more()
        self.assertEqual(len(bridge.said("sick: .*not one valid frame")), 1)

    def test_a_silent_line_is_called_silent(self):
        Raw(self, str(self.place))
        bridge = self.run_bridge()
        bridge.wait_line("sick: nothing answers on .*115200 its baud rate")
        self.server.wait_more()

    def test_a_board_that_babbles_is_named_and_not_listened_to_and_the_others_go_on(self):
        raw = Raw(self, str(self.place), noise)
        bridge = self.run_bridge()
        bridge.wait_line("sick: .*not listened to for 2 s")
        sent, began = raw.sent, time.monotonic()
        self.server.wait_more(40)
        bridge.wait_line("sick: .*not listened to for 4 s")
        # It gets through what the pauses allow, and what a PTY holds, and no more.
        self.assertLess(raw.sent - sent, 1 << 20, f"in {time.monotonic() - began:.1f} s")
        self.assertFalse(bridge.said("bench-1: .*gone"))

    def test_devices_that_hang_while_they_are_opened_hold_up_no_other(self):
        server, good, released = PhxDev(self), Mcu(self, "posix"), folder(self) / "released"
        sick = [Raw(self, str(folder(self) / f"sick-{i}")) for i in range(8)]
        config = write_config(self, server.url, {**{f"sick-{i}": s.link for i, s in enumerate(sick)}, "good": good.path},
                              [{"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)}])
        bridge = Bridge(self, "--config", config, environment={
            "LD_PRELOAD": str(BIN / "slow_lines.so"), "SLOW_LINES_UNTIL": str(released),
            "SLOW_LINES": " ".join(os.ttyname(s.slave) for s in sick)})
        self.addCleanup(released.touch)
        bridge.wait_line("bench-1: joined")
        self.assertFalse(bridge.said("sick.* is open"))
        released.touch()
        bridge.wait_line("sick.* is open")

    def test_a_board_that_comes_and_goes_is_left_alone_for_longer_each_time(self):
        raw = Raw(self, str(self.place))
        bridge = self.run_bridge()
        self.server.wait_more()
        for i in range(4):
            wait_until(lambda: len(bridge.said("sick: .*is open")) > i, "opened again")
            raw.cut()
            wait_until(lambda: len(bridge.said("sick: .*is gone")) > i, "noticed")
            raw.plug()
        said = bridge.said("sick: .*comes and goes")
        waits = [int(re.search(r"again in (\d+) s", line).group(1)) for line in said]
        self.assertEqual(waits, sorted(waits))
        self.assertGreaterEqual(len(waits), 2)
        self.assertFalse(bridge.said("bench-1: .*gone"))
        self.server.wait_more()


if __name__ == "__main__":
    unittest.main()
