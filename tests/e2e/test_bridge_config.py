"""The command line: what is wrong is said in one line each, with exit status 2, before anything is opened."""

import subprocess
import unittest

from harness_bridge import KEY, Bridge, folder, line_options, secret_file, write_config
from harness_mcu import BIN

URL = "ws://127.0.0.1:9/microcontrollers/websocket"


def run(*arguments):
    return subprocess.run([str(BIN / "mcu-bridge"), *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


class CommandLine(unittest.TestCase):
    def wrong(self, *arguments, says):
        done = run(*arguments)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, says)
        self.assertNotIn("API_TOKEN_MC_VZ", done.stderr + done.stdout)
        return done.stderr

    def test_without_options_it_says_what_it_needs(self):
        self.wrong(says="--config FILE, or --port, --url and --api-key-file")

    def test_an_unknown_option(self):
        self.wrong("--nosuch", says="nosuch")

    def test_a_superfluous_word(self):
        self.wrong("word", says="options only")

    def test_a_file_and_the_one_line_form_exclude_each_other(self):
        self.wrong("--config", "x", "--port", "y", says="exclude each other")

    def test_without_a_place_for_the_spool_the_one_line_form_is_told_of_one_too(self):
        bridge = Bridge(self, *line_options(URL, "/dev/ttyNOSUCH", secret_file(self)),
                        environment={"STATE_DIRECTORY": "/proc/nowhere"})
        bridge.wait_line("give spool: path, or a folder by STATE_DIRECTORY in the environment")
        self.assertEqual(bridge.wait(), 1)

    def test_a_missing_part_of_the_one_line_form(self):
        self.wrong("--port", "/dev/ttyNOSUCH", says="url")

    def test_an_event_that_the_server_does_not_know_is_never_configured(self):
        config = write_config(self, URL, {"left": "/dev/ttyNOSUCH"},
                              [{"name": "a", "device": "b", "api_key_file": secret_file(self)}],
                              commands={"command_event": "control_done"})
        self.wrong("--config", config, "--check-config", says='"command_event": a server of this profile takes no')

    def test_help_fits_a_screen(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.splitlines()
        self.assertLessEqual(len(lines), 40)
        self.assertLessEqual(max(map(len, lines)), 80)

    def test_version(self):
        done = run("--version")
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, "mcu-bridge"))

    def test_help_config_lists_every_setting(self):
        done = run("--help-config")
        self.assertEqual(done.returncode, 0)
        for setting in ("channel_loss", "batch", "api_key_file", "baud", "on_channel_loss"):
            self.assertIn(setting, done.stdout)

    def test_log_options_are_checked(self):
        good = line_options(URL, "/dev/ttyNOSUCH", secret_file(self))
        self.wrong(*good, "--log-level", "loud", says="error, warning, info or debug")
        self.wrong(*good, "--log-format", "xml", says="text or json")


class Keys(unittest.TestCase):
    def check(self, key_file, says):
        done = run("--check-config", *line_options(URL, "/dev/ttyNOSUCH", key_file))
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, says)
        self.assertNotIn(KEY[13:], done.stderr)

    def test_a_good_key_passes_and_nothing_is_opened(self):
        done = run("--check-config", *line_options(URL, "/dev/ttyNOSUCH", secret_file(self)))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ports: 1, MCUs: 1", done.stdout)

    def test_a_key_of_another_form_is_refused_before_connecting(self):
        self.check(secret_file(self, "token-0123456789abcdef"), "begins with API_TOKEN_MC_")
        self.check(secret_file(self, KEY[:20]), "at least 16 characters")
        self.check(secret_file(self, KEY + "-"), "only A-Z, a-z and 0-9")

    def test_a_key_that_others_can_read_is_refused(self):
        self.check(secret_file(self, mode=0o644), "chmod 600|others")

    def test_an_empty_or_missing_key_file(self):
        self.check(secret_file(self, ""), "empty")
        self.check(folder(self) / "nosuch", "nosuch")


class Files(unittest.TestCase):
    def test_a_good_file_passes(self):
        config = write_config(self, URL, {"left": "/dev/ttyNOSUCH"},
                              [{"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)}])
        done = run("--config", config, "--check-config")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_error_is_told_with_its_place(self):
        config = write_config(self, URL, {"left": "/dev/ttyNOSUCH"},
                              [{"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)}],
                              readings={"batch": "many", "bach": 3})
        done = run("--config", config)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r'bridge\.yaml:\d+:\d+: "batch": expected .*found "many"')
        self.assertRegex(done.stderr, r'bridge\.yaml:\d+:\d+: .*"bach".*batch')

    def test_a_missing_file(self):
        done = run("--config", "/nonexistent/bridge.yaml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nonexistent/bridge.yaml", done.stderr)


if __name__ == "__main__":
    unittest.main()
