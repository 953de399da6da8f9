"""The bridge by long polling, through proxies, with a certificate and a token: what its configuration
says reaches libphx."""

import os
import subprocess
import unittest

from harness_bridge import BIN, PhxDev, folder, free_port, secret_file, wait_until, write_config
from harness_web import Certificates, Proxy
from test_bridge_server import WithABoard


class Ways(WithABoard):
    def path(self):
        sockets = self.server.sockets()
        return sockets[0]["path"] if sockets else None

    def test_long_polling(self):
        self.on_phx_dev("--poll-ms", "1000", server={"transport": "longpoll"})
        self.assertEqual(self.path(), "/microcontrollers/longpoll")
        wait_until(lambda: self.server.control(1, {"led": 1}) == 1, "a control reaches the poller")
        self.server.kick(1)
        self.bridge.wait_line("trying again in")
        self.server.wait_more()
        self.nothing_lost_and_little_repeated(self.server.readings())

    def test_long_polling_where_websockets_are_in_vain(self):
        self.server = PhxDev(self, "--poll-ms", "1000")
        self.server.fault(silent=True, transport="websocket")
        self.start(self.server.url, server={"transport": "auto"})
        self.server.wait_more()
        self.assertEqual(self.path(), "/microcontrollers/longpoll")

    def test_a_proxy_and_a_client_certificate(self):
        place = str(folder(self))
        servers, clients = Certificates(place, "servers"), Certificates(place, "clients")
        cert, key = servers.make("far", "DNS:far.test,DNS:localhost")
        proxy = Proxy({"far.test": "127.0.0.1"})
        self.addCleanup(proxy.close)
        port = free_port()
        process = subprocess.Popen([str(BIN / "phx-dev"), "--port", str(port), "--quiet", "--tls", "--cert", cert,
                                    "--key", key, "--client-ca", clients.ca], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.terminate)
        process.stdout.readline()
        own, own_key = clients.make("bridge")
        os.chmod(own_key, 0o600)
        self.start(f"wss://far.test:{port}/microcontrollers/websocket",
                   server={"proxy": f"http://127.0.0.1:{proxy.port}", "ca_file": servers.ca, "cert_file": own,
                           "key_file": own_key})
        self.bridge.wait_line("microcontroller:v1:1")
        self.assertEqual(set(proxy.asked), {("CONNECT", f"far.test:{port}")})

    def test_a_token_of_a_command(self):
        place = folder(self)
        seen = place / "seen"
        script = place / "token.sh"
        script.write_text(f"#!/bin/sh\necho $1 >>{seen}\necho secret\n")
        script.chmod(0o700)
        self.on_phx_dev(server={"auth_token_command": f"{script} one"})
        self.assertEqual(set(seen.read_text().split()), {"one"})


class Wrong(unittest.TestCase):
    def complaint(self, **server):
        config = write_config(self, "wss://localhost/microcontrollers/websocket", {"left": "/dev/null"},
                              [{"name": "one", "device": "x", "api_key_file": secret_file(self)}], server=server)
        done = subprocess.run([str(BIN / "mcu-bridge"), "--config", str(config), "--check-config"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_ways_that_cannot_be_are_told_before_the_start(self):
        open_key = secret_file(self, mode=0o644)
        for server, words in (({"transport": "udp"}, "longpoll"), ({"proxy": "socks5://u:pw@x"}, "http://"),
                              ({"cert_file": "/nonexistent"}, "go together"),
                              ({"cert_file": str(open_key), "key_file": str(open_key)}, "chmod 600"),
                              ({"auth_token_file": str(open_key)}, "auth_token_file"),
                              ({"auth_token_file": str(secret_file(self)), "auth_token_command": "x"}, "both")):
            text = self.complaint(**server)
            self.assertIn(words, text)
            self.assertNotIn("pw@", text)


if __name__ == "__main__":
    unittest.main()
