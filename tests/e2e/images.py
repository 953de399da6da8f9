"""Images of the sample firmware to upload, for each board that takes them.

    image("cortex-m3", 2)        bytes of version 2.0.0; 1 is what the board comes with
    image("atmega2560", "hang")  one that hangs
    image_id(bytes)              what a board that runs it says in its hello, as hexadecimal digits
    Flash(path, "posix")         what stands in the flash of a board with this state file
"""

import hashlib
import pathlib

from harness_mcu import AVR_BIN, STUB_M3

NOTE = bytes([4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0]) + b"GNU\0"
BOARDS = ("posix", "cortex-m3", "atmega2560")


def image(board, version=2, size=40000):
    if board == "posix":
        return posix_image({1: "1.0.0", 2: "2.0.0"}.get(version, "2.0.1"), version if isinstance(version, str) else "run",
                           size)
    variant = "" if version == 1 else f"-{version}"
    folder, name = {"cortex-m3": (STUB_M3.parent, "image"), "atmega2560": (AVR_BIN, "atmega2560")}[board]
    return (folder / f"mcu-stub-{name}{variant}.bin").read_bytes()


def posix_image(version, plays="run", size=40000):
    """See struct board_image in firmware-stub/port/posix/fw_info.h."""
    rest = version.encode().ljust(16, b"\0") + plays.encode().ljust(8, b"\0")
    filler = bytes(i * 7 % 251 for i in range(size - 80))
    return b"MCUi" + b"posix".ljust(16, b"\0") + NOTE + hashlib.sha1(rest + filler).digest() + rest + filler


def image_id(data):
    at = data.index(NOTE) + len(NOTE)
    return data[at:at + 20].hex()


class Flash:
    """The slots in the file that stands for a board's flash. Written while the board runs, too."""

    # file behind the state file's name, where the first slot begins, bytes of a slot, bytes of a page
    LAYOUT = {"posix": (".flash", 0x1000, 0x100000, 4096), "cortex-m3": ("", 0x100000, 0x40000, 1024),
              "atmega2560": (".flash", 0, 330 * 256, 256)}
    SLOTS = ("run", "next", "back")

    def __init__(self, state, board):
        suffix, self.first, self.slot_bytes, self.page = self.LAYOUT[board]
        self.path = str(state) + suffix

    def is_there(self):
        path = pathlib.Path(self.path)
        return path.is_file() and path.stat().st_size >= self.at("back") + self.slot_bytes

    def at(self, slot):
        return self.first + self.SLOTS.index(slot) * self.slot_bytes

    def read(self, slot, count):
        with open(self.path, "rb") as file:
            file.seek(self.at(slot))
            return file.read(count)

    def write(self, slot, offset, data):
        with open(self.path, "r+b") as file:
            file.seek(self.at(slot) + offset)
            file.write(data)

    def flip(self, slot, offset):
        self.write(slot, offset, bytes([self.read(slot, offset + 1)[offset] ^ 1]))

    def erase_page(self, slot, page):
        self.write(slot, page * self.page, b"\xff" * self.page)

    def pages_in_place(self, slot, data):
        """How many of the image's pages the slot begins with."""
        found, count = self.read(slot, len(data)), 0
        while count * self.page < len(data) and \
                found[count * self.page:][:self.page] == data[count * self.page:][:self.page]:
            count += 1
        return count
