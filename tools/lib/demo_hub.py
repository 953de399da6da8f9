"""Shows an update: an emulated Cortex-M3 behind mcu-bridge is a device of a NervesHub (phx-dev), which
pushes version 2 of its firmware; what the server hears and what the board says, until it runs it."""

import argparse
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request

from demo import BIN, FIRMWARE, ROOT, Process, all_run, shown

NEW = ROOT / "build" / "cortex-m3" / "bin" / "mcu-stub-image-2.bin"
NAMES = ["--product", "mcu-stub", "--version", "2.0.0", "--platform", "mps2-an385", "--architecture", "cortex-m3"]
PATIENCE = 120  # seconds
CONFIG = """\
nerveshub:
  url: wss://localhost:{port}/device-socket/websocket
  ca_file: {folder}/hub.pem
  key: nhp_demo
  secret_file: {folder}/secret
  firmware_keys_file: {folder}/lab.pub
  folder: {folder}/firmware
mcus:
  - {{ name: bench-1, device: stub-1, path: {folder}/ttyMCU0 }}
"""


def options():
    parser = argparse.ArgumentParser(prog="tools/demo --nerveshub", description=__doc__)
    parser.add_argument("--nerveshub", action="store_true", help="this, in place of readings and controls")
    parser.add_argument("--no-setup", action="store_true", help="do not look for missing Debian packages")
    return parser.parse_args()


class Hub:
    """phx-dev's orders under /nerves."""

    def __init__(self, port, certificate):
        self.base = f"https://localhost:{port}/nerves/"
        self.trust = ssl.create_default_context(cafile=str(certificate))
        self.after = 0

    def call(self, path, body=None):
        request = urllib.request.Request(self.base + path, json.dumps(body).encode() if body else None,
                                         {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10, context=self.trust) as answer:
            return json.load(answer)

    def device(self):
        return next(iter(self.call("devices")["devices"]), {"topics": [], "version": None})

    def news(self):
        answer = self.call(f"events?after={self.after}")
        self.after = answer["last"]
        return answer["events"]


def mkfw(*arguments):
    subprocess.run([str(BIN / "mkfw"), *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def prepare(folder):
    """Keys, a signed file with version 2, and what the bridge is told."""
    secret = folder / "secret"
    secret.touch(0o600)
    secret.write_text("no-one-knows\n")
    mkfw("keys", folder / "lab")
    mkfw("pack", *NAMES, "--key", folder / "lab.priv", NEW, folder / "2.0.0.fw")


def start(folder, processes):
    log = lambda name: open(folder / f"{name}.log", "w")
    server = Process("phx-dev", [BIN / "phx-dev", "--port", "0", "--quiet", "--nerves", "main", "--nerves-key",
                                 "nhp_demo=no-one-knows", "--nerves-fw-key", folder / "lab.pub", "--tls", "--cert-out",
                                 folder / "hub.pem"], log("phx-dev"), "listening on")
    processes.append(server)
    port = server.ready_line.rsplit(":", 1)[1].strip()
    print(f"NervesHub phx-dev as its main branch, on port {port}; it takes one key's firmware")
    processes.insert(0, Process("mcu-link", [BIN / "mcu-link", "--qemu", FIRMWARE, "--link", folder / "ttyMCU0",
                                             "--baud", "115200"], log("mcu"), "ready on"))
    print(f"MCU       Cortex-M3 (QEMU mps2-an385) at 115200 baud,\n          which runs {FIRMWARE.relative_to(ROOT)}")
    config = folder / "bridge.yaml"
    config.write_text(CONFIG.format(port=port, folder=folder))
    os.environ["STATE_DIRECTORY"] = str(folder)
    processes.insert(0, Process("mcu-bridge", [BIN / "mcu-bridge", "--config", config], log("mcu-bridge")))
    print("bridge    mcu-bridge: the board is device bench-1 there\n")
    return Hub(port, folder / "hub.pem")


def show(began, event):
    """One line of what the device said."""
    payload, name = event["payload"], event["event"]
    if name == "phx_join" and event["topic"] == "device":
        text = f"joins with firmware {payload['nerves_fw_version']}, uuid {payload['nerves_fw_uuid']}"
    elif name == "status_update":
        text = payload["status"]
    elif name == "fwup_progress":
        text = f"{payload['stage']:11} [{'#' * (payload['value'] // 5):20}] {payload['value']:3} %"
    elif name == "up":
        text = f"console: {payload['data'].strip().splitlines()[0]} ..." if payload["data"].strip() else ""
    else:
        text = name if name == "rebooting" else ""
    if text:
        print(f"{time.monotonic() - began:5.1f} s  {text}", flush=True)


def until(hub, processes, began, done):
    """Shows what is said until done(device)."""
    end = time.monotonic() + PATIENCE
    while True:
        for event in hub.news():
            show(began, event)
        device = hub.device()
        if done(device):
            return device
        all_run(processes)
        if time.monotonic() > end:
            raise RuntimeError(f"nothing came of it within {PATIENCE} s{processes[0].tail()}")
        time.sleep(0.1)


def run(folder, processes):
    prepare(folder)
    hub = start(folder, processes)
    began = time.monotonic()
    until(hub, processes, began, lambda device: {"device", "console"} <= set(device["topics"]))
    hub.call("push", {"device": "bench-1", "topic": "console", "event": "dn", "payload": {"data": "status\r"}})
    print(f"{time.monotonic() - began:5.1f} s  ---- the server pushes mcu-stub 2.0.0, {NEW.stat().st_size} bytes")
    hub.call("update", {"device": "bench-1", "path": str(folder / "2.0.0.fw")})
    device = until(hub, processes, began, lambda device: device["version"] == "2.0.0" and "device" in device["topics"])
    print(f"\nthe board runs {device['product']} {device['version']}: it has said so itself")
    return 0


def main():
    options()
    return shown(run, when_stopped=1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
