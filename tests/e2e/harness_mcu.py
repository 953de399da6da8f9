"""An emulated microcontroller for end-to-end tests: mcu-link with the sample firmware behind it, as a
Cortex-M3 in QEMU, an AVR in avr-run or as a process, and mp-probe as a bare host for it.

    mcu = Mcu(self, "cortex-m3", board=2)     # cleaned up by the test case
    probe = Probe(self, mcu.path)
    ready = probe.wait("ready")
    mcu.reset(); mcu.cut(); mcu.plug(); mcu.flip(0.01)

Programs are found by MCU_BIN, the Cortex-M3 image by MCU_STUB_M3, the AVR images by MCU_AVR_BIN;
without them, in build/.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from talker import PATIENCE, Talker

ROOT = pathlib.Path(os.environ.get("MCU_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BIN = pathlib.Path(os.environ.get("MCU_BIN", ROOT / "build" / "dev" / "bin"))
STUB_M3 = pathlib.Path(os.environ.get("MCU_STUB_M3", ROOT / "build" / "cortex-m3" / "bin" / "mcu-stub.elf"))
AVR_BIN = pathlib.Path(os.environ.get("MCU_AVR_BIN", ROOT / "build" / "avr" / "bin"))
AVRS = ("atmega328p", "atmega2560")


class McuError(Exception):
    """mcu-link did not start, or refused a command."""


def firmware_arguments(port, boot=None, image=None):
    if port == "posix":
        return ["--stub", str(BIN / "mcu-stub")]
    if port in AVRS:
        boot = boot or AVR_BIN / f"mcu-boot-{port}.elf"
        return avr_arguments(port, image or AVR_BIN / f"mcu-stub-{port}.elf") + (["--boot", str(boot)] if boot.is_file() else [])
    if not STUB_M3.is_file():
        raise McuError(f"no Cortex-M3 image at {STUB_M3}: cmake --preset cortex-m3 && "
                       "cmake --build --preset cortex-m3")
    return ["--qemu", str(STUB_M3)]


def avr_arguments(mcu, image):
    if not image.is_file():
        raise McuError(f"no AVR image at {image}: cmake --preset avr && cmake --build --preset avr")
    return ["--avr", str(image), "--mcu", mcu]


class Mcu:
    """One board. `port`: "cortex-m3", "atmega328p", "atmega2560" or "posix"; or `command`: any program, "{fd}" is its UART.
    `boot`, `image`: files in place of an AVR's own boot loader and firmware. `reset_on_open`: the board is reset whenever its port is
    opened, as by an Arduino's DTR."""

    def __init__(self, test, port="cortex-m3", command=None, board=1, identity=None, baud=0, seed=1,
                 state=None, path=None, boot=None, image=None, reset_on_open=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mcu-"))
        test.addCleanup(self.close)
        self.path = str(path or self.folder / "ttyMCU0")
        arguments = [str(BIN / "mcu-link"), "--link", self.path, "--control", str(self.folder / "control"),
                     "--board", str(board), "--baud", str(baud), "--seed", str(seed)]
        if identity is not None:
            arguments += ["--id", identity]
        if reset_on_open:
            arguments.append("--reset-on-open")
        if state:
            arguments += ["--state", str(state)]
        arguments += ["--", *command] if command else firmware_arguments(port, boot, image)
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("mcu-link ready on "):
            raise McuError(f"mcu-link, status {self.process.wait(PATIENCE)}: {self.said()}")
        self.control = socket.socket(socket.AF_UNIX)
        self.control.settimeout(PATIENCE)
        self.control.connect(str(self.folder / "control"))
        self.answers = self.control.makefile("r")

    def said(self):
        return (self.folder / "log").read_text(errors="replace")

    def command(self, text):
        try:
            self.control.sendall(text.encode() + b"\n")
        except OSError as error:
            raise McuError(f"mcu-link is gone: {self.said()}") from error
        answer = self.answers.readline().strip()
        if not answer or answer.startswith("error"):
            raise McuError(f"{text}: {answer or 'mcu-link is gone'}")
        return answer

    def reset(self):
        self.command("reset")

    def kill(self):
        self.command("kill")

    def start(self):
        self.command("start")

    def pause(self):
        self.command("pause")

    def resume(self):
        self.command("resume")

    def cut(self):
        self.command("cut")

    def plug(self, path=None):
        self.command(f"plug {path}" if path else "plug")
        self.path = str(path or self.path)

    def cut_after(self, count, way):
        self.command(f"cut-after {count} {way}")

    def reset_after(self, count, way="up"):
        self.command(f"reset-after {count} {way}")

    def auto_reset(self):
        self.command("auto-reset")

    def fault(self, name, rate, way=""):
        self.command(f"{name} {rate} {way}")

    def flip(self, rate, way=""):
        self.fault("flip", rate, way)

    def drop(self, rate, way=""):
        self.fault("drop", rate, way)

    def dup(self, rate, way=""):
        self.fault("dup", rate, way)

    def insert(self, rate, way=""):
        self.fault("insert", rate, way)

    def seed(self, number):
        self.command(f"seed {number}")

    def baud(self, rate):
        self.command(f"baud {rate}")

    def stats(self):
        return json.loads(self.command("stats"))

    def wait_stats(self, wanted, what):
        """Asks until wanted(stats) holds."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            stats = self.stats()
            if wanted(stats):
                return stats
            time.sleep(0.005)
        raise AssertionError(f"never: {what}; {stats}")

    def close(self):
        """Ends it; returns its exit status."""
        if hasattr(self, "control"):
            self.answers.close()
            self.control.close()
        if hasattr(self, "process"):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
            self.process.stdout.close()
            self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.process.returncode if hasattr(self, "process") else None


class Probe(Talker):
    """mp-probe on a port, or another program that tells events: as dictionaries, in order, never thrown away."""

    send = Talker.tell

    def __init__(self, test, path, command=None):
        super().__init__(command or [BIN / "mp-probe", path])
        test.addCleanup(self.close)

    def wait(self, event, since=0, **members):
        """The first event of that name, at or after position `since`, with these members; a member may
        be a function that says yes or no."""
        fits = lambda e: e["event"] == event and all(
            wanted(e.get(name)) if callable(wanted) else e.get(name) == wanted
            for name, wanted in members.items())
        return self.wait_until(lambda: next(((i, e) for i, e in enumerate(self.seen[since:], since) if fits(e)),
                                            None), f"{event} {members}")[1]

    def wait_until(self, found, what):
        until = time.monotonic() + PATIENCE
        while not (result := found()):
            self.hear(what, until - time.monotonic())
        return result

    def position(self):
        """Where events from now on begin, for `since`."""
        self.catch_up()
        return len(self.seen)

    def named(self, event, since=0):
        return [e for e in self.seen[since:] if e["event"] == event]

    def kill(self):
        """Without a word to the device."""
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stdin.close()
        self.process.stdout.close()
