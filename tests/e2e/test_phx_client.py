"""libphx against a scripted server that controls every byte, and against phx-dev."""

import json
import struct
import unittest

from harness_phx import OK, Case, Joined, PhxDevCase


class Connecting(Case):
    def test_sends_vsn_and_credentials_and_nothing_that_was_not_asked_for(self):
        server = self.serve()
        probe = self.probe(server.url(path="/socket/websocket?room=1"),
                           headers=["X-API-Key=secret-value"])
        peer = server.peer().request()
        self.assertEqual(peer.target, "/socket/websocket?room=1&vsn=2.0.0")
        self.assertEqual(peer.headers["x-api-key"], "secret-value")
        self.assertEqual(peer.headers["host"], f"127.0.0.1:{server.port}")
        self.assertRegex(peer.headers["user-agent"], r"^libphx/\d+\.\d+\.\d+$")
        for absent in ("origin", "sec-websocket-extensions", "sec-websocket-protocol"):
            self.assertNotIn(absent, peer.headers)
        peer.upgrade()
        probe.next("connected")
        probe.quit()
        self.assertNotIn("secret-value", str(probe.seen))

    def test_v1_asks_for_vsn_1(self):
        server = self.serve()
        self.probe(server.url(), vsn=1)
        self.assertEqual(server.peer().request().target, "/socket/websocket?vsn=1.0.0")

    def test_falls_back_to_the_next_address_of_a_name(self):
        server = self.serve()
        probe = self.probe(server.url(host="localhost"))
        server.upgraded()
        probe.next("connected")
        self.assertNotIn("disconnected", [line["event"] for line in probe.seen])
        probe.quit()

    def test_connects_to_an_ipv6_address(self):
        try:
            server = self.serve(address="::1")
        except OSError:
            self.skipTest("no IPv6 here")
        probe = self.probe(server.url(host="[::1]"))
        peer = server.peer().request()
        self.assertEqual(peer.headers["host"], f"[::1]:{server.port}")
        peer.upgrade()
        probe.next("connected")
        probe.quit()

    def test_bad_addresses_are_clear_errors(self):
        for url, words in [("http://host/x", "ws://"), ("ws://host", "path"),
                           ("ws://host:0/x", "port"), ("ws://user:pass@host/x", "password"),
                           ("ws://ho st/x", "spaces"), ("ws://host/x#y", "fragment")]:
            probe = self.probe(url)
            text = probe.next("bad_option")["text"]
            self.assertIn(words, text)
            self.assertNotIn("user:pass", text)
            probe.quit()

    def test_nothing_listening_is_retried(self):
        server = self.serve()
        url = server.url()
        server.listener.close()
        probe = self.probe(url)
        for _ in range(3):
            cause, line = probe.down()
            self.assertEqual((cause, line["retry"], line["was_connected"]),
                             ("connect", True, False))
        probe.quit()

    def test_an_unknown_host_name_is_told_as_such(self):
        probe = self.probe("ws://no-such-host.invalid/socket/websocket")
        cause, line = probe.down()
        self.assertEqual(cause, "resolve")
        self.assertIn("no-such-host.invalid", line["text"])
        probe.quit()

    def test_a_server_that_accepts_and_says_nothing_is_given_up(self):
        server = self.serve()
        probe = self.probe(server.url(), connect_timeout=2000)
        server.peer().request()
        cause, line = probe.down()
        self.assertEqual(cause, "connect")
        server.upgraded()
        probe.next("connected")
        probe.quit()

    def test_http_proxy_of_the_environment_is_not_used(self):
        server = self.serve()
        probe = self.probe(server.url(), env={"http_proxy": "http://127.0.0.1:1"})
        server.upgraded()
        probe.next("connected")
        probe.quit()

    def test_long_credentials_arrive_whole(self):
        server = self.serve()
        path = "/socket/websocket?" + "q" * 1500
        probe = self.probe(server.url(path=path), headers=["X-Token=" + "t" * 2048])
        peer = server.peer().request()
        self.assertEqual(peer.headers["x-token"], "t" * 2048)
        self.assertEqual(peer.target, path + "&vsn=2.0.0")
        peer.upgrade()
        probe.next("connected")
        probe.quit()

    def test_unusable_credentials_are_told_and_nothing_is_sent(self):
        server = self.serve()
        probe = self.probe(server.url(), headers=["X-Token=a\r\nX-Admin: yes"])
        self.assertEqual(probe.down()[0], "credential")
        probe.quit()

    def test_freeing_a_socket_during_each_stage_leaves_nothing_behind(self):
        server = self.serve()
        for stage in range(3):
            probe = self.probe(server.url(), topic="room:1")
            if stage > 0:
                peer = server.peer().request()
            if stage > 1:
                peer.upgrade()
                probe.next("connected")
            probe.order("free")
            probe.quit()

    def test_quitting_during_each_stage_leaves_nothing_behind(self):
        server = self.serve()
        for stage in range(3):
            probe = self.probe(server.url(host="localhost"), topic="room:1")
            if stage > 0:
                peer = server.peer().request()
            if stage > 1:
                peer.upgrade()
                probe.next("connected")
            probe.quit()


class Inside(Joined):
    """Orders given from inside an event of the library."""

    def run_inside(self, event, order):
        server = self.serve()
        probe = self.probe(server.url(), topic="room:1", inside=f"{event}={order}")
        if event == "credentials":
            probe.quit()
            return
        peer = server.upgraded()
        probe.next("connected")
        if event != "connected":
            join_ref, _, _ = peer.accept_join()
            probe.next("joined")
        if event == "message":
            peer.text([None, None, "room:1", "news", {}])
            probe.next("message")
        elif event == "push_end":
            probe.order("push ping {}\npush ping {}")
            peer.text([join_ref, peer.message()[1], "room:1", "phx_reply", OK])
            probe.next("push_end")
        elif event == "ended":
            probe.order("push ping {}")
            probe.next("pushed")
            peer.text([join_ref, join_ref, "room:1", "phx_error", {}])
            probe.next("ended")
        elif event == "disconnected":
            peer.end()
            probe.next("disconnected")
        probe.quit()

    def test_any_order_may_be_given_inside_any_event(self):
        for event in ("credentials", "connected", "joined", "message", "push_end", "ended",
                      "disconnected"):
            for order in ("free", "quit", "leave", "disconnect"):
                with self.subTest(event=event, order=order):
                    self.run_inside(event, order)


class Refusals(Case):
    def test_403_is_refused_and_then_accepted(self):
        server = self.serve()
        probe = self.probe(server.url())
        for _ in range(2):
            server.peer().request().refuse(403)
            cause, line = probe.down()
            self.assertEqual((cause, line["http"], line["retry"]), ("refused", 403, True))
        server.upgraded()
        probe.next("connected")
        probe.quit()

    def test_429_and_503_with_retry_after(self):
        for status in (429, 503):
            cause, line = self.refusal(status, "Retry-After: 7")
            self.assertEqual((cause, line["http"]), ("limited", status))
            self.assertGreaterEqual(line["retry_ms"], 7000)
            self.assertLessEqual(line["retry_ms"], 8750)

    def test_a_nonsense_retry_after_is_ignored(self):
        for value in ("soon", "-5", "9e9", ""):
            _, line = self.refusal(429, f"Retry-After: {value}")
            self.assertLessEqual(line["retry_ms"], 100)
        _, line = self.refusal(429, "Retry-After: 99999999999999")
        self.assertLessEqual(line["retry_ms"], 4500000)

    def test_other_answers_are_told_apart(self):
        for status, cause in [(401, "refused"), (404, "refused"), (500, "server"), (200, "server"),
                              (502, "server")]:
            got, line = self.refusal(status)
            self.assertEqual((got, line["http"]), (cause, status))
            self.assertIn(str(status), line["text"])

    def test_a_redirect_is_not_followed(self):
        elsewhere = self.serve()
        elsewhere.listener.settimeout(1)
        cause, line = self.refusal(302, f"Location: {elsewhere.url()}", headers=["X-API-Key=secret"])
        self.assertEqual((cause, line["http"]), ("server", 302))
        with self.assertRaises(TimeoutError):
            elsewhere.peer()

    def test_an_answer_that_is_not_http_is_survived(self):
        server = self.serve()
        probe = self.probe(server.url())
        server.peer().request().raw(b"\x00\x01 hello\r\n\r\n").end()
        probe.down()
        server.upgraded()
        probe.next("connected")
        probe.quit()

    def test_a_wrong_accept_key_is_no_connection(self):
        server = self.serve()
        probe = self.probe(server.url())
        server.peer().request().raw(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n"
                                    b"upgrade: websocket\r\nsec-websocket-accept: bm8=\r\n\r\n")
        cause, line = probe.down()
        self.assertFalse(line["was_connected"])
        self.assertEqual(cause, "server")
        probe.quit()


class Messages(Joined):
    def test_joins_pushes_and_gets_its_reply(self):
        _, probe, peer, join_ref = self.open(join='{"a":1}')
        probe.order('push upload {"s":[{"value":21.5}]}')
        message = peer.message()
        self.assertEqual(message[0], join_ref)
        self.assertIsInstance(message[1], str)
        self.assertEqual(message[2:], ["room:1", "upload", {"s": [{"value": 21.5}]}])
        peer.text([join_ref, message[1], "room:1", "phx_reply", OK])
        self.assertTrue(probe.next("push_end")["ok"])
        probe.quit()

    def test_metadata_in_object_shape_comes_before_any_join(self):
        server = self.serve()
        probe = self.probe(server.url(), topic="microcontroller:v1:3", join_on="message")
        peer = server.upgraded()
        peer.text({"event": "metadata", "join_ref": None, "payload": {"controller_id": 3},
                   "ref": None, "topic": "microcontroller:3"})
        stray = probe.next("stray")
        self.assertEqual((stray["topic"], stray["name"]), ("microcontroller:3", "metadata"))
        peer.accept_join()
        probe.next("joined")
        probe.quit()

    def test_messages_in_pieces_are_put_together(self):
        _, probe, peer, _ = self.open()
        for size in (10, 5000, 100000):
            data = json.dumps([None, None, "room:1", "big", {"x": "y" * size}]).encode()
            cut = max(1, len(data) // 7)
            pieces = [data[i:i + cut] for i in range(0, len(data), cut)]
            for i, piece in enumerate(pieces):
                peer.frame(1 if i == 0 else 0, piece, i == len(pieces) - 1)
                peer.frame(9, b"ping between")
            self.assertEqual(len(probe.next("message")["payload"]["x"]), size)
        probe.quit()

    def test_a_message_byte_by_byte_is_put_together(self):
        _, probe, peer, _ = self.open()
        data = json.dumps([None, None, "room:1", "slow", {"x": 1}]).encode()
        for byte in bytes([0x81, len(data)]) + data:
            peer.raw(bytes([byte]))
        self.assertEqual(probe.next("message")["payload"], {"x": 1})
        probe.quit()

    def test_an_oversized_message_ends_the_connection(self):
        server, probe, peer, _ = self.open(max_message=20000)
        peer.text([None, None, "room:1", "big", {"x": "y" * 19900}])
        probe.next("message")
        peer.text([None, None, "room:1", "big", {"x": "y" * 20001}])
        cause, line = probe.down()
        self.assertEqual((cause, line["was_connected"], line["retry"]), ("protocol", True, True))
        self.assertEqual(peer.receive(), (8, struct.pack(">H", 1009)))
        server.upgraded()
        probe.next("connected")
        probe.quit()

    def test_misshaped_and_binary_messages_are_survived(self):
        _, probe, peer, _ = self.open()
        for text in (b"{bad", b"", b"[]", b"7", b'["1","2","room:1","e"]', b"[" * 3000):
            peer.frame(1, text)
        peer.frame(2, b"\x00\x01\x02")
        peer.text([None, None, "room:1", "after", {}])
        self.assertEqual(probe.next("message")["name"], "after")
        probe.quit()

    def test_bytes_that_are_not_utf8_are_survived(self):
        _, probe, peer, _ = self.open()
        peer.frame(1, b'[null,null,"room:1","\xff",{}]')
        peer.text([None, None, "room:1", "after", {}])
        self.assertEqual(probe.next("message")["name"], "after")
        probe.quit()

    def test_no_heartbeat_reply_ends_the_connection(self):
        server, probe, peer, _ = self.open(heartbeat=100, heartbeat_timeout=3000)
        self.assertEqual(peer.message()[2:4], ["phoenix", "heartbeat"])
        self.assertTrue(probe.next("doubtful")["is"])
        self.assertEqual(probe.down()[0], "heartbeat")
        server.upgraded()
        probe.next("connected")
        probe.quit()

    def test_heartbeats_go_on_while_answered(self):
        _, probe, peer, _ = self.open(heartbeat=50, heartbeat_timeout=5000)
        for _ in range(5):
            join_ref, ref, topic, event, _ = peer.message()
            self.assertEqual((join_ref, topic, event), (None, "phoenix", "heartbeat"))
            peer.text([None, ref, "phoenix", "phx_reply", OK])
            probe.next("heartbeat")
        probe.quit()

    def test_a_hundred_pushes_in_one_go_arrive_in_order(self):
        _, probe, peer, join_ref = self.open()
        for i in range(100):
            probe.order(f'push n {{"i":{i},"fill":"{"x" * 3000}"}}')
        for i in range(100):
            message = peer.message()
            self.assertEqual(message[4]["i"], i)
            peer.text([join_ref, message[1], "room:1", "phx_reply", OK])
        for i in range(100):
            self.assertEqual(probe.next("push_end")["push"], i + 1)
        probe.quit()


class Ends(Joined):
    def test_reconnects_and_rejoins_after_any_close_of_the_server(self):
        for code in (1000, 1001, 1011, 1012, None):
            with self.subTest(code=code):
                server, probe, peer, _ = self.open()
                if code:
                    peer.close_frame(code)
                peer.end()
                cause, line = probe.down()
                self.assertEqual((cause, line["was_connected"], line["retry"]),
                                 ("closed", True, True))
                peer = server.upgraded()
                peer.accept_join()
                probe.next("joined")
                probe.quit()

    def test_the_close_code_is_told(self):
        _, probe, peer, _ = self.open()
        peer.close_frame(1011).end()
        self.assertEqual(probe.down()[1]["code"], 1011)
        probe.quit()

    def test_disconnect_sends_what_waits_and_closes_with_1000(self):
        _, probe, peer, _ = self.open()
        probe.order('push last {"a":1}\ndisconnect')
        self.assertEqual(peer.message()[3:], ["last", {"a": 1}])
        self.assertEqual(peer.receive(), (8, struct.pack(">H", 1000)))
        peer.close_frame(1000).end()
        cause, line = probe.down()
        self.assertEqual((cause, line["retry"]), ("asked", False))
        probe.quit()

    def test_disconnect_does_not_wait_for_a_silent_server(self):
        _, probe, peer, _ = self.open()
        probe.order("disconnect")
        self.assertEqual(peer.receive()[0], 8)
        self.assertEqual(probe.down()[0], "asked")
        probe.quit()

    def test_leave_and_join_again_on_one_connection(self):
        _, probe, peer, join_ref = self.open()
        probe.order("leave\njoin")
        self.assertEqual(peer.message()[3], "phx_leave")
        second, _, _ = peer.accept_join()
        self.assertNotEqual(second, join_ref)
        peer.text([join_ref, join_ref, "room:1", "phx_close", {}])
        probe.next("joined")
        peer.text([None, None, "room:1", "news", {}])
        self.assertEqual(probe.next("message")["name"], "news")
        self.assertNotIn("ended", [line["event"] for line in probe.seen])
        probe.quit()


class PhxDev(PhxDevCase):
    def test_uploads_crashes_and_joins_again(self):
        for vsn in (1, 2):
            probe = self.probe(self.url + "/microcontrollers/websocket", vsn=vsn, rejoin_min=20,
                               headers=["X-API-Key=API_TOKEN_MC_ABCDEFGHabcdefgh0123"],
                               topic="microcontroller:v1:1", join_on="message", heartbeat=50)
            probe.next("joined")
            probe.order('push upload_readings {"s":[{"type":"temperature","value":21.5}]}')
            self.assertTrue(probe.next("push_end")["ok"])
            probe.order("push no_such_event {}")
            self.assertTrue(probe.next("ended")["crashed"])
            probe.next("joined")
            probe.next("heartbeat")
            probe.order("disconnect")
            self.assertEqual(probe.down()[0], "asked")
            probe.quit()

    def test_a_refused_key_is_retried(self):
        probe = self.probe(self.url + "/microcontrollers/websocket", headers=["X-API-Key=short"])
        for _ in range(2):
            cause, line = probe.down()
            self.assertEqual((cause, line["http"]), ("refused", 403))
        probe.quit()


if __name__ == "__main__":
    unittest.main()
