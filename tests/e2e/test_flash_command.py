"""Flashing by an external program, with programs that do what a flasher may: end well or badly, hang, print
without end, take no notice of being asked to end, leave others behind."""

import json
import os
import pathlib
import pty
import sys
import tempfile
import time
import unittest

from harness_flash import Flasher
from harness_mcu import PATIENCE

ODD_NAME = "new image; touch gone $(touch gone) 'x' {port} \u00e9.bin"
LAST_WORDS = "fake: cannot open port\n"


class FlashCommand(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / ODD_NAME
        self.file.write_bytes(b"image")
        ours, self.slave = pty.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, self.slave)
        self.port = os.ttyname(self.slave)
        self.ready = self.folder / "ready"
        os.mkfifo(self.ready)

    def flasher(self, code, *words, port=None, **options):
        """A fake: Python code in a file; READY tells this test that it has come so far."""
        fake = self.folder / "fake"
        head = f"#!{sys.executable}\nimport json, os, signal, subprocess, sys, time\n" \
               f"def ready(text=''): open({str(self.ready)!r}, 'w').write(text or str(os.getpid()))\n"
        fake.write_text(head + code)
        fake.chmod(0o755)
        return Flasher(self, port or self.port, self.file, [str(fake), *(words or ["{file}"])], **options)

    def wait_ready(self):
        """What the fake said when it was ready."""
        with open(self.ready) as ready:
            return ready.read()

    def gone(self, pid):
        """Waits until this process is no more, or dead and only unburied."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return True
            except (FileNotFoundError, ProcessLookupError):
                return True
            time.sleep(0.005)
        return False

    def test_every_word_arrives_as_one_argument_and_no_shell_looks_at_it(self):
        flasher = self.flasher("ready(json.dumps(sys.argv[1:]))", "-P{port}", "w:{file}:r", "{baud}",
                               "a  b", "$HOME", "*")
        said = json.loads(self.wait_ready())
        self.assertEqual(flasher.end(), "")
        self.assertEqual(said, ["-P" + self.port, f"w:{self.file}:r", "115200", "a  b", "$HOME", "*"])
        self.assertFalse((self.folder / "gone").exists())

    def test_success_is_status_0_and_progress_rises(self):
        flasher = self.flasher("for p in (1, 7, 5, 50, 100): print(f'\\rwriting {p}%', end=''); sys.stdout.flush()\n")
        self.assertEqual(flasher.end(), "")
        percents = flasher.percents()
        self.assertEqual(percents, sorted(set(percents)))
        self.assertEqual(percents[-1], 100)
        self.assertLessEqual(set(percents), {1, 7, 50, 100})

    def test_progress_comes_while_it_runs(self):
        """A program in Python would keep it back for a pipe."""
        flasher = self.flasher("print('10%'); ready(); print('20%')")
        self.assertEqual(flasher.read(), {"event": "progress", "percent": 10})
        self.wait_ready()
        self.assertEqual(flasher.end(), "")

    def test_100_percent_and_then_a_failure_is_a_failure(self):
        flasher = self.flasher("print('100%'); print('verification failed', file=sys.stderr); sys.exit(1)")
        self.assertEqual(flasher.end(), "fake ended with status 1: 100% / verification failed")

    def test_the_reason_is_clean_text(self):
        why = self.flasher(r"os.write(1, b'bad \xff\x1b[1m \xc2\x9b byte\n'); sys.exit(1)").end()
        self.assertEqual(why, "fake ended with status 1: bad \ufffd[1m  byte")

    def test_a_silent_failure_says_so(self):
        self.assertEqual(self.flasher("sys.exit(2)").end(), "fake ended with status 2; it printed nothing")

    def test_a_crash_is_a_failure(self):
        self.assertIn("fake was ended by signal 9", self.flasher("os.kill(os.getpid(), 9)").end())

    def test_one_that_hangs_is_ended_and_its_last_words_are_told(self):
        """On a busy machine it may not have come to say anything."""
        flasher = self.flasher("print('not in sync'); time.sleep(1000)", timeout_ms=2000)
        self.assertRegex(flasher.end(), "^fake did not end within 2 s and was stopped(: not in sync|; it printed nothing)$")

    def test_one_that_takes_no_notice_is_killed_with_all_it_has_started(self):
        flasher = self.flasher("signal.signal(15, signal.SIG_IGN)\n"
                               "child = subprocess.Popen(['sleep', '1000'])\n"
                               "ready(f'{os.getpid()} {child.pid}'); time.sleep(1000)", term_ms=100)
        pids = self.wait_ready().split()
        flasher.stop()
        self.assertIn("fake was stopped before it had ended", flasher.end())
        self.assertTrue(all(self.gone(pid) for pid in pids))

    def test_asked_to_end_one_may_end_in_order_but_it_is_no_success(self):
        flasher = self.flasher("signal.signal(15, lambda *_: (print('reset the board'), sys.exit(0)))\n"
                               "ready(); signal.pause()")
        self.wait_ready()
        flasher.stop()
        self.assertEqual(flasher.end(), "fake was stopped before it had ended: reset the board")

    def test_what_it_leaves_behind_is_killed(self):
        flasher = self.flasher("child = subprocess.Popen(['sleep', '1000']); ready(str(child.pid))")
        child = self.wait_ready()
        self.assertEqual(flasher.end(), "")
        self.assertTrue(self.gone(child))

    def test_who_leaves_its_session_does_not_hold_the_end_up(self):
        """The other end of its output stays open."""
        flasher = self.flasher("child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
                               "ready(str(child.pid))")
        child = self.wait_ready()
        self.addCleanup(os.kill, int(child), 9)
        self.assertEqual(flasher.end(), "")

    def test_a_flood_of_output_is_all_read_and_keeps_nobody_from_ending_it(self):
        flasher = self.flasher("line = b'5% of a very long line ' * 3000\nfor _ in range(300): os.write(1, line)\n"
                               "ready()\nwhile True: os.write(1, line)")
        self.wait_ready()
        flasher.stop()
        why = flasher.end()
        self.assertIn("fake was stopped before it had ended: ", why)
        self.assertLess(len(why), 300)
        self.assertEqual(flasher.percents(), [5])

    def test_freed_it_is_killed_at_once(self):
        flasher = self.flasher("signal.signal(15, signal.SIG_IGN)\nready(); time.sleep(1000)")
        pid = self.wait_ready()
        flasher.free()
        self.assertIsNone(flasher.end())
        self.assertEqual([e["event"] for e in flasher.events], ["freed"])
        self.assertTrue(self.gone(pid))

    def test_it_inherits_no_descriptor_no_secret_and_nothing_to_read(self):
        """Descriptor 3 is the claim, 4 the reading end of its output; the one that lists the folder is the fake's own."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        os.set_inheritable(writer, True)
        environment = {**os.environ, "API_KEY": "secret"}
        flasher = self.flasher("open_ones = [f for f in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{f}')"
                               " or os.path.islink(f'/proc/self/fd/{f}')]\n"
                               "print(json.dumps([sorted(open_ones), sys.stdin.read(), 'API_KEY' in os.environ, "
                               "os.environ['LC_ALL'], os.getsid(0) == os.getpid()])); sys.exit(1)", pass_fds=[writer],
                               env=environment)
        said = json.loads(flasher.end().partition(": ")[2])
        self.assertEqual(said, [["0", "1", "2", "3", "4"], "", False, "C.UTF-8", True])

    def test_a_second_one_at_the_port_is_refused_by_whatever_name(self):
        first = self.flasher("ready(); signal.pause()")
        self.wait_ready()
        other_name = self.folder / "by-id"
        other_name.symlink_to(self.port)
        second = self.flasher("", port=other_name)
        self.assertIn("another flasher is at this port", second.end())
        first.stop()
        first.end()
        self.assertEqual(self.flasher("", port=other_name).end(), "")

    def test_a_flasher_that_outlives_the_bridge_keeps_the_port(self):
        first = self.flasher("ready(); signal.pause()")
        pid = int(self.wait_ready())
        first.process.kill()
        first.process.wait(PATIENCE)
        second = self.flasher("")
        self.assertIn("another flasher is at this port", second.end())
        os.kill(pid, 9)
        self.assertTrue(self.gone(pid))
        self.assertEqual(self.flasher("").end(), "")

    def test_a_flasher_that_outlives_the_bridge_comes_to_its_end_whatever_it_prints(self):
        """No SIGPIPE, and no waiting for somebody who reads."""
        done = self.folder / "done"
        first = self.flasher(f"ready(); sys.stdin.close(); open({str(self.ready)!r}).read()\n"
                             f"for _ in range(3000): os.write(1, b'writing flash, some 50 %, as esptool does it   \\r' * 4)\n"
                             f"open({str(done)!r}, 'w').write('all of it')")
        pid = int(self.wait_ready())
        first.process.kill()
        first.process.wait(PATIENCE)
        self.ready.write_text("go on")
        self.assertTrue(self.gone(pid))
        self.assertEqual(done.read_text(), "all of it")

    def test_what_cannot_start_is_refused_with_what_to_do(self):
        words = ["/no/such/flasher", "{file}"]
        plain = self.folder / "not-executable"
        plain.touch()
        for port, file, words, says in (
                (self.port, self.file, ["no-such-flasher", "{file}"], "cannot run no-such-flasher: no such file"),
                (self.port, self.file, [str(plain), "{file}"], "permission denied; install it"),
                (self.port, self.folder / "none", words, "No such file"),
                (self.port, "image.bin", words, "not a whole path"),
                ("-P", self.file, words, "not a whole path"),
                (self.folder / "none", self.file, words, "is the board plugged in?"),
                (self.port, self.file, ["true"], "needs {file}")):
            flasher = Flasher(self, port, file, words)
            self.assertIn(says, flasher.end())
            self.assertEqual(flasher.events[0]["event"], "refused")


if __name__ == "__main__":
    unittest.main()
