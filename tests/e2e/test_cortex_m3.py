"""The Cortex-M3 board alone, where QEMU counts instructions instead of time: what comes between two of them
always does."""

import subprocess
import threading
import unittest

from harness_mcu import PATIENCE, STUB_M3

NAP = STUB_M3.with_name("mcu-nap.elf")


class Idle(unittest.TestCase):
    def woken(self, shift):
        """What the board says, an instruction taking 2^shift ns; nothing when it sleeps for ever."""
        self.assertTrue(NAP.is_file(), f"no {NAP}: cmake --preset cortex-m3 && cmake --build --preset cortex-m3")
        qemu = subprocess.Popen(
            ["qemu-system-arm", "-machine", "mps2-an385", "-nodefaults", "-nic", "none", "-display", "none", "-monitor",
             "none", "-serial", "stdio", "-icount", f"shift={shift},sleep=off", "-kernel", str(NAP)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        late = threading.Timer(PATIENCE, qemu.kill)
        late.start()
        try:
            return qemu.stdout.readline()
        finally:
            late.cancel()
            qemu.kill()
            qemu.communicate()

    def test_a_nap_that_is_over_before_it_began_ends_all_the_same(self):
        for shift in (6, 8, 10):
            with self.subTest(shift=shift):
                self.assertEqual(self.woken(shift), "woke from every nap\n")


if __name__ == "__main__":
    unittest.main()
