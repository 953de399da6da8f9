"""What the bridge does when the server, or the way to it, misbehaves."""

import json
import signal
import time
import unittest

from harness_bridge import (KEY, OTHER_KEY, Bridge, PhxDev, RawServer, folder, identities, line_options, secret_file,
                            wait_until, write_config)
from harness_mcu import Mcu


class WithABoard(unittest.TestCase):
    def start(self, url, **sections):
        self.mcu = Mcu(self, "posix")
        sections.setdefault("readings", {"at_and_seq": True, "batch_wait": "50ms"})
        config = write_config(self, url, {"left": self.mcu.path},
                              [{"name": "bench-1", "device": "stub-1", "api_key_file": secret_file(self)}], **sections)
        self.bridge = Bridge(self, "--config", config)
        return self.bridge

    def on_phx_dev(self, *arguments, **sections):
        self.server = PhxDev(self, *arguments)
        self.start(self.server.url, **sections)
        self.server.wait_more()

    def nothing_lost_and_little_repeated(self, readings, once=False, refused=False):
        """In order, by the first time that each reading came; by the last time, if uploads were refused while
        others flew behind them; what came twice had the same identity and value; no reading of a message is
        missing."""
        ids = identities(readings)
        first = list(dict.fromkeys(ids))
        if once:
            self.assertEqual(len(ids), len(first), "a reading came twice")
        values = {}
        for identity, reading in zip(ids, readings):
            self.assertEqual(values.setdefault(identity, reading["value"]), reading["value"])
        for kind in {(r["sensor"], r["type"]) for r in readings}:
            own = [i for i, r in zip(ids, readings) if (r["sensor"], r["type"]) == kind]
            own = list(dict.fromkeys(own[::-1]))[::-1] if refused else list(dict.fromkeys(own))
            self.assertEqual(own, sorted(own), "out of order")
        numbers = sorted({number for _, number, _ in first})
        missing = set(range(numbers[0], numbers[-1])) - set(numbers)
        self.assertLessEqual(len(missing), len(self.bridge.said(" board: |: control | is .* \\(")))


class Ends(WithABoard):
    """Every end that was not asked for is followed by another connection, and nothing is lost."""

    def test_a_kick(self):
        self.on_phx_dev()
        self.server.kick(1)
        self.bridge.wait_line("trying again in")
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings())

    def test_a_kick_with_1000_as_cowboy_does(self):
        self.on_phx_dev("--like", "1.7-cowboy")
        self.server.kick(1)
        self.bridge.wait_line("trying again in")
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings())

    def test_a_restart_of_the_server(self):
        self.on_phx_dev()
        before = self.server.readings()
        self.assertEqual(self.server.stop(), 0)
        self.bridge.wait_line("trying again in")
        self.server.start()
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings(), once=True)
        self.assertGreater(identities(self.server.readings())[0], identities(before)[-1])

    def test_a_server_killed_without_a_word(self):
        self.on_phx_dev()
        self.server.stop(signal.SIGKILL)
        self.bridge.wait_line("trying again in")
        self.server.start()
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings())

    def test_a_cut_connection(self):
        self.on_phx_dev()
        self.server.fault(drop="1")
        self.bridge.wait_line("trying again in")
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings())

    def test_a_server_that_is_down_at_the_start(self):
        self.server = PhxDev(self, start=False)
        self.start(self.server.url)
        self.bridge.wait_line(r"bench-1: .*(refused|nothing listens).*trying again in")
        self.server.start()
        self.server.wait_more()
        self.bridge.wait_line("joined microcontroller:v1:1")
        self.nothing_lost_and_little_repeated(self.server.readings(), once=True)
        ids = identities(self.server.readings())
        first = min(number for _, number, _ in ids)
        self.assertIn(0, {index for _, number, index in ids if number == first})


class Silences(WithABoard):
    def test_no_heartbeat_reply_means_a_new_connection(self):
        self.on_phx_dev(server={"heartbeat": "1s", "heartbeat_timeout": "500ms"})
        number = self.server.sockets()[0]["number"]
        self.server.fault(hold_heartbeat=True)
        self.bridge.wait_line("heartbeat")
        self.server.fault(hold_heartbeat=False)
        wait_until(lambda: any(s["number"] > number for s in self.server.sockets()), "a new connection")
        self.server.wait_more()

    def test_a_lost_reply_means_the_same_upload_again(self):
        self.on_phx_dev(readings={"at_and_seq": True, "batch_wait": "50ms", "reply_timeout": "2s"})
        self.server.fault(hold_replies=True)
        last = self.server.last_id()
        self.server.wait_readings(lambda r: r, "the upload whose reply is lost", last)
        held = self.server.readings(last)
        self.server.fault(hold_replies=False)
        self.bridge.wait_line("no reply from the server in time")
        self.server.wait_readings(lambda r: identities(r).count(identities(held)[0]) == 2, "the same again", last)
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings())


class Errors(WithABoard):
    def test_an_upload_answered_with_an_error_comes_again(self):
        self.on_phx_dev()
        self.server.fault(upload_error=2)
        self.bridge.wait_line(r"upload failed \(2 in a row\)")
        self.bridge.wait_line("uploads work again")
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings(), refused=True)

    def test_what_was_taken_before_a_refused_upload_comes_again_after_it(self):
        """Four are in flight; the server refuses the second and takes the others."""
        raw = RawServer(self)
        self.start(raw.url, readings={"at_and_seq": True, "batch_wait": "10ms"})
        peer = raw.accept().upgrade()
        peer.join()
        flown = [peer.message("upload_readings") for _ in range(4)]
        for i, upload in enumerate(flown):
            peer.reply(upload, "error" if i == 1 else "ok")
        again = peer.message("upload_readings")
        self.assertEqual(again[4], flown[1][4])
        peer.reply(again)

        def sequence(uploads):
            return [r["seq"] for u in uploads for sensor in u[4].values() for r in sensor]
        after = []
        while not set(sequence(flown[2:])) <= set(sequence(after)):
            after.append(peer.message("upload_readings"))
            peer.reply(after[-1])
        self.assertFalse(set(sequence(flown[:2])) & set(sequence(after)), "what was taken in its turn came again")

    def test_an_upload_that_crashes_the_channel_comes_again_after_the_rejoin(self):
        self.on_phx_dev()
        self.server.fault(crash_upload=1)
        self.bridge.wait_line("the server had an error in microcontroller:v1:1")
        since = self.bridge.position()
        self.bridge.wait_line("joined microcontroller:v1:1", since)
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings(), once=True)

    def test_an_error_that_stays_does_not_become_a_hot_loop(self):
        raw = RawServer(self)
        self.start(raw.url, readings={"batch_wait": "10ms"})
        peer = raw.accept().upgrade()
        peer.join()
        at = []
        for _ in range(4):
            upload = peer.message("upload_readings")
            at.append(time.monotonic())
            peer.reply(upload, "error")
        pauses = [b - a for a, b in zip(at, at[1:])]
        for pause, least in zip(pauses, (0.5, 1, 2)):
            self.assertGreaterEqual(pause, least * 0.99)
        self.bridge.wait_line(r"upload failed \(3 in a row\): the server replied")

    def test_misshaped_messages_are_survived(self):
        self.on_phx_dev()
        for text in ["", "{", "[]", "[1,2]", "null", '"x"', "[null,null,1,2,3]", '{"topic":1}', "NaN",
                     '[null,null,"microcontroller:v1:1","control_update",1]',
                     '[null,null,"microcontroller:v1:1","control_update",{"control":{"motor":1}}]',
                     '[null,null,"microcontroller:v1:1","control_update",{"control":[1,"x",null,[],{}]}]',
                     '[null,null,"microcontroller:v1:1","nobody_knows",{}]',
                     '{"event":"metadata","payload":{"controller_id":-1},"topic":"x","ref":null,"join_ref":null}']:
            self.server.fault(send="1", text=text)
        self.server.control(1, {"motor": 33})
        self.bridge.wait_line("control motor=33: done")
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings())

    def test_an_oversized_message_costs_the_connection_and_no_more(self):
        self.on_phx_dev()
        number = self.server.sockets()[0]["number"]
        self.server.fault(send_bytes="1", n=3000000)
        wait_until(lambda: any(s["number"] > number for s in self.server.sockets()), "a new connection")
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings())

    def test_a_restart_is_not_taken_for_an_error_of_ours(self):
        raw = RawServer(self)
        self.start(raw.url)
        peer = raw.accept().upgrade()
        peer.join()
        peer.close(1012)
        self.bridge.wait_line(r"a restart.*\(code 1002\)")

    def test_a_server_that_never_sends_metadata_is_named(self):
        raw = RawServer(self)
        self.start(raw.url, server={"heartbeat": "60s"})
        peer = raw.accept().upgrade()
        self.bridge.wait_line("no metadata: is ws://.* its microcontroller socket")
        peer.join()
        self.assertTrue(peer.message("upload_readings"))

    def test_a_server_that_names_the_mcu_again_and_again_is_not_followed_for_ever(self):
        raw = RawServer(self)
        self.start(raw.url, server={"heartbeat": "1s"})
        peer = raw.accept().upgrade()
        for controller in range(1, 501):
            peer.metadata(controller)
        joins = 0
        while (text := peer.text()) is not None:
            message = json.loads(text)
            joins += message[3] == "phx_join"
            self.assertLessEqual(joins, 8)
            if message[3] == "heartbeat":
                peer.reply(message)
        peer = raw.accept().upgrade()
        self.assertEqual(peer.join(3)[2], "microcontroller:v1:3")
        self.assertTrue(peer.message("upload_readings"))

    def test_a_server_that_sends_no_metadata_is_connected_to_anew(self):
        raw = RawServer(self)
        self.start(raw.url, server={"heartbeat": "60s"})
        raw.accept().upgrade()
        self.bridge.wait_line("still no metadata: connecting anew")
        peer = raw.accept().upgrade()
        peer.join()
        self.assertTrue(peer.message("upload_readings"))


class Refusals(WithABoard):
    def test_403_is_tried_again_and_says_what_it_may_mean(self):
        self.server = PhxDev(self)
        self.server.fault(refuse=403, count=2)
        self.start(self.server.url)
        self.bridge.wait_line(r"403.*the API key may be wrong, or the server's key check is down.*trying again in")
        self.bridge.wait_line("joined microcontroller:v1:1")
        self.server.wait_more()

    def test_429_with_a_pause_is_respected(self):
        self.server = PhxDev(self)
        self.server.fault(refuse=429, count=1, retry_after=3)
        self.start(self.server.url)
        line = self.bridge.wait_line("429.*trying again in")
        self.assertRegex(line, r"in ([3-9]|\d\d)\.\d s")
        self.server.wait_more()

    def test_a_key_that_the_server_does_not_know(self):
        self.server = PhxDev(self, "--api-key", f"{OTHER_KEY}=7")
        self.start(self.server.url)
        self.bridge.wait_line("403.*API key")
        self.assertEqual(self.server.sockets(), [])
        self.assertFalse([line for line in self.bridge.lines if KEY in line or KEY[13:] in line])

    def test_a_key_that_is_put_right_is_read_again(self):
        self.server = PhxDev(self, "--api-key", f"{OTHER_KEY}=7")
        self.mcu = Mcu(self, "posix")
        key = secret_file(self)
        config = write_config(self, self.server.url, {"left": self.mcu.path},
                              [{"name": "bench-1", "device": "stub-1", "api_key_file": key}])
        self.bridge = Bridge(self, "--config", config)
        self.bridge.wait_line("403")
        key.write_text(OTHER_KEY)
        self.bridge.wait_line("joined microcontroller:v1:7")


class Certificates(WithABoard):
    def attempt(self, server, *options):
        self.mcu = Mcu(self, "posix")
        self.bridge = Bridge(self, *line_options(server.url, self.mcu.path, secret_file(self)), *options)

    def test_an_untrusted_certificate_is_one_clear_line(self):
        server = PhxDev(self, tls=True)
        self.attempt(server)
        self.bridge.wait_line("warn .*(not trusted|untrusted|self-signed).*trying again in")
        self.assertEqual(len(self.bridge.said("trying again in")), 1)

    def test_a_wrong_host_name_is_one_clear_line(self):
        server = PhxDev(self, "--cert-name", "elsewhere.example", tls=True)
        self.attempt(server, "--ca-file", server.cert)
        self.bridge.wait_line("warn .*(host name|another name|localhost).*trying again in")
        self.assertEqual(len(self.bridge.said("trying again in")), 1)

    def test_a_certificate_that_is_being_replaced_when_a_board_comes_is_waited_for(self):
        server = PhxDev(self, tls=True)
        line = folder(self) / "line"
        self.bridge = Bridge(self, *line_options(server.url, line, secret_file(self)), "--ca-file", server.cert)
        self.bridge.wait_line("waiting for the line")
        good = server.cert.read_bytes()
        server.cert.write_bytes(good[:100])
        self.mcu = Mcu(self, "posix", path=line)
        self.bridge.wait_line("cannot connect: CA file")
        server.cert.write_bytes(good)
        self.bridge.wait_line("joined microcontroller:v1:1")

    def test_plain_text_on_a_tls_port_is_one_clear_line(self):
        server = PhxDev(self)
        server.tls, server.cert = True, None
        url = server.url
        server.tls = False
        self.mcu = Mcu(self, "posix")
        self.bridge = Bridge(self, *line_options(url, self.mcu.path, secret_file(self)))
        self.bridge.wait_line("warn .*trying again in")


if __name__ == "__main__":
    unittest.main()
