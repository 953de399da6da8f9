"""mcu-tool as a person or a script uses it: what is on the ports, what boards send, and asking them to do
something; on the sample firmware as a process and on a Cortex-M3."""

import fcntl
import json
import os
import platform
import pty
import signal
import subprocess
import tempfile
import termios
import threading
import unittest

from harness_mcu import BIN, PATIENCE, Mcu, Probe

OK, REFUSED, USAGE, NO_DEVICE = range(4)


def tool(*arguments):
    return subprocess.run([str(BIN / "mcu-tool"), *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=3 * PATIENCE)


class Tool(unittest.TestCase):
    def ends(self, status, *arguments):
        done = tool(*arguments)
        self.assertEqual(done.returncode, status, f"{arguments}\n{done.stdout}{done.stderr}")
        return done


class Monitor(Tool):
    """`mcu-tool monitor` in the background, read event by event."""

    def monitor(self, path, *options):
        process = subprocess.Popen([str(BIN / "mcu-tool"), "monitor", path, "--json", *options],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watchdog = threading.Timer(2 * PATIENCE, process.kill)
        watchdog.start()

        def end():
            watchdog.cancel()
            process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    def until(self, process, wanted):
        seen = []
        for line in process.stdout:
            seen.append(json.loads(line))
            if wanted(seen[-1]):
                return seen
        self.fail(f"it ended before that; {seen[-5:]} {process.stderr.read()}")


class Boards:
    """The questions; the classes below ask them of each board."""

    board = None

    def test_list_tells_who_answers(self):
        mcu = Mcu(self, self.board, board=3)
        done = self.ends(OK, "list", "--port", mcu.path, "--json", "--wait", "8s")
        port = next(p for p in json.loads(done.stdout)["ports"] if p["path"] == mcu.path)
        self.assertEqual((port["state"], port["device"], port["sensors"], port["controls"]),
                         ("answers", "stub-3", 4, 2))
        self.assertRegex(port["firmware"], r"^mcu-stub \d")
        names = {"posix": ("posix", platform.machine()), "cortex-m3": ("mps2-an385", "cortex-m3")}[self.board]
        self.assertEqual((port["platform"], port["architecture"]), names)
        table = self.ends(OK, "list", "--port", mcu.path, "--wait", "8s").stdout
        self.assertRegex(table, rf"(?m)^{mcu.path} .* stub-3 +mcu-stub \S+ +{names[0]}, {names[1]} +4 +2 +answers$")

    def test_monitor_shows_readings_in_physical_units(self):
        mcu = Mcu(self, self.board)
        process = self.monitor(mcu.path)
        kinds = set()
        seen = self.until(process, lambda e: e["event"] == "reading" and not kinds.add(e["kind"]) and len(kinds) == 4)
        ready = next(e for e in seen if e["event"] == "ready")
        self.assertEqual((ready["device"], ready["sensors"], ready["controls"]), ("stub-1", 4, 2))
        latest = {e["kind"]: e for e in seen if e["event"] == "reading"}
        self.assertTrue(10 < latest["temperature"]["value"] < 60)
        self.assertTrue(900 < latest["pressure"]["value"] < 1100)
        self.assertEqual((latest["pressure"]["unit"], latest["temperature"]["unit"]), ("hPa", "Cel"))

    def test_send_moves_a_motor(self):
        mcu = Mcu(self, self.board)
        done = self.ends(OK, "send", mcu.path, "motor", "100", "--hold", "200ms")
        self.assertEqual((done.stdout, done.stderr), ("motor 100: done\n", ""))
        # The fan cools the air, as long as somebody talks to the board.
        self.ends(OK, "send", mcu.path, "motor", "100")
        process = self.monitor(mcu.path)
        self.until(process, lambda e: e["event"] == "reading" and e["kind"] == "temperature" and e["value"] < 36)

    def test_send_says_that_the_value_does_not_stay(self):
        mcu = Mcu(self, self.board)
        self.assertIn("back to fail-safe", self.ends(OK, "send", mcu.path, "valve", "0.5").stderr)

    def test_send_refuses_what_the_board_does_not_describe(self):
        mcu = Mcu(self, self.board)
        self.assertIn('did you mean "motor"? It has: motor, valve',
                      self.ends(REFUSED, "send", mcu.path, "moter", "40").stderr)
        self.assertIn('"motor": expected 0 to 100, found 101', self.ends(REFUSED, "send", mcu.path, "motor", 101).stderr)
        self.assertIn('"motor": expected 0 to 100, found -1', self.ends(REFUSED, "send", mcu.path, "motor", -1).stderr)
        for value in ("fast", "nan", "inf", "1e999", "4x", ""):
            self.assertIn("VALUE: expected a number", self.ends(USAGE, "send", mcu.path, "motor", value).stderr)

    def test_set_id_counts_after_a_reset(self):
        with tempfile.TemporaryDirectory() as folder:
            state = {"state": os.path.join(folder, "state")} if self.board == "posix" else {}
            mcu = Mcu(self, self.board, **state)
            done = self.ends(OK, "set-id", mcu.path, "bench-7", "--reset")
            self.assertIn("bench-7", done.stdout)
            ready = Probe(self, mcu.path).wait("ready")
            self.assertEqual(ready["device"], "bench-7")

    def test_reset_restarts_the_board(self):
        mcu = Mcu(self, self.board)
        process = self.monitor(mcu.path)
        before = self.until(process, lambda e: e["event"] == "reading")[-1]["device_us"]
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        self.ends(OK, "reset", mcu.path)
        process = self.monitor(mcu.path)
        ready = self.until(process, lambda e: e["event"] == "ready")[-1]
        self.assertTrue(ready["fresh"])
        self.assertLess(self.until(process, lambda e: e["event"] == "reading")[-1]["device_us"], before + 1000000)

    def test_identify(self):
        mcu = Mcu(self, self.board)
        self.ends(OK, "identify", mcu.path, "--for", "100ms")

    def test_what_only_looks_leaves_the_readings_to_the_bridge(self):
        mcu = Mcu(self, self.board)
        self.ends(OK, "list", "--port", mcu.path, "--wait", "8s")
        self.ends(OK, "send", mcu.path, "motor", "10", "--hold", "1500ms")
        probe = Probe(self, mcu.path)
        first = probe.wait("received")
        self.assertEqual(first["number"], 0)


class Process(Boards, Monitor):
    board = "posix"


class CortexM3(Boards, Monitor):
    board = "cortex-m3"


class Ports(Monitor):
    """Ports on which no board answers, and the command line."""

    def pty(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        return master, os.ttyname(slave)

    def state(self, path, *options):
        done = self.ends(OK, "list", "--json", "--wait", "300ms", "--port", path, *options)
        port = next(p for p in json.loads(done.stdout)["ports"] if p["path"] == path)
        return port["state"], port["text"]

    def test_a_port_that_is_not_there(self):
        self.assertEqual(self.state("/dev/no-such-port")[0], "absent")
        for command in (("monitor",), ("send", "motor", "1"), ("set-id", "x"), ("reset",), ("identify",)):
            done = self.ends(NO_DEVICE, command[0], "/dev/no-such-port", *command[1:])
            self.assertIn("/dev/no-such-port is not there", done.stderr)

    def test_a_silent_port(self):
        _, path = self.pty()
        self.assertEqual(self.state(path), ("silent", "silent: nothing answers at 115200 baud"))
        done = self.ends(NO_DEVICE, "send", path, "motor", "1", "--wait", "300ms")
        self.assertIn("nothing answers", done.stderr)

    def test_a_silent_board_is_told_to_who_watches_and_waited_for(self):
        _, path = self.pty()
        process = self.monitor(path, "--wait", "300ms")
        self.assertIn(f"nothing answers on {path} at 115200 baud", process.stderr.readline())
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), NO_DEVICE)

    def test_a_port_with_another_firmware(self):
        master, path = self.pty()
        stop = threading.Event()

        def chatter():
            while not stop.wait(0.01):
                try:
                    os.write(master, b"AT+GMR\r\nOK\r\n")
                except BlockingIOError:
                    pass
        os.set_blocking(master, False)
        thread = threading.Thread(target=chatter)
        thread.start()
        try:
            state, text = self.state(path)
            done = self.ends(NO_DEVICE, "reset", path, "--wait", "300ms")
        finally:
            stop.set()
            thread.join()
        self.assertEqual(state, "silent")
        self.assertIn("no mcu-protocol at 115200 baud", text)
        self.assertIn("another firmware, or another --baud", done.stderr)

    def test_a_port_in_use_names_its_user(self):
        _, path = self.pty()
        held = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self.addCleanup(os.close, held)
        fcntl.flock(held, fcntl.LOCK_EX)
        state, text = self.state(path)
        self.assertEqual(state, "busy")
        self.assertIn(f"(process {os.getpid()})", text)
        done = self.ends(NO_DEVICE, "monitor", path)
        self.assertIn(f"{path} is in use by ", done.stderr)

    def test_raw_shows_bytes_and_says_nothing(self):
        master, path = self.pty()
        process = self.monitor(path, "--raw")
        watched = b"boot 1.0\n\xff"
        heard = []

        def wanted(event):
            heard.append(event["hex"].replace(" ", ""))
            return "".join(heard).endswith(watched.hex())
        # The PTY is raw only once it is open: written before that, the bytes are echoed or changed.
        os.set_blocking(master, False)
        threading.Thread(target=lambda: self.when_open(process, master, lambda: os.write(master, watched))).start()
        self.until(process, wanted)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE), OK)
        with self.assertRaises(BlockingIOError):
            os.read(master, 1)

    def when_open(self, process, master, then):
        """Waits until the process has made the line raw, which the master sees. A lock is not asked for: it
        would be in the way of the process."""
        while process.poll() is None:
            if not termios.tcgetattr(master)[3] & termios.ICANON:
                return then()

    def test_a_line_that_goes_away_ends_the_monitor(self):
        mcu = Mcu(self, "posix")
        process = self.monitor(mcu.path)
        self.until(process, lambda e: e["event"] == "ready")
        mcu.cut()
        process.wait(PATIENCE)
        self.assertEqual(process.returncode, NO_DEVICE)
        self.assertIn("went away", process.stderr.read())

    def test_ctrl_c_ends_the_monitor_with_its_figures(self):
        mcu = Mcu(self, "posix")
        process = self.monitor(mcu.path)
        self.until(process, lambda e: e["event"] == "reading")
        process.send_signal(signal.SIGINT)
        rest = [json.loads(line) for line in process.stdout]
        self.assertEqual(process.wait(PATIENCE), OK)
        self.assertEqual(rest[-1]["event"], "link")
        self.assertEqual(rest[-1]["bad_frames"], 0)
        self.assertGreater(rest[-1]["frames_in"], 3)

    def test_frames_shows_each_message(self):
        mcu = Mcu(self, "posix")
        process = self.monitor(mcu.path, "--frames")
        seen = self.until(process, lambda e: e["event"] == "received" and e["text"].startswith("readings"))
        self.assertTrue(any(e["event"] == "sent" and e["text"].startswith("hello") for e in seen))

    def test_the_command_line(self):
        for words, says in [((), "which command"), (("lsit",), 'no command "lsit"'), (("send", "x"), "too few"),
                            (("reset", "x", "y"), "too many"), (("reset", *"xyzuvw"), "too many"),
                            (("reset", "x", "--json"), "takes no --json"),
                            (("reset", "x", "--baud", "fast"), "--baud: expected a whole number from 300"),
                            (("send", "x", "motor", "1", "--ttl", "2"), "the unit is missing"),
                            (("set-id", "x", "seventeen-letters"), "ID: expected an identity of 1 to 16 bytes"),
                            (("monitor", "x", "--nonsense"), "nonsense")]:
            self.assertIn(says, self.ends(USAGE, *words).stderr, words)

    def test_help_fits_a_screen_and_names_every_command(self):
        lines = self.ends(OK, "--help").stdout.splitlines()
        self.assertLessEqual(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 100)
        for command in ("list", "monitor", "send", "set-id", "identify", "reset"):
            self.assertTrue(any(f"mcu-tool {command}" in line for line in lines), command)
        self.assertRegex(self.ends(OK, "--version").stdout, r"^mcu-tool \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    unittest.main()
