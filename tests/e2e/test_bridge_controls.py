"""Controls on their way down: none that is wrong, none that is stale; fail-safe when the server is gone."""

import json
import signal
import time
import unittest

from harness_bridge import Bridge, PhxDev, RawServer, secret_file, write_config
from harness_mcu import Mcu


class WithABoard(unittest.TestCase):
    def start(self, controls=None, server=None, settings=None, **sections):
        self.server = server or PhxDev(self)
        self.mcu = Mcu(self, "posix")
        sections.setdefault("commands", {"channel_loss": "600s"})
        sections["server"] = settings or {}
        mcu = {"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self), "controls": controls or {}}
        self.bridge = Bridge(self, "--config", write_config(self, self.server.url, {"left": self.mcu.path}, [mcu],
                                                            **sections))
        if not server:
            self.bridge.wait_line("joined microcontroller:v1:1")

    def control(self, *elements):
        self.assertEqual(self.server.control(1, *elements), 1)


class Controls(WithABoard):
    def test_a_bad_element_does_not_spoil_the_rest_of_its_update(self):
        self.start()
        self.control({"engine": 1}, {"motor": 101}, {"valve": -0.01}, {"motor": "40"}, {"motor": True},
                     {"motor": None}, 7, {}, {"motor": 1e300}, {"valve": 0.25}, {"motor": 12})
        self.bridge.wait_line("control motor=12: done")
        self.bridge.wait_line("control valve=0.25: done")
        for line in ["control engine=1: the MCU has no such control", r"control motor=101: out of range \(0 to 100\)",
                     r"control valve=-0.01: out of range \(0 to 1\)", r"control motor: wrong type \(it takes a number\)",
                     r"control motor=1: wrong type", r"control motor=1e\+300: out of range",
                     'an element of the update is not an object', 'an element of the update is empty']:
            self.bridge.wait_line(line)
        self.assertEqual(len(self.bridge.said(": done")), 2)

    def test_what_is_no_number_moves_nothing(self):
        self.start()
        frame = '[null,null,"microcontroller:v1:1","control_update",{"control":[{"motor":%s}]}]'
        for value in ["NaN", "Infinity", "-Infinity", "nan", '"NaN"', "1e400", "-1e400", "0x10", "[1]", "{}"]:
            self.server.fault(send="1", text=frame % value)
        self.control({"motor": 5})
        self.bridge.wait_line("control motor=5: done")
        self.assertEqual(len(self.bridge.said(": done")), 1)

    def test_of_one_update_the_newest_value_wins(self):
        self.start()
        self.control(*[{"motor": i} for i in range(1, 51)])
        self.bridge.wait_line("control motor=50: done")
        self.assertEqual(len(self.bridge.said("control motor=.*: done")), 1)

    def test_a_control_is_not_replayed_after_a_reconnect(self):
        self.start()
        self.mcu.kill()
        self.bridge.wait_line("the board is gone")
        self.control({"motor": 77})
        self.bridge.wait_line("control motor=77: discarded: the MCU is not there")
        since = self.bridge.position()
        self.mcu.start()
        self.bridge.wait_line("board stub-1 on", since)
        self.server.kick(1)
        self.bridge.wait_line("joined microcontroller:v1:1", since)
        self.control({"motor": 3})
        self.bridge.wait_line("control motor=3: done", since)
        self.assertFalse(self.bridge.said("motor=77: done"))

    def test_a_control_sent_while_the_connection_was_down_is_lost(self):
        raw = RawServer(self)
        self.start(server=raw)
        peer = raw.accept().upgrade()
        join = peer.join()
        peer.cut()
        peer = raw.accept().upgrade()
        # Before the new join nothing belongs to this client yet.
        peer.send('[null,null,"microcontroller:v1:3","control_update",{"control":[{"motor":55}]}]')
        again = peer.join()
        self.assertNotEqual(again[0], join[0])
        peer.send('[null,null,"microcontroller:v1:3","control_update",{"control":[{"motor":56}]}]')
        self.bridge.wait_line("control motor=56: done")
        self.assertFalse(self.bridge.said("motor=55: done"))

    def test_what_waited_while_the_process_stood_still_is_discarded_until_the_server_answers(self):
        self.start(link={"keepalive": "5s"})  # so that the session with the board outlives the gap
        self.control({"motor": 10})
        self.bridge.wait_line("control motor=10: done")
        self.bridge.signal(signal.SIGSTOP)
        self.control({"motor": 90})
        time.sleep(4)  # the gap itself is what is tested
        self.bridge.signal(signal.SIGCONT)
        self.bridge.wait_line("the process did not run for")
        self.bridge.wait_line("control motor=90: discarded: it may be old")
        self.bridge.wait_line("the server answers again")
        self.control({"motor": 20})
        self.bridge.wait_line("control motor=20: done")
        self.assertFalse(self.bridge.said("motor=90: done"))

    def test_nothing_is_taken_while_a_heartbeat_is_overdue(self):
        self.start(settings={"heartbeat": "1s", "heartbeat_timeout": "900ms"})
        self.server.fault(hold_heartbeat=True)
        until = time.monotonic() + 30
        value = 1
        while not self.bridge.said("discarded: it may be old") and time.monotonic() < until:
            value = value % 90 + 1
            self.control({"motor": value})
            time.sleep(0.2)
        self.bridge.wait_line("discarded: it may be old")

    def test_nothing_is_taken_while_the_reply_of_an_upload_is_late(self):
        raw = RawServer(self)
        self.start(server=raw)
        peer = raw.accept().upgrade()
        peer.join()
        update = '[null,null,"microcontroller:v1:3","control_update",{"control":[{"motor":%d}]}]'
        peer.message("upload_readings")
        heartbeat = json.loads(peer.text())
        self.assertEqual(heartbeat[3], "heartbeat")
        peer.send(update % 90)
        self.bridge.wait_line("control motor=90: discarded: it may be old")
        peer.reply(heartbeat)
        peer.send(update % 20)
        self.bridge.wait_line("control motor=20: done")
        self.assertFalse(self.bridge.said("motor=90: done"))

    def test_what_was_held_up_in_an_idle_connection_is_discarded(self):
        raw = RawServer(self)
        # No upload for minutes: only the bridge's own questions tell whether anything comes through.
        self.start(server=raw, commands={"channel_loss": "600s", "probe": "1s"},
                   readings={"batch": 10000, "batch_wait": "600s"})
        peer = raw.accept().upgrade()
        peer.join()
        update = '[null,null,"microcontroller:v1:3","control_update",{"control":[{"motor":%d}]}]'
        peer.send(update % 10)
        self.bridge.wait_line("control motor=10: done")
        heartbeat = json.loads(peer.text())
        self.assertEqual(heartbeat[3], "heartbeat")
        time.sleep(1.5)  # the line stands still: what is tested
        peer.send(update % 90)
        self.bridge.wait_line("control motor=90: discarded: it may be old")
        peer.reply(heartbeat)
        peer.reply(json.loads(peer.text()))
        peer.send(update % 20)
        self.bridge.wait_line("control motor=20: done")
        self.assertFalse(self.bridge.said("motor=90: done"))

    def test_a_control_has_a_number_from_asked_to_done(self):
        self.start(log={"level": "debug"})
        self.control({"motor": 33})
        number = self.bridge.wait_line(r"control motor=33: asked \(#\d+\)").split("#")[1]
        self.bridge.wait_line(r"control motor=33: sent \(#" + number.replace(")", r"\)"))
        self.bridge.wait_line(r"control motor=33: done in \d+ ms \(#" + number.replace(")", r"\)"))


class ChannelLoss(WithABoard):
    def test_without_the_channel_a_control_goes_to_fail_safe_or_holds(self):
        self.start({"valve": "hold"}, commands={"channel_loss": "1s"})
        self.control({"motor": 80}, {"valve": 0.5})
        self.bridge.wait_line("control motor=80: done")
        self.bridge.wait_line("control valve=0.5: done")
        self.server.stop()
        self.bridge.wait_line("the channel is gone, fail-safe motor=0: done")
        self.assertFalse(self.bridge.said("fail-safe valve"))
        self.server.start()
        since = self.bridge.position()
        self.bridge.wait_line("joined microcontroller:v1:1", since)
        self.control({"motor": 60})
        self.bridge.wait_line("control motor=60: done", since)

    def test_a_control_set_long_ago_goes_to_fail_safe_as_well(self):
        self.start(commands={"channel_loss": "1s", "ttl": "100ms"})
        self.control({"motor": 80})
        self.bridge.wait_line("control motor=80: done")
        time.sleep(3)  # until the bridge has no time-out of a command left: the pause is what is tested
        self.server.stop()
        self.bridge.wait_line("the channel is gone, fail-safe motor=0: done")

    def test_a_channel_that_is_not_joined_again_in_time_is_gone(self):
        self.start(commands={"channel_loss": "500ms", "ttl": "100ms"})
        self.control({"motor": 80})
        self.bridge.wait_line("control motor=80: done")
        time.sleep(3)  # as above
        self.server.fault(crash_upload=1)
        self.bridge.wait_line("the channel is gone, fail-safe motor=0: done")

    def test_a_bridge_that_dies_leaves_the_motors_to_the_boards_own_timer(self):
        self.start()
        self.control({"motor": 80})
        self.bridge.wait_line("control motor=80: done")
        self.bridge.kill()
        mcu = {"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)}
        time.sleep(2)  # longer than the board's dead-man timer: the bridge's absence is what is tested
        again = Bridge(self, "--config", write_config(self, self.server.url, {"left": self.mcu.path}, [mcu]))
        again.wait_line(r"control motor is 0 \(fail-safe: the host is gone\)")


if __name__ == "__main__":
    unittest.main()
