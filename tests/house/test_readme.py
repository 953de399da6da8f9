"""Runs the README's commands: every ```sh block that follows a line `<!-- run -->`, in order, in one
shell, in a copy of nothing but the built programs' PATH."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(os.environ["MCU_SOURCE"])
BIN = pathlib.Path(os.environ["MCU_BIN"])


def blocks(text):
    return re.findall(r"<!-- run -->\n```sh\n(.*?)```", text, re.S)


class Readme(unittest.TestCase):
    def test_its_commands_work_as_they_stand(self):
        commands = blocks((ROOT / "README.md").read_text())
        self.assertGreaterEqual(len(commands), 3)
        with tempfile.TemporaryDirectory() as home:
            script = "set -eu\n" + "\n".join(commands)
            environment = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", HOME=home, STATE_DIRECTORY=home)
            done = subprocess.run(["bash", "-c", f"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}"], cwd=home,
                                  env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=240)
            self.assertEqual(done.returncode, 0, f"{script}\n---- said:\n{done.stdout}")

    def test_files_it_names_exist(self):
        text = (ROOT / "README.md").read_text()
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in link:
                self.assertTrue((ROOT / link).exists(), link)


if __name__ == "__main__":
    unittest.main()
