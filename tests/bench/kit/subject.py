# SPDX-License-Identifier: Apache-2.0
"""A server under load: one bench is run on as many subjects at once as it has variants, and they take
turns."""
import gzip
import os
import signal
import socket
import ssl
import subprocess
import time

from support import otlp_wire, progs
from support.progs import BUILD, Lab

from kit import procfs
from kit.variants import CALLER, QUEUE

WARM_PART = 4  # of the load of a turn, one such part more comes before it
SETTLE = 0.25  # a little longer than the schedule delay in QUEUE
START_WITHIN = 180  # seconds; a JVM with an agent on a machine that is busy


def count_spans(body):
    """How many spans are in a request, without decoding them."""
    return sum(1 for n, _, resource in otlp_wire.fields(body) if n == 1
               for m, _, scope in otlp_wire.fields(resource) if m == 2
               for k, _, _ in otlp_wire.fields(scope) if k == 2)


def load(port, request, connections, count, period_us=0, reply=0, status=200, tls=False, warm=0,
         warmed=None):
    """Exactly count requests.  Returns what was told: requests per second, latencies in us.  Before
    that so many of which nothing is told, and a call of warmed()."""
    argv = [os.path.join(BUILD, "bench", "bench_load"), str(port), str(connections), str(count),
            str(period_us), str(reply), str(status), "tls" if tls else "plain", str(warm)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as client:
        client.stdin.write(request)
        client.stdin.close()
        client.stdin = None
        if warm:
            os.waitid(os.P_PID, client.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            warmed()
            client.send_signal(signal.SIGCONT)
        out, err = client.communicate()
    if client.returncode:
        raise AssertionError(f"load: {err.decode()}")
    answers, took_us, p50, p99 = map(float, out.split())
    assert answers == count, f"{answers} answers, {count} requests"
    return {"rps": count / took_us * 1e6, "p50_us": p50, "p99_us": p99}


class Place(Lab):
    """A lab that does not wait for its program (a start is timed by its first answer), and preloads
    the object that the variant wants."""

    def __init__(self, variant):
        super().__init__(bare=True, **variant.settings)
        self.variant = variant

    def start(self, argv, name, port=0, **env):
        if self.variant.preload and env.get("traced", True):
            env["LD_PRELOAD"] = self.variant.preload
        program = progs.Program(argv, self.env(**env), self.directory,
                                f"{name}-{len(self.programs)}", port)
        self.programs.append(program)
        return program


class Subject:
    """One variant of one bench: running, with a collector of its own."""

    def __init__(self, bench, variant, upstream):
        self.bench, self.variant = bench, variant
        self.asked = self.received = 0
        self.told = []  # counters, once it has ended
        self.request = bench.request.replace(
            b"CALLER", CALLER.format(flags=variant.flags).encode() if bench.has_caller else b"")
        self.lab = Place(variant).__enter__()
        self.lab.collector.take = lambda *_: None  # counted between the turns
        before = time.monotonic()
        self.program = bench.start(self.lab, upstream, variant)
        self.first_answer()
        self.start_ms = (time.monotonic() - before) * 1000
        self.start_cpu_ms = sum(procfs.cpu_ns(self.pids())) / 1e6
        if bench.prepare:
            bench.prepare(self.program.port)

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

    def send(self, count, period_us=0, warm=0, warmed=None):
        """Load, until what came of it has arrived, too."""
        try:
            told = load(self.program.port, self.request, self.bench.connections, count, period_us,
                        self.bench.reply, tls=self.bench.tls, warm=warm, warmed=warmed)
        except AssertionError as error:
            raise AssertionError(f"{self.bench.name}, {self.variant.name}: {error}\n"
                                 f"{self.program.text()}") from None
        self.asked += warm + count
        self.drain()
        return told

    def expected(self):
        """How many spans must arrive; None: nobody knows."""
        of_each = {"all": self.bench.spans, "roots": self.bench.roots, "some": None}
        of_each = of_each.get(self.variant.spans, 0)
        return None if of_each is None else self.asked * of_each

    def take(self):
        """Counts what has arrived since."""
        with self.lab.collector.changed:
            bodies = [(headers, body) for _, headers, body in self.lab.collector.requests]
            self.lab.collector.requests.clear()
        for headers, body in bodies:
            if headers.get("Content-Encoding", "") == "gzip":
                body = gzip.decompress(body)
            self.received += count_spans(body)

    def drain(self, seconds=15):
        deadline = time.monotonic() + seconds
        if self.expected() is None:
            time.sleep(SETTLE)
        self.take()
        while self.expected() is not None and self.received < self.expected():
            assert time.monotonic() < deadline, (
                f"{self.bench.name}, {self.variant.name}: {self.received} spans arrived of "
                f"{self.expected()}:\n{self.program.text()}")
            time.sleep(0.005)
            self.take()

    def measured(self, count, period_us):
        """What was told, and us of CPU of a request: the program's, behind a part of the load that
        opens the connections and finds it as the others have left the machine, and our thread's."""
        pids, clocks = self.pids(), []
        warm = count // WARM_PART
        clocks.append(procfs.cpu_ns(pids))
        told = self.send(count, period_us, warm, lambda: clocks.append(procfs.cpu_ns(pids)))
        before, warmed, after = *clocks, procfs.cpu_ns(pids)
        return (told, (after[0] - warmed[0]) / count / 1000,
                (after[1] - before[1]) / (warm + count) / 1000)

    def turn(self):
        """One measurement: at a fixed rate for CPU time and latency, then as fast as it can."""
        paced, own, ours = self.measured(self.bench.count, self.bench.period_us)
        burst, burst_own, _ = self.measured(self.bench.burst, 0)
        return {"cpu_us": own, "exporter_us": ours, "p50_us": paced["p50_us"],
                "p99_us": paced["p99_us"], "rps": burst["rps"], "burst_cpu_us": burst_own}

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
        self.end()
        time.sleep(SETTLE if self.variant.spans in ("all", "some", "roots") else 0)
        self.take()
        self.told = self.lab.counters()
        stats = {name: self.lab.total(name) for line in self.told for name in line
                 if name.startswith("spans_") or name in ("loaded", "connections_opaque")}
        self.lab.__exit__()
        told = {"requests": self.asked, "received": self.received, "counters": stats}
        self.check(stats)
        return told

    def check(self, stats):
        name = f"{self.bench.name}, {self.variant.name}"
        assert self.expected() in (None, self.received), (
            f"{name}: {self.received} spans arrived of {self.expected()}")
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
            assert stats.get("spans_exported", 0) == self.received, f"{name}: {stats}"


def queue_holds(bench):
    """A burst must fit into the queue, or spans would be dropped by rights."""
    return (bench.burst + bench.burst // WARM_PART) * bench.spans <= int(QUEUE["OTEL_BSP_MAX_QUEUE_SIZE"])
