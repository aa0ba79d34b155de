# SPDX-License-Identifier: Apache-2.0
"""A trace goes on into the programs that a process starts, and not into those that only happened to
be started by it (rows C95-C112)."""
import json
import os
import urllib.request

from support.case import Feature
from support.progs import PYTHON

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ORIGIN = {"TRACEPARENT": f"00-{TRACE}-{PARENT}-01", "TRACESTATE": "a=1"}
# What is told at an end is told however busy the machine is.
PATIENT = {"OTEL_INTERSPAN_SHUTDOWN_TIMEOUT": "10000"}


def lines_of(spans):
    """(service, kind, path) -> (trace, parent's id)"""
    return {(s["service"], s["kind"], s["attributes"].get("url.path") or
             s["attributes"]["url.full"].rpartition("/")[2]): s for s in spans}


class Children(Feature):
    def start(self):
        lab = self.lab(**PATIENT)
        return lab, lab.python_server("second.py", service="stock")

    def ok(self, lab, argv, **env):
        done = lab.run(argv, **env)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done)
        return done.stdout.decode()

    def assert_below(self, spans, trace, parent):
        """CLIENT spans of the shell's programs, and below them the service's."""
        for span in spans:
            self.assertEqual(span["trace_id"], trace)
            if span["kind"] == "CLIENT":
                self.assertEqual(span["parent_span_id"], parent)
        clients = {s["span_id"] for s in spans if s["kind"] == "CLIENT"}
        servers = {s["parent_span_id"] for s in spans if s["kind"] == "SERVER"}
        self.assertEqual(servers - {PARENT}, clients)

    def test_a_shell_script_is_one_trace(self):
        """Whoever started the shell, by the environment alone."""
        self.need("curl", "bash", "dash")
        for shell in "dash", "bash":
            with self.subTest(shell):
                lab, second = self.start()
                told = self.ok(lab, [shell, "-c", f"curl -sS -o x {second.url('/a')}; "
                                                  f"curl -sS {second.url('/b')} | cat; true"],
                               service="shell", **ORIGIN)
                spans = self.spans(lab, 4)
                self.assert_below(spans, TRACE, PARENT)
                self.assertEqual({s["trace_state"] for s in spans}, {"a=1"})
                headers = dict(json.loads(told)["headers"])
                self.assertEqual(headers["tracestate"], "a=1")

    def test_request_starts_programs(self):
        self.need("curl")
        lab, second = self.start()
        front = lab.python_server("starter.py", second.url(""), service="front")
        for how in "run", "environment", "fork", "spawn", "system", "popen":
            with self.subTest(how):
                lab.collector.clear()
                request = urllib.request.Request(front.url(f"/{how}"), headers={
                    "traceparent": ORIGIN["TRACEPARENT"]})
                with urllib.request.urlopen(request, timeout=20) as answer:
                    self.assertEqual(answer.read(), b"done\n")
                spans = self.spans(lab, 5, settle=0.1)
                front_span, = [s for s in spans if s["parent_span_id"] == PARENT]
                self.assertEqual((front_span["service"], front_span["kind"]), ("front", "SERVER"))
                self.assert_below(spans, TRACE, front_span["span_id"])

    def test_server_is_nobodys_child(self):
        """Who started it is no cause of what it calls once it listens, nor of what it starts."""
        self.need("curl")
        lab, second = self.start()
        text = ("import socket, subprocess, sys, urllib.request as u\n"
                "def get(path): u.urlopen(sys.argv[1] + path).read()\n"
                "get('/before')\n"
                "s = socket.create_server(('127.0.0.1', 0))\n"
                "get('/after')\n"
                "subprocess.run(['curl', '-sS', '-o', 'x', sys.argv[1] + '/child'], check=True)\n")
        self.ok(lab, [PYTHON, "-c", text, second.url("")], service="shell", **ORIGIN)
        found = lines_of(self.spans(lab, 6))
        before, after, child = (found["shell", "CLIENT", p] for p in ("before", "after", "child"))
        self.assertEqual((before["trace_id"], before["parent_span_id"]), (TRACE, PARENT))
        self.assertEqual([after["parent_span_id"], child["parent_span_id"]], ["", ""])
        self.assertEqual(len({TRACE, after["trace_id"], child["trace_id"]}), 3)

    def test_daemon_is_nobodys_child(self):
        self.need("curl", "setsid")
        lab, second = self.start()
        curl = ["curl", "-sS", "-o", "x"]
        self.ok(lab, ["sh", "-c", f"{' '.join(curl)} {second.url('/mine')}; "
                                  f"setsid -w {' '.join(curl)} {second.url('/daemon')}"],
                service="shell", **ORIGIN)
        found = lines_of(self.spans(lab, 4))
        mine, daemon = (found["shell", "CLIENT", path] for path in ("mine", "daemon"))
        self.assertEqual((mine["trace_id"], mine["parent_span_id"]), (TRACE, PARENT))
        self.assertEqual(daemon["parent_span_id"], "")
        self.assertNotEqual(daemon["trace_id"], TRACE)

    def test_disabled_passes_it_on(self):
        """E18: what came in goes out unchanged; without spans."""
        self.need("curl")
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        told = self.ok(lab, ["sh", "-c", f"curl -sS {second.url('/a')} | cat"],
                       OTEL_SDK_DISABLED="true", **ORIGIN)
        headers = dict(json.loads(told)["headers"])
        self.assertEqual((headers.get("traceparent"), headers.get("tracestate")),
                         (ORIGIN["TRACEPARENT"], ORIGIN["TRACESTATE"]))
        self.assertEqual(lab.collector.spans, [])

    def test_switched_off(self):
        self.need("curl")
        lab, second = self.start()
        self.ok(lab, ["sh", "-c", f"curl -sS -o x {second.url('/a')}"], service="shell",
                OTEL_INTERSPAN_PROPAGATE_ENVIRONMENT="false", **ORIGIN)
        client, = [s for s in self.spans(lab, 2) if s["kind"] == "CLIENT"]
        self.assertEqual(client["parent_span_id"], "")


SHELL = os.path.basename(os.path.realpath("/bin/sh"))
BATCH = """
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for n in range(1000):
    c.request("HEAD", f"/{n}")
    c.getresponse().read()
"""


class Programs(Feature):
    """OTEL_INTERSPAN_PROCESS_SPANS: one tree of all that one command does."""

    def shape(self, spans, parent=""):
        """The tree below a span, as {(kind, name): [trees]} sorted."""
        return sorted((s["kind"], s["name"], self.shape(spans, s["span_id"]))
                      for s in spans if s["parent_span_id"] == parent)

    def test_pipeline(self):
        self.need("curl", "jq")
        lab = self.lab(OTEL_INTERSPAN_PROCESS_SPANS="true", **PATIENT)
        second = lab.python_server("second.py", service="stock", OTEL_INTERSPAN_PROCESS_SPANS="false")
        done = lab.run(["sh", "-c", f"curl -sS {second.url('/a')} | jq .path; "
                                    f"curl -sS -o x {second.url('/b')}; true"], service="shell")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b'"/a"\n', b""))
        spans = self.spans(lab, 11)
        curl = ("CLIENT", "curl", [("INTERNAL", "curl", [("CLIENT", "GET", [
            ("SERVER", "GET", [])])])])
        self.assertEqual(self.shape(spans), [("INTERNAL", SHELL, [
            curl, curl, ("CLIENT", "jq", [("INTERNAL", "jq", [])])])])
        self.assertEqual(len({s["trace_id"] for s in spans}), 1)
        self.assertEqual({s["attributes"]["process.exit.code"] for s in spans
                          if "process.pid" in s["attributes"]}, {0})

    def test_batch_job(self):
        lab = self.lab(OTEL_INTERSPAN_PROCESS_SPANS="true", **PATIENT)
        second = lab.python_server("second.py", traced=False)
        done = lab.run([PYTHON, "-c", BATCH, str(second.port)])
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        spans = self.spans(lab, 1001)
        job, = [s for s in spans if s["kind"] == "INTERNAL"]
        self.assertEqual({(s["trace_id"], s["parent_span_id"]) for s in spans if s is not job},
                         {(job["trace_id"], job["span_id"])})
