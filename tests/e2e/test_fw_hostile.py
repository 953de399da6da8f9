"""What a hostile .fw file can do to who reads it: nothing, in little memory."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fw_files import blake2b, bomb, conf, deflated, fw_file, stored, write_members  # noqa: E402

MKFW = pathlib.Path(os.environ.get("MCU_BIN", "build/dev/bin")) / "mkfw"
BOMB_MIB = 256
MOST_MIB = 64  # more than a small file takes, where inflating a bomb into memory would take four times as much
IMAGE = bytes(range(256)) * 8


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bomb = bomb(BOMB_MIB)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / "out.fw"

    def show(self):
        """What mkfw says of the file, its status, and the MiB of memory that it took."""
        with open(self.folder / "said", "w+b") as said:
            process = subprocess.Popen([MKFW, "show", self.file], cwd=self.folder, stdout=said, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read().decode()
        self.assertIn(process.returncode, (0, 1), text)
        return text, process.returncode, usage.ru_maxrss / 1024

    def refused(self, why, *members):
        write_members(self.file, members)
        self.assertLess(self.file.stat().st_size, 2 << 20)
        text, status, took = self.show()
        self.assertEqual(status, 1, text)
        self.assertIn(why, text)
        fw_file(self.file, {"firmware.bin": IMAGE})
        _, _, usual = self.show()
        self.assertLess(took, usual + MOST_MIB)

    def test_a_signature_of_256_mib_is_no_signature(self):
        self.refused("64 bytes", ("meta.conf.ed25519", self.bomb))

    def test_a_description_of_256_mib_is_not_read(self):
        self.refused("256 KiB", ("meta.conf", self.bomb))

    def test_a_resource_that_is_longer_than_it_was_said_to_be_is_left_at_once(self):
        meta = conf({"firmware.bin": (len(IMAGE), blake2b(IMAGE))})
        self.refused("is longer than meta.conf says", ("meta.conf", deflated(meta)), ("data/firmware.bin", self.bomb))

    def test_a_resource_that_says_its_length_is_never_whole_in_memory(self):
        meta = conf({"firmware.bin": (BOMB_MIB << 20, "0" * 64)})
        self.refused("hash", ("meta.conf", deflated(meta)), ("data/firmware.bin", self.bomb))

    def test_members_that_nobody_named_end_it(self):
        meta = conf({"firmware.bin": (len(IMAGE), blake2b(IMAGE))})
        self.refused("not named", ("meta.conf", deflated(meta)), *((f"data/{i}", stored(b"")) for i in range(2000)))

    def test_a_path_as_a_name_of_a_resource_goes_nowhere(self):
        names = ("../../escaped", str(self.folder / "escaped"), "a/../../escaped", "..", "escaped\n/x")
        for name in names:
            with self.subTest(name):
                fw_file(self.file, {name: IMAGE})
                self.show()
                self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["out.fw", "said"])
                self.assertFalse((self.folder.parent / "escaped").exists())


if __name__ == "__main__":
    unittest.main()
