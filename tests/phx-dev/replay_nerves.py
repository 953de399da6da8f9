"""Replays what devices sent to two recorded NervesHub servers, and what was done on the server's side,
against phx-dev, and compares answers and, where the recording has it, the update in flight.

The recorded secrets are not known: a recorded token that the server took is made afresh with a secret
of ours, as old as it was. Firmware and times are ours.
"""
import base64
import email.utils
import json
import os
import re
import time

import nerves_client
import replay
from replay import Mismatch

SOURCE = os.environ.get("MCU_SOURCE", ".")
OLD = os.path.join(SOURCE, "tests/vectors/fw/lab-1.0.0-signed.fw")
NEW = os.path.join(SOURCE, "tests/vectors/fw/lab-1.1.0-signed.fw")
KEY_FILE = os.path.join(SOURCE, "tests/vectors/fw/labkey.pub")
DEVICE_KEY_OF = "nhd-mcu-0001"  # whose the recorded device keys are
LONG_PAUSE_MS = 1500
SET_BACK_MS = 31 * 60 * 1000
# What comes behind these words needs a server that is asked to change its data.
UNTIL = {"phantom": "--- a phantom"}
# Signed wrongly when they were recorded.
BAD_SIGNATURES = ("flip", "other secret")
CONSOLE_SIDE = re.compile(r'broadcast!\("device:(console|extensions):\d+", "([^"]+)", %\{(.*)\}\)')
# What a person did beside the connections, as a word of phx-dev's control surface.
PUSHED = {"DeviceEvents.reboot(": "reboot", "DeviceEvents.identify(": "identify"}


class NervesReplay(replay.Replay):
    def __init__(self, path):
        super().__init__(path)
        self.release = "main" if "nerveshub-main" in path else "2.4.0"
        self.identifiers = {}  # of a connection
        self.ordered = False  # the next update was ordered by a note
        self.ahead_ms = 0     # of the server's clock: recorded pauses are not waited for
        self.states = 0
        self.records = [r for r in self.records if not self.is_left_out(r)]
        until = UNTIL.get(self.name)
        texts = [r.get("text", "") for r in self.records]
        if until is not None:
            self.records = self.records[:next(i for i, t in enumerate(texts) if t.startswith(until))]

    def options(self):
        keys = [f"{key}={nerves_client.SECRET}" + (":" + DEVICE_KEY_OF if key.startswith("nhd_") else "")
                for key in sorted(self.known_keys())]
        return ["--nerves", self.release, "--nerves-fw-key", KEY_FILE,
                *(o for key in keys for o in ("--nerves-key", key))]

    def start(self, *more):
        super().start(*more)
        # The recorded server knew these two.
        for path in (OLD, NEW):
            self.server.post("/nerves/release", {"path": path})
        if not self.has_deployment():
            self.server.post("/nerves/release", {})
        if self.name == "connecting_code":
            self.server.post("/nerves/settings", {"connecting_code": "IO.puts(1)"})

    def is_left_out(self, record):
        """Two orders were recorded with a part of the server missing."""
        return record["dir"] == "serverlog" or \
            self.name == "status_kinds" and "delay_for" in str(record.get("conn", "")) + record.get("text", "")

    def has_deployment(self):
        return any('"update_available":true' in r.get("text", "") and '"deployment_id":null' not in r["text"]
                   for r in self.records)

    def pause(self, index, record):
        super().pause(index, record)
        gap = record["t_ms"] - self.records[index - 1]["t_ms"]
        if gap > LONG_PAUSE_MS:
            self.flush()
            self.ahead_ms += round(gap)
            self.server.post("/nerves/clock", {"ahead_ms": self.ahead_ms})

    def known_keys(self):
        texts = (r["text"] for r in self.records if r["dir"] == "http" and r["what"] == "request")
        found = (re.search(r"x-nh-key: (nh[pd]_[^\r]*)", text, re.I) for text in texts)
        return {m.group(1) for m in found if m and "unknown" not in m.group(1)}

    # ---- connecting

    def open(self, index, record, key):
        if "x-nh-signature:" in record["text"].lower():
            record = {**record, "text": self.sign(index, record, key)}
        if self.has_deployment():
            self.server.post("/nerves/release", {} if self.is_manual(index, key) else {"path": NEW})
        super().open(index, record, key)

    def is_manual(self, index, key):
        """Is the next update that comes on this connection pushed by a person?"""
        for record in self.records[index + 1:]:
            if record["dir"] == "recv" and record.get("conn") == key and \
                    '"update_available"' in record.get("text", ""):
                return '"deployment_id":null' in record["text"]
            if record["dir"] == "http" and record["what"] == "request":
                break
        return False

    def answer_time(self, index, key):
        for record in self.records[index:]:
            if record["dir"] == "http" and record["what"] == "response" and record.get("conn") == key:
                date = re.search(r"date: ([^\r]*)", record["text"])
                return email.utils.parsedate_to_datetime(date.group(1)).timestamp() if date else None
        return None

    def sign(self, index, record, key):
        """Answers are to a client as far off as the recorded one was, give or take the second."""
        text = record["text"]
        fields = {k.lower(): v for k, _, v in (l.partition(": ") for l in text.split("\r\n"))}
        signature, alg = fields["x-nh-signature"], fields.get("x-nh-alg", nerves_client.ALG)
        parts = signature.split(".")
        if len(parts) != 3:
            return text
        term = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        length = int.from_bytes(term[4:8], "big")
        name = term[8:8 + length]
        signed = int.from_bytes(term[8 + length + 3:8 + length + 9], "little") // 1000
        answered = self.answer_time(index, key)
        ahead = signed - answered if answered is not None else 0
        if self.release == "main" and self.accepted(index, key):
            ahead = min(ahead, 0)  # Date was cut to the second
        now = int(time.time() + self.ahead_ms / 1000) + (1 if ahead > 0 else 0)
        header = fields.get("x-nh-time", str(signed))
        moved = str(int(header) - signed + now + int(ahead)) if header.isdigit() else header
        made_alg = alg if re.fullmatch(r"NH1-HMAC-(?i:sha256|sha512)-\d+-\d+", alg) else nerves_client.ALG
        secret = "wrong" if key in BAD_SIGNATURES else nerves_client.SECRET
        made = nerves_client.token(name, now + int(ahead), moved,
                                   key=fields.get("x-nh-key", nerves_client.PRODUCT_KEY),
                                   secret=secret, alg=made_alg)
        self.identifiers[key] = name.decode()
        return text.replace(signature, made).replace(f"-time: {header}", f"-time: {moved}") \
            .replace(f"-TIME: {header}", f"-TIME: {moved}")

    def accepted(self, index, key):
        for record in self.records[index:]:
            if record["dir"] == "http" and record["what"] == "response" and record.get("conn") == key:
                return record["status"] == 101
        return False

    def on_http(self, index, record, key):
        if record["what"] == "response" and record["status"] == 500:
            event = self.expect(key, "response")  # what crashed had no time for headers
            if event[1] != 500:
                raise Mismatch(f"[{key}] expected HTTP 500, got {event[1]}")
            return
        super().on_http(index, record, key)

    # ---- frames

    def on_recv(self, index, record, key):
        if '"update","{' in record.get("text", "") or '"device","update",' in record.get("text", ""):
            self.compare_update(json.loads(record["text"]), key)
            return
        if '"device","scripts/run"' in record.get("text", "") and "connecting_code" not in record["text"]:
            message = json.loads(record["text"])
            self.push(self.identifiers[key], "device", "scripts/run", message[4])
        super().on_recv(index, record, key)

    def compare_update(self, wanted, key):
        if wanted[4]["deployment_id"] is None and not self.ordered:
            self.connections[key].sync()
            self.server.post("/nerves/update", {"device": self.identifiers[key], "path": NEW})
        self.ordered = False
        got = json.loads(self.expect(key, "frame")[2])
        if got[:4] != wanted[:4] or got[4].keys() != wanted[4].keys():
            raise Mismatch(f"[{key}] expected\n  {wanted}\ngot\n  {got}")
        path = wanted[4].pop("firmware_url").split("/", 3)[3]
        if got[4].pop("firmware_url").split("/", 3)[3] != path:
            raise Mismatch(f"[{key}] expected a URL that ends with {path}")
        for payload in (wanted[4], got[4]):
            payload["deployment_id"] = payload["deployment_id"] is not None
        if not replay.same_json(wanted[4], got[4]):
            raise Mismatch(f"[{key}] expected\n  {wanted[4]}\ngot\n  {got[4]}")

    # ---- what was done and seen on the server's side

    def order_ahead(self, index, record):
        """An order is noted after the push that it caused, or just before it."""
        if record["dir"] != "recv":
            return
        for later in self.records[index + 1:index + 3]:
            if later["t_ms"] - record["t_ms"] <= 2 and later["dir"] == "note" and \
                    later["text"].startswith("server side: "):
                self.on_note(index, later, None)
                later["done"] = True

    def on_note(self, index, record, key):
        text = record["text"]
        if text.startswith("server side: "):
            self.order(text, index)
        elif isinstance(record.get("state"), dict) and "inflight" in record["state"] and \
                "after the rejoin" not in text:  # ours pushes again at once
            self.compare_row(index, record["state"]["inflight"])

    def order(self, text, index):
        device = self.identifiers[self.last_connection(index)]
        found = CONSOLE_SIDE.search(text)
        if found:
            self.push(device, found.group(1), found.group(2), self.recorded_payload(index, found.group(2)))
            return
        for words, event in PUSHED.items():
            if words in text:
                self.push(device, "device", event, {})
        if "request_health_check" in text:
            self.push(device, "extensions", "health:check", {})
        elif "extension_setting" in text:
            event = "attach" if "enable_" in text else "detach"
            self.push(device, "extensions", event, {"extensions": ["geo"]})
        elif "manual_update" in text:
            status, _ = self.server.request("POST", "/nerves/update", {"device": device, "path": NEW})
            wanted = 200 if text.endswith("-> :ok") else 409
            self.ordered = True
            if status != wanted:
                raise Mismatch(f"expected the manual update to be answered {wanted}, got {status}")
        elif "Repo.update_all" in text and "InflightUpdate" in text:
            self.ahead_ms += SET_BACK_MS  # its dates were set back
            self.server.post("/nerves/clock", {"ahead_ms": self.ahead_ms})
        elif "System.stop" in text:
            self.server.terminate()
        elif "moved_product" in text:
            self.server.post("/nerves/kick", {"device": device})

    def push(self, device, topic, event, payload):
        self.server.post("/nerves/push", {"device": device, "topic": topic, "event": event,
                                          "payload": payload})

    def last_connection(self, index):
        for record in reversed(self.records[:index]):
            if record["dir"] == "http" and record.get("conn") in self.identifiers:
                return record.get("conn")
        raise Mismatch("no connection yet")

    def recorded_payload(self, index, event):
        """What the order put on the wire stands in the recording, next to it."""
        for record in self.records[max(0, index - 2):index + 4]:
            if record["dir"] == "recv" and record.get("opcode") == "text":
                message = json.loads(record["text"])
                if message[3] == event:
                    return message[4]
        return {}

    def compare_row(self, index, wanted):
        self.flush()
        key = self.last_connection(index)
        connection = self.connections.get(key)
        if connection is not None and connection.upgraded:
            try:
                connection.sync()
            except OSError:
                pass
        devices = self.server.get("/nerves/devices")["devices"]
        got = next(d for d in devices if d["identifier"] == self.identifiers[key])["inflight"]
        self.states += 1
        if (got is None) != (wanted is None):
            raise Mismatch(f"expected in flight {wanted}, got {got}")
        for field in ("status", "progress", "firmware_uuid"):
            if wanted is not None and wanted.get(field, got[field]) != got[field]:
                raise Mismatch(f"in flight: expected {field} {wanted[field]}, got {got[field]}")
