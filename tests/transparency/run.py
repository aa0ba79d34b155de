# SPDX-License-Identifier: Apache-2.0
"""Runs test suites that other people wrote, bare and preloaded, and compares test by test.

    run.py [--mode MODE]... [--set short|all] [SUITE...]
    run.py --freeze [SUITE...]      three bare runs: what differs between them is flaky from now on

Each run has a network namespace of its own, with nothing but loopback in it, so that bare and preloaded
run at the same time.  A suite is a file of suites/ with

    SHORT, ALL      parts of it: the names that command() takes; the short ones are in `make check`
    missing()       what must be installed, as text; None: it is all there
    command(part)   (argv, env, directory): runs that part
    results(part, directory, output)   {test: "ok" | "failed" | "skipped"}
    EDITED          tests that assert that a request has no traceparent: none may differ when disabled

Modes: no collector, a collector, OTEL_SDK_DISABLED=true.
"""
import argparse
import concurrent.futures
import fcntl
import importlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
sys.dont_write_bytecode = True

from support.collector import Collector  # noqa: E402  pylint: disable=wrong-import-position
from support.progs import OBJECT  # noqa: E402  pylint: disable=wrong-import-position

MODES = ("silent", "collector", "disabled")
LIMIT = 900


# --- inside the namespace ---

def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        name = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(s, 0x8913, name))[1]  # SIOCGIFFLAGS
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))   # SIOCSIFFLAGS, IFF_UP


def environment(mode, log, collector, extra):
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("OTEL_") and name != "LD_PRELOAD"}
    env.update(extra)
    if mode == "bare":
        return env
    # A copy: a suite that gives up root could not read ours.
    ours = shutil.copy(OBJECT, os.path.dirname(log))
    env.update({"LD_PRELOAD": ours, "OTEL_INTERSPAN_LOG": log,
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint if collector else
                "http://127.0.0.1:1"})
    if mode == "disabled":
        env["OTEL_SDK_DISABLED"] = "true"
    return env


def counters(log):
    """(processes with the object, calls that its hooks saw)."""
    loaded = hooked = 0
    if os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as f:
            for line in f:
                words = dict(w.split("=", 1) for w in line.split()[1:] if "=" in w)
                loaded += int(words.get("loaded", 0))
                hooked += int(words.get("hooks_on_tracked", 0))
    return loaded, hooked


def inner(suite, part, mode, directory):
    raise_loopback()
    log = os.path.join(directory, "interspan.log")
    work = os.path.join(directory, "work")
    os.chmod(directory, 0o755)
    os.mkdir(work)
    with open(log, "wb"):
        os.chmod(log, 0o666)
    collector = Collector().__enter__() if mode == "collector" else None
    argv, extra, where = suite.command(part, work)
    out = os.path.join(directory, "output")
    with open(out, "wb") as f:
        process = subprocess.Popen(argv, cwd=where, stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                   env=environment(mode, log, collector, extra),
                                   start_new_session=True)
    try:
        status = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        status = "no end"
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    with open(out, encoding="utf-8", errors="replace") as f:
        results = suite.results(part, work, f.read())
    results["(its end)"] = status if isinstance(status, str) else (
        f"signal {-status}" if status < 0 else "failed" if status else "ok")
    print(json.dumps({"results": results, "proof": counters(log)}))


# --- outside ---

def run(name, part, mode):
    directory = tempfile.mkdtemp(prefix="interspan-transparency-")
    user = [] if os.getuid() == 0 else ["-r"]
    try:
        done = subprocess.run(["unshare", *user, "-n", sys.executable, os.path.abspath(__file__),
                               "--inner", directory, "--mode", mode, name, part],
                              stdout=subprocess.PIPE, timeout=LIMIT + 60, check=True)
        return json.loads(done.stdout)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def flaky_file(name):
    return os.path.join(HERE, "flaky", f"{name}.txt")


def flaky(name):
    if not os.path.exists(flaky_file(name)):
        return set()
    with open(flaky_file(name), encoding="utf-8") as f:
        return {line.strip() for line in f if line.strip() and line[0] != "#"}


def differences(a, b):
    return sorted(t for t in a.keys() | b.keys() if a.get(t) != b.get(t))


def compare(name, suite, part, mode):
    """True: the same."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        bare, traced = pool.map(lambda m: run(name, part, m), ("bare", mode))
    left_out = flaky(name)
    differ = [t for t in differences(bare["results"], traced["results"]) if t not in left_out]
    by_edit = []
    edited = getattr(suite, "EDITED", set()) if mode != "disabled" else set()
    if edited & set(differ):  # then the suite as a whole fails, too
        by_edit = [t for t in differ if t in edited | {"(its end)"} and
                   (bare["results"].get(t), traced["results"].get(t)) == ("ok", "failed")]
        differ = [t for t in differ if t not in by_edit]
    loaded, hooked = traced["proof"]
    count = sum(t not in left_out for t in bare["results"])
    told = f" ({', '.join(differ)})" if differ else ""
    told += f", {len(by_edit)} by our header" if by_edit else ""
    print(f"{name} {part}, {mode}: {count} tests, {len(differ)} differ{told}; "
          f"{loaded} processes, {hooked} calls seen", flush=True)
    for test in differ:
        print(f"     {test}: bare {bare['results'].get(test)}, "
              f"preloaded {traced['results'].get(test)}")
    if not loaded or count < 2:
        print("     the object was not there, or nothing ran")
        return False
    return not differ


def freeze(name, suite):
    unsteady = set()
    for part in suite.ALL:
        runs = [run(name, part, "bare")["results"] for _ in range(3)]
        unsteady |= set(differences(runs[0], runs[1])) | set(differences(runs[0], runs[2]))
        print(f"{name} {part}: {len(runs[0])} tests, {len(unsteady)} flaky so far", flush=True)
    with open(flaky_file(name), "w", encoding="utf-8") as f:
        f.write("# What differed between three bare runs: run.py --freeze\n")
        f.writelines(f"{t}\n" for t in sorted(unsteady))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", action="append", choices=(*MODES, "bare"))
    parser.add_argument("--set", choices=("short", "all"), default="all")
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("--inner")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if args.inner:
        inner(importlib.import_module(f"suites.{args.names[0]}"), args.names[1], args.mode[0],
              args.inner)
        return
    names = args.names or sorted(f[:-3] for f in os.listdir(os.path.join(HERE, "suites"))
                                 if f.endswith(".py") and f[0] != "_")
    good = bad = skipped = 0
    for name in names:
        suite = importlib.import_module(f"suites.{name}")
        if suite.missing():
            print(f"SKIP {name}: {suite.missing()}")
            skipped += 1
        elif args.freeze:
            freeze(name, suite)
        else:
            for mode in args.mode or MODES:
                for part in suite.SHORT if args.set == "short" else suite.ALL:
                    began = time.monotonic()
                    held = compare(name, suite, part, mode)
                    good, bad = good + held, bad + (not held)
                    print(f"{'ok  ' if held else 'FAIL'} {name} {part}, {mode} "
                          f"({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{good} passed, {bad} failed, {skipped} skipped")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
