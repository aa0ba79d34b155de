# SPDX-License-Identifier: Apache-2.0
"""`interspan status` of programs that run: exact counts, read from outside."""
import json
import os
import socket
import subprocess
import time

from support.case import WAIT, Feature
from support.progs import BARE, BUILD, PYTHON

TOOL = os.path.join(BUILD, "interspan")
# A server that forks: the child serves, with spans that the parent's exporter delivers.
FORKING = """\
import http.server, os, sys, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H)
server.handle_request()  # the look whether it listens
server.handle_request()
if os.fork():
    os.wait()
server.serve_forever()
"""


def status(*words):
    done = subprocess.run([TOOL, "status", *map(str, words)], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


class Status(Feature):
    def asked(self, pid):
        """The one object for a process, and the counters of that process in it."""
        code, out, err = status("--json", pid)
        self.assertEqual((code, err), (0, ""), out)
        told = json.loads(out)
        return told, {p["pid"]: p for p in told["processes"]}.get(pid)

    def asked_until(self, pid, name, value):
        """As asked(), once that counter is there: an answer is counted after it was given."""
        deadline = time.monotonic() + WAIT
        while True:
            told, counters = self.asked(pid)
            if counters.get(name) == value or time.monotonic() > deadline:
                return told, counters
            time.sleep(0.02)

    def speak(self, port, data):
        """To the end of the answer."""
        with socket.create_connection(("127.0.0.1", port), WAIT) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass

    def ask(self, lab, server):
        done = lab.run(["curl", "-sS", server.url()], traced=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_counts_are_exact(self):
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        for _ in range(7):
            self.ask(lab, second)
        self.spans(lab, 7)
        told, counters = self.asked_until(second.pid, "spans_exported", 7)
        self.assertEqual((told["pid"], told["answered"]), (second.pid, True))
        self.assertEqual(told["exporter"]["endpoint"], f"{lab.collector.endpoint}/v1/traces")
        self.assertEqual({k: counters[k] for k in (
            "spans_started", "spans_ended", "spans_exported", "connections_http1")},
            dict.fromkeys(("spans_started", "spans_ended", "spans_exported",
                           "connections_http1"), 7))
        self.assertEqual(counters["export_bytes"],
                         sum(len(body) for _, _, body in lab.collector.requests))
        self.assertEqual(counters["exports"], len(lab.collector.requests))

    def test_http2_is_named(self):
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        self.ask(lab, second)
        for _ in range(2):
            self.speak(second.port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.speak(second.port, b"\x16\x03\x01\x00\x05hello")
        code, out, _ = status(second.pid)
        self.assertEqual(code, 0, out)
        self.assertIn("1 connection is HTTP/1\n", out)
        self.assertIn("2 connections are HTTP/2, not traced yet\n", out)
        self.assertIn("1 connection is TLS of a library that is not known, not traced\n", out)

    def test_libraries_of_tls(self):
        """What is mapped, and of which version: the file tells both."""
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        self.ask(lab, second)
        self.spans(lab, 1)
        told, _ = self.asked(second.pid)
        openssl, = [t for t in told["tls"] if t["library"] == "OpenSSL"]
        version = subprocess.run([PYTHON, "-c", "import ssl; print(ssl.OPENSSL_VERSION)"],
                                 capture_output=True, text=True, check=True).stdout.split()[1]
        self.assertEqual((openssl["version"], openssl["linked_in"], openssl["read"]),
                         (version, False, True))
        self.assertRegex(openssl["path"], r"^/.*/libssl\.so\.")
        code, out, _ = status(second.pid)
        self.assertEqual(code, 0, out)
        self.assertIn(f"  TLS          OpenSSL {version}, {openssl['path']}\n", out)

    def test_child_whose_spans_its_parent_delivers(self):
        lab = self.lab()
        second = lab.python_server("second.py")  # no part of this but for its port
        second.stop()
        parent = lab.start([PYTHON, lab.write("forking.py", FORKING), str(second.port)], "forking",
                           service="forking")
        parent.port = second.port
        parent.wait_listening()
        for _ in range(5):
            self.ask(lab, parent)
        self.spans(lab, 5)
        self.assertEqual(self.asked(parent.pid)[1]["spans_started"], 1)
        with open(f"/proc/{parent.pid}/task/{parent.pid}/children", encoding="ascii") as f:
            child = int(f.read().split()[0])
        code, out, _ = status(child)
        self.assertEqual(code, 0, out)
        self.assertIn(f"its spans are delivered by pid {parent.pid}\n", out)
        self.assertIn("  spans        4 started, 0 sampled out, 4 ended, 0 exported\n", out)
        self.assertEqual(self.asked_until(parent.pid, "spans_exported", 5)[1]["spans_exported"], 5)

    def test_nothing_to_read(self):
        if BARE:
            self.fail("there is nothing to load")
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        code, out, _ = status(second.pid)
        self.assertEqual(code, 1)
        self.assertIn("no span was finished yet", out)
        sleeper = lab.start(["sleep", "60"], "sleep", traced=False)
        self.assertEqual(status("--json", sleeper.pid),
                         (1, f'{{"pid":{sleeper.pid},"error":"not loaded"}}\n', ""))
        self.assertEqual(status("--json", 2 ** 30),
                         (1, '{"pid":1073741824,"error":"no process"}\n', ""))

    def test_usage(self):
        if BARE:
            self.fail("of no concern")
        self.assertEqual(status()[0], 2)
        self.assertEqual(status("--all", "1")[0], 2)
        self.assertEqual(status("x")[0], 2)
        self.assertEqual(status("--help")[0], 0)
