"""flash_probe, which flashes one board by an external program, read event by event."""

import json
import os
import signal
import struct
import subprocess

from harness_mcu import BIN, PATIENCE


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


def elf_of_hex(source, target):
    """An Intel HEX file with a boot loader, as the ELF file that avr-run takes."""
    memory, base = {}, 0
    for line in source.read_text().split():
        count, high, low, kind, *data = bytes.fromhex(line[1:])
        if kind == 0:
            memory.update((base + (high << 8 | low) + i, byte) for i, byte in enumerate(data[:count]))
        elif kind in (2, 4):
            base = (data[0] << 8 | data[1]) << (4 if kind == 2 else 16)
    first, end = min(memory), max(memory) + 1
    code = bytes(memory.get(address, 0xFF) for address in range(first, end))
    head = b"\x7fELF\x01\x01\x01" + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 83, 1, first, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    target.write_bytes(head + struct.pack("<IIIIIIII", 1, 84, first, first, len(code), len(code), 5, 2) + code)
