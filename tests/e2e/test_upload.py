"""Uploads and the console by mcu-tool, on the sample firmware as a process and on a Cortex-M3."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness_mcu import AVR_BIN, BIN, PATIENCE, Mcu

SIZE = 40000  # of an image made up
BAUD = 115200  # mcu-link keeps to it, so that an upload lasts long enough to be interrupted


class Boards:
    """The questions; the classes below ask them of each board."""

    board = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.image = self.make_image()
        self.size = self.image.stat().st_size

    def make_image(self):
        image = self.folder / "image"
        image.write_bytes(os.urandom(SIZE))
        return image

    def upload(self, mcu):
        process = subprocess.Popen([str(BIN / "mcu-tool"), "upload", mcu.path, str(self.image)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end():
            process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    def finishes(self, process):
        out, err = process.communicate(timeout=2 * PATIENCE)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn(f"{self.size} bytes stored", out)
        return err

    def half_way(self, mcu):
        mcu.wait_stats(lambda stats: stats["down"]["bytes"] > self.size / 2, "half of the image on its way")

    def state(self):
        return self.folder / "state"

    def test_an_image_is_stored(self):
        mcu = Mcu(self, self.board, state=self.state())
        self.assertNotIn("goes on", self.finishes(self.upload(mcu)))
        self.look_at_the_image()

    def test_an_upload_outlives_a_reset_of_the_board(self):
        mcu = Mcu(self, self.board, state=self.state(), baud=BAUD)
        process = self.upload(mcu)
        self.half_way(mcu)
        mcu.reset()
        self.finishes(process)
        self.assertLess(mcu.stats()["down"]["bytes"], self.size * 1.4)  # not from the beginning
        self.look_at_the_image()

    def test_an_interrupted_upload_goes_on_after_a_reset(self):
        mcu = Mcu(self, self.board, state=self.state(), baud=BAUD)
        process = self.upload(mcu)
        self.half_way(mcu)
        process.kill()
        process.wait()
        mcu.reset()
        err = self.finishes(self.upload(mcu))
        self.assertGreater(int(re.search(r"goes on at byte (\d+) of", err)[1]), self.size / 4)
        self.look_at_the_image()

    def test_what_is_typed_is_answered(self):
        mcu = Mcu(self, self.board, state=self.state())
        done = subprocess.run([str(BIN / "mcu-tool"), "console", mcu.path], input="status\n",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=2 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"motor 0 %\s+valve 0\.000\s")

    def look_at_the_image(self):
        pass


class Process(Boards, unittest.TestCase):
    board = "posix"

    def look_at_the_image(self):
        self.assertEqual((self.folder / "state.image").read_bytes(), self.image.read_bytes())

    def test_a_board_that_cannot_store_images_refuses_clearly(self):
        mcu = Mcu(self, self.board)
        process = self.upload(mcu)
        out, err = process.communicate(timeout=2 * PATIENCE)
        self.assertEqual((process.returncode, out), (1, ""))
        self.assertIn("upload: refused: this device cannot do that", err)


class CortexM3(Boards, unittest.TestCase):
    board = "cortex-m3"


class ATmega2560(Boards, unittest.TestCase):
    """Its flash is programmed by itself, page by page, and takes its time."""

    board = "atmega2560"

    def make_image(self):
        return AVR_BIN / "mcu-stub-atmega2560-2.bin"

    def look_at_the_image(self):
        flash = (self.folder / "state.flash").read_bytes()
        self.assertIn(self.image.read_bytes(), flash)


if __name__ == "__main__":
    unittest.main(verbosity=2)
