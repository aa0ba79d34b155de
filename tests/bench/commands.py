# SPDX-License-Identifier: Apache-2.0
"""Programs that end by themselves: what the preload costs where no span is ever finished."""
import glob
import os
import shutil
import tempfile
import time

from kit.variants import Variant, bare
from support.progs import OBJECT, ROOT

LOOP = "i=0; while [ $i -lt 150 ]; do /bin/true; i=$((i+1)); done"


def true(_):
    return ["/bin/true"]


def shell_loop(_):
    return ["/bin/sh", "-c", LOOP]


def compile_room(directory):
    """One room of this project, from nothing."""
    names = [os.path.splitext(os.path.relpath(path, ROOT))[0]
             for path in sorted(glob.glob(os.path.join(ROOT, "hooks", "proto", "*.c")))[:5]]
    build = os.path.join(directory, "build")
    shutil.rmtree(build, ignore_errors=True)
    return ["make", "-s", "-C", ROOT, f"BUILD={build}", "MAKEFLAGS=",
            *(f"{build}/obj/{name}.o" for name in names)]


class Command:
    """times: how often in a turn."""

    def __init__(self, name, about, argv, times=1):
        self.name, self.about, self.argv, self.times = name, about, argv, times

    def turn_s(self):
        return {"compiling": 1.0}.get(self.name, 0.25)


COMMANDS = [
    Command("/bin/true", "100 times", true, 100),
    Command("shell loop", "`/bin/true` 150 times by `sh`", shell_loop),
    Command("compiling", "five files of this project by `make` and gcc", compile_room),
]


def variants(empty, old=None):
    """empty: an object without a line of code, the cheapest preload there is."""
    least = [bare(), Variant("empty preload", preload=empty)]
    if old:
        return [*least, Variant("old", preload=os.path.abspath(old)), Variant("new", preload=OBJECT)]
    return [*least,
            Variant("off", preload=OBJECT, OTEL_INTERSPAN_ENABLED="false"),
            Variant("on", preload=OBJECT)]


class Runner:
    """Runs one command in one variant."""

    def __init__(self, command, variant):
        self.command, self.variant = command, variant
        self.directory = tempfile.TemporaryDirectory(prefix="interspan-bench-")
        keep = ("PATH", "HOME", "LANG")
        self.env = {name: os.environ[name] for name in keep if name in os.environ}
        self.env.update(variant.settings)
        if variant.preload:
            self.env["LD_PRELOAD"] = variant.preload

    def turn(self):
        cpu = wall = 0.0
        for _ in range(self.command.times):
            argv = self.command.argv(self.directory.name)
            began = time.monotonic()
            pid = os.posix_spawnp(argv[0], argv, self.env)
            _, status, used = os.wait4(pid, 0)
            wall += time.monotonic() - began
            cpu += used.ru_utime + used.ru_stime
            assert status == 0, (argv, status)
        return {"cpu_us": cpu / self.command.times * 1e6, "wall_us": wall / self.command.times * 1e6}

    def close(self):
        self.directory.cleanup()
