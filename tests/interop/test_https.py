# SPDX-License-Identifier: Apache-2.0
"""The contracts of tests/e2e/test_clients.py and test_servers.py over TLS, with a certificate of an
authority of our own: bytes as bare but for one right traceparent in each request, spans of both
sides joined; bodies of all sizes; and what is not HTTP/1 passes as it is."""
import functools
import hashlib
import os
import socket
import threading

import test_clients
import test_servers
from support import certificates, servers_tls
from support.case import Feature, Transparency
from support.contract_client import Recorder
from support.progs import PYTHON, Lab
from test_clients import Client, python
from test_servers import of_kind

# Java's TLS is Java, and is not seen; for node's see test_https_node.py.
CLIENTS = {name: test_clients.CLIENTS[name] for name in (
    "curl", "wget", "urllib", "http.client", "requests", "aiohttp", "php streams", "ruby net/http",
    "perl LWP")}
CLIENTS["httpx"] = python("httpx", 1, "module:httpx")
CLIENTS["httpx async"] = python("httpx-async", 1, "module:httpx")
CLIENTS["php curl"] = Client(["php", test_clients.path("client_curl.php")], ["php", "php:curl"], 1, 7)


class ClientRun(test_clients.Run):
    scheme, host = "https", "localhost"

    def __init__(self, client, bare):
        self.context = certificates.make().server_context()
        self.env = certificates.make().trusted
        super().__init__(client, bare)


@functools.lru_cache(None)
def client_runs(name, bare):
    return ClientRun(CLIENTS[name], True), ClientRun(CLIENTS[name], bare)


@test_clients.one_for_each
class ClientsSameBytes(test_clients.CheckBytes):
    clients, runs = CLIENTS, staticmethod(client_runs)


class CheckClients(test_clients.CheckSpans):
    def check(self, client, bare, run):
        super().check(client, bare, run)
        for span in of_kind(run.spans, "CLIENT"):
            self.assertTrue(span["attributes"]["url.full"].startswith("https://localhost:"))


@test_clients.one_for_each
class ClientsSpans(CheckClients):
    clients, runs = CLIENTS, staticmethod(client_runs)


class ServerRun(test_servers.Run):
    def __init__(self, server, bare):
        ca = certificates.make()
        self.contexts = ca.client_context(), ca.server_context()
        super().__init__(server, bare)


class LighttpdRun(test_servers.Run):
    def __init__(self, server, bare):
        self.contexts = certificates.make().client_context(), None
        super().__init__(server, bare)


SERVERS = {**servers_tls.SERVERS, "lighttpd": servers_tls.LIGHTTPD_ALONE}


def haproxy_run(server, bare):
    """haproxy 2.6 between TLS and TLS may forget the end of a large answer: in 4 of 240 bare runs it
    waits, and the sockets of both sides are read empty.  A bare run that does so is told of and made
    again, twice at most; a preloaded one is never."""
    for _ in range(2 * bare):
        try:
            return ServerRun(server, bare)
        except TimeoutError:
            print("     haproxy, bare: forgot the end of an answer; once more")
    return ServerRun(server, bare)


KINDS = {"lighttpd": LighttpdRun, "haproxy": haproxy_run}


@functools.lru_cache(None)
def server_runs(name, bare):
    kind = KINDS.get(name, ServerRun)
    return kind(SERVERS[name], True), kind(SERVERS[name], bare)


@test_servers.one_for_each
class ServersSameBytes(test_servers.CheckBytes):
    servers, runs = SERVERS, staticmethod(server_runs)


class CheckServers(test_servers.CheckSpans):
    def check(self, name, bare, run):
        super().check(name, bare, run)
        for span in of_kind(run.spans, "SERVER"):
            self.assertEqual(span["attributes"]["url.scheme"], "https")


@test_servers.one_for_each
class ServersSpans(CheckServers):
    servers, runs = SERVERS, staticmethod(server_runs)


SIZES = [0, 1, 16_383, 16_384, 16_385, 1_000_003, 64 << 20]
PIECE = bytes(range(251)) * 4177  # a MiB, and of no power of two

POST = """
import sys, urllib.request
body = open(sys.argv[2], "rb").read()
print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], body)).read().decode())
"""
POST_ASYNC = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        with open(sys.argv[2], "rb") as body:
            async with session.post(sys.argv[1], data=body.read()) as answer:
                print(await answer.text())
asyncio.run(main())
"""
POSTS = {
    "curl": lambda url, path: ["curl", "-sS", "-H", "Expect:", "--data-binary", f"@{path}", url],
    "wget": lambda url, path: ["wget", "-q", "-O", "-", f"--post-file={path}", url],
    "urllib": lambda url, path: [PYTHON, "-c", POST, url, path],
    "aiohttp": lambda url, path: [PYTHON, "-c", POST_ASYNC, url, path],
}


def body_of(size):
    return (PIECE * (size // len(PIECE) + 1))[:size]


class Sizes(Transparency):
    """What arrives through nginx, which decrypts and encrypts, and what it sends from files."""

    def start(self):
        self.need("nginx")
        lab, ca = self.lab(), certificates.make()
        below = Recorder(ca.server_context())
        self.addCleanup(below.__exit__)
        below.__enter__()
        edge = servers_tls.nginx(lab, below.port)
        for size in SIZES:
            with open(lab.path(f"body-{size}"), "wb") as f:
                f.write(body_of(size))
        return lab, below, edge

    def check_posts(self, name, sizes=tuple(SIZES)):
        lab, below, edge = self.start()
        for size in sizes:
            argv = POSTS[name](f"https://localhost:{edge.port}/sum", lab.path(f"body-{size}"))
            done = lab.run(argv, timeout=120, **certificates.make().trusted)
            self.assertEqual((done.returncode, done.stderr), (0, b""), (name, size))
            self.assertEqual(done.stdout.strip().decode(), hashlib.md5(body_of(size)).hexdigest(),
                             (name, size))
        if not self.is_bare():
            headers = [told for _, _, told in below.asked]
            self.assertEqual([len(told) for told in headers], [1] * len(sizes))
            self.assertEqual(len({told[0] for told in headers}), len(sizes))

    def test_posts_by_curl(self):
        self.check_posts("curl")

    def test_posts_by_wget(self):
        self.need("wget")
        self.check_posts("wget")

    def test_posts_by_urllib(self):
        self.check_posts("urllib")

    def test_posts_by_aiohttp(self):
        self.need("module:aiohttp")
        self.check_posts("aiohttp", SIZES[1:-1])

    def test_files(self):
        lab, _, edge = self.start()
        for size in SIZES:
            done = lab.run(["curl", "-sS", f"https://localhost:{edge.port}/files/body-{size}"],
                           timeout=120, **certificates.make().trusted)
            self.assertEqual((done.returncode, done.stderr), (0, b""), size)
            self.assertEqual(hashlib.md5(done.stdout).digest(),
                             hashlib.md5(body_of(size)).digest(), size)

    def test_slow_reader(self):
        """The server's records wait for a client that reads a little at a time."""
        lab, _, edge = self.start()
        done = lab.run(["curl", "-sS", "--limit-rate", "4M",
                        f"https://localhost:{edge.port}/files/body-1000003"], timeout=120,
                       **certificates.make().trusted)
        self.assertEqual(hashlib.md5(done.stdout).digest(),
                         hashlib.md5(body_of(1_000_003)).digest())


class Git(Transparency):
    def test_clone(self):
        """By its helper, which is libcurl over GnuTLS; from files that a server of Python's has."""
        self.need("git")
        lab, ca = self.lab(), certificates.make()
        env = dict(ca.trusted, HOME=lab.directory, GIT_CONFIG_NOSYSTEM="1",
                   GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a",
                   GIT_COMMITTER_EMAIL="a@b")
        script = ("git init -q files/repo && cd files/repo && head -c 300000 /dev/zero >zeros && "
                  "git add zeros && git commit -q -m one && git update-server-info")
        os.mkdir(lab.path("files"))
        done = lab.run(["sh", "-ec", script], traced=False, **env)
        self.assertEqual(done.returncode, 0, done.stderr)
        edge = servers_tls.nginx(lab, 1)
        os.rename(lab.path("files/repo"), lab.path("repo"))
        done = lab.run(["git", "clone", "-q", f"https://localhost:{edge.port}/files/repo/.git",
                        "copy"], timeout=60, **env)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(os.path.getsize(lab.path("copy", "zeros")), 300_000)
        self.assert_loaded(lab, "git-remote-http", hooked=True)
        if not self.is_bare():
            self.assertGreater(lab.total("headers_injected"), 1, lab.counters())


class Talk:
    """A server of the test's own, with TLS: answers each line, or piece, that it is told of, and keeps
    what came."""

    def __init__(self, greeting, answers, is_echo_after=b""):
        self.greeting, self.answers, self.is_echo_after = greeting, answers, is_echo_after
        self.came = bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        sock, _ = self.listener.accept()
        with certificates.make().server_context().wrap_socket(sock, server_side=True) as tls:
            tls.sendall(self.greeting)
            try:
                while data := tls.recv(65536):
                    self.came += data
                    self.answer(tls, data)
            except OSError:
                pass

    def answer(self, tls, data):
        for word, answer in self.answers:
            if word in data:
                tls.sendall(answer)
                if word == b"quit":
                    raise ConnectionError("the end")
                if word == self.is_echo_after:
                    self.answers, self.echo = [], True
                return
        if getattr(self, "echo", False):
            tls.sendall(data)


WEBSOCKET = """
import socket, ssl, sys
sock = ssl.create_default_context().wrap_socket(
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname="localhost")
sock.sendall(b"GET /chat HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: Upgrade\\r\\n"
             b"Upgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n")
head = b""
while not head.endswith(b"\\r\\n\\r\\n"):
    head += sock.recv(1)
for i in range(200):
    frame = b"\\x82\\xfe" + bytes([i, 255 - i]) * 60 + b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
    sock.sendall(frame)
    got = b""
    while len(got) < len(frame):
        got += sock.recv(65536)
    assert got == frame
print("all")
"""
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class Others(Transparency):
    """What is not HTTP/1 inside: bit-identical."""

    def both(self, talk, argv, **env):
        """Bare, and as this run is: (what came, what was said)."""
        runs = []
        for bare in (True, self.is_bare()):
            server = talk()
            with Lab(bare) as lab:
                lab.write("mail", "Subject: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                done = lab.run([str(server.port) if a == "PORT" else a.replace(
                    "PORT", str(server.port)) for a in argv], timeout=60,
                    **certificates.make().trusted, **env)
                server.thread.join(20)
                runs.append((bytes(server.came), done.returncode, done.stdout))
                self.assertEqual(lab.collector.spans, [] if bare else lab.collector.spans)
                lines = lab.counters()
        self.assertEqual(runs[0][1], 0, runs[0])
        return runs, lines

    def check(self, talk, argv):
        runs, _ = self.both(talk, argv)
        self.assertEqual(runs[1], runs[0])

    def test_smtp_by_curl(self):
        talk = functools.partial(Talk, b"220 here\r\n", [
            (b"EHLO", b"250 here\r\n"), (b"MAIL", b"250 ok\r\n"), (b"RCPT", b"250 ok\r\n"),
            (b"DATA", b"354 go\r\n"), (b".\r\n", b"250 ok\r\n"), (b"QUIT", b"221 bye\r\n")])
        self.check(talk, ["curl", "-sS", "--crlf", "--mail-from", "a@b", "--mail-rcpt", "c@d",
                          "-T", "mail", "smtps://localhost:PORT/x"])

    def test_imap_by_curl(self):
        talk = functools.partial(Talk, b"* OK here\r\n", [
            (b"A001", b"* CAPABILITY IMAP4rev1\r\nA001 OK\r\n"), (b"A002", b"A002 OK\r\n"),
            (b"A003", b"* LIST () \"/\" INBOX\r\nA003 OK\r\n"), (b"A004", b"* BYE\r\nA004 OK\r\n")])
        self.check(talk, ["curl", "-sS", "-u", "a:b", "imaps://localhost:PORT/"])

    def test_lines_by_openssl(self):
        self.need("openssl")
        talk = functools.partial(Talk, b"hello\r\n", [(b"quit", b"bye\r\n")])
        argv = ["sh", "-c", "printf 'one\\r\\nGET two\\r\\nquit\\r\\n' | openssl s_client -quiet "
                "-CAfile $SSL_CERT_FILE -connect localhost:PORT 2>/dev/null || true"]
        self.check(talk, argv)

    def test_websocket(self):
        """Its request is told of, what follows is its own."""
        talk = functools.partial(Talk, b"", [(b"\r\n\r\n", SWITCHING)], b"\r\n\r\n")
        runs, _ = self.both(talk, [PYTHON, "-c", WEBSOCKET, "PORT"])
        (bare, _, said), (came, *rest) = runs
        self.assertEqual(test_clients.LINE.sub(b"", came), bare)
        self.assertEqual((said, rest), (b"all\n", [0, b"all\n"]))
        self.assertEqual(len(test_clients.LINE.findall(came)), 0 if self.is_bare() else 1)


class Http2(Feature):
    """Recognised, counted, and left alone."""

    def counted(self, *args):
        self.need("nginx", "curl")
        lab = self.lab()
        edge = servers_tls.nginx(lab, 1)
        lab.write("page", "page\n")
        done = lab.run(["curl", "-sS", *(a.format(*edge.ports) for a in args)],
                       **certificates.make().trusted)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, b"", b"page\n2"))
        edge.stop()
        self.assertEqual(lab.collector.spans, [])
        self.assertEqual(lab.total("connections_http2"), 2, lab.counters())

    def test_by_agreement(self):
        self.counted("-w", "%{{http_version}}", "https://localhost:{1}/files/page")

    def test_in_cleartext(self):
        self.counted("-w", "%{{http_version}}", "--http2-prior-knowledge",
                     "http://localhost:{2}/files/page")
