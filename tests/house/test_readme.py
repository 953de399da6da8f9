"""Runs the commands of the README and of the guide to NervesHub: every ```sh block that follows a line
`<!-- run -->`, in order, in one shell, in a folder with nothing but the built programs' PATH."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(os.environ["MCU_SOURCE"])
BIN = pathlib.Path(os.environ["MCU_BIN"])


def blocks(text):
    return re.findall(r"<!-- run -->\n```sh\n(.*?)```", text, re.S)


def anchors(text):
    """What the headings are called in links."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def logs(folder):
    return "".join(f"---- {path.name}:\n{path.read_text()[-3000:]}" for path in pathlib.Path(folder).glob("*.log"))


class Document:
    """The questions; the classes below ask them of each document."""

    path = None
    least = 3  # blocks
    seconds = 240

    def test_its_commands_work_as_they_stand(self):
        commands = blocks((ROOT / self.path).read_text())
        self.assertGreaterEqual(len(commands), self.least)
        with tempfile.TemporaryDirectory() as home:
            script = "set -eu\n" + "\n".join(commands)
            environment = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", HOME=home, STATE_DIRECTORY=home,
                               FIRMWARE=str(ROOT / "build" / "avr" / "bin"))
            with open(pathlib.Path(home) / "said", "w+") as said:
                shell = subprocess.Popen(["bash", "-c", f"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}"],
                                         cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=said,
                                         stderr=subprocess.STDOUT, start_new_session=True)
                try:
                    status = shell.wait(self.seconds)
                except subprocess.TimeoutExpired:
                    status = f"still at it after {self.seconds} s"
                    os.killpg(shell.pid, signal.SIGTERM)
                    shell.wait()
                said.seek(0)
                self.assertEqual(status, 0, f"{script}\n---- said:\n{said.read()}{logs(home)}")

    def test_files_it_names_exist(self):
        text = (ROOT / self.path).read_text()
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if "://" not in link:
                self.assertTrue((ROOT / self.path).parent.joinpath(link).exists(), link)

    def test_headings_it_names_exist(self):
        text = (ROOT / self.path).read_text()
        for link, heading in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            target = (ROOT / self.path).parent.joinpath(link) if link else ROOT / self.path
            self.assertIn(heading, anchors(target.read_text()), link)


class Readme(Document, unittest.TestCase):
    path = "README.md"


class Guide(Document, unittest.TestCase):
    path = "bridge/NERVESHUB.md"
    least = 10
    seconds = 500


if __name__ == "__main__":
    unittest.main(verbosity=2)
