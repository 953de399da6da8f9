"""phx-dev's options, its HTTP surface and its failure knobs."""
import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import phxdev
from phxdev import Server, connect

KEY = "API_TOKEN_MC_0123456789abcdef"
OTHER_KEY = "API_TOKEN_MC_ZZZZ456789abcdef"
TOPIC = "microcontroller:v1:1"


def controller(server, key=KEY, vsn="2.0.0", join=True):
    """A connected microcontroller, its metadata read, joined as "1"."""
    link = connect(server, f"/microcontrollers/websocket?vsn={vsn}", [f"X-API-Key: {key}"])
    link.metadata = link.next_json()
    link.topic = f"microcontroller:v1:{link.metadata['payload']['controller_id']}"
    if join:
        link.send_json(["1", "1", link.topic, "phx_join", {}])
        assert link.next_json()[3:] == ["phx_reply", {"response": {}, "status": "ok"}]
    return link


def upload(link, payload, ref="9"):
    link.send_json(["1", ref, link.topic, "upload_readings", payload])


READING = {"bme280": [{"type": "temperature", "value": 21.5}]}


class Surface(unittest.TestCase):
    options = ()

    def setUp(self):
        self.server = Server(*self.options)
        self.addCleanup(self.server.stop)


class Identities(Surface):
    def test_each_new_key_gets_the_next_controller_and_keeps_it(self):
        for key, expected in ((KEY, 1), (OTHER_KEY, 2), (KEY, 1)):
            link = controller(self.server, key)
            self.assertEqual(link.metadata["payload"],
                             {"controller_id": expected, "location_id": 2, "user_id": 1})

    def test_ill_formed_keys_are_refused(self):
        for key in ("", "abc", "API_TOKEN_MC_short", KEY + "@", KEY + "é", " "):
            connect(self.server, "/microcontrollers/websocket", [f"X-API-Key: {key}"], status=403)
        connect(self.server, "/microcontrollers/websocket", status=403)


class GivenKeys(Surface):
    options = ("--api-key", f"{KEY}=7:8:9")

    def test_only_the_given_keys_are_let_in(self):
        self.assertEqual(controller(self.server).metadata["payload"],
                         {"controller_id": 7, "location_id": 8, "user_id": 9})
        connect(self.server, "/microcontrollers/websocket", [f"X-API-Key: {OTHER_KEY}"], status=403)


class Readings(Surface):
    def test_readings_are_counted_and_listed(self):
        link = controller(self.server)
        upload(link, {"s": [{"type": "temperature", "value": 21.5, "at": 5, "seq": [1]},
                            {"type": "humidity", "value": "40"}]})
        link.next()
        self.assertEqual(self.server.get("/readings"), {"count": 2, "readings": [
            {"controller_id": 1, "id": 1, "sensor": "s", "type": "temperature", "value": 21.5,
             "extra": {"at": 5, "seq": [1]}},
            {"controller_id": 1, "id": 2, "sensor": "s", "type": "humidity", "value": 40}]})
        self.assertEqual([r["id"] for r in self.server.get("/readings?after=1")["readings"]], [2])

    def test_memory_is_bounded_but_the_count_is_not(self):
        link = controller(self.server)
        batch = {"s": [{"type": "temperature", "value": i} for i in range(1000)]}
        for _ in range(11):
            upload(link, batch)
            link.next()
        answer = self.server.get("/readings")
        self.assertEqual(answer["count"], 11000)
        self.assertEqual(len(answer["readings"]), 10000)
        self.assertEqual(answer["readings"][0]["id"], 1001)

    def test_reset_forgets_readings_but_not_ids(self):
        link = controller(self.server)
        for _ in range(2):
            upload(link, READING)
            link.next()
            readings = self.server.get("/readings")
            self.server.post("/reset", {})
        self.assertEqual((readings["count"], readings["readings"][0]["id"]), (1, 2))
        self.assertEqual(self.server.get("/readings"), {"count": 0, "readings": []})

    def test_after_must_be_a_number(self):
        self.assertEqual(self.server.request("GET", "/readings?after=x")[0], 400)


class Orders(Surface):
    def test_control_reaches_its_controller_only(self):
        one, two = controller(self.server), controller(self.server, OTHER_KEY)
        body = {"control": [{"led": 1}, {"motor": 0.5}]}
        self.assertEqual(self.server.post("/control/2", body), {"received": 1})
        self.assertEqual(two.next_json(), [None, None, two.topic, "control_update", body])
        self.assertEqual(self.server.post("/control/3", body), {"received": 0})
        one.send_json([None, "5", "phoenix", "heartbeat", {}])
        self.assertEqual(one.next_json()[1], "5")

    def test_kick_closes_with_1001(self):
        link = controller(self.server)
        self.assertEqual(self.server.post("/kick/1", {}), {"kicked": 1})
        self.assertEqual([link.next(), link.next()], [("close", 1001, ""), ("fin",)])

    def test_sockets_are_listed(self):
        link = controller(self.server, vsn="2.0.0")
        upload(link, READING)
        link.next()
        connect(self.server, "/socket/websocket")
        listed = self.server.get("/sockets")["sockets"]
        self.assertEqual([s["path"] for s in listed],
                         ["/socket/websocket", "/microcontrollers/websocket"])
        self.assertEqual({k: listed[1][k] for k in ("controller_id", "id", "topics", "uploads", "vsn")},
                         {"controller_id": 1, "id": "microcontroller:1", "topics": [TOPIC],
                          "uploads": 1, "vsn": "2.0.0"})

    def test_health(self):
        self.assertEqual(self.server.get("/healthz"), {"status": "ok"})

    def test_no_web_page_may_give_orders(self):
        body = json.dumps({"control": [{"led": 1}]})
        good = {"content-type": "application/json"}
        link = controller(self.server)
        for headers in ({**good, "Origin": "http://localhost:4000"}, {**good, "Origin": "null"},
                        {"content-type": "text/plain"}, {},
                        {**good, "Host": "motor.example"}, {**good, "Host": "127.0.0.1.example:4000"}):
            status, answer = self.server.request("POST", "/control/1", body, headers)
            self.assertEqual((status, list(answer)), (403, ["error"]), headers)
        for host in ("localhost", "127.0.0.1:1", "[::1]:4000", "127.9.9.9"):
            status, _ = self.server.request("POST", "/control/1", body, {**good, "Host": host})
            self.assertEqual(status, 200, host)
            link.next()

    def test_bad_bodies_are_refused_with_a_reason(self):
        for path, body in (("/control/1", "{"), ("/control/1", "[]"), ("/control/1", "{}"),
                           ("/control/x", '{"control":[]}'), ("/kick/0", "{}"),
                           ("/fault", '{"refuse":404}'), ("/fault", '{"bogus":1}'),
                           ("/fault", '{"count":1}'), ("/fault", '{"drop":"x"}'),
                           ("/fault", '{"send":"1"}'), ("/fault", '{"upload_error":-1}'),
                           ("/fault", '{"silent":1}'), ("/fault", '{"silent":NaN}')):
            status, answer = self.server.request("POST", path, body)
            self.assertEqual((status, list(answer)), (400, ["error"]), (path, body))

    def test_a_refused_fault_changes_nothing(self):
        self.server.request("POST", "/fault", {"crash_upload": 1, "upload_error": "x"})
        link = controller(self.server)
        upload(link, READING)
        self.assertEqual(link.next_json()[4], {"response": {}, "status": "ok"})

    def test_lab_orders_need_lab(self):
        self.assertEqual(self.server.request("POST", "/broadcast?topic=a&event=b", {})[0], 404)
        connect(self.server, "/socket_short/websocket", status=404)

    def test_too_large_a_body_ends_the_connection(self):
        link = phxdev.Connection(self.server.port)
        link.send(b"POST /reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n")
        self.assertEqual(link.next()[:2], ("response", 400))
        self.assertEqual(link.next(), ("fin",))


class Faults(Surface):
    def test_refused_upgrades(self):
        for status in (403, 429, 500):
            self.server.post("/fault", {"refuse": status, "count": 2, "retry_after": 7})
            for _ in range(2):
                link = connect(self.server, "/microcontrollers/websocket", [f"X-API-Key: {KEY}"],
                               status=status)
                self.assertEqual(link.response[2]["retry-after"], "7")
            controller(self.server)

    def test_heartbeats_held(self):
        link = controller(self.server)
        self.server.post("/fault", {"hold_heartbeat": True})
        link.send_json([None, "5", "phoenix", "heartbeat", {}])
        upload(link, READING)
        self.assertEqual(link.next_json()[1], "9")
        self.server.post("/fault", {"hold_heartbeat": False})
        link.send_json([None, "6", "phoenix", "heartbeat", {}])
        self.assertEqual(link.next_json()[1], "6")

    def test_replies_held_but_readings_stored(self):
        link = controller(self.server)
        self.server.post("/fault", {"hold_replies": True})
        upload(link, READING)
        link.send_json([None, "5", "phoenix", "heartbeat", {}])
        self.assertEqual(link.next_json()[1], "5")
        self.assertEqual(self.server.get("/readings")["count"], 1)

    def test_upload_answered_with_an_error(self):
        link = controller(self.server)
        self.server.post("/fault", {"upload_error": 1})
        upload(link, READING)
        self.assertEqual(link.next_json()[4]["status"], "error")
        upload(link, READING)
        self.assertEqual(link.next_json()[4]["status"], "ok")
        self.assertEqual(self.server.get("/readings")["count"], 1)

    def test_upload_crashes_the_channel(self):
        link = controller(self.server)
        self.server.post("/fault", {"crash_upload": 1})
        upload(link, READING)
        self.assertEqual(link.next_json(), ["1", "1", TOPIC, "phx_error", {"reason": "channel_crash"}])
        self.assertEqual(self.server.get("/readings")["count"], 0)

    def test_connection_cut(self):
        link = controller(self.server)
        self.assertEqual(self.server.post("/fault", {"drop": "1"}), {"affected": 1})
        self.assertEqual(link.next(), ("fin",))

    def test_misshaped_text(self):
        link = controller(self.server)
        self.server.post("/fault", {"send": "1", "text": "{\"bad\u0001"})
        self.assertEqual(link.next(), ("frame", 1, b'{"bad\x01', False))

    def test_text_of_n_bytes(self):
        link = controller(self.server)
        for n in (0, 125, 126, 65536, 3000000):
            self.server.post("/fault", {"send_bytes": "1", "n": n})
            self.assertEqual(len(link.next()[2]), n)

    def test_close_with_any_code(self):
        for code in (1012, 4000):
            link = controller(self.server)
            self.server.post("/fault", {"close": "1", "code": code})
            self.assertEqual([link.next(), link.next()], [("close", code, ""), ("fin",)])

    def test_silent_server_never_answers_an_upgrade(self):
        self.server.post("/fault", {"silent": True})
        link = phxdev.Connection(self.server.port)
        link.send(phxdev.upgrade_request(self.server.port, "/socket/websocket"))
        self.assertEqual(self.server.get("/healthz"), {"status": "ok"})
        self.assertTrue(link.events.empty())
        self.server.post("/fault", {"silent": False})
        connect(self.server, "/socket/websocket")

    def test_reset_ends_all_faults(self):
        self.server.post("/fault", {"refuse": 403, "count": 100, "hold_heartbeat": True})
        self.server.post("/reset", {})
        link = controller(self.server)
        link.send_json([None, "5", "phoenix", "heartbeat", {}])
        self.assertEqual(link.next_json()[1], "5")


    def test_one_transport_alone_may_be_refused(self):
        self.server.post("/fault", {"refuse": 429, "count": 100, "transport": "websocket"})
        connect(self.server, "/socket/websocket", status=429)
        self.assertEqual(self.server.get("/socket/longpoll")["status"], 410)
        self.server.post("/fault", {"refuse": 500, "count": 100, "transport": "longpoll"})
        connect(self.server, "/socket/websocket")
        self.assertEqual(self.server.request("GET", "/socket/longpoll")[0], 500)

    def test_a_slow_server_answers_all_the_same(self):
        link = connect(self.server, "/socket/websocket?vsn=2.0.0")
        self.server.post("/fault", {"slow": 300})
        begin = time.monotonic()
        link.send_json(["1", "1", "room:1", "phx_join", {}])
        link.send_json([None, "2", "phoenix", "heartbeat", {}])
        self.assertEqual([link.next_json()[1], link.next_json()[1]], ["1", "2"])
        self.assertGreater(time.monotonic() - begin, 0.29)

    def test_channels_of_a_topic_crash_when_told(self):
        link = connect(self.server, "/socket/websocket?vsn=2.0.0")
        for topic in ("room:1", "room:2"):
            link.send_json(["1", "1", topic, "phx_join", {}])
            link.next()
        self.assertEqual(self.server.post("/fault", {"crash": "room:1"}), {"affected": 1})
        self.assertEqual(link.next_json(), ["1", "1", "room:1", "phx_error",
                                            {"reason": "channel_crash"}])
        link.send_json(["1", "9", "room:2", "ping", {}])
        self.assertEqual(link.next_json()[1], "9")

    def test_what_was_pushed_before_a_leave_and_a_new_join_is_still_done(self):
        link = connect(self.server, "/socket/websocket?vsn=2.0.0")
        frames = [["1", "1", "room:1", "phx_join", {}], ["1", "2", "room:1", "ping", {}],
                  ["1", "3", "room:1", "phx_leave", {}], ["4", "4", "room:1", "phx_join", {}]]
        link.send(b"".join(phxdev.frame(1, json.dumps(f).encode()) for f in frames))
        heard = [link.next_json() for _ in range(4)]
        self.assertEqual([f[1] for f in heard if f[3] == "phx_reply"], ["1", "2", "4"])
        self.assertEqual([f[0] for f in heard if f[3] == "phx_close"], ["1"])

    def test_stop_is_a_graceful_one(self):
        link = controller(self.server)
        self.server.post("/stop", {})
        self.assertEqual(link.next(), ("close", 1012, ""))
        self.assertEqual(self.server.wait()[0], 0)


class Polling(Surface):
    options = ("--poll-ms", "500")

    def begin(self, path="/socket/longpoll?vsn=2.0.0"):
        path += f"&token={self.server.get(path)['token']}"
        return path

    def post(self, path, *messages):
        lines = "\n".join(json.dumps(m) for m in messages)
        return self.server.request("POST", path, lines, {"content-type": "application/x-ndjson"})

    def test_several_requests_go_over_one_connection(self):
        path = self.begin()
        link = phxdev.Connection(self.server.port)
        for _ in range(2):
            link.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 2)
            for _ in range(2):
                self.assertEqual(json.loads(link.next()[3])["status"], 204)

    def test_a_session_that_nobody_polls_dies(self):
        path = self.begin()
        self.assertEqual(len(self.server.get("/sockets")["sockets"]), 1)
        phxdev.eventually(lambda: not self.server.get("/sockets")["sockets"], "the session is gone")
        self.assertEqual(self.post(path, [None, "1", "phoenix", "heartbeat", {}])[1], {"status": 410})

    def test_a_token_of_the_process_before_is_gone_and_no_forgery(self):
        path = self.begin()
        self.server.stop()
        with Server("--port", str(self.server.port), "--poll-ms", "500") as again:
            begin = time.monotonic()
            self.assertEqual(again.get(path)["status"], 410)
            self.assertGreater(time.monotonic() - begin, 0.09)

    def test_whoever_polls_later_gets_the_messages(self):
        path = self.begin()
        first = phxdev.Connection(self.server.port)
        second = phxdev.Connection(self.server.port)
        request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        first.send(request)
        self.post(path, ["1", "1", "room:1", "phx_join", {}])
        self.assertEqual(json.loads(first.next()[3])["status"], 200)
        first.send(request + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        second.send(request)
        self.assertEqual(json.loads(second.next()[3])["status"], 204)

    def test_a_microcontroller_may_poll(self):
        key = {"X-API-Key": KEY}
        status, answer = self.server.request("GET", "/microcontrollers/longpoll?vsn=2.0.0", None, key)
        self.assertEqual((status, answer["status"]), (200, 410))
        path = f"/microcontrollers/longpoll?vsn=2.0.0&token={answer['token']}"
        metadata = json.loads(self.server.get(path)["messages"][0])
        self.assertEqual(metadata["topic"], "microcontroller:1")
        self.assertEqual(self.server.get("/microcontrollers/longpoll"), {"status": 403})

    def test_a_stop_lets_a_poll_end(self):
        path = self.begin()
        link = phxdev.Connection(self.server.port)
        link.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        phxdev.eventually(lambda: self.server.get("/healthz"), "the poll is held")
        self.server.terminate()
        self.assertEqual(json.loads(link.next()[3])["status"], 204)
        self.assertEqual(self.server.wait()[0], 0)


class Bounds(Surface):
    def test_flood_behind_a_slow_join_ends_the_socket(self):
        link = connect(self.server, "/socket/websocket?vsn=2.0.0")
        link.send_json(["1", "1", "slowjoin:1", "phx_join", {"ms": 60000}])
        flood = b"".join(phxdev.frame(1, b'[null,"2","phoenix","heartbeat",{}]') for _ in range(4100))
        link.send(flood)
        self.assertEqual(link.next(), ("close", 1011, ""))

    def test_more_json_values_than_anybody_needs_end_the_socket(self):
        link = connect(self.server, "/socket/websocket?vsn=2.0.0")
        link.send_text('["1","1","room:1","phx_join",[' + "0," * 1000001 + "0]]")
        self.assertEqual(link.next(), ("close", 1011, ""))

    def test_an_announced_size_takes_no_memory(self):
        link = connect(self.server, "/socket/websocket?vsn=2.0.0")
        link.send(b"\x81\xff" + (2**62).to_bytes(8, "big"))
        self.assertEqual(link.next(), ("close", 1009, ""))


class Output(unittest.TestCase):
    def test_uploads_and_events_are_printed_for_people(self):
        with Server(quiet=False) as server:
            link = controller(server)
            upload(link, {"bme280": [{"type": "temperature", "value": 21.5},
                                     {"type": "humidity", "value": 40}], "a\nb": []})
            link.next()
            server.post("/kick/1", {})
            link.next()
            server.terminate()
            lines = server.wait()[1].splitlines()
        self.assertIn("controller 1  a?b  bme280 temperature=21.5 humidity=40", lines)
        self.assertIn("controller 1  join microcontroller:v1:1", lines)
        self.assertTrue([l for l in lines if l.startswith("controller 1  kick")], lines)

    def test_of_a_long_upload_the_newest_of_each_type_is_printed(self):
        with Server(quiet=False) as server:
            link = controller(server)
            upload(link, {"bme280": [{"type": kind, "value": i} for i in range(250)
                                     for kind in ("temperature", "humidity")]})
            link.next()
            server.terminate()
            lines = server.wait()[1].splitlines()
        self.assertIn("controller 1  bme280 temperature=249 humidity=249 (500 readings)", lines)

    def test_json_log(self):
        with Server("--log-json", quiet=False) as server:
            link = controller(server)
            upload(link, READING)
            link.next()
            server.terminate()
            events = [json.loads(line) for line in server.wait()[1].splitlines()]
        self.assertIn({"event": "upload", "controller_id": 1, "text": "bme280 temperature=21.5"}, events)

    def test_quiet(self):
        with Server() as server:
            controller(server)
            server.terminate()
            self.assertEqual(server.wait(), (0, ""))


class Life(unittest.TestCase):
    def test_interrupt_stops_it_in_order_too(self):
        with Server() as server:
            joined, idle = controller(server), controller(server, OTHER_KEY, join=False)
            server.process.send_signal(signal.SIGINT)
            self.assertEqual(joined.next(), ("close", 1012, ""))
            self.assertEqual(idle.next(), ("close", 1000, ""))
            self.assertEqual(server.wait()[0], 0)

    def run_wrong(self, *options):
        done = subprocess.run([phxdev.BINARY, *options], capture_output=True, text=True,
                              timeout=phxdev.DEADLINE_S)
        self.assertNotEqual(done.returncode, 0, options)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_wrong_options_say_what_was_expected(self):
        for options in (["--port", "65536"], ["--port", "x"], ["--api-key", "x=1"],
                        ["--api-key", f"{KEY}=0"], ["--api-key", KEY], ["--like", "2.0"],
                        ["--cert", "x"], ["--cert-out", "x"], ["--idle-ms", "0"], ["more"],
                        ["--listen", "localhost"], ["--bogus"]):
            error = self.run_wrong(*options)
            self.assertRegex(error, r"\A[^\n]*phx-dev: [^\n]+\n", options)

    def test_port_in_use(self):
        with Server() as server:
            error = self.run_wrong("--port", str(server.port))
            self.assertEqual(error.count("\n"), 1)
            self.assertIn("address already in use", error)

    def test_missing_certificate(self):
        error = self.run_wrong("--tls", "--cert", "/nonexistent.pem", "--key", "/nonexistent.key")
        self.assertIn("/nonexistent.pem", error)

    def test_help_and_version(self):
        for option, text in (("--help", "--api-key"), ("--version", "phx-dev ")):
            done = subprocess.run([phxdev.BINARY, option], capture_output=True, text=True,
                                  timeout=phxdev.DEADLINE_S)
            self.assertEqual(done.returncode, 0)
            self.assertIn(text, done.stdout)

    def test_listens_on_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        with Server("--listen", "::1") as server:
            self.assertEqual(server.ready, f"phx-dev listening on ws://[::1]:{server.port}")


class Tls(unittest.TestCase):
    def handshake(self, server, trusted, name):
        context = ssl.create_default_context(cafile=trusted)
        with socket.create_connection(("127.0.0.1", server.port), phxdev.DEADLINE_S) as link:
            context.wrap_socket(link, server_hostname=name).close()

    def test_self_made_certificate_can_be_trusted(self):
        with tempfile.TemporaryDirectory() as directory:
            trusted = os.path.join(directory, "phx.pem")
            with Server("--tls", "--cert-out", trusted) as server:
                self.assertTrue(server.ready.startswith("phx-dev listening on wss://127.0.0.1:"))
                for name in ("localhost", "127.0.0.1", "::1"):
                    self.handshake(server, trusted, name)
                with self.assertRaises(ssl.SSLCertVerificationError):
                    self.handshake(server, trusted, "motor.example")
                with self.assertRaises(ssl.SSLCertVerificationError):
                    self.handshake(server, None, "localhost")
                self.assertEqual(server.get("/healthz"), {"status": "ok"})

    def test_certificate_of_another_name(self):
        with tempfile.TemporaryDirectory() as directory:
            trusted = os.path.join(directory, "phx.pem")
            with Server("--tls", "--cert-out", trusted, "--cert-name", "motor.example") as server:
                self.handshake(server, trusted, "motor.example")
                with self.assertRaises(ssl.SSLCertVerificationError):
                    self.handshake(server, trusted, "localhost")

    def test_given_certificate(self):
        with tempfile.TemporaryDirectory() as directory:
            cert, key = (os.path.join(directory, name) for name in ("cert.pem", "key.pem"))
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=x",
                            "-addext", "subjectAltName=DNS:given.example", "-keyout", key, "-out", cert],
                           check=True, capture_output=True)
            with Server("--tls", "--cert", cert, "--key", key) as server:
                self.handshake(server, cert, "given.example")


if __name__ == "__main__":
    unittest.main()
