"""A library as others have it: installed under a prefix of its own, where pkg-config and CMake find it."""

import os
import pathlib
import subprocess
import tempfile

SOURCE = pathlib.Path(os.environ["MCU_SOURCE"])
BUILD = pathlib.Path(os.environ.get("MCU_BUILD", SOURCE / "build" / "dev"))
CC = os.environ.get("MCU_CC", "clang")
CXX = {"clang": "clang++", "gcc": "g++"}.get(pathlib.Path(CC).name, "c++")
FLAGS = os.environ.get("MCU_FLAGS", "-fsanitize=address,undefined").split()
PATIENCE = 120


def run(*command, status=0, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=PATIENCE, **more)
    if done.returncode != status:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def install(cls, component):
    """For setUpClass: the prefix, and the environment in which pkg-config knows `component`."""
    folder = tempfile.TemporaryDirectory()
    cls.addClassCleanup(folder.cleanup)
    cls.prefix = pathlib.Path(folder.name) / "usr"
    run("cmake", "--install", BUILD, "--component", component, "--prefix", cls.prefix)
    packages = next(cls.prefix.rglob(f"{component}.pc")).parent
    cls.environment = {**os.environ, "PKG_CONFIG_PATH": str(packages)}
