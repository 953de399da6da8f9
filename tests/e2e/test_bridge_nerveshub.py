"""A board on a serial line as a device of NervesHub, beside an application or without one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness_bridge import BIN, Bridge, PhxDev, folder, free_port, secret_file, wait_until, yaml_value  # noqa: E402
from harness_mcu import Mcu  # noqa: E402
from harness_web import Certificates  # noqa: E402
from images import image  # noqa: E402
from talker import Talker  # noqa: E402
import test_bridge_watch as watch  # noqa: E402

KEY, SECRET = "nhp_lab", "s3cret/with+signs"
VERSION = "0.1.0"  # of the sample firmware
IMAGE = "00112233445566778899aabbccddeeff00112233"
UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$"


def yaml_text(value):
    return json.dumps(value) if isinstance(value, list) else yaml_value(value)


def write_hub_config(test, mcus, server=None, **nerveshub):
    """A configuration file with the section nerveshub; mcus: dictionaries; server: its section, or None."""
    sections = {"nerveshub": nerveshub, **({"server": server} if server else {}),
                "metrics": {"listen": f"127.0.0.1:{free_port()}"}}
    lines = []
    for name, members in sections.items():
        lines += [f"{name}:"] + [f"  {key}: {yaml_text(value)}" for key, value in members.items()]
    lines.append("mcus:")
    for mcu in mcus:
        members = [f"{key}: {yaml_text(value)}" for key, value in mcu.items()]
        lines += ["  - " + members[0], *("    " + member for member in members[1:])]
    path = folder(test) / "bridge.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path, sections["metrics"]["listen"]


class Hub(PhxDev):
    """phx-dev as a NervesHub."""

    def __init__(self, test, release="main", arguments=(), **how):
        super().__init__(test, "--nerves", release, "--nerves-key", f"{KEY}={SECRET}", *arguments, **how)

    @property
    def device_url(self):
        return self.url.replace("/microcontrollers/", "/device-socket/")

    def device(self, name):
        devices = self.request("GET", "/nerves/devices")["devices"]
        return next((d for d in devices if d["identifier"] == name), None)

    def wait_joined(self, name, *topics):
        """The device, once it has joined these, or `device`."""
        wanted = set(topics or ["device"])
        return wait_until(lambda: wanted <= set((self.device(name) or {"topics": ()})["topics"]) and self.device(name),
                          lambda: f"{name} joins {wanted}: {self.device(name)}")

    def events(self, name=None, device="a"):
        return [e for e in self.request("GET", "/nerves/events")["events"]
                if name in (None, e["event"]) and e["device"] == device]

    def wait_event(self, name, count=1, device="a"):
        return wait_until(lambda: len(self.events(name, device)) >= count and self.events(name, device),
                          lambda: f"{count} of {name}: {[e['event'] for e in self.events(device=device)]}")

    def push(self, topic, event, payload=None, device="a"):
        answer = self.request("POST", "/nerves/push",
                              {"device": device, "topic": topic, "event": event, "payload": payload or {}})
        assert answer["received"] == 1, answer


class Nerveshub(unittest.TestCase):
    release = "main"

    def start(self, mcus, hub=None, server=None, **nerveshub):
        """A bridge with these entries of mcus and of sections."""
        self.hub = hub or Hub(self, self.release)
        self.nerveshub = {"url": self.hub.device_url, "key": KEY, "secret_file": str(secret_file(self, SECRET)),
                          "folder": str(folder(self) / "not" / "yet" / "there"), "reconnect_min": "100ms",
                          "reconnect_max": "500ms", "allow_http": True, **nerveshub}
        self.config, self.listen = write_hub_config(self, mcus, server, **self.nerveshub)
        self.bridge = Bridge(self, "--config", self.config)
        return self.bridge

    def wait_metric(self, name, wanted, mcu="a"):
        """The metric of the MCU once wanted(it) holds."""
        def found():
            try:
                value = watch.metrics(self.listen).get((f"mcu_bridge_{name}", ("mcu", mcu)))
            except OSError:
                return None
            return (value,) if value is not None and wanted(value) else None
        return wait_until(found, f"{name} of {mcu}")[0]

    def status(self):
        status, text = watch.get(self.listen, "/status")
        self.assertEqual(status, 200)
        return {mcu["name"]: mcu for mcu in json.loads(text)["mcus"]}

    def rewrite(self, mcus, server=None, **nerveshub):
        text = write_hub_config(self, mcus, server, **{**self.nerveshub, **nerveshub})[0].read_text()
        self.config.write_text(re.sub(r"listen: .*", f'listen: "{self.listen}"', text))
        self.bridge.signal(signal.SIGHUP)


def pack(test, data, version, device, **names):
    """A .fw file of an image for a device that has joined."""
    home = folder(test)
    (home / "image.bin").write_bytes(data)
    told = {"product": device["product"], "platform": device["platform"], "architecture": device["architecture"],
            "version": version, **names}
    words = [word for name, value in told.items() for word in (f"--{name}", value)]
    subprocess.run([str(BIN / "mkfw"), "pack", *words, str(home / "image.bin"), str(home / "new.fw")], check=True, stdout=subprocess.DEVNULL)
    return home / "new.fw"


class OneBoard(Nerveshub):
    def setUp(self):
        self.mcu = Mcu(self, "posix")

    def start(self, *arguments, **more):
        return super().start([{"name": "a", "path": self.mcu.path}], *arguments, **more)

    def test_it_shows_up_with_its_firmware(self):
        self.start()
        device = self.hub.wait_joined("a", "device", "console", "extensions")
        self.assertEqual((device["product"], device["version"], device["crashes"]), ("mcu-stub", VERSION, 0))
        self.assertRegex(device["uuid"], UUID)
        self.assertTrue(device["platform"] and device["architecture"])
        join = next(e["payload"] for e in self.hub.events("phx_join") if e["topic"] == "device")
        self.assertNotIn("currently_downloading_uuid", join)
        shown = self.status()["a"]["nerveshub"]
        self.assertEqual((shown["state"], shown["uuid"], shown["version"], shown["update"]),
                         ("joined", device["uuid"], VERSION, "idle"))
        self.assertIsNone(self.status()["a"]["server"])
        self.assertEqual(watch.get(self.listen, "/healthz")[0], 200)
        self.assertEqual(self.bridge.stop(), 0)
        wait_until(lambda: not self.hub.device("a")["connected"], "it is offline")

    def test_readings_are_taken_from_the_board_and_wait_nowhere(self):
        self.start()
        self.wait_metric("readings_received_total", lambda n: n >= 50)
        self.assertEqual(self.wait_metric("readings_waiting", lambda n: True), 0)
        self.assertEqual(self.bridge.said("refused|spool|cannot"), [])

    def test_the_viewer_s_window_is_known_at_the_board_after_its_restart_too(self):
        self.start()
        self.hub.wait_joined("a", "device", "console")
        person = Person(self, self.hub)
        person.answer("size", "size not told\n")
        person.say("window_size", height=24, width=80)
        person.answer("size", "rows 24\ncolumns 80\n")
        met = len(self.bridge.said("board stub-1 on .* 0.1.0"))
        self.hub.push("device", "reboot")
        wait_until(lambda: len(self.bridge.said("board stub-1 on .* 0.1.0")) > met, "it is met again")
        seen = len(person.screen())
        person.answer("size", "(columns|size) .*\n", seen)
        self.assertRegex(person.screen()[seen:], "rows 24\ncolumns 80\n")
        self.assertEqual(self.hub.device("a")["crashes"], 0)


class Person(Talker):
    """phx-cat at a device's console."""

    def __init__(self, test, hub, device="a"):
        self.device = device
        self.messages = []
        super().__init__([BIN / "phx-cat", hub.url.replace("/microcontrollers/", "/user/"), f"user:console:{device}"],
                         parse=self.take, stderr=subprocess.DEVNULL)
        test.addCleanup(self.close)

    def take(self, line):
        message = json.loads(line)
        if message.get("event") == "up":
            self.messages.append(message["payload"]["data"])

    def say(self, event, **payload):
        self.tell(f"{event} {json.dumps(payload)}")

    def type(self, text):
        self.say("dn", data=text)

    def answer(self, line, pattern, since=0):
        """Types the line until the answer is there: this end may not have joined yet."""
        def found():
            self.type(line + "\n")
            time.sleep(0.2)
            return re.search(pattern, self.screen()[since:])
        return wait_until(found, lambda: f"{pattern!r}; {self.screen()[-300:]!r}")

    def screen(self):
        return "".join(self.messages)

    def wait_seen(self, pattern):
        return wait_until(lambda: re.search(pattern, self.screen()), lambda: f"{pattern!r} in {self.screen()[-300:]!r}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


class OneBoardOf240(OneBoard):
    release = "2.4.0"


class Talk(Nerveshub):
    """A board that echoes, counts and chatters on demand."""

    def setUp(self):
        self.mcu = Mcu(self, command=[str(BIN / "talk-board"), "{fd}", IMAGE])

    def start(self, *arguments, **more):
        super().start([{"name": "a", "path": self.mcu.path, "baud": 1000000}], *arguments, **more)
        self.hub.wait_joined("a", "device", "console", "extensions")
        self.person = Person(self, self.hub)
        self.person.answer("sum", r"sum \d+ ")

    def test_what_is_typed_is_answered_and_what_is_said_after_it_too(self):
        self.start()
        self.person.say("window_size", height=24, width=80)
        self.person.say("file-data/start", filename="../../etc/passwd")
        self.person.type("é\nlines 3\n")
        self.person.wait_seen("line 0\nline 1\nline 2\n")
        self.bridge.wait_line("a file was sent to the console")
        self.assertEqual(self.hub.device("a")["crashes"], 0)

    def test_ten_thousand_lines_come_once_and_in_order_in_few_messages(self):
        self.start()
        before = len(self.person.messages)
        self.person.type("lines 10000\n")
        self.person.wait_seen("line 9999\n")
        lines = [line for line in self.person.screen().split("\n") if line.startswith("line ")]
        self.assertEqual(lines, [f"line {i}" for i in range(10000)])
        self.assertLess(len(self.person.messages) - before, 500)
        self.assertEqual(self.wait_metric("nerveshub_console_lost_bytes_total", lambda n: True), 0)

    def test_sixty_four_kib_typed_at_once_arrive_whole(self):
        self.start()
        self.person.type("sum\n")
        seen = len(self.person.screen())
        text = "".join(f"{i:07d}\n" for i in range(8191)) + "1234567\n"
        self.person.type(text)
        self.person.type("sum\n")
        wanted = f"sum {len(text)} {zlib.crc32(text.encode()):08x} "
        wait_until(lambda: wanted in self.person.screen()[seen:], lambda: (wanted, self.person.screen()[-300:]))

    def test_keys_are_not_a_message_each(self):
        self.start()
        self.person.type("sum\n")
        seen = len(self.person.screen())
        for _ in range(400):
            self.person.type("x")
        self.person.type("\nsum\n")
        found = wait_until(lambda: re.search(r"sum 401 \w+ (\d+)\n", self.person.screen()[seen:]),
                           lambda: self.person.screen()[-300:])
        self.assertLess(int(found.group(1)), 100)

    def test_reboot_and_identify_reach_the_board(self):
        self.start()
        self.hub.push("device", "identify")
        self.person.wait_seen(r"identify [1-9]\d*\n")
        self.hub.push("device", "reboot")
        self.hub.wait_event("rebooting")
        self.person.wait_seen("reset\n")

    def test_no_script_is_run_and_no_archive_taken(self):
        self.start()
        self.hub.push("device", "scripts/run", {"ref": "AB+/cd", "text": "touch /x"})
        answer = self.hub.wait_event("scripts/run")[0]["payload"]
        self.assertEqual((answer["result"], answer["output"]), ("error", "not supported"))
        self.hub.push("device", "archive", {"uuid": "x", "url": "http://127.0.0.1:1/x"})
        self.bridge.wait_line("an archive was offered")
        self.assertEqual(self.hub.device("a")["crashes"], 0)

    def test_its_log_goes_there_within_the_limit(self):
        hub = Hub(self, self.release)
        hub.request("POST", "/nerves/settings", {"logging": True})
        self.start(hub)
        self.hub.wait_event("logging:attached")
        self.person.type("logs 40\n")
        sent = self.hub.wait_event("logging:send", 10)
        self.assertEqual([e["payload"]["message"] for e in sent[:10]], [f"log {i}" for i in range(10)])
        self.assertEqual({e["payload"]["level"] for e in sent}, {"warning"})
        self.wait_metric("nerveshub_log_lines_dropped_total", lambda n: n >= 20)
        self.assertEqual(self.hub.events("logging:dropped"), [])

    def test_health_has_the_line_and_the_sensors_as_numbers(self):
        self.start()
        self.wait_metric("readings_received_total", lambda n: n >= 3)
        self.hub.wait_event("health:report")

        def report():
            count = len(self.hub.events("health:report"))
            self.hub.push("extensions", "health:check")
            value = self.hub.wait_event("health:report", count + 1)[-1]["payload"]["value"]
            self.person.type("\n")  # a round trip is known once something went to the board and back
            return value if "link_round_trip_ms" in value["metrics"] else None
        value = wait_until(report, "a report with a round trip")
        metrics = value["metrics"]
        self.assertTrue(all(type(number) in (int, float) for number in metrics.values()), metrics)
        self.assertGreaterEqual(metrics["sensor_counter_temperature"], 2)
        self.assertGreater(metrics["link_frames_received"], 5)
        self.assertEqual((metrics["link_crc_failures"], metrics["reset_cause"]), (0, 0))
        self.assertTrue(0 < metrics["link_round_trip_ms"] < 60000, metrics)
        self.assertTrue(0 <= metrics["uptime_s"] < 600, metrics)
        self.assertRegex(value["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        for part in ("metadata", "alarms", "checks", "connectivity"):
            self.assertEqual(value[part], {})


class WhoIsWho(Nerveshub):
    def test_a_board_that_does_not_say_what_it_runs_is_not_joined(self):
        mcu = Mcu(self, command=[str(BIN / "talk-board"), "{fd}"])
        self.start([{"name": "a", "path": mcu.path}])
        self.bridge.wait_line("does not say a build id")
        self.assertEqual(self.hub.events(), [])
        status, text = watch.get(self.listen, "/healthz")
        self.assertEqual(status, 503)
        self.assertIn("it is not joined at NervesHub (the board's firmware does not say a build id", text)

    def test_a_secret_that_is_changed_in_its_file_is_used_at_the_next_attempt(self):
        mcu = Mcu(self, "posix")
        secret = secret_file(self, "not-this-one")
        self.start([{"name": "a", "path": mcu.path}], secret_file=str(secret))
        self.bridge.wait_line("the server refuses the key, its secret or the identifier")
        secret.write_text(SECRET + "\n")
        self.hub.wait_joined("a")

    def test_another_section_begins_the_boards_anew(self):
        mcu = Mcu(self, "posix")
        self.start([{"name": "a", "path": mcu.path}])
        self.hub.wait_joined("a")
        self.rewrite([{"name": "a", "path": mcu.path}], reconnect_max="400ms")
        self.bridge.wait_line("nerveshub has changed: its boards begin anew")
        wait_until(lambda: len([e for e in self.hub.events("phx_join") if e["topic"] == "device"]) == 2, "joined anew")
        self.assertEqual(self.bridge.said("MCUs is|cannot"), [])

    def test_where_the_files_are_waits_for_a_new_start(self):
        mcu = Mcu(self, "posix")
        self.start([{"name": "a", "path": mcu.path}])
        self.hub.wait_joined("a")
        self.rewrite([{"name": "a", "path": mcu.path}], folder=str(folder(self)))
        self.bridge.wait_line("nerveshub.folder has changed: that takes effect when mcu-bridge is started anew")
        self.bridge.wait_line("the configuration was read again")
        self.assertEqual(len([e for e in self.hub.events("phx_join") if e["topic"] == "device"]), 1)

    def test_a_certificate_says_who_the_board_is(self):
        place = str(folder(self))
        clients = Certificates(place, "clients")
        hub = Hub(self, self.release, tls=True, arguments=("--client-ca", clients.ca))
        cert, key = clients.make("lab-7")
        os.chmod(key, 0o600)
        mcu = Mcu(self, "posix")
        entry = {"name": "a", "path": mcu.path, "nerveshub_cert_file": cert, "nerveshub_cert_key_file": key}
        self.start([entry], hub, url=hub.url.replace("/microcontrollers/", "/socket/"), ca_file=str(hub.cert))
        self.assertTrue(hub.wait_joined("lab-7"))

    def test_a_key_that_is_not_the_certificate_s_is_told_and_may_be_mended(self):
        place = str(folder(self))
        clients = Certificates(place, "clients")
        hub = Hub(self, self.release, tls=True, arguments=("--client-ca", clients.ca))
        cert, key = clients.make("lab-7")
        other = clients.make("lab-8")[1]
        for file in (key, other):
            os.chmod(file, 0o600)
        mcu = Mcu(self, "posix")
        entry = {"name": "a", "path": mcu.path, "nerveshub_cert_file": cert, "nerveshub_cert_key_file": other}
        self.start([entry], hub, url=hub.url.replace("/microcontrollers/", "/socket/"), ca_file=str(hub.cert))
        self.bridge.wait_line("cannot be a device there")
        self.wait_metric("board_up", lambda up: up)
        status, text = watch.get(self.listen, "/healthz")
        self.assertEqual(status, 503)
        self.assertIn("MCU a: it is not joined at NervesHub (with these settings it cannot be a device there", text)
        self.rewrite([{**entry, "nerveshub_cert_key_file": key}])
        self.assertTrue(hub.wait_joined("lab-7"))

    def test_status_shows_firmware_and_updates(self):
        mcu = Mcu(self, "posix")
        self.start([{"name": "a", "path": mcu.path}])
        uuid = self.hub.wait_joined("a")["uuid"]
        done = watch.status_tool("--config", self.config)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"NervesHub:\n  a: joined; firmware {VERSION}, {uuid}; updates 0, failed 0\n", done.stdout)

    def test_a_firmware_key_that_is_none_is_told_before_the_start(self):
        keys = folder(self) / "keys.pub"
        keys.write_text("nonsense\n")
        config = write_hub_config(self, [{"name": "a", "path": "/dev/null"}], url="ws://h/device-socket/websocket",
                                  key=KEY, secret_file=str(secret_file(self, SECRET)), firmware_keys_file=str(keys))[0]
        done = subprocess.run([str(BIN / "mcu-bridge"), "--config", str(config), "--check-config"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, '"firmware_keys_file": .*keys.pub: expected public keys')


class BesideAnApplication(Nerveshub):
    """Both servers at once, for one board."""

    def setUp(self):
        self.application = PhxDev(self)
        self.mcu = Mcu(self, "posix")
        super().start([{"name": "a", "path": self.mcu.path, "api_key_file": str(secret_file(self))}],
                      server={"url": self.application.url, "reconnect_min": "100ms", "reconnect_max": "500ms"})
        self.hub.wait_joined("a")
        self.application.wait_more()

    def test_readings_go_to_the_one_and_health_to_the_other(self):
        self.hub.wait_event("health:report")
        self.assertEqual(self.status()["a"]["server"], "joined")
        self.assertEqual(self.status()["a"]["nerveshub"]["state"], "joined")
        self.application.control(1, {"motor": 40})
        self.bridge.wait_line("motor")
        self.hub.push("device", "identify")
        self.bridge.wait_line("NervesHub wants: identify")

    def test_a_nerveshub_that_is_gone_holds_up_no_reading(self):
        self.hub.stop(signal.SIGKILL)
        self.bridge.wait_line("warn .*NervesHub: no connection: nothing listens there")
        self.application.wait_more(50)
        self.assertIn("MCU a: it is not joined at NervesHub (no connection", watch.get(self.listen, "/healthz")[1])
        self.assertEqual(self.status()["a"]["server"], "joined")
        self.hub.start()
        self.hub.wait_joined("a")

    def test_an_application_that_is_gone_does_not_disturb_nerveshub(self):
        self.application.stop(signal.SIGKILL)
        wait_until(lambda: self.status()["a"]["server"] == "connecting", self.status)
        count = len(self.hub.events("health:report"))
        self.hub.push("extensions", "health:check")
        self.hub.wait_event("health:report", count + 1)
        self.assertEqual(len([e for e in self.hub.events("phx_join") if e["topic"] == "device"]), 1)
        self.application.start()
        self.application.wait_more()


class Updates(Nerveshub):
    def setUp(self):
        self.mcu = Mcu(self, "posix", state=folder(self) / "state")

    def test_an_update_in_band_is_proven_by_the_board(self):
        self.start([{"name": "a", "path": self.mcu.path}])
        before = self.hub.wait_joined("a")
        data = image("posix", 2)
        self.hub.request("POST", "/nerves/update", {"device": "a", "path": str(pack(self, data, "2.0.0", before))})
        after = wait_until(lambda: self.hub.device("a")["version"] == "2.0.0" and self.hub.device("a"),
                           lambda: self.hub.device("a"))
        self.assertNotEqual(after["uuid"], before["uuid"])
        self.assertEqual((after["inflight"], after["crashes"]), (None, 0))
        shown = wait_until(lambda: self.status()["a"]["nerveshub"]["update"] == "idle" and self.status()["a"]["nerveshub"],
                           self.status)
        self.assertEqual((shown["uuid"], shown["version"], shown["updates"], shown["updates_failed"]),
                         (after["uuid"], "2.0.0", 1, 0))
        progress = [e["payload"]["value"] for e in self.hub.events("fwup_progress")]
        self.assertTrue(all(isinstance(value, int) for value in progress), progress)


    def update(self, version="2.0.0", **names):
        before = self.hub.wait_joined("a")
        file = pack(self, image("posix", 2), version, before, **names)
        self.hub.request("POST", "/nerves/update", {"device": "a", "path": str(file)})
        return before

    def test_an_update_by_command_has_the_port_to_itself_and_gives_it_back(self):
        command = [str(BIN / "mcu-tool"), "upload", "{port}", "{file}"]
        self.start([{"name": "a", "path": self.mcu.path, "flash_command": command}], boot_quiet="100ms")
        before = self.update()
        self.bridge.wait_line("is gone: its port is lent to a flasher")
        after = wait_until(lambda: self.hub.device("a")["version"] == "2.0.0" and self.hub.device("a"),
                           lambda: self.hub.device("a"))
        self.assertNotEqual(after["uuid"], before["uuid"])
        self.bridge.wait_line("runs mcu-stub 2.0.0 now, read back from the board")
        self.assertEqual((after["inflight"], after["crashes"]), (None, 0))

    def test_a_flasher_that_fails_is_no_success_and_its_last_words_are_said(self):
        command = ["sh", "-c", "echo the programmer is on fire; exit 3", "{file}"]
        self.start([{"name": "a", "path": self.mcu.path, "flash_command": command}], boot_quiet="100ms")
        before = self.update()
        self.bridge.wait_line("NervesHub: sh ended with status 3: the programmer is on fire")
        wait_until(lambda: len(self.bridge.said("board stub-1 on .* 0.1.0")) >= 2, "it is met again")
        shown = self.status()["a"]["nerveshub"]
        self.assertEqual((shown["uuid"], shown["updates"], shown["update"]), (before["uuid"], 0, "flashing"))
        self.assertEqual((self.hub.device("a")["uuid"], self.hub.device("a")["crashes"]), (before["uuid"], 0))

    def test_an_update_goes_on_over_a_reload_in_the_middle_of_flashing(self):
        self.mcu.baud(115200)
        entry = {"name": "a", "path": self.mcu.path}
        self.start([entry])
        self.update()
        wait_until(lambda: self.status()["a"]["nerveshub"].get("update_percent", 0) >= 20 and
                   self.status()["a"]["nerveshub"]["update"] == "flashing", self.status)
        self.rewrite([entry], reconnect_max="400ms")
        self.bridge.wait_line("changed in the configuration: beginning anew")
        wait_until(lambda: self.hub.device("a")["version"] == "2.0.0", lambda: self.hub.device("a"))
        self.assertEqual(self.hub.device("a")["crashes"], 0)
        self.assertEqual(self.bridge.said("failed|flashed by hand"), [])

    def test_what_is_for_another_platform_is_refused_before_the_board_is_touched(self):
        self.start([{"name": "a", "path": self.mcu.path}])
        self.update(platform="toaster")
        wait_until(lambda: self.status()["a"]["nerveshub"]["updates_failed"] == 1, self.status)
        self.assertIn("toaster", self.status()["a"]["nerveshub"]["trouble"])
        self.assertEqual(self.bridge.said("is gone"), [])

    def test_unsigned_firmware_is_refused_where_keys_are_set(self):
        self.start([{"name": "a", "path": self.mcu.path}],
                   firmware_keys=["zdjVDGE39+rAXNcZWZ6cf2DfvGDnECeIJRSPJf8KMFA="])
        self.update()
        wait_until(lambda: self.status()["a"]["nerveshub"]["updates_failed"] == 1, self.status)
        self.assertRegex(self.status()["a"]["nerveshub"]["trouble"], "sign")


class UpdatesOf240(Updates):
    release = "2.4.0"
    test_unsigned_firmware_is_refused_where_keys_are_set = None
    test_an_update_goes_on_over_a_reload_in_the_middle_of_flashing = None
    test_an_update_by_command_has_the_port_to_itself_and_gives_it_back = None
    test_a_flasher_that_fails_is_no_success_and_its_last_words_are_said = None


if __name__ == "__main__":
    unittest.main()
