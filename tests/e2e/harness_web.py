"""Web servers for the tests of libphx: one that says what a test wants to long polls, an HTTP proxy
that knows CONNECT, and certificates."""

import base64
import http.server
import json
import os
import select
import socket
import subprocess
import threading

PATIENCE = 60


class LongPolls:
    """An HTTP server whose answers are a function of the test: answer(method, path, headers, body)
    returns (status, body, headers), the body as text, bytes or what becomes JSON."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.lock = threading.Lock()
        self.posting = self.most_posting = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.handle(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handle(self, request):
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        post = request.command == "POST"
        with self.lock:
            self.requests.append((request.command, request.path, request.headers, body))
            self.posting += post
            self.most_posting = max(self.most_posting, self.posting)
        try:
            status, text, *more = self.answer(request.command, request.path, request.headers, body)
            if not isinstance(text, (str, bytes)):
                text = json.dumps(text)
            data = text if isinstance(text, bytes) else text.encode()
            with self.lock:
                self.posting -= post
                post = False
            request.send_response(status)
            for name, value in (more[0] if more else {}).items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            request.close_connection = True
        finally:
            with self.lock:
                self.posting -= post

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Proxy:
    """CONNECT and nothing else. names: what host names lead to, on this machine."""

    def __init__(self, names=None, credentials=None):
        self.names = names or {}
        self.wanted = credentials and "basic " + base64.b64encode(credentials.encode()).decode()
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.links = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.links.append(link)
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        try:
            file = link.makefile("rb", buffering=0)
            method, place, _ = file.readline().decode().split(" ")
            headers = {}
            while (line := file.readline().decode().strip()):
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            self.asked.append((method, place))
            given = headers.get("proxy-authorization", "")
            if method != "CONNECT" or (self.wanted and given.lower() != self.wanted.lower()):
                link.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                link.close()
                return
            host, _, port = place.rpartition(":")
            far = socket.create_connection((self.names.get(host, host.strip("[]")), int(port)))
            self.links.append(far)
            link.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.pump(link, far)
        except (OSError, ValueError):
            link.close()

    @staticmethod
    def pump(a, b):
        other = {a: b, b: a}
        while True:
            for link in select.select([a, b], [], [])[0]:
                data = link.recv(65536)
                if not data:
                    a.close()
                    b.close()
                    return
                other[link].sendall(data)

    def close(self):
        for link in (self.listener, *self.links):
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            link.close()


class Certificates:
    """A CA of its own in a folder, and what it signs."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                     "-days", "2")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def file(self, name):
        return os.path.join(self.folder, name)

    @property
    def ca(self):
        return self.file(self.name + ".pem")

    def make(self, name, subject="DNS:localhost"):
        """Returns the files of a certificate and its key."""
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        with open(self.file(name + ".ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={subject}\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.name}.pem", "-CAkey",
                     f"{self.name}.key", "-CAcreateserial", "-extfile", f"{name}.ext", "-days", "2",
                     "-out", f"{name}.pem")
        return self.file(name + ".pem"), self.file(name + ".key")
