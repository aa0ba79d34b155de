# SPDX-License-Identifier: Apache-2.0
"""What the Python programs under test share: a clean end on SIGTERM, and the truth about who caused
what: POST /work with an id is answered by one call, POST /leaf with the id reversed."""
import http.client
import http.server
import os
import signal
import ssl
import sys
import threading

KIND = {"Content-Type": "text/plain"}
LOCAL = threading.local()


def leaf(backend):
    return f"{backend}/leaf"


def call_leaf(backend, ident):
    """The call below by the standard library, on a connection that this thread keeps."""
    if not hasattr(LOCAL, "connection"):
        scheme, _, authority = backend.partition("://")
        kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}[scheme]
        LOCAL.connection = kind(authority, timeout=20)
    LOCAL.connection.request("POST", "/leaf", ident[::-1], KIND)
    return LOCAL.connection.getresponse().read()


def end_on_sigterm():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


class Handler(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive; a reply is one call of respond()."""
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

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

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


def serve(handler, port):
    """Over TLS if CERTIFICATE in the environment names a file with one, and its key."""
    end_on_sigterm()
    server = Server(("127.0.0.1", port), handler)
    if os.environ.get("CERTIFICATE"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["CERTIFICATE"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever(0.05)
