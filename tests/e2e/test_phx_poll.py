"""libphx over HTTP long polling, and falling back to it: against phx-dev, and against a server that
answers what a test wants."""

import json
import os
import signal
import sys
import threading
import time
import unittest

import harness_phx as client
from harness_web import LongPolls

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../phx-dev"))
import phxdev  # noqa: E402

TOKEN = "SFMyNTY.token"
BEGUN = {"messages": [], "status": 410, "token": TOKEN}
HELD_S = 0.05


def reply(ref, join_ref="1", topic="room:1", response=None):
    return json.dumps([join_ref, ref, topic, "phx_reply", {"status": "ok", "response": response or {}}])


class Case(client.Case):
    def phx_dev(self, *options):
        server = phxdev.Server("--poll-ms", "1000", *options)
        self.addCleanup(server.stop)
        return server

    def url(self, server, mount="/socket", query=""):
        return f"ws://127.0.0.1:{server.port}{mount}/websocket{query}"

    def poller(self, server, mount="/socket", query="", **options):
        options.setdefault("via", "longpoll")
        options.setdefault("topic", "room:1")
        return self.probe(self.url(server, mount, query), **options)

    def scripted(self, answer):
        server = LongPolls(answer)
        self.addCleanup(server.close)
        return server

    def ended(self, probe):
        """It ends in order by itself."""
        probe.next("closed")
        self.assertEqual(probe.process.wait(client.PATIENCE), 0, probe.process.stderr.read())
        self.assertNotIn({"event": "loop_busy"}, probe.seen)
        probe.reader.join(client.PATIENCE)
        for stream in (probe.process.stdin, probe.process.stdout, probe.process.stderr):
            stream.close()

    @staticmethod
    def path_of(server):
        return [s["path"] for s in server.get("/sockets")["sockets"]]


class Polling(Case):
    def test_joins_pushes_and_hears_broadcasts_with_both_serializers(self):
        for vsn in (1, 2):
            server = self.phx_dev("--lab")
            probe = self.poller(server, vsn=vsn)
            probe.next("joined")
            self.assertEqual(self.path_of(server), ["/socket/longpoll"])
            probe.order('push ping {"text":"žluť 🐎","n":[1,2.5,null]}')
            self.assertEqual(probe.next("push_end")["response"], {"text": "žluť 🐎", "n": [1, 2.5, None]})
            server.post("/broadcast?topic=room:1&event=outside", {"n": 1})
            self.assertEqual(probe.next("message")["payload"], {"n": 1})
            probe.quit()

    def test_binary_messages_are_posted(self):
        server = self.phx_dev()
        probe = self.poller(server)
        probe.next("joined")
        probe.order("pushb bin_json 12345")
        self.assertEqual(probe.next("push_end")["response"], {"size": 5})
        probe.order("push ping {}")
        probe.order("pushb bin_json 1234567")
        self.assertEqual([probe.next("push_end")["response"] for _ in range(2)], [{}, {"size": 7}])
        probe.quit()

    def test_a_microcontroller_may_poll(self):
        server = self.phx_dev()
        probe = self.probe(self.url(server, "/microcontrollers"), via="longpoll",
                           headers=["X-API-Key=API_TOKEN_MC_0123456789abcdef"], join_on="message",
                           topic="microcontroller:v1:1")
        probe.next("joined")
        probe.order('push upload_readings {"s":[{"type":"temperature","value":21.5}]}')
        self.assertTrue(probe.next("push_end")["ok"])
        self.assertEqual(server.get("/readings")["count"], 1)
        server.post("/control/1", {"control": [{"led": 1}]})
        self.assertEqual(probe.next("message")["payload"], {"control": [{"led": 1}]})
        probe.quit()

    def test_a_line_break_in_a_payload_does_not_break_its_batch(self):
        batches = []

        def answer(method, path, headers, body):
            if method == "POST":
                batches.append((headers["content-type"], body.decode()))
                return 200, {"status": 200}
            if "token=" not in path:
                return 200, BEGUN
            threading.Event().wait(HELD_S)
            refs = [json.loads(line)[1] for _, b in batches for line in b.split("\n") if "phx_join" in line]
            return 200, {"messages": [reply(r) for r in refs], "status": 200, "token": TOKEN}
        server = self.scripted(answer)
        probe = self.poller(server)
        probe.next("joined")
        for i in range(3):
            probe.order('push ping {\r"n":%d}' % i)
        for _ in range(3):
            probe.next("pushed")
        phxdev.eventually(lambda: sum(b.count("ping") for _, b in batches) == 3, "three were posted")
        for kind, body in batches:
            for line in body.split("\n"):
                self.assertEqual(len(json.loads(line)), 5)
            self.assertEqual(kind, "application/x-ndjson" if "\n" in body else "application/json")
        probe.kill()

    def test_one_post_at_a_time_with_at_most_100_messages(self):
        lines = []
        release = threading.Event()

        def answer(method, path, headers, body):
            if method == "POST":
                if b"phx_join" not in body:
                    release.wait(client.PATIENCE)
                lines.append(body.count(b"\n") + 1)
                return 200, {"status": 200}
            if "token=" not in path:
                return 200, BEGUN
            threading.Event().wait(HELD_S)
            return 200, {"messages": [reply("1")], "status": 200, "token": TOKEN}
        server = self.scripted(answer)
        probe = self.poller(server, heartbeat=600000)
        probe.next("joined")
        probe.order("push ping {}")
        phxdev.eventually(lambda: server.posting == 1, "the first is being posted")
        for i in range(250):
            probe.order('push ping {"n":%d}' % i)
        for _ in range(251):
            probe.next("pushed")
        polls = len(server.requests)
        phxdev.eventually(lambda: len(server.requests) >= polls + 4, "time for another POST passed")
        release.set()
        phxdev.eventually(lambda: sum(lines) == 252, "all were posted")
        self.assertEqual(lines[0], 1)
        self.assertLessEqual(max(lines), 100)
        self.assertIn(100, lines)
        self.assertEqual(server.most_posting, 1)
        probe.kill()

    def test_v1_posts_one_message_at_a_time_as_json(self):
        seen = []

        def answer(method, path, headers, body):
            if method == "POST":
                seen.append((headers["content-type"], json.loads(body)))
                return 200, {"status": 200}
            if "token=" not in path:
                return 200, BEGUN
            threading.Event().wait(HELD_S)
            text = {"topic": "room:1", "event": "phx_reply", "ref": "1",
                    "payload": {"status": "ok", "response": {}}}
            return 200, {"messages": [json.dumps(text)], "status": 200, "token": TOKEN}
        probe = self.poller(self.scripted(answer), vsn=1)
        probe.next("joined")
        for _ in range(3):
            probe.order("push ping {}")
        phxdev.eventually(lambda: len(seen) == 4, "each has a POST of its own")
        self.assertEqual({kind for kind, _ in seen}, {"application/json"})
        probe.kill()

    def test_a_kick_is_noticed_and_the_channel_joined_again(self):
        server = self.phx_dev("--lab")
        probe = self.poller(server, query="?user=joe")
        probe.next("joined")
        server.post("/kick_id?id=user:joe", {})
        cause, line = probe.down()
        self.assertEqual((cause, line["retry"], line["was_connected"]), ("closed", True, True))
        self.assertIn("410", line["text"])
        probe.next("joined")
        probe.quit()

    def test_a_server_that_was_killed_is_found_again(self):
        server = self.phx_dev()
        probe = self.poller(server)
        probe.next("joined")
        server.process.send_signal(signal.SIGKILL)
        probe.down()
        server.stop()
        again = phxdev.Server("--poll-ms", "1000", "--port", str(server.port))
        self.addCleanup(again.stop)
        probe.next("joined")
        probe.quit()

    def test_refusals_are_told_as_those_of_a_websocket(self):
        server = self.phx_dev()
        probe = self.poller(server, query="?connect=error")
        cause, line = probe.down()
        self.assertEqual((cause, line["http"]), ("refused", 403))
        probe.quit()
        server.post("/fault", {"refuse": 429, "retry_after": 7})
        probe = self.poller(server)
        cause, line = probe.down()
        self.assertEqual((cause, line["http"]), ("limited", 429))
        self.assertGreaterEqual(line["retry_ms"], 7000)
        probe.quit()

    def test_no_long_polling_there_is_told_as_such(self):
        server = self.phx_dev("--lab")
        probe = self.poller(server, mount="/socket_small")
        cause, line = probe.down()
        self.assertEqual((cause, line["http"]), ("refused", 404))
        self.assertIn("long polling", line["text"])
        probe.quit()

    def test_a_redirect_is_told_and_not_followed(self):
        elsewhere = self.scripted(lambda *_: (200, BEGUN))
        place = {"Location": f"http://127.0.0.1:{elsewhere.port}/socket/longpoll"}
        server = self.scripted(lambda method, *_: (302 if method == "GET" else 307, "", place))
        probe = self.poller(server, headers=["X-API-Key=secret"])
        for _ in range(2):
            cause, line = probe.down()
            self.assertEqual((cause, line["http"]), ("server", 302))
            self.assertIn("redirects", line["text"])
        self.assertEqual(elsewhere.requests, [])
        probe.quit()

    def test_error_pages_and_nonsense_are_survived(self):
        pages = ["<html><body>Bad Gateway</body></html>", "", "{}", '{"status":"200"}', "[]",
                 '{"status":410,"token":"a b"}', '{"status":410,"messages":[]}', "\0" * 100,
                 '{"status":200,"messages":[],"token":"x"} trailing']
        left = list(pages)

        def answer(method, path, headers, body):
            if left:
                return 200, left.pop(0), {"Content-Type": "text/html"}
            return (200, {"status": 200}) if method == "POST" else (200, BEGUN)
        probe = self.poller(self.scripted(answer), topic="room:none")
        for page in pages:
            cause, line = probe.down()
            self.assertEqual((cause, line["was_connected"]), ("server", False), (page, line))
        probe.next("connected")
        probe.kill()

    def test_a_gateway_that_fails_under_a_poll_is_survived(self):
        answers = []

        def answer(method, path, headers, body):
            answers.append(method)
            if method == "POST":
                return 200, {"status": 200}
            if "token=" not in path:
                return 200, BEGUN
            if answers.count("GET") == 2:
                return 502, "<html>Bad Gateway</html>", {"Content-Type": "text/html"}
            threading.Event().wait(HELD_S)
            return 200, {"messages": [], "status": 204, "token": TOKEN}
        probe = self.poller(self.scripted(answer), topic="room:none")
        probe.next("connected")
        cause, line = probe.down()
        self.assertEqual((cause, line["http"], line["was_connected"]), ("server", 502, True))
        probe.next("connected")
        probe.kill()

    def test_messages_that_cannot_be_read_end_the_session(self):
        for messages in ([1], "text", [{"a": 1}], {"a": "b"}):
            def answer(method, path, headers, body, messages=messages):
                if method == "POST":
                    return 200, {"status": 200}
                if "token=" not in path:
                    return 200, BEGUN
                return 200, {"messages": messages, "status": 200, "token": TOKEN}
            probe = self.poller(self.scripted(answer), topic="room:none")
            self.assertEqual(probe.down()[0], "server")
            probe.kill()

    def test_an_endless_answer_is_cut_off(self):
        def answer(method, path, headers, body):
            return 200, b"[" + b" " * (8 << 20)
        probe = self.poller(self.scripted(answer), max_message=1000)
        self.assertEqual(probe.down()[0], "protocol")
        probe.kill()

    def test_a_server_that_holds_no_poll_is_not_asked_without_a_pause(self):
        for nothing in ({"status": 204}, {"status": 200, "messages": []}):
            polls, enough = [], threading.Event()

            def answer(method, path, headers, body, polls=polls, enough=enough, nothing=nothing):
                if method == "POST":
                    return 200, {"status": 200}
                polls.append(time.monotonic())
                if len(polls) > 20:
                    enough.set()
                return 200, BEGUN if len(polls) == 1 else nothing
            probe = self.poller(self.scripted(answer))
            self.assertTrue(enough.wait(client.PATIENCE))
            self.assertGreater(polls[20] - polls[1], 1.5, "twenty polls were answered at once")
            probe.kill()

    def test_what_was_pushed_before_a_disconnect_arrives(self):
        server = self.phx_dev()
        other = self.probe(self.url(server), topic="room:1")
        other.next("joined")
        probe = self.poller(server)
        probe.next("joined")
        for i in range(5):
            probe.order('push shout {"i":%d}' % i)
        probe.order("disconnect")
        self.assertEqual(probe.down()[0], "asked")
        self.assertEqual([other.next("message")["payload"]["i"] for _ in range(5)], list(range(5)))
        probe.order("connect")
        probe.next("joined")
        probe.quit()
        other.quit()

    def test_heartbeats_go_by_long_polling_too(self):
        server = self.phx_dev()
        probe = self.poller(server, heartbeat=300, heartbeat_timeout=1500)
        probe.next("heartbeat")
        probe.next("heartbeat")
        server.post("/fault", {"hold_heartbeat": True})
        self.assertEqual(probe.down()[0], "heartbeat")
        server.post("/reset", {})
        probe.next("joined")
        probe.quit()

    def test_everything_may_be_done_from_inside_the_events(self):
        server = self.phx_dev()
        for event in ("connected", "joined", "heartbeat", "credentials"):
            for order in ("quit", "free", "disconnect"):
                probe = self.poller(server, heartbeat=100, inside=f"{event}={order}")
                if order == "disconnect" and event != "credentials":
                    self.assertEqual(probe.down()[0], "asked")
                probe.quit()


class Fallback(Case):
    def test_websockets_that_are_not_answered(self):
        server = self.phx_dev()
        server.post("/fault", {"silent": True, "transport": "websocket"})
        probe = self.poller(server, via="auto", fallback=200)
        probe.next("joined")
        self.assertEqual(self.path_of(server), ["/socket/longpoll"])
        self.assertNotIn("disconnected", [line["event"] for line in probe.seen])
        probe.quit()

    def test_websockets_that_are_refused_in_between(self):
        server = self.phx_dev()
        for status in (403, 500):
            server.post("/fault", {"refuse": status, "count": 1000, "transport": "websocket"})
            probe = self.poller(server, via="auto")
            probe.next("joined")
            self.assertIn("/socket/longpoll", self.path_of(server))
            probe.quit()

    def test_a_websocket_that_works_is_taken(self):
        server = self.phx_dev()
        probe = self.poller(server, via="auto")
        probe.next("joined")
        self.assertEqual(self.path_of(server), ["/socket/websocket"])
        probe.quit()

    def test_an_upgrade_behind_which_nothing_comes_is_no_websocket(self):
        upgraded = self.serve()
        probe = self.probe(upgraded.url(), via="auto", topic="room:1", heartbeat=300,
                           heartbeat_timeout=500)
        upgraded.upgraded()
        self.assertEqual(probe.down()[0], "heartbeat")
        self.assertEqual(upgraded.peer().request().target.split("?")[0], "/socket/longpoll")
        probe.kill()

    def test_what_worked_is_remembered_and_websockets_are_come_back_to(self):
        server = self.phx_dev("--lab")
        server.post("/fault", {"silent": True, "transport": "websocket"})
        probe = self.poller(server, via="auto", fallback=300, fallback_memory=1500, query="?user=joe")
        probe.next("joined")
        server.post("/kick_id?id=user:joe", {})
        probe.down()
        probe.next("joined")
        self.assertEqual(set(self.path_of(server)), {"/socket/longpoll"})
        server.post("/reset", {})
        cause, line = probe.down()
        self.assertIn("WebSockets work again", line["text"])
        probe.next("joined")
        self.assertIn("/socket/websocket", self.path_of(server))
        probe.quit()

    def test_the_next_attempt_does_not_try_again_what_did_not_work(self):
        upgrades = []
        polls = []

        def answer(method, path, headers, body):
            if "websocket" in path:
                upgrades.append(headers.get("upgrade"))
                return 500, ""
            if method == "POST":
                return 200, {"status": 200}
            if "token=" not in path:
                polls.append(path)
                return 200, BEGUN
            return 200, {"messages": [], "status": 410, "token": TOKEN}
        probe = self.poller(self.scripted(answer), via="auto", topic="room:none")
        for _ in range(3):
            probe.next("connected")
            probe.down()
        self.assertEqual(upgrades, ["websocket"])
        self.assertGreaterEqual(len(polls), 3)
        probe.kill()

    def test_a_server_that_asks_to_come_later_is_not_asked_otherwise(self):
        server = self.phx_dev()
        server.post("/fault", {"refuse": 429, "retry_after": 30, "transport": "websocket"})
        probe = self.poller(server, via="auto")
        cause, line = probe.down()
        self.assertEqual(cause, "limited")
        self.assertGreaterEqual(line["retry_ms"], 30000)
        probe.quit()

    def test_where_neither_works_the_websocket_s_end_is_told(self):
        server = self.phx_dev("--lab")
        server.post("/fault", {"refuse": 500, "count": 100, "transport": "websocket"})
        probe = self.poller(server, via="auto", mount="/socket_small")
        cause, line = probe.down()
        self.assertEqual((cause, line["http"]), ("server", 500))
        probe.quit()

    def test_everything_may_be_done_from_inside_the_events(self):
        server = self.phx_dev()
        server.post("/fault", {"refuse": 403, "count": 1000, "transport": "websocket"})
        for event in ("connected", "joined", "credentials"):
            for order in ("quit", "free", "disconnect"):
                self.poller(server, via="auto", inside=f"{event}={order}").quit()

    def test_all_may_be_closed_where_a_reply_comes_or_a_connection_ends(self):
        server = self.phx_dev()
        server.post("/fault", {"refuse": 403, "count": 1000, "transport": "websocket"})
        for via in ("longpoll", "auto"):
            for event, cause in (("push_end", "push ping {}"), ("disconnected", "disconnect"),
                                 ("message", "push push_me {}")):
                probe = self.poller(server, via=via, inside=f"{event}=quit")
                probe.next("joined")
                probe.order(cause)
                self.ended(probe)


if __name__ == "__main__":
    unittest.main()
