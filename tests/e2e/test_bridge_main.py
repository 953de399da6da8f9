"""From a board to the server and back with the real programs, and what stands on the wire."""

import json
import os
import re
import signal
import subprocess
import time
import unittest

from harness_bridge import (KEY, Bridge, PhxDev, RawServer, identities, line_options, secret_file, state_folder,
                            write_config)
from harness_mcu import BIN, Mcu

KINDS = {("bme280", "temperature"), ("bme280", "pressure"), ("bme280", "humidity"), ("bh1750", "illuminance")}


def temperatures(readings):
    return [r["value"] for r in readings if r["type"] == "temperature"]


class Way:
    """The whole way, asked of each board and each kind of connection below."""

    board = "posix"
    vsn = "2.0.0"
    tls = False

    def setUp(self):
        self.server = PhxDev(self, tls=self.tls)
        self.mcu = Mcu(self, self.board)
        options = line_options(self.server.url, self.mcu.path, secret_file(self)) + ["--vsn", self.vsn]
        if self.tls:
            options += ["--ca-file", self.server.cert]
        self.bridge = Bridge(self, *options)

    def test_readings_arrive_and_a_control_moves_the_motor_and_the_reading_follows(self):
        self.server.wait_readings(lambda r: {(x["sensor"], x["type"]) for x in r} == KINDS, "every kind of reading")
        self.bridge.wait_line(r"board stub-1 on \S+ \(mcu-stub [\d.]+, 4 sensors, 2 controls\)")
        self.bridge.wait_line(r"joined microcontroller:v1:1$")
        warm = temperatures(self.server.wait_more(20))[-1]
        self.assertEqual(self.server.control(1, {"motor": 100}), 1)
        self.bridge.wait_line(r"control motor=100: done in \d+ ms")
        self.server.wait_readings(lambda r: temperatures(r) and temperatures(r)[-1] < warm - 2, "the motor cools")
        vsn = [s["vsn"] for s in self.server.sockets()]
        self.assertEqual(vsn, [self.vsn])
        self.assertEqual(self.bridge.stop(), 0)


class OnV2(Way, unittest.TestCase):
    pass


class OnV1(Way, unittest.TestCase):
    vsn = "1.0.0"


class OverTls(Way, unittest.TestCase):
    tls = True


class OfACortexM3(Way, unittest.TestCase):
    board = "cortex-m3"


class Order(unittest.TestCase):
    def test_readings_arrive_in_order_each_once(self):
        server = PhxDev(self)
        mcu = Mcu(self, "posix")
        config = write_config(self, server.url, {"left": mcu.path},
                              [{"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)}],
                              readings={"at_and_seq": True, "batch": 7, "batch_wait": "50ms"})
        bridge = Bridge(self, "--config", config)
        server.wait_readings(lambda r: len(r) > 200, "200 readings")
        self.assertEqual(bridge.stop(), 0)
        readings = server.readings()
        ids = identities(readings)
        self.assertEqual(len(ids), len(set(ids)), "a reading came twice")
        for kind in KINDS:
            own = [i for i, r in zip(ids, readings) if (r["sensor"], r["type"]) == kind]
            self.assertEqual(own, sorted(own))
        self.check_complete(ids, bridge)

    def check_complete(self, ids, bridge):
        """A message number that is missing must be of a message that is no reading."""
        messages = {}
        for _, number, index in ids:
            messages.setdefault(number, set()).add(index)
        numbers = sorted(messages)
        for number in numbers[:-1]:
            self.assertEqual(messages[number], set(range(len(messages[number]))), f"a hole in message {number}")
        missing = (numbers[-1] - numbers[0] + 1) - len(numbers)
        self.assertLessEqual(missing, len(bridge.said(" board: |: control ")))


class Wire(unittest.TestCase):
    """Against a server that shows every byte."""

    def start(self, **sections):
        self.raw = RawServer(self)
        self.mcu = Mcu(self, "posix")
        config = write_config(self, self.raw.url, {"left": self.mcu.path},
                              [{"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)}], **sections)
        self.bridge = Bridge(self, "--config", config)
        return self.raw.accept().upgrade()

    def test_the_key_goes_in_its_header_and_the_vsn_in_the_path(self):
        peer = self.start()
        self.assertEqual(peer.header("X-API-Key"), KEY)
        self.assertTrue(peer.head.startswith("GET /microcontrollers/websocket?vsn=2.0.0 HTTP/1.1\r\n"), peer.head)
        self.assertIsNone(peer.header("Origin"))

    def test_no_join_before_the_metadata_and_then_its_topic(self):
        peer = self.start(server={"heartbeat": "1s"})
        before = json.loads(peer.text())
        self.assertEqual(before[3], "heartbeat")  # a second has gone by without a join
        peer.reply(before)
        peer.metadata(41)
        join = peer.message("phx_join")
        self.assertEqual(join[2:], ["microcontroller:v1:41", "phx_join", {}])
        self.assertIsInstance(join[0], str)
        self.assertEqual(join[0], join[1])

    def test_an_upload_is_sensors_and_nothing_else_byte_for_byte(self):
        peer = self.start()
        join = peer.join()
        text = peer.text()
        number = r"-?\d+(\.\d+)?(e-\d+)?"
        bme = r'\{"type":"(temperature|pressure|humidity)","value":' + number + r"\}"
        bh = r'\{"type":"illuminance","value":' + number + r"\}"
        groups = rf'("bme280":\[{bme}(,{bme})*\]|"bh1750":\[{bh}(,{bh})*\])'
        self.assertRegex(text, rf'^\["{join[0]}","\d+","microcontroller:v1:3","upload_readings",\{{{groups}(,{groups})?\}}\]$')
        for value in re.findall(r'"value":([^}]*)\}', text):
            self.assertLessEqual(len(value), 10, "a decimal longer than what was measured")

    def test_values_are_strings_when_asked_for(self):
        peer = self.start(readings={"values": "string"})
        peer.join()
        text = peer.text()
        self.assertRegex(text, r'\{"type":"temperature","value":"-?[\d.]+"\}')
        self.assertNotRegex(text, r'"value":[^"]')

    def test_the_next_upload_waits_for_the_reply_and_a_refused_one_comes_again_unchanged(self):
        peer = self.start(readings={"batch_wait": "10ms"})
        peer.join()
        first = peer.message("upload_readings")
        peer.reply(first, "error", {"reason": "database"})
        again = peer.message("upload_readings")
        self.assertEqual(again[4], first[4])
        self.assertNotEqual(again[1], first[1])
        peer.reply(again)
        peer.reply(again)  # a second reply means nothing
        self.assertNotEqual(peer.message("upload_readings")[4], first[4])

    def test_a_reply_with_an_integer_ref_is_not_ours(self):
        peer = self.start(readings={"batch_wait": "10ms"})
        peer.join()
        first = peer.message("upload_readings")
        peer.send(json.dumps([first[0], int(first[1]), first[2], "phx_reply", {"response": {}, "status": "ok"}]))
        peer.send(json.dumps([None, None, first[2], "control_update", {"control": [{"motor": 7}]}]))
        self.bridge.wait_line("control motor=7: done")
        peer.reply(first)
        self.assertNotEqual(peer.message("upload_readings")[4], first[4])

    def test_sigterm_waits_for_the_reply_then_leaves_then_closes_with_1000(self):
        peer = self.start(readings={"batch_wait": "10ms"})
        peer.join()
        upload = peer.message("upload_readings")
        self.bridge.signal(signal.SIGTERM)
        self.bridge.wait_line("terminated: stopping")
        self.assertIsNone(self.bridge.process.poll())
        peer.send_frame(9, b"?")   # what it has to say without the reply comes before the answer to this
        self.assertEqual(peer.frame(), (10, b"?"))
        peer.reply(upload)
        seen = []
        while (text := peer.text()) is not None:
            seen.append(json.loads(text)[3])
        self.assertEqual(seen, ["phx_leave"])
        self.assertEqual(peer.close_code, 1000)
        peer.close()
        self.assertEqual(self.bridge.wait(), 0)

    def test_sigterm_does_not_wait_for_ever_for_a_reply(self):
        peer = self.start(readings={"batch_wait": "10ms"})
        peer.join()
        peer.message("upload_readings")
        self.bridge.signal(signal.SIGTERM)
        while peer.text() is not None:
            pass
        peer.close()
        self.assertEqual(self.bridge.wait(), 0)

    def test_a_second_signal_ends_it_at_once(self):
        peer = self.start(readings={"batch_wait": "10ms"})
        peer.join()
        peer.message("upload_readings")
        self.bridge.signal(signal.SIGTERM)
        self.bridge.wait_line("terminated: stopping")
        time.sleep(0.6)  # signals of one moment are one
        self.bridge.signal(signal.SIGTERM)
        self.assertEqual(self.bridge.wait(), 1)
        self.assertTrue(self.bridge.said("second signal"))

    def test_sigterm_while_nothing_is_connected(self):
        mcu = Mcu(self, "posix")
        bridge = Bridge(self, *line_options("ws://127.0.0.1:9/microcontrollers/websocket", mcu.path, secret_file(self)))
        bridge.wait_line("nothing listens there")
        self.assertEqual(bridge.stop(), 0)

    def test_without_standard_descriptors_no_line_of_the_log_goes_to_a_board_or_server(self):
        mcu, raw = Mcu(self, "posix"), RawServer(self)
        words = line_options(raw.url, mcu.path, secret_file(self))
        process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", BIN / "mcu-bridge", *words],
                                   env={**os.environ, "STATE_DIRECTORY": str(state_folder(self))})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIsNotNone(raw.accept().upgrade().join())
        self.assertEqual({os.readlink(f"/proc/{process.pid}/fd/{i}") for i in range(3)}, {"/dev/null"})

    def test_the_log_as_json_is_json(self):
        mcu = Mcu(self, "posix")
        bridge = Bridge(self, *line_options("ws://127.0.0.1:9/microcontrollers/websocket", mcu.path, secret_file(self)),
                        "--log-format", "json")
        bridge.wait_line("nothing listens there")
        self.assertEqual(bridge.stop(), 0)
        for line in bridge.lines:
            self.assertLessEqual({"at", "level", "who", "text"}, set(json.loads(line)))

    def test_a_controller_id_that_changes_is_followed(self):
        peer = self.start()
        self.assertEqual(peer.join(3)[2], "microcontroller:v1:3")
        peer.cut()
        peer = self.raw.accept().upgrade()
        self.assertEqual(peer.join(4)[2], "microcontroller:v1:4")
        self.bridge.wait_line("the server calls this MCU microcontroller:v1:4 now")

    def test_what_is_no_metadata_is_ignored(self):
        peer = self.start()
        for text in ['{"event":"metadata","payload":{},"topic":"x","ref":null}',
                     '{"event":"metadata","payload":{"controller_id":"3"},"topic":"x","ref":null}',
                     '{"event":"metadata","payload":{"controller_id":0},"topic":"x","ref":null}',
                     '[null,null,"microcontroller:3","other",{"controller_id":5}]']:
            peer.send(text)
        self.assertEqual(peer.join(6)[2], "microcontroller:v1:6")

    def test_v1_sends_objects_with_the_join_ref(self):
        peer = self.start(server={"vsn": "1.0.0"})
        self.assertIn("vsn=1.0.0", peer.head)
        peer.metadata(3)
        join = json.loads(peer.text())
        self.assertEqual({k: join[k] for k in ("topic", "event", "payload")},
                         {"topic": "microcontroller:v1:3", "event": "phx_join", "payload": {}})
        peer.send(json.dumps({"topic": join["topic"], "event": "phx_reply", "ref": join["ref"],
                              "payload": {"status": "ok", "response": {}}}))
        upload = json.loads(peer.text())
        self.assertEqual(upload["event"], "upload_readings")
        self.assertEqual(upload["join_ref"], join["join_ref"])
        self.assertEqual(set(upload["payload"]), {"bme280", "bh1750"} & set(upload["payload"]))


if __name__ == "__main__":
    unittest.main()
