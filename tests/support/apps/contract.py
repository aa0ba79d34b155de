# SPDX-License-Identifier: Apache-2.0
"""What every server under test is asked for, in whatever language it is written:

    GET, HEAD /page    5 bytes           GET /stream    64 KiB, of no length told in advance
    GET /big           1 MiB             POST /sum      MD5 of the body, in hexadecimal
    anything else      404               POST /work     the id's way down (common.py)

Here as a WSGI application (BACKEND in the environment), and as handler of http.server."""
import hashlib
import os

import common

BIG = bytes(range(256)) * 4096
PIECE, PIECES = bytes(range(256)) * 16, 16
KIND = [("Content-Type", "text/plain")]


def read_input(environ):
    length = environ.get("CONTENT_LENGTH")
    return environ["wsgi.input"].read(int(length) if length else -1)


def reply(environ):
    """(status, body)"""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if method == "POST" and path == "/sum":
        return "200 OK", hashlib.md5(read_input(environ)).hexdigest().encode()
    if method == "POST" and path == "/work":
        return "200 OK", common.call_leaf(os.environ["BACKEND"], read_input(environ))
    if path in ("/page", "/big"):
        return "200 OK", b"page\n" if path == "/page" else BIG
    return "404 Not Found", b"nothing here\n"


def app(environ, start_response):
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", KIND)
        return (PIECE for _ in range(PIECES))
    status, body = reply(environ)
    start_response(status, KIND + [("Content-Length", str(len(body)))])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


class Contract(common.Handler):
    backend = ""

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(PIECES):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self):  # pylint: disable=invalid-name
        bodies = {"/page": b"page\n", "/big": BIG}
        if self.path == "/stream":
            self.stream()
        elif self.path in bodies:
            self.respond(200, bodies[self.path])
        else:
            self.respond(404, b"nothing here\n")

    do_HEAD = do_GET

    def do_POST(self):  # pylint: disable=invalid-name
        body = self.read_body()
        if self.path == "/sum":
            self.respond(200, hashlib.md5(body).hexdigest().encode())
        elif self.path == "/work":
            self.respond(200, common.call_leaf(self.backend, body))
        else:
            self.respond(404, b"nothing here\n")
