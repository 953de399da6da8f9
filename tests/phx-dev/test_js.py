"""Does the official JavaScript client get along with phx-dev? Runs js/client.test.mjs in a copy."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import phxdev

JS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "js")
FILES = ("package.json", "package-lock.json", ".npmrc", "client.test.mjs")
LIMIT_S = 300


class OfficialClient(unittest.TestCase):
    def run_in(self, directory, *command, **environment):
        done = subprocess.run(command, cwd=directory, env={**os.environ, **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=LIMIT_S)
        if done.returncode != 0:
            self.fail(f"{' '.join(command)}:\n{done.stdout}")
        return done.stdout

    def test_official_client_passes(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in FILES:
                shutil.copy(os.path.join(JS, name), directory)
            self.run_in(directory, "npm", "ci", "--no-audit", "--no-fund")
            output = self.run_in(directory, "node", "--test", "--test-reporter=tap", "client.test.mjs",
                                 PHX_DEV=os.path.abspath(phxdev.BINARY))
            print(output, file=sys.stderr)
            self.assertIn("\n# fail 0", output)
            self.assertNotIn("\n# pass 0", output)

    def test_lock_file_names_no_registry(self):
        with open(os.path.join(JS, "package-lock.json"), encoding="utf-8") as text:
            packages = json.load(text)["packages"]
        self.assertIn("node_modules/phoenix", packages)
        self.assertFalse([name for name, package in packages.items() if "resolved" in package])


if __name__ == "__main__":
    unittest.main()
