# SPDX-License-Identifier: Apache-2.0
"""Byte-exact HTTP peers: they send the bytes that they are told to, in the pieces that they are told
to, and record exactly what arrived.  They do not understand HTTP.

A script is a list of connections, a connection a list of steps:
    ["send", data]            one send call
    ["drip", data, size]      one send call for every size bytes
    ["read", count, size]     exactly count bytes, by calls of at most size bytes
    ["pieces", count, size]   exactly count bytes, into vectors of pieces of size bytes
    ["peek", count]           looks at that many bytes; the reads that follow must find the same
    ["head", extra, size]     up to an empty line and extra bytes more
    ["eof", size]             until the peer closes
    ["shut"]                  end of what we send
    ["pause", seconds]

In a test's own process: play().  As a program to be preloaded:
    rawhttp.py serve PORTFILE SCRIPT RECORD      accepts one connection after the other
    rawhttp.py connect PORT SCRIPT RECORD
Scripts and records are JSON, bytes in it are latin-1 text.
"""
import json
import os
import socket
import sys
import threading
import time


class Peer:
    """One connection that plays a script; what has been received is in received."""

    def __init__(self, sock):
        self.sock = sock
        self.received = b""
        self.seen = 0  # bytes of received that a step has asked for
        self.peeked = b""  # what comes next, as far as it was shown
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def more(self, size):
        return self.took(self.sock.recv(size))

    def took(self, data):
        both = min(len(data), len(self.peeked))
        if data[:both] != self.peeked[:both]:
            raise ValueError(f"{data!r} was shown as {self.peeked!r}")
        self.peeked = self.peeked[both:]
        self.received += data
        return data

    def pieces(self, count, size):
        while count:
            vector = [bytearray(min(size, count - at)) for at in range(0, count, size)]
            got, *_ = self.sock.recvmsg_into(vector)
            if not got:
                raise EOFError(f"{count} bytes are missing: {self.received!r}")
            self.seen += got
            count -= len(self.took(b"".join(vector)[:got]))

    def until(self, position, size):
        while len(self.received) < position:
            if not self.more(size):
                raise EOFError(f"{len(self.received)} bytes of {position}: {self.received!r}")

    def head(self, extra, size):
        while (end := self.received.find(b"\r\n\r\n", self.seen)) < 0:
            if not self.more(size):
                raise EOFError(f"no head in {self.received[self.seen:]!r}")
        self.seen = end + 4 + extra
        self.until(self.seen, size)

    def step(self, verb, *args):
        if verb == "send":
            self.sock.sendall(args[0])
        elif verb == "drip":
            for at in range(0, len(args[0]), args[1]):
                self.sock.sendall(args[0][at:at + args[1]])
        elif verb == "read":
            self.seen += args[0]
            self.until(self.seen, args[1])
        elif verb == "pieces":
            self.pieces(*args)
        elif verb == "peek":
            self.peeked = self.sock.recv(args[0], socket.MSG_PEEK | socket.MSG_WAITALL)
        elif verb == "head":
            self.head(*args)
        elif verb == "eof":
            while self.more(args[0]):
                pass
        elif verb == "shut":
            self.sock.shutdown(socket.SHUT_WR)
        elif verb == "pause":
            time.sleep(args[0])
        else:
            raise ValueError(verb)

    def play(self, steps):
        for step in steps:
            self.step(*step)


def to_json(script):
    return [[[a.decode("latin-1") if isinstance(a, bytes) else a for a in step] for step in steps]
            for steps in script]


def from_json(script):
    return [[[step[0]] + [a.encode("latin-1") if isinstance(a, str) else a for a in step[1:]]
             for step in steps] for steps in script]


def connect(port, script):
    """Plays a script as client; returns what each connection received."""
    records = []
    for steps in script:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            peer = Peer(sock)
            peer.play(steps)
            records.append(peer.received)
    return records


def get(port, path):
    """All that is answered, until the other end closes; nothing, if that has died."""
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        got = b""
        try:
            while data := s.recv(4096):
                got += data
        except ConnectionResetError:
            pass
        return got


def serve(listener, script):
    """Plays a script as server; returns what each connection received."""
    records = []
    for steps in script:
        sock, _ = listener.accept()
        with sock:
            peer = Peer(sock)
            peer.play(steps)
            records.append(peer.received)
    return records


def listen():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    return listener


class Background:
    """A bare peer in a thread of the test: with Background(serve, listener, script) as b: ..."""

    def __init__(self, play, *args):
        self.result, self.error = None, None
        self.thread = threading.Thread(target=self.run, args=(play, args), daemon=True)

    def run(self, play, args):
        try:
            self.result = play(*args)
        except (OSError, EOFError) as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(10)

    def records(self):
        self.thread.join(10)
        if self.error or self.result is None:
            raise AssertionError(f"bare peer: {self.error or 'still waiting'}")
        return self.result


def main():
    role, where, script_path, record_path = sys.argv[1:]
    with open(script_path, encoding="ascii") as f:
        script = from_json(json.load(f))
    if role == "serve":
        listener = listen()
        with open(where + ".new", "w", encoding="ascii") as f:
            f.write(str(listener.getsockname()[1]))
        os.rename(where + ".new", where)
        records = serve(listener, script)
    else:
        records = connect(int(where), script)
    with open(record_path, "w", encoding="ascii") as f:
        json.dump([r.decode("latin-1") for r in records], f)


if __name__ == "__main__":
    main()
