# SPDX-License-Identifier: Apache-2.0
"""An OTLP/HTTP receiver for tests, independent of the code under test.

    with Collector() as c:
        ... run something with OTEL_EXPORTER_OTLP_ENDPOINT=c.endpoint ...
        spans = c.wait_for(5)

It can misbehave on demand: put answers into c.answers and each request takes the first.
    503 or (503, {"Retry-After": "1"})   that status
    "close"                              no answer, connection closed
    "hang"                               no answer until the collector is closed
"""
import gzip
import http.server
import socket
import socketserver
import threading
import time

from support import otlp_json, otlp_wire


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def send_error(self, code, message=None, explain=None):
        """What is no request at all."""
        self.server.collector.errors.append(f"{code} {message}: {self.raw_requestline!r}")
        super().send_error(code, message, explain)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, headers=None, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):  # pylint: disable=invalid-name
        collector = self.server.collector
        data = self.body()
        time.sleep(collector.delay)
        behaviour = collector.received(self.path, dict(self.headers), data)
        if behaviour == "hang":
            collector.closing.wait(60)
            behaviour = "close"
        if behaviour == "close":
            self.close_connection = True
        elif isinstance(behaviour, tuple):
            self.answer(*behaviour)
        else:
            self.answer(behaviour)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def get_request(self):
        self.collector.connections += 1
        return super().get_request()

    def handle_error(self, request, client_address):
        pass  # a program that was killed has not said good-bye


class UnixServer(Server):
    """At a path, for a client that has no address."""
    address_family = socket.AF_UNIX

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)

    def get_request(self):
        s, _ = super().get_request()
        return s, ("unix", 0)


class Waiting:
    """Spans that arrive, and who waits for them."""

    def __init__(self):
        self.changed = threading.Condition()
        self.spans = []     # decoded, of accepted requests
        self.requests = []  # (path, headers, body), all of them

    def clear(self):
        with self.changed:
            self.spans.clear()
            self.requests.clear()

    def wait_until(self, is_enough, seconds):
        """Waits until is_enough(spans); returns a copy of the spans, enough or not."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not is_enough(self.spans):
                left = deadline - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    break
            return list(self.spans)

    def wait_for(self, count, seconds=5.0, settle=0.0):
        """Waits for count spans, then settle seconds for such as should not come."""
        self.wait_until(lambda spans: len(spans) >= count, seconds)
        if settle:
            time.sleep(settle)
        with self.changed:
            return list(self.spans)


class Collector(Waiting):
    def __init__(self, port=0, unix=None):
        super().__init__()
        self.server = UnixServer(unix, Handler) if unix else Server(("127.0.0.1", port), Handler)
        self.server.collector = self
        self.port = None if unix else self.server.server_address[1]
        self.endpoint = f"unix:{unix}" if unix else f"http://127.0.0.1:{self.port}"
        self.closing = threading.Event()
        self.errors = []    # what was malformed, as text
        self.answers = []   # see above
        self.delay = 0.0    # seconds, before each answer
        self.connections = 0

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def received(self, path, headers, data):
        """Takes a request down; returns how to answer it."""
        with self.changed:
            self.requests.append((path, headers, data))
            behaviour = self.answers.pop(0) if self.answers else 200
            if behaviour == 200:
                try:
                    self.take(path, headers, data)
                except (otlp_wire.Malformed, KeyError, ValueError) as error:
                    self.errors.append(f"{path}: {error}")
                    behaviour = 400
            self.changed.notify_all()
        return behaviour

    def take(self, path, headers, data):
        lower = {name.lower(): value for name, value in headers.items()}
        kind = lower.get("content-type")
        if path != "/v1/traces" or kind not in ("application/x-protobuf", "application/json"):
            raise otlp_wire.Malformed(f"{path} with {kind}")
        if lower.get("content-encoding") == "gzip":
            data = gzip.decompress(data)
        decode = otlp_json.decode if kind == "application/json" else otlp_wire.decode
        self.spans.extend(decode(data))
