# SPDX-License-Identifier: Apache-2.0
"""Receivers that are rude, and whatever else keeps spans from their destination."""
import random
import socket
import struct
import threading
import time

from support.collector import Collector
from support.progs import stop_accepting


class Always(list):
    """A receiver's answers: first those, then this one for ever."""

    def __init__(self, last, first=()):
        super().__init__(first)
        self.last = last

    def __bool__(self):
        return True

    def pop(self, index=-1):
        return super().pop(index) if len(self) else self.last


class Partial(Collector):
    """Takes all but three spans of each request (O15)."""
    rejected = 0

    def received(self, path, headers, data):
        before = len(self.spans)  # one connection, one request at a time
        behaviour = super().received(path, headers, data)
        if behaviour != 200:
            return behaviour
        rejected = min(3, len(self.spans) - before)
        with self.changed:
            self.rejected += rejected
        # ExportTraceServiceResponse{partial_success{rejected_spans, error_message: "odd"}}
        return 200, {}, b"\x0a\x07\x08" + bytes([rejected]) + b"\x12\x03odd"


class Rude:
    """Takes connections, and does with them what it is told; delivers nothing."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port = self.listener.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.serve, self.kept, self.spans = serve, [], []
        self.thread = threading.Thread(target=self.run, daemon=True)
        if serve:
            self.thread.start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.kept.append(s)
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        try:
            self.serve(s)
        except (OSError, ValueError):
            pass

    def close(self):
        if self.serve:
            stop_accepting(self.listener, self.thread)
        for s in (self.listener, *self.kept):
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def read_slowly(s):
    while s.recv(1):
        time.sleep(1)


def reset(s):
    s.recv(1000)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class Names:
    """A server of names at an address of its own, as resolv.conf wants it (port 53: the superuser's).
    Knows receiver.test; never answers for silent.test, has failed for broken.test, and all others do
    not exist (RFC 1035)."""

    def __init__(self):
        self.address = "127.53." + ".".join(str(random.randrange(1, 255)) for _ in "12")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 53))
        self.asked = []
        threading.Thread(target=self.run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    @staticmethod
    def name_of(question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        return ".".join(labels), question[12:at + 5], question[at + 1:at + 3]

    def run(self):
        while True:
            try:
                question, whom = self.socket.recvfrom(512)
            except OSError:
                return
            name, section, kind = self.name_of(question)
            self.asked.append(name)
            if name == "silent.test":
                continue
            known = name == "receiver.test" and kind == b"\0\1"
            code = {"receiver.test": 0, "broken.test": 2}.get(name, 3)
            head = question[:2] + bytes([0x81, 0x80 | code, 0, 1, 0, known, 0, 0, 0, 0])
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" if known else b""
            self.socket.sendto(head + section + answer, whom)
