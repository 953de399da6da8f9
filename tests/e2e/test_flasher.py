"""Firmware brought into emulated boards by bridge/flasher, over a line that bridge/port keeps: in-band into the
sample firmware's own boot loaders, and by Debian's avrdude into the boot loader of an Arduino Mega."""

import os
import pathlib
import signal
import tempfile
import time
import unittest

from harness_flash import STK500V2
from harness_mcu import BIN, PATIENCE, Mcu, Probe
from images import Flash, image, image_id

BAUD = 115200
AVRDUDE = ["avrdude", "-p", "m2560", "-c", "wiring", "-P", "{port}", "-b", "{baud}", "-D", "-V", "-U", "flash:w:{file}:r"]


def intel_hex(data):
    def record(kind, offset, payload):
        body = bytes([len(payload)]) + offset.to_bytes(2, "big") + bytes([kind]) + payload
        return f":{body.hex().upper()}{-sum(body) & 0xff:02X}\n"
    lines = []
    for at in range(0, len(data), 32):
        if at % 0x10000 == 0:
            lines.append(record(4, 0, (at >> 16).to_bytes(2, "big")))
        lines.append(record(0, at & 0xffff, data[at:at + 32]))
    return "".join(lines) + record(1, 0, b"")


class Flasher(Probe):
    """flasher_probe: a port, a flasher, and what is typed to them."""

    def __init__(self, test, path, *words, timeout_ms=PATIENCE * 1000, quiet_ms=1000, gone_ms=5000):
        self.path = path
        super().__init__(test, path, [str(word) for word in (BIN / "flasher_probe", path, BAUD, timeout_ms, quiet_ms,
                                                             gone_ms, *words)])

    def flash(self, file):
        """Where its events begin."""
        since = self.position()
        self.send(f"flash {file}")
        self.wait("started", since)
        return since

    def flashed(self, since, why="", for_good=False):
        done = self.wait("done", since, for_good=for_good, running=False)
        if why != "":
            assert why in done["why"], done["why"]
        else:
            assert done["why"] == "", done["why"]

    def percents(self, since):
        return [event["percent"] for event in self.named("progress", since)]

    def to_percent(self, since, percent):
        """Waits until it has come so far."""
        self.wait("progress", since, percent=lambda is_at: is_at >= percent)

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(PATIENCE)
            self.process.stdin = open(os.devnull)
        super().close()


class Board(unittest.TestCase):
    board = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.state = self.folder / "state"
        self.file = self.folder / "new image"

    def image(self, version):
        data = image(self.board, version, 15000)  # a process takes any length
        self.file.write_bytes(data)
        return data

    def rises(self, percents):
        self.assertEqual(percents, sorted(set(percents)))
        self.assertEqual(percents[-1], 100)


class InBand(Board):
    def start(self, baud=BAUD, **options):
        mcu = Mcu(self, self.board, state=self.state, baud=baud)
        flasher = Flasher(self, mcu.path, **options)
        flasher.wait("board", version="0.1.0")
        return mcu, flasher


class Updates:
    """The questions; the classes below ask them of each board."""

    def test_a_pulled_cable_and_a_restart_only_delay_it_and_the_board_runs_the_new_image(self):
        new = self.image(2)
        mcu, flasher = self.start()
        if self.board == "cortex-m3":
            self.file.write_text(intel_hex(new))
        since = flasher.flash(self.file)
        flasher.to_percent(since, 30)
        mcu.cut()
        flasher.wait("lost", since)
        mcu.plug()
        flasher.to_percent(since, 60)
        mcu.reset()
        flasher.flashed(since)
        flasher.wait("board", since, image=image_id(new))
        self.rises(flasher.percents(since))
        self.assertLess(mcu.stats()["down"]["bytes"], 1.5 * len(new) + 10000)  # it went on, and did not begin anew

    def test_what_the_board_cannot_run_is_refused_for_good_and_erases_nothing(self):
        mcu, flasher = self.start(baud=0)
        flash = Flash(self.state, self.board)
        self.file.write_bytes(bytes(flash.slot_bytes + 1))
        before = flash.read("next", flash.slot_bytes)
        since = flasher.flash(self.file)
        flasher.flashed(since, f"the image has {flash.slot_bytes + 1} bytes, and the board has room for {flash.slot_bytes}",
                        for_good=True)
        self.assertEqual(flasher.percents(since), [])
        self.assertEqual(flash.read("next", flash.slot_bytes), before)
        self.file.write_bytes(image("cortex-m3" if self.board != "cortex-m3" else "posix"))
        flasher.flashed(flasher.flash(self.file), "another kind of board", for_good=True)


class Process(Updates, InBand):
    board = "posix"

    def test_the_board_is_used_meanwhile_and_may_come_back_on_another_port(self):
        new = self.image(2)
        mcu, flasher = self.start()
        since = flasher.flash(self.file)
        flasher.to_percent(since, 20)
        for word in ("console status", "identify 100"):
            flasher.send(word)
        flasher.wait("console", since, text=lambda text: "valve" in text)
        flasher.wait("result", since, status=0)
        flasher.send("drop-port")
        flasher.to_percent(since, 60)
        self.assertLess(max(flasher.percents(since)), 100)
        flasher.flashed(since)
        flasher.wait("board", since, image=image_id(new))

    def test_a_board_that_does_not_come_back_is_given_up_and_the_next_try_goes_on(self):
        self.image(2)
        mcu, flasher = self.start(timeout_ms=1500)
        since = flasher.flash(self.file)
        flasher.to_percent(since, 50)
        mcu.cut()
        flasher.flashed(since, "the board has not come back for 1.5 s")
        mcu.plug()
        flasher.wait("board", flasher.position())
        since = flasher.flash(self.file)
        flasher.flashed(since)
        self.assertGreaterEqual(flasher.percents(since)[0], 40)

    def test_one_is_stopped_or_given_up_and_the_port_goes_on(self):
        self.image(2)
        mcu, flasher = self.start()
        since = flasher.flash(self.file)
        flasher.to_percent(since, 10)
        flasher.send("stop")
        flasher.flashed(since, "stopped")
        flasher.flash(self.file)
        flasher.to_percent(since, 20)
        flasher.send("free")
        flasher.wait("freed", since)
        flasher.send("console status")
        flasher.wait("console", since)
        self.assertEqual(len(flasher.named("done", since)), 1)

    def test_without_a_place_for_images_it_is_refused_for_good(self):
        self.image(2)
        flasher = Flasher(self, Mcu(self, self.board).path)
        flasher.wait("board")
        flasher.flashed(flasher.flash(self.file), "takes no images in-band", for_good=True)


class CortexM3(Updates, InBand):
    board = "cortex-m3"


class ATmega2560(Updates, InBand):
    board = "atmega2560"


class Command(Board):
    """avrdude and a Mega that restarts whenever its port is opened, as DTR makes it."""

    board = "atmega2560"

    def flasher(self, mcu, words=AVRDUDE, quiet_ms=100):
        return Flasher(self, mcu.path, *words, quiet_ms=quiet_ms, gone_ms=500)

    def its_program(self, flasher):
        until = time.monotonic() + PATIENCE
        children = pathlib.Path(f"/proc/{flasher.process.pid}/task/{flasher.process.pid}/children")
        while not children.read_text():
            self.assertLess(time.monotonic(), until, "never: its program runs")
            time.sleep(0.01)
        return int(children.read_text().split()[0])

    def test_a_killed_flasher_and_a_pulled_cable_leave_a_board_that_the_next_try_saves(self):
        """Half an image says no hello: the port is known all the same. A second of the emulated board may be several
        of a busy machine, and its boot loader is to be left alone for one of its own; its firmware is
        answered at once."""
        new = self.image(2)
        mcu = Mcu(self, self.board, boot=STK500V2, state=self.state, baud=BAUD, reset_on_open=True)
        flasher = self.flasher(mcu, quiet_ms=30000)
        since = flasher.flash(self.file)
        flasher.to_percent(since, 10)
        os.kill(self.its_program(flasher), signal.SIGKILL)
        flasher.flashed(since, "avrdude was ended by signal 9")

        since = flasher.flash(self.file)
        flasher.to_percent(since, 20)
        mcu.cut()
        flasher.flashed(since, "the board's port was gone for 0.5 s: avrdude was stopped before it had ended")
        since = flasher.position()
        flasher.send(f"flash {self.file}")
        flasher.wait("done", since, why=lambda why: "is not there" in why, for_good=False)
        mcu.plug()

        since = flasher.flash(self.file)
        flasher.flashed(since)
        before = mcu.stats()
        heard = mcu.wait_stats(lambda stats: stats["down"]["bytes"] > before["down"]["bytes"], "a hello")
        self.assertGreater(heard["up"]["bytes"], before["up"]["bytes"] + 8, "a hello before the firmware spoke")
        flasher.wait("board", since, image=image_id(new))
        self.rises(flasher.percents(since))
        self.assertGreater(len(flasher.percents(since)), 20)

    def test_a_flasher_that_outlives_its_bridge_has_the_port_for_itself(self):
        self.image(2)
        mcu = Mcu(self, "posix")
        flasher = self.flasher(mcu, ["python3", "-c", "import time; time.sleep(600)", "{file}"])
        flasher.wait("board")
        flasher.wait("lost", flasher.flash(self.file), why="its port is lent to a flasher")
        program = self.its_program(flasher)
        flasher.kill()
        self.addCleanup(self.end, program)
        sent = mcu.stats()["down"]["bytes"]
        second = self.flasher(mcu)
        since = second.position()
        second.send(f"flash {self.file}")
        second.wait("done", since, why=lambda why: "another flasher is at this port" in why)
        self.assertEqual(mcu.stats()["down"]["bytes"], sent)
        self.end(program)
        second.wait("board", since)

    def end(self, program):
        try:
            os.kill(program, signal.SIGKILL)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
