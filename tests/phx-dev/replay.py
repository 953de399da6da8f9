"""Replays the client side of a recording against a fresh phx-dev and compares what comes back.

Records are taken in their order. What the recorded client sent is sent, what it ordered by the
control surface is ordered; a recorded answer must be the next event of its connection. Recorded
pauses are shortened unless the scenario is about time.
"""
import errno
import hashlib
import json
import os
import queue
import ssl
import subprocess
import time
import zlib

import phxdev

TRANSCRIPTS = os.path.join(os.environ.get("MCU_SOURCE", "."), "tests/vectors/transcripts")
API_KEY = "API_TOKEN_MC_VZGkp2vvJJjHj3qZ=3:2:1"

# Where the recorded server raced with itself, every outcome seen in a recording is right: a joined
# socket was closed with 1000 in restart_reconnect and with 1012 in restart_graceful.
CLOSE_RACES = {("restart_reconnect", "A"): {1000, 1012}}

REAL_TIME = ("slow_reply", "idle_timeout", "join_twice_pending", "longpoll_expired")
LONGEST_PAUSE_S = 4.5  # a token of longpoll_expired is good for 4 s, and was left alone for 10
SHORT_PAUSE_S = 0.015
TOGETHER_MS = 0.5  # frames sent within this time went out in one write
# The recorded default of 60 s is not waited for.
DEFAULT_IDLE_MS = 2500
# Nor is a recorded long poll held for 10 s, or a dead session looked for during 2.
POLL_MS = 1000
FAULTS = {
    "PostgreSQL stopped": {"crash_upload": 1, "refuse": 500, "count": 1},
    "auth server stopped": {"refuse": 403, "count": 1},
}
BATCH_LINES = 150
MOST_LINES = 100
COMPARED_HEADERS = ("sec-websocket-protocol", "sec-websocket-extensions", "retry-after",
                    "content-type", "cache-control", "access-control-allow-origin",
                    "access-control-allow-headers", "access-control-allow-methods",
                    "access-control-max-age")


class Mismatch(AssertionError):
    pass


def same_json(a, b):
    """Equal in value and in type: 1 is not 1.0, and not true."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_json(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same_json(x, y) for x, y in zip(a, b))
    return a == b


def whole_text(record):
    """The bytes of a record, those that the recording cut short filled up again."""
    if "hex" in record and not record.get("truncated"):
        return bytes.fromhex(record["hex"])
    if not record.get("truncated"):
        return record["text"].encode()
    start = record.get("text") or bytes.fromhex(record["hex"]).decode(errors="ignore")
    for text in guesses(start, record["bytes"]):
        if hashlib.sha1(text).hexdigest() == record["sha1"]:
            return text
    raise Mismatch(f"the recording cut this short and it cannot be filled up: {start[:80]}")


def guesses(start, size):
    if "[[[" in start:
        depth = (size - len(start.rstrip("[")) - 2) // 2
        yield (start.rstrip("[") + "[" * depth + "]" * depth + "}}").encode()
    fill = start[-1]
    head = start.rstrip(fill)
    for tail in ('"}]', '"}}', '"},"ref":"70000","join_ref":"1"}', '"},"join_ref":"1"}',
                 '"},"ref":"1000000","join_ref":"1"}', '"},"ref":"2","join_ref":"1"}'):
        room = size - len(head.encode()) - len(tail)
        yield (head + fill * (room // len(fill.encode())) + tail).encode()


class Replay:
    def __init__(self, path):
        self.name = os.path.basename(path)[:-len(".jsonl")]
        self.like = "1.7-cowboy" if "microcontroller-server" in path else "1.8-bandit"
        with open(path, encoding="utf-8") as lines:
            self.records = [json.loads(line) for line in lines]
        self.connections = {}
        self.hosts = {}   # recorded host:port -> ours
        self.waiting = {}  # bytes of a connection that go out together
        self.prefix = {}   # frames recorded ahead of the upgrade they were sent with
        self.server = None
        self.plain = None
        self.directory = None

    # ---- the server

    def options(self):
        idle = ["--idle-ms", str(DEFAULT_IDLE_MS)] if self.name == "idle_timeout_default" else []
        return ["--lab", "--like", self.like, "--api-key", API_KEY, "--poll-ms", str(POLL_MS), *idle]

    def start(self, *more):
        self.stop()
        self.server = phxdev.Server(*self.options(), *more)

    def stop(self):
        for server in (self.server, self.plain):
            if server is not None:
                server.stop()
        self.server = self.plain = None

    def run(self, directory):
        self.directory = directory
        try:
            if self.name != "tls":
                self.start()
            for index, record in enumerate(self.records):
                try:
                    self.step(index, record)
                except queue.Empty:
                    raise Mismatch(f"{self.name}, record {index + 1}: nothing came") from None
                except Mismatch as error:
                    raise Mismatch(f"{self.name}, record {index + 1}: {error}") from None
        finally:
            for connection in self.connections.values():
                connection.destroy()
            self.stop()

    # ---- one record

    def step(self, index, record):
        if record["dir"] == "meta" or record.get("done"):
            return
        key = record.get("conn")
        if record["dir"] != "send":
            self.flush()
        self.order_ahead(index, record)
        self.pause(index, record)
        {"http": self.on_http, "send": self.on_send, "recv": self.on_recv, "close": self.on_close,
         "tcp": self.on_tcp, "note": self.on_note}[record["dir"]](index, record, key)

    def order_ahead(self, index, record):
        """An order is sometimes noted after the answer it caused: it is carried out first."""
        if record["dir"] not in ("recv", "http") and not self.is_server_close(record):
            return
        if record.get("what") == "request":
            return
        for later in self.records[index + 1:index + 4]:
            if later["t_ms"] - record["t_ms"] > 2:
                return
            if later["dir"] == "note" and later["text"].startswith("control surface"):
                self.on_note(index, later, None)
                later["done"] = True

    @staticmethod
    def is_server_close(record):
        return record["dir"] == "close" and record["from"] == "server"

    def pause(self, index, record):
        gap = (record["t_ms"] - self.records[index - 1]["t_ms"]) / 1000
        waits = record["dir"] == "send" or (record["dir"] == "close" and not
                                            self.is_server_close(record)) or record["dir"] == "note" or \
            (record.get("what") == "request" and self.name.startswith(REAL_TIME))
        if not waits or gap * 1000 < TOGETHER_MS:
            return
        self.flush()
        if self.name.startswith(REAL_TIME):
            time.sleep(min(gap, LONGEST_PAUSE_S))
        elif self.follows_a_send(index, record):
            self.connections[record.get("conn")].sync()
        else:
            time.sleep(min(gap, SHORT_PAUSE_S))

    def follows_a_send(self, index, record):
        """These two frames did not arrive together, and must not do so here on a busy machine."""
        before = self.records[index - 1]
        connection = self.connections.get(record.get("conn"))
        return record["dir"] == before["dir"] == "send" and connection is not None and \
            connection.upgraded and before.get("conn") == record.get("conn")

    def flush(self):
        for key, data in self.waiting.items():
            try:
                self.connections[key].send(data)
            except OSError:
                pass  # the server went first; what it said is compared all the same
        self.waiting = {}

    def connection(self, key):
        if key not in self.connections:
            raise Mismatch(f"no connection {key}")
        return self.connections[key]

    def expect(self, key, kind):
        event = self.connection(key).next()
        if event[0] != kind:
            raise Mismatch(f"[{key}] expected {kind}, got {str(event)[:300]}")
        return event

    # ---- HTTP

    def ours(self, text):
        for recorded, our in self.hosts.items():
            text = text.replace(recorded, our)
        return text

    def on_http(self, index, record, key):
        if record["what"] == "request":
            self.open(index, record, key)
            return
        if record.get("status") is None:
            self.expect_end(key)  # the server was killed under a long poll
            return
        _, status, headers, body = self.expect(key, "response")
        if status != record["status"]:
            raise Mismatch(f"[{key}] expected HTTP {record['status']}, got {status} {body}")
        lines = record["text"].split("\r\n")[1:]
        recorded = {k.lower(): v.strip() for k, _, v in (l.partition(":") for l in lines)}
        for name in COMPARED_HEADERS + (("sec-websocket-accept",) if status == 101 else ()):
            if recorded.get(name) != headers.get(name):
                raise Mismatch(f"[{key}] header {name}: {recorded.get(name)}, {headers.get(name)}")
        if record.get("body", "").startswith('{"messages":'):
            self.compare_poll(record["body"], json.loads(body))
        elif record.get("body", "") != body:
            raise Mismatch(f"[{key}] expected the body {record['body']!r}, got {body!r}")

    def compare_poll(self, text, got):
        """Tokens differ, and stand for each other from here on; messages are JSON within JSON."""
        if text.endswith(" bytes)"):
            wanted = text[:text.rindex("...(")]
            if not json.dumps(got, separators=(",", ":")).startswith(wanted):
                raise Mismatch(f"expected a poll that starts with {wanted[:200]}, got {got}")
            if len(got["messages"]) != MOST_LINES:
                raise Mismatch(f"expected {MOST_LINES} messages, got {len(got['messages'])}")
            return
        wanted = json.loads(text)
        self.hosts[wanted.pop("token")] = got.pop("token")
        messages = [json.loads(self.ours(m)) for m in wanted.pop("messages")]
        if not same_json(messages, [json.loads(m) for m in got.pop("messages")]) or wanted != got:
            raise Mismatch(f"expected the poll {text}, got {got}")

    def open(self, index, record, key):
        text = record["text"]
        for line in text.split("\r\n"):
            if line.startswith("Host: ") and ":" in line[6:]:
                host = line[6:]
                self.hosts[host] = host.rsplit(":", 1)[0] + f":{self.server.port}"
        if key in self.connections:
            self.connections.pop(key).destroy()
        self.connections[key] = self.dial(key)
        data = self.ours(text).encode() + self.request_body(record).encode()
        try:
            self.connections[key].send(data + self.prefix.pop(key, b""))
        except OSError:
            pass
        if self.records[index + 1]["dir"] == "send":
            # The recorded frames came in a segment of their own.
            phxdev.eventually(lambda: self.connections[key].upgraded, f"[{key}] is upgraded")

    @staticmethod
    def request_body(record):
        """The only long one that the recording left out is a batch of heartbeats."""
        if "body_bytes" not in record:
            return record.get("body", "")
        lines = (f'[null,"h{i}","phoenix","heartbeat",{{}}]' for i in range(BATCH_LINES))
        body = "\n".join(lines)
        if len(body) != record["body_bytes"]:
            raise Mismatch(f"expected a body of {record['body_bytes']} bytes, made {len(body)}")
        return body

    # ---- TLS

    def dial(self, key):
        if self.name != "tls":
            return phxdev.Connection(self.server.port)
        if key == "plain ws to the TLS port":
            return phxdev.Connection(self.server.port)
        return phxdev.Connection(self.server.port, self.tls_context(key))

    def pem(self, name):
        return os.path.join(self.directory, name)

    def tls_context(self, key):
        context = ssl.create_default_context(
            cafile=self.pem("foreign.pem" if key == "wrong CA" else "server.pem"))
        if key == "TLS 1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if key == "ALPN h2 offered":
            context.set_alpn_protocols(["h2", "http/1.1"])
        elif key != "no ALPN":
            context.set_alpn_protocols(["http/1.1"])
        if key in ("client cert", "foreign client cert"):
            name = "client" if key == "client cert" else "foreign"
            context.load_cert_chain(self.pem(name + ".pem"), self.pem(name + ".key"))
        return context

    def make_certificate(self, name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=" + name,
                        "-keyout", self.pem(name + ".key"), "-out", self.pem(name + ".pem")],
                       check=True, capture_output=True)

    def start_tls(self, mutual):
        for connection in self.connections.values():
            connection.destroy()
        self.connections = {}
        for name in ("client", "foreign"):
            self.make_certificate(name)
        self.start("--tls", "--cert-out", self.pem("server.pem"),
                   *(["--client-ca", self.pem("client.pem")] if mutual else []))
        self.plain = phxdev.Server(*self.options())

    # ---- frames

    def on_send(self, index, record, key):
        opcode = record["opcode"]
        if isinstance(opcode, str):
            opcode = phxdev.OPCODES[opcode]
        if key == "opcode 3":
            opcode = 3
        data = whole_text(record)
        connection = self.connections.get(key)
        if connection is None or self.upgrade_follows(index, key):
            self.prefix[key] = self.prefix.get(key, b"") + phxdev.frame(opcode, data)
            return
        if record.get("rsv") == 64 and len(data) > 1:
            data = self.compress(data)
        made = phxdev.frame(opcode, data, record.get("fin", True), record.get("rsv", 0),
                            not record.get("unmasked"))
        if key == "byte by byte":
            for i in range(len(made)):
                connection.send(made[i:i + 1])
            return
        self.waiting[key] = self.waiting.get(key, b"") + made

    def upgrade_follows(self, index, key):
        """These frames were recorded just ahead of the request they went out with."""
        for record in self.records[index + 1:index + 4]:
            if record.get("conn") == key and record["dir"] == "http":
                return record["what"] == "request" and \
                    record["t_ms"] - self.records[index]["t_ms"] < 5
        return False

    @staticmethod
    def compress(data):
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
        return packed[:-4]

    def on_recv(self, index, record, key):
        event = self.expect(key, "frame")
        if phxdev.NAMES[event[1]] != record["opcode"]:
            raise Mismatch(f"[{key}] expected {record['opcode']}, got opcode {event[1]}")
        if record.get("rsv1", False) != event[3]:
            raise Mismatch(f"[{key}] compressed: {event[3]}")
        if record.get("truncated"):
            if (len(event[2]), hashlib.sha1(event[2]).hexdigest()) != (record["bytes"], record["sha1"]):
                raise Mismatch(f"[{key}] expected {record['bytes']} bytes, got {len(event[2])}")
            return
        if record["opcode"] == "binary":
            if event[2].hex() != record["hex"]:
                raise Mismatch(f"[{key}] expected {record['hex']}, got {event[2].hex()}")
            return
        expected, got = self.ours(record["text"]), event[2].decode()
        if record["opcode"] == "text" and not same_json(json.loads(expected), json.loads(got)):
            raise Mismatch(f"[{key}] expected\n  {expected}\ngot\n  {got}")
        if record["opcode"] != "text" and expected != got:
            raise Mismatch(f"[{key}] expected {expected!r}, got {got!r}")

    def on_close(self, index, record, key):
        if record["from"] == "client":
            if key == "one byte close body":
                self.connection(key).send(phxdev.frame(8, b"\x03"))
            else:
                self.connection(key).send_close(record["code"], record["reason"])
            return
        _, code, reason = self.expect(key, "close")
        allowed = CLOSE_RACES.get((self.name, key), {record["code"]})
        if code not in allowed or reason != record["reason"]:
            raise Mismatch(f"[{key}] expected a close with {record['code']}, got {code} {reason!r}")

    # ---- ends of connections

    def on_tcp(self, index, record, key):
        if record["event"] == "destroy-by-client":
            self.connection(key).destroy()
        elif record["event"] == "fin-from-server":
            self.on_fin(index, key)
        else:
            self.on_tcp_error(record, key)

    def on_fin(self, index, key):
        later = self.records[index + 1] if index + 1 < len(self.records) else {}
        if later.get("what") == "response" and later.get("conn") == key:
            self.on_http(index + 1, later, key)  # recorded behind the FIN it came before
            later["done"] = True
        if key == "tcp FIN only":
            self.connection(key).finish()
        if self.name == "tls":
            self.expect_end(key)
        else:
            self.expect(key, "fin")

    def expect_end(self, key):
        """Over TLS, an alert may stand where the FIN does."""
        event = self.connection(key).next()
        if event[0] not in ("fin", "error"):
            raise Mismatch(f"[{key}] expected the end, got {str(event)[:300]}")

    def on_tcp_error(self, record, key):
        text = record["text"]
        if text == "ECONNREFUSED":
            self.expect_refused()
        elif text == "EPIPE":
            self.expect_cut_off(key)
        elif key in self.connections:
            self.expect_alert(key, text)
        else:
            self.expect_handshake_failure(key, text)

    def expect_refused(self):
        try:
            phxdev.Connection(self.server.port).destroy()
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                return
            raise Mismatch(f"expected ECONNREFUSED, got {error}") from None
        raise Mismatch("expected ECONNREFUSED, but was connected")

    def expect_cut_off(self, key):
        """The frame was too large: 1009, unless the reset overtakes it."""
        event = self.connection(key).next()
        if event[0] == "close" and event[1] == 1009 or event[0] == "error":
            return
        raise Mismatch(f"[{key}] expected the connection to be cut off, got {str(event)[:300]}")

    def expect_alert(self, key, text):
        event = self.connection(key).next()
        wanted = "CERTIFICATE_REQUIRED" if "CERTIFICATE_REQUIRED" in text else ""
        if event[0] != "error" or wanted not in event[1].upper():
            raise Mismatch(f"[{key}] expected {text}, got {str(event)[:300]}")
        self.connection(key).events.put(("fin",))  # the recorded end follows the alert

    def expect_handshake_failure(self, key, text):
        port = self.plain.port if key == "TLS to the plain port" else self.server.port
        try:
            connection = phxdev.Connection(port, self.tls_context(key))
        except OSError:
            return
        connection.destroy()
        raise Mismatch(f"[{key}] expected {text}, but the handshake succeeded")

    # ---- notes: what was done beside the connections

    def on_note(self, index, record, key):
        text = record["text"].strip()
        if text.startswith("control surface: "):
            self.order(text[len("control surface: "):])
        elif text.startswith("GET /readings"):
            self.compare_readings(json.loads(text.split("-> ", 1)[1]))
        elif text in FAULTS:
            self.server.post("/fault", FAULTS[text])
        elif text == "SIGTERM":
            self.server.terminate()
        elif text == "SIGKILL":
            self.server.process.kill()
        elif text == "process gone":
            self.expect_gone()
        elif text.startswith("MTLS="):
            self.start_tls(text == "MTLS=1")
        elif text == "sent 3 bytes of a frame header":
            self.connection(key).send(phxdev.frame(1, b"x" * 300)[:3])

    def order(self, text):
        request, status = text.rsplit(" -> ", 1)
        method, path, body = request.split(" ", 2)
        got, answer = self.server.request(method, path, body)
        if got != int(status):
            raise Mismatch(f"{request}: expected {status}, got {got} {answer}")

    def compare_readings(self, recorded):
        def bare(answer):
            return [{k: r[k] for k in ("controller_id", "sensor", "type", "value")}
                    for r in answer["readings"]]
        got = self.server.get("/readings")
        if got["count"] != recorded["count"] or not same_json(bare(got), bare(recorded)):
            raise Mismatch(f"expected the readings {recorded}, got {got}")

    def expect_gone(self):
        status, output = self.server.wait()
        killed = self.name == "restart_kill"
        if not killed and status != 0:
            raise Mismatch(f"exit status {status}: {output}")
