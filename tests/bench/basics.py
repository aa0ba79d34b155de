# SPDX-License-Identifier: Apache-2.0
"""The first figures that an issue named, with its limits beside them; writes BUILD/bench.txt.

Each bench asserts its own work: a figure is only printed for spans that all arrived.
"""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import faults
import flow
import fork_hosts
import storm
from support import progs
from support.progs import BUILD, OBJECT, ROOT, Lab

ROWS = []


def row(what, bare, ours, note):
    ROWS.append((what, bare, ours, note))
    print(f"{what:42} {bare:>14} {ours:>14}  {note}", flush=True)


def command(argv, preload=None, **env):
    full = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("OTEL_")}
    full.update(env)
    if preload:
        full["LD_PRELOAD"] = preload
    done = subprocess.run(argv, env=full, capture_output=True, check=True, text=True)
    return done.stdout + done.stderr


def program(name):
    return os.path.join(BUILD, "bench", name)


def build(directory):
    """The cheapest preload there is; the programs are made by `make bench`."""
    for name in ("bench_pipe", "bench_spawn"):
        if not os.path.exists(program(name)):
            sys.exit(f"{program(name)} is missing: make bench")
    command(["gcc", "-shared", "-fPIC", "-o", f"{directory}/empty.so", "-x", "c", "/dev/null"])


def instructions(preload):
    text = command(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "/bin/true"],
                   preload)
    return int(re.search(r"Collected\s*:\s*(\d+)", text)[1])


def bench_start(directory):
    bare, empty, ours = map(instructions, (None, f"{directory}/empty.so", OBJECT))
    row("/bin/true, instructions", f"{bare:,}", f"{ours:,}",
        f"empty preload {empty:,}; wanted <= 220,000")
    text = command([program("bench_spawn"), "1500", "/bin/true", "-", f"{directory}/empty.so",
                    OBJECT])
    bare, empty, ours = map(float, text.split())
    row("/bin/true, microseconds", f"{bare:.0f}", f"{ours:.0f}",
        f"empty preload {empty:.0f}, ratio to it {ours / empty:.3f}; wanted <= 1.05")


def bench_pipe():
    pairs = [[float(command([program("bench_pipe"), "200000"], preload))
              for preload in (None, OBJECT)] for _ in range(7)]
    more = statistics.median(ours - bare for bare, ours in pairs)
    row("read/write on a pipe, ns a call", f"{min(p[0] for p in pairs):.1f}",
        f"{min(p[1] for p in pairs):.1f}", f"{more:+.1f} ns; wanted <= +5")


def switches(pid):
    """Voluntary context switches of each thread: how often something woke it."""
    total = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
            total[task] = int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", f.read(), re.M)[1])
    return total


def worker_of(program):
    """The nginx worker: the child of the master, which listens before it forks."""
    for _ in range(100):
        children = [pid for pid in progs.session_pids(program.pid) if pid != program.pid]
        if children:
            break
        time.sleep(0.02)
    assert len(children) == 1, children
    return children[0]


def start_nginx(lab, workers=1):
    page = lab.path("page")
    os.mkdir(page)
    with open(f"{page}/1k.html", "w", encoding="ascii") as f:
        f.write("x" * 1024)
    return lab.nginx(9, service="nginx", workers=workers,
                     location="location = /1k.html { root %s; }" % page)


def bench_idle():
    with Lab() as lab:
        front = start_nginx(lab)
        pid = worker_of(front)
        command(["curl", "-s", "-o", "/dev/null", front.url("/1k.html")])
        spans = lab.collector.wait_for(1, 5)
        assert len(spans) == 1, "nothing was exported: idle after an export is not measured"
        time.sleep(1)
        before = switches(pid)
        time.sleep(5)
        after = switches(pid)
    woken = sum(after.values()) - sum(before.values())
    row("wake-ups in 5 s, idle after an export", "0", str(woken),
        f"{len(after)} threads; wanted 0")


def bench_starts():
    with tempfile.TemporaryDirectory(prefix="interspan-bench-") as directory:
        build(directory)
        bench_start(directory)


def bench_ship():
    """The exporter's work on 512 typical spans of 512 traces (fixture_spans.h), by processor time."""
    figures = dict(line.split() for line in command([program("bench_ship")]).splitlines())
    row("a span on the wire, bytes", "", figures["plain_bytes_per_span"], "protobuf, as it is")
    row("  with gzip", "", figures["gzip_bytes_per_span"], "wanted <= 70")
    for name, wanted in (("encode", "1,000,000"), ("encode_json", ""), ("encode_gzip", ""),
                         ("encode_send", ""), ("encode_gzip_send", "300,000")):
        row(f"  {name.replace('_', ' + ')}, spans a second", "",
            f"{int(figures[name + '_spans_per_second']):,}",
            f"of one processor{'; wanted >= ' * bool(wanted)}{wanted}")


def bench_stack():
    """The stack of a call, of 30 frames, after the first; instructions: see bench_stack.c."""
    ns = min(float(command([program("bench_stack"), "5000"]).split()[-2]) for _ in range(5))
    row("a stack of 30 frames, microseconds", "", f"{ns / 1000:.2f}", "with its span; wanted <= 5")


def bench_fork():
    """With an exporter that is always at work, in a process that is small, and in those that are not; and
    what a thread that sleeps costs a process without us: where there are two, no fork is cheaper."""
    for mib, count in (0, 2000), (8, 1000), (64, 300):
        least = {"bare": [], "thread": [], "ours": []}
        for _ in range(3):
            for name, took in least.items():
                with Lab(bare=name != "ours", OTEL_BSP_SCHEDULE_DELAY="1") as lab:
                    server = lab.python_server("second.py", traced=False)
                    more = ["thread"] if name == "thread" else []
                    done = lab.run([program("bench_fork"), str(server.port), str(count), str(mib), *more], 120)
                    took.append(float(done.stdout))
                    wanted = count // 4 if name == "ours" else 0
                    assert len(lab.collector.wait_for(wanted, 10)) == wanted
        bare, thread, ours = (min(took) for took in least.values())
        row(f"fork() of {mib} MiB, least, microseconds", f"{bare:.1f}", f"{ours:.1f}",
            f"ratio {ours / bare:.2f}, wanted <= 1.3; bare with a thread {thread:.1f}, ratio to that "
            f"{ours / thread:.2f}")


def build_project(directory, preload):
    """All of this project by `make -j2`, from nothing and without a cache of compilations: processor
    time and time, in seconds."""
    target = os.path.join(directory, "build")
    shutil.rmtree(target, ignore_errors=True)
    keep = ("PATH", "HOME", "XDG_CACHE_HOME", "INTERSPAN_CACHE")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env["CCACHE_DISABLE"] = "1"
    if preload:
        env["LD_PRELOAD"] = preload
    began = time.monotonic()
    pid = os.posix_spawnp("make", ["make", "-s", "-j2", "-C", ROOT, f"BUILD={target}", "lib", "tool"], env)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, status
    return used.ru_utime + used.ru_stime, time.monotonic() - began


def bench_project():
    with tempfile.TemporaryDirectory(prefix="interspan-bench-") as directory:
        pairs = []
        for number in range(5):
            order = (None, OBJECT) if number % 2 else (OBJECT, None)
            took = {preload: build_project(directory, preload) for preload in order}
            pairs.append((took[None], took[OBJECT]))
    for at, what in enumerate(("CPU", "time")):
        bare, ours = (statistics.median(pair[i][at] for pair in pairs) for i in range(2))
        ratio = statistics.median(ours[at] / bare[at] for bare, ours in pairs)
        row(f"this project by make -j2, {what}, s", f"{bare:.2f}", f"{ours:.2f}",
            f"ratio {ratio:.3f}; wanted <= 1.05")


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Pss:\s*(\d+)", f.read(), re.M)[1])


def bench_workers():
    """nginx with 64 workers: what they share, and what each takes."""
    found = {}
    for bare in True, False:
        with Lab(bare=bare) as lab:
            front = start_nginx(lab, workers=64)
            command(["curl", "-s", "-o", "/dev/null", "--parallel", "--parallel-max", "32",
                     front.url("/1k.html?[1-2000]")])
            assert len(lab.collector.wait_for(0 if bare else 2000, 30)) == (0 if bare else 2000)
            workers = [pid for pid in progs.session_pids(front.pid) if pid != front.pid]
            assert len(workers) == 64, len(workers)
            threads = sum(len(os.listdir(f"/proc/{pid}/task")) - 1 for pid in workers)
            found[bare] = statistics.median(map(pss_kib, workers)), threads
            connections = lab.collector.connections
    row("a worker of 64, PSS, KiB", f"{found[True][0]:.0f}", f"{found[False][0]:.0f}",
        f"{connections} connections to the collector, {found[False][1]} more threads, in all")


# Too long for who does not ask for it.
BY_NAME = {"project", "forkhosts"}
# By name, with the seconds that each takes, about.
BASICS = {"start": (bench_starts, 5), "pipe": (bench_pipe, 3), "idle": (bench_idle, 8),
          "ship": (bench_ship, 6), "stack": (bench_stack, 0),
          "fork": (bench_fork, 40), "workers": (bench_workers, 10), "project": (bench_project, 300),
          "forkhosts": (lambda: fork_hosts.bench_fork_hosts(row), 40),
          "rate": (lambda: flow.bench_rate(row), 31), "private": (lambda: flow.bench_private(row), 20),
          "faults": (lambda: faults.bench_faults(row), 100),
          "storm": (lambda: storm.bench_storm(row), 15)}


def run(names):
    print(f"{'':42} {'bare':>14} {'preloaded':>14}", flush=True)
    for name in names:
        BASICS[name][0]()
    with open(os.path.join(BUILD, "bench.txt"), "w", encoding="utf-8") as f:
        f.write(f"{'':42} {'bare':>14} {'preloaded':>14}\n")
        for what, bare, ours, note in ROWS:
            f.write(f"{what:42} {bare:>14} {ours:>14}  {note}\n")
