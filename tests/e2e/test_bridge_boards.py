"""Boards that come, go, move, reset and pretend; and a bridge that is killed."""

import subprocess
import sys
import time
import unittest

from harness_bridge import (KEY, OTHER_KEY, Bridge, PhxDev, folder, identities, line_options, secret_file,
                            write_config)
from harness_mcu import BIN, Mcu


def in_order(test, readings):
    """Each reading of an epoch once and in order; no message without its first readings."""
    ids = identities(readings)
    test.assertEqual(len(ids), len(set(ids)), "a reading came twice")
    for kind in {(r["sensor"], r["type"]) for r in readings}:
        for epoch in {i[0] for i in ids}:
            own = [i for i, r in zip(ids, readings) if i[0] == epoch and (r["sensor"], r["type"]) == kind]
            test.assertEqual(own, sorted(own), "out of order")


class OneBoard:
    board = "posix"

    def setUp(self):
        self.server = PhxDev(self)
        self.mcu = Mcu(self, self.board)
        self.key = secret_file(self)
        self.start_bridge()
        self.server.wait_more()

    def start_bridge(self, **sections):
        sections.setdefault("readings", {"at_and_seq": True, "batch_wait": "50ms"})
        self.config = write_config(self, self.server.url, {"left": self.mcu.path},
                                   [{"name": "bench-1", "device": "stub-1", "api_key_file": self.key}], **sections)
        self.bridge = Bridge(self, "--config", self.config)

    def epochs(self):
        return {i[0] for i in identities(self.server.readings())}

    def test_a_reset_in_the_middle_of_a_frame_is_a_new_epoch_and_nothing_else(self):
        before = self.epochs()
        since = self.bridge.position()
        self.mcu.reset_after(10, "up")
        self.bridge.wait_line("board stub-1 on", since)
        self.server.wait_readings(lambda r: {i[0] for i in identities(r)} > before, "readings of the new epoch")
        self.server.wait_more()
        in_order(self, self.server.readings())
        self.assertEqual(len(self.server.sockets()), 1)

    def test_a_board_that_dies_and_comes_back(self):
        self.mcu.kill()
        self.bridge.wait_line("the board is gone")
        since = self.bridge.position()
        self.mcu.start()
        self.bridge.wait_line("board stub-1 on", since)
        self.server.wait_more()
        in_order(self, self.server.readings())


class OfAProcess(OneBoard, unittest.TestCase):
    def test_a_cable_pulled_and_put_back_loses_nothing(self):
        numbers = [i[1] for i in identities(self.server.readings())]
        self.mcu.cut()
        self.bridge.wait_line("is gone")
        since = self.bridge.position()
        self.mcu.plug()
        self.bridge.wait_line("board stub-1 on", since)
        self.server.wait_more(16)
        readings = self.server.readings()
        in_order(self, readings)
        numbers = {i[1] for i in identities(readings)}
        missing = set(range(min(numbers), max(numbers))) - numbers
        self.assertLessEqual(len(missing), len(self.bridge.said(" board: | is .* \\(")))
        self.assertEqual(len(self.epochs()), 1)

    def test_noise_on_the_line_loses_nothing(self):
        self.mcu.flip(0.002)
        self.server.wait_more(100)
        in_order(self, self.server.readings())

    def test_a_bridge_that_is_killed_loses_nothing_and_repeats_at_most_one_upload(self):
        for _ in range(3):
            self.bridge.kill()
            self.start_bridge()
            self.server.wait_more()
        readings = self.server.readings()
        ids = identities(readings)
        self.assertEqual(len({i[0] for i in ids}), 1, "the board has started anew")
        repeated = len(ids) - len(set(ids))
        self.assertLessEqual(repeated, 3 * 500)
        first = list(dict.fromkeys(ids))
        numbers = sorted({number for _, number, _ in first})
        # what is missing between the numbers of readings is the board's log and its description
        for number in numbers[:-1]:
            indices = {i for _, n, i in first if n == number}
            self.assertEqual(indices, set(range(len(indices))))
        for kind in {(r["sensor"], r["type"]) for r in readings}:
            at = [r["extra"]["at"] for i, r in enumerate(readings) if (r["sensor"], r["type"]) == kind and
                  ids.index(ids[i]) == i]
            gaps = [b - a for a, b in zip(at, at[1:])]
            self.assertLess(max(gaps), 1000, "samples of a second are missing")


class OfACortexM3(OneBoard, unittest.TestCase):
    board = "cortex-m3"


class Identity(unittest.TestCase):
    def setUp(self):
        self.server = PhxDev(self, "--api-key", f"{KEY}=1", "--api-key", f"{OTHER_KEY}=2")

    def two(self, first, second, **more):
        mcus = [{"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)},
                {"name": "bench-2", "device": "stub-2", "api_key_file": secret_file(self, OTHER_KEY)}]
        for mcu, members in zip(mcus, (more.get("one", {}), more.get("two", {}))):
            mcu.update(members)
        ports = {"left": first, "right": second}
        config = write_config(self, self.server.url, ports, mcus, readings={"at_and_seq": True, "batch_wait": "50ms"})
        return Bridge(self, "--config", config)

    def wait_both(self):
        after = self.server.last_id()
        self.server.wait_readings(lambda r: {x["controller_id"] for x in r} == {1, 2}, "readings of both", after)

    def test_identity_follows_the_device_when_two_swap_their_ports(self):
        one, two = Mcu(self, board=1, port="posix"), Mcu(self, board=2, port="posix")
        left, right = one.path, two.path
        bridge = self.two(left, right)
        self.wait_both()
        bridge.wait_line("bench-1: board stub-1 on")
        epochs = {r["controller_id"]: i[0] for r, i in zip(self.server.readings(), identities(self.server.readings()))}
        one.cut()
        two.cut()
        bridge.wait_line("left: .* is gone")
        bridge.wait_line("right: .* is gone")
        since = bridge.position()
        one.plug(right)
        two.plug(left)
        bridge.wait_line("bench-1: board stub-1 on", since)
        bridge.wait_line("bench-2: board stub-2 on", since)
        self.wait_both()
        readings = self.server.readings()
        for reading, identity in zip(readings, identities(readings)):
            self.assertEqual(identity[0], epochs[reading["controller_id"]], "a reading of the other board")
        self.server.control(2, {"motor": 61})
        bridge.wait_line("bench-2: control motor=61: done")

    def test_a_second_live_board_of_one_identity_is_refused_and_named(self):
        one = Mcu(self, board=1, port="posix")
        twin = Mcu(self, board=2, port="posix", identity="stub-1")
        bridge = self.two(one.path, twin.path)
        line = bridge.wait_line("refused the board stub-1 on .*: the board on .* is bench-1 already and alive")
        self.assertEqual(len(set(w for w in line.split() if w.rstrip(":").startswith("/dev/pts/"))), 2)
        self.server.wait_more()
        epoch = {i[0] for i in identities(self.server.readings())}
        self.assertEqual(len(epoch), 1)
        since = bridge.position()
        living, dead = (twin, one) if "left" not in line.split(":")[2] else (one, twin)
        dead.cut()
        bridge.wait_line("bench-1: board stub-1 on", since)  # the other is let in when the first is gone
        self.server.wait_readings(lambda r: {i[0] for i in identities(r)} > epoch, "readings of the twin")

    def test_an_unknown_board_is_refused_with_the_line_to_add(self):
        one, stranger = Mcu(self, board=1, port="posix"), Mcu(self, board=9, port="posix")
        bridge = self.two(one.path, stranger.path)
        bridge.wait_line(r"refused the board stub-9 .* add under mcus: - \{name: NAME, device: stub-9, api_key_file: FILE\}")
        self.server.wait_more()
        self.assertEqual({r["controller_id"] for r in self.server.readings()}, {1})

    def test_a_board_on_another_port_than_it_is_pinned_to_is_refused(self):
        one, two = Mcu(self, board=1, port="posix"), Mcu(self, board=2, port="posix")
        bridge = self.two(one.path, two.path, one={"port": "right"})
        bridge.wait_line("refused the board stub-1 on .*: bench-1 is pinned to the port right")
        self.server.wait_more()
        self.assertEqual({r["controller_id"] for r in self.server.readings()}, {2})


class Odd(unittest.TestCase):
    def test_a_reading_that_is_no_number_and_a_kind_the_server_does_not_know_stay_here(self):
        server = PhxDev(self)
        mcu = Mcu(self, command=[str(BIN / "odd-board"), "{fd}"])
        bridge = Bridge(self, *line_options(server.url, mcu.path, secret_file(self)))
        bridge.wait_line('error .*sensor "imu" measures "acceleration", which a server of .* does not know')
        bridge.wait_line("the board sent what makes no sense")
        server.wait_readings(lambda r: len(r) > 60, "the good readings")
        readings = server.readings()
        self.assertEqual({(r["sensor"], r["type"]) for r in readings}, {("dht", "humidity")})
        values = [r["value"] for r in readings]
        self.assertEqual(values, [i * 0.5 for i in range(len(values))])
        self.assertEqual(len(server.sockets()), 1)
        self.assertLess(len(bridge.said("makes no sense")), 5)

    def test_a_small_buffer_holds_the_board_back_and_loses_nothing_of_what_was_taken(self):
        server = PhxDev(self, start=False)
        mcu = Mcu(self, command=[str(BIN / "odd-board"), "{fd}"])
        config = write_config(self, server.url, {"left": mcu.path},
                              [{"name": "bench-1", "device": "odd", "api_key_file": secret_file(self)}],
                              readings={"buffer": "4KiB", "batch_wait": "50ms", "at_and_seq": True})
        Bridge(self, "--config", config)
        before = -1
        while (now := mcu.stats()["up"]["bytes"]) - before > 200:  # more than keep-alives in a second
            before = now
            time.sleep(1)
        server.start()
        server.wait_readings(lambda r: len(r) > 200, "what had waited, and more")
        in_order(self, server.readings())
        numbers = sorted({n for _, n, _ in identities(server.readings())})
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))


class Ports(unittest.TestCase):
    def test_a_port_that_is_not_there_yet_is_waited_for(self):
        server = PhxDev(self)
        mcu = Mcu(self, "posix")
        mcu.cut()
        bridge = Bridge(self, *line_options(server.url, mcu.path, secret_file(self)))
        bridge.wait_line("waiting for the line")
        mcu.plug()
        server.wait_more()
        self.assertEqual(len(bridge.said("waiting for the line")), 1)

    def test_a_port_in_use_by_another_process_is_one_clear_line_and_taken_when_free(self):
        server = PhxDev(self)
        mcu = Mcu(self, "posix")
        holder = subprocess.Popen([sys.executable, "-c", HOLD, mcu.path], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.stdin.close)
        self.assertEqual(holder.stdout.readline(), "held\n")
        bridge = Bridge(self, *line_options(server.url, mcu.path, secret_file(self)))
        bridge.wait_line("in use")
        holder.stdin.close()
        holder.wait()
        server.wait_more()
        self.assertEqual(len(bridge.said("in use")), 1)

    def test_a_second_bridge_on_one_port_says_that_it_is_in_use(self):
        server = PhxDev(self)
        mcu = Mcu(self, "posix")
        first = Bridge(self, *line_options(server.url, mcu.path, secret_file(self)))
        server.wait_more()
        second = Bridge(self, *line_options(server.url, mcu.path, secret_file(self)),
                        environment={"STATE_DIRECTORY": str(folder(self))})
        second.wait_line(r"ttyMCU0: .*in use")
        server.wait_more()
        self.assertEqual(second.stop(), 0)
        self.assertEqual(first.stop(), 0)


HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""

if __name__ == "__main__":
    unittest.main()
