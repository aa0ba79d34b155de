# SPDX-License-Identifier: Apache-2.0
"""An OTLP/gRPC receiver for tests: HTTP/2 by python3-h2, framing and trailers by hand (O30-O37).

    with GrpcCollector() as c:            # cleartext, from the first byte
    with GrpcCollector(ssl=context) as c: # TLS, ALPN h2
        ... OTEL_EXPORTER_OTLP_PROTOCOL=grpc, OTEL_EXPORTER_OTLP_ENDPOINT=c.endpoint ...

Beside what Collector has: c.replies, from which each call takes the first: (grpc-status, grpc-message,
other trailers, message); without one a call that is well-formed ends with status 0.  Or a word:
    "hang"     the connection is read on, and never answered again
    "break"    the head of an answer, and then the connection ends
    "refuse"   the stream is reset: REFUSED_STREAM
    "go away"  the answer, and then the connection ends in good order
"""
import gzip
import socket
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events

from support import otlp_wire
from support.collector import Waiting
from support.progs import stop_accepting

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
HEADERS = {":method": "POST", ":path": METHOD, "content-type": "application/grpc", "te": "trailers"}


class GrpcCollector(Waiting):
    def __init__(self, ssl=None, unix=None):
        super().__init__()
        self.ssl, self.thread = ssl, None
        if unix:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(unix)
            self.endpoint = f"unix://{unix}"
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
            self.endpoint = f"http{'s' * bool(ssl)}://localhost:{self.port}"
        self.listener.listen(16)
        self.requests = []  # (headers, body), all of them
        self.errors = []    # what was malformed, or a connection that failed, as text
        self.replies = []   # see above

    def __enter__(self):
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        stop_accepting(self.listener, self.thread)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection:
                connection.settimeout(30)
                if self.ssl:
                    with self.ssl.wrap_socket(connection, server_side=True) as tls:
                        if tls.selected_alpn_protocol() != "h2":
                            raise otlp_wire.Malformed(f"ALPN {tls.selected_alpn_protocol()}")
                        self.talk(tls)
                else:
                    self.talk(connection)
        except (OSError, ValueError, h2.exceptions.ProtocolError) as error:
            with self.changed:
                self.errors.append(f"{type(error).__name__}: {error}")
                self.changed.notify_all()

    def talk(self, connection):
        http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        http.initiate_connection()
        connection.sendall(http.data_to_send())
        heads, bodies = {}, {}
        http.is_silent = http.is_over = False
        while not http.is_over and (data := connection.recv(65536)):
            for event in http.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    heads[event.stream_id] = {k.decode() if isinstance(k, bytes) else k:
                                              v.decode() if isinstance(v, bytes) else v
                                              for k, v in event.headers}
                    bodies[event.stream_id] = b""
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.answer(http, event.stream_id, heads.pop(event.stream_id),
                                bodies.pop(event.stream_id))
            data = http.data_to_send()
            if not http.is_silent:
                connection.sendall(data)

    def answer(self, http, stream, headers, body):
        with self.changed:
            self.requests.append((headers, body))
            if http.is_silent:
                self.changed.notify_all()
                return
            reply = self.replies.pop(0) if self.replies else (0, "", {}, b"")
            if isinstance(reply, str):
                http.is_silent, http.is_over = reply == "hang", reply in ("break", "go away")
                if reply == "refuse":
                    http.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
                if reply == "break":
                    http.send_headers(stream, [(":status", "200"),
                                               ("content-type", "application/grpc")])
                if reply != "go away":
                    self.changed.notify_all()
                    return
                reply = 0, "", {}, b""
            if reply[0] == 0:
                try:
                    self.take(headers, body)
                except (otlp_wire.Malformed, KeyError, ValueError, OSError) as error:
                    self.errors.append(str(error))
                    reply = (3, "malformed", {}, b"")
            self.changed.notify_all()
        status, message, more, data = reply
        trailers = [("grpc-status", str(status)), *more.items()]
        if message:
            trailers.append(("grpc-message", message))
        head = [(":status", "200"), ("content-type", "application/grpc")]
        if status:  # trailers only
            http.send_headers(stream, head + trailers, end_stream=True)
            return
        http.send_headers(stream, head)
        http.send_data(stream, b"\0" + len(data).to_bytes(4, "big") + data)
        http.send_headers(stream, trailers, end_stream=True)
        if http.is_over:
            http.close_connection()

    def take(self, headers, body):
        wrong = {k: headers.get(k) for k, v in HEADERS.items() if headers.get(k) != v}
        if wrong or "content-encoding" in headers:
            raise otlp_wire.Malformed(f"headers {wrong or 'content-encoding'}")
        if len(body) < 5 or int.from_bytes(body[1:5], "big") != len(body) - 5:
            raise otlp_wire.Malformed(f"length of the message in {body[:5]}")
        if body[0] not in (0, 1) or (body[0] and headers.get("grpc-encoding") != "gzip"):
            raise otlp_wire.Malformed(f"flag {body[0]}, encoding {headers.get('grpc-encoding')}")
        message = gzip.decompress(body[5:]) if body[0] else body[5:]
        self.spans.extend(otlp_wire.decode(message))
