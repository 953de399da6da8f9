"""A bridge that is watched: what its address serves, and a configuration that can change under it."""

import http.client
import os
import re
import signal
import socket
import subprocess
import unittest

from harness_bridge import Bridge, PhxDev, free_port, secret_file, write_config
from harness_mcu import BIN, Mcu

SAMPLE = re.compile(r'([a-zA-Z_]\w*)(\{((\w+="((?:[^"\\\n]|\\[\\"n])*)",?)*)\})? (\S+)')


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(listen, path, method="GET", **headers):
    if listen.startswith("unix:"):
        connection = UnixConnection(listen[5:])
    else:
        connection = http.client.HTTPConnection(listen, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def metrics(listen):
    """{(name, (label, value)...): number}, read strictly."""
    status, text = get(listen, "/metrics")
    assert status == 200
    out, family = {}, None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split()[2]
        elif not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels = match.group(1), match.group(3) or ""
            assert name in (family, family + "_bucket", family + "_sum", family + "_count"), line
            key = (name, *sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)))
            assert key not in out, f"twice: {line}"
            out[key] = float(match.group(6))
    return out


def served(listen):
    try:
        return get(listen, "/status")[0] == 200
    except OSError:
        return False


def status_tool(*arguments):
    return subprocess.run([str(BIN / "mcu-bridge"), "status", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


class WithABoard(unittest.TestCase):
    def start(self, listen=None, server=None, mcu=None, environment=None, **sections):
        self.listen = listen or f"127.0.0.1:{free_port()}"
        self.server = server or PhxDev(self)
        self.mcu = mcu or Mcu(self, "posix")
        self.key = secret_file(self)
        self.config = self.write(**sections)
        self.bridge = Bridge(self, "--config", self.config, environment=environment)
        if not server:
            self.bridge.wait_line("joined microcontroller:v1:1")

    def entry(self, **members):
        return {"name": "bench-1", "device": "stub-1", "api_key_file": self.key} | members

    def write(self, *mcus, ports=None, **sections):
        sections.setdefault("metrics", {"listen": self.listen})
        return write_config(self, self.server.url, ports or {"left": self.mcu.path}, list(mcus) or [self.entry()],
                            **sections)

    def rewrite(self, *mcus, ports=None, **sections):
        """Another configuration in the same place, and SIGHUP."""
        since = self.bridge.position()
        next_one = self.config.with_suffix(".next")
        next_one.write_text(self.write(*mcus, ports=ports, **sections).read_text())
        os.replace(next_one, self.config)  # an earlier SIGHUP may be reading just now
        self.bridge.signal(signal.SIGHUP)
        return since
