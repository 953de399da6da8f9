"""The unit under a real systemd, process 1 of a machine of its own, with a board on a real ttyUSB0. Of the long
tier (MCU_LONG=yes): the machine is emulated, and systemd asks much of it."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness_vm
from harness_vm import BIN, Machine, OnAMachine, SHELL

KEY = "API_TOKEN_MC_VZGkp2vvJJjHj3qZ"
CONFIG = """
server: {url: "ws://127.0.0.1:4711/microcontrollers/websocket", reconnect_min: 100ms, reconnect_max: 500ms}
readings: {at_and_seq: true, batch_wait: 50ms}
metrics: {listen: "unix:/run/mcu-bridge/status.sock"}
ports: [{name: left, path: /dev/ttyUSB0}]
mcus: [{name: bench-1, device: "A", api_key_file: %s}]
"""
PROGRAMS = ["/usr/lib/systemd/" + name for name in ("systemd", "systemd-journald")] + [
    shutil.which(name) or "/usr/bin/" + name for name in ("systemctl", "journalctl", "systemd-sysusers",
                                                          "systemd-analyze")]
UNITS = ("basic.target sysinit.target sockets.target timers.target paths.target slices.target multi-user.target "
         "local-fs.target local-fs-pre.target swap.target network.target network-online.target shutdown.target "
         "umount.target final.target emergency.target systemd-journald.service systemd-journald.socket "
         "systemd-journald-dev-log.socket").split()
# Names of the machine are systemd's from here on; what the initramfs held moves to a file system that can be
# the root of mount namespaces.
START = """
mkdir /new
mount -t tmpfs -o mode=755 new /new
cp -a /bin /etc /lib /lib64 /usr /new
for folder in dev proc sys run tmp root var; do mkdir /new/$folder; done
ln -s /run /new/var/run
ln -s /usr/lib/systemd /new/lib/systemd
units=/usr/lib/systemd/system
cd /new/etc/systemd/system
ln -s $units/multi-user.target default.target
mkdir multi-user.target.wants sockets.target.wants
ln -s ../shell.service multi-user.target.wants
ln -s $units/systemd-journald.socket $units/systemd-journald-dev-log.socket sockets.target.wants
cd /
mount --move /dev /new/dev
umount /proc /sys
exec switch_root /new /usr/lib/systemd/systemd
"""


def missing():
    if not pathlib.Path(PROGRAMS[0]).exists():
        return "no systemd: tools/setup"
    return harness_vm.missing()


class Tree:
    """Files of the machine, made here."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mcu-systemd-"))
        self.files = {name: pathlib.Path(os.path.realpath(name)) for name in PROGRAMS}
        for name in UNITS:
            self.files[f"/usr/lib/systemd/system/{name}"] = pathlib.Path("/lib/systemd/system") / name
        done = subprocess.run(["cmake", "--install", str(BIN.parent), "--component", "service", "--prefix", "/usr"],
                              capture_output=True, text=True, env={**os.environ, "DESTDIR": str(self.folder / "in")})
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        for file in (self.folder / "in").rglob("*"):
            if file.is_file():
                self.files["/" + str(file.relative_to(self.folder / "in"))] = file
        self.files["/usr/bin/mcu-bridge"] = BIN / "mcu-bridge"
        self.text("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        self.text("/etc/group", "root:x:0:\ndialout:x:20:\n")
        self.text("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        self.text("/etc/shell", SHELL)
        self.text("/etc/systemd/system/shell.service",
                  "[Service]\nExecStart=/bin/sh /etc/shell\nEnvironment=PATH=/bin:/usr/bin HOME=/root\n")
        self.text("/etc/systemd/system.conf.d/quick.conf", "[Manager]\nDefaultTimeoutStopSec=20s\n")

    def text(self, name, text):
        file = self.folder / name.strip("/").replace("/", "-")
        file.write_text(text)
        self.files[name] = file


@unittest.skipUnless(os.environ.get("MCU_LONG"), "takes minutes: MCU_LONG=yes")
class Unit(OnAMachine):
    missing = staticmethod(missing)

    @classmethod
    def make(cls):
        tree = Tree()
        cls.addClassCleanup(shutil.rmtree, tree.folder, ignore_errors=True)
        return Machine(programs=("phx-dev",), after_start=START, files=tree.files, memory=384)

    @classmethod
    def prepare(cls, machine):
        machine.run("systemd-sysusers")
        machine.run("mkdir -p /etc/mcu-bridge; umask 077; echo %s > /etc/mcu-bridge/key; "
                    "chown mcu-bridge /etc/mcu-bridge/key" % KEY)
        machine.write("/etc/mcu-bridge/bridge.yaml", CONFIG % "key")
        machine.run(f"phx-dev --port 4711 --quiet --api-key {KEY}=1 >/tmp/phx-dev 2>&1 & true")
        board = machine.board("A", "FT0001", 1)
        board.start()
        board.plug()
        machine.wait_run("ls /dev/ttyUSB0", lambda said: "No such" not in said, "a ttyUSB0")
        machine.run("chgrp dialout /dev/ttyUSB0; chmod 660 /dev/ttyUSB0")  # as udev does

    def tidy(self):
        outcome = getattr(self, "_outcome", None)
        if outcome and not outcome.success:
            print(self.machine.run("journalctl -o cat -n 40; systemctl status mcu-bridge", check=False))
        self.machine.run("systemctl stop mcu-bridge; systemctl reset-failed mcu-bridge; "
                         "rm -rf /etc/systemd/system/mcu-bridge.service.d", check=False)
        self.machine.write("/etc/mcu-bridge/bridge.yaml", CONFIG % "key")

    def drop_in(self, text):
        self.machine.run("mkdir -p /etc/systemd/system/mcu-bridge.service.d")
        self.machine.write("/etc/systemd/system/mcu-bridge.service.d/test.conf", text)
        self.machine.run("systemctl daemon-reload")

    def show(self, *names):
        said = self.machine.run(f"systemctl show mcu-bridge -p {','.join(names)}")
        values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        return [values[name] for name in names]

    def wait_show(self, name, wanted, what):
        return self.machine.wait_run(f"systemctl show mcu-bridge --value -p {name}", wanted, what)

    def last_reading(self):
        said = self.machine.run("wget -q -O - http://127.0.0.1:4711/readings", check=False)
        return max((int(number) for number in re.findall(r'"id":(\d+)', said)), default=0)

    def wait_readings(self):
        after = self.last_reading()
        self.machine.wait_run("wget -q -O - http://127.0.0.1:4711/readings",
                              lambda said: max(map(int, re.findall(r'"id":(\d+)', said)), default=0) > after,
                              "readings at the server")

    def wait_journal(self, pattern):
        self.machine.wait_run("journalctl -o cat -u mcu-bridge", lambda said: re.search(pattern, said), pattern)

    def start(self):
        self.machine.run("systemctl start mcu-bridge")

    def test_it_is_ready_when_start_returns_and_serves_its_board_as_nobody_special(self):
        self.start()
        state, pid = self.show("ActiveState", "MainPID")
        self.assertEqual(state, "active")
        self.wait_readings()
        status = self.machine.run(f"cat /proc/{pid}/status")
        self.assertNotRegex(status, r"Uid:\s+0\b")
        self.assertRegex(status, r"CapEff:\s+0+\b")
        self.assertRegex(status, r"NoNewPrivs:\s+1")
        self.assertRegex(status, r"Seccomp:\s+2")
        self.assertEqual(self.machine.run("stat -c '%a %U' /var/lib/mcu-bridge /var/lib/mcu-bridge/spool.db").split(),
                         "700 mcu-bridge 600 mcu-bridge".split())
        self.machine.run("test -S /run/mcu-bridge/status.sock")

    def test_the_spool_knows_which_boot_its_times_are_of(self):
        self.start()
        self.wait_readings()
        boot = self.machine.run("cat /proc/sys/kernel/random/boot_id")
        self.machine.wait_run("strings /var/lib/mcu-bridge/spool.db /var/lib/mcu-bridge/spool.db-wal",
                              lambda said: boot in said, "the boot in the spool")

    def test_reload_reads_the_configuration_again(self):
        self.start()
        pid, = self.show("MainPID")
        self.machine.write("/etc/mcu-bridge/bridge.yaml", CONFIG % "key" + "log: {level: debug}\n")
        self.machine.run("systemctl reload mcu-bridge")
        self.wait_journal("configuration.* read again|reload")
        self.assertEqual(self.show("MainPID", "NRestarts"), [pid, "0"])

    def test_killed_it_is_started_again_and_goes_on(self):
        self.start()
        self.wait_readings()
        pid, = self.show("MainPID")
        self.machine.run(f"kill -9 {pid}")
        self.wait_show("NRestarts", lambda said: said.strip() == "1", "started again")
        self.wait_show("ActiveState", lambda said: said.strip() == "active", "active again")
        self.wait_readings()

    def test_the_watchdog_is_fed_and_ends_one_that_hangs(self):
        self.drop_in("[Service]\nWatchdogSec=4s\n")
        self.start()
        fed, = self.show("WatchdogTimestampMonotonic")
        self.wait_show("WatchdogTimestampMonotonic", lambda said: int(said) > int(fed), "fed")
        pid, = self.show("MainPID")
        self.machine.run(f"kill -STOP {pid}")
        self.wait_journal("[Ww]atchdog timeout")
        self.wait_show("NRestarts", lambda said: said.strip() == "1", "started again")

    def test_a_configuration_with_an_error_is_said_and_not_tried_again(self):
        self.machine.write("/etc/mcu-bridge/bridge.yaml", "server: {url: nonsense}\n")
        self.machine.run("systemctl start mcu-bridge", check=False)
        self.wait_show("ActiveState", lambda said: said.strip() == "failed", "failed")
        self.assertEqual(self.show("ExecMainStatus", "NRestarts"), ["2", "0"])
        self.wait_journal("bridge.yaml:1:")

    def test_stop_is_in_order(self):
        self.start()
        self.machine.run("systemctl stop mcu-bridge")
        self.assertEqual(self.show("ActiveState", "Result", "ExecMainStatus"), ["inactive", "success", "0"])

    def test_the_key_may_be_a_credential_of_systemd(self):
        self.drop_in("[Service]\nLoadCredential=key:/etc/secret-of-root\n")
        self.machine.run(f"umask 077; echo {KEY} > /etc/secret-of-root")
        self.machine.write("/etc/mcu-bridge/bridge.yaml", CONFIG % "/run/credentials/mcu-bridge.service/key")
        self.start()
        self.wait_readings()


if __name__ == "__main__":
    unittest.main()
