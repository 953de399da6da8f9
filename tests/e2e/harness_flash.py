"""flash_probe, which flashes one board by an external program, read event by event; and the boot loader of an
Arduino Mega, from Debian's arduino-core-avr."""

import json
import os
import pathlib
import signal
import subprocess

from harness_mcu import BIN, PATIENCE

STK500V2 = pathlib.Path("/usr/share/arduino/hardware/arduino/avr/bootloaders/stk500v2/stk500boot_v2_mega2560.hex")


class Flasher:
    def __init__(self, test, port, file, words, baud=115200, timeout_ms=PATIENCE * 1000, term_ms=PATIENCE * 1000, **more):
        command = [str(BIN / "flash_probe"), str(port), str(file), str(baud), str(timeout_ms), str(term_ms), *words]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **more)
        self.events = []
        test.addCleanup(self.close)

    def read(self):
        """The next event; None: it has ended."""
        line = self.process.stdout.readline()
        if line:
            self.events.append(json.loads(line))
            return self.events[-1]
        return None

    def end(self):
        """Reads until it has ended; why the flasher failed, "" for success."""
        while self.read():
            pass
        self.process.wait(PATIENCE)
        assert self.process.returncode == int(bool(self.events[-1].get("why", ""))), self.process.returncode
        return self.events[-1].get("why")

    def percents(self):
        return [e["percent"] for e in self.events if e["event"] == "progress"]

    def stop(self):
        os.kill(self.process.pid, signal.SIGINT)

    def free(self):
        os.kill(self.process.pid, signal.SIGHUP)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def hex_data(path):
    """What an Intel HEX file puts into the flash, in the order of its records."""
    records = [bytes.fromhex(line[1:]) for line in path.read_text().split()]
    return b"".join(record[4:-1] for record in records if record[3] == 0)
