"""What the end-to-end tests of the bridge are made of: mcu-bridge and phx-dev as processes, a raw
WebSocket server that a test scripts byte by byte, and waiting for conditions instead of sleeping.

Programs are found by MCU_BIN; without it, in build/dev/bin. Boards come from harness_mcu.
"""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from harness_mcu import BIN, PATIENCE

KEY = "API_TOKEN_MC_VZGkp2vvJJjHj3qZ"
OTHER_KEY = "API_TOKEN_MC_0123456789abcdefXYZ"
SOON = PATIENCE


def wait_until(found, what, patience=SOON):
    """Asks found() until it gives something true, and returns that."""
    until = time.monotonic() + patience
    while True:
        result = found()
        if result:
            return result
        if time.monotonic() > until:
            raise AssertionError(f"never: {what()}" if callable(what) else f"never: {what}")
        time.sleep(0.01)


def folder(test):
    path = pathlib.Path(tempfile.mkdtemp(prefix="bridge-"))
    test.addCleanup(shutil.rmtree, path, ignore_errors=True)
    return path


def state_folder(test):
    """Where the bridges of one test keep their spool: the next one finds what the last one left."""
    if not hasattr(test, "state_folder"):
        test.state_folder = folder(test)
    return test.state_folder


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def secret_file(test, text=KEY, mode=0o600):
    path = folder(test) / "key"
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


class PhxDev:
    """phx-dev on a port that stays the same over restarts."""

    def __init__(self, test, *arguments, port=None, tls=False, start=True):
        self.port = port or free_port()
        self.arguments = [str(BIN / "phx-dev"), "--port", str(self.port), "--quiet", *arguments]
        self.context = None
        self.process = None
        self.tls = tls
        test.addCleanup(self.close)
        if tls:
            self.cert = folder(test) / "cert.pem"
            self.arguments += ["--tls", "--cert-out", str(self.cert)]
        if start:
            self.start()

    @property
    def url(self):
        scheme, host = ("wss", "localhost") if self.tls else ("ws", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}/microcontrollers/websocket"

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("phx-dev listening on "):
            raise AssertionError(f"phx-dev: {line!r}, status {self.process.wait()}")

    def request(self, method, path, body=None):
        headers = {}
        if body is not None:
            body = json.dumps(body)
            headers = {"Content-Type": "application/json"}
        if self.tls:
            context = ssl.create_default_context(cafile=str(self.cert))
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=SOON, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise AssertionError(f"{method} {path}: {answer.status} {text}")
        return json.loads(text)

    def readings(self, after=0):
        return self.request("GET", f"/readings?after={after}")["readings"]

    def last_id(self):
        readings = self.readings()
        return readings[-1]["id"] if readings else 0

    def wait_readings(self, wanted, what="readings", after=0):
        """Until wanted(readings) is true; returns it."""
        return wait_until(lambda: wanted(self.readings(after)), lambda: f"{what}; got {self.readings(after)[-4:]}")

    def wait_more(self, count=8):
        """`count` readings that came after this call."""
        after = self.last_id()
        return self.wait_readings(lambda r: len(r) >= count and r, f"{count} more readings", after)

    def sockets(self):
        return self.request("GET", "/sockets")["sockets"]

    def control(self, controller, *elements):
        return self.request("POST", f"/control/{controller}", {"control": list(elements)})["received"]

    def kick(self, controller):
        return self.request("POST", f"/kick/{controller}", {})

    def fault(self, **members):
        return self.request("POST", "/fault", members)

    def stop(self, how=signal.SIGTERM):
        """Ends the process as a restart would; returns its exit status."""
        self.process.send_signal(how)
        try:
            return self.process.wait(SOON)
        finally:
            self.process.stdout.close()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


class Bridge:
    """mcu-bridge; its log lines are read as they come."""

    def __init__(self, test, *arguments, environment=None):
        self.lines = []
        self.process = subprocess.Popen([str(BIN / "mcu-bridge"), *map(str, arguments)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
                                        env={**os.environ, "STATE_DIRECTORY": str(state_folder(test)),
                                             **(environment or {})})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        test.addCleanup(self.close)
        test.addCleanup(self.show_when_failed, test)

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def show_when_failed(self, test):
        outcome = getattr(test, "_outcome", None)
        errors = getattr(getattr(outcome, "result", None), "failures", []) + \
            getattr(getattr(outcome, "result", None), "errors", [])
        if any(failed is test for failed, _ in errors) or (outcome and not outcome.success):
            print("\n".join(["", "mcu-bridge said:", *self.lines[-60:]]))

    def position(self):
        return len(self.lines)

    def wait_line(self, pattern, since=0, patience=SOON):
        """The first line from `since` on that matches."""
        def found():
            return next((line for line in self.lines[since:] if re.search(pattern, line)), None)
        return wait_until(found, lambda: f"a line {pattern!r}; got " + "\n".join(self.lines[-15:]), patience)

    def said(self, pattern, since=0):
        return [line for line in self.lines[since:] if re.search(pattern, line)]

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Ends in order; returns the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait()

    def wait(self):
        status = self.process.wait(SOON)
        self.reader.join(SOON)
        return status

    def kill(self):
        self.process.kill()
        self.wait()

    def close(self):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(SOON)
        self.process.stderr.close()


def line_options(server_url, path, key):
    """The one-line form."""
    return ["--port", path, "--url", server_url, "--api-key-file", key]


def yaml_value(value):
    return json.dumps(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def write_config(test, url, ports, mcus, **sections):
    """A configuration file. ports: {name: path}; mcus: dictionaries; sections: {section: {key: value}}."""
    sections.setdefault("server", {})
    server = {"url": url, "reconnect_min": "100ms", "reconnect_max": "500ms", **sections["server"]}
    lines = []
    for name, members in {**sections, "server": server}.items():
        lines += [f"{name}:"] + [f"  {key}: {yaml_value(value)}" for key, value in members.items()]
    lines += ["ports:"] + [f"  - {{name: {name}, path: {yaml_value(str(path))}}}" for name, path in ports.items()]
    lines.append("mcus:")
    for mcu in mcus:
        controls = mcu.pop("controls", {})
        members = [f"{key}: {yaml_value(str(value))}" for key, value in mcu.items()]
        lines.append("  - " + members[0])
        lines += ["    " + member for member in members[1:]]
        if controls:
            lines.append("    controls:")
            lines += [f"      {name}: {{on_channel_loss: {what}}}" for name, what in controls.items()]
    path = folder(test) / "bridge.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def identities(readings):
    """(epoch, message, index) of each reading uploaded with at_and_seq."""
    out = []
    for reading in readings:
        epoch, number, index = reading["extra"]["seq"].split("-")
        out.append((epoch, int(number), int(index)))
    return out


# -- A WebSocket server under the test's hand.

class Peer:
    """One accepted connection, after or before its upgrade."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(SOON)
        self.buffer = b""
        self.head = ""
        self.close_code = None

    def receive(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("the client has gone")
            self.buffer += more
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("no request")
            self.buffer += more
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        return self.head

    def header(self, name):
        match = re.search(rf"(?im)^{name}: *(.*?)\r?$", self.head)
        return match.group(1) if match else None

    def upgrade(self):
        self.read_head()
        digest = hashlib.sha1((self.header("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
        accept = base64.b64encode(digest.digest()).decode()
        self.socket.sendall(("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                             f"sec-websocket-accept: {accept}\r\n\r\n").encode())
        return self

    def send_frame(self, opcode, payload):
        if len(payload) < 126:
            size = bytes([len(payload)])
        elif len(payload) < 65536:
            size = b"\x7e" + struct.pack(">H", len(payload))
        else:
            size = b"\x7f" + struct.pack(">Q", len(payload))
        self.socket.sendall(bytes([0x80 | opcode]) + size + payload)

    def send(self, text):
        self.send_frame(1, text.encode())

    def close(self, code=1000):
        self.send_frame(8, struct.pack(">H", code))

    def frame(self):
        first, second = self.receive(2)
        size = second & 0x7f
        if size == 126:
            size = struct.unpack(">H", self.receive(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.receive(8))[0]
        mask = self.receive(4)
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(self.receive(size)))
        return first & 0x0f, payload

    def text(self):
        """The next text message; None: the client closed, with close_code."""
        while True:
            opcode, payload = self.frame()
            if opcode == 1:
                return payload.decode()
            if opcode == 8:
                self.close_code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                return None
            if opcode == 9:
                self.send_frame(10, payload)

    def message(self, event):
        """The next V2 message of that event; heartbeats before it are answered."""
        while True:
            text = self.text()
            if text is None:
                raise AssertionError(f"closed before {event}")
            message = json.loads(text)
            if message[3] == event:
                return message
            if message[3] == "heartbeat":
                self.reply(message)

    def reply(self, message, status="ok", response=None):
        join_ref, ref, topic = message[:3]
        self.send(json.dumps([join_ref, ref, topic, "phx_reply", {"response": response or {}, "status": status}]))

    def metadata(self, controller=3):
        self.send('{"event":"metadata","join_ref":null,"payload":{"controller_id":%d,"location_id":2,"user_id":1},'
                  '"ref":null,"topic":"microcontroller:%d"}' % (controller, controller))

    def join(self, controller=3):
        """Metadata, then the join that follows it; returns the join."""
        self.metadata(controller)
        join = self.message("phx_join")
        self.reply(join)
        return join

    def cut(self):
        self.socket.close()


class RawServer:
    """Accepts one connection after another; what is said on them is the test's."""

    def __init__(self, test):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(SOON)
        self.port = self.listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/microcontrollers/websocket"
        self.peers = []
        test.addCleanup(self.close)

    def accept(self):
        connection, _ = self.listener.accept()
        peer = Peer(connection)
        self.peers.append(peer)
        return peer

    def close(self):
        for peer in self.peers:
            peer.cut()
        self.listener.close()
