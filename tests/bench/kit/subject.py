# SPDX-License-Identifier: Apache-2.0
"""A server under load: one bench is run on as many subjects at once as it has variants, and they take
turns."""
import contextlib
import os
import socket
import ssl
import subprocess
import time

from support import progs
from support.progs import Lab

from kit import procfs
from kit.client import Client
from kit.sink import Sink
from kit.variants import CALLER, QUEUE

WARM_PART = 4  # of the load of a turn, one such part more comes before it
BATCH = 512  # OTEL_BSP_MAX_EXPORT_BATCH_SIZE, as it is without that setting
SETTLE = 0.25  # between the end of a program and that of what it sent
START_WITHIN = 180  # seconds; a JVM with an agent on a machine that is busy


def pin(pids, cpu):
    """First threads to a processor; whoever was started by them stays where it is."""
    for pid in pids:
        os.sched_setaffinity(pid, {cpu})


def processors():
    """One for those who ask and are asked in turn, one for what is measured."""
    able = sorted(os.sched_getaffinity(0))
    return able[0], able[-1]


class Place(Lab):
    """A lab that does not wait for its program (a start is timed by its first answer), and preloads
    the object that the variant wants."""

    def __init__(self, variant, endpoint, delay_ms):
        super().__init__(bare=True, **{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                                       "OTEL_BSP_SCHEDULE_DELAY": str(delay_ms), **variant.settings})
        self.variant = variant

    def start(self, argv, name, port=0, **env):
        if self.variant.preload and env.get("traced", True):
            env["LD_PRELOAD"] = self.variant.preload
        program = progs.Program(argv, self.env(**env), self.directory,
                                f"{name}-{len(self.programs)}", port)
        self.programs.append(program)
        return program


class Subject:
    """One variant of one bench: running, with a client and a receiver of its own."""

    def __init__(self, bench, variant, upstream):
        self.bench, self.variant = bench, variant
        self.asked = 0
        self.told = []  # counters, once it has ended
        self.request = bench.request.replace(
            b"CALLER", CALLER.format(flags=variant.flags).encode() if bench.has_caller else b"")
        self.stack = contextlib.ExitStack()
        self.sink = self.stack.enter_context(Sink())
        self.lab = self.stack.enter_context(Place(variant, self.sink.endpoint, bench.delay_ms))
        before = time.monotonic()
        self.program = bench.start(self.lab, upstream, variant)
        self.first_answer()
        self.start_ms = (time.monotonic() - before) * 1000
        self.start_cpu_ms = sum(procfs.cpu_ns(self.pids())) / 1e6
        if bench.prepare:
            bench.prepare(self.program.port)
        self.client = self.stack.enter_context(Client(
            self.program.port, self.request, bench.connections, bench.reply, tls=bench.tls))

    def pids(self):
        """Asked anew for each measurement: the last worker may start after the first answer."""
        return progs.session_pids(self.program.pid)

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.program.port), 5)
        if not self.bench.tls:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain)

    def first_answer(self):
        """Asks as soon as it listens; that request counts."""
        deadline = time.monotonic() + START_WITHIN
        while True:
            try:
                with self.connect() as s:
                    s.settimeout(START_WITHIN)
                    s.sendall(self.request)
                    assert s.recv(65536).startswith((b"HTTP/1.1 200", b"$"))
                    self.asked += 1
                    return
            except ConnectionRefusedError:
                if time.monotonic() > deadline or self.program.process.poll() is not None:
                    raise AssertionError(f"{self.bench.name}, {self.variant.name}: no start:\n"
                                         f"{self.program.text()}") from None
                time.sleep(0.001)

    def load(self, count, period_us=0):
        try:
            self.asked += count
            return self.client.load(count, period_us)
        except (AssertionError, OSError) as error:
            raise AssertionError(f"{self.bench.name}, {self.variant.name}: {error}\n"
                                 f"{self.program.text()}") from None

    def warm(self):
        """The load that comes before all turns.  Behind it, who is measured has a processor, and who
        asks another one: whether they share one is else a matter of chance, and a request then costs
        less."""
        self.load(self.bench.warm)
        self.drain(BATCH - 1)
        if self.bench.is_pinned:
            others, own = processors()
            pin([self.client.process.pid], others)
            pin(self.pids(), own)

    def expected(self):
        """How many spans must arrive; None: nobody knows."""
        of_each = {"all": self.bench.spans, "roots": self.bench.roots, "some": None}
        of_each = of_each.get(self.variant.spans, 0)
        return None if of_each is None else self.asked * of_each

    def drain(self, left, seconds=15):
        """Until no more than so many spans are under way."""
        expected, deadline = self.expected(), time.monotonic() + seconds
        while expected is not None and self.sink.look() < expected - left:
            assert time.monotonic() < deadline, (
                f"{self.bench.name}, {self.variant.name}: {self.sink.spans} spans arrived of "
                f"{expected}:\n{self.program.text()}")
            time.sleep(0.001)

    def measured(self, count, period_us):
        """What was told, and us of CPU of a request: the program's, behind a part of the load that
        finds it as the others have left the machine, and our thread's.  What is less than a batch is
        not waited for: it is sent when there is more, or in a pause."""
        pids, clocks, warm = self.pids(), [], count // WARM_PART
        clocks.append(procfs.cpu_ns(pids))
        self.load(warm, period_us)
        clocks.append(procfs.cpu_ns(pids))
        told = self.load(count, period_us)
        clocks.append(procfs.cpu_ns(pids))
        self.drain(BATCH - 1)
        clocks.append(procfs.cpu_ns(pids))
        before, warmed, after, drained = clocks
        return (told, (after[0] - warmed[0]) / count / 1000,
                (drained[1] - before[1]) / (warm + count) / 1000)

    def paced(self):
        """A turn at a fixed rate, for CPU time and latency."""
        told, own, ours = self.measured(self.bench.count, self.bench.period_us)
        return {"cpu_us": own, "exporter_us": ours, "p50_us": told["p50_us"],
                "p99_us": told["p99_us"]}

    def saturated(self):
        """A turn as fast as it can."""
        told, own, _ = self.measured(self.bench.burst, 0)
        return {"rps": told["rps"], "burst_cpu_us": own}

    def memory_kib(self):
        return procfs.memory_kib(self.pids())

    def end(self):
        self.program.process.send_signal(self.bench.end)
        try:
            self.program.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        self.program.stop()

    def finish(self):
        """Ends it and tells what came of everything that it was asked; asserts that this is all."""
        self.client.close()
        if self.variant.agent:
            self.drain(0)  # not all of them look back when they end
        self.end()
        time.sleep(SETTLE if self.variant.spans in ("all", "some", "roots") else 0)
        self.sink.look()
        self.told = self.lab.counters()
        stats = {name: self.lab.total(name) for line in self.told for name in line
                 if name.startswith("spans_") or name in ("loaded", "connections_opaque")}
        self.stack.close()
        told = {"requests": self.asked, "received": self.sink.spans, "counters": stats}
        try:
            self.check(stats)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.asked} requests: {self.told}") from None
        return told

    def check(self, stats):
        name = f"{self.bench.name}, {self.variant.name}"
        assert self.expected() in (None, self.sink.spans), (
            f"{name}: {self.sink.spans} spans arrived of {self.expected()}")
        if not self.variant.has_figures_of_ours():
            assert not stats, f"{name}: {stats}"
            return
        assert stats.get("loaded"), f"{name}: the object was not there"
        dropped = sum(n for key, n in stats.items() if key.startswith("spans_dropped_"))
        if self.variant.spans == "lost":
            # Every one is counted, as lost.
            assert dropped == stats["spans_started"] == self.asked * self.bench.spans, f"{name}: {stats}"
        else:
            assert dropped == 0, f"{name}: {stats}"
            assert stats.get("spans_exported", 0) == self.sink.spans, f"{name}: {stats}"


def queue_holds(bench):
    """A burst must fit into the queue, or spans would be dropped by rights."""
    return (bench.burst + bench.burst // WARM_PART) * bench.spans <= int(QUEUE["OTEL_BSP_MAX_QUEUE_SIZE"])
