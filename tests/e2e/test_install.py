"""What `cmake --install` puts where, looked at as somebody who packages it."""

import os
import pathlib
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["MCU_BIN"]).parent


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        done = subprocess.run(["cmake", "--install", str(BUILD), "--prefix", "/usr"], capture_output=True, text=True,
                              env={**os.environ, "DESTDIR": folder.name}, timeout=120)
        assert done.returncode == 0, done.stderr
        top = pathlib.Path(folder.name)
        cls.files = {str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir()}

    def test_nothing_lies_outside_of_the_prefix(self):
        self.assertEqual([name for name in self.files if not name.startswith("usr/")], [])

    def test_every_program_has_its_manual_beside_it(self):
        programs = {pathlib.Path(name).name for name in self.files if name.startswith("usr/bin/")}
        self.assertIn("mcu-bridge", programs)
        manuals = {pathlib.Path(name).stem for name in self.files if name.startswith("usr/share/man/man1/")}
        self.assertEqual(programs, manuals)

    def test_the_service_brings_its_unit_its_user_and_examples(self):
        for name in ("usr/lib/systemd/system/mcu-bridge.service", "usr/lib/sysusers.d/mcu-bridge.conf"):
            self.assertIn(name, self.files)
        for example in ("60-mcu-bridge.rules", "mcu-bridge.yaml"):
            self.assertTrue([name for name in self.files if name.startswith("usr/share/doc/") and
                             name.endswith(f"/{example}")], example)


if __name__ == "__main__":
    unittest.main(verbosity=2)
