"""Shows the main job: an emulated microcontroller on a serial line takes part in a Phoenix
application. Starts phx-dev, the MCU and mcu-bridge, shows readings as they reach the server, sends
a control and shows what the motor does to the temperature."""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "release" / "bin"
FIRMWARE = ROOT / "build" / "cortex-m3" / "bin" / "mcu-stub.elf"
CONTROLLER = 1
BARS = "▁▂▃▄▅▆▇█"


def options():
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.add_argument("--seconds", type=int, default=0, metavar="N",
                        help="stop after N seconds (at least 12); exit status 0 when readings came up, the "
                             "control went down and the temperature followed. Default: until Ctrl-C")
    parser.add_argument("--no-emulator", action="store_true",
                        help="the firmware as a process on this machine instead of a Cortex-M3 in QEMU")
    parser.add_argument("--nerveshub", action="store_true", help="show an update of the firmware instead")
    parser.add_argument("--no-setup", action="store_true", help="do not look for missing Debian packages")
    parser.add_argument("--verbose", action="store_true", help="show the log lines of the bridge")
    given = parser.parse_args()
    if given.seconds and given.seconds < 12:
        parser.error("--seconds must be at least 12: the temperature needs time to follow")
    return given


class Process:
    """A program of ours; waits for its ready line and dies with the demo."""

    def __init__(self, name, command, log, ready=None):
        self.name = name
        self.log = log
        # Not a pipe: nobody reads on after the ready line, and a full pipe would hold the program up.
        self.process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            self.ready_line = self.wait_for(ready) if ready else ""
        except BaseException:
            self.stop()
            raise

    def wait_for(self, ready, seconds=20):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ended = self.process.poll() is not None
            for line in self.said().splitlines(keepends=True):
                if ready in line and line.endswith("\n"):
                    return line.rstrip()
            if ended:
                break
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not start; it said:{self.tail() or ' nothing'}")

    def said(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def tail(self):
        said = self.said()[-1500:]
        return "\n" + said if said else ""

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


def all_run(processes):
    for process in processes:
        if process.process.poll() is not None:
            raise RuntimeError(f"{process.name} ended by itself, status {process.process.returncode}{process.tail()}")


def shown(show, when_stopped):
    """Runs show(folder, processes), which adds what it starts to `processes` and returns the exit status; Ctrl-C
    makes it `when_stopped`. Nothing runs on."""
    processes = []
    with tempfile.TemporaryDirectory(prefix="mcu-demo-") as name:
        try:
            return show(pathlib.Path(name), processes)
        except KeyboardInterrupt:
            print("\nstopping")
            return when_stopped
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            print(f"tools/demo: {error}", file=sys.stderr)
            return 1
        finally:
            for process in processes:
                process.stop()


class Server:
    """phx-dev's HTTP side."""

    def __init__(self, address):
        self.base = f"http://{address}"
        self.after = 0

    def call(self, path, body=None):
        request = urllib.request.Request(self.base + path)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def new_readings(self):
        readings = self.call(f"/readings?after={self.after}")["readings"]
        if readings:
            self.after = readings[-1]["id"]
        return readings

    def control(self, name, value):
        return self.call(f"/control/{CONTROLLER}", {"control": [{name: value}]})


class View:
    """What a person sees: one line a second."""

    def __init__(self):
        self.start = time.monotonic()
        self.latest = {}
        self.temperatures = []
        self.count = 0
        self.shown = 0.0

    def now(self):
        return time.monotonic() - self.start

    def take(self, readings):
        for reading in readings:
            self.count += 1
            self.latest[reading["type"]] = reading["value"]
            if reading["type"] == "temperature":
                self.temperatures.append(reading["value"])

    def say(self, text):
        print(f"{self.now():5.1f} s  {text}", flush=True)

    def curve(self, width=9):
        """The temperature of the last 18 s, in as many columns as fit."""
        values = self.temperatures[-width * 20::20]
        if len(values) < 2:
            return ""
        low, high = min(values), max(values)
        span = max(high - low, 0.5)
        return "".join(BARS[min(7, int((v - low) / span * 7.99))] for v in values)

    def show(self, motor):
        if self.now() - self.shown < 1 or not self.latest:
            return
        if not self.shown:
            print("   time  temperature  pressure  humidity     light  motor  readings  last 18 s")
        self.shown = self.now()
        get = lambda kind, form: format(self.latest[kind], form) if kind in self.latest else "-"
        self.say(f"{get('temperature', '7.2f')} Cel  {get('pressure', '4.0f')} hPa  {get('humidity', '4.1f')} %RH"
                 f"  {get('illuminance', '5.0f')} lx  {motor:3.0f} %  {self.count:8d}  {self.curve()}")


def start(given, folder, processes):
    log = lambda name: open(folder / f"{name}.log", "w")
    server = Process("phx-dev", [BIN / "phx-dev", "--port", "0", "--quiet"], log("phx-dev"), "listening on")
    processes.append(server)
    address = server.ready_line.rsplit("://", 1)[1].strip()
    print(f"server    phx-dev, a Phoenix-compatible server, at http://{address}")

    port = folder / "ttyMCU0"
    if given.no_emulator:
        mcu = Process("mcu-stub", [BIN / "mcu-stub", "--pty-link", port], log("mcu"), "ready on")
        print(f"MCU       the sample firmware as a process, on {port}")
    else:
        mcu = Process("mcu-link", [BIN / "mcu-link", "--qemu", FIRMWARE, "--link", port], log("mcu"), "ready on")
        print(f"MCU       Cortex-M3 (QEMU mps2-an385) on {port},\n"
              f"          which runs {FIRMWARE.relative_to(ROOT)}")
    processes.insert(0, mcu)

    key = folder / "api-key"
    key.touch(0o600)
    key.write_text("API_TOKEN_MC_DEMO0DEMO0DEMO0DEMO\n")
    os.environ["STATE_DIRECTORY"] = str(folder)
    bridge = Process("mcu-bridge", [BIN / "mcu-bridge", "--port", port, "--api-key-file", key, "--url",
                                    f"ws://{address}/microcontrollers/websocket"], log("mcu-bridge"))
    print("bridge    mcu-bridge: serial frames <-> upload_readings and control_update")
    print()
    processes.insert(0, bridge)
    return Server(address)


class BridgeLog:
    """What the bridge says: above all, that the MCU has done what the server asked for."""

    def __init__(self, path, echo):
        self.file = open(path, errors="replace")
        self.echo = echo
        self.motor = None

    def news(self):
        """New lines about controls; `motor` is the value that the MCU confirmed last."""
        found = []
        for line in self.file:
            if self.echo:
                print(f"         {line}", end="")
            done = re.search(r"control (\w+)=([\d.]+): (done.*)", line)
            if done and done.group(1) == "motor":
                self.motor = float(done.group(2))
                found.append(f"the MCU answers: motor={done.group(2)} {done.group(3)}")
        return found


def run(given, server, processes):
    """Returns what was seen: readings up, control done, temperature followed, and from what to what."""
    view = View()
    bridge = BridgeLog(processes[0].log.name, given.verbose)
    motor, before, sent_at = 0, None, None
    lowest = None
    end = given.seconds or float("inf")
    while view.now() < end:
        all_run(processes)
        fresh = server.new_readings()
        view.take(fresh)
        for news in bridge.news():
            view.say(f"---- {news}")
        view.show(bridge.motor or 0)
        if sent_at is None and view.now() > min(6, end / 3) and len(view.temperatures) > 20:
            before, motor, sent_at = view.temperatures[-1], 100, view.now()
            server.control("motor", motor)
            view.say(f'---- the server broadcasts control_update {{"control":[{{"motor":{motor}}}]}}')
        if sent_at is not None:
            temperatures = [r["value"] for r in fresh if r["type"] == "temperature"]
            if temperatures:
                lowest = min(temperatures if lowest is None else [lowest, *temperatures])
        if not given.seconds and sent_at is not None and view.now() - sent_at > 15:
            motor = 0 if motor else 100
            sent_at = view.now()
            server.control("motor", motor)
            view.say(f'---- the server broadcasts control_update {{"control":[{{"motor":{motor}}}]}}')
        time.sleep(0.2)
    followed = before is not None and lowest is not None and lowest < before - 0.3
    return view.count > 0, bridge.motor is not None, followed, before, lowest


def main():
    given = options()

    def show(folder, processes):
        server = start(given, folder, processes)
        up, down, followed, before, lowest = run(given, server, processes)
        print()
        print(f"readings up:         {'yes' if up else 'NO'}")
        print(f"control down:        {'yes' if down else 'NO'}")
        print("the reading changed: " + (f"yes, {before:.2f} -> {lowest:.2f} Cel" if followed else "NO"))
        return 0 if up and down and followed else 1

    return shown(show, when_stopped=0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
