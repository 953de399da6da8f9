"""phx-cat joins, prints and pushes, and its exit status says how it went."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["MCU_SOURCE"]) / "tests" / "phx-dev"))
import phxdev  # noqa: E402

CAT = pathlib.Path(os.environ["MCU_BIN"]) / "phx-cat"
PATIENCE = 60


class Cat:
    """phx-cat as a process that is talked to line by line."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([CAT, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        return json.loads(self.process.stdout.readline())

    def wait_for(self, words):
        for line in self.process.stderr:
            if words in line:
                return line
        raise AssertionError(f"never said: {words}")

    def stop(self):
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)


class PhxCat(unittest.TestCase):
    def setUp(self):
        self.server = phxdev.Server()
        self.addCleanup(self.server.stop)
        self.url = f"ws://127.0.0.1:{self.server.port}/socket/websocket"

    def run_cat(self, *arguments, stdin="", status=0):
        done = subprocess.run([CAT, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def cat(self, *arguments):
        cat = Cat(*arguments)
        self.addCleanup(cat.stop)
        return cat

    def test_what_is_pushed_in_one_shell_is_printed_in_another(self):
        one = self.cat(self.url, "room:1")
        one.wait_for("joined room:1")
        lines, _ = self.run_cat("--quit", self.url, "room:1", stdin='new_msg {"body":"hi"}\n')
        self.assertEqual(one.hear(), {"topic": "room:1", "event": "new_msg", "payload": {"body": "hi"}})
        self.assertIn({"topic": "room:1", "reply": 1, "status": "ok", "response": {}},
                      [line for line in lines if "reply" in line])

    def test_both_forms_of_a_line_push_on_the_topic_they_name(self):
        for vsn in ("1", "2"):
            lines, _ = self.run_cat("--vsn", vsn, "--quit", self.url, "room:1", "room:2",
                                    stdin='{"topic":"room:2","event":"ping","payload":{"a":[1,2.5,"é"]}}\n')
            self.assertEqual(lines, [{"topic": "room:2", "reply": 1, "status": "ok",
                                      "response": {"a": [1, 2.5, "é"]}}])
            lines, _ = self.run_cat("--vsn", vsn, "--quit", self.url, "room:1", stdin="ping\n\nping 7\n")
            self.assertEqual([line["response"] for line in lines], [{}, 7])

    def test_a_refused_push_shows_in_the_status(self):
        lines, _ = self.run_cat("--quit", self.url, "room:1", stdin='fail {}\n', status=1)
        self.assertEqual(lines[0]["status"], "error")

    def test_a_line_that_is_wrong_is_named_and_the_next_one_is_sent(self):
        lines, said = self.run_cat("--quit", self.url, "room:1", stdin='{"event":}\nping {}\n{"topic":"room:1"}\n')
        self.assertEqual(len(lines), 1)
        self.assertIn("line 1: no valid JSON", said)
        self.assertIn("line 3: expected", said)

    def test_a_payload_that_is_no_json_is_not_sent(self):
        lines, said = self.run_cat("--quit", self.url, "room:1", stdin="ping {nonsense\n", status=1)
        self.assertEqual(lines, [])
        self.assertIn("push 1:", said)

    def test_another_topic_than_those_given_is_refused(self):
        _, said = self.run_cat("--quit", self.url, "room:1", stdin='{"topic":"room:9","event":"ping"}\n')
        self.assertIn("room:9 is none of the topics", said)

    def test_a_binary_message_goes_and_comes_as_base64(self):
        lines, _ = self.run_cat("--quit", self.url, "room:1", stdin='{"event":"bin","base64":"AP8="}\n')
        self.assertIn("base64", lines[0])
        _, said = self.run_cat("--quit", self.url, "room:1", stdin='{"event":"bin","base64":"A"}\n')
        self.assertIn('"base64" is none', said)

    def test_a_refused_join_ends_once_with_3(self):
        _, said = self.run_cat("--once", "--join", '{"deny":true}', self.url, "room:1", status=3)
        self.assertIn('{"reason":"denied"}', said)

    def test_nobody_there_ends_once_with_3(self):
        self.server.stop()
        _, said = self.run_cat("--once", self.url, "room:1", status=3)
        self.assertIn("phx-cat:", said)

    def test_why_there_is_no_connection_is_said_in_one_line(self):
        nowhere = self.url.replace("/socket/", "/elsewhere/")
        for url, why in ((nowhere, "no Phoenix socket at this path"),
                         (self.url.replace("ws:", "wss:"), "TLS is not spoken there, and it is ws://")):
            _, said = self.run_cat("--once", url, "room:1", status=3)
            self.assertIn(why, said)
            self.assertEqual(len(said.splitlines()), 1, said)

    def test_a_connection_that_ends_is_made_again(self):
        cat = self.cat(self.url, "room:1")
        cat.wait_for("joined")
        cat.say("kill_transport {}")
        cat.wait_for("joined")

    def test_it_ends_after_its_time(self):
        self.run_cat("--for", "0.2", self.url, "room:1")

    def test_an_api_key_comes_from_a_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("X-API-Key: API_TOKEN_MC_0123456789abcdef\n")
            file.flush()
            url = f"ws://127.0.0.1:{self.server.port}/microcontrollers/websocket"
            cat = self.cat("--header-file", file.name, url)
            self.assertEqual(cat.hear()["event"], "metadata")

    def test_wrong_words_are_answered_with_what_is_expected(self):
        for arguments, words in ((["--vsn", "3", self.url], "1 or 2"), ([], "URL is missing"),
                                 (["--for", "x", self.url], "seconds"), (["http://x", "room:1"], "ws://"),
                                 (["--join", "{", self.url, "room:1"], "JSON")):
            _, said = self.run_cat(*arguments, status=2)
            self.assertIn(words, said)


if __name__ == "__main__":
    unittest.main()
