"""What mcu-protocol costs a microcontroller: flash, RAM and worst-case stack on Cortex-M3 and AVR, and cycles a
byte on AVR (avr_cycles.py).

Compiles the MCU side alone at -Os, sums the sections that a program using it would carry, and follows
the call graph for the deepest stack. Prints one line a figure, as tools/bench does:
NAME VALUE UNIT RATIO GOAL ok|short, and fails when a budget is passed.

The call graph is read from arm-none-eabi-gcc (-fcallgraph-info); AVR's older gcc gives the stack of
each function (-fstack-usage), walked over the same graph. A call through a pointer counts as the
callback's own stack: nothing here.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import avr_cycles

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIB = ROOT / "mcu-protocol"

TARGETS = {
    "m3": (["arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb"], "arm-none-eabi-"),
    "avr": (["avr-gcc", "-mmcu=atmega2560", "-mcall-prologues", "-mrelax"], "avr-"),
}
FLAGS = ["-std=c11", "-Os", "-ffunction-sections", "-fdata-sections", "-ffreestanding", "-fstack-usage",
         "-Wall", "-Wextra", "-I", str(LIB)]
FRAMING = ["mp_crc.c", "mp_frame.c"]
LINK = FRAMING + ["mp_msg.c", "mp_queue.c", "mp_link*.c"]
DEVICE = LINK + ["mp_value.c", "mp_device*.c", "mp_describe.c"]

# The entry points that a program with that part keeps; the linker drops the rest.
ROOTS = {
    "framing": ["mp_framer_begin", "mp_framer_read", "mp_deframer_init", "mp_deframer_byte"],
    "link": ["mp_link_init", "mp_link_bytes", "mp_link_poll", "mp_link_output", "mp_link_send", "mp_link_send_once",
             "mp_seal"],
    "device": ["mp_device_init", "mp_device_bytes", "mp_device_poll", "mp_device_output", "mp_device_reading",
               "mp_device_flush", "mp_device_log"],
}
PARTS = {"framing": FRAMING, "link": LINK, "device": DEVICE}

# (part, target): flash, RAM, stack; in bytes.
BUDGETS = json.loads((ROOT / "tests" / "bench" / "footprint.json").read_text())


def files(patterns):
    found = []
    for pattern in patterns:
        hits = sorted(LIB.glob(pattern))
        if not hits:
            sys.exit(f"footprint: no {pattern} in {LIB}")
        found += [h for h in hits if h not in found]
    return found


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"footprint: {' '.join(map(str, command))}:\n{done.stderr}")
    return done.stdout


def compile_part(target, part, folder):
    """Links the part's entry points, dead code dropped, and returns (flash, objects)."""
    compiler, prefix = TARGETS[target]
    extra = ["-fcallgraph-info=su"] if target == "m3" else []
    objects = []
    for source in files(PARTS[part]):
        out = folder / (source.stem + ".o")
        run(*compiler, *FLAGS, *extra, "-c", source, "-o", out)
        objects.append(out)
    symbols = defined(prefix, objects)
    keep = sorted({s for s in symbols for r in ROOTS[part] if re.fullmatch(r.replace("*", ".*"), s)})
    image = folder / f"{part}.elf"
    undefined = [f for k in keep for f in ("-u", k)]
    run(*compiler, "-nostartfiles", "-nodefaultlibs", "-Wl,--gc-sections", "-Wl,-e,0", *wl(undefined),
        "-Wl,--unresolved-symbols=ignore-all", *objects, "-o", image)
    sizes = {}
    for line in run(prefix + "size", "-A", image).splitlines():
        words = line.split()
        if len(words) >= 2 and words[1].isdigit():
            sizes[words[0]] = int(words[1])
    flash = sum(n for s, n in sizes.items() if s.startswith((".text", ".rodata", ".data", ".progmem")))
    globals_ = sum(n for s, n in sizes.items() if s.startswith((".data", ".bss")))
    return flash, globals_


def wl(flags):
    return ["-Wl," + ",".join(flags)] if flags else []


def defined(prefix, objects):
    names = set()
    for line in run(prefix + "nm", "--defined-only", *objects).splitlines():
        words = line.split()
        if len(words) == 3 and words[1] == "T":
            names.add(words[2])
    return names


def ram(target, part, folder):
    """Bytes of the caller's memory, as tests/bench/footprint_probe.c sums them up for the part."""
    compiler, prefix = TARGETS[target]
    out = folder / "probe.o"
    run(*compiler, *FLAGS, f"-DPROBE_{part.upper()}", "-c", ROOT / "tests" / "bench" / "footprint_probe.c", "-o", out)
    for line in run(prefix + "nm", "-S", out).splitlines():
        words = line.split()
        if len(words) == 4 and words[3] == "footprint_probe":
            return int(words[1], 16)
    sys.exit("footprint: the probe defines no footprint_probe")


def call_graph(folder):
    own, calls = {}, {}
    for file in folder.glob("*.ci"):
        text = file.read_text()
        for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]+)"', text):
            stack = re.search(r"(\d+) bytes", label)
            if stack:
                own[bare(title)] = int(stack.group(1))
        for caller, callee in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(bare(caller), set()).add(bare(callee))
    return own, calls


def bare(title):
    return re.sub(r"\.(constprop|isra|part)\.\d+.*$", "", title.split(":")[-1])


def stack_usage(folder):
    own = {}
    for file in folder.glob("*.su"):
        for line in file.read_text().splitlines():
            place, size, _ = line.split("\t")
            own[bare(place)] = max(int(size), own.get(bare(place), 0))
    return own


def deepest(own, calls, roots, frame):
    """Longest path by stack bytes; `frame` is the return address a call pushes."""
    done = {}

    def depth(name, above=()):
        if name in above:
            sys.exit(f"footprint: recursion: {' -> '.join(above + (name,))}")
        if name not in done:
            below = max((depth(c, above + (name,)) for c in calls.get(name, ())), default=0)
            done[name] = own.get(name, 0) + frame + below
        return done[name]

    return max((depth(r) for r in roots), default=0)


def main():
    short = 0
    graph = None
    for target in TARGETS:
        for part in PARTS:
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                flash, globals_ = compile_part(target, part, folder)
                if target == "m3":
                    own, calls = call_graph(folder)
                    graph = graph or {}
                    graph[part] = calls
                else:
                    own, calls = stack_usage(folder), graph[part]
                names = set(own)
                roots = [n for n in names for r in ROOTS[part] if re.fullmatch(r.replace("*", ".*"), n)]
                stack = deepest(own, calls, roots, 0 if target == "m3" else 3)
                figures = {"flash": flash, "ram": ram(target, part, folder), "stack": stack, "globals": globals_}
            for figure, value in figures.items():
                budget = BUDGETS[part][target].get(figure)
                if budget is None:
                    continue
                verdict = "ok" if value <= budget else "short"
                short += verdict == "short"
                ratio = f"{value / budget:.2f}" if budget else "-"
                print(f"size.{part}.{target}.{figure} {value} bytes {ratio} {budget} {verdict}")
    short += avr_cycles.measure(BUDGETS["cycles"])
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
