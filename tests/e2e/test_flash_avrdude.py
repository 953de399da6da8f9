"""Flashing by Debian's avrdude: the boot loader of an Arduino Mega, run by an emulated ATmega2560, takes
version 2 of the sample firmware, and the board says that it runs it.

A PTY carries no DTR, by which avrdude resets a board before it speaks: mcu-link does it when the port is opened."""

import pathlib
import tempfile
import unittest

from harness_flash import STK500V2, Flasher
from harness_mcu import PATIENCE, Mcu, Probe
from images import image, image_id


class ATmega2560(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.board = Mcu(self, "atmega2560", boot=STK500V2, state=self.folder / "state", baud=115200,
                         reset_on_open=True)
        self.file = self.folder / "new image.bin"
        self.file.write_bytes(image("atmega2560", 2))

    def flasher(self):
        return Flasher(self, self.board.path, self.file,
                       ["avrdude", "-p", "m2560", "-c", "wiring", "-P", "{port}", "-b", "{baud}", "-D", "-V", "-U",
                        "flash:w:{file}:r"], timeout_ms=5 * PATIENCE * 1000)

    def says(self, data):
        """Met anew, the board says that it runs this image."""
        probe = Probe(self, self.board.path)
        probe.wait("ready", image=image_id(data))
        probe.close()

    def test_a_pulled_cable_is_a_failure_and_the_next_try_brings_the_new_image_to_run(self):
        """Its first image is version 1. It is not asked for: as long as something is sent, this boot loader
        does not start it."""
        flasher = self.writing(20)
        self.board.cut()
        flasher.stop()  # avrdude would try for ever
        self.assertRegex(flasher.end(), "^avrdude was stopped before it had ended: .*writing .* bytes flash")
        self.board.plug()

        flasher = self.writing(100)
        self.assertEqual(flasher.end(), "")
        percents = flasher.percents()
        self.assertEqual(percents, sorted(set(percents)))
        self.assertGreater(len(percents), 20)
        self.assertEqual(percents[-1], 100)
        self.says(self.file.read_bytes())

    def writing(self, percent, tries=3):
        """A flasher that has come so far. The boot loader listens for a second of real time: a machine that is busy
        elsewhere may miss it, and then a person tries again, too."""
        flasher = self.flasher()
        while max(flasher.percents(), default=0) < percent:
            if flasher.read() is not None:
                continue
            why = flasher.end()
            if tries == 1 or "timeout communicating with programmer" not in why:
                self.fail(f"ended at {max(flasher.percents(), default=0)} %: {why}")
            return self.writing(percent, tries - 1)
        return flasher


if __name__ == "__main__":
    unittest.main()
