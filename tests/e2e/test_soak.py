"""A lab for a minute, or for hours: 64 boards that number their readings, and cut cables, resets, noise on the
lines, kicks, dropped connections, refused uploads, a server and a bridge that are killed and come back. Afterwards
each reading that a board ever counted is on the server, whatever came twice came with the same identity, by the last
time that each came they are in order, and no control was applied late, twice or after a newer one.

    test_soak.py [--seconds N] [--seed N] [--boards N]

What only the board had when it was reset is the one thing that may be missing: the board says what that was.
Before the server ends, replies are held back, so that what it had taken and answered is known here.
"""

import argparse
import array
import collections
import contextlib
import heapq
import random
import signal
import sqlite3
import sys
import threading
import time
import unittest

from harness_bridge import Bridge, PhxDev, folder, state_folder, wait_until, write_config
from harness_mcu import BIN
from talker import Talker

OPTIONS = argparse.ArgumentParser()
OPTIONS.add_argument("--seconds", type=int, default=60)
OPTIONS.add_argument("--seed", type=int, default=random.randrange(1 << 31))
OPTIONS.add_argument("--boards", type=int, default=64)

SENSORS = ("first", "second")
MESSAGES_A_BOARD_IN_10_S = 40
TTL_S = 1
LATE_S = 4  # ttl, and what the bridge takes for a gap in its own running
DRAIN_S = 240
EVENTS = {"cut": 24, "reset": 14, "kick": 14, "drop": 8, "refuse": 8, "noise": 6, "server_killed": 3, "server_stopped": 2,
          "bridge_killed": 4}  # in a minute


class Boards(Talker):
    """soak-boards; what it says is taken in as it comes."""

    def __init__(self, test, path, count, seed):
        self.applied, self.sent, self.excused = [], {}, collections.defaultdict(set)
        self.total, self.quiet = 0, False
        self.ready = threading.Event()
        super().__init__([BIN / "soak-boards", path, count, seed], parse=self.take)
        test.addCleanup(self.close)

    def take(self, line):
        what, *numbers = line.split()
        numbers = [int(number) for number in numbers]
        if what == "applied":
            self.applied.append(numbers)
        elif what == "total":
            self.total = numbers[0]
        elif what == "reset":
            board, after, unsafe = numbers
            self.excused[board].update(range(max(after - unsafe, 1), after))
        elif what == "sent":
            self.sent[numbers[0]] = numbers[1]
        elif what == "ready":
            self.ready.set()
        elif what == "quiet":
            self.quiet = True

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


class Arrived:
    """What came of one board's sensor: the identity of each value, by value."""

    def __init__(self):
        self.identity = array.array("Q", [0])
        self.last = array.array("Q", [0])  # its place among all that came
        self.count = 0

    def add(self, value, identity):
        """Returns whether it came before."""
        missing = value + 1 - len(self.identity)
        if missing > 0:
            self.identity.frombytes(bytes(8 * missing))
            self.last.frombytes(bytes(8 * missing))
        before, self.identity[value] = self.identity[value], identity
        self.count += 1
        self.last[value] = self.count
        assert before in (0, identity), f"{value} came as {before:x} and as {identity:x}"
        return before != 0

    def check_order(self):
        """There are two streams, live readings and the backlog."""
        streams = [0, 0]
        for value in sorted((v for v, at in enumerate(self.last) if at), key=self.last.__getitem__):
            streams.sort()
            assert value > streams[0], f"{value} came after {streams}: in order in neither stream"
            streams[1 if value > streams[1] else 0] = value

    def missing(self, until):
        return {value for value in range(1, until) if value >= len(self.identity) or not self.identity[value]}

    def check_identities(self):
        """No two values under one identity: within an epoch numbers grow with the values."""
        newest = {}
        for value, identity in enumerate(self.identity):
            epoch, number = identity >> 32, identity & 0xffffffff
            if identity:
                assert newest.get(epoch, -1) < number, f"{value} has number {number} of epoch {epoch:x}"
                newest[epoch] = number


def judge_controls(applied, asked, limit_s):
    """Each of (board, value, when) was asked of that board at most limit_s before, and once, newer ones later.
    Returns the longest time one took, in seconds."""
    newest, worst = collections.Counter(), 0
    for board, value, at in applied:
        asked_of, when = asked[value]
        assert board == asked_of, f"control {value} moved another board"
        assert value > newest[board], f"control {value} was applied twice, or after a newer one"
        assert at - when < limit_s * 1e9, f"control {value} was stale"
        newest[board] = value
        worst = max(worst, (at - when) / 1e9)
    return worst


class Judgement(unittest.TestCase):
    """The soak can fail."""

    def stream(self, *values):
        arrived = Arrived()
        for value in values:
            arrived.add(value, 7 << 32 | value)
        return arrived

    def test_a_missing_reading_is_seen(self):
        self.assertEqual(self.stream(1, 2, 4).missing(6), {3, 5})
        self.assertEqual(self.stream(3, 1, 2).missing(4), set())

    def test_a_repeated_reading_has_the_same_identity(self):
        arrived = self.stream(1, 2)
        self.assertTrue(arrived.add(2, 7 << 32 | 2))
        self.assertRaises(AssertionError, arrived.add, 2, 7 << 32 | 3)

    def test_two_readings_have_two_identities(self):
        arrived = self.stream(1, 2)
        arrived.check_identities()
        arrived.add(3, 7 << 32 | 2)
        self.assertRaises(AssertionError, arrived.check_identities)

    def test_there_are_two_streams_each_in_order(self):
        self.stream(10, 11, 1, 12, 2, 3).check_order()
        self.stream(1, 4, 3, 2, 3, 4).check_order()
        self.assertRaises(AssertionError, self.stream(10, 5, 1).check_order)
        self.assertRaises(AssertionError, self.stream(1, 2, 3, 4, 3, 2).check_order)

    def test_a_control_is_neither_late_nor_repeated_nor_overtaken_nor_anothers(self):
        asked = {1: (5, 0), 2: (5, 10 ** 9)}
        self.assertEqual(judge_controls([(5, 1, 10 ** 9), (5, 2, 2 * 10 ** 9)], asked, 4), 1)
        for applied in ([(5, 1, 5 * 10 ** 9)], [(5, 1, 1), (5, 1, 2)], [(5, 2, 10 ** 9), (5, 1, 10 ** 9)], [(6, 1, 1)]):
            self.assertRaises(AssertionError, judge_controls, applied, asked, 4)


class Soak(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(GIVEN.seed)
        self.counts = collections.Counter()
        self.jobs, self.lag = [], 0
        self.asked = {}  # value of a control: (board, when)
        self.harvested = 0
        self.arrived = collections.defaultdict(Arrived)
        place = folder(self)
        self.numbers = range(1, GIVEN.boards + 1)
        keys = {number: f"API_TOKEN_MC_SOAK{number:016d}" for number in self.numbers}
        self.server = PhxDev(self, *[word for n in self.numbers for word in ("--api-key", f"{keys[n]}={n}")])
        for number, key in keys.items():
            file = place / f"key{number}"
            file.touch(0o600)
            file.write_text(key)
        self.config = write_config(
            self, self.server.url, {f"p{n}": place / f"tty{n}" for n in self.numbers},
            [{"name": f"m{n}", "device": f"b{n}", "api_key_file": place / f"key{n}"} for n in self.numbers],
            readings={"at_and_seq": True, "batch_wait": "50ms"}, commands={"ttl": f"{TTL_S}s"},
            log={"level": "error"})
        self.boards = Boards(self, place, GIVEN.boards, GIVEN.seed)
        self.assertTrue(self.boards.ready.wait(60))
        self.start_bridge()

    # -- What happens, in one thread: a heap of (when, order, what).

    def at(self, delay, work):
        heapq.heappush(self.jobs, (time.monotonic() + delay, len(self.jobs) + self.counts["jobs"], work))
        self.counts["jobs"] += 1

    def every(self, period, work, until):
        def again():
            work()
            if time.monotonic() < until:
                self.at(period, again)
        self.at(0, again)

    def run_jobs(self):
        while self.jobs:
            when, _, work = heapq.heappop(self.jobs)
            late = time.monotonic() - when
            if late < 0:
                time.sleep(-late)
            self.lag = max(self.lag, late)
            self.assertTrue(self.bridge_is_down or self.bridge.process.poll() is None, "the bridge ended by itself")
            work()

    def server_is_up(self):
        return self.server.process.poll() is None

    def harvest(self):
        """What the server took since the last time; it keeps 10000 readings, far more than come meanwhile."""
        if not self.server_is_up():
            return
        for reading in self.server.readings(self.harvested):
            self.assertEqual(reading["id"], self.harvested + 1, "the test came too late for what the server keeps")
            self.harvested += 1
            epoch, number, index = reading["extra"]["seq"].split("-")
            self.assertEqual(reading["sensor"], SENSORS[int(index)])
            stream = self.arrived[reading["controller_id"], int(index)]
            self.counts["repeated" if stream.add(reading["value"], int(epoch, 16) << 32 | int(number)) else "arrived"] += 1

    def control(self):
        if not self.server_is_up():
            return
        board, value = self.random.choice(self.numbers), len(self.asked) + 1
        self.asked[value] = (board, time.monotonic_ns())
        self.server.control(board, {"motor": value})

    def event(self, name):
        number = self.random.choice(self.numbers)
        if name in ("kick", "drop", "refuse", "server_killed", "server_stopped") and not self.server_is_up():
            return self.at(0.5, lambda: self.event(name))
        if name == "bridge_killed" and self.bridge_is_down:
            return self.at(0.5, lambda: self.event(name))
        self.counts[name] += 1
        if name == "cut":
            self.boards.tell(f"cut {number} {self.random.choice((200, 1000, 3000, 8000))}")
        elif name == "reset":
            self.boards.tell(f"reset {number}")
        elif name == "kick":
            self.server.kick(number)
        elif name == "drop":
            self.server.fault(drop=str(number))
        elif name == "refuse":
            self.server.fault(upload_error=self.random.choice((1, 2, 5)))
        elif name == "noise":
            self.boards.tell("noise 0.01")
            self.at(2, lambda: self.boards.tell("noise 0.0003"))
        elif name == "bridge_killed":
            self.kill_bridge()
        else:
            self.end_server(signal.SIGKILL if name == "server_killed" else signal.SIGTERM)

    def kill_bridge(self):
        self.bridge_is_down = True
        self.bridge.kill()
        self.at(self.random.uniform(0, 2), self.start_bridge)

    def start_bridge(self):
        self.bridge = Bridge(self, "--config", self.config)
        self.bridge_is_down = False

    def end_server(self, how):
        self.server.fault(hold_replies=True)
        self.harvest()
        self.server.stop(how)
        self.harvested = 0
        self.at(self.random.uniform(0.2, 4), self.server.start)

    def plan(self):
        """Every kind of event as often as it comes in a minute, shuffled, minute after minute."""
        began = 0
        while began < GIVEN.seconds:
            deck = [name for name, count in EVENTS.items() for _ in range(count)]
            for name in deck:
                when = 3 + began + self.random.uniform(0, min(60, GIVEN.seconds - began) - 5)
                self.at(when, lambda name=name: self.event(name))
            began += 60

    def progress(self):
        self.counts["seconds"] += 10
        counted = ", ".join(f"{name} {self.counts[name]}" for name in ("arrived", "repeated", *EVENTS))
        print(f"soak {self.counts['seconds'] - 10} of {GIVEN.seconds} s: counted {2 * self.boards.total}, {counted}, "
              f"controls {len(self.boards.applied)} of {len(self.asked)}", file=sys.stderr, flush=True)

    # -- And what must be true of it.

    def lost(self):
        """Values that are missing and that no reset excuses, by (board, index)."""
        out = {}
        for board, until in self.boards.sent.items():
            for index in (0, 1):
                missing = self.arrived[board, index].missing(until) - self.boards.excused[board]
                if missing:
                    out[board, index] = sorted(missing)
        return out

    def spooled(self):
        with contextlib.closing(sqlite3.connect(f"file:{state_folder(self)}/spool.db?mode=ro", uri=True)) as db:
            return db.execute("SELECT coalesce(sum(count - upto), 0) FROM reading_group").fetchone()[0]

    def test_nothing_is_lost_and_nothing_stale_is_applied_whatever_fails(self):
        again = f"test_soak.py --seconds {GIVEN.seconds} --seed {GIVEN.seed} --boards {GIVEN.boards}"
        print(f"\n{again}", file=sys.stderr, flush=True)
        until = time.monotonic() + GIVEN.seconds
        self.boards.tell(f"rate {MESSAGES_A_BOARD_IN_10_S}")
        self.boards.tell("noise 0.0003")
        self.plan()
        self.every(0.25, self.harvest, until)
        self.every(0.04, self.control, until)
        self.every(10, self.progress, until)
        self.run_jobs()
        self.boards.tell("noise 0")
        self.boards.tell("quiet")
        wait_until(lambda: self.boards.quiet, "the boards are quiet")

        def all_is_there():
            self.harvest()
            return not self.lost()
        wait_until(all_is_there, lambda: f"all is there: lost {list(self.lost().items())[:8]}; {again}", DRAIN_S)
        wait_until(lambda: self.spooled() == 0, "the spool is empty", DRAIN_S)
        self.harvest()
        self.assertEqual(self.lost(), {})
        for stream in self.arrived.values():
            stream.check_identities()
            stream.check_order()
        worst = judge_controls(self.boards.applied, self.asked, LATE_S + 2 * self.lag)
        self.assertGreater(len(self.boards.applied), len(self.asked) / 4)
        for name in EVENTS:
            self.assertGreater(self.counts[name], 0, f"there was no {name}")
        self.assertEqual(self.bridge.stop(), 0)
        self.progress()
        print(f"soak: all there; {sum(map(len, self.boards.excused.values()))} messages were on boards that were "
              f"reset; the latest control applied after {worst:.2f} s; the test itself late by {self.lag:.2f} s",
              file=sys.stderr, flush=True)


if __name__ == "__main__":
    GIVEN, rest = OPTIONS.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
else:
    GIVEN = OPTIONS.parse_args([])
