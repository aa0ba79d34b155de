# SPDX-License-Identifier: Apache-2.0
"""A thread of a JVM's pool: its calls belong to the request that it has read as long as its Java frames
say that it is still at it, and to none where they cannot (include/jvm.h).  Under load:
test_causality.py."""
import socket
import ssl
import subprocess
import time

from support import certificates, servers
from support.case import Feature, Transparency
from support.load import Backend
from support.progs import free_port

GET = "GET %s HTTP/1.1\r\nHost: h\r\nUser-Agent: %s\r\n\r\n"


class Client:
    """A connection that is kept."""

    def __init__(self, port, authority=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        if authority:
            context = ssl.create_default_context(cafile=authority.file)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def send(self, *paths):
        self.socket.sendall("".join(GET % (p, p.strip("/")) for p in paths).encode())
        return self

    def answers(self, count=1):
        got = b""
        while got.count(b"HTTP/1.1 200 OK") < count or not got.endswith(b"\n"):
            part = self.socket.recv(65536)
            assert part, got
            got += part

    def get(self, *paths):
        self.send(*paths).answers(len(paths))
        return self


class Mixed:
    """The server of Mixed.java, the service that it calls, and who calls it."""

    def __init__(self, case, threads, authority=None, **settings):
        case.need("java", "javac")
        self.case, self.lab = case, case.lab(**settings)
        self.backend = Backend(delay=0).__enter__()
        case.addCleanup(self.backend.__exit__)
        self.authority, self.port, self.tls_port = authority, free_port(), free_port()
        argv = [*servers.JAVA, "-cp", servers.compile_java("Mixed"), "Mixed", str(self.port),
                self.backend.url(), str(threads)]
        if authority:
            argv += [str(self.tls_port), self.keys()]
        self.program = self.lab.start(argv, "java", self.port)

    def keys(self):
        path = self.lab.path("keys.p12")
        subprocess.run(["openssl", "pkcs12", "-export", "-out", path, "-passout", "pass:changeit",
                        "-in", self.authority.certificate, "-inkey", self.authority.key],
                       check=True, capture_output=True)
        return path

    def client(self):
        return Client(self.port)

    def tls_client(self):
        return Client(self.tls_port, self.authority)

    def wait(self, happened):
        deadline = time.monotonic() + 30
        while not happened():
            self.case.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def hold(self, path="/hold"):
        """A connection with a request whose handler has returned, or is about to."""
        client = self.client().send(path)
        self.wait(lambda: "held" in self.program.text())
        return client

    def parents(self, count):
        """Of the program's calls, by path: the path of the request that each is a child of."""
        spans = self.case.spans(self.lab, count)
        names = {s["span_id"]: s["attributes"]["url.path"] for s in spans if s["kind"] == "SERVER"}
        calls = [s for s in spans if s["kind"] == "CLIENT"]
        return {s["attributes"]["url.full"].split("/", 3)[3]: names.get(s["parent_span_id"])
                for s in calls if s["parent_span_id"] in names or not s["parent_span_id"]}


class Frames(Feature):
    def test_call_of_a_handler(self):
        mixed = Mixed(self, 2)
        mixed.client().get("/work1").get("/page").get("/work2")
        self.assertEqual(mixed.parents(5), {"work1": "/work1", "work2": "/work2"})

    def test_call_at_whatever_depth(self):
        """Around the 128 frames that are asked for at once, and below 1,024; of deeper ones nothing is
        known."""
        mixed = Mixed(self, 2)
        client, known = mixed.client(), [f"deep={n}" for n in (*range(70, 110), 400, 800)]
        for path in (*known, "deep=1100"):
            client.get("/" + path)
        self.assertEqual(mixed.parents(2 * len(known) + 2),
                         {"deep=1100": None, **{path: "/" + path for path in known}})

    def test_handler_that_returned_without_an_answer(self):
        """Its thread, the only one, reads others meanwhile."""
        mixed = Mixed(self, 1)
        held = mixed.hold()
        mixed.client().get("/work1").get("/release").get("/work2")
        held.answers()
        self.assertEqual(mixed.parents(6), {"work1": "/work1", "work2": "/work2"})

    def test_request_inside_tls_that_the_same_thread_serves(self):
        """It is not seen, and its thread stands where it stood when it read the one that waits."""
        mixed = Mixed(self, 1, certificates.make())
        held = mixed.hold()
        mixed.tls_client().get("/work1")
        mixed.client().get("/release").get("/work2")
        held.answers()
        self.assertEqual(mixed.parents(5), {"work1": None, "work2": None})

    def test_request_that_another_thread_has_read_ahead(self):
        """The second thread, whose request waits, takes from a buffer what the first has read, which
        is still busy."""
        mixed = Mixed(self, 2)
        mixed.client().get("/page")
        held = mixed.hold()
        mixed.client().get("/nap", "/work1").get("/release")
        held.answers()
        self.assertEqual(mixed.parents(6), {"work1": None})

    def test_task_of_somebody_else(self):
        """The only thread takes it while the request that it has read waits for an answer."""
        mixed = Mixed(self, 1)
        held = mixed.hold("/tick")
        mixed.wait(lambda: mixed.backend.seen)
        mixed.client().get("/release")
        held.answers()
        self.assertEqual(mixed.parents(3), {"tock": None})

    def test_what_another_request_set_going(self):
        """It runs in the middle of that one, and is for the one that waited."""
        mixed = Mixed(self, 2)
        waiting = mixed.hold("/wait")
        mixed.client().get("/keep")
        waiting.answers()
        self.assertEqual(mixed.parents(3), {"wait": None})

    def test_switched_off(self):
        mixed = Mixed(self, 2, OTEL_INTERSPAN_JVM_FRAMES="false")
        mixed.client().get("/work1")
        self.assertEqual(mixed.parents(2), {"work1": None})


class Unseen(Transparency):
    def output(self, **how):
        lab, port = self.lab(), free_port()
        with Backend(delay=0) as backend:
            program = lab.start(["java", "-Xcheck:jni", *servers.JAVA[1:], "-cp",
                                 servers.compile_java("Mixed"), "Mixed", str(port), backend.url(),
                                 "2"], "java", port, **how)
            for _ in range(20):
                Client(port).get("/work1").get("/work2")
            program.stop()
        if how.get("traced", True):
            self.assert_loaded(lab, "java")
        return program.text()

    def test_jvm_that_checks_how_it_is_used(self):
        """-Xcheck:jni tells of every misuse on standard output."""
        self.need("java", "javac")
        self.assertEqual(self.output(), self.output(traced=False))
