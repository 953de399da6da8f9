"""Sessions and the reliable window, host and device, written from mcu-protocol/PROTOCOL.md alone. Meant to
be read beside it, not to be fast. Each end has a descriptor; run(until) moves bytes and time."""

import os
import random
import select
import time
import zlib

import mcu_wire as wire

WINDOW, MESSAGE_COST, BEHIND = 64, 4, 192
ORDER = {"describe": 0, "result": 0, "control_state": 0, "command": 0, "reset": 0, "identify": 0, "set_id": 0,
         "readings": 1, "log": 2, "console": 2, "console_size": 2}
HELD_BACK = 8  # numbers kept for results, as section 4 says


class Sent:
    """One reliable message from its being given until it is safe."""

    def __init__(self, ident, body):
        self.ident, self.body = ident, body
        self.number = self.order = self.left = None
        self.times, self.received, self.lost = 0, False, False

    def cost(self):
        return len(self.body) + MESSAGE_COST


class Sender:
    """Selective repeat, the sending half (section 4)."""

    def __init__(self, next_number=0):
        self.waiting = {0: [], 1: [], 2: []}
        self.window = {}  # number: Sent, in the order of numbers
        self.next, self.safe, self.order, self.credit = next_number, next_number, 0, 0
        self.smooth = self.deviation = self.shortest = None
        self.doubled, self.again, self.asked = 0, 0, 0.0

    def give(self, name, body):
        self.waiting[ORDER[name]].append(Sent(wire.BY_NAME[name].ident, body))

    def in_flight(self):
        return [m for m in self.window.values() if not m.received and m.times]

    def timeout(self):
        base = 0.1 + 0.005 if self.smooth is None else self.smooth + 4 * self.deviation + 0.001
        return min(base * 2 ** self.doubled, max(0.25, self.smooth or 0))

    def first_waiting(self):
        level = next((level for level, queue in self.waiting.items() if queue), None)
        if level is None:
            return None
        message, used = self.waiting[level][0], sum(m.cost() for m in self.window.values())
        if len(self.window) >= WINDOW - (HELD_BACK if level else 0):
            return None
        if used + message.cost() > self.credit and self.window:
            return None
        del self.waiting[level][0]
        message.number, self.next = self.next, self.next + 1
        self.window[message.number] = message
        return message

    def pull(self, now):
        """The next message to send, or None."""
        if not self.credit:
            return None
        message = next((m for m in self.window.values() if m.lost), None) or self.first_waiting() or self.late(now)
        if message:
            self.again += message.times > 0
            message.lost, message.left, message.order = False, now, self.order
            message.times, self.order = message.times + 1, self.order + 1
        return message

    def late(self, now):
        flying = self.in_flight()
        oldest = min(flying, key=lambda m: m.order, default=None)
        if oldest is None or now < oldest.left + self.timeout():
            return None
        self.doubled = min(self.doubled + 1, 2)
        return oldest

    def wants_answer(self, now):
        """Whether to send an ACK with MP_ACK_ASK."""
        idle = not self.in_flight() and (self.window or any(self.waiting.values()))
        if not idle or self.pullable():
            self.asked = now
        return idle and now >= self.asked + 0.5

    def pullable(self):
        return self.credit and any(m.lost for m in self.window.values())

    def on_ack(self, number, ack, now):
        """Takes in a report; returns the messages that became safe."""
        upto = self.safe + (number - self.safe & 0xFF)
        if upto > self.next:
            return []
        safe = upto - (number - ack["safe"] & 0xFF)
        bits = int.from_bytes(ack["bitmap"], "little")
        reported = [m for n, m in self.window.items() if n < upto or n > upto and bits >> (n - upto - 1) & 1]
        self.credit = ack["credit"]
        self.take_reported([m for m in reported if not m.received], now)
        if ack["flags"] & wire.ACK_BAD_FRAME and not any(m.lost for m in self.window.values()):
            self.repeat_oldest(now)
        done = [self.window.pop(n) for n in list(self.window) if n < safe]
        self.safe = max(self.safe, safe)
        return done

    def take_reported(self, fresh, now):
        newest = -1
        for m in fresh:
            m.received, m.lost = True, False
            if m.times == 1:
                self.measure(now - m.left)
            if m.times == 1 or now - m.left >= (self.shortest or 0) / 2:
                newest = max(newest, m.order)
        for m in self.in_flight():
            m.lost = m.lost or m.order < newest
        if fresh:
            self.doubled = 0

    def repeat_oldest(self, now):
        oldest = min(self.in_flight(), key=lambda m: m.order, default=None)
        if oldest and now - oldest.left >= (self.shortest or 0) / 2:
            oldest.lost = True

    def measure(self, took):
        self.shortest = took if self.shortest is None else min(self.shortest, took)
        if self.smooth is None:
            self.smooth, self.deviation = took, took / 2
        else:
            self.deviation += (abs(took - self.smooth) - self.deviation) / 4
            self.smooth += (took - self.smooth) / 8


class Receiver:
    """The receiving half: in order, each once."""

    def __init__(self, expected=0):
        self.expected, self.early = expected, {}

    def take(self, low, message):
        """What can be delivered now: (number, message) each."""
        ahead = low - self.expected & 0xFF
        if ahead >= WINDOW:
            return
        self.early.setdefault(self.expected + ahead, message)
        while self.expected in self.early:
            self.expected += 1
            yield self.expected - 1, self.early.pop(self.expected - 1)

    def bitmap(self):
        bits = sum(1 << (number - self.expected - 1) for number in self.early)
        return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


class End:
    """What both roles share: the descriptor, the loop, acks, best effort."""

    def __init__(self, fd, seed):
        self.fd, self.random, self.decoder = fd, random.Random(seed), wire.Decoder()
        self.tag = 0  # of the session; 0: none
        self.sender, self.receiver = Sender(), Receiver()
        self.owes_ack = self.bad_frame = False
        self.my_credit, self.bad_frames, self.received_messages = 4096, 0, []
        self.effort, self.effort_seen, self.gaps = 0, None, 0

    def write(self, ident, tag, number, body):
        data = wire.encode_frame(ident, tag, number, body)
        while data:
            select.select([], [self.fd], [])
            data = data[os.write(self.fd, data):]

    def say(self, name, tag=None, number=0, **values):
        self.write(wire.BY_NAME[name].ident, self.tag if tag is None else tag, number, wire.encode(name, **values))

    def give(self, name, **values):
        self.sender.give(name, wire.encode(name, **values))

    def run(self, until, patience=60):
        """Until that holds; an AssertionError after `patience` seconds."""
        end = time.monotonic() + patience
        while not until():
            assert time.monotonic() < end, "never"
            self.step(0.002)

    def step(self, wait):
        if select.select([self.fd], [], [], wait)[0]:
            data = os.read(self.fd, 4096)
            if not data:
                raise EOFError
            for frame in self.decoder.feed(data):
                self.on_frame(frame)
        now = time.monotonic()
        self.poll(now)
        if self.tag:
            self.output(now)

    def output(self, now):
        ask = self.sender.wants_answer(now)
        if self.owes_ack or ask:
            flags = (wire.ACK_BAD_FRAME if self.bad_frame else 0) | (wire.ACK_ASK if ask else 0)
            self.owes_ack = self.bad_frame = False
            self.sender.asked = now
            self.say("ack", number=self.receiver.expected, safe=self.receiver.expected & 0xFF,
                     credit=self.my_credit, flags=flags, bitmap=self.receiver.bitmap())
        message = self.sender.pull(now)
        if message:
            self.write(message.ident | wire.RELIABLE, self.tag, message.number, message.body)

    def on_frame(self, frame):
        if frame is None:
            self.bad_frames += 1
            self.owes_ack = self.bad_frame = bool(self.tag)
            return
        ident, tag, number, body = frame
        kind = wire.MESSAGES.get(ident & 0x7F)
        try:
            values = wire.decode(kind.name, body) if kind else {}
        except wire.Bad:
            if not ident & wire.RELIABLE:
                return
            values = None  # its number has arrived all the same
        if not self.on_link_frame(kind.name if kind else None, tag, number, values) and tag and tag == self.tag:
            self.on_session_frame(ident, kind.name if kind else None, number, values)

    def on_session_frame(self, ident, name, number, values):
        if ident & wire.RELIABLE:
            self.owes_ack = True
            for sequence, (what, fields) in self.receiver.take(number, (name, values)):
                if fields is not None:
                    self.received_messages.append((sequence, what, fields))
                    self.on_message(what, fields, True)
        elif name == "ack":
            for message in self.sender.on_ack(number, values, time.monotonic()):
                self.on_safe(message)
            if values["flags"]:
                self.owes_ack = True
        elif name:
            if ident >= 0x20 and not self.newer(number):
                return
            self.on_message(name, values, False)

    def newer(self, number):
        """Best effort: drops what is older than the newest, counts gaps."""
        ahead = (number - (self.effort_seen if self.effort_seen is not None else -1)) & 0xFF
        if ahead == 0 or ahead > 127:
            return False
        self.effort_seen, self.gaps = number, self.gaps + ahead - 1
        return True

    def on_safe(self, message):
        pass


class Host(End):
    """Hello, description, time, commands."""

    def __init__(self, fd, seed=1):
        super().__init__(fd, seed)
        self.last_tag, self.known, self.description, self.sessions = 0, None, b"", []
        self.about = self.hello_ack = self.offset_us = self.bound_us = None
        self.readings, self.results, self.states, self.logs, self.printed = [], {}, [], [], b""
        self.request = 0
        self.asked_at, self.ref, self.described_at = {}, 0, 0.0
        self.next_time = 0.0
        self.ask_session(time.monotonic())

    def ask_session(self, now):
        self.tag, self.nonce = 0, 0
        while self.nonce & 0xFF in (0, self.last_tag):
            self.nonce = self.random.getrandbits(32)
        self.offer, self.hello_at, self.hello_wait = self.random.getrandbits(31) + 1, now, 0.02
        self.about, self.my_credit = None, 0

    def poll(self, now):
        if not self.tag:
            if now >= self.hello_at:
                self.say("hello", version=wire.VERSION, nonce=self.nonce, epoch_offer=self.offer,
                         max_body=wire.MAX_BODY, credit=0)
                self.hello_at, self.hello_wait = now + self.hello_wait, min(2 * self.hello_wait, 0.5)
            return
        if self.about is None and now >= self.described_at:
            self.describe(now)
        if now >= self.next_time:
            self.ask_time(now)

    def describe(self, now):
        self.give("describe", offset=len(self.description))
        self.described_at = now + 0.3

    def ask_time(self, now):
        self.ref = self.ref + 1 & 0xFF
        self.asked_at[self.ref] = now
        self.next_time = now + (0.02 if self.ref < 5 else 0.2)
        self.say("time_ask", ref=self.ref)

    def on_link_frame(self, name, tag, number, values):
        now = time.monotonic()
        if name == "hello_ack":
            self.on_hello_ack(tag, values, now)
        elif name == "no_session":
            if not self.tag:
                self.hello_at = now
            elif number in (0, self.tag):
                self.last_tag = self.tag
                self.ask_session(now)
        return name in ("hello_ack", "no_session", "hello")

    def on_hello_ack(self, tag, values, now):
        if values["nonce"] != self.nonce or values["version"] != wire.VERSION or not tag:
            return
        self.owes_ack = True
        if self.tag:
            return
        run = (values["device"], values["epoch"])
        self.fresh = run != self.known or not 0 <= self.receiver.expected - values["first"] <= WINDOW
        self.receiver = Receiver(values["first"] if self.fresh else self.receiver.expected)
        if self.fresh:
            self.offset_us = self.bound_us = None
        if not self.hello_ack or self.hello_ack["schema"] != values["schema"]:
            self.description = b""
        self.known, self.tag, self.hello_ack = run, tag, values
        self.sender, self.effort_seen, self.asked_at, self.ref = Sender(), None, {}, 0
        self.sender.credit, self.described_at, self.next_time = values["credit"], now, now
        self.sessions.append(values)
        self.try_description()

    def try_description(self):
        if self.hello_ack and self.description and zlib.crc32(self.description) == self.hello_ack["schema"]:
            self.about = wire.decode_description(self.description)
            self.types = [sensor["type"] for sensor in self.about["sensors"]]
            self.open_credit()

    def open_credit(self):
        if self.about and self.offset_us is not None and not self.my_credit:
            self.my_credit, self.owes_ack = 4096, True

    def on_message(self, name, values, reliable):
        if name == "description_chunk":
            if values["offset"] == len(self.description) and self.about is None:
                self.description += values["bytes"]
                if len(self.description) < values["total"]:
                    self.describe(time.monotonic())
                self.try_description()
        elif name == "time":
            self.on_time(values)
        elif name == "readings":
            self.readings += wire.decode_entries(self.types, values["base"], values["entries"])
        elif name == "result" and values["session"] == self.nonce:
            self.results.setdefault(values["request"], []).append(wire.STATUSES[values["status"]])
        elif name == "control_state":
            self.states.append((values["control"], wire.CAUSES[values["cause"]], values["value"]))
        elif name == "log":
            self.logs.append(values["text"])
        elif name == "console":
            self.printed += values["bytes"]

    def on_time(self, values):
        asked = self.asked_at.pop(values["ref"], None)
        if asked is None:
            return
        span = (time.monotonic() - asked) * 1e6 - values["turnaround_us"]
        if span >= 0 and (self.bound_us is None or span / 2 < self.bound_us):
            self.bound_us, self.offset_us = span / 2, asked * 1e6 + span / 2 - values["device_us"]
        self.open_credit()

    def deadline(self, ttl_s):
        device_us = time.monotonic() * 1e6 + ttl_s * 1e6 - self.offset_us - self.bound_us
        return int(device_us // self.hello_ack["tick_us"]) & 0xFFFFFFFF

    def command(self, control, raw, ttl_s=10.0, **wrong):
        """Sends it; returns its request. `wrong` overrides fields after the CRC was taken."""
        self.request = self.request + 1 & 0xFFFF
        fields = {"request": self.request, "control": control, "deadline": self.deadline(ttl_s),
                  "value": wire.bits_of(self.about["controls"][control]["type"], raw)
                  if control < len(self.about["controls"]) else raw}
        crc = wire.command_crc(self.nonce, **fields)
        self.give("command", **{**fields, "crc": crc, **wrong})
        return self.request


class Device(End):
    """A device with the description `about`; `state` is what its controls hold, by their number."""

    DEADMAN_S = 1.5

    def __init__(self, fd, about, identity, tick_us=1000, seed=2):
        super().__init__(fd, seed)
        self.about, self.identity, self.tick_us = about, identity, tick_us
        self.description, self.announced = wire.encode_description(about), None
        self.born, self.epoch, self.last_tag = time.monotonic(), 0, 0
        self.offered = None  # {"tag", "values": of the hello}
        self.repeat_at, self.repeat_wait, self.refused_at = 0.0, 0.02, -1.0
        self.state = [control["initial"] for control in about["controls"]]
        self.applied, self.last_request, self.heard, self.failed_safe = [], None, 0.0, True

    def us(self):
        return int((time.monotonic() - self.born) * 1e6)

    def ticks(self):
        return self.us() // self.tick_us & 0xFFFFFFFF

    def poll(self, now):
        if (self.offered or not self.tag) and now >= self.repeat_at:
            if self.offered:
                self.answer_hello()
            else:
                self.no_session(0)
            self.repeat_at, self.repeat_wait = now + self.repeat_wait, min(2 * self.repeat_wait, 1)
        if not self.failed_safe and now >= self.heard + self.DEADMAN_S:
            self.fail_safe()

    def fail_safe(self):
        self.failed_safe = True
        for number, control in enumerate(self.about["controls"]):
            self.state[number] = control["failsafe"]
            self.give("control_state", control=number, cause=1, value=wire.bits_of(control["type"], control["failsafe"]))

    def no_session(self, number):
        self.say("no_session", tag=0, number=number, version=wire.VERSION, epoch=self.epoch)

    def answer_hello(self):
        hello = self.offered["values"]
        self.say("hello_ack", tag=self.offered["tag"], version=wire.VERSION, nonce=hello["nonce"],
                 epoch=self.epoch or hello["epoch_offer"], first=self.sender.safe, reset=1, max_body=wire.MAX_BODY,
                 credit=self.my_credit, tick_us=self.tick_us, schema=self.announced or zlib.crc32(self.description),
                 device=self.identity, image=b"python")

    def on_link_frame(self, name, tag, number, values):
        now = time.monotonic()
        if name == "hello":
            self.on_hello(values, now)
            return True
        if name in ("hello_ack", "no_session"):
            return True
        if self.offered and tag == self.offered["tag"]:
            self.confirm()
        if tag and tag == self.tag:
            self.heard, self.failed_safe = now, False
        elif now >= self.refused_at + 0.05:
            self.refused_at = now
            self.no_session(tag)
        return False

    def on_hello(self, hello, now):
        if hello["version"] != wire.VERSION:
            self.offered = {"tag": 0, "values": hello}
            self.answer_hello()
            self.offered = None
            return
        if self.tag and hello["nonce"] == self.nonce:
            return
        if not self.offered or self.offered["values"]["nonce"] != hello["nonce"]:
            tag, taken = hello["nonce"] & 0xFF, {0, self.tag, self.last_tag, self.offered and self.offered["tag"]}
            while tag in taken:
                tag = tag + 1 & 0xFF
            self.offered = {"tag": tag, "values": hello}
        self.repeat_wait, self.repeat_at = 0.02, now

    def confirm(self):
        hello, self.last_tag = self.offered["values"], self.tag
        self.tag, self.nonce, self.offered = self.offered["tag"], hello["nonce"], None
        self.epoch = self.epoch or hello["epoch_offer"]
        self.receiver, self.last_request, self.effort = Receiver(), None, 0
        self.sender.credit = hello["credit"]
        for message in self.sender.window.values():
            message.lost, message.received = True, False

    def on_message(self, name, values, reliable):
        if name == "time_ask":
            self.say("time", ref=values["ref"], device_us=self.us(), turnaround_us=0)
        elif not reliable:
            return
        elif name == "describe":
            chunk = self.description[values["offset"]:values["offset"] + 100]
            self.say("description_chunk", offset=values["offset"], total=len(self.description), bytes=chunk)
        elif name == "command":
            self.give("result", request=values["request"], status=self.command(values), session=self.nonce)
        elif name == "console":
            self.give("console", bytes=values["bytes"].upper())
        elif name in ("reset", "identify", "set_id"):
            self.give("result", request=values["request"], status=5, session=self.nonce)

    def command(self, values):
        crc = wire.command_crc(self.nonce, *(values[f] for f in ("request", "control", "value", "deadline")))
        if crc != values["crc"]:
            return 4
        if self.last_request is not None and not 0 < (values["request"] - self.last_request & 0xFFFF) < 0x8000:
            return 7
        self.last_request = values["request"]
        if values["deadline"] - self.ticks() & 0x80000000:
            return 3
        if values["control"] >= len(self.state):
            return 1
        control = self.about["controls"][values["control"]]
        raw = wire.raw_of(control["type"], values["value"])
        if raw is None or not control["min"] <= raw <= control["max"]:
            return 2
        self.state[values["control"]] = raw
        return 0

    def read(self, readings):
        """readings: (slot, ticks, raw) each, sent reliably."""
        types = [sensor["type"] for sensor in self.about["sensors"]]
        self.give("readings", base=readings[0][1], entries=wire.encode_entries(types, readings))
