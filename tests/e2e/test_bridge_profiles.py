"""The bridge against servers that name nothing: topics and events of its configuration."""

import json
import subprocess
import threading
import queue
import unittest

from harness_bridge import Bridge, PhxDev, RawServer, free_port, secret_file, wait_until, write_config
from harness_mcu import BIN, PATIENCE, Mcu

MAC = "a4cf120001ff"


class Listener:
    """phx-cat on one topic: what everybody there sees, and a way to say something."""

    def __init__(self, test, url, topic):
        self.process = subprocess.Popen([str(BIN / "phx-cat"), url, topic], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.heard = queue.Queue()
        test.addCleanup(self.close)
        for line in self.process.stderr:
            if "joined" in line:
                break
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.heard.put(json.loads(line))

    def next(self, wanted):
        while True:
            message = self.heard.get(timeout=PATIENCE)
            if wanted(message):
                return message

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.communicate()


class Custom(unittest.TestCase):
    def start(self, identity="stub-1", **application):
        server = PhxDev(self)
        url = f"ws://127.0.0.1:{server.port}/socket/websocket"
        mcu = Mcu(self, "posix", identity=identity)
        settings = {"topic": "room:{device}", "credential": "none", "readings_event": "new_msg",
                    "controls_event": "shout", **application}
        config = write_config(self, url, {"line": mcu.path}, [{"name": "bench"}], application=settings,
                              server={"profile": "custom"})
        return url, config

    def test_readings_and_controls_go_by_the_names_of_the_application(self):
        url, config = self.start()
        room = Listener(self, url, "room:stub-1")
        bridge = Bridge(self, "--config", config)
        message = room.next(lambda m: m.get("event") == "new_msg" and len(m["payload"]) >= 4)
        self.assertEqual(set(message["payload"]),
                         {"bme280.temperature", "bme280.pressure", "bme280.humidity", "bh1750"})
        room.say('shout {"motor":100}')
        bridge.wait_line(r"control motor=100: done in \d+ ms")
        self.assertEqual(bridge.stop(), 0)

    def test_readings_as_a_list_carry_their_identity(self):
        url, config = self.start(readings_shape="list")
        config.write_text(config.read_text() + "readings:\n  at_and_seq: true\n")
        room = Listener(self, url, "room:stub-1")
        Bridge(self, "--config", config)
        message = room.next(lambda m: m.get("event") == "new_msg")
        reading = message["payload"]["readings"][0]
        self.assertLessEqual({"sensor", "type", "value", "at"}, set(reading))

    def test_a_kind_that_the_application_does_not_know_is_refused_loudly(self):
        url, config = self.start(kinds="temperature")
        room = Listener(self, url, "room:stub-1")
        bridge = Bridge(self, "--config", config)
        bridge.wait_line(r"humidity")
        message = room.next(lambda m: m.get("event") == "new_msg")
        self.assertEqual(set(message["payload"]), {"bme280"})

    def test_a_board_cannot_name_its_way_into_another_topic(self):
        _, config = self.start(identity="hex:" + b"x:y".hex())
        bridge = Bridge(self, "--config", config)
        bridge.wait_line(r"has no topic: its identity has other characters")
        self.assertEqual(bridge.said("joined"), [])

    def test_wrong_settings_are_named(self):
        for application, profile, words in (({"topic": "room:{nonsense}"}, "custom", "topic: it is too long, or has"),
                                            ({"readings_event": "phx_join"}, "custom", "readings_event"),
                                            ({"join": "{"}, "custom", "join: expected JSON"),
                                            ({"credential": "param"}, "custom", "\"api_key_file\" is missing"),
                                            ({"topic": "x"}, "microcontrollers", "names of its own")):
            key = {} if "missing" in words else {"api_key_file": secret_file(self)}
            config = write_config(self, "ws://127.0.0.1:1/socket/websocket", {"line": "/dev/null"},
                                  [{"name": "bench", **key}], server={"profile": profile},
                                  application={"topic": "room:1", "readings_event": "new_msg", **application})
            done = subprocess.run([str(BIN / "mcu-bridge"), "--config", str(config), "--check-config"],
                                  capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertIn(words, done.stderr)


class Shared(unittest.TestCase):
    def test_many_boards_share_one_connection_and_each_gets_its_own_controls(self):
        server = PhxDev(self)
        url = f"ws://127.0.0.1:{server.port}/socket/websocket"
        boards = [Mcu(self, "posix", identity=f"b-{i}") for i in range(3)]
        config = write_config(self, url, {f"line{i}": board.path for i, board in enumerate(boards)},
                              [{"name": f"bench-{i}", "device": f"b-{i}"} for i in range(3)],
                              server={"profile": "custom"},
                              application={"topic": "room:{device}", "credential": "none", "sockets": "shared",
                                           "readings_event": "new_msg", "controls_event": "shout"})
        rooms = [Listener(self, url, f"room:b-{i}") for i in range(3)]
        before = len(server.sockets())
        bridge = Bridge(self, "--config", config)
        for room in rooms:
            room.next(lambda m: m.get("event") == "new_msg")
        self.assertEqual(len(server.sockets()) - before, 1)
        rooms[1].say('shout {"motor":70}')
        bridge.wait_line(r"bench-1: control motor=70: done")
        self.assertEqual(bridge.said(r"bench-[02]: control motor"), [])
        boards[1].kill()
        bridge.wait_line(r"bench-1: the board is gone")
        rooms[2].say('shout {"motor":60}')
        bridge.wait_line(r"bench-2: control motor=60: done")
        self.assertEqual(bridge.stop(), 0)


class Device(unittest.TestCase):
    """The ESP32 style: device:MAC, new_msg, a token, V1."""

    def test_readings_reach_a_phoenix_server(self):
        for vsn in ("1.0.0", "2.0.0"):
            server = PhxDev(self)
            mcu = Mcu(self, "posix", identity=f"hex:{MAC}")
            config = write_config(self, f"ws://127.0.0.1:{server.port}/device_socket/websocket", {"line": mcu.path},
                                  [{"name": "esp", "api_key_file": secret_file(self, "s3cret-token")}],
                                  server={"profile": "device", "vsn": vsn},
                                  metrics={"listen": f"127.0.0.1:{free_port()}"})
            bridge = Bridge(self, "--config", config)
            bridge.wait_line(rf"joined device:{MAC}$")
            wait_until(lambda: self.uploaded(config) > 8, "readings are on the server")
            self.assertEqual(bridge.stop(), 0)

    def uploaded(self, config):
        done = subprocess.run([str(BIN / "mcu-bridge"), "status", "--json", "--config", str(config)],
                              capture_output=True, text=True, timeout=PATIENCE)
        return sum(mcu["readings_out"] for mcu in json.loads(done.stdout)["mcus"]) if done.stdout else 0

    def test_the_token_is_a_parameter_and_the_payload_an_object(self):
        server = RawServer(self)
        mcu = Mcu(self, "posix", identity=MAC)
        config = write_config(self, f"ws://127.0.0.1:{server.port}/socket/websocket", {"line": mcu.path},
                              [{"name": "esp", "api_key_file": secret_file(self, "s3cret&token")}],
                              server={"profile": "device"})
        bridge = Bridge(self, "--config", config)
        peer = server.accept()
        peer.upgrade()
        self.assertIn("token=s3cret%26token", peer.head.split("\r\n")[0])
        join = peer.message("phx_join")
        self.assertEqual(join[2:], [f"device:{MAC}", "phx_join", {}])
        peer.reply(join)
        message = peer.message("new_msg")
        self.assertTrue(all(isinstance(value, (int, float)) for value in message[4].values()), message)
        self.assertEqual(bridge.said("s3cret"), [])


if __name__ == "__main__":
    unittest.main()
