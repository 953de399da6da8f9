"""What a scrape of /metrics costs: CPU of the bridge for each, with 1000 MCUs and 1000 ports that are
configured and not there, and what its memory grows by over all of them."""

import http.client
import pathlib
import socket
import subprocess
import tempfile
import time

from bench_bridge import BIN, configuration, cpu_seconds, figure, rss_kib

COUNT = 1000
SCRAPES = 50


def scrape(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    size = len(connection.getresponse().read())
    connection.close()
    return size


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        file = configuration(pathlib.Path(name), "ws://127.0.0.1:9/microcontrollers/websocket", COUNT)
        file.write_text(f"metrics: {{listen: \"127.0.0.1:{port}\"}}\n" + file.read_text())
        bridge = subprocess.Popen([str(BIN / "mcu-bridge"), "--config", str(file), "--log-level", "error"],
                                  stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    size = scrape(port)
                    break
                except OSError:
                    time.sleep(0.05)
            scrape(port)
            before, memory = cpu_seconds(bridge.pid), rss_kib(bridge.pid)
            for _ in range(SCRAPES):
                scrape(port)
            spent = cpu_seconds(bridge.pid) - before
            figure("scrape.1000.cpu", spent / SCRAPES * 1000, "ms", 20)
            figure("scrape.1000.size", size / 1e6, "MB", 4)
            figure("scrape.1000.memory_growth", max(0, rss_kib(bridge.pid) - memory), "KiB", 1024)
        finally:
            bridge.terminate()
            bridge.wait()


if __name__ == "__main__":
    main()
