# SPDX-License-Identifier: Apache-2.0
"""A worker is killed in the middle of a request: the request is told, once, with the signal's name if
its master has heard it, by whoever is left of the server."""
import os
import signal
import socket
import unittest

from support import rawhttp
from support.case import Feature
from support.progs import session_pids


class Killed(Feature):
    def by_path(self, spans, kind):
        found = {}
        for s in spans:
            if s["kind"] == kind:
                found.setdefault(s["attributes"].get("url.path") or
                                 s["attributes"]["url.full"].rpartition("/")[2], []).append(s)
        return found

    def test_gunicorn(self):
        self.need("/usr/bin/gunicorn")
        lab = self.lab()
        server = lab.gunicorn("dies:app", workers=2, service="shop")
        ends = {"/SIGKILL": "SIGKILL", "/SIGSEGV": "SIGSEGV", "/abort": "SIGABRT"}
        for path in ends:
            self.assertEqual(rawhttp.get(server.port, path), b"")
        self.assertIn(b"ok", rawhttp.get(server.port, "/after"))
        found = self.by_path(self.spans(lab, len(ends) + 1), "SERVER")
        self.assert_attributes(found["/after"][0], http_response_status_code=200, error_type=None)
        for path, name in ends.items():
            self.assertEqual(len(found[path]), 1)
            self.assert_attributes(found[path][0], error_type=name)
            self.assertEqual(found[path][0]["status"], "ERROR")

    def test_nginx(self):
        self.need("nginx")
        lab = self.lab()
        with rawhttp.listen() as upstream:
            upstream.settimeout(30)
            server = lab.nginx(upstream.getsockname()[1], service="edge", workers=1)
            with socket.create_connection(("127.0.0.1", server.port), 30) as s:
                s.sendall(b"GET /open HTTP/1.1\r\nHost: x\r\n\r\n")
                held, _ = upstream.accept()
                self.assertIn(b"GET /open", held.recv(4096))
                workers = [pid for pid in session_pids(server.pid) if pid != server.pid]
                self.assertEqual(len(workers), 1)
                os.kill(workers[0], signal.SIGKILL)
                self.assertEqual(held.recv(4096), b"")
                held.close()
            with socket.create_connection(("127.0.0.1", server.port), 30) as s:
                s.sendall(b"GET /after HTTP/1.1\r\nHost: x\r\n\r\n")
                held, _ = upstream.accept()
                self.assertIn(b"GET /after", held.recv(4096))
                held.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
                self.assertIn(b"200 OK", s.recv(4096))
                held.close()
            spans = self.spans(lab, 4)
        for kind in "SERVER", "CLIENT":
            found = self.by_path(spans, kind)
            after, left = (found[p] for p in sorted(found, key=lambda p: "after" not in p))
            self.assertEqual((len(after), len(left)), (1, 1))
            self.assert_attributes(after[0], error_type=None)
            self.assert_attributes(left[0], error_type="SIGKILL")
            self.assertEqual(left[0]["resource"]["process.pid"], workers[0])


if __name__ == "__main__":
    unittest.main()
