"""A board as a NervesHub device, from the offer to its own hello, at both releases: what is claimed is
true, what fails is said, and whatever is killed, cut or pulled, the board ends with a whole firmware."""
import concurrent.futures
import http.server
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

from harness_board import Boards, Files, KEY, NAMES, Probe, SECRET, image, one_file, phxdev, without_id


class Both:
    """What is asked of both releases."""

    # ---- good ways

    def test_an_update_to_its_end_is_said_step_by_step_and_leaves_what_is_needed(self):
        probe = self.probe()
        uuid = self.push(self.files.good)
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)
        self.assertEqual(self.statuses(), ["received", "started", "downloading", "updating", "completed"])
        self.assertTrue(all(isinstance(e["payload"]["value"], int) for e in self.events("fwup_progress")))
        self.assertEqual(len(self.events("rebooting")), 1)
        joins = [e["payload"] for e in self.events("phx_join") if e["topic"] == "device"]
        self.assertEqual([j["nerves_fw_version"] for j in joins], ["0.9.0", "1.1.0"])
        self.assertEqual(self.flash.read_bytes(), image("b"))
        self.eventually(lambda: self.kept() == [f"{uuid}.fw", f"{uuid}.json"], "nothing else is left")
        for path in (self.store, *self.store.iterdir()):
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_an_offer_that_comes_again_and_again_is_one_update(self):
        probe = self.probe(do=["mcu-1:hold"])
        self.server.post("/nerves/fault", {"times": 2, "cut_at": 1000, "stall": True})
        uuid = self.push(self.files.good)
        probe.wait_for("stage", "fetching")
        self.offer_again(uuid)
        probe.wait_for("flash")
        for _ in range(3):
            self.offer_again(uuid)
        probe.tell("mcu-1 go on")
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)
        self.assertEqual(self.flashes(probe), 1)

    # ---- what is refused

    def test_what_is_not_signed_by_the_key_is_refused_and_the_next_good_one_taken(self):
        self.refused(self.files.pack("unsigned", image("b"), key=None, version="1.1.1"), "nobody signed this file")
        self.refused(self.files.pack("foreign", image("b"), key="other", version="1.1.2"),
                     "fits none of the public keys")

    def test_a_damaged_file_is_fetched_again(self):
        probe = self.probe(speed=50)
        self.server.post("/nerves/fault", {"times": 1, "corrupt": self.files.good.stat().st_size // 2})
        uuid = self.push(self.files.good)
        if self.release == "2.4.0":  # that one tells no sums: only the file's own hash can
            probe.wait_for("bad", "update to")
            self.eventually(lambda: self.kept() == [], "what is damaged is not kept")
            self.eventually(lambda: self.again(self.files.good, uuid), "it is taken a minute later")
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)
        self.assertEqual(self.flash.read_bytes(), image("b"))

    # ---- boards that do not do as they should

    def test_a_board_that_comes_back_with_the_old_image_is_a_failure(self):
        probe = self.probe(speed=50, do=["mcu-1:old"])
        before = self.device()["uuid"]
        self.push(self.files.good)
        self.assertIn("came back with its previous firmware", probe.wait_for("bad", "update to"))
        probe.wait_for("joined", before)
        self.sane_with(before)
        joins = [e["payload"]["meta"]["firmware_auto_revert_detected"] for e in self.events("phx_join")
                 if e["topic"] == "device"]
        self.assertEqual(joins, [False, True])
        self.assertNotIn("completed", self.statuses())

    def test_a_board_that_never_comes_back_gets_its_previous_firmware(self):
        probe = self.probe(speed=200)
        first = self.push(self.files.good)
        probe.wait_for("joined", first)
        probe.tell("mcu-1 silent")
        self.push(self.files.third)
        self.assertIn("did not come back", probe.wait_for("bad", "update to"))
        probe.wait_for("bad", "the previous firmware was brought back")
        probe.wait_for("hello", "b")
        self.sane_with(first)
        self.assertEqual(self.flash.read_bytes(), image("b"))

    def test_an_image_that_the_board_refuses_is_not_tried_again_and_nothing_is_undone(self):
        probe = self.probe(do=["mcu-1:refuse"])
        before = self.device()["uuid"]
        self.push(self.files.good)
        self.assertIn("too large for the board: 100 bytes", probe.wait_for("bad", "update to"))
        probe.wait_for("hello", "a")
        self.sane_with(before)
        self.assertEqual(self.flashes(probe), 1)

    # ---- servers and lines that do not do as they should

    def test_a_server_that_goes_and_comes_back_empty_hears_the_truth(self):
        probe = self.probe(do=["mcu-1:hold"])
        uuid = self.push(self.files.good)
        probe.wait_for("flash")
        self.server.stop()
        probe.wait_for("left")
        port = self.server.port
        self.server = phxdev.Server("--nerves", self.release, "--nerves-key", f"{KEY}={SECRET}", "--port", str(port))
        self.addCleanup(self.server.stop)
        probe.tell("mcu-1 go on")
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)

    def test_a_download_cut_with_its_connection_goes_on(self):
        large = self.files.pack("cut", image("d") + os.urandom(300000) + b"END!", version="2.0.0")
        probe = self.probe()
        self.server.post("/nerves/fault", {"times": 3, "cut_at": 100000})
        uuid = self.push(large)
        probe.wait_for("stage", "fetching")
        self.server.post("/nerves/kick", {"device": "mcu-1"})
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)

    def test_another_with_the_same_identity_does_not_break_an_update(self):
        probe = self.probe(do=["mcu-1:hold"])
        uuid = self.push(self.files.good)
        probe.wait_for("flash")
        spare = self.top / "spare.flash"
        spare.write_bytes(image("a"))
        other = Probe(self.server, self.top / "other", {"mcu-1": spare})
        other.wait_for("joined")
        probe.wait_for("left")
        other.wait_for("left")
        other.kill()
        probe.tell("mcu-1 go on")
        probe.wait_for("hello", "b")
        self.sane_with(uuid)

    # ---- kill -9

    def test_killed_before_every_step_that_lasts_it_ends_with_the_new_firmware(self):
        self.uuid = self.server.post("/nerves/release", {"path": str(self.files.good)})["uuid"]
        stages, first, at_once = {}, 1, 6
        step = 1 if self.release == "main" else 3
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            while None not in stages:
                for died in pool.map(self.killed_at, range(first, first + step * at_once, step)):
                    stages.setdefault(died and died[0], []).append(died and died[1])
                first += step * at_once
        self.assertLessEqual({"idle", "fetching", "checking", "flashing", "awaiting"}, set(stages))


class Main(Both, Boards):
    # ---- good ways

    def test_a_board_that_ran_is_known_again_after_a_restart_and_after_two_updates_one_file_is_kept(self):
        probe = self.probe()
        first = self.push(self.files.good)
        probe.wait_for("joined", first)
        second = self.push(self.files.third)
        probe.wait_for("joined", second)
        self.eventually(lambda: self.kept() == sorted([f"{first}.json", f"{second}.fw", f"{second}.json"]),
                        "what is not needed is removed")
        probe.kill()
        self.assertEqual(self.probe(joined=False).wait_for("joined"), second)
        self.sane_with(second)

    def test_two_boards_at_once_are_served_by_one_download(self):
        other = self.top / "mcu-2.flash"
        other.write_bytes(image("a"))
        probe = self.probe({"mcu-1": self.flash, "mcu-2": other}, joined=False)
        self.eventually(lambda: {n for n, d in self.devices().items() if "device" in d["topics"]} == {"mcu-1", "mcu-2"},
                        "both have joined")
        self.server.post("/nerves/fault", {"times": 1, "cut_at": 1000, "stall": True})
        uuid = self.server.post("/nerves/release", {"path": str(self.files.good)})["uuid"]
        for name in ("mcu-1", "mcu-2"):
            self.sane_with(uuid, name)
        self.assertEqual((self.flash.read_bytes(), other.read_bytes()), (image("b"), image("b")))
        probe.tell("quit")
        self.stop(probe)
        self.assertEqual(len([s for s in probe.said("step") if s.endswith(f"rename {uuid}.fw")]), 1)

    # ---- what is refused

    def test_what_is_for_another_board_is_refused_before_anything_is_fetched(self):
        for name in NAMES:
            self.refused(self.files.pack("strange", image("b"), **{name: "other"}), f"the firmware is for {name}")
        self.assertEqual(len(self.events("fwup_progress")), 3 * 2)  # of the good ones alone

    def test_what_cannot_be_proved_or_is_too_large_is_refused(self):
        self.refused(self.files.pack("noid", without_id()), "holds no build id")
        self.refused(self.files.pack("large", image("b", 30000)), "bytes, and 20000 are allowed", image_max=20000)
        large = self.files.pack("random", os.urandom(40000))
        self.refused(large, "larger than allowed" if self.release == "main" else "longer than", file_max=30000)

    # ---- boards that do not do as they should

    def test_a_board_whose_previous_firmware_is_not_kept_is_said_to_need_a_hand(self):
        probe = self.probe(speed=200, do=["mcu-1:silent"])
        self.push(self.files.good)
        self.assertIn("did not come back", probe.wait_for("bad", "update to"))
        self.assertIn("flash the board by hand", probe.wait_for("bad", "the previous firmware cannot"))
        self.sane_with(self.device()["uuid"])

    def test_flashing_that_fails_twice_is_done_again_and_one_that_fails_three_times_undone(self):
        probe = self.probe(speed=50, do=["mcu-1:fail 2"])
        first = self.push(self.files.good)
        probe.wait_for("joined", first)
        self.assertEqual(self.flashes(probe), 3)
        probe.tell("mcu-1 fail 3")
        self.push(self.files.third)
        self.assertIn("flashing failed 3 times: the line was cut", probe.wait_for("bad", "update to"))
        probe.wait_for("bad", "the previous firmware was brought back")
        probe.wait_for("hello", "b")
        self.sane_with(first)

    def test_a_flasher_that_is_missing_is_waited_for_and_no_try_is_used_up(self):
        probe = self.probe(speed=100, do=["mcu-1:missing 4"])
        uuid = self.push(self.files.good)
        probe.wait_for("say", "waiting to flash the board: there is no such program")
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)
        self.assertEqual((self.flashes(probe), self.flash.read_bytes()), (5, image("b")))

    def test_a_cable_pulled_before_and_while_it_is_flashed_is_waited_for(self):
        probe = self.probe(speed=50, do=["mcu-1:hold"])
        self.server.post("/nerves/fault", {"times": 1, "cut_at": 1000, "stall": True})
        uuid = self.push(self.files.good)
        probe.wait_for("stage", "fetching")
        probe.tell("mcu-1 pull")
        probe.wait_for("say", "waiting to flash the board: it is not there")
        probe.tell("mcu-1 plug")
        probe.wait_for("flash")
        probe.tell("mcu-1 pull")
        probe.wait_for("flashed", "the line was cut")
        probe.wait_for("say", "waiting to flash the board: the port is not there")
        probe.tell("mcu-1 go on")
        probe.tell("mcu-1 plug")
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)
        self.assertEqual(self.flash.read_bytes(), image("b"))

    def test_a_board_that_is_gone_for_long_is_not_online(self):
        probe = self.probe(speed=100)
        probe.tell("mcu-1 pull")
        self.eventually(lambda: not self.device()["connected"], "it has left")
        probe.tell("mcu-1 plug")
        self.eventually(lambda: "device" in self.device()["topics"], "it is there again")
        probe.tell("mcu-1 blank")
        probe.tell("mcu-1 reset")
        self.assertIn("does not say a product", probe.wait_for("bad"))
        self.eventually(lambda: not self.device()["connected"], "what has no name is not there")

    def test_another_board_in_its_place_does_not_get_its_update(self):
        probe = self.probe()
        self.server.post("/nerves/fault", {"times": 1, "cut_at": 1000, "stall": True})
        self.push(self.files.good)
        probe.wait_for("stage", "fetching")
        probe.tell("mcu-1 swap")
        probe.tell("mcu-1 reset")
        self.assertIn("another board is there now", probe.wait_for("bad"))
        self.sane_with(self.device()["uuid"])
        self.assertEqual((self.flashes(probe), self.flash.read_bytes()), (0, image("a")))
        uuid = self.push(self.files.third)
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)

    # ---- disks

    def test_a_full_disk_is_said_and_the_board_left_alone_until_there_is_room(self):
        if not self.small_disk():
            self.skipTest("no file system of a size of its own can be made here")
        probe = self.probe()
        before, filler = self.device()["uuid"], self.store / "filler"
        for left, why in ((500000, "no room for the file"), (2000000, "the image cannot be stored"),
                          (0, "cannot write its state")):
            self.eventually(lambda: not any(n.endswith(".fw") for n in self.kept()), "what failed is removed")
            room = os.statvfs(self.store)
            filler.write_bytes(b"x" * (room.f_bavail * room.f_frsize - left))
            self.push(self.files.pack("disk", image("d", 3000000), version=f"2.0.{left}"))
            self.assertIn(why, probe.wait_for("bad", "update to"))
            self.sane_with(before)
            filler.unlink()
        self.assertEqual(self.flashes(probe), 0)
        uuid = self.push(self.files.third)
        probe.wait_for("joined", uuid)
        self.sane_with(uuid)

    def test_the_room_of_others_is_left_to_them(self):
        probe = self.probe(keep_free=1 << 60)
        self.push(self.files.good)
        self.assertIn("disk is full, or nearly", probe.wait_for("bad", "update to"))
        self.sane_with(self.device()["uuid"])

    def test_a_folder_of_another_program_or_open_to_others_is_not_used(self):
        self.probe()
        second = Probe(self.server, self.store, {"mcu-2": self.flash})
        self.assertIn("used by another program", second.wait_for("trouble"))
        self.assertEqual(second.end(), 1)
        opened = self.top / "open"
        opened.mkdir()
        opened.chmod(0o755)
        third = Probe(self.server, opened, {"mcu-2": self.flash})
        self.assertIn("chmod 700", third.wait_for("trouble"))
        self.assertEqual(third.end(), 1)

    # ---- kill -9

    def test_killed_while_the_previous_firmware_is_brought_back_it_is_brought_back(self):
        probe = self.probe(speed=50)
        first = self.push(self.files.good)
        probe.wait_for("joined", first)
        probe.tell("mcu-1 fail 3")
        probe.tell("mcu-1 hold")
        self.push(self.files.third)
        for _ in range(4):
            probe.wait_for("flash")
        self.eventually(lambda: len(self.flash.read_bytes()) == len(image("b")) // 2, "half is written")
        probe.kill()
        again = self.probe(joined=False, speed=50)
        again.wait_for("bad", "the previous firmware was brought back")
        again.wait_for("joined", first)
        self.sane_with(first)
        self.assertEqual(self.flash.read_bytes(), image("b"))

    def test_a_board_half_written_when_it_was_killed_is_written_though_it_says_nothing(self):
        probe = self.probe(speed=50, do=["mcu-1:hold"])
        uuid = self.push(self.files.good)
        probe.wait_for("flash")
        self.eventually(lambda: len(self.flash.read_bytes()) == len(image("b")) // 2, "half is written")
        probe.kill()
        again = self.probe(joined=False, speed=50)
        again.wait_for("silent")
        again.wait_for("joined", uuid)
        self.assertEqual(self.flash.read_bytes(), image("b"))
        self.sane_with(uuid)

    def test_stopped_in_the_middle_of_flashing_it_is_flashed_after_the_next_start(self):
        probe = self.probe(do=["mcu-1:hold"])
        uuid = self.push(self.files.good)
        probe.wait_for("flash")
        probe.tell("mcu-1 stop")
        probe.wait_for("flashed", "stopped")
        probe.wait_for("stopped")
        probe.tell("quit")
        self.stop(probe)
        self.probe(joined=False, speed=50).wait_for("joined", uuid)
        self.sane_with(uuid)

    # ---- console and the rest

    def test_console_reboot_identify_and_health_reach_the_board_and_the_server(self):
        self.server.post("/nerves/settings", {"logging": True})
        probe = self.probe()
        self.eventually(lambda: {"console", "extensions"} <= set(self.device()["topics"]), "all is joined")
        self.eventually(lambda: self.consoled(probe), "and at both ends")
        self.to_board("console", "window_size", height=24, width=80)
        probe.wait_for("window", "24 80")
        probe.tell("mcu-1 deaf")
        probe.tell("mcu-1 print so far")
        self.eventually(lambda: "so far" in self.printed(), "it is deaf now")
        self.to_board("console", "dn", data="help")
        probe.tell("mcu-1 hear")
        probe.wait_for("typed", "help")
        self.eventually(lambda: self.events("health:report"), "health was asked")
        self.eventually(lambda: self.logged(probe), "a line of its log")
        self.to_board("device", "identify")
        probe.wait_for("identify")
        self.to_board("device", "reboot")
        probe.wait_for("reboot")
        self.eventually(lambda: self.events("rebooting"), "the server hears that it reboots")
        probe.wait_for("hello", "a")
        self.sane()

    def test_a_reboot_waits_for_no_flash(self):
        probe = self.probe(do=["mcu-1:hold"])
        uuid = self.push(self.files.good)
        probe.wait_for("flash")
        self.to_board("device", "reboot")
        self.assertIn("not while the board is flashed", probe.wait_for("bad"))
        probe.tell("mcu-1 go on")
        probe.wait_for("joined", uuid)
        self.assertEqual(probe.said("reboot"), [])

    def test_ten_thousand_lines_of_a_board_arrive_in_few_messages(self):
        probe = self.probe()
        self.eventually(lambda: self.consoled(probe), "the console is joined at both ends")
        probe.tell("mcu-1 lines 10000")
        self.eventually(lambda: self.printed().endswith("line 9999\n"), "the last line is there")
        self.assertEqual(self.printed().replace("~", ""), "".join(f"line {i}\n" for i in range(10000)))
        self.assertLess(len(self.events("up")), 200)
        self.sane()


class Release240(Both, Boards):
    release = "2.4.0"

    def test_the_same_firmware_signed_later_is_taken(self):
        """Its uuid covers neither its signature nor its data, and this release tells no sums."""
        unsigned = self.files.pack("unsigned-good", image("b"), key=None).read_bytes()
        elsewhere = http.server.ThreadingHTTPServer(("127.0.0.1", 0), one_file(unsigned))
        self.addCleanup(elsewhere.server_close)
        self.addCleanup(elsewhere.shutdown)
        threading.Thread(target=elsewhere.serve_forever, args=(0.05,), daemon=True).start()
        self.server.post("/nerves/fault", {"times": 1, "redirect": f"http://127.0.0.1:{elsewhere.server_port}/x.fw"})
        probe = self.probe(speed=50)
        uuid = self.push(self.files.good)
        self.assertIn("nobody signed", probe.wait_for("bad", "update to"))
        self.eventually(lambda: self.again(self.files.good, uuid), "it is taken a minute later")
        self.sane_with(uuid)


class Certificates(unittest.TestCase):
    """Each board with a certificate and a key of its own, in place of a shared secret; TLS both ways, the
    firmware's too."""

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="nerves-tls-"))
        self.addCleanup(shutil.rmtree, self.top)
        self.files = Files()
        self.addCleanup(shutil.rmtree, self.files.folder)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                     "-out", "ca.pem", "-days", "2", "-subj", "/CN=lab")
        for name in ("mcu-1", "mcu-2"):
            self.certificate(name, "ca")
        self.server = phxdev.Server("--nerves", "main", "--tls", "--cert-out", str(self.top / "server.pem"),
                                    "--client-ca", str(self.top / "ca.pem"))
        self.addCleanup(self.server.stop)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.top)

    def certificate(self, name, authority):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                     "-CAcreateserial", "-days", "2", "-out", f"{name}.pem")

    def probe(self, name, **more):
        flash = self.top / f"{name}.flash"
        flash.write_bytes(image("a"))
        probe = Probe(self.server, self.top / f"{name}-firmware", {name: flash}, ca=self.top / "server.pem",
                      url=f"wss://localhost:{self.server.port}/socket/websocket", **more)
        self.addCleanup(probe.end)
        return probe

    def own(self, name):
        return {"cert": self.top / f"{name}.pem", "certkey": self.top / f"{name}.key"}

    def device(self, name):
        return next(d for d in self.server.get("/nerves/devices")["devices"] if d["identifier"] == name)

    def test_each_board_is_who_its_certificate_says_and_is_updated_over_tls(self):
        one, two = self.probe("mcu-1", **self.own("mcu-1")), self.probe("mcu-2", **self.own("mcu-2"))
        one.wait_for("joined")
        two.wait_for("joined")
        uuid = self.server.post("/nerves/update", {"device": "mcu-2", "path": str(self.files.good)})["uuid"]
        two.wait_for("joined", uuid)
        phxdev.eventually(lambda: self.device("mcu-2")["uuid"] == uuid, "the second alone is updated")
        self.assertNotEqual(self.device("mcu-1")["uuid"], uuid)
        self.assertEqual([self.device(n)["crashes"] for n in ("mcu-1", "mcu-2")], [0, 0])

    def test_a_certificate_of_another_authority_gets_nowhere(self):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                     "evil.key", "-out", "evil.pem", "-days", "2", "-subj", "/CN=evil")
        self.certificate("mcu-3", "evil")
        probe = self.probe("mcu-3", **self.own("mcu-3"))
        for _ in range(3):
            probe.wait_for("bad")
        self.assertEqual(self.server.get("/nerves/devices")["devices"], [])

    def test_a_server_of_another_authority_is_told_nothing(self):
        probe = self.probe("mcu-1", **self.own("mcu-1"), do=[])
        probe.wait_for("joined")
        stranger = Probe(self.server, self.top / "stranger", {"mcu-2": self.top / "mcu-1.flash"}, ca=self.top / "ca.pem",
                         url=f"wss://localhost:{self.server.port}/socket/websocket", **self.own("mcu-2"))
        self.addCleanup(stranger.end)
        self.assertIn("ertificate", stranger.wait_for("bad"))
        self.assertEqual([d["identifier"] for d in self.server.get("/nerves/devices")["devices"]], ["mcu-1"])

    def test_a_key_that_is_not_the_certificate_s_is_said_at_once(self):
        probe = self.probe("mcu-1", cert=self.top / "mcu-1.pem", certkey=self.top / "mcu-2.key")
        self.assertRegex(probe.wait_for("bad"), "key|certificate")
        self.assertEqual(probe.end(), 1)


if __name__ == "__main__":
    unittest.main(failfast=True)
