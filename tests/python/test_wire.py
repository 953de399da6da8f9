"""The second implementation against the vectors, in both directions where a vector has both."""

import pathlib
import random
import unittest
import zlib

import mcu_wire as wire

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors" / "protocol"


def vectors(name):
    for line in (VECTORS / name).read_text().splitlines():
        if line and not line.startswith("#"):
            yield line


def data(text):
    return b"" if text == "-" else bytes.fromhex(text)


def shown(form, value):
    """A field as the vectors write it."""
    if form in wire.INTEGERS:
        return str(value)
    if not value:
        return '""' if form == "STR" else "-"
    return f'"{value.decode()}"' if all(32 <= b < 127 for b in value) else value.hex()


class Vectors(unittest.TestCase):
    def test_frames_are_encoded_and_decoded(self):
        for line in vectors("frames.txt"):
            words = line.split()
            if words[0] == "bad":
                self.assertEqual([f for f in wire.Decoder().feed(data(words[1])) if f], [], line)
                continue
            ident, tag, number, body = (data(word) for word in words[1:5])
            wanted = (ident[0], tag[0], number[0], body)
            self.assertEqual(wire.encode_frame(*wanted), data(words[6]), line)
            self.assertEqual(list(wire.Decoder().feed(data(words[6]))), [wanted], line)

    def test_messages_are_decoded_and_encoded_again(self):
        for line in vectors("messages.txt"):
            ident, kind, number, body, text = line.replace("= ", "", 1).split(" ", 4)
            message = wire.MESSAGES.get(int(ident, 16))
            if message is None:
                self.assertTrue(text.startswith(f"message 0x{ident} {kind}{number} "), line)
                continue
            values = wire.decode(message.name, data(body))
            fields = " ".join(f"{name}={shown(form, values[name])}" for name, form in message.fields)
            self.assertEqual(text, f"{message.name} {kind}{number} {fields}", line)
            self.assertEqual(wire.encode(message.name, **values), data(body), line)
            for wrong in [data(body)[:cut] for cut in range(len(data(body)))] + [data(body) + b"!"]:
                if message.fields[-1][1] != "REST":
                    self.assertRaises(wire.Bad, wire.decode, message.name, wrong)

    def test_the_crcs_of_commands(self):
        nonce = 0x01020304
        found = set()
        for line in vectors("messages.txt"):
            ident, _, _, body = line.split()[:4]
            if ident == "30":
                values = wire.decode("command", data(body))
                self.assertEqual(wire.command_crc(nonce, *[values[f] for f in ("request", "control", "value", "deadline")]),
                                 values["crc"])
                found.add(ident)
            if ident == "33":
                values = wire.decode("set_id", data(body))
                self.assertEqual(wire.set_id_crc(nonce, values["device"]), values["crc"])
                found.add(ident)
        self.assertEqual(found, {"30", "33"})

    def test_readings(self):
        for line in vectors("readings.txt"):
            left, wanted = line.split("=")
            types, base, entries = left.split()
            types, wanted = types.split(","), wanted.split()
            if wanted == ["bad"]:
                with self.assertRaises(wire.Bad, msg=line):
                    list(wire.decode_entries(types, int(base), data(entries)))
                continue
            found = list(wire.decode_entries(types, int(base), data(entries)))
            self.assertEqual([f"{slot}@{ticks}:{wire.bits_of(types[slot], raw):08x}" for slot, ticks, raw in found], wanted)
            self.assertEqual(wire.encode_entries(types, found), data(entries), line)

    def test_the_description(self):
        for line in vectors("description.txt"):
            whole, crc = (data(word) for word in line.split())
            found = wire.decode_description(whole)
            self.assertEqual(wire.encode_description(found), whole)
            self.assertIn(zlib.crc32(whole), (int.from_bytes(crc, "big"), int.from_bytes(crc, "little")))
            self.assertEqual([s["kind"] for s in found["sensors"]], ["temperature", "pressure", "flow", "count"])
            self.assertEqual([c["failsafe"] for c in found["controls"]], [0, 5.0, 0])
            for cut in range(len(whole)):
                self.assertRaises(wire.Bad, wire.decode_description, whole[:cut])
            self.assertRaises(wire.Bad, wire.decode_description, whole + b"\0")


class Frames(unittest.TestCase):
    def test_the_check_value_of_the_text(self):
        self.assertEqual(wire.crc16(b"123456789"), 0x906E)
        self.assertEqual(zlib.crc32(b"123456789"), 0xCBF43926)

    def test_the_overhead_is_eight_bytes_and_a_reading_fifteen(self):
        for length in (0, 1, 32, 240):
            for filling in (b"\0", b"\xff", b"x"):
                self.assertEqual(len(wire.encode_frame(0x38, 1, 2, filling * length)), length + 8)
        body = wire.encode("readings", base=1000, entries=wire.encode_entries(["i16"], [(0, 1000, 21)]))
        self.assertEqual(len(wire.encode_frame(0xA0, 1, 2, body)), 15)

    def test_one_flipped_bit_costs_one_frame(self):
        frames = [(0xA0, 9, n, random.Random(n).randbytes(20)) for n in range(3)]
        sent = b"".join(wire.encode_frame(*frame) for frame in frames)
        for bit in range(8 * len(sent)):
            damaged = bytearray(sent)
            damaged[bit // 8] ^= 1 << bit % 8
            came = [frame for frame in wire.Decoder().feed(damaged) if frame]
            self.assertTrue(len(came) >= 2 and set(came) <= set(frames), bit)


if __name__ == "__main__":
    unittest.main()
