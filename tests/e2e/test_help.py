"""Help and version of every program, and what each says to an option that it does not know."""

import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["MCU_SOURCE"])
TOPS = ("bridge", "tools", "firmware-stub")
BIN = pathlib.Path(os.environ["MCU_BIN"])
PROGRAMS = ("mcu-bridge", "mcu-tool", "mcu-stub", "mcu-link", "phx-dev", "phx-cat", "mkfw", "avr-run")
OTHERS = (("mcu-tool", "monitor"), ("mcu-tool", "send", "PORT"), ("mcu-bridge", "status"))


def run(program, *arguments):
    return subprocess.run([BIN / program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)


class Help(unittest.TestCase):
    def test_it_fits_a_screen(self):
        for program in PROGRAMS:
            with self.subTest(program):
                done = run(program, "--help")
                lines = done.stdout.splitlines()
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertLessEqual(len(lines), 40)
                self.assertLessEqual(max(map(len, lines)), 80)
                self.assertIn(program, lines[0])

    def test_it_is_there_by_h_and_behind_a_command_too(self):
        for words in [(program,) for program in PROGRAMS] + list(OTHERS):
            with self.subTest(words):
                self.assertEqual(run(*words, "-h").stdout, run(words[0], "--help").stdout)

    def test_the_scripts_say_what_they_do_and_do_nothing_then(self):
        for script in ("demo", "check", "bench", "setup"):
            for ask in ("--help", "-h"):
                done = subprocess.run([SOURCE / "tools" / script, ask], capture_output=True, text=True, timeout=60,
                                      env={**os.environ, "COLUMNS": "80"})
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"tools/{script}", done.stdout)
                self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80, script)

    def test_the_settings_fit_a_terminal(self):
        lines = run("mcu-bridge", "--help-config").stdout.splitlines()
        self.assertLessEqual(max(map(len, lines)), 80, max(lines, key=len))

    def test_every_program_has_a_manual_with_every_option_of_its_help(self):
        for program in PROGRAMS:
            with self.subTest(program):
                pages = [page for top in TOPS for page in (SOURCE / top).rglob(f"{program}.1")]
                self.assertEqual(len(pages), 1)
                page = pages[0].read_text().replace("\\-", "-")
                for option in set(re.findall(r"--[a-z][a-z-]+", run(program, "--help").stdout)):
                    self.assertIn(option, page)

    def test_the_examples_of_the_manuals_fit_a_terminal(self):
        for page in [page for top in TOPS for page in (SOURCE / top).rglob("*.[13]")]:
            for block in re.findall(r"(?ms)^\.nf$(.*?)^\.fi$", page.read_text() + ".fi\n"):
                for line in block.splitlines():
                    self.assertLessEqual(len(re.sub(r"\\([-e])", r"\1", line)), 73, f"{page.name}: {line}")

    def test_the_version(self):
        for program in PROGRAMS:
            with self.subTest(program):
                self.assertRegex(run(program, "--version").stdout, rf"^{program} \d+\.\d+\.\d+\n$")

    def test_an_unknown_option_is_named_and_the_help_is_not_far(self):
        for program in PROGRAMS:
            with self.subTest(program):
                done = run(program, "--nonsense")
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("--nonsense", done.stderr)
                self.assertIn(f"{program} --help", done.stderr)
                self.assertLessEqual(len(done.stderr.splitlines()), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
