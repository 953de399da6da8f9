"""What avr-run does not let a boot loader get away with, shown by firmware of a few instructions."""

import pathlib
import socket
import struct
import subprocess
import tempfile
import unittest

from harness_mcu import BIN, PATIENCE

BOOT_SECTION = 0x3E000
ERASE = [0xE003, 0xBF07, 0x95E8]  # ldi r16, PGERS | SPMEN; out SPMCSR, r16; spm (page 0)
READ_BUSY = [0xB717, 0xFD10, 0xCFFD]  # in r17, SPMCSR; sbrc r17, SPMEN; back to the first
AGAIN = [0xCFFF]  # rjmp to itself
JUMP_TO_0 = [0x940C, 0x0000]


def elf(words, address):
    """The least that a programmer takes: one segment at `address`."""
    code = struct.pack(f"<{len(words)}H", *words)
    head = b"\x7fELF\x01\x01\x01" + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 83, 1, address, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    return head + struct.pack("<IIIIIIII", 1, 84, address, address, len(code), len(code), 5, 2) + code


class AvrRun(unittest.TestCase):
    def run_firmware(self, image, boot, mcu="atmega2560", seconds=PATIENCE, at=BOOT_SECTION):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name, words, address in (("image", image, 0), ("boot", boot, at)):
                files.append(pathlib.Path(folder) / name)
                files[-1].write_bytes(elf(words, address))
            ours, theirs = socket.socketpair()
            with ours, theirs:
                return subprocess.run([str(BIN / "avr-run"), "--mcu", mcu, "--image", str(files[0]), "--boot",
                                       str(files[1]), "--fd", str(theirs.fileno())], pass_fds=[theirs.fileno()],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)

    def refused(self, image, boot, why, **options):
        done = self.run_firmware(image, boot, **options)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn(why, done.stdout)

    def test_flash_programmed_from_outside_of_the_boot_section_is_an_error(self):
        self.refused(ERASE + AGAIN, JUMP_TO_0, "programmed flash from outside of the boot section")

    def test_flash_executed_while_it_is_programmed_is_an_error(self):
        self.refused(AGAIN, ERASE + JUMP_TO_0, "executed flash while a page of it was being programmed")

    def test_a_page_programmed_before_the_last_one_was_done_is_an_error(self):
        self.refused(AGAIN, ERASE + ERASE + AGAIN, "programmed flash before the last page was done")

    def test_who_waits_for_the_page_goes_on(self):
        """It runs until we have seen enough."""
        with self.assertRaises(subprocess.TimeoutExpired):
            self.run_firmware(AGAIN, ERASE + READ_BUSY + ERASE + READ_BUSY + AGAIN, seconds=1.5)

    def test_a_boot_loader_for_a_larger_chip_is_refused(self):
        self.refused(AGAIN, AGAIN, "larger than this AVR's flash", mcu="atmega328p")

    def test_what_begins_at_the_lower_half_is_no_boot_loader(self):
        self.refused(AGAIN, AGAIN, "no boot loader", at=0x1000)


if __name__ == "__main__":
    unittest.main()
