# SPDX-License-Identifier: Apache-2.0
"""Holds a connection of each kind, and a child that holds some of them: holds.py GIVEN FILE CA CERTIFICATE.

GIVEN is the number of one that is older than this program.  FILE gets the child's pid and what each number is;
FILE.child the same for the child's.  Then it says that it is ready, and waits.
"""
import concurrent.futures
import http.client
import http.server
import json
import os
import resource
import socket
import ssl
import sys
import threading
import time

OURS, HELD, EVER = [], [], threading.Event()
KINDS = {int(sys.argv[1]): "unseen"}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(32)
OTLP = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nUser-Agent: OTel-OTLP-Exporter\r\nContent-Length: 0\r\n\r\n"
HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(196)  # no library of this process has made it
STARTUP = b"\0\0\0\x17\0\3\0\0user\0postgres\0\0"
SO_ZEROCOPY = 60
BEYOND = 1500  # a number of which nothing is told


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass

    def do_GET(self):  # pylint: disable=invalid-name
        OURS.append(self.connection.fileno())
        self.send_response(101 if self.path == "/up" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if self.path == "/up":
            EVER.wait()


def serve(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    KINDS[server.fileno()] = "connections"
    HELD.append(server)
    return server.server_address


def ask(kind, served, connection, path="/", option=None):
    connection.connect()
    if option:
        connection.sock.setsockopt(*option)
    connection.request("GET", path)
    connection.getresponse().read(0)
    KINDS.update({connection.sock.fileno(): kind, OURS.pop(): served})
    HELD.append(connection)


def speak(raw, kind, answered, hello):
    ours = socket.create_connection(raw.getsockname())
    theirs, _ = raw.accept()
    if hello:
        ours.sendall(hello)
        theirs.recv(1024)
    KINDS.update({ours.fileno(): kind, theirs.fileno(): answered})
    HELD.extend((ours, theirs))
    return ours, theirs


def shake_hands(raw, context, trusting):
    """TLS in which nothing is said."""
    ours, theirs = socket.create_connection(raw.getsockname()), raw.accept()[0]
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        served = thread.submit(context.wrap_socket, theirs, server_side=True)
        ends = trusting.wrap_socket(ours, server_hostname="127.0.0.1"), served.result()
    for end in ends:
        KINDS[end.fileno()] = "tls"
        HELD.append(end)


def tell(path, what):
    with open(path + ".new", "w", encoding="ascii") as file:
        json.dump(what, file)
    os.rename(path + ".new", path)


def child(address, path):
    """What it has closed is not its own any more, what it opens is none of its parent's."""
    for fd in [fd for fd, kind in KINDS.items() if kind != "http2"]:
        os.close(fd)
        del KINDS[fd]
    connection = http.client.HTTPConnection(*address)
    connection.request("GET", "/")
    connection.getresponse().read()
    KINDS[connection.sock.fileno()] = "http1"
    tell(path, KINDS)
    EVER.wait()


def main(path, ca, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    plain, secure = serve(), serve(context)
    ask("http1", "http1", http.client.HTTPConnection(*plain))
    ask("upgraded", "upgraded", http.client.HTTPConnection(*plain), "/up")
    ask("never-injected", "http1", http.client.HTTPConnection(*plain), option=(socket.SOL_SOCKET, SO_ZEROCOPY, 1))
    trusting = ssl.create_default_context(cafile=ca)
    ask("https", "https", http.client.HTTPSConnection(*secure, context=trusting))
    raw = socket.create_server(("127.0.0.1", 0))
    KINDS[raw.fileno()] = "connections"
    shake_hands(raw, context, trusting)
    speak(raw, "http2", "http2", PREFACE)
    speak(raw, "opaque", "opaque", b"*1\r\n$4\r\nPING\r\n")
    speak(raw, "postgres", "opaque", STARTUP)
    speak(raw, "telemetry", "telemetry", OTLP)
    speak(raw, "quiet", "quiet", None)
    speak(raw, "tls-waiting", "tls-waiting", HELLO)
    to_nobody = socket.socketpair()
    socket.send_fds(to_nobody[0], [b"x"], [speak(raw, "given-up", "quiet", None)[0].fileno()])
    # A copy is what it is a copy of; numbers that are closed and used again are nothing of the kind.
    ours, theirs = speak(raw, "opaque", "opaque", b"SSH-2.0-x\r\n")
    KINDS[os.dup(ours.fileno())] = KINDS.pop(ours.fileno())
    KINDS.pop(theirs.fileno())
    ours.close()
    theirs.close()
    for end in *to_nobody, *socket.socketpair():
        KINDS[end.fileno()] = "pair"
        HELD.append(end)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] > BEYOND:
        older, _ = speak(raw, "beyond-table", "quiet", None)
        os.dup2(older.fileno(), BEYOND)
        KINDS[BEYOND] = KINDS.pop(older.fileno())
        older.close()
    pid = os.fork()
    if not pid:
        child(plain, path + ".child")
    while not OURS:
        time.sleep(0.01)
    KINDS[OURS.pop()] = "http1"
    tell(path, [pid, KINDS])
    print("ready", flush=True)
    EVER.wait()


main(*sys.argv[2:])
