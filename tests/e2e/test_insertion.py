# SPDX-License-Identifier: Apache-2.0
"""Our lines in a request that leaves by any call, in any pieces, through a full socket: the stream is
right, and the calls tell the application how many of its own bytes were taken."""
import os
import socket
import subprocess
import tempfile
import threading
import time

from support.case import Feature, Transparency
from support.progs import stop_accepting
from test_framing import TRACEPARENT, strip_ours

HERE = os.path.dirname(os.path.abspath(__file__))
CALLS = ("write", "writev", "send", "sendto", "sendmsg")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
BODY = b"name=value&more=\r\n\r\n"
SMALL = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def build_writer():
    directory = tempfile.TemporaryDirectory(prefix="interspan-writer-")
    program = os.path.join(directory.name, "writer")
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-o", program,
                    os.path.join(HERE, "writer.c")], check=True)
    return directory, program


class Sink:
    """Accepts connections; reads each until the head and body bytes after it are there."""

    def __init__(self, body, slow):
        self.body, self.slow, self.received = body, slow, []
        self.listener = socket.socket()
        if slow:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        stop_accepting(self.listener, self.thread)

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(10)
                self.received.append(self.take(sock))

    def take(self, sock):
        data, end = b"", -1
        try:
            while end < 0 or len(data) < end + 4 + self.body:
                piece = sock.recv(1500 if self.slow else 65536)
                if not piece:
                    return data
                data += piece
                end = data.find(b"\r\n\r\n", max(0, len(data) - len(piece) - 3)) if end < 0 else end
                if self.slow:
                    time.sleep(0.0002)
            sock.sendall(ANSWER)
        except OSError:
            pass
        return data


class Insertion(Transparency):
    @classmethod
    def setUpClass(cls):
        cls.directory, cls.writer = build_writer()
        cls.addClassCleanup(cls.directory.cleanup)

    def write(self, lab, text, call, mode, cuts, slow=False, **env):
        """Bytes received and lines told, for each cut."""
        with Sink(len(BODY), slow) as sink:
            done = lab.run([self.writer, str(sink.port), call, mode, *map(str, cuts)], stdin=text,
                           timeout=60, **env)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = [dict(word.split("=") for word in line.split())
                for line in done.stdout.decode().splitlines()]
        self.assertEqual(len(told), len(cuts))
        return sink.received, told

    def assert_stream(self, text, received, told, cuts):
        for data, counts, cut in zip(received, told, cuts, strict=True):
            self.assertEqual(strip_ours(data), text, f"cut at {cut}")
            self.assertEqual((int(counts["taken"]), counts["too_much"]), (len(text), "0"),
                             f"cut at {cut}: {counts}")

    def test_every_call_and_every_cut(self):
        cuts = list(range(1, len(SMALL)))
        for call in CALLS:
            for mode in ("block", "poll"):
                with self.subTest(call=call, mode=mode):
                    lab = self.lab()
                    received, told = self.write(lab, SMALL, call, mode, cuts)
                    self.assert_stream(SMALL, received, told, cuts)
                    self.assert_loaded(lab, "writer", 1, hooked=True)
                    if not self.is_bare():
                        # Also with the empty line torn, since nothing else can start with CR.
                        late = {c for c, d in zip(cuts, received) if not TRACEPARENT.search(d)}
                        self.assertEqual(late, set())

    def test_full_socket_and_slow_reader(self):
        """A head of 40 kB through the smallest buffers: the kernel cuts where it likes, and the
        padding walks these cuts through our line."""
        for call in CALLS:
            for mode in ("block", "poll"):
                partial = 0
                with self.subTest(call=call, mode=mode):
                    lab = self.lab()
                    for pad in range(0, 120, 15):
                        text = big(pad)
                        received, told = self.write(lab, text, call, mode, [1, -len(BODY)], True,
                                                    SNDBUF="2048")
                        self.assert_stream(text, received, told, [1, -len(BODY)])
                        partial += sum(int(counts["partial"]) for counts in told)
                        if not self.is_bare():
                            for data in received:
                                self.assertEqual(len(TRACEPARENT.findall(data)), 1)
                    if mode == "poll":
                        self.assertGreater(partial, 100, "the kernel took all: nothing was tested")


def big(pad):
    line = b"X-Pad-%03d: " + b"p" * 86 + b"\r\n"
    head = b"POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n" % len(BODY)
    return (head + b"".join(line % n for n in range(400)) + b"X-End: " + b"e" * pad + b"\r\n\r\n"
            + BODY)


class Spans(Feature):
    def test_span_of_a_request_that_left_in_pieces(self):
        directory, writer = build_writer()
        self.addCleanup(directory.cleanup)
        lab = self.lab()
        with Sink(len(BODY), True) as sink:
            lab.run([writer, str(sink.port), "writev", "poll", "100", "2000"], stdin=big(3),
                    SNDBUF="2048")
        spans = self.spans(lab, 2)
        carried = [TRACEPARENT.search(data).groups()[:2] for data in sink.received]
        self.assertEqual(sorted(carried), sorted((s["trace_id"].encode(), s["span_id"].encode())
                                                 for s in spans))
