# SPDX-License-Identifier: Apache-2.0
"""Run inside a foreign root: two servers of plain Python, the first of which asks the second over HTTP.
debian_tour.py [CERTIFICATE KEY]: the first over HTTPS.  Prints its port, serves until SIGTERM."""
import http.server
import signal
import ssl
import sys
import threading
import urllib.request


class Second(http.server.BaseHTTPRequestHandler):
    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        self.answer(self.path.encode())


class First(Second):
    def do_GET(self):  # pylint: disable=invalid-name
        with urllib.request.urlopen(f"http://127.0.0.1:{second.server_port}/stock", timeout=20) as reply:
            self.answer(reply.read())


second = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Second)
first = http.server.ThreadingHTTPServer(("127.0.0.1", 0), First)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:3])
    first.socket = context.wrap_socket(first.socket, server_side=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
for server in (first, second):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(first.server_port, flush=True)
signal.pause()
