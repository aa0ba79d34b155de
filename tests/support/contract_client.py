# SPDX-License-Identifier: Apache-2.0
"""Both ends of a server under test, bare, in the test's process: a plain client that asks for all of
the contract (apps/contract.py), and a back end that notes what it was asked."""
import hashlib
import io
import re
import socket
import sys
import threading

from support.progs import APPS

sys.path.append(APPS)
import common  # pylint: disable=wrong-import-position
import contract  # pylint: disable=wrong-import-position

MIB = bytes(range(255, -1, -1)) * 4096
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
INBOUND = f"traceparent: 00-{TRACE}-{PARENT}-01\r\n"


def md5(data):
    return hashlib.md5(data).hexdigest().encode()


class Tee(io.RawIOBase):
    """Reads a socket, and keeps what it has read."""

    def __init__(self, sock, kept):
        super().__init__()
        self.sock, self.kept = sock, kept

    def readable(self):
        return True

    def readinto(self, buffer):
        n = self.sock.recv_into(buffer)
        self.kept += memoryview(buffer)[:n]
        return n


class Recorder:
    """A back end that keeps the contract; asked = [(method, path, [traceparent, ...]), ...];
    streams: every byte that came, by connection."""

    def __init__(self, context=None):
        """context: to speak TLS with."""
        asked, streams = self.asked, self.streams = [], []

        class Handler(contract.Contract):
            def setup(self):
                super().setup()
                streams.append(bytearray())
                self.rfile = io.BufferedReader(Tee(self.connection, streams[-1]))

            def parse_request(self):
                good = super().parse_request()
                if good:
                    asked.append((self.command, self.path,
                                  self.headers.get_all("traceparent") or []))
                return good

            def do_POST(self):  # pylint: disable=invalid-name
                if self.path == "/leaf":
                    self.respond(200, self.read_body()[::-1])
                else:
                    super().do_POST()

        self.server = common.Server(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Step:
    """A request, and the literals of its answer."""

    def __init__(self, method, path, status, answer, body=None, headers="", chunk=0):
        self.method, self.path, self.status, self.answer = method, path, status, answer
        self.body, self.headers, self.chunk = body, headers, chunk

    def pieces(self):
        """What to send, in pieces."""
        framing = ""
        if self.body is not None:
            framing = ("Transfer-Encoding: chunked\r\n" if self.chunk else
                       f"Content-Length: {len(self.body)}\r\n")
            framing += "Content-Type: application/octet-stream\r\n"
        yield (f"{self.method} {self.path} HTTP/1.1\r\nHost: contract\r\n{self.headers}{framing}"
               "\r\n").encode()
        if self.body is not None and self.chunk:
            for at in range(0, len(self.body), self.chunk):
                piece = self.body[at:at + self.chunk]
                yield b"%x\r\n%s\r\n" % (len(piece), piece)
            yield b"0\r\n\r\n"
        elif self.body is not None:
            yield self.body


def script(asks, does_work):
    """The steps for a server that can be asked for so much; some come with a trace."""
    steps = [Step("GET", "/page", 200, b"page\n"), Step("GET", "/page", 200, b"page\n"),
             Step("HEAD", "/page", 200, b""), Step("GET", "/big", 200, contract.BIG),
             Step("GET", "/nothing", 404, None)]
    if "stream" in asks:
        steps.append(Step("GET", "/stream", 200, contract.PIECE * contract.PIECES))
    if "sum" in asks:
        steps.append(Step("POST", "/sum", 200, md5(MIB), MIB))
    if "chunked" in asks:
        steps.append(Step("POST", "/sum", 200, md5(MIB), MIB, chunk=50_000))
    if does_work:
        steps.append(Step("POST", "/work", 200, b"an-ident", b"an-ident"))
        steps.append(Step("POST", "/work", 200, b"an-ident", b"an-ident", INBOUND))
    steps.append(Step("GET", "/page", 200, b"page\n", headers=INBOUND))
    return steps


class Reply:
    """What came back: without what differs from run to run."""
    VARYING = re.compile(r"^(date|last-modified|etag):.*", re.I)

    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.lines = [self.VARYING.sub(r"\1", line) for line in lines]
        self.body = body

    def told(self):
        return self.lines, len(self.body), md5(self.body)


class Client:
    """Keeps its connection as long as the server lets it."""

    def __init__(self, port, context=None):
        """context: to speak TLS with."""
        self.port, self.context, self.sock, self.file = port, context, None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.sock:
            self.file.close()
            self.sock.close()
        self.sock = None

    def ask(self, step):
        if not self.sock:
            self.sock = socket.create_connection(("127.0.0.1", self.port), 20)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                self.sock = self.context.wrap_socket(self.sock, server_hostname="localhost")
            self.file = self.sock.makefile("rb")
        for piece in step.pieces():
            self.sock.sendall(piece)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.file.readline()
            if not line:
                raise EOFError(f"{step.method} {step.path}: {head!r}")
            head += line
        lower = head.lower()
        body = b"" if step.method == "HEAD" else self.read_body(lower)
        if b"\r\nconnection: close" in lower or lower.startswith(b"http/1.0"):
            self.close()
        return Reply(head, body)

    def read_body(self, head):
        length = re.search(rb"\r\ncontent-length: *(\d+)", head)
        if length:
            return self.file.read(int(length[1]))
        if not re.search(rb"\r\ntransfer-encoding: *chunked", head):
            return self.file.read()
        body = b""
        while size := int(self.file.readline(), 16):
            body += self.file.read(size)
            self.file.readline()
        self.file.readline()
        return body
