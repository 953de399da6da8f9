"""Frames, messages, values and the description, written from mcu-protocol/PROTOCOL.md alone: a second
implementation, to show that the text is enough. The tables of messages are read out of the text itself.
Sessions and the reliable window are mcu_link.py's."""

import math
import pathlib
import re
import struct
import zlib

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "mcu-protocol" / "PROTOCOL.md").read_text()
VERSION = int(re.search(r"The version described here is \*\*(\d+)\*\*", TEXT)[1])
RELIABLE, MAX_BODY, VEIL = 0x80, 240, 0x5A


class Bad(Exception):
    """Bytes that the protocol refuses."""


# -- Frames (section 1).

def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc ^ 0xFFFF


def veil(content):
    """And off again."""
    return bytes(byte ^ place ^ VEIL for place, byte in enumerate(content, 1))


def encode_frame(ident, tag, number, body=b""):
    """With both of its delimiters; `ident` includes the reliable bit."""
    content = bytes([ident, tag, number & 0xFF]) + body
    content = veil(content + struct.pack("<H", crc16(content)))
    return b"\0" + b"".join(bytes([len(piece) + 1]) + piece for piece in content.split(b"\0")) + b"\0"


def decode_content(stuffed):
    """What stood between two delimiters: (id, tag, number, body)."""
    pieces, at = [], 0
    while at < len(stuffed):
        code = stuffed[at]
        if code == 0xFF or at + code > len(stuffed):
            raise Bad("not COBS")
        pieces.append(stuffed[at + 1:at + code])
        at += code
    content = veil(b"\0".join(pieces))
    if not 5 <= len(content) <= MAX_BODY + 5:
        raise Bad("length")
    if crc16(content[:-2]) != int.from_bytes(content[-2:], "little"):
        raise Bad("CRC")
    return content[0], content[1], content[2], content[3:-2]


class Decoder:
    """Bytes in; out come frames, and None for each bad one."""

    def __init__(self):
        self.held = bytearray()

    def feed(self, data):
        for byte in data:
            if byte:
                self.held.append(byte)
                continue
            stuffed, self.held = bytes(self.held), bytearray()
            if stuffed:
                try:
                    yield decode_content(stuffed)
                except Bad:
                    yield None


# -- Messages (section 2), from its tables.

class Kind:
    def __init__(self, ident, name, fields):
        self.ident, self.name, self.fields = ident, name, fields


def rows(text):
    """The cells of the first table in it, without its head."""
    table = re.search(r"(?:^\|.*\n)+", text, re.M)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def read_messages():
    parts = re.split(r"^#### (0x[0-9a-f]+) `(\w+)`.*\n", TEXT, flags=re.M)[1:]
    for ident, name, text in zip(parts[0::3], parts[1::3], parts[2::3]):
        yield Kind(int(ident, 16), name, [(row[0].strip("`"), row[1]) for row in rows(text)])


def read_names(title):
    part = re.search(rf"^#### {title}\n(.*?)(?=^#|\Z)", TEXT, re.M | re.S)[1]
    return {int(row[0]): row[1] for row in rows(part)}


MESSAGES = {kind.ident: kind for kind in read_messages()}
BY_NAME = {kind.name: kind for kind in MESSAGES.values()}
KINDS, TYPES = read_names("Kinds of reading"), read_names("Types of value")
STATUSES, CAUSES = read_names("Statuses of a result"), read_names("Causes of a control's state")
INTEGERS = {"U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q"}
ACK_BAD_FRAME, ACK_ASK = (int(re.search(rf"MP_ACK_{name} (0x\d+)", TEXT)[1], 16) for name in ("BAD_FRAME", "ASK"))


class Cursor:
    """Reads forward; what is not there is Bad."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Bad("cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def string(self):
        return self.take(self.unpack("<B"))

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        if self.at != len(self.data):
            raise Bad("bytes behind the end")


def encode(name, **values):
    """A body."""
    out = b""
    for field, form in BY_NAME[name].fields:
        value = values.pop(field)
        if form in INTEGERS:
            out += struct.pack(INTEGERS[form], value)
        else:
            out += (bytes([len(value)]) if form == "STR" else b"") + value
    assert not values and len(out) <= MAX_BODY, (name, values)
    return out


def decode(name, body):
    cursor, values = Cursor(body), {}
    for field, form in BY_NAME[name].fields:
        if form in INTEGERS:
            values[field] = cursor.unpack(INTEGERS[form])
        else:
            values[field] = cursor.string() if form == "STR" else cursor.rest()
    cursor.end()
    return values


# -- Values (sections 5 to 7). A value of its own type as `raw`: bool and integers unscaled, or a float.

FORMS = {"bool": "<B", "i16": "<h", "i32": "<i", "f32": "<f"}


def take_value(cursor, type_name):
    raw = cursor.unpack(FORMS[type_name])
    if type_name == "bool" and raw > 1 or type_name == "f32" and not math.isfinite(raw):
        raise Bad("not a value of its type")
    return raw


def bits_of(type_name, raw):
    """The 32 bits in which COMMAND and CONTROL_STATE carry it."""
    return struct.unpack("<I", struct.pack("<f", raw))[0] if type_name == "f32" else int(raw) & 0xFFFFFFFF


def raw_of(type_name, bits):
    """None when the type has no such value."""
    if type_name == "f32":
        raw = struct.unpack("<f", struct.pack("<I", bits))[0]
        return raw if math.isfinite(raw) else None
    raw = bits - (1 << 32) if bits >> 31 else bits
    low, high = {"bool": (0, 1), "i16": (-0x8000, 0x7FFF), "i32": (-1 << 31, (1 << 31) - 1)}[type_name]
    return raw if low <= raw <= high else None


def take_varint(cursor):
    value = 0
    for shift in range(0, 35, 7):
        byte = cursor.unpack("<B")
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift or value > 0xFFFFFFFF:
                raise Bad("varint")
            return value
    raise Bad("varint")


def put_varint(value):
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def encode_entries(types, readings):
    """readings: (slot, ticks, raw); the first one's ticks are the message's base."""
    out = b""
    for i, (slot, ticks, raw) in enumerate(readings):
        since = put_varint((ticks - readings[i - 1][1]) & 0xFFFFFFFF) if i else b""
        out += bytes([slot]) + since + struct.pack(FORMS[types[slot]], raw)
    return out


def decode_entries(types, base, entries):
    """Yields (slot, ticks, raw); Bad at the first malformed one."""
    cursor, ticks, first = Cursor(entries), base, True
    while cursor.at < len(entries):
        slot = cursor.unpack("<B")
        if slot >= len(types):
            raise Bad("no such slot")
        ticks = ticks if first else (ticks + take_varint(cursor)) & 0xFFFFFFFF
        first = False
        yield slot, ticks, take_value(cursor, types[slot])


# -- Command and SET_ID (section 7).

def command_crc(nonce, request, control, value, deadline):
    return zlib.crc32(struct.pack("<IBHBII", nonce, 0x30, request, control, value, deadline))


def set_id_crc(nonce, device):
    return zlib.crc32(struct.pack("<IB", nonce, 0x33) + device)


# -- Description (section 5).

def text_of(data, may_be_empty=False):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Bad("not UTF-8") from error
    if not text and not may_be_empty or re.search(r"[\x00-\x1f\x7f-\x9f]", text):
        raise Bad("a name")
    return text


def take_type(cursor):
    number, exponent = cursor.unpack("<B"), cursor.unpack("<b")
    if number not in TYPES or not -12 <= exponent <= 12 or exponent and TYPES[number] in ("f32", "bool"):
        raise Bad("type")
    return TYPES[number], exponent


def take_sensor(cursor):
    name, kind = text_of(cursor.string()), cursor.unpack("<B")
    if kind not in KINDS:
        raise Bad("kind")
    kind_name = text_of(cursor.string()) if kind == 0 else KINDS[kind]
    unit = text_of(cursor.string(), True) if kind == 0 else None
    type_name, exponent = take_type(cursor)
    return {"name": name, "kind": kind_name, "unit": unit, "type": type_name, "exponent": exponent}


def take_control(cursor):
    control = {"name": text_of(cursor.string())}
    control["type"], control["exponent"] = take_type(cursor)
    for field in ("min", "max", "initial", "failsafe"):
        control[field] = take_value(cursor, control["type"])
    for field in ("initial", "failsafe"):
        if not control["min"] <= control[field] <= control["max"]:
            raise Bad("outside its range")
    return control


def take_list(cursor, take, most):
    count = cursor.unpack("<B")
    if count > most:
        raise Bad("too many")
    return [take(cursor) for _ in range(count)]


def decode_description(data):
    cursor = Cursor(data)
    if len(data) > 4096 or cursor.unpack("<B") != 1:
        raise Bad("length or format")
    found = {field: text_of(cursor.string(), True) for field in ("product", "version", "architecture", "platform")}
    found["sensors"] = take_list(cursor, take_sensor, 64)
    found["controls"] = take_list(cursor, take_control, 32)
    cursor.end()
    names = [control["name"] for control in found["controls"]]
    if len(set(names)) != len(names):
        raise Bad("two controls of one name")
    return found


def string(text):
    data = text.encode()
    return bytes([len(data)]) + data


def encode_description(found):
    number = lambda names, wanted: next(n for n, name in names.items() if name == wanted)
    out = b"\x01" + b"".join(string(found[f]) for f in ("product", "version", "architecture", "platform"))
    out += bytes([len(found["sensors"])])
    for sensor in found["sensors"]:
        custom = sensor["unit"] is not None
        out += string(sensor["name"]) + bytes([0 if custom else number(KINDS, sensor["kind"])])
        out += string(sensor["kind"]) + string(sensor["unit"]) if custom else b""
        out += struct.pack("<Bb", number(TYPES, sensor["type"]), sensor["exponent"])
    out += bytes([len(found["controls"])])
    for control in found["controls"]:
        out += string(control["name"]) + struct.pack("<Bb", number(TYPES, control["type"]), control["exponent"])
        for field in ("min", "max", "initial", "failsafe"):
            out += struct.pack(FORMS[control["type"]], control[field])
    return out
