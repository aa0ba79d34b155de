# SPDX-License-Identifier: Apache-2.0
"""How much comes through, in how little memory: figures that an issue named, with its limits.

    flow.py [SECONDS]    the long one (`make soak`): 10,000 spans a second at the default queue size
"""
import contextlib
import os
import re
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from kit import procfs
from kit.client import Client, load
from kit.sink import Sink
from support import progs
from support.progs import BUILD, Lab

QUEUE, RATE, SECONDS = 8192, 100_000, 30
SOAK_RATE, SOAK_S, IDLE_S = 10_000, 600, 10
CONNECTIONS, THINK_US = 256, 23000  # 11,100 a second, less what answers take
GET = b"GET / HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"


def program(name):
    return os.path.join(BUILD, "bench", name)


def flow():
    """Into the exporter as it is in programs; delivered is the receiver's word."""
    with Sink() as sink:
        done = subprocess.run([program("bench_flow"), sink.endpoint, str(RATE), str(SECONDS),
                               str(QUEUE)], capture_output=True, text=True, check=True)
    rate, exported, lost, memory, ns = map(int, done.stdout.split())
    assert exported == sink.spans, (done.stdout, sink.spans)
    assert exported + lost == RATE * SECONDS, done.stdout
    return rate, lost, memory, ns


def bench_rate(row):
    """Where the load itself did not get the processor, nothing was measured: up to three times."""
    for _ in range(3):
        rate, lost, memory, ns = flow()
        if rate >= 0.99 * RATE:
            break
    row(f"{RATE:,} spans/s for {SECONDS} s, dropped", "", str(lost),
        f"a queue of {QUEUE:,}; wanted 0; {rate:,} spans/s came about")
    row("  memory of store and exporter, most, KiB", "", f"{memory:,}", "wanted <= 16,384")
    row("  exporter thread, ns a span", "", f"{ns:,}", "encoded and sent")


def private_kib(pid):
    """Clean or dirty, as long as it is this process's alone."""
    text = procfs.text_of("/proc", str(pid), "smaps_rollup")
    return sum(map(int, re.findall(r"^Private_(?:Clean|Dirty):\s*(\d+)", text, re.M)))


def python(lab):
    return lab.python_server("second.py")


def nginx(lab):
    return lab.nginx(1, location="location = / { return 200 ok; }")


def idle_kib(start, bare, sink, **settings):
    """Of a program that has answered twenty requests, sent what came of them, and has nothing to do.
    A second copy runs beside it: what two such processes share is not private."""
    with contextlib.ExitStack() as stack:
        labs = [stack.enter_context(Lab(bare=bare, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
                                        OTEL_BSP_SCHEDULE_DELAY="50", **settings)) for _ in "12"]
        programs = [start(lab) for lab in labs]
        for p in programs:
            load(p.port, GET, 1, 20)
        time.sleep(1)
        return max(private_kib(max(progs.session_pids(p.pid))) for p in programs)


def bench_private(row):
    for name, start in (("python", python), ("nginx worker", nginx)):
        with Sink() as sink:
            found = [[idle_kib(start, bare, sink) for bare in (True, False)] for _ in range(3)]
        bare, ours = (statistics.median(f[i] for f in found) for i in range(2))
        assert sink.spans == 3 * 2 * 20, sink.spans
        row(f"private memory, idle, {name}, KiB", f"{bare:,}", f"{ours:,}",
            f"{ours - bare:+,}; wanted <= +2,048")


# --- the long one ---

def our_thread(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        if procfs.text_of("/proc", str(pid), "task", task, "comm").strip() == procfs.EXPORTER:
            return procfs.text_of("/proc", str(pid), "task", task, "status")
    raise AssertionError("no thread of ours")


def woken(pid):
    return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", our_thread(pid), re.M)[1])


def descriptors(pid):
    """Number and what it is; connections of clients are theirs."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[fd] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


def more_of(pid, table):
    """What is there that was not, as soon as clients' connections are gone."""
    deadline = time.monotonic() + 20
    while (more := {k: v for k, v in descriptors(pid).items() if table.get(k) != v}):
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return more


def memory_kib(pid):
    text = procfs.text_of("/proc", str(pid), "status")
    return sum(map(int, re.findall(r"^Rss(?:Anon|Shmem):\s*(\d+)", text, re.M)))


def soak(seconds):
    count = SOAK_RATE * seconds
    with Sink() as sink, Lab(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint) as lab:
        front = nginx(lab)
        worker = max(progs.session_pids(front.pid))
        load(front.port, GET, 1, 20)
        table, before = descriptors(worker), memory_kib(worker)
        most = before
        with Client(front.port, GET, CONNECTIONS) as client, ThreadPoolExecutor() as pool:
            done = pool.submit(client.load, count, THINK_US)
            while not done.done():
                time.sleep(0.2)
                most = max(most, memory_kib(worker))
            told = done.result()
        time.sleep(2)  # at most a schedule delay, until the last is sent
        switches = woken(worker)
        time.sleep(IDLE_S)
        switches = woken(worker) - switches
        more = more_of(worker, table)
        front.process.send_signal(3)  # SIGQUIT: the worker tells its counters
        front.process.wait(20)
        dropped = {name: lab.total(name) for line in lab.counters() for name in line
                   if name.startswith("spans_dropped") and lab.total(name)}
        started = lab.total("spans_started")
    print(f"{count:,} answers in {count / told['rps']:.1f} s: {told['rps']:,.0f} a second; "
          f"p50 {told['p50_us']:.0f} us, p99 {told['p99_us']:.0f} us\n"
          f"{started:,} spans, {sink.spans:,} delivered in {sink.requests:,} requests, "
          f"dropped {dropped or 0}\n"
          f"memory of the worker, of its own and shared: {before:,} KiB, at most {most:,}\n"
          f"wake-ups of our thread in {IDLE_S} s afterwards: {switches}; descriptors more: {more or 0}")
    assert told["rps"] >= SOAK_RATE, "too slow to say anything"
    assert started == sink.spans == count + 20 and not dropped and not switches and not more


if __name__ == "__main__":
    soak(int(sys.argv[1]) if len(sys.argv) > 1 else SOAK_S)
