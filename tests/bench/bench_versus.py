"""mcu-bridge against the same bridge as a competent user would write it in Node.js (node/bridge.js), and
against a pump that reads the same bytes and sends equally large messages without understanding them.

One run, the same boards (bench_boards), the same work: 10 readings a frame, 500 an upload. CPU is that of
the whole process by the scheduler's clock, per reading that reached the server. Latency is of a single
reading, from the write to the terminal to the last byte of the message at the server, and of a control,
from the write at the server to its being applied on the board; the server here is this program. Beside
both stands the least that can be done: a program of the same libraries that only passes them on
(bench_mirror), so that what is the machine's and the harness's own is seen.

Every round takes the contenders in turn; the figure is the median of the rounds.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time

from bench_bridge import BIN, cpu_seconds, rss_kib

HERE = pathlib.Path(__file__).resolve().parent
BOARDS, FRAMES = 4, 2000
NODE = HERE.parents[1] / "build" / "node-bridge"


def npm_install():
    """The script's packages, in the build tree."""
    NODE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc", "bridge.js", "mcu_link.js"):
        shutil.copy(HERE / "node" / name, NODE)
    if not (NODE / "node_modules" / "serialport").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE, check=True, stdout=subprocess.DEVNULL)


class Sink:
    """A server that answers what a bridge says and keeps the time: metadata, joins, uploads."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.uploads, self.peers, self.pumped, self.joined = [], [], 0, threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        try:
            self.talk(peer, peer.makefile("rb"))
        except (OSError, EOFError, ValueError):
            pass

    def talk(self, peer, stream):
        key = b""
        while (line := stream.readline().strip()) != b"":
            if line.lower().startswith(b"sec-websocket-key:"):
                key = line.split(b":", 1)[1].strip()
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                     b"sec-websocket-accept: " + base64.b64encode(digest) + b"\r\n\r\n")
        self.send(peer, {"event": "metadata", "join_ref": None, "ref": None, "topic": "microcontroller:1",
                         "payload": {"controller_id": 1, "location_id": 2, "user_id": 1}})
        while True:
            head = self.read(stream, 2)
            size = head[1] & 0x7f
            if size > 125:
                size = int.from_bytes(self.read(stream, 2 if size == 126 else 8), "big")
            mask, payload = self.read(stream, 4), self.read(stream, size)
            if head[0] & 15 == 1:
                self.take(peer, time.monotonic_ns(), mask, payload)

    def take(self, peer, at, mask, payload):
        plain = (int.from_bytes(payload, "big") ^
                 int.from_bytes((mask * (len(payload) // 4 + 1))[:len(payload)], "big")).to_bytes(len(payload), "big")
        if plain.startswith(b"x"):
            self.pumped += 500
            return
        join_ref, ref, topic, event, body = json.loads(plain)
        self.send(peer, [join_ref, ref, topic, "phx_reply", {"status": "ok", "response": {}}])
        if event == "upload_readings":
            self.uploads.append((at, body))
        elif event == "phx_join":
            self.peers.append((peer, join_ref, topic))
            self.joined.set()

    @staticmethod
    def read(stream, count):
        data = stream.read(count)
        if len(data) < count:
            raise EOFError
        return data

    @staticmethod
    def frame(message):
        data = json.dumps(message).encode()
        head = b"\x81" + (bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data)))
        return head + data

    def send(self, peer, message):
        peer.sendall(self.frame(message))

    def control(self, value):
        """Returns when it was sent."""
        peer, _, topic = self.peers[0]
        frame = self.frame([None, None, topic, "control_update", {"control": [{"motor": value}]}])
        at = time.monotonic_ns()
        peer.sendall(frame)
        return at

    def close(self):
        self.listener.close()


class Boards:
    def __init__(self, folder, count, frames, readings, *blind):
        self.process = subprocess.Popen([str(BIN / "bench_boards"), str(folder), str(count), str(frames), str(readings),
                                         *blind], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.said = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            what, value, at = line.split()
            self.said.append((what, int(value), int(at)))

    def stop(self):
        self.process.kill()
        self.process.wait()


def keys(folder, count):
    for i in range(count):
        key = folder / f"key{i}"
        key.touch(0o600)
        key.write_text(f"API_TOKEN_MC_BENCH{i:012d}\n")


def bridge_command(folder, url, count, batch_ms, spool):
    lines = ["server:", f"  url: {url}", "readings:", f"  batch_wait: {batch_ms}ms", "  batch: 500", "ports:"]
    lines += [f"  - {{name: p{i}, path: {folder}/tty{i}, baud: 4000000}}" for i in range(count)] + ["mcus:"]
    lines += [f'  - {{name: m{i}, device: "b{i}", api_key_file: {folder}/key{i}}}' for i in range(count)]
    lines += ["spool:", f"  enabled: {'true' if spool else 'false'}"]
    file = folder / "bridge.yaml"
    file.write_text("\n".join(lines) + "\n")
    return [str(BIN / "mcu-bridge"), "--config", str(file)]


def script_command(folder, url, count, batch_ms):
    pairs = [str(p) for i in range(count) for p in (folder / f"tty{i}", folder / f"key{i}")]
    return ["node", str(NODE / "bridge.js"), url, str(batch_ms), *pairs]


def command_of(kind, folder, url, count, batch_ms):
    if kind == "script":
        return script_command(folder, url, count, batch_ms)
    if kind == "mirror":
        return [str(BIN / "bench_mirror"), url, str(folder / "tty0")]
    if kind == "pump":
        return [str(BIN / "bench_pump"), url, *(str(folder / f"tty{i}") for i in range(count))]
    return bridge_command(folder, url, count, batch_ms, kind == "bridge_spool")


def started(command, folder, count):
    """The process, once `count` boards are joined."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, "STATE_DIRECTORY": str(folder)})
    said, joined = [], 0
    while joined < count:
        line = process.stdout.readline()
        said.append(line)
        if not line:
            raise RuntimeError(f"{command[0]} ended: {''.join(said[-5:])}")
        joined += "joined" in line
    drain = threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True)
    drain.start()
    return process


@contextlib.contextmanager
def running(kind, count, frames, readings, batch_ms):
    """A bridge of this kind between boards and a server: (its process, server, boards)."""
    blind = kind in ("pump", "mirror")
    with tempfile.TemporaryDirectory() as name:
        folder, sink = pathlib.Path(name), Sink()
        keys(folder, count)
        boards = Boards(folder, count, frames, readings, *(["blind"] if blind else []))
        url = f"ws://127.0.0.1:{sink.port}/microcontrollers/websocket"
        process = started(command_of(kind, folder, url, count, batch_ms), folder, 1 if blind else count)
        try:
            yield process, sink, boards
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            boards.stop()
            sink.close()


def throughput(kind, seconds):
    """(nanoseconds of CPU a reading, resident KiB)"""
    with running(kind, BOARDS, FRAMES, 10, 250) as (process, sink, _):
        time.sleep(2)
        before, cpu = count_of(kind, sink), cpu_seconds(process.pid)
        time.sleep(seconds)
        readings, cpu = count_of(kind, sink) - before, cpu_seconds(process.pid) - cpu
        return cpu * 1e9 / readings, rss_kib(process.pid)


def count_of(kind, sink):
    return sink.pumped if kind == "pump" else sum(len(v) for _, body in list(sink.uploads) for v in body.values())


def latency(kind, seconds):
    """Microseconds, sorted: (of readings, of controls)"""
    with running(kind, 1, 50, 1, 0) as (_, sink, boards):
        sink.joined.wait(30)
        time.sleep(2)
        asked = {}
        for value in range(1, seconds * 20):
            asked[value] = sink.control(value)
            time.sleep(0.05)
        time.sleep(0.5)
        sent = {value: at for what, value, at in boards.said if what == "sent"}
        applied = {value: at for what, value, at in boards.said if what == "applied"}
        up = [(at - sent[int(round(item["value"] * 10))]) / 1e3 for at, body in sink.uploads
              for items in body.values() for item in items if int(round(item["value"] * 10)) in sent]
        down = [(applied[v] - at) / 1e3 for v, at in asked.items() if v in applied]
        return sorted(up), sorted(down)


def quantile(sorted_values, q):
    return sorted_values[min(len(sorted_values) - 1, int(q * len(sorted_values)))]


def figure(name, value, unit, ratio, goal):
    verdict = "ok" if ratio <= goal else "short"
    print(f"{name} {value:.3f} {unit} {ratio:.3f} {goal} {verdict}", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=6)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    npm_install()
    kinds = ("script", "bridge", "bridge_spool", "pump")
    runs = {kind: [] for kind in kinds}
    for _ in range(given.rounds):
        for kind in kinds:
            runs[kind].append(throughput(kind, given.seconds))
    cpu = {kind: statistics.median(r[0] for r in runs[kind]) for kind in kinds}
    memory = {kind: statistics.median(r[1] for r in runs[kind]) / 1024 for kind in kinds}
    figure("bridge.cpu_a_reading.to_script", cpu["bridge"], "ns", cpu["bridge"] / cpu["script"], 0.25)
    figure("bridge.cpu_a_reading.spooled.to_script", cpu["bridge_spool"], "ns", cpu["bridge_spool"] / cpu["script"], 0.5)
    figure("bridge.cpu_a_reading.to_pump", cpu["bridge"], "ns", cpu["bridge"] / cpu["pump"], 2)
    figure("bridge.memory.to_script", memory["bridge"], "MiB", memory["bridge"] / memory["script"], 0.125)
    kinds = ("script", "bridge", "bridge_spool", "mirror")
    runs = {kind: [] for kind in kinds}
    for _ in range(given.rounds):
        for kind in kinds:
            runs[kind].append(latency(kind, given.seconds))
    for index, what in enumerate(("reading", "control")):
        for q in (0.5, 0.99):
            at = {kind: statistics.median(quantile(r[index], q) for r in runs[kind]) for kind in kinds}
            name = f"bridge.latency.{what}.p{int(q * 100)}"
            figure(f"{name}.to_script", at["bridge"], "us", at["bridge"] / at["script"], 0.5)
            print(f"{name}.least {at['mirror']:.3f} us {at['mirror'] / at['script']:.3f} - -", flush=True)
            if what == "reading":  # one commit later
                print(f"{name}.spooled {at['bridge_spool']:.3f} us {at['bridge_spool'] / at['script']:.3f} - -", flush=True)


if __name__ == "__main__":
    main()
