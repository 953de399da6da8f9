"""What the demo needs of itself: that it goes on for as long as somebody watches, and fits a terminal."""

import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["MCU_SOURCE"]) / "tools" / "lib"))
import demo  # noqa: E402

CHATTY = """
print("ready on 1", flush=True)
for i in range(2000):
    print("x" * 1000)
"""


class Demo(unittest.TestCase):
    def start(self, script):
        log = tempfile.NamedTemporaryFile("w", suffix=".log")
        self.addCleanup(log.close)
        process = demo.Process("chatty", [sys.executable, "-c", script], log, "ready on")
        self.addCleanup(process.stop)
        return process

    def test_a_program_that_talks_on_after_its_ready_line_is_not_held_up(self):
        process = self.start(CHATTY)
        self.assertEqual(process.ready_line, "ready on 1")
        self.assertEqual(process.process.wait(60), 0)

    def test_a_program_that_does_not_start_is_quoted(self):
        with self.assertRaisesRegex(RuntimeError, "chatty did not start; it said:\nno such port"):
            self.start("print('no such port')")

    def test_its_lines_fit_a_terminal(self):
        view = demo.View()
        view.start -= 9998
        view.take([{"type": "temperature", "value": -40 + i % 90} for i in range(99990)])
        view.take([{"type": kind, "value": value}
                   for kind, value in (("pressure", 1013.25), ("humidity", 100), ("illuminance", 65535.0))])
        with contextlib.redirect_stdout(io.StringIO()) as said:
            view.show(100)
        lines = said.getvalue().splitlines()
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertLessEqual(len(line), 80, line)


if __name__ == "__main__":
    unittest.main(verbosity=2)
