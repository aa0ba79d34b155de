# SPDX-License-Identifier: Apache-2.0
"""The trace in the access logs of programs, by what they can log anyway: the request's traceparent,
which the header tag has given the id of the SERVER span (README)."""
import os
import time

from support import progs
from support.case import WAIT, Feature

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
