"""Firmware files of boards that are in the configuration no more."""

import json
import os
import unittest
import uuid

from harness_bridge import folder, wait_until
from test_bridge_nerveshub import Nerveshub as WithAHub

BOARDS = uuid.UUID("e25292ef-6eb1-503d-a887-580e31250f31")  # the namespace of names of records
IDLE, FLASHING = 0, 3
KEPT = 8
DAY = 24 * 60 * 60


class Left(WithAHub):
    def setUp(self):
        self.files = folder(self) / "firmware"
        self.files.mkdir(mode=0o700)

    def board(self, name, days, stage=IDLE):
        """What a board by that name left behind: its record, and the file that it runs. Returns the file."""
        runs, coming = uuid.uuid5(uuid.NAMESPACE_DNS, name), uuid.uuid5(uuid.NAMESPACE_DNS, name + "+")
        record = {"stage": stage, "tries": stage, "uuid": str(coming) if stage else "", "before": "",
                  "running": str(runs), "device": ""}
        (self.files / f"board-{uuid.uuid5(BOARDS, name)}.json").write_text(json.dumps(record))
        file = self.files / f"{runs}.fw"
        file.touch()
        os.utime(file, (10**9 - days * DAY,) * 2)
        return file

    def entries(self, *names):
        return [{"name": name, "path": f"/nonexistent/{name}", "nerveshub_id": f"lab-{name}"} for name in names]

    def gone(self, file):
        wait_until(lambda: not file.exists(), f"{file.name} is removed")

    def test_they_go_but_for_the_newest_and_for_those_of_an_update_under_way(self):
        newest = [self.board(f"old-{i}", i) for i in range(KEPT)]
        oldest = [self.board(f"older-{i}", 100 + i) for i in range(3)]
        half_written = self.board("half-written", 200, FLASHING)
        there = self.board("lab-a", 300)
        self.start(self.entries("a"), folder=str(self.files))
        for file in oldest:
            self.gone(file)
        for file in [*newest, half_written, there]:
            self.assertTrue(file.exists(), file)

    def test_a_board_that_leaves_by_a_reload_leaves_its_files_too(self):
        stays, leaves = self.board("lab-a", 300), self.board("lab-b", 200)
        newest = [self.board(f"old-{i}", i) for i in range(KEPT)]
        older = self.board("older", 100)
        self.start(self.entries("a", "b"), folder=str(self.files))
        self.gone(older)
        self.assertTrue(leaves.exists())
        self.rewrite(self.entries("a"))
        self.gone(leaves)
        for file in [*newest, stays]:
            self.assertTrue(file.exists(), file)


del WithAHub

if __name__ == "__main__":
    unittest.main()
