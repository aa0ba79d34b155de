# SPDX-License-Identifier: Apache-2.0
"""OTLP/gRPC, and TLS: what libinterspan-tls.so adds (O30-O38, E94-E108)."""
import os
import shutil
import tempfile
import time

from support.case import WAIT, Feature
from support.collector import Collector
from support.grpc_collector import GrpcCollector
from support.progs import OBJECT, PYTHON
from support.tls_files import certificates, chain, server_context


class Grpc(Feature):
    directory = staticmethod(tempfile.TemporaryDirectory)

    def one(self, collector, wanted=1, under=(), **env):
        """A curl that makes one span; it must not notice anything."""
        env.setdefault("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        env.setdefault("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        if not wanted:
            env.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
        lab = self.lab(OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="4000", **env)
        second = lab.python_server("second.py", traced=False)
        done = lab.run([*under, "curl", "-sS", "-o", "/dev/null", second.url("/x")])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.url = second.url("/x")
        if self.is_bare():
            return []
        spans = collector.wait_for(wanted, 5 if wanted else 0)
        self.assertEqual(len(spans), wanted, collector.errors)
        self.assertEqual((lab.total("otlp_exported"), lab.total("otlp_dropped")),
                         (wanted, 1 - wanted), collector.errors)
        with open(lab.log, encoding="utf-8") as f:
            self.log = f.read()
        return spans

    def check(self, spans):
        span, = spans
        self.assertEqual((span["name"], span["kind"]), ("GET", "CLIENT"))
        self.assertEqual(span["attributes"]["url.full"], self.url)

    def test_cleartext(self):
        for compression in ("none", "gzip"):
            with self.subTest(compression), GrpcCollector() as c:
                self.check(self.one(c, OTEL_EXPORTER_OTLP_COMPRESSION=compression,
                                    OTEL_EXPORTER_OTLP_HEADERS="X-Key=se%20cret"))
                headers, body = c.requests[0]
                self.assertEqual(headers["x-key"], "se cret")
                self.assertRegex(headers["user-agent"], "OTel-OTLP-Exporter-")
                self.assertEqual(headers.get("grpc-encoding", "none"), compression)
                self.assertEqual(body[0], compression == "gzip")

    def test_endpoints(self):
        """E97, E105-E108: without a scheme it is INSECURE that says; a path is not used."""
        with GrpcCollector() as c:
            at = f"localhost:{c.port}"
            self.check(self.one(c, OTEL_EXPORTER_OTLP_ENDPOINT=at, OTEL_EXPORTER_OTLP_INSECURE="true"))
            c.clear()
            self.check(self.one(c, OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:1",
                                OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://{at}/some/path",
                                OTEL_EXPORTER_OTLP_PROTOCOL="http/json",
                                OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="grpc"))
            c.clear()
            self.one(c, wanted=0, OTEL_EXPORTER_OTLP_ENDPOINT=at, OTEL_EXPORTER_OTLP_INSECURE="true",
                     OTEL_EXPORTER_OTLP_TRACES_INSECURE="false")

    def test_unix_socket(self):
        with self.directory() as directory, GrpcCollector(unix=f"{directory}/s") as c:
            self.check(self.one(c))

    def test_what_a_status_means(self):
        """O33-O36: UNAVAILABLE is tried again, INVALID_ARGUMENT is not; RESOURCE_EXHAUSTED only if
        the receiver says when (test_grpc.c)."""
        for reply, wanted, calls in (((14, "not now", {}, b""), 1, 2), ((3, "bad", {}, b""), 0, 1),
                                     ((8, "full", {}, b""), 0, 1)):
            with self.subTest(reply[1]), GrpcCollector() as c:
                c.replies = [reply]
                self.one(c, wanted=wanted, OTEL_LOG_LEVEL="info")
                if not self.is_bare():
                    self.assertEqual(len(c.requests), calls)

    def test_connections_that_end(self):
        """In the middle of an answer: the call comes again.  Behind it, or with its stream refused:
        nothing is lost."""
        for reply, calls in ("break", 2), ("go away", 1), ("refuse", 2):
            with self.subTest(reply), GrpcCollector() as c:
                c.replies = [reply]
                self.check(self.one(c))
                self.assertEqual(len(c.requests), calls)

    def test_connection_that_is_dead(self):
        """Nobody answers there again: what is given up takes its connection along."""
        with GrpcCollector() as c:
            c.replies = ["hang"]
            lab = self.lab(OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_ENDPOINT=c.endpoint,
                           OTEL_EXPORTER_OTLP_TIMEOUT="1500", OTEL_BSP_SCHEDULE_DELAY="1")
            second = lab.python_server("second.py")
            deadline = time.monotonic() + WAIT
            while not c.spans and time.monotonic() < deadline:
                lab.run(["curl", "-sS", "-o", "/dev/null", second.url("/x")], traced=False)
                c.wait_for(1, 0.1)
            self.assertGreater(len(c.spans), 0)

    def test_partial_success(self):
        """O37: rejected_spans 1, error_message "no"."""
        with GrpcCollector() as c:
            c.replies = [(0, "", {}, b"\x0a\x06\x08\x01\x12\x02no")]
            lab = self.lab(OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_ENDPOINT=c.endpoint,
                           OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="4000")
            second = lab.python_server("second.py", traced=False)
            lab.run(["curl", "-sS", "-o", "/dev/null", second.url("/x")])
            self.assertEqual((lab.total("otlp_exported"), lab.total("otlp_dropped")), (0, 1))
            self.assertEqual(len(c.requests), 1)


class Tls(Grpc):
    test_cleartext = test_endpoints = test_unix_socket = None
    test_what_a_status_means = test_partial_success = None
    test_connections_that_end = test_connection_that_is_dead = None

    def test_trust(self):
        """E94, E105: a CA of one's own; without it, or with a wrong name, nothing is sent."""
        with self.directory() as d:
            certificates(d)
            with GrpcCollector(ssl=server_context(d)) as c:
                self.check(self.one(c, OTEL_EXPORTER_OTLP_CERTIFICATE=f"{d}/ca.pem"))
                c.clear()
                self.one(c, wanted=0)  # the system does not trust it
                self.one(c, wanted=0, OTEL_EXPORTER_OTLP_CERTIFICATE=f"{d}/none.pem")
                self.one(c, wanted=0, OTEL_EXPORTER_OTLP_CERTIFICATE=f"{d}/ca.pem",
                         OTEL_EXPORTER_OTLP_ENDPOINT=f"https://127.0.0.1:{c.port}")
                # INSECURE is for endpoints without a scheme, and no way around the check.
                self.one(c, wanted=0, OTEL_EXPORTER_OTLP_INSECURE="true")
                self.assertEqual(c.requests, [])

    def test_what_the_system_trusts(self):
        """One authority among its many, or above the one that signed; and none of them."""
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        if os.getuid() != 0 or not os.path.exists(bundle):
            self.skipTest("needs the superuser, and a bundle of the system's")
        with self.directory() as d:
            certificates(d)
            with open(bundle, "rb") as f, open(f"{d}/ca.pem", "rb") as ca:
                system, own = f.read(), ca.read()
            half = system.index(b"-----BEGIN", len(system) // 2)
            with open(f"{d}/bundle.pem", "wb") as f:
                f.write(system[:half] + own + system[half:])
            trusting = ["unshare", "-m", "sh", "-ec",
                        f'mount --bind {d}/bundle.pem {bundle} && exec "$0" "$@"']
            for make in (lambda d: None, chain):
                make(d)
                with GrpcCollector(ssl=server_context(d)) as c:
                    self.check(self.one(c, under=trusting))
                    c.clear()
                    self.one(c, wanted=0)
                    self.one(c, wanted=0, under=trusting,
                             OTEL_EXPORTER_OTLP_ENDPOINT=f"https://127.0.0.1:{c.port}")
                    self.assertEqual(c.requests, [])

    def test_mutual(self):
        """E95, E96"""
        with self.directory() as d:
            certificates(d)
            with GrpcCollector(ssl=server_context(d, wants_client=True)) as c:
                trust = {"OTEL_EXPORTER_OTLP_CERTIFICATE": f"{d}/ca.pem"}
                self.check(self.one(c, OTEL_EXPORTER_OTLP_CLIENT_KEY=f"{d}/none.key",
                                    OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY=f"{d}/client.key",
                                    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=f"{d}/client.pem", **trust))
                c.clear()
                self.one(c, wanted=0, **trust)

    def test_https(self):
        """HTTP/1.1 in TLS, both encodings, compressed or not."""
        with self.directory() as d, Collector() as c:
            certificates(d)
            c.server.socket = server_context(d, alpn=None).wrap_socket(c.server.socket,
                                                                       server_side=True)
            endpoint = f"https://localhost:{c.port}"
            for protocol in ("http/protobuf", "http/json"):
                for compression in ("none", "gzip"):
                    with self.subTest(f"{protocol} {compression}"):
                        c.clear()
                        self.check(self.one(c, OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                                            OTEL_EXPORTER_OTLP_COMPRESSION=compression,
                                            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
                                            OTEL_EXPORTER_OTLP_CERTIFICATE=f"{d}/ca.pem"))


class Loading(Feature):
    directory = staticmethod(tempfile.TemporaryDirectory)

    def test_only_where_it_is_wanted(self):
        """The object is mapped by who exports through it, and by nobody else."""
        text = ("import http.client, sys, time\n"
                "c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1])); c.request('GET', '/x')\n"
                "c.getresponse().read(); time.sleep(0.6)\n"
                "print(open('/proc/self/maps').read().count('libinterspan-tls.so') > 0)")
        with GrpcCollector() as grpc:
            for env, wanted in (({}, b"False\n"),
                                ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                                  "OTEL_EXPORTER_OTLP_ENDPOINT": grpc.endpoint}, b"True\n")):
                lab = self.lab(**env)
                second = lab.python_server("second.py", traced=False)
                done = lab.run([PYTHON, "-c", text, str(second.port)])
                self.assertEqual(done.stdout, wanted)

    def test_without_the_object_it_is_said(self):
        with self.directory() as d, GrpcCollector() as grpc:
            alone = shutil.copy(OBJECT, d)
            lab = self.lab(OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
                           OTEL_EXPORTER_OTLP_ENDPOINT=grpc.endpoint)
            second = lab.python_server("second.py", traced=False)
            done = lab.run(["env", f"LD_PRELOAD={alone}", "curl", "-sS", "-o", "/dev/null",
                            second.url("/x")], traced=False, OTEL_INTERSPAN_LOG=lab.log,
                           **lab.settings)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
            self.assertEqual(lab.total("otlp_dropped"), 1)
            with open(lab.log, encoding="utf-8") as f:
                self.assertIn("libinterspan-tls.so: not found beside libinterspan.so", f.read())

    def test_the_usual_mistake_is_said(self):
        for protocol, port, words in (("http/protobuf", 4317, "port 4317 is usually OTLP/gRPC's"),
                                      ("grpc", 4318, "port 4318 is usually OTLP/HTTP's")):
            with self.subTest(protocol):
                lab = self.lab(OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                               OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.9:{port}")
                second = lab.python_server("second.py", traced=False)
                lab.run(["curl", "-sS", "-o", "/dev/null", second.url("/x")])
                with open(lab.log, encoding="utf-8") as f:
                    self.assertIn(words, f.read())
