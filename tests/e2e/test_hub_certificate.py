"""A certificate of NervesHub's that is being replaced just when a board comes."""

import pathlib
import unittest

from harness_bridge import folder
from harness_mcu import Mcu
from harness_web import Certificates
from test_bridge_nerveshub import Hub, Nerveshub as WithAHub


class Replaced(WithAHub):
    def test_a_certificate_that_cannot_be_read_when_a_board_comes_is_waited_for(self):
        authority = Certificates(str(folder(self)))
        cert, key = authority.make("hub", "DNS:localhost")
        hub = Hub(self, arguments=("--tls", "--cert", cert, "--key", key))
        hub.tls, hub.cert = True, authority.ca
        line, trusted = folder(self) / "line", pathlib.Path(hub.cert)
        self.start([{"name": "a", "path": line}], hub=hub, allow_http=False, ca_file=trusted,
                   url=f"wss://localhost:{hub.port}/device-socket/websocket")
        self.bridge.wait_line("waiting for the line")
        good = trusted.read_bytes()
        trusted.write_bytes(good[:100])
        self.mcu = Mcu(self, "posix", path=line, state=folder(self) / "state")
        self.bridge.wait_line("cannot connect: CA file")
        trusted.write_bytes(good)
        hub.wait_joined("a")


del WithAHub

if __name__ == "__main__":
    unittest.main()
