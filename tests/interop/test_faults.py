# SPDX-License-Identifier: Apache-2.0
"""Receivers that are not there, do not read, refuse or lie, with the program under load: every request
is answered, every span is delivered or counted as dropped, exactly, and memory stays bounded.

Produced is what the load has had answered, delivered what the receiver has said yes to, dropped what
the process itself says at its end."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from support.case import WAIT, Feature
from support.collector import Collector
from support.progs import BUILD, free_port

TOOL = os.path.join(BUILD, "interspan")
CONNECTIONS, EACH = 4, 2500
PRODUCED = CONNECTIONS * EACH
REQUEST = b"GET / HTTP/1.1\r\nHost: faults\r\n\r\n"
DROPPED = ("spans_dropped_queue_full", "spans_dropped_no_slot", "spans_dropped_export_failed",
           "spans_dropped_shutdown", "spans_dropped_damaged")
# nginx takes 4 MiB; the store 8, and what a batch may need besides.
MEMORY_KB = 32 << 10


class Always(list):
    """A receiver's answers: first those, then this one for ever."""

    def __init__(self, last, first=()):
        super().__init__(first)
        self.last = last

    def __bool__(self):
        return True

    def pop(self, index=-1):
        return super().pop(index) if len(self) else self.last


class Partial(Collector):
    """Takes all but three spans of each request (O15)."""
    rejected = 0

    def received(self, path, headers, data):
        before = len(self.spans)  # one connection, one request at a time
        behaviour = super().received(path, headers, data)
        if behaviour != 200:
            return behaviour
        rejected = min(3, len(self.spans) - before)
        with self.changed:
            self.rejected += rejected
        # ExportTraceServiceResponse{partial_success{rejected_spans, error_message: "odd"}}
        return 200, {}, b"\x0a\x07\x08" + bytes([rejected]) + b"\x12\x03odd"


class Rude:
    """Takes connections, and does with them what it is told; delivers nothing."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.serve, self.kept, self.spans = serve, [], []
        if serve:
            threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.kept.append(s)
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        try:
            self.serve(s)
        except OSError:
            pass

    def close(self):
        for s in (self.listener, *self.kept):
            s.close()


def read_slowly(s):
    while s.recv(1):
        time.sleep(1)


def reset(s):
    s.recv(1000)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def keep_asking(port, answered):
    with socket.create_connection(("127.0.0.1", port), WAIT) as s:
        for _ in range(EACH):
            s.sendall(REQUEST)
            got = b""
            while not got.endswith(b"\r\n\r\nok"):
                more = s.recv(4096)
                if not more:
                    return
                got += more
            answered.append(1)


class Faults(Feature):
    def setUp(self):
        self.need("nginx")

    def load(self, lab, endpoint, **settings):
        """nginx under a load that is over."""
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "1500",
                    **settings}
        nginx = lab.nginx(1, service="edge", location="location = / { return 200 ok; }",
                          **settings)
        answered = []
        threads = [threading.Thread(target=keep_asking, args=(nginx.port, answered))
                   for _ in range(CONNECTIONS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(120)
        self.assertEqual(len(answered), PRODUCED, "requests that were answered")
        return nginx

    def worker(self, nginx):
        with open(f"/proc/{nginx.pid}/task/{nginx.pid}/children", encoding="ascii") as f:
            return f.read().split()[0]

    def settle(self, nginx):
        """Until each span has been answered for: at the end of a process one may be on its way, and be
        counted as dropped although the receiver takes it."""
        deadline = time.monotonic() + 3 * WAIT
        while time.monotonic() < deadline:
            done = subprocess.run([TOOL, "status", "--json", self.worker(nginx)],
                                  capture_output=True, check=False)
            counters = json.loads(done.stdout).get("processes", [{}])[0]
            if sum(counters.get(n, 0) for n in ("spans_exported", *DROPPED)) == PRODUCED:
                return
            time.sleep(0.05)

    def memory_kb(self, nginx):
        """Of the worker, anonymous and shared with us."""
        with open(f"/proc/{self.worker(nginx)}/status", encoding="ascii") as f:
            return sum(int(n) for n in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+)", f.read(), re.M))

    def finish(self, lab, nginx):
        """What was dropped, by reason."""
        memory = self.memory_kb(nginx)
        self.assertLess(memory, MEMORY_KB)
        os.kill(nginx.pid, signal.SIGQUIT)
        nginx.process.wait(60)
        self.assertEqual(lab.total("spans_started"), PRODUCED, lab.counters())
        dropped = {name: lab.total(name) for name in DROPPED if lab.total(name)}
        if "spans_dropped_export_failed" in dropped:
            with open(lab.log, encoding="utf-8") as f:
                self.assertIn(" spans were lost: ", f.read())
        return dropped

    def assert_balance(self, lab, delivered, dropped):
        """delivered: the receiver's spans."""
        ids = {s["span_id"] for s in delivered}
        self.assertEqual(len(ids) + sum(dropped.values()), PRODUCED, (len(ids), dropped))
        self.assertEqual(lab.total("spans_exported"), len(ids), lab.counters())

    def lost(self, endpoint, **settings):
        """Nothing is delivered: all is dropped, and counted."""
        lab = self.lab()
        nginx = self.load(lab, endpoint, **settings)
        dropped = self.finish(lab, nginx)
        self.assert_balance(lab, [], dropped)
        return lab, dropped

    def test_no_listener(self):
        self.lost(f"http://127.0.0.1:{free_port()}")

    def test_no_such_name(self):
        self.lost("http://no-such-host.invalid:4318")

    def test_black_hole(self):
        """Connections that nobody takes off the queue."""
        rude = Rude(None)
        self.addCleanup(rude.close)
        self.lost(rude.endpoint)

    def test_slow_reader(self):
        rude = Rude(read_slowly)
        self.addCleanup(rude.close)
        self.lost(rude.endpoint)

    def test_reset_in_the_middle_of_the_body(self):
        rude = Rude(reset)
        self.addCleanup(rude.close)
        self.lost(rude.endpoint)

    def refused(self, answers, settles=True):
        lab = self.lab()
        lab.collector.answers = answers
        nginx = self.load(lab, lab.collector.endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="10000"
                          if settles else "1500")
        if settles:
            self.settle(nginx)
        dropped = self.finish(lab, nginx)
        self.assert_balance(lab, lab.collector.spans, dropped)
        return lab, dropped

    def test_silence(self):
        self.refused(Always("hang"), settles=False)

    def test_400(self):
        lab, dropped = self.refused(Always(400))
        self.assertEqual(lab.total("export_retries"), 0)
        self.assertGreater(dropped["spans_dropped_export_failed"], 0)

    def test_500(self):
        lab, _ = self.refused(Always(500))
        self.assertEqual(lab.total("export_retries"), 0)

    def test_429_and_503_for_a_while(self):
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1))
        lab, _ = self.refused([(429, {"Retry-After": "1"}), (503, {"Retry-After": date}), 503])
        self.assertGreaterEqual(lab.total("export_retries"), 1)
        self.assertGreater(lab.total("spans_exported"), 0)

    def test_429_for_ever(self):
        self.refused(Always((429, {"Retry-After": "1"})), settles=False)

    def test_answers_that_break_off(self):
        """The receiver took nothing, and closed: the same spans come again, and are taken."""
        self.refused(["close", "close", 200, "close"])

    def test_partial_success(self):
        lab = self.lab()
        with Partial() as collector:
            nginx = self.load(lab, collector.endpoint)
            self.settle(nginx)
            dropped = self.finish(lab, nginx)
            kept = len(collector.spans) - collector.rejected
            self.assertEqual(lab.total("spans_exported"), kept)
            self.assertEqual(kept + sum(dropped.values()), PRODUCED, dropped)
            self.assertGreaterEqual(dropped["spans_dropped_export_failed"], collector.rejected)
            self.assertEqual(lab.total("export_retries"), 0)

    def test_receiver_that_comes_back(self):
        lab = self.lab()
        port = free_port()
        nginx = self.load(lab, f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_TIMEOUT="60000")
        with Collector(port) as collector:
            # What waited for it comes: more than the one batch that was under way.
            self.assertGreater(len(collector.wait_for(513, 3 * WAIT)), 512)
            self.settle(nginx)
            dropped = self.finish(lab, nginx)
            self.assert_balance(lab, collector.spans, dropped)
            self.assertGreater(lab.total("export_retries"), 0)

    def test_receiver_that_is_slow(self):
        """The queue runs over while it thinks."""
        lab = self.lab()
        lab.collector.delay = 0.3
        nginx = self.load(lab, lab.collector.endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="10000")
        self.settle(nginx)
        dropped = self.finish(lab, nginx)
        self.assert_balance(lab, lab.collector.spans, dropped)
