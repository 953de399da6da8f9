"""A firmware file arrives whole, whatever the server and the line do, or the reason is said."""

import hashlib
import http.server
import os
import pathlib
import ssl
import subprocess
import tempfile
import threading
import unittest

PROBE = pathlib.Path(os.environ["MCU_BIN"]) / "download_probe"
UUID = "2cc211b5-e7c5-5b9c-b678-c70df78babe5"
MIB = 1 << 20
FILE = bytes((i * 7 + i // 251) & 0xff for i in range(2 * MIB + MIB // 2))


def sums(data):
    parts = [hashlib.sha256(data[i:i + MIB]).hexdigest() for i in range(0, len(data), MIB)]
    return [str(len(data)), hashlib.sha256(data).hexdigest(), *parts]


class Server(http.server.ThreadingHTTPServer):
    """Serves FILE; `plan` is a list of faults, one a request, then none."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.requests, self.etag, self.ranges = [], [], '"1"', True
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, dict(self.headers)))
        fault = server.plan.pop(0) if server.plan else {}
        if "redirect" in fault:
            self.send_response(302)
            self.send_header("Location", fault["redirect"])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if "status" in fault:
            self.send_error(fault["status"])
            return
        self.answer(fault, bytearray(fault.get("file", FILE)))

    def answer(self, fault, body):
        server, start = self.server, 0
        asked = self.headers.get("Range", "")
        if server.ranges and asked.startswith("bytes=") and asked != "bytes=0-":
            start = int(asked[6:-1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if "flip" in fault:
            body[fault["flip"]] ^= 1
        self.wfile.write(body[start:fault.get("cut", len(body))])
        if "cut" in fault:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()


class Download(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_port}/firmware/1.fw?X-Signature=s3cret"

    def fetch(self, *known, url=None, **environment):
        done = subprocess.run([PROBE, self.folder, UUID, url or self.url, *known], capture_output=True, text=True,
                              timeout=120, env={**os.environ, "MCU_PROBE_HTTP": "1", **environment})
        self.assertIn(done.returncode, (0, 1), done.stderr)
        for credential in ("s3cret", "hunter2"):
            self.assertNotIn(credential, done.stdout + done.stderr)
        return done.stdout.splitlines()[-1]

    def whole(self):
        return (self.folder / f"{UUID}.fw").read_bytes()

    def ranges(self):
        return [headers.get("Range") for _, headers in self.server.requests]

    def test_a_file_with_sums_arrives(self):
        self.assertEqual(self.fetch(*sums(FILE)), "done ok")
        self.assertEqual(self.whole(), FILE)
        self.assertEqual([p.name for p in self.folder.iterdir()], [f"{UUID}.fw"])

    def test_a_file_of_an_old_server_arrives_without_size_and_sums(self):
        self.assertEqual(self.fetch(), "done ok")
        self.assertEqual(self.whole(), FILE)

    def test_a_connection_cut_at_each_half_mebibyte_goes_on_where_it_was(self):
        self.server.plan = [{"cut": MIB // 2 * i} for i in range(1, 5)]
        self.assertEqual(self.fetch(*sums(FILE)), "done ok")
        self.assertEqual(self.whole(), FILE)
        self.assertEqual(len(self.ranges()), 5)
        starts = [int(r[6:-1]) for r in self.ranges()[1:]]
        self.assertEqual(starts, sorted(starts))
        self.assertGreater(starts[-1], MIB)

    def test_what_an_earlier_program_left_is_used(self):
        (self.folder / f"{UUID}.part").write_bytes(FILE[:MIB + 100])
        self.assertEqual(self.fetch(*sums(FILE)), "done ok")
        self.assertEqual(self.ranges(), [f"bytes={MIB + 100}-"])
        self.assertEqual(self.whole(), FILE)

    def test_what_an_earlier_program_left_is_checked_part_by_part(self):
        left = bytearray(FILE[:2 * MIB])
        left[MIB + 5] ^= 1
        (self.folder / f"{UUID}.part").write_bytes(left)
        self.assertEqual(self.fetch(*sums(FILE)), "done ok")
        self.assertEqual(self.ranges(), [f"bytes={MIB}-"])
        self.assertEqual(self.whole(), FILE)

    def test_a_complete_file_is_not_asked_for_again(self):
        (self.folder / f"{UUID}.part").write_bytes(FILE)
        self.assertEqual(self.fetch(*sums(FILE)), "done ok")
        self.assertEqual(self.ranges(), [])

    def test_a_damaged_part_alone_is_fetched_again(self):
        self.server.plan = [{"flip": MIB + 7}]
        self.assertEqual(self.fetch(*sums(FILE)), "done ok")
        self.assertEqual(self.ranges(), [None, f"bytes={MIB}-"])
        self.assertEqual(self.whole(), FILE)

    def test_a_part_that_stays_damaged_ends_it(self):
        self.server.plan = [{"flip": 7}] * 20
        self.assertEqual(self.fetch(*sums(FILE)), "done a part of the file arrived damaged, again and again")

    def test_a_whole_that_is_damaged_is_fetched_from_the_start(self):
        size, whole, *_ = sums(FILE)
        self.server.plan = [{"flip": 7}]
        self.assertEqual(self.fetch(size, whole), "done ok")
        self.assertEqual(self.ranges(), [None, None])

    def test_a_server_without_ranges_sends_it_anew(self):
        self.server.ranges = False
        self.server.plan = [{"cut": MIB}]
        self.assertEqual(self.fetch(*sums(FILE)), "done ok")
        self.assertEqual(self.whole(), FILE)

    def test_a_file_that_changed_on_the_server_is_not_patched_together(self):
        self.server.plan = [{"cut": MIB, "file": FILE[::-1]}, {"status": 500}, {"status": 500}, {"status": 500}]
        self.assertIn("500", self.fetch())
        (self.folder / f"{UUID}.part").write_bytes(FILE[::-1][:MIB])
        (self.folder / f"{UUID}.etag").write_text('"0"')
        self.server.plan = []
        self.assertEqual(self.fetch(), "done ok")
        self.assertEqual(self.whole(), FILE)

    def test_500_past_the_end_and_416_drop_what_is_there(self):
        for status in (500, 416):
            (self.folder / f"{UUID}.part").write_bytes(FILE + b"x")
            self.server.plan = [{"status": status}]
            self.assertEqual(self.fetch(), "done ok")
            self.assertEqual(self.whole(), FILE)

    def test_an_expired_address_is_said(self):
        self.server.plan = [{"status": 404}]
        self.assertEqual(self.fetch(), "done the server answered 404: the address may have expired")

    def test_a_busy_server_is_asked_again(self):
        self.server.plan = [{"status": 503}, {"status": 429}]
        self.assertEqual(self.fetch(), "done ok")

    def test_a_server_that_restarts_costs_nothing_of_what_came(self):
        for status in (502, 503, 504):
            (self.folder / f"{UUID}.fw").unlink(missing_ok=True)
            self.server.requests.clear()
            self.server.plan = [{"cut": MIB + 5}, {"status": status}]
            self.assertEqual(self.fetch(*sums(FILE)), "done ok")
            self.assertEqual(self.ranges(), [None, *[f"bytes={MIB + 5}-"] * 2], status)
            self.assertEqual(self.whole(), FILE)

    def test_a_file_larger_than_allowed_is_not_fetched(self):
        self.assertEqual(self.fetch(*sums(FILE), MCU_PROBE_MAX=str(MIB)), "done the file is larger than allowed (for good)")
        self.assertEqual(self.ranges(), [])
        self.assertIn("longer than", self.fetch(MCU_PROBE_MAX=str(MIB)))
        self.assertLessEqual((self.folder / f"{UUID}.part").stat().st_size, MIB)

    def test_more_than_announced_is_refused(self):
        self.assertIn("longer than announced", self.fetch(str(MIB)))

    def test_the_room_of_others_stays_free(self):
        self.assertIn("disk is full, or nearly", self.fetch(MCU_PROBE_FREE=str(1 << 60)))

    def test_plain_http_is_refused_unless_allowed(self):
        done = subprocess.run([PROBE, self.folder, UUID, self.url], capture_output=True, text=True, timeout=120,
                              env={k: v for k, v in os.environ.items() if k != "MCU_PROBE_HTTP"})
        self.assertEqual(done.stdout.splitlines()[-1], "done the address is not https (for good)")
        self.assertEqual(self.server.requests, [])

    def test_a_redirect_carries_nothing_of_the_device(self):
        other = Server()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        self.server.plan = [{"redirect": f"http://127.0.0.1:{other.server_port}/x"}]
        self.assertEqual(self.fetch(), "done ok")
        _, headers = other.requests[0]
        self.assertEqual(set(headers) - {"Host", "User-Agent", "Accept", "Range"}, set())

    def test_user_and_password_of_an_address_stay_with_its_host_and_in_no_word(self):
        other = Server()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        url = self.url.replace("http://", "http://user:hunter2@")
        self.server.plan = [{"status": 503}, {"redirect": f"http://127.0.0.1:{other.server_port}/x"}]
        self.assertEqual(self.fetch(url=url), "done ok")
        self.assertIn("Authorization", self.server.requests[0][1])
        self.assertEqual(set(other.requests[0][1]) - {"Host", "User-Agent", "Accept", "Range"}, set())
        for status in (404, 500):
            self.server.plan = [{"status": status}] * 20
            self.assertNotIn("hunter2", self.fetch(url=url))
        self.assertNotIn("hunter2", self.fetch(url=url.replace("127.0.0.1", "no-such-host.invalid")))

    def test_a_redirect_to_a_file_is_not_followed(self):
        self.server.plan = [{"redirect": "file:///etc/passwd"}] * 9
        self.assertIn("not https", self.fetch())

    def test_endless_redirects_end(self):
        self.server.plan = [{"redirect": self.url}] * 9
        self.assertIn("edirects", self.fetch())
        self.assertEqual(len(self.server.requests), 4)


class Tls(unittest.TestCase):
    def test_an_unknown_certificate_and_a_redirect_to_plain_http_are_not_trusted_and_an_own_authority_is(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", folder / "key", "-out", folder / "crt", "-days", "2", "-subj", "/CN=localhost",
                            "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
            server = Server()
            self.addCleanup(server.server_close)
            self.addCleanup(server.shutdown)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "crt", folder / "key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
            url = f"https://localhost:{server.server_port}/1.fw"
            environment = {k: v for k, v in os.environ.items() if k != "MCU_PROBE_HTTP"}

            def fetch(**more):
                done = subprocess.run([PROBE, folder, UUID, url], capture_output=True, text=True, timeout=120,
                                      env={**environment, **more})
                return done.stdout.splitlines()[-1]

            self.assertIn("ertificate", fetch())
            plain = Server()
            self.addCleanup(plain.server_close)
            self.addCleanup(plain.shutdown)
            server.plan = [{"redirect": f"http://127.0.0.1:{plain.server_port}/x"}]
            self.assertIn("not https", fetch(MCU_PROBE_CA=str(folder / "crt"), MCU_PROBE_HTTP="1"))
            self.assertEqual(plain.requests, [])
            self.assertEqual(fetch(MCU_PROBE_CA=str(folder / "crt")), "done ok")
            self.assertEqual((folder / f"{UUID}.fw").read_bytes(), FILE)


if __name__ == "__main__":
    unittest.main()
