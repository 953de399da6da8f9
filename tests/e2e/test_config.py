"""A configuration as mcu-bridge --check-config sees it: bad input is told with file, line, expected and
found, all of it in one run, with exit status 2; and nothing crashes on what is no configuration at all."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from harness_mcu import BIN

GOOD = """\
server:
  url: ws://localhost:4000/microcontrollers/websocket
ports:
  - name: left
    path: ./ttyMCU0
    baud: 115200
mcus:
  - name: bench-1
    device: stub-1
    api_key_file: bench-1.key
"""
KEY = "API_TOKEN_MC_0123456789ABCDEF"


class Config(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / "bridge.yaml"
        self.key = self.folder / "bench-1.key"
        self.key.touch(0o600)
        self.key.write_text(KEY + "\n")

    def check(self, content, file=None):
        self.file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return subprocess.run([str(BIN / "mcu-bridge"), "--config", str(file or self.file), "--check-config"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def refused(self, content, *says, file=None):
        done = self.check(content, file)
        self.assertEqual(done.returncode, 2, done.stderr)
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertNotIn(KEY, done.stdout + done.stderr)
        return done.stderr

    def test_a_good_file_is_taken_from_any_working_directory(self):
        done = self.check(GOOD)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_wrong_type_names_line_expected_and_found(self):
        self.refused(GOOD.replace("115200", "115200bps"),
                     f'{self.file}:6:11: "baud": expected a whole number from 300 to 4000000, found "115200bps"')

    def test_an_unknown_key_names_what_was_meant(self):
        self.refused(GOOD.replace("baud", "buad"),
                     f'{self.file}:6:5: "buad": no such setting in ports; did you mean "baud"?')

    def test_all_errors_come_in_one_run(self):
        said = self.refused(GOOD.replace("115200", "0123").replace("ws:", "http:").replace("stub-1", '""') + "x: 1\n")
        self.assertEqual([int(n) for n in re.findall(r"bridge\.yaml:(\d+):\d+: ", said)], [2, 6, 9, 11])

    def test_a_missing_key_file_names_the_line_that_wants_it(self):
        self.key.unlink()
        self.refused(GOOD, f'{self.file}:10:19: "api_key_file": there is no file {self.key}')

    def test_a_key_file_that_others_can_read_is_refused(self):
        self.key.chmod(0o644)
        self.refused(GOOD, f'{self.file}:10:19: "api_key_file": others may use {self.key} (mode 0644)', "chmod 600")

    def test_a_missing_file_and_a_directory(self):
        self.refused(GOOD, "/nowhere.yaml: there is no such file", file=self.folder / "nowhere.yaml")
        self.refused(GOOD, "expected a file, found a directory", file=self.folder)

    def test_what_is_no_configuration(self):
        for content, says in [("", "is empty"), ("\t", "tab"), (b"\xff\xfe", "UTF-8"), ("a: [", "no YAML"),
                              ("- a", "found a list"), ("--- {}\n--- {}", "second document"),
                              ("a: &x 1\nb: *x", "anchors"), ("a: !!int 1", "tags"), ("[" * 100000, "nested too deeply"),
                              ("#" * (1 << 21), "more than 1 MiB"), (b"a: \x00", "control character")]:
            with self.subTest(says=says):
                self.refused(content, says)

    def test_the_mcu_of_every_identity_is_one(self):
        second = "  - {name: bench-2, device: stub-1, api_key_file: bench-1.key}\n"
        self.refused(GOOD + second, '"device": already claimed by "bench-1" in line 8',
                     '"api_key_file": the same as of "bench-1" in line 8')


if __name__ == "__main__":
    unittest.main()
