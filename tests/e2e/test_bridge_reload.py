"""A configuration that changes under a running bridge."""

import json
import os
import pty
import random
import signal
import time
import unittest

from harness_bridge import (KEY, OTHER_KEY, Bridge, PhxDev, free_port, identities, line_options, secret_file,
                            wait_until)
from harness_mcu import BIN, Mcu
from harness_watch import WithABoard, get, metrics, served


class Reload(WithABoard):
    def test_an_mcu_is_added_and_one_is_removed_without_touching_the_others(self):
        self.start()
        other = Mcu(self, "posix", board=2)
        both = {"left": self.mcu.path, "right": other.path}
        second = {"name": "bench-2", "device": "stub-2", "api_key_file": secret_file(self, OTHER_KEY)}
        since = self.rewrite(self.entry(), dict(second), ports=both)
        self.bridge.wait_line("MCUs: 1 new, 0 changed, 0 gone; ports: 1 new, 0 changed, 0 gone", since)
        self.bridge.wait_line("bench-2: joined", since)
        since = self.rewrite(dict(second), ports=both)
        self.bridge.wait_line("MCUs: 0 new, 0 changed, 1 gone", since)
        self.bridge.wait_line("refused the board stub-1 on .*: no such device in the configuration", since)
        wait_until(lambda: len(self.server.sockets()) == 1, "one socket is left")
        self.assertFalse(self.bridge.said("bench-2: (disconnected|the board is gone)", since))
        self.assertEqual(self.bridge.stop(), 0)

    def test_a_board_that_was_refused_is_let_in_when_its_entry_is_there(self):
        self.start(server=PhxDev(self))
        self.bridge.wait_line("bench-1: joined")
        since = self.rewrite(self.entry(device="stub-77"))
        self.bridge.wait_line("refused the board stub-1", since)
        since = self.rewrite(self.entry())
        self.bridge.wait_line("bench-1: joined", since)
        self.server.wait_more()

    def test_a_changed_control_rule_holds_at_once(self):
        self.start(commands={"channel_loss": "1s"})
        commands = {"commands": {"channel_loss": "1s"}}
        since = self.rewrite(self.entry(controls={"motor": "hold"}), **commands)
        self.bridge.wait_line("bench-1: joined", since)
        self.server.control(1, {"motor": 60}, {"valve": 0.5})
        self.bridge.wait_line("control valve=0.5: done", since)
        self.server.stop()
        self.bridge.wait_line("fail-safe valve=0: done", since)
        self.assertFalse(self.bridge.said("fail-safe motor", since))

    def test_no_reading_is_lost_or_repeated_over_reloads(self):
        readings = {"readings": {"at_and_seq": True, "batch_wait": "20ms"}}
        self.start(**readings)
        for i in range(4):
            self.server.wait_more(8)
            since = self.rewrite(self.entry(controls={"motor": "hold" if i % 2 else "failsafe"}), **readings)
            self.bridge.wait_line("bench-1: joined", since)
        self.server.wait_more(8)
        readings = self.server.readings()
        numbers = identities(readings)
        self.assertEqual(len(numbers), len(set(numbers)), "a reading came twice")
        for kind in {(r["sensor"], r["type"]) for r in readings}:
            own = [n for n, r in zip(numbers, readings) if (r["sensor"], r["type"]) == kind]
            self.assertEqual(own, sorted(own))
        messages = [message for _, message, _ in numbers]
        self.assertEqual(len({messages.count(m) for m in set(messages) - {max(messages)}}), 1, "a part is missing")

    def test_a_broken_file_keeps_the_old_configuration(self):
        self.start()
        since = self.bridge.position()
        good = self.config.read_text()
        self.config.write_text(good.replace("device:", "devise:") + "  - {name: x}\n")
        self.bridge.signal(signal.SIGHUP)
        self.bridge.wait_line("everything goes on as before", since)
        self.bridge.wait_line('"devise"', since)
        self.server.wait_more()
        now = metrics(self.listen)
        self.assertEqual(now["mcu_bridge_config_reloads_total", ("result", "refused")], 1)
        self.assertFalse(self.bridge.said("(disconnected|the board is gone)", since))

    def test_a_key_file_that_others_can_read_keeps_the_old_configuration(self):
        self.start()
        since = self.bridge.position()
        self.key.chmod(0o644)
        self.bridge.signal(signal.SIGHUP)
        self.bridge.wait_line("others may use", since)
        self.bridge.wait_line("everything goes on as before", since)

    def test_what_needs_a_new_start_is_named(self):
        self.start()
        since = self.rewrite(readings={"batch": 7}, server={"heartbeat": "20s"})
        self.bridge.wait_line("readings.batch has changed: that takes effect when mcu-bridge is started anew", since)
        self.bridge.wait_line("server.heartbeat has changed", since)
        self.bridge.wait_line("MCUs: 0 new, 0 changed, 0 gone", since)

    def test_the_log_level_changes(self):
        self.start()
        since = self.rewrite(log={"level": "debug"})
        self.bridge.wait_line("the configuration was read again", since)
        self.server.control(1, {"motor": 3})
        self.bridge.wait_line("debug bench-1: control motor=3: asked", since)

    def test_another_key_connects_anew_with_it(self):
        self.start()
        since = self.bridge.position()
        self.bridge.signal(signal.SIGHUP)
        self.bridge.wait_line("the configuration was read again", since)
        self.key.write_text(OTHER_KEY + "\n")
        self.bridge.signal(signal.SIGHUP)
        self.bridge.wait_line("its API key is another one: connecting anew", since)
        self.bridge.wait_line("bench-1: joined microcontroller:v1:2", since)
        self.assertFalse(any(key in line for line in self.bridge.lines for key in (KEY, OTHER_KEY)))

    def test_a_port_that_moves_takes_its_board_along(self):
        self.start()
        other = Mcu(self, "posix", board=1)
        since = self.rewrite(ports={"left": other.path})
        self.bridge.wait_line("left: changed in the configuration: opening it anew", since)
        self.bridge.wait_line("bench-1: the board is gone: its port is no longer in the configuration", since)
        self.bridge.wait_line("bench-1: board stub-1 on", since)
        self.assertEqual(self.bridge.stop(), 0)

    def test_the_one_line_form_reads_its_key_again(self):
        self.server = PhxDev(self)
        self.mcu = Mcu(self, "posix")
        key = secret_file(self)
        self.bridge = Bridge(self, *line_options(self.server.url, self.mcu.path, key))
        self.bridge.wait_line("joined microcontroller:v1:1")
        key.write_text(OTHER_KEY + "\n")
        self.bridge.signal(signal.SIGHUP)
        self.bridge.wait_line("joined microcontroller:v1:2")

    def test_whatever_changes_in_between_the_last_configuration_is_what_runs(self):
        seed = int(os.environ.get("MCU_SEED", random.randrange(1 << 32)))
        print(f"MCU_SEED={seed}", end=" ", flush=True)
        dice = random.Random(seed)
        self.start()
        boards = [self.mcu] + [Mcu(self, "posix", board=i) for i in range(2, 5)]
        keys = [self.key] + [secret_file(self, f"API_TOKEN_MC_{i:020d}") for i in range(2, 5)]

        def configuration(mcus, ports):
            """Boards under any of two names, on ports of any name, in any order."""
            names = dice.sample("abcdef", 6)
            lines = {names[i]: boards[i].path for i in ports}
            entries = [{"name": dice.choice("mn") + str(i), "device": f"stub-{i + 1}", "api_key_file": keys[i],
                        "controls": {"motor": dice.choice(["hold", "failsafe"])}} for i in mcus]
            dice.shuffle(entries)
            return entries, lines

        for _ in range(40):
            entries, lines = configuration(dice.sample(range(4), dice.randrange(1, 5)),
                                           dice.sample(range(4), dice.randrange(1, 5)))
            self.rewrite(*entries, ports=lines)
            if dice.random() < 0.3:
                dice.choice(boards).reset()
            time.sleep(dice.choice([0, 0, 0.01, 0.1]))
        entries, lines = configuration(range(4), range(4))
        names = {entry["name"] for entry in entries}
        self.rewrite(*entries, ports=lines)

        def settled():
            said = json.loads(get(self.listen, "/status")[1])
            return not said["down"] and {mcu["name"] for mcu in said["mcus"]} == names and len(said["ports"]) == 4
        wait_until(settled, lambda: get(self.listen, "/status")[1])
        wait_until(lambda: len(self.server.sockets()) == 4, "four sockets")
        self.assertEqual(self.bridge.stop(), 0)

    def test_a_terminal_that_goes_ends_it_and_one_that_stays_does_not(self):
        self.server = PhxDev(self)
        self.mcu = Mcu(self, "posix")
        self.key = secret_file(self)
        self.listen = f"127.0.0.1:{free_port()}"
        config = self.write()
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ["STATE_DIRECTORY"] = str(config.parent)
            os.execv(BIN / "mcu-bridge", ["mcu-bridge", "--config", str(config)])
        reloads = ("mcu_bridge_config_reloads_total", ("result", "ok"))
        ended = (0, 0)
        try:
            wait_until(lambda: served(self.listen), "it runs")
            os.kill(pid, signal.SIGHUP)
            wait_until(lambda: metrics(self.listen)[reloads] == 1, "it has read its configuration again")
            os.close(terminal)
            def has_ended():
                nonlocal ended
                ended = os.waitpid(pid, os.WNOHANG)
                return ended[0] == pid
            wait_until(has_ended, "its end")
        finally:
            if ended[0] != pid:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(ended[1]), 0)

    def test_many_reloads_in_a_row_end_in_the_last_one(self):
        self.start()
        for i in range(20):
            self.rewrite(self.entry(controls={"motor": "hold" if i % 2 else "failsafe"}))
        self.rewrite(self.entry(name="bench-2"))
        self.bridge.wait_line("bench-2: joined")
        wait_until(lambda: get(self.listen, "/healthz")[0] == 200, "healthy")
        self.assertEqual(self.bridge.stop(), 0)


if __name__ == "__main__":
    unittest.main()
