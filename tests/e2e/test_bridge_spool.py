"""Nothing lost between board and server: outages, kill -9 at any moment, a full disk, another key."""

import contextlib
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import time
import unittest

from harness_bridge import OTHER_KEY, Bridge, PhxDev, folder, identities, secret_file, state_folder, wait_until, \
    write_config
from harness_mcu import BIN, Mcu

SEED = int(os.environ.get("SPOOL_SEED", "20261121"))


class WithAnOddBoard(unittest.TestCase):
    """odd-board numbers its readings: 0, 0.5 to 100, and again."""

    def config(self, at_and_seq=True, **sections):
        readings = {"at_and_seq": at_and_seq, "batch": 20, "batch_wait": "20ms", **sections.pop("readings", {})}
        return write_config(self, self.server.url, {"left": self.mcu.path},
                            [{"name": "bench-1", "device": "odd", "api_key_file": self.key}], readings=readings,
                            **sections)

    def setUp(self):
        self.server = PhxDev(self)
        self.mcu = Mcu(self, command=[str(BIN / "odd-board"), "{fd}"])
        self.key = secret_file(self)

    def numbers(self, readings):
        """Which reading each one is, counted from the first: the one nearest to those before it."""
        out, newest = [], 0
        for reading in readings:
            place = round(reading["value"] * 2)
            turn = round((newest - place) / 201)
            out.append(place + 201 * max(turn, 0))
            newest = max(newest, out[-1])
        return out

    def check_whole(self, readings):
        """Every reading from the first on is there; returns their numbers."""
        numbers = self.numbers(readings)
        self.assertEqual(set(numbers), set(range(len(set(numbers)))), "a reading is lost")
        return numbers

    def check_messages(self, readings):
        """The same by identity: live readings may come before older ones."""
        numbers = {number for _, number, _ in identities(readings)}
        self.assertEqual(numbers, set(range(min(numbers), min(numbers) + len(numbers))), "a reading is lost")

    def spooled(self):
        try:
            with contextlib.closing(sqlite3.connect(f"file:{state_folder(self)}/spool.db?mode=ro", uri=True)) as db:
                return db.execute("SELECT coalesce(sum(count - upto), 0) FROM reading_group").fetchone()[0]
        except sqlite3.OperationalError:  # it is not there yet, or is just being made
            return 0


class Outages(WithAnOddBoard):
    def test_readings_wait_on_disk_over_an_outage_and_over_a_kill(self):
        self.server.stop()
        config = self.config(at_and_seq=False)
        bridge = Bridge(self, "--config", config)
        wait_until(lambda: self.spooled() > 60, "readings in the spool")
        bridge.kill()
        before = self.spooled()
        self.assertEqual(pathlib.Path(state_folder(self), "spool.db").stat().st_mode & 0o777, 0o600)
        bridge = Bridge(self, "--config", config)
        wait_until(lambda: self.spooled() > before, "the next bridge goes on")
        self.server.start()
        readings = self.server.wait_readings(lambda r: len(r) > before + 40 and r, "the backlog and more")
        numbers = self.check_whole(readings)
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(bridge.stop(), 0)

    def leave_a_backlog(self):
        """The bridge, which has readings of a board that is gone and no server; and its configuration."""
        self.server.stop()
        config = self.config()
        bridge = Bridge(self, "--config", config)
        wait_until(lambda: self.spooled() > 50, "readings in the spool")
        self.mcu.cut()
        bridge.wait_line("the board is gone|is gone")
        return bridge, config

    def check_it_goes_up(self):
        self.server.start()
        wait_until(lambda: self.spooled() == 0, "the backlog is gone")
        self.check_messages(self.server.readings())

    def test_a_backlog_goes_up_though_its_board_is_gone(self):
        bridge, config = self.leave_a_backlog()
        bridge.kill()
        bridge = Bridge(self, "--config", config)
        bridge.wait_line("readings wait in the spool")
        self.check_it_goes_up()

    def test_a_backlog_goes_up_though_its_mcu_has_another_name(self):
        bridge, config = self.leave_a_backlog()
        config.write_text(config.read_text().replace("name: \"bench-1\"", "name: \"renamed\""))
        self.assertIn("renamed", config.read_text())
        bridge.signal(signal.SIGHUP)
        bridge.wait_line("MCUs: 0 new, 1 changed, 0 gone")
        self.check_it_goes_up()

    def test_another_key_does_not_get_the_readings_of_the_first(self):
        self.server = PhxDev(self, "--api-key", "API_TOKEN_MC_VZGkp2vvJJjHj3qZ=3", "--api-key", f"{OTHER_KEY}=7",
                             start=False)
        config = self.config()
        bridge = Bridge(self, "--config", config)
        wait_until(lambda: self.spooled() > 50, "readings in the spool")
        bridge.kill()
        self.key.write_text(OTHER_KEY)
        bridge = Bridge(self, "--config", config)
        self.server.start()
        bridge.wait_line("joined microcontroller:v1:7")
        first = self.server.wait_readings(lambda r: len(r) > 20 and r, "readings")[0]
        self.assertGreater(identities([first])[0][1], 40)
        self.assertGreater(self.spooled(), 20)

    def test_a_key_that_stands_for_another_controller_now_does_not_get_the_readings_of_the_first(self):
        config = self.config(server={"reconnect_min": "100ms", "reconnect_max": "200ms"})
        bridge = Bridge(self, "--config", config)
        self.server.wait_more(10)
        self.server.stop()
        wait_until(lambda: self.spooled() > 30, "readings in the spool")
        self.server = PhxDev(self, "--api-key", "API_TOKEN_MC_VZGkp2vvJJjHj3qZ=9", port=self.server.port)
        bridge.wait_line("readings were collected for another controller: they stay in the spool")
        bridge.wait_line("joined microcontroller:v1:9")
        self.server.wait_more(10)
        self.assertGreater(self.spooled(), 30)


class Kills(WithAnOddBoard):
    def kills(self, at_and_seq, count=4):
        random.seed(SEED)
        config = self.config(at_and_seq)
        for _ in range(count):
            after = self.server.last_id()
            bridge = Bridge(self, "--config", config)
            self.server.wait_readings(lambda r: r, "readings", after)
            time.sleep(random.random() * 0.3)  # anywhere in what it does; nothing waits for this
            bridge.kill()
        bridge = Bridge(self, "--config", config)
        self.server.wait_more(40)
        self.assertEqual(bridge.stop(), 0)
        return self.server.readings()

    def test_kill_9_loses_nothing_and_repeats_at_most_one_upload(self):
        numbers = self.check_whole(self.kills(at_and_seq=False))
        self.assertLessEqual(len(numbers) - len(set(numbers)), 4 * 20)
        first = list(dict.fromkeys(numbers))
        self.assertEqual(first, sorted(first))

    def test_kill_9_loses_nothing_and_what_is_repeated_carries_the_same_identity(self):
        readings = self.kills(at_and_seq=True)
        self.check_messages(readings)
        values = {}
        for identity, reading in zip(identities(readings), readings):
            self.assertEqual(values.setdefault(identity, reading["value"]), reading["value"])


class Disk(WithAnOddBoard):
    def test_a_full_disk_holds_the_board_back_and_nothing_is_lost(self):
        place = folder(self) / "small"
        place.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", place],
                                               stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("needs a small file system of its own: run as root")
        self.addCleanup(subprocess.run, ["umount", "-l", place])
        ballast = place / "ballast"
        config = self.config(spool={"path": str(place / "spool.db")})
        bridge = Bridge(self, "--config", config)
        self.server.wait_more(20)
        try:
            with open(ballast, "wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
        except OSError:
            pass
        self.server.stop()
        bridge.wait_line("spool: .*(full|space).*readings stay with their boards")
        self.server.start()
        ballast.unlink()
        bridge.wait_line("spool: .*works again after")
        self.server.wait_more(60)
        self.assertEqual(len(bridge.said("readings stay with their boards")), 1)
        self.check_messages(self.server.readings())

    def test_a_damaged_spool_is_set_aside_and_the_bridge_runs(self):
        path = pathlib.Path(state_folder(self), "spool.db")
        path.write_bytes(b"no database" * 1000)
        bridge = Bridge(self, "--config", self.config())
        bridge.wait_line("spool: .*damaged-2.*a new one begun")
        self.server.wait_more(20)

    def damage(self, path):
        """What stands in it is all in the file itself, but for a page that nobody can read."""
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            root, = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'device'").fetchone()
        with open(path, "r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(b"x" * 4096)

    def recover_as_the_manual_says(self, damaged):
        manual = (pathlib.Path(os.environ.get("MCU_SOURCE", pathlib.Path(__file__).resolve().parents[2])) / "bridge" /
                  "mcu-bridge.1").read_text()
        command, = re.findall(r"\.nf\n(\( sqlite3 .*?)\n\.fi", manual, re.S)
        command = command.replace("\\-", "-").replace("spool.db.damaged-DATE", str(damaged))
        subprocess.run(["sh", "-c", command], cwd=damaged.parent, check=True, stderr=subprocess.DEVNULL)
        return damaged.parent / "recovered.db"

    def test_the_readings_of_a_file_that_was_set_aside_are_got_back_as_the_manual_says(self):
        place = state_folder(self)
        self.server.stop()
        bridge = Bridge(self, "--config", self.config())
        wait_until(lambda: self.spooled() > 60, "readings in the spool")
        bridge.kill()
        waiting = self.spooled()
        self.damage(place / "spool.db")
        bridge = Bridge(self, "--config", self.config())
        bridge.wait_line("spool.db.damaged-2.*a new one begun.*RECOVERING")
        self.server.start()
        self.server.wait_more(20)
        self.assertEqual(bridge.stop(), 0)
        damaged, = place.glob("spool.db.damaged-*Z")
        got = self.server.readings()
        recovered = self.recover_as_the_manual_says(damaged)
        self.mcu.cut()
        bridge = Bridge(self, "--config", self.config(spool={"path": str(recovered)}))
        self.server.wait_readings(lambda r: len(r) >= len(got) + waiting, "what was set aside")
        self.assertEqual(bridge.stop(), 0)
        bridge = Bridge(self, "--config", self.config())
        bridge.wait_line("1 files that were set aside lie beside it")
        wait_until(lambda: self.spooled() == 0, "nothing waits")
        self.check_messages(self.server.readings())
        self.assertEqual(min(identities(self.server.readings()))[1], 0)

    def test_a_second_bridge_on_one_spool_is_told_what_to_do(self):
        config = self.config()
        bridge = Bridge(self, "--config", config)
        self.server.wait_more(1)
        second = Bridge(self, "--config", config)
        second.wait_line("in use by another mcu-bridge: end that one, or give this one another spool: path")
        self.assertEqual(second.wait(), 1)
        self.assertEqual(bridge.stop(), 0)

    def test_the_size_cap_deletes_nothing(self):
        self.server.stop()
        bridge = Bridge(self, "--config", self.config(spool={"size": "16KiB"}))
        bridge.wait_line("the spool holds 1.* KiB for this MCU and takes no more")
        self.server.start()
        bridge.wait_line("the spool has room again")
        self.server.wait_more(40)
        self.check_messages(self.server.readings())


class Off(WithAnOddBoard):
    def test_without_a_spool_nothing_is_written_and_the_board_keeps_its_readings(self):
        config = self.config(spool={"enabled": False})
        bridge = Bridge(self, "--config", config)
        self.server.wait_more(20)
        bridge.signal(signal.SIGKILL)
        bridge.wait()
        bridge = Bridge(self, "--config", config)
        self.server.wait_more(20)
        self.assertEqual(list(state_folder(self).iterdir()), [])
        self.check_messages(self.server.readings())


if __name__ == "__main__":
    unittest.main()
