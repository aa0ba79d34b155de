# SPDX-License-Identifier: Apache-2.0
"""The trace in the access logs of programs, by what they can log anyway: the request's traceparent,
which the header tag has given the id of the SERVER span (README)."""
import os
import subprocess
import tempfile
import time

from support import progs
from support.case import WAIT, Feature

EXAMPLES = os.path.join(progs.ROOT, "docs", "examples")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Logs(Feature):
    def ask(self, lab, url):
        done = lab.run(["curl", "-sS", f"-Htraceparent: 00-{TRACE}-{PARENT}-01", url], traced=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def logged(self, path):
        """The words of a log, as soon as there is one."""
        until = time.monotonic() + WAIT
        while not os.path.exists(path) or not os.path.getsize(path):
            self.assertLess(time.monotonic(), until, path)
            time.sleep(0.02)
        with open(path, encoding="utf-8") as f:
            return f.read().split()

    def test_nginx(self):
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        port = progs.free_port()
        prefix = lab.path("nginx")
        os.mkdir(prefix)
        with open(f"{prefix}/nginx.conf", "w", encoding="ascii") as f:
            f.write(progs.NGINX.format(
                user="user www-data;" if os.getuid() == 0 else "", workers=1, prefix=prefix,
                port=port, upstream=second.port, location="").replace(
                    "access_log off;", "log_format trace '$http_traceparent';"
                    f"access_log {prefix}/access.log trace;"))
        edge = lab.start(["/usr/sbin/nginx", "-p", prefix, "-e", f"{prefix}/error.log", "-c",
                          f"{prefix}/nginx.conf"], "nginx", port)
        self.ask(lab, edge.url("/"))
        server, = [s for s in self.spans(lab, 2) if s["kind"] == "SERVER"]
        self.assertEqual(self.logged(f"{prefix}/access.log"),
                         [f"00-{TRACE}-{server['span_id']}-01"])

    def test_gunicorn(self):
        lab = self.lab(GUNICORN_CMD_ARGS="--access-logfile access.log "
                                         "--access-logformat %({traceparent}i)s")
        shop = lab.gunicorn("flask_app:app")
        self.ask(lab, shop.url("/status/200"))
        server, = self.spans(lab, 1)
        self.assertEqual(self.logged(lab.path("access.log")),
                         [f"00-{TRACE}-{server['span_id']}-01"])

    def compile(self, compiler, name):
        directory = tempfile.mkdtemp(prefix="interspan-test-")
        self.addCleanup(subprocess.run, ["rm", "-r", directory], check=True)
        subprocess.run([*compiler, "-Wall", "-Werror", "-I", f"{progs.ROOT}/include", "-o",
                        f"{directory}/it", f"{EXAMPLES}/{name}"], check=True)
        return f"{directory}/it"

    def test_c_program(self):
        """docs/examples/access_log.c: by interspan.h, also for requests that come without a header."""
        lab = self.lab()
        port = progs.free_port()
        server = lab.start([self.compile(["gcc"], "access_log.c"), str(port)], "access_log", port)
        self.ask(lab, server.url("/a"))
        done = lab.run(["curl", "-sS", server.url("/b")], traced=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        spans = {s["attributes"]["url.path"]: s for s in self.spans(lab, 2)}
        self.assertEqual((spans["/a"]["trace_id"], spans["/a"]["parent_span_id"]), (TRACE, PARENT))
        self.assertEqual(server.text().splitlines(), [
            f'"GET {path} HTTP/1.1" 200 trace={spans[path]["trace_id"]} '
            f'span={spans[path]["span_id"]}' for path in ("/a", "/b")])

    def test_examples_of_spans(self):
        """docs/examples/span.*: the same two spans in C++, Python and PHP; nothing without us."""
        programs = {"span.cc": [self.compile(["g++", "-x", "c++"], "span.cc")],
                    "span.py": ["/usr/bin/python3", f"{EXAMPLES}/span.py"],
                    "span.php": ["php", "-d", "ffi.enable=1", f"{EXAMPLES}/span.php"]}
        for name, argv in programs.items():
            with self.subTest(name):
                if name == "span.php" and not progs.have("php"):
                    continue
                lab = self.lab(OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="10000")
                for is_traced in (False, True):
                    done = lab.run(argv, service="job", traced=is_traced)
                    self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
                outer, inner = sorted(self.spans(lab, 2), key=lambda s: s["name"])
                self.assertEqual((outer["name"], outer["attributes"], outer["status"]),
                                 ("import", {"file": "orders.csv"}, "UNSET"))
                self.assertEqual((inner["name"], inner["parent_span_id"], inner["status"]),
                                 ("parse", outer["span_id"], "ERROR"))
                self.assertEqual(inner["attributes"]["error.type"],
                                 "ValueError" if name == "span.py" else "bad_line")
                self.assertEqual([name for name, *_ in inner["events"]], ["half of it"])
