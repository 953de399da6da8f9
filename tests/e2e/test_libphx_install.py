"""libphx as others have it: installed under a prefix, found by pkg-config and by CMake, its examples
compiled from there and run against phx-dev."""

import re
import subprocess
import sys
import unittest

from harness_install import CC, CXX, FLAGS, SOURCE, install, run

EXAMPLES = SOURCE / "bridge" / "phx" / "examples"
KEY = "API_TOKEN_MC_0123456789abcdef"

sys.path.insert(0, str(SOURCE / "tests" / "phx-dev"))
import phxdev  # noqa: E402


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        install(cls, "libphx")
        cls.lib_folder = next(cls.prefix.rglob("libphx.so")).parent
        cls.environment["LD_LIBRARY_PATH"] = str(cls.lib_folder)

    def setUp(self):
        self.server = phxdev.Server()
        self.addCleanup(self.server.stop)
        self.url = f"ws://127.0.0.1:{self.server.port}/socket/websocket"

    def compiled(self, example):
        """The example, by the command line that libphx.3 gives."""
        program = self.prefix / example
        flags = run("pkg-config", "--cflags", "--libs", "libphx", env=self.environment).split()
        run(CC, *FLAGS, "-std=c11", "-Wall", "-Wextra", "-Werror", "-D_POSIX_C_SOURCE=200809L", "-o", program,
            EXAMPLES / f"{example}.c", *flags)
        return program

    def test_an_event_is_pushed_and_its_reply_awaited_on_a_foreign_poll_loop(self):
        program = self.compiled("push_and_wait")
        self.assertEqual(run(program, self.url, "room:1", "ping", '{"a":1}', env=self.environment), 'ok {"a":1}\n')
        run(program, self.url, "room:1", "fail", "{}", status=1, env=self.environment)
        run(program, "ws://127.0.0.1:1/socket/websocket", "room:1", "ping", "{}", status=1, env=self.environment)

    def test_a_topic_is_joined_and_its_events_are_printed(self):
        program = self.compiled("join_and_print")
        listener = subprocess.Popen([program, self.url, "room:1"], stdout=subprocess.PIPE, text=True,
                                    env=self.environment)
        try:
            self.assertEqual(listener.stdout.readline(), "joined: {}\n")
            run(self.compiled("push_and_wait"), self.url, "room:1", "new_msg", '{"body":"hi"}', env=self.environment)
            self.assertEqual(listener.stdout.readline(), 'new_msg {"body":"hi"}\n')
        finally:
            listener.kill()
            listener.communicate()

    def test_readings_are_published_without_a_bridge(self):
        program = self.compiled("publish_readings")
        key = self.prefix / "key"
        key.write_text(KEY + "\n")
        url = f"ws://127.0.0.1:{self.server.port}/microcontrollers/websocket"
        self.assertEqual(run(program, url, key, "7", env=self.environment), "all readings are on the server\n")

    def test_a_cpp_program_links(self):
        program = self.prefix / "program"
        flags = run("pkg-config", "--cflags", "--libs", "libphx", env=self.environment).split()
        run(CXX, *FLAGS, "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", program, "-x", "c++", "-", *flags,
            input="#include <phx_presence.h>\n"
                  "void (*volatile close_it)(phx_context *, void (*)(void *), void *) = phx_context_close;\n"
                  "void (*volatile free_it)(phx_presence *) = phx_presence_free;\n"
                  "int main() { return close_it && free_it ? 0 : 1; }\n")
        run(program, env=self.environment)

    def test_cmake_finds_it(self):
        build = self.prefix / "examples"
        run("cmake", "-S", EXAMPLES, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_C_COMPILER={CC}",
            f"-DCMAKE_C_FLAGS={' '.join(FLAGS)} -D_POSIX_C_SOURCE=200809L")
        run("cmake", "--build", build)
        self.assertEqual(run(build / "push_and_wait", self.url, "room:1", "ping", "7"), "ok 7\n")

    def test_the_shared_library_shows_what_the_headers_declare_and_nothing_else(self):
        declared = set()
        for header in ("phx.h", "phx_presence.h"):
            text = re.sub(r"/\*.*?\*/", "", (self.prefix / "include" / header).read_text(), flags=re.S)
            text = re.sub(r"\{[^{}]*\}", "", text)  # struct members are no functions
            declared |= set(re.findall(r"\b(phx_\w+)\(", text))
        shown = run("nm", "-D", "--defined-only", self.lib_folder / "libphx.so")
        names = {line.split()[2] for line in shown.splitlines() if line.split()[1] == "T"}
        self.assertEqual({n for n in names if not n.startswith(("__", "_init", "_fini"))}, declared)

    def test_a_manual_page_is_installed(self):
        self.assertTrue(list(self.prefix.rglob("libphx.3")))


if __name__ == "__main__":
    unittest.main()
