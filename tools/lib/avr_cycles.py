"""What a byte of framing costs an ATmega328P, in cycles: compiles tests/bench/avr_cycles.c and runs it under
avr-run. Prints one line a figure, as tools/bench does."""

import pathlib
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ROOT / "build" / "release" / "bin" / "avr-run"
FLAGS = ["-mmcu=atmega328p", "-std=c11", "-Os", "-mcall-prologues", "-mrelax", "-ffunction-sections", "-fdata-sections",
         "-Wall", "-Wextra", "-Werror", "-Wl,--gc-sections", "-I", str(ROOT / "mcu-protocol")]
SOURCES = ["tests/bench/avr_cycles.c", "mcu-protocol/mp_frame.c", "mcu-protocol/mp_crc.c"]
PATIENCE = 60


def told(image):
    """The lines that the image says up to "end", as {name: cycles}."""
    ours, its = socket.socketpair()
    ours.settimeout(PATIENCE)
    with subprocess.Popen([str(RUN), "--mcu", "atmega328p", "--image", str(image), "--fd", str(its.fileno())],
                          pass_fds=[its.fileno()], stderr=subprocess.DEVNULL) as process:
        its.close()
        text = ""
        try:
            while "end 0\n" not in text:
                piece = ours.recv(4096)
                if not piece:
                    sys.exit(f"avr_cycles: avr-run ended early; it said {text!r}")
                text += piece.decode()
        except TimeoutError:
            sys.exit(f"avr_cycles: nothing more within {PATIENCE} s; it said {text!r}")
        finally:
            ours.close()
            process.terminate()
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


def measure(budgets):
    """Prints the figures; returns how many pass their budget."""
    if not RUN.exists():
        sys.exit("avr_cycles: there is no avr-run: cmake --preset release && cmake --build --preset release")
    with tempfile.TemporaryDirectory() as folder:
        image = pathlib.Path(folder) / "cycles.elf"
        subprocess.run(["avr-gcc", *FLAGS, *(str(ROOT / source) for source in SOURCES), "-o", str(image)], check=True)
        figures = told(image)
    if figures["wrong"]:
        sys.exit("avr_cycles: the frames did not come back on the AVR")
    short = 0
    for name, budget in budgets.items():
        verdict = "ok" if figures[name] <= budget else "short"
        short += verdict == "short"
        print(f"size.framing.avr.cycles.{name} {figures[name]} cycles {figures[name] / budget:.2f} {budget} {verdict}")
    return short
