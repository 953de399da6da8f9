"""Updates by mcu-tool: the sample firmware as a process, on a Cortex-M3 and on an ATmega2560, each with
its boot loader; and the console."""

import os
import pathlib
import random
import re
import subprocess
import tempfile
import time
import unittest

from harness_mcu import BIN, PATIENCE, Mcu, Probe
from images import Flash, image, image_id

BAUD = 115200  # mcu-link keeps to it, so that an upload lasts long enough to be interrupted
CAUSE_WATCHDOG = 3


class Board(unittest.TestCase):
    """What all of these do with a board."""

    board = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.state = self.folder / "state"

    def start(self, baud=BAUD, **options):
        mcu = Mcu(self, self.board, state=self.state, baud=baud, **options)
        if self.board in Flash.LAYOUT:
            self.flash = Flash(self.state, self.board)
            self.eventually(self.flash.is_there, "a flash")
        return mcu

    def upload(self, mcu, data):
        """mcu-tool on its way with these bytes."""
        file = self.folder / "image"
        file.write_bytes(data)
        process = subprocess.Popen([str(BIN / "mcu-tool"), "upload", mcu.path, str(file)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end():
            process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    def finishes(self, process, status=0):
        out, err = process.communicate(timeout=2 * PATIENCE)
        self.assertEqual(process.returncode, status, out + err)
        return out, err

    def eventually(self, holds, what):
        until = time.monotonic() + PATIENCE
        while not holds():
            self.assertLess(time.monotonic(), until, f"never: {what}")
            time.sleep(0.002)

    def half_way(self, mcu, data):
        mcu.wait_stats(lambda stats: stats["down"]["bytes"] > len(data) / 2, "half of the image on its way")

    def power_off_and_on(self, mcu):
        mcu.kill()
        mcu.start()

    def runs(self, mcu, data):
        """Met anew, the board says that it runs this image."""
        probe = Probe(self, mcu.path)
        probe.wait("ready", image=image_id(data))
        return probe


class Updates:
    """The questions; the classes below ask them of each board."""

    def test_an_update_outlives_resets_a_killed_host_and_power_lost_while_it_is_installed(self):
        mcu, new = self.start(), image(self.board, 2)
        probe = Probe(self, mcu.path)
        old = probe.wait("ready")["image"]
        self.assertNotEqual(old, image_id(new))
        probe.kill()
        process = self.upload(mcu, new)
        self.half_way(mcu, new)
        mcu.reset()
        mcu.wait_stats(lambda stats: stats["down"]["bytes"] > len(new) * 0.7, "the upload goes on")
        process.kill()
        process.wait()
        mcu.reset()
        process = self.upload(mcu, new)
        pages = -(-len(new) // self.flash.page)
        for share, lose_power in ((0.2, True), (0.5, False), (0.8, True)):
            self.eventually(lambda: self.flash.pages_in_place("run", new) >= share * pages, "some pages installed")
            if lose_power:
                self.power_off_and_on(mcu)
            else:
                mcu.reset()
        out, err = self.finishes(process)
        self.assertGreater(int(re.search(r"goes on at byte (\d+) of", err)[1]), len(new) / 3)
        self.assertIn(f"{len(new)} bytes stored", out)
        self.assertIn("the board runs it: mcu-stub 2.0.0\n", out)
        self.assertEqual(self.flash.read("run", len(new)), new)
        self.power_off_and_on(mcu)
        probe = self.runs(mcu, new)
        since = probe.position()
        mcu.kill()
        self.flash.erase_page("run", 0)
        mcu.start()
        probe.wait("ready", since, image=old)

    def test_an_image_that_hangs_is_taken_back_and_both_sides_say_so(self):
        mcu, bad = self.start(), image(self.board, "hang")
        probe = Probe(self, mcu.path)
        old = probe.wait("ready")["image"]
        probe.kill()
        out, err = self.finishes(self.upload(mcu, bad), status=1)
        self.assertIn(f"{len(bad)} bytes stored", out)
        self.assertIn("the board runs its old image again: the new one did not start, and was taken back", err)
        self.assertEqual(self.flash.read("next", len(bad)), bad)
        probe = Probe(self, mcu.path)
        self.assertEqual(probe.wait("ready", image=old)["reset"], CAUSE_WATCHDOG)
        mcu.reset()
        probe.wait("log", text="the latest update was taken back")

    def test_what_does_not_fit_is_refused_before_anything_is_erased(self):
        mcu = self.start()
        other = image("cortex-m3" if self.board != "cortex-m3" else "posix")
        _, err = self.finishes(self.upload(mcu, other), status=1)
        self.assertIn("upload: refused: an image for another kind of board", err)
        before = self.flash.read("next", self.flash.slot_bytes)
        _, err = self.finishes(self.upload(mcu, bytes(self.flash.slot_bytes + 1)), status=1)
        self.assertIn(f"{self.flash.slot_bytes + 1} bytes, and there is room for {self.flash.slot_bytes}", err)
        self.assertEqual(self.flash.read("next", self.flash.slot_bytes), before)

    def test_a_stored_byte_that_changed_is_found_by_the_hash(self):
        mcu, new = self.start(), image(self.board, 2)[:9000]
        probe = Probe(self, mcu.path)
        probe.wait("ready")
        probe.kill()
        before = self.flash.read("run", self.flash.slot_bytes)
        process = self.upload(mcu, new)
        self.eventually(lambda: self.flash.read("next", 1024)[256:512] == new[256:512], "some of it stored")
        self.flash.flip("next", 256)
        _, err = self.finishes(process, status=1)
        self.assertIn("upload: refused: not what was announced", err)
        self.assertEqual(self.flash.read("run", self.flash.slot_bytes), before)

    @unittest.skipUnless(os.environ.get("MCU_LONG"), "long: tools/check --long")
    def test_power_lost_at_any_time_in_many_updates_costs_no_board(self):
        seed = int(os.environ.get("MCU_SEED", random.randrange(1 << 32)))
        print("MCU_SEED", seed)
        dice, mcu, installed = random.Random(seed), self.start(), 0
        images = [image(self.board, version) for version in (1, 2)]
        for turn in range(20):
            process = self.upload(mcu, images[(turn + 1) % 2])
            for _ in range(dice.randrange(5)):
                time.sleep(dice.random() * 3)
                self.power_off_and_on(mcu)
            process.communicate(timeout=4 * PATIENCE)
            known = [image_id(data) for data in images]
            probe = Probe(self, mcu.path)
            found = known.index(probe.wait("ready", image=lambda name: name in known)["image"])
            probe.kill()
            self.assertEqual(self.flash.read("run", len(images[found])), images[found])
            installed += found == (turn + 1) % 2
        print(installed, "of 20 installed at the first go")

    def test_what_is_typed_is_answered(self):
        mcu = self.start(baud=0)
        done = subprocess.run([str(BIN / "mcu-tool"), "console", mcu.path], input="status\n",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=2 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"motor 0 %\s+valve 0\.000\s")


class Process(Updates, Board):
    board = "posix"

    def test_without_a_place_for_images_uploads_are_refused_clearly(self):
        mcu = Mcu(self, self.board)
        out, err = self.finishes(self.upload(mcu, image("posix")), status=1)
        self.assertEqual(out, "")
        self.assertIn("upload: refused: this device cannot do that", err)

    def test_an_image_that_nobody_hears_is_taken_back_after_three_starts(self):
        """At sixty times its pace: it starts anew each second of ours."""
        mcu = Mcu(self, command=[str(BIN / "mcu-stub"), "--fd", "{fd}", "--state", str(self.state),
                                 "--time-scale", "60"])
        self.flash = Flash(self.state, "posix")
        probe = Probe(self, mcu.path)
        old = probe.wait("ready")["image"]
        probe.kill()
        process = self.upload(mcu, image("posix", "mute", 400))
        _, err = self.finishes(process, status=1)
        self.assertIn("taken back", err)
        probe = Probe(self, mcu.path)
        probe.wait("ready", image=old)

    def test_a_pulled_cable_is_told_and_the_same_command_goes_on(self):
        mcu, new = self.start(), image(self.board, 2)
        process = self.upload(mcu, new)
        self.half_way(mcu, new)
        mcu.cut()
        _, err = self.finishes(process, status=1)
        self.assertRegex(err, rf"after \d+ of {len(new)} bytes; the same command goes on")
        mcu.plug()
        out, err = self.finishes(self.upload(mcu, new))
        self.assertGreater(int(re.search(r"goes on at byte (\d+) of", err)[1]), len(new) / 3)
        self.assertIn("the board runs it", out)

    def test_a_new_one_may_follow_and_what_runs_already_is_not_installed_again(self):
        mcu = self.start()
        for version in (2, 1):
            new = image(self.board, version, 9000)
            self.finishes(self.upload(mcu, new))
            self.assertEqual(self.flash.read("run", len(new)), new)
        out, _ = self.finishes(self.upload(mcu, new))
        self.assertIn("the board runs it: mcu-stub 1.0.0", out)
        probe = self.runs(mcu, new)
        since = probe.position()
        time.sleep(2)  # it would have restarted
        self.assertEqual(probe.named("ready", since), [])


class CortexM3(Updates, Board):
    board = "cortex-m3"


class ATmega2560(Updates, Board):
    """Its flash is programmed by itself, page by page, and takes its time."""

    board = "atmega2560"


class ATmega328P(Board):
    board = "atmega328p"

    def test_a_board_without_room_for_a_second_image_refuses_clearly(self):
        mcu = self.start()
        out, err = self.finishes(self.upload(mcu, bytes(1000)), status=1)
        self.assertEqual(out, "")
        self.assertIn("upload: refused: this device cannot do that", err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
