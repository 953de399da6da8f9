"""NervesHub through an HTTP proxy: the socket of a board and its firmware files."""

import os
import unittest
from unittest import mock

from harness_bridge import folder, free_port, wait_until
from harness_mcu import Mcu
from harness_web import Certificates, Proxy
from images import image
from test_bridge_nerveshub import Hub, Nerveshub as WithAHub, pack


class Proxied(WithAHub):
    def hub_called(self, name):
        authority = Certificates(str(folder(self)))
        cert, key = authority.make("hub", f"DNS:{name},DNS:localhost")
        hub = Hub(self, arguments=("--tls", "--cert", cert, "--key", key))
        hub.tls, hub.cert = True, authority.ca
        return hub

    def start(self, hub, name, **nerveshub):
        self.mcu = Mcu(self, "posix", state=folder(self) / "state")
        return super().start([{"name": "a", "path": self.mcu.path}], hub=hub, allow_http=False, ca_file=hub.cert,
                             url=f"wss://{name}:{hub.port}/device-socket/websocket", **nerveshub)

    def updated(self):
        file = pack(self, image("posix", 2), "2.0.0", self.hub.wait_joined("a"))
        self.hub.request("POST", "/nerves/update", {"device": "a", "path": str(file)})
        wait_until(lambda: self.hub.device("a")["version"] == "2.0.0", lambda: self.hub.device("a"))

    def test_socket_and_firmware_go_through_the_one_that_is_configured(self):
        hub = self.hub_called("hub.test")  # which the proxy alone can resolve
        proxy = Proxy({"hub.test": "127.0.0.1"}, credentials="me:pa55-word")
        self.addCleanup(proxy.close)
        with mock.patch.dict(os.environ, {"no_proxy": "*"}):
            self.start(hub, "hub.test", proxy=f"http://me:pa55-word@127.0.0.1:{proxy.port}")
        hub.wait_joined("a")
        asked = len(proxy.asked)
        self.updated()
        self.assertGreater(len(proxy.asked), asked)
        self.assertEqual(set(proxy.asked), {("CONNECT", f"hub.test:{hub.port}")})
        self.assertNotIn("pa55", "\n".join(self.bridge.lines))

    def test_none_keeps_that_of_the_environment_away(self):
        with mock.patch.dict(os.environ, {"https_proxy": f"http://127.0.0.1:{free_port()}"}):
            self.start(self.hub_called("hub.test"), "localhost", proxy="none")
        self.updated()


del WithAHub

if __name__ == "__main__":
    unittest.main()
