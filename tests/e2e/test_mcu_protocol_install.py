"""mcu-protocol as others have it: installed under a prefix, each header included alone and from C++, found by
pkg-config and by CMake; and the Arduino library's class on this machine."""

import pathlib
import unittest

from harness_install import CC, CXX, FLAGS, SOURCE, install, run

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
PROGRAM = pathlib.Path(__file__).with_name("mcu-protocol")
ARDUINO = SOURCE / "firmware-stub" / "arduino" / "src"


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        install(cls, "mcu-protocol")
        cls.headers = sorted((cls.prefix / "include" / "mcu-protocol").glob("*.h"))

    def flags(self):
        return run("pkg-config", "--cflags", "--libs", "mcu-protocol", env=self.environment).split()

    def test_each_header_stands_alone_in_c_and_in_cpp(self):
        """And whichever comes first, a link is as large."""
        whole = ("#include <{}>\n#include <mp_link.h>\n#if !MP_LINK_HOST\n#error\n#endif\n"
                 "enum {{ HAS_STATS = offsetof(struct mp_link, stats) }};\n")
        self.assertGreater(len(self.headers), 15)
        for compiler, standard in ((CC, "-std=c11"), (CXX, "-std=c++11"), (CXX, "-std=c++20")):
            for header in self.headers:
                with self.subTest(header=header.name, standard=standard):
                    run(compiler, "-x", "c" if compiler == CC else "c++", standard, *WARNINGS, "-fsyntax-only",
                        f"-I{header.parent}", "-", input=whole.format(header.name))

    def test_a_cpp_program_links_by_pkg_config(self):
        program = self.prefix / "program"
        run(CXX, *FLAGS, "-std=c++11", *WARNINGS, "-o", program, PROGRAM / "program.cpp", *self.flags())
        self.assertEqual(run(program), "fan-1 fan\n")

    def test_cmake_finds_it(self):
        build = self.prefix / "build"
        flags = " ".join(FLAGS)
        run("cmake", "-S", PROGRAM, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_C_COMPILER={CC}",
            f"-DCMAKE_CXX_COMPILER={CXX}", f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_CXX_FLAGS={flags}")
        run("cmake", "--build", build)
        self.assertEqual(run(build / "program"), "fan-1 fan\n")

    def sketch(self):
        program = self.prefix / "sketch"
        if not program.exists():
            run(CXX, *FLAGS, "-std=c++11", *WARNINGS, f"-I{PROGRAM}", f"-I{ARDUINO}",
                "-o", program, PROGRAM / "sketch.cpp", ARDUINO / "McuProtocol.cpp", *self.flags())
        return program

    def test_an_arduino_sketch_whose_tables_are_refused_runs_on_without_a_word(self):
        long, longest, longer = run(self.sketch()).splitlines()
        self.assertEqual(longest.split(), ["1", "111100", "1"])
        self.assertEqual([long.split(), longer.split()], [["0", "000000", "0"]] * 2)

    def test_noise_without_end_does_not_hold_up_an_arduino(self):
        run(self.sketch(), "noise")


if __name__ == "__main__":
    unittest.main()
