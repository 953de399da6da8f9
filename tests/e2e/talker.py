"""A program that says something a line at a time, and takes orders, a line each."""

import json
import queue
import subprocess
import threading

PATIENCE = 60  # seconds: how long anything may take on a busy machine before it counts as never
ENDED = object()


class Ended(AssertionError):
    """It has ended, and nothing more will be said."""


class Talker:
    """What it has said and was heard of is kept in `seen`. `parse` makes something of each line; None: it is passed
    over."""

    def __init__(self, command, parse=json.loads, **how):
        self.seen = []
        self.parse = parse
        self.fresh = queue.Queue()
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, **how)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            said = self.parse(line)
            if said is not None:
                self.fresh.put(said)
        self.fresh.put(ENDED)

    def tell(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def hear(self, what, seconds=PATIENCE):
        """The next thing that it says; `what` is waited for, for the error."""
        try:
            said = self.fresh.get(timeout=max(0.0, seconds))
        except queue.Empty:
            raise AssertionError(f"never: {what}; last it said {self.seen[-12:]}") from None
        if said is ENDED:
            self.fresh.put(ENDED)
            errors = self.process.stderr.read() if self.process.stderr else ""
            raise Ended(f"it ended before: {what}; last it said {self.seen[-12:]} {errors}")
        self.seen.append(said)
        return said

    def catch_up(self):
        """Hears what it has said by now."""
        while True:
            try:
                said = self.fresh.get_nowait()
            except queue.Empty:
                return
            if said is ENDED:
                self.fresh.put(ENDED)
                return
            self.seen.append(said)

    def close_input(self):
        """An order that it did not live to read is in the way of nothing."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
