"""Whom libphx trusts: wss:// to a scripted server with certificates of all kinds."""

import os
import shutil
import ssl
import unittest

from harness_phx import TlsCase


class Tls(TlsCase):
    def rejection(self, certificate, address="127.0.0.1", host="localhost", **options):
        server = self.serve_tls(certificate, address)
        probe = self.probe(server.url(host=host), **options)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            server.peer().request()
        cause, line = probe.down()
        self.assertEqual(cause, "tls", line)
        probe.quit()
        return line["text"]

    def test_a_trusted_server_is_talked_to(self):
        server = self.serve_tls("good")
        probe = self.probe(server.url(host="localhost"), ca=self.file("ca.pem"), topic="room:1")
        peer = server.upgraded()
        self.assertEqual(peer.connection.selected_alpn_protocol(), "http/1.1")
        self.assertEqual(peer.headers["host"], f"localhost:{server.port}")
        self.assertEqual(self.names, ["localhost"])
        peer.accept_join()
        probe.next("joined")
        peer.text([None, None, "room:1", "big", {"x": "y" * 100000}])
        probe.next("message")
        probe.quit()

    def test_an_untrusted_server_is_refused(self):
        self.assertIn("not trusted", self.rejection("good"))

    def test_another_host_name_is_refused(self):
        self.assertIn("not for localhost", self.rejection("other", ca=self.file("ca.pem")))

    def test_an_ipv6_address_is_enough_when_the_certificate_is_for_it(self):
        server = self.serve_tls("numeric", "::1")
        probe = self.probe(server.url(host="[::1]"), ca=self.file("ca.pem"))
        peer = server.upgraded()
        self.assertEqual(peer.headers["host"], f"[::1]:{server.port}")
        self.assertEqual(self.names, [None], "a name was asked for")
        probe.next("connected")
        probe.quit()

    def test_an_ipv6_address_that_the_certificate_is_not_for_is_refused(self):
        for certificate in ("good", "other"):
            said = self.rejection(certificate, "::1", "[::1]", ca=self.file("ca.pem"))
            self.assertIn("not for [::1]", said)

    def test_an_ipv4_address_is_enough_when_the_certificate_is_for_it(self):
        server = self.serve_tls("numeric")
        probe = self.probe(server.url(), ca=self.file("ca.pem"))
        server.upgraded()
        probe.next("connected")
        probe.quit()
        self.assertIn("not for 127.0.0.1", self.rejection("good", host="127.0.0.1", ca=self.file("ca.pem")))

    def test_an_expired_certificate_is_refused(self):
        self.assertIn("expired", self.rejection("expired", ca=self.file("ca.pem")))

    def test_a_missing_or_empty_ca_file_is_told_and_nothing_is_trusted_instead(self):
        empty = self.file("empty.pem")
        with open(empty, "w", encoding="ascii"):
            pass
        for path, why in ((self.file("nothing.pem"), "No such file or directory"), (empty, "no certificate")):
            probe = self.probe("wss://localhost:1/socket/websocket", ca=path)
            self.assertRegex(probe.next("bad_option")["text"], f"CA file .*: {why}")
            probe.quit()

    def test_a_ca_file_that_was_replaced_is_read_again(self):
        ca = self.file("rotating.pem")
        shutil.copy(self.file("other.pem"), ca)
        server = self.serve_tls("good")
        probe = self.probe(server.url(host="localhost"), ca=ca)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            server.peer()
        self.assertEqual(probe.down()[0], "tls")
        shutil.copy(self.file("ca.pem"), ca + ".new")
        os.replace(ca + ".new", ca)
        for _ in range(10):
            try:
                server.upgraded()
                break
            except (ssl.SSLError, ConnectionError, IndexError):
                pass
        probe.next("connected")
        probe.quit()

    def test_a_server_that_speaks_no_tls_is_survived(self):
        server = self.serve()
        probe = self.probe(f"wss://localhost:{server.port}/socket/websocket", ca=self.file("ca.pem"))
        server.peer().raw(b"HTTP/1.1 400 Bad Request\r\n\r\n").end()
        cause, _ = probe.down()
        self.assertIn(cause, ("tls", "connect"))
        probe.quit()


if __name__ == "__main__":
    unittest.main()
