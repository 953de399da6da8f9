"""What the bridge costs: CPU and memory with one MCU, idle and at work.

The MCUs are the sample firmware as processes. Idle is the firmware at a hundredth of its speed, so
that time questions, heartbeats and next to no readings are left. CPU is that of the whole
process over --seconds; memory is its resident set, shared libraries included.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("MCU_BIN", ROOT / "build" / "release" / "bin"))


def cpu_seconds(pid):
    """Of all its threads, in the scheduler's nanoseconds: /proc/PID/stat counts in hundredths."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("no VmRSS")


def start(log, *command, ready=None):
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=log, text=True)
    while ready:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{command[0]} did not start")
        if ready in line:
            return process, line.strip()
    return process, ""


def configuration(folder, url, count, spool):
    """A file for `count` MCUs, each with its port and key."""
    lines = ["server:", f"  url: {url}", "ports:"]
    lines += [f"  - {{name: p{i}, path: {folder}/tty{i}}}" for i in range(count)]
    lines += ["mcus:"]
    for i in range(count):
        key = folder / f"key{i}"
        key.touch(0o600)
        key.write_text(f"API_TOKEN_MC_BENCH{i:012d}\n")
        lines.append(f'  - {{name: m{i}, device: "b{i}", api_key_file: {key}}}')
    lines += ["spool:", "  path: spool.db" if spool else "  enabled: false"]
    file = folder / "bridge.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


class Rig:
    def __init__(self, folder, count, scale, spool):
        self.processes = []
        self.log = open(folder / "log", "w")
        server, line = start(self.log, BIN / "phx-dev", "--port", "0", "--quiet", ready="listening")
        self.processes.append(server)
        address = line.rsplit("://", 1)[1]
        for i in range(count):
            stub, _ = start(self.log, BIN / "mcu-stub", "--pty-link", folder / f"tty{i}", "--id", f"b{i}",
                            "--time-scale", scale, ready="ready")
            self.processes.append(stub)
        file = configuration(folder, f"ws://{address}/microcontrollers/websocket", count, spool)
        self.bridge = subprocess.Popen([str(BIN / "mcu-bridge"), "--config", str(file)], stderr=subprocess.PIPE,
                                       stdout=self.log, text=True)
        self.processes.append(self.bridge)
        joined = 0
        while joined < count:
            line = self.bridge.stderr.readline()
            if not line:
                raise RuntimeError("mcu-bridge ended")
            joined += "joined" in line
        # The pipe must go on being emptied, or the bridge would wait for us.
        self.drain = subprocess.Popen(["cat"], stdin=self.bridge.stderr, stdout=self.log)
        self.processes.append(self.drain)

    def measure(self, seconds):
        time.sleep(2)
        before, at = cpu_seconds(self.bridge.pid), time.monotonic()
        time.sleep(seconds)
        share = 100 * (cpu_seconds(self.bridge.pid) - before) / (time.monotonic() - at)
        return share, rss_kib(self.bridge.pid)

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait()


def figure(name, value, unit, goal):
    print(f"{name} {value:.3f} {unit} {value / goal:.2f} {goal} {'ok' if value <= goal else 'short'}", flush=True)


def measured(count, scale, seconds, spool=False):
    with tempfile.TemporaryDirectory() as name:
        rig = Rig(pathlib.Path(name), count, scale, spool)
        try:
            return rig.measure(seconds)
        finally:
            rig.stop()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=20)
    given = options.parse_args()
    share, memory = measured(1, 0.01, given.seconds)
    figure("bridge.idle.cpu", share, "%", 1)
    figure("bridge.idle.memory", memory / 1024, "MiB", 10)
    share, memory = measured(1, 1, given.seconds)
    figure("bridge.40_readings_a_second.cpu", share, "%", 1)
    figure("bridge.40_readings_a_second.memory", memory / 1024, "MiB", 10)
    share, memory = measured(1, 0.01, given.seconds, spool=True)
    figure("bridge.spool.idle.cpu", share, "%", 1)
    figure("bridge.spool.idle.memory", memory / 1024, "MiB", 10)
    share, memory = measured(1, 1, given.seconds, spool=True)
    figure("bridge.spool.40_readings_a_second.cpu", share, "%", 1)
    figure("bridge.spool.40_readings_a_second.memory", memory / 1024, "MiB", 10)


if __name__ == "__main__":
    main()
