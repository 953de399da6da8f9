"""A thousand boards on one bridge: memory and CPU when idle, the return after a server restart, fairness
under load; and 200 as devices of a NervesHub (bench_hub). The boards are played by bench_boards, the server is phx-dev; every MCU has a socket of its own.

Memory is what each MCU adds: the resident set with all of them less that with one, the spool on. Idle is
one keepalive a second to each board and no readings; beside it stands what one write and one read a second
on as many terminals cost a program that does nothing else (bench_asker). The restart: the server is killed, a listener on its
port counts the attempts that come in vain, then the server is back. The server shares the machine: what
it costs until all are connected stands beside what the bridge does.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

from bench_bridge import BIN, cpu_seconds, rss_kib
from bench_versus import Boards, keys

PATIENCE = 300
SETTLE = 25


class Server:
    options = []

    def __init__(self, folder, tls, port=0):
        self.command = [str(BIN / "phx-dev"), "--quiet", *self.options]
        self.tls, self.port, self.cert = tls, port, folder / "cert.pem"
        self.key = folder / "tls.key"
        if tls:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", self.key, "-out", self.cert, "-days", "2", "-subj", "/CN=localhost",
                            "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
            self.command += ["--tls", "--cert", str(self.cert), "--key", str(self.key)]
        self.start()

    def start(self):
        self.process = subprocess.Popen([*self.command, "--port", str(self.port)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    @property
    def url(self):
        host = "wss://localhost" if self.tls else "ws://127.0.0.1"
        return f"{host}:{self.port}/microcontrollers/websocket"

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Rig:
    server_kind = Server

    def __init__(self, folder, count, tls=False, frames=0):
        self.folder, self.count = folder, count
        keys(folder, count)
        self.server = self.server_kind(folder, tls)
        self.boards = Boards(folder, count, frames, 10)
        self.config = self.configuration()
        self.log = open(folder / "log", "w")
        self.bridge = subprocess.Popen([str(BIN / "mcu-bridge"), "--config", str(self.config)], stderr=self.log,
                                       env={**os.environ, "STATE_DIRECTORY": str(folder)})
        self.first = self.wait_all()
        self.first_cpu = [1000 * cpu_seconds(p.pid) / count for p in (self.bridge, self.server.process)]

    def configuration(self):
        folder, count = self.folder, range(self.count)
        lines = [*self.sections(), "link:", "  keepalive: 1s", "metrics:", f"  listen: unix:{folder}/status", "log:",
                 "  level: warning", "ports:"]
        lines += [f"  - {{name: p{i}, path: {folder}/tty{i}, baud: 4000000}}" for i in count] + ["mcus:"]
        lines += [f"  - {self.entry(i)}" for i in count]
        file = folder / "bridge.yaml"
        file.write_text("\n".join(lines) + "\n")
        return file

    def sections(self):
        server = self.server
        return ["server:", f"  url: {server.url}", *([f"  ca_file: {server.cert}"] if server.tls else [])]

    def entry(self, i):
        return f'{{name: m{i}, device: "b{i}", api_key_file: {self.folder}/key{i}}}'

    def mcus(self):
        done = subprocess.run([str(BIN / "mcu-bridge"), "status", "--json", "--config", str(self.config)],
                              capture_output=True, text=True)
        return json.loads(done.stdout)["mcus"] if done.stdout.startswith("{") else []

    def joined(self):
        return sum(mcu["server"] == "joined" for mcu in self.mcus())

    def wait_all(self):
        began = time.monotonic()
        while self.joined() < self.count:
            if time.monotonic() - began > PATIENCE or self.bridge.poll() is not None:
                raise RuntimeError(f"{self.joined()} of {self.count} joined; {(self.folder / 'log').read_text()[-600:]}")
            time.sleep(0.5)
        return time.monotonic() - began

    def idle(self, seconds):
        """(percent of a core, resident KiB), when the clocks of the boards are learnt: until then each is asked
        ten times a second."""
        time.sleep(SETTLE)
        before, at = cpu_seconds(self.bridge.pid), time.monotonic()
        time.sleep(seconds)
        return 100 * (cpu_seconds(self.bridge.pid) - before) / (time.monotonic() - at), rss_kib(self.bridge.pid)

    def restart(self, down_s):
        """(seconds until all are joined again, most attempts in a second meanwhile)"""
        self.server.stop()
        attempts = attempts_on(self.server.port, down_s)
        self.server.start()
        return self.wait_all(), max(attempts)

    def stop(self):
        self.bridge.send_signal(signal.SIGKILL)
        self.bridge.wait()
        self.boards.stop()
        self.server.stop()
        self.log.close()


def attempts_on(port, seconds):
    """Connections that came, second by second; each is closed at once."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    counts, began = [0] * seconds, time.monotonic()

    def accept():
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return
            second = int(time.monotonic() - began)
            if second < seconds:
                counts[second] += 1
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    time.sleep(seconds)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    return counts


def figure(name, value, unit, goal):
    verdict = "-" if goal is None else "ok" if value <= goal else "short"
    ratio = "-" if goal is None else f"{value / goal:.2f}"
    print(f"{name} {value:.3f} {unit} {ratio} {goal if goal is not None else '-'} {verdict}", flush=True)


def with_rig(work, *arguments, rig=Rig, **more):
    with tempfile.TemporaryDirectory() as name:
        rig = rig(pathlib.Path(name), *arguments, **more)
        try:
            return work(rig)
        finally:
            rig.stop()


def least_idle(count, seconds):
    """Percent of a core for the exchanges alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        boards = Boards(folder, count, 0, 1, "blind")
        asker = subprocess.Popen([str(BIN / "bench_asker"), *(str(folder / f"tty{i}") for i in range(count))],
                                 stdout=subprocess.PIPE)
        try:
            asker.stdout.readline()
            before, at = cpu_seconds(asker.pid), time.monotonic()
            time.sleep(seconds)
            return 100 * (cpu_seconds(asker.pid) - before) / (time.monotonic() - at)
        finally:
            asker.kill()
            asker.communicate()
            boards.stop()


def fairness(seconds):
    def work(rig):
        before = {mcu["name"]: mcu["readings_out"] for mcu in rig.mcus()}
        time.sleep(seconds)
        got = sorted(mcu["readings_out"] - before[mcu["name"]] for mcu in rig.mcus())
        return got[-1] / max(got[0], 1), sum(got) / seconds
    return work


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--seconds", type=int, default=20)
    given = options.parse_args()
    name = f"scale.{given.count}"
    figure(f"{name}.idle_cpu.least", least_idle(given.count, given.seconds), "%", None)
    for tls, goal in ((False, 24), (True, 48)):
        kind = "wss" if tls else "ws"
        _, one = with_rig(lambda rig: rig.idle(1), 1, tls)

        def work(rig):
            idle = rig.idle(given.seconds)
            return idle, rig.restart(10), (rig.first, rig.first_cpu)
        (cpu, all_of_them), (back, attempts), (first, first_cpu) = with_rig(work, given.count, tls)
        figure(f"{name}.{kind}.memory_each", (all_of_them - one) / (given.count - 1), "KiB", goal)
        figure(f"{name}.{kind}.idle_cpu", cpu, "%", 3)
        figure(f"{name}.{kind}.first_connection_of_all", first, "s", 90)
        figure(f"{name}.{kind}.first_connection.cpu_each", first_cpu[0], "ms", None)
        figure(f"{name}.{kind}.first_connection.cpu_each_of_the_server", first_cpu[1], "ms", None)
        figure(f"{name}.{kind}.back_after_restart", back, "s", 90)
        figure(f"{name}.{kind}.most_attempts_a_second", attempts, "1", None)
    spread, rate = with_rig(fairness(given.seconds), given.count, frames=2 * given.count)
    figure(f"{name}.fastest_to_slowest", spread, "1", 2)
    figure(f"{name}.readings_a_second", rate, "1", None)
    import bench_hub  # which is made of this module
    bench_hub.figures(bench_hub.COUNT)


if __name__ == "__main__":
    main()
