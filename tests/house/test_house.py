"""The rules of the house that no compiler checks: which part may know which, what a library stays
behind, and that every fuzz target has seeds."""

import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(os.environ.get("MCU_SOURCE", pathlib.Path(__file__).resolve().parents[2]))

# A library's header may be included only by the files named here (folder prefix or file).
SEAMS = {
    r"libserialport\.h": ["bridge/serial/serial_port.c", "bridge/serial/serial_list.c"],
    r"libwebsockets\.h": ["bridge/phx/phx_ws", "bridge/phx/phx_hosts", "bridge/phx/phx_dial", "bridge/phx/phx_http"],
    r"yaml\.h": ["bridge/config/config_yaml.h"],
    r"config_yaml\.h": ["bridge/config/config_yaml.c", "bridge/config/config_screen.c"],
    r"sqlite3\.h": ["bridge/spool/"],
    r"zlib\.h": ["bridge/uplink/uplink_group.c", "tools/phx-dev/ws_deflate.c"],
    r"archive(_entry)?\.h": ["bridge/fw/fw_archive.h", "tools/mkfw/pack.c"],
    r"curl\.h": ["bridge/nerveshub/nh_curl.h"],
    r"confuse\.h": ["bridge/fw/fw_meta.c"],
    r"sim_\w+\.h|avr_\w+\.h": ["tools/avr-run/chip"],
}

# mcu-protocol <- core <- adapters <- wiring: what a file of one layer may include from the tree.
CORE = {"bridge/uplink/", "bridge/commands/", "bridge/profile/"}
CORE_MAY = {"mp_", "uplink", "commands", "profile", "microcontrollers"}
LIBPHX_MAY = {"phx"}
FREESTANDING = {"stdint.h", "stddef.h", "stdbool.h", "string.h"}
MCU_SIDE = re.compile(r"mcu-protocol/mp_(schema|crc|frame|msg|value|link|device|describe)\w*\.[ch]$")


def sources():
    for top in ("mcu-protocol", "firmware-stub", "bridge", "tools"):
        for path in sorted((ROOT / top).rglob("*.[ch]")):
            yield str(path.relative_to(ROOT)), path.read_text()


def includes(text):
    return re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', text, re.M)


class House(unittest.TestCase):
    def test_a_library_stays_behind_its_one_file(self):
        for name, text in sources():
            for header, allowed in SEAMS.items():
                if any(re.fullmatch(header, i.split("/")[-1]) for i in includes(text)):
                    self.assertTrue(any(name.startswith(a) for a in allowed), f"{name} includes {header}")

    def test_what_is_private_to_some_files_is_included_by_these_alone(self):
        found = 0
        for name, text in sources():
            for include in includes(text) if name.startswith("bridge/") else ():
                part = re.fullmatch(r"(?:nh_)?([a-z]+)(_db)?_private\.h", include)
                if part:
                    found += 1
                    stem = name.rpartition("/")[2].removeprefix("nh_")
                    self.assertTrue(stem.startswith(part[1]), f"{name} includes {include}")
        self.assertGreater(found, 10)

    def test_nothing_outside_of_the_tests_includes_what_is_theirs(self):
        theirs = {path.name for path in (ROOT / "tests").rglob("*.h")}
        theirs -= {path.name for top in ("mcu-protocol", "firmware-stub", "bridge", "tools")
                   for path in (ROOT / top).rglob("*.h")}
        theirs.remove("Arduino.h")  # stands in for the Arduino core's
        self.assertIn("test_board.h", theirs)
        for name, text in sources():
            for include in includes(text):
                self.assertNotIn(include.split("/")[-1], theirs, name)

    def test_a_board_is_flashed_by_a_flasher_alone(self):
        for name, text in sources():
            if name.startswith("bridge/") and not name.startswith("bridge/flash/flash_"):
                for include in includes(text):
                    if include.split("/")[-1] == "flash_command.h":
                        self.assertEqual(name, "bridge/flash/flasher_command.c")
                    if include.split("/")[-1] == "mp_bulk_host.h":
                        self.assertIn(name, ("bridge/port/port.h", "bridge/flash/flasher_in_band.c"))

    def test_the_protocol_knows_nothing_of_the_rest(self):
        for name, text in sources():
            if name.startswith("mcu-protocol/"):
                for include in includes(text):
                    self.assertTrue(include.startswith("mp_") or "/" not in include and include.endswith(".h"),
                                    f"{name} includes {include}")
                    self.assertFalse(include.startswith(("phx", "config", "log.", "serial", "lane", "uplink")),
                                     f"{name} includes {include}")

    def test_the_mcu_side_is_freestanding(self):
        found = 0
        for name, text in sources():
            if MCU_SIDE.match(name):
                found += 1
                for include in includes(text):
                    self.assertTrue(include.startswith("mp_") or include in FREESTANDING, f"{name} includes {include}")
        self.assertGreater(found, 8)

    def test_the_boot_loader_needs_no_library_and_knows_no_board(self):
        for name, text in sources():
            if name.startswith("firmware-stub/boot/"):
                for include in includes(text):
                    self.assertTrue(include in FREESTANDING | {"port.h", "fw_info.h", "mp_crc.h", "mp_bulk_device.h"} or
                                    include.startswith("boot"), f"{name} includes {include}")

    def test_the_core_opens_nothing_and_asks_no_clock(self):
        for name, text in sources():
            if any(name.startswith(c) for c in CORE):
                for include in re.findall(r'^#include "([^"]+)"', text, re.M):
                    stem = include.split("/")[-1]
                    self.assertTrue(any(stem.startswith(m) for m in CORE_MAY), f"{name} includes {include}")
                for call in ("clock_gettime", "uv_", "lws_", "open(", "fopen", "time(NULL)", "log_line"):
                    self.assertNotIn(call, re.sub(r"/\*.*?\*/", "", text, flags=re.S), name)

    def test_what_is_shown_of_the_bridge_is_made_without_looking_anywhere_else(self):
        for name, text in sources():
            if re.match(r"bridge/\w+/(watch_(text|metrics|status|http)|log_repeat|commands_fresh)\.[ch]$", name):
                for call in ("clock_gettime", "uv_", "open(", "write(", "time(NULL)", "log_line("):
                    self.assertNotIn(call, re.sub(r"/\*.*?\*/", "", text, flags=re.S), name)

    def test_what_reads_a_flasher_s_words_and_output_does_no_io(self):
        for name, text in sources():
            if re.match(r"bridge/flash/flash_(argv|progress|tail)\.[ch]$", name):
                for call in ("uv_", "open(", "write(", "fork(", "exec", "getenv("):
                    self.assertNotIn(call, re.sub(r"/\*.*?\*/", "", text, flags=re.S), name)

    def test_no_shell_is_ever_asked(self):
        for name, text in sources():
            if name.startswith("bridge/"):
                self.assertIsNone(re.search(r"\b(system|popen|wordexp)\(|/bin/sh", text), name)

    def test_libphx_stands_alone(self):
        for name, text in sources():
            if name.startswith("bridge/phx/"):
                for include in re.findall(r'^#include "([^"]+)"', text, re.M):
                    self.assertTrue(any(include.startswith(m) for m in LIBPHX_MAY), f"{name} includes {include}")

    def test_the_bridge_uses_nothing_of_libphx_but_its_header(self):
        for name, text in sources():
            if name.startswith("bridge/") and not name.startswith("bridge/phx/"):
                for include in includes(text):
                    stem = include.split("/")[-1]
                    self.assertFalse(stem.startswith("phx") and stem != "phx.h", f"{name} includes {include}")

    def names_of_tests(self):
        tests = set()
        for path in [*(ROOT / "tests" / "unit").glob("*.c"), *(ROOT / "tests").rglob("*.py")]:
            found = re.findall(r"static void\s(\w+)\(void \*\*state\)|def (test_\w+)\(", path.read_text())
            tests |= {name for pair in found for name in pair if name}
        return tests

    def check_table(self, rows, least):
        """The last cell of each row names tests that exist."""
        tests = self.names_of_tests()
        self.assertGreater(len(rows), least)
        for row in rows:
            named = re.findall(r"`(\w+)`", row[-1])
            self.assertTrue(named, f"no test for: {row[0]}")
            for name in named:
                self.assertIn(name, tests, row[0])

    def test_every_line_of_libphx_s_comparison_is_held_by_tests_that_exist(self):
        rows = [line.strip("| \n").split("|") for line in (ROOT / "bridge/phx/README.md").read_text().splitlines()
                if line.count("|") == 7]
        self.check_table([row for row in rows if not row[0].startswith("**") and row[0].strip(" -")
                          and "libphx" not in row[3:5] and row[-1].strip() != "tests" and set(row[0]) != {"-"}], 40)

    def test_every_rule_of_nerveshub_is_held_by_tests_that_exist(self):
        rows = [line.strip("| \n").split("|") for line in (ROOT / "bridge/nerveshub/README.md").read_text().splitlines()
                if line.count("|") == 4]
        self.check_table([row for row in rows if row[-1].strip() != "tests" and set(row[0]) != {"-"}], 30)

    def test_links_of_the_documents_lead_somewhere(self):
        found = 0
        for page in sorted(path for top in (".", "mcu-protocol", "firmware-stub", "bridge", "tools")
                           for path in ((ROOT / top).rglob("*.md") if top != "." else ROOT.glob("*.md"))):
            for link, heading in re.findall(r"\]\(([^)#\s]*)(?:#([^)]+))?\)", page.read_text()):
                if "://" in link:
                    continue
                found += 1
                target = page.parent / link if link else page
                self.assertTrue(target.exists(), f"{page.relative_to(ROOT)}: {link}")
                if heading:
                    names = [re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-")
                             for line in re.findall(r"(?m)^#+ (.+)$", target.read_text())]
                    self.assertIn(heading, names, f"{page.relative_to(ROOT)}: {link}")
        self.assertGreater(found, 30)

    def test_every_fuzz_target_has_seeds(self):
        for target in sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.c")):
            corpus = ROOT / "tests" / "fuzz" / "corpus" / target.stem
            self.assertTrue(corpus.is_dir() and any(corpus.iterdir()), f"no seeds for {target.stem}")

    def test_every_sabotage_patch_says_what_it_breaks_and_who_notices(self):
        patches = sorted((ROOT / "tests" / "sabotage").glob("*.patch"))
        self.assertGreaterEqual(len(patches), 10)
        for patch in patches:
            text = patch.read_text()
            self.assertRegex(text, r"(?m)^breaks: \S", patch.name)
            self.assertRegex(text, r"(?m)^red: \S", patch.name)
            changed = [l for l in text.splitlines() if re.match(r"[-+](?![-+])", l)]
            self.assertLessEqual(len(changed), 2, f"{patch.name} changes more than one line")

    def test_every_sabotage_patch_still_applies(self):
        outside = dict(os.environ, GIT_CEILING_DIRECTORIES=str(ROOT.parent))
        for patch in sorted((ROOT / "tests" / "sabotage").glob("*.patch")):
            done = subprocess.run(["git", "apply", "--check", str(patch)], cwd=ROOT, env=outside, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, f"{patch.name}: make it anew: {done.stdout}")


if __name__ == "__main__":
    unittest.main()
