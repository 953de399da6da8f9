"""Boards that are devices of a NervesHub: what memory each takes, by itself and beside an application.

As in bench_scale: the boards are played by bench_boards, the server is phx-dev, which is both; memory is the
resident set with all boards less that with one, settled, when nothing is updated and nobody looks at a console.
"""

import argparse

from bench_scale import Rig, Server, figure, with_rig

KEY, SECRET = "nhp_bench", "bench-secret"
COUNT = 200
GOAL_WSS = 48  # KiB, as for a board of an application


class Hub(Server):
    options = ["--nerves", "main", "--nerves-key", f"{KEY}={SECRET}"]


class HubRig(Rig):
    """`beside`: the boards have an application as well."""

    server_kind = Hub

    def __init__(self, *arguments, beside=False, **more):
        self.beside = beside
        super().__init__(*arguments, **more)

    def sections(self):
        secret = self.folder / "secret"
        secret.touch(0o600)
        secret.write_text(SECRET + "\n")
        url = self.server.url.replace("/microcontrollers/", "/device-socket/")
        hub = ["nerveshub:", f"  url: {url}", f"  key: {KEY}", f"  secret_file: {secret}",
               f"  folder: {self.folder}/firmware", *([f"  ca_file: {self.server.cert}"] if self.server.tls else [])]
        return [*(super().sections() if self.beside else []), *hub]

    def entry(self, i):
        return super().entry(i) if self.beside else f'{{name: m{i}, device: "b{i}"}}'

    def joined(self):
        return sum(mcu["nerveshub"]["state"] == "joined" and mcu["server"] in (None, "joined") for mcu in self.mcus())


def figures(count):
    for tls, beside, name, goal in ((False, False, "ws", None), (True, False, "wss", GOAL_WSS),
                                    (True, True, "wss.both", None)):
        how = {"rig": HubRig, "beside": beside}
        _, one = with_rig(lambda rig: rig.idle(1), 1, tls, **how)
        cpu, all_of_them = with_rig(lambda rig: rig.idle(10), count, tls, **how)
        figure(f"scale.nerveshub.{count}.{name}.memory_each", (all_of_them - one) / (count - 1), "KiB", goal)
        figure(f"scale.nerveshub.{count}.{name}.idle_cpu", cpu, "%", None)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=COUNT)
    figures(options.parse_args().count)


if __name__ == "__main__":
    main()
