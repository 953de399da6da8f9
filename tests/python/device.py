"""A board whose firmware is the second implementation, for mcu-link: device.py FD [IDENTITY [ODDITY]]. Counts up,
one number every 20 ms, as i16 and as f32; three controls. ODDITY: version, another version of the protocol;
format, another format of the description; schema, a description that is not the one its hello announces."""

import os
import sys
import time

import mcu_link

ABOUT = {
    "product": "python", "version": "2.0.0", "architecture": "vm", "platform": "interpreter",
    "sensors": [{"name": "counter", "kind": "count", "unit": None, "type": "i16", "exponent": 0},
                {"name": "counter", "kind": "Zähler", "unit": "m³", "type": "f32", "exponent": 0}],
    "controls": [{"name": "motor", "type": "i16", "exponent": -1, "min": -1000, "max": 1000, "initial": 7, "failsafe": 0},
                 {"name": "heater", "type": "f32", "exponent": 0, "min": 0.0, "max": 2.5, "initial": 0.0, "failsafe": 0.5},
                 {"name": "lamp", "type": "bool", "exponent": 0, "min": 0, "max": 1, "initial": 1, "failsafe": 0}],
}


def odd(device, oddity):
    if oddity == "version":
        mcu_link.wire.VERSION += 1
    elif oddity == "format":
        device.description = b"\x03" + device.description[1:]
    elif oddity == "schema":
        device.announced = 0x01020304


def main():
    fd, identity = int(sys.argv[1]), (sys.argv[2] if len(sys.argv) > 2 else "python-1").encode()
    os.set_blocking(fd, False)
    device = mcu_link.Device(fd, ABOUT, identity)
    odd(device, sys.argv[3] if len(sys.argv) > 3 else "")
    count, due = 0, time.monotonic()
    while True:
        device.step(0.002)
        if time.monotonic() >= due and len(device.sender.waiting[1]) < 100:
            due, ticks = due + 0.02, device.ticks()
            device.read([(0, ticks, count), (1, ticks, count / 2)])
            count += 1


try:
    main()
except (EOFError, BrokenPipeError, ConnectionError):
    pass
