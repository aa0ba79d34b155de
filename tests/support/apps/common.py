# SPDX-License-Identifier: Apache-2.0
"""What the Python programs under test share: a clean end on SIGTERM, and the truth about who caused
what: a request /work?id=X is answered by one call /leaf/<X reversed>."""
import http.server
import signal
import sys


def leaf(backend, ident):
    return f"{backend}/leaf/{ident[::-1]}"


def end_on_sigterm():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


class Handler(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive; a reply is one call of respond()."""
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def read_body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def respond(self, status, body, kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def serve(handler, port):
    end_on_sigterm()
    Server(("127.0.0.1", port), handler).serve_forever(0.05)
