"""Updates from a NervesHub into emulated boards, from end to end: the board that ran version 1 runs version 2, cross-
compiled and really flashed, and says so itself. Against phx-dev as both servers that were recorded."""

import os
import re
import sys
import time
import unittest

from harness_bridge import PhxDev, wait_until
from harness_update import NAMES, STAGES, UPDATE_WORDS, Board, Hub, HubBridge, words
from images import Flash


def said_what_a_server_takes(test, events, firmware):
    names = [e["event"] for e in events if e["topic"] == "device"]
    test.assertNotIn("CRASH", [e["event"] for e in events])
    join = max(i for i, e in enumerate(events) if e["event"] == "phx_join" and e["topic"] == "device")
    test.assertEqual(events[join]["payload"]["nerves_fw_uuid"], firmware.uuid)
    test.assertFalse(set(UPDATE_WORDS) & {e["event"] for e in events[join:]}, "nothing after the proof")
    test.assertLess(names.index("rebooting"), len(names) - 1 - names[::-1].index("phx_join"))

    said = words(events)
    stages = [stage for stage, _ in said]
    test.assertEqual([s for i, s in enumerate(stages) if s not in stages[:i]], STAGES)
    test.assertEqual([STAGES.index(s) for s in stages], sorted(STAGES.index(s) for s in stages))
    for stage in ("downloading", "updating"):
        percents = [value for s, value in said if s == stage and value is not None]
        test.assertTrue(all(type(value) is int and 0 <= value <= 100 for value in percents), percents)
        test.assertEqual(percents, sorted(percents))
    test.assertEqual(stages[-1], "completed")


class Update:
    """One story; the classes below tell it of each kind of board."""

    kind = None
    baud = 115200
    and_back = [1]
    answer = r"motor 0 %\s"  # of the console
    typed = "status"
    came_with = "0.1.0"

    def meet(self, release):
        self.hub = Hub(self, release)
        self.board = Board(self, self.kind, baud=self.baud)
        self.bridge = HubBridge(self, self.hub, [self.board])
        return self.hub.joined(self.board, patience=300)

    def update(self, version):
        """Brings that version to run; looks at all that was said, and at what a person sees meanwhile."""
        firmware = self.hub.firmware(self.board, version)
        began = time.monotonic()
        after = self.hub.offer(self.board, firmware)
        shown = self.watch(firmware)
        took = time.monotonic() - began
        device = self.hub.joined(self.board, uuid=firmware.uuid, version=firmware.version, validation="validated")
        said_what_a_server_takes(self, self.hub.events(self.board, after), firmware)
        self.assertEqual((device["crashes"], device["inflight"]), (0, None))
        self.really_flashed(firmware)
        print(f"\n{self.kind} {self.hub.release} to {firmware.version}: {len(firmware.data)} bytes in {took:.1f} s, "
              f"{len(shown)} lines of status, such as {shown[len(shown) // 2] if shown else '-'!r}", file=sys.stderr)
        return firmware

    def watch(self, firmware):
        """Lines of `mcu-bridge status` about the update, until the server knows that it runs."""
        shown = []

        def arrived():
            lines = self.bridge.table().splitlines()
            line = next((line for line in lines if re.search(r"flashing|fetching", line)), "")
            if line and line not in shown:
                shown.append(line)
            return (self.hub.device(self.board) or {}).get("uuid") == firmware.uuid
        wait_until(arrived, lambda: "\n".join([f"{firmware.uuid} runs", self.bridge.table(), *self.bridge.lines[-15:]]),
                   patience=300)
        return shown

    def really_flashed(self, firmware):
        if self.kind in Flash.LAYOUT:
            flash = Flash(self.board.state, self.kind)
            self.assertEqual(flash.read("run", len(firmware.data)), firmware.data)

    def tell(self, release, *versions):
        """A board flashed by cable joins under a uuid of its own, and is brought to run these versions."""
        device = self.meet(release)
        self.assertRegex(device["uuid"], r"^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertEqual((device["product"], device["platform"], device["architecture"]), NAMES[self.kind])
        self.assertEqual(device["version"], self.came_with)
        self.hub.console(self.board, self.typed, self.answer)
        for version in versions:
            self.update(version)
            self.hub.console(self.board, self.typed, self.answer)
        self.assertEqual(self.bridge.stop(), 0)

    def test_the_main_branch_brings_a_board_to_version_2(self):
        self.tell("main", 2, *self.and_back)

    def test_release_2_4_0_brings_a_board_to_version_2(self):
        self.tell("2.4.0", 2)


class Process(Update, unittest.TestCase):
    kind = "posix"
    baud = 1000000


class CortexM3(Update, unittest.TestCase):
    kind = "cortex-m3"


class ATmega2560(Update, unittest.TestCase):
    kind = "atmega2560"
    and_back = []


class ArduinoMega(Update, unittest.TestCase):
    """By avrdude, through the boot loader that each Mega comes with."""

    kind = "arduino-mega"
    and_back = []  # the guide does it
    typed, answer = "?", r"fan 0 %\s"
    came_with = "1.0.0"


    @unittest.skipUnless(os.environ.get("MCU_LONG"), "long: tools/check --long")
    def test_a_cable_pulled_while_avrdude_writes_costs_no_board(self):
        self.meet("main")
        firmware = self.hub.firmware(self.board, 2)
        after = self.hub.offer(self.board, firmware)
        wait_until(lambda: any(stage == "updating" and value and value > 20 for stage, value in
                               words(self.hub.events(self.board, after))), "a fifth of it is written", patience=300)
        self.board.mcu.cut()
        self.bridge.wait_line("the board's port was gone", patience=300)
        self.board.mcu.plug()
        self.hub.joined(self.board, patience=300, uuid=firmware.uuid, crashes=0, inflight=None)
        self.assertNotIn("failed", [stage for stage, _ in words(self.hub.events(self.board, after))])


class Together(unittest.TestCase):
    def test_three_boards_are_updated_at_once_while_their_readings_go_on(self):
        hub, application = Hub(self), PhxDev(self)
        boards = [Board(self, kind, name=f"bench-{i}", number=i) for i, kind in
                  enumerate(("posix", "cortex-m3", "atmega2560"), 1)]
        HubBridge(self, hub, boards, server=application.url)
        firmware = {}
        for board in boards:
            hub.joined(board)
            firmware[board] = hub.firmware(board, 2)
        after = {board: hub.offer(board, firmware[board]) for board in boards}
        for board in boards:
            wait_until(lambda: any(stage == "updating" and value for stage, value in
                                   words(hub.events(board, after[board]))), f"{board.name} is being flashed")
        application.wait_readings(lambda readings: len({r["controller_id"] for r in readings}) == 3,
                                  "readings of all, of this time", application.last_id())
        for board in boards:
            hub.joined(board, uuid=firmware[board].uuid, version="2.0.0", crashes=0, inflight=None, patience=300)
            said_what_a_server_takes(self, hub.events(board, after[board]), firmware[board])


if __name__ == "__main__":
    unittest.main(verbosity=2)
