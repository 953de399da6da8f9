"""phx-dev as NervesHub: what the recordings do not cover or cannot be replayed for."""
import hashlib
import http.client
import os
import ssl
import subprocess
import tempfile
import time
import unittest

import phxdev
from nerves_client import PLATFORM, PRODUCT_KEY, SECRET, Device, headers
from phxdev import Server, connect

SOURCE = os.environ.get("MCU_SOURCE", ".")
BIN = os.environ.get("MCU_BIN", "build/dev/bin")
NEW = os.path.join(SOURCE, "tests/vectors/fw/lab-1.1.0-signed.fw")
UNSIGNED = os.path.join(SOURCE, "tests/vectors/fw/lab-1.0.0-unsigned.fw")
LAB_KEY = os.path.join(SOURCE, "tests/vectors/fw/labkey.pub")
NEW_UUID = "2cc211b5-e7c5-5b9c-b678-c70df78babe5"
USER = "/user/websocket?vsn=2.0.0"
SOCKET = "/device-socket/websocket?vsn=2.0.0"


class Nerves(unittest.TestCase):
    release = "main"
    options = ()

    def setUp(self):
        self.server = Server("--nerves", self.release, "--nerves-key", f"{PRODUCT_KEY}={SECRET}",
                             *self.options)
        self.addCleanup(self.server.stop)

    def order(self, what, wanted=200, **body):
        got, answer = self.server.request("POST", f"/nerves/{what}", body)
        self.assertEqual(got, wanted, answer)
        return answer

    def joined(self, identifier="dev-1", **changes):
        device = Device(self.server, identifier)
        self.assertEqual(device.join(**changes)["status"], "ok")
        device.expect("extensions:get")
        return device

    def events(self, topic=None):
        events = self.server.get("/nerves/events")["events"]
        return [(e["event"], e["payload"]) for e in events if topic in (None, e["topic"])]


class Connecting(Nerves):
    def test_the_clock_of_the_server_can_be_another_and_its_date_says_so(self):
        self.order("clock", ahead_ms=-3600 * 1000)
        link = connect(self.server, SOCKET, headers("dev-1"), status=401)
        self.assertEqual(link.response[3], "")
        date = time.mktime(time.strptime(link.response[2]["date"], "%a, %d %b %Y %H:%M:%S GMT"))
        at = int(date - time.timezone)
        self.assertAlmostEqual(at, time.time() - 3600, delta=120)
        connect(self.server, SOCKET, headers("dev-1", at))

    def test_the_web_endpoint_has_no_socket_for_certificates(self):
        connect(self.server, "/socket/websocket?vsn=2.0.0", headers("dev-1"), status=404)

    def test_a_second_connection_of_an_identity_closes_the_first_after_its_own_answer(self):
        first, other = self.joined(), self.joined("dev-2")
        second = Device(self.server)
        self.assertEqual(first.link.next(), ("close", 1001, ""))
        self.assertEqual(second.join()["status"], "ok")
        other.push("nosuch", {})
        self.assertTrue(other.state()["connected"])

    def test_a_silent_device_is_closed_with_1002(self):
        self.server.stop()
        self.server = Server("--nerves", "main", "--nerves-key", f"{PRODUCT_KEY}={SECRET}",
                             "--idle-ms", "300")
        self.addCleanup(self.server.stop)
        self.assertEqual(Device(self.server).link.next()[:2], ("close", 1002))

    def test_keys_that_are_none_are_refused_at_the_start(self):
        for key in ("nhp_x", "nhp_x=", "abc=def", "nhd_x=secret", "nhp_x=secret:dev-1"):
            done = subprocess.run([phxdev.BINARY, "--nerves", "main", "--nerves-key", key],
                                  capture_output=True, text=True, timeout=phxdev.DEADLINE_S)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("--nerves-key", done.stderr)


    def test_a_deleted_device_and_a_deactivated_key_stay_connected_and_are_refused_next_time(self):
        for who in ({"device": "dev-1"}, {"key": PRODUCT_KEY}):
            with self.subTest(who):
                device = self.joined()
                self.order("refuse", **who)
                device.push("rebooting", {})
                self.assertTrue(device.state()["connected"])
                link = connect(self.server, SOCKET, headers("dev-1"), status=401)
                self.assertEqual(link.response[3], "")
                self.assertNotIn("nh-connection-error-reason", link.response[2])
                self.order("refuse", **who, refused=False)
        self.order("refuse", wanted=400, device="nobody")
        self.order("refuse", wanted=400, key="nhp_nosuch")

    def test_messagepack_is_refused(self):
        connect(self.server, "/device-socket/websocket?vsn=3.0.0", headers("dev-1"), status=403)


class ConnectingTo240(Nerves):
    release = "2.4.0"

    def test_the_loser_of_an_identity_is_closed_with_1011(self):
        first = Device(self.server)
        Device(self.server)
        self.assertEqual(first.link.next(), ("close", 1011, ""))


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        for name in ("ca", "stranger"):
            cls.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "1", "-subj", f"/CN={name}", "-keyout", cls.pem(name + ".key"),
                        "-out", cls.pem(name + ".pem"))
        cls.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=mtls-mcu-1", "-keyout", cls.pem("device.key"), "-out", cls.pem("device.csr"))
        cls.openssl("x509", "-req", "-in", cls.pem("device.csr"), "-CA", cls.pem("ca.pem"), "-CAkey",
                    cls.pem("ca.key"), "-days", "1", "-out", cls.pem("device.pem"))

    @classmethod
    def pem(cls, name):
        return os.path.join(cls.directory.name, name)

    @staticmethod
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def setUp(self):
        self.server = Server("--nerves", "main", "--nerves-key", f"{PRODUCT_KEY}={SECRET}", "--tls",
                             "--cert-out", self.pem("server.pem"), "--client-ca", self.pem("ca.pem"))
        self.addCleanup(self.server.stop)

    def connect(self, path, certificate=None, extra=(), status=101, **limits):
        context = ssl.create_default_context(cafile=self.pem("server.pem"))
        for name, value in limits.items():
            setattr(context, name, value)
        if certificate:
            context.load_cert_chain(self.pem(certificate + ".pem"), self.pem(certificate + ".key"))
        link = phxdev.Connection(self.server.port, context)
        link.send(phxdev.upgrade_request(self.server.port, path, extra))
        event = link.next()
        self.assertEqual(event[:2], ("response", status))
        return link, event

    def who(self):
        return [d["identifier"] for d in self.server.get("/nerves/devices")["devices"] if d["connected"]]

    def test_a_certificate_is_an_identity_on_both_sockets_and_wins_over_a_secret(self):
        first, _ = self.connect("/socket/websocket?vsn=2.0.0", "device")
        self.assertEqual(self.who(), ["mtls-mcu-1"])
        self.connect(SOCKET, "device", headers("somebody-else"))
        self.assertEqual(first.next(), ("close", 1001, ""))
        self.assertEqual(self.who(), ["mtls-mcu-1"])

    def test_without_a_certificate_the_secret_counts(self):
        self.connect(SOCKET, None, headers("dev-1"))
        _, event = self.connect("/socket/websocket?vsn=2.0.0", status=401)
        self.assertEqual(event[2]["nh-connection-error-reason"], event[3])

    def test_a_strange_certificate_fails_in_the_handshake(self):
        with self.assertRaises(OSError):
            self.connect(SOCKET, "stranger")

    def test_only_tls_1_2_is_spoken(self):
        with self.assertRaises(OSError):
            self.connect(SOCKET, minimum_version=ssl.TLSVersion.TLSv1_3)

    def test_an_unknown_path_leads_to_the_documentation(self):
        _, event = self.connect("/nosuch", status=301)
        self.assertEqual(event[2]["location"], "https://docs.nerves-hub.org/")

    def test_an_update_is_served_over_https(self):
        link, _ = self.connect(SOCKET, "device")
        link.send_json(["1", "1", "device", "phx_join", PLATFORM])
        link.next_json()
        link.next_json()
        self.server.post("/nerves/update", {"device": "mtls-mcu-1", "path": NEW})
        url = link.next_json()[4]["firmware_url"]
        self.assertEqual(url, f"https://127.0.0.1:{self.server.port}/firmware/1/{NEW_UUID}.fw")


class Downloads(Nerves):
    def setUp(self):
        super().setUp()
        self.order("release", path=NEW)
        with open(NEW, "rb") as file:
            self.file = file.read()

    def fetch(self, headers=None, method="GET", uuid=NEW_UUID):
        link = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=phxdev.DEADLINE_S)
        link.request(method, f"/firmware/1/{uuid}.fw?X-Amz-Signature=1", headers=headers or {})
        self.addCleanup(link.close)
        return link.getresponse()

    def test_ranges_are_answered_as_recorded(self):
        size = len(self.file)
        whole = (200, self.file)
        for given, expected in {
                "bytes=0-99": (206, self.file[:100]), "bytes=100-": (206, self.file[100:]),
                "bytes=-100": (206, self.file[-100:]), f"bytes={size - 1}-": (206, self.file[-1:]),
                f"bytes={size}-": (500, b""), "bytes=9999-": (500, b""), "bytes=0-": whole,
                "bytes=10-5": whole, "bytes=0-1,5-6": whole, "items=0-1": whole, "bytes=abc": whole,
                "bytes=0-9999": whole, "bytes=": whole, "bytes=-": whole}.items():
            with self.subTest(given):
                answer = self.fetch({"Range": given})
                self.assertEqual((answer.status, answer.read()), expected)
        answer = self.fetch({"Range": "bytes=100-199", "If-Range": '"other"'})
        self.assertEqual((answer.status, answer.getheader("content-range")),
                         (206, f"bytes 100-199/{size}"))

    def test_the_head_of_an_answer_is_as_recorded(self):
        answer = self.fetch(method="HEAD")
        self.assertEqual((answer.status, answer.read()), (200, b""))
        for name, value in {"content-length": str(len(self.file)), "accept-ranges": "bytes",
                            "content-type": "application/fwup", "cache-control": "public"}.items():
            self.assertEqual(answer.getheader(name), value)
        etag = answer.getheader("etag")
        self.assertRegex(etag, r'^"[0-9A-F]{7}"$')
        self.assertEqual(self.fetch({"If-None-Match": etag}).status, 304)
        self.assertEqual(self.fetch(uuid="nosuch").status, 404)

    def test_a_download_breaks_off_comes_wrong_or_is_refused_when_it_is_told_to(self):
        self.order("fault", cut_at=1000, times=1)
        with self.assertRaises(http.client.IncompleteRead) as broken:
            self.fetch().read()
        self.assertEqual(broken.exception.partial, self.file[:1000])
        self.assertEqual(self.fetch().read(), self.file)
        self.order("fault", corrupt=2000, times=2)
        self.assertEqual([i for i, (a, b) in enumerate(zip(self.fetch().read(), self.file)) if a != b],
                         [2000])
        part = self.fetch({"Range": "bytes=1999-"}).read()
        self.assertEqual((part[0], part[1] ^ 1, part[2:]),
                         (self.file[1999], self.file[2000], self.file[2001:]))
        self.order("fault", status=503)
        self.assertEqual(self.fetch().status, 503)
        self.order("fault", redirect="http://127.0.0.1:1/x")
        answer = self.fetch()
        self.assertEqual((answer.status, answer.getheader("location")), (302, "http://127.0.0.1:1/x"))
        self.order("fault", no_range=True)
        self.assertEqual(self.fetch({"Range": "bytes=100-"}).status, 200)
        self.order("fault")
        self.assertEqual(self.fetch().read(), self.file)

    def test_a_slow_download_arrives_whole_and_takes_its_time(self):
        self.order("fault", slow=len(self.file))  # a second for all of it
        begun = time.monotonic()
        self.assertEqual(self.fetch({"Range": "bytes=1-"}).read(), self.file[1:])
        self.assertGreater(time.monotonic() - begun, 0.5)
        self.order("fault", slow=len(self.file), cut_at=300)
        with self.assertRaises(http.client.IncompleteRead) as broken:
            self.fetch().read()
        self.assertEqual(broken.exception.partial, self.file[:300])

    def test_it_is_told_who_asked_for_what(self):
        self.fetch({"Range": "bytes=7-", "X-Odd": "1"}).read()
        asked = self.server.get("/nerves/downloads")["downloads"][-1]
        self.assertEqual((asked["uuid"], asked["range"], asked["query"]), (NEW_UUID, "bytes=7-", "X-Amz-Signature=1"))
        self.assertIn("x-odd", [name.lower() for name in asked["headers"]])

    def test_faults_that_make_no_sense_are_refused(self):
        for wrong in ({"status": 200}, {"cut_at": -1}, {"slow": 0}, {"stall": 1}, {"times": "x"}, {"redirect": 5}):
            got, _ = self.server.request("POST", "/nerves/fault", wrong)
            self.assertEqual(got, 400, wrong)

    def test_the_sums_of_an_update_are_those_of_its_file(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        large = os.path.join(directory.name, "large.fw")
        image = large + ".bin"
        with open(image, "wb") as file:
            file.write(os.urandom(2500000))
        subprocess.run([os.path.join(BIN, "mkfw"), "pack", "--product", "p", "--version", "2.0.0",
                        "--platform", "avr", "--architecture", "avr8", image, large], check=True,
                       capture_output=True, timeout=phxdev.DEADLINE_S)
        device = self.joined(nerves_fw_uuid=NEW_UUID)
        self.order("update", device="dev-1", path=large)
        update = device.expect("update")[4]
        with open(large, "rb") as file:
            data = file.read()
        sums = [hashlib.sha256(data[i:i + 1048576]).hexdigest().upper()
                for i in range(0, len(data), 1048576)]
        self.assertEqual((update["size"], update["checksum"], update["partials_checksums"]),
                         (len(data), hashlib.sha256(data).hexdigest().upper(), sums))
        self.assertEqual(len(sums), 3)


class Updates(Nerves):
    def test_the_release_reaches_who_is_eligible_at_once_and_on_joining(self):
        device, other = self.joined(), self.joined("dev-2", nerves_fw_platform="esp32")
        self.assertEqual(self.order("release", path=NEW)["received"], 1)
        self.assertEqual(device.expect("update")[:3], [None, None, "device"])
        self.assertIsNone(other.state()["inflight"])
        late = self.joined("dev-3")
        self.assertEqual(late.expect("update")[4]["firmware_meta"]["uuid"], NEW_UUID)

    def test_three_attempts_are_enough_for_a_day(self):
        self.order("release", path=NEW)
        for _ in range(3):
            device = self.joined()
            device.expect("update")
            device.push("status_update", {"status": "received"})
            self.assertEqual(device.state()["inflight"]["status"], "received")
            device.link.destroy()
        state = self.joined().state()
        self.assertIsNone(state["inflight"])
        self.assertGreater(state["blocked_ms"], 23 * 3600 * 1000)

    def test_failure_blocks_a_device_of_the_release_for_a_day_and_nobody_else(self):
        self.order("release", path=NEW)
        device = self.joined()
        device.expect("update")
        device.push("status_update", {"status": "failed", "reason": "x"})
        self.assertGreater(device.state()["blocked_ms"], 23 * 3600 * 1000)
        self.order("release")
        other = self.joined("dev-2")
        self.order("update", device="dev-2", path=NEW)
        other.expect("update")
        other.push("status_update", {"status": "failed"})
        self.assertEqual((other.state()["blocked_ms"], other.state()["inflight"]), (0, None))

    def test_an_update_expires_half_an_hour_after_the_last_stored_change(self):
        device = self.joined()
        self.order("update", device="dev-1", path=NEW)
        device.expect("update")
        device.push("fwup_progress", {"value": 50})
        device.state()
        self.order("clock", ahead_ms=29 * 60 * 1000)
        device.push("fwup_progress", {"value": 51})
        self.assertEqual(device.state()["inflight"]["progress"], 51)
        self.order("clock", ahead_ms=58 * 60 * 1000)
        self.assertIsNotNone(device.state()["inflight"])
        self.order("clock", ahead_ms=59 * 60 * 1000 + 1)
        self.assertIsNone(device.state()["inflight"])

    def test_the_same_progress_again_is_no_stored_change(self):
        device = self.joined()
        self.order("update", device="dev-1", path=NEW)
        device.expect("update")
        for minute, value in ((0, 50), (20, 50)):
            self.order("clock", ahead_ms=minute * 60 * 1000)
            device.push("fwup_progress", {"value": value})
            self.assertEqual(device.state()["inflight"]["progress"], 50)
        self.order("clock", ahead_ms=30 * 60 * 1000 + 1)
        self.assertIsNone(device.state()["inflight"])

    def test_a_phantom_stops_pushes_of_both_kinds(self):
        device = self.joined()
        device.push("fwup_progress", {"value": 1})
        self.assertEqual(device.state()["inflight"]["firmware_uuid"], None)
        self.order("update", wanted=409, device="dev-1", path=NEW)
        self.assertEqual(self.order("release", path=NEW)["received"], 0)

    def test_the_address_of_firmware_can_hold_anything(self):
        device = self.joined()
        self.order("settings", url="https://user:pass@other.example/f/{uuid}.fw?token=x")
        self.order("update", device="dev-1", path=NEW)
        self.assertEqual(device.expect("update")[4]["firmware_url"],
                         f"https://user:pass@other.example/f/{NEW_UUID}.fw?token=x")
        self.order("settings", url=None)
        self.order("settings", wanted=400, url=5)

    def test_nobody_there_and_no_firmware_are_said(self):
        self.order("update", wanted=409, device="dev-1", path=NEW)
        self.joined()
        for path in ("/nosuch.fw", LAB_KEY, ""):
            self.order("update", wanted=400, device="dev-1", path=path)


class Signed(Nerves):
    options = ("--nerves-fw-key", LAB_KEY)

    def test_what_the_organisation_has_not_signed_is_refused(self):
        self.order("release", wanted=400, path=UNSIGNED)
        self.order("release", path=NEW)

    def test_its_key_comes_when_it_is_asked_for(self):
        device = Device(self.server)
        device.join(fwup_public_keys="on_connect")
        with open(LAB_KEY, encoding="ascii") as file:
            self.assertEqual(device.expect("fwup_public_keys")[4], {"keys": [file.read().strip()]})


class Channels(Nerves):
    def test_reboot_identify_and_an_archive_carry_no_join_ref_and_a_script_does(self):
        device = self.joined()
        for event, join_ref in (("reboot", None), ("identify", None), ("scripts/run", "1")):
            self.order("push", device="dev-1", topic="device", event=event, payload={"ref": "r"})
            self.assertEqual(device.expect(event)[0], join_ref)
        device.push("scripts/run", {"ref": "r", "result": "error", "output": "not", "return": "nil"})
        self.assertEqual(device.state()["script_output"], "not\nnil")

    def test_an_archive_and_a_script_come_with_the_join(self):
        self.order("settings", archive={"uuid": "u"}, connecting_code="IO.puts(1)")
        device = Device(self.server)
        device.join()
        self.assertEqual([device.link.next_json()[3] for _ in range(3)],
                         ["archive", "extensions:get", "scripts/run"])

    def test_what_devices_say_is_kept_in_order(self):
        device = self.joined()
        device.join("console", "2")
        for i in range(300):
            device.push("up", {"data": f"line {i}\n"}, "console", "2")
        device.link.sync()
        said = [p["data"] for e, p in self.events("console") if e == "up"]
        self.assertEqual(said, [f"line {i}\n" for i in range(300)])
        self.order("push", device="dev-1", topic="console", event="dn", payload={"data": "ls\r"})
        self.assertEqual(device.expect("dn")[0], "2")

    def person(self, identifier="dev-1", status="ok"):
        """Somebody at the other end of a device's console."""
        link = connect(self.server, USER)
        link.send_json(["1", "1", f"user:console:{identifier}", "phx_join", {}])
        self.assertEqual(link.next_json()[4]["status"], status)
        return link

    def test_a_person_s_console_is_that_of_its_device_alone(self):
        first, second = self.joined(), self.joined("dev-2")
        for device in (first, second):
            device.join("console", "2")
        mine, other = self.person(), self.person("dev-2")
        mine.send_json(["1", "2", "user:console:dev-1", "dn", {"data": "ls\r"}])
        self.assertEqual(first.expect("dn")[4], {"data": "ls\r"})
        first.push("up", {"data": "mine"}, "console", "2")
        second.push("up", {"data": "other"}, "console", "2")
        self.assertEqual(mine.next_json()[3], "phx_reply")
        self.assertEqual(mine.next_json()[3:], ["up", {"data": "mine"}])
        self.assertEqual(other.next_json()[3:], ["up", {"data": "other"}])
        self.assertEqual(second.state()["crashes"], 0)

    def test_a_person_cannot_reboot_a_device_nor_a_web_page_be_a_person(self):
        self.joined()
        self.person("nobody", status="error")
        mine = self.person()
        mine.send_json(["1", "2", "user:console:dev-1", "reboot", {}])
        self.assertEqual(mine.next_json()[3], "phx_error")
        connect(self.server, USER, ["Origin: http://localhost"], status=403)

    def test_logging_takes_ten_at_once_and_drops_the_rest_without_a_word(self):
        device = self.joined()
        self.assertEqual(device.join("extensions", "2", {"logging": "0.0.1"})["response"], [])
        self.order("settings", logging=True)
        self.assertEqual(device.join("extensions", "3", {"logging": "0.0.1"})["response"], ["logging"])
        device.expect("phx_close")
        for _ in range(100):
            device.push("logging:send", {"level": "info", "message": "m"}, "extensions", "3")
        device.state()
        names = [e for e, _ in self.events("extensions")]
        self.assertEqual(names.count("logging:send") + names.count("logging:dropped"), 100)
        self.assertGreaterEqual(names.count("logging:send"), 10)
        self.assertGreater(names.count("logging:dropped"), 0)
        self.assertEqual(names.index("logging:dropped") >= 10 + names.index("phx_join"), True)

    def test_crashes_are_counted_and_named(self):
        device = self.joined()
        device.push("status_update", {"status": "nosuch"})
        device.expect("phx_error")
        self.assertEqual(device.state()["crashes"], 1)
        self.assertIn(("CRASH", None), self.events("device"))


if __name__ == "__main__":
    unittest.main(failfast=True)
