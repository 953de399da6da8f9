"""A running bridge seen from outside: its metrics, its health, `mcu-bridge status`, its log, and what it
tells a service manager and the server."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness_bridge import (Bridge, PhxDev, RawServer, folder, free_port, line_options, secret_file,
                            wait_until, write_config)
from harness_mcu import BIN, Mcu
from harness_watch import WithABoard, get, metrics, served, status_tool


class Metrics(WithABoard):
    def test_readings_controls_and_the_link_are_counted(self):
        self.start()
        self.server.wait_more()
        self.server.control(1, {"motor": 40}, {"nothing": 1}, {"motor": 1000})
        self.bridge.wait_line("control motor=40: done")
        self.bridge.wait_line("control motor=1000: out of range")
        wait_until(lambda: metrics(self.listen)[("mcu_bridge_readings_replied_total", ("mcu", "bench-1"))] > 20,
                   "replies are counted")
        wait_until(lambda: metrics(self.listen).get(("mcu_bridge_link_round_trip_seconds", ("port", "left")), 0) > 0,
                   "the round trip is measured, however short it is")
        now = metrics(self.listen)
        for outcome, count in {"done": 1, "unknown": 1, "range": 1, "stale": 0}.items():
            self.assertEqual(now["mcu_bridge_commands_total", ("mcu", "bench-1"), ("outcome", outcome)], count)
        self.assertGreaterEqual(now["mcu_bridge_readings_received_total", ("mcu", "bench-1")],
                                now["mcu_bridge_readings_replied_total", ("mcu", "bench-1")])
        self.assertGreater(now["mcu_bridge_link_frames_received_total", ("port", "left")], 5)
        self.assertEqual(now["mcu_bridge_sockets", ("state", "joined")], 1)
        self.assertEqual(now["mcu_bridge_board_info", ("device", "stub-1"), ("mcu", "bench-1"),
                             ("product", "mcu-stub"), ("version", "0.1.0")], 1)
        self.assertGreater(now["process_resident_memory_bytes",], 1e6)
        self.assertEqual(self.bridge.stop(), 0)

    def test_what_waits_on_disk_is_shown_and_how_old_it_is(self):
        self.start()
        self.server.stop()
        on_disk = ("mcu_bridge_spool_readings", ("mcu", "bench-1"))
        wait_until(lambda: metrics(self.listen).get(on_disk, 0) > 40, "readings are on disk")
        now = metrics(self.listen)
        self.assertGreater(now["mcu_bridge_readings_oldest_unsent_seconds", ("mcu", "bench-1")], 0.5)
        self.assertGreater(now["mcu_bridge_spool_bytes", ("mcu", "bench-1")], 0)
        self.assertGreater(now["mcu_bridge_spool_commits_total",], 0)
        self.assertEqual(now["mcu_bridge_spool_failing",], 0)
        self.server.start()
        wait_until(lambda: metrics(self.listen)[on_disk] < 40, "they have left")

    def test_damage_on_the_line_is_counted_and_nothing_of_it_is_forgotten(self):
        self.start()
        self.mcu.flip(0.01, "up")
        bad = ("mcu_bridge_link_bad_frames_total", ("port", "left"))
        wait_until(lambda: metrics(self.listen)[bad] > 3, "damaged frames are counted")
        self.mcu.flip(0)
        before = metrics(self.listen)[bad]
        self.mcu.cut()
        self.bridge.wait_line("is gone")
        since = self.bridge.position()
        self.mcu.plug()
        self.bridge.wait_line("board stub-1 on", since)
        self.assertGreaterEqual(metrics(self.listen)[bad], before)

    def test_health_says_what_is_down(self):
        self.start()
        wait_until(lambda: get(self.listen, "/healthz") == (200, "ok\n"), "healthy")
        self.mcu.kill()
        wait_until(lambda: get(self.listen, "/healthz")[0] == 503, "its board is not there")
        self.assertIn("MCU bench-1: its board is not there", get(self.listen, "/healthz")[1])
        self.mcu.start()
        wait_until(lambda: get(self.listen, "/healthz")[0] == 200, "healthy again")
        self.server.stop()
        wait_until(lambda: get(self.listen, "/healthz")[0] == 503, "the server is gone")
        self.assertIn("MCU bench-1: its channel is not joined", get(self.listen, "/healthz")[1])

    def test_on_a_unix_socket_which_a_killed_bridge_may_have_left_behind(self):
        path = folder(self) / "status.sock"
        self.start(listen=f"unix:{path}")
        self.assertEqual(path.stat().st_mode & 0o007, 0)
        self.assertEqual(get(self.listen, "/healthz")[0], 200)
        other = subprocess.run([str(BIN / "mcu-bridge"), "--config", str(self.config)], stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=60)
        self.assertEqual(other.returncode, 1)
        self.assertIn("does another mcu-bridge run?", other.stderr)
        self.assertEqual(get(self.listen, "/healthz")[0], 200)
        self.bridge.kill()
        self.assertTrue(path.exists())
        self.bridge = Bridge(self, "--config", self.config)
        self.bridge.wait_line("joined microcontroller:v1:1")
        self.assertEqual(get(self.listen, "/healthz")[0], 200)
        self.assertEqual(self.bridge.stop(), 0)
        self.assertFalse(path.exists())

    def test_only_pages_are_served_and_nothing_is_changed(self):
        self.start()
        self.assertEqual(get(self.listen, "/metrics", "POST")[0], 405)
        self.assertEqual(get(self.listen, "/")[0], 404)
        self.assertEqual(get(self.listen, "/metrics", Origin="http://example.org")[0], 403)
        host, port = self.listen.split(":")
        for text in [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /metrics\r\n\r\n", b"x" * 5000]:
            with socket.create_connection((host, int(port)), 30) as s:
                s.sendall(text)
                self.assertIn(b"400 Bad Request", s.recv(100))

    def test_silent_clients_hold_up_nobody_for_long(self):
        self.start()
        host, port = self.listen.split(":")
        silent = [socket.create_connection((host, int(port)), 30) for _ in range(20)]
        for s in silent:
            self.addCleanup(s.close)
        wait_until(lambda: served(self.listen), "a place is free again")
        self.server.wait_more()

    def test_an_address_that_others_reach_is_refused_unless_it_is_allowed(self):
        self.server = PhxDev(self, start=False)
        self.mcu = Mcu(self, "posix")
        self.key = secret_file(self)
        for listen, says in [("0.0.0.0:9469", "allow_remote: true"), ("9469", "an address such as"),
                             ("localhost:0", "an address such as"), ("unix:relative", "an address such as")]:
            self.listen = listen
            done = subprocess.run([str(BIN / "mcu-bridge"), "--check-config", "--config", str(self.write())],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, listen)
            self.assertIn(says, done.stderr)
        self.listen = "0.0.0.0:9469"
        allowed = self.write(metrics={"listen": self.listen, "allow_remote": True})
        done = subprocess.run([str(BIN / "mcu-bridge"), "--check-config", "--config", str(allowed)],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout.split(":")[0]), (0, "ok"))


class Status(WithABoard):
    def test_a_table_of_boards_and_an_exit_status(self):
        self.start()
        self.server.wait_more()
        up = status_tool("--config", self.config)
        self.assertEqual(up.returncode, 0, up.stdout + up.stderr)
        self.assertRegex(up.stdout, r"(?m)^MCU +DEVICE +PORT +LINK +SERVER +IN +OUT +WAITING +OLDEST +DONE$")
        self.assertRegex(up.stdout, r"(?m)^bench-1 +stub-1 +/dev/pts/\d+ +up +joined +\d+ +\d+ +\d+ +(\d+ s|-) +0$")
        self.mcu.kill()
        self.bridge.wait_line("the board is gone")
        down = status_tool("--connect", self.listen)
        self.assertEqual(down.returncode, 1)
        self.assertRegex(down.stdout, r"(?m)^bench-1 +- +- +down ")
        self.assertRegex(down.stdout, r"Down:\n(.*\n)*  MCU bench-1: its board is not there")
        self.assertRegex(down.stdout, r"bench-1, \d+ s ago: the board is gone")

    def test_as_json_it_is_what_the_bridge_says(self):
        self.start()
        done = status_tool("--connect", self.listen, "--json")
        said = json.loads(done.stdout)
        self.assertEqual(said["mcus"][0]["name"], "bench-1")
        self.assertEqual(said["down"], [])

    def test_without_a_bridge_it_says_where_it_looked(self):
        done = status_tool("--connect", f"127.0.0.1:{free_port()}")
        self.assertEqual(done.returncode, 3)
        self.assertIn("metrics: listen:", done.stderr)
        self.assertIn("Is it running?", done.stderr)
        self.assertEqual(status_tool("--connect", "nonsense").returncode, 3)
        self.assertEqual(status_tool("--json", "--check-config").returncode, 2)

    def test_a_bridge_that_is_stopped_is_told_from_none(self):
        self.start()
        self.bridge.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.bridge.process.send_signal, signal.SIGCONT)
        done = status_tool("--connect", self.listen)
        self.assertEqual(done.returncode, 3)
        self.assertIn("is stopped or hangs", done.stderr)

    def test_it_needs_no_right_to_the_keys(self):
        self.start()
        pathlib.Path(self.key).unlink()
        self.assertEqual(status_tool("--config", self.config).returncode, 0)

    def test_a_configuration_without_an_address_says_how_to_give_it_one(self):
        config = write_config(self, "ws://h/microcontrollers/websocket", {"left": "/dev/ttyNOSUCH"},
                              [{"name": "a", "device": "b", "api_key_file": "key"}])
        done = status_tool("--config", config)
        self.assertEqual(done.returncode, 2)
        self.assertIn("{listen: 127.0.0.1:9469}", done.stderr)

    def test_what_is_no_bridge_is_told_from_one(self):
        server = PhxDev(self)
        done = status_tool("--connect", f"127.0.0.1:{server.port}")
        self.assertEqual(done.returncode, 3)
        self.assertIn("is no mcu-bridge", done.stderr)


class CommandEvent(unittest.TestCase):
    """How each control ended, told to a server that has an event for it."""

    def start(self, **commands):
        self.raw = RawServer(self)
        mcu = Mcu(self, "posix")
        config = write_config(self, self.raw.url, {"line": mcu.path}, [{"name": "bench"}],
                              server={"profile": "custom"}, commands=commands,
                              application={"topic": "room:{device}", "credential": "none",
                                           "readings_event": "new_msg", "controls_event": "set"})
        self.bridge = Bridge(self, "--config", config)
        self.peer = self.raw.accept().upgrade()
        join = self.peer.message("phx_join")
        self.peer.reply(join)
        self.topic = join[2]

    def set(self, **controls):
        self.peer.send(json.dumps([None, None, self.topic, "set", controls]))

    def test_the_outcome_of_each_control_comes_back_with_its_number(self):
        self.start(command_event="control_done")
        self.set(motor=40)
        done = self.peer.message("control_done")
        self.assertEqual(done[2], self.topic)
        self.assertEqual(done[4], {"control": "motor", "value": 40, "outcome": "done", "number": 1})
        self.bridge.wait_line(r"control motor=40: done in \d+ ms \(#1\)")
        self.set(motor=4000)
        self.assertEqual(self.peer.message("control_done")[4],
                         {"control": "motor", "value": 4000, "outcome": "range", "number": 2})
        self.set(engine=1)
        self.assertEqual(self.peer.message("control_done")[4]["outcome"], "unknown")

    def test_without_a_name_for_it_nothing_is_pushed(self):
        self.start(ttl="3s")
        self.set(motor=40)
        self.bridge.wait_line("control motor=40: done")
        for _ in range(3):
            text = json.loads(self.peer.text())
            self.assertIn(text[3], ("new_msg", "heartbeat"))
            self.peer.reply(text)


class Manager:
    """What systemd does: a datagram socket that is told, and the environment that says so."""

    def __init__(self, test, watchdog_us=None, abstract=False):
        self.path = str(folder(test) / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.path if abstract else self.path)
        self.socket.settimeout(0.2)
        self.said = []
        self.environment = {"NOTIFY_SOCKET": "@" + self.path if abstract else self.path}
        if watchdog_us:
            self.environment["WATCHDOG_USEC"] = str(watchdog_us)
        self.open = True
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        test.addCleanup(self.close)

    def read(self):
        while self.open:
            try:
                self.said += self.socket.recv(4096).decode().split("\n")
            except TimeoutError:
                pass

    def wait(self, line, since=0):
        return wait_until(lambda: line in self.said[since:], lambda: f"{line}; got {self.said}")

    def close(self):
        self.open = False
        self.thread.join(30)
        self.socket.close()


class Systemd(WithABoard):
    def test_it_says_when_it_is_ready_reloading_and_stopping(self):
        for abstract in (False, True):
            with self.subTest(abstract=abstract):
                self.check_what_it_says(Manager(self, abstract=abstract))

    def check_what_it_says(self, manager):
        self.start(environment=manager.environment)
        manager.wait("READY=1")
        manager.wait("STATUS=1 of 1 MCUs are up")
        since = len(manager.said)
        self.bridge.signal(signal.SIGHUP)
        manager.wait("RELOADING=1", since)
        manager.wait("READY=1", since)
        self.assertTrue(any(line.startswith("MONOTONIC_USEC=") for line in manager.said[since:]))
        self.assertEqual(self.bridge.stop(), 0)
        manager.wait("STOPPING=1")

    def test_the_watchdog_is_fed_while_the_loop_runs_and_only_then(self):
        manager = Manager(self, watchdog_us=800000)
        self.start(environment=manager.environment)
        wait_until(lambda: manager.said.count("WATCHDOG=1") >= 5, "the watchdog is fed")
        self.bridge.signal(signal.SIGSTOP)
        wait_until(lambda: pathlib.Path(f"/proc/{self.bridge.process.pid}/stat").read_text().split()[2] == "T", "stopped")
        time.sleep(0.5)  # what was on its way
        fed = manager.said.count("WATCHDOG=1")
        time.sleep(2)  # its silence is what is tested
        self.assertEqual(manager.said.count("WATCHDOG=1"), fed)
        self.bridge.signal(signal.SIGCONT)
        wait_until(lambda: manager.said.count("WATCHDOG=1") > fed, "fed again")

    def test_in_the_journal_a_line_has_its_priority_and_no_time_of_its_own(self):
        read, write = os.pipe()
        stat = os.fstat(write)
        key = secret_file(self)
        process = subprocess.Popen([str(BIN / "mcu-bridge"), *map(str, line_options(
            "ws://127.0.0.1:9/x/websocket", "/dev/ttyNOSUCH", key))], stderr=write, stdin=subprocess.DEVNULL,
            env={**os.environ, "JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
        os.close(write)
        try:
            with os.fdopen(read) as lines:
                self.assertRegex(lines.readline(), r"^<6>bridge: mcu-bridge ")
                process.terminate()
                for line in lines:
                    self.assertRegex(line, r"^<[3-7]>\S+: ")
        finally:
            process.kill()
            process.wait()


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
class Unit(unittest.TestCase):
    def setUp(self):
        self.folder = folder(self)
        self.text = self.install("/usr")

    def install(self, prefix):
        done = subprocess.run(["cmake", "--install", str(BIN.parent), "--component", "service", "--prefix", prefix],
                              capture_output=True, text=True, env={**os.environ, "DESTDIR": str(self.folder)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return (self.folder / prefix.strip("/") / "lib/systemd/system/mcu-bridge.service").read_text()

    def test_the_unit_names_the_paths_of_where_it_was_installed(self):
        self.assertIn("ExecStart=/usr/bin/mcu-bridge --config /etc/mcu-bridge/bridge.yaml\n", self.text)
        self.assertIn("ExecStart=/opt/x/bin/mcu-bridge --config /opt/x/etc/mcu-bridge/bridge.yaml\n",
                      self.install("/opt/x"))

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)

    def test_the_unit_is_one_that_systemd_takes_as_it_is(self):
        unit = self.folder / "mcu-bridge.service"
        unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={BIN}/mcu-bridge", self.text)
                        .replace("Documentation=man:mcu-bridge(1)\n", ""))
        done = self.analyze("verify", str(unit))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_what_an_intruder_could_do_is_little(self):
        unit = self.folder / "mcu-bridge.service"
        unit.write_text(self.text)
        done = self.analyze("security", "--offline=true", "--threshold=20", str(unit))
        self.assertEqual(done.returncode, 0, done.stdout[-600:])

    def test_its_user_is_one_that_sysusers_takes(self):
        conf = self.folder / "usr/lib/sysusers.d/mcu-bridge.conf"
        root = self.folder / "root"
        (root / "etc").mkdir(parents=True)
        (root / "etc/group").write_text("dialout:x:20:\n")
        done = subprocess.run(["systemd-sysusers", f"--root={root}", str(conf)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("mcu-bridge:", (root / "etc/passwd").read_text())
        self.assertRegex((root / "etc/group").read_text(), r"(?m)^dialout:x:20:mcu-bridge$")


class Log(WithABoard):
    def test_a_line_that_comes_again_and_again_is_counted(self):
        raw = RawServer(self)
        self.start(server=raw)
        peer = raw.accept().upgrade()
        peer.join()
        update = '[null,null,"microcontroller:v1:3","control_update",{"control":[{}]}]'
        for _ in range(500):
            peer.send(update)
        peer.send('[null,null,"microcontroller:v1:3","control_update",{"control":[{"motor":5}]}]')
        self.bridge.wait_line("control motor=5: done")
        self.assertLessEqual(len(self.bridge.said("makes no sense")), 10)
        self.assertGreaterEqual(metrics(self.listen)["mcu_bridge_log_repeats_total",], 490)
        self.bridge.stop()
        self.assertTrue(self.bridge.said(r"makes no sense.* \.\.\. repeated \d+ times in \d+ s"))

    def test_a_flood_of_controls_does_not_become_a_flood_of_lines(self):
        raw = RawServer(self)
        self.start(server=raw)
        peer = raw.accept().upgrade()
        peer.join()
        elements = ",".join('{"engine%d":1}' % i for i in range(1000))
        peer.send('[null,null,"microcontroller:v1:3","control_update",{"control":[%s]}]' % elements)
        counted = ("mcu_bridge_commands_total", ("mcu", "bench-1"), ("outcome", "unknown"))
        wait_until(lambda: metrics(self.listen)[counted] == 1000, "all of them are counted")
        self.assertLessEqual(len(self.bridge.said("control engine")), 150)


if __name__ == "__main__":
    unittest.main()
