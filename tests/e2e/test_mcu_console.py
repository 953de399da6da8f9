"""mcu-tool console on a terminal: a board knows how large the terminal is that shows it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
import time
import unittest

from harness_mcu import BIN, PATIENCE, Mcu


class Terminal:
    """`mcu-tool console` on a pseudo-terminal of so many rows and columns."""

    def __init__(self, test, path, rows, columns):
        self.test, self.shown = test, ""
        self.fd, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            [str(BIN / "mcu-tool"), "console", path], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0))
        os.close(slave)
        watchdog = threading.Timer(3 * PATIENCE, self.process.kill)
        watchdog.start()
        for undo in (lambda: os.close(self.fd), self.process.wait, self.process.kill, watchdog.cancel):
            test.addCleanup(undo)

    def resize(self, rows, columns):
        """What the kernel does for a window that was pulled: the new size, then SIGWINCH."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, line):
        os.write(self.fd, line.encode())

    def answers(self, line, pattern):
        """Types the line until what is shown since matches."""
        self.shown, end = "", time.monotonic() + 2 * PATIENCE
        while not re.search(pattern, self.shown):
            self.test.assertLess(time.monotonic(), end, f"{pattern!r} in {self.shown!r}")
            self.type(line)
            while select.select([self.fd], [], [], 0.3)[0]:
                self.shown += os.read(self.fd, 4096).decode()


class Console(unittest.TestCase):
    def test_a_board_is_told_the_size_of_the_terminal_and_of_every_change(self):
        mcu = Mcu(self, "posix")
        terminal = Terminal(self, mcu.path, 30, 100)
        terminal.answers("size\n", r"rows 30\s+columns 100")
        terminal.resize(50, 132)
        terminal.answers("size\n", r"rows 50\s+columns 132")

    def test_a_board_that_was_restarted_is_told_again(self):
        mcu = Mcu(self, "posix")
        terminal = Terminal(self, mcu.path, 30, 100)
        terminal.answers("size\n", r"rows 30\s+columns 100")
        mcu.reset()
        terminal.answers("size\n", r"rows 30\s+columns 100")

    def test_what_is_no_terminal_has_no_size(self):
        mcu = Mcu(self, "posix")
        done = subprocess.run([str(BIN / "mcu-tool"), "console", mcu.path], input="size\n", capture_output=True, text=True,
                              timeout=3 * PATIENCE)
        self.assertEqual((done.stdout.strip(), done.stderr), ("size not told", ""))

    def test_ctrl_d_ends_it(self):
        mcu = Mcu(self, "posix")
        terminal = Terminal(self, mcu.path, 30, 100)
        terminal.answers("size\n", "rows 30")
        terminal.type("\x04")
        self.assertEqual(terminal.process.wait(timeout=2 * PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
