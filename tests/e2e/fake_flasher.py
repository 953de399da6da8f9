"""A flasher for the sample firmware as a process: fake_flasher.py PORT FILE FLASH HAND [WORD...]

Takes the board away as a programmer does (it is dead while it is written, and stays dead when this ends too
early), writes its first slot page by page, and starts it. Words, for what else may happen:

    lie        says that all went well and wrote nothing
    fail:TEXT  fails after a third, with an image that holds this text
    slow       takes its time
"""

import json
import os
import pathlib
import socket
import sys
import time

SLOT_AT, SLOT_BYTES, PAGE = 0x1000, 0x100000, 4096


class Board:
    def __init__(self, hand):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(hand["control"])
        self.answers = self.socket.makefile("r")

    def tell(self, word):
        self.socket.sendall(word.encode() + b"\n")
        self.answers.readline()


def fails_with(word, data):
    return word.startswith("fail:") and word[5:].encode() in data


def is_there(port, link):
    """A terminal's number may be somebody else's a moment later; the link to it is ours."""
    return os.path.exists(link) and os.path.realpath(link) == os.path.realpath(port)


def write(port, link, flash, data, words):
    with open(flash, "r+b", buffering=0) as file:
        file.seek(SLOT_AT)
        file.write(b"\xff" * SLOT_BYTES)
        for at in range(0, len(data), PAGE):
            if at > len(data) / 3 and any(fails_with(word, data) for word in words):
                sys.exit("fake: the board does not answer any more")
            if not is_there(port, link):
                sys.exit(f"fake: {port} is gone")
            file.seek(SLOT_AT + at)
            file.write(data[at:at + PAGE])
            print(f"{at * 100 // len(data)}%", flush=True)
            time.sleep(0.25 if "slow" in words else 0.02)
    print("100%", flush=True)


def main():
    port, path, flash, hand, *words = sys.argv[1:]
    hand = json.loads(pathlib.Path(hand).read_text())
    pathlib.Path(hand["pid"]).write_text(str(os.getpid()))
    board = Board(hand)
    if not is_there(port, hand["link"]):
        sys.exit(f"fake: {port} is not there")
    if "lie" in words:
        board.tell("reset")
        return
    board.tell("kill")
    write(port, hand["link"], flash, pathlib.Path(path).read_bytes(), words)
    board.tell("start")


if __name__ == "__main__":
    main()
