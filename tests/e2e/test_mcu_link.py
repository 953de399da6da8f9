"""mcu-link by itself: what it does to a line, with an MCU that only echoes."""

import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import tty
import unittest

from harness_mcu import BIN, PATIENCE, Mcu, McuError

ECHO = ("import os,sys\nfd=int(sys.argv[1])\n"
        "while True:\n data=os.read(fd,4096)\n if not data: break\n"
        " while data: data=data[os.write(fd,data):]\n")


class Port:
    """A host's end."""

    def __init__(self, test, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd, termios.TCSANOW)
        test.addCleanup(self.close)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def write(self, data):
        while data:
            data = data[os.write(self.fd, data):]

    def read(self, count):
        """So many bytes, or fewer when the line is hung up."""
        data = b""
        while len(data) < count:
            if not select.select([self.fd], [], [], PATIENCE)[0]:
                raise AssertionError(f"only {len(data)} of {count} bytes came")
            try:
                piece = os.read(self.fd, count - len(data))
            except OSError:
                piece = b""
            if not piece:
                break
            data += piece
        return data


class Link(unittest.TestCase):
    def start(self, **options):
        mcu = Mcu(self, command=[sys.executable, "-c", ECHO, "{fd}"], **options)
        return mcu, Port(self, mcu.path)

    def test_bytes_go_both_ways_unchanged(self):
        _, port = self.start()
        data = bytes(range(256)) * 8
        port.write(data)
        self.assertEqual(port.read(len(data)), data)

    def test_what_no_host_has_read_yet_waits_for_the_next_one(self):
        mcu, port = self.start()
        port.write(b"kept")
        mcu.wait_stats(lambda s: s["up"]["bytes"] == 4, "four bytes up")
        port.close()
        self.assertEqual(Port(self, mcu.path).read(4), b"kept")

    def test_the_board_is_reset_whenever_its_port_is_opened_where_that_is_asked_for(self):
        mcu, port = self.start(reset_on_open=True)
        port.write(b"first")
        self.assertEqual(port.read(5), b"first")
        self.assertEqual(mcu.stats()["resets"], 1)
        port.close()
        second = Port(self, mcu.path)
        second.write(b"second")
        self.assertEqual(second.read(6), b"second")
        self.assertEqual(mcu.stats()["resets"], 2)
        mcu.cut()
        mcu.plug()
        self.assertEqual(mcu.stats()["resets"], 2)
        third = Port(self, mcu.path)
        third.write(b"third")
        self.assertEqual(third.read(5), b"third")
        self.assertEqual(mcu.stats()["resets"], 3)

    def test_without_it_an_open_resets_nothing(self):
        mcu, _ = self.start()
        Port(self, mcu.path)
        self.assertEqual(mcu.stats()["resets"], 0)

    def test_a_cut_hangs_up_and_a_plug_brings_it_back_elsewhere(self):
        mcu, port = self.start()
        mcu.cut()
        self.assertEqual(port.read(1), b"")
        self.assertFalse(os.path.lexists(mcu.path))
        with self.assertRaisesRegex(McuError, "cut already"):
            mcu.cut()
        mcu.plug(mcu.folder / "elsewhere")
        again = Port(self, mcu.folder / "elsewhere")
        again.write(b"here")
        self.assertEqual(again.read(4), b"here")

    def test_a_cut_after_so_many_bytes_lets_exactly_those_through(self):
        for count in (1, 5, 100):
            mcu, port = self.start()
            mcu.cut_after(count, "up")
            port.write(bytes(200))
            self.assertEqual(len(port.read(200)), count)
            stats = mcu.stats()
            self.assertEqual((stats["up"]["bytes"], stats["cuts"], stats["plugged"]), (count, 1, False))

    def test_a_cut_on_the_way_down_stops_there_too(self):
        mcu, port = self.start()
        mcu.cut_after(7, "down")
        port.write(bytes(50))
        stats = mcu.wait_stats(lambda s: s["cuts"] == 1, "the cut")
        self.assertEqual(stats["down"]["bytes"], 7)

    def test_an_auto_reset_comes_once_and_before_the_host_s_first_byte(self):
        mcu, port = self.start()
        mcu.auto_reset()
        port.write(b"all of it")
        self.assertEqual(port.read(9), b"all of it")
        port.write(b"and more")
        self.assertEqual(port.read(8), b"and more")
        self.assertEqual(mcu.stats()["resets"], 1)

    def test_every_fault_is_counted_and_is_what_it_says(self):
        data = bytes(4000)
        for fault, shorter, longer in (("flip", 0, 0), ("drop", 1, 0), ("dup", 0, 1), ("insert", 0, 1)):
            with self.subTest(fault=fault):
                mcu, port = self.start()
                mcu.fault(fault, 0.05, "up")
                port.write(data)
                stats = mcu.wait_stats(lambda s: s["down"]["bytes"] == 4000 and
                                       s["up"]["bytes"] - s["up"]["dup"] - s["up"]["insert"] + s["up"]["drop"] == 4000,
                                       "all through")
                done = stats["up"][fault]
                self.assertTrue(100 < done < 320, done)
                got = port.read(4000 - shorter * done + longer * done)
                if fault == "flip":
                    self.assertEqual(sum(bin(byte).count("1") for byte in got), done)
                self.assertEqual(stats["down"][fault], 0)

    def test_the_same_seed_does_the_same_damage(self):
        results = []
        for _ in range(2):
            mcu, port = self.start(seed=42)
            mcu.flip(0.1, "up")
            port.write(bytes(500))
            results.append(port.read(500))
        self.assertEqual(results[0], results[1])
        self.assertNotEqual(results[0], bytes(500))

    def test_bytes_take_their_time_at_a_baud_rate(self):
        mcu, port = self.start(baud=9600)
        begun = time.monotonic()
        port.write(bytes(480))
        port.read(480)
        # Half a second on the wire at least; how much more depends on the machine.
        self.assertGreater(time.monotonic() - begun, 0.5)

    def test_a_paused_mcu_answers_when_it_goes_on(self):
        mcu, port = self.start()
        mcu.pause()
        port.write(b"later")
        mcu.wait_stats(lambda s: s["down"]["bytes"] == 5, "five bytes down")
        self.assertEqual((mcu.stats()["up"]["bytes"], mcu.stats()["mcu"]), (0, "paused"))
        mcu.resume()
        self.assertEqual(port.read(5), b"later")

    def test_a_killed_mcu_leaves_the_port_and_starts_again(self):
        mcu, port = self.start()
        mcu.kill()
        port.write(b"nobody")
        mcu.wait_stats(lambda s: s["down"]["discarded"] == 6 and s["mcu"] == "dead", "discarded")
        mcu.start()
        port.write(b"somebody")
        self.assertEqual(port.read(8), b"somebody")

    def test_a_wrong_command_says_what_is_expected(self):
        mcu, _ = self.start()
        for wrong, said in (("flip 2", "rate from 0 to 1"), ("cut-after x up", "number of bytes"), ("jump", "--help"),
                            ("cut-after 1 sideways", "up or down"), ("baud -1", "baud rate"), ("start", "runs already")):
            with self.assertRaisesRegex(McuError, said, msg=wrong):
                mcu.command(wrong)

    def test_it_leaves_nothing_behind(self):
        mcu, _ = self.start()
        folder = pathlib.Path(mcu.path).parent
        child = self.child_of(mcu.process.pid)
        mcu.process.send_signal(signal.SIGTERM)
        self.assertEqual(mcu.process.wait(PATIENCE), 0)
        self.assertEqual([p.name for p in folder.iterdir()], ["log"])
        self.assertFalse(pathlib.Path(f"/proc/{child}").exists())

    def test_killed_itself_it_takes_the_mcu_along(self):
        mcu, _ = self.start()
        child = self.child_of(mcu.process.pid)
        mcu.process.kill()
        mcu.process.wait()
        until = time.monotonic() + PATIENCE
        while self.alive(child) and time.monotonic() < until:
            time.sleep(0.01)
        self.assertFalse(self.alive(child))

    @staticmethod
    def state_and_parent(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            return ["Z", "0"]

    def child_of(self, pid):
        everyone = [int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()]
        return next(p for p in everyone if self.state_and_parent(p)[1] == str(pid))

    def alive(self, pid):
        return self.state_and_parent(pid)[0] != "Z"


class Start(unittest.TestCase):
    def run_link(self, *arguments, **options):
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run([str(BIN / "mcu-link"), "--link", f"{folder}/tty", *arguments], capture_output=True,
                                  text=True, timeout=PATIENCE, **options)

    def test_without_qemu_it_says_so(self):
        image = BIN / "mcu-link"  # any file will do: QEMU is looked for first
        result = self.run_link("--qemu", str(image), env={"PATH": "/nonexistent"})
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot run qemu-system-arm: No such file", result.stderr)

    def test_without_the_image_it_says_so(self):
        result = self.run_link("--qemu", "/nonexistent.elf")
        self.assertEqual(result.returncode, 2)
        self.assertIn("/nonexistent.elf: no such image", result.stderr)

    def test_qemu_that_ends_at_once_is_a_failed_start(self):
        with tempfile.NamedTemporaryFile() as image:
            image.write(b"\x7fELF and no more")
            image.flush()
            folder = tempfile.mkdtemp()
            broken = pathlib.Path(folder, "qemu-system-arm")
            broken.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
            broken.chmod(0o755)
            result = self.run_link("--qemu", image.name, env={"PATH": f"{folder}:/usr/bin:/bin"})
            broken.unlink()
            os.rmdir(folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn("QEMU ended at once", result.stderr)

    def test_an_mcu_that_ends_by_itself_ends_the_link_with_an_error(self):
        result = self.run_link("--", "sh", "-c", "exit 3")
        self.assertEqual(result.returncode, 1)
        self.assertIn("the MCU ended, status 3", result.stderr)

    def test_wrong_usage_is_told(self):
        self.assertEqual(self.run_link().returncode, 2)
        self.assertEqual(self.run_link("--baud", "fast", "--", "true").returncode, 2)


if __name__ == "__main__":
    unittest.main()
