"""What a user of libphx decides: when and where to connect, what is held until joined, and bytes
instead of JSON. Against the scripted server of harness_phx, and what is slow against phx-dev."""

import ssl
import threading
import unittest

from harness_phx import CAUSES, OK, PATIENCE, Case, Joined, PhxDevCase, TlsCase

ATTEMPTS = 10


class Decides(Joined):
    def test_another_address_counts_from_the_next_attempt_on(self):
        first, second = self.serve(), self.serve()
        probe = self.probe(first.url())
        peer = first.upgraded()
        probe.next("connected")
        probe.order("url nonsense")
        self.assertLess(probe.next("url")["error"], 0)
        probe.order("url " + second.url())
        self.assertEqual(probe.next("url")["error"], 0)
        peer.close_frame(1012)
        probe.down()
        second.upgraded()
        probe.next("connected")
        probe.quit()

    def test_a_wait_can_be_cut_short(self):
        server = self.serve()
        probe = self.probe(server.url(), backoff_min=600000, backoff_max=600000)
        server.peer().request().refuse(403)
        _, line = probe.down()
        self.assertGreaterEqual(line["retry_ms"], 600000)
        probe.order("hurry")
        server.upgraded()
        probe.next("connected")
        probe.quit()

    def test_no_other_attempt_follows_when_the_user_says_so(self):
        server = self.serve()
        probe = self.probe(server.url(), retry="never")
        server.peer().request().refuse(403)
        cause, line = probe.down()
        self.assertEqual((cause, line["retry"]), ("refused", False))
        probe.order("connect")
        server.upgraded()
        probe.next("connected")
        probe.quit()

    def test_the_user_chooses_the_wait(self):
        server = self.serve()
        probe = self.probe(server.url(), retry="37", backoff_min=600000, backoff_max=600000)
        server.peer().request().refuse(500)
        self.assertEqual(probe.down()[1]["retry_ms"], 37)
        server.upgraded()
        probe.next("connected")
        probe.quit()

    def test_what_is_held_is_sent_once_joined_over_a_reconnect(self):
        server = self.serve()
        probe = self.probe(server.url(), topic="room:1", hold=4)
        peer = server.upgraded()
        peer.message()
        probe.order('push a {"n":1}')
        self.assertEqual(probe.next("pushed")["error"], 0)
        peer.close_frame(1012)
        probe.down()
        peer = server.upgraded()
        peer.accept_join()
        join_ref, ref, topic, event, payload = peer.message()
        self.assertEqual((topic, event, payload), ("room:1", "a", {"n": 1}))
        peer.text([join_ref, ref, topic, "phx_reply", OK])
        self.assertTrue(probe.next("push_end")["ok"])
        probe.quit()

    def test_the_next_join_carries_the_new_payload(self):
        server, probe, peer, _ = self.open()
        probe.order('payload {"version":2}')
        self.assertEqual(probe.next("payload")["error"], 0)
        peer.close_frame(1012)
        probe.down()
        self.assertEqual(server.upgraded().accept_join()[2], {"version": 2})
        probe.quit()

    def test_bytes_go_as_binary_frames_and_come_as_such(self):
        server, probe, peer, _ = self.open()
        probe.order("pushb e xyz")
        opcode, data = peer.receive()
        self.assertEqual((opcode, data), (2, b"\x00\x01\x01\x06\x01" b"12room:1exyz"))
        peer.frame(2, b"\x01\x01\x01\x06\x02" b"12room:1okabc")
        end = probe.next("push_end")
        self.assertEqual((end["ok"], end["response"]), (True, "abc"))
        peer.frame(2, b"\x02\x06\x04" b"room:1news\x00\xff")
        self.assertEqual(probe.next("binary")["hex"], "00ff")
        probe.quit()


class Trusts(TlsCase):
    def test_another_ca_file_counts_from_the_next_attempt_on(self):
        server = self.serve_tls("good")
        probe = self.probe(server.url(host="localhost"), backoff_min=600000, backoff_max=600000)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            server.peer().request()
        self.assertEqual(probe.down()[0], "tls")
        probe.order("ca " + self.file("no-such.pem"))
        self.assertLess(probe.next("ca")["error"], 0)
        probe.order("ca " + self.file("ca.pem"))
        self.assertEqual(probe.next("ca")["error"], 0)
        probe.order("hurry")
        server.upgraded()
        probe.next("connected")
        probe.quit()


class Busy(Case):
    def test_a_flood_from_the_server_does_not_starve_heartbeats(self):
        server = self.serve()
        probe = self.probe(server.url(), topic="room:1", heartbeat=200, heartbeat_timeout=20000)
        peer = server.upgraded()
        peer.accept_join()
        enough = threading.Event()
        flood = threading.Thread(target=self.flood, args=(peer, enough), daemon=True)
        flood.start()
        for _ in range(5):
            _, ref, topic, event, _ = peer.message()
            self.assertEqual((topic, event), ("phoenix", "heartbeat"))
            with self.lock:
                peer.text([None, ref, "phoenix", "phx_reply", OK])
            probe.next("heartbeat")
        enough.set()
        flood.join(PATIENCE)
        self.assertNotIn("disconnected", [line["event"] for line in probe.seen])
        self.assertIn("message", [line["event"] for line in probe.seen])
        probe.quit()

    def setUp(self):
        self.lock = threading.Lock()

    def flood(self, peer, enough):
        """As fast as it takes them."""
        while not enough.is_set():
            with self.lock:
                for _ in range(20):
                    peer.text([None, None, "room:1", "news", {"n": "x" * 200}])


class SlowServer(PhxDevCase):
    def test_a_join_that_holds_up_heartbeats_for_longer_than_their_time_out_succeeds(self):
        probe = self.probe(self.url + "/socket/websocket", topic="slowjoin:1", timeout=300,
                           heartbeat=500, heartbeat_timeout=500, join='{"ms":1500}')
        probe.next("joined")
        ends = [line for line in probe.seen if line["event"] == "disconnected"]
        self.assertLess(len(ends), ATTEMPTS)
        self.assertEqual({CAUSES[line["cause"]] for line in ends}, {"heartbeat"})
        probe.next("heartbeat")
        probe.quit()


if __name__ == "__main__":
    unittest.main()
