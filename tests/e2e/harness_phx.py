"""What the tests of libphx are made of: a scripted server that controls every byte, and the client, which
is phx_probe: it prints its events as JSON lines and takes orders on standard input.
"""

import base64
import hashlib
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import unittest

from talker import Talker

BIN = os.environ.get("MCU_BIN", "build/dev/bin")
PATIENCE = 60  # seconds until a test says that something does not happen
CAUSES = ["asked", "resolve", "connect", "tls", "refused", "limited", "server", "closed",
          "heartbeat", "protocol", "credential"]
OK = {"status": "ok", "response": {}}


class Probe(Talker):
    """phx_probe as a process; options as keywords, `_` for `-`."""

    order = Talker.tell

    def __init__(self, url, headers=(), env=None, **options):
        command = [os.path.join(BIN, "phx_probe"), "--url", url]
        for header in headers:
            command += ["--header", header]
        options.setdefault("backoff_min", 20)
        options.setdefault("backoff_max", 100)
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        super().__init__(command, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})

    def next(self, event):
        """The next event of this name; others before it are only remembered."""
        while (line := self.hear(event))["event"] != event:
            pass
        return line

    def down(self):
        line = self.next("disconnected")
        return CAUSES[line["cause"]], line

    def quit(self):
        """Ends it in order; what the sanitizers found fails the test."""
        try:
            self.order("quit")
        except (BrokenPipeError, ValueError):
            pass
        _, errors = "", self.process.stderr.read()
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self._close()
        self.catch_up()
        assert status == 0, f"exit status {status}: {errors}"
        assert {"event": "closed"} in self.seen, f"did not close: {self.seen[-5:]}"
        assert {"event": "loop_busy"} not in self.seen, "something was left on the loop"

    def _close(self):
        self.close_input()
        self.process.stdout.close()
        self.process.stderr.close()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.reader.join(PATIENCE)
            self._close()


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(PATIENCE)
        self.file = connection.makefile("rb")
        self.headers = {}
        self.target = ""

    def request(self):
        self.target = self.file.readline().decode().split(" ")[1]
        while True:
            line = self.file.readline().decode().rstrip("\r\n")
            if not line:
                return self
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value

    def raw(self, data):
        self.connection.sendall(data)
        return self

    def refuse(self, status, *headers):
        lines = [f"HTTP/1.1 {status} No", "content-length: 0", *headers, "", ""]
        return self.raw("\r\n".join(lines).encode())

    def upgrade(self):
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        return self.raw(("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n"
                         f"upgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n").encode())

    def frame(self, opcode, payload, final=True):
        head = bytes([(0x80 if final else 0) | opcode])
        if len(payload) < 126:
            head += bytes([len(payload)])
        elif len(payload) < 65536:
            head += struct.pack(">BH", 126, len(payload))
        else:
            head += struct.pack(">BQ", 127, len(payload))
        return self.raw(head + payload)

    def text(self, message):
        return self.frame(1, json.dumps(message).encode())

    def close_frame(self, code):
        return self.frame(8, struct.pack(">H", code))

    def receive(self):
        """(opcode, payload) of the next frame; (None, b"") at the end of the connection."""
        head = self.file.read(2)
        if len(head) < 2:
            return None, b""
        length = head[1] & 0x7F
        assert head[1] & 0x80, "a client's frames are masked"
        if length == 126:
            length = struct.unpack(">H", self.file.read(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.file.read(8))[0]
        mask = self.file.read(4)
        data = self.file.read(length)
        return head[0] & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(data))

    def message(self):
        opcode, payload = self.receive()
        assert opcode == 1, (opcode, payload)
        return json.loads(payload)

    def accept_join(self):
        join_ref, ref, topic, event, payload = self.message()
        assert event == "phx_join" and join_ref == ref and isinstance(ref, str)
        self.text([join_ref, ref, topic, "phx_reply", OK])
        return join_ref, topic, payload

    def end(self):
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.file.close()
        self.connection.close()


class Server:
    def __init__(self, context=None, address="127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.bind((address, 0))
        self.listener.listen(8)
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.context = context
        self.peers = []

    def url(self, host="127.0.0.1", path="/socket/websocket"):
        return f"{'wss' if self.context else 'ws'}://{host}:{self.port}{path}"

    def peer(self):
        connection, _ = self.listener.accept()
        if self.context:
            connection.settimeout(PATIENCE)
            connection = self.context.wrap_socket(connection, server_side=True)
        self.peers.append(Peer(connection))
        return self.peers[-1]

    def upgraded(self):
        return self.peer().request().upgrade()

    def close(self):
        for peer in self.peers:
            peer.end()
        self.listener.close()


class Case(unittest.TestCase):
    def serve(self, **options):
        server = Server(**options)
        self.addCleanup(server.close)
        return server

    def probe(self, url, **options):
        probe = Probe(url, **options)
        self.addCleanup(probe.kill)
        return probe

    def refusal(self, status, *headers, **options):
        """What the probe says of this answer to its upgrade."""
        server = self.serve()
        probe = self.probe(server.url(), **options)
        server.peer().request().refuse(status, *headers)
        cause, line = probe.down()
        probe.quit()
        return cause, line


class Joined(Case):
    def open(self, **options):
        server = self.serve()
        probe = self.probe(server.url(), topic="room:1", **options)
        peer = server.upgraded()
        probe.next("connected")
        join_ref, _, _ = peer.accept_join()
        probe.next("joined")
        return server, probe, peer, join_ref


def openssl(*arguments, folder):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class TlsCase(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="phx-client-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
                folder=cls.folder)
        for name, subject, days in [("good", "DNS:localhost", "2"), ("other", "DNS:elsewhere.test", "2"),
                                    ("expired", "DNS:localhost", "-1"), ("numeric", "IP:127.0.0.1,IP:::1", "2")]:
            cls.certificate(name, subject, days)

    @classmethod
    def certificate(cls, name, subject, days):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=test", "-keyout", f"{name}.key", "-out", f"{name}.csr", folder=cls.folder)
        with open(os.path.join(cls.folder, f"{name}.ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={subject}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-extfile", f"{name}.ext", "-days", days, "-out", f"{name}.pem",
                folder=cls.folder)

    def file(self, name):
        return os.path.join(self.folder, name)

    def serve_tls(self, certificate, address="127.0.0.1"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.load_cert_chain(self.file(certificate + ".pem"), self.file(certificate + ".key"))
        self.names = []
        context.sni_callback = lambda connection, name, context: self.names.append(name)
        try:
            return self.serve(context=context, address=address)
        except OSError:
            self.skipTest(f"no {address} here")


class PhxDevCase(Case):
    def setUp(self):
        self.server = subprocess.Popen([os.path.join(BIN, "phx-dev"), "--port", "0", "--lab"],
                                       stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        self.url = self.server.stdout.readline().split(" on ")[1].split()[0]
        self.drain = threading.Thread(target=self.server.stdout.read, daemon=True)
        self.drain.start()

    def stop(self):
        self.server.terminate()
        self.server.wait(PATIENCE)
        self.drain.join(PATIENCE)
        self.server.stdout.close()
