"""How many readings a second one core of the bridge carries: bench_boards at rising rates, 10 readings a
frame, 500 an upload, against bench_versus.py's server. A rate is carried when nine tenths of what the boards
are to send arrives, over --seconds and after a start of 2 s.

The sender and the server share the machine with the bridge: where they take a core of their own, what is
printed beside the rate, the bridge's share of a core, says what would be left to it.
"""

import argparse
import time

from bench_bridge import cpu_seconds
from bench_versus import BOARDS, count_of, running

READINGS = 10
CARRIED = 0.9


def carried(rate, spool, seconds):
    """(readings a second that arrived, share of a core) with `rate` asked for"""
    kind = "bridge_spool" if spool else "bridge"
    with running(kind, BOARDS, rate // READINGS, READINGS, 250) as (process, sink, _):
        time.sleep(2)
        before, cpu, at = count_of(kind, sink), cpu_seconds(process.pid), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - at
        return (count_of(kind, sink) - before) / took, (cpu_seconds(process.pid) - cpu) / took


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--from", dest="first", type=int, default=20000)
    options.add_argument("--to", dest="last", type=int, default=640000)
    given = options.parse_args()
    for spool in (False, True):
        kind = "spooled" if spool else "memory"
        rate = given.first
        while rate <= given.last:
            arrived, core = carried(rate, spool, given.seconds)
            print(f"limit.{kind}.{rate} {arrived:.0f} 1/s {core:.2f} - -", flush=True)
            print(f"limit.{kind}.{rate}.per_core {arrived / core:.0f} 1/s - - -", flush=True)
            if arrived < CARRIED * rate:
                break
            rate *= 2


if __name__ == "__main__":
    main()
