"""A machine with real serial ports, made of software: QEMU runs Debian's own kernel with an initramfs
that holds busybox, the programs under test and their libraries, and nothing else. Its ttyUSB ports
are the kernel's ftdi_sio on QEMU's usb-serial device, whose bytes are those of a sample firmware
that runs out here.

    machine = Machine()
    board = machine.board("A", serial="FT0001", port=1)
    board.start()                                # mcu-stub, at the other end of its UART
    board.plug()                                 # the cable is put in
    machine.run("cat /sys/class/tty/ttyUSB0/device/latency_timer")
    board.unplug()                               # the cable is pulled
    machine.close()

The kernel comes from Debian's package, fetched by apt and kept unpacked in build/vm.
"""

import contextlib
import glob
import gzip
import json
import os
import pathlib
import re
import select
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(os.environ.get("MCU_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
# The release build: what a sanitizer needs is more than the machine has.
BIN = ROOT / "build" / "release" / "bin"
CACHE = ROOT / "build" / "vm"
PATIENCE = 240  # seconds, for anything: the machine is emulated, and the one below may be busy
MODULES = ("virtio/virtio_ring", "virtio/virtio", "virtio/virtio_pci_legacy_dev", "virtio/virtio_pci_modern_dev",
           "virtio/virtio_pci", "char/virtio_console", "usb/common/usb-common", "usb/core/usbcore", "usb/host/xhci-hcd", "usb/host/xhci-pci",
           "usb/serial/usbserial", "usb/serial/ftdi_sio", "usb/class/cdc-acm")
MEMORY_MIB = 256
PORTS = 8  # of the USB controller; each adapter has one of its own

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /tmp /root
mount -t devpts devpts /dev/pts
mount -t tmpfs tmp /tmp
for module in /modules/*; do insmod $module; done
ip link set lo up
export PATH=/bin HOME=/root
cd /root
until [ -c /dev/vport0p1 ] && [ -c /dev/vport0p2 ]; do sleep 0.05; done
%s
"""
SHELL = """exec 3<>/dev/vport0p1
echo @@ready >&3
exec sh <&3 >&3 2>&3
"""


def missing():
    """What this test needs and the machine has not; None: everything is there."""
    for program in ("qemu-system-x86_64", "busybox", "dpkg-deb", "apt-get"):
        if not shutil.which(program):
            return f"no {program}: tools/setup"
    if not (BIN / "mcu-bridge").is_file():
        return "no release build: cmake --preset release && cmake --build --preset release"
    return None


# -- The kernel.

def kernel_package():
    """Name of the package that linux-image-amd64 stands for."""
    out = subprocess.run(["apt-cache", "depends", "--important", "linux-image-amd64"], check=True,
                         capture_output=True, text=True).stdout
    return re.search(r"Depends: (linux-image-\S+)", out).group(1)


def kernel():
    """Folder of the unpacked package. Fetched once; whatever version is there later will do."""
    have = sorted(CACHE.glob("linux-image-*/boot/vmlinuz-*"))
    if have:
        return have[-1].parents[1]
    CACHE.mkdir(parents=True, exist_ok=True)
    name = kernel_package()
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        subprocess.run(["apt-get", "download", "-qq", name], cwd=folder, check=True)
        package, = glob.glob(f"{folder}/*.deb")
        subprocess.run(["dpkg-deb", "-x", package, f"{folder}/{name}"], check=True)
        os.rename(f"{folder}/{name}", CACHE / name)
    return CACHE / name


# -- The initramfs.

class Archive:
    """A cpio archive as the kernel takes it ("newc")."""

    def __init__(self):
        self.data = bytearray()
        self.names = set()

    def put(self, name, mode, content=b"", device=(0, 0)):
        if name in self.names:
            return
        self.names.add(name)
        encoded = name.encode() + b"\0"
        fields = (len(self.names), mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self.pad()
        self.data += content
        self.pad()

    def pad(self):
        self.data += bytes(-len(self.data) % 4)

    def folder(self, name):
        parts = name.strip("/").split("/")
        for i in range(1, len(parts) + 1):
            self.put("/".join(parts[:i]), stat.S_IFDIR | 0o755)

    def file(self, name, content, mode=0o755):
        name = name.strip("/")
        if "/" in name:
            self.folder(name.rsplit("/", 1)[0])
        self.put(name, stat.S_IFREG | mode, content)

    def end(self):
        self.put("TRAILER!!!", 0)
        return bytes(self.data)


def libraries(program):
    """Files that the dynamic loader wants for it, the loader among them."""
    out = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout
    return {word for line in out.splitlines() for word in line.split() if word.startswith("/")}


def build_initramfs(path, tree, programs, after_start, files):
    """`after_start`: lines of shell for when the modules are there. `files`: {path in the machine: file out here}."""
    archive = Archive()
    archive.folder("dev")
    archive.put("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    for name in ("proc", "sys", "bin"):
        archive.folder(name)
    archive.file("init", (INIT % after_start).encode())
    archive.file("bin/busybox", pathlib.Path(shutil.which("busybox")).read_bytes())
    modules, = (tree / "lib" / "modules").glob("*/kernel/drivers")
    for i, module in enumerate(MODULES):
        archive.file(f"modules/{i:02}.ko", (modules / f"{module}.ko").read_bytes())
    # libwebsockets loads its libuv part by itself.
    plugins = glob.glob("/usr/lib/*/libwebsockets-evlib_uv.so*")
    for program in programs:
        archive.file(f"bin/{program.name}", program.read_bytes())
    for name, file in files.items():
        archive.file(name, file.read_bytes(), 0o755 if os.access(file, os.X_OK) else 0o644)
    for library in set().union(*(libraries(p) for p in (*programs, *plugins, *files.values()))) | set(plugins):
        archive.file(library, pathlib.Path(os.path.realpath(library)).read_bytes())
    with gzip.open(path, "wb", 1) as out:
        out.write(archive.end())


# -- The machine.

class Lines:
    """A character device of the machine: what it says, by line, as it comes."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with self.socket.makefile("r", errors="replace", newline="\n") as text:
            for line in text:
                with self.changed:
                    self.lines.append(line.rstrip("\r\n"))
                    self.changed.notify_all()

    def send(self, text):
        self.socket.sendall(text.encode())

    def position(self):
        with self.changed:
            return len(self.lines)

    def wait(self, pattern, since=0, patience=PATIENCE):
        """The first line from `since` on that matches; returns it and the position behind it."""
        def find():
            return next(((line, i + 1) for i, line in enumerate(self.lines[since:], since)
                         if re.search(pattern, line)), None)
        with self.changed:
            if not self.changed.wait_for(find, patience):
                raise AssertionError(f"never: {pattern!r}; last lines:\n" + "\n".join(self.lines[-25:]))
            return find()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        self.reader.join(PATIENCE)


class Qmp:
    """QEMU's own control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.answers = self.socket.makefile("r")
        self.answers.readline()
        self.ask("qmp_capabilities")

    def answer(self):
        """The next line that is not an event."""
        while True:
            line = json.loads(self.answers.readline())
            if "event" not in line:
                return line

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        answer = self.answer()
        if "error" in answer:
            raise AssertionError(f"{command} {arguments}: {answer['error']['desc']}")
        return answer["return"]

    def close(self):
        self.answers.close()
        self.socket.close()


class Board:
    """A USB serial adapter (an FTDI to the kernel) with the sample firmware behind it. QEMU's adapter is on
    its port while somebody is connected to its UART, so that connection is the cable. (device_del is no way
    to pull it: bytes that still arrive at the deleted device take QEMU 7.2 along.)"""

    def __init__(self, machine, name, serial, port, identity=None):
        self.machine, self.name, self.serial, self.port = machine, name, serial, port
        self.identity = identity or name
        self.process = self.cable = None
        self.made = False
        self.line, self.uart = socket.socketpair()   # ours, and the firmware's
        self.path = machine.folder / f"usb-{name}"
        machine.qmp.ask("chardev-add", id=f"chr-{name}", backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": str(self.path)}}, "server": True, "wait": False}})

    def start(self, *arguments):
        """The firmware starts. Without it the board says nothing."""
        self.process = subprocess.Popen([str(BIN / "mcu-stub"), "--fd", str(self.uart.fileno()), "--id", self.identity,
                                         *arguments], pass_fds=[self.uart.fileno()], stdin=subprocess.DEVNULL)

    def plug(self):
        if not self.made:
            self.machine.qmp.ask("device_add", driver="usb-serial", id=f"dev-{self.name}", serial=self.serial,
                                 chardev=f"chr-{self.name}", bus="xhci.0", port=str(self.port))
            self.made = True
        self.cable = socket.socket(socket.AF_UNIX)
        self.cable.connect(str(self.path))
        self.carrier = threading.Thread(target=self.carry, daemon=True)
        self.carrier.start()

    def carry(self):
        """Bytes both ways, until the cable is pulled. What is in it then is lost."""
        other = {self.cable: self.line, self.line: self.cable}
        with contextlib.suppress(OSError):
            while True:
                for end in select.select(list(other), [], [])[0]:
                    data = end.recv(4096)
                    if not data:
                        return
                    other[end].sendall(data)

    def unplug(self):
        if self.cable:
            self.cable.shutdown(socket.SHUT_RDWR)
            self.carrier.join(PATIENCE)
            self.cable.close()
        self.cable = None

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.unplug()
        self.line.close()
        self.uart.close()


class Machine:
    def __init__(self, programs=("mcu-bridge", "mcu-tool", "phx-dev"),
                 after_start="ln -s /dev/vport0p2 /dev/log\n" + SHELL, files={}, memory=MEMORY_MIB):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mcu-vm-"))
        self.boards = []
        self.open = []
        tree = kernel()
        image, = (tree / "boot").glob("vmlinuz-*")
        build_initramfs(self.folder / "initramfs", tree, [BIN / p for p in programs], after_start, files)
        self.said = open(self.folder / "qemu-said", "w")
        characters = []
        for i, name in enumerate(("console", "shell", "log")):
            characters += ["-chardev", f"socket,id={name},path={self.folder}/{name},server=on,wait=off"]
            characters += ["-device", f"virtserialport,nr={i},chardev={name}"] if i else ["-serial", f"chardev:{name}"]
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-cpu", "max", "-m", str(memory), "-nodefaults",
             "-no-user-config", "-display", "none", "-kernel", str(image),
             "-initrd", str(self.folder / "initramfs"), "-append", "console=ttyS0 loglevel=6 panic=-1 mitigations=off",
             "-no-reboot", "-device", f"qemu-xhci,id=xhci,p2={PORTS}", "-device", "virtio-serial-pci", *characters,
             "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.said)
        try:
            self.console = self.line("console")
            self.shell = self.line("shell")
            self.log = self.line("log")
            self.qmp = Qmp(self.folder / "qmp")
            self.open.append(self.qmp)
            self.shell.wait("@@ready")
        except BaseException:
            self.close()
            raise

    def line(self, name):
        until = time.monotonic() + PATIENCE
        while not (self.folder / name).exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError("qemu: " + (self.folder / "qemu-said").read_text())
            time.sleep(0.02)
        line = Lines(self.folder / name)
        self.open.append(line)
        return line

    def run(self, command, check=True, patience=PATIENCE):
        """A line of shell in the machine; returns what it said."""
        since = self.shell.position()
        mark = f"@@{since}"
        self.shell.send(f"{{ {command}\n}} 2>&1; echo \"{mark} $?\"\n")
        line, end = self.shell.wait(f"{mark} \\d+$", since, patience)
        with self.shell.changed:
            said = self.shell.lines[since:end - 1]
        text = "\n".join([*said, line[:line.index(mark)]]).rstrip("\n")
        if check and not line.endswith(" 0"):
            raise AssertionError(f"{command}: status {line.split()[-1]}: {text}")
        return text

    def write(self, name, text, mode="644"):
        self.run(f"cat > {name} <<'@EOF'\n{text}\n@EOF\nchmod {mode} {name}")

    def board(self, name, serial, port, identity=None):
        board = Board(self, name, serial, port, identity)
        self.boards.append(board)
        return board

    def wait_run(self, command, wanted, what, patience=PATIENCE):
        """Runs it until wanted(what it said) holds; returns that."""
        until = time.monotonic() + patience
        while True:
            said = self.run(command, check=False)
            if wanted(said):
                return said
            if time.monotonic() > until:
                raise AssertionError(f"never: {what}; {command} says {said[-2000:]}")
            time.sleep(0.1)

    def close(self):
        for board in self.boards:
            board.stop()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        for part in (*self.open, self.said):
            part.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class OnAMachine(unittest.TestCase):
    """One machine for all tests of a class, which says how it is made and prepared, and how a test leaves it as it
    was found: it takes longer to start than the tests to run."""

    missing = staticmethod(missing)

    @classmethod
    def setUpClass(cls):
        reason = cls.missing()
        if reason:
            raise AssertionError(reason)
        cls.machine = cls.make()
        cls.addClassCleanup(cls.machine.close)
        cls.prepare(cls.machine)

    @classmethod
    def make(cls):
        return Machine()

    @classmethod
    def prepare(cls, machine):
        """Once."""

    def setUp(self):
        self.addCleanup(self.tidy)

    def tidy(self):
        """After each test."""
