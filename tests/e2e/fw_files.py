"""Firmware files that no honest tool makes, member by member.

    fw_file(path, {"firmware.bin": image}, version="1.1.0")          unsigned, several resources
    write_members(path, [("meta.conf", deflated(text)), ...])        anything
"""

import hashlib
import struct
import zlib

NAMES = {"product": "mcu-stub", "version": "1.0.0", "platform": "posix", "architecture": "x86_64"}


class Member:
    """Bytes as they stand in a ZIP."""

    def __init__(self, method, stored, length, crc):
        self.method, self.stored, self.length, self.crc = method, stored, length, crc


def stored(data):
    return Member(0, data, len(data), zlib.crc32(data))


def deflated(data):
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return Member(8, packer.compress(data) + packer.flush(), len(data), zlib.crc32(data))


def bomb(mebibytes):
    """So many MiB of zeros, in about a thousandth of the room."""
    packer, block, crc, out = zlib.compressobj(9, zlib.DEFLATED, -15), bytes(1 << 20), 0, []
    for _ in range(mebibytes):
        crc = zlib.crc32(block, crc)
        out.append(packer.compress(block))
    return Member(8, b"".join(out) + packer.flush(), mebibytes << 20, crc)


def write_members(path, members):
    """A ZIP as it is read from the front; no directory at its end."""
    with open(path, "wb") as file:
        for name, member in members:
            name = name.encode()
            file.write(struct.pack("<IHHHHHIIIHH", 0x04034b50, 20, 0, member.method, 0, 0x21, member.crc,
                                   len(member.stored), member.length, len(name), 0) + name + member.stored)
    return path


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def conf(resources, **names):
    """The text of meta.conf; resources: {name: (length, BLAKE2b-256 in hexadecimal)}."""
    lines = [f"meta-{key}={quoted(value)}" for key, value in {**NAMES, **names}.items()]
    for name, (length, blake2b) in resources.items():
        lines += [f"file-resource {quoted(name)} {{", f"length={length}", f"blake2b-256={blake2b}", "}"]
    return ("\n".join(lines) + "\n").encode()


def blake2b(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def fw_file(path, resources, **names):
    meta = conf({name: (len(data), blake2b(data)) for name, data in resources.items()}, **names)
    return write_members(path, [("meta.conf", deflated(meta)),
                                *(("data/" + name, stored(data)) for name, data in resources.items())])
