"""A board that is not of this bridge's kind: another version of the protocol, another format of its description, a
description that is not the announced one. Each is told as itself, once, with both sides' numbers. The board is the
second implementation (tests/python)."""

import pathlib
import re
import subprocess
import sys
import unittest

from harness_bridge import Bridge, PhxDev, line_options, secret_file
from harness_mcu import BIN, PATIENCE, Mcu

DEVICE = pathlib.Path(__file__).resolve().parents[1] / "python" / "device.py"
SCHEMA = re.search(r"#define MP_VERSION (\d+)",
                   (DEVICE.parents[2] / "mcu-protocol" / "mp_schema.h").read_text())
VERSION = int(SCHEMA[1])
TOLD = {
    "version": f"the device speaks version {VERSION + 1} of the protocol, this program version {VERSION}: "
               "update this program",
    "format": "the device describes itself in format 3, this program reads format 1: update this program",
    "schema": r"the device announces the description 01020304 and sends [0-9a-f]{8}: build and flash its firmware "
              "as a whole",
}


class Mismatch(unittest.TestCase):
    def board(self, oddity):
        return Mcu(self, command=[sys.executable, str(DEVICE), "{fd}", "odd", oddity])

    def tool(self, *arguments):
        return subprocess.run([str(BIN / "mcu-tool"), *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=3 * PATIENCE)

    def test_the_bridge_says_it_once_and_goes_on_asking(self):
        server, key = PhxDev(self), secret_file(self)
        for oddity, text in TOLD.items():
            with self.subTest(oddity=oddity):
                mcu = self.board(oddity)
                bridge = Bridge(self, *line_options(server.url, mcu.path, key))
                bridge.wait_line(f"error.*{text}$")
                asked = mcu.stats()["down"]["bytes"]
                mcu.wait_stats(lambda stats: stats["down"]["bytes"] > asked + 20, "it asks again")
                self.assertEqual(len(bridge.said(text)), 1)
                self.assertEqual(bridge.said("nothing answers"), [])
                self.assertEqual(bridge.stop(), 0)

    def test_list_shows_it_as_the_state_of_the_port(self):
        for oddity, text in TOLD.items():
            with self.subTest(oddity=oddity):
                done = self.tool("list", "--port", self.board(oddity).path, "--wait", "8s")
                self.assertRegex(done.stdout, rf"(?m)^/\S+ .* {text}$")

    def test_a_request_ends_with_it(self):
        for oddity, text in TOLD.items():
            with self.subTest(oddity=oddity):
                mcu = self.board(oddity)
                done = self.tool("identify", mcu.path)
                self.assertRegex(done.stderr, rf"^mcu-tool: {mcu.path}: {text}\n$")
                self.assertEqual(done.returncode, 3)


if __name__ == "__main__":
    unittest.main()
