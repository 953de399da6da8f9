"""How libphx reaches a server: credentials, client certificates, proxies on both sides, compression;
against phx-dev, with WebSockets and with long polling."""

import getpass
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

import harness_phx as client
from harness_web import Certificates, Proxy
from test_phx_poll import Case, phxdev

WAYS = ("ws", "longpoll")


class Folder(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="phx-ways-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def file(self, name, text=None, mode=0o600):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path + ".new", "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(path + ".new", mode)
            os.replace(path + ".new", path)
        return path

    @staticmethod
    def text_of(path, otherwise=""):
        try:
            with open(path, encoding="ascii") as file:
                return file.read()
        except OSError:
            return otherwise

    def info(self, probe):
        return probe.next("joined")["response"]


class Credentials(Folder):
    INFO = {"topic": "room:1", "join": '{"info":true}'}

    def test_the_token_of_1_8_arrives_by_both_ways(self):
        server = self.phx_dev("--lab")
        token = "SFMyNTY.token+/=~?"
        for via in WAYS:
            probe = self.poller(server, "/socket_auth", via=via, token=token, **self.INFO)
            info = self.info(probe)
            self.assertEqual(info["auth_token"], token)
            self.assertNotIn(token, info["uri"])
            probe.quit()
            self.assertNotIn(token, str(probe.seen[:-2]).replace(str(info), ""))

    def test_a_server_that_knows_no_such_token_is_talked_to_all_the_same(self):
        server = self.phx_dev("--lab")
        for via in WAYS:
            probe = self.poller(server, via=via, token="secret", **self.INFO)
            self.assertIsNone(self.info(probe)["auth_token"])
            probe.quit()

    def test_an_overlong_token_is_no_usable_credential(self):
        probe = self.probe("ws://127.0.0.1:1/socket/websocket", token="t" * 2049)
        self.assertEqual(probe.down()[0], "credential")
        probe.quit()

    def test_a_long_token_arrives_whole(self):
        server = self.phx_dev("--lab")
        for via in WAYS:
            probe = self.poller(server, "/socket_auth", via=via, token="t" * 2048, **self.INFO)
            self.assertEqual(self.info(probe)["auth_token"], "t" * 2048)
            probe.quit()

    def test_a_parameter_is_encoded(self):
        server = self.phx_dev("--lab")
        for via in WAYS:
            secret = self.file("param", "a&b=c d/%?#é".replace("é", "~") + "\n")
            probe = self.poller(server, via=via, secret_file=secret, secret_as="param:key", **self.INFO)
            self.assertEqual(self.info(probe)["params"]["key"], "a&b=c d/%?#~")
            probe.quit()

    def test_a_file_is_read_for_every_attempt(self):
        server = self.phx_dev("--lab")
        for via in WAYS:
            secret = self.file("secret", "first\n")
            probe = self.poller(server, via=via, secret_file=secret, secret_as="header:X-Secret",
                                query="?user=joe", **self.INFO)
            self.assertIn(["x-secret", "first"], self.info(probe)["x_headers"])
            self.file("secret", "second\n")
            server.post("/kick_id?id=user:joe", {})
            self.assertIn(["x-secret", "second"], self.info(probe)["x_headers"])
            probe.quit()

    def test_a_file_that_others_may_read_or_that_is_none_is_refused_in_words(self):
        for path, words in ((self.file("open", "x", 0o644), "chmod 600"), (self.folder, "regular"),
                            (self.file("absent"), "No such file"), (self.file("empty", "\n"), "one line"),
                            (self.file("two", "a\nb\n"), "one line"),
                            (self.file("long", "x" * 2049), "too long")):
            probe = self.probe("ws://127.0.0.1:1/socket/websocket", secret_file=path, secret_as="auth")
            cause, line = probe.down()
            self.assertEqual((cause, line["retry"]), ("credential", True))
            self.assertIn(words, line["text"])
            probe.quit()

    def test_a_command_is_run_for_every_attempt(self):
        server = self.phx_dev("--lab")
        count = self.file("count", "")
        script = self.file("token.sh", f'#!/bin/sh\necho x >>{count}\necho " $1-$(wc -l <{count}) "\n', 0o700)
        probe = self.poller(server, "/socket_auth", via="ws", secret_command=f"{script} token",
                            secret_as="auth", query="?user=joe", **self.INFO)
        self.assertEqual(self.info(probe)["auth_token"], "token-1")
        server.post("/kick_id?id=user:joe", {})
        self.assertEqual(self.info(probe)["auth_token"], "token-2")
        probe.quit()

    def test_a_command_runs_without_a_shell(self):
        server = self.phx_dev("--lab")
        probe = self.poller(server, "/socket_auth", via="ws", secret_command="echo $HOME;exit",
                            secret_as="auth", **self.INFO)
        self.assertEqual(self.info(probe)["auth_token"], "$HOME;exit")
        probe.quit()

    def test_a_command_that_fails_is_told_in_words(self):
        for command, words, more in (("false", "exit status 1", {}), ("/nonexistent", "no such file", {}),
                                     ("sleep 600", "took too long", {"secret_timeout": 300}),
                                     ("yes", "too much", {}), ("true", "one line", {}),
                                     ("printf a\\nb", "one line", {})):
            probe = self.probe("ws://127.0.0.1:1/socket/websocket", secret_command=command,
                               secret_as="auth", **more)
            for _ in range(2):
                cause, line = probe.down()
                self.assertEqual((cause, line["retry"]), ("credential", True))
                self.assertIn(words, line["text"])
            probe.quit()

    def test_a_command_under_way_holds_nothing_up(self):
        server = self.phx_dev()
        pid = self.file("pid", "")
        script = self.file("slow.sh", f"#!/bin/sh\necho $$ >{pid}\nexec sleep 600\n", 0o700)
        for order in ("disconnect", "free", "quit"):
            self.file("pid", "")
            probe = self.probe(self.url(server), secret_command=script, secret_as="auth")
            phxdev.eventually(lambda: self.text_of(pid).strip(), "the command runs")
            number = int(self.text_of(pid))
            if order != "quit":
                probe.order(order)
            probe.quit()
            phxdev.eventually(lambda: " Z " in self.text_of(f"/proc/{number}/stat", " Z "),
                              "the command is gone")


class ClientCertificates(Folder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.servers = Certificates(cls.folder, "servers")
        cls.clients = Certificates(cls.folder, "clients")
        cls.foreign = Certificates(cls.folder, "foreign")
        cls.server_pair = cls.servers.make("server")

    def serve_mutual(self):
        cert, key = self.server_pair
        server = self.phx_dev("--lab", "--tls", "--cert", cert, "--key", key, "--client-ca",
                              self.clients.ca)
        return server

    def secure(self, server, **options):
        return self.probe(f"wss://localhost:{server.port}/socket/websocket", ca=self.servers.ca,
                          topic="room:1", join='{"info":true}', **options)

    def test_a_certificate_is_shown_by_both_ways(self):
        server = self.serve_mutual()
        cert, key = self.clients.make("board")
        for via in WAYS:
            probe = self.secure(server, via=via, cert=cert, key=key)
            self.assertTrue(self.info(probe)["has_cert"])
            probe.quit()

    def test_without_one_or_with_a_foreign_one_the_server_refuses(self):
        server = self.serve_mutual()
        cert, key = self.foreign.make("stranger")
        for options in ({}, {"cert": cert, "key": key}):
            for via in WAYS:
                probe = self.secure(server, via=via, **options)
                cause, line = probe.down()
                self.assertIn(cause, ("tls", "connect", "closed"), line)
                self.assertFalse(line["was_connected"])
                probe.quit()

    def test_a_server_that_is_not_trusted_is_refused_by_both_ways(self):
        cert, key = self.server_pair
        server = self.phx_dev("--tls", "--cert", cert, "--key", key)
        for via in (*WAYS, "auto"):
            probe = self.probe(f"wss://localhost:{server.port}/socket/websocket", ca=self.foreign.ca, via=via)
            cause, line = probe.down()
            self.assertEqual(cause, "tls", line)
            self.assertIn("not trusted", line["text"])
            probe.quit()
            probe = self.probe(f"wss://127.0.0.1:{server.port}/socket/websocket", ca=self.servers.ca, via=via)
            cause, line = probe.down()
            self.assertEqual(cause, "tls", line)
            self.assertIn("not for 127.0.0.1", line["text"])
            probe.quit()

    def test_a_certificate_that_was_replaced_is_shown_at_the_next_attempt(self):
        server = self.serve_mutual()
        good, bad = self.clients.make("renewed"), self.foreign.make("old")
        cert, key = self.file("rotating.pem"), self.file("rotating.key")
        for source, target in zip(bad, (cert, key)):
            shutil.copy(source, target)
        probe = self.secure(server, cert=cert, key=key)
        probe.down()
        for source, target in zip(good, (cert, key)):
            shutil.copy(source, target + ".new")
            os.replace(target + ".new", target)
        self.assertTrue(self.info(probe)["has_cert"])
        probe.quit()

    def test_half_a_pair_or_one_that_does_not_match_is_told_before_connecting(self):
        cert, key = self.clients.make("one")
        _, other = self.clients.make("two")
        for options, words in (({"cert": cert}, "both"), ({"cert": cert, "key": other}, "key")):
            probe = self.probe("wss://localhost:1/socket/websocket", **options)
            self.assertIn(words, probe.next("bad_option")["text"])
            probe.quit()


class Proxies(Folder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = Certificates(cls.folder)
        cls.pair = cls.authority.make("far", "DNS:far.test")

    def proxy_to(self, *names, credentials=None):
        proxy = Proxy({name: "127.0.0.1" for name in names}, credentials)
        self.addCleanup(proxy.close)
        return proxy

    def far(self, server, **options):
        """By a name that only the proxy can resolve."""
        return self.probe(f"ws://far.test:{server.port}/socket/websocket", topic="room:1", **options)

    def test_a_configured_proxy_is_gone_through(self):
        server = self.phx_dev()
        for via in WAYS:
            proxy = self.proxy_to("far.test")
            probe = self.far(server, via=via, proxy=f"http://127.0.0.1:{proxy.port}")
            probe.next("joined")
            self.assertEqual(set(proxy.asked), {("CONNECT", f"far.test:{server.port}")})
            probe.quit()

    def test_tls_goes_through_it_with_the_server_s_name(self):
        cert, key = self.pair
        server = self.phx_dev("--tls", "--cert", cert, "--key", key)
        for via in WAYS:
            proxy = self.proxy_to("far.test")
            probe = self.probe(f"wss://far.test:{server.port}/socket/websocket", topic="room:1", via=via,
                               ca=self.authority.ca, proxy=f"127.0.0.1:{proxy.port}")
            probe.next("joined")
            self.assertTrue(proxy.asked)
            probe.quit()

    def test_a_proxy_may_want_a_name_and_a_password(self):
        server = self.phx_dev()
        proxy = self.proxy_to("far.test", credentials="me:pa:ss%")
        probe = self.far(server, proxy=f"http://me:pa:ss%25@localhost:{proxy.port}")
        probe.next("joined")
        probe.quit()
        probe = self.far(server, proxy=f"http://me:wrong@localhost:{proxy.port}")
        cause, line = probe.down()
        self.assertEqual(cause, "connect")
        self.assertIn("proxy", line["text"])
        probe.quit()
        self.assertNotIn("wrong", str(probe.seen))

    def test_no_proxy_there_is_told_as_such(self):
        server = self.phx_dev()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        probe = self.far(server, proxy=f"http://127.0.0.1:{port}")
        cause, line = probe.down()
        self.assertEqual(cause, "connect")
        self.assertIn("proxy", line["text"])
        probe.quit()

    def test_a_malformed_proxy_is_a_clear_error(self):
        probe = self.probe("ws://far.test/socket/websocket", proxy="socks5://user:pass@x")
        text = probe.next("bad_option")["text"]
        self.assertIn("http://", text)
        self.assertNotIn("pass", text)
        probe.quit()

    def test_the_environment_s_proxy_is_used(self):
        server = self.phx_dev()
        for name in ("http_proxy", "all_proxy"):
            proxy = self.proxy_to("far.test")
            probe = self.far(server, env={name: f"http://127.0.0.1:{proxy.port}", "no_proxy": "near.test"})
            probe.next("joined")
            self.assertTrue(proxy.asked)
            probe.quit()

    def test_no_proxy_and_this_machine_are_reached_directly(self):
        server = self.phx_dev()
        for host, no_proxy in (("localhost", ""), ("127.0.0.1", ""), ("no-such-host.test", ".test")):
            proxy = self.proxy_to("no-such-host.test")
            env = {"http_proxy": f"http://127.0.0.1:{proxy.port}", "no_proxy": no_proxy}
            probe = self.probe(f"ws://{host}:{server.port}/socket/websocket", topic="room:1", env=env)
            if no_proxy:
                self.assertEqual(probe.down()[0], "resolve")
            else:
                probe.next("joined")
            self.assertEqual(proxy.asked, [])
            probe.quit()

    def test_an_empty_proxy_is_none(self):
        server = self.phx_dev()
        proxy = self.proxy_to("far.test")
        probe = self.far(server, proxy="", env={"http_proxy": f"http://127.0.0.1:{proxy.port}"})
        self.assertEqual(probe.down()[0], "resolve")
        self.assertEqual(proxy.asked, [])
        probe.quit()


class Compression(Case):
    def test_it_is_offered_when_asked_for_and_works(self):
        server = self.phx_dev("--lab")
        probe = self.poller(server, "/socket_z", via="ws", deflate=1)
        probe.next("joined")
        for text in ("x", "žluť" * 20000, "a" * 500000):
            probe.order("push ping " + json.dumps({"text": text}, ensure_ascii=False))
            self.assertEqual(probe.next("push_end")["response"], {"text": text})
        probe.quit()

    def test_a_server_may_decline(self):
        server = self.phx_dev()
        probe = self.poller(server, via="ws", deflate=1)
        probe.next("joined")
        probe.order('push ping {"a":1}')
        self.assertEqual(probe.next("push_end")["response"], {"a": 1})
        probe.quit()

    def test_the_offer(self):
        server = self.serve()
        probe = self.probe(server.url(), deflate=1)
        self.assertIn("permessage-deflate", server.peer().request().headers["sec-websocket-extensions"])
        probe.kill()


class PhxCat(Folder):
    def test_a_shell_has_the_same_ways(self):
        server = self.phx_dev("--lab")
        token = self.file("cat-token", "s3cret\n")
        proxy = Proxy({"far.test": "127.0.0.1"})
        self.addCleanup(proxy.close)
        for transport in ("longpoll", "auto"):
            done = subprocess.run([os.path.join(client.BIN, "phx-cat"), "--quit", "--transport", transport,
                                   "--proxy", f"http://127.0.0.1:{proxy.port}", "--token-file", token,
                                   f"ws://far.test:{server.port}/socket_auth/websocket", "room:1"],
                                  input='ping {"a":1}\n', capture_output=True, text=True,
                                  timeout=client.PATIENCE)
            self.assertEqual((done.returncode, json.loads(done.stdout)["response"]), (0, {"a": 1}), done)
        self.assertTrue(proxy.asked)


class IPv6(Case):
    def test_long_polling_by_an_ipv6_address(self):
        try:
            server = self.phx_dev("--listen", "::1")
        except AssertionError:
            self.skipTest("no IPv6 here")
        for via in WAYS:
            probe = self.probe(f"ws://[::1]:{server.port}/socket/websocket", topic="room:1", via=via)
            probe.next("joined")
            probe.quit()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


NGINX = """daemon off;
user {user};
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    gzip on; gzip_types application/json; gzip_min_length 1; gzip_proxied any;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version {version};
            {upgrade}
            proxy_set_header Host $host:$server_port;
        }}
    }}
}}
"""
UPGRADE = ("proxy_set_header Upgrade $http_upgrade; "
           "proxy_set_header Connection $connection_upgrade;")
CADDY = """{{
    admin off
    auto_https disable_redirects
    storage file_system {folder}/caddy
}}
https://localhost:{port} {{
    bind 127.0.0.1
    tls {cert} {key}
    encode gzip
    reverse_proxy 127.0.0.1:{upstream}
}}
"""


class Behind(Folder):
    """A reverse proxy that ends TLS, before phx-dev."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = Certificates(cls.folder)
        cls.pair = cls.authority.make("front")

    def run_front(self, config, command, **values):
        server = self.phx_dev()
        cert, key = self.pair
        port = free_port()
        text = config.format(folder=self.folder, cert=cert, key=key, port=port, upstream=server.port,
                             **values)
        path = self.file("front.conf", text)
        process = subprocess.Popen([word.format(path=path, folder=self.folder) for word in command],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "HOME": self.folder, "XDG_CONFIG_HOME": self.folder})
        self.addCleanup(self.end, process)
        context = ssl.create_default_context(cafile=self.authority.ca)

        def is_up():
            if process.poll() is not None:
                raise AssertionError(process.stderr.read())
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as link:
                    context.wrap_socket(link, server_hostname="localhost").close()
                return True
            except OSError:
                return False
        phxdev.eventually(is_up, "the reverse proxy answers")
        return server, port

    @staticmethod
    def end(process):
        process.terminate()
        process.communicate(timeout=client.PATIENCE)

    def caddy(self):
        return self.run_front(CADDY, ["caddy", "run", "--config", "{path}", "--adapter", "caddyfile"])

    def nginx(self, upgrade=UPGRADE, version="1.1"):
        return self.run_front(NGINX, ["nginx", "-p", "{folder}", "-c", "{path}"], upgrade=upgrade,
                              version=version, user=getpass.getuser())

    def through(self, port, **options):
        return self.probe(f"wss://localhost:{port}/socket/websocket", ca=self.authority.ca, topic="room:1",
                          **options)

    def use(self, server, port, via):
        probe = self.through(port, via=via, heartbeat=200)
        probe.next("joined")
        probe.order('push ping {"text":"žluť 🐎"}')
        self.assertEqual(probe.next("push_end")["response"], {"text": "žluť 🐎"})
        probe.order('push big_reply {"n":300000}')
        self.assertEqual(len(probe.next("push_end")["response"]["data"]), 300000)
        probe.order("push ping " + json.dumps({"text": "y" * 200000}))
        self.assertEqual(len(probe.next("push_end")["response"]["text"]), 200000)
        probe.order("pushb bin_json 12345")
        self.assertEqual(probe.next("push_end")["response"], {"size": 5})
        probe.order("push push_me {}")
        self.assertEqual(probe.next("message")["payload"], {"i": 1})
        probe.next("heartbeat")
        return probe

    def check(self, server, port):
        for via in (*WAYS, "auto"):
            probe = self.use(server, port, via)
            probe.quit()

    def check_restart(self, server, port):
        """The server behind it goes and comes back."""
        for via in WAYS:
            probe = self.through(port, via=via)
            probe.next("joined")
            server.stop()
            probe.down()
            cause, line = probe.down()
            self.assertEqual((cause, line["http"]), ("server", 502), line)
            server = phxdev.Server("--poll-ms", "1000", "--port", str(server.port))
            self.addCleanup(server.stop)
            probe.next("joined")
            probe.quit()

    @unittest.skipUnless(shutil.which("caddy"), "no caddy here")
    def test_caddy_with_gzip(self):
        server, port = self.caddy()
        self.check(server, port)
        self.check_restart(server, port)

    @unittest.skipUnless(shutil.which("nginx"), "no nginx here")
    def test_nginx(self):
        server, port = self.nginx()
        self.check(server, port)
        self.check_restart(server, port)

    @unittest.skipUnless(shutil.which("nginx"), "no nginx here")
    def test_nginx_that_was_not_told_of_websockets_is_polled_through(self):
        server, port = self.nginx(upgrade="", version="1.0")
        probe = self.use(server, port, "auto")
        self.assertEqual(self.path_of(server), ["/socket/longpoll"])
        probe.quit()


if __name__ == "__main__":
    unittest.main()
