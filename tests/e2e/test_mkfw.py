"""mkfw makes firmware files that it, and fwup where it is installed, take; and says what is wrong."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import zipfile

MKFW = pathlib.Path(os.environ["MCU_BIN"]) / "mkfw"
VECTORS = pathlib.Path(os.environ["MCU_SOURCE"]) / "tests" / "vectors" / "fw"
NAMES = ["--product", "green \"house\" $1 é", "--version", "1.2.0", "--platform", "mega", "--architecture", "avr"]


class Mkfw(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.image = self.folder / "image.bin"
        self.image.write_bytes(bytes(range(256)) * 40)

    def mkfw(self, *arguments, status=0, **environment):
        done = subprocess.run([MKFW, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True,
                              env={**os.environ, **environment})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def signed(self):
        self.mkfw("keys", "lab")
        self.mkfw("pack", *NAMES, "--key", "lab.priv", self.image, "out.fw")
        return self.folder / "out.fw"

    def test_what_it_packs_it_shows(self):
        self.signed()
        shown = self.mkfw("show", "--public-key", "lab.pub", "out.fw")
        self.assertIn("green \"house\" $1 é\n", shown)
        self.assertIn("firmware.bin, 10240 bytes", shown)
        self.assertRegex(shown, r"signature +good")

    def test_the_members_stand_in_the_order_that_fwup_reads(self):
        with zipfile.ZipFile(self.signed()) as file:
            self.assertEqual(file.namelist(), ["meta.conf.ed25519", "meta.conf", "data/firmware.bin"])
            self.assertEqual(file.read("data/firmware.bin"), self.image.read_bytes())

    @unittest.skipUnless(shutil.which("fwup"), "fwup is not installed: its verdicts are in tests/vectors/fw")
    def test_fwup_takes_it(self):
        self.signed()
        subprocess.run(["fwup", "--verify", "-p", "lab.pub", "-i", "out.fw"], cwd=self.folder, check=True)
        subprocess.run(["fwup", "-a", "-t", "upgrade", "-d", "written.bin", "-p", "lab.pub", "-i", "out.fw"],
                       cwd=self.folder, check=True)
        self.assertEqual((self.folder / "written.bin").read_bytes()[:10240], self.image.read_bytes())

    def test_the_same_input_gives_the_same_file(self):
        self.signed()
        files = []
        for name in ("a.fw", "b.fw"):
            self.mkfw("pack", *NAMES, "--key", "lab.priv", self.image, name, SOURCE_DATE_EPOCH="1790000000")
            files.append((self.folder / name).read_bytes())
        self.assertEqual(files[0], files[1])

    def test_a_key_of_fwup_signs_too(self):
        key = self.folder / "labkey.priv"
        shutil.copy(VECTORS / "labkey.priv", key)
        key.chmod(0o600)
        self.mkfw("pack", *NAMES, "--key", key, self.image, "out.fw")
        self.mkfw("show", "--public-key", VECTORS / "labkey.pub", "out.fw")
        said = self.mkfw("show", "--public-key", VECTORS / "otherkey.pub", "out.fw", status=1)
        self.assertIn("none of the public keys", said)

    def test_an_open_private_key_is_refused(self):
        self.mkfw("keys", "lab")
        (self.folder / "lab.priv").chmod(0o644)
        said = self.mkfw("pack", *NAMES, "--key", "lab.priv", self.image, "out.fw", status=1)
        self.assertIn("chmod 600", said)
        self.assertFalse((self.folder / "out.fw").exists())

    def test_keys_are_never_overwritten(self):
        self.mkfw("keys", "lab")
        before = (self.folder / "lab.priv").read_bytes()
        self.assertEqual((self.folder / "lab.priv").stat().st_mode & 0o777, 0o600)
        self.mkfw("keys", "lab", status=1)
        self.assertEqual((self.folder / "lab.priv").read_bytes(), before)

    def test_what_a_server_needs_is_asked_for(self):
        said = self.mkfw("pack", "--product", "p", self.image, "out.fw", status=2)
        self.assertIn("--version", said)

    def test_a_name_that_no_reader_takes_leaves_no_file(self):
        self.mkfw("pack", *NAMES, "--description", "two\nlines", self.image, "out.fw", status=1)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["image.bin"])


if __name__ == "__main__":
    unittest.main()
