"""A phx-dev process and raw WebSocket connections to it, for the tests beside this file.

Only the standard library: the point of a raw client is that it shares no code with the server.
"""
import hashlib
import base64
import http.client
import json
import os
import queue
import select
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib

DEADLINE_S = 20  # generous: a test that waits this long has failed
BINARY = os.path.join(os.environ.get("MCU_BIN", "build/dev/bin"), "phx-dev")
OPCODES = {"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
NAMES = {code: name for name, code in OPCODES.items()}


class Server:
    """One phx-dev on a port of its own."""

    def __init__(self, *options, quiet=True):
        arguments = [BINARY, "--port", "0", *(["--quiet"] if quiet else []), *options]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.ready = self.process.stdout.readline().strip()
        if not self.ready.startswith("phx-dev listening on ws"):
            raise AssertionError(f"no ready line but: {self.ready} {self.process.stdout.read()}")
        self.tls = self.ready.split()[-1].startswith("wss")
        self.port = int(self.ready.rsplit(":", 1)[1])

    def request(self, method, path, body=None, headers=None):
        """Returns (status, decoded JSON or text)."""
        if self.tls:
            link = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE_S,
                                               context=ssl._create_unverified_context())
        else:
            link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        text = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
        if headers is None:
            headers = {"content-type": "application/json"} if method == "POST" else {}
        link.request(method, path, text, headers)
        response = link.getresponse()
        data = response.read().decode()
        link.close()
        is_json = "json" in (response.getheader("content-type") or "")
        return response.status, json.loads(data) if is_json else data

    def get(self, path):
        return self.request("GET", path)[1]

    def post(self, path, body):
        status, answer = self.request("POST", path, body)
        if status != 200:
            raise AssertionError(f"POST {path}: {status} {answer}")
        return answer

    def terminate(self):
        self.process.terminate()

    def wait(self):
        """The exit status and what it printed since the ready line."""
        output, _ = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, output

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def accept_key(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def frame(opcode, data, fin=True, rsv=0, masked=True):
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    mark = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([mark | len(data)])
    elif len(data) < 65536:
        head += bytes([mark | 126]) + struct.pack(">H", len(data))
    else:
        head += bytes([mark | 127]) + struct.pack(">Q", len(data))
    if not masked:
        return head + data
    key = b"\x21\x43\x65\x07"
    whole = int.from_bytes(data, "big") ^ int.from_bytes(
        (key * (len(data) // 4 + 1))[:len(data)], "big")
    return head + key + whole.to_bytes(len(data), "big")


class Connection:
    """A TCP or TLS connection whose incoming bytes become events, in order:

    ("response", status, headers, body), ("frame", opcode, bytes, rsv1), ("close", code, reason),
    ("fin",) and ("error", text).
    """

    def __init__(self, port, tls=None, server_name="localhost"):
        self.events = queue.Queue()
        self.pongs = queue.Queue()
        self.syncs = 0
        self.buffer = b""
        self.upgraded = False
        self.inflate = None
        self.link = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.link = tls.wrap_socket(self.link, server_hostname=server_name)
        self.tls = tls is not None
        self.lock = threading.Lock()  # an SSL object is not to be read and written at once
        self.link.setblocking(not self.tls)
        threading.Thread(target=self._read, daemon=True).start()

    # ---- out

    def send(self, data):
        with self.lock:
            self.link.sendall(data)

    def send_text(self, text):
        self.send(frame(1, text.encode()))

    def send_json(self, value):
        self.send_text(json.dumps(value))

    def send_close(self, code, reason=""):
        self.send(frame(8, (struct.pack(">H", code) if code is not None else b"") + reason.encode()))

    def sync(self):
        """Returns when the server has handled what was sent so far, or has ended the connection."""
        self.syncs += 1
        mark = b"sync %d" % self.syncs
        self.send(frame(9, mark))
        while self.pongs.get(timeout=DEADLINE_S) not in (mark, None):
            pass

    def finish(self):
        self.link.shutdown(socket.SHUT_WR)

    def destroy(self):
        try:
            self.link.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.link.close()

    # ---- in

    def next(self, deadline_s=DEADLINE_S):
        return self.events.get(timeout=deadline_s)

    def next_json(self):
        event = self.next()
        if event[0] != "frame":
            raise AssertionError(f"expected a frame, got {event}")
        return json.loads(event[2])

    def _read(self):
        try:
            while True:
                data = self._receive_tls() if self.tls else self.link.recv(1 << 16)
                if not data:
                    break
                self.buffer += data
                while self._take():
                    pass
            self.events.put(("fin",))
        except (OSError, ValueError) as error:
            self.events.put(("error", str(error)))
        finally:
            self.pongs.put(None)
            self.link.close()

    def _receive_tls(self):
        while True:
            with self.lock:
                try:
                    return self.link.recv(1 << 16)
                except ssl.SSLWantReadError:
                    pass
            select.select([self.link], [], [])

    def _take(self):
        return self._take_frame() if self.upgraded else self._take_response()

    def _take_response(self):
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return False
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {k.lower(): v.strip() for k, _, v in (l.partition(":") for l in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return False
        self.buffer = rest[length:]
        self.upgraded = status == 101
        if "permessage-deflate" in headers.get("sec-websocket-extensions", ""):
            self.inflate = zlib.decompressobj(-15)
            self.fresh = "server_no_context_takeover" in headers["sec-websocket-extensions"]
        self.events.put(("response", status, headers, rest[:length].decode()))
        return bool(self.buffer)

    def _take_frame(self):
        data = self.buffer
        if len(data) < 2:
            return False
        length, at = data[1] & 0x7F, 2
        if length >= 126:
            at = 4 if length == 126 else 10
            if len(data) < at:
                return False
            length = int.from_bytes(data[2:at], "big")
        if len(data) < at + length:
            return False
        body, self.buffer = data[at:at + length], data[at + length:]
        self._on_frame(data[0] & 0x0F, body, bool(data[0] & 0x40))
        return bool(self.buffer)

    def _on_frame(self, opcode, body, rsv1):
        if opcode == 8:
            code = int.from_bytes(body[:2], "big") if body else None
            self.events.put(("close", code, body[2:].decode()))
            return
        if opcode == 10 and body.startswith(b"sync "):
            self.pongs.put(body)
            return
        if rsv1:
            if self.fresh:
                self.inflate = zlib.decompressobj(-15)
            body = self.inflate.decompress(body + b"\0\0\xff\xff")
        self.events.put(("frame", opcode, body, rsv1))


def upgrade_request(port, path, headers=()):
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
             "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
             "Sec-WebSocket-Version: 13", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect(server, path, headers=(), status=101):
    """An upgraded connection, or one whose upgrade was answered with another status."""
    connection = Connection(server.port)
    connection.send(upgrade_request(server.port, path, headers))
    event = connection.next()
    if event[0] != "response" or event[1] != status:
        raise AssertionError(f"expected HTTP {status}, got {event}")
    connection.response = event
    return connection


def eventually(condition, what):
    """Waits until condition() is true."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"still not so after {DEADLINE_S} s: {what}")
        time.sleep(0.01)
