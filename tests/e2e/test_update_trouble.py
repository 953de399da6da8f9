"""Updates that are interrupted at every stage, or whose firmware is not what it should be: the board runs a
firmware in the end, the server knows which, no success is claimed that was none, no update stays in flight,
and the next one works."""

import hashlib
import http.server
import os
import random
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fw_files import NAMES, bomb, conf, deflated, fw_file, write_members  # noqa: E402
from harness_bridge import folder, wait_until  # noqa: E402
from harness_mcu import BIN  # noqa: E402
from harness_trouble import KEY, SECRET, Desk, Hub  # noqa: E402
from images import posix_image  # noqa: E402

MIB = 1 << 20
LONG_TIER = unittest.skipUnless(os.environ.get("MCU_LONG"), "long: tools/check --long")


class Trouble(unittest.TestCase):
    def hub(self, release="main", *arguments, **how):
        return Hub(self, release, *arguments, **how)

    def desk(self, hub=None, board="posix", **how):
        self.server = hub or self.hub()
        desk = Desk(self, board, self.server, **how)
        desk.joined()
        return desk

    def large(self, desk, version, mebibytes=4):
        """A .fw with so much beside the image, none of which can be packed."""
        padding = random.Random(version).randbytes(mebibytes * MIB - MIB // 3)
        return desk.fw(version, resources={"padding.dat": padding})

    def half_fetched(self, count=1):
        wait_until(lambda: len(self.server.downloads()) >= count, "it has asked for the file")


class Killed(Trouble):
    """The bridge, by kill -9, and started again."""

    def test_while_it_fetches(self):
        desk = self.desk()
        file = self.large(desk, "2.1.0", 2)
        self.server.spoil(cut_at=MIB + MIB // 2, stall=True, times=1)
        self.server.release(file)
        self.half_fetched()
        wait_until(lambda: max(self.server.percents(stage="downloading"), default=0) >= 50, "half of it has come")
        desk.restart()
        desk.runs(file)
        ranges = [d["range"] for d in self.server.downloads()]
        self.assertEqual(ranges[0], None)
        self.assertGreaterEqual(int(ranges[1][6:-1]), file.stat().st_size // 2)
        desk.at_peace()

    def test_while_it_writes_the_board_in_band(self):
        desk = self.desk(mcu={"baud": 230400})
        file = desk.fw("2.2.0", data=posix_image("2.2.0", size=60000))
        self.server.release(file)
        for percent in (20, 60):
            desk.flashing(percent)
            desk.restart()
        desk.runs(file)
        desk.at_peace()

    def test_while_a_flasher_writes_the_board(self):
        desk = self.desk(way="command", flasher=["slow"])
        file = desk.fw(2)
        self.server.release(file)
        desk.flashing(20)
        desk.restart()
        desk.runs(file)
        desk.at_peace()

    def test_while_it_waits_for_the_board(self):
        desk = self.desk()
        file = desk.fw(2)
        self.server.release(file)
        wait_until(lambda: self.server.events("a", "rebooting"), "it is written")
        desk.restart()
        desk.runs(file)
        desk.at_peace()


class ServerGone(Trouble):
    def test_while_the_board_is_written(self):
        desk = self.desk(mcu={"baud": 230400})
        file = desk.fw("2.2.0", data=posix_image("2.2.0", size=60000))
        self.server.release(file)
        desk.flashing(30)
        self.server.stop(signal.SIGKILL)
        wait_until(lambda: desk.flash.pages_in_place("run", posix_image("2.2.0", size=60000)) == 15, "it is installed")
        self.server.start()
        desk.runs(file)
        self.assertEqual(self.server.statuses(), [])  # a server that knows of no update hears of none
        desk.at_peace()

    @LONG_TIER
    def test_while_it_fetches_and_the_file_with_it(self):
        desk = self.desk()
        file = self.large(desk, "2.1.0", 2)
        self.server.spoil(cut_at=MIB, stall=True)
        self.server.release(file)
        self.half_fetched()
        self.server.stop(signal.SIGKILL)
        self.server.start()
        desk.joined()
        desk.truth()
        self.server.release(file)
        desk.runs(file)
        desk.at_peace()


class Cut(Trouble):
    def cut_at_each_mebibyte(self, release):
        desk = self.desk(self.hub(release))
        file = self.large(desk, "2.1.0", 4)
        self.server.spoil(cut_at=MIB)
        self.server.release(file)
        desk.runs(file)
        starts = [int(d["range"][6:-1]) if d["range"] else 0 for d in self.server.downloads()]
        self.assertGreaterEqual(len(starts), 4, starts)
        self.assertEqual(starts, sorted(starts))
        self.assertGreater(starts[-1], 2 * MIB)
        desk.at_peace()

    def test_a_download_at_each_mebibyte_from_main(self):
        self.cut_at_each_mebibyte("main")

    @LONG_TIER
    def test_a_download_at_each_mebibyte_from_2_4_0(self):
        self.cut_at_each_mebibyte("2.4.0")

    @LONG_TIER
    def test_a_download_that_stands_still_is_begun_again_where_it_was(self):
        desk = self.desk()
        file = self.large(desk, "2.1.0", 2)
        self.server.spoil(cut_at=MIB, stall=True, times=1)
        self.server.update("a", file)
        desk.runs(file, 300)
        self.assertEqual([d["range"] for d in self.server.downloads()], [None, f"bytes={MIB}-"])
        desk.at_peace()

    @LONG_TIER
    def test_the_socket_again_and_again(self):
        desk = self.desk(mcu={"baud": 230400})
        file = self.large(desk, "2.1.0", 2)
        self.server.spoil(slow=MIB)
        self.server.release(file)
        for stage, percent in (("downloading", 20), ("downloading", 60), ("updating", 20), ("updating", 60)):
            wait_until(lambda: max(self.server.percents(stage=stage), default=0) >= percent, f"{stage} {percent}")
            self.server.order("kick", device="a")
        desk.runs(file)
        desk.at_peace()


class CablePulled(Trouble):
    def pulled_and_put_back(self, desk, file, percents):
        for percent in percents:
            desk.flashing(percent)
            since = desk.bridge.position()
            desk.mcu.cut()
            desk.bridge.wait_line("gone|lost|vanished|unplugged", since)
            desk.mcu.plug()
        desk.runs(file)

    def test_while_it_is_written_in_band(self):
        desk = self.desk(mcu={"baud": 230400})
        file = desk.fw("2.2.0", data=posix_image("2.2.0", size=60000))
        self.server.release(file)
        self.pulled_and_put_back(desk, file, (20, 50, 80))
        desk.at_peace()

    def test_while_a_flasher_writes_it(self):
        desk = self.desk(way="command", flasher=["slow"])
        file = desk.fw(2)
        self.server.release(file)
        self.pulled_and_put_back(desk, file, (30,))
        desk.at_peace()


class BadFirmware(Trouble):
    def refused(self, desk, file, reason, fetched=True, slot="next"):
        """Pushed by a person, so that no rule of a release keeps it back; nothing in the slot is erased."""
        before, uuid = desk.flash.read(slot, 4096), desk.device()["uuid"]
        count = len(self.server.reasons())
        self.server.update("a", file)
        desk.failed(reason, count + 1)
        wait_until(lambda: desk.device()["inflight"] is None, "nothing is in flight")
        self.assertEqual(desk.device()["uuid"], uuid)
        self.assertEqual(desk.flash.read(slot, 4096), before)
        self.assertEqual(bool(self.server.downloads()), fetched)

    def test_unsigned_or_signed_by_somebody_else(self):
        keys = folder(self)
        for name in ("lab", "other"):
            subprocess.run([BIN / "mkfw", "keys", keys / name], check=True, capture_output=True)
        desk = self.desk(firmware_keys_file=str(keys / "lab.pub"))
        self.refused(desk, desk.fw("2.0.3"), "nobody signed this file")
        self.refused(desk, desk.fw("2.0.4", "--key", keys / "other.priv"), "none of the public keys")
        file = desk.fw("2.0.5", "--key", keys / "lab.priv")
        self.server.update("a", file)
        desk.runs(file)
        desk.at_peace(next_version=None)

    def test_for_another_board(self):
        desk = self.desk()
        self.refused(desk, desk.fw("2.0.3", platform="avr"), 'for platform "avr", the board is "posix"', fetched=False)
        self.refused(desk, desk.fw("2.0.4", architecture="m68k"), "architecture", fetched=False)
        self.refused(desk, desk.fw("2.0.5", product="toaster"), "product", fetched=False)
        desk.at_peace()

    @LONG_TIER
    def test_for_another_board_inside(self):
        """What the file is called fits, the image in it does not: the board itself refuses it."""
        desk = self.desk()
        data = posix_image("2.0.3").replace(b"posix".ljust(16, b"\0"), b"other".ljust(16, b"\0"), 1)
        self.refused(desk, desk.fw("2.0.3", data=data), "another kind of board", slot="run")
        desk.at_peace()

    @LONG_TIER
    def test_without_a_build_id(self):
        desk = self.desk()
        data = bytes(range(256)) * 64
        out = desk.folder / "no-id.fw"
        (desk.folder / "no-id.bin").write_bytes(data)
        names = {**NAMES, "architecture": desk.architecture(), "version": "2.0.3"}
        fw_file(out, {"firmware.bin": data}, **names)
        self.refused(desk, out, "build id|build-id")
        desk.at_peace()

    def test_larger_than_the_board_takes(self):
        desk = self.desk()
        data = posix_image("2.0.3", size=desk.flash.slot_bytes + 1)
        self.refused(desk, desk.fw("2.0.3", data=data), rf"{len(data)}.*{desk.flash.slot_bytes}")
        desk.at_peace()

    @LONG_TIER
    def test_larger_than_is_allowed(self):
        desk = self.desk(image_max="100KiB", file_max="1MiB")
        self.refused(desk, desk.fw("2.0.3", data=posix_image("2.0.3", size=120000)), "120000 bytes")
        self.refused(desk, self.large(desk, "2.0.4", 2), "larger than allowed")
        desk.at_peace()

    def test_that_swells_when_it_is_unpacked(self):
        desk = self.desk(image_max="1MiB")
        names = {**NAMES, "architecture": desk.architecture(), "version": "2.0.3"}
        packed, out = bomb(128), desk.folder / "bomb.fw"
        data = bytes(MIB)
        hashed = hashlib.blake2b(digest_size=32)
        for _ in range(128):
            hashed.update(data)
        write_members(out, [("meta.conf", deflated(conf({"firmware.bin": (128 * MIB, hashed.hexdigest())}, **names))),
                            ("data/firmware.bin", packed)])
        before = desk.memory()
        self.refused(desk, out, f"{128 * MIB} bytes, and {MIB} are allowed")
        self.assertLess(desk.memory() - before, 48)
        self.assertLess(sum(p.stat().st_size for p in desk.files.rglob("*") if p.is_file()), 2 * MIB)
        desk.at_peace()

    def test_with_a_path_for_a_name(self):
        desk = self.desk()
        outside = desk.folder / "escaped"
        names = ("../escaped", str(outside), "../../escaped.bin")
        for i, name in enumerate(names if os.environ.get("MCU_LONG") else names[:1]):
            out = desk.folder / f"path-{i}.fw"
            said = {**NAMES, "architecture": desk.architecture(), "version": f"2.0.{3 + i}"}
            fw_file(out, {name: posix_image(said["version"])}, **said)
            self.server.update("a", out)
            desk.runs(out)
            self.assertEqual([p for p in (outside, desk.folder / "escaped.bin") if p.exists()], [])
            self.assertFalse([p for p in desk.files.rglob("*") if "escaped" in p.name])
        desk.at_peace()


class Corrupt(Trouble):
    def test_a_part_that_arrives_damaged_once_is_fetched_again(self):
        desk = self.desk()
        file = self.large(desk, "2.1.0", 3)
        self.server.spoil(corrupt=MIB + 77, times=1)
        self.server.release(file)
        desk.runs(file)
        self.assertEqual([d["range"] for d in self.server.downloads()], [None, f"bytes={MIB}-"])
        desk.at_peace()

    def test_a_byte_that_nobody_told_the_sum_of_is_found_before_the_board_is_touched(self):
        desk = self.desk(self.hub("2.4.0"))
        file, before = desk.fw(2), desk.flash.read("next", 4096)
        self.server.spoil(corrupt=file.stat().st_size // 2)
        self.server.update("a", file)
        desk.failed("damaged|hash|cut short")
        self.assertEqual(desk.flash.read("next", 4096), before)
        desk.at_peace()


@unittest.skipUnless(os.geteuid() == 0, "root: mounts a small file system")
class DiskFull(Trouble):
    def test_with_room_for_half_the_file(self):
        desk = Desk(self, "posix", self.hub(), start=False)
        self.server = desk.hub
        desk.files.mkdir(mode=0o700)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1536k,mode=700", "small", desk.files],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"no small file system here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", desk.files], check=True)
        desk.start()
        desk.joined()
        file = self.large(desk, "2.1.0", 3)
        self.server.update("a", file)
        desk.failed("disk is full")
        subprocess.run(["mount", "-o", "remount,size=64m", desk.files], check=True)
        desk.at_peace()


class DoesNotRun(Trouble):
    def test_an_image_that_hangs_is_taken_back_by_the_boot_loader(self):
        desk = self.desk()
        good = desk.fw(2)
        self.server.release(good)
        desk.runs(good)
        self.server.update("a", desk.fw("hang"))
        desk.failed("came back with its previous firmware")
        desk.runs(good)
        wait_until(lambda: desk.device()["auto_revert"], "the server is told that the board went back")
        desk.at_rest()
        joins = len(desk.joins())
        desk.kill()
        desk.mcu.reset()
        desk.start()  # from now on the board alone knows of it
        wait_until(lambda: len(desk.joins()) > joins, "it has joined anew")
        self.assertEqual(desk.joins()[-1]["meta"],
                         {"firmware_validated": True, "firmware_auto_revert_detected": True})
        desk.at_peace()
        self.assertFalse(desk.device()["auto_revert"])

    @LONG_TIER
    def test_a_flasher_that_wrote_nothing_and_said_that_all_went_well(self):
        desk = self.desk(way="command", flasher=["lie"])
        uuid = desk.device()["uuid"]
        self.server.update("a", desk.fw(2))
        desk.failed("came back with its previous firmware")
        desk.runs(uuid)
        desk.at_peace(next_version=None)

    def test_a_flasher_that_fails_half_way_and_a_board_that_is_dead_then(self):
        desk = self.desk(way="command", flasher=["fail:2.3.0"])
        good = desk.fw(2)
        self.server.update("a", good)
        desk.runs(good)
        self.server.update("a", desk.fw("2.3.0"))
        desk.failed("the board does not answer any more")
        desk.bridge.wait_line("previous firmware was brought back")
        desk.runs(good)
        desk.at_peace()

    @LONG_TIER
    def test_a_board_that_does_not_come_back_at_all_gets_its_previous_firmware(self):
        desk = self.desk(way="command")
        good = desk.fw(2)
        self.server.update("a", good)
        desk.runs(good)
        self.server.update("a", desk.fw("mute"))
        desk.failed("did not come back", patience=600)
        desk.bridge.wait_line("previous firmware was brought back")
        desk.runs(good)
        desk.at_peace()


class Secrets(Trouble):
    def test_are_in_no_word_of_the_bridge_at_any_level(self):
        for level in ("debug", "error"):
            with self.subTest(level):
                hub = self.hub()
                desk = self.desk(hub, log_level=level)
                hub.order("settings", url=f"http://user:hunter2@127.0.0.1:{hub.port}/firmware/1/{{uuid}}.fw"
                                          "?X-Amz-Signature=t0psecret")
                hub.spoil(status=500, times=1)
                file = desk.fw(2)
                hub.update("a", file)
                desk.runs(file)
                hub.spoil(status=403)
                hub.update("a", desk.fw("2.1.0"))
                desk.failed("403")
                hub.order("refuse", key=KEY)
                hub.order("kick", device="a")
                desk.bridge.wait_line("refuses the key|secret|401") if level == "debug" else None
                hub.order("refuse", key=KEY, refused=False)
                desk.joined()
                status = desk.bridge.stop()
                said = "\n".join(desk.bridge.lines)
                self.assertEqual(status, 0, said[-2000:])
                for secret in (SECRET, "hunter2", "t0psecret", "SFMyNTY"):
                    self.assertNotIn(secret, said)
                self.assertNotIn("t0psecret", " ".join(map(str, hub.reasons())))
                self.assertNotIn("hunter2", " ".join(map(str, hub.reasons())))
                asked = hub.downloads()[-1]
                self.assertFalse([name for name in asked["headers"] if name.lower().startswith("x-nh")])
                for path in desk.files.rglob("*"):
                    for secret in (SECRET, "hunter2", "t0psecret"):
                        self.assertNotIn(secret.encode(), path.read_bytes() if path.is_file() else b"")


class Elsewhere(http.server.ThreadingHTTPServer):
    """Another host: serves one file, and keeps the headers that it was asked with."""

    daemon_threads = True

    def __init__(self, test, file):
        super().__init__(("127.0.0.1", 0), Elsewhere.Handler)
        self.file, self.requests = file, []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        test.addCleanup(self.server_close)
        test.addCleanup(self.shutdown)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/x.fw"

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            self.server.requests.append(dict(self.headers))
            data = self.server.file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)


class Redirected(Trouble):
    def test_a_download_takes_nothing_of_the_device_to_another_host(self):
        desk = self.desk()
        file = desk.fw(2)
        other = Elsewhere(self, file)
        self.server.order("settings", url=f"http://user:hunter2@127.0.0.1:{self.server.port}/firmware/1/{{uuid}}.fw")
        self.server.spoil(redirect=other.url)
        self.server.update("a", file)
        desk.runs(file)
        self.assertIn("authorization", [name.lower() for name in self.server.downloads()[0]["headers"]])
        for headers in other.requests:
            self.assertLessEqual(set(headers), {"Host", "User-Agent", "Accept", "Range"})
        self.server.order("settings", url=None)
        desk.at_peace()

    def test_from_https_leads_to_https_only(self):
        desk = self.desk(self.hub(tls=True), allow_http=True)
        file = desk.fw(2)
        other = Elsewhere(self, file)
        self.server.spoil(redirect=other.url)
        self.server.update("a", file)
        desk.failed("not https")
        self.assertEqual(other.requests, [])
        desk.at_peace()


class Emulated(Trouble):
    def cut_while_flashed(self, board, baud):
        """The desk and the file, which goes on over a cable that was pulled for a moment."""
        desk = self.desk(board=board, mcu={"baud": baud})
        file = desk.fw(2)
        self.server.release(file)
        desk.flashing(20)
        desk.mcu.cut()
        time.sleep(0.2)
        desk.mcu.plug()
        desk.flashing(60)
        return desk, file

    def test_a_cortex_m3_whose_cable_is_pulled_and_whose_bridge_is_killed(self):
        desk, file = self.cut_while_flashed("cortex-m3", 230400)
        desk.restart()
        desk.runs(file)
        desk.at_peace(next_version=1)

    @LONG_TIER
    def test_an_image_that_hangs_on_a_cortex_m3(self):
        desk = self.desk(board="cortex-m3")
        uuid = desk.device()["uuid"]
        self.server.update("a", desk.fw("hang"))
        desk.failed("came back with its previous firmware")
        desk.runs(uuid)
        desk.at_peace(next_version=2)

    @LONG_TIER
    def test_an_atmega2560_whose_cable_is_pulled_and_whose_power_fails(self):
        desk, file = self.cut_while_flashed("atmega2560", 115200)
        desk.mcu.kill()
        desk.mcu.start()
        desk.runs(file)
        desk.at_peace(next_version=1)


@LONG_TIER
class Campaign(Trouble):
    """Everything at any time, drawn by a seed: MCU_SEED."""

    ROUNDS = 12
    AGAIN_S = 20  # a person pushes again what a server has forgotten

    def blows(self, desk, hub, dice):
        """What may happen, each whenever it is drawn."""
        blows = {
            "the bridge is killed": desk.restart,
            "the server is killed": lambda: (hub.stop(signal.SIGKILL), hub.start()),
            "the cable is pulled": lambda: (desk.mcu.cut(), time.sleep(dice.random()), desk.mcu.plug()),
            "the device is kicked": lambda: hub.order("kick", device="a"),
            "the channel crashes": lambda: hub.fault(crash="device"),
            "downloads break": lambda: hub.spoil(cut_at=dice.randrange(1, MIB), times=3),
            "bytes come wrong": lambda: hub.spoil(corrupt=dice.randrange(MIB), times=1),
        }
        if desk.way == "in_band":
            blows["the board is reset"] = desk.mcu.reset
            blows["its power fails"] = lambda: (desk.mcu.kill(), desk.mcu.start())
        return blows

    def push_until_it_runs(self, desk, file):
        uuid = desk.uuid(file)
        until = time.monotonic() + 600
        while True:
            wait_until(desk.device, "the server knows the device")
            desk.joined()
            device = desk.device()
            if device["uuid"] == uuid and device["inflight"] is None:
                return
            self.assertLess(time.monotonic(), until, f"never: {file} runs; {device}, {self.server.reasons()[-3:]}")
            try:
                self.server.update("a", file)
            except AssertionError:
                pass  # in flight already, or it has just left
            end = time.monotonic() + self.AGAIN_S
            while time.monotonic() < end and desk.device().get("uuid") != uuid:
                time.sleep(0.05)

    def run_of_trouble(self, release, way):
        seed = int(os.environ.get("MCU_SEED", random.randrange(1 << 32)))
        dice = random.Random(seed)
        print(f"\nMCU_SEED={seed}", file=sys.stderr)
        desk = self.desk(self.hub(release), way=way)
        hub = self.server
        blows = self.blows(desk, hub, dice)
        for number in range(self.ROUNDS):
            hang = way == "in_band" and dice.randrange(4) == 0
            file = desk.fw("hang") if hang else self.large(desk, f"3.{number}.0", 1)
            uuid = desk.device().get("uuid")
            hub.release(file)
            for _ in range(dice.randrange(1, 4)):
                time.sleep(dice.random() * 2)
                name = dice.choice(list(blows))
                print(f"round {number}{' hang' if hang else ''}: {name}", file=sys.stderr)
                if hub.devices():
                    blows[name]()
            hub.spoil()
            if hang:  # back on its feet, whatever was told
                hub.release()
                file = self.large(desk, f"3.{number}.1", 1)
            self.push_until_it_runs(desk, file)
            self.assertNotEqual(uuid, desk.device()["uuid"])
            desk.claims_are_true()
        desk.at_peace()

    def test_in_band_from_main(self):
        self.run_of_trouble("main", "in_band")

    def test_in_band_from_2_4_0(self):
        self.run_of_trouble("2.4.0", "in_band")

    def test_by_command_from_main(self):
        self.run_of_trouble("main", "command")

    def test_by_command_from_2_4_0(self):
        self.run_of_trouble("2.4.0", "command")


if __name__ == "__main__":
    unittest.main()
