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
import subprocess
import threading
import time

from support.case import WAIT, Feature
from support.collector import Collector
from support.faults import Always, Names, Partial, Rude, read_slowly, reset
from support.grpc_collector import GrpcCollector
from support.progs import BUILD, free_port
from support.tls_files import certificates, expire, server_context

TOOL = os.path.join(BUILD, "interspan")
CONNECTIONS, EACH = 4, 2500
REQUEST = b"GET / HTTP/1.1\r\nHost: faults\r\n\r\n"
DROPPED = ("spans_dropped_queue_full", "spans_dropped_no_slot", "spans_dropped_export_failed",
           "spans_dropped_shutdown", "spans_dropped_damaged")
MEMORY_KB = 16 << 10  # nginx takes 1 MiB; the store 8 at most, and what a batch may need besides


def keep_asking(port, each, answered):
    with socket.create_connection(("127.0.0.1", port), WAIT) as s:
        for _ in range(each):
            s.sendall(REQUEST)
            got = b""
            while not got.endswith(b"\r\n\r\nok"):
                more = s.recv(4096)
                if not more:
                    return
                got += more
            answered.append(1)


class Loaded(Feature):
    produced = peak_kb = 0

    def setUp(self):
        self.need("nginx")

    def load(self, lab, endpoint, under=(), **settings):
        """nginx under a load that is over."""
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "1500",
                    **settings}
        nginx = lab.nginx(1, service="edge", location="location = / { return 200 ok; }",
                          under=under, **settings)
        self.produced = self.peak_kb = 0
        self.ask(nginx, EACH)
        return nginx

    def ask(self, nginx, each):
        answered = []
        threads = [threading.Thread(target=keep_asking, args=(nginx.port, each, answered))
                   for _ in range(CONNECTIONS)]
        for t in threads:
            t.start()
        deadline = time.monotonic() + 120
        for t in threads:
            while t.is_alive() and time.monotonic() < deadline:
                t.join(0.02)
                self.look_at_memory(nginx)
        self.assertEqual(len(answered), CONNECTIONS * each, "requests that were answered")
        self.produced += len(answered)

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
            if sum(counters.get(n, 0) for n in ("spans_exported", *DROPPED)) == self.produced:
                return
            self.look_at_memory(nginx)
            time.sleep(0.05)

    def look_at_memory(self, nginx):
        """Of the worker, anonymous and shared with us: the most that was ever seen."""
        with open(f"/proc/{self.worker(nginx)}/status", encoding="ascii") as f:
            now = sum(int(n) for n in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+)", f.read(), re.M))
        self.peak_kb = max(self.peak_kb, now)

    def finish(self, lab, nginx):
        """What was dropped, by reason."""
        self.look_at_memory(nginx)
        self.assertLess(self.peak_kb, MEMORY_KB)
        os.kill(nginx.pid, signal.SIGQUIT)
        nginx.process.wait(60)
        self.assertEqual(lab.total("spans_started"), self.produced, lab.counters())
        dropped = {name: lab.total(name) for name in DROPPED if lab.total(name)}
        if "spans_dropped_export_failed" in dropped:
            with open(lab.log, encoding="utf-8") as f:
                self.assertIn(" spans were lost: ", f.read())
        return dropped

    def assert_balance(self, lab, delivered, dropped):
        """delivered: the receiver's spans."""
        ids = {s["span_id"] for s in delivered}
        self.assertEqual(len(ids) + sum(dropped.values()), self.produced, (len(ids), dropped))
        self.assertEqual(lab.total("spans_exported"), len(ids), lab.counters())

    def lost(self, endpoint, under=(), **settings):
        """Nothing is delivered: all is dropped, and counted."""
        lab = self.lab()
        nginx = self.load(lab, endpoint, under, **settings)
        dropped = self.finish(lab, nginx)
        self.assert_balance(lab, [], dropped)
        return lab, dropped


class Faults(Loaded):
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
            self.assertEqual(kept + sum(dropped.values()), self.produced, dropped)
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

    def test_receiver_that_comes_back_after_a_minute(self):
        """What waited longer than an export may take is lost; what comes then is delivered."""
        lab = self.lab()
        port = free_port()
        nginx = self.load(lab, f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_TIMEOUT="10000")
        back = time.monotonic() + 60
        while time.monotonic() < back:
            self.ask(nginx, 5)
            time.sleep(0.2)
        with Collector(port) as collector:
            self.ask(nginx, EACH)
            self.assertGreater(len(collector.wait_for(513, 3 * WAIT)), 512)
            self.settle(nginx)
            dropped = self.finish(lab, nginx)
            self.assert_balance(lab, collector.spans, dropped)

    def test_receiver_that_is_slow(self):
        """The queue runs over while it thinks."""
        lab = self.lab()
        lab.collector.delay = 0.3
        nginx = self.load(lab, lab.collector.endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="10000")
        self.settle(nginx)
        dropped = self.finish(lab, nginx)
        self.assert_balance(lab, lab.collector.spans, dropped)


def in_a_namespace(*mounts):
    """What becomes a program with mounts of its own."""
    return ["unshare", "-m", "sh", "-ec", " && ".join(mounts) + ' && exec "$0" "$@"']


class DnsFaults(Loaded):
    """Names are resolved on our own, from the system's resolv.conf: here one of the test's."""

    def one(self, name, **settings):
        if os.getuid() != 0:
            self.skipTest("needs the superuser, for a name server and a resolv.conf of its own")
        lab = self.lab()
        with Names() as names:
            path = lab.write("resolv.conf", f"nameserver {names.address}\n")
            under = in_a_namespace(f"mount --bind {path} /etc/resolv.conf")
            nginx = self.load(lab, f"http://{name}:{lab.collector.port}", under, **settings)
            if settings:
                self.settle(nginx)
            dropped = self.finish(lab, nginx)
            self.assert_balance(lab, lab.collector.spans, dropped)
            self.assertIn(name, names.asked)
        return lab, dropped

    def test_name_that_is_known(self):
        lab, _ = self.one("receiver.test", OTEL_EXPORTER_OTLP_TIMEOUT="10000")
        self.assertGreater(lab.total("spans_exported"), 0)

    def test_name_that_is_not(self):
        self.one("nobody.test")

    def test_name_that_nobody_tells(self):
        self.one("silent.test")

    def test_server_of_names_that_fails(self):
        self.one("broken.test")


class FileFaults(Loaded):
    ROOM = 1 << 20  # of what is three times as long

    def whole_lines(self, data):
        """Span ids in those lines that are JSON; the one that was cut is not."""
        found = []
        for line in data.split(b"\n"):
            try:
                told = json.loads(line)
            except ValueError:
                continue
            found += [s["spanId"] for r in told["resourceSpans"] for scope in r["scopeSpans"]
                      for s in scope["spans"]]
        return found

    def full(self, lab, path, under, outside):
        """outside: where the test finds the file, as a function of nginx."""
        nginx = self.load(lab, "", under, OTEL_TRACES_EXPORTER="otlp/file",
                          OTEL_INTERSPAN_OTLP_FILE=path, OTEL_LOG_LEVEL="info")
        self.settle(nginx)
        with open(outside(nginx), "rb") as f:
            data = f.read()
        dropped = self.finish(lab, nginx)
        self.assertLessEqual(len(data), self.ROOM)
        ids = self.whole_lines(data)
        self.assertEqual(len(set(ids)), len(ids))
        self.assertGreater(len(ids), 0)
        self.assertEqual(lab.total("spans_exported"), len(ids), lab.counters())
        self.assertEqual(len(ids) + sum(dropped.values()), self.produced, dropped)
        self.assertGreater(dropped["spans_dropped_export_failed"], 0)
        with open(lab.log, encoding="utf-8") as f:
            return f.read()

    def test_limit_of_a_file(self):
        self.need("prlimit")
        lab = self.lab()
        path = lab.path("spans.jsonl")
        os.chmod(lab.directory, 0o777)  # the worker has given up root
        log = self.full(lab, path, ["prlimit", f"--fsize={self.ROOM}"], lambda _: path)
        self.assertIn("spans were lost: OTEL_INTERSPAN_OTLP_FILE: File too large", log)

    def test_disk_that_is_full(self):
        if os.getuid() != 0:
            self.skipTest("needs the superuser, for a disk that is small")
        lab = self.lab()
        disk = lab.path("disk")
        os.mkdir(disk)
        under = in_a_namespace(f"mount -t tmpfs -o size={self.ROOM} none {disk}",
                               f"chmod 777 {disk}")
        log = self.full(lab, f"{disk}/spans.jsonl", under,
                        lambda nginx: f"/proc/{nginx.pid}/root{disk}/spans.jsonl")
        self.assertIn("spans were lost: OTEL_INTERSPAN_OTLP_FILE: No space left on device", log)


class TlsFaults(Loaded):
    """The same by libinterspan-tls.so: gRPC, in TLS and without."""
    GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}

    def setUp(self):
        super().setUp()
        self.need("openssl", "module:h2")

    def trusted(self, lab):
        certificates(lab.directory)
        os.chmod(lab.path("ca.pem"), 0o644)
        return {"OTEL_EXPORTER_OTLP_CERTIFICATE": lab.path("ca.pem")}

    def expired(self, protocol):
        """Nothing is sent, and the log says why."""
        lab = self.lab()
        trusted = self.trusted(lab)
        expire(lab.directory)
        with GrpcCollector(ssl=server_context(lab.directory)) as c:
            nginx = self.load(lab, c.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol, **trusted)
            dropped = self.finish(lab, nginx)
            self.assertEqual(c.requests, [])
            self.assert_balance(lab, [], dropped)
        self.assertGreater(lab.total("export_retries"), 0)  # with pauses, not once for each batch
        with open(lab.log, encoding="utf-8") as f:
            self.assertIn("certificate has expired", f.read())

    def test_expired_certificate(self):
        self.expired("http/protobuf")

    def test_expired_certificate_grpc(self):
        self.expired("grpc")

    def test_tls_no_listener(self):
        self.lost(f"https://127.0.0.1:{free_port()}", **self.GRPC)

    def test_tls_black_hole(self):
        with Rude(None) as rude:
            self.lost(rude.endpoint.replace("http:", "https:"), **self.GRPC)

    def test_tls_slow_reader(self):
        with Rude(read_slowly) as rude:
            self.lost(rude.endpoint.replace("http:", "https:"))

    def test_tls_reset(self):
        """In the middle of the handshake."""
        with Rude(reset) as rude:
            self.lost(rude.endpoint.replace("http:", "https:"), **self.GRPC)

    def test_tls_reset_in_the_middle_of_the_body(self):
        lab = self.lab()
        trusted = self.trusted(lab)
        context = server_context(lab.directory, alpn=())

        def serve(s):
            with context.wrap_socket(s, server_side=True, do_handshake_on_connect=True) as tls:
                reset(tls)

        with Rude(serve) as rude:
            nginx = self.load(lab, f"https://localhost:{rude.port}", **trusted)
            self.assert_balance(lab, [], self.finish(lab, nginx))

    def test_grpc_black_hole(self):
        with Rude(None) as rude:
            self.lost(rude.endpoint, **self.GRPC)

    def test_grpc_slow_reader(self):
        with Rude(read_slowly) as rude:
            self.lost(rude.endpoint, **self.GRPC)

    def test_grpc_reset(self):
        with Rude(reset) as rude:
            self.lost(rude.endpoint, **self.GRPC)

    def replied(self, replies, settles=True, secret=True, **settings):
        lab = self.lab()
        trusted = self.trusted(lab) if secret else {}
        with GrpcCollector(ssl=server_context(lab.directory) if secret else None) as c:
            c.replies = replies
            nginx = self.load(lab, c.endpoint, **self.GRPC, **trusted, **{
                "OTEL_EXPORTER_OTLP_TIMEOUT": "10000" if settles else "1500", **settings})
            if settles:
                self.settle(nginx)
            dropped = self.finish(lab, nginx)
            self.assert_balance(lab, c.spans, dropped)
        return lab, dropped

    def test_grpc_all_is_well(self):
        for secret in False, True:
            for compression in "none", "gzip":
                with self.subTest(f"{secret} {compression}"):
                    lab, _ = self.replied([], secret=secret,
                                          OTEL_EXPORTER_OTLP_COMPRESSION=compression)
                    self.assertGreater(lab.total("spans_exported"), 0)

    def test_grpc_unavailable_for_a_while(self):
        lab, _ = self.replied([(14, "later", {}, b""), (14, "later", {}, b"")])
        self.assertGreaterEqual(lab.total("export_retries"), 1)
        self.assertGreater(lab.total("spans_exported"), 0)

    def test_grpc_unavailable_for_ever(self):
        self.replied(Always((14, "never", {}, b"")), settles=False)

    def test_grpc_invalid(self):
        lab, dropped = self.replied(Always((3, "odd", {}, b"")))
        self.assertEqual(lab.total("export_retries"), 0)
        self.assertGreater(dropped["spans_dropped_export_failed"], 0)

    def test_grpc_answer_that_breaks_off(self):
        """The call has no status: it comes again, as over HTTP/1."""
        lab, _ = self.replied(["break", "break", (0, "", {}, b""), "break"])
        self.assertGreaterEqual(lab.total("export_retries"), 3)
        self.assertEqual(lab.total("spans_dropped_export_failed"), 0)

    def test_grpc_stream_that_is_refused(self):
        lab, _ = self.replied(["refuse", (0, "", {}, b""), "refuse"])
        self.assertEqual(lab.total("spans_dropped_export_failed"), 0)

    def test_grpc_receiver_that_goes_away(self):
        """A connection for each call, as behind a proxy that ends them: nothing is lost."""
        lab, _ = self.replied(Always("go away"))
        self.assertEqual(lab.total("spans_dropped_export_failed"), 0)

    def test_grpc_connection_that_is_dead(self):
        """Nobody ever answers there again: it costs one batch, and then there is another one."""
        lab, dropped = self.replied(["hang"], OTEL_EXPORTER_OTLP_TIMEOUT="700")
        self.assertGreater(lab.total("spans_exported"), 0)
        self.assertLessEqual(dropped["spans_dropped_export_failed"], 512)
